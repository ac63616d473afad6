"""A portrait for tests: the head model itself, painted by its regions and seen from a known camera."""

import dataclasses

import numpy as np
import torch
from scipy.spatial.transform import Rotation

from soaplib.data import REGIONS, HeadPose, Portrait
from soaplib.head import HeadModel
from soaplib.render import orthographic, project, render_views

COLOURS = {
    "skin": (0.85, 0.65, 0.55), "hair": (0.3, 0.2, 0.12), "eyes": (0.95, 0.95, 0.95), "lips": (0.75, 0.3, 0.3),
    "neck": (0.8, 0.6, 0.5),
}  # fmt: skip


@dataclasses.dataclass(frozen=True)
class MadeUp:
    """A portrait, the pose that is true of it, and the posed vertices (V, 3) it was drawn from."""

    portrait: Portrait
    pose: HeadPose
    vertices: np.ndarray


def made_up_portrait(
    head: HeadModel,
    size: int = 256,
    degrees=(5.0, -10.0, 3.0),
    strength: float = 0.0,
    seed: int = 0,
    hair: bool = True,
    **actions: float,
) -> MadeUp:
    """Draw the head with random shape coefficients of a strength, some actions, turned by (x, y, z) degrees."""
    rng = np.random.default_rng(seed)
    shape = strength * rng.standard_normal(head.shape_basis.shape[2])
    expression = head.expression(**actions).astype(float)
    vertices = head.template + head.shape_basis @ shape + head.expression_basis @ expression
    rotation = Rotation.from_euler("xyz", degrees, degrees=True).as_matrix()
    camera = orthographic(rotation, size / 0.42, np.array([0.0, 0.0]))
    skin = head.part_vertices("skin")
    seen = project(vertices[skin], camera)
    camera[:2, 3] = [size / 2 - (seen[:, 0].min() + seen[:, 0].max()) / 2, size * 0.96 - seen[:, 1].max()]
    pose = HeadPose(shape, expression, np.zeros((5, 3)), camera, 0.0)
    return MadeUp(painted(head, vertices, camera, size, hair), pose, vertices)


def painted(
    head: HeadModel, vertices: np.ndarray, camera: np.ndarray, size: int, hair: bool = True
) -> Portrait:
    """Draw posed vertices in the colours of their labels, with the matte and the landmarks that are theirs."""
    drawn = head.part_vertices("skin", "left_eye", "right_eye")
    faces = head.faces[drawn[head.faces].all(1)]
    labels = vertex_labels(head, hair)
    names = list(COLOURS)
    ones = np.stack([labels == REGIONS.index(name) for name in names], 1)
    view = render_views(
        torch.as_tensor(vertices, dtype=torch.float32), torch.as_tensor(faces), torch.as_tensor(camera),
        (size, size), torch.as_tensor(ones, dtype=torch.float32),
    )  # fmt: skip
    share, matte = view.attributes[0].numpy(), view.mask[0].numpy()
    regions = np.array([REGIONS.index(name) for name in names])[share.argmax(-1)]
    image = share @ np.array([COLOURS[name] for name in names]) + (1 - share.sum(-1, keepdims=True))
    return Portrait(
        image.clip(0, 1).astype(np.float32), matte.clip(0, 1),
        project(head.landmarks(vertices), camera).astype(np.float32), np.ones(478, np.float32),
        np.where(matte > 0.5, regions, 0).astype(np.uint8), np.eye(3), {"advice": []},
    )  # fmt: skip


def vertex_labels(head: HeadModel, hair: bool = True) -> np.ndarray:
    """Give the (V,) label of each vertex: what the head's regions say."""
    label = np.full(len(head.template), REGIONS.index("skin"))
    label[head.region("neck") > 0.3] = REGIONS.index("neck")
    if hair:
        scalp = (head.region("scalp") > 0.5) & (head.region("face") < 0.5)
        ears = head.template[head.region("ears") > 0.5].mean(0)
        under_chin = (head.template[:, 1] < ears[1]) & (head.template[:, 2] > ears[2])
        label[scalp & ~under_chin] = REGIONS.index("hair")
    label[head.region("lips") > 0.5] = REGIONS.index("lips")
    label[head.part_vertices("left_eye", "right_eye")] = REGIONS.index("eyes")
    return label


def eye_distance(portrait: Portrait) -> float:
    """The distance of the outer eye corners, pixels: the unit of landmark errors."""
    return float(np.linalg.norm(portrait.landmarks[33] - portrait.landmarks[263]))
