"""Which pixel is skin, hair, eye, lip, neck or cloth: landmarks for the face's parts, colour and place for the rest.

Hair means all that is worn or grows on the head, hats and hoods too; glasses stay skin.
"""

import cv2
import numpy as np
import scipy.ndimage as ndi

from soaplib.data import REGIONS
from soaplib.portrait.face import (
    FACE_OVAL,
    LEFT_BROW,
    LEFT_EYE,
    LEFT_IRIS,
    LIPS_INNER,
    LIPS_OUTER,
    RIGHT_BROW,
    RIGHT_EYE,
    RIGHT_IRIS,
)

_LABEL = {name: i for i, name in enumerate(REGIONS)}
_BINS = (16, 12, 12, 4)
_ROUNDS = 4


def label_regions(rgb: np.ndarray, matte: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """Return (S, S) uint8 positions in `soaplib.data.REGIONS`.

    rgb: (S, S, 3) float32 crop. matte: (S, S). landmarks: (478, 2) crop pixels.
    """
    place = _Place(matte.shape, landmarks)
    inside = matte > 0.5
    shares = _posteriors(rgb, inside, place)
    best = np.argmax(shares, axis=-1)
    labels = np.full(matte.shape, _LABEL["background"], np.uint8)
    skin, hair, cloth = (inside & (best == i) for i in range(3))
    skin, hair = _tidy(skin, hair, inside, place)
    labels[hair] = _LABEL["hair"]
    labels[cloth] = _LABEL["clothes"]
    labels[skin & ~place.below_jaw] = _LABEL["skin"]
    labels[skin & place.below_jaw] = _LABEL["neck"]
    _paint_parts(labels, landmarks, inside)
    return labels


class _Place:
    """Where a pixel lies relative to the face, in the face's own upright frame with the face height as unit."""

    def __init__(self, shape, landmarks: np.ndarray):
        height, width = shape
        up = landmarks[10] - landmarks[152]
        self.unit = float(np.hypot(*up))
        up = up / self.unit
        right = np.array([-up[1], up[0]])
        grid = np.stack(np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5), -1)
        off = (grid - landmarks[152]) / self.unit
        self.up = off @ up
        self.aside = off @ right
        self.oval = _fill(shape, landmarks[list(FACE_OVAL)])
        signed = ndi.distance_transform_edt(self.oval) - ndi.distance_transform_edt(~self.oval)
        self.depth = signed / self.unit
        eyes = landmarks[[33, 133, 362, 263]].mean(0)
        self.eyes_up = float((eyes - landmarks[152]) @ up / self.unit)
        brows = landmarks[[105, 334]].mean(0)
        self.brows_up = float((brows - landmarks[152]) @ up / self.unit)
        # under the jaw: outside the oval, and lower than the jaw's ends
        jaw_ends = landmarks[[172, 397]]
        self.jaw_up = float(((jaw_ends - landmarks[152]) @ up).mean() / self.unit)
        self.half_width = float(np.abs((landmarks[[234, 454]] - landmarks[152]) @ right).mean() / self.unit)
        self.below_jaw = ~self.oval & (self.up < self.jaw_up)


def _posteriors(rgb: np.ndarray, inside: np.ndarray, place: _Place) -> np.ndarray:
    """(H, W, 3): shares of skin, hair and cloth by prior of place times likelihood of colour and texture, the
    likelihoods learnt on this picture by a few rounds of expectation-maximisation.
    """
    prior = _priors(place) * inside[..., None]
    bins = _features(rgb)
    shares = prior / np.maximum(prior.sum(-1, keepdims=True), 1e-9)
    seeds = shares * (shares > 0.8)
    for turn in range(_ROUNDS):
        weights = seeds if turn == 0 else shares
        likelihood = np.stack([_likelihood(bins, weights[..., k] * inside) for k in range(3)], -1)
        shares = prior * likelihood
        shares /= np.maximum(shares.sum(-1, keepdims=True), 1e-12)
    guide = np.ascontiguousarray(rgb, dtype=np.float32)
    radius = max(2, rgb.shape[0] // 100)
    return cv2.ximgproc.guidedFilter(guide, shares.astype(np.float32), radius, 1e-3)


def _priors(place: _Place) -> np.ndarray:
    def rise(x, width):
        return 1 / (1 + np.exp(-x / width))

    in_oval = rise(place.depth, 0.03)
    high = rise(place.up - place.brows_up - 0.08, 0.03)  # above the brows
    top = rise(place.up - 1.0, 0.05)  # above the forehead's top
    low = rise(place.jaw_up * 0.6 - place.up, 0.05)  # below the jaw
    under = low * rise(place.half_width * 0.9 - np.abs(place.aside), 0.05)
    skin = in_oval * (1 - 0.5 * high) + (1 - in_oval) * (0.25 * (1 - top) + 0.005)
    hair = in_oval * (0.02 + 0.5 * high) + (1 - in_oval) * (0.3 + 0.7 * np.maximum(top, high)) * (
        1 - 0.8 * under
    )
    cloth = (1 - in_oval) * (0.001 + low * 0.7)
    # the inner face below the brows is skin whatever its colour: glasses, freckles, paint
    core = (place.depth > 0.06) & (place.up < place.brows_up)
    skin = np.where(core, 1.0, skin)
    hair = np.where(core, 1e-3, hair)
    cloth = np.where(core, 1e-4, cloth)
    return np.stack([skin, hair, cloth], -1)


def _features(rgb: np.ndarray) -> np.ndarray:
    """(H, W) bin numbers over lightness, two colour axes and local contrast."""
    lab = cv2.cvtColor(rgb.astype(np.float32), cv2.COLOR_RGB2LAB)
    light = lab[..., 0]
    spread = ndi.gaussian_filter(light**2, 2.5) - ndi.gaussian_filter(light, 2.5) ** 2
    texture = np.log2(1 + np.sqrt(np.maximum(spread, 0)))
    values = (light / 100, (lab[..., 1] + 60) / 120, (lab[..., 2] + 60) / 120, texture / 4)
    number = np.zeros(light.shape, np.int64)
    for value, count in zip(values, _BINS, strict=True):
        number = number * count + np.clip((value * count).astype(np.int64), 0, count - 1)
    return number


def _likelihood(bins: np.ndarray, weights: np.ndarray) -> np.ndarray:
    histogram = np.bincount(bins.ravel(), weights.ravel(), minlength=int(np.prod(_BINS))).reshape(_BINS)
    histogram = ndi.gaussian_filter(histogram, (0.8, 0.8, 0.8, 0.6))
    histogram = histogram / max(histogram.sum(), 1e-9) + 2e-5
    return histogram.ravel()[bins]


def _tidy(skin: np.ndarray, hair: np.ndarray, inside: np.ndarray, place: _Place):
    """Fill specks: small islands of hair inside the face's core become skin, small islands of skin in hair, hair."""
    least = int((0.06 * place.unit) ** 2) + 1
    islands = skin & ~_large(skin, least) & ~place.oval
    skin, hair = skin & ~islands, hair | islands
    islands = hair & ~_large(hair, least)
    return skin | (islands & inside), hair & ~islands


def _large(mask: np.ndarray, least: int) -> np.ndarray:
    labels, _ = ndi.label(mask)
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    return (sizes >= least)[labels]


def _paint_parts(labels: np.ndarray, landmarks: np.ndarray, inside: np.ndarray) -> None:
    shape = labels.shape
    hair = labels == _LABEL["hair"]
    for ring in (RIGHT_BROW, LEFT_BROW):
        labels[_fill(shape, landmarks[list(ring)]) & inside & ~hair] = _LABEL["brows"]
    for eye, iris in ((RIGHT_EYE, RIGHT_IRIS), (LEFT_EYE, LEFT_IRIS)):
        opening = _fill(shape, landmarks[list(eye)]) & inside & ~hair
        labels[opening] = _LABEL["eyes"]
        centre, rim = landmarks[iris[0]], landmarks[list(iris[1:])]
        radius = np.linalg.norm(rim - centre, axis=1).mean()
        rows, columns = np.ogrid[: shape[0], : shape[1]]
        disc = np.hypot(columns + 0.5 - centre[0], rows + 0.5 - centre[1]) <= radius
        labels[opening & disc] = _LABEL["irises"]
    lips = _fill(shape, landmarks[list(LIPS_OUTER)]) & inside
    labels[lips] = _LABEL["lips"]
    labels[_fill(shape, landmarks[list(LIPS_INNER)]) & inside] = _LABEL["mouth"]


def _fill(shape, polygon: np.ndarray) -> np.ndarray:
    mask = np.zeros(shape[:2], np.uint8)
    shift = 4  # sub-pixel corners; pixel centres lie at +0.5 here and at 0 in OpenCV
    cv2.fillPoly(mask, [np.rint((polygon - 0.5) * 2**shift).astype(np.int32)], 1, shift=shift)
    return mask > 0
