"""Surfaces that worn things are put together from: grids, lathes, tubes, blobs, with normals that fit their edges."""

import dataclasses
import functools
import itertools
import math

import numba as nb
import numpy as np

_CORNER = math.cos(math.radians(38.0))  # a profile that turns by more has an edge there


@dataclasses.dataclass(frozen=True)
class Solid:
    """A surface: vertices, unit normals and colours (V, 3), faces (F, 3), uv (V, 2) in the pattern, or None."""

    vertices: np.ndarray
    normals: np.ndarray
    faces: np.ndarray
    colours: np.ndarray
    uv: np.ndarray | None = None

    def moved(self, offset) -> "Solid":
        """Give the surface shifted by `offset` (3,)."""
        return dataclasses.replace(self, vertices=self.vertices + np.asarray(offset))

    def mirrored(self) -> "Solid":
        """Give the surface reflected in the head's middle plane x = 0."""
        flip = np.array([-1.0, 1.0, 1.0])
        return dataclasses.replace(
            self, vertices=self.vertices * flip, normals=self.normals * flip, faces=self.faces[:, ::-1]
        )


def join(solids) -> Solid:
    """Put surfaces together; those without a pattern get uv -1."""
    solids = [solids] if isinstance(solids, Solid) else solids
    solids = [s for part in solids for s in (part if isinstance(part, list | tuple) else (part,))]
    starts = np.cumsum([0] + [len(s.vertices) for s in solids[:-1]])
    uv = None
    if any(s.uv is not None for s in solids):
        uv = np.concatenate([np.full((len(s.vertices), 2), -1.0) if s.uv is None else s.uv for s in solids])
    return Solid(
        np.concatenate([s.vertices for s in solids]),
        np.concatenate([s.normals for s in solids]),
        np.concatenate([s.faces + at for s, at in zip(solids, starts, strict=True)]),
        np.concatenate([s.colours for s in solids]),
        uv,
    )


def grid(points, colour, closed=False, uv=None, flip=False) -> Solid:
    """Make a smooth surface of points (R, C, 3).

    Seen from outside rows go up and columns to the right. closed: the last column repeats the first. colour: (3,)
    or (R, C, 3). uv: None, True (columns and rows span the pattern once) or (R, C, 2). flip: turn it inside out.
    """
    points = np.asarray(points, float)
    rows, columns = points.shape[:2]
    normals = grid_normals(points, closed)
    faces = _grid_faces(rows, columns)
    if flip:
        normals, faces = -normals, faces[:, ::-1]
    if uv is True:
        u, v = np.meshgrid(np.linspace(0, 1, columns), np.linspace(0, 1, rows))
        uv = np.stack([u, v], -1)
    colours = np.broadcast_to(np.asarray(colour, float), points.shape).reshape(-1, 3)
    return Solid(
        points.reshape(-1, 3),
        normals.reshape(-1, 3),
        faces,
        colours,
        None if uv is None else uv.reshape(-1, 2),
    )


def grid_normals(points, closed=False) -> np.ndarray:
    """Give the unit normals (R, C, 3) of a grid; where a row shrinks to a point, the mean of the row beside it."""
    return _normals(np.ascontiguousarray(points, float), closed)


def edges(points, thickness, colour, closed=False, rounds=2) -> list:
    """Give the under side of a sheet (R, C, 3) and the rounded rims that close it to the upper one.

    thickness: metres, a number or (R, C), against the normals. The upper side itself is `grid(points)`.
    """
    points = np.asarray(points, float)
    under = points - grid_normals(points, closed) * np.asarray(thickness)[..., None]
    out = [grid(under, colour, closed, flip=True)]
    rims = [(points[0], under[0], points[1], True), (points[-1], under[-1], points[-2], False)]
    if not closed:
        rims += [
            (points[:, 0], under[:, 0], points[:, 1], False),
            (points[:, -1], under[:, -1], points[:, -2], True),
        ]
    for top, bottom, inner, flip in rims:
        if np.ptp(top, axis=0).max() < 1e-7:
            continue
        outward = top - inner
        outward /= np.maximum(np.linalg.norm(outward, axis=1, keepdims=True), 1e-9)
        half = np.linalg.norm(top - bottom, axis=1, keepdims=True) / 2
        turn = np.linspace(0, math.pi, 2 * rounds + 1)[:, None, None]
        rim = (top + bottom) / 2 + (top - bottom) / 2 * np.cos(turn) + outward * half * np.sin(turn)
        out.append(grid(rim, colour, closed and top is not points[:, 0], flip=not flip))
    return out


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
    tangent = _unit(tangent)
    if up is None:
        second = _transported(tangent, closed)
    else:
        up = np.broadcast_to(np.asarray(up, float), (count, 3))
        second = np.concatenate([up, up[:1]]) if closed else up
    first = _unit(_cross(second, tangent))
    second = _cross(tangent, first)
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
    section = _superellipse(sides, power)
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


def blob(centre, axes, colour, rows=9, columns=14, power=2.0) -> Solid:
    """Make a superellipsoid; axes: (3, 3) rows are its half axes, or (3,) along x, y, z, or a radius."""
    axes = np.asarray(axes, float)
    axes = axes if axes.ndim == 2 else np.diag(np.broadcast_to(axes, 3))
    points = _ball(rows, columns, power) @ axes + np.asarray(centre, float)
    return grid(points, colour, True, flip=np.linalg.det(axes) < 0)


def copies(solid, turns, offsets, colours=None) -> Solid:
    """Repeat a surface: turns (N, 3, 3), vertex -> vertex @ turn, rotations times a scale; offsets (N, 3).

    colours: (N, 3) each copy's, times the surface's own; or None.
    """
    turns, offsets = np.asarray(turns, float), np.asarray(offsets, float)
    count, size = len(offsets), len(solid.vertices)
    vertices = solid.vertices @ turns + offsets[:, None]
    normals = _unit((solid.normals @ turns).reshape(-1, 3))
    faces = (solid.faces + (np.arange(count) * size)[:, None, None]).reshape(-1, 3)
    shades = np.ones((count, 1, 3)) if colours is None else np.asarray(colours)[:, None]
    uv = None if solid.uv is None else np.tile(solid.uv, (count, 1))
    return Solid(vertices.reshape(-1, 3), normals, faces, (solid.colours * shades).reshape(-1, 3), uv)


def plate(outline, centre, colour, bulge=0.0, rows=4, flip=False) -> Solid:
    """Fill a closed outline (N, 3), counter-clockwise from outside, up to a centre (3,), bulged by metres."""
    outline = np.concatenate([outline, outline[:1]])
    t = np.linspace(0, 1, rows)[:, None, None]
    normal = np.cross(outline[:-1] - centre, np.roll(outline[:-1], -1, 0) - centre).sum(0)
    points = outline * (1 - t) + np.asarray(centre) * t + _unit(normal) * bulge * (1 - (1 - t) ** 2)
    return grid(points, colour, True, flip=flip)


def axes_towards(direction, up=(0.0, 1.0, 0.0)) -> np.ndarray:
    """Give rows (right, direction, front), orthonormal: a turn that brings +Y to `direction`, +Z near to `up`."""
    direction = _unit(np.asarray(direction, float))
    right = np.cross(direction, np.asarray(up, float))
    if np.linalg.norm(right) < 1e-6:
        right = np.cross(direction, (0.0, 0.0, 1.0))
    right = _unit(right)
    return np.stack([right, direction, np.cross(right, direction)])


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


def _unit(vectors):
    return vectors / np.maximum(np.sqrt((vectors * vectors).sum(-1, keepdims=True)), 1e-12)


def _cross(a, b):
    """Do what np.cross does, several times faster for stacks of vectors."""
    out = np.empty(np.broadcast_shapes(a.shape, b.shape))
    out[..., 0] = a[..., 1] * b[..., 2] - a[..., 2] * b[..., 1]
    out[..., 1] = a[..., 2] * b[..., 0] - a[..., 0] * b[..., 2]
    out[..., 2] = a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]
    return out


def _smooth_runs(profile):
    """Cut a profile where it turns sharply: (first, last) points of each smooth run."""
    step = _unit(np.diff(profile, axis=0))
    sharp = np.flatnonzero((step[1:] * step[:-1]).sum(1) < _CORNER) + 1
    marks = [0, *sharp.tolist(), len(profile) - 1]
    return [(a, b) for a, b in itertools.pairwise(marks) if b > a]


@functools.cache
def _grid_faces(rows, columns):
    at = np.arange(rows * columns).reshape(rows, columns)
    a, b, c, d = at[:-1, :-1], at[:-1, 1:], at[1:, 1:], at[1:, :-1]
    faces = np.concatenate([np.stack([a, b, c], -1).reshape(-1, 3), np.stack([a, c, d], -1).reshape(-1, 3)])
    return faces.astype(np.int32)


@functools.cache
def _superellipse(sides, power):
    turn = np.linspace(0, 2 * math.pi, sides + 1)
    c, s = np.cos(turn), np.sin(turn)
    return np.stack([np.sign(c) * np.abs(c) ** (2 / power), np.sign(s) * np.abs(s) ** (2 / power)], -1)


@functools.cache
def _ball(rows, columns, power):
    polar = np.linspace(-math.pi / 2, math.pi / 2, rows)
    round_ = _superellipse(columns, power)
    rise, reach = np.sin(polar), np.cos(polar)
    rise, reach = np.sign(rise) * np.abs(rise) ** (2 / power), np.abs(reach) ** (2 / power)
    reach[[0, -1]] = 0
    return np.stack([
        reach[:, None] * round_[:, 1], np.repeat(rise[:, None], columns + 1, 1), reach[:, None] * round_[:, 0]
    ], -1)  # fmt: skip


@nb.njit(cache=True)
def _normals(points, closed):
    rows, columns = points.shape[:2]
    out = np.empty((rows, columns, 3))
    for i in range(rows):
        above, under = min(i + 1, rows - 1), max(i - 1, 0)
        for j in range(columns):
            right, left = min(j + 1, columns - 1), max(j - 1, 0)
            if closed and (j == 0 or j == columns - 1):
                right, left = 1, columns - 2
            ax = points[i, right, 0] - points[i, left, 0]
            ay = points[i, right, 1] - points[i, left, 1]
            az = points[i, right, 2] - points[i, left, 2]
            bx = points[above, j, 0] - points[under, j, 0]
            by = points[above, j, 1] - points[under, j, 1]
            bz = points[above, j, 2] - points[under, j, 2]
            x, y, z = ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx
            length = math.sqrt(x * x + y * y + z * z)
            keep = 1 / length if length > 1e-12 else 0.0
            out[i, j, 0], out[i, j, 1], out[i, j, 2] = x * keep, y * keep, z * keep
    for end in range(2):
        row, beside = (0, 1) if end == 0 else (rows - 1, rows - 2)
        x, y, z, lost = 0.0, 0.0, 0.0, False
        for j in range(columns):
            lost = lost or out[row, j, 0] ** 2 + out[row, j, 1] ** 2 + out[row, j, 2] ** 2 < 0.5
            x, y, z = x + out[beside, j, 0], y + out[beside, j, 1], z + out[beside, j, 2]
        if lost:
            length = max(math.sqrt(x * x + y * y + z * z), 1e-9)
            for j in range(columns):
                out[row, j, 0], out[row, j, 1], out[row, j, 2] = x / length, y / length, z / length
    return out


@nb.njit(cache=True)
def whole_faces(vertices, faces):
    """Tell (F,) which faces have three corners in different places."""
    out = np.ones(len(faces), np.bool_)
    for f in range(len(faces)):
        for k in range(3):
            a, b = faces[f, k], faces[f, (k + 1) % 3]
            d = 0.0
            for c in range(3):
                d += (vertices[a, c] - vertices[b, c]) ** 2
            if d < 1e-14:
                out[f] = False
    return out


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
