"""The neck as a surface to lay cloth and chains on."""

import functools
import math

import numba as nb
import numpy as np
import scipy.spatial

from soaplib.head import HeadModel, load_head
from soaplib.synthetic.worn.fitting import Fit
from soaplib.synthetic.worn.solids import grid, grid_normals


class Neck:
    """Places on a head's neck by row (0 at the open end, growing up) and column (0 in front, to the head's left).

    Below row 0 the surface goes on past the neck's end, over the shoulders, one `step` a row, down to row `end`.
    """

    columns = 64
    rows = 14
    below = 14

    def __init__(self, fit: Fit):
        self.fit = fit
        points = neck_points(fit.head, self.rows, self.columns)
        # A little calmer than the skin, so that cloth does not show every sinew.
        inner = points[:, :-1]
        soft = 0.5 * inner + 0.25 * (np.roll(inner, 1, 1) + np.roll(inner, -1, 1))
        points = np.concatenate([soft, soft[:, :1]], 1)
        step = 0.010 * fit.unit
        away = points[0] - points[2]
        away /= np.linalg.norm(away, axis=1, keepdims=True)
        # Over the shoulders that are not there it turns down, to end nearly level all round.
        along = np.arange(self.below, 0, -1.0)[:, None, None]
        out = 2.6 * (1 - np.exp(-along / 2.6))
        shoulders = points[0] + step * (out * away + (along - out) * np.array([0, -1.0, 0]))
        self._points = np.concatenate([shoulders, points])
        self._normals = grid_normals(self._points, True)
        ends, front = points[0, :, 1], points[0, 0, 1]
        level = front - 1.6 * step + 0.22 * (ends - front)
        height = self._points[: self.below + 1, :, 1]
        k = np.clip((height < level).sum(0) - 1, 0, self.below - 1)
        c = np.arange(self.columns + 1)
        part = (level - height[k, c]) / np.maximum(height[k + 1, c] - height[k, c], 1e-9)
        self.end = k + np.clip(part, 0, 1) - self.below
        """(columns + 1,) the row, below 0, at which cloth ends."""

    def at(self, row, column, lift=0.0) -> np.ndarray:
        """Give the points (..., 3) `lift` metres over the neck."""
        row, column, lift = np.broadcast_arrays(row, column, lift)
        flat = [np.array(a, float).ravel() for a in (row + self.below, column, lift)]
        return _lifted(self._points, self._normals, *flat).reshape(*row.shape, 3)

    def sheet(self, row, lift, colour, columns=64, uv=None, **named):
        """Lay a closed strip: row, lift broadcast to (R, columns + 1)."""
        column = np.linspace(0, self.columns, columns + 1)
        row = np.asarray(row, float)
        if row.shape[-1] == columns:
            row = np.concatenate([row, row[..., :1]], -1)
        lift = np.asarray(lift, float)
        if lift.ndim and lift.shape[-1] == columns:
            lift = np.concatenate([lift, lift[..., :1]], -1)
        row = np.broadcast_to(row, np.broadcast_shapes(row.shape, lift.shape, (1, columns + 1)))
        return grid(self.at(row, column, lift), colour, True, uv, **named)

    def binding(self, vertices):
        """Bind vertices to the nearest places of the neck that no expression moves."""
        roots, weights = _still()
        place = np.einsum("nkd,nk->nd", self.fit.head.template[roots].astype(float), weights)
        nearest = _nearest(np.ascontiguousarray(vertices), place)
        return roots[nearest], weights[nearest]


@nb.njit(cache=True)
def _lifted(points, normals, row, column, lift):
    rows, columns = points.shape[0], points.shape[1] - 1
    out = np.empty((len(row), 3))
    for n in range(len(row)):
        r = min(max(row[n], 0.0), rows - 1.001)
        c = column[n] % columns
        i, j = int(r), int(c) % columns
        a, b = r - i, c - int(c)
        for k in range(3):
            p = (points[i, j, k] * (1 - b) + points[i, j + 1, k] * b) * (1 - a)
            p += (points[i + 1, j, k] * (1 - b) + points[i + 1, j + 1, k] * b) * a
            m = (normals[i, j, k] * (1 - b) + normals[i, j + 1, k] * b) * (1 - a)
            m += (normals[i + 1, j, k] * (1 - b) + normals[i + 1, j + 1, k] * b) * a
            out[n, k] = p + lift[n] * m
    return out


@nb.njit(cache=True)
def _nearest(points, places):
    out = np.zeros(len(points), np.int64)
    for i in range(len(points)):
        best = np.inf
        for k in range(len(places)):
            x, y, z = points[i, 0] - places[k, 0], points[i, 1] - places[k, 1], points[i, 2] - places[k, 2]
            d = x * x + y * y + z * z
            if d < best:
                best, out[i] = d, k
    return out


@functools.cache
def _still():
    """Give roots and weights of the grid's places that no expression moves."""
    head = load_head()
    roots, weights = (a[:, :-1:2].reshape(-1, 3) for a in neck_grid(Neck.rows, Neck.columns))
    motion = np.abs(head.expression_basis).max((1, 2))[roots].max(1)
    keep = motion < 2e-4
    return roots[keep], weights[keep]


@functools.cache
def neck_grid(rows: int = 14, columns: int = 64):
    """Lay a grid over the neck: roots (rows, columns + 1, 3) and their weights; closed, the last column repeats.

    Row 0 is the open end of the neck, the last under the jaw and at the nape; columns run as azimuths do.
    """
    head = load_head()
    place = head.template.astype(np.float64)
    skin = head.part_vertices("skin")
    faces = head.faces[skin[head.faces].all(1)]
    sides = np.sort(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]), 1)
    sides, uses = np.unique(sides, axis=0, return_counts=True)
    end = np.unique(sides[uses == 1])
    end = end[place[end, 1] < -0.12]
    ring = place[end]
    around = np.arctan2(ring[:, 0], ring[:, 2] - ring[:, 2].mean())
    order = np.argsort(around)
    near = (
        skin
        & (place[:, 1] < -0.02)
        & (head.region("mouth_cavity") < 0.5)
        & (head.region("eye_sockets") < 0.5)
    )
    ids = np.flatnonzero(near)
    azimuth = np.arctan2(place[ids, 0], place[ids, 2] - ring[:, 2].mean())
    low = np.interp(azimuth, around[order], ring[order, 1], period=2 * math.pi)
    # The neck's upper end: under the jaw in front, higher at the nape.
    high = -0.105 + 0.055 * (0.5 - 0.5 * np.cos(azimuth)) ** 1.5
    share = (place[ids, 1] - low) / (high - low)
    # Under the chin only the neck's side counts, not the chin's front.
    throat = ~((head.region("face")[ids] > 0.5) & (place[ids, 1] > -0.1)) & (share < 1.6)
    ids, azimuth, share = ids[throat], azimuth[throat], share[throat]
    scale = np.array([1.0, 1.2])
    flat = np.stack([azimuth, share], -1) * scale
    flat = np.concatenate([flat + [shift, 0] for shift in (-2 * math.pi, 0, 2 * math.pi)])
    u = np.linspace(0, 2 * math.pi, columns + 1)
    wanted = (
        np.stack(np.meshgrid((u + math.pi) % (2 * math.pi) - math.pi, np.linspace(0.0, 1, rows)), -1) * scale
    )
    tree = scipy.spatial.Delaunay(flat)
    query = wanted.reshape(-1, 2)
    at = tree.find_simplex(query, bruteforce=True)
    nearest = scipy.spatial.cKDTree(flat).query(query)[1]
    t = tree.transform[at]
    part = np.einsum("nij,nj->ni", t[:, :2], query - t[:, 2])
    weights = np.column_stack([part, 1 - part.sum(1)])
    roots = tree.simplices[at] % len(ids)
    lost = at < 0
    roots[lost], weights[lost] = (nearest[lost] % len(ids))[:, None], [1, 0, 0]
    shape = (rows, columns + 1, 3)
    return ids[roots].reshape(shape).astype(np.int32), weights.reshape(shape).astype(np.float32)


def neck_points(head: HeadModel, rows: int = 14, columns: int = 64) -> np.ndarray:
    """Give the points (rows, columns + 1, 3) of `neck_grid` on a head."""
    roots, weights = neck_grid(rows, columns)
    return np.einsum("rckd,rck->rcd", head.template[roots].astype(np.float64), weights)
