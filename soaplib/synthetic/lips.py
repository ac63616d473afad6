"""Lips of a synthetic person: they touch when the mouth is closed, and never pass through each other."""

import dataclasses

import numba as nb
import numpy as np

from soaplib.head import HeadModel
from soaplib.parts.rims import mouth_rim
from soaplib.parts.rings import rings_around
from soaplib.parts.smoothstep import smoothstep
from soaplib.synthetic.lids import regular_rows

_OUTWARDS, _INWARDS = 7, 6
_SPREAD = 14
_OVERLAP = 6e-4
_SEAL = 3.5e-3
_PLACES = np.linspace(0, 1, 33)


@dataclasses.dataclass(frozen=True)
class LipGrid:
    """The lips, as they are on every head: rings of vertices around the line between them.

    upper, lower: (K, U) and (K, L) vertices, ring by ring from within the mouth to the lips' outer skin, each from
    the right corner to the left one. ids: (N,) vertices near; side: (N,) 1 upper, -1 lower, less near the corners;
    falloff: (N,) 1 on the lips, 0 far away.
    """

    upper: np.ndarray
    lower: np.ndarray
    ids: np.ndarray
    side: np.ndarray
    falloff: np.ndarray

    @classmethod
    def of(cls, head: HeadModel) -> "LipGrid":
        """Read the grid off the default head."""
        rim = mouth_rim(head)
        rings = rings_around(head, rim, "mouth_cavity")
        inner, outer = regular_rows(rings, rim, _INWARDS, -1), regular_rows(rings, rim, _OUTWARDS)
        rows = np.concatenate([inner[:0:-1], outer])
        corner = int(np.argmax(head.template[rim, 0] - head.template[rim[0], 0]))
        near = np.abs(rings.ring) < _SPREAD
        return cls(
            upper=rows[:, : corner + 1], lower=rows[:, [0, *range(len(rim) - 1, corner - 1, -1)]],
            ids=rings.ids[near], side=np.clip(4 * (rings.upper[near] - 0.5), -1, 1),
            falloff=smoothstep(_SPREAD, 0.35 * _SPREAD, np.abs(rings.ring[near])),
        )  # fmt: skip

    def inner_rows(self) -> np.ndarray:
        """(N,) the vertices of the lips' inner faces."""
        return np.unique(np.concatenate([self.upper[:_INWARDS].ravel(), self.lower[:_INWARDS].ravel()]))

    def gaps(self, vertices: np.ndarray) -> np.ndarray:
        """The heights (K, 33) of the openings of each ring at even places between its corners; negative if crossed."""
        return _gaps(vertices, self.upper, self.lower)

    def part(self, vertices: np.ndarray, amounts: np.ndarray) -> None:
        """Move the lips apart by `amounts` (33,) metres, each lip by half, in place."""
        rim = vertices[self.upper[_INWARDS]]
        across = (vertices[self.ids, 0] - rim[0, 0]) / (rim[-1, 0] - rim[0, 0])
        move = np.interp(across, _PLACES, amounts, 0, 0) / 2
        vertices[self.ids, 1] += self.side * move * self.falloff


def seal(grid: LipGrid, template: np.ndarray) -> None:
    """Close the lips of a neutral head where they are less than a few millimetres apart, in place."""
    for _ in range(2):  # the second time for what the falloff near the corners left
        gap = grid.gaps(template).min(0) + _OVERLAP
        close = np.maximum(gap, 0) * smoothstep(2 * _SEAL, _SEAL, gap)
        grid.part(template, -_dilate(close))


def uncross(grid: LipGrid, posed: np.ndarray, allowed: np.ndarray) -> None:
    """Part lips that an expression has moved through each other, in place.

    allowed: (K, 33) the gaps they may keep, `least_gaps` of the neutral head.
    """
    need = np.maximum(allowed - grid.gaps(posed), 0).max(0)
    if need.max() > 1e-5:
        grid.part(posed, _dilate(need))


def least_gaps(grid: LipGrid, template: np.ndarray) -> np.ndarray:
    """The gaps (K, 33) below which lips count as crossed: those of the closed neutral lips, or none."""
    return np.minimum(grid.gaps(template), 0)


def _dilate(values):
    padded = np.concatenate([values[:1], values, values[-1:]])
    return np.maximum(np.maximum(padded[:-2], padded[1:-1]), padded[2:])


@nb.njit(cache=True)
def _gaps(vertices, upper, lower):
    out = np.empty((len(upper), len(_PLACES)))
    for k in range(len(upper)):
        heights = np.empty((2, len(_PLACES)))
        for half, row in enumerate((upper[k], lower[k])):
            x = vertices[row, 0]
            order = np.argsort(x)
            left, right = x[0], x[-1]
            heights[half] = np.interp(left + (right - left) * _PLACES, x[order], vertices[row, 1][order])
        out[k] = heights[0] - heights[1]
    return out
