"""Eyebrows: single hairs on realistic heads, bold shapes on drawn and modelled ones."""

import dataclasses

import numpy as np

from soaplib.head import HeadModel
from soaplib.synthetic.hair.chart import HALF, brow_chart
from soaplib.synthetic.hair.codes import Hair
from soaplib.synthetic.hair.locks import unit
from soaplib.synthetic.pieces import LABELS, Piece

_STEPS = 4  # points along a hair
_ALONG, _ACROSS = 22, 5  # vertices of a bold brow


@dataclasses.dataclass(frozen=True)
class Brows:
    """Codes of a pair of brows.

    thickness: half of it, metres on the base head. height: above the head's own brow, arch: more in the middle,
    tilt: more at the outer end, all in metres. start, end: along the brow, 0 to 1. taper: how thin the ends are.
    density: hairs, about 1. bold: a shape, not hairs. asymmetry: metres by which the left one is higher.
    """

    style: str
    seed: int
    colour: tuple[float, float, float]
    bold: bool
    thickness: float = 0.004
    height: float = 0.0
    arch: float = 0.0
    tilt: float = 0.0
    start: float = 0.0
    end: float = 1.0
    taper: float = 0.7
    density: float = 1.0
    asymmetry: float = 0.0


def draw_brows(rng: np.random.Generator, style: str, hair: Hair, masculine: float = 0.5) -> Brows:
    """Draw brows that go with a head's hair: mostly darker than it."""
    base = np.array(hair.colour.base)
    light = float(base @ (0.2126, 0.7152, 0.0722))
    dyed = base.max() - base.min() > 0.35
    natural = np.array((0.22, 0.15, 0.11)) if dyed and style == "realistic" else base
    colour = natural * (rng.uniform(0.45, 0.85) if light > 0.2 else rng.uniform(0.8, 1.1))
    bold = style != "realistic"
    thick = {"realistic": 0.0036, "cartoon": 0.0046, "anime": 0.0021, "clay": 0.0042}[style]
    return Brows(
        style, int(rng.integers(2**31)), tuple(round(float(c), 4) for c in np.clip(colour, 0.02, 1)), bold,
        float(thick * rng.uniform(0.7, 1.25) * (0.85 + 0.45 * masculine)),
        float(rng.uniform(-0.001, 0.002 if style == "realistic" else 0.004)), float(rng.uniform(-0.001, 0.0035)),
        float(rng.normal() * 0.0015), float(rng.uniform(-0.05, 0.12)), float(rng.uniform(0.86, 1.08)),
        float(rng.uniform(0.45, 0.95)), float(rng.uniform(0.7, 1.3)), float(rng.normal() * 0.0006),
    )  # fmt: skip


def grow_brows(brows: Brows, head: HeadModel) -> Piece:
    """Grow brows on a person's head; each vertex follows the skin it grows on."""
    rng = np.random.default_rng(brows.seed)
    grow = _shape if brows.bold else _hairs
    sides = [grow(brows, head, side, rng) for side in ("left", "right")]
    start = len(sides[0][0])
    vertices, normals, strands, corners, weights, shade = (
        np.concatenate([sides[0][k], sides[1][k]]) for k in (0, 1, 2, 3, 4, 6)
    )
    faces = np.concatenate([sides[0][5], sides[1][5] + start]).astype(np.int32)
    colours = np.clip(np.array(brows.colour, np.float32) * shade[:, None], 0, 1)
    return Piece(
        "brows", vertices.astype(np.float32), normals.astype(np.float32), faces,
        np.full(len(faces), LABELS.index("brows"), np.uint8), colours.astype(np.float32), corners.astype(np.int32),
        weights.astype(np.float32), None, None, 0.05, strands.astype(np.float32), True,
    )  # fmt: skip


def _line(brows, along, side):
    """Give how far up the brow's middle runs, and half its thickness, on the chart."""
    t = np.clip((along - brows.start) / (brows.end - brows.start), 0, 1)
    lift = brows.asymmetry if side == "left" else 0.0
    middle = (
        brows.height + lift + brows.arch * np.sin(np.pi * np.clip(t, 0, 1) ** 1.3) + brows.tilt * (t - 0.4)
    ) / HALF
    inner = np.clip(0.55 + 3 * t, 0, 1) if not brows.bold else np.clip(0.35 + 4 * t, 0, 1) ** 0.7
    return middle, brows.thickness / HALF * inner * (
        1 - brows.taper * np.clip((t - 0.35) / 0.65, 0, 1) ** 1.4
    )


def _hairs(brows, head, side, rng):
    """Short hairs: upright at the inner end, then out along the brow, the upper ones downwards."""
    chart = brow_chart(side)
    points, normals = chart.on(head)
    count = round(230 * brows.density)
    t = (np.arange(count) + rng.uniform(size=count)) / count
    across = rng.uniform(-1, 1, count)
    s0 = brows.start + (brows.end - brows.start) * t
    middle, half = _line(brows, s0, side)
    length = rng.uniform(0.11, 0.2, count) * (1 - 0.25 * t)
    upright = np.clip(1 - t / 0.28, 0, 1)
    k = np.linspace(0, 1, _STEPS)
    s = s0[:, None] + (length * (1 - 0.75 * upright))[:, None] * k
    # Towards the crest: from below it up, from above it down.
    climb = half * (-0.75 * across * (1 - upright) + 0.9 * upright) + 0.04 * rng.normal(size=count)
    w = (middle + half * across * 0.9)[:, None] + climb[:, None] * k**0.8
    fade = 1 - np.clip((np.abs(w - _line(brows, s, side)[0]) / (half[:, None] + 0.05) - 1.0) / 0.7, 0, 0.6)
    place, normal, corners, weights = chart.place(s, w, points, normals)
    scale = np.linalg.norm(points[-1, 7] - points[0, 7]) / 0.06
    place = place + normal * ((0.0004 + 0.0012 * k) * scale)[:, None]
    along = unit(np.gradient(place, axis=1))
    side_ways = unit(np.cross(along, normal))
    width = (0.00038 * scale * rng.uniform(0.7, 1.3, count))[:, None] * (1 - 0.85 * k**1.5) * fade
    both = np.stack([place - side_ways * width[..., None], place + side_ways * width[..., None]], 2)
    index = np.arange(count * _STEPS * 2).reshape(count, _STEPS, 2)
    faces = _grid_faces(index)
    shade = np.repeat(rng.uniform(0.8, 1.25, count), _STEPS * 2)

    def twice(values):
        return np.repeat(values[:, :, None], 2, 2).reshape(-1, values.shape[-1])

    return both.reshape(-1, 3), twice(normal), twice(along), twice(corners), twice(weights), faces, shade


def _shape(brows, head, side, rng):
    """One raised strip with pointed or round ends."""
    chart = brow_chart(side)
    points, normals = chart.on(head)
    s = np.linspace(brows.start, brows.end, _ALONG)
    middle, half = _line(brows, s, side)
    t = np.linspace(0, 1, _ALONG)
    half = half * np.sqrt(np.clip(np.minimum(t * 9, (1 - t) * 9 + 0.02), 0, 1))
    c = np.linspace(-1, 1, _ACROSS)
    w = middle[:, None] + half[:, None] * c
    place, normal, corners, weights = chart.place(np.broadcast_to(s[:, None], w.shape), w, points, normals)
    scale = np.linalg.norm(points[-1, 7] - points[0, 7]) / 0.06
    raised = 0.0022 if brows.style != "anime" else 0.0008
    place = (
        place
        + normal
        * (scale * (raised * (1 - 0.75 * c**2) * np.sqrt(half / half.max())[:, None] + 0.0004))[..., None]
    )
    across = unit(np.gradient(place, axis=1))
    along = unit(np.gradient(place, axis=0))
    lean = 0.8 if brows.style in ("cartoon", "clay") else 0.2
    normal = unit(normal + across * (lean * c)[None, :, None])
    index = np.arange(_ALONG * _ACROSS).reshape(1, _ALONG, _ACROSS)
    # Hairs as bold brows show them: stripes.
    stripes = 1 + (0.12 * rng.normal(size=(_ALONG, 1)) * np.ones(_ACROSS) if brows.style == "clay" else 0.0)
    shade = np.broadcast_to(stripes, (_ALONG, _ACROSS)).reshape(-1)
    flat = (-1, 3)
    return (
        place.reshape(flat), normal.reshape(flat), along.reshape(flat), corners.reshape(flat),
        weights.reshape(flat), _grid_faces(index), shade,
    )  # fmt: skip


def _grid_faces(index):
    a, b, c, d = index[:, :-1, :-1], index[:, 1:, :-1], index[:, 1:, 1:], index[:, :-1, 1:]
    return np.concatenate([np.stack([a, b, c], -1).reshape(-1, 3), np.stack([a, c, d], -1).reshape(-1, 3)])
