"""Pictures from all around, and many on one sheet."""

import math
from collections.abc import Iterator

import numpy as np

from soaplib.render.cameras import turn
from soaplib.render.drawing import draw


def turntable(parts, camera, pivot, size, count: int, background=1.0, light="soft") -> Iterator[np.ndarray]:
    """Draw parts while they turn once around, in equal steps: the next picture would be the first again.

    Args:
        parts, size, background, light: as for `draw`.
        camera: (4, 4) world to pixels, of the first picture.
        pivot: (3,) the world point they turn about, on the vertical axis of the picture; see `turn`.
        count: how many pictures.

    Yields:
        (H, W, 3) float32 in [0, 1]. After the first, the head's left side comes into view.

    Raises:
        ValueError: as `draw`.
    """
    camera, pivot = np.asarray(camera, np.float64), np.asarray(pivot, np.float64)
    for index in range(count):
        yield draw(parts, turn(camera, -360.0 * index / count, pivot), size, background, light)


def contact_sheet(pictures, columns: int | None = None, gap: int = 8, background=1.0) -> np.ndarray:
    """Lay pictures out in rows, from the top left.

    Args:
        pictures: one or more of the same (H, W, 3) and type, float in [0, 1] or uint8.
        columns: pictures in a row; as default, so many that the sheet is about as wide as high, and no more.
        gap: pixels between pictures and around them.
        background: a grey or an (r, g, b), in the pictures' range.

    Returns:
        The sheet, of the pictures' type. Places left over in the last row show the background.

    Raises:
        ValueError: no pictures, or of several shapes or types, or fewer than one column.
    """
    pictures = [np.asarray(p) for p in pictures]
    kinds = sorted({f"{p.shape} {p.dtype}" for p in pictures})
    if len(kinds) != 1 or pictures[0].ndim != 3 or pictures[0].shape[2] != 3:
        got = ", ".join(kinds) or "none"
        raise ValueError(
            f"contact_sheet: pictures must be one or more of the same (H, W, 3) and type, got {got}"
        )
    height, width, _ = pictures[0].shape
    if columns is None:
        columns = min(len(pictures), max(1, round(math.sqrt(len(pictures) * height / width))))
    if columns < 1:
        raise ValueError(f"contact_sheet: columns must be 1 or more, got {columns}")
    rows = -(-len(pictures) // columns)
    sheet = np.empty((gap + rows * (height + gap), gap + columns * (width + gap), 3), pictures[0].dtype)
    sheet[:] = np.asarray(background, pictures[0].dtype)
    for n, picture in enumerate(pictures):
        y, x = gap + n // columns * (height + gap), gap + n % columns * (width + gap)
        sheet[y : y + height, x : x + width] = picture
    return sheet
