"""The mean face of MediaPipe's 478 landmarks: which landmark is what, its mirror image, and head pose from it."""

import functools
import pathlib

import numpy as np

from soaplib.landmarks import OUTER_EYES

RIGHT_EYE = (33, 246, 161, 160, 159, 158, 157, 173, 133, 155, 154, 153, 145, 144, 163, 7)
"""The head's own right eye (on the left of a frontal picture), outer corner first, over the upper lid."""
LEFT_EYE = (263, 466, 388, 387, 386, 385, 384, 398, 362, 382, 381, 380, 374, 373, 390, 249)
RIGHT_BROW = (70, 63, 105, 66, 107, 55, 65, 52, 53, 46)
LEFT_BROW = (300, 293, 334, 296, 336, 285, 295, 282, 283, 276)
LIPS_OUTER = (61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291, 375, 321, 405, 314, 17, 84, 181, 91, 146)
LIPS_INNER = (78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308, 324, 318, 402, 317, 14, 87, 178, 88, 95)
"""Lips as rings from the right corner over the upper lip, as `soaplib.landmarks` has them the other way round."""


@functools.cache
def mean_face() -> np.ndarray:
    """Return the (478, 3) mean face: x to the head's own left, y up, z out of the face, outer eye corners at
    x = -0.5 and 0.5. Symmetrised detections on the astronaut picture of scikit-image (public domain).
    """
    return _data()["points"].astype(np.float64)


@functools.cache
def mirror() -> np.ndarray:
    """Return (478,) indices: landmark i of a mirrored picture is landmark `mirror()[i]` of the picture."""
    return _data()["mirror"].astype(np.int64)


def head_frame(points: np.ndarray, weights: np.ndarray | None = None) -> tuple[np.ndarray, float, float]:
    """Fit the mean face to landmarks by scaled orthography: x = s P R X + t.

    points: (478, 2) pixels, y down. weights: (478,). Returns R (3, 3) from the head's frame to the camera's (x
    right, y up, z to the viewer), s in pixels per outer-eye distance, and the RMS residual over s.
    The pose is the closest rotation to the affine least-squares solution (POSIT's first step).
    """
    weights = np.ones(len(points)) if weights is None else np.asarray(weights, dtype=np.float64)
    world, image = mean_face(), np.asarray(points, dtype=np.float64) * (1, -1)
    share = (weights / weights.sum())[:, None]
    world = world - (share * world).sum(0)
    image = image - (share * image).sum(0)
    # ridge on depth: few or coplanar points leave it open, and a face seen from the front is the safe guess
    gram = world.T @ (share * world) + np.diag([1e-6, 1e-6, 1e-4])
    affine = np.linalg.solve(gram, world.T @ (share * image)).T
    u, sizes, v = np.linalg.svd(affine, full_matrices=False)
    rows = u @ v
    rotation = np.vstack([rows, np.cross(rows[0], rows[1])])
    flat = world @ rows.T
    size = float((share * flat * image).sum() / (share * flat**2).sum())
    residual = float(np.sqrt((share * (size * flat - image) ** 2).sum()) / max(abs(size), 1e-9))
    return rotation, size, residual


def head_angles(rotation: np.ndarray) -> dict[str, float]:
    """Return yaw (positive: the head turns to its own left), pitch (positive: looks down) and roll (positive: tilts
    to its own left) in degrees, for R = Rz(roll) Rx(pitch) Ry(yaw).
    """
    yaw = np.arctan2(-rotation[2, 0], rotation[2, 2])
    pitch = np.arcsin(np.clip(rotation[2, 1], -1, 1))
    roll = np.arctan2(-rotation[0, 1], rotation[1, 1])
    return {
        "yaw": float(np.degrees(yaw)), "pitch": float(np.degrees(pitch)), "roll": float(np.degrees(roll)),
    }  # fmt: skip


def eye_distance(points: np.ndarray) -> float:
    """Return the distance between the outer eye corners in pixels, foreshortening included."""
    right, left = points[list(OUTER_EYES)]
    return float(np.hypot(*(left - right)))


@functools.cache
def _data() -> dict[str, np.ndarray]:
    with np.load(pathlib.Path(__file__).with_name("mean_face.npz"), allow_pickle=False) as data:
        return {name: data[name] for name in data.files}
