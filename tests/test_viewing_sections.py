"""Cut surfaces: by hand, by area and by what must not change."""

import numpy as np
import pytest

from soaplib.viewing.figures import as_part
from soaplib.viewing.sections import cut_away, section

X = np.array([1.0, 0, 0])


def area(vertices, faces):
    a, b, c = (np.asarray(vertices, float)[faces[:, k]] for k in range(3))
    return 0.5 * np.linalg.norm(np.cross(b - a, c - a), axis=1).sum()


def ball(count=24):
    theta, phi = np.meshgrid(
        np.linspace(0, np.pi, count), np.arange(2 * count) * np.pi / count, indexing="ij"
    )
    vertices = np.stack([np.sin(theta) * np.cos(phi), np.cos(theta), np.sin(theta) * np.sin(phi)], -1)
    ids = np.arange(theta.size).reshape(theta.shape)
    a, b, c, d = ids[:-1], np.roll(ids, -1, 1)[:-1], np.roll(ids, -1, 1)[1:], ids[1:]
    faces = np.concatenate([np.stack([a, b, c], -1).reshape(-1, 3), np.stack([a, c, d], -1).reshape(-1, 3)])
    return vertices.reshape(-1, 3), faces


def test_a_triangle_loses_its_tip():
    """The plane x = 1 cuts the corner at (2, 0): a trapezoid of 3/4 of the area is left; on the other side 1/4."""
    triangle = as_part([[0, 0, 0], [2, 0, 0], [0, 2, 0]], [[0, 1, 2]])
    left, right = cut_away(triangle, X, X), cut_away(triangle, X, -X)
    assert area(left.vertices, left.faces) == pytest.approx(1.5)
    assert area(right.vertices, right.faces) == pytest.approx(0.5)
    assert left.vertices[left.faces].reshape(-1, 3)[:, 0].max() == pytest.approx(1)
    normals = np.cross(*(np.diff(left.vertices[left.faces], axis=1).transpose(1, 0, 2)))
    assert (normals[:, 2] > 0).all(), "as it was wound before"


def test_both_sides_of_any_cut_make_the_whole():
    vertices, faces = ball()
    part, rng = as_part(vertices, faces), np.random.default_rng(0)
    for _ in range(8):
        direction = rng.normal(size=3)
        point = 0.4 * rng.normal(size=3)
        sides = [cut_away(part, point, sign * direction) for sign in (1, -1)]
        assert sum(area(s.vertices, s.faces) for s in sides) == pytest.approx(area(vertices, faces), rel=1e-5)
        for sign, side in zip((1, -1), sides, strict=True):
            used = side.vertices[np.unique(side.faces)]
            assert (sign * ((used - point) @ direction)).max(initial=0) < 1e-5
            np.testing.assert_allclose(
                np.linalg.norm(side.normals[np.unique(side.faces)], axis=1), 1, atol=1e-5
            )


def test_nothing_and_all_are_left_by_far_planes():
    vertices, faces = ball(8)
    part = as_part(vertices, faces)
    assert len(cut_away(part, 2 * X, X).faces) == len(faces)
    assert len(cut_away(part, -2 * X, X).faces) == 0
    assert section(vertices, faces, 2 * X, X).shape == (0, 2, 3)


def test_a_ball_is_met_in_a_circle():
    segments = section(*ball(48), 0.5 * X, X)
    np.testing.assert_allclose(segments[..., 0], 0.5)
    np.testing.assert_allclose(np.linalg.norm(segments, axis=-1), 1, atol=3e-3)
    length = np.linalg.norm(np.diff(segments, axis=1), axis=-1).sum()
    assert length == pytest.approx(2 * np.pi * np.sqrt(0.75), rel=2e-3)


def test_texture_coordinates_are_cut_alike():
    part = as_part([[0, 0, 0], [2, 0, 0], [0, 2, 0]], [[0, 1, 2]], np.array([0.0, 1.0, 0.0]))
    left = cut_away(part, X, X)
    new = left.uv[3:, 0]
    np.testing.assert_allclose(new, (part.uv[0, 0] + part.uv[1, 0]) / 2, atol=1e-6)
