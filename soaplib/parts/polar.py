"""Places about an eyeball, by their turn about the axis from ear to ear, as lids move."""

import numpy as np


def polar(off: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Give offsets (N, 3) from the ball's centre as x, distance from the x axis, and elevation about it."""
    return off[:, 0], np.hypot(off[:, 1], off[:, 2]), np.arctan2(off[:, 1], off[:, 2])


def cartesian(u: np.ndarray, height: np.ndarray, elevation: np.ndarray) -> np.ndarray:
    """Give the offsets (N, 3) that `polar` takes apart."""
    return np.stack([u, height * np.sin(elevation), height * np.cos(elevation)], 1)


def curve(u: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Give u and values sorted by u, for np.interp."""
    order = np.argsort(u, kind="stable")
    return u[order], values[order]
