"""Parts and heads as they stand in the portrait."""

import numpy as np
import torch

from soaplib.data import JOINT_PARENTS, HeadPose, Part
from soaplib.head import HeadModel
from soaplib.head.skinning import linear_blend_skinning, rotation_matrices


def posed_head(head: HeadModel, pose: HeadPose) -> np.ndarray:
    """Give the (V, 3) float32 vertices of a personal head under a pose's expression and joint rotations."""
    rest = head.template + head.expression_basis @ np.asarray(pose.expression, np.float32)
    return _skinned(head, rest, head.skin_weights, pose)


def posed_part(part: Part, head: HeadModel, pose: HeadPose) -> np.ndarray:
    """Give the (V, 3) float32 vertices of a part of that head under the same pose."""
    rest = part.vertices + np.tensordot(np.asarray(pose.expression, np.float32), part.morphs, 1)
    return _skinned(head, rest, part.skin_weights, pose)


def _skinned(head, rest, weights, pose):
    joints = head.joint_regressor.astype(np.float64) @ head.template
    as_tensor = lambda a: torch.as_tensor(np.asarray(a, np.float64))[None]  # noqa: E731
    vertices, _ = linear_blend_skinning(
        as_tensor(rest), as_tensor(joints), rotation_matrices(as_tensor(pose.pose)), JOINT_PARENTS,
        as_tensor(weights)[0],
    )  # fmt: skip
    return vertices[0].numpy().astype(np.float32)
