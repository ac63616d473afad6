"""What is worn on the hair: hoops, bows, sweatbands, flowers, wreaths, headphones, tiaras, clips."""

import math

import numpy as np

from soaplib.synthetic.pieces import Piece
from soaplib.synthetic.worn.bows import bow
from soaplib.synthetic.worn.creatures import hoop, hoop_path
from soaplib.synthetic.worn.fitting import Fit
from soaplib.synthetic.worn.flowers import flower, small_blossom, wreath
from soaplib.synthetic.worn.headphones import headphones
from soaplib.synthetic.worn.patterns import METALS, draw_scheme, rgb
from soaplib.synthetic.worn.seats import hat_line
from soaplib.synthetic.worn.solids import blob, copies, grid, join
from soaplib.synthetic.worn.sweeps import curve, tube
from soaplib.synthetic.worn.things import Worn, finish, on_skull

SHAPES = ("alice", "bow", "sweatband", "ribbon", "flower", "wreath", "headphones", "tiara", "clips")


def draw_band(rng: np.random.Generator, style: str) -> Worn:
    """Draw something worn on the hair."""
    weights = {"realistic": [22, 6, 20, 8, 10, 8, 20, 3, 10]}.get(style, [14, 24, 8, 14, 12, 8, 12, 6, 10])
    shape = str(rng.choice(SHAPES, p=np.array(weights) / sum(weights)))
    colours = draw_scheme(rng, style)
    if shape == "headphones":
        colours = (rgb(str(rng.choice(["1c1d20", "e9e9ea", "8c8f95", "b5382f", "2d4f8f"]))), *colours[1:])
    if shape in ("tiara", "clips"):
        colours = (rgb(METALS[rng.integers(3)]), *colours[1:])
    pattern = str(rng.choice(["plain", "stripes", "knit"])) if shape == "sweatband" else "plain"
    sizes = tuple(rng.uniform(-1, 1, 6).round(3).tolist())
    return Worn("band", shape, colours, pattern, sizes, int(rng.integers(1 << 30)))


def make_band(codes: Worn, fit: Fit) -> Piece:
    """Make what lies on the hair. sizes: size, place, thickness, side (its sign), tilt, more of it."""
    solids = _MAKERS[codes.shape](codes, fit)
    return finish(
        codes,
        join(solids),
        on_skull(fit),
        {"tiara": 0.7, "headphones": 0.35, "clips": 0.5}.get(codes.shape, 0.12),
    )


def _alice(codes, fit):
    """A padded hoop, plain or with a small bow at its side."""
    wide, lean, thick = codes.sizes[0], codes.sizes[1], codes.sizes[2]
    half = 0.008 + 0.005 * wide
    out = [hoop(fit, half, 0.0028 + 0.002 * max(thick, 0), codes.colour(0), 0.12 * lean, 2.4, 10)]
    if codes.sizes[5] > 0.2:
        path, ways = hoop_path(fit, 0.006, 0.12 * lean)
        k = 27 if codes.sizes[3] > 0 else 13
        out += bow(path[k], ways[k], np.array([1.0, 0, 0]), 0.034 * fit.unit, codes.colour(1), 0.0)
    return out


def _bow(codes, fit):
    """A large bow on the crown, at a side or behind."""
    size, place, _, side, tilt, tails = codes.sizes
    behind = place > 0.4
    around = math.pi if behind else math.copysign(0.25 + 0.9 * abs(place), side)
    at, way = fit.spot(around, 44.0 if behind else 48.0)
    # On top it faces ahead, half lying on the hair.
    facing = way if behind else 0.5 * way + np.array([0.25 * np.sign(around), 0.05, 0.75])
    facing = facing / np.linalg.norm(facing)
    right = np.cross([0.0, 1.0, 0.0], facing) + 0.3 * tilt * np.array([0.0, 1.0, 0.0])
    big = fit.unit * (0.06 + 0.016 * size)
    return bow(
        at + way * (0.004 if behind else 0.36 * big / fit.unit) * fit.unit,
        facing,
        right,
        big,
        codes.colour(0),
        tails,
    )


def _sweatband(codes, fit):
    """A knitted band round the head over brows and hair; with a knot and tails where the last size is high."""
    size, place, _, _, _, knot = codes.sizes
    unit = fit.unit
    line = hat_line(fit, -0.1 + 0.3 * place)
    t = np.linspace(-1, 1, 9)[:, None]
    half = 0.5 * (4.0 + 1.2 * size)
    lift = unit * (0.0012 + 0.004 * np.sqrt(np.clip(1 - np.abs(t) ** 5, 0, 1)))
    lift[[0, -1]] = 0.0
    row = line.row + half + t * half
    points = fit.on(line.azimuth, row, lift + 0.002, np.maximum(fit.smooth, fit.over))
    out = [grid(points, codes.colour(0), True, uv=True)]
    if codes.pattern == "plain" and knot < 0.5:
        stripe = points[3:6] + (points[3:6] - fit.centre) * 0.004
        out.append(grid(stripe, codes.colour(1), True))
    if knot >= 0.5:
        at = points[4, 32]
        out.append(
            blob(
                at + [0, 0, -0.004 * unit],
                np.array([0.010, 0.011, 0.008]) * unit,
                codes.colour(0) * 0.95,
                power=2.5,
            )
        )
        for side in (-1, 1):
            path = curve(
                [
                    at,
                    at + np.array([side * 0.02, -0.03, -0.022]) * unit,
                    at + np.array([side * 0.035, -0.09, -0.015]) * unit,
                ],
                9,
            )
            out.append(
                tube(
                    fit.pushed_out(path, 0.006, fit.over),
                    np.array([0.009, 0.0012]) * unit,
                    codes.colour(0) * 0.97,
                    8,
                    up=(0, 0.2, -1.0),
                    power=3.5,
                )
            )
    return out


def _ribbon(codes, fit):
    """A ribbon under the hair behind, tied on top in a small bow."""
    out = [hoop(fit, 0.0065 + 0.003 * codes.sizes[0], 0.0012, codes.colour(0), 0.1 * codes.sizes[1], 4.0)]
    path, ways = hoop_path(fit, 0.003, 0.1 * codes.sizes[1])
    k = 20 + round(7 * codes.sizes[3])
    right = path[k + 1] - path[k - 1]
    facing = ways[k] * 0.8 + np.array([0, 0, 0.6])
    facing /= np.linalg.norm(facing)
    out += bow(
        path[k] + ways[k] * 0.002,
        facing,
        right,
        fit.unit * (0.036 + 0.008 * codes.sizes[2]),
        codes.colour(0),
        codes.sizes[5],
    )
    return out


def _tiara(codes, fit):
    """A small open crown on the front of a hoop, with stones."""
    unit = fit.unit
    tall, lean = codes.sizes[0], 0.5
    path, ways = hoop_path(fit, 0.004, lean, count=49)
    out = [tube(path[3:-3], 0.0022 * unit, codes.colour(0), 7)]
    gold = codes.colour(0)
    t = np.linspace(-1, 1, 33)
    mid = path[8:41]
    high = unit * (
        0.008
        + (0.026 + 0.008 * tall)
        * np.cos(t * math.pi / 2) ** 1.4
        * (0.55 + 0.45 * np.abs(np.cos(t * math.pi * 3)))
    )
    tilt = np.array([0, 0.96, 0.25])
    top = mid + ways[8:41] * high[:, None] * 0.3 + tilt * high[:, None] * 0.85
    out.append(tube(top, 0.0018 * unit, gold, 6))
    for k in range(0, 33, 2):
        out.append(
            tube(
                np.stack([mid[k], 0.5 * (mid[k] + top[k]) + ways[8 + k] * 0.001, top[k]]),
                0.0012 * unit,
                gold * 0.95,
                5,
                caps=False,
            )
        )
    peaks = top[np.array([1, 5, 11, 16, 21, 27, 31])]
    stone = blob((0, 0, 0), 1.0, (1, 1, 1), 6, 8)
    sizes = np.array([0.003, 0.004, 0.0048, 0.0065, 0.0048, 0.004, 0.003])[:, None, None] * unit
    out.append(copies(stone, np.tile(np.eye(3), (7, 1, 1)) * sizes, peaks, np.tile(codes.colour(1), (7, 1))))
    return out


def _clips(codes, fit):
    """Hair clips at a temple: bars, or stars."""
    side = math.copysign(1.0, codes.sizes[3])
    unit = fit.unit
    out = []
    for k in range(1 + int(codes.sizes[5] > -0.3) + int(codes.sizes[5] > 0.5)):
        around, row = side * (0.95 + 0.05 * k), 41.5 - 2.3 * k
        t = np.linspace(-1, 1, 7)
        azimuth = around + side * t * 0.16
        path = fit.on(azimuth, row - 0.5 * t * 1.2, 0.003 * unit, np.maximum(fit.over, fit.skull))
        out.append(
            tube(
                path,
                np.array([0.0042, 0.0022]) * unit,
                codes.colour(k % 2),
                8,
                up=path - fit.centre,
                power=2.6,
            )
        )
        if codes.sizes[4] > 0:
            out += small_blossom(
                path[1],
                (path[1] - fit.centre) / np.linalg.norm(path[1] - fit.centre),
                0.012 * unit,
                codes.colour(1),
                np.random.default_rng(codes.seed),
            )
    return out


_MAKERS = {
    "alice": _alice, "bow": _bow, "sweatband": _sweatband, "ribbon": _ribbon, "flower": flower, "wreath": wreath,
    "headphones": headphones, "tiara": _tiara, "clips": _clips,
}  # fmt: skip
