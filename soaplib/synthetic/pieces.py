"""What a synthetic head is made of: surfaces in the neutral pose, each hung on the head model's vertices."""

import dataclasses

import numpy as np

from soaplib.data import REGIONS

STYLES = ("realistic", "cartoon", "anime", "clay")
"""The styles of heads; they change proportions, painting and shading."""

LABELS = (*REGIONS, "teeth", "worn")
"""What a pixel shows: `REGIONS`, then teeth (not the rest of the mouth) and worn things; a label is a position."""


@dataclasses.dataclass(frozen=True)
class Piece:
    """One surface of a synthetic head, neutral pose, metres.

    vertices: (V, 3) float32. normals: (V, 3) float32, the unit normals it is shaded with. faces: (F, 3) int32,
    counter-clockwise from outside. labels: (F,) uint8, positions in `LABELS`. colours: (V, 3) float32 sRGB in [0, 1].
    uv: (V, 2) float32 (origin bottom-left) and texture: (H, W, 3) uint8 sRGB, multiplied by the colours; or None.
    roots: (V, 3) int32 and root_weights: (V, 3) float32, rows sum to 1: the three vertices of the head model by
    whose motion (expression, then skinning) a vertex is carried. gloss: strength of the highlight, 0 (matte) to 1.
    strands: (V, 3) float32 unit directions of hair or fur, for its long highlights, or None. double_sided: both
    sides are drawn, the back with its normal turned.
    """

    name: str
    vertices: np.ndarray
    normals: np.ndarray
    faces: np.ndarray
    labels: np.ndarray
    colours: np.ndarray
    roots: np.ndarray
    root_weights: np.ndarray
    uv: np.ndarray | None = None
    texture: np.ndarray | None = None
    gloss: float = 0.1
    strands: np.ndarray | None = None
    double_sided: bool = False
