"""How small kernels are compiled that run for every pixel."""

import numba


def inlined(function):
    """Compile a function into its callers: the many numbers of a scene are then not passed from one to the next."""
    return numba.njit(cache=True, error_model="numpy", nogil=True, forceinline=True)(function)
