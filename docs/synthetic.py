"""Draw the README's picture of synthetic heads: python docs/synthetic.py docs/synthetic.jpg [FIRST_SEED]."""

import sys

import numpy as np
from PIL import Image

from soaplib.synthetic.heads import make_head
from soaplib.synthetic.pieces import LABELS
from soaplib.synthetic.sample import render_head

ROWS, COLUMNS, SIZE = 4, 9, 144
PALETTE = np.random.default_rng(4).integers(60, 255, (len(LABELS), 3)).astype(np.uint8)
PALETTE[0] = 255


def main(path: str, first: int = 0) -> None:
    """A sheet of portraits, and below them all that is known of two heads: views, normals, labels."""
    tiles = [render_head(make_head(first + k), 2 * SIZE, 1).picture for k in range(ROWS * COLUMNS)]
    small = [np.asarray(Image.fromarray(tile).resize((SIZE, SIZE), Image.LANCZOS)) for tile in tiles]
    rows = [np.concatenate(small[r * COLUMNS : (r + 1) * COLUMNS], 1) for r in range(ROWS)]
    rows += [truth_row(first + k) for k in (0, 1)]
    Image.fromarray(np.concatenate(rows)).save(path, quality=85)


def truth_row(seed: int) -> np.ndarray:
    """Three views, their normals and labels, (SIZE, COLUMNS SIZE, 3) uint8."""
    frames = render_head(make_head(seed), SIZE).views
    alpha = frames.rgba[..., 3:] / 255
    colours = (frames.rgba[..., :3] * alpha + 255 * (1 - alpha)).astype(np.uint8)
    normals = (frames.normals * alpha + 255 * (1 - alpha)).astype(np.uint8)
    chosen = (0, 4, 2)
    return np.concatenate(
        [picture[k] for picture in (colours, normals, PALETTE[frames.labels]) for k in chosen], 1
    )


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 0)
