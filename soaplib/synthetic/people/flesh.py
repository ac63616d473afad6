"""The walls of the mouth stay inside the face, whatever a face does."""

import dataclasses

import numpy as np
from scipy.spatial import cKDTree

from soaplib.head import HeadModel
from soaplib.parts.rims import mouth_rim
from soaplib.parts.rings import rings_around

_THICKNESS = 2e-3
_LIP_RINGS = 8
_NEAR = 0.075
_MOST = 9e-3
_ROUNDS = 2


@dataclasses.dataclass(frozen=True)
class Flesh:
    """The walls of the mouth and the face around it, as they are on every head.

    walls: (W,) vertices; amount: (W,) 0 in the lips, which curl about the first rings of the wall, to 1 behind them.
    skin: (S,) vertices of the face about the mouth, without the lips.
    """

    walls: np.ndarray
    amount: np.ndarray
    skin: np.ndarray

    @classmethod
    def of(cls, head: HeadModel) -> "Flesh":
        """Find both on the default head."""
        rings = rings_around(head, mouth_rim(head), "mouth_cavity")
        middle = head.template[rings.ids[rings.ring == 0]].mean(0)
        outside = head.part_vertices("skin") & (np.linalg.norm(head.template - middle, axis=1) < _NEAR)
        outside[rings.ids[rings.ring < _LIP_RINGS]] = False
        inside = rings.ring < 0
        amount = np.clip((-rings.ring[inside] - 3) / 6, 0, 1)
        return cls(rings.ids[inside][amount > 0], amount[amount > 0], np.flatnonzero(outside))

    def keep_inside(self, vertices: np.ndarray, normals: np.ndarray) -> None:
        """Push walls that come too near to the skin, or out of it, along its normals, in place. Both (V, 3)."""
        tree = cKDTree(vertices[self.skin])
        for _ in range(_ROUNDS):
            nearest = self.skin[tree.query(vertices[self.walls])[1]]
            over = ((vertices[self.walls] - vertices[nearest]) * normals[nearest]).sum(1)
            push = np.clip(over + _THICKNESS * self.amount, 0, _MOST) * self.amount
            vertices[self.walls] -= normals[nearest] * push[:, None]
