"""Normals under expressions: turned surfaces by hand, over seams, and nothing where nothing turns."""

import dataclasses

import numpy as np

from soaplib.animation.normals import SMALLEST_TURN, morph_normals
from soaplib.animation.posing import Poser
from soaplib.data import Part


def sheet(turns):
    """Two squares side by side in the plane z = 0, their common edge split as at a seam; turned about x by morphs."""
    square = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]], np.float32)
    vertices = np.concatenate([square, square + [1, 0, 0]]).astype(np.float32)
    faces = np.array([[0, 1, 2], [0, 2, 3], [4, 5, 6], [4, 6, 7]], np.int32)
    morphs = np.stack([vertices @ about_x(turn).T - vertices for turn in turns]).astype(np.float32)
    weights = np.tile(np.eye(5, dtype=np.float32)[:1], (8, 1))
    return Part("sheet", vertices, np.tile(np.float32([0, 0, 1]), (8, 1)), faces, vertices[:, :2],
                np.zeros((1, 1, 3), np.uint8), weights, morphs)  # fmt: skip


def about_x(angle):
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[1, 0, 0], [0, c, -s], [0, s, c]])


def test_a_turned_sheet_has_turned_normals():
    part = sheet([0.5, -1.0])
    for angle, change in zip((0.5, -1.0), morph_normals(part), strict=True):
        expected = np.tile(about_x(angle) @ [0, 0, 1], (8, 1))
        np.testing.assert_allclose(part.normals + change, expected, atol=1e-6)


def test_hardly_turned_and_still_normals_do_not_change():
    assert not morph_normals(sheet([0.0, 0.9 * SMALLEST_TURN])).any()


def test_a_fold_along_a_seam_bends_both_sides_alike():
    part = sheet([0.0])
    morphs = part.morphs.copy()
    morphs[0, [5, 6], 2] = 1  # the outer edge of the second square rises
    change = morph_normals(dataclasses.replace(part, morphs=morphs))[0]
    np.testing.assert_array_equal(change[[1, 2]], change[[4, 7]])
    slanted = change[5] + [0, 0, 1]
    np.testing.assert_allclose(slanted, np.array([-1, 0, 1]) / np.sqrt(2), atol=1e-6)
    assert change[4, 0] < -0.2 and not change[[0, 3]].any()


def test_posed_normals_follow_the_surface():
    part = sheet([0.5])
    joints = np.zeros((5, 3))
    for weight in (0.5, 1.0):
        vertices, normals = Poser.of(part, joints).pose(np.array([weight]), np.zeros((5, 3)))
        across, up = vertices[1] - vertices[0], vertices[3] - vertices[0]
        exact = np.cross(across, up) / np.linalg.norm(np.cross(across, up))
        assert normals[0] @ exact > 0.998
