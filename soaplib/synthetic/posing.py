"""Pose a synthetic person: its head, and whatever hangs on the head."""

import dataclasses
import functools

import numba as nb
import numpy as np

from soaplib.animation.posing import joint_transforms
from soaplib.landmarks import IBUG68, LEFT_IRIS, RIGHT_IRIS
from soaplib.synthetic.base import base
from soaplib.synthetic.expression import Expression
from soaplib.synthetic.lids import clear_ball
from soaplib.synthetic.lips import uncross
from soaplib.synthetic.person import Person, vertex_normals
from soaplib.synthetic.pieces import Piece
from soaplib.synthetic.sums import product

_STILL_MOUTH = 0.1  # weight of an action of the mouth below which its walls need no care


@dataclasses.dataclass(frozen=True, eq=False)
class PosedHead:
    """A head in an expression.

    moves: (V, 3) displacements before skinning; transforms: (5, 3, 4) of the joints; vertices, normals: (V, 3).
    """

    moves: np.ndarray
    transforms: np.ndarray
    vertices: np.ndarray
    normals: np.ndarray


@functools.lru_cache(maxsize=4)
def pose_person(person: Person, expression: Expression) -> PosedHead:
    """Pose a person: the model's actions, then lids off the eyeballs, lips off each other and the mouth's
    walls inside the face, then skinning.

    Apart from these corrections it is `person.head` with `expression.weights` and `expression.rotations`. The last
    few results are kept, so posing piece after piece costs this once.
    """
    head, shared = person.head, base()
    weights = np.asarray(expression.weights, np.float32)
    rest = head.template.astype(np.float64)
    posed = _displaced(rest, head.expression_basis, weights)
    uncross(shared.lips, posed, person.lip_gaps)
    if weights[shared.mouth_actions].max() > _STILL_MOUTH:
        shared.flesh.keep_inside(posed, vertex_normals(posed, shared.faces))
    for k, grid in enumerate(shared.lids):
        clear_ball(grid, posed, person.eyes.centres[k], person.eyes.radii[k])
    moves = (posed - rest).astype(np.float32)
    joints = product(head.joint_regressor, head.template)
    transforms = joint_transforms(joints, np.asarray(expression.rotations, np.float64)).astype(np.float32)
    vertices = _skinned(posed.astype(np.float32), head.skin_weights, transforms)
    return PosedHead(moves, transforms, vertices, vertex_normals(vertices, shared.faces))


def posed_head(person: Person, expression: Expression) -> np.ndarray:
    """Give the posed vertices (V, 3) float32 of a person's head."""
    return pose_person(person, expression).vertices


def posed(piece: Piece, person: Person, expression: Expression) -> tuple[np.ndarray, np.ndarray]:
    """Give a piece's posed vertices and unit normals, (N, 3) float32.

    It is displaced and skinned as its roots are; the normals turn with the joints, but those of the head's own
    surface (pieces "skin" and "tongue") are those of the posed surface.
    """
    pose = pose_person(person, expression)
    if piece.name in ("skin", "tongue"):
        return pose.vertices[piece.roots[:, 0]], pose.normals[piece.roots[:, 0]]
    return _posed(
        piece.vertices, piece.normals, piece.roots, piece.root_weights, pose.moves, person.head.skin_weights,
        pose.transforms,
    )  # fmt: skip


def posed_strands(piece: Piece, person: Person, expression: Expression) -> np.ndarray:
    """Give the posed unit directions (N, 3) float32 of a piece's strands; they turn with the joints."""
    pose = pose_person(person, expression)
    return _posed(
        piece.vertices, piece.strands, piece.roots, piece.root_weights, pose.moves, person.head.skin_weights,
        pose.transforms,
    )[1]  # fmt: skip


def landmarks478(person: Person, expression: Expression) -> np.ndarray:
    """Give the posed head's 478 landmarks (478, 3), MediaPipe's order; those of the irises by their own size."""
    pose = pose_person(person, expression)
    out = person.head.landmarks(pose.vertices).astype(np.float64)
    for k, ids in enumerate((LEFT_IRIS, RIGHT_IRIS)):
        rotation, shift = pose.transforms[3 + k][:, :3], pose.transforms[3 + k][:, 3]
        radius, iris = person.eyes.radii[k], person.eyes.iris_radius[k]
        depth = np.sqrt(radius**2 - iris**2)
        rim = [[iris, 0, depth], [0, iris, depth], [-iris, 0, depth], [0, -iris, depth]]
        own = person.head.landmarks(person.head.template)[list(ids[1:]), :2] - person.eyes.centres[k, :2]
        order = [int(np.argmax(own @ np.array(r[:2]))) for r in rim]
        points = np.empty((5, 3))
        points[0] = [0, 0, radius]
        for r, o in zip(rim, order, strict=True):
            points[1 + o] = r
        out[list(ids)] = (points + person.eyes.centres[k]) @ rotation.T + shift
    return out


def landmarks68(person: Person, expression: Expression) -> np.ndarray:
    """Give the 68 iBUG landmarks (68, 3) of the posed head."""
    return landmarks478(person, expression)[list(IBUG68)]


@nb.njit(cache=True)
def _displaced(rest, basis, weights):
    used = np.flatnonzero(weights)
    out = rest.copy()
    for v in range(len(rest)):
        for c in range(3):
            s = np.float32(0)
            for k in used:
                s += weights[k] * basis[v, c, k]
            out[v, c] += s
    return out


@nb.njit(cache=True)
def _skinned(points, skin, transforms):
    out = np.empty_like(points)
    for v in range(len(points)):
        for c in range(3):
            s = np.float32(0)
            for j in range(skin.shape[1]):
                w = skin[v, j]
                if w != 0:
                    s += w * (transforms[j, c, 0] * points[v, 0] + transforms[j, c, 1] * points[v, 1]
                              + transforms[j, c, 2] * points[v, 2] + transforms[j, c, 3])  # fmt: skip
            out[v, c] = s
    return out


@nb.njit(cache=True)
def _posed(places, normals, roots, shares, moves, skin, transforms):
    vertices, turned = np.empty_like(places), np.empty_like(places)
    blend = np.empty((3, 4), np.float32)
    point = np.empty(3, np.float32)
    for n in range(len(places)):
        for c in range(3):
            point[c] = places[n, c]
        blend[:] = 0
        for r in range(3):
            share, v = shares[n, r], roots[n, r]
            if share == 0:
                continue
            for c in range(3):
                point[c] += share * moves[v, c]
            for j in range(skin.shape[1]):
                w = share * skin[v, j]
                if w != 0:
                    blend += w * transforms[j]
        length = np.float32(0)
        for c in range(3):
            vertices[n, c] = (
                blend[c, 0] * point[0] + blend[c, 1] * point[1] + blend[c, 2] * point[2] + blend[c, 3]
            )
            turned[n, c] = (
                blend[c, 0] * normals[n, 0] + blend[c, 1] * normals[n, 1] + blend[c, 2] * normals[n, 2]
            )
            length += turned[n, c] ** 2
        if length > 0:
            turned[n] /= np.sqrt(length)
    return vertices, turned
