"""Rings of vertices around an opening of the skin: lids and lips are grids of them."""

import dataclasses

import numpy as np
import scipy.sparse as sp
from scipy.sparse.csgraph import dijkstra

from soaplib.head import HeadModel
from soaplib.parts.rims import cavity_quads, split_rim

REACH = 30
"""Rings followed on each side of the rim."""


@dataclasses.dataclass(frozen=True)
class Rings:
    """Rings about the rim of a cavity. ids: (N,) vertices reached; all other arrays are over these.

    ring: (N,) int, 0 on the rim, counted outwards over the skin and, negative, into the cavity. upper: (N,) 1
    on the upper side, 0 on the lower, between at the corners. inwards: (N, N) sparse, the mean of a vertex's
    neighbours one ring nearer to the rim.
    """

    ids: np.ndarray
    ring: np.ndarray
    upper: np.ndarray
    inwards: sp.csr_matrix

    def half(self, here: np.ndarray, top: bool) -> np.ndarray:
        """Of the positions `here`, give the mask of the upper or the lower side, the corners in both."""
        return self.upper[here] >= 0.4 if top else self.upper[here] <= 0.6

    def carried(self, values: np.ndarray, start: int, step: int) -> np.ndarray:
        """Carry values (N,) known up to ring `start` on, ring by ring outwards (step 1) or into the cavity (-1)."""
        out = values.copy()
        for ring in range(start + step, step * (REACH + 1), step):
            here = self.ring == ring
            out[here] = self.inwards[here] @ out
        return out


def rings_around(head: HeadModel, rim: np.ndarray, region: str) -> Rings:
    """Find the rings around a rim of the cavity `region`; the rim in order as `eye_rims` and `mouth_rim` give it."""
    skin = head.part_vertices("skin")[head.quads].all(1)
    socket = cavity_quads(head, region)
    count = len(head.template)
    outside, inside = (_graph(head.quads[mask], count) for mask in (skin & ~socket, socket))
    out, deep = (
        dijkstra(g, indices=rim, unweighted=True, min_only=True, limit=REACH) for g in (outside, inside)
    )
    ids = np.flatnonzero(np.isfinite(out) | np.isfinite(deep))
    ring = np.where(np.isfinite(out), out, -deep)[ids].astype(np.int64)
    graph = (outside + inside)[ids][:, ids].tocoo()
    nearer = (np.abs(ring[graph.col]) == np.abs(ring[graph.row]) - 1) & (
        ring[graph.row] * ring[graph.col] >= 0
    )
    pairs = sp.coo_matrix(
        (np.ones(nearer.sum()), (graph.row[nearer], graph.col[nearer])), graph.shape
    ).tocsr()
    pairs.data[:] = 1
    inwards = (sp.diags(1 / np.maximum(np.asarray(pairs.sum(1)).ravel(), 1)) @ pairs).tocsr()
    upper = np.zeros(len(ids))
    top, bottom = split_rim(head, rim)
    upper[np.searchsorted(ids, top)] = 1
    upper[np.searchsorted(ids, np.intersect1d(top, bottom))] = 0.5
    rings = Rings(ids, ring, upper, inwards)
    return dataclasses.replace(rings, upper=rings.carried(rings.carried(upper, 0, 1), 0, -1))


def _graph(quads, count):
    sides = np.stack([quads, np.roll(quads, -1, 1)], -1).reshape(-1, 2)
    sides = np.concatenate([sides, sides[:, ::-1]])
    return sp.coo_matrix((np.ones(len(sides)), sides.T), (count, count)).tocsr()
