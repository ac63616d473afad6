"""Brows, beards and lashes: bound to the skin they grow on."""

import dataclasses

import numpy as np
import pytest

from soaplib.synthetic.hair import (
    BEARD_FAMILIES,
    draw_beard,
    draw_brows,
    draw_hair,
    draw_lashes,
    grow_beard,
    grow_brows,
    grow_lashes,
)
from soaplib.synthetic.pieces import LABELS, STYLES


@pytest.fixture(scope="module")
def hair():
    return draw_hair(np.random.default_rng(0), "realistic", masculine=1.0, family="crop")


def beard_of(hair, family, style="realistic", **changes):
    rng = np.random.default_rng(1)
    while (beard := draw_beard(rng, style, hair, 1.0, 0.6)) is None:
        pass
    return dataclasses.replace(beard, family=family, **changes)


def off_skin(piece, head):
    bound = np.einsum("nkd,nk->nd", head.template[piece.roots], piece.root_weights)
    return np.linalg.norm(piece.vertices - bound, axis=1)


def check(piece, label):
    count = len(piece.vertices)
    assert np.isfinite(piece.vertices).all() and np.isfinite(piece.normals).all()
    assert piece.faces.min() >= 0 and piece.faces.max() < count
    assert (piece.labels == LABELS.index(label)).all() and len(piece.labels) == len(piece.faces)
    np.testing.assert_allclose(piece.root_weights.sum(1), 1, atol=1e-4)
    assert len(piece.roots) == len(piece.colours) == count


@pytest.mark.parametrize("style", STYLES)
def test_brows_lie_on_the_brows(style, head, hair):
    marks = head.landmarks(head.template)
    for seed in range(4):
        piece = grow_brows(draw_brows(np.random.default_rng(seed), style, hair, seed / 3), head)
        check(piece, "brows")
        # The binding is that of the nearest of the chart's places, some millimetres apart.
        assert off_skin(piece, head).max() < 0.006
        left = piece.vertices[piece.vertices[:, 0] > 0]
        right = piece.vertices[piece.vertices[:, 0] < 0]
        assert abs(len(left) - len(right)) < 0.02 * len(left)
        middle = marks[[334, 282, 296, 295]].mean(0)
        assert np.linalg.norm(left.mean(0) - middle) < 0.012


@pytest.mark.parametrize("style", STYLES)
def test_lashes_go_along_the_lids(style, head):
    piece = grow_lashes(draw_lashes(np.random.default_rng(0), style, 0.2), head)
    check(piece, "brows")
    assert off_skin(piece, head).max() < 0.02
    eyes = head.landmarks(head.template)[[468, 473]]
    assert np.linalg.norm(piece.vertices[:, None] - eyes[None], axis=2).min(1).max() < 0.045


@pytest.mark.parametrize("family", BEARD_FAMILIES)
def test_beards_leave_the_lips_and_follow_the_jaw(family, head, hair):
    piece = grow_beard(beard_of(hair, family), head)
    check(piece, "hair")
    assert not (head.region("lips")[piece.roots] > 0.5).all(1).any()
    # The skin of a beard below the mouth goes down with the jaw; that of a moustache stays.
    move = head.expression_basis[:, 1, head.expression_names.index("jawOpen")]
    moved = (move[piece.roots] * piece.root_weights).sum(1)
    joint = (head.skin_weights[:, 2][piece.roots] * piece.root_weights).sum(1)
    upper = piece.vertices[:, 1] > head.landmarks(head.template)[13, 1] + 0.006
    if family in ("chin_beard", "goatee", "full"):
        assert (np.abs(moved[~upper]) + joint[~upper] > 0.002).mean() > 0.4
    if family == "moustache":
        middle = upper & (np.abs(piece.vertices[:, 0]) < 0.008)
        assert np.abs(moved[middle]).max() < 0.005 < np.abs(moved[~middle]).max()


def test_a_longer_beard_hangs_lower(head, hair):
    lows = [
        grow_beard(beard_of(hair, "long", length=long), head).vertices[:, 1].min()
        for long in (0.03, 0.06, 0.09)
    ]
    assert lows[0] > lows[1] + 0.01 > lows[2] + 0.02


def test_children_and_women_have_no_beard(hair):
    rng = np.random.default_rng(0)
    assert all(draw_beard(rng, "realistic", hair, 0.2, 0.6) is None for _ in range(50))
    assert all(draw_beard(rng, "realistic", hair, 1.0, 0.1) is None for _ in range(50))
    assert sum(draw_beard(rng, "realistic", hair, 1.0, 0.7) is not None for _ in range(100)) > 20


@pytest.mark.parametrize("grow", ["brows", "lashes", "beard"])
def test_same_codes_give_the_same_bits(grow, head, hair):
    codes = {
        "brows": draw_brows(np.random.default_rng(2), "realistic", hair),
        "lashes": draw_lashes(np.random.default_rng(2), "cartoon"),
        "beard": beard_of(hair, "full"),
    }[grow]
    make = {"brows": grow_brows, "lashes": grow_lashes, "beard": grow_beard}[grow]
    np.testing.assert_array_equal(make(codes, head).vertices, make(codes, head).vertices)
