"""Matrix products whose bits do not depend on threads, nor on where in memory the arrays lie, as those of BLAS do."""

import numba as nb
import numpy as np


def product(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Give a @ b for (N, M) or (M,) and (M, K) or (M,), float64, summed in order."""
    left = np.ascontiguousarray(np.atleast_2d(a), np.float64)
    right = np.ascontiguousarray(b, np.float64)
    out = _product(left, right.reshape(len(right), -1))
    return out.reshape(np.shape(a)[:-1] + np.shape(b)[1:])


@nb.njit(cache=True)
def _product(a, b):
    out = np.zeros((len(a), b.shape[1]))
    for n in range(len(a)):
        for m in range(a.shape[1]):
            weight = a[n, m]
            if weight != 0:
                for k in range(b.shape[1]):
                    out[n, k] += weight * b[m, k]
    return out


@nb.njit(cache=True)
def add_rows(out: np.ndarray, weights: np.ndarray, rows: np.ndarray) -> None:
    """Add weights (B,) times rows (B, N) to out (N,), in place; rows of weight 0 cost nothing."""
    for m in range(len(weights)):
        if weights[m] != 0:
            for k in range(len(out)):
                out[k] += weights[m] * rows[m, k]
