"""Posing and its inverse, and the rig of one person carried by the binding."""

import dataclasses

import numpy as np
import pytest
import torch
from made_up_portrait import made_up_portrait

from soaplib.data import REGIONS, Geometry
from soaplib.fitting import personal_head
from soaplib.fitting.deform import liveliness
from soaplib.fitting.posing import Posing
from soaplib.fitting.transfer import personal_actions
from soaplib.head import subdivide


@pytest.fixture(scope="module")
def posed(head):
    made = made_up_portrait(head, 256, (0, 0, 0), 0.5, jawOpen=0.4, mouthSmileLeft=0.3)
    angles = np.random.default_rng(0).normal(0, 0.2, (5, 3))
    return dataclasses.replace(made.pose, pose=angles)


def test_posing_is_the_head_models_own(head, posed):
    neutral = head.template + head.shape_basis @ posed.shape
    free = dataclasses.replace(head, pose_basis=np.zeros_like(head.pose_basis))
    given = [
        torch.as_tensor(a, dtype=torch.float64)[None] for a in (posed.shape, posed.expression, posed.pose)
    ]
    expected = free.tensors(torch.float64).forward(*given)[0][0].numpy()
    np.testing.assert_allclose(Posing(head, posed, neutral).pose(neutral), expected, atol=1e-8)


def test_unpose_is_the_inverse_of_pose(head, posed):
    rng = np.random.default_rng(1)
    neutral = head.template + head.shape_basis @ posed.shape
    posing = Posing(head, posed, neutral, liveliness=rng.random(len(neutral)))
    points = neutral + rng.normal(0, 0.01, neutral.shape)
    np.testing.assert_allclose(posing.unpose(posing.pose(points)), points, atol=1e-12)
    np.testing.assert_allclose(posing.pose(posing.unpose(points)), points, atol=1e-12)


def test_liveliness_scales_the_expression(head, posed):
    neutral = head.template + head.shape_basis @ posed.shape
    dead, alive = (Posing(head, posed, neutral, liveliness=share) for share in (0.0, 1.0))
    still = Posing(head, dataclasses.replace(posed, expression=0 * posed.expression), neutral)
    np.testing.assert_array_equal(dead.pose(neutral), still.pose(neutral))
    assert np.abs(alive.pose(neutral) - dead.pose(neutral)).max() > 5e-3


def geometry_of(head):
    fine, binding = subdivide(head)
    rng = np.random.default_rng(2)
    vertices = fine.template + rng.normal(0, 1e-3, fine.template.shape)
    lively = rng.random(len(vertices)).astype(np.float32)
    joints = head.joint_regressor @ head.template + rng.normal(0, 2e-3, (5, 3))
    return Geometry(vertices, fine.quads, fine.uv, fine.uv_quads, binding, lively, joints)


def test_the_rig_is_the_binding_times_the_rig(head):
    geometry = geometry_of(head)
    person = personal_head(head, geometry)
    bound = head.bound(geometry.binding, geometry.quads, geometry.uv, geometry.uv_quads)
    expected = personal_actions(bound, geometry.vertices, geometry.liveliness.astype(np.float64))
    np.testing.assert_allclose(person.expression_basis, expected, atol=1e-7)
    np.testing.assert_allclose(person.skin_weights, geometry.binding @ head.skin_weights, atol=1e-6)
    np.testing.assert_allclose(person.skin_weights.sum(1), 1, atol=1e-5)
    np.testing.assert_array_equal(person.template, geometry.vertices.astype(np.float32))
    np.testing.assert_array_equal(person.quads, geometry.quads)
    np.testing.assert_array_equal(person.uv[person.uv_quads], geometry.uv[geometry.uv_quads])
    assert person.shape_basis.shape == (len(geometry.vertices), 3, 0)


def test_the_joints_are_the_geometrys(head):
    geometry = geometry_of(head)
    person = personal_head(head, geometry)
    np.testing.assert_allclose(person.joint_regressor @ person.template, geometry.joints, atol=5e-4)
    assert person.joint_regressor.min() >= 0
    np.testing.assert_allclose(person.joint_regressor.sum(1), 1, atol=1e-6)


def test_given_joints_are_posed_about(head, posed):
    """A turn of the neck alone leaves its own joint where it was given."""
    pose = dataclasses.replace(
        posed, pose=np.eye(5)[1][:, None] * [0.0, 0.4, 0.0], expression=0 * posed.expression
    )
    joints = head.joint_regressor @ head.template + [0.01, 0.02, -0.03]
    turned = Posing(head, pose, head.template, joints=joints)
    rigid = np.flatnonzero(head.skin_weights[:, 1] > 0.9999)
    assert len(rigid)
    kept = np.einsum("vij,j->vi", turned.turn[rigid], joints[1]) + turned.shift[rigid]
    np.testing.assert_allclose(kept, joints[1] * np.ones((len(rigid), 1)), atol=1e-4)


def test_a_geometry_of_another_head_is_refused(head):
    geometry = geometry_of(head)
    other = dataclasses.replace(geometry, binding=geometry.binding[:, :-1])
    with pytest.raises(ValueError, match="run the fitting again"):
        personal_head(head, other)


def test_expressions_fade_under_a_fringe_alone(head):
    made = made_up_portrait(head, 256, (0, 0, 0), hair=False)
    alive = liveliness(head, made.vertices, made.pose, made.portrait)
    np.testing.assert_array_equal(alive, 1)
    brows = made.portrait.landmarks[[105, 334], 1].mean()
    regions = made.portrait.regions.copy()
    regions[: int(brows)] = np.where(regions[: int(brows)] > 0, REGIONS.index("hair"), 0)
    fringe = dataclasses.replace(made.portrait, regions=regions)
    share = liveliness(head, made.vertices, made.pose, fringe)
    landmarks = head.landmarks(share[:, None] * np.ones(3))[:, 0]
    assert landmarks[10] < 0.05 and landmarks[151] < 0.2  # the forehead's middle line
    assert landmarks[[13, 14, 61, 291, 152, 1]].min() > 1 - 1e-6  # lips, chin, tip of the nose
    assert share[head.region("lids") > 0.9].min() > 0.6
    assert share.min() >= 0 and share.max() <= 1
