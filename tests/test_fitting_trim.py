"""The neck ends where the views do."""

import numpy as np
import pytest

from soaplib.fitting.trim import trim_neck
from soaplib.head import load_head, subdivide
from soaplib.head.laplacian import border_vertices

ROW = np.array([0, -5.0, 0, 0.5])  # rows grow downwards


@pytest.fixture(scope="module")
def head():
    return subdivide(load_head())[0]


@pytest.fixture(scope="module")
def trimmed(head):
    low = head.template[head.region("face") > 0.5, 1].min()
    end = head.template[head.region("neck") > 0.5, 1].min()
    height = low + 0.4 * (end - low)
    return height, trim_neck(head, head.template.astype(float), ROW, 0.5 - 5 * height)


def test_the_neck_ends_in_one_row(head, trimmed):
    height, (ended, vertices, stays) = trimmed
    skin, neck = ended.part_vertices("skin"), ended.region("neck") > 0.5
    original = border_vertices(head.faces[head.part_vertices("skin")[head.faces].all(1)], len(stays))[stays]
    end = border_vertices(ended.faces[skin[ended.faces].all(1)], len(skin)) & neck & ~original
    np.testing.assert_allclose(vertices[end, 1], height, atol=1e-9)
    assert end.sum() > 30
    assert vertices[neck & skin, 1].min() > height - 1e-9
    assert 0 < len(ended.quads) < len(head.quads)


def test_the_rest_is_left_as_it_is(head, trimmed):
    _, (ended, vertices, stays) = trimmed
    held = ~head.part_vertices("skin") | (head.region("face") > 0.5)
    assert stays[held].all()
    moved = np.abs(vertices - head.template[stays])
    assert (moved[:, [0, 2]] < 1e-9).all() and (moved[held[stays]] < 1e-9).all()
    np.testing.assert_array_equal(np.unique(ended.quads), np.arange(stays.sum()))
    np.testing.assert_array_equal(np.unique(ended.uv_quads), np.arange(len(ended.uv)))
    np.testing.assert_array_equal(ended.landmarks(ended.template), head.landmarks(head.template))
    np.testing.assert_array_equal(ended.region("lips"), head.region("lips")[stays])


def test_no_triangle_is_drawn_flat_or_over(trimmed):
    _, (ended, vertices, _) = trimmed

    def normals(at):
        a, b, c = (at[ended.faces[:, k]] for k in range(3))
        return np.cross(b - a, c - a)

    before, after = normals(ended.template.astype(float)), normals(vertices)
    near = np.linalg.norm(after - before, axis=1) > 0
    assert near.any()
    assert (np.linalg.norm(after[near], axis=1) > 0.02 * np.linalg.norm(before[near], axis=1)).all()
    assert ((before * after).sum(1)[near] > 0).all()


def test_a_cut_below_everything_takes_nothing(head):
    ended, vertices, stays = trim_neck(head, head.template.astype(float), ROW, 100.0)
    assert stays.all()
    np.testing.assert_array_equal(vertices, head.template)
    np.testing.assert_array_equal(ended.quads, head.quads)
