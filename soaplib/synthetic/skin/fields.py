"""What is where on the skin: soft masks and noise on the texels of the base head, the same for all heads."""

import dataclasses
import functools

import cv2
import numpy as np
import scipy.interpolate
import scipy.spatial

from soaplib.data import REGIONS
from soaplib.head import load_head
from soaplib.parts.rims import eye_rims, split_rim
from soaplib.parts.smoothstep import smoothstep
from soaplib.synthetic.hair.scalp import Hairline, scalp
from soaplib.synthetic.skin.layout import canvas, landmark_uv
from soaplib.synthetic.skin.noise import band_noise
from soaplib.synthetic.skin.shade import openness

MASKS = (
    "lips", "lip_rim", "lip_seam", "cheeks", "apples", "nose", "wings", "ears", "chin", "brow_bed", "under_eye",
    "upper_lid", "crease", "liner", "lash_line", "beard", "scalp", "sun", "mouth", "socket", "hollow", "temples",
    "contour", "highlight", "throat", "strokes", "shadow_brow", "lower_lip",
)  # fmt: skip
"""The soft masks of `skin_fields`, in the order of their columns."""

BANDS = ((0.045, 3), (0.014, 3), (0.0045, 3), (0.0021, 2))
"""Wavelengths (metres) of the noise, and how many independent ones of each; columns in this order."""

_AROUND = 721
_FAR = 0.03
_LIPS = (61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291, 375, 321, 405, 314, 17, 84, 181, 91, 146)
_BROWS = ((46, 53, 52, 65, 55), (276, 283, 282, 295, 285))
_BROW_TOPS = ((70, 63, 105, 66, 107), (300, 293, 334, 296, 336))


@dataclasses.dataclass(frozen=True)
class SkinFields:
    """Masks and noise at the texels of a canvas.

    masks: (N, len(MASKS)) uint8, 255 is 1. noise: (N, 11) int8, 32 is one standard deviation. labels: (N,) uint8,
    positions in `REGIONS` (skin, lips, mouth, neck). lip_gap: (N,) float32 metres to the lips' border, positive inside.
    """

    masks: np.ndarray
    noise: np.ndarray
    labels: np.ndarray
    lip_gap: np.ndarray

    def mask(self, name: str) -> np.ndarray:
        """Give one mask (N,) as float32 in [0, 1]; ValueError for an unknown name."""
        return self.masks[:, MASKS.index(name)].astype(np.float32) / 255


@functools.lru_cache(maxsize=4)
def skin_fields(size: int) -> SkinFields:
    """Find the masks and the noise on the texels of `canvas(size)`."""
    head, surface = load_head(), canvas(size)
    marks = head.landmarks(head.template)
    masks = _masks(head, surface, marks, size)
    columns = [np.clip(masks[name], 0, 1) * 255 + 0.5 for name in MASKS]
    noise = [
        band_noise(surface.places, length, 100 * b + k)
        for b, (length, count) in enumerate(BANDS)
        for k in range(count)
    ]
    labels = np.full(len(surface.places), REGIONS.index("skin"), np.uint8)
    labels[surface.at(head.region("neck")) > 0.5] = REGIONS.index("neck")
    labels[masks["lips"] > 0.5] = REGIONS.index("lips")
    labels[masks["mouth"] > 0.5] = REGIONS.index("mouth")
    return SkinFields(
        np.ascontiguousarray(np.stack(columns, 1).astype(np.uint8)),
        np.ascontiguousarray(np.clip(np.round(np.stack(noise, 1) * 32), -127, 127).astype(np.int8)),
        labels,
        masks["lip_gap"].astype(np.float32),
    )


def near(places: np.ndarray, centres, radii) -> np.ndarray:
    """Give the (N,) largest of Gaussian bumps at (K, 3) centres; radii: standard deviation, one or (3,), metres."""
    scaled = (places[:, None] - np.atleast_2d(centres)[None]) / np.broadcast_to(radii, 3)
    return np.exp(-0.5 * (scaled**2).sum(-1)).max(1)


def along(places: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Give the (N,) distance to a smooth curve through (K, 3) points; 3 cm beyond that."""
    steps = np.append(0, np.linalg.norm(np.diff(points, axis=0), axis=1).cumsum())
    curve = scipy.interpolate.make_interp_spline(steps, points, k=min(3, len(points) - 1))
    return _distance(places, curve(np.linspace(0, steps[-1], 400)))


def _distance(places, points):
    """Distance (N,) to the nearest of the points, _FAR at most: looking further would take ten times as long."""
    return np.minimum(scipy.spatial.cKDTree(points).query(places, distance_upper_bound=_FAR)[0], _FAR)


def _masks(head, surface, marks, size):
    places = surface.places
    x, y, z = places.T
    side = np.abs(x)
    mouth = surface.at(head.region("mouth_cavity"))
    socket = surface.at(head.region("eye_sockets"))
    out = {"mouth": smoothstep(0.1, 0.4, mouth), "socket": smoothstep(0.1, 0.5, socket)}
    ears = smoothstep(0.2, 0.9, surface.at(head.region("ears")))
    out["lip_gap"] = gap = _lip_gap(surface, head, size)
    out["lips"] = smoothstep(-0.0014, 0.0012, gap) * (1 - out["mouth"])
    out["lip_rim"] = np.exp(-(((gap + 0.0012) / 0.0012) ** 2)) * (1 - out["mouth"])
    out["lip_seam"] = _seam(places, marks) * (gap > -0.004)
    out["lower_lip"] = out["lips"] * smoothstep(-0.001, -0.004, y - marks[13, 1])
    out["cheeks"] = near(
        places, _both(marks, 425) + _both(marks, 280) + _both(marks, 330), (0.013, 0.011, 0.025)
    ) * (1 - ears)
    out["apples"] = near(
        places, [(a + b) / 2 for a, b in zip(_both(marks, 425), _both(marks, 330), strict=True)], 0.0125
    ) * (1 - ears)
    out["nose"] = near(places, [marks[1], marks[4], marks[195]], (0.011, 0.011, 0.013))
    out["wings"] = near(places, _both(marks, 358) + _both(marks, 327), (0.0065, 0.0075, 0.009))
    out["ears"] = ears * smoothstep(0.079, 0.094, side)  # what stands off the head
    out["chin"] = near(places, [marks[199]], (0.013, 0.011, 0.02))
    out |= _eye_masks(head, places, marks, socket)
    out["beard"] = _beard(head, surface, marks, gap) * (1 - out["ears"]) * (1 - out["mouth"])
    out["scalp"] = scalp_mask(size, Hairline()) / 255
    sun = near(places, _both(marks, 280) + _both(marks, 425) + [marks[195], marks[4]], (0.021, 0.015, 0.03))
    out["sun"] = np.maximum(sun, 0.25 * smoothstep(-0.13, -0.06, y) * (z > -0.05)) * (1 - out["lips"])
    closed = 1 - openness()
    out["hollow"] = np.maximum(surface.at(closed.astype(np.float32)), 0) * (1 - out["mouth"])
    out["temples"] = near(places, _both(marks, 251), (0.012, 0.016, 0.02))
    out["contour"] = near(places, _line(marks[411], marks[323]), (0.03, 0.008, 0.03)) * (1 - ears)
    out["throat"] = out["mouth"] * smoothstep(0.004, 0.035, marks[13, 2] - z)
    out["strokes"] = _strokes(places, marks)
    shine = [marks[5], marks[151], *_both(marks, 347), marks[175], marks[8]]
    out["highlight"] = near(places, shine, (0.008, 0.008, 0.012))
    return out


def _strokes(places, marks):
    """Four slanting strokes on each cheek, as drawn ones blush."""
    middle = marks[425] + [0.004, 0.002, 0]
    starts = [middle + [step, -0.004, 0] for step in (-0.009, -0.003, 0.003, 0.009)]
    lines = [np.array([s, s + [0.004, 0.008, 0.0]]) for s in starts]
    flat = places * [1, 1, 0.25]
    flat[:, 0] = np.abs(places[:, 0])
    gaps = [along(flat, line * [1, 1, 0.25]) for line in lines]
    return smoothstep(0.0017, 0.0009, np.min(gaps, 0)) * (places[:, 2] > -0.02)


def _both(marks, index):
    """A landmark and its mirror image; the base head is symmetric."""
    return [marks[index], marks[index] * [-1, 1, 1]]


def _line(a, b, count=9):
    """Points along a segment and its mirror image."""
    points = a + np.linspace(0, 1, count)[:, None] * (b - a)
    return np.concatenate([points, points * [-1, 1, 1]])


def _lip_gap(surface, head, size):
    """Signed distance in metres to the border of the lips: a closed smooth curve through its landmarks."""
    uv = landmark_uv(head)[list(_LIPS)] * size
    closed = np.concatenate([uv, uv[:1]])
    middle = uv.mean(0)
    closed[10] += 0.02 * (middle - closed[10])
    steps = np.append(0, np.linalg.norm(np.diff(closed, axis=0), axis=1).cumsum())
    curve = scipy.interpolate.make_interp_spline(steps, closed, k=3, bc_type="periodic")
    dense = curve(np.linspace(0, steps[-1], 1200, endpoint=False)).astype(np.float32)
    places = surface.picture(surface.places)
    column, row = dense[:, 0] - 0.5, size - dense[:, 1] - 0.5
    border = cv2.remap(places, column[:, None], row[:, None].astype(np.float32), cv2.INTER_LINEAR)[:, 0]
    distance = _distance(surface.places, border)
    fine = np.round(np.stack([dense[:, 0], size - dense[:, 1]], 1) * 16).astype(np.int32)
    inside = np.zeros((size, size), np.uint8)
    cv2.fillPoly(inside, [fine - 8], 255, shift=4)
    main = inside.ravel()[surface.texels.index] > 127
    mouth = surface.at(head.region("mouth_cavity")) > 0.3
    return np.where(main | (mouth & (distance < 0.02)), distance, -distance)


def _seam(places, marks):
    """1 on the line where the lips meet."""
    middle = (marks[[78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308]]
              + marks[[78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308]]) / 2  # fmt: skip
    return np.exp(-((along(places, middle) / 0.0022) ** 2))


def _eye_masks(head, places, marks, socket):
    out = {}
    upper, lower = [], []
    for rim in eye_rims(head):
        ends = [head.template[ids].astype(float) for ids in split_rim(head, rim)]
        upper.append(along(places, ends[0]))
        lower.append(along(places, ends[1]))
    up, low = np.min(upper, 0), np.min(lower, 0)
    skin = 1 - smoothstep(0.3, 0.8, socket)
    above = smoothstep(-0.0012, 0.0012, low - up)
    out["lash_line"] = np.maximum(np.exp(-((up / 0.0011) ** 2)), 0.55 * np.exp(-((low / 0.0010) ** 2)))
    wing = np.minimum(*(along(places, np.array(p)) for p in _wings(marks)))
    thick = 0.0013 + 0.0009 * smoothstep(0.03, 0.05, np.abs(places[:, 0]))
    out["liner"] = np.maximum(np.exp(-((up / thick) ** 4)), smoothstep(0.0016, 0.0006, wing)) * skin
    brow = np.min([along(places, marks[list(ids)]) for ids in _BROWS], 0)
    tops = [(marks[list(a)] * 0.5 + marks[list(b)] * 0.5) for a, b in zip(_BROWS, _BROW_TOPS, strict=True)]
    out["brow_bed"] = np.exp(-((np.min([along(places, t) for t in tops], 0) / 0.0042) ** 2))
    lid = above * smoothstep(0.0135, 0.003, up) * smoothstep(0.002, 0.007, brow)
    out["upper_lid"] = lid * skin
    # The fold lies a third of the way up to the brow.
    out["crease"] = above * np.exp(-(((up - 0.0068) / 0.0024) ** 2)) * skin
    out["shadow_brow"] = (
        above
        * smoothstep(0.0, 0.004, up)
        * smoothstep(0.024, 0.008, up)
        * smoothstep(0.0015, 0.006, brow)
        * skin
    )
    trough = (
        np.exp(-(((low - 0.0075) / 0.0042) ** 2))
        * (1 - above)
        * smoothstep(0.058, 0.040, np.abs(places[:, 0]))
    )
    out["under_eye"] = trough * smoothstep(0.006, 0.016, np.abs(places[:, 0])) * skin
    return out


def _wings(marks):
    """The flick of a drawn lid line beyond each outer corner."""
    for corner, beyond in ((263, 353), (33, 124)):
        start, far = marks[corner], marks[beyond]
        yield [start, start + 0.45 * (far - start) + [0, 0.004, 0.0005]]


def _beard(head, surface, marks, gap):
    """Where a beard can grow: lip, chin, jaw and the upper neck; densest about the mouth, thin to its edges."""
    x, y, z = surface.places.T
    side = np.abs(x)
    knots = np.array([[0, -0.0545], [0.013, -0.0555], [0.024, -0.062], [0.033, -0.075], [0.046, -0.075],
                      [0.058, -0.058], [0.066, -0.036], [0.072, -0.012], [0.09, 0.0]])  # fmt: skip
    top = scipy.interpolate.PchipInterpolator(*knots.T)(np.clip(side, 0, 0.09))
    grows = smoothstep(0.009, -0.017, y - top) * smoothstep(-0.070, -0.026, z) * smoothstep(-0.16, -0.118, y)
    chin = np.linalg.norm((surface.places - marks[199]) * [0.8, 1, 1], axis=1)
    thin = 1 - 0.45 * smoothstep(0.022, 0.06, chin)
    soul = near(surface.places, [marks[18] + [0.012, 0, 0], marks[18] - [0.012, 0, 0]], (0.005, 0.004, 0.01))
    free = smoothstep(0.0, -0.004, gap) * (1 - surface.at(head.region("neck")))
    return grows * thin * (1 - 0.6 * soul) * free


def scalp_mask(size: int, hairline: Hairline) -> np.ndarray:
    """Give where hair grows above a hairline at the texels of `canvas(size)`: (N,) uint8, 255 is 1."""
    azimuth, height, bare = _scalp_places(size)
    turns = np.linspace(-np.pi, np.pi, _AROUND)
    border = np.interp(azimuth, turns, hairline.height(turns)).astype(np.float32)
    return (smoothstep(-0.05, 0.09, height - border) * bare * 255 + 0.5).astype(np.uint8)


@functools.lru_cache(maxsize=4)
def _scalp_places(size):
    """Azimuth and height of the texels on the map of `soaplib.synthetic.hair.scalp`, and 1 off ears and cavities."""
    head, surface = load_head(), canvas(size)
    azimuth, height, _ = scalp(head).bare.locate(surface.places).T
    ears = smoothstep(0.2, 0.9, surface.at(head.region("ears")))
    ears *= smoothstep(0.079, 0.094, np.abs(surface.places[:, 0]))
    inside = np.maximum(surface.at(head.region("mouth_cavity")), surface.at(head.region("eye_sockets")))
    return azimuth, height.copy(), ((1 - ears) * smoothstep(0.2, 0.1, inside)).astype(np.float32)
