"""Smooth away what has turned over."""

import numpy as np
import scipy.sparse as sp

from soaplib.head import HeadModel
from soaplib.head.laplacian import uniform_laplacian

_HELD = ("lids", "lips", "eye_sockets", "mouth_cavity")
_ROUNDS = 30


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
    skin = head.part_vertices("skin")
    held = ~skin | np.any([head.region(n) > 0.5 for n in _HELD if n in head.region_names], axis=0)
    faces = head.faces[skin[head.faces].all(1)]
    laplacian = uniform_laplacian(faces, len(vertices))
    degree = np.maximum(laplacian.diagonal(), 1)[:, None]
    out = vertices.copy()
    for _ in range(_ROUNDS):
        wrong = np.zeros(len(out), bool)
        wrong[faces[inverted_faces(out, faces)]] = True
        wrong &= ~held
        if not wrong.any():
            break
        moves = (laplacian @ out) / degree
        out = np.where(wrong[:, None], out - 0.7 * moves, out)
    return out
