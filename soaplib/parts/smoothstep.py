"""The smooth step by which the parts fade one thing into another."""

import numpy as np


def smoothstep(low, high, value):
    """Rise smoothly from 0 at `low` to 1 at `high`, which may be the lesser; flat outside (3 t^2 - 2 t^3)."""
    t = np.clip((value - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)
