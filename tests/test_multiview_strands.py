"""Invented hair: it runs as the seen hair runs, is as strong, closes round the head, and leaves stuff alone."""

import cv2
import numpy as np
import pytest

from soaplib.multiview.panorama import _spread
from soaplib.multiview.strands import strands

HEIGHT, TURN = 220, 768
WIDE = TURN + 2 * (TURN // 3)


def seen(angle=90.0, amplitude=0.1, colour=(1.0, 0.8, 0.5)):
    """A picture of straight strands at an angle (90: upright), and where it is known."""
    rng = np.random.default_rng(3)
    row, column = np.mgrid[:HEIGHT, :WIDE]
    turned = np.radians(angle)
    across = column * np.sin(turned) - row * np.cos(turned)
    lines = np.interp(across.ravel(), np.arange(-400, 1800, 2.0), rng.normal(size=1100)).reshape(across.shape)
    known = np.zeros((HEIGHT, WIDE), bool)
    known[30:190, 560:760] = True
    image = 0.4 + amplitude * lines[..., None] * np.array(colour)
    return np.where(known[..., None], image, 0).astype(np.float32), known


def direction(light):
    """The angle of least change, degrees, 90 upright; and how clear it is."""
    dx, dy = cv2.Sobel(light, cv2.CV_32F, 1, 0), cv2.Sobel(light, cv2.CV_32F, 0, 1)
    twice = -(dx**2 - dy**2).mean(), -(2 * dx * dy).mean()
    return np.degrees(np.arctan2(twice[1], twice[0]) / 2) % 180, np.hypot(*twice) / (dx**2 + dy**2).mean()


def test_far_from_what_is_seen_hair_falls():
    image, known = seen(angle=60)
    out, combed = strands(image, known, _spread, long=True)
    angle, clear = direction(out[60:200, 100:400].mean(-1).astype(np.float32))
    assert combed == 1 and abs(angle - 90) < 12 and clear > 0.6


def test_beside_what_is_seen_it_runs_on():
    image, known = seen(angle=60)
    out, _ = strands(image, known, _spread, long=True)
    angle, _ = direction(out[60:160, 765:780].mean(-1).astype(np.float32))
    assert abs(angle - 60) < 12


@pytest.mark.parametrize("amplitude", [0.03, 0.1])
def test_it_is_as_strong_and_of_the_colour_of_what_is_seen(amplitude):
    image, known = seen(amplitude=amplitude)
    out, _ = strands(image, known, _spread, long=True)
    inner = image[40:180, 570:750]
    assert out[60:200, 100:400].std() == pytest.approx(inner.std((0, 1)).mean(), rel=0.4)
    spread = out[60:200, 100:400].std((0, 1))
    np.testing.assert_allclose(spread / spread[0], [1, 0.8, 0.5], atol=0.03)


def test_short_hair_is_short():
    image, known = seen()

    def length(long):
        light = strands(image, known, _spread, long)[0][60:200, 100:400].mean(-1)
        moved = light[30:] * light[:-30]
        return moved.mean() / (light**2).mean()

    assert length(True) > 2 * length(False)


def test_it_closes_round_the_head():
    image, known = seen()
    out, _ = strands(image, known, _spread, long=True)
    left, right = out[:, 10:200].mean(-1), out[:, TURN + 10 : TURN + 200].mean(-1)
    assert np.corrcoef(left.ravel(), right.ravel())[0, 1] > 0.8


def test_stuff_without_strands_is_left_alone():
    image, known = seen()
    felt = np.random.default_rng(0).normal(0.4, 0.05, image.shape[:2])[..., None] * np.ones(3)
    out, combed = strands(felt.astype(np.float32), known, _spread, long=True)
    assert combed < 0.1
    assert strands(image, np.zeros_like(known), _spread, long=True)[1] == 0


def test_equal_input_gives_equal_bits():
    image, known = seen()
    assert np.array_equal(strands(image, known, _spread, True)[0], strands(image, known, _spread, True)[0])


def test_an_emblem_is_not_strewn_about():
    image, known = seen(amplitude=0.02)
    image[80:100, 600:640] = 1.0
    plain, _ = strands(seen(amplitude=0.02)[0], known, _spread, True)
    out, _ = strands(image, known, _spread, True)
    assert np.abs(out[60:200, 100:400]).max() < 2 * np.abs(plain[60:200, 100:400]).max()
