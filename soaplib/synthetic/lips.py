"""Lips of a synthetic person: they touch when the mouth is closed, and never pass through each other."""

import dataclasses

import numpy as np

from soaplib.head import HeadModel
from soaplib.parts.rims import mouth_rim
from soaplib.parts.rings import rings_around
from soaplib.parts.smoothstep import smoothstep
from soaplib.synthetic.lids import regular_rows

_OUTWARDS, _INWARDS = 7, 6
_SPREAD = 14
_OVERLAP = 3e-4
_SEAL = 3.5e-3


@dataclasses.dataclass(frozen=True)
class LipGrid:
    """The lips, as they are on every head: a grid of rings around the line between them.

    rows: (K, S) vertices, ring by ring from within the mouth to the lips' outer skin; sectors from the right corner
    over the upper lip to the left one and back. upper, lower: (P,) sectors that face each other, corners left out.
    ids: (N,) vertices near; station: (N,) place along the lips, 0 to P - 1; side: (N,) 1 upper, -1 lower, less near
    the corners; falloff: (N,) 1 on the lips, 0 far away.
    """

    rows: np.ndarray
    upper: np.ndarray
    lower: np.ndarray
    ids: np.ndarray
    station: np.ndarray
    side: np.ndarray
    falloff: np.ndarray

    @classmethod
    def of(cls, head: HeadModel) -> "LipGrid":
        """Read the grid off the default head."""
        rim = mouth_rim(head)
        rings = rings_around(head, rim, "mouth_cavity")
        outer = regular_rows(rings, rim, _OUTWARDS)
        inner = regular_rows(rings, rim, _INWARDS, -1)
        rows = np.concatenate([inner[:0:-1], outer])
        corner = int(np.argmax(head.template[rim, 0] - head.template[rim[0], 0]))
        count = min(corner, len(rim) - corner) - 1
        upper = np.round(np.linspace(1, corner - 1, count)).astype(int)
        lower = np.round(np.linspace(len(rim) - 1, corner + 1, count)).astype(int)
        near = np.abs(rings.ring) < _SPREAD
        near &= rings.ids < len(head.template)
        carried = np.zeros((len(rings.ids), 2))
        place = np.searchsorted(rings.ids, rim)
        across = np.zeros(len(rim))
        across[upper] = across[lower] = np.arange(count)
        across[corner : corner + 1] = count - 1
        carried[place, 0] = across
        carried[place, 1] = 1
        carried = rings.carried(rings.carried(carried, 0, 1), 0, -1)
        near &= carried[:, 1] > 0.5
        side = np.clip(4 * (rings.upper[near] - 0.5), -1, 1)
        return cls(
            rows=rows, upper=upper, lower=lower, ids=rings.ids[near], station=carried[near, 0] / carried[near, 1],
            side=side, falloff=smoothstep(_SPREAD, 0.35 * _SPREAD, np.abs(rings.ring[near])),
        )  # fmt: skip

    def gaps(self, vertices: np.ndarray) -> np.ndarray:
        """The heights (K, P) of the openings between facing vertices of each ring, metres; negative where crossed."""
        return vertices[self.rows[:, self.upper], 1] - vertices[self.rows[:, self.lower], 1]

    def part(self, vertices: np.ndarray, amounts: np.ndarray) -> None:
        """Move the lips apart by `amounts` (P,) metres, each lip by half, in place."""
        move = np.interp(self.station, np.arange(len(amounts)), amounts) / 2
        vertices[self.ids, 1] += self.side * move * self.falloff


def seal(grid: LipGrid, template: np.ndarray) -> None:
    """Close the lips of a neutral head where they are less than a few millimetres apart, in place."""
    gap = grid.gaps(template).min(0) + _OVERLAP
    close = np.maximum(gap, 0) * smoothstep(2 * _SEAL, _SEAL, gap) + np.minimum(gap, 0)
    grid.part(template, -_smooth(close))


def uncross(grid: LipGrid, posed: np.ndarray, allowed: np.ndarray) -> None:
    """Part lips that an expression has moved through each other, in place.

    allowed: (K, P) the gaps they may keep, `least_gaps` of the neutral head.
    """
    need = np.maximum(allowed - grid.gaps(posed), 0).max(0)
    if need.max() > 1e-5:
        grid.part(posed, _smooth(_dilate(need)))


def least_gaps(grid: LipGrid, template: np.ndarray) -> np.ndarray:
    """The gaps (K, P) below which lips count as crossed: those of the closed neutral lips, or none."""
    return np.minimum(grid.gaps(template), 0)


def _dilate(values):
    padded = np.concatenate([values[:1], values, values[-1:]])
    return np.maximum(np.maximum(padded[:-2], padded[1:-1]), padded[2:])


def _smooth(values):
    padded = np.concatenate([[0.0], values, [0.0]])
    return 0.25 * padded[:-2] + 0.5 * padded[1:-1] + 0.25 * padded[2:]
