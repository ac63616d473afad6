"""The head model posed as in a portrait, and back: an affine map for each vertex."""

import numpy as np
import torch

from soaplib.data import JOINT_PARENTS, HeadPose
from soaplib.head import HeadModel
from soaplib.head.skinning import linear_blend_skinning, rotation_matrices


class Posing:
    """Linear blend skinning for one fixed pose: posed = turn @ (neutral + expression) + shift, vertex by vertex.

    The joints are given (5, 3), or those of `neutral`; they stay where they are while the surface is deformed.
    """

    def __init__(self, head: HeadModel, pose: HeadPose, neutral: np.ndarray, liveliness=1.0, joints=None):
        joints = head.joint_regressor @ neutral if joints is None else joints
        joints = torch.as_tensor(joints, dtype=torch.float64)[None]
        rotations = rotation_matrices(torch.as_tensor(pose.pose, dtype=torch.float64))[None]
        weights = torch.as_tensor(head.skin_weights, dtype=torch.float64)
        count = len(neutral)
        axes = torch.cat([torch.zeros(1, 3), torch.eye(3)]).double()
        probes = [linear_blend_skinning(a.expand(1, count, 3), joints, rotations, JOINT_PARENTS, weights)[0][0]
                  for a in axes]  # fmt: skip
        self.shift = probes[0].numpy()
        self.turn = torch.stack([p - probes[0] for p in probes[1:]], -1).numpy()
        self.expression = (head.expression_basis @ pose.expression.astype(np.float64)) * np.reshape(
            liveliness, (-1, 1)
        )

    def pose(self, neutral: np.ndarray) -> np.ndarray:
        """(V, 3) neutral to posed."""
        return np.einsum("vij,vj->vi", self.turn, neutral + self.expression) + self.shift

    def unpose(self, posed: np.ndarray) -> np.ndarray:
        """(V, 3) posed to neutral; the blended turns are invertible short of a half turn between joints."""
        return np.linalg.solve(self.turn, (posed - self.shift)[..., None])[..., 0] - self.expression
