"""Colours of a grown head of hair, vertex by vertex: roots, tips, streaks, depth, edges."""

import numpy as np

from soaplib.synthetic.hair.codes import HairColour
from soaplib.synthetic.hair.locks import Surface


def vertex_colours(surface: Surface, colour: HairColour, edge: float, streaked: np.ndarray) -> np.ndarray:
    """Give (V, 3) float32 sRGB. edge: how much darker a lock's edges are. streaked: (V,) share of the streak."""
    base, streak = np.array(colour.base, np.float32), np.array(colour.streak, np.float32)
    ramp = surface.along
    light = colour.root + (1 - colour.root) * np.clip(ramp * 2.5, 0, 1) + (colour.tip - 1) * ramp**2
    light = light * surface.shade * (0.72 + 0.28 * surface.layer) * (1 - edge * surface.across)
    # Streaks begin below the roots.
    share = (streaked * np.clip(ramp * 3, 0.2, 1))[:, None]
    return np.clip((base * (1 - share) + streak * share) * light[:, None], 0, 1).astype(np.float32)
