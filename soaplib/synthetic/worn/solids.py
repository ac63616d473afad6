"""Surfaces that worn things are put together from: grids, lathes, tubes, blobs, with normals that fit their edges."""

import dataclasses
import functools
import math

import numba as nb
import numpy as np


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
        out.append(grid(rim, colour, closed and top is not points[:, 0], flip=flip))
    return out


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
    normals = unit((solid.normals @ turns).reshape(-1, 3))
    faces = (solid.faces + (np.arange(count) * size)[:, None, None]).reshape(-1, 3)
    shades = np.ones((count, 1, 3)) if colours is None else np.asarray(colours)[:, None]
    uv = None if solid.uv is None else np.tile(solid.uv, (count, 1))
    return Solid(vertices.reshape(-1, 3), normals, faces, (solid.colours * shades).reshape(-1, 3), uv)


def plate(outline, centre, colour, bulge=0.0, rows=4, flip=False) -> Solid:
    """Fill a closed outline (N, 3), counter-clockwise from outside, up to a centre (3,), bulged by metres."""
    outline = np.concatenate([outline, outline[:1]])
    t = np.linspace(0, 1, rows)[:, None, None]
    normal = np.cross(outline[:-1] - centre, np.roll(outline[:-1], -1, 0) - centre).sum(0)
    points = outline * (1 - t) + np.asarray(centre) * t + unit(normal) * bulge * (1 - (1 - t) ** 2)
    return grid(points, colour, True, flip=flip)


def axes_towards(direction, up=(0.0, 1.0, 0.0)) -> np.ndarray:
    """Give rows (right, direction, front), orthonormal: a turn that brings +Y to `direction`, +Z near to `up`."""
    direction = unit(np.asarray(direction, float))
    right = np.cross(direction, np.asarray(up, float))
    if np.linalg.norm(right) < 1e-6:
        right = np.cross(direction, (0.0, 0.0, 1.0))
    right = unit(right)
    return np.stack([right, direction, np.cross(right, direction)])


def unit(vectors):
    return vectors / np.maximum(np.sqrt((vectors * vectors).sum(-1, keepdims=True)), 1e-12)


def cross(a, b):
    """Do what np.cross does, several times faster for stacks of vectors."""
    out = np.empty(np.broadcast_shapes(a.shape, b.shape))
    out[..., 0] = a[..., 1] * b[..., 2] - a[..., 2] * b[..., 1]
    out[..., 1] = a[..., 2] * b[..., 0] - a[..., 0] * b[..., 2]
    out[..., 2] = a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]
    return out


@functools.cache
def _grid_faces(rows, columns):
    at = np.arange(rows * columns).reshape(rows, columns)
    a, b, c, d = at[:-1, :-1], at[:-1, 1:], at[1:, 1:], at[1:, :-1]
    faces = np.concatenate([np.stack([a, b, c], -1).reshape(-1, 3), np.stack([a, c, d], -1).reshape(-1, 3)])
    return faces.astype(np.int32)


@functools.cache
def superellipse(sides, power):
    turn = np.linspace(0, 2 * math.pi, sides + 1)
    c, s = np.cos(turn), np.sin(turn)
    return np.stack([np.sign(c) * np.abs(c) ** (2 / power), np.sign(s) * np.abs(s) ** (2 / power)], -1)


@functools.cache
def _ball(rows, columns, power):
    polar = np.linspace(-math.pi / 2, math.pi / 2, rows)
    round_ = superellipse(columns, power)
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
