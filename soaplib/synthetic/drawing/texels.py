"""Textures of all pieces in one array, with smaller copies so that far surfaces do not flicker."""

from typing import NamedTuple

import cv2
import numpy as np

from soaplib.synthetic.drawing.inlined import inlined

_LEVELS = 5


class Texels(NamedTuple):
    """colours: (T, 3) uint8 of all levels of all pieces, behind each other. gradients: (G, 3) float32 likewise.

    table: (2, P, 16) int64, of colours and of gradients: how many levels there are, 0 for a piece without, then the
    first texel, height and width of each. sizes: (P,) texels of the finest level.
    """

    colours: np.ndarray
    gradients: np.ndarray
    table: np.ndarray
    sizes: np.ndarray


def pack(pieces, gradients: dict) -> Texels:
    """Join the textures of pieces, and their maps of gradients by the piece's name."""
    textures = [p.texture if p.uv is not None else None for p in pieces]
    maps = [gradients.get(p.name) if t is not None else None for p, t in zip(pieces, textures, strict=True)]
    colours, table = _pyramids(textures, np.uint8)
    bumps, gradient_table = _pyramids(maps, np.float32)
    sizes = np.array([0 if t is None else t.shape[0] * t.shape[1] for t in textures], np.float32)
    return Texels(colours, bumps, np.stack([table, gradient_table]), sizes)


def _pyramids(images, kind):
    table = np.zeros((len(images), 1 + 3 * _LEVELS), np.int64)
    parts, total = [], 0
    for piece, image in enumerate(images):
        if image is None:
            continue
        image = np.ascontiguousarray(image, kind)
        for level in range(_LEVELS):
            table[piece, 0] = level + 1
            table[piece, 1 + 3 * level : 4 + 3 * level] = total, *image.shape[:2]
            parts.append(image.reshape(-1, 3))
            total += len(parts[-1])
            if min(image.shape[:2]) < 8:
                break
            image = cv2.resize(
                image, (image.shape[1] // 2, image.shape[0] // 2), interpolation=cv2.INTER_AREA
            )
    return np.concatenate(parts) if parts else np.zeros((1, 3), kind), table


@inlined
def sample(values, table, kind, piece, u, v, crowding):
    """Give the three values at u, v (origin bottom-left), bilinear on the level with about one texel a pixel.

    values: `Texels.colours` (kind 0) or `Texels.gradients` (kind 1). crowding: texels of the finest level in a pixel.
    """
    level, limit, last = 0, 2.0, table[kind, piece, 0] - 1
    while crowding > limit and level < last:
        level += 1
        limit *= 4.0
    at = 1 + 3 * level
    first, height, width = table[kind, piece, at], table[kind, piece, at + 1], table[kind, piece, at + 2]
    x = min(max(u * width - 0.5, 0.0), width - 1.001)
    y = min(max((1.0 - v) * height - 0.5, 0.0), height - 1.001)
    left, top = int(x), int(y)
    s, t = x - left, y - top
    p = first + top * width + left
    q = p + (width if top + 1 < height else 0)
    step = 1 if left + 1 < width else 0
    a, b, c, d = (1.0 - s) * (1.0 - t), s * (1.0 - t), (1.0 - s) * t, s * t
    return (
        a * values[p, 0] + b * values[p + step, 0] + c * values[q, 0] + d * values[q + step, 0],
        a * values[p, 1] + b * values[p + step, 1] + c * values[q, 1] + d * values[q + step, 1],
        a * values[p, 2] + b * values[p + step, 2] + c * values[q, 2] + d * values[q + step, 2],
    )
