"""The picture on teeth and gums, with the shade of the mouth painted in, for it is also seen without light."""

import numpy as np

from soaplib.parts.smoothstep import smoothstep

TOOTH_KINDS = 8
_WIDTH, _HEIGHT = 512, 512
_ENAMEL = {"upper": (0.72, 0.99), "lower": (0.43, 0.70)}  # bands of v
_GUM = {"upper": (0.22, 0.41), "lower": (0.01, 0.20)}
_LOW = -0.25  # the level along the crown at the bottom of the enamel's band


def enamel_uv(kind: int, row: str, around: np.ndarray, level: np.ndarray) -> np.ndarray:
    """UV of a crown: kind 0..7 from the middle; around: 0..1, 0.5 at the lips; level: -0.25 in the gum to 1."""
    low, high = _ENAMEL[row]
    u = (kind + 0.04 + 0.92 * around) / TOOTH_KINDS
    return np.stack([u, low + (high - low) * (level - _LOW) / (1 - _LOW)], -1)


def gum_uv(row: str, along: np.ndarray, across: np.ndarray) -> np.ndarray:
    """UV of a gum: along 0 at the middle to 1 at the back; across 0 at the lips' side to 1 at the tongue's."""
    low, high = _GUM[row]
    return np.stack([0.01 + 0.98 * along, low + (high - low) * across], -1)


def teeth_texture() -> np.ndarray:
    """Paint enamel and gums: (512, 512, 3) uint8."""
    u, v = np.meshgrid((np.arange(_WIDTH) + 0.5) / _WIDTH, 1 - (np.arange(_HEIGHT) + 0.5) / _HEIGHT)
    picture = np.zeros((_HEIGHT, _WIDTH, 3))
    for row in ("upper", "lower"):
        for bands, paint in ((_ENAMEL, _enamel), (_GUM, _gum)):
            low, high = bands[row]
            here = (v >= low - 0.01) & (v <= high + 0.01)
            picture[here] = paint(u[here], np.clip((v[here] - low) / (high - low), 0, 1), row)
    return (np.clip(picture, 0, 1) * 255 + 0.5).astype(np.uint8)


def _enamel(u, band, row):
    kind = np.minimum(np.floor(u * TOOTH_KINDS), TOOTH_KINDS - 1)
    around = np.clip((u * TOOTH_KINDS - kind - 0.04) / 0.92, 0, 1)
    level = _LOW + (1 - _LOW) * band
    facing = np.cos((around - 0.5) * 2 * np.pi)  # 1 at the lips, -1 at the tongue
    neck, body, edge = (
        np.array([0.83, 0.72, 0.55]),
        np.array([0.95, 0.915, 0.84]),
        np.array([0.90, 0.90, 0.875]),
    )
    colour = _mix(neck, body, smoothstep(0.0, 0.45, level))
    colour = _mix(colour, edge, smoothstep(0.78, 1.0, level) * 0.7)
    gum_shade = 0.62 + 0.38 * smoothstep(-0.02, 0.22, level)
    gap_shade = 0.42 + 0.58 * smoothstep(-0.1, 0.72, facing)
    depth_shade = np.array([1, 0.985, 0.94, 0.82, 0.68, 0.55, 0.45, 0.36])[kind.astype(int)]
    row_shade = 1 if row == "upper" else 0.93
    return colour * (gum_shade * gap_shade * depth_shade * row_shade)[:, None]


def _gum(u, band, row):
    along = np.clip((u - 0.01) / 0.98, 0, 1)
    margin = np.exp(-(((band - 0.375) / 0.06) ** 2))
    pink, pale = np.array([0.76, 0.42, 0.42]), np.array([0.86, 0.56, 0.54])
    colour = _mix(pink, pale, 0.6 * margin)
    root = 0.45 + 0.55 * smoothstep(0.0, 0.3, band)
    back = 1 - 0.45 * smoothstep(0.4, 0.7, band)
    deep = 1 - 0.6 * smoothstep(0.15, 0.9, along)
    return colour * (root * back * deep * (1 if row == "upper" else 0.93))[:, None]


def _mix(a, b, t):
    return a * (1 - t)[:, None] + b * t[:, None]
