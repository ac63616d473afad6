"""Smooth away what has turned over, and what runs through itself."""

import numpy as np
import scipy.sparse as sp

from soaplib.fitting.crossing import crossing_faces
from soaplib.head import HeadModel
from soaplib.head.laplacian import border_vertices, uniform_laplacian

_HELD = ("lids", "lips", "eye_sockets")
_ROUNDS = 30
_TRIES, _SWEEPS, _WIDEST = 10, 4, 3  # of `untangle`: rounds, smoothings in each, rings about what crosses


def inverted_faces(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Tell which triangles (F,) bool face away from the mean of their corners' normals, weighted by area."""
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    across = np.cross(b - a, c - a)
    corners = sp.csr_matrix(
        (np.ones(3 * len(faces)), (faces.ravel(), np.repeat(np.arange(len(faces)), 3))),
        shape=(len(vertices), len(faces)),
    )
    about = (corners @ across)[faces].sum(1)
    return np.einsum("fa,fa->f", across, about) < 0


def mend(head: HeadModel, vertices: np.ndarray) -> np.ndarray:
    """Draw the corners of inverted triangles of the skin (V, 3) between their neighbours until there are none, or for
    30 rounds. Lids, lips, and what lies inside of them stay."""
    faces, free, cavity, laplacian, degree = _skin(head)
    out = vertices.copy()
    for _ in range(_ROUNDS):
        wrong = _corners(inverted_faces(out, faces), faces, len(out)) & free & ~cavity
        if not wrong.any():
            break
        moves = (laplacian @ out) / degree
        out = np.where(wrong[:, None], out - 0.7 * moves, out)
    return out


def untangle(head: HeadModel, vertices: np.ndarray) -> np.ndarray:
    """Smooth the skin (V, 3) where it runs through itself, in growing patches, until it does nowhere, or for 10 rounds.

    First the outside; then the mouth's inside gives way to it. Lids, lips and the neck's end stay, and so do a few
    crossings. About 0.4 s.
    """
    faces, free, cavity, laplacian, degree = _skin(head)
    free &= ~border_vertices(faces, len(vertices))
    out = vertices.copy()
    for moving, among in ((free & ~cavity, faces[~cavity[faces].any(1)]), (free & cavity, faces)):
        crossed = crossing_faces(out, among)
        for k in range(_TRIES):
            wrong = _corners(crossed, among, len(out))
            for _ in range(min(1 + k // _WIDEST, _WIDEST)):
                wrong = _corners(wrong[among].any(1), among, len(out))
            chosen = np.flatnonzero(wrong & moving)
            if not len(chosen):
                break
            rows, by = laplacian[chosen], degree[chosen]
            for _ in range(_SWEEPS):
                out[chosen] -= 0.7 * (rows @ out) / by
            crossed = crossing_faces(out, among, crossed | wrong[among].any(1))
    return out


def _skin(head):
    """The skin's faces; which of its vertices may move, which are the mouth's inside; the Laplacian, its diagonal."""
    skin = head.part_vertices("skin")

    def within(*names):
        return (
            np.any([head.region(n) > 0.5 for n in names if n in head.region_names] + [~skin], axis=0) & skin
        )

    faces = head.faces[skin[head.faces].all(1)]
    laplacian = uniform_laplacian(faces, len(skin))
    degree = np.maximum(laplacian.diagonal(), 1)[:, None]
    return faces, skin & ~within(*_HELD), within("mouth_cavity"), laplacian, degree


def _corners(chosen, faces, count):
    """Tell which of `count` vertices are corners of chosen faces."""
    out = np.zeros(count, bool)
    out[faces[chosen]] = True
    return out
