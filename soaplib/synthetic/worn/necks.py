"""The neck as a surface to lay cloth and chains on."""

import functools

import numpy as np
import scipy.spatial

from soaplib.head import load_head
from soaplib.synthetic.worn.fitting import Fit, neck_grid, neck_points
from soaplib.synthetic.worn.solids import grid, grid_normals


class Neck:
    """Places on a head's neck by row (0 at the open end, growing up) and column (0 in front, to the head's left).

    Below row 0 the surface goes on past the neck's end, over shoulders that are not there, one `step` a row.
    """

    columns = 64
    rows = 14

    def __init__(self, fit: Fit):
        self.fit = fit
        points = neck_points(fit.head, self.rows, self.columns)
        # A little calmer than the skin, so that cloth does not show every sinew.
        inner = points[:, :-1]
        soft = 0.5 * inner + 0.25 * (np.roll(inner, 1, 1) + np.roll(inner, -1, 1))
        points = np.concatenate([soft, soft[:, :1]], 1)
        self.normals = grid_normals(points, True)
        self.points = points
        self.step = 0.010 * fit.unit
        away = points[0] - points[2]
        away /= np.linalg.norm(away, axis=1, keepdims=True)
        self._away = away
        self.normals[0] = self.normals[1]

    def at(self, row, column, lift=0.0) -> np.ndarray:
        """Give the points (..., 3) `lift` metres over the neck."""
        row, column = np.broadcast_arrays(np.asarray(row, float), np.asarray(column, float))
        r = np.clip(row, 0, self.rows - 1.001)
        c = column % self.columns
        i, j = r.astype(int), c.astype(int)
        a, b = (r - i)[..., None], (c - j)[..., None]

        def mixed(of):
            low = of[i, j] * (1 - b) + of[i, j + 1] * b
            high = of[i + 1, j] * (1 - b) + of[i + 1, j + 1] * b
            return low * (1 - a) + high * a

        below = np.clip(-row, 0, None)[..., None]
        away = self._away[j] * (1 - b) + self._away[j + 1] * b
        # Shoulders and chest turn downwards.
        fall = np.array([0, -1.0, 0])
        place = mixed(self.points) + self.step * (below * away + 0.09 * below**2 * fall)
        return place + np.asarray(lift)[..., None] * mixed(self.normals)

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
        nearest = scipy.spatial.cKDTree(place).query(vertices)[1]
        return roots[nearest], weights[nearest]


@functools.cache
def _still():
    """Give roots and weights of the grid's places that no expression moves."""
    head = load_head()
    roots, weights = (a.reshape(-1, 3) for a in neck_grid(Neck.rows, Neck.columns))
    motion = np.abs(head.expression_basis).max((1, 2))[roots].max(1)
    keep = motion < 2e-4
    return roots[keep], weights[keep]
