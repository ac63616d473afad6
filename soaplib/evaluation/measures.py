"""What is right and wrong with a fitted head, in numbers."""

import numpy as np
import torch
from scipy.spatial.transform import Rotation

from soaplib.evaluation.fitted import Fitted, posed, posed_joints, turns
from soaplib.evaluation.surfaces import chamfer, mesh_normals, nearest_on, visible_faces
from soaplib.evaluation.truth import Truth
from soaplib.fitting.energy import seen_faces
from soaplib.landmarks import OUTER_EYES
from soaplib.render import render_views, turn
from soaplib.synthetic.people.posing import pose_person

HELD_OUT_YAWS = (30.0, 75.0, 135.0, -120.0)
"""Degrees about the vertical axis from which shape is compared: none of the six views."""

UNITS = {
    "chamfer": "% of head height", "chamfer_parametric": "% of head height", "chamfer_ratio": "", "normals": "degrees",
    "iou": "", "landmarks": "% of outer-eye distance", "actions": "% of displacement",
    "actions_median": "% of displacement", "actions_worst": "% of displacement", "jaw_20": "% of displacement",
    "head_30": "% of displacement", "joints": "mm", "weights_sum": "", "blink_pixels": "pixels", "penetration": "mm",
    "seconds": "s",
}  # fmt: skip
"""Every metric's unit."""

_SIZE = 256
_BLINK_YAWS = (0.0, 30.0, -30.0)


def measure(truth: Truth, fitted: Fitted) -> dict[str, float]:
    """Give all metrics of one head, named in `UNITS`."""
    return {**shape(truth, fitted), **animation(truth, fitted), **rig(fitted), "seconds": fitted.seconds}


def shape(truth, fitted: Fitted) -> dict[str, float]:
    """Compare surfaces: Chamfer distance of what is seen from outside, above the cut; normals and silhouettes at
    `HELD_OUT_YAWS`; landmarks in the portrait's plane against the true ones.

    truth: a `Truth` or a `Reference`.
    """
    front = truth.cameras[0]
    cameras = np.stack([turn(front, yaw, truth.pivot) for yaw in HELD_OUT_YAWS])
    true_normals, true_masks = truth.normals(cameras, _SIZE)
    seen = render_views(
        torch.as_tensor(fitted.vertices, dtype=torch.float32), torch.as_tensor(fitted.faces),
        torch.as_tensor(cameras, dtype=torch.float32), (_SIZE, _SIZE),
    )  # fmt: skip
    masks = seen.mask.numpy() * (np.arange(_SIZE)[:, None] + 1 <= truth.cut)
    both = (masks > 0.99) & (true_masks > 0.99)
    normals = torch.nn.functional.normalize(seen.normals, dim=-1).numpy()
    cosine = (normals * true_normals).sum(-1)[both]
    own, true = masks > 0.5, true_masks > 0.5
    ious = (own & true).sum((1, 2)) / np.maximum((own | true).sum((1, 2)), 1)
    off = fitted.head.landmarks(fitted.vertices) @ front[:2, :3].T + front[:2, 3] - truth.marks
    eyes = np.linalg.norm(np.subtract(*truth.marks[list(OUTER_EYES)]))
    return {
        **chamfers(truth, fitted), "normals": float(np.degrees(np.arccos(cosine.clip(-1, 1))).mean()),
        "iou": float(ious.mean()), "landmarks": float(100 * np.linalg.norm(off, axis=1).mean() / eyes),
    }  # fmt: skip


def chamfers(truth, fitted: Fitted) -> dict[str, float]:
    """Give the Chamfer metrics of a fitted head: of what is seen from outside, above the cut.

    truth: a `Truth` or a `Reference`.
    """
    up, surface = truth.cameras[0, 1, :3], _visible(*truth.surface, truth)
    unit = 100 / np.ptp(surface[0][np.unique(surface[1])] @ (up / np.linalg.norm(up)))
    first = unit * chamfer(*_visible(fitted.start, seen_faces(fitted.base), truth), *surface)
    last = unit * chamfer(*_visible(fitted.vertices, fitted.faces, truth), *surface)
    return {"chamfer": last, "chamfer_parametric": first, "chamfer_ratio": last / first}


def animation(truth: Truth, fitted: Fitted) -> dict[str, float]:
    """Compare motions: each action, a jaw of 20 and a head of 30 degrees more, from the portrait's pose on.

    At each vertex of the true skin, the motion of the point of the fitted skin that matches it in place and normal,
    against its own; the sum of the differences' lengths over that of the motions'. actions: the mean over the actions,
    actions_median, actions_worst. joints: how far those but the root are from the true ones, all posed: how much of a
    nod is the neck's no picture tells.
    """
    person, true_head = truth.made.person, truth.made.model
    scaled = truth.place[:3, :3]
    skin = np.flatnonzero(
        true_head.part_vertices("skin")
        & (true_head.region("mouth_cavity") < 0.5)
        & (true_head.region("eye_sockets") < 0.5)
    )
    everywhere = truth.made.vertices @ scaled.T + truth.place[:3, 3]
    places = everywhere[skin]
    normals = mesh_normals(everywhere, _skin_faces(true_head))[skin]
    faces = _skin_faces(fitted.head)
    ids, weights = nearest_on(places, fitted.vertices, faces, normals)
    corners = faces[ids]

    expression = truth.made.recipe.expression
    skinned = pose_person(person, expression).transforms
    true_turns = np.einsum("vj,jab->vab", true_head.skin_weights[skin], skinned[..., :3])
    own_turns = turns(fitted.head, fitted.pose.pose)[..., :3]
    true_moves = np.einsum("ab,vbc,vce->eva", scaled, true_turns, true_head.expression_basis[skin])
    own = np.einsum("vab,vbe->eva", own_turns, fitted.head.expression_basis)
    own_moves = np.einsum("evka,vk->eva", own[:, corners], weights)
    sizes = np.linalg.norm(true_moves, axis=2).sum(1)
    moving = sizes > 1e-4 * np.linalg.norm(np.ptp(places, axis=0))
    errors = 100 * np.linalg.norm(own_moves - true_moves, axis=2).sum(1)[moving] / sizes[moving]

    true_pose = np.asarray(expression.weights), np.asarray(expression.rotations)
    own_pose = fitted.pose.expression, fitted.pose.pose

    def of_joint(joint, angle):
        true = _nodded(true_head, *true_pose, joint, angle)[skin] @ scaled.T
        mine = _nodded(fitted.head, *own_pose, joint, angle)
        mine = (mine[corners] * weights[..., None]).sum(1)
        return float(100 * np.linalg.norm(mine - true, axis=1).sum() / np.linalg.norm(true, axis=1).sum())

    own_joints = posed_joints(fitted.head, fitted.pose.pose)
    true_joints = posed_joints(true_head, true_pose[1]) @ scaled.T + truth.place[:3, 3]
    return {
        "joints": float(1000 * np.linalg.norm(own_joints - true_joints, axis=1)[1:].mean()),
        "actions": float(errors.mean()), "actions_median": float(np.median(errors)),
        "actions_worst": float(errors.max()), "jaw_20": of_joint(2, 20.0), "head_30": of_joint(1, 30.0),
    }  # fmt: skip


def _skin_faces(head):
    faces = seen_faces(head)
    return faces[head.part_vertices("skin")[faces].all(1)]


def _nodded(head, expression, rotations, joint, angle):
    """How far vertices (V, 3) move when a joint nods by degrees more than it is posed."""
    more = np.array(rotations, np.float64)
    more[joint] = (
        Rotation.from_rotvec(more[joint]) * Rotation.from_euler("x", angle, degrees=True)
    ).as_rotvec()
    return posed(head, expression, more) - posed(head, expression, rotations)


def rig(fitted: Fitted) -> dict[str, float]:
    """Check the rig: skin weights, and what of the eyeballs shows or pokes out when the eyes are shut."""
    head, eyes = fitted.head, fitted.eyes
    shut = head.expression(eyeBlinkLeft=1.0, eyeBlinkRight=1.0)
    vertices = posed(head, shut, np.zeros((5, 3)))
    centre = eyes.centres.mean(0)
    scale = _SIZE / (6 * np.linalg.norm(eyes.centres[0] - eyes.centres[1]))
    front = np.eye(4)
    front[:3, :3] = scale * np.diag([1, -1, -1])
    front[:3, 3] = (_SIZE / 2, _SIZE / 2, 0) - front[:3, :3] @ centre
    cameras = np.stack([turn(front, yaw, centre) for yaw in _BLINK_YAWS])
    faces = seen_faces(head)
    of_eye = head.part_vertices("left_eye", "right_eye")[faces].all(1)
    seen = render_views(
        torch.as_tensor(vertices, dtype=torch.float32), torch.as_tensor(faces),
        torch.as_tensor(cameras, dtype=torch.float32), (_SIZE, _SIZE),
    )  # fmt: skip
    ids = seen.face_ids.numpy()
    lids = vertices[head.region("lids") > 0.5]
    deep = [eyes.radii[k] - np.linalg.norm(lids - eyes.centres[k], axis=1).min() for k in range(2)]
    return {
        "weights_sum": float(np.abs(head.skin_weights.sum(1) - 1).max()),
        "blink_pixels": int(of_eye[ids[ids >= 0]].sum()),
        "penetration": float(1000 * max(0.0, *deep)),
    }


def _visible(vertices, faces, truth):
    """A mesh without the faces that lie below the cut or that nobody sees."""
    rows = vertices @ truth.cameras[0, 1, :3] + truth.cameras[0, 1, 3]
    faces = faces[(rows[faces] < truth.cut).any(1)]
    return vertices, faces[visible_faces(vertices, faces)]
