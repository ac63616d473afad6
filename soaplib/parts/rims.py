"""Rims: the closed loops where the outer skin turns into a cavity (lid margins, the inner line of the lips)."""

import numpy as np
import scipy.sparse as sp
from scipy.sparse.csgraph import connected_components, depth_first_order

from soaplib.head import HeadModel

_SHARE = 0.17
"""A face belongs to a cavity if its corners' mean membership is above this.

On the coarse mesh skin faces have 0 and cavity faces 0.5 or more; one Catmull-Clark step makes that at most 0.08
and at least 0.3.
"""


def cavity_quads(head: HeadModel, region: str) -> np.ndarray:
    """Give the (Q,) bool mask of the skin quads that line the named cavity."""
    skin = head.part_vertices("skin")
    return skin[head.quads].all(1) & (head.region(region)[head.quads].mean(1) > _SHARE)


def rims(head: HeadModel, region: str) -> list[np.ndarray]:
    """Find the loops of vertices shared by quads inside and outside a cavity, each in order around.

    Loops of fewer than eight vertices are left out. Sorted by descending mean x: the head's left first.
    Raises ValueError where the region has no rim.
    """
    inside = cavity_quads(head, region)
    sides = np.sort(np.stack([head.quads, np.roll(head.quads, -1, 1)], -1).reshape(-1, 2), axis=1)
    owner = np.repeat(np.arange(len(head.quads)), 4)
    real = sides[:, 0] != sides[:, 1]
    edges, where = np.unique(sides[real], axis=0, return_inverse=True)
    faces = np.bincount(where.ravel(), minlength=len(edges))
    cavity = np.bincount(where.ravel(), weights=inside[owner[real]], minlength=len(edges))
    border = edges[(faces == 2) & (cavity == 1)]
    if not len(border):
        raise ValueError(f"rims: region {region!r} of {head.name} borders on no outer skin")
    count = len(head.template)
    graph = sp.coo_matrix((np.ones(len(border)), border.T), (count, count)).tocsr()
    _, label = connected_components(graph, directed=False)
    loops = []
    for one in np.unique(label[border]):
        start = np.flatnonzero(label == one)[0]
        loop = depth_first_order(graph, start, directed=False, return_predecessors=False)
        if len(loop) >= 8:
            loops.append(loop.astype(np.int64))
    return sorted(loops, key=lambda loop: -head.template[loop, 0].mean())


def eye_rims(head: HeadModel) -> tuple[np.ndarray, np.ndarray]:
    """Give the rims of the left and the right eye, each as vertex ids in order, the inner corner first.

    They then run along the upper lid to the outer corner and back along the lower lid.
    """
    loops = rims(head, "eye_sockets")
    if len(loops) != 2:
        raise ValueError(f"eye_rims: expected two rims on {head.name}, found {len(loops)}")
    return _from_inner_corner(head, loops[0], 1), _from_inner_corner(head, loops[1], -1)


def mouth_rim(head: HeadModel) -> np.ndarray:
    """Give the inner line of the lips as vertex ids in order: from the right corner over the upper lip, and back."""
    loops = rims(head, "mouth_cavity")
    return _from_inner_corner(head, max(loops, key=len), 1)


def _from_inner_corner(head, loop, side):
    """Start a loop at its corner of least x (times side) and run over its upper half first."""
    places = head.template[loop]
    turned = np.roll(loop, -int(np.argmin(places[:, 0] * side)))
    outer = int(np.argmax(head.template[turned, 0] * side))
    first, second = turned[1:outer], turned[outer + 1 :]
    if head.template[first, 1].mean() < head.template[second, 1].mean():
        turned = np.concatenate([turned[:1], turned[:0:-1]])
    return turned


def split_rim(head: HeadModel, rim: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Split a rim into upper and lower vertices, each from the first to the second corner, both included."""
    outer = int(np.argmax(np.abs(head.template[rim, 0] - head.template[rim[0], 0])))
    upper = rim[: outer + 1]
    lower = np.concatenate([rim[:1], rim[: outer - 1 : -1]])
    return upper, lower
