"""Where the skin of every synthetic head lies in its texture: one layout for all, made on the base head."""

import dataclasses
import functools

import cv2
import numpy as np

from soaplib.head import HeadModel, load_head
from soaplib.texture.atlas import Layout, lay_out
from soaplib.texture.texels import Texels, at_texels, find_texels

_FEATURES = ((0.36, 0.64), (0.40, 0.83))  # the span of eyes, nose and mouth in u and in v of the atlas
_GAINS = (1.9, 0.5)  # how much more room a metre gets there
_SOFT = 0.09


@functools.cache
def skin_layout() -> Layout:
    """Give the layout of the skin: the atlas of `lay_out` with eyes, nose and mouth made larger still.

    Of the base head, and so of every head with its topology. `uv[k]` belongs to head vertex `source[k]`.
    """
    layout = lay_out(load_head())
    uv = layout.uv.astype(np.float64)
    main = layout.chart == 0
    for axis in range(2):
        values = uv[main, axis]
        low, high = values.min(), values.max()
        places = np.linspace(low, high, 2001)
        first, last = _FEATURES[axis]
        rise = np.clip((places - first + _SOFT) / _SOFT, 0, 1) * np.clip(
            (last + _SOFT - places) / _SOFT, 0, 1
        )
        slope = 1 + _GAINS[axis] * rise * rise * (3 - 2 * rise)
        sums = np.concatenate([[0], np.cumsum((slope[1:] + slope[:-1]) / 2)])
        uv[main, axis] = np.interp(values, places, low + (high - low) * sums / sums[-1])
    return dataclasses.replace(layout, uv=uv.astype(np.float32))


@dataclasses.dataclass(frozen=True)
class Canvas:
    """The texels of the skin at one size, on the base head.

    texels: the covered ones, N. corners: (F, 3) int32 head vertices of each face of the layout. places: (N, 3)
    float32 metres. area: (N,) float32, square metres that a texel stands for. nearest: (size * size,) int32, the
    covered texel (0..N-1) nearest to every texel of the picture. number: (size, size) int32, that of the texel
    itself, -1 where none is covered.
    """

    texels: Texels
    corners: np.ndarray
    places: np.ndarray
    area: np.ndarray
    nearest: np.ndarray
    number: np.ndarray

    def at(self, values: np.ndarray) -> np.ndarray:
        """Interpolate values (V,) or (V, C) of the head's vertices at the N texels."""
        return at_texels(self.texels, self.corners, values)

    def picture(self, values: np.ndarray) -> np.ndarray:
        """Spread (N,) or (N, C) values over the whole picture (size, size[, C]), gaps filled from beside."""
        return np.take(values, self.nearest, 0, mode="clip").reshape(*self.texels.shape, *values.shape[1:])


@functools.lru_cache(maxsize=4)
def canvas(size: int) -> Canvas:
    """Find the texels of a (size, size) texture in `skin_layout`; raises ValueError below 32."""
    if size < 32:
        raise ValueError(f"canvas: expected a size of at least 32, got {size}")
    head, layout = load_head(), skin_layout()
    texels = find_texels(layout.uv, layout.faces, (size, size))
    corners = layout.source[layout.faces]
    places = at_texels(texels, corners, head.template)
    area = (_areas(head.template[corners]) / _areas(layout.uv[layout.faces]))[texels.face] / size**2
    return Canvas(texels, corners, places, area.astype(np.float32), *_numbers(texels))


def _areas(triangles):
    a, b = triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0]
    if triangles.shape[-1] == 2:
        return np.maximum(np.abs(a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]) / 2, 1e-12)
    return np.linalg.norm(np.cross(a, b), axis=1) / 2


def _numbers(texels):
    """The nearest covered texel of every texel, and its own number or -1."""
    empty = ~texels.covered()
    _, label = cv2.distanceTransformWithLabels(
        empty.astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    number = np.zeros(label.max() + 1, np.int32)
    number[label[~empty]] = np.arange(len(texels.index))
    nearest = number[label]
    return nearest.ravel(), np.where(empty, -1, nearest).astype(np.int32)


def landmark_uv(head: HeadModel) -> np.ndarray:
    """Give the (478, 2) places of the landmarks in `skin_layout`."""
    layout = skin_layout()
    number = {tuple(face): k for k, face in enumerate(layout.source[layout.faces].tolist())}
    found = [number.get(tuple(face)) for face in head.faces[head.landmark_faces].tolist()]
    corners = layout.uv[layout.faces[[0 if k is None else k for k in found]]]
    uv = (corners * head.landmark_weights[..., None]).sum(1)
    uv[[k is None for k in found]] = np.nan
    return uv
