"""Swell a posed head to a silhouette, so that hair and headwear get their volume.

A smooth warp of space, no optimisation: seen from the camera, each direction out of the skull has a distance to
the head's own outline and one to the matte's outline; their difference is how thick the hair is there. Points on
the outline and behind it move out by that much, the face stays.
"""

import numpy as np
import scipy.ndimage
import scipy.sparse as sp
import torch

from soaplib.head.cover import HAIR, SKIN, behind_regions
from soaplib.head.laplacian import border_vertices, factorised, harmonic, uniform_laplacian
from soaplib.head.model import HeadModel
from soaplib.head.outline import Frame, Outline, meet_outline, seen_faces
from soaplib.render import camera_rotation, project, vertex_normals

_MOST_BEHIND = 0.5  # hair behind the head is at most this thick, over half the head's width
_FACE_HOLD, _END_HOLD = 0.05, 1.0  # how much the face, and the end of the neck, resist an outline
_LEAST_NECK = 0.06  # the neck ends this much below the jaw at least, over the face's height
_ENCLOSED = 0.7  # hair beside an ear over this share of its height hides it
_PIN = 0.05  # how much what no hair covers keeps its place while hair is made smooth


def swell(
    head: HeadModel, vertices: np.ndarray, camera: np.ndarray, matte: np.ndarray, regions: np.ndarray
) -> np.ndarray:
    """Move posed vertices (V, 3) so that the head's outline meets the matte's.

    camera: (4, 4) orthographic, world metres to pixels of `matte` (S, S); regions: (S, S) labels of
    `soaplib.data.REGIONS`. An ear under hair is laid flat first; what hair covers is made smooth last. Outlines
    are taken as seen from the middle of the skull: by angle above it, by row below it. The neck ends where the
    matte ends, yet below the chin, which keeps its place. Returns (V, 3); parts other than skin stay where they
    are. About 0.6 s for 5k vertices.
    """
    skin = head.part_vertices("skin")
    faces = head.faces[skin[head.faces].all(1)]
    laplacian = uniform_laplacian(faces, len(vertices))
    space = _Space(camera)
    placed = space.seen(lay_ears_flat(head, vertices, camera, regions)[0])
    normal = _normals(placed, faces)
    behind, border = _fields(head, faces, laplacian, normal)
    placed[:, 1] = _rows_to_matte(head, placed, border, matte)
    frame = Frame.about(head, placed)
    own = Outline.of(seen_faces(placed, faces, matte.shape)[0] >= 0, frame)
    stretch, thickness = own.stretch_to(Outline.of(matte > 0.5, frame), placed, frame)
    placed[:, :2] += (placed[:, :2] - frame.centre_of(placed)) * ((stretch - 1) * behind)[:, None]
    backward = np.clip(-normal[:, 2], 0, 1) * np.clip(thickness, 0, _MOST_BEHIND * frame.half_width)
    placed[:, 2] -= backward * behind
    hold = skin * (_FACE_HOLD * (behind == 0) + _END_HOLD * (border == 1))
    skull = placed
    placed = meet_outline(placed, faces, laplacian, matte, hold)
    hairy = _under_hair(head, placed, faces, matte, regions)
    hanging = (head.region("ears") > 0.3) | (head.region("neck") > 0.3) | (placed[:, 1] > frame.middle[1])
    placed = _faired(placed, skull, ~hanging, faces, laplacian, matte, hairy)
    placed = meet_outline(placed, faces, laplacian, matte, hold, stiffness=(1.0,) * 4)
    return np.where(skin[:, None], space.world(placed), vertices)


class _Space:
    """Pixels of the picture, and a height in pixels towards the viewer, for an orthographic camera."""

    def __init__(self, camera):
        self.camera, self.rotation = camera, camera_rotation(camera)
        self.scale = np.linalg.norm(camera[0, :3])

    def seen(self, vertices):
        toward = (vertices @ self.rotation.T)[:, 2] * self.scale
        return np.column_stack([project(vertices, self.camera), toward])

    def world(self, placed):
        shifted = (placed[:, :2] - self.camera[:2, 3]) * [1, -1]
        return np.column_stack([shifted, placed[:, 2]]) / self.scale @ self.rotation


def lay_ears_flat(
    head: HeadModel, vertices: np.ndarray, camera: np.ndarray, regions: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Replace an ear of a posed head (V, 3) by the smooth membrane over its rim where hair covers or passes it.

    In the second case the ear may show, but the outline is the hair's: the ear would be drawn out to it. camera and
    regions as for `swell`. Returns the vertices and the (V,) bool mask of those laid flat.
    """
    skin = head.part_vertices("skin")
    laplacian = uniform_laplacian(head.faces[skin[head.faces].all(1)], len(vertices))
    placed, ears = _Space(camera).seen(vertices), (head.region("ears") > 0.5) & skin
    flat = np.zeros(len(vertices), bool)
    for side in (1, -1):
        ear = ears & (side * head.template[:, 0] > 0)
        labels = _look_up(regions, placed[ear])
        covered = (labels == HAIR).sum() > 0.6 * (labels == SKIN).sum()
        if covered or _beside(regions, placed[ear], placed[ears, 0].mean()) > _ENCLOSED:
            flat |= ear
    return (harmonic(laplacian, flat, vertices) if flat.any() else vertices), flat


def _beside(regions, ear, middle):
    """The share of hair in a band beside an ear, as tall as it and half as wide, away from the column `middle`."""
    top, bottom = ear[:, 1].min(), ear[:, 1].max()
    outward = np.sign(ear[:, 0].mean() - middle)
    edge = (ear[:, 0] * outward).max() * outward
    rows, steps = np.mgrid[top:bottom:24j, 0 : (bottom - top) / 2 : 12j]
    band = np.column_stack([(edge + outward * steps).ravel(), rows.ravel()])
    return (_look_up(regions, band) == HAIR).mean()


def _fields(head, faces, laplacian, normal):
    """Two smooth fields on the skin: 0 on the face and 1 behind the outline; 0 on the head and 1 at the neck's end."""
    neck = head.region("neck")
    held = _front(head)
    back = (normal[:, 2] < -0.1) & ~held
    behind = harmonic(laplacian, ~(held | back), back)
    end = border_vertices(faces, len(neck)) & (neck > 0.5)
    return behind, harmonic(laplacian, (neck >= 0.5) & ~end, end)


def _front(head):
    """The vertices that make the face, with what lies inside it."""
    return np.any([head.region(name) > 0.5 for name in ("face", "mouth_cavity", "eye_sockets")], axis=0)


def _under_hair(head, placed, faces, matte, regions):
    """Tell the vertices that hair covers, by the picture where they face it and by the guess behind elsewhere.

    The neck counts too: it hangs as straight from the jaw to where the matte ends.
    """
    facing = _normals(placed, faces)[:, 2] > 0
    labels = np.where(facing, _look_up(regions, placed), _look_up(behind_regions(regions, matte), placed))
    return ((labels == HAIR) | (head.region("neck") > 0.3)) & ~_front(head) & head.part_vertices("skin")


def _faired(placed, skull, round_, faces, laplacian, matte, hairy):
    """Make the hair a smooth shell between its outline and the skin beside it.

    It keeps the roundness (the Laplacian) of the skull it grew from, `skull`, where `round_` says so; elsewhere,
    over ears and nape, it hangs straight.
    """
    ids, _ = seen_faces(placed, faces, matte.shape)
    rim = (ids >= 0) & ~scipy.ndimage.binary_erosion(ids >= 0, iterations=2)
    pinned = ~hairy
    pinned[faces[ids[rim]].ravel()] = True
    pins = _PIN * np.where(pinned, 1.0, np.where(round_, 1e-2, 1e-4))[:, None]
    rows = (sp.diags(1 / np.maximum(laplacian.diagonal(), 1)) @ laplacian)[hairy]
    bend = (rows @ skull) * round_[hairy, None]
    return factorised(rows.T @ rows + sp.diags(pins[:, 0])).solve(rows.T @ bend + pins * placed)


def _look_up(labels, placed):
    x, y = (np.clip(placed[:, k].astype(int), 0, len(labels) - 1) for k in (0, 1))
    return labels[y, x]


def _rows_to_matte(head, placed, border, matte):
    """Give each vertex its row (V,) when the neck ends where the matte does, yet never above the jaw.

    A short matte squeezes all that lies below the chin, so that the neck does not fold up into the head.
    """
    rows, face = placed[:, 1], head.region("face") > 0.5
    jaw = rows[face & head.part_vertices("skin")]
    chin = jaw.max()
    end = max(np.flatnonzero(matte.max(1) > 0.5)[-1] + 1.0, chin + _LEAST_NECK * np.ptp(jaw))
    squeeze = min(1.0, (end - chin) / max(rows[border == 1].mean() - chin, 1e-9))
    rows = np.where(_front(head), rows, np.minimum(rows, chin + squeeze * (rows - chin)))
    return rows + (end - rows) * border


def _normals(placed, faces):
    """Outward normals in camera axes (y up)."""
    upright = torch.as_tensor(placed * [1, -1, 1])
    return vertex_normals(upright, torch.as_tensor(faces)).numpy()
