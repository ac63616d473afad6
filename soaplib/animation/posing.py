"""Pose an avatar's parts by glTF's own rule: morph, then skin about the joints."""

import dataclasses

import numba as nb
import numpy as np

from soaplib.animation.normals import morph_normals
from soaplib.animation.rotations import matrices
from soaplib.data import JOINT_PARENTS, Part


@dataclasses.dataclass(frozen=True)
class Poser:
    """A part made ready to be posed often: its morphs as the few rows that move.

    rows: (M,) vertex of each displacement, expression by expression; deltas: (M, 3) float32; starts: (E + 1,)
    where each expression's rows begin. turn_rows, turns, turn_starts: the same for the changes of normals.
    """

    vertices: np.ndarray
    normals: np.ndarray
    skin_weights: np.ndarray
    joints: np.ndarray
    rows: np.ndarray
    deltas: np.ndarray
    starts: np.ndarray
    turn_rows: np.ndarray
    turns: np.ndarray
    turn_starts: np.ndarray

    @classmethod
    def of(cls, part: Part, joints: np.ndarray) -> "Poser":
        """Prepare `part` of an avatar whose joints (5, 3) rest at `joints`."""
        return cls(
            np.ascontiguousarray(part.vertices, np.float32),
            np.ascontiguousarray(part.normals, np.float32),
            np.ascontiguousarray(part.skin_weights, np.float32),
            np.asarray(joints, np.float64),
            *_moving_rows(part.morphs),
            *_moving_rows(morph_normals(part)),
        )

    def pose(self, weights: np.ndarray, rotations: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return vertices and normals, (..., V, 3) float32, for weights (..., E) and axis-angle (..., 5, 3).

        Normals turn with the joints and, by glTF's rule, with the morphs: changes add up (`morph_normals`).
        """
        weights = np.asarray(weights, np.float32)
        batch = weights.shape[:-1]
        transforms = joint_transforms(self.joints, rotations).astype(np.float32)
        vertices = np.empty((*batch, *self.vertices.shape), np.float32)
        normals = np.empty_like(vertices)
        _pose(
            self.vertices, self.normals, self.skin_weights, (self.rows, self.deltas, self.starts),
            (self.turn_rows, self.turns, self.turn_starts),
            weights.reshape(int(np.prod(batch)), weights.shape[-1]), transforms.reshape(-1, *transforms.shape[-3:]),
            vertices.reshape(-1, *self.vertices.shape), normals.reshape(-1, *self.vertices.shape),
        )  # fmt: skip
        return vertices, normals


def pose_vertices(
    part: Part, joints: np.ndarray, weights: np.ndarray, rotations: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Pose `part` once or for a batch; see `Poser.pose`, the quicker way to pose one part often."""
    weights = np.asarray(weights)
    used = weights.reshape(-1, weights.shape[-1]).any(0)  # how normals turn need be known of these alone
    worn = dataclasses.replace(part, morphs=part.morphs[used])
    return Poser.of(worn, joints).pose(weights[..., used], rotations)


def joint_transforms(joints: np.ndarray, rotations: np.ndarray) -> np.ndarray:
    """Return (..., 5, 3, 4) matrices that take rest positions to posed ones, per joint.

    Each is the joint's world matrix times its inverse bind matrix (glTF 2.0, 3.7.3; equation 3 of SMPL,
    Loper et al. 2015). joints: (5, 3) rest positions, metres; rotations: (..., 5, 3) axis-angle.
    """
    local = matrices(rotations)
    world_rotation, world_place = [], []
    for joint, parent in enumerate(JOINT_PARENTS):
        turn = local[..., joint, :, :]
        if parent < 0:
            world_rotation.append(turn)
            world_place.append(np.broadcast_to(joints[joint], turn.shape[:-1]))
        else:
            offset = world_rotation[parent] @ (joints[joint] - joints[parent])
            world_rotation.append(world_rotation[parent] @ turn)
            world_place.append(world_place[parent] + offset)
    rotation, place = np.stack(world_rotation, axis=-3), np.stack(world_place, axis=-2)
    shift = place - (rotation @ joints[..., None])[..., 0]
    return np.concatenate([rotation, shift[..., None]], axis=-1)


def _moving_rows(morphs):
    """Give the vertices (M,) that each of the morphs (E, V, 3) moves, by how much (M, 3), and where each begins."""
    moved = [np.flatnonzero(morph.any(axis=1)) for morph in morphs]
    deltas = [morph[rows] for morph, rows in zip(morphs, moved, strict=True)]
    return (
        np.concatenate([*moved, np.empty(0, np.intp)]).astype(np.int32),
        np.concatenate([*deltas, np.empty((0, 3))]).astype(np.float32),
        np.cumsum([0, *map(len, moved)]),
    )


@nb.njit(cache=True)
def _morph(out, rows, deltas, starts, weights):
    for e in range(len(weights)):
        w = weights[e]
        if w != 0:
            for k in range(starts[e], starts[e + 1]):
                for c in range(3):
                    out[rows[k], c] += w * deltas[k, c]


@nb.njit(cache=True)
def _pose(rest, rest_normals, skin, morphs, turns, weights, transforms, vertices, normals):
    for t in range(len(weights)):
        out, out_normals = vertices[t], normals[t]
        out[:] = rest
        out_normals[:] = rest_normals
        _morph(out, *morphs, weights[t])
        _morph(out_normals, *turns, weights[t])
        for v in range(len(rest)):
            x, y, z = out[v, 0], out[v, 1], out[v, 2]
            i, j, k = out_normals[v, 0], out_normals[v, 1], out_normals[v, 2]
            for c in range(3):
                a = b = d = s = np.float32(0)
                for n in range(skin.shape[1]):
                    w = skin[v, n]
                    a += w * transforms[t, n, c, 0]
                    b += w * transforms[t, n, c, 1]
                    d += w * transforms[t, n, c, 2]
                    s += w * transforms[t, n, c, 3]
                out[v, c] = a * x + b * y + d * z + s
                out_normals[v, c] = a * i + b * j + d * k
            length = np.sqrt(out_normals[v, 0] ** 2 + out_normals[v, 1] ** 2 + out_normals[v, 2] ** 2)
            if length > 0:
                for c in range(3):
                    out_normals[v, c] /= length
