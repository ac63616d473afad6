"""The first fit: shape, expression, gaze and camera of the head model from 478 landmarks."""

import numpy as np
import scipy.linalg
from scipy.spatial.transform import Rotation

from soaplib.data import HeadPose, Portrait
from soaplib.head import HeadModel
from soaplib.landmarks import (
    FACE_OVAL,
    INNER_LIPS,
    LEFT_EYE,
    LEFT_IRIS,
    OUTER_EYES,
    OUTER_LIPS,
    RIGHT_EYE,
    RIGHT_IRIS,
)  # fmt: skip
from soaplib.render import camera_rotation

# Standard deviation of a landmark over the outer-eye distance, as measured on repeated detections.
_NOISE = 0.012
_NOISE_DRAWN = 0.15  # on drawn faces, whose proportions no real head has; `snap_landmarks` does the rest
_GUESSED = 0.1  # a landmark that nobody gave still has a likely place, warped from a mean face
_REDUNDANCY = 6.0  # neighbouring landmarks err together: this many count as one
UNSEEN = ("tongueOut", "cheekPuff", "mouthClose", "jawForward")  # actions that 2D landmarks do not show
# A skull's length over its breadth, and how far that strays: 197 mm over 154 mm in men, 187 over 147 in women (US Army
# survey of 2012, Gordon et al. 2014), a little rounder in drawn heads. A face-on picture says nothing of the length.
_LENGTH_OVER_BREADTH, _LENGTH_STRAYS = 1.27, 0.05
# How far the nape lies before the back of the skull, over that breadth: as in the synthetic people.
_NAPE_OVER_BREADTH, _NAPE_STRAYS = 0.14, 0.04
_STEPS = 14
_LARGEST_GAZE = np.radians(38)


def fit_head(portrait: Portrait, head: HeadModel) -> HeadPose:
    """Fit the head model to the portrait's landmarks.

    Gauss-Newton on x = s (R M(beta, psi))_xy + t: each step solves one bounded linear least-squares problem in
    the shape (standard normal prior, and a skull and a nape in proportion), the expression (0 to 1, shrunk towards
    0) and the camera (rotation, log scale, shift), with Huber weights on the landmarks. The gaze follows from the
    irises afterwards, as a turn of the eye joints. Gaze actions stay 0: the joints say it. 14 steps, about 0.2 s on
    one core.
    """
    weights = _landmark_weights(portrait)
    targets = portrait.landmarks.astype(np.float64)
    unit = np.linalg.norm(targets[OUTER_EYES[0]] - targets[OUTER_EYES[1]])
    bases = _LandmarkBases.of(head)
    state = _State.start(bases, targets, weights)
    free = np.array([not (n in UNSEEN or n.startswith("eyeLook")) for n in head.expression_names])
    drawn = portrait.report.get("stylised") or portrait.report.get("landmarks") == "file"
    noise = unit * (_NOISE_DRAWN if drawn else _NOISE)
    for step in range(_STEPS):
        strength = max(1.0, 64.0 / 2**step)  # a stiff start keeps the pose from hiding in the shape
        state = _gauss_newton_step(state, bases, targets, weights, noise, free, strength)
    error = np.linalg.norm(state.project(bases) - targets, axis=1)
    known = portrait.landmark_weights > 0
    pose = np.zeros((5, 3), np.float32)
    camera = state.camera()
    pose[3:] = gaze(head, state.shape, camera, portrait)
    return HeadPose(
        state.shape.astype(np.float32), state.expression.astype(np.float32), pose, camera,
        float(error[known].mean() / unit),
    )  # fmt: skip


class _LandmarkBases:
    """The head model seen at its landmarks alone: mean (478, 3), shape (478, 3, S), expression (478, 3, E).

    odd: (2, S + 1) how far the skull's length and the nape are out of proportion, in standard deviations, linear in
    the shape; last that of the mean head.
    """

    def __init__(self, mean, shape, expression, odd):
        self.mean, self.shape, self.expression, self.odd = mean, shape, expression, odd

    @classmethod
    def of(cls, head):
        corners, weights = head.faces[head.landmark_faces], head.landmark_weights.astype(np.float64)

        def at(attribute):
            return np.einsum("lc,lc...->l...", weights, attribute[corners].astype(np.float64))

        return cls(at(head.template), at(head.shape_basis), at(head.expression_basis), _odd_proportions(head))


def _odd_proportions(head):
    """The rows of `_LandmarkBases.odd`: measured between the mean skull's outermost vertices above the eyes, and from
    its back to that of the neck, a fifth of the face's height below the chin."""
    eyes = head.template[head.part_vertices("left_eye", "right_eye")].mean(0)
    tall, skin = np.ptp(head.template[head.skull, 1]), head.part_vertices("skin")
    over = head.skull & (head.template[:, 1] > eyes[1] + 0.1 * tall) & (head.region("ears") < 0.1)
    low, high = np.quantile(head.template[skin & (head.region("face") > 0.5), 1], [0, 1])
    row = low - 0.2 * (high - low)
    neck = skin & (head.region("neck") > 0.5) & (np.abs(head.template[:, 1] - row) < 0.06 * (high - low))
    left, right = (_outermost(head, over, 0, sign) for sign in (1, -1))
    front, back, nape = (
        _outermost(head, over, 2, 1),
        _outermost(head, over, 2, -1),
        _outermost(head, neck, 2, -1),
    )
    breadth = left - right
    return np.stack([
        (front - back - _LENGTH_OVER_BREADTH * breadth) / (_LENGTH_STRAYS * breadth[-1]),
        (nape - back - _NAPE_OVER_BREADTH * breadth) / (_NAPE_STRAYS * breadth[-1]),
    ])  # fmt: skip


def _outermost(head, among, axis, sign):
    """Give one coordinate, as (S + 1,) linear in the shape, of the vertex that is the mean head's outermost."""
    ids = np.flatnonzero(among)
    vertex = ids[(sign * head.template[ids, axis]).argmax()]
    return np.append(head.shape_basis[vertex, axis], head.template[vertex, axis]).astype(np.float64)


class _State:
    """The unknowns: shape, expression, rotation (world to viewer axes), log of pixels per metre, shift."""

    def __init__(self, shape, expression, rotation, log_scale, shift):
        self.shape, self.expression = shape, expression
        self.rotation, self.log_scale, self.shift = rotation, log_scale, shift

    @classmethod
    def start(cls, bases, targets, weights):
        """Start from the mean head under the scaled orthography of best fit (Procrustes on x and y, face-on)."""
        w = weights / weights.sum()
        model, flipped = bases.mean[:, :2], targets * [1, -1]
        model_centre, target_centre = w @ model, w @ flipped
        a, b = model - model_centre, flipped - target_centre
        u, _, vt = np.linalg.svd((w[:, None] * b).T @ a)
        turn = u @ np.diag([1, np.sign(np.linalg.det(u @ vt))]) @ vt
        scale = (w[:, None] * b * (a @ turn.T)).sum() / (w[:, None] * a * a).sum()
        rotation = np.eye(3)
        rotation[:2, :2] = turn
        shift = target_centre - scale * turn @ model_centre
        zeros = np.zeros(bases.shape.shape[2]), np.zeros(bases.expression.shape[2])
        return cls(*zeros, rotation, np.log(scale), shift)

    def points(self, bases):
        return bases.mean + bases.shape @ self.shape + bases.expression @ self.expression

    def project(self, bases):
        """Landmarks in pixels (478, 2), y down."""
        seen = np.exp(self.log_scale) * (self.points(bases) @ self.rotation.T)[:, :2] + self.shift
        return seen * [1, -1]

    def camera(self):
        """The (4, 4) camera: world metres to pixels, y down, depth away from the viewer."""
        camera = np.eye(4)
        camera[:3, :3] = np.exp(self.log_scale) * np.diag([1, -1, -1]) @ self.rotation
        camera[:2, 3] = self.shift * [1, -1]
        return camera


def _landmark_weights(portrait):
    """Eyes, lips and brows are sharp in a picture; the oval of the face is where MediaPipe guesses most."""
    weights = np.maximum(portrait.landmark_weights.astype(np.float64), _GUESSED)
    weights[list(LEFT_EYE + RIGHT_EYE)] *= 3
    weights[list(INNER_LIPS + OUTER_LIPS)] *= 2
    weights[list(FACE_OVAL)] *= 0.6
    weights[list(LEFT_IRIS + RIGHT_IRIS)] = 0
    return weights


def _gauss_newton_step(state, bases, targets, weights, noise, free, strength):
    points, scale = state.points(bases), np.exp(state.log_scale)
    turned = points @ state.rotation.T
    residual = (targets * [1, -1] - state.shift - scale * turned[:, :2]) / noise
    error = np.linalg.norm(residual, axis=1)
    robust = np.minimum(1, 2.5 / np.maximum(error, 1e-9))
    row = np.sqrt(weights * robust / _REDUNDANCY)[:, None, None] / noise
    look = scale * state.rotation[:2]
    by_shape = np.einsum("ak,lks->las", look, bases.shape)
    by_expression = np.einsum("ak,lke->lae", look, bases.expression[:, :, free])
    zero = np.zeros(len(points))
    by_turn = scale * np.stack(  # a small turn w moves turned point p by w x p
        [np.stack([zero, turned[:, 2], -turned[:, 1]], 1), np.stack([-turned[:, 2], zero, turned[:, 0]], 1)],
        1,
    )
    by_scale = scale * turned[:, :2, None]
    by_shift = np.tile(np.eye(2), (len(points), 1, 1))
    jacobian = np.concatenate([by_shape, by_expression, by_turn, by_scale, by_shift], 2) * row
    s, e = by_shape.shape[2], by_expression.shape[2]
    rows = jacobian.reshape(-1, jacobian.shape[2])
    right = (residual[..., None] * noise * row).ravel()
    prior = np.concatenate([np.full(s, strength**0.5), np.full(e, 2.0 * strength**0.5), np.full(6, 1e-6)])
    now = np.concatenate([state.shape, state.expression[free], np.zeros(6)])
    low = np.concatenate([np.full(s, -3.0), np.zeros(e), np.full(6, -np.inf)])
    high = np.concatenate([np.full(s, 3.0), np.ones(e), np.full(6, np.inf)])
    odd = np.pad(bases.odd[:, :-1], ((0, 0), (0, e + 6))) * strength**0.5
    rows_all = np.concatenate([rows, np.diag(prior), odd])
    right_all = np.concatenate([right + rows @ now, np.zeros(len(now)), -bases.odd[:, -1] * strength**0.5])
    solved = bounded_least_squares(rows_all, right_all, low, high)
    expression = np.zeros(len(free))
    expression[free] = solved[s : s + e]
    turn, log_scale, shift = solved[s + e : s + e + 3], solved[-3], solved[-2:]
    rotation = Rotation.from_rotvec(turn / max(1, np.linalg.norm(turn) / 0.4)).as_matrix() @ state.rotation
    return _State(solved[:s], expression, rotation, state.log_scale + np.clip(log_scale, -0.3, 0.3),
                  state.shift + shift)  # fmt: skip


def bounded_least_squares(matrix, right, low, high):
    """Least squares within bounds by an active set on the normal equations: a handful of Cholesky solves."""
    normal, gradient = matrix.T @ matrix, matrix.T @ right
    held = np.zeros(len(low), bool)
    x = np.zeros(len(low))
    for _ in range(12):
        open_ = ~held
        x[open_] = scipy.linalg.solve(
            normal[np.ix_(open_, open_)],
            gradient[open_] - normal[np.ix_(open_, held)] @ x[held],
            assume_a="pos",
        )
        outside = open_ & ((x < low) | (x > high))
        x = np.clip(x, low, high)
        slope = normal @ x - gradient  # a held unknown is let go where the slope leads back inside
        free_again = held & (((x <= low) & (slope < 0)) | ((x >= high) & (slope > 0)))
        if not outside.any() and not free_again.any():
            break
        held = (held | outside) & ~free_again
    return x


def gaze(head: HeadModel, shape: np.ndarray, camera: np.ndarray, portrait: Portrait) -> np.ndarray:
    """Turn each eye so that its iris falls on the landmark; both share the mean turn where they agree badly.

    Returns (2, 3) axis-angle, left and right. In the head's axes the iris lies at radius r in direction
    (sin yaw cos pitch, -sin pitch, cos yaw cos pitch) from the eyeball's centre.
    """
    vertices = head.template + head.shape_basis @ shape
    rotation, targets = camera_rotation(camera), portrait.landmarks.astype(np.float64)
    turns = []
    for name, iris in (("left_eye", LEFT_IRIS), ("right_eye", RIGHT_IRIS)):
        if portrait.landmark_weights[iris[0]] <= 0:
            turns.append(np.zeros(2))
            continue
        ball = vertices[head.part_vertices(name)]
        centre = (ball.max(0) + ball.min(0)) / 2
        radius = np.ptp(ball[:, 1]) / 2
        scale = np.linalg.norm(camera[0, :3])
        seen = camera[:2, :3] @ centre + camera[:2, 3]
        offset = (targets[list(iris)].mean(0) - seen) / (scale * radius)
        flat = np.array([offset[0], -offset[1]])
        flat /= max(1, np.linalg.norm(flat) / 0.9)
        direction = rotation.T @ np.append(flat, np.sqrt(1 - flat @ flat))
        turns.append(np.array([-np.arcsin(direction[1]), np.arctan2(direction[0], direction[2])]))
    mean = (turns[0] + turns[1]) / 2
    shared = [mean + np.clip(turn - mean, -0.12, 0.12) for turn in turns]
    clipped = np.clip(shared, -_LARGEST_GAZE, _LARGEST_GAZE)
    return np.concatenate([clipped, np.zeros((2, 1))], 1)
