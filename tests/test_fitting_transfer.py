"""Actions that go with the size and the turn of what they move."""

import dataclasses

import numpy as np
import pytest
from made_up_portrait import made_up_portrait
from scipy.spatial.transform import Rotation

from soaplib.fitting.posing import Posing
from soaplib.fitting.transfer import action_maps, unposed
from soaplib.head import load_head


@pytest.fixture(scope="module")
def head():
    return load_head()


def maps_of(head, linear, lively=None):
    lively = np.ones(len(head.template)) if lively is None else lively
    return action_maps(head, head.template @ np.asarray(linear).T, lively)


def lids(head):
    """The actions that stay as they are: the lids', and the tongue's, which moves no skin."""
    return np.array([name.startswith(("eye", "tongue")) for name in head.expression_names])


def test_the_model_moves_as_the_model(head):
    np.testing.assert_allclose(maps_of(head, np.eye(3)), np.eye(3) * np.ones((52, 1, 1)), atol=1e-9)


def test_actions_grow_with_the_face_and_lids_by_themselves(head):
    maps = maps_of(head, 1.5 * np.eye(3))
    assert maps[lids(head)] == pytest.approx(np.eye(3) * np.ones((lids(head).sum(), 1, 1)))
    diagonal = np.diagonal(maps[~lids(head)], axis1=1, axis2=2)
    assert diagonal.min() > 1.2 and diagonal.max() < 1.5 + 1e-9  # the ridge holds them back a little
    assert np.abs(maps[~lids(head)] - diagonal[..., None] * np.eye(3)).max() < 0.1


def test_actions_turn_with_the_face(head):
    turn = Rotation.from_euler("xyz", [10, -20, 5], degrees=True).as_matrix()
    maps = maps_of(head, turn)[~lids(head)]
    moved = maps @ np.array([0.3, -0.8, 0.5])
    true = turn @ np.array([0.3, -0.8, 0.5])
    straight = np.array([0.3, -0.8, 0.5]) - true
    off = np.linalg.norm(moved - true, axis=1) / np.linalg.norm(straight)
    assert off.max() < 0.8 and off.mean() < 0.5  # the ridge holds them back


def test_each_action_goes_by_its_own_feature(head):
    """A wider left half of the face: what moves the right half alone stays as it was."""
    wider = np.where(head.template[:, :1] > 0.0, head.template * [1.4, 1, 1], head.template)
    maps = action_maps(head, wider, np.ones(len(wider)))
    left, right = (head.expression_names.index(f"mouthDimple{side}") for side in ("Left", "Right"))
    assert maps[left, 0, 0] > 1.2 and maps[right, 0, 0] == pytest.approx(1, abs=0.06)


def test_what_does_not_show_does_not_count(head):
    """Hair over the upper face, however large, changes no action; without any face the actions are the model's."""
    upper = head.template[:, 1] > 0.01
    grown = np.where(upper[:, None], 2.0 * head.template, head.template)
    np.testing.assert_allclose(
        action_maps(head, grown, 1.0 - upper), action_maps(head, head.template, 1.0 - upper), atol=1e-9
    )
    nothing = action_maps(head, grown, np.zeros(len(grown)))
    np.testing.assert_allclose(nothing, np.eye(3) * np.ones((52, 1, 1)))


def test_a_face_is_unposed_by_its_own_actions(head):
    made = made_up_portrait(head, 256, (0, 0, 0), 0.5, jawOpen=0.5, mouthSmileLeft=0.8, browInnerUp=0.6)
    pose = dataclasses.replace(made.pose, pose=np.random.default_rng(0).normal(0, 0.1, (5, 3)))
    lively = np.where(head.template[:, 1] > 0.05, 0.3, 1.0)
    neutral = head.template * [1.3, 0.9, 1.1]
    joints = head.joint_regressor @ neutral
    maps = action_maps(head, neutral, lively)
    own = np.einsum("eab,vbe->vae", maps, head.expression_basis)
    person = dataclasses.replace(head, expression_basis=own)
    posed = Posing(person, pose, neutral, lively, joints).pose(neutral)
    found = unposed(head, pose, neutral, posed, lively, joints)
    by_the_models = Posing(head, pose, neutral, lively, joints).unpose(posed)
    assert np.abs(found - neutral).max() < 2e-5 < 0.05 * np.abs(by_the_models - neutral).max()
