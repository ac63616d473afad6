"""Colours that go together, and what is woven, knitted or printed on cloth."""

import functools
import math

import numpy as np
import scipy.ndimage

PATTERNS = ("plain", "stripes", "bars", "dots", "knit", "ribs", "nordic", "plaid", "felt", "weave", "stars")
"""What `paint` can draw; plain needs no texture."""

_H, _W, _WHITE = 104, 208, 8

_SCHEMES = {
    "realistic": (
        ("22252b", "8b8f98", "b9a27a"), ("1f2e4a", "c9ced6", "8c2f2b"), ("6b4a34", "d8c3a0", "2d2119"),
        ("7a1f26", "e5d9c8", "2b1a1c"), ("3d4a3a", "b8ad8a", "20261e"), ("c8bfae", "6e6457", "8a5a3c"),
        ("e9e6df", "4b5a72", "b04a3a"), ("4d4f54", "1d1e21", "9aa0a8"), ("8a6d3b", "efe3c6", "3a2c17"),
        ("2f5d62", "d9e3df", "c9824b"), ("5b4a68", "cfc4d8", "2b2433"), ("b5532e", "f0dcc2", "3b2a22"),
        ("34465d", "6f88a5", "d6d0c4"), ("a3a7aa", "f4f3f0", "55585c"), ("b38a94", "f1e4e4", "5f3f48"),
    ),
    "cartoon": (
        ("e23b3b", "fff4e0", "ffd23f"), ("2f7de1", "ffffff", "ffcc33"), ("ffb52e", "7a3b1e", "fff1c9"),
        ("37b26b", "f7f3d7", "f0563d"), ("8b4fd1", "ffd9f3", "ffd23f"), ("ff7fab", "fff0f6", "8b3d6b"),
        ("27b5b0", "fdf6e3", "ff7d4d"), ("f26a2e", "2b3a67", "fff0dc"), ("3b3f8f", "9fd8ff", "ffe066"),
        ("c98a5b", "fbe9d0", "7a4526"), ("f5f1e8", "e2574c", "3b6ea5"), ("7d5a3c", "f5c99b", "ff8f3f"),
    ),
    "anime": (
        ("1c1d2e", "e6e8f2", "d7263d"), ("f7f7fb", "c23b5e", "2c2f54"), ("ff8fb1", "ffffff", "7b2d5b"),
        ("6d7be0", "f4f2ff", "ffd166"), ("232946", "b8c1ec", "eebbc3"), ("a8dadc", "ffffff", "457b9d"),
        ("d7263d", "1c1d2e", "f4d35e"), ("9d7fe0", "f3e9ff", "2b2153"), ("ffd166", "ffffff", "ef476f"),
        ("3a6b4f", "f0efe2", "d8a838"), ("f1a7c4", "5b3a67", "ffffff"), ("2b2b2b", "8ef0d0", "ff4f79"),
    ),
    "clay": (
        ("d9775f", "f3d9c4", "6b8f9c"), ("8fae9b", "f2e8d5", "c9705a"), ("e2b04a", "f7ecd3", "7d5a4f"),
        ("6f87b5", "e9e2d8", "d98e73"), ("c58fb0", "f6e6e6", "6a6f9a"), ("b07c57", "efdcc3", "54705f"),
        ("e8e1d4", "c7684f", "5f7f83"), ("7fb0b5", "fbf0dd", "e08a5b"),
    ),
}  # fmt: skip

METALS = ("c9a24b", "b9bcc2", "d9a58c", "3a3b3f", "8d7448")
"""Gold, silver, rose gold, gunmetal, bronze."""


def rgb(code: str) -> tuple[float, float, float]:
    """Turn six hexadecimal digits into sRGB in [0, 1]."""
    return tuple(round(int(code[k : k + 2], 16) / 255, 4) for k in (0, 2, 4))


def draw_scheme(rng: np.random.Generator, style: str) -> tuple[tuple[float, float, float], ...]:
    """Draw three colours that go together in a style; the first two change places at times."""
    schemes = _SCHEMES[style]
    first, second, trim = (np.array(rgb(c)) for c in schemes[rng.integers(len(schemes))])
    if rng.random() < 0.25:
        first, second = second, first
    light = rng.normal(0, 0.05)
    tint = rng.normal(0, 0.025, 3)
    return tuple(
        tuple(np.clip(c * (1 + light) + tint, 0.02, 1).round(4).tolist()) for c in (first, second, trim)
    )


def paint(name: str, colours, seed: int) -> np.ndarray:
    """Draw a pattern, (112, 208, 3) uint8: columns go round the thing, row 0 is its top; the last rows are white."""
    mix, shade = _drawn(name, seed % 3)
    main, second = (np.asarray(c, np.float32) * 255 for c in colours[:2])
    out = np.full((_H + _WHITE, _W, 3), 255, np.uint8)
    cloth = (main + mix[..., None] * (second - main)) * shade[..., None]
    out[:_H] = np.clip(cloth, 0, 255)
    return out


def placed(uv: np.ndarray) -> np.ndarray:
    """Bring uv (V, 2) over the pattern into the texture of `paint`; uv below 0 into its white."""
    white = uv[:, :1] < 0
    u = np.clip(uv[:, :1], 0.5 / _W, 1 - 0.5 / _W)
    v = (_WHITE + 0.5 + np.clip(uv[:, 1:], 0, 1) * (_H - 1)) / (_H + _WHITE)
    return np.where(white, [0.5, 0.4 * _WHITE / (_H + _WHITE)], np.concatenate([u, v], 1))


@functools.cache
def _drawn(name, variant):
    """Draw how much of the second colour (H, W), and how bright, each texel is."""
    v, u = np.meshgrid((np.arange(_H)[::-1] + 0.5) / _H, (np.arange(_W) + 0.5) / _W, indexing="ij")
    noise = np.random.default_rng(variant).normal(size=(_H, _W))
    fine = 1 + 0.02 * noise
    nothing = np.zeros_like(u)
    if name == "stripes":
        count = (3, 5, 7)[variant]
        return _stored(_soft(np.sin(2 * math.pi * (v * count + 0.1)), 0.12), fine)
    if name == "bars":
        count = (8, 12, 18)[variant]
        return _stored(_soft(np.cos(2 * math.pi * u * count), 0.12), fine)
    if name == "dots":
        count = (10, 14, 20)[variant]
        a, b = u * count, v * count / 2
        a = a + 0.5 * (np.floor(b) % 2)
        apart = np.hypot(a % 1 - 0.5, b % 1 - 0.5)
        return _stored(_soft(0.26 - apart, 0.03), fine)
    if name == "stars":
        count = (8, 10, 14)[variant]
        a, b = u * count, v * count / 2
        a = a + 0.5 * (np.floor(b) % 2)
        x, y = a % 1 - 0.5, b % 1 - 0.5
        turn = np.arctan2(x, y)
        reach = 0.2 + 0.1 * np.cos(5 * turn)
        return _stored(_soft(reach - np.hypot(x, y), 0.03), fine)
    if name in ("knit", "nordic"):
        stitch = _stitches(u, v, 56, 30)
        if name == "knit":
            return _stored(nothing, stitch * fine)
        return _stored(_nordic(u, v, variant), stitch * fine)
    if name == "ribs":
        rib = np.cos(2 * math.pi * u * (36, 44, 28)[variant])
        return _stored(nothing, (0.86 + 0.14 * rib) * (0.94 + 0.06 * _stitches(u, v, 72, 44)))
    if name == "plaid":
        count = (5, 7, 9)[variant]
        a = _soft(np.sin(2 * math.pi * u * count), 0.08) + _soft(np.sin(2 * math.pi * v * count / 2), 0.08)
        thin = _soft(np.cos(2 * math.pi * u * count) - 0.93, 0.03) + _soft(
            np.cos(math.pi * v * count) - 0.93, 0.03
        )
        return _stored(np.clip(0.4 * a + 0.7 * thin, 0, 1), fine)
    if name == "felt":
        # Fine fibres, and soft patches several texels wide; crowns are wider round than they are high.
        blur = scipy.ndimage.gaussian_filter(noise, (0.9, 0.9), mode="wrap")
        cloud = scipy.ndimage.gaussian_filter(noise, (3, 3), mode="wrap")
        return _stored(nothing, 1 + 0.022 * blur / blur.std() + 0.018 * cloud / cloud.std() + 0.01 * noise)
    if name == "weave":
        over = np.sin(2 * math.pi * u * 64) * np.sin(2 * math.pi * v * 32)
        return _stored(np.clip(0.25 + 0.1 * noise, 0, 1) * 0.5, 0.95 + 0.06 * over)
    raise ValueError(f"paint: expected a pattern of {', '.join(PATTERNS)}, got {name!r}")


def _stored(mix, shade):
    return mix.astype(np.float32), shade.astype(np.float32)


def _soft(value, width):
    t = np.clip(value / (2 * width) + 0.5, 0, 1)
    return t * t * (3 - 2 * t)


def _stitches(u, v, across, up):
    """Shade the two legs of each knitted V."""
    a, b = (u * across) % 1, v * up
    lean = np.abs(a - 0.5) * 2
    leg = 0.5 + 0.5 * np.cos(2 * math.pi * (b - 0.55 * lean))
    gap = np.minimum(np.abs(a - 0.5), 0.5 - np.abs(a - 0.5)) * 4
    return 0.8 + 0.2 * leg * np.clip(0.35 + gap, 0, 1)


def _nordic(u, v, variant):
    """Knit bands of zigzags, diamonds and dots, as on winter hats."""
    a = np.floor(u * 56) % 8
    b = np.floor(v * 30)
    zig = np.abs(a - 4)
    bands = (np.abs(b - 15) <= 3) & ((b + zig.astype(int)) % 4 < 2)
    bands |= (b == 10) | (b == 20) | (((b == 8) | (b == 22)) & (a % 2 == 0))
    diamonds = (np.abs(b - 15) + np.abs(a - 4)) <= 3
    lines = [bands, diamonds | (b == 10) | (b == 20), bands ^ (np.abs(b - 15) < 1)]
    return lines[variant].astype(float)
