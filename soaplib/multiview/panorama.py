"""A panorama of the head: colours all round it, known from one picture and completed where that sees nothing.

Longitude runs round the vertical axis through the skull, height is metres below the skull's middle and arc length
above it. In this map nothing on the head is seen at a grazing angle, so patches keep their size when they move.
"""

import dataclasses

import cv2
import numpy as np
import scipy.ndimage
import torch

from soaplib.head.cover import HAIR, SKIN
from soaplib.multiview.strands import WIDEST, strands
from soaplib.render import interpolate, rasterize

WIDTH = 768
_WRAP = WIDTH // 3  # columns repeated past the seam, so that filters see across it
_RIM = 8.0  # pixels about another label that are not mirrored: hair casts shadows there, and labels err
_ISLAND = 1500  # pixels: ten square centimetres
_SOFT = 5.0  # pixels over which two labels run into each other where nobody sees it
_GRAIN = 0.9  # invented detail is a little quieter than the picture's own
_CELLS = (32, 24, 16, 10, 7)  # pixels; half a patch, the largest for which the source has room
_LOW, _HANGS = 0.8, 0.25  # long hair: there is so much below this share of the height
_FINE = 10.0  # pixels; what is finer is detail, what is coarser is shade


@dataclasses.dataclass(frozen=True)
class Chart:
    """The map itself: axis (x, z) and middle height of the skull, its radius, and the height range; metres."""

    axis: np.ndarray
    middle: float
    radius: float
    low: float
    high: float

    @classmethod
    def about(cls, vertices: np.ndarray, skull: np.ndarray) -> "Chart":
        """Lay the map about vertices (V, 3); `skull` (V,) bool tells those of the upper head."""
        box = vertices[skull].min(0), vertices[skull].max(0)
        middle = (box[0] + box[1]) / 2
        radius = float(np.linalg.norm(vertices[skull] - middle, axis=1).mean())
        return cls(middle[[0, 2]], float(middle[1]), radius, float(vertices[:, 1].min()),
                   float(middle[1] + radius * np.pi / 2))  # fmt: skip

    @property
    def height(self) -> int:
        """Rows of the map, with square pixels at the skull's radius."""
        return int(np.ceil((self.high - self.low) / (2 * np.pi * self.radius) * WIDTH))

    def pixels(self, points: np.ndarray) -> np.ndarray:
        """Map world points (..., 3) to columns (0 and WIDTH behind, WIDTH / 2 in front) and rows."""
        x, z = points[..., 0] - self.axis[0], points[..., 2] - self.axis[1]
        y = points[..., 1] - self.middle
        across = np.hypot(x, z)
        high = self.middle + np.where(y > 0, self.radius * np.arctan2(y, across), y)
        column = (np.arctan2(x, z) / (2 * np.pi) + 0.5) * WIDTH
        return np.stack([column, (self.high - high) / (self.high - self.low) * self.height], -1)

    def positions(self, vertices: np.ndarray, faces: np.ndarray, attributes: np.ndarray) -> tuple:
        """Give the outermost surface at each pixel of the map: attributes (H, WIDTH, C) and covered (H, WIDTH)."""
        at = self.pixels(vertices)
        corners = at[faces]
        crossing = np.ptp(corners[..., 0], axis=1) > WIDTH / 2
        far = np.hypot(*(vertices[:, [0, 2]] - self.axis).T) + np.abs(vertices[:, 1] - self.middle)
        points = np.concatenate([at, at + [WIDTH, 0], at - [WIDTH, 0]])
        count = len(at)
        right = np.where(corners[..., 0] < WIDTH / 2, faces + count, faces)
        left = np.where(corners[..., 0] > WIDTH / 2, faces + 2 * count, faces)
        wrapped = np.concatenate([faces[~crossing], right[crossing], left[crossing]]).astype(np.int32)
        size = (self.height, WIDTH)
        clip = np.column_stack([
            points[:, 0] * 2 / size[1] - 1, 1 - points[:, 1] * 2 / size[0], -np.tile(far, 3) / (far.max() * 1.01),
            np.ones(len(points)),
        ])  # fmt: skip
        clip = torch.as_tensor(clip[None], dtype=torch.float32)
        triangles = torch.as_tensor(wrapped)
        rast = rasterize(clip, triangles, size)
        values = torch.as_tensor(np.tile(attributes, (3, 1))[None], dtype=torch.float32)
        return interpolate(values, rast, triangles)[0].numpy(), rast[0, ..., 3].numpy() > 0


def complete(colours: np.ndarray, known: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Fill the unknown part of a panorama (H, W, 3), label by label.

    known: (H, W) bool; labels: (H, W) for all pixels. First the other side of the face (left and right are
    alike), brightened or darkened to fit; then, for each label, its mean shade spread outwards, with detail
    in patches of the known pixels of that label; combed hair goes on in strands.
    """
    labels = _without_islands(labels)
    colours, known = _from_other_side(colours, known, labels)
    wide = [_wrap(a) for a in (colours, known, labels)]
    everything = _spread(wide[0], wide[1])
    out, total = np.zeros(colours.shape), np.zeros(known.shape)
    for label in np.unique(labels):
        source = _source(wide[0], wide[1] & (wide[2] == label), label)
        filled = everything
        if source.sum() >= 150:
            grain = _graininess(wide[0], source)
            filled = _spread(wide[0], source) + _GRAIN * grain * _detail(wide[0], source)
            if label == HAIR and grain > 0:
                long = (labels[int(_LOW * len(labels)) :] == HAIR).mean() > _HANGS
                locks, combed = strands(wide[0], source, _spread, long)
                filled = filled + combed * grain * (_shade(wide[0], source) + locks - filled)
        share = _unwrap(cv2.GaussianBlur((wide[2] == label).astype(np.float32), (0, 0), _SOFT)) + 1e-9
        out, total = out + share[..., None] * _unwrap(filled), total + share
    out = np.where(known[..., None], colours, out / total[..., None])
    return np.clip(_feathered(out, colours, known), 0, 1)


def _without_islands(labels):
    """Give small pieces of a label what lies about them: on a head neither hair nor skin comes in patches."""
    wide = _wrap(labels)
    small = np.zeros(wide.shape, bool)
    for label in np.unique(labels):
        piece, _ = scipy.ndimage.label(wide == label)
        size = np.bincount(piece.ravel())
        small |= (size < _ISLAND)[piece] & (piece > 0)
    if not small.any() or small.all():
        return labels
    at = scipy.ndimage.distance_transform_edt(small, return_distances=False, return_indices=True)
    return wide[tuple(at)][:, _WRAP:-_WRAP]


def _source(image, mask, label):
    """Pixels to learn a label's looks from: off its rim, and for skin neither shadows nor stray hair."""
    inner = scipy.ndimage.binary_erosion(mask, iterations=5 if label == SKIN else 2)
    if label != SKIN or inner.sum() < 150:
        return inner
    light = image.mean(-1)
    low, middle = np.percentile(light[inner], [12, 50])
    return inner & (light > max(low, 0.7 * middle))


def _shade(image, source):
    """The source's own shade, without its detail, carried everywhere."""
    weight = cv2.GaussianBlur(source.astype(np.float32), (0, 0), WIDEST)
    shade = cv2.GaussianBlur(image * source[..., None].astype(np.float32), (0, 0), WIDEST)
    return _spread(shade / (weight + 1e-4)[..., None], source)


def _detail(image, source):
    """Cover the whole map with detail like the source's: patches of it, blended so that their contrast stays.

    A grid of cells, each with a patch of the source taken from about its own height (hair runs differently on
    the crown and in the neck), mirrored on the other side of the head. Neighbouring patches overlap by half;
    weights are divided by the root of the sum of their squares, which keeps the variance (Heitz and Neyret
    2018, "High-Performance By-Example Noise", equation 3).
    """
    weight = cv2.GaussianBlur(source.astype(np.float32), (0, 0), _FINE) + 1e-6
    shade = cv2.GaussianBlur(image * source[..., None].astype(np.float32), (0, 0), _FINE) / weight[..., None]
    detail = np.where(source[..., None], image - shade, 0).astype(np.float32)
    usual = 4.0 * np.median(np.abs(detail[source]), axis=0) + 1e-3  # an emblem or a jewel is not strewn about
    detail = np.clip(detail, -usual, usual)
    inner = scipy.ndimage.distance_transform_edt(source)
    cell = next((c for c in _CELLS if (inner > c).sum() >= 40), None)
    if cell is None:
        return np.zeros_like(detail)
    places = np.argwhere(inner > cell)
    height, width = source.shape
    picked, mirrored = _pick_patches(places, height, width, cell)
    rows, columns = np.mgrid[:height, :width]
    out, energy = np.zeros_like(detail), np.zeros((height, width, 1), np.float32)
    for down in (0, 1):
        for right in (0, 1):
            i, j = rows // cell + down, columns // cell + right
            off_r, off_c = rows - i * cell, columns - j * cell
            share = ((1 - np.abs(off_r) / cell) * (1 - np.abs(off_c) / cell))[..., None].astype(np.float32)
            at = picked[i, j]
            r = np.clip(at[..., 0] + off_r, 0, height - 1)
            c = np.clip(at[..., 1] + np.where(mirrored[i, j], -off_c, off_c), 0, width - 1)
            out += share * detail[r, c]
            energy += share**2
    return out / np.sqrt(energy)


def _graininess(image, source):
    """Tell hair and skin (1) from smooth stuff with features of its own, such as a toy's hood (0).

    Measured on portraits: what is finer than 3 pixels, over what is coarser, is above 0.3 (medians) in photographed
    hair and below 0.25 on plastic and in drawings, whose larger features must not be strewn about.
    """

    def blurred(sigma):
        weight = cv2.GaussianBlur(source.astype(np.float32), (0, 0), sigma) + 1e-6
        return (
            cv2.GaussianBlur(image * source[..., None].astype(np.float32), (0, 0), sigma) / weight[..., None]
        )

    fine = np.median(np.abs((image - blurred(1.2))[source].mean(-1)))
    coarse = np.median(np.abs((blurred(3.0) - blurred(_FINE))[source].mean(-1)))
    return float(np.clip((fine / max(coarse, 1e-4) - 0.14) / 0.16, 0, 1))


def _pick_patches(places, height, width, cell):
    """Choose a patch of the source for each corner of the grid: by chance, among those of about its height."""
    rng = np.random.default_rng(7)
    shape = (height // cell + 2, width // cell + 2)
    places = places[np.argsort(places[:, 0], kind="stable")]
    wanted = np.arange(shape[0]) * cell
    at = np.searchsorted(places[:, 0], wanted)
    reach = max(20, len(places) // 6)
    low = np.clip(at - reach, 0, max(len(places) - 2 * reach, 0))
    chance = (rng.random(shape) * min(2 * reach, len(places))).astype(int)
    picked = places[np.minimum(low[:, None] + chance, len(places) - 1)]
    on_left = np.arange(shape[1]) * cell < width / 2
    return picked, (picked[..., 1] < width / 2) != on_left[None]


def _wrap(image):
    return np.concatenate([image[:, -_WRAP:], image, image[:, :_WRAP]], 1)


def _unwrap(image):
    """Undo `_wrap`. Columns near the seam have two versions, which are mixed so that it does not show."""
    share = 0.5 + 0.5 * np.arange(_WRAP) / _WRAP
    share = share.reshape(-1, *[1] * (image.ndim - 2))
    out = image[:, _WRAP:-_WRAP].astype(np.float64)
    out[:, :_WRAP] = share * out[:, :_WRAP] + (1 - share) * image[:, -_WRAP:]
    out[:, -_WRAP:] = share[::-1] * out[:, -_WRAP:] + (1 - share[::-1]) * image[:, :_WRAP]
    return out


def _from_other_side(colours, known, labels):
    """Take what is unknown from its mirror image where that is known and bears the same label."""
    wide = _wrap(labels)
    border = (scipy.ndimage.minimum_filter(wide, 3) != scipy.ndimage.maximum_filter(wide, 3)) == 0
    inside = _unwrap(scipy.ndimage.distance_transform_edt(border)) > _RIM
    other, other_known = colours[:, ::-1], (known & inside)[:, ::-1]
    both = known & other_known
    take = ~known & other_known & (labels == labels[:, ::-1])
    if not take.any() or both.sum() < 100:
        return colours, known
    offset = _spread(_wrap(np.where(both[..., None], colours - other, 0)), _wrap(both))
    out = colours.copy()
    out[take] = (other + _unwrap(offset))[take]
    return out, known | take


def _spread(image, known):
    """Carry the smooth part of known pixels over the whole picture (push-pull; Gortler et al. 1996, section 4).

    Each coarser level is the mean of the known pixels of four; on the way back a pixel takes from the coarser
    level what its own level does not know.
    """
    levels = [(image * known[..., None].astype(np.float32), known.astype(np.float32))]
    while max(levels[-1][1].shape) > 1:  # down to one pixel, so that every place has somewhere to take from
        value, weight = levels[-1]
        shape = tuple((n + 1) // 2 for n in weight.shape)
        value = cv2.resize(cv2.GaussianBlur(value, (5, 5), 1.2), shape[::-1], interpolation=cv2.INTER_AREA)
        weight = cv2.resize(cv2.GaussianBlur(weight, (5, 5), 1.2), shape[::-1], interpolation=cv2.INTER_AREA)
        levels.append((value, weight))
    value, weight = levels[-1]
    out = value / np.maximum(weight, 1e-6)[..., None]
    for value, weight in levels[-2::-1]:
        out = cv2.resize(out, weight.shape[::-1], interpolation=cv2.INTER_LINEAR)
        sure = np.clip(weight * 3, 0, 1)[..., None]
        out = cv2.GaussianBlur(out, (5, 5), 1.2)
        out = sure * value / np.maximum(weight, 1e-6)[..., None] + (1 - sure) * out
    return out


def _feathered(filled, colours, known):
    """Blend the border between known and filled over a few pixels, so that no line shows."""
    wide_known = _wrap(known)
    depth = scipy.ndimage.distance_transform_edt(wide_known)
    share = np.clip(_unwrap(depth) / 8, 0, 1)[..., None]
    soft = _unwrap(cv2.GaussianBlur(_wrap(filled), (0, 0), 2.0))
    rim = known & (share[..., 0] < 1)
    out = filled.copy()
    out[rim] = (share * colours + (1 - share) * soft)[rim]
    return out
