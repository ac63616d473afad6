"""The skin's layout: nothing flipped, nothing double, upright, and the face large."""

import functools

import numpy as np
import pytest

from soaplib.head import load_head
from soaplib.texture.atlas import _stretch, lay_out
from soaplib.texture.texels import at_texels, at_vertices, find_texels


@functools.cache
def head():
    return load_head()


@functools.cache
def layout():
    return lay_out(head())


def signed_areas(uv, faces):
    a, b = uv[faces[:, 1]] - uv[faces[:, 0]], uv[faces[:, 2]] - uv[faces[:, 0]]
    return (a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]) / 2


def test_no_face_is_flipped_and_all_lie_in_the_square():
    assert (signed_areas(layout().uv.astype(float), layout().faces) > 0).all()
    assert layout().uv.min() > 0 and layout().uv.max() < 1


def test_no_texel_belongs_to_two_faces():
    uv, faces = layout().uv, layout().faces
    texels = find_texels(uv, faces, (1024, 1024))
    backwards = find_texels(uv, faces[::-1].copy(), (1024, 1024))
    assert np.array_equal(texels.index, backwards.index)
    other = len(faces) - 1 - backwards.face
    inside = texels.weights.min(1) > 1e-3  # a centre on an edge belongs to both sides
    assert (texels.face == other)[inside].all()


def test_the_layout_covers_the_skin_and_splits_only_at_seams():
    skin = head().part_vertices("skin")
    quads = head().quads[skin[head().quads].all(1)]
    assert set(layout().source) == set(quads.ravel())
    assert len(layout().source) < 1.1 * len(np.unique(quads))


def test_charts_keep_their_distance():
    texels = find_texels(layout().uv, layout().faces, (1024, 1024))
    chart = texels.picture(layout().chart[layout().faces[texels.face, 0]] + 1)
    for dy, dx in ((0, 5), (5, 0), (4, 4), (4, -4)):
        shifted = np.roll(chart, (dy, dx), (0, 1))
        assert not ((chart > 0) & (shifted > 0) & (chart != shifted)).any()


def test_the_face_stands_upright_and_is_large():
    eyes = head().landmarks(head().template)[[33, 263]]
    assert eyes[0, 0] < eyes[1, 0]
    face = (head().region("face") > 0.5)[layout().source] & (layout().chart == 0)
    at, points = layout().uv[face], head().template[layout().source][face]
    assert np.corrcoef(at[:, 1], points[:, 1])[0, 1] > 0.9
    assert np.corrcoef(at[:, 0], points[:, 0])[0, 1] > 0.9
    assert np.ptp(at[:, 0]) > 0.3 and np.ptp(at[:, 1]) > 0.35


def test_texels_are_finer_than_a_portrait_of_250_pixels_a_face():
    face = (head().region("face") > 0.5) & (head().region("eye_sockets") < 0.5)
    points, uv = head().template[layout().source], layout().uv * 2048
    width = np.ptp(head().template[face, 0])
    of = layout().faces[face[layout().source[layout().faces]].all(1)]
    a, b = points[of[:, 1]] - points[of[:, 0]], points[of[:, 2]] - points[of[:, 0]]
    seen = np.abs(a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]) / 2 * (250 / width) ** 2  # pixels, from the front
    texels = signed_areas(uv, of)
    front = np.cross(a, b)[:, 2] > 0.5 * np.linalg.norm(np.cross(a, b), axis=1)
    assert np.percentile(np.sqrt(texels[front] / seen[front]), 5) > 1.5


@pytest.mark.parametrize("span", [(0.3, 0.7, 0.6), (0.05, 0.3, 0.5), (0.4, 0.6, 0.1)])
def test_the_stretch_is_monotone_and_onto(span):
    t = np.linspace(0, 1, 997)
    out = _stretch(t, *span)
    assert out[0] == 0 and out[-1] == pytest.approx(1)
    assert (np.diff(out) > 0).all()
    gained = np.interp(span[1], t, out) - np.interp(span[0], t, out)
    assert gained > min(0.8 * span[2], span[1] - span[0] - 1e-9)


def test_the_same_head_gives_the_same_bits():
    assert lay_out(head()).uv.tobytes() == layout().uv.tobytes()


def test_a_head_without_skin_is_refused():
    import dataclasses

    bare = dataclasses.replace(head(), part=np.ones_like(head().part))
    with pytest.raises(ValueError, match="skin"):
        lay_out(bare)


def test_values_go_to_texels_and_back():
    uv = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32)
    faces = np.array([[0, 1, 2], [0, 2, 3]], np.int32)
    texels = find_texels(uv, faces, (8, 16))
    assert len(texels.index) == 128 and texels.covered().all()
    values = at_texels(texels, faces, np.array([[0.0], [16.0], [16.0], [0.0]]))
    assert np.allclose(texels.picture(values)[3, :, 0], np.arange(16) + 0.5, atol=1e-4)
    flat, trust = at_vertices(texels, faces, np.full((128, 2), 0.25), np.full(128, 0.5, np.float32), 5)
    assert np.allclose(flat[:4], 0.25) and np.allclose(trust[:4], 0.5)
    assert trust[4] == 0 and (flat[4] == 0).all()
