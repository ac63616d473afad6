"""The square crop about the head, cut below the chin where SOAP cuts."""

import dataclasses

import cv2
import numpy as np

from soaplib.landmarks import IBUG68
from soaplib.portrait.matte import keep_connected

_BELOW_CHIN = 0.2
_BORDER = 0.1
_WIDEST = 1.6
_BUST = 1.0  # half the width of the bust at the chin, over the face's width


@dataclasses.dataclass(frozen=True)
class Box:
    """A square of the picture, in whole pixels; it may reach beyond the picture."""

    left: int
    top: int
    side: int


def cut_row(landmarks: np.ndarray) -> float:
    """Return the row below which nothing is kept: lm_bottom + 0.2 (lm_bottom - lm_top) of the 68 landmarks.

    Source: SOAP's process.py, `shoulder_size`.
    """
    rows = landmarks[list(IBUG68), 1]
    return float(rows.max() + _BELOW_CHIN * (rows.max() - rows.min()))


def cut_matte(matte: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """Return the matte without what lies below the cut, or too far aside, or is joined to the head only there."""
    height, width = matte.shape
    row = cut_row(landmarks)
    kept = matte * np.clip((row - np.arange(height) + 0.5) / 2, 0, 1)[:, None]
    kept = keep_connected(kept, landmarks)
    rows = np.flatnonzero((kept > 0.5).any(1))
    if len(rows) == 0:
        return kept.astype(np.float32)
    half = np.minimum(0.5 * _WIDEST * max(row - rows[0], 1.0), _bust(landmarks, row, height))
    centre = (landmarks[:, 0].min() + landmarks[:, 0].max()) / 2
    aside = np.clip((half[:, None] - np.abs(np.arange(width) + 0.5 - centre)) / 2 + 0.5, 0, 1)
    return keep_connected(kept * aside, landmarks).astype(np.float32)


def _bust(landmarks, row, height):
    """How wide the bust may be at each row: free to the mouth, then narrowing to a rounded end, as busts have it.

    SOAP keeps whole shoulders; they become thin plates on a head's neck.
    """
    face = landmarks[:, 0].max() - landmarks[:, 0].min()
    start = landmarks[list(IBUG68), 1].max() - 0.1 * face
    down = np.clip((np.arange(height) + 0.5 - start) / max(row - start, 1.0), 0, 1)
    return np.where(down > 0, _BUST * face * (1 - 0.45 * down**3), np.inf)


def head_box(matte: np.ndarray, landmarks: np.ndarray) -> Box:
    """Return the square about what the cut matte covers, with a border of 10 % of its side all round."""
    rows = np.flatnonzero((matte > 0.05).any(1))
    columns = np.flatnonzero((matte > 0.05).any(0))
    low = np.minimum((columns[0], rows[0]), landmarks.min(0)) if len(rows) else landmarks.min(0)
    high = (columns[-1] + 1, rows[-1] + 1) if len(rows) else landmarks.max(0)
    low, high = np.floor(low), np.ceil(high)
    side = float((high - low).max())
    border = int(np.ceil(_BORDER * side))
    centre = (low + high) / 2
    left, top = np.rint(centre - side / 2).astype(int) - border
    return Box(int(left), int(top), int(np.ceil(side)) + 2 * border)


def take(image: np.ndarray, box: Box, size: int, outside: float) -> np.ndarray:
    """Return the box of `image` (H, W) or (H, W, C) float32 at `size` x `size`, `outside` where it leaves the picture.

    Shrinks by area, grows by Lanczos.
    """
    height, width = image.shape[:2]
    x0, y0 = max(box.left, 0), max(box.top, 0)
    x1, y1 = min(box.left + box.side, width), min(box.top + box.side, height)
    square = np.full((box.side, box.side, *image.shape[2:]), outside, np.float32)
    if x1 > x0 and y1 > y0:
        square[y0 - box.top : y1 - box.top, x0 - box.left : x1 - box.left] = image[y0:y1, x0:x1]
    how = cv2.INTER_AREA if box.side >= size else cv2.INTER_LANCZOS4
    return np.clip(cv2.resize(square, (size, size), interpolation=how), 0, 1)


def to_box(points: np.ndarray, box: Box, size: int) -> np.ndarray:
    """Return `points` (N, 2), pixels of the picture, in pixels of the crop."""
    return (points - (box.left, box.top)) * (size / box.side)


def box_to_picture(box: Box, size: int) -> np.ndarray:
    """Return the (3, 3) float64 matrix from crop pixels to pixels of the picture the box lies on."""
    step = box.side / size
    return np.array([[step, 0, box.left], [0, step, box.top], [0, 0, 1]], dtype=np.float64)
