"""Completion: by symmetry, smoothly, with grain; and no texel left empty."""

import functools

import numpy as np
import pytest

from soaplib.head import load_head
from soaplib.texture.atlas import lay_out
from soaplib.texture.blend import Painted
from soaplib.texture.complete import complete_by_symmetry, complete_smoothly, mirrored, pad
from soaplib.texture.surface import graph_laplacian
from soaplib.texture.texels import at_texels, find_texels

SIZE = 512


@functools.cache
def scene():
    head = load_head()
    layout = lay_out(head)
    texels = find_texels(layout.uv, layout.faces, (SIZE, SIZE))
    faces = layout.source[layout.faces]
    return head, layout, texels, faces, graph_laplacian(faces, head.template)


def symmetric_colours(points):
    x, y, z = 25 * points.T
    return np.stack([0.5 + 0.4 * np.sin(y), 0.5 + 0.4 * np.cos(z), 0.4 + 0.3 * np.cos(x)], -1)


def test_a_texel_and_its_mirror_are_mirrored_places_on_the_head():
    head, layout, texels, faces, _ = scene()
    points = at_texels(texels, faces, head.template)
    other = mirrored(Painted(points, np.ones(len(points), np.float32)), texels, layout)
    chart = layout.chart[layout.faces[texels.face, 0]]
    fair = (other.trust > 0) & np.isin(chart, [0, *np.flatnonzero(np.abs(layout_middles()) < 0.01)])
    assert fair[chart == 0].mean() > 0.97
    apart = np.linalg.norm(other.colour[fair] - points[fair] * [-1, 1, 1], axis=1)
    assert np.percentile(apart, 95) < 2e-3


def layout_middles():
    """Mean x of each chart: those of single eyes lie to a side."""
    head, layout, *_ = scene()
    return np.array(
        [head.template[layout.source[layout.chart == c], 0].mean() for c in range(layout.chart.max() + 1)]
    )


def test_a_missing_half_comes_back_from_the_other():
    head, layout, texels, faces, laplacian = scene()
    points = at_texels(texels, faces, head.template)
    truth = symmetric_colours(points).astype(np.float32)
    known = (points[:, 0] > -0.02).astype(np.float32)
    filled = complete_by_symmetry(Painted(truth * known[:, None], known), texels, layout, laplacian)
    chart = layout.chart[layout.faces[texels.face, 0]]
    lost = (known == 0) & (chart == 0) & (filled.trust > 0.9)
    assert lost.sum() > 0.9 * ((known == 0) & (chart == 0)).sum()
    assert -10 * np.log10(((filled.colour - truth)[lost] ** 2).mean()) > 30
    assert np.array_equal(filled.colour[known > 0], truth[known > 0])


def test_the_mirrored_half_meets_the_known_one_in_brightness():
    head, layout, texels, faces, laplacian = scene()
    points = at_texels(texels, faces, head.template)
    light = (0.5 + 2 * points[:, :1]).repeat(3, 1).astype(np.float32)  # lit from the head's left
    known = (points[:, 0] > -0.03).astype(np.float32)
    filled = complete_by_symmetry(Painted(light, known), texels, layout, laplacian)
    rim = (points[:, 0] < -0.03) & (points[:, 0] > -0.032) & (filled.trust > 0.9) & (points[:, 2] > 0)
    apart = np.abs(filled.colour[rim] - light[rim]).max(1)  # 0.12 if the other half were only copied
    assert np.median(apart) < 0.05


def test_what_is_known_stays_and_nothing_is_left_out():
    head, layout, texels, faces, laplacian = scene()
    points = at_texels(texels, faces, head.template)
    known = (points[:, 2] > -0.02).astype(np.float32)
    colour = np.full((len(points), 3), 0.6, np.float32)
    colour[known == 0] = 0
    nothing = np.zeros(len(head.template))
    filled = complete_smoothly(
        Painted(colour, known), texels, layout, laplacian, np.zeros((len(nothing), 3)), nothing
    )
    assert np.array_equal(filled[known > 0], colour[known > 0])
    assert np.allclose(filled, 0.6, atol=0.02)


def test_grain_goes_on_where_nothing_is_known():
    head, layout, texels, faces, laplacian = scene()
    points = at_texels(texels, faces, head.template)
    rng = np.random.default_rng(0)
    grain = rng.normal(0, 0.04, (len(points), 1)).repeat(3, 1)
    known = (points[:, 1] < 0.06).astype(np.float32)
    nothing = np.zeros(len(head.template))
    painted = Painted((0.5 + grain).astype(np.float32), known)
    filled = complete_smoothly(painted, texels, layout, laplacian, np.zeros((len(nothing), 3)), nothing)
    unseen = known == 0
    assert 0.4 < filled[unseen].std() / filled[~unseen].std() < 1.2
    assert abs(filled[unseen].mean() - 0.5) < 0.02


def test_a_wish_is_granted_where_nothing_is_seen():
    head, layout, texels, faces, laplacian = scene()
    wish = head.region("mouth_cavity").astype(float)
    dark = np.tile([0.1, 0.0, 0.0], (len(wish), 1))
    known = (at_texels(texels, faces, wish.astype(np.float32)) < 0.05).astype(np.float32)
    painted = Painted(np.full((len(known), 3), 0.7, np.float32), known)
    filled = complete_smoothly(painted, texels, layout, laplacian, dark, wish)
    inner = at_texels(texels, faces, wish.astype(np.float32)) > 0.98
    assert np.abs(np.median(filled[inner], axis=0) - [0.1, 0, 0]).max() < 0.05


def test_nothing_known_at_all_is_an_error():
    head, layout, texels, faces, laplacian = scene()
    count = len(head.template)
    blank = Painted(np.zeros((len(texels.index), 3), np.float32), np.zeros(len(texels.index), np.float32))
    with pytest.raises(ValueError, match="nothing is known"):
        complete_smoothly(blank, texels, layout, laplacian, np.zeros((count, 3)), np.zeros(count))


def test_padding_repeats_the_nearest_texel_everywhere():
    covered = np.zeros((40, 60), bool)
    covered[10:20, 10:20], covered[25:35, 40:50] = True, True
    picture = np.zeros((40, 60, 3), np.uint8)
    picture[10:20, 10:20], picture[25:35, 40:50] = [200, 10, 10], [10, 200, 10]
    out = pad(picture, covered)
    assert np.array_equal(out[covered], picture[covered])
    assert (out[2:28, 2:28] == [200, 10, 10]).all(-1).mean() > 0.95  # eight texels and more past the border
    assert (out.max(-1) == 200).all()
    with pytest.raises(ValueError, match="covered"):
        pad(picture, np.zeros_like(covered))
