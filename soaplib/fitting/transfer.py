"""Actions of a person: those of the head model, turned and scaled as the features are that they move."""

import functools
import pathlib

import numpy as np
from scipy.spatial import cKDTree

from soaplib.data import JOINT_NAMES, HeadPose
from soaplib.fitting.posing import Posing
from soaplib.head import HeadModel
from soaplib.landmarks import LEFT_EYE, RIGHT_EYE

ACTIONS = pathlib.Path(__file__).with_name("actions.npz")
"""What `python -m soaplib.synthetic.people.actions` learned of how actions follow from faces."""

_MOUTH = ("jaw", "mouth", "tongue", "cheekPuff")
_LIDS, _LID = (
    "eye",
    (0.15, 0.75),
)  # widths of an eye from its margin, nearer than which `soaplib.parts.lids` sees to skin
_NOISE = 2e-3  # metres by which a fitted landmark may be off
_COUNT = 6.0  # neighbouring landmarks err together: this many count as one
_MOST = 3.0  # deviations of a component
_NEAR = 4  # learned places that tell the map of a vertex
_ROUNDS = 4
_NECK = JOINT_NAMES.index("neck")


def of_mouth(head: HeadModel) -> np.ndarray:
    """Tell the actions (E,) bool of jaw and mouth, in which lips, teeth, cheeks and the mouth's walls move together."""
    return np.array([name.startswith(_MOUTH) for name in head.expression_names])


def upright(head: HeadModel, landmarks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Bring a face's landmarks (478, 3) onto the head model's by a similarity (Umeyama 1991).

    Returns the linear map (3, 3) from the model's axes and size to the face's, and what is left (478, 3) in the
    model's.
    """
    model = head.landmarks(head.template.astype(np.float64))
    a, b = model - model.mean(0), landmarks - landmarks.mean(0)
    left, sizes, right = np.linalg.svd(b.T @ a)
    mirror = np.array([1, 1, np.sign(np.linalg.det(left @ right))])
    turn, scale = (left * mirror) @ right, (sizes * mirror).sum() / (a**2).sum()
    return scale * turn, b @ turn / scale - a


def action_maps(
    head: HeadModel, vertices: np.ndarray, liveliness: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Give the linear maps by which a person's actions are the head model's: (V, 3, 3) of each vertex, and (3, 3) of
    all actions of jaw and mouth.

    head: bound to a mesh; vertices: (V, 3) of the person on it, neutral; liveliness: (V,) in [0, 1], where it shows.
    A wide mouth smiles wider, and a flat nose sneers less. Which features a style has made larger, and which are the
    person's, follows from all of them together: landmarks and maps of many people share principal components
    (Tipping and Bishop 1999), of which the landmarks that show tell the amounts.
    """
    learned = _learned()
    turn, amounts = _amounts(head, vertices, liveliness)
    places = head.template - head.landmarks(head.template).mean(0) + learned["centre"]
    far, near = cKDTree(learned["sites"]).query(places, k=_NEAR)
    share = 1 / (far + 1e-4) ** 2
    share /= share.sum(1, keepdims=True)
    maps = learned["maps"] @ amounts
    local = np.einsum("vk,vkab->vab", share, maps[near])
    return turn @ (np.eye(3) + local), turn @ (np.eye(3) + learned["mouth"] @ amounts)


def face_joints(head: HeadModel, vertices: np.ndarray) -> np.ndarray:
    """Say where the joints (5, 3) of a neutral head (V, 3) are: the neck's by the landmarks of its face.

    As the maps of actions do, joints of the same people follow from landmarks (`action_maps`). The vertices that carry
    the neck's joint lie under hair and collars, anywhere on a head that was fitted; the others keep the regressor.
    """
    turn, amounts = _amounts(head, vertices, np.ones(len(vertices)))
    usual = head.joint_regressor[_NECK] @ head.template - head.landmarks(head.template).mean(0)
    joints = head.joint_regressor @ vertices
    joints[_NECK] = turn @ (usual + _learned()["joints"][_NECK] @ amounts) + head.landmarks(vertices).mean(0)
    return joints


def personal_actions(
    head: HeadModel, vertices: np.ndarray, liveliness: np.ndarray, used: np.ndarray | None = None
) -> np.ndarray:
    """Give the person's actions (V, 3, U): the head model's (`action_maps`), by their liveliness.

    used: (U,) which of the actions; all if None. Actions of the eyes stay the model's on the lids: `soaplib.parts` fits
    these to eyeball and opening.
    """
    used = np.arange(len(head.expression_names)) if used is None else used
    local, whole = action_maps(head, vertices, liveliness)
    basis = np.moveaxis(head.expression_basis[..., used].astype(np.float64), 2, 0)
    mouth = of_mouth(head)[used]
    lids = np.array([head.expression_names[k].startswith(_LIDS) for k in used], bool)
    basis[mouth] = basis[mouth] @ whole.T
    basis[~mouth & ~lids] = np.einsum("vab,evb->eva", local, basis[~mouth & ~lids])
    if lids.any():
        beyond = np.eye(3) + _beyond_lids(head, vertices)[:, None, None] * (local - np.eye(3))
        basis[lids] = np.einsum("vab,evb->eva", beyond, basis[lids])
    return np.moveaxis(basis * liveliness[:, None], 0, 2)


def _amounts(head, vertices, liveliness):
    """The turn and size (3, 3) of a face, and the amounts (K,) of the learned components that its landmarks tell."""
    turn, off = upright(head, head.landmarks(vertices))
    corners = head.faces[head.landmark_faces]
    weights = (liveliness[corners] * head.landmark_weights).sum(1) / (_COUNT * _NOISE**2)
    basis = _learned()["landmarks"]
    across = (basis * weights[:, None, None]).reshape(-1, basis.shape[2]).T
    system = across @ basis.reshape(-1, basis.shape[2]) + np.eye(basis.shape[2])
    return turn, np.clip(np.linalg.solve(system, across @ off.ravel()), -_MOST, _MOST)


def _beyond_lids(head, vertices):
    """0 at the margin of an eye's opening (V,), 1 where its lids end and beyond."""
    marks, out = head.landmarks(vertices), np.ones(len(vertices))
    for eye in (LEFT_EYE, RIGHT_EYE):
        width = np.ptp(marks[list(eye), 0])
        far = cKDTree(marks[list(eye)]).query(vertices)[0] / width
        share = np.clip((far - _LID[0]) / (_LID[1] - _LID[0]), 0, 1)
        out = np.minimum(out, share * share * (3 - 2 * share))
    return out


def unposed(
    head: HeadModel,
    pose: HeadPose,
    neutral: np.ndarray,
    posed: np.ndarray,
    liveliness: np.ndarray,
    joints: np.ndarray,
) -> np.ndarray:
    """Give the neutral surface (V, 3) which its own actions (`personal_actions`) and the joints take to `posed` (V, 3).

    head: bound to the mesh; neutral: (V, 3) near it. The actions follow from the surface and the surface from the
    actions: a fixed point, four rounds.
    """
    posing = Posing(head, pose, neutral, liveliness, joints)
    out = posing.unpose(posed)
    moved = out + posing.expression
    expression = pose.expression.astype(np.float64)
    used = np.flatnonzero(expression)
    for _ in range(_ROUNDS if len(used) else 0):
        out = moved - personal_actions(head, out, liveliness, used) @ expression[used]
    return out


@functools.cache
def _learned():
    with np.load(ACTIONS, allow_pickle=False) as stored:
        return {name: stored[name].astype(np.float64) for name in stored.files}
