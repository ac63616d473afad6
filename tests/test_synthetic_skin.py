"""Skins from codes: layout, masks, pigments, the picture."""

import dataclasses
import json

import numpy as np
import pytest

from soaplib.data import REGIONS
from soaplib.head import load_head
from soaplib.synthetic.hair.scalp import Hairline
from soaplib.synthetic.pieces import STYLES
from soaplib.synthetic.skin.codes import draw_skin, skin_tone
from soaplib.synthetic.skin.fields import scalp_mask, skin_fields
from soaplib.synthetic.skin.layout import canvas, landmark_uv, skin_layout
from soaplib.synthetic.skin.makeup import Makeup
from soaplib.synthetic.skin.noise import band_noise
from soaplib.synthetic.skin.painting import paint_skin
from soaplib.synthetic.skin.pigments import (
    MELANIN,
    absorption,
    human_pigments,
    reflectance,
    tinted_pigments,
    to_linear,
    to_srgb,
)

SIZE = 256


def skin_of(seed=0, style="realistic", **changes):
    return dataclasses.replace(draw_skin(np.random.default_rng(seed), style, 0.5, 0.5), **changes)


def colour_at(picture, uv):
    column, row = (uv * [1, -1] % 1 * SIZE).astype(int)
    return picture[row, column].astype(int)


def test_layout_is_one_to_one():
    layout = skin_layout()
    assert layout.uv.min() >= 0 and layout.uv.max() <= 1
    a, b = (layout.uv[layout.faces[:, k]] - layout.uv[layout.faces[:, 0]] for k in (1, 2))
    signed = a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]
    chart = layout.chart[layout.faces[:, 0]]
    assert (signed[chart == 0] > 0).mean() > 0.995


def test_canvas_covers_the_surface():
    head, surface = load_head(), canvas(SIZE)
    corners = head.template[surface.corners]
    total = (
        np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1).sum()
        / 2
    )
    assert surface.area.sum() == pytest.approx(total, rel=0.03)
    assert (surface.number.ravel()[surface.texels.index] == np.arange(len(surface.places))).all()
    values = np.arange(len(surface.places))
    assert (surface.picture(values).ravel()[surface.texels.index] == values).all()


def test_canvas_rejects_a_tiny_size():
    with pytest.raises(ValueError, match="at least 32"):
        canvas(8)


def test_noise_is_of_its_band():
    rng = np.random.default_rng(0)
    places = rng.uniform(-0.1, 0.1, (20000, 3))
    noise = band_noise(places, 0.02, 3)
    assert abs(noise.mean()) < 0.1 and noise.var() == pytest.approx(1, abs=0.15)
    near = band_noise(places + [0.0008, 0, 0], 0.02, 3)
    far = band_noise(places + [0.011, 0, 0], 0.02, 3)
    assert np.corrcoef(noise, near)[0, 1] > 0.9
    assert abs(np.corrcoef(noise, far)[0, 1]) < 0.5
    assert (band_noise(places, 0.02, 3) == noise).all()
    assert abs(np.corrcoef(noise, band_noise(places, 0.02, 4))[0, 1]) < 0.2


def test_melanin_lies_between_the_chart_s_two_skins():
    light, dark = (absorption(to_linear(np.array(c) / 255)) for c in ((194, 150, 130), (115, 82, 68)))
    step = dark - light
    assert step / step[1] == pytest.approx(MELANIN, abs=0.01)


def test_absorption_and_srgb_invert():
    values = np.linspace(0.01, 0.99, 50)
    assert reflectance(absorption(values)) == pytest.approx(values)
    assert to_srgb(to_linear(values)) == pytest.approx(values)


def test_more_pigment_is_darker():
    base, melanin, blood = human_pigments(0.5)
    steps = reflectance(base + np.linspace(0, 12, 30)[:, None] * melanin + 0.3 * blood)
    assert (np.diff(steps, axis=0) < 0).all()
    tint, flush = (0.4, 0.6, 0.8), (0.8, 0.4, 0.4)
    base, own, red = tinted_pigments(tint, flush)
    assert to_srgb(reflectance(base + own)) == pytest.approx(tint)
    assert to_srgb(reflectance(base + own + red)) == pytest.approx(flush)


def test_masks_lie_where_they_should():
    head, surface, fields = load_head(), canvas(SIZE), skin_fields(SIZE)
    marks = head.landmarks(head.template)
    lips = fields.mask("lips") > 0.5
    assert 6e-4 < surface.area[lips].sum() < 2.5e-3
    assert np.abs(surface.places[lips] - marks[13])[:, 0].max() < 0.04
    highest = {
        "nose": marks[4], "cheeks": marks[425], "chin": marks[199], "under_eye": marks[253], "beard": marks[199],
    }  # fmt: skip
    for name, place in highest.items():
        near = np.linalg.norm(surface.places - place, axis=1) < 0.008
        assert fields.mask(name)[near].max() > 0.7, name
        far = np.linalg.norm(surface.places - marks[10], axis=1) < 0.02
        assert fields.mask(name)[far].max() < 0.05, name
    scalp = fields.mask("scalp")
    assert scalp[surface.places[:, 1] > 0.11].min() > 0.9
    assert scalp[np.linalg.norm(surface.places - marks[151], axis=1) < 0.01].max() == 0
    assert set(np.unique(fields.labels)) == {REGIONS.index(n) for n in ("skin", "lips", "mouth", "neck")}


def test_masks_are_symmetric():
    import scipy.spatial

    surface, fields = canvas(SIZE), skin_fields(SIZE)
    outside = np.flatnonzero((fields.mask("mouth") == 0) & (fields.mask("socket") == 0))
    distance, mirror = scipy.spatial.cKDTree(surface.places[outside]).query(
        surface.places[outside] * [-1, 1, 1]
    )
    close = distance < 0.0012
    for name in ("cheeks", "beard", "scalp", "under_eye", "ears"):
        mask = fields.mask(name)[outside]
        assert np.abs(mask - mask[mirror])[close].mean() < 0.01, name


def test_skins_are_deterministic_and_plain_data():
    for style in STYLES:
        for seed in range(6):
            one, two = (draw_skin(np.random.default_rng(seed), style, 0.6, 0.8) for _ in range(2))
            assert one == two
            json.dumps(dataclasses.asdict(one))
    with pytest.raises(ValueError, match="realistic"):
        draw_skin(np.random.default_rng(0), "oil")


def test_skins_differ_and_span_light_and_dark():
    tones = np.array([skin_tone(draw_skin(np.random.default_rng(k), "realistic")) for k in range(200)])
    lightness = tones.mean(1)
    assert lightness.min() < 0.36 and lightness.max() > 0.68
    assert (tones[:, 0] > tones[:, 1]).all() and (tones[:, 1] > tones[:, 2]).all()


@pytest.mark.parametrize("style", STYLES)
def test_picture_is_near_the_skin_s_tone(style):
    skin = skin_of(3, style)
    picture = paint_skin(skin, SIZE)
    assert picture.shape == (SIZE, SIZE, 3) and picture.dtype == np.uint8
    assert (picture == paint_skin(skin, SIZE)).all()
    forehead = colour_at(picture, landmark_uv(load_head())[151])
    assert np.abs(forehead - 255 * skin_tone(skin)).max() < 40


def test_no_seam_shows():
    """Texels on both sides of a cut show the same skin."""
    import scipy.spatial

    surface, fields = canvas(SIZE), skin_fields(SIZE)
    picture = paint_skin(skin_of(5, freckles=0, moles=0, age_spots=0, melanin=0.8), SIZE)
    colours = picture.reshape(-1, 3)[surface.texels.index].astype(int)
    outer = np.flatnonzero((fields.mask("mouth") == 0) & (fields.mask("socket") == 0))
    row, column = np.divmod(surface.texels.index[outer], SIZE)
    pairs = scipy.spatial.cKDTree(surface.places[outer]).query_pairs(0.0012, output_type="ndarray")
    apart = (
        np.abs(row[pairs[:, 0]] - row[pairs[:, 1]]) + np.abs(column[pairs[:, 0]] - column[pairs[:, 1]]) > 20
    )
    a, b = outer[pairs[apart]].T
    assert len(a) > 50
    assert np.quantile(np.abs(colours[a] - colours[b]).max(1), 0.95) < 16


def test_lips_are_redder_than_the_chin():
    uv = landmark_uv(load_head())
    for seed in range(8):
        picture = paint_skin(skin_of(seed, stubble=0.0), SIZE)
        lip, chin = (colour_at(picture, uv[k]) for k in (16, 199))
        assert lip[0] / lip[1] > 1.04 * chin[0] / chin[1]


def test_stubble_and_scalp_darken_their_own_place():
    marks = landmark_uv(load_head())
    bare = skin_of(2, stubble=0.0, scalp=0.0, melanin=0.3)
    shaded = dataclasses.replace(bare, stubble=0.9, scalp=0.9, hair_colour=(0.1, 0.08, 0.06))
    before, after = paint_skin(bare, SIZE), paint_skin(shaded, SIZE)
    assert (colour_at(after, marks[199]) < colour_at(before, marks[199]) - 10).all()
    assert (colour_at(after, marks[151]) == colour_at(before, marks[151])).all()
    top = canvas(SIZE).texels.index[canvas(SIZE).places[:, 1] > 0.11]
    assert after.reshape(-1, 3)[top].mean() < 0.6 * before.reshape(-1, 3)[top].mean()


def test_scalp_shadow_follows_the_hairline():
    usual, high = (scalp_mask(SIZE, Hairline(front=f)) for f in (0.0, 0.25))
    assert (high <= usual).all() and high.sum() < 0.97 * usual.sum()
    bald = skin_of(2, scalp=0.9, stubble=0.0, melanin=0.3, hair_colour=(0.1, 0.08, 0.06))
    changed = (
        (paint_skin(bald, SIZE) != paint_skin(bald, SIZE, hairline=Hairline(front=0.25))).any(-1).ravel()
    )
    assert changed[canvas(SIZE).texels.index][usual == high].sum() == 0
    assert changed.any()


def test_creases_are_painted_darker():
    skin = skin_of(1, melanin=1.0, stubble=0.0, makeup=Makeup())
    relief = np.zeros(len(canvas(SIZE).places), np.float32)
    groove = (
        np.linalg.norm(canvas(SIZE).places - load_head().landmarks(load_head().template)[151], axis=1) < 0.006
    )
    relief[groove] = -3e-4
    difference = paint_skin(skin, SIZE).astype(int) - paint_skin(skin, SIZE, relief).astype(int)
    difference = difference.reshape(-1, 3)[canvas(SIZE).texels.index]
    assert (difference[groove].mean(0) > 3).all() and not difference[~groove].any()


def test_freckles_and_moles_are_small_and_dark():
    plain = skin_of(4, freckles=0, moles=0, age_spots=0, melanin=0.3)
    difference = paint_skin(plain, SIZE).astype(int) - paint_skin(
        dataclasses.replace(plain, freckles=300, freckle_strength=1.0), SIZE
    ).astype(int)
    changed = (difference.max(-1) > 3).mean()
    assert 0.0005 < changed < 0.08
    assert difference.min() >= -3 and difference.max() > 15


def test_lipstick_colours_the_lips_alone():
    bare = skin_of(6)
    bare = dataclasses.replace(
        bare, makeup=dataclasses.replace(bare.makeup, lipstick=0.0, shadow=0.0, rouge=0.0)
    )
    painted = dataclasses.replace(
        bare, makeup=dataclasses.replace(bare.makeup, lipstick=1.0, lipstick_colour=(0.1, 0.1, 0.9))
    )
    changed = (paint_skin(painted, SIZE) != paint_skin(bare, SIZE)).any(-1).ravel()[canvas(SIZE).texels.index]
    lips = skin_fields(SIZE).mask("lips")
    assert changed[lips > 0.9].mean() > 0.95 and not changed[lips == 0].any()
