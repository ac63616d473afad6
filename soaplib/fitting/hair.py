"""What the views tell of hair and headwear before any surface is fitted: which skin is bare, and where hair ends."""

import dataclasses

import cv2
import numpy as np
import scipy.sparse as sp
import torch

from soaplib.data import REGIONS, HeadPose, Portrait, Views
from soaplib.fitting.bare import skin_share, vertex_share
from soaplib.fitting.energy import seen_faces
from soaplib.fitting.hull import Hull
from soaplib.head import HeadModel
from soaplib.head.laplacian import uniform_laplacian
from soaplib.render import camera_rotation, project, vertex_normals

_SIZE = 128
_COVER = [REGIONS.index(name) for name in ("hair", "clothes")]
_INNER = ("lids", "lips", "eye_sockets", "mouth_cavity")
_FACING = 0.25  # cosine to the viewer from which view 0 tells what a vertex is
_FADE = 4  # rings of vertices over which bare skin fades into hair


@dataclasses.dataclass(frozen=True, eq=False)
class Hair:
    """Hair and headwear over a head: bare: (V,) in [0, 1], how far a vertex of it is bare skin; share: (6, 128, 128)
    how far the views' pixels are skin, NaN outside; hull: where hair ends."""

    bare: np.ndarray
    share: np.ndarray
    hull: Hull

    def carried(self, carry: sp.csr_matrix) -> "Hair":
        """Give the same on a remeshed head; carry: (V', V)."""
        return dataclasses.replace(self, bare=carry @ self.bare)

    def skin(self, size: int) -> torch.Tensor:
        """Give the share of skin (6, size, size) float32, a half where nothing is known."""
        share = np.nan_to_num(self.share, nan=0.5).astype(np.float32)
        return torch.as_tensor(
            np.stack([cv2.resize(s, (size, size), interpolation=cv2.INTER_AREA) for s in share])
        )


def find_hair(
    views: Views, portrait: Portrait, head: HeadModel, pose: HeadPose, vertices: np.ndarray
) -> Hair | None:
    """Tell skin from hair by the colours of the views, for a head fitted without hair, posed (V, 3).

    None where view 0 shows no hair to know it by. About 1 s.
    """
    share = skin_share(views, portrait, _SIZE)
    if share is None:
        return None
    hull = Hull(views, share, vertices, seen_faces(head))
    shown = vertex_share(share, views, vertices, seen_faces(head))
    return Hair(_bare(head, vertices, pose, portrait, shown), share, hull)


def _bare(head, vertices, pose, portrait, shown):
    """The face, but for what is seen under hair; of the neck what is seen bare; and ears where most of one is."""
    at = np.clip(project(vertices, pose.camera).astype(int), 0, portrait.image.shape[0] - 1)
    labels = portrait.regions[at[:, 1], at[:, 0]]
    skin = head.part_vertices("skin")
    faces = head.faces[skin[head.faces].all(1)]
    normals = vertex_normals(torch.as_tensor(vertices), torch.as_tensor(faces)).numpy()
    facing = normals @ camera_rotation(pose.camera)[2] > _FACING
    inner = np.any([head.region(name) > 0.5 for name in _INNER], axis=0)
    face = (head.region("face") > 0.5) & ~(np.isin(labels, _COVER) & facing)
    neck = (head.region("neck") > 0.5) & (shown > 0.5)
    bare = skin & (inner | face | neck)
    for side in (1, -1):
        ear = (head.region("ears") > 0.5) & (side * head.template[:, 0] > 0)
        bare |= ear & (shown[ear].mean() > 0.5)
    bare = bare.astype(float)
    laplacian = uniform_laplacian(faces, len(vertices))
    degree = np.maximum(laplacian.diagonal(), 1)
    for _ in range(_FADE):
        bare = bare - 0.5 * (laplacian @ bare) / degree
    return np.where(inner, 1.0, bare)
