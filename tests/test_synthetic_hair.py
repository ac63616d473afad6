"""Heads of hair: what every family owes whoever draws it."""

import dataclasses
import json

import numpy as np
import pytest

from soaplib.synthetic.hair import HAIR_FAMILIES, draw_hair, grow_hair
from soaplib.synthetic.hair.colours import melanin_colour
from soaplib.synthetic.hair.scalp import scalp
from soaplib.synthetic.hair.texture import strand_texture
from soaplib.synthetic.pieces import LABELS, STYLES

MOST_TRIANGLES = 27_000


def drawn(family, style, seed=0, **more):
    return draw_hair(np.random.default_rng(seed), style, family=family, **more)


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("family", HAIR_FAMILIES)
def test_pieces_are_whole(family, style, head):
    for seed in (0, 1):
        piece = grow_hair(drawn(family, style, seed), head)
        count = len(piece.vertices)
        assert piece.vertices.shape == piece.normals.shape == piece.colours.shape == piece.strands.shape
        assert piece.vertices.dtype == piece.normals.dtype == piece.colours.dtype == np.float32
        assert np.isfinite(piece.vertices).all()
        np.testing.assert_allclose(np.linalg.norm(piece.normals, axis=1), 1, atol=1e-3)
        np.testing.assert_allclose(np.linalg.norm(piece.strands, axis=1), 1, atol=1e-3)
        assert piece.faces.dtype == np.int32 and piece.faces.min() == 0 and piece.faces.max() == count - 1
        assert 1000 < len(piece.faces) < MOST_TRIANGLES
        assert len(piece.labels) == len(piece.faces)
        assert set(np.unique(piece.labels)) <= {LABELS.index("hair"), LABELS.index("worn")}
        assert piece.uv.min() >= 0 and piece.uv.max() <= 1 and piece.texture.dtype == np.uint8
        assert piece.colours.min() >= 0 and piece.colours.max() <= 1
        np.testing.assert_allclose(piece.root_weights.sum(1), 1)
        corners = piece.vertices[piece.faces]
        facing = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        assert ((facing * piece.normals[piece.faces].mean(1)).sum(1) > 0).mean() > 0.9


@pytest.mark.parametrize("family", HAIR_FAMILIES)
def test_hair_stays_out_of_the_head_and_off_the_eyes(family, head):
    measured = scalp(head)
    eyes = head.landmarks(head.template)[[468, 473]]
    for seed in range(4):
        piece = grow_hair(drawn(family, "realistic", seed), head)
        located = measured.bare.locate(piece.vertices)
        skin = measured.bare.locate(measured.bare.surface(located[:, 0], located[:, 1]))
        above = located[:, 1] > -1.0
        assert (located[:, 2] - skin[:, 2])[above].min() > -0.012
        deep = (located[:, 2] - skin[:, 2])[above] < -0.005
        assert deep.mean() < 0.02
        aside = np.abs(piece.vertices[:, None, :2] - eyes[None, :, :2])
        before = (aside[..., 0] < 0.012) & (aside[..., 1] < 0.006) & (piece.vertices[:, None, 2] > 0)
        assert before.mean() < 0.001


def test_same_codes_give_the_same_bits(head):
    codes = drawn("long_curly", "realistic", 3)
    first, second = grow_hair(codes, head), grow_hair(codes, head)
    for field in ("vertices", "normals", "colours", "faces", "uv", "texture"):
        np.testing.assert_array_equal(getattr(first, field), getattr(second, field))
    other = grow_hair(dataclasses.replace(codes, seed=codes.seed + 1), head)
    assert not np.array_equal(first.vertices[: len(other.vertices)], other.vertices[: len(first.vertices)])


def test_codes_are_plain_values():
    codes = dataclasses.asdict(drawn("twin_tails", "anime", 5))
    assert json.loads(json.dumps(codes))["family"] == "twin_tails"


@pytest.mark.parametrize("family", HAIR_FAMILIES)
def test_a_cap_leaves_nothing_above_its_line(family, head):
    measured = scalp(head)
    piece = grow_hair(drawn(family, "realistic", 2, covered="cap"), head)
    above = measured.above_hat_line(piece.vertices)
    assert above.any()
    located = measured.bare.locate(piece.vertices[above])
    skin = measured.bare.locate(measured.bare.surface(located[:, 0], located[:, 1]))
    assert (located[:, 2] - skin[:, 2]).max() < 0.0045


def test_a_hood_leaves_only_what_frames_the_face(head):
    measured = scalp(head)
    for seed in range(6):
        codes = draw_hair(np.random.default_rng(seed), "cartoon", covered="hood")
        piece = grow_hair(codes, head)
        located = measured.bare.locate(piece.vertices)
        behind = (np.abs(located[:, 0]) > 1.2) | measured.above_hat_line(piece.vertices)
        skin = measured.bare.locate(measured.bare.surface(located[:, 0], located[:, 1]))
        assert (located[:, 2] - skin[:, 2])[behind].max() < 0.0065


def test_hair_grows_with_the_head(head):
    big = dataclasses.replace(head, template=(head.template * 1.4).astype(np.float32))
    codes = drawn("bob", "realistic", 1)
    size = np.ptp(grow_hair(codes, head).vertices, axis=0)
    np.testing.assert_allclose(np.ptp(grow_hair(codes, big).vertices, axis=0), 1.4 * size, rtol=0.06)


def test_families_are_drawn_by_who_wears_them():
    rng = np.random.default_rng(0)
    women = [draw_hair(rng, "realistic", masculine=0.0, age=0.2).family for _ in range(300)]
    men = [draw_hair(rng, "realistic", masculine=1.0, age=0.9).family for _ in range(300)]
    assert women.count("bald_rim") == 0 < men.count("bald_rim")
    assert women.count("braids") > men.count("braids")
    assert len(set(women) | set(men)) >= 18


def test_unknown_family_is_named():
    with pytest.raises(KeyError, match="no family 'wig'"):
        draw_hair(np.random.default_rng(0), "realistic", family="wig")


def test_age_greys_and_melanin_darkens():
    rng = np.random.default_rng(1)
    old = [draw_hair(rng, "realistic", age=1.0).colour.name for _ in range(60)]
    young = [draw_hair(rng, "realistic", age=0.1).colour.name for _ in range(60)]
    assert sum(name in ("grey", "white") for name in old) > 40
    assert not {"grey", "white"} & set(young)
    steps = np.array([melanin_colour(amount, 0.1) for amount in (0.05, 0.3, 1.0, 3.0)])
    assert (np.diff(steps, axis=0) < 0).all()
    red, brown = melanin_colour(0.1, 1.5), melanin_colour(0.8, 0.2)
    assert red[0] / red[2] > brown[0] / brown[2]


def test_strand_texture_runs_along_v():
    texture = strand_texture(np.random.default_rng(0), 1.0).astype(float)
    across, along = np.abs(np.diff(texture, axis=1)).mean(), np.abs(np.diff(texture, axis=0)).mean()
    assert across > 3 * along
    flat = strand_texture(np.random.default_rng(0), 0.0)
    assert np.ptp(flat) == 0 and flat.max() == 255
