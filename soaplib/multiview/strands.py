"""Hair that nobody saw: strands and locks that run as the seen hair runs, and fall where nothing is near.

Works in the panorama of `soaplib.multiview.panorama`, whose columns are meridians: straight down is the way hair falls.
"""

import cv2
import numpy as np
import scipy.ndimage

_CELLS = (1.6, 3.2, 6.4, 12.8)
"""Pixels: the widths of fine hairs, strands, locks and tresses."""

_SHARES = (1.0, 1.0, 0.7, 0.4)
"""Of what is seen at each size: the coarser, the more of it is light and shade of the head's own form."""

_CONTRAST = 0.85
_DOUBLINGS = {False: 4, True: 6}  # of short and long hair; drawn out by 0.4 x 2^n pixels, standard deviation
WIDEST = 20.0  # pixels: what is coarser is shade, not locks
_TENSOR = 3.0  # pixels over which the direction of hair is read
_KEEPS = 50.0  # pixels behind which hair has forgotten how the seen hair ran, and falls
_STEEPEST = 2.5  # pixels across per pixel down
_BAND = (0.3, 0.6)  # of a cell: standard deviations of the two blurs between which its size lies
_WAVES = (90.0, 0.15)  # pixels and radians: falling hair waves a little
_COMBED = (0.25, 0.5)  # coherence of stuff without strands, and of hair


def strands(image: np.ndarray, source: np.ndarray, spread, long: bool) -> tuple[np.ndarray, float]:
    """Invent detail all over a panorama that looks like the hair seen at `source`.

    image: (H, W, 3), source: (H, W) bool, both with a third of a turn repeated on both sides of the seam;
    spread: a function (values (H, W, C), known (H, W)) -> (H, W, C) that carries known values everywhere; long:
    whether the hair hangs to the neck's end. Noise in cells of the world, of four sizes, is averaged along the flow
    (line integral convolution, Cabral and Leedom 1993) with strides that double. Sizes are as strong as in the
    source, and the sum takes on the source's distribution of dark and light. Beside the source its own strands are
    drawn on.

    Returns (H, W, 3) differences from the mean shade, and in [0, 1] how much the source looks like hair at all.
    """
    light = image.mean(-1).astype(np.float32)
    shade = _mean_of(light, source, WIDEST)
    detail = np.where(source, light - shade, 0).astype(np.float32)
    flow, combed = _flow(light, source, spread)
    if combed <= 0:
        return np.zeros_like(image), 0.0
    detail = _usual(detail, detail[source])
    noise = np.stack([_cells(source.shape, cell, k) for k, cell in enumerate(_CELLS)], -1)
    strengths = [share * _strength(detail, source, cell) for share, cell in zip(_SHARES, _CELLS, strict=True)]
    own = np.stack([detail, source.astype(np.float32)], -1)
    drawn = _drawn_out(np.concatenate([noise, own], -1), flow, _DOUBLINGS[long])
    new = drawn[..., : len(_CELLS)]
    new = _bands(new) @ np.array(strengths, np.float32)
    fine = (light - _mean_of(light, source, _CELLS[-1] / 2))[source]
    new *= _CONTRAST * _usual(fine, fine).std() / new.std()
    share = np.clip(1.5 * drawn[..., -1:] - 0.1, 0, 1)[..., 0]
    carried = drawn[..., -2] / np.maximum(drawn[..., -1], 0.05)
    out = share * carried + np.sqrt(1 - share**2) * _as_bright(new, detail[source])
    return out[..., None] * _tint(image, light, source, shade), combed


def _usual(values, among):
    """Clip values to what is usual among the given ones: an emblem or a jewel is not strewn about."""
    limit = 4 * np.median(np.abs(among)) + 1e-3
    return np.clip(values, -limit, limit)


def _mean_of(values, mask, sigma):
    """The mean (H, W) of values over the mask within some sigma pixels."""
    mask = mask.astype(np.float32)
    return cv2.GaussianBlur(values * mask, (0, 0), sigma) / (cv2.GaussianBlur(mask, (0, 0), sigma) + 1e-4)


def _flow(light, source, spread):
    """Directions of hair (H, W, 2), columns and rows, one row down; and how combed the source is.

    The direction of least change is an eigenvector of the structure tensor (Bigun and Granlund 1987); twice its angle
    is what may be averaged.
    """
    smooth = cv2.GaussianBlur(light, (0, 0), 1.0)
    across, down = cv2.Sobel(smooth, cv2.CV_32F, 1, 0), cv2.Sobel(smooth, cv2.CV_32F, 0, 1)
    inner = scipy.ndimage.binary_erosion(source, iterations=2)
    parts = np.stack([across**2 - down**2, 2 * across * down, across**2 + down**2], -1) * inner[..., None]
    parts = cv2.GaussianBlur(parts, (0, 0), _TENSOR)
    energy = np.maximum(parts[..., 2], 1e-9)
    twice = -parts[..., :2] / energy[..., None]
    coherence = np.hypot(*np.moveaxis(twice, -1, 0))
    if not inner.any():
        return None, 0.0
    seen = float(np.average(coherence[inner], weights=energy[inner]))
    combed = float(np.clip((seen - _COMBED[0]) / (_COMBED[1] - _COMBED[0]), 0, 1))
    twice = spread(twice * coherence[..., None], inner)
    far = scipy.ndimage.distance_transform_edt(~inner)
    keeps = np.exp(-((far / _KEEPS) ** 2))[..., None]
    twice = cv2.GaussianBlur(keeps * twice + (1 - keeps) * np.array([-0.5, 0.0]), (0, 0), 2.0)
    waves = cv2.GaussianBlur(_cells(light.shape, _WAVES[0] / 2, 9), (0, 0), _WAVES[0] / 6)
    angle = (
        np.arctan2(twice[..., 1], twice[..., 0]) / 2 + _WAVES[1] * (1 - keeps[..., 0]) * waves / waves.std()
    )
    along = np.stack([np.cos(angle), np.sin(angle)], -1)
    along *= np.where(along[..., 1:] < 0, -1, 1)
    slope = np.clip(along[..., 0] / np.maximum(along[..., 1], 1e-3), -_STEEPEST, _STEEPEST)
    return np.stack([slope, np.ones_like(slope)], -1) / np.hypot(1, slope)[..., None], combed


def _cells(shape, cell, seed):
    """Noise (H, W) in cells of one size on the head: on a cylinder below its middle, on a sphere above."""
    height, width = shape
    turn = width / (1 + 2 / 3)  # without the columns that are repeated
    radius = turn / (2 * np.pi)
    row, column = np.mgrid[:height, :width].astype(np.float32)
    angle = column / radius
    rise = np.clip(np.pi / 2 - row / radius, 0, None)
    out = radius * np.cos(rise)
    high = np.where(rise > 0, radius * np.sin(rise), np.pi / 2 * radius - row)
    at = np.stack([out * np.cos(angle), high, out * np.sin(angle)]) / cell
    lattice = np.random.default_rng(seed).normal(size=(61, 61, 61)).astype(np.float32)
    return scipy.ndimage.map_coordinates(lattice, at, order=1, mode="grid-wrap").astype(np.float32)


def _drawn_out(values, flow, doublings):
    """Average (H, W, C) along the flow, both ways, with strides of 1, 2, 4, ... pixels."""
    height, width = flow.shape[:2]
    grid = np.stack(np.meshgrid(np.arange(width), np.arange(height)), -1).astype(np.float32)
    steps = [sign * flow.astype(np.float32) for sign in (1, -1)]
    for _ in range(doublings):
        total = 2 * values
        for step in steps:
            total = total + _moved(values, grid + step)
        values = total / 4
        steps = [step + _moved(step, grid + step) for step in steps]
    return values


def _moved(values, at):
    planes = [
        cv2.remap(
            np.ascontiguousarray(values[..., k : k + 4]), at, None, cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        )
        for k in range(0, values.shape[-1], 4)
    ]  # fmt: skip
    height, width = at.shape[:2]
    return np.concatenate([plane.reshape(height, width, -1) for plane in planes], -1)


def _bands(noise):
    """Keep of each noise (H, W, C) what is about the size of its cell, at unit strength."""
    bands = [
        cv2.GaussianBlur(layer, (0, 0), _BAND[0] * cell) - cv2.GaussianBlur(layer, (0, 0), _BAND[1] * cell)
        for layer, cell in zip(np.moveaxis(noise, -1, 0), _CELLS, strict=True)
    ]
    return np.stack([band / band.std() for band in bands], -1)


def _strength(detail, source, cell):
    """How much of the source's detail is about the size of a cell."""
    band = _mean_of(detail, source, _BAND[0] * cell) - _mean_of(detail, source, _BAND[1] * cell)
    return float(np.sqrt(np.mean(np.clip(band[source], *np.quantile(band[source], [0.03, 0.97])) ** 2)))


def _as_bright(values, usual):
    """Give values the shape of the distribution of `usual`: hair is dark between its locks and bright along them."""
    ranks = np.linspace(0.01, 0.99, 99)
    have, wanted = np.quantile(values[::3, ::3], ranks), np.quantile(usual, ranks)
    wanted = (wanted - wanted.mean()) * (values.std() / max(usual.std(), 1e-6))
    return np.interp(values, have, wanted).astype(np.float32)


def _tint(image, light, source, shade):
    """The change of colour (3,) that goes with one of lightness in the source."""
    colour = np.stack([_mean_of(image[..., c].astype(np.float32), source, WIDEST) for c in range(3)], -1)
    dark = (light - shade)[source]
    slope = (dark[:, None] * (image - colour)[source]).sum(0) / max((dark**2).sum(), 1e-9)
    return np.clip(slope, 0.3, 2.0).astype(np.float32)
