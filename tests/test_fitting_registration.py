"""Registration to a surface, on surfaces whose every number is known."""

import dataclasses

import numpy as np
import pytest
from made_up_portrait import made_up_portrait
from scipy.spatial.transform import Rotation

from soaplib.data import HeadPose, Views
from soaplib.fitting import moved_views, stand
from soaplib.fitting.energy import seen_faces
from soaplib.fitting.registration import register, settle


@pytest.fixture(scope="module")
def someone(head):
    """A surface of the model's family that smiles, turned, scaled and shifted; with what it was made of."""
    shape = np.zeros(head.shape_basis.shape[2])
    shape[:6] = 1.0, -0.8, 0.7, -0.5, 0.4, 0.3
    expression = head.expression(jawOpen=0.3, mouthSmileLeft=0.6, mouthSmileRight=0.6).astype(float)
    turn = Rotation.from_euler("xyz", [9, -4, 3], degrees=True).as_matrix()
    rest = head.template + head.shape_basis @ shape + head.expression_basis @ expression
    return 0.92 * rest @ turn.T + [0.004, -0.003, 0.006], turn, shape, expression


def _face(head):
    return (head.region("face") > 0.5) & head.part_vertices("skin") & (head.region("mouth_cavity") < 0.5)


def _found(head, surface, bare=None):
    start = np.zeros(head.shape_basis.shape[2]), np.zeros(len(head.expression_names))
    return register(head, surface, seen_faces(head), *start, bare=bare)


def test_a_member_of_the_family_is_found(head, someone):
    surface, turn, _, _ = someone
    found = _found(head, surface)
    error = Rotation.from_matrix(found.turn.T @ turn).magnitude()
    assert np.degrees(error) < 1.5
    assert found.scale == pytest.approx(0.92, rel=0.04)
    off = np.linalg.norm(found.vertices(head) - surface, axis=1)[_face(head)]
    start = np.linalg.norm(head.template - surface, axis=1)[_face(head)]
    assert off.mean() < 2.5e-3 < 0.25 * start.mean()
    assert (found.expression >= 0).all() and (found.expression <= 1).all()
    np.testing.assert_allclose(
        found.place(np.eye(3)), np.eye(3) @ found.matrix[:3, :3].T + found.matrix[:3, 3]
    )


def test_hair_does_not_lift_the_head(head, someone):
    surface, turn, _, _ = someone
    hair = head.region("scalp") > 0.5
    centre = surface[hair].mean(0)
    grown = np.where(hair[:, None], centre + 1.25 * (surface - centre), surface)
    found = _found(head, grown, np.where(hair, 0.0, 1.0))
    assert np.degrees(Rotation.from_matrix(found.turn.T @ turn).magnitude()) < 2
    assert np.linalg.norm(found.vertices(head) - surface, axis=1)[_face(head)].mean() < 3e-3


def test_settling_undoes_a_slide(head, someone):
    surface, _, _, _ = someone
    centre = surface[_face(head)].mean(0)
    slid = surface + 0.006 * np.sin(40 * (surface - centre)[:, [1, 2, 0]])
    out = settle(head, surface, slid, np.ones(len(slid)))
    core = _face(head) & (head.region("lids") < 0.01) & (head.region("lips") < 0.01)
    before, after = (np.linalg.norm(points - surface, axis=1)[core].mean() for points in (slid, out))
    assert after < 0.75 * before
    still = ~head.part_vertices("skin")
    np.testing.assert_array_equal(out[still], slid[still])
    np.testing.assert_allclose(settle(head, surface, slid, np.zeros(len(slid))), slid)


def test_geometric_views_leave_the_first_fit_alone(head):
    made = made_up_portrait(head)
    empty = np.zeros((6, 8, 8), np.float32)
    views = Views(
        np.ones((6, 8, 8, 3)), np.zeros((6, 8, 8, 3)), empty, np.tile(np.eye(4), (6, 1, 1)), "geometric"
    )
    assert stand(views, made.portrait, head, made.pose) is made.pose


def test_moved_views_show_the_same_from_another_world():
    rng = np.random.default_rng(3)
    before = np.eye(4)
    before[:3] = rng.normal(size=(3, 4))
    change = np.eye(4)
    change[:3, :3] = 0.9 * Rotation.from_rotvec([0.2, 0.1, -0.1]).as_matrix()
    change[:3, 3] = 0.1, 0.2, -0.1
    pose = HeadPose(np.zeros(1), np.zeros(1), np.zeros((5, 3)), before, 0.0)
    after = dataclasses.replace(pose, camera=before @ change)
    cameras = np.tile(np.eye(4), (6, 1, 1))
    cameras[:, :3] = rng.normal(size=(6, 3, 4))
    views = Views(np.ones((6, 2, 2, 3)), np.zeros((6, 2, 2, 3)), np.zeros((6, 2, 2)), cameras, "truth")
    point = np.array([0.3, -0.2, 0.5, 1.0])
    moved = moved_views(views, pose, after)
    np.testing.assert_allclose(moved.cameras @ point, cameras @ (change @ point))
