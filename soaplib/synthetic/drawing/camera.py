"""The cameras of a synthetic head: six orthographic views of the turned head, and a portrait in perspective."""

import dataclasses
import math

import numpy as np

from soaplib.data import VIEW_YAWS
from soaplib.head import HeadModel
from soaplib.landmarks import IBUG68
from soaplib.render import orthographic, perspective, turn

_BELOW_CHIN = 0.2  # of the height of the 68 landmarks, as in soaplib.portrait.crop.cut_row
_BORDER = 0.1  # of the side of the box about the head, all round


@dataclasses.dataclass(frozen=True)
class Turn:
    """How the whole head is turned before the picture is taken, degrees, and how the portrait is taken.

    yaw: positive looks to the picture's right; pitch: positive looks down; roll: positive leans the crown to the
    picture's left. distance: of the portrait's camera from the middle of the head, metres. zoom, shift: of the portrait
    against the exact frame: its side's factor, and its centre's offset in sides.
    """

    yaw: float
    pitch: float
    roll: float
    distance: float
    zoom: float
    shift: tuple[float, float]

    def rotation(self) -> np.ndarray:
        """Give the (3, 3) rotation from the head's axes to the camera's."""
        a, b, c = (math.radians(angle) for angle in (self.yaw, self.pitch, self.roll))
        yaw = np.array([[math.cos(a), 0, math.sin(a)], [0, 1, 0], [-math.sin(a), 0, math.cos(a)]])
        pitch = np.array([[1, 0, 0], [0, math.cos(b), -math.sin(b)], [0, math.sin(b), math.cos(b)]])
        roll = np.array([[math.cos(c), -math.sin(c), 0], [math.sin(c), math.cos(c), 0], [0, 0, 1]])
        return roll @ pitch @ yaw


@dataclasses.dataclass(frozen=True)
class Cameras:
    """views: (6, 4, 4) in the order of `VIEW_YAWS`; portrait: (4, 4). Rows of pixels below which nothing belongs to
    the head: cut, the same in all six views, and portrait_cut."""

    views: np.ndarray
    cut: float
    portrait: np.ndarray
    portrait_cut: float


def draw_turn(rng: np.random.Generator) -> Turn:
    """Draw a turn as portraits have it: mostly towards the viewer, yaw to 35, pitch and roll to 15 degrees."""
    yaw, pitch, roll = np.clip(rng.normal(0, (16, 6, 5)), (-35, -15, -15), (35, 15, 15))
    # The distance at which a portrait is taken sets its perspective: an arm's length to a studio's.
    distance = math.exp(rng.uniform(math.log(0.45), math.log(2.8)))
    shift = rng.normal(0, 0.015, 2).clip(-0.04, 0.04)
    return Turn(
        float(yaw), float(pitch), float(roll), float(distance), float(rng.uniform(0.98, 1.12)),
        (float(shift[0]), float(shift[1])),
    )  # fmt: skip


def make_cameras(turned: Turn, head: HeadModel, posed: np.ndarray, drawn: np.ndarray, size: int) -> Cameras:
    """Frame a posed head as `soaplib.portrait` and `soaplib.multiview` frame a real one.

    Args:
        turned: how it is turned.
        head: the person's head model. posed: (V, 3) its posed vertices.
        drawn: (N, 3) posed vertices of all pieces.
        size: pixels along each side, of the views and of the portrait.

    The picture is cut below the chin (SOAP's `shoulder_size`), the box about the rest is made square and gets a border
    of 10 % of its side; the views turn about the vertical axis through the middle of the skull.
    """
    pivot = head.skull_middle(posed).astype(np.float64)
    landmarks = head.landmarks(posed).astype(np.float64)
    rotation = turned.rotation()

    def seen(points, far):
        moved = (points - pivot) @ rotation.T
        depth = 1 if far else 1 - moved[:, 2:] / turned.distance
        return moved[:, :2] * (1, -1) / depth

    view, cut = _frame(seen(landmarks, True), seen(drawn, True), (0, 0), 1)
    scale = size / view[2]
    first = orthographic(rotation, scale, _centre(view, size) - scale * (rotation @ pivot)[:2] * (1, -1))
    views = turn(first[None], np.array(VIEW_YAWS, float), pivot)

    near, portrait_cut = _frame(seen(landmarks, False), seen(drawn, False), turned.shift, turned.zoom)
    near_scale = size / near[2]
    shift = -rotation @ pivot - (0, 0, turned.distance)
    portrait = perspective(rotation, shift, near_scale * turned.distance, _centre(near, size))
    return Cameras(views, _row(cut, view, size), portrait, _row(portrait_cut, near, size))


def _frame(landmarks, points, shift, zoom):
    """Give the square (middle x, middle y, side) about points (N, 2) above the cut, border included, and the cut."""
    rows = landmarks[list(IBUG68), 1]
    cut = rows.max() + _BELOW_CHIN * (rows.max() - rows.min())
    kept = np.concatenate([points[points[:, 1] < cut], landmarks])
    low, high = kept.min(0), np.minimum(kept.max(0), (np.inf, cut))
    if points[:, 1].max() > cut:
        high[1] = cut
    side = (high - low).max() * (1 + 2 * _BORDER) * zoom
    middle = (low + high) / 2 + side * np.array(shift)
    return (middle[0], middle[1], side), cut


def _centre(frame, size):
    """Give the pixel of the axis through the pivot, from which the frame's middle is measured."""
    return size / 2 - np.array(frame[:2]) * (size / frame[2])


def _row(cut, frame, size):
    return float((cut - frame[1]) * size / frame[2] + size / 2)
