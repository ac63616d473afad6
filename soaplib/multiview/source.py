"""The portrait as a texture on a mesh: which points it sees, how well, in which colour."""

import numpy as np
import scipy.ndimage
import torch

from soaplib.data import REGIONS, Portrait
from soaplib.head.cover import SKIN
from soaplib.render import camera_rotation, render_views, vertex_normals

FEATURES = [REGIONS.index(name) for name in ("brows", "eyes", "irises", "lips", "mouth")]
"""Labels of what only the face has: none of it goes behind."""

# Cosines of the viewing angle: above the first the portrait is taken as it is, below the second not at all.
_SURE, _UNSURE = 0.45, 0.2


class Source:
    """The portrait on the surface of a posed mesh. normals: (V, 3) of its vertices; rotation: (3, 3) to camera axes."""

    def __init__(self, portrait: Portrait, vertices: np.ndarray, faces: np.ndarray, camera: np.ndarray):
        """vertices: (V, 3), faces: (F, 3) of the mesh that hides parts of itself; camera: (4, 4) of the portrait."""
        self.portrait, self.camera = portrait, camera
        self.rotation = camera_rotation(camera)
        self.normals = vertex_normals(torch.as_tensor(vertices), torch.as_tensor(faces)).numpy()
        size = portrait.image.shape[:2]
        view = render_views(
            torch.as_tensor(vertices, dtype=torch.float32), torch.as_tensor(faces),
            torch.as_tensor(camera, dtype=torch.float32), size,
        )  # fmt: skip
        depth = np.where(view.face_ids[0].numpy() >= 0, view.depth[0].numpy(), np.inf)
        depth = scipy.ndimage.grey_dilation(
            depth, 3
        )  # the farther one wherever a pixel straddles two surfaces
        self.depth = np.where(np.isfinite(depth), depth, -1e9)
        self.margin = 0.006 * np.linalg.norm(camera[0, :3])
        solid = portrait.matte > 0.9
        rim = 5 * size[0] / 512  # at the matte's rim the background shines through
        self.edge = np.clip(scipy.ndimage.distance_transform_edt(solid) / rim - 0.4, 0, 1)

    def look(self, points, normals):
        """Give colours (N, 3) and how sure (N,) they are for points and normals (N, 3) on the surface."""
        seen = points @ self.camera[:3, :3].T + self.camera[:3, 3]
        cosine = (normals @ self.rotation.T)[:, 2] / np.maximum(np.linalg.norm(normals, axis=1), 1e-9)
        at = seen[:, :2]
        hidden = seen[:, 2] > nearest(self.depth, at) + self.margin
        sure = np.clip((cosine - _UNSURE) / (_SURE - _UNSURE), 0, 1)
        sure = sure * sure * (3 - 2 * sure) * bilinear(self.edge[..., None], at)[:, 0] * ~hidden
        return bilinear(self.portrait.image, at), sure


def nearest(image: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Look up (H, W[, C]) at pixels (N, 2), the picture's rim outside."""
    x = np.clip(at[:, 0].astype(int), 0, image.shape[1] - 1)
    y = np.clip(at[:, 1].astype(int), 0, image.shape[0] - 1)
    return image[y, x]


def bilinear(image: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Sample (H, W, C) at pixels (N, 2) whose centres lie at +0.5."""
    x = np.clip(at[:, 0] - 0.5, 0, image.shape[1] - 1.001)
    y = np.clip(at[:, 1] - 0.5, 0, image.shape[0] - 1.001)
    c, r = x.astype(int), y.astype(int)
    u, v = (x - c)[:, None], (y - r)[:, None]
    top = image[r, c] * (1 - u) + image[r, c + 1] * u
    return top * (1 - v) + (image[r + 1, c] * (1 - u) + image[r + 1, c + 1] * u) * v


def resized(image: np.ndarray, size: int) -> np.ndarray:
    """Give a square picture (S, S[, C]) at size x size: shrunk by area, grown by cubics."""
    import cv2

    if image.shape[0] == size:
        return image
    return cv2.resize(
        image, (size, size), interpolation=cv2.INTER_AREA if size < image.shape[0] else cv2.INTER_CUBIC
    )


def filled(labels: np.ndarray) -> np.ndarray:
    """Give each unlabelled pixel of (H, W) its nearest label; skin where there is none at all."""
    if not labels.any():
        return np.full_like(labels, SKIN)
    at = scipy.ndimage.distance_transform_edt(labels == 0, return_distances=False, return_indices=True)
    return labels[tuple(at)]
