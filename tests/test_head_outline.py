"""Outlines: a disc measured by hand, rays and rows, and a sphere brought to an ellipse."""

import numpy as np
import pytest

from soaplib.head.laplacian import uniform_laplacian
from soaplib.head.outline import Frame, Outline, meet_outline, seen_faces

SIZE = 128
FRAME = Frame(np.array([64.0, 64.0]), np.array([64.0, 110.0]), 30.0)


def disc(width=30.0, height=30.0):
    y, x = np.mgrid[:SIZE, :SIZE] + 0.5
    return ((x - 64) / width) ** 2 + ((y - 64) / height) ** 2 < 1


def ball(rings=24, radius=30.0):
    """A sphere in pixels about the middle of the picture, counter-clockwise seen from outside (y down, z near)."""
    polar, around = np.meshgrid(np.linspace(0.02, np.pi - 0.02, rings), np.arange(48) * 2 * np.pi / 48)
    unit = np.stack([np.sin(polar) * np.sin(around), -np.cos(polar), np.sin(polar) * np.cos(around)], -1)
    ids = np.arange(polar.size).reshape(polar.shape)
    after = np.roll(ids, -1, 0)
    a, b, c, d = ids[:, :-1], ids[:, 1:], after[:, 1:], after[:, :-1]
    faces = np.concatenate([np.stack([a, b, c], -1).reshape(-1, 3), np.stack([a, c, d], -1).reshape(-1, 3)])
    return radius * unit.reshape(-1, 3) + [64, 64, 0], faces.astype(np.int32)


def iou(a, b):
    return (a & b).sum() / (a | b).sum()


def test_seen_faces_gives_both_sides_of_a_ball():
    points, faces = ball()
    ids, z = seen_faces(points, faces, (SIZE, SIZE))
    far_ids, far_z = seen_faces(points, faces, (SIZE, SIZE), behind=True)
    assert iou(ids >= 0, disc()) > 0.97 and ((ids >= 0) == (far_ids >= 0)).all()
    assert z[64, 64] == pytest.approx(30, abs=0.5) and far_z[64, 64] == pytest.approx(-30, abs=0.5)
    assert points[faces[ids[64, 64]], 2].min() > 25 and points[faces[far_ids[64, 64]], 2].max() < -25


def test_a_discs_outline_by_hand():
    outline = Outline.of(disc(), FRAME)
    np.testing.assert_allclose(outline.top, 30, atol=1)
    np.testing.assert_allclose([outline.left[64], outline.right[64]], 30, atol=1)
    np.testing.assert_allclose(outline.left[64 + 24], 18, atol=1.5)  # 18, 24, 30
    assert outline.left[5] == outline.right[5] == 0


def test_stretch_to_itself_is_1_and_to_twice_is_2():
    points = np.array([[64.0, 40, 0], [80, 64, 0], [50, 70, 5], [90, 50, -5]])
    own = Outline.of(disc(20, 20), FRAME)
    same, none = own.stretch_to(own, points, FRAME)
    np.testing.assert_allclose(same, 1)
    np.testing.assert_allclose(none, 0, atol=1e-9)
    twice, thickness = own.stretch_to(Outline.of(disc(40, 40), FRAME), points, FRAME)
    np.testing.assert_allclose(twice[[0, 3]], 2, atol=0.15)
    assert thickness[0] == pytest.approx(20, abs=1.5)


def test_a_ball_meets_an_ellipse_in_the_pictures_plane():
    points, faces = ball()
    laplacian = uniform_laplacian(faces, len(points))
    wanted = disc(40, 26)
    out = meet_outline(points, faces, laplacian, wanted.astype(np.float32), np.zeros(len(points)))
    assert iou(seen_faces(points, faces, wanted.shape)[0] >= 0, wanted) < 0.8
    assert iou(seen_faces(out, faces, wanted.shape)[0] >= 0, wanted) > 0.97
    np.testing.assert_array_equal(out[:, 2], points[:, 2])


def test_held_vertices_stay():
    points, faces = ball()
    laplacian = uniform_laplacian(faces, len(points))
    hold = np.where(points[:, 2] > 20, 1e4, 0.0)
    out = meet_outline(points, faces, laplacian, disc(36, 36).astype(np.float32), hold)
    assert np.abs(out - points)[hold > 0].max() < 0.5
    assert np.abs(out - points).max() > 4


def test_nothing_to_meet_moves_nothing():
    points, faces = ball()
    laplacian = uniform_laplacian(faces, len(points))
    out = meet_outline(points, faces, laplacian, np.zeros((SIZE, SIZE), np.float32), np.zeros(len(points)))
    np.testing.assert_array_equal(out, points)
