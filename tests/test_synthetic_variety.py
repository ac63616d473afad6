"""Measures of variety against sets whose variety is known."""

import numpy as np
import pytest

from soaplib.synthetic.dataset.variety import (
    COUNTED,
    colour_histogram,
    count_kinds,
    mean_pairwise,
    part_colours,
    shape_spectrum,
    silhouette_ious,
)
from soaplib.synthetic.pieces import LABELS


def test_spectrum_of_known_axes():
    rng = np.random.default_rng(0)
    mean = rng.normal(size=(40, 3))
    axes = np.linalg.qr(rng.normal(size=(120, 2)))[0].T
    amounts = rng.normal(size=(200, 2)) * [3.0, 1.0]
    found = shape_spectrum(mean + (amounts @ axes).reshape(-1, 40, 3))
    own = np.linalg.eigvalsh(np.cov(amounts.T))[::-1]
    assert np.allclose(found.variances[:2], own) and found.variances[2:].max() < 1e-9
    assert np.allclose(found.mean, mean + (amounts.mean(0) @ axes).reshape(40, 3))
    spanned = found.axes[:2].reshape(2, -1)
    assert np.allclose(spanned @ axes.T @ axes, spanned, atol=1e-6)
    assert found.needed(0.5) == 1 and found.needed(0.999) == 2
    assert np.isclose(found.dimension, own.sum() ** 2 / (own**2).sum())
    assert np.isclose(found.spread, np.sqrt(own.sum() / 40))


def test_spectrum_keeps_variance_and_orthogonality():
    shapes = np.random.default_rng(1).normal(size=(9, 50, 3))
    found = shape_spectrum(shapes)
    assert found.axes.shape == (8, 50, 3)
    flat = found.axes.reshape(8, -1)
    assert np.allclose(flat @ flat.T, np.eye(8), atol=1e-9)
    assert np.isclose(found.variances.sum(), shapes.var(0, ddof=1).sum())
    assert (np.diff(found.variances) <= 0).all() and found.needed(1.0) <= 8
    back = found.mean + np.tensordot((shapes - found.mean).reshape(9, -1) @ flat.T, found.axes, 1)
    assert np.allclose(back, shapes)


def test_equal_shapes_have_no_variety():
    found = shape_spectrum(np.ones((4, 5, 3)))
    assert found.variances.max() == 0 and found.spread == 0 and np.isfinite(found.axes).all()
    assert 1 <= found.needed(0.9) <= 3


@pytest.mark.parametrize("shape", [(1, 5, 3), (4, 15), (4, 5, 2)])
def test_spectrum_refuses(shape):
    with pytest.raises(ValueError, match="shape_spectrum"):
        shape_spectrum(np.zeros(shape))


def test_part_colours_are_medians_of_what_is_seen():
    pictures = np.zeros((2, 4, 4, 3), np.uint8)
    labels = np.zeros((2, 4, 4), np.uint8)
    labels[0, :2] = LABELS.index("hair")
    pictures[0, :2] = (200, 100, 50)
    pictures[0, 0, 0] = (0, 0, 255)  # one odd pixel of eight
    labels[1, 0, 0] = LABELS.index("hair")  # too little to tell
    hair = part_colours(pictures, labels, "hair")
    assert np.allclose(hair[0], np.array([200, 100, 50]) / 255, atol=1e-6) and np.isnan(hair[1]).all()
    assert np.isnan(part_colours(pictures, labels, "irises")).all()
    with pytest.raises(ValueError, match="unknown part 'nose'"):
        part_colours(pictures, labels, "nose")


def test_colours_are_counted_by_lightness_and_hue():
    colours = np.array([[1, 0, 0], [0, 0, 0], [1, 1, 1], [0, 0, 1], [np.nan] * 3])
    found = colour_histogram(colours, bins=10)
    # CIELAB of the primaries: red L 53, hue 40 degrees; blue L 32, hue 306; black and white have none.
    assert found.grey == 2 and found.lightness.sum() == 4 and found.hue.sum() == 2
    assert found.hue[1] == 1 and found.hue[8] == 1
    assert found.lightness[[0, 3, 5, 9]].tolist() == [1, 1, 1, 1]
    nothing = colour_histogram(np.full((3, 3), np.nan))
    assert nothing.grey == 0 and nothing.hue.sum() == 0 and nothing.lightness.sum() == 0


def test_kinds_are_counted():
    metas = [
        {"style": "clay", "hair": "bob", "worn": ["hat", "glasses"], "expression": "smile"},
        {"style": "anime", "hair": "bob", "worn": [], "expression": "neutral"},
        {"style": "anime", "hair": "bun", "worn": ["hat"], "expression": "smile"},
    ]
    counts = count_kinds(metas)
    assert tuple(counts) == COUNTED
    assert counts["style"] == {"anime": 2, "clay": 1} and counts["hair"] == {"bob": 2, "bun": 1}
    assert list(counts["worn"].items()) == [("hat", 2), ("glasses", 1)]
    assert counts["expression"] == {"smile": 2, "neutral": 1}


def test_silhouettes_by_hand():
    masks = np.zeros((3, 2, 4, 4), bool)
    masks[0, :, :2] = True  # upper half, both views
    masks[1, :, 1:3] = True  # middle half: shares one row of three
    masks[2, 0, :2] = True  # as head 0 in view 0, nothing in view 1
    found = silhouette_ious(masks)
    assert np.allclose(np.diag(found), 1) and np.allclose(found, found.T)
    assert np.isclose(found[0, 1], 1 / 3) and np.isclose(found[0, 2], 0.5) and np.isclose(found[1, 2], 1 / 6)
    assert np.isclose(mean_pairwise(found), (1 / 3 + 1 / 2 + 1 / 6) / 3)
    assert silhouette_ious(np.zeros((2, 1, 3, 3), bool)).min() == 1


def test_silhouettes_match_the_slow_way():
    masks = np.random.default_rng(2).random((6, 3, 9, 9)) < 0.4
    slow = [
        [np.mean([(a & b).sum() / (a | b).sum() for a, b in zip(one, other, strict=True)]) for other in masks]
        for one in masks
    ]
    assert np.allclose(silhouette_ious(masks), slow)


def test_silhouettes_refuse():
    with pytest.raises(ValueError, match="silhouette_ious"):
        silhouette_ious(np.zeros((3, 4, 4), bool))
    with pytest.raises(ValueError, match="mean_pairwise"):
        mean_pairwise(np.ones((1, 1)))
