"""Freckles, moles and age spots: discs of more melanin, in metres on the surface."""

import functools

import numpy as np

from soaplib.render.kernels import kernel
from soaplib.synthetic.skin.fields import skin_fields
from soaplib.synthetic.skin.layout import Canvas, canvas


def add_spots(skin, rng: np.random.Generator, surface: Canvas, melanin: np.ndarray) -> None:
    """Add the melanin of a skin's spots to (N,) float32 of the texels, in place."""
    count = skin.freckles + skin.moles + skin.age_spots
    if count == 0:
        return
    size = surface.texels.shape[0]
    groups = (
        ("sun", skin.freckles, (0.0004, 0.0011), 0.6 * skin.freckle_strength, 0.22),
        ("skin", skin.moles, (0.0007, 0.0017), 2.6, 1.3),
        ("skin", skin.age_spots, (0.0015, 0.0042), 0.35, 0.12),
    )
    for where, number, (least, most), share, plus in groups:
        if not number:
            continue
        chances = _chances(size, where)
        texels = np.searchsorted(chances, rng.random(number) * chances[-1]).astype(np.int64)
        radii = (least + (most - least) * rng.random(number) ** 2).astype(np.float32)
        if skin.style in ("cartoon", "anime"):
            radii = 1.6 * radii + 0.0004
        amounts = ((share * skin.melanin + plus) * rng.uniform(0.4, 1.2, number)).astype(np.float32)
        _add(
            texels,
            radii,
            amounts,
            surface.places,
            surface.area,
            surface.texels.index,
            surface.number,
            melanin,
        )


@functools.lru_cache(maxsize=8)
def _chances(size, where):
    """Running sum of the chance that a spot falls on a texel: by area, and where the sun reaches."""
    fields, surface = skin_fields(size), canvas(size)
    free = (fields.mask("mouth") == 0) & (fields.mask("socket") == 0) & (fields.mask("lips") < 0.1)
    density = fields.mask("sun") ** 1.5 if where == "sun" else 0.15 + (surface.places[:, 2] > -0.05)
    return np.cumsum(density * surface.area * free, dtype=np.float64)


@kernel
def _add(texels, radii, amounts, places, area, index, number, melanin):
    size = number.shape[0]
    for s in range(len(texels)):
        at = texels[s]
        row, column = index[at] // size, index[at] % size
        reach = min(int(radii[s] / np.sqrt(area[at]) * 1.8) + 2, 24)
        for i in range(max(row - reach, 0), min(row + reach + 1, size)):
            for j in range(max(column - reach, 0), min(column + reach + 1, size)):
                n = number[i, j]
                if n < 0:
                    continue
                x, y, z = (
                    places[n, 0] - places[at, 0],
                    places[n, 1] - places[at, 1],
                    places[n, 2] - places[at, 2],
                )
                t = np.sqrt(x * x + y * y + z * z) / radii[s]
                # A soft rim about a texel wide, so that spots of a texel do not shimmer.
                soft = 0.5 * np.sqrt(area[n]) / radii[s] + 0.25
                fall = min(max((1 + soft - t) / (2 * soft), 0.0), 1.0)
                melanin[n] += amounts[s] * fall * fall * (3 - 2 * fall)
