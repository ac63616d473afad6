"""Surfaces swept along a path or turned about an axis, and the smooth paths for them."""

import itertools
import math

import numba as nb
import numpy as np

from soaplib.synthetic.worn.solids import Solid, cross, grid, join, superellipse, unit

_CORNER = math.cos(math.radians(38.0))  # a profile that turns by more has an edge there


def lathe(profile, frame, colour, columns=48, scale=(1.0, 1.0), uv=False, colours=None) -> Solid:
    """Turn a profile (N, 2) of (radius, height), from below outside upwards, about the frame's axis.

    frame: (4, 3) origin and the axes right, up, front in metres. scale: factors of the radius along right and
    front. The profile's sharp turns stay edges. colours: (N, 3), a colour per point of the profile, or None.
    """
    profile = np.asarray(profile, float)
    azimuth = np.linspace(0, 2 * math.pi, columns + 1)
    ring = np.stack([np.sin(azimuth) * scale[0], np.cos(azimuth) * scale[1]], -1)
    height = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(profile, axis=0), axis=1))])
    solids = []
    for first, last in _smooth_runs(profile):
        part = profile[first : last + 1]
        points = (
            frame[0]
            + part[:, :1, None] * (ring[None, :, :1] * frame[1] + ring[None, :, 1:] * frame[3])
            + part[:, 1:, None] * frame[2]
        )
        shade = (
            colour
            if colours is None
            else np.asarray(colours)[first : last + 1, None] + np.zeros((1, columns + 1, 1))
        )
        place = None
        if uv:
            u, v = np.meshgrid(np.linspace(0, 1, columns + 1), height[first : last + 1] / height[-1])
            place = np.stack([u, v], -1)
        solids.append(grid(points, shade, True, place))
    return join(solids)


def tube(path, radius, colour, sides=10, closed=False, caps=True, up=None, power=2.0, uv=None) -> Solid:
    """Sweep a superellipse along a path (N, 3).

    radius: a number, (N,), (2,) or (N, 2), across and along `up`. closed: the path is a loop, its end not repeated.
    caps: round the ends. up: (3,) or (N, 3), what the section's second axis keeps to; None lets it roll least.
    power: 2 an ellipse, more a rounded box. colour: (3,) or (N, 3). uv: True maps the pattern once along it.
    """
    path = np.asarray(path, float)
    count = len(path)
    radius = np.asarray(radius, float)
    if radius.ndim == 1 and len(radius) == count:
        radius = radius[:, None]
    radius = np.broadcast_to(radius, (count, 2)).copy()
    colour = np.broadcast_to(np.asarray(colour, float), (count, 3))
    if closed:
        path, radius, colour = (np.concatenate([a, a[:1]]) for a in (path, radius, colour))
        tangent = np.roll(path[:-1], -1, 0) - np.roll(path[:-1], 1, 0)
        tangent = np.concatenate([tangent, tangent[:1]])
    else:
        tangent = np.gradient(path, axis=0)
    tangent = unit(tangent)
    if up is None:
        second = _transported(tangent, closed)
    else:
        up = np.broadcast_to(np.asarray(up, float), (count, 3))
        second = np.concatenate([up, up[:1]]) if closed else up
    first = unit(cross(second, tangent))
    second = cross(tangent, first)
    if caps and not closed:
        turn = np.array([0.25, 0.6, 1.0])[::-1] * math.pi / 2
        shrink, reach = np.cos(turn)[:, None], np.sin(turn)[:, None]
        depth = radius.min(1)
        path = np.concatenate([
            path[:1] - tangent[:1] * reach * depth[0], path, path[-1:] + tangent[-1:] * reach[::-1] * depth[-1]
        ])  # fmt: skip
        radius = np.concatenate([radius[:1] * shrink, radius, radius[-1:] * shrink[::-1]])
        colour, first, second = (
            np.concatenate([a[:1].repeat(3, 0), a, a[-1:].repeat(3, 0)]) for a in (colour, first, second)
        )
    section = superellipse(sides, power)
    points = (
        path[:, None]
        + first[:, None] * (radius[:, :1] * section[:, 0])[..., None]
        + second[:, None] * (radius[:, 1:] * section[:, 1])[..., None]
    )
    colours = np.broadcast_to(colour[:, None], points.shape)
    if uv:
        u, v = np.meshgrid(np.linspace(0, 1, len(section)), np.linspace(0, 1, len(path)))
        uv = np.stack([u, v], -1)
    return grid(points, colours, True, uv)


def curve(points, count=24) -> np.ndarray:
    """Draw a smooth path (count, 3) through points (N, 3), with even steps: Catmull and Rom's spline."""
    points = np.asarray(points, float)
    ends = np.concatenate([2 * points[:1] - points[1:2], points, 2 * points[-1:] - points[-2:-1]])
    t = np.linspace(0, len(points) - 1 - 1e-9, max(4 * count, 48))
    i, t = t.astype(int), (t % 1)[:, None]
    a, b, c, d = ends[i], ends[i + 1], ends[i + 2], ends[i + 3]
    fine = 0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * (b - c) + d - a) * t**3)
    length = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(fine, axis=0), axis=1))])
    even = np.linspace(0, length[-1], count)
    return np.stack([np.interp(even, length, fine[:, k]) for k in range(3)], -1)


def profile_curve(points, count=16) -> np.ndarray:
    """Draw a smooth profile (count, 2) through points (N, 2)."""
    points = np.asarray(points, float)
    return curve(np.column_stack([points, np.zeros(len(points))]), count)[:, :2]


def _smooth_runs(profile):
    """Cut a profile where it turns sharply: (first, last) points of each smooth run."""
    step = unit(np.diff(profile, axis=0))
    sharp = np.flatnonzero((step[1:] * step[:-1]).sum(1) < _CORNER) + 1
    marks = [0, *sharp.tolist(), len(profile) - 1]
    return [(a, b) for a, b in itertools.pairwise(marks) if b > a]


@nb.njit(cache=True)
def _transported(tangent, closed):
    """Carry a vector along a path without roll; on a loop the roll left at its end is spread over all of it.

    Wang et al., "Computation of Rotation Minimizing Frames", 2008, to first order.
    """
    count = len(tangent)
    out = np.zeros((count, 3))
    t = tangent[0]
    start = np.array([0.0, 1.0, 0.0]) if abs(t[1]) < 0.9 else np.array([1.0, 0.0, 0.0])
    v = start - t * np.dot(start, t)
    v /= np.sqrt(np.dot(v, v))
    out[0] = v
    for i in range(1, count):
        v = v - tangent[i] * np.dot(v, tangent[i])
        v /= max(np.sqrt(np.dot(v, v)), 1e-12)
        out[i] = v
    if closed:
        side = np.cross(tangent[0], out[0])
        roll = math.atan2(np.dot(out[-1], side), np.dot(out[-1], out[0]))
        for i in range(count):
            angle = -roll * i / (count - 1)
            across = np.cross(tangent[i], out[i])
            out[i] = math.cos(angle) * out[i] + math.sin(angle) * across
    return out
