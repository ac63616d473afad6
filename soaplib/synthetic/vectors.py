"""Small arithmetic of the shading kernels."""

import math

from soaplib.synthetic.inlined import inlined


@inlined
def step(low, high, value):
    """Rise smoothly from 0 at `low` to 1 at `high`, which may be the smaller one."""
    t = min(max((value - low) / (high - low), 0.0), 1.0)
    return t * t * (3.0 - 2.0 * t)


@inlined
def dot(a, b):
    """Multiply two vectors of three."""
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


@inlined
def unit(a):
    """Scale a vector of three to length 1."""
    inverse = 1.0 / math.sqrt(max(a[0] * a[0] + a[1] * a[1] + a[2] * a[2], 1e-18))
    return a[0] * inverse, a[1] * inverse, a[2] * inverse
