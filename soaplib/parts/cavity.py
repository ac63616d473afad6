"""The walls of the mouth: a dome no higher than the gums need, that never comes out through the face."""

import dataclasses

import numpy as np
import scipy.sparse as sp
from scipy.spatial import cKDTree

from soaplib.head import HeadModel
from soaplib.parts.rims import mouth_rim
from soaplib.parts.rings import Rings, rings_around

_ROOF = (14e-3, 24e-3)
"""Metres above the line of the lips: where the dome begins to be flattened, and what it tends to."""

_THICKNESS = 2.5e-3
_LIP_RINGS = 8
_NEAR = 0.075
_STEPS = 2
_MOST = 6e-3


def fit_cavity(head: HeadModel) -> HeadModel:
    """Give a copy of the head whose mouth cavity keeps 2.5 mm of flesh to the face, at rest and in every action.

    In fitted heads the face may have come close to the cavity, which the pictures do not show; walls are pushed
    inwards along the normals of the nearest skin. The dome is lowered to just above the gums first.
    """
    rings = rings_around(head, mouth_rim(head), "mouth_cavity")
    template = head.template.astype(np.float64)
    walls = rings.ids[rings.ring < 0]
    lips = template[rings.ids[rings.ring == 0], 1].mean()
    template[walls, 1] = lips + _flattened(template[walls, 1] - lips)
    flesh = _Flesh.of(head, template, rings)
    template[walls] = flesh.inside(template, template[walls])
    actions = np.moveaxis(head.expression_basis, -1, 0).astype(np.float64)
    for action in actions:
        if np.abs(action[walls]).max() > 1e-4:
            moved = template + action
            action[walls] += flesh.inside(moved, moved[walls]) - moved[walls]
    return dataclasses.replace(
        head, template=template.astype(np.float32),
        expression_basis=np.ascontiguousarray(np.moveaxis(actions, 0, -1), np.float32),
    )  # fmt: skip


def _flattened(height):
    """Leave heights below the start, bend those above towards the limit."""
    start, limit = _ROOF
    room = limit - start
    return np.where(height > start, start + room * np.tanh((height - start) / room), height)


@dataclasses.dataclass(frozen=True)
class _Flesh:
    """The face around the mouth. skin: ids; faces over all vertices; least: (W,) thickness each wall vertex needs.

    amount: (W,) 0 in the lips, which curl about the first rings of the wall, to 1 behind them.
    """

    skin: np.ndarray
    faces: np.ndarray
    sums: sp.csr_matrix
    least: np.ndarray
    amount: np.ndarray

    @classmethod
    def of(cls, head: HeadModel, template, rings: Rings):
        middle = template[rings.ids[rings.ring == 0]].mean(0)
        outside = head.part_vertices("skin") & (np.linalg.norm(template - middle, axis=1) < _NEAR)
        outside[rings.ids[rings.ring < _LIP_RINGS]] = False  # the lips' own insides face the mouth
        skin = np.flatnonzero(outside)
        faces = head.faces[outside[head.faces].any(1)]
        place = np.full(len(template), -1)
        place[skin] = np.arange(len(skin))
        corner, face = place[faces.T.ravel()], np.tile(np.arange(len(faces)), 3)
        here = corner >= 0
        sums = sp.csr_matrix((np.ones(here.sum()), (corner[here], face[here])), (len(skin), len(faces)))
        amount = np.clip((-rings.ring[rings.ring < 0] - 3) / 6, 0, 1)
        return cls(skin, faces, sums, _THICKNESS * amount, amount)

    def inside(self, vertices, walls):
        """Push wall points (W, 3) behind the skin of the posed vertices (V, 3)."""
        a, b, c = (vertices[self.faces[:, k]] for k in range(3))
        normals = self.sums @ np.cross(b - a, c - a)
        normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
        places = vertices[self.skin]
        tree = cKDTree(places)
        for _ in range(_STEPS):
            nearest = tree.query(walls)[1]
            over = ((walls - places[nearest]) * normals[nearest]).sum(1) + self.least
            walls = walls - normals[nearest] * (np.clip(over, 0, _MOST) * self.amount)[:, None]
        return walls
