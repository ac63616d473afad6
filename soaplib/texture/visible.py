"""What the views see of a posed head with its parts."""

import dataclasses

import cv2
import numpy as np
import torch

from soaplib.data import REGIONS, HeadPose, Part, Portrait, Views
from soaplib.head import HeadModel
from soaplib.render import project, vertex_normals
from soaplib.texture.bake import Seer, look, prepare_view
from soaplib.texture.blend import FADES
from soaplib.texture.posed import posed_head, posed_part
from soaplib.texture.texels import Texels, at_texels, find_texels


@dataclasses.dataclass(frozen=True)
class Shown:
    """What the portrait shows of a part's texels.

    texels: N texels of the part's texture; faces: the part's; colour: (N, 3) float32; visible: (N,) float32 1
    where the texel itself is seen; pixels: (N, 2) where it falls in the portrait.
    """

    texels: Texels
    colour: np.ndarray
    visible: np.ndarray
    pixels: np.ndarray


def make_seers(head: HeadModel, pose: HeadPose, views: Views, parts: tuple[Part, ...]) -> list[Seer]:
    """Make all views ready; all that stands in the portrait, skin and parts that are not alpha, can hide."""
    skin = head.part_vertices("skin")
    faces = head.faces
    meshes = [(posed_head(head, pose), faces[skin[faces].all(1)])]
    meshes += [(posed_part(part, head, pose), part.faces) for part in parts if not part.alpha]
    starts = np.cumsum([0] + [len(v) for v, _ in meshes])
    vertices = np.concatenate([v for v, _ in meshes])
    faces = np.concatenate([f + s for (_, f), s in zip(meshes, starts, strict=False)]).astype(np.int32)
    reach = np.where(np.arange(len(views.images)) == 0, FADES[0], FADES[1]) * views.images.shape[1]
    return [
        prepare_view(*view, vertices, faces, r)
        for *view, r in zip(views.images, views.masks, views.cameras, reach, strict=True)
    ]


def shown_part(part: Part, head: HeadModel, pose: HeadPose, seer: Seer) -> Shown:
    """Ask the portrait's view about every texel of a part's texture."""
    texels = find_texels(part.uv, part.faces, part.texture.shape[:2])
    vertices = posed_part(part, head, pose)
    normals = vertex_normals(torch.as_tensor(vertices), torch.as_tensor(part.faces)).numpy()
    points = at_texels(texels, part.faces, vertices)
    directions = at_texels(texels, part.faces, normals)
    directions /= np.maximum(np.linalg.norm(directions, axis=1, keepdims=True), 1e-9)
    directions *= np.where(directions @ seer.toward < 0, -1, 1)[:, None]  # depth alone decides what is hidden
    seen = look(seer, points, directions.astype(np.float32))
    visible = seen.seen * (seen.cosine > 0.1)
    return Shown(texels, seen.sharp, visible, project(points.astype(np.float64), seer.camera))


def region_mask(portrait: Portrait, names) -> np.ndarray:
    """Give the (S, S) uint8 mask of the named regions of a portrait."""
    return np.isin(portrait.regions, [REGIONS.index(name) for name in names]).astype(np.uint8)


def grown(mask: np.ndarray, pixels: float) -> np.ndarray:
    """Grow (or, where negative, shrink) a uint8 mask by a radius in pixels."""
    side = 2 * int(np.ceil(abs(pixels))) + 1
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    return cv2.dilate(mask, disc) if pixels > 0 else cv2.erode(mask, disc)


def at_pixels(picture: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """Read (H, W) values at (N, 2) pixel positions, the nearest; positions outside read the border."""
    column, row = (np.clip(pixels[:, i].astype(np.int64), 0, picture.shape[1 - i] - 1) for i in range(2))
    return picture[row, column]
