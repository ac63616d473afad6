"""Eyes, teeth and tongue from codes."""

import dataclasses
import json

import numpy as np
import pytest

from soaplib.parts.eye_texture import texel_directions
from soaplib.synthetic.pieces import STYLES
from soaplib.synthetic.skin.eye_paint import paint_eye, paint_eyes
from soaplib.synthetic.skin.irises import draw_irises
from soaplib.synthetic.skin.mouth_colours import draw_mouth_colours, paint_teeth, paint_tongue


def eyes(seed=0, style="realistic", **changes):
    return dataclasses.replace(draw_irises(np.random.default_rng(seed), style), **changes)


@pytest.mark.parametrize("style", STYLES)
def test_codes_are_plain_data_and_repeat(style):
    for seed in range(12):
        assert eyes(seed, style) == eyes(seed, style)
        json.dumps(dataclasses.asdict(eyes(seed, style)))
        assert (paint_eye(eyes(seed, style), 0.5, 0) == paint_eye(eyes(seed, style), 0.5, 0)).all()


def test_pupil_iris_and_white_lie_in_rings():
    picture = paint_eye(eyes(1, pupil=0.4, veins=0.0, rims=((0.2, 0.4, 0.8),) * 2), 0.5, 0, 256) / 255
    directions, inside = texel_directions(256)
    sine = np.hypot(directions[..., 0], directions[..., 1]) + 2 * (directions[..., 2] < 0)
    assert picture[(sine < 0.15) & inside].max() < 0.1
    ring = picture[(sine > 0.30) & (sine < 0.42) & (directions[..., 1] < 0)].mean(0)
    assert ring[2] > ring[1] > ring[0]
    white = (sine > 0.55) & (sine < 0.62) & (np.abs(directions[..., 1]) < 0.1) & (directions[..., 2] > 0)
    assert picture[white].mean() > 0.7


def test_highlights_are_white_and_where_they_are_told():
    lit = paint_eye(eyes(2, lights=((0.5, 0.5, 0.2, 0.2, 1.0),)), 0.6, 0, 256)
    plain = paint_eye(eyes(2, lights=()), 0.6, 0, 256)
    row, column = np.nonzero((lit != plain).any(-1))
    edge = np.sin(np.arcsin(0.6) / 2) * 128
    assert column.mean() - 128 == pytest.approx(0.5 * edge, abs=1.5)
    assert 128 - row.mean() == pytest.approx(0.5 * edge, abs=1.5)
    assert lit[round(row.mean()), round(column.mean())].min() == 255


def test_both_eyes_side_by_side_may_differ():
    odd = eyes(3, rims=((0.2, 0.3, 0.8), (0.5, 0.3, 0.1)))
    both = paint_eyes(odd, (0.5, 0.45), 64)
    assert both.shape == (64, 128, 3)
    assert (both[:, :64] == paint_eye(odd, 0.5, 0, 64)).all()
    assert (both[:, 64:] == paint_eye(odd, 0.45, 1, 64)).all()


def test_the_upper_lid_casts_its_shade():
    across = np.linspace(-0.7, 0.7, 9)

    def margin(height):
        points = np.stack([across, height * (1 - across**2), np.sqrt(1 - across**2)], 1)
        return points / np.linalg.norm(points, axis=1, keepdims=True)

    wide, narrow = (
        paint_eye(eyes(4), 0.15, 0, 128, (margin(h), margin(-0.6))).astype(int) for h in (0.6, 0.2)
    )
    above = (slice(49, 53), slice(60, 68))
    assert narrow[above].mean() < wide[above].mean() - 8


def test_wrong_input_is_named():
    with pytest.raises(ValueError, match="iris_sine"):
        paint_eye(eyes(), 1.2, 0)
    for draw in (draw_irises, draw_mouth_colours):
        with pytest.raises(ValueError, match="realistic"):
            draw(np.random.default_rng(0), "oil")


def test_dark_skin_has_dark_eyes_mostly():
    def lightness(melanin):
        return np.mean(
            [np.mean(draw_irises(np.random.default_rng(k), "realistic", melanin).rims) for k in range(60)]
        )

    assert lightness(8.0) < 0.75 * lightness(0.05)


def test_old_teeth_are_yellower():
    def blue(age):
        tones = [draw_mouth_colours(np.random.default_rng(k), "realistic", 1.0, age).teeth for k in range(20)]
        return np.mean([t[2] / t[0] for t in tones])

    assert blue(1.0) < blue(0.2) - 0.03


def test_teeth_and_tongue_take_their_colours():
    colours = dataclasses.replace(
        draw_mouth_colours(np.random.default_rng(0), "realistic"), teeth=(1.0, 1.0, 0.5), gums=(0.5, 1.0, 1.0)
    )
    usual = dataclasses.replace(colours, teeth=(1.0, 1.0, 1.0), gums=(1.0, 1.0, 1.0))
    change = paint_teeth(colours, 128).astype(float).mean(1) / np.maximum(paint_teeth(usual, 128).mean(1), 1)
    crowns, gums = slice(5, 30), slice(80, 96)
    assert change[crowns, 2] == pytest.approx(0.5, abs=0.03) and change[crowns, 0] == pytest.approx(
        1, abs=0.02
    )
    assert change[gums, 0] == pytest.approx(0.5, abs=0.03) and change[gums, 2] == pytest.approx(1, abs=0.02)
    assert paint_tongue(colours, 32).shape == (32, 32, 3)
