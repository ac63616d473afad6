"""Where hair or headwear covers the head: seen in the picture, and guessed for the side that is not seen."""

import numpy as np
import scipy.ndimage

from soaplib.data import REGIONS

HAIR, SKIN = REGIONS.index("hair"), REGIONS.index("skin")
_FACE = [REGIONS.index(name) for name in ("skin", "brows", "eyes", "irises", "lips", "mouth")]
_BALD = 0.02  # less hair than this, over the area of the face, is none
_NAPE, _HAIRLINE = 0.72, 0.07  # the height of the nape over the face's, and how much lower its middle lies
_MISSES = 0.08  # hair that is lost over so much of the picture's height has ended
_OUTER = 0.22  # the outer share of a row that tells whether hair hangs there


def behind_regions(regions: np.ndarray, matte: np.ndarray) -> np.ndarray:
    """Guess the (S, S) labels of the far side, as seen through the head from the front.

    Hair reaches down to the row where it ends at the silhouette: to the bottom where it is long, to about the
    mouth (the nape lies that high) where it is short; each column's end is blended between left and right.
    Below, what shows at the silhouette (neck, clothes) goes round. A head without hair is skin behind.
    """
    inside = matte > 0.5
    face = np.isin(regions, _FACE) & inside
    if not face.any():
        return np.where(inside, regions, 0).astype(np.uint8)
    rows, columns = np.nonzero(face)
    top, bottom = rows.min(), rows.max()
    nape = int(top + _NAPE * (bottom - top))
    hairy = (regions == HAIR).sum() > _BALD * face.sum()
    ends = [_hair_end(regions, inside, side, nape) if hairy else -1 for side in (0, 1)]
    share = np.clip((np.arange(regions.shape[1]) - columns.min()) / max(np.ptp(columns), 1), 0, 1)
    hair_end = np.maximum(ends[0] * (1 - share) + ends[1] * share, nape if hairy else -1)
    # A nape's hairline is lowest in the middle.
    hair_end += hairy * _HAIRLINE * (bottom - top) * np.sin(np.pi * share)
    out = np.broadcast_to(_outer_labels(regions, inside)[:, None], regions.shape)
    out = np.where(np.arange(len(regions))[:, None] <= hair_end, HAIR, out)
    return np.where(inside, out, 0).astype(np.uint8)


def _hair_end(regions, inside, side, nape):
    """The lowest row in which hair hangs at the silhouette of a side (0 left, 1 right of the picture)."""
    end = nape
    misses = 0
    for row in range(nape, regions.shape[0]):
        columns = np.flatnonzero(inside[row])
        if not len(columns):
            break
        count = max(2, int(_OUTER * len(columns)))
        outer = regions[row, columns[:count] if side == 0 else columns[-count:]]
        if (outer == HAIR).mean() > 0.35:
            end, misses = row, 0
        elif (misses := misses + 1) > _MISSES * len(regions):
            break
    return end


def _outer_labels(regions, inside):
    """For each row the label, other than hair, that is commonest at the silhouette; smoothed over the rows."""
    labels = np.full(len(regions), SKIN)
    for row in range(len(regions)):
        columns = np.flatnonzero(inside[row])
        if len(columns):
            count = max(2, int(0.3 * len(columns)))
            outer = regions[row, np.concatenate([columns[:count], columns[-count:]])]
            outer = outer[(outer != HAIR) & (outer != 0)]
            if len(outer):
                labels[row] = np.bincount(outer).argmax()
    labels[np.isin(labels, _FACE)] = SKIN
    return scipy.ndimage.median_filter(labels, 9)
