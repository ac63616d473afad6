"""Cameras of synthetic heads frame and turn them as real portraits are framed and turned."""

import dataclasses

import cv2
import numpy as np
import pytest

from soaplib.data import VIEW_YAWS
from soaplib.landmarks import IBUG68
from soaplib.multiview.geometric import view_cameras
from soaplib.portrait.crop import cut_matte, cut_row, head_box
from soaplib.render import camera_rotation, project
from soaplib.synthetic.drawing.camera import Turn, draw_turn, make_cameras

SIZE = 256


def framed(head, turned, size=SIZE):
    return make_cameras(turned, head, head.template, head.template, size)


def straight(**changes):
    return dataclasses.replace(Turn(0.0, 0.0, 0.0, 1.0, 1.0, (0.0, 0.0)), **changes)


@pytest.mark.parametrize("yaw", [0.0, 25.0, -30.0])
def test_frame_is_that_of_a_real_portrait(head, yaw):
    """A picture taken by the first view's camera at another scale, run through the crop of real portraits."""
    cameras = framed(head, straight(yaw=yaw, pitch=4.0, roll=-3.0))
    # The same picture, larger and off the middle, as a photograph has it.
    camera = np.diag((3.0, 3.0, 3.0, 1.0)) @ cameras.views[0]
    camera[:2, 3] += (200, 150)
    landmarks = project(head.landmarks(head.template).astype(float), camera)
    pixels = project(head.template.astype(float), camera)
    matte = np.zeros((1100, 1200), np.float32)
    for face in head.faces:
        cv2.fillConvexPoly(matte, np.rint(pixels[face]).astype(np.int32), 1.0)
    row = cut_row(landmarks)
    box = head_box(matte * (np.arange(1100) < row)[:, None], landmarks)
    corner = (np.array([box.left, box.top]) - (200, 150)) / 3
    assert np.abs(corner).max() < 3 and abs(box.side / 3 - SIZE) < 3
    assert abs((row - 150) / 3 - cameras.cut) < 0.01
    assert cut_matte(matte, landmarks)[int(row) + 3 :].max() == 0


def test_views_are_those_of_real_portraits(head):
    cameras = framed(head, straight(yaw=10.0, roll=5.0))
    skull = (head.region("scalp") > 0.5) | (head.region("face") > 0.5)
    pivot = (head.template[skull].min(0) + head.template[skull].max(0)) / 2
    assert np.allclose(view_cameras(cameras.views[0], pivot.astype(float)), cameras.views, atol=1e-9)
    rows = project(landmarks := head.landmarks(head.template).astype(float), cameras.views)[..., 1]
    assert np.abs(rows - rows[0]).max() < 1e-6 and len(landmarks) == 478  # one cut serves all


def test_turns_have_the_stated_signs(head):
    nose = head.landmarks(head.template)[4].astype(float)
    middle = head.template.mean(0).astype(float)

    def moved(**changes):
        rotation = straight(**changes).rotation()
        return (rotation @ (nose - middle)) - (nose - middle)

    assert moved(yaw=20.0)[0] > 0.01  # to the picture's right
    assert moved(pitch=15.0)[1] < -0.01  # down
    crown = straight(roll=10.0).rotation() @ np.array([0, 1.0, 0])
    assert crown[0] < -0.1  # to the left
    cameras = framed(head, straight(yaw=20.0, pitch=-7.0, roll=4.0))
    assert np.allclose(
        camera_rotation(cameras.views[0]), straight(yaw=20.0, pitch=-7.0, roll=4.0).rotation(), atol=1e-9
    )
    assert np.allclose(camera_rotation(cameras.portrait), camera_rotation(cameras.views[0]), atol=1e-6)
    assert len(cameras.views) == len(VIEW_YAWS)


def test_a_far_portrait_is_the_first_view(head):
    cameras = framed(head, straight(yaw=15.0, distance=500.0))
    far = project(head.landmarks(head.template).astype(float), cameras.portrait)
    assert np.abs(far - project(head.landmarks(head.template).astype(float), cameras.views[0])).max() < 0.2
    assert abs(cameras.portrait_cut - cameras.cut) < 0.2


def test_a_near_portrait_is_in_perspective_and_framed_alike(head):
    near = framed(head, straight(distance=0.45))
    pixels = project(head.landmarks(head.template).astype(float), near.portrait)
    assert (pixels > 0).all() and (pixels < SIZE).all()
    rows = pixels[list(IBUG68), 1]
    assert abs(near.portrait_cut - (rows.max() + 0.2 * np.ptp(rows))) < 1e-6
    flat = project(head.landmarks(head.template).astype(float), near.views[0])

    def nose_share(p):
        return np.ptp(p[[98, 327], 0]) / np.ptp(p[[234, 454], 0])

    assert nose_share(pixels) > 1.1 * nose_share(flat)  # what is near is large


def test_zoom_and_shift_move_the_portrait_only(head):
    plain, moved = framed(head, straight()), framed(head, straight(zoom=1.1, shift=(0.02, -0.01)))
    assert np.array_equal(plain.views, moved.views)
    before, after = (project(head.landmarks(head.template).astype(float), c.portrait) for c in (plain, moved))
    assert abs(np.ptp(after[:, 0]) / np.ptp(before[:, 0]) - 1 / 1.1) < 1e-6
    # Shifting the frame to the right moves the head to the left by so much of the frame's side.
    expected = (before - SIZE / 2) / 1.1 + SIZE / 2 - SIZE * np.array([0.02, -0.01])
    assert np.abs(after - expected).max() < 1e-6


def test_drawn_turns_stay_in_their_bounds():
    turns = [draw_turn(np.random.default_rng(seed)) for seed in range(300)]
    for name, bound in (("yaw", 35), ("pitch", 15), ("roll", 15)):
        angles = np.array([getattr(turn, name) for turn in turns])
        assert np.abs(angles).max() <= bound and angles.std() > bound / 5 and abs(angles.mean()) < bound / 8
    assert draw_turn(np.random.default_rng(3)) == turns[3]
