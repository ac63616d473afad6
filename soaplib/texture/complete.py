"""Colours for what no view saw: by symmetry, then smooth on the surface, with the grain of what is seen."""

import cv2
import numpy as np

from soaplib.texture.atlas import Layout
from soaplib.texture.blend import Painted
from soaplib.texture.surface import smooth_field
from soaplib.texture.texels import Texels, at_texels, at_vertices

_GRAIN = 0.8
_REACH, _FINE = 0.008, 0.003
_REACHES = (1.0, 0.6, 0.3)


def mirrored(painted: Painted, texels: Texels, layout: Layout) -> Painted:
    """Give every texel the colour of its counterpart on the other half of the head.

    Charts are symmetric about their middle, so that the counterpart lies at the mirrored u. Trust is 0 where that
    holds no texel of the chart.
    """
    width = texels.shape[1]
    chart = layout.chart[layout.faces[texels.face, 0]]
    slot = texels.picture(np.arange(1, len(texels.index) + 1, dtype=np.int32)).ravel()
    row, column = np.divmod(texels.index, width)
    other = np.rint(2 * layout.centres[chart] * width - 1 - column).astype(np.int64)
    valid = (other >= 0) & (other < width)
    found = np.where(valid, slot[row * width + np.clip(other, 0, width - 1)], 0) - 1
    valid = (found >= 0) & (chart[found] == chart)
    found = np.where(valid, found, 0)
    return Painted(painted.colour[found], np.where(valid, painted.trust[found], 0).astype(np.float32))


def complete_by_symmetry(painted: Painted, texels: Texels, layout: Layout, laplacian) -> Painted:
    """Fill what is not known with the mirrored half, its colour shifted smoothly to meet what is known."""
    faces, count = layout.source[layout.faces], laplacian.shape[0]
    mirror = mirrored(painted, texels, layout)
    own, own_trust = at_vertices(texels, faces, painted.colour, painted.trust, count)
    other, other_trust = at_vertices(texels, faces, mirror.colour, mirror.trust, count)
    both = own_trust * other_trust
    if both.max() < 1e-3:
        return painted
    shift = smooth_field(laplacian, own - other, both, _REACH)
    shifted = mirror.colour + at_texels(texels, faces, shift)
    a, b = painted.trust[:, None], mirror.trust[:, None]
    share = b * (1 - a)
    colour = (a * painted.colour + share * shifted) / np.maximum(a + share, 1e-6)
    return Painted(np.clip(colour, 0, 1).astype(np.float32), (a + share)[:, 0])


def complete_smoothly(
    painted: Painted, texels: Texels, layout: Layout, laplacian, prior: np.ndarray, prior_trust: np.ndarray
) -> np.ndarray:
    """Fill all texels: what is known stays, the rest follows Laplace's equation on the surface, with grain.

    prior: (V, 3) colours wished for at the head's vertices, prior_trust: (V,) how much. Returns (N, 3) float32.
    """
    faces, count = layout.source[layout.faces], laplacian.shape[0]
    known, trust = at_vertices(texels, faces, painted.colour, painted.trust, count)
    if trust.max() < 1e-3 and prior_trust.max() <= 0:
        raise ValueError(
            "complete_smoothly: nothing is known: no view sees the surface and there is no prior"
        )
    trust = trust**2 * 20
    total = trust + prior_trust
    values = (known * trust[:, None] + prior * prior_trust[:, None]) / np.maximum(total, 1e-9)[:, None]
    field = smooth_field(laplacian, values, total, _FINE)
    smooth = at_texels(texels, faces, field)
    grain = _spread_grain(painted, texels, smooth)
    quiet = 1 - np.clip(at_texels(texels, faces, np.minimum(prior_trust * 4, 1)), 0, 1)
    filled = smooth + _GRAIN * grain * quiet[:, None]
    a = painted.trust[:, None]
    return np.clip(a * painted.colour + (1 - a) * filled, 0, 1).astype(np.float32)


def _spread_grain(painted, texels, smooth):
    """Continue the fine detail beyond the border of what is known by reflecting it there.

    A texel x whose nearest known texel is n takes the detail at n + s (n - x), s as near to 1 as is known there;
    the detail so goes on without a break and with its own strength.
    """
    height, width = texels.shape
    known = texels.picture((painted.trust > 0.98).astype(np.uint8))
    if not known.any():
        return np.zeros_like(smooth)
    detail = texels.picture(np.clip(painted.colour - smooth, -0.15, 0.15) * (painted.trust > 0.98)[:, None])
    _, label = cv2.distanceTransformWithLabels(1 - known, cv2.DIST_L2, 3, labelType=cv2.DIST_LABEL_PIXEL)
    nearest = np.zeros(label.max() + 1, np.int64)
    nearest[label[known > 0]] = np.flatnonzero(known)
    nearest = nearest[label.ravel()[texels.index]]
    row, column = np.divmod(texels.index, width)
    near_row, near_column = np.divmod(nearest, width)
    out = detail.reshape(-1, 3)[nearest]
    done = np.zeros(len(out), bool)
    for reach in _REACHES:
        r = np.rint(near_row + reach * (near_row - row)).astype(np.int64)
        c = np.rint(near_column + reach * (near_column - column)).astype(np.int64)
        good = ~done & (r >= 0) & (r < height) & (c >= 0) & (c < width)
        place = np.where(good, r * width + c, 0)
        good &= known.ravel()[place] > 0
        out[good] = detail.reshape(-1, 3)[place[good]]
        done |= good
    return out


def pad(picture: np.ndarray, covered: np.ndarray) -> np.ndarray:
    """Give every empty texel the colour of the nearest covered one, so that filters find no gap past the borders.

    picture: (H, W, C); covered: (H, W) bool. Raises ValueError where nothing is covered.
    """
    if not covered.any():
        raise ValueError("pad: expected at least one covered texel, got none")
    _, label = cv2.distanceTransformWithLabels(
        (~covered).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    place = np.zeros(label.max() + 1, np.int64)
    place[label[covered]] = np.flatnonzero(covered)
    return picture.reshape(-1, picture.shape[-1])[place[label]]
