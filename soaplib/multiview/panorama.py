"""A panorama of the head: colours all round it, known from one picture and completed where that sees nothing.

Longitude runs round the vertical axis through the skull, height is metres below the skull's middle and arc length
above it. In this map nothing on the head is seen at a grazing angle, so patches keep their size when they move.
"""

import dataclasses

import numpy as np
import cv2
import scipy.ndimage
import torch

from soaplib.head.cover import HAIR, SKIN
from soaplib.render import interpolate, rasterize

WIDTH = 1024
_WRAP = WIDTH // 2  # columns repeated past the seam, so that filters see across it
_SOFT = 5.0  # pixels over which two labels run into each other where nobody sees it
_GRAIN = 0.8  # repeated detail is quieter than the picture's own, or its repetition shows
_FINE = 12.0  # pixels; what is finer is detail, what is coarser is shade


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
    mirrored again and again from the nearest known pixels of that label.
    """
    colours, known = _from_other_side(colours, known, labels)
    wide = [_wrap(a) for a in (colours, known, labels)]
    everything = _spread(wide[0], wide[1])
    out, total = np.zeros(colours.shape), np.zeros(known.shape)
    for label in np.unique(labels):
        source = _source(wide[0], wide[1] & (wide[2] == label), label)
        filled = everything
        if source.sum() >= 150:
            steps = 3.0 if label == HAIR else 1.0
            filled = _spread(wide[0], source) + _GRAIN * _detail_all_round(wide[0], source, steps)
        share = _unwrap(cv2.GaussianBlur((wide[2] == label).astype(np.float32), (0, 0), _SOFT)) + 1e-9
        out, total = out + share[..., None] * _unwrap(filled), total + share
    out = np.where(known[..., None], colours, out / total[..., None])
    return np.clip(_feathered(out, colours, known), 0, 1)


def _source(image, mask, label):
    """Pixels to learn a label's looks from: off its rim, and for skin neither shadows nor stray hair."""
    inner = scipy.ndimage.binary_erosion(mask, iterations=5 if label == SKIN else 2)
    if label != SKIN or inner.sum() < 150:
        return inner
    light = image.mean(-1)
    low, middle = np.percentile(light[inner], [12, 50])
    return inner & (light > max(low, 0.7 * middle))


def _detail_all_round(image, source, vertical):
    """Mirrored detail from the source's left half and from its right half, faded into each other behind."""
    front = np.arange(source.shape[1]) < source.shape[1] / 2
    halves = [source & front, source & ~front]
    if min(half.sum() for half in halves) < 100:
        return _mirrored_detail(image, source, vertical)
    away = [scipy.ndimage.distance_transform_edt(~half, sampling=(vertical, 1.0)) for half in halves]
    share = np.clip(0.5 + 2.5 * (away[1] - away[0]) / (away[0] + away[1] + 1e-9), 0, 1)[..., None]
    left, right = (_mirrored_detail(image, half, vertical) for half in halves)
    # two independent details average to a fainter one: keep their strength
    return (share * left + (1 - share) * right) / np.sqrt(share**2 + (1 - share) ** 2)


def _wrap(image):
    return np.concatenate([image[:, -_WRAP:], image, image[:, :_WRAP]], 1)


def _unwrap(image):
    return image[:, _WRAP:-_WRAP]


def _from_other_side(colours, known, labels):
    """Take what is unknown from its mirror image where that is known and bears the same label."""
    other, other_known = colours[:, ::-1], known[:, ::-1]
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
    while min(levels[-1][1].shape) > 2:
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


def _mirrored_detail(image, source, vertical):
    """Bring fine structure to every pixel by mirroring it at the border of the source, as often as needed.

    vertical: how much dearer a step along a column is than one along a row: hair goes on round the head.
    """
    weight = cv2.GaussianBlur(source.astype(np.float32), (0, 0), _FINE) + 1e-6
    blurred = cv2.GaussianBlur(image * source[..., None].astype(np.float32), (0, 0), _FINE)
    detail = np.where(source[..., None], image - blurred / weight[..., None], 0)
    nearest = scipy.ndimage.distance_transform_edt(
        ~source, sampling=(vertical, 1.0), return_distances=False, return_indices=True
    )
    height, width = source.shape
    rows, columns = np.mgrid[:height, :width]
    for _ in range(24):
        out = ~source[rows, columns]
        if not out.any():
            break
        r, c = rows[out], columns[out]
        near_r, near_c = nearest[0][r, c], nearest[1][r, c]
        step_r, step_c = near_r - r, near_c - c
        # one more pixel than the mirror image, and never past the picture
        rows[out] = np.clip(near_r + step_r + np.sign(step_r), 0, height - 1)
        columns[out] = np.clip(near_c + step_c + np.sign(step_c), 0, width - 1)
    left_over = ~source[rows, columns]
    rows[left_over], columns[left_over] = (n[left_over] for n in nearest)
    return detail[rows, columns]


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
