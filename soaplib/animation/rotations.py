"""Rotations as axis-angle vectors, quaternions and matrices."""

import numpy as np


def quaternions(axis_angle: np.ndarray) -> np.ndarray:
    """Turn axis-angle vectors (..., 3), radians, into unit quaternions (..., 4), ordered x, y, z, w."""
    axis_angle = np.asarray(axis_angle, np.float64)
    half = np.linalg.norm(axis_angle, axis=-1, keepdims=True) / 2
    # np.sinc(x) is sin(pi x) / (pi x), so this is sin(half) / (2 half) with its limit 1/2 at no rotation
    return np.concatenate([axis_angle * np.sinc(half / np.pi) / 2, np.cos(half)], axis=-1)


def matrices(axis_angle: np.ndarray) -> np.ndarray:
    """Turn axis-angle vectors (..., 3), radians, into rotation matrices (..., 3, 3) that act on columns."""
    x, y, z, w = np.moveaxis(quaternions(axis_angle), -1, 0)
    rows = (
        (1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)),
        (2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)),
        (2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)),
    )
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)
