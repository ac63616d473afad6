"""How small kernels are compiled that run for every pixel."""

import numba


def inlined(function):
    """Compile a function into its callers: the many numbers of a scene are then not passed from one to the next.

    Who changes such a function touches the files of its callers, too (`pixels.py`): numba's cache only looks at those.
    """
    return numba.njit(cache=True, error_model="numpy", nogil=True, forceinline=True)(function)
