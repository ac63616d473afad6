"""A head fitted to a portrait, ready to be compared with the truth: its rig, its surface in the portrait's pose."""

import dataclasses
import time

import numpy as np

from soaplib.animation.posing import joint_transforms
from soaplib.data import HeadPose, Views
from soaplib.evaluation.truth import Truth
from soaplib.fitting import deform, moved_views, personal_head, stand
from soaplib.fitting.energy import seen_faces
from soaplib.head import HeadModel
from soaplib.multiview.geometric import posed_vertices
from soaplib.parts import place_parts
from soaplib.parts.eyes import Eyes


@dataclasses.dataclass(frozen=True, eq=False)
class Fitted:
    """The outcome of the stages under test.

    head: the personal head model with its lids, lips and eye joints placed; eyes: its eyeballs. vertices: (V, 3) of
    the head as in the portrait; base, start: the head model, and its (V0, 3) vertices as the parametric fit has them.
    seconds: from six views to finished geometry.
    """

    head: HeadModel
    eyes: Eyes
    pose: HeadPose
    vertices: np.ndarray
    base: HeadModel
    start: np.ndarray
    seconds: float

    @property
    def faces(self) -> np.ndarray:
        """(F, 3) of what can be seen: the skin without the mouth's inside, and the eyeballs."""
        return seen_faces(self.head)


def fit(truth: Truth, views: Views, head: HeadModel, profile: str = "standard") -> tuple[Truth, Fitted]:
    """Put the pose right, deform the head to the views, and place eyes and mouth; the truth comes in its world."""
    begun = time.perf_counter()
    pose = stand(views, truth.portrait, head, truth.pose)
    geometry = deform(moved_views(views, truth.pose, pose), truth.portrait, head, pose, profile)
    person, eyes, _ = place_parts(personal_head(head, geometry))
    seconds = time.perf_counter() - begun
    moved = truth.moved(pose)
    to_new = np.linalg.inv(pose.camera) @ truth.pose.camera
    start = posed_vertices(head, truth.pose) @ to_new[:3, :3].T + to_new[:3, 3]
    return moved, Fitted(person, eyes, pose, posed(person, pose.expression, pose.pose), head, start, seconds)


def posed(head: HeadModel, expression: np.ndarray, rotations: np.ndarray) -> np.ndarray:
    """Pose a head model: expression (E,), joint rotations (5, 3) axis-angle; (V, 3)."""
    rest = head.template + head.expression_basis @ np.asarray(expression, np.float32)
    return np.einsum("vij,vj->vi", turns(head, rotations), np.column_stack([rest, np.ones(len(rest))]))


def turns(head: HeadModel, rotations: np.ndarray) -> np.ndarray:
    """Give each vertex's affine map (V, 3, 4) for joint rotations (5, 3)."""
    return np.einsum("vj,jab->vab", head.skin_weights, _transforms(head, rotations)[1])


def posed_joints(head: HeadModel, rotations: np.ndarray) -> np.ndarray:
    """Give where joint rotations (5, 3) take the joints (5, 3)."""
    joints, transforms = _transforms(head, rotations)
    return np.einsum("jab,jb->ja", transforms, np.column_stack([joints, np.ones(len(joints))]))


def _transforms(head, rotations):
    joints = head.joint_regressor.astype(np.float64) @ head.template
    return joints, joint_transforms(joints, np.asarray(rotations, np.float64))
