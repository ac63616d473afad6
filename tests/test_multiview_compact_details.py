"""Detail laid on the network's shades: what each of the two decides."""

import numpy as np
import pytest

from soaplib.multiview.compact.details import lay_details
from soaplib.multiview.geometric import Coat

SMALL, LARGE = 32, 64


def coat(colour, sure=0.0, stripes=0.0):
    """Six views full of one colour, with stripes of one pixel that lighten and darken it."""
    colours = np.broadcast_to(np.array(colour, np.float32), (6, LARGE, LARGE, 3)).copy()
    colours += stripes * np.where(np.arange(LARGE) % 2, 1, -1)[None, :, None, None].astype(np.float32)
    ones = np.ones((6, LARGE, LARGE), np.float32)
    return Coat(colours, sure * ones, ones, np.zeros_like(colours), np.tile(np.eye(4), (6, 1, 1)))


def drawn(colour):
    return np.broadcast_to(np.array(colour, np.float32), (6, SMALL, SMALL, 3)).copy(), np.ones(
        (6, SMALL, SMALL)
    )


def test_shade_is_the_networks_and_detail_the_coats():
    made = lay_details(
        *drawn((0.5, 0.4, 0.3)), np.zeros((6, SMALL, SMALL)), coat((0.6, 0.5, 0.4), stripes=0.05)
    )
    assert made.shape == (6, LARGE, LARGE, 3) and made.dtype == np.float32
    np.testing.assert_allclose(made.mean((1, 2)), np.tile([0.5, 0.4, 0.3], (6, 1)), atol=2e-3)
    assert np.abs(np.diff(made, axis=1)).mean() == pytest.approx(0.1, abs=2e-3)


def test_what_the_portrait_shows_is_kept():
    given = coat((0.6, 0.5, 0.4), sure=1.0, stripes=0.05)
    made = lay_details(*drawn((0.1, 0.9, 0.3)), np.zeros((6, SMALL, SMALL)), given)
    np.testing.assert_allclose(made, given.colours, atol=1e-6)


def test_hair_keeps_its_tone():
    """Red where the hair is fair: it may grow darker, not redder; elsewhere the colour may change, but not to any."""
    fair, red = np.array((0.8, 0.7, 0.5)), (0.7, 0.3, 0.2)
    for share in (1.0, 0.0):
        change = lay_details(*drawn(red), np.full((6, SMALL, SMALL), share), coat(fair))[2, 32, 32] - fair
        assert np.ptp(change) < 1e-3 if share else np.ptp(change) > 0.05
        assert np.abs(change).max() <= 0.2 + 1e-3


def test_colours_reach_beyond_the_coat():
    given = coat((0.6, 0.2, 0.2))
    given.masks[:, :, 40:] = 0
    given.colours[:, :, 40:] = 1
    made = lay_details(*drawn((0.6, 0.2, 0.2)), np.zeros((6, SMALL, SMALL)), given)
    np.testing.assert_allclose(
        made[:, :, 41:], np.broadcast_to((0.6, 0.2, 0.2), made[:, :, 41:].shape), atol=0.02
    )
