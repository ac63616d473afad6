"""The dental arch of a personal head: where the outer faces of the teeth stand, between the lips and the tongue."""

import dataclasses

import numpy as np
from scipy.spatial import ConvexHull, cKDTree

from soaplib.head import HeadModel
from soaplib.parts.rims import cavity_quads, mouth_rim
from soaplib.parts.smoothstep import smoothstep

HALF_ARCH = 0.065
"""Metres: the widths of an adult's eight upper teeth of one side (Wheeler's Dental Anatomy); sizes scale to it."""

_SAMPLES = 257
_LIP_GAP = 2.5e-3
_OVERJET = 2.6e-3
_UPPER_SHOWN = 4e-3
_LOWER_SHOWN = 0.5e-3
_BAND = (9e-3, 4e-3)


@dataclasses.dataclass(frozen=True)
class DentalArch:
    """Outer curves of both rows of teeth in the horizontal plane, from the head's right end to its left one.

    upper, lower: (N, 2) x and z, metres; edge_upper, edge_lower: (N,) y of the biting edges; unit: size of this
    mouth over an adult's. stomion: y where the lips meet.
    """

    upper: np.ndarray
    lower: np.ndarray
    edge_upper: np.ndarray
    edge_lower: np.ndarray
    unit: float
    stomion: float

    def outwards(self, points: np.ndarray, row: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Give signed distances (P,) of (P, 3) points outwards from a row's curve; heights are ignored.

        row: "upper" or "lower". Also returns the outward normals (P, 2) and the nearest samples (P,).
        """
        curve = getattr(self, row)
        normals = curve_normals(curve)
        nearest = cKDTree(curve).query(points[:, [0, 2]])[1]
        off = points[:, [0, 2]] - curve[nearest]
        return (off * normals[nearest]).sum(1), normals[nearest], nearest


def fit_arch(head: HeadModel) -> DentalArch:
    """Read the arch from the head's helper strips along the teeth, and set it behind the lips.

    The upper edges stand 4 mm (of an adult's mouth) below the line where the lips meet and the lower ones close
    behind them, so that both show when the lips part. The curve is moved forwards towards the lips, and drawn in
    wherever the walls of the mouth come closer than 2.5 mm.
    """
    template = head.template.astype(np.float64)
    strips = [template[head.part_vertices(name)] for name in ("upper_teeth", "lower_teeth")]
    curve = _outer_curve(strips[0][:, [0, 2]])
    stomion = _stomion(template, mouth_rim(head))
    unit = _length(curve) / 2 / HALF_ARCH
    side = np.linspace(-1, 1, _SAMPLES)
    plane = stomion + _rise(strips, side)
    front = smoothstep(0.62, 0.28, np.abs(side))
    edge_upper = plane + unit * (0.3e-3 - (_UPPER_SHOWN + 0.3e-3) * front)
    edge_lower = plane - unit * (0.3e-3 + (_LOWER_SHOWN - 0.3e-3) * front)
    walls = _walls(head, template)
    curve = _moved_forwards(curve, walls, edge_upper, unit)
    curve = _drawn_in(curve, walls, edge_upper, unit)
    unit = _length(curve) / 2 / HALF_ARCH
    lower = curve - curve_normals(curve) * (unit * _OVERJET * (0.4 + 0.6 * front))[:, None]
    return DentalArch(curve, lower, edge_upper, edge_lower, unit, stomion)


def curve_normals(curve: np.ndarray) -> np.ndarray:
    """Unit normals (N, 2) to the left of the way along a curve (N, 2) of x, z: outwards for a dental arch."""
    along = np.gradient(curve, axis=0)
    normals = np.stack([-along[:, 1], along[:, 0]], 1)
    return normals / np.linalg.norm(normals, axis=1, keepdims=True)


def _outer_curve(points):
    """The convex hull's chain around the front, resampled and smoothed by polynomials of the arc length."""
    hull = points[ConvexHull(points).vertices]
    hull = np.roll(hull, -int(np.argmax(_jumps(hull))) - 1, axis=0)  # the longest side is the open back
    if hull[0, 0] > hull[-1, 0]:
        hull = hull[::-1]
    return _smoothed(hull)


def _jumps(loop):
    return np.linalg.norm(np.roll(loop, -1, axis=0) - loop, axis=1)


def _smoothed(chain):
    along = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(chain, axis=0), axis=1))])
    even = np.linspace(0, along[-1], _SAMPLES)
    side = even / along[-1] * 2 - 1
    x, z = (np.interp(even, along, chain[:, k]) for k in range(2))
    x, z = (x - x[::-1]) / 2 + (x[0] + x[-1]) / 2, (z + z[::-1]) / 2
    return np.stack([np.polyval(np.polyfit(side, values, 6), side) for values in (x, z)], 1)


def _length(curve):
    return np.linalg.norm(np.diff(curve, axis=0), axis=1).sum()


def _stomion(template, rim):
    """The height of the line between the lips at the middle."""
    places = template[rim]
    middle = (places[:, 0].min() + places[:, 0].max()) / 2
    near = np.abs(places[:, 0] - middle) < 0.15 * np.ptp(places[:, 0])
    return places[near, 1].mean()


def _rise(strips, side):
    """How far the biting plane rises towards the back: the mean of both strips' edges, 0 in front."""
    edges = []
    for strip, lowest in zip(strips, (True, False), strict=True):
        middle = (strip[:, 0].min() + strip[:, 0].max()) / 2
        depth = (strip[:, 2].max() - strip[:, 2]) / np.ptp(strip[:, 2])
        back = depth > 0.6
        front = (depth < 0.15) & (np.abs(strip[:, 0] - middle) < 0.3 * np.ptp(strip[:, 0]))
        pick = np.min if lowest else np.max
        edges.append(pick(strip[back, 1]) - pick(strip[front, 1]))
    return np.clip(np.mean(edges), -4e-3, 4e-3) * side**2


def _walls(head, template):
    """Points on the walls of the mouth: corners and middles of the cavity's quads, and the lips' inner line."""
    quads = head.quads[cavity_quads(head, "mouth_cavity")]
    return np.concatenate([template[np.unique(quads)], template[quads].mean(1)])


def _moved_forwards(curve, walls, edge, unit):
    """Move the curve along z to the lips, by 8 mm of an adult's mouth at most."""
    out, beside, nearest = _beside(curve, walls, edge, unit)
    front = beside & (np.abs(nearest / (len(curve) - 1) * 2 - 1) < 0.12) & (out > 0)
    if not front.any():
        return curve
    return curve + [0, np.clip(0.7 * (out[front].min() - _LIP_GAP * unit), 0, 8e-3 * unit)]


def _drawn_in(curve, walls, edge, unit):
    """Move the curve inwards where walls at the height of the crowns come too near to it."""
    out, beside, nearest = _beside(curve, walls, edge, unit)
    need = np.maximum(_LIP_GAP * unit - out, 0) * beside
    side = np.linspace(-1, 1, len(curve))
    reach = np.exp(-(((side[:, None] - side[nearest][None]) / 0.1) ** 2))
    return _smoothed(curve - curve_normals(curve) * (reach * need).max(1, initial=0)[:, None])


def _beside(curve, walls, edge, unit):
    """Distances of walls outwards from the curve, which of them are beside the crowns, and the nearest samples."""
    nearest = cKDTree(curve).query(walls[:, [0, 2]])[1]
    out = ((walls[:, [0, 2]] - curve[nearest]) * curve_normals(curve)[nearest]).sum(1)
    above = walls[:, 1] - edge[nearest]
    return out, (above > -_BAND[1] * unit) & (above < _BAND[0] * unit) & (out > -6e-3 * unit), nearest
