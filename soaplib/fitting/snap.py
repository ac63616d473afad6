"""Bring the landmarks of a posed head exactly onto the picture's, and everything else smoothly along."""

import numpy as np
import scipy.sparse as sp

from soaplib.data import Portrait
from soaplib.head import HeadModel
from soaplib.head.laplacian import factorised, uniform_laplacian
from soaplib.landmarks import (
    FACE_OVAL,
    INNER_LIPS,
    LEFT_EYE,
    LEFT_IRIS,
    OUTER_LIPS,
    RIGHT_EYE,
    RIGHT_IRIS,
)
from soaplib.render import camera_rotation

_STIFFNESS = 3.0


def snap_landmarks(
    head: HeadModel, vertices: np.ndarray, camera: np.ndarray, portrait: Portrait
) -> np.ndarray:
    """Move posed vertices (V, 3) in the picture's plane so that landmarks fall on the portrait's.

    One sparse solve of min |L d|^2 stiffness + sum w |landmark(x + d) - target|^2 for the displacement d
    (bi-Laplacian; Sorkine et al. 2004). Depth stays. Eyes, teeth and tongue move with the skin about them.
    """
    weights = landmark_trust(portrait)
    corners, share = head.faces[head.landmark_faces], head.landmark_weights.astype(np.float64)
    count = len(vertices)
    rows = np.repeat(np.arange(len(corners)), 3)
    pick = sp.csr_matrix((share.ravel(), (rows, corners.ravel())), shape=(len(corners), count))
    placed = pick @ vertices
    residual = portrait.landmarks - (placed @ camera[:2, :3].T + camera[:2, 3])
    skin = head.part_vertices("skin")
    smooth = uniform_laplacian(head.faces[skin[head.faces].all(1)], count)
    system = _STIFFNESS * smooth.T @ smooth + pick.T @ sp.diags(weights) @ pick + 1e-4 * sp.identity(count)
    plane = factorised(system).solve(pick.T @ (weights[:, None] * residual))
    axes = camera_rotation(camera)
    scale = np.linalg.norm(camera[0, :3])
    moved = (plane * [1, -1] / scale) @ axes[:2]
    return follow_skin(head, vertices, vertices + np.where(skin[:, None], moved, 0))


def landmark_trust(portrait: Portrait) -> np.ndarray:
    """Tell how much each landmark (478,) float64 counts when the surface is brought onto the picture's.

    On the oval MediaPipe guesses; the silhouette is better there. The irises are no skin. In photographs the contours
    of eyes and lips are the sharpest, and blinks and words are judged there. In drawn faces what lies between eyes,
    lips and oval is guessed too, and would fold a nose into the lip below it.
    """
    weights = portrait.landmark_weights.astype(np.float64)
    if portrait.report.get("stylised"):
        sharp = np.isin(np.arange(len(weights)), LEFT_EYE + RIGHT_EYE + INNER_LIPS + OUTER_LIPS + FACE_OVAL)
        weights = np.where(sharp, weights, 0.1 * weights)
    else:
        weights[list(LEFT_EYE + RIGHT_EYE + INNER_LIPS)] *= 5
        weights[list(OUTER_LIPS)] *= 2
    weights[list(FACE_OVAL)] *= 0.3
    weights[list(LEFT_IRIS + RIGHT_IRIS)] = 0
    return weights


def follow_skin(head: HeadModel, before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Give `after` (V, 3) with eyes, lashes, teeth and tongue moved and scaled as the skin next to them was.

    Each part follows the similarity (no turn) that takes its neighbouring skin from `before` to `after`.
    """
    out = after.copy()
    near = {
        "left_eye": ("lids", 1), "left_lashes": ("lids", 1), "right_eye": ("lids", -1), "right_lashes": ("lids", -1),
        "upper_teeth": ("lips", 0), "lower_teeth": ("lips", 0), "tongue": ("lips", 0),
    }  # fmt: skip
    for part, (region, side) in near.items():
        skin = (head.region(region) > 0.5) & (side * head.template[:, 0] >= 0)
        vertices = head.part_vertices(part)
        if not vertices.any() or not skin.any():
            continue
        a, b = before[skin], after[skin]
        spread = [np.ptp(points[:, 0]) for points in (a, b)]
        scale = np.clip(spread[1] / max(spread[0], 1e-9), 0.4, 2.5)
        out[vertices] = (before[vertices] - a.mean(0)) * scale + b.mean(0)
    return out
