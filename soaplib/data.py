"""The plain data that stages hand to each other.

Conventions, everywhere in soaplib: right-handed world, metres, +Y up, the face looks down +Z, the head's own
left is +X. Images are RGB float32 in [0, 1] with row 0 on top; pixel (0, 0) has its centre at (0.5, 0.5).
UV origin is bottom-left. A `camera` is a 4x4 matrix from world metres to pixels: x right, y down, and a depth
that grows away from the viewer; it is affine (a similarity) for orthographic cameras.
"""

import dataclasses
import pathlib

import numpy as np
import scipy.sparse as sp

from soaplib.storage import Stored

VIEW_YAWS = (0, -90, 180, 90, -45, 45)
"""Degrees by which each of the six views turns the head about +Y (SOAP's order)."""

JOINT_NAMES = ("root", "neck", "jaw", "left_eye", "right_eye")
"""FLAME's five joints."""

JOINT_PARENTS = (-1, 0, 1, 1, 1)

REGIONS = ("background", "skin", "hair", "brows", "eyes", "irises", "lips", "mouth", "neck", "clothes")
"""Labels of `Portrait.regions`; the label is the position in this tuple."""


@dataclasses.dataclass(frozen=True)
class Portrait(Stored):
    """A picture made ready: the square crop about the head and what is known of it.

    image: (S, S, 3) float32 crop. matte: (S, S) float32, 1 on the head. landmarks: (478, 2) float32 crop pixels,
    MediaPipe's order. landmark_weights: (478,) float32, 0 where a landmark is unknown. regions: (S, S) uint8,
    positions in `REGIONS`. crop_to_picture: (3, 3) float64, crop pixels to pixels of the picture as it was
    given (after EXIF rotation). report: what the input check saw, JSON values, with a list `advice` of sentences.
    """

    image: np.ndarray
    matte: np.ndarray
    landmarks: np.ndarray
    landmark_weights: np.ndarray
    regions: np.ndarray
    crop_to_picture: np.ndarray
    report: dict


@dataclasses.dataclass(frozen=True)
class HeadPose(Stored):
    """How the head model stands in the portrait.

    shape: (S,), expression: (E,), pose: (5, 3) axis-angle per joint of `JOINT_NAMES`, camera: (4, 4) world metres
    to crop pixels, which holds the rotation of the whole head. residual: mean landmark distance over the
    outer-eye distance.
    """

    shape: np.ndarray
    expression: np.ndarray
    pose: np.ndarray
    camera: np.ndarray
    residual: float


@dataclasses.dataclass(frozen=True)
class Views(Stored):
    """Six views of the posed head, in the order of `VIEW_YAWS`.

    images: (6, H, W, 3) float32 on white; normals: (6, H, W, 3) float32 unit vectors in camera space (x right,
    y up, z to the viewer), 0 outside; masks: (6, H, W) float32; cameras: (6, 4, 4). generator: its name.
    """

    images: np.ndarray
    normals: np.ndarray
    masks: np.ndarray
    cameras: np.ndarray
    generator: str


@dataclasses.dataclass(frozen=True)
class Geometry(Stored):
    """The head's surface in neutral pose, and its binding to the head model.

    vertices: (V', 3) neutral; quads, uv, uv_quads: its topology, (Q, 4) int32, (T, 2) and (Q, 4), as in
    `soaplib.head.HeadModel`; binding: sparse (V', V), rows sum to 1, by which every attribute of the head model becomes
    an attribute of this mesh (`binding @ attribute`). liveliness: (V',) float32 in [0, 1], by which expressions are
    scaled: 0 where hair or headwear lies over the face. joints: (5, 3)
    where the joints are, metres: the skull's, whatever hair does to the surface.
    """

    vertices: np.ndarray
    quads: np.ndarray
    uv: np.ndarray
    uv_quads: np.ndarray
    binding: sp.csr_matrix
    liveliness: np.ndarray
    joints: np.ndarray


@dataclasses.dataclass(frozen=True)
class Part(Stored):
    """One drawable piece of an avatar: what becomes one mesh with one material in the GLB.

    vertices, normals: (V, 3) in neutral pose; faces: (F, 3) int32, counter-clockwise from outside; uv: (V, 2),
    vertices already split at seams; texture: (H, W, 3 or 4) uint8, row 0 on top; skin_weights: (V, 5), rows sum
    to 1; morphs: (52, V, 3) displacements in the order of the avatar's expression names. alpha: the
    material blends (glTF BLEND) where the texture is transparent. double_sided: both sides are drawn.
    """

    name: str
    vertices: np.ndarray
    normals: np.ndarray
    faces: np.ndarray
    uv: np.ndarray
    texture: np.ndarray
    skin_weights: np.ndarray
    morphs: np.ndarray
    roughness: float = 0.7
    alpha: bool = False
    double_sided: bool = False


@dataclasses.dataclass(frozen=True)
class Avatar:
    """A finished head: its parts, its skeleton, and how it stands in the portrait it was made from.

    joints: (5, 3) rest positions of `JOINT_NAMES`; expression_names: the 52 ARKit names. weights: (52,),
    joint_rotations: (5, 3) axis-angle and camera: (4, 4) pose it as in the portrait's crop.
    """

    parts: tuple[Part, ...]
    joints: np.ndarray
    expression_names: tuple[str, ...]
    weights: np.ndarray
    joint_rotations: np.ndarray
    camera: np.ndarray

    def save(self, folder) -> None:
        """Write each part into a folder of its own under `folder`, and the rest beside them."""
        folder = pathlib.Path(folder)
        _AvatarRest(
            self.joints, self.expression_names, self.weights, self.joint_rotations, self.camera,
            tuple(part.name for part in self.parts),
        ).save(folder)  # fmt: skip
        for part in self.parts:
            part.save(folder / part.name)

    @classmethod
    def load(cls, folder) -> "Avatar":
        """Read what `save` wrote; raises FileNotFoundError where a file is missing."""
        folder = pathlib.Path(folder)
        rest = _AvatarRest.load(folder)
        parts = tuple(Part.load(folder / name) for name in rest.part_names)
        return cls(parts, rest.joints, rest.expression_names, rest.weights, rest.joint_rotations, rest.camera)


@dataclasses.dataclass(frozen=True)
class _AvatarRest(Stored):
    joints: np.ndarray
    expression_names: tuple[str, ...]
    weights: np.ndarray
    joint_rotations: np.ndarray
    camera: np.ndarray
    part_names: tuple[str, ...]
