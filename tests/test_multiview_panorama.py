"""The panorama: its chart by hand, and colours completed label by label."""

import numpy as np
import pytest

from soaplib.data import REGIONS
from soaplib.head.cover import HAIR, SKIN
from soaplib.multiview.panorama import WIDTH, Chart, complete

CHART = Chart(axis=np.array([0.0, 0.0]), middle=0.0, radius=0.1, low=-0.2, high=0.1 * np.pi / 2)


def test_directions_by_hand():
    points = np.array([[0, 0, 1], [1, 0, 0], [-1, 0, 0], [0, -0.2, 1]], float)
    rows = CHART.height
    middle = CHART.high / (CHART.high - CHART.low) * rows
    expected = [[WIDTH / 2, middle], [WIDTH * 3 / 4, middle], [WIDTH / 4, middle], [WIDTH / 2, rows]]
    np.testing.assert_allclose(CHART.pixels(points), expected, atol=1e-9)
    np.testing.assert_allclose(CHART.pixels(np.array([1e-12, 0.5, 0.0]))[1], 0, atol=1e-6)  # the crown


def test_height_above_the_middle_is_an_arc():
    """45 degrees up is half way to the crown, at any distance."""
    rows = CHART.pixels(np.array([[0, 0.1, 0.1], [0, 3.0, 3.0], [0, 0.05, 0.05]]))[:, 1]
    np.testing.assert_allclose(rows, CHART.high / 2 / (CHART.high - CHART.low) * CHART.height, atol=1e-9)


def test_pixels_are_square_at_the_skulls_radius():
    a, b = CHART.pixels(np.array([[0.0, -0.1, 0.1], [0.0, -0.11, 0.1]]))
    assert b[1] - a[1] == pytest.approx(0.01 / (2 * np.pi * 0.1) * WIDTH, rel=0.01)


def tube(rings=24, sectors=96, radius=0.1):
    """A tube round the axis, open at both ends; triangles run across the seam behind."""
    angle = np.arange(sectors) / sectors * 2 * np.pi + 0.01
    ring = np.stack([radius * np.sin(angle), 0 * angle, radius * np.cos(angle)], 1)
    vertices = np.concatenate([ring + [0, y, 0] for y in np.linspace(-0.15, 0.1, rings)])
    start = np.arange(rings - 1)[:, None] * sectors
    i, j = (start + np.arange(sectors)).ravel(), (start + (np.arange(sectors) + 1) % sectors).ravel()
    faces = np.concatenate([np.stack([i, j, j + sectors], 1), np.stack([i, j + sectors, i + sectors], 1)])
    return vertices, faces.astype(np.int32)


def test_triangles_wrap_round_the_seam():
    vertices, faces = tube()
    values, covered = CHART.positions(vertices, faces, vertices)
    rows = CHART.pixels(vertices)[:, 1]
    assert covered[int(rows.min()) + 1 : int(rows.max()) - 1].all()
    rows, columns = np.nonzero(covered)
    off = CHART.pixels(values[rows, columns]) - np.stack([columns + 0.5, rows + 0.5], 1)
    off[:, 0] -= WIDTH * np.round(off[:, 0] / WIDTH)
    assert np.abs(off).max() < 0.6  # the map of a small triangle is nearly flat


def test_the_outermost_surface_is_seen():
    vertices, faces = tube()
    both = np.concatenate([vertices * [0.5, 1, 0.5], vertices])
    which = np.repeat([[0.0], [1.0]], len(vertices), 0)
    half = CHART.height * 2 // 3  # below the middle both fall on the same rows
    for order in (1, -1):
        joined = np.concatenate([faces, faces + len(vertices)][::order])
        values, covered = CHART.positions(both, joined, which)
        assert covered[half:].any() and (values[half:][covered[half:]] > 0.99).all()


def labelled(height=160):
    """Hair in the upper half of a map and skin below; known in front, with grain."""
    rng = np.random.default_rng(0)
    labels = np.full((height, WIDTH), SKIN)
    labels[: height // 2] = HAIR
    colours = np.where((labels == HAIR)[..., None], [0.2, 0.1, 0.05], [0.9, 0.7, 0.6])
    colours = (colours + rng.normal(0, 0.02, colours.shape)).clip(0, 1).astype(np.float32)
    known = np.zeros((height, WIDTH), bool)
    known[5:-5, WIDTH // 3 : WIDTH * 2 // 3] = True
    return np.where(known[..., None], colours, 0), known, labels


def test_known_pixels_are_kept():
    colours, known, labels = labelled()
    out = complete(colours, known, labels)
    deep = known.copy()
    deep[:14], deep[-14:] = False, False
    deep[:, : WIDTH // 3 + 9] = deep[:, WIDTH * 2 // 3 - 9 :] = False
    np.testing.assert_array_equal(out[deep], colours[deep])
    assert out.min() >= 0 and out.max() <= 1


def test_labels_do_not_leak():
    colours, known, labels = labelled()
    out = complete(colours, known, labels)
    height = len(labels)
    hair, skin = out[: height // 2 - 16], out[height // 2 + 16 :]
    assert np.abs(hair.mean((0, 1)) - [0.2, 0.1, 0.05]).max() < 0.03
    assert np.abs(skin.mean((0, 1)) - [0.9, 0.7, 0.6]).max() < 0.03
    assert hair[..., 0].max() < 0.45 and skin[..., 0].min() > 0.65
    assert hair[:, :50].std() > 0.005  # hair that nobody saw has grain, too


@pytest.mark.parametrize("colour", [(0.3, 0.6, 0.1), (1.0, 1.0, 1.0)])
def test_a_constant_colour_stays_constant(colour):
    colours, known, labels = labelled()
    plain = np.where(known[..., None], np.float32(colour), np.float32(0))
    np.testing.assert_allclose(
        complete(plain, known, labels), np.broadcast_to(colour, plain.shape), atol=2e-3
    )


def test_one_side_is_the_mirror_of_the_other():
    """A mark on the known cheek shows on the unknown one; darkness in front does not wander."""
    colours, known, labels = labelled()
    known[:, WIDTH // 2 + 10 :] = False
    mark = slice(100, 112), slice(WIDTH // 2 - 80, WIDTH // 2 - 68)
    colours[mark] = [0.2, 0.2, 0.9]
    out = complete(np.where(known[..., None], colours, 0), known, labels)
    mirrored = out[:, ::-1][mark].mean((0, 1))
    assert mirrored[2] > mirrored[0] + 0.4


def test_little_is_known():
    """A label that nobody saw takes the colours about it; nothing known at all gives no exception."""
    colours, known, labels = labelled()
    labels[-20:] = REGIONS.index("clothes")
    known[-20:] = False
    out = complete(colours, known, labels)
    assert np.isfinite(out).all()
    assert out[-10:, ..., 0].mean() > 0.6  # skin is nearer than hair
    assert np.isfinite(complete(0 * colours, np.zeros_like(known), labels)).all()


def test_the_same_input_gives_the_same_bits():
    assert np.array_equal(complete(*labelled()), complete(*labelled()))


def test_small_islands_of_a_label_take_what_lies_about_them():
    colours, known, labels = labelled()
    expected = complete(colours, known, labels)
    island = labels.copy()
    island[100:115, 30:55] = HAIR
    np.testing.assert_array_equal(complete(colours, known, island), expected)
    large = labels.copy()
    large[85:155, 20:80] = HAIR
    assert np.abs(complete(colours, known, large) - expected)[110:130, 40:60].mean() > 0.3


def test_shadows_beside_a_border_are_not_mirrored():
    """A dark line along the hair's edge on the known side leaves no line on the skin of the other."""
    colours, known, labels = labelled()
    known[:, : WIDTH // 2] &= np.arange(WIDTH)[: WIDTH // 2] > WIDTH * 0.45
    labels[100:150, int(WIDTH * 0.6) : int(WIDTH * 0.64)] = HAIR
    labels[60:100, int(WIDTH * 0.6) : int(WIDTH * 0.64)] = HAIR
    colours[100:150, int(WIDTH * 0.6) - 3 : int(WIDTH * 0.6)] = 0.1
    out = complete(colours, known, labels)
    column = WIDTH - int(WIDTH * 0.6)
    assert out[105:145, column - 4 : column + 6].mean(-1).min() > 0.45
