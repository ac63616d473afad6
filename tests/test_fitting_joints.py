"""Joints of re-shaped, remeshed heads: where they belong, and regressors that keep them there."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from soaplib.fitting.carried import frozen_faces
from soaplib.fitting.joints import joint_places, resolved_regressor
from soaplib.fitting.remesh import remesh
from soaplib.head import subdivide


@pytest.fixture(scope="module")
def binding(head):
    """Of a head that was remeshed as one person."""
    fine, binding = subdivide(head)
    person = binding @ identity(head, 7)
    targets = np.where(person[:, 1] > 0, 3e-3, 7e-3)
    return (remesh(person, fine.faces, targets, frozen_faces(fine)).carry @ binding).tocsr()


def identity(head, seed, strength=1.0):
    shape = strength * np.random.default_rng(seed).standard_normal(head.shape_basis.shape[2])
    return head.template + head.shape_basis.astype(float) @ shape


def apart(a, b):
    return 1e3 * np.linalg.norm(a - b, axis=1)


@pytest.mark.parametrize("seed", range(4))
def test_another_persons_joints_are_found_on_the_remeshed_head(head, binding, seed):
    person = identity(head, seed)
    true = head.joint_regressor @ person
    assert apart(true, head.joint_regressor @ head.template).max() > 5
    vertices = binding @ person
    places = joint_places(head, binding, vertices)
    assert apart(places, true).max() < 0.2
    regressor = resolved_regressor(head, binding, vertices, places)
    assert apart(regressor @ vertices, true).max() < 0.5


def test_a_regressor_has_local_weights_that_are_positive_and_sum_to_one(head, binding):
    vertices = binding @ identity(head, 1)
    joints = joint_places(head, binding, vertices)
    regressor = resolved_regressor(head, binding, vertices, joints)
    assert regressor.shape == (5, len(vertices))
    np.testing.assert_allclose(regressor.sum(1), 1, atol=1e-12)
    assert regressor.min() == 0
    np.testing.assert_allclose(
        regressor @ vertices, joints, atol=2e-4
    )  # the jaw's lies behind the mouth's back
    np.testing.assert_allclose((regressor @ vertices)[[0, 1, 3, 4]], joints[[0, 1, 3, 4]], atol=1e-6)
    rest = binding @ head.template
    for row, joint in zip(regressor, head.joint_regressor @ head.template, strict=True):
        assert (row > 0).sum() < 60
        assert np.linalg.norm(rest[row > 0] - joint, axis=1).max() < 0.11
    for row, ball in zip(regressor[3:], ("left_eye", "right_eye"), strict=True):
        assert (binding[row > 0] @ head.part_vertices(ball).astype(float)).min() > 0.999


@pytest.mark.parametrize("seed", range(4))
def test_a_regressor_answers_to_another_identity(head, binding, seed):
    """Solved for one person, used for another: both a standard deviation out in all of 150 components."""
    one, two = identity(head, seed), identity(head, 100 + seed)
    regressor = resolved_regressor(head, binding, binding @ one, head.joint_regressor @ one)
    off = apart(regressor @ (binding @ two), head.joint_regressor @ two)
    assert off.mean() < 0.6 and off.max() < 1.5


def test_joints_go_with_a_head_that_is_moved_turned_and_scaled(head, binding):
    person = identity(head, 2)
    turn = Rotation.from_euler("xyz", [10, -40, 5], degrees=True).as_matrix()

    def moved(points):
        return 1.2 * points @ turn.T + [0.3, -0.1, 0.2]

    places = joint_places(head, binding, moved(binding @ person))
    assert apart(places, moved(head.joint_regressor @ person)).max() < 0.3
    regressor = resolved_regressor(head, binding, binding @ person, head.joint_regressor @ person)
    np.testing.assert_allclose(
        regressor @ moved(binding @ person), moved(head.joint_regressor @ person), atol=1e-6
    )


def test_hair_that_is_not_trusted_leaves_the_joints(head, binding):
    person = identity(head, 3)
    vertices = binding @ person
    hair = (vertices[:, 2] < -0.03) & (vertices[:, 1] > -0.12)
    grown = np.where(hair[:, None], vertices * 1.4, vertices)
    true = head.joint_regressor @ person
    places = joint_places(head, binding, grown, 1 - hair.astype(float))
    assert apart(places, true).max() < 2.5
    regressor = resolved_regressor(head, binding, grown, places)
    assert apart(regressor @ grown, places).max() < 0.01


def test_eye_joints_go_with_their_balls(head, binding):
    person = identity(head, 4)
    vertices = binding @ person
    ball = binding @ head.part_vertices("left_eye").astype(float)
    places = joint_places(head, binding, vertices + ball[:, None] * [0, 0, 0.003])
    true = head.joint_regressor @ person
    true[3] += [0, 0, 0.003]
    assert apart(places, true).max() < 0.4


def test_a_joint_outside_is_an_error(head, binding):
    joints = head.joint_regressor @ head.template + [0, 0, 5.0]
    with pytest.raises(ValueError, match=r"joint 0 at .* outside"):
        resolved_regressor(head, binding, binding @ head.template, joints)
    vertices = binding @ head.template
    regressor = resolved_regressor(head, binding, vertices, joints, strict=False)
    assert regressor.min() >= 0
    np.testing.assert_allclose(regressor.sum(1), 1)
    skin = binding @ head.part_vertices("skin").astype(float) > 0.999
    assert (regressor @ vertices)[0, 2] > vertices[skin, 2].max() - 0.01  # as far as the surface goes


@pytest.mark.parametrize("seed", range(3))
def test_joints_stay_within_a_millimetre_when_a_head_is_shaped_anew(head, binding, seed):
    """Solved once; then the twenty largest components change by a deviation or so, and all is scaled and shifted."""
    rng = np.random.default_rng(200 + seed)
    person = identity(head, seed)
    regressor = resolved_regressor(head, binding, binding @ person, head.joint_regressor @ person)
    shaped = person + head.shape_basis[..., :20] @ rng.normal(size=20)
    true, found = (
        1.15 * joints + [0.1, -0.2, 0.05]
        for joints in (head.joint_regressor @ shaped, regressor @ (binding @ shaped))
    )
    moved = regressor @ (1.15 * (binding @ shaped) + [0.1, -0.2, 0.05])
    np.testing.assert_allclose(moved, found, atol=1e-9)
    assert apart(moved, true).max() < 1.0
