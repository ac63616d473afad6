"""Put eyes and mouth where a drawn face has them.

Detectors trained on photographs find the head of a doll or a cartoon, but place its eyes and mouth where a human
has them. Eyes and mouth differ in colour from the skin around them, whatever the style: boxes that differ most
from their own surroundings, in pairs at one height for the eyes, tell where they are.
"""

import cv2
import numpy as np
from scipy.interpolate import RBFInterpolator

from soaplib.landmarks import FACE_OVAL, LEFT_IRIS, RIGHT_IRIS
from soaplib.portrait.face import (
    LEFT_BROW,
    LEFT_EYE,
    LIPS_INNER,
    LIPS_OUTER,
    RIGHT_BROW,
    RIGHT_EYE,
    eye_distance,
)

_UNIT = 64  # pixels per outer-eye distance in the upright view searched
_SIDE = 3 * _UNIT
_OPEN = 0.42
_GAIN = 4.0  # CIELAB units a move must gain in contrast


def part_contrast(image: np.ndarray, points: np.ndarray) -> float:
    """Return how far, in CIELAB, eyes and mouth differ from the skin about them at these landmarks.

    image: (H, W, 3) uint8. points: (478, 2) pixels.
    """
    view = _View(image, points)
    eyes = sum(view.contrast(*view.box(ring)) for ring in (RIGHT_EYE, LEFT_EYE)) / 2
    return float(eyes + view.contrast(*view.box(LIPS_OUTER)))


def snap_parts(image: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Return the landmarks with eyes and mouth moved and scaled to the best boxes near them, the rest following.

    image: (H, W, 3) uint8. points: (478, 2) pixels. Unchanged where no box is clearly better.
    """
    view = _View(image, points)
    upright = view.points
    moved: dict[int, np.ndarray] = {}
    right, left = view.box(RIGHT_EYE), view.box(LEFT_EYE)
    new_right, new_left, gain = _best_eyes(view, right, left)
    if gain > _GAIN:
        moved |= _ellipse(RIGHT_EYE, new_right) | _ellipse(LEFT_EYE, new_left, -1)
        for iris, box in ((RIGHT_IRIS, new_right), (LEFT_IRIS, new_left)):
            moved |= _iris(iris, box)
        for brow, old, new in ((RIGHT_BROW, right, new_right), (LEFT_BROW, left, new_left)):
            lift = np.array([new[0] - old[0], min((new[1] - new[3]) - (old[1] - old[3]), 0.0)])
            moved |= {i: upright[i] + lift for i in brow}
    mouth = view.box(LIPS_OUTER)
    new_mouth, gain = _best_mouth(view, mouth, max(new_right[1] + new_right[3], new_left[1] + new_left[3]))
    if gain > _GAIN:
        if new_mouth[3] > _OPEN * new_mouth[2]:  # drawn open mouths have thin lips
            inner = (*new_mouth[:2], 0.75 * new_mouth[2], 0.75 * new_mouth[3])
            moved |= _ellipse(LIPS_OUTER, new_mouth) | _ellipse(LIPS_INNER, inner)
        else:
            moved |= _scaled(upright, (*LIPS_OUTER, *LIPS_INNER), mouth, new_mouth)
    if not moved:
        return points
    fixed = {i: upright[i] for i in FACE_OVAL} | {
        i: upright[i]
        for ring in (RIGHT_EYE, LEFT_EYE, LIPS_OUTER, RIGHT_BROW, LEFT_BROW)
        for i in ring
        if i not in moved
    }
    anchors = fixed | moved
    index = np.array(list(anchors))
    shift = np.array(list(anchors.values())) - upright[index]
    spline = RBFInterpolator(upright[index], shift, kernel="thin_plate_spline", smoothing=1.0, degree=1)
    result = upright + spline(upright)
    for i, place in moved.items():
        result[i] = place
    return view.back(result)


class _View:
    """The face upright at a fixed size, and the integral image of each pixel's difference from its skin."""

    def __init__(self, image: np.ndarray, points: np.ndarray):
        across = points[263] - points[33]
        angle = np.arctan2(across[1], across[0])
        # the mean of both distances keeps a turned head from looking small
        scale = _UNIT / eye_distance(points)
        cos, sin = scale * np.cos(angle), scale * np.sin(angle)
        self.linear = np.array([[cos, sin], [-sin, cos]])
        self.shift = np.array([_SIDE / 2, _SIDE * 0.4]) - self.linear @ points[[33, 263]].mean(0)
        self.points = points @ self.linear.T + self.shift
        affine = np.hstack([self.linear, (self.shift + self.linear @ (0.5, 0.5) - 0.5)[:, None]])
        if scale < 0.7:
            image = cv2.GaussianBlur(image, (0, 0), 0.5 / scale - 0.35)
        view = cv2.warpAffine(
            image, affine, (_SIDE, _SIDE), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
        lab = cv2.cvtColor(view.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
        oval = np.zeros((_SIDE, _SIDE), np.uint8)
        cv2.fillPoly(oval, [np.rint(self.points[list(FACE_OVAL)]).astype(np.int32)], 1)
        skin = np.median(lab[oval > 0], axis=0)
        off = np.linalg.norm((lab - skin) * (0.7, 1, 1), axis=-1)
        self.sums = cv2.integral(np.minimum(off, 40.0).astype(np.float64))

    def back(self, upright: np.ndarray) -> np.ndarray:
        return (upright - self.shift) @ np.linalg.inv(self.linear).T

    def box(self, ring) -> tuple[float, float, float, float]:
        """Centre x, y and half sizes of some landmarks."""
        x, y, rx, ry = _bounds(self.points[list(ring)])
        return x, y, max(rx, 1.0), max(ry, 1.0)

    def mean(self, x0, y0, x1, y1):
        x0, x1 = (np.clip(np.rint(v), 0, _SIDE).astype(int) for v in (x0, x1))
        y0, y1 = (np.clip(np.rint(v), 0, _SIDE).astype(int) for v in (y0, y1))
        total = self.sums[y1, x1] - self.sums[y0, x1] - self.sums[y1, x0] + self.sums[y0, x0]
        return total / np.maximum((x1 - x0) * (y1 - y0), 1)

    def contrast(self, x, y, rx, ry):
        """Mean difference from skin inside boxes, less that of the four sides about them, the worst counting twice."""
        x, y, rx, ry = np.broadcast_arrays(*(np.asarray(v, dtype=np.float64) for v in (x, y, rx, ry)))
        inside = self.mean(x - 0.8 * rx, y - 0.8 * ry, x + 0.8 * rx, y + 0.8 * ry)
        rim = 0.05 * _UNIT
        gap = 1.0
        sides = np.stack(
            [
                self.mean(x - rx, y - ry - gap - rim, x + rx, y - ry - gap),
                self.mean(x - rx, y + ry + gap, x + rx, y + ry + gap + rim),
                self.mean(x - rx - gap - rim, y - ry, x - rx - gap, y + ry),
                self.mean(x + rx + gap, y - ry, x + rx + gap + rim, y + ry),
            ]
        )
        return inside - (sides.sum(0) + sides.max(0)) / 5


def _best_eyes(view: _View, right, left):
    unit = _UNIT
    middle = (right[0] + left[0]) / 2
    height = (right[1] + left[1]) / 2
    before = (view.contrast(*right) + view.contrast(*left)) / 2
    grid = np.meshgrid(
        middle + unit * np.linspace(-0.12, 0.12, 7),
        unit * np.linspace(0.2, 0.62, 15),
        height + unit * np.linspace(-0.12, 0.5, 21),
        unit * np.array([0.07, 0.1, 0.14, 0.18, 0.22, 0.26]),
        unit * np.array([0.06, 0.09, 0.13, 0.17, 0.22, 0.27]),
        indexing="ij",
    )
    x, apart, y, rx, ry = (part.ravel() for part in grid)
    sides = np.stack([view.contrast(x - apart, y, rx, ry), view.contrast(x + apart, y, rx, ry)])
    score = 0.5 * sides.mean(0) + 0.5 * sides.min(0)
    # of boxes as good, the larger and the nearer one
    score = score * (rx * ry / unit**2) ** 0.12 / (0.02**0.12)
    score = score - 8 * np.abs(y - height) / unit - 8 * np.abs(x - middle) / unit
    k = int(score.argmax())
    best = [(x[k] + sign * apart[k], y[k], rx[k], ry[k]) for sign in (-1, 1)]
    return best[0], best[1], float(score[k] - before)


def _best_mouth(view: _View, mouth, eyes_bottom: float):
    unit = _UNIT
    chin = view.points[152, 1]
    before = view.contrast(*mouth)
    grid = np.meshgrid(
        mouth[0] + unit * np.linspace(-0.12, 0.12, 9),
        np.linspace(eyes_bottom + 0.06 * unit, chin - 0.06 * unit, 25),
        unit * np.array([0.06, 0.09, 0.12, 0.16, 0.2, 0.25, 0.3]),
        unit * np.array([0.03, 0.05, 0.08, 0.11, 0.15, 0.19]),
        indexing="ij",
    )
    x, y, rx, ry = (part.ravel() for part in grid)
    score = view.contrast(x, y, rx, ry) * (rx * ry / unit**2) ** 0.3 / (0.02**0.3)
    score = score - 10 * np.abs(y - mouth[1]) / unit - 10 * np.abs(x - mouth[0]) / unit
    k = int(score.argmax())
    return (x[k], y[k], rx[k], ry[k]), float(score[k] - before)


def _bounds(points: np.ndarray) -> tuple[float, float, float, float]:
    low, high = points.min(0), points.max(0)
    return (*((low + high) / 2), *((high - low) / 2))


def _ellipse(ring, box, side: int = 1) -> dict[int, np.ndarray]:
    """Place a ring of landmarks on an ellipse: the first and the middle one are its corners, between them the upper
    half; `side` is 1 where the first corner lies to the left.
    """
    turns = np.pi * np.arange(len(ring)) / (len(ring) / 2)
    x, y, rx, ry = box
    places = np.column_stack([x - side * rx * np.cos(turns), y - ry * np.sin(turns)])
    return dict(zip(ring, places, strict=True))


def _scaled(upright: np.ndarray, ring, old, new) -> dict[int, np.ndarray]:
    scale = np.array([new[2] / old[2], new[3] / old[3]])
    return {i: np.array(new[:2]) + (upright[i] - old[:2]) * scale for i in ring}


def _iris(iris, box) -> dict[int, np.ndarray]:
    """A drawn eye is nearly all iris."""
    radius = 0.8 * min(box[2], box[3])
    centre = np.array(box[:2])
    rim = radius * np.array([[1, 0], [0, -1], [-1, 0], [0, 1]])
    return {iris[0]: centre} | {i: centre + step for i, step in zip(iris[1:], rim, strict=True)}
