"""A finished avatar against the portrait it was made of, and what must hold for any avatar."""

import dataclasses
from collections.abc import Sequence

import numpy as np
import torch

from soaplib.animation.posing import pose_vertices
from soaplib.data import Avatar, Part, Portrait
from soaplib.errors import UserError
from soaplib.evaluation.glb import joined
from soaplib.landmarks import OUTER_EYES
from soaplib.portrait.landmarks import detect_landmarks
from soaplib.render import draw, orthographic, render_views, turn

AVATAR_UNITS = {
    "landmarks": "% of outer-eye distance", "silhouette": "", "psnr": "dB", "eyes_shut": "pixels",
    "mouth_closed": "pixels",
}  # fmt: skip
"""Units of the metrics of `measure_avatar`."""

FRONT_YAWS = (0.0, 30.0, -30.0)
"""Degrees from which lids and lips are looked at."""

_SIZE = 384


def measure_avatar(portrait: Portrait, avatar: Avatar) -> dict[str, float | None]:
    """Give the metrics named in `AVATAR_UNITS` of an avatar and the portrait that it was made of.

    In the portrait's pose and camera. landmarks: how far those found in a picture of the avatar lie from the
    portrait's, after the best similarity; None where no face is found. silhouette: IoU with the matte. psnr: of the
    picture, over the pixels of both. And from `FRONT_YAWS`, all in sight of the 384 x 384 pixels about the face:
    eyes_shut, eyeballs when the eyes are shut; mouth_closed, teeth, gums and tongue of the neutral face.
    """
    parts = posed_parts(avatar, avatar.weights, avatar.joint_rotations)
    size = portrait.image.shape[:2]
    image = draw(parts, avatar.camera, size)
    mask, matte = coverage(parts, avatar.camera, size) > 0.5, portrait.matte > 0.5
    rows = np.flatnonzero(matte.any(1))
    mask[rows[-1] + 1 if len(rows) else 0 :] = False  # the portrait ends there, the avatar's neck goes on
    both = mask & matte
    error = ((image - portrait.image)[both].astype(float) ** 2).mean() if both.any() else 1.0
    return {
        "landmarks": _landmarks_off(image, mask, portrait),
        "silhouette": float(both.sum() / max((mask | matte).sum(), 1)),
        "psnr": float(-10 * np.log10(error + 1e-10)),
        "eyes_shut": in_sight(avatar, ("eyes",), {"eyeBlinkLeft": 1.0, "eyeBlinkRight": 1.0}),
        "mouth_closed": in_sight(avatar, ("teeth", "tongue")),
    }  # fmt: skip


def posed_parts(avatar: Avatar, weights: np.ndarray, rotations: np.ndarray) -> tuple[Part, ...]:
    """Pose an avatar: weights (52,), rotations (5, 3) axis-angle."""
    posed = []
    for part in avatar.parts:
        vertices, normals = pose_vertices(part, avatar.joints, weights, rotations)
        posed.append(dataclasses.replace(part, vertices=vertices, normals=normals))
    return tuple(posed)


def coverage(parts: Sequence[Part], camera: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Give how far each pixel (H, W) is covered by parts that are not see-through."""
    return _seen([part for part in parts if not part.alpha], np.asarray(camera)[None], size).mask[0].numpy()


def in_sight(avatar: Avatar, names: Sequence[str], weights: dict[str, float] | None = None) -> int:
    """Count the pixels in which the parts called `names` are seen from `FRONT_YAWS`, with these expressions.

    The face fills the pictures of 384 x 384 pixels, orthographic; see-through parts hide nothing.
    """
    amount = np.array([(weights or {}).get(name, 0.0) for name in avatar.expression_names])
    parts = [part for part in posed_parts(avatar, amount, np.zeros((5, 3))) if not part.alpha]
    owner = np.repeat([part.name in names for part in parts], [len(part.faces) for part in parts])
    ids = _seen(parts, face_cameras(avatar), (_SIZE, _SIZE)).face_ids.numpy()
    return int(owner[ids[ids >= 0]].sum())


def face_cameras(avatar: Avatar) -> np.ndarray:
    """Give the cameras (3, 4, 4) that look at the middle between eyes and jaw from `FRONT_YAWS`, 384 x 384 pixels."""
    left, right = avatar.joints[3], avatar.joints[4]
    between = np.linalg.norm(left - right)
    middle = (left + right) / 2 - [0, 0.6 * between, 0]
    scale = _SIZE / (4 * between)
    at = np.array([_SIZE / 2 - scale * middle[0], _SIZE / 2 + scale * middle[1]])
    front = orthographic(np.eye(3), scale, at)
    return np.stack([turn(front, yaw, middle) for yaw in FRONT_YAWS])


def _seen(parts, cameras, size):
    vertices, faces, _ = joined(parts)
    return render_views(
        torch.as_tensor(vertices, dtype=torch.float32), torch.as_tensor(faces),
        torch.as_tensor(cameras, dtype=torch.float32), size,
    )  # fmt: skip


def _landmarks_off(image, mask, portrait):
    known = portrait.landmark_weights > 0
    try:
        found, _ = detect_landmarks(image, mask.astype(np.float32))
    except UserError:
        return None
    marks = portrait.landmarks.astype(float)
    eyes = np.linalg.norm(np.subtract(*marks[list(OUTER_EYES)]))
    off = np.linalg.norm(aligned(found.astype(float), marks, known) - marks, axis=1)[known]
    return float(100 * off.mean() / eyes)


def aligned(points: np.ndarray, to: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Move points (N, 2) by the similarity that brings the known ones nearest to others (Umeyama 1991)."""
    a, b = points[known].mean(0), to[known].mean(0)
    complex_a, complex_b = (points[known] - a) @ (1, 1j), (to[known] - b) @ (1, 1j)
    turn_and_scale = (complex_a.conj() @ complex_b) / (complex_a.conj() @ complex_a)
    moved = ((points - a) @ (1, 1j)) * turn_and_scale
    return np.stack([moved.real, moved.imag], 1) + b
