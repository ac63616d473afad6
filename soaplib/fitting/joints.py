"""Joints of a re-shaped head: where they belong, and a regressor that keeps them there when the head changes again."""

import numpy as np
import scipy.optimize
import scipy.sparse as sp
from scipy.spatial.transform import Rotation

from soaplib.data import JOINT_NAMES
from soaplib.head import HeadModel

_EYES = tuple(JOINT_NAMES.index(name) for name in ("left_eye", "right_eye"))
_SAMPLES = 3000
_SUPPORT = 240
_FIRM = 1e5  # how much more than the response to identity the place and the sum of the weights count
_UNEXPLAINED = (
    0.01  # metres by which a support may be off every identity before its motion counts half or less
)
_WHOLLY = 0.999  # of a vertex's row: bound to one part
_OWN = 0.15  # of a row: bound to the vertices that carry the joint in the head model
_NEAR = 5e-4  # metres by which a joint may be missed, so that its support stays local
_SPREAD = 1e-4  # metres by which a lone weight of 1 is worse than many small ones


def joint_places(
    head: HeadModel, binding: sp.csr_matrix, vertices: np.ndarray, trust: np.ndarray | None = None
) -> np.ndarray:
    """Say where the joints (5, 3) of a re-shaped head belong.

    binding: (V', V); vertices: (V', 3) neutral, bound by it to the head model; trust: (V',) in [0, 1], how far a
    vertex is skin, and not hair or cloth over it; 1 if None.

    Joints lie inside; only statistics tell where. So the identity is found whose surface, after a similarity, lies on
    the vertices (Gauss-Newton with the prior of the basis, robust to what no identity explains), and the joints are
    the head model's own for it. What is left of the motion, where it is trusted and small, moves each joint as it
    moves its support; eyes go with their balls. So a head of the model's own family has its true joints, a moved,
    turned or scaled one takes them along, and hair, given as not trusted, leaves them where they were.
    """
    vertices, rest = np.asarray(vertices, float), binding @ head.template.astype(float)
    pools = _pools(head, binding)
    skin = np.flatnonzero(binding @ (head.part_vertices("skin")).astype(float) > _WHOLLY)
    chosen = skin[_thinned(rest[skin], _SAMPLES)]
    weights = np.ones(len(vertices)) if trust is None else np.asarray(trust, float)
    shape, (scale, turn, shift) = _explained(binding[chosen], head, vertices[chosen], weights[chosen])
    identity = head.template + head.shape_basis @ shape
    joints = scale * (head.joint_regressor @ identity) @ turn.T + shift
    for j, pool in enumerate(pools):
        near = pool[_far(head, j, rest[pool]) <= _reach(head, j)]
        left = vertices[near] - (scale * (binding[near] @ identity) @ turn.T + shift)
        share = np.ones(len(near)) if j in _EYES else weights[near] * _belief(left, _UNEXPLAINED)
        joints[j] += (share[:, None] * left).mean(0)
    return joints


def resolved_regressor(
    head: HeadModel, binding: sp.csr_matrix, vertices: np.ndarray, joints: np.ndarray, strict: bool = True
) -> np.ndarray:
    """Solve for a joint regressor (5, V') on a re-shaped, remeshed head: `regressor @ vertices` = joints.

    binding: (V', V); vertices: (V', 3) neutral; joints: (5, 3), from `joint_places` or those that posed the head.
    Each row is >= 0, sums to 1, and is 0 but near the joint (an eye's: but on its ball). It gives the joint exactly,
    or to half a millimetre where the joint lies just outside of all that is near (the jaw's, behind the mouth's back).
    Of all such rows it is the one by which joints answer to a change of identity most as the head model's do
    (non-negative least squares over the shape basis), so they follow a head that is moved or shaped anew. SOAP takes
    the least-norm solution: dense, its sum near 0, so that a head that is moved leaves its joints behind.

    Raises ValueError where a joint lies so far out that no such row exists; if not `strict`, the nearest place that
    has one will do (the root of a neck that was cut off).
    """
    vertices, rest = np.asarray(vertices, float), binding @ head.template.astype(float)
    out = np.zeros((len(joints), len(vertices)))
    for j, pool in enumerate(_pools(head, binding)):
        distance = _far(head, j, rest[pool])
        own = binding[pool] @ (head.joint_regressor[j] > 0) > _OWN
        for wider in (1, 1.5, 2.2, np.inf):
            near = np.flatnonzero(distance <= wider * _reach(head, j))
            near = pool[np.union1d(near[_thinned(rest[pool[near]], _SUPPORT)], np.flatnonzero(own))]
            row = _row(head, binding[near], vertices[near], j, joints[j])
            if np.linalg.norm(row @ vertices[near] - joints[j]) < _NEAR:
                break
        if strict and np.linalg.norm(row @ vertices[near] - joints[j]) >= _NEAR:
            raise ValueError(
                f"resolved_regressor: joint {j} at {np.round(joints[j], 3)} lies outside the surface that is to "
                "carry it; expected it within the head"
            )
        out[j, near] = row
    return out


def _explained(rows, head, goal, weights):
    """Fit the coefficients (S,) of an identity, and a similarity (scale, turn, shift), to the goal (N, 3).

    Gauss and Newton's steps in both at once (taking turns hardly moves, as identities differ in size and tilt too).
    """
    mean = rows @ head.template.astype(float)
    basis = _carried(rows, head.shape_basis)
    count = basis.shape[2]
    shape = np.zeros(count)
    scale, turn, shift = _similarity(mean, goal, weights)
    prior = np.append(
        np.full(count, 1e-6), np.full(7, 1e-9)
    )  # one standard deviation weighs as an error of 1 mm
    belief = weights
    for _ in range(10):
        points = mean + basis @ shape
        left = (goal - shift) @ turn / scale - points
        length = np.linalg.norm(left, axis=1)
        width = max(2 * np.quantile(length, 0.3), 1e-3)
        belief = weights * _belief(left, width)
        slopes = np.concatenate([basis, _turns(points), points[..., None], _SHIFTS.repeat(len(points), 0)], 2)
        weighted = (slopes * belief[:, None, None]).reshape(-1, count + 7)
        pull = weighted.T @ left.ravel() - prior * np.append(shape, np.zeros(7))
        step = np.linalg.solve(weighted.T @ slopes.reshape(-1, count + 7) + np.diag(prior), pull)
        shape = shape + step[:count]
        shift = shift + scale * turn @ step[count + 4 :]
        turn = turn @ Rotation.from_rotvec(step[count : count + 3]).as_matrix()
        scale *= 1 + step[count + 3]
    return shape, (scale, turn, shift)


_SHIFTS = np.eye(3)[None]


def _turns(points):
    """The (N, 3, 3) derivatives of points by a turn about x, y and z."""
    x, y, z = points.T
    o = np.zeros_like(x)
    return np.stack([np.stack([o, -z, y], 1), np.stack([z, o, -x], 1), np.stack([-y, x, o], 1)], 2)


def _belief(left, width):
    """The weights of Geman and McClure for residuals (N, 3): those much longer than `width` count little."""
    return (width**2 / (width**2 + (left**2).sum(1))) ** 2


def _similarity(points, goal, weights):
    """The scale, turn and shift that take points to the goal in weighted least squares (Umeyama 1991)."""
    share = weights / weights.sum()
    a, b = share @ points, share @ goal
    left, stretch, right = np.linalg.svd((share[:, None] * (goal - b)).T @ (points - a))
    mirror = np.array([1, 1, np.sign(np.linalg.det(left @ right))])
    turn = (left * mirror) @ right
    scale = (stretch * mirror).sum() / (share @ ((points - a) ** 2).sum(1))
    return scale, turn, b - scale * turn @ a


def _row(head, rows, vertices, j, place):
    """One joint's weights (N,) on N vertices: >= 0, sum 1, right now and for each component of the shape basis."""
    own = np.flatnonzero(head.joint_regressor[j])
    answer = np.tensordot(head.joint_regressor[j, own].astype(float), head.shape_basis[own].astype(float), 1)
    moves = _carried(rows, head.shape_basis)
    ones = np.ones((1, len(vertices)))
    system = np.concatenate([
        _FIRM * (vertices - place).T, _FIRM * ones, moves.reshape(len(vertices), -1).T, _SPREAD * np.eye(len(vertices)),
    ])  # fmt: skip
    goal = np.concatenate([np.zeros(3), [_FIRM], answer.ravel(), np.zeros(len(vertices))])
    weights = scipy.optimize.nnls(system, goal, maxiter=20 * len(vertices))[0]
    return weights / weights.sum()


def _carried(rows, basis):
    """rows @ basis for a (V, 3, S) basis: (N, 3, S)."""
    flat = rows.astype(basis.dtype) @ basis.reshape(
        len(basis), -1
    )  # to turn the whole basis to float64 costs more
    return flat.astype(float).reshape(rows.shape[0], *basis.shape[1:])


def _pools(head, binding):
    """The vertices that may carry each joint: of the parts that carry it in the head model."""
    for row in head.joint_regressor:
        parts = np.unique(head.part[row > 0])
        yield np.flatnonzero(binding @ np.isin(head.part, parts).astype(float) > _WHOLLY)


def _far(head, j, rest):
    """How far from a joint points (N, 3) of the template are."""
    return np.linalg.norm(rest - head.joint_regressor[j] @ head.template, axis=1)


def _reach(head, j):
    """How far its vertices may be: a fifth farther than the head model's own."""
    return 1.2 * _far(head, j, head.template[head.joint_regressor[j] > 0]).max()


def _thinned(points, most):
    """Choose at most so many of (N, 3) points, evenly spread: the first in each cell of a grid; (K,) ascending."""
    cell = np.ptp(points, axis=0).max() / most  # certainly too fine
    chosen = np.arange(len(points))
    while len(chosen) > most:
        cells = np.floor(points / cell).astype(int)
        chosen = np.sort(np.unique(cells, axis=0, return_index=True)[1])
        cell *= 1.25
    return chosen
