"""The shell under the locks: a skin of hair from the hairline up, so that no scalp glints through."""

import numpy as np

from soaplib.synthetic.hair.ground import Ground
from soaplib.synthetic.hair.locks import Surface, unit

_AROUND, _DOWN = 80, 18
_PERIODS = 4


def shell(ground: Ground, gap, fade: float = 0.25, top=None, shade: float = 0.85, level=0.25) -> Surface:
    """Build the shell.

    gap: metres, a number or a function of (azimuth, height) on the base head; it starts from 0 at the hairline over
    `fade` radians. top: height where it ends above (azimuth -> height), the pole by default. shade, level:
    brightness and layer, as in `Locks`.
    """
    azimuth = np.linspace(-np.pi, np.pi, _AROUND + 1)[:-1]
    line = ground.hairline.height(azimuth)
    upper = np.full_like(line, np.pi / 2) if top is None else np.maximum(top(azimuth), line + 0.02)
    t = np.linspace(0, 1, _DOWN)[:, None]
    t = 1 - (1 - t) ** 1.15
    height = upper + (line - upper) * t
    around = np.broadcast_to(azimuth, height.shape)
    rise = np.clip((height - line) / fade, 0, 1)
    rise = np.sqrt(rise * (2 - rise))
    if top is not None:
        # It thins out upwards.
        rise = rise * np.clip((upper - height) / fade, 0, 1) ** 1.5
    full = gap(around, height) if callable(gap) else np.full(height.shape, gap)
    out = -0.0015 + (full + 0.0015) * rise
    skin = ground.scalp.points(around, height)
    local = ground.scalp.bare.locate(skin)
    points = ground.scalp.bare.surface(local[..., 0], local[..., 1], out)
    index = np.arange(points.shape[0] * _AROUND, dtype=np.int32).reshape(-1, _AROUND)
    right = np.roll(index, -1, 1)
    a, b, c, d = index[:-1], index[1:], right[1:], right[:-1]
    faces = np.concatenate([np.stack([a, b, c], -1).reshape(-1, 3), np.stack([a, c, d], -1).reshape(-1, 3)])
    across = np.roll(points, -1, 1) - np.roll(points, 1, 1)
    down = np.gradient(points, axis=0)
    normals = unit(np.cross(down, across))
    if top is None:
        normals[0] = (0, 1, 0)
    # Back and forth over the texture, so that it has no seam.
    turns = np.abs(np.mod(around / (2 * np.pi) * _PERIODS, 1.0) * 2 - 1)
    uv = np.stack([turns * 0.98 + 0.01, 0.02 + 0.96 * np.broadcast_to(t, height.shape)], -1)
    count = height.size
    return Surface(
        points.reshape(-1, 3).astype(np.float32), normals.reshape(-1, 3).astype(np.float32),
        unit(down).reshape(-1, 3).astype(np.float32), faces.astype(np.int32), uv.reshape(-1, 2).astype(np.float32),
        np.full(count, 0.6, np.float32), np.zeros(count, np.float32), np.full(count, shade, np.float32),
        np.full(count, level, np.float32),
    )  # fmt: skip
