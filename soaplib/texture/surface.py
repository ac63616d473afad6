"""Smooth fields on the vertices of a mesh: sparse Laplace solves."""

import numpy as np
import scipy.sparse as sp
import scipy.sparse.linalg


def graph_laplacian(faces: np.ndarray, vertices: np.ndarray) -> sp.csc_matrix:
    """Give the (V, V) Laplacian of the edges of (F, 3) faces over (V, 3) vertices, in 1 / m^2.

    All edges count alike, over the square of their mean length: so a `reach` means the same on any mesh. Rows of
    vertices of no face are 0.
    """
    ends = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    ends = np.unique(np.sort(ends, axis=1), axis=0)
    length = np.linalg.norm(vertices[ends[:, 0]] - vertices[ends[:, 1]], axis=1).mean()
    count = len(vertices)
    weight = np.full(len(ends), 1 / max(length, 1e-9) ** 2)
    adjacent = sp.coo_matrix((weight, (ends[:, 0], ends[:, 1])), shape=(count, count))
    adjacent = adjacent + adjacent.T
    return (sp.diags(np.asarray(adjacent.sum(1)).ravel()) - adjacent).tocsc()


def smooth_field(laplacian, values: np.ndarray, trust: np.ndarray, reach: float) -> np.ndarray:
    """Find the (V, C) field that minimises sum trust |x - values|^2 + reach^2 x^T L x.

    Where trust is 0 the field is harmonic; where it is 1, detail smaller than `reach` metres is smoothed out.
    Components without any trusted vertex get 0.
    """
    trust = np.asarray(trust, np.float64)
    system = (sp.diags(trust + 1e-9) + reach**2 * laplacian).tocsc()
    solve = scipy.sparse.linalg.splu(system, permc_spec="MMD_AT_PLUS_A", options={"SymmetricMode": True})
    return solve.solve(trust[:, None] * values)
