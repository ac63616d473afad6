"""Smooth fields on the vertices of a mesh: sparse Laplace solves."""

import numpy as np
import scipy.sparse as sp
import scipy.sparse.linalg


def graph_laplacian(faces: np.ndarray, count: int) -> sp.csc_matrix:
    """Give the (V, V) combinatorial Laplacian of the edges of (F, 3) faces; rows of vertices of no face are 0."""
    ends = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    ends = np.unique(np.sort(ends, axis=1), axis=0)
    one = np.ones(len(ends))
    adjacent = sp.coo_matrix((one, (ends[:, 0], ends[:, 1])), shape=(count, count))
    adjacent = adjacent + adjacent.T
    return (sp.diags(np.asarray(adjacent.sum(1)).ravel()) - adjacent).tocsc()


def smooth_field(laplacian, values: np.ndarray, trust: np.ndarray, stiffness: float) -> np.ndarray:
    """Find the (V, C) field that minimises sum trust |x - values|^2 + stiffness x^T L x.

    Where trust is 0 the field is harmonic. Components without any trusted vertex get 0.
    """
    trust = np.asarray(trust, np.float64)
    system = (sp.diags(trust + 1e-9) + stiffness * laplacian).tocsc()
    solve = scipy.sparse.linalg.splu(system, permc_spec="MMD_AT_PLUS_A", options={"SymmetricMode": True})
    return solve.solve(trust[:, None] * values)
