"""The skin's fine relief, folds and marks of its stuff, and how it turns the shading normal."""

import functools

import numpy as np

from soaplib.head import load_head
from soaplib.render.kernels import kernel
from soaplib.synthetic.skin.codes import Skin
from soaplib.synthetic.skin.fields import BANDS, skin_fields
from soaplib.synthetic.skin.layout import canvas, skin_layout
from soaplib.synthetic.skin.wrinkles import wrinkle_relief

_NOISE = np.cumsum([0] + [count for _, count in BANDS])
_PORES = 0.00003
_STUFFS = {  # metres of unevenness in each band, prints of fingers
    "skin": ((0, 0, 0, 0), 0),
    "plasticine": ((0.0003, 0.00007, 0.00002, 0), 16),
    "terracotta": ((0.0002, 0.00006, 0.00005, 0.00004), 4),
    "porcelain": ((0, 0, 0, 0), 0),
    "vinyl": ((0, 0, 0, 0), 0),
    "felt": ((0.0001, 0.00006, 0.00007, 0.0001), 0),
}
_PRINT = (0.013, 0.0032, 0.00009)  # radius, spacing and height of the ridges of a finger's print


def skin_relief(skin: Skin, weights: np.ndarray | None = None, size: int = 512) -> np.ndarray:
    """Give the height of the skin over its mesh at the texels of `canvas(size)`: (N,) float32 metres, below 2 mm.

    weights: (52,) of the expression, None for rest.
    """
    relief = wrinkle_relief(skin.wrinkles, weights, size)
    bands, prints = _STUFFS[skin.stuff]
    rng = np.random.default_rng(skin.seed + 1)
    mixture = np.zeros(_NOISE[-1], np.float32)
    for band, (_, kinds) in enumerate(BANDS):
        mixture[_NOISE[band] : _NOISE[band + 1]] = rng.normal(0, 1, kinds) / kinds**0.5 * bands[band]
    mixture[_NOISE[3]] += _PORES * skin.pores * (skin.stuff == "skin")
    if mixture.any():
        _roughen(skin_fields(size).noise, mixture, relief)
    for _ in range(prints):
        _press(rng, canvas(size).places, relief)
    return relief


def relief_picture(relief: np.ndarray, size: int = 512) -> np.ndarray:
    """Spread the (N,) relief over its picture (size, size), gaps between charts filled."""
    return canvas(size).picture(relief)


def relief_gradient(relief: np.ndarray, size: int = 512, rotation: np.ndarray | None = None) -> np.ndarray:
    """Give the relief's gradient g on the surface of the base head: (size, size, 3) float32, metres per metre.

    relief: (N,) from `skin_relief` at this size. rotation: (3, 3) by which the posed head is turned (its neck's), or
    None for the axes of the neutral head. The shading normal is n - g, made unit again.
    """
    turn = np.eye(3, dtype=np.float32) if rotation is None else np.asarray(rotation, np.float32)
    out = np.empty((len(relief), 3), np.float32)
    surface = canvas(size)
    _differentiate(relief, surface.texels.index, surface.number, _slopes(size), turn, out)
    return surface.picture(out)


@functools.lru_cache(maxsize=4)
def _slopes(size):
    """Gradients (N, 2, 3) of column and row on the surface, per metre."""
    surface, layout = canvas(size), skin_layout()
    corners = load_head().template[surface.corners].astype(np.float64)
    uv = layout.uv[layout.faces].astype(np.float64) * [size, -size]
    a, b = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    p, q = uv[:, 1] - uv[:, 0], uv[:, 2] - uv[:, 0]
    normal = np.cross(a, b)
    normal /= np.maximum((normal**2).sum(1, keepdims=True), 1e-24)
    # The gradient of a function that is linear on the face: sum of its corner differences times the dual edges.
    dual = np.stack([np.cross(b, normal), np.cross(normal, a)], 1)
    each = np.stack([p, q], 2)  # columns: corner differences of column and row
    slopes = np.einsum("fck,fkd->fcd", each, dual)[surface.texels.face]
    return np.ascontiguousarray(slopes, np.float32)


def _press(rng, places, relief):
    """Press a finger: a shallow dent with bent ridges."""
    radius, spacing, height = _PRINT
    at = places[rng.integers(len(places))]
    tilt = rng.normal(size=3)
    _print(places, at, (tilt / np.linalg.norm(tilt)).astype(np.float32), radius, spacing, height, relief)


@kernel
def _print(places, at, tilt, radius, spacing, height, relief):
    for n in range(len(places)):
        x, y, z = places[n, 0] - at[0], places[n, 1] - at[1], places[n, 2] - at[2]
        square = (x * x + y * y + z * z) / (radius * radius)
        if square < 1:
            along = x * tilt[0] + y * tilt[1] + z * tilt[2]
            bent = along + 22 * (x * x + y * y + z * z)
            fall = (1 - square) * (1 - square)
            relief[n] += fall * height * (np.cos(2 * np.pi * bent / spacing) - 2.5)


@kernel
def _roughen(noise, mixture, relief):
    for n in range(len(relief)):
        total = np.float32(0)
        for k in range(len(mixture)):
            total += mixture[k] * np.float32(noise[n, k])
        relief[n] += total * np.float32(1 / 32)


@kernel
def _differentiate(relief, index, number, slopes, turn, out):
    size = number.shape[0]
    for n in range(len(relief)):
        row, column = index[n] // size, index[n] % size
        gx, gy, gz = np.float32(0), np.float32(0), np.float32(0)
        for axis in range(2):
            r0, c0 = row - (axis == 1), column - (axis == 0)
            r1, c1 = row + (axis == 1), column + (axis == 0)
            a = number[r0, c0] if r0 >= 0 and c0 >= 0 else -1
            b = number[r1, c1] if r1 < size and c1 < size else -1
            low, high = (a if a >= 0 else n), (b if b >= 0 else n)
            span = (a >= 0) + (b >= 0)
            if span > 0:
                step = (relief[high] - relief[low]) / np.float32(span)
                gx += step * slopes[n, axis, 0]
                gy += step * slopes[n, axis, 1]
                gz += step * slopes[n, axis, 2]
        for c in range(3):
            out[n, c] = turn[c, 0] * gx + turn[c, 1] * gy + turn[c, 2] * gz
