"""Triangles that cross: by hand, and against the slow way."""

import numpy as np
import pytest
import trimesh

from soaplib.fitting.crossing import crossing_faces


def test_a_triangle_through_another_one():
    flat = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0.0]])
    through = np.array([[0.2, 0.2, -1], [0.3, 0.2, -1], [0.2, 0.3, 1.0]])
    beside = through + [2, 0, 0]
    faces = np.arange(9).reshape(3, 3)
    np.testing.assert_array_equal(
        crossing_faces(np.concatenate([flat, through, beside]), faces), [True, True, False]
    )
    above = through + [0, 0, 1.5]
    assert not crossing_faces(np.concatenate([flat, above]), faces[:2]).any()
    assert crossing_faces(np.zeros((0, 3)), np.zeros((0, 3), int)).shape == (0,)


def test_neighbours_do_not_cross():
    ball = trimesh.creation.icosphere(3)
    assert not crossing_faces(ball.vertices, ball.faces).any()


def test_two_balls_cross_along_a_ring():
    ball = trimesh.creation.icosphere(4)
    vertices = np.concatenate([ball.vertices, ball.vertices + [1.0, 0.01, 0.02]])
    faces = np.concatenate([ball.faces, ball.faces + len(ball.vertices)])
    found = crossing_faces(vertices, faces)
    middles = vertices[faces].mean(1)
    assert 100 < found.sum() < 700 and np.abs(middles[found, 0] - 0.5).max() < 0.12
    asked = middles[:, 1] > 0
    near = crossing_faces(vertices, faces, asked)
    np.testing.assert_array_equal(near[asked], found[asked])
    assert not (near & ~found).any()


@pytest.mark.parametrize("seed", range(3))
def test_it_is_the_slow_way(seed):
    rng = np.random.default_rng(seed)
    vertices = rng.random((60, 3))
    faces = rng.permutation(60).reshape(20, 3)
    slow = np.zeros(20, bool)
    for f in range(20):
        for g in range(20):
            if f != g and _meets(vertices[faces[f]], vertices[faces[g]]):
                slow[f] = slow[g] = True
    np.testing.assert_array_equal(crossing_faces(vertices, faces), slow)


def _meets(triangle, other):
    for p, q in zip(triangle, np.roll(triangle, -1, 0), strict=True):
        matrix = np.stack([other[1] - other[0], other[2] - other[0], p - q], 1)
        u, v, t = np.linalg.solve(matrix, p - other[0])
        if u > 0 and v > 0 and u + v < 1 and 0 < t < 1:
            return True
    return False
