"""Smoothness on a mesh: its Laplacian, fields and solves made with it."""

import numpy as np
import scipy.sparse as sp
import scipy.sparse.linalg


def uniform_laplacian(faces: np.ndarray, count: int) -> sp.csr_matrix:
    """Give the combinatorial Laplacian (degree minus adjacency), (count, count), of the edges of triangles (F, 3)."""
    rows = faces[:, [0, 1, 1, 2, 2, 0]].ravel()
    columns = faces[:, [1, 0, 2, 1, 0, 2]].ravel()
    adjacency = sp.csr_matrix((np.ones(len(rows)), (rows, columns)), shape=(count, count))
    adjacency.data[:] = 1
    return (sp.diags(np.asarray(adjacency.sum(1)).ravel()) - adjacency).tocsr()


def factorised(system: sp.spmatrix) -> scipy.sparse.linalg.SuperLU:
    """Factorise a symmetric positive definite matrix; the result's `solve` takes (N,) or (N, C).

    SuperLU with the ordering for symmetric patterns and no pivoting: several times as fast as its default here.
    """
    return scipy.sparse.linalg.splu(
        system.tocsc(), permc_spec="MMD_AT_PLUS_A", options={"SymmetricMode": True}, diag_pivot_thresh=0.0
    )


def harmonic(laplacian: sp.csr_matrix, free: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Solve Laplace's equation for the vertices `free` (V,) bool, given (V,) or (V, C) values at the others.

    Free vertices that touch no given one go to 0.
    """
    out = values.astype(float)
    system = laplacian[free][:, free] + 1e-9 * sp.identity(int(free.sum()))
    out[free] = factorised(system).solve(-(laplacian[free][:, ~free] @ out[~free]))
    return out


def border_vertices(faces: np.ndarray, count: int) -> np.ndarray:
    """Tell the (count,) vertices on an open border of triangles (F, 3)."""
    sides = np.sort(faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), 1)
    edges, used = np.unique(sides, axis=0, return_counts=True)
    out = np.zeros(count, bool)
    out[edges[used == 1]] = True
    return out
