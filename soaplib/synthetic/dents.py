"""Dents in a handmade surface: how its shading normals turn."""

import math

from soaplib.synthetic.inlined import inlined
from soaplib.synthetic.vectors import unit


@inlined
def dented(normal, place, height, offset):
    """Turn a normal by dents of two sizes, 12 and 5 mm, as thumbs leave them in clay."""
    gx, gy, gz = 0.0, 0.0, 0.0
    for octave in range(2):
        size = (85.0, 210.0)[octave]
        share = (1.0, 0.4)[octave]
        dx, dy, dz = _noise_gradient(
            place[0] * size + offset[0], place[1] * size + offset[1], place[2] * size + offset[2]
        )
        gx += share * dx * size
        gy += share * dy * size
        gz += share * dz * size
    along = gx * normal[0] + gy * normal[1] + gz * normal[2]
    return unit(
        (
            normal[0] - height * (gx - along * normal[0]),
            normal[1] - height * (gy - along * normal[1]),
            normal[2] - height * (gz - along * normal[2]),
        )
    )


@inlined
def _noise_gradient(x, y, z):
    """Give the gradient of value noise (trilinear with smooth steps)."""
    i, j, k = int(math.floor(x)), int(math.floor(y)), int(math.floor(z))
    x, y, z = x - i, y - j, z - k
    u, v, w = x * x * (3 - 2 * x), y * y * (3 - 2 * y), z * z * (3 - 2 * z)
    a, b, c, d = _hash(i, j, k), _hash(i + 1, j, k), _hash(i, j + 1, k), _hash(i + 1, j + 1, k)
    e, f, g, h = (
        _hash(i, j, k + 1),
        _hash(i + 1, j, k + 1),
        _hash(i, j + 1, k + 1),
        _hash(i + 1, j + 1, k + 1),
    )
    low_x, high_x = (b - a) * (1 - v) + (d - c) * v, (f - e) * (1 - v) + (h - g) * v
    low, high = a + (b - a) * u, e + (f - e) * u
    low_top, high_top = c + (d - c) * u, g + (h - g) * u
    front, back = low + (low_top - low) * v, high + (high_top - high) * v
    return (
        6 * x * (1 - x) * (low_x + (high_x - low_x) * w),
        6 * y * (1 - y) * ((low_top - low) + ((high_top - high) - (low_top - low)) * w),
        6 * z * (1 - z) * (back - front),
    )


@inlined
def _hash(i, j, k):
    n = (i * 374761393 + j * 668265263 + k * 1274126177) & 0xFFFFFFFF
    n = ((n ^ (n >> 13)) * 1103515245) & 0xFFFFFFFF
    return ((n ^ (n >> 16)) & 0xFFFF) / 65535.0
