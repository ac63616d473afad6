"""The neck as a surface to lay cloth and chains on."""

import functools

import numba as nb
import numpy as np

from soaplib.head import load_head
from soaplib.synthetic.worn.fitting import Fit, neck_grid, neck_points
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
        flat = [np.ascontiguousarray(a, float).ravel() for a in (row + self.below, column, lift)]
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
