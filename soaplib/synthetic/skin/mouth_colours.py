"""Colours of teeth, gums and tongue, and their pictures."""

import dataclasses
import functools

import cv2
import numpy as np

from soaplib.parts.teeth_texture import teeth_texture
from soaplib.parts.tongue import tongue_texture
from soaplib.synthetic.pieces import STYLES

_GUMS = 0.415  # v below which the teeth's picture may hold gums; see soaplib.parts.teeth_texture
_ROWS = ((0.0, 0.205), (0.215, _GUMS))


@dataclasses.dataclass(frozen=True)
class MouthColours:
    """Factors (r, g, b) on the usual colours of teeth, gums and tongue.

    flat: 0 keeps the shading painted on the teeth, 1 evens it.
    """

    teeth: tuple[float, float, float]
    gums: tuple[float, float, float]
    tongue: tuple[float, float, float]
    flat: float


def draw_mouth_colours(
    rng: np.random.Generator, style: str, melanin: float = 1.0, age: float = 0.7
) -> MouthColours:
    """Draw them; old teeth are yellower, gums of dark skin browner. age: as for `draw_skin`.

    Raises ValueError for an unknown style.
    """
    if style not in STYLES:
        raise ValueError(f"draw_mouth_colours: expected a style of {', '.join(STYLES)}, got {style!r}")
    stain = rng.uniform(0, 0.5) + 1.2 * max(0.0, age - 0.65)
    if style != "realistic":
        stain *= 0.2
    teeth = np.array([1.02, 1.01, 1.0]) - stain * np.array([0.08, 0.14, 0.30])
    brown = (melanin / (melanin + 8)) * rng.uniform(0.2, 1)
    gums = np.array([1.0, 1.0, 1.0]) - brown * np.array([0.35, 0.30, 0.25]) + rng.normal(0, 0.03, 3)
    tongue = np.array([1.0, 1.0, 1.0]) + rng.normal(0, 0.05) + rng.normal(0, 0.02, 3)
    flat = {"realistic": 0.0, "cartoon": 0.35, "anime": 0.8, "clay": 0.6}[style]
    return MouthColours(*(tuple(round(float(c), 4) for c in v) for v in (teeth, gums, tongue)), flat)


def paint_teeth(colours: MouthColours, size: int = 256) -> np.ndarray:
    """Paint enamel and gums: (size, size, 3) uint8, in the layout of `soaplib.parts.teeth_texture`."""
    base = _teeth(size)
    gains = np.broadcast_to(np.array(colours.teeth, np.float32), (size, 3)).copy()
    v = 1 - (np.arange(size) + 0.5) / size
    for low, high in _ROWS:
        gains[(v >= low) & (v <= high)] = colours.gums
    picture = base
    if colours.flat:
        picture = (
            base
            + colours.flat
            * (np.array([242, 238, 228], np.float32) - base)
            * ((gains == np.array(colours.teeth, np.float32)).all(1)[:, None, None])
        )
    return np.clip(picture * gains[:, None] + 0.5, 0, 255).astype(np.uint8)


def paint_tongue(colours: MouthColours, size: int = 64) -> np.ndarray:
    """Paint the tongue: (size, size, 3) uint8, in the layout of `soaplib.parts.tongue`."""
    return np.clip(_tongue(size) * np.array(colours.tongue, np.float32) + 0.5, 0, 255).astype(np.uint8)


@functools.lru_cache(maxsize=4)
def _teeth(size):
    return cv2.resize(teeth_texture(), (size, size), interpolation=cv2.INTER_AREA).astype(np.float32)


@functools.lru_cache(maxsize=4)
def _tongue(size):
    return cv2.resize(tongue_texture(), (size, size), interpolation=cv2.INTER_AREA).astype(np.float32)
