"""Actions of a person: those of the head model, turned and scaled as the features are that they move."""

import numpy as np

from soaplib.data import HeadPose
from soaplib.fitting.posing import Posing
from soaplib.head import HeadModel

_RIDGE = (
    0.3  # of the mean square of the edges: how far an action keeps to the model's where edges are few or flat
)
_LIDS = "eye"  # lids follow their own eyeball and opening: `soaplib.parts.lids`
_ROUNDS = 4


def action_maps(head: HeadModel, vertices: np.ndarray, liveliness: np.ndarray) -> np.ndarray:
    """Give the linear map (E, 3, 3) by which a person's action is the head model's.

    head: bound to a mesh; vertices: (V, 3) of the person on it, neutral; liveliness: (V,) in [0, 1], where it shows.
    Deformation transfer (Sumner and Popovic 2004) with one gradient for each action: of all linear maps the one that
    takes the model's edges best to the person's, each edge weighted by how far the action moves its ends. A wide mouth
    smiles wider, and a flat nose sneers less; what moves together stays together. Lids stay as they are.
    """
    skin = head.faces[head.part_vertices("skin")[head.faces].all(1)]
    sizes = np.linalg.norm(head.expression_basis, axis=1).astype(np.float64)
    ends = np.concatenate([skin[:, [0, 1]], skin[:, [1, 2]], skin[:, [2, 0]]])
    ends = ends[(sizes[ends].max((1, 2)) > 0) & (liveliness[ends] > 0).all(1)]
    model, own = (np.subtract(*points[ends.T]) for points in (head.template.astype(np.float64), vertices))
    weights = (sizes[ends].sum(1) * liveliness[ends].prod(1)[:, None]).T
    across = (weights @ (own[:, :, None] * model[:, None]).reshape(-1, 9)).reshape(-1, 3, 3)
    square = (weights @ (model[:, :, None] * model[:, None]).reshape(-1, 9)).reshape(-1, 3, 3)
    ridge = _RIDGE * np.maximum(np.trace(square, axis1=1, axis2=2) / 3, 1e-12)[:, None, None] * np.eye(3)
    maps = (across + ridge) @ np.linalg.inv(square + ridge)
    lids = [name.startswith(_LIDS) for name in head.expression_names]
    maps[lids] = np.eye(3)
    return maps


def unposed(
    head: HeadModel,
    pose: HeadPose,
    neutral: np.ndarray,
    posed: np.ndarray,
    liveliness: np.ndarray,
    joints: np.ndarray,
) -> np.ndarray:
    """Give the neutral surface (V, 3) which its own actions (`action_maps`) and the joints take to `posed` (V, 3).

    head: bound to the mesh; neutral: (V, 3) near it. The maps follow from the surface and the surface from the maps:
    a fixed point, four rounds.
    """
    posing = Posing(head, pose, neutral, liveliness, joints)
    out = posing.unpose(posed)
    moved = out + posing.expression
    expression = pose.expression.astype(np.float64)
    used = np.flatnonzero(expression)
    basis = head.expression_basis[..., used]
    for _ in range(_ROUNDS if len(used) else 0):
        maps = action_maps(head, out, liveliness)[used] * expression[used, None, None]
        out = moved - liveliness[:, None] * np.einsum("eab,vbe->va", maps, basis, optimize=True)
    return out
