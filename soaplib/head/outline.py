"""The outline of a head against that of a matte: measured by angle and row, and met by a smooth deformation.

Vertices here are `placed`: (V, 3) x and y in pixels, z in pixels towards the viewer.
"""

import dataclasses

import numpy as np
import scipy.ndimage
import scipy.sparse as sp
import scipy.spatial
import torch

from soaplib.head.laplacian import factorised
from soaplib.head.model import HeadModel
from soaplib.render import rasterize

_ANGLES = 180
_STIFFNESS = (30.0, 30.0, 10.0, 10.0, 3.0, 3.0, 1.0, 1.0, 0.3, 0.3, 0.1, 0.1, 0.1, 0.1)  # round by round
_NORMAL_WEIGHT = 30.0  # pixels that a right angle between two outlines counts
_HOLD = 20.0  # what a vertex with hold 1 weighs against a point of the outline
_STRETCH = (0.75, 3.2)  # an outline moves in or out by no more than these factors
_SMOOTH = 14  # degrees or rows over which a stretch is averaged


def seen_faces(placed: np.ndarray, faces: np.ndarray, size: tuple[int, int], behind: bool = False) -> tuple:
    """Give the face at each pixel (H, W), -1 for none, and its z (H, W); `behind`: the farthest face instead."""
    height, width = size
    away = placed[:, 2] if behind else -placed[:, 2]
    reach = max(np.abs(away).max(), 1e-9) * 1.01
    clip = np.column_stack(
        [placed[:, 0] * (2 / width) - 1, 1 - placed[:, 1] * (2 / height), away / reach, np.ones(len(placed))]
    )
    rast = rasterize(torch.as_tensor(clip[None], dtype=torch.float32), torch.as_tensor(faces), size)[
        0
    ].numpy()
    return rast[..., 3].astype(np.int32) - 1, rast[..., 2] * (reach if behind else -reach)


def meet_outline(
    placed: np.ndarray,
    faces: np.ndarray,
    laplacian: sp.csr_matrix,
    matte: np.ndarray,
    hold: np.ndarray,
    stiffness: tuple[float, ...] = _STIFFNESS,
) -> np.ndarray:
    """Bring the mesh's outline to the matte's, in the picture's plane, by rounds of matching and deformation.

    Each round pairs the points of both outlines (nearest in place and normal, both ways) and solves for the
    smoothest displacement (bi-Laplacian, weighted by the round's stiffness) that follows them. hold: (V,) how
    much a vertex resists. Returns (V, 3).
    """
    wanted, wanted_normals = _contour(matte)
    aim = np.hstack([wanted, _NORMAL_WEIGHT * wanted_normals])
    wanted_tree = scipy.spatial.cKDTree(aim)
    smooth = laplacian.T @ laplacian
    for weight in stiffness:
        ids, _ = seen_faces(placed, faces, matte.shape)
        own, own_normals = _contour(ids >= 0)
        inner = np.clip(np.rint(own - 1.5 * own_normals - 0.5).astype(int), 0, len(matte) - 1)
        near = ids[inner[:, 1], inner[:, 0]]
        own, own_normals, corners = own[near >= 0], own_normals[near >= 0], faces[near[near >= 0]]
        if not len(own) or not len(wanted):
            break
        distance = np.linalg.norm(placed[corners][..., :2] - own[:, None], axis=-1)
        rim = corners[np.arange(len(own)), distance.argmin(1)]
        features = np.hstack([own, _NORMAL_WEIGHT * own_normals])
        there = scipy.spatial.cKDTree(features).query(aim)[1]
        here = wanted_tree.query(features)[1]
        at = np.concatenate([rim[there], rim])
        move = np.concatenate([wanted - own[there], wanted[here] - own])
        count = np.bincount(at, minlength=len(placed))
        pull = np.stack([np.bincount(at, move[:, k], len(placed)) for k in range(2)], 1)
        solve = factorised(weight * smooth + sp.diags(count + _HOLD * hold + 1e-6)).solve
        placed = placed + np.column_stack([solve(pull), np.zeros(len(placed))])
    return placed


def _contour(mask):
    """Points (N, 2) on the half-covered line of a mask, and its outward normals."""
    import skimage.measure

    soft = scipy.ndimage.gaussian_filter(np.pad(mask.astype(float), 1), 1.0)
    lines = [line for line in skimage.measure.find_contours(soft, 0.5) if len(line) > 60]
    points = np.concatenate(lines)[::2] if lines else np.zeros((0, 2))
    slope = np.stack([scipy.ndimage.map_coordinates(g, points.T, order=1) for g in np.gradient(soft)], 1)
    outward = -slope / np.maximum(np.linalg.norm(slope, axis=1, keepdims=True), 1e-9)
    return points[:, ::-1] - 0.5, outward[:, ::-1]


@dataclasses.dataclass(frozen=True)
class Frame:
    """The middle (2,) of the skull in pixels, the middle (2,) of the neck below it, and half the skull's width."""

    middle: np.ndarray
    low: np.ndarray
    half_width: float

    @classmethod
    def about(cls, head: HeadModel, placed: np.ndarray) -> "Frame":
        """Find the frame of a placed head: half-way across the skull, at the height of the ears."""
        skull = placed[head.skull & head.part_vertices("skin"), 0]
        neck = placed[head.region("neck") > 0.5, :2]
        ears = placed[head.region("ears") > 0.5].mean(0)
        middle = np.array([(skull.min() + skull.max()) / 2, ears[1]])
        return cls(middle, neck.mean(0), float(np.ptp(skull)) / 2)

    def centre_of(self, placed: np.ndarray) -> np.ndarray:
        """Give (N, 2) where each point's ray starts: the middle above it; the neck's line, row by row, below."""
        share = np.clip((placed[:, 1] - self.middle[1]) / max(self.low[1] - self.middle[1], 1.0), 0, 1)
        x = self.middle[0] + share * (self.low[0] - self.middle[0])
        return np.column_stack([x, np.maximum(placed[:, 1], self.middle[1])])


@dataclasses.dataclass(frozen=True)
class Outline:
    """Pixels from the frame to an outline: top (180,) by degree over the skull, left and right (H,) by row."""

    top: np.ndarray
    left: np.ndarray
    right: np.ndarray

    @classmethod
    def of(cls, mask: np.ndarray, frame: Frame) -> "Outline":
        """Measure the outline of a bool mask (H, W); narrow gaps in it are closed."""
        height, width = mask.shape
        closed = scipy.ndimage.binary_closing(np.pad(mask, 8), iterations=6)[8:-8, 8:-8]
        angle = np.linspace(0, np.pi, _ANGLES)[:, None]
        step = np.arange(2 * max(height, width)) * 0.5
        top = _reach(closed, frame.middle[0] + np.cos(angle) * step, frame.middle[1] - np.sin(angle) * step)
        rows = np.arange(height) + 0.5
        centre = frame.centre_of(np.column_stack([np.zeros(height), rows]))[:, :1]
        level = rows[:, None] + 0 * step
        return cls(top, _reach(closed, centre - step, level), _reach(closed, centre + step, level))

    def stretch_to(
        self, wanted: "Outline", placed: np.ndarray, frame: Frame
    ) -> tuple[np.ndarray, np.ndarray]:
        """Tell how much further the wanted outline is: as a factor for each point, and as a thickness in pixels.

        Both are means over a wide stretch of outline, so that a lock of hair does not run round the head as a
        ridge; `meet_outline` does the rest.
        """
        offset = placed[:, :2] - frame.middle
        at = np.clip(np.arctan2(-offset[:, 1], offset[:, 0]) / np.pi, 0, 1) * (_ANGLES - 1)
        blend = np.clip(-offset[:, 1] / (0.15 * frame.half_width) * 0.5 + 0.5, 0, 1)
        tops, lefts, rights = (
            _ratio(*pair)
            for pair in ((self.top, wanted.top), (self.left, wanted.left), (self.right, wanted.right))
        )
        rows = np.arange(len(lefts)) + 0.5
        sides = (np.interp(placed[:, 1], rows, side) for side in (lefts, rights))
        beside = np.where(offset[:, 0] < 0, *sides)
        stretch = blend * np.interp(at, np.arange(_ANGLES), tops) + (1 - blend) * beside
        both = 0.5 * ((lefts - 1) * self.left + (rights - 1) * self.right)
        low = np.interp(placed[:, 1], rows, scipy.ndimage.gaussian_filter1d(both, _SMOOTH, mode="nearest"))
        share = np.clip(-offset[:, 1] / (0.6 * frame.half_width), 0, 1)
        return stretch, (1 - share) * low + share * np.mean((tops - 1) * self.top)


def _reach(mask, x, y):
    """How far each ray of half-pixel steps (N, M) stays inside, up to its first way out."""
    height, width = mask.shape
    xi, yi = np.floor(x).astype(int), np.floor(y).astype(int)
    inside = (xi >= 0) & (xi < width) & (yi >= 0) & (yi < height)
    inside &= mask[np.clip(yi, 0, height - 1), np.clip(xi, 0, width - 1)]
    return 0.5 * np.where(inside.all(1), inside.shape[1], inside.argmin(1))


def _ratio(own, wanted):
    """wanted / own, smoothed along the outline; rows that either outline misses take their neighbours' value."""
    good = (own > 2) & (wanted > 2)
    good &= np.cumsum(good[::-1])[::-1] > 4  # the last rows of an outline are its frayed end
    if not good.any():
        return np.ones(len(own))
    index = np.arange(len(own))
    ratio = np.interp(index, index[good], wanted[good] / own[good])
    return np.clip(scipy.ndimage.gaussian_filter1d(ratio, _SMOOTH, mode="nearest"), *_STRETCH)
