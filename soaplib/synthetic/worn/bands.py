"""What is worn on the hair: hoops, bows, sweatbands, flowers, wreaths, headphones, tiaras, clips."""

import math

import numpy as np

from soaplib.parts.smoothstep import smoothstep
from soaplib.synthetic.pieces import Piece
from soaplib.synthetic.worn.creatures import hoop, hoop_path
from soaplib.synthetic.worn.fitting import Fit
from soaplib.synthetic.worn.patterns import METALS, draw_scheme, rgb
from soaplib.synthetic.worn.seats import hat_line
from soaplib.synthetic.worn.solids import Solid, blob, copies, curve, grid, join, tube
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
    """A large bow on the crown or at a side."""
    size, place, _, side, tilt, tails = codes.sizes
    around = math.copysign(0.25 + 0.9 * abs(place), side) if place < 0.4 else math.pi
    row = 48.5 if place < 0.4 else 44.0
    at, way = _spot(fit, around, row)
    right = (
        np.array([1.0, -0.35 * np.sign(around) * abs(np.sin(around)), 0.0])
        if place < 0.4
        else np.array([1.0, 0, 0])
    )
    turn = 0.25 * tilt
    right = right + turn * np.cross(way, right)
    big = fit.unit * (0.062 + 0.016 * size)
    return bow(at + way * 0.004 * fit.unit, way, right, big, codes.colour(0), tails)


def bow(at, facing, right, size, colour, tails=0.0) -> list:
    """Tie a bow at a point; facing: unit vector away from the head; right: along its wings; size: one wing."""
    right = right - facing * (right @ facing)
    right /= np.linalg.norm(right)
    up = np.cross(facing, right)
    turn = np.stack([right, up, facing])
    t = np.linspace(0, 1, 15)
    s = np.linspace(0, 2 * math.pi, 21)
    high = np.interp(t, [0, 0.12, 0.45, 0.8, 0.95, 1], [0.10, 0.18, 0.40, 0.52, 0.47, 0.40])
    deep = np.interp(t, [0, 0.12, 0.45, 0.8, 0.95, 1], [0.10, 0.13, 0.22, 0.17, 0.07, 0.012])
    c, n = np.cos(s), np.sin(s)
    crease = 1 - 0.16 * smoothstep(0.75, 0.0, t)[:, None] * np.abs(np.sin(2.5 * s))[None]
    y = high[:, None] * (np.sign(n) * np.abs(n) ** 0.8)[None] * crease
    z = deep[:, None] * c[None] * crease + 0.06
    x = (t * (1 - 0.0))[:, None] + 0.06 * (n[None] ** 2) * t[:, None] ** 4
    wing = np.stack([x, y, z], -1) * size
    shade = np.asarray(colour) * (0.82 + 0.18 * smoothstep(0.0, 0.35, t))[:, None, None]
    left = grid(wing, np.broadcast_to(shade, wing.shape), True, flip=True)
    if np.einsum("ij,ij->i", left.normals, left.vertices - [0.5 * size, 0, 0.06 * size]).mean() < 0:
        left = grid(wing, np.broadcast_to(shade, wing.shape), True)
    knot = blob(
        (0, 0, 0.09 * size), np.array([0.13, 0.17, 0.15]) * size, np.asarray(colour) * 0.93, 8, 12, 2.5
    )
    out = [left, left.mirrored(), knot]
    if tails > 0:
        for side in (-1, 1):
            path = curve(
                np.array(
                    [
                        [0, 0, 0.05],
                        [0.22 * side, -0.35, 0.10],
                        [0.42 * side, -0.85, 0.03],
                        [0.5 * side, -1.1 - 0.4 * tails, 0.0],
                    ]
                )
                * size,
                10,
            )
            width = np.linspace(0.06, 0.17, 10) * size
            out.append(
                tube(
                    path,
                    np.stack([width, np.full(10, 0.018 * size)], -1),
                    np.asarray(colour) * 0.95,
                    8,
                    up=(0, 0, 1.0),
                    power=3.0,
                )
            )
    return [Solid(p.vertices @ turn + at, p.normals @ turn, p.faces, p.colours) for p in out]


def _spot(fit, around, row):
    azimuth, row = np.array([around]), np.array([row])
    return fit.on(azimuth, row, 0.0, fit.over)[0], fit.normal(azimuth, row, fit.over)[0]


def _sweatband(codes, fit):
    """A knitted band round the head over brows and hair; with a knot and tails where the last size is high."""
    size, place, _, _, _, knot = codes.sizes
    unit = fit.unit
    line = hat_line(fit, -0.1 + 0.3 * place)
    t = np.linspace(-1, 1, 9)[:, None]
    half = 0.5 * (2.6 + 0.9 * size)
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


def _blossom(at, way, size, petals, colour, heart, rng):
    """Open a flower: a ring or two of cupped petals about a heart."""
    t, s = np.linspace(0, 1, 6), np.linspace(-1, 1, 7)
    width = np.array([0.10, 0.34, 0.46, 0.44, 0.30, 0.05])
    x = s[None] * width[:, None]
    y = np.broadcast_to((0.12 + 0.88 * t)[:, None], x.shape) - 0.06 * (s**2)[None] * t[:, None]
    z = 0.30 * t[:, None] ** 1.5 + 0.28 * (s**2)[None] * (0.5 + 0.5 * t[:, None])
    petal = np.stack([x, y, z], -1)
    shade = np.asarray(colour) * (0.78 + 0.22 * t)[:, None, None]
    one = grid(petal, np.broadcast_to(shade, petal.shape), flip=True)
    right = np.cross([0.02, 1, 0.1], way)
    right /= np.linalg.norm(right)
    up = np.cross(way, right)
    turns, shades = [], []
    for ring, (count, big) in enumerate(((petals, 1.0), (max(4, petals - 1), 0.66))):
        for k in range(count):
            a = 2 * math.pi * (k + 0.5 * ring) / count + rng.normal(0, 0.05)
            tip = np.cos(a) * up + np.sin(a) * right
            lean = 0.18 + 0.4 * ring
            y_axis = tip * math.cos(lean) + way * math.sin(lean)
            x_axis = np.cross(tip, way)
            turns.append(np.stack([x_axis, y_axis, np.cross(x_axis, y_axis)]) * size * big)
            shades.append(np.ones(3) * (1.0 - 0.06 * ring) * rng.uniform(0.94, 1.04))
    out = [copies(one, np.array(turns), np.tile(at, (len(turns), 1)), np.array(shades))]
    out.append(blob(at + way * size * 0.2, size * 0.24, heart, 6, 9))
    return out


def _leaf(at, along, way, size, colour):
    t, s = np.linspace(0, 1, 7), np.linspace(-1, 1, 5)
    width = 0.3 * np.sin(math.pi * t**0.8) + 0.003
    across = np.cross(along, way)
    points = at + size * (
        t[:, None, None] * along + (width[:, None] * s[None])[..., None] * across
        + (0.12 * np.abs(s)[None] * width[:, None] / 0.3 + 0.15 * t[:, None] * (1 - t[:, None]) + 0.05)[..., None] * way
    )  # fmt: skip
    return grid(points, np.asarray(colour) * (0.9 + 0.1 * np.abs(s))[None, :, None])


_GREEN = (0.27, 0.45, 0.24)


def _flower(codes, fit):
    """One large flower above an ear, with leaves."""
    rng = np.random.default_rng(codes.seed)
    side = math.copysign(1.0, codes.sizes[3])
    at, way = _spot(fit, side * (1.18 + 0.12 * codes.sizes[1]), 36.5)
    way = way + [0, 0.1, 0.45]
    way /= np.linalg.norm(way)
    size = fit.unit * (0.028 + 0.007 * codes.sizes[0])
    at = at + way * 0.006 * fit.unit
    out = _blossom(
        at,
        way,
        size,
        5 + int(codes.sizes[4] > 0) + int(codes.sizes[2] > 0),
        codes.colour(0),
        (0.95, 0.8, 0.3),
        rng,
    )
    for along in ((0.0, -0.8, -0.6), (0.0, 0.75, -0.66)):
        along = np.array(along) - way * (np.array(along) @ way)
        out.append(_leaf(at - way * 0.002, along / np.linalg.norm(along), way, size * 1.5, _GREEN))
    if codes.sizes[5] > 0.2:
        at2, way2 = _spot(fit, side * (1.5 + 0.12 * codes.sizes[1]), 38.5)
        out += _blossom(at2 + way2 * 0.004, way2, size * 0.62, 5, codes.colour(1), (0.95, 0.8, 0.3), rng)
    return out


def _wreath(codes, fit):
    """A wreath of flowers and leaves round the head."""
    rng = np.random.default_rng(codes.seed)
    unit = fit.unit
    line = hat_line(fit, 0.35, 0.010 * unit)
    of = np.maximum(fit.smooth, fit.over)
    row = line.row[:-1] + 1.0
    path = fit.on(line.azimuth[:-1], row, 0.004 * unit, of)
    out = [tube(path, 0.0035 * unit, np.array(_GREEN) * 0.75, 6, closed=True)]
    count = 11 + round(2 * codes.sizes[5])
    for k in range(count):
        j = int(64 * (k + 0.5 * (count % 2)) / count) % 64
        way = path[j] - fit.centre
        way = way / np.linalg.norm(way) + [0, 0.15, 0]
        way /= np.linalg.norm(way)
        size = unit * (0.014 + 0.003 * codes.sizes[0]) * rng.uniform(0.75, 1.25)
        colour = codes.colour(int(rng.integers(3)))
        out += _small_blossom(path[j] + way * 0.003 * unit, way, size, colour, rng)
        along = path[(j + 2) % 64] - path[j]
        along = along / np.linalg.norm(along) + [0, rng.choice([-0.5, 0.5]), 0]
        out.append(
            _leaf(
                path[(j + 2) % 64],
                along / np.linalg.norm(along),
                way,
                unit * 0.02,
                np.array(_GREEN) * rng.uniform(0.85, 1.2),
            )
        )
    return out


def _small_blossom(at, way, size, colour, rng):
    right = np.cross([0.02, 1, 0.1], way)
    right /= np.linalg.norm(right)
    up = np.cross(way, right)
    a = 2 * math.pi * np.arange(5) / 5 + rng.uniform(0, 1)
    tips = np.cos(a)[:, None] * up + np.sin(a)[:, None] * right
    turns = (
        np.stack(
            [np.cross(tips, way) * 0.42, tips * 0.5 + way * 0.12, np.broadcast_to(way * 0.16, tips.shape)], 1
        )
        * size
    )
    petals = copies(
        blob((0, 0, 0), 1.0, (1, 1, 1), 5, 7),
        turns,
        at + tips * size * 0.55 + way * 0.1 * size,
        np.tile(colour, (5, 1)),
    )
    return [petals, blob(at + way * size * 0.2, size * 0.26, (0.96, 0.82, 0.35), 5, 7)]


def _headphones(codes, fit):
    """Headphones: a padded bow over the head and a cup on each ear."""
    unit = fit.unit
    size = unit * (0.034 + 0.004 * codes.sizes[0])
    of = np.maximum(fit.over, fit.bust * (np.arange(len(fit.bust)) < 34)[:, None])
    out = [
        hoop(fit, 0.0085, 0.0045, codes.colour(0) * 0.9, 0.0, 3.0, 10, of=np.maximum(fit.over, fit.smooth))
    ]
    outer = 0.5 * (fit.ears["top"] + fit.ears["bottom"])
    middle = 0.35 * fit.ears["root"] + 0.25 * fit.ears["back"] + 0.4 * outer
    azimuth, row, _ = fit.where(middle[1])
    reach = float(
        np.max(
            fit.bust[
                int(row) - 2 : int(row) + 4,
                int(azimuth / (2 * math.pi) * 96) - 3 : int(azimuth / (2 * math.pi) * 96) + 4,
            ]
        )
    )
    del of
    at = np.array([reach * math.sin(azimuth), middle[1, 1], middle[1, 2]])
    at[0] = max(at[0], fit.ears["outer"][1, 0]) + 0.002 * unit
    way = np.array([1.0, 0.06, 0.05])
    way /= np.linalg.norm(way)
    up = np.array([0, 1.0, 0])
    up = up - way * (up @ way)
    up /= np.linalg.norm(up)
    frame = np.stack([at, np.cross(up, way), way, up])
    # A lathe about the ear's axis: cushion, shell, disc.
    from soaplib.synthetic.worn.solids import lathe

    tall = (1.0, 1.22)
    # Cushions reach back to the head around the ear.
    back = max(at[0] - abs(fit.on(np.array([azimuth]), np.array([row]))[0, 0]), 0.012 * unit)
    cushion = lathe(
        [
            (size * 0.62, -back),
            (size * 0.9, -back * 0.98),
            (size * 1.04, -back * 0.6),
            (size * 1.0, -0.1 * back),
            (size * 0.86, 0.002 * unit),
        ],
        frame,
        codes.colour(1) * 0.35 + 0.05,
        28,
        tall,
    )
    shell = lathe(
        [
            (size * 0.92, 0),
            (size * 0.96, 0.006 * unit),
            (size * 0.92, 0.013 * unit),
            (size * 0.78, 0.018 * unit),
            (size * 0.74, 0.019 * unit),
            (size * 0.6, 0.017 * unit),
            (size * 0.3, 0.0175 * unit),
            (0, 0.018 * unit),
        ],
        frame,
        codes.colour(0),
        28,
        tall,
        colours=[codes.colour(0)] * 5 + [codes.colour(1)] * 3,
    )
    path, _ = hoop_path(fit, 0.0045, 0.0, np.maximum(fit.over, fit.smooth))
    yoke = curve(
        [
            path[-5],
            path[-3] + [0.004 * unit, 0, 0],
            at + way * 0.012 * unit + up * size * 1.0,
            at + way * 0.019 * unit + up * size * 0.5,
        ],
        12,
    )
    arm = tube(
        yoke, np.array([0.0055, 0.003]) * unit, codes.colour(0) * 0.8, 8, power=3.0, up=(0.3, 0.1, 1.0)
    )
    cup = [cushion, shell, arm]
    return [*out, *cup, *(s.mirrored() for s in cup)]


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
            out += _small_blossom(
                path[1],
                (path[1] - fit.centre) / np.linalg.norm(path[1] - fit.centre),
                0.012 * unit,
                codes.colour(1),
                np.random.default_rng(codes.seed),
            )
    return out


_MAKERS = {
    "alice": _alice, "bow": _bow, "sweatband": _sweatband, "ribbon": _ribbon, "flower": _flower, "wreath": _wreath,
    "headphones": _headphones, "tiara": _tiara, "clips": _clips,
}  # fmt: skip
