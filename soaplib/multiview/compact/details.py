"""Detail for views that a small network draws as a mean: the portrait's own, laid on the network's shades.

The coat (`soaplib.multiview.geometric.Coat`) has the portrait's pixels, strands like the portrait's where that sees
nothing, and hair where hair was seen; the network knows better how light and colour change round the head. So the coat
gives all that is fine, and its coarse part gives way to the network's, which may change the lightness of hair only:
then hair behind keeps the tone that the portrait shows.
"""

import cv2
import numpy as np
import scipy.ndimage

from soaplib.multiview.geometric import Coat

_COARSE = 0.023  # of a side: standard deviation of the blur that parts coarse from fine
_CHANGE = 0.2  # by how much the network may change a colour, and how light hair is
_LUMA = np.array((0.299, 0.587, 0.114), np.float32)
_SOLID = 0.9  # where a mask is above, a colour is the head's own


def lay_details(images: np.ndarray, masks: np.ndarray, hair: np.ndarray, coat: Coat) -> np.ndarray:
    """Give colours (6, S, S, 3) float32 in [0, 1], not premultiplied, for the network's views.

    images: (6, s, s, 3) on white, as the network drew them, and masks (6, s, s). hair: (6, s, s), how much of the coat
    is hair. coat: at S >= s, seen by the same cameras.
    """
    size = images.shape[1]
    sigma = _COARSE * size
    out = np.empty_like(coat.colours)
    for k, (image, mask) in enumerate(zip(images, masks, strict=True)):
        straight = (image - 1 + mask[..., None]) / np.maximum(mask[..., None], 0.05)
        full = _grown(coat.colours[k], coat.masks[k])
        small = cv2.GaussianBlur(_shrunk(full, size), (0, 0), sigma)
        change = _blurred(straight.clip(0, 1), mask, sigma) - small
        lightness = (change @ _LUMA)[..., None]
        share = hair[k][..., None].clip(0, 1)
        change = (share * lightness + (1 - share) * change).clip(-_CHANGE, _CHANGE)
        change = cv2.resize(change.astype(np.float32), out.shape[1:3][::-1], interpolation=cv2.INTER_LINEAR)
        out[k] = (full + (1 - coat.sure[k][..., None]) * change).clip(0, 1)
    return out


def _grown(colours, mask):
    """Carry colours beyond the mask: the nearest ones, softened so that no streaks show."""
    inside = mask > _SOLID
    if not inside.any():
        return colours
    distance, at = scipy.ndimage.distance_transform_edt(~inside, return_indices=True)
    nearest = colours[tuple(at)]
    soft = cv2.GaussianBlur(nearest, (0, 0), _COARSE * len(mask))
    share = np.clip(distance / (2 * _COARSE * len(mask)), 0, 1)[..., None].astype(np.float32)
    return nearest + share * (soft - nearest)


def _blurred(colours, mask, sigma):
    weight = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), sigma) + 1e-6
    colours = np.ascontiguousarray(colours * mask[..., None], np.float32)
    return cv2.GaussianBlur(colours, (0, 0), sigma) / weight[..., None]


def _shrunk(picture, size):
    if picture.shape[0] == size:
        return picture
    return cv2.resize(picture, (size, size), interpolation=cv2.INTER_AREA)
