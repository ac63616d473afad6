"""Which pixel is skin, hair, eye, lip, neck or cloth: landmarks for the face's parts, colour and place for the rest.

Hair means all that is worn or grows on the head, hats and hoods too; glasses stay skin.
"""

import cv2
import numpy as np
import scipy.ndimage as ndi
from skimage.graph import MCP_Geometric

from soaplib.data import REGIONS
from soaplib.landmarks import FACE_OVAL, LEFT_IRIS, RIGHT_IRIS
from soaplib.portrait.face import LEFT_BROW, LEFT_EYE, LIPS_INNER, LIPS_OUTER, RIGHT_BROW, RIGHT_EYE

_LABEL = {name: i for i, name in enumerate(REGIONS)}
_BINS = (16, 12, 12, 4)
_ROUNDS = 4
_REACH = 0.05  # face heights times usual steps of skin: how far skin reaches over what changes like skin
_REACHED, _SURER = 0.85, 0.04
_SAME_HUE = 16.0
_SHADOW = 0.12  # face heights about the oval in which thin lines of hair are shadow


def label_regions(rgb: np.ndarray, matte: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """Return (S, S) uint8 positions in `soaplib.data.REGIONS`.

    rgb: (S, S, 3) float32 crop. matte: (S, S). landmarks: (478, 2) crop pixels.
    """
    place = _Place(matte.shape, landmarks)
    inside = matte > 0.5
    shares = _posteriors(rgb, inside, place)
    best = np.argmax(shares, axis=-1)
    labels = np.full(matte.shape, _LABEL["background"], np.uint8)
    skin, hair = (inside & (best == i) for i in range(2))
    skin, hair = _tidy(skin, hair, inside, place)
    labels[inside] = _LABEL["clothes"]
    labels[hair] = _LABEL["hair"]
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
        # the lower face away from its border: glasses, freckles or paint there are still face
        self.core = (self.depth > 0.06) & (self.up < self.eyes_up - 0.03)
        self.below_jaw = ~self.oval & (self.up < self.jaw_up)


def _posteriors(rgb: np.ndarray, inside: np.ndarray, place: _Place) -> np.ndarray:
    """(H, W, 3): shares of skin, hair and cloth, the prior of place times the likelihood of colour and texture.

    Skin is learnt first, where the face surely is; hair from what lies over the face and does not look like
    skin; cloth from what lies below and looks like neither. A few rounds let each class spread to its own kind.
    """
    bins = _features(rgb)
    off = _chroma_off(rgb, inside, place)
    reached = _reached(rgb, inside, place)
    prior = _priors(place, off) * inside[..., None]
    # a forehead may be as bright as the hair above it; wrinkles and make-up also change fast, so this only adds
    brow = 1 / (1 + np.exp((place.eyes_up - place.up) / 0.03))
    prior[..., 0] *= np.exp(brow * np.clip((reached - _REACHED) / _SURER, 0, 2))
    # a lock that hangs over the face has another hue than the face; shadows only darken
    sure_skin = inside & place.core & (off < _SAME_HUE)
    sure_hair = inside & ~place.oval & (place.up > place.brows_up) & (reached < _REACHED + _SURER)
    low = inside & (place.up < 0) & ~place.oval
    skin = _likelihood(bins, sure_skin)
    unlike_skin = _unlike(skin, sure_skin)
    hair = _likelihood(bins, sure_hair * unlike_skin**2)
    unlike_hair = _unlike(hair, sure_hair & (hair > skin))
    cloth = _likelihood(bins, low * unlike_skin**2 * unlike_hair**2)
    shares = _normalised(prior * np.stack([skin, hair, cloth], -1))
    for _ in range(_ROUNDS):
        skin = _likelihood(bins, shares[..., 0] ** 2 * np.where(sure_skin, 2.0, 0.5) * inside)
        hair = _likelihood(bins, shares[..., 1] ** 2 * unlike_skin * np.where(sure_hair, 1.0, 0.5) * inside)
        cloth = _likelihood(bins, shares[..., 2] ** 2 * unlike_skin * unlike_hair * inside)
        shares = _normalised(prior * np.stack([skin, hair, cloth], -1))
    guide = np.ascontiguousarray(rgb, dtype=np.float32)
    radius = max(2, rgb.shape[0] // 100)
    return cv2.ximgproc.guidedFilter(guide, shares.astype(np.float32), radius, 1e-3)


def _reached(rgb: np.ndarray, inside: np.ndarray, place: _Place) -> np.ndarray:
    """(H, W) in [0, 1]: near 1 where a way leads from the lower face over nothing that changes faster than skin does.

    The least sum over all ways (a geodesic distance) of the change of colour in CIELAB beyond twice what is usual on
    the face, on pixels twice as large.
    """
    height, width = inside.shape
    half = (max(width // 2, 1), max(height // 2, 1))
    lab = cv2.cvtColor(np.ascontiguousarray(rgb, dtype=np.float32), cv2.COLOR_RGB2LAB)
    lab = cv2.resize(lab, half, interpolation=cv2.INTER_AREA)
    steps = [cv2.Sobel(lab, cv2.CV_32F, *axis, scale=1 / 8) for axis in ((1, 0), (0, 1))]
    change = np.sqrt((steps[0] ** 2 + steps[1] ** 2).sum(-1))
    seeds = cv2.resize((place.core & inside).astype(np.uint8), half, interpolation=cv2.INTER_NEAREST) > 0
    if not seeds.any():
        return np.full(inside.shape, _REACHED, np.float32)
    cost = np.maximum(change / (np.median(change[seeds]) + 0.15) - 2, 0) + 0.02
    cost[cv2.resize(inside.astype(np.uint8), half, interpolation=cv2.INTER_NEAREST) == 0] = 50
    way = MCP_Geometric(cost).find_costs(np.argwhere(seeds))[0] / (place.unit / 2)
    return cv2.resize(np.exp(-way / _REACH).astype(np.float32), (width, height))


def _unlike(likelihood: np.ndarray, typical: np.ndarray) -> np.ndarray:
    """Near 0 where a pixel is as likely as most of the class's `typical` ones, near 1 where it is far less so."""
    usual = np.quantile(likelihood[typical], 0.15) if typical.any() else 1.0
    return usual / (likelihood + usual)


def _normalised(shares: np.ndarray) -> np.ndarray:
    return shares / np.maximum(shares.sum(-1, keepdims=True), 1e-12)


def _priors(place: _Place, off: np.ndarray) -> np.ndarray:
    def rise(x, width):
        return 1 / (1 + np.exp(-x / width))

    oval = rise(place.depth, 0.03)
    high = rise(place.up - place.brows_up - 0.05, 0.04)
    top = rise(place.up - 1.0, 0.06)
    low = rise(0.03 - place.up, 0.03)
    neck = low * rise(0.75 * place.half_width - np.abs(place.aside), 0.05)
    beside = np.exp(np.minimum(place.depth, 0) / 0.12)  # ears lie near the oval
    skin = oval * (1 - 0.4 * high) + (1 - oval) * (
        0.4 * beside * (1 - top) * (1 - low) + 0.05 * top + 0.05 * low + 0.5 * neck
    )
    hair = oval * (0.08 + 0.4 * high) + (1 - oval) * (0.5 - 0.4 * neck + 0.3 * top)
    cloth = oval * 0.005 + (1 - oval) * (0.004 + 0.4 * low + 0.03 * rise(place.jaw_up - place.up, 0.05))
    hair = np.where(place.core & (off < _SAME_HUE), 0.01, hair)
    hair = np.where(place.oval & (off > 1.5 * _SAME_HUE), np.maximum(hair, 0.5 * oval), hair)
    return np.stack([skin, hair, cloth], -1)


def _chroma_off(rgb: np.ndarray, inside: np.ndarray, place: _Place) -> np.ndarray:
    """(H, W) distance of each pixel's hue and saturation from those of most of the lower face, in CIELAB's a and b."""
    chroma = cv2.cvtColor(rgb.astype(np.float32), cv2.COLOR_RGB2LAB)[..., 1:]
    face = inside & place.core
    return np.linalg.norm(chroma - (np.median(chroma[face], axis=0) if face.any() else 0), axis=-1)


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
    """Undo what colour alone gets wrong: glasses and shadows on the face, specks, hands beside the head."""
    least = int((0.08 * place.unit) ** 2) + 1
    inner = inside & (place.depth > 0.03) & (place.up < place.brows_up + 0.05)
    # a lock over the face hangs on the hair outside by more than a thread; a temple of glasses does not
    width = max(1, round(0.02 * place.unit))
    thick = ndi.binary_opening(hair, iterations=width)
    labels, _ = ndi.label(thick)
    outside = np.unique(labels[~place.oval])
    lock = ndi.binary_dilation(np.isin(labels, outside[outside > 0]), iterations=width + 1) & hair
    if lock[inner].mean() > 0.4:  # a face all lock is a face of two colours
        lock = lock & ~inner
    hair = np.where(inner, lock, hair)
    skin = skin | (inner & ~hair)
    # along the jaw the face's own shadow is as dark as hair, and as thin as a line
    body = ndi.binary_dilation(ndi.binary_opening(hair, iterations=width), iterations=width)
    line = hair & ~body & (place.up < place.brows_up) & (place.depth > -_SHADOW)
    skin, hair = skin | line, hair & ~line
    islands = hair & ~_large(hair, least)
    skin, hair = skin | (islands & inside), hair & ~islands
    islands = skin & ~_large(skin, least)
    skin, hair = skin & ~islands, hair | islands
    # skin that neither touches the face nor lies near it is a hand
    labels, _ = ndi.label(skin)
    near = np.unique(labels[(place.depth > -0.25)])
    hand = skin & ~np.isin(labels, near)
    return skin & ~hand, hair


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
