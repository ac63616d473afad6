"""Clothes at the neck: jumpers, shirts, hoodies, coats, scarves; they hide where the head model ends."""

import math

import numpy as np

from soaplib.parts.smoothstep import smoothstep
from soaplib.synthetic.pieces import Piece
from soaplib.synthetic.worn.bows import bow
from soaplib.synthetic.worn.fitting import Fit
from soaplib.synthetic.worn.necks import Neck
from soaplib.synthetic.worn.patterns import draw_scheme
from soaplib.synthetic.worn.solids import blob, copies, curve, edges, grid, join, tube
from soaplib.synthetic.worn.things import Worn, finish

SHAPES = ("crew", "vneck", "turtleneck", "shirt", "hoodie", "scarf", "robe", "sailor")


def draw_collar(rng: np.random.Generator, style: str) -> Worn:
    """Draw what is worn at the neck."""
    weights = {"realistic": [26, 14, 10, 24, 12, 6, 5, 1], "anime": [12, 8, 8, 20, 14, 8, 12, 18]}.get(
        style, [22, 10, 14, 18, 14, 12, 6, 4]
    )
    shape = str(rng.choice(SHAPES, p=np.array(weights) / sum(weights)))
    pattern = {
        "crew": ["plain", "plain", "stripes", "knit"],
        "turtleneck": ["ribs", "knit", "plain"],
        "scarf": ["stripes", "knit", "plaid", "ribs", "plain"],
        "shirt": ["plain", "plain", "bars", "weave", "plaid"],
        "vneck": ["plain", "knit", "nordic"],
    }.get(shape, ["plain", "weave"])
    sizes = tuple(rng.uniform(-1, 1, 6).round(3).tolist())
    return Worn(
        "collar", shape, draw_scheme(rng, style), str(rng.choice(pattern)), sizes, int(rng.integers(1 << 30))
    )


def make_collar(codes: Worn, fit: Fit) -> Piece:
    """Make a collar. sizes: height, openness in front, thickness, length of its leaves, folds, buttons or cords."""
    neck = Neck(fit)
    solids = _MAKERS[codes.shape](codes, fit, neck)
    return finish(codes, join(solids), neck.binding, 0.05, "clothes")


def _front(columns=64):
    """Rise to 1 in front, 0 behind, for each of the columns + 1."""
    return 0.5 + 0.5 * np.cos(np.linspace(0, 2 * math.pi, columns + 1))


def _yoke(codes, fit, neck, line, lift, colour, seed=0):
    """Lay the cloth below a neckline (rows per column) down past the neck's end, with a turned hem."""
    unit = fit.unit
    t = np.linspace(0, 1, 14)[:, None]
    row = neck.end + t * (line - neck.end)
    rng = np.random.default_rng(seed)
    turn = np.linspace(0, 2 * math.pi, 65)
    wave = sum(np.sin(k * turn + rng.uniform(0, 6.28)) for k in (3, 5, 7))
    loose = (
        lift
        + unit * 0.0012 * (1 + codes.sizes[4]) * np.clip(wave, -0.5, 3) * smoothstep(1, 0.3, t)
        + unit * 0.002 * (1 - t)
    )
    points = neck.at(row, np.linspace(0, 64, 65), loose)
    out = [grid(points, colour, True, uv=True)]
    out.append(tube(points[0, :-1], 0.0022 * unit, np.asarray(colour) * 0.9, 6, closed=True))
    return out


def _rib(neck, fit, line, wide, colour, thick=0.0030):
    """Knit the band along a neckline."""
    t = np.linspace(-1, 1, 7)[:, None]
    lift = fit.unit * (0.0045 + thick * np.sqrt(np.clip(1 - t**4, 0, 1)))
    row = line + wide * 0.5 * t
    shade = np.asarray(colour) * (1 - 0.10 * (np.arange(129) % 2))[None, :, None] + np.zeros((7, 1, 1))
    line = np.interp(np.linspace(0, 64, 129), np.arange(65), line) if np.ndim(line) else line
    row = line + wide * 0.5 * t
    return [neck.sheet(np.broadcast_to(row, (7, 129)), lift, shade, 128)]


def _crew(codes, fit, neck):
    high = 2.3 + 0.5 * codes.sizes[0]
    line = high - (0.9 + 0.5 * codes.sizes[1]) * _front() ** 1.5
    main = codes.colour(0)
    trim = codes.colour(1) if codes.sizes[5] > 0.2 else main * 0.92
    return [
        *_yoke(codes, fit, neck, line, 0.0045 * fit.unit, main, codes.seed),
        *_rib(neck, fit, line, 0.75, trim),
    ]


def _vneck(codes, fit, neck):
    turn = np.minimum(np.linspace(0, 64, 65), 64 - np.linspace(0, 64, 65)) / 64 * 2 * math.pi
    deep = 3.2 + 0.8 * codes.sizes[1]
    line = 2.6 - deep * np.clip(1 - turn / 1.15, 0, 1)
    main = codes.colour(0)
    return [
        *_yoke(codes, fit, neck, line, 0.0045 * fit.unit, main, codes.seed),
        *_rib(neck, fit, line, 0.6, codes.colour(1) if codes.sizes[5] > 0 else main * 0.92),
    ]


def _turtleneck(codes, fit, neck):
    unit = fit.unit
    main = codes.colour(0)
    top = 6.0 + 0.9 * codes.sizes[0] - 0.9 * _front()
    base = np.full(65, 2.0) - 0.6 * _front()
    t = np.linspace(0, 1, 16)[:, None]
    # Up the neck inside, rolled over outwards and down again.
    s = np.clip(t / 0.55, 0, 1)
    lift = unit * (0.004 + 0.0035 * s)
    inner = neck.at(base + s * (top - base), np.linspace(0, 64, 65), np.broadcast_to(lift, (16, 65)))[:10]
    fold = np.linspace(0, 1, 12)[:, None]
    thick = unit * (0.0075 + 0.0025 * codes.sizes[2])
    bulge = unit * 0.0075 + thick * (0.35 + 0.65 * np.sin(math.pi * np.clip(fold * 0.8 + 0.12, 0, 1)))
    row = (
        top + 0.15 * np.sin(math.pi * np.clip(fold / 0.25, 0, 1)) - fold * (2.1 + 0.5 * codes.sizes[3]) * 1.0
    )
    rng = np.random.default_rng(codes.seed)
    turn = np.linspace(0, 2 * math.pi, 65)
    slump = (
        sum(np.sin(k * turn + rng.uniform(0, 6.28)) for k in (2, 3, 5)) * 0.0009 * unit * (1 + codes.sizes[4])
    )
    outer = neck.at(row, np.linspace(0, 64, 65), bulge + slump * fold)
    roll = grid(np.concatenate([outer[::-1], inner[::-1][:3] * 1.0]), main, True, uv=True)
    return [*_yoke(codes, fit, neck, base + 1.2, 0.0045 * unit, main, codes.seed), roll,
            tube(outer[-1, :-1] + [0, 0.0005, 0], 0.0024 * unit, main * 0.9, 6, closed=True)]  # fmt: skip


def _shirt(codes, fit, neck):
    unit = fit.unit
    main = codes.colour(0) if codes.pattern != "plain" else np.maximum(codes.colour(1), 0.0)
    open_ = max(codes.sizes[1], -0.2)
    turn = np.minimum(np.linspace(0, 64, 65), 64 - np.linspace(0, 64, 65)) / 64 * 2 * math.pi
    line = (
        3.0 - (3.2 + 1.2 * open_) * np.clip(1 - turn / (0.42 + 0.22 * open_), 0, 1) ** 0.9
        if open_ > 0
        else 3.0 - 0.7 * _front() ** 2
    )
    out = _yoke(codes, fit, neck, line, 0.0042 * unit, main, codes.seed)
    # The leaves: from the fold at the top of the stand down and outwards, longer to their points in front.
    gap = 0.05 + 0.30 * max(open_, 0)
    side = np.linspace(gap, 2 * math.pi - gap, 61)
    column = side / (2 * math.pi) * 64
    ahead = np.minimum(side, 2 * math.pi - side)
    top = (
        5.3
        + 0.5 * codes.sizes[0]
        - 1.25 * (0.5 + 0.5 * np.cos(side))
        - 0.7 * np.exp(-((ahead / 0.3) ** 2)) * (1 + 1.2 * max(open_, 0))
    )
    point = np.exp(-((np.clip(ahead - gap, 0, None) / 0.30) ** 2))
    length = 2.15 + (1.5 + 0.6 * codes.sizes[3]) * point
    t = np.linspace(0, 1, 10)[:, None]
    row = top + 0.12 * np.sin(math.pi * np.clip(t * 3, 0, 1)) - t * length
    lift = unit * (0.0065 + 0.0080 * np.sin(np.clip(t * 1.25, 0, 1) * math.pi / 2) + 0.002 * t * point)
    # Points drift back from the middle.
    drift = 1.3 * point * t**1.2 * (1 if open_ <= 0 else 1.6) * np.where(side < math.pi, 1, -1)
    leaf = neck.at(row, column + drift, np.broadcast_to(lift, row.shape))[::-1]
    shade = np.asarray(main) * 1.0
    out += [grid(leaf, shade), *edges(leaf, 0.0014 * unit, shade * 0.94, rounds=1)]
    seam = np.concatenate([leaf[1, 2:-2]]) + 0.0006 * (leaf[1, 2:-2] - leaf[1].mean(0)) / np.linalg.norm(
        leaf[1, 2:-2] - leaf[1].mean(0), axis=1, keepdims=True
    )
    del seam
    stand_row = np.stack(
        [np.clip(line, None, 3.0)[np.round(column).astype(int) % 64] * 0 + top - 1.8, top - 0.8, top]
    )
    stand = neck.at(stand_row, column, np.array([[0.0042], [0.0048], [0.0062]]) * unit)
    out.append(grid(stand, shade * 0.92))
    if open_ <= 0:
        out += _buttons(codes, fit, neck, main)
        if codes.sizes[5] > 0.35:
            out += _tie(codes, fit, neck)
    return out


def _buttons(codes, fit, neck, main):
    unit = fit.unit
    row = np.linspace(2.0, neck.end[0], 9)
    x = np.linspace(-1, 1, 5)
    placket = neck.at(row[::-1, None], x * 0.95, unit * (0.0075 + 0.0012 * (1 - x**4)) + np.zeros((9, 1)))
    out = [grid(placket, np.asarray(main) * 0.97)]
    at = neck.at(np.array([0.9, -1.4]), np.zeros(2), 0.0095 * unit)
    for place in at:
        out.append(
            blob(
                place,
                np.array([0.0045, 0.0045, 0.0016]) * unit,
                np.asarray(codes.colour(2)) * 0.4 + 0.55,
                6,
                12,
                2.6,
            )
        )
    return out


def _tie(codes, fit, neck):
    unit = fit.unit
    at = neck.at(np.array([2.3]), np.zeros(1), 0.0125 * unit)[0]
    low = neck.at(np.array([neck.end[0] + 0.2]), np.zeros(1), 0.0125 * unit)[0]
    if codes.sizes[4] > 0.2:
        return bow(
            at + [0, -0.002 * unit, 0.002 * unit],
            np.array([0, 0.2, 0.98]),
            np.array([1.0, 0, 0]),
            0.034 * unit,
            codes.colour(2),
        )
    path = curve(
        [
            at + [0, -0.006 * unit, 0.001 * unit],
            0.6 * at + 0.4 * low + [0, 0, 0.006 * unit],
            low + [0, 0, 0.003 * unit],
        ],
        10,
    )
    width = np.linspace(0.008, 0.019, 10) * unit
    cloth = tube(
        path,
        np.stack([width, np.full(10, 0.0022 * unit)], -1),
        codes.colour(2),
        10,
        up=(0, 0.3, 1.0),
        power=3.5,
    )
    knot = blob(
        at + [0, -0.002 * unit, 0.003 * unit],
        np.array([0.0115, 0.0105, 0.0065]) * unit,
        codes.colour(2) * 0.92,
        8,
        12,
        2.8,
    )
    return [cloth, knot]


def _hoodie(codes, fit, neck):
    """A jumper with its hood lying behind: a thick roll round the neck that widens at the back."""
    unit = fit.unit
    main = codes.colour(0)
    line = 2.2 - 1.2 * _front() ** 1.5
    out = _yoke(codes, fit, neck, line, 0.005 * unit, main, codes.seed)
    turn = np.linspace(0, 2 * math.pi, 65)
    back = 0.5 - 0.5 * np.cos(turn)
    rng = np.random.default_rng(codes.seed)
    wave = sum(np.sin(k * turn + rng.uniform(0, 6.28)) / k for k in (2, 3, 5))
    out += _roll(
        neck,
        fit,
        2.2 + 0.6 * back - 1.0 * (1 - back) ** 2,
        unit * (0.007 + 0.017 * back**1.3 * (1 + 0.2 * codes.sizes[2])),
        1.25,
        main,
        0.06 * wave,
        True,
    )
    # The hood's bag hangs down behind.
    side = np.linspace(-1, 1, 25)
    t = np.linspace(0, 1, 12)[:, None]
    column = 32 + side * (17 - 4 * t)
    row = 2.2 - t * (4.6 + 0.6 * codes.sizes[3]) * np.sqrt(np.clip(1.02 - side**2, 0, 1))
    puff = unit * (
        0.006 + 0.034 * np.sin(math.pi * (0.25 + 0.75 * t)) ** 0.8 * np.sqrt(np.clip(1 - side**4, 0, 1))
    )
    bag = neck.at(row, column, puff)[::-1]
    out.append(grid(bag, main * 0.97, False))
    for side_ in (-1, 1):
        start = neck.at(np.array([1.1]), np.array([side_ * 3.0]), 0.013 * unit)[0]
        low = neck.at(np.array([neck.end[0] + 0.4]), np.array([side_ * 3.6]), 0.011 * unit)[0]
        path = curve([start, 0.5 * (start + low) + [0, 0, 0.004 * unit], low], 9)
        out.append(tube(path, 0.0022 * unit, codes.colour(1), 7))
        out.append(blob(low, np.array([0.0032, 0.006, 0.0032]) * unit, codes.colour(2), 6, 8))
    return out


def _roll(neck, fit, row, radius, flat, colour, wave=0.0, uv=None):
    """Lay a thick roll round the neck; row and radius per column (65,)."""
    column = np.linspace(0, 64, 65)
    middle = neck.at(row, column, radius * 0.8 + 0.003 * fit.unit)
    along = np.gradient(middle, axis=0)
    along[0] = along[-1] = middle[1] - middle[-2]
    along /= np.linalg.norm(along, axis=1, keepdims=True)
    out = middle - middle[:-1].mean(0)
    out = out * [1, 0.15, 1]
    out -= along * (out * along).sum(1, keepdims=True)
    out /= np.linalg.norm(out, axis=1, keepdims=True)
    up = np.cross(out, along)
    turn = np.linspace(0, 2 * math.pi, 13)[:, None, None]
    size = (radius * (1 + wave))[:, None]
    points = middle - up * size * flat * np.cos(turn) + out * size * np.sin(turn)
    return [grid(points, colour, True, uv=uv)]


def _scarf(codes, fit, neck):
    """A scarf wound twice, one end hanging in front."""
    unit = fit.unit
    rng = np.random.default_rng(codes.seed)
    turn = np.linspace(0, 2 * math.pi, 65)
    main = codes.colour(0)
    out = _yoke(codes, fit, neck, np.full(65, 1.2), 0.0045 * unit, codes.colour(2), codes.seed)
    thick = unit * (0.0135 + 0.0025 * codes.sizes[2])
    for k, (row, tilt, phase) in enumerate(((1.5, 0.5, 0.3), (3.4, 0.6, 2.8))):
        wave = sum(np.sin(j * turn + rng.uniform(0, 6.28)) / j for j in (3, 4, 7)) * 0.10
        line = (
            row
            + tilt * np.cos(turn - phase)
            + 0.35 * (0.5 - 0.5 * np.cos(turn)) * k
            - 0.5 * k * (0.5 + 0.5 * np.cos(turn))
        )
        out += _roll(
            neck, fit, line, thick * (1.12 - 0.12 * k) * np.ones(65), 1.3, main * (1 - 0.04 * k), wave, True
        )
    side = 1 if codes.sizes[3] > 0 else -1
    start = neck.at(np.array([2.4]), np.array([side * 4.0]), 2.2 * thick)[0]
    low = neck.at(np.array([neck.end[0]]), np.array([side * 5.0]), 0.015 * unit)[0]
    path = curve([start, start * 0.5 + low * 0.5 + [0, 0, 0.01 * unit], low, low + [0, -0.02 * unit, 0]], 12)
    width = np.linspace(0.016, 0.023, 12) * unit
    out.append(
        tube(
            path,
            np.stack([width, np.full(12, 0.005 * unit)], -1),
            main,
            14,
            up=(0, 0.35, 1.0),
            power=3.0,
            uv=True,
        )
    )
    count = 9
    x = np.linspace(-0.9, 0.9, count)
    right = np.array([1.0, 0, 0])
    fringe = tube(
        np.array([[0, 0, 0], [0, -0.005, 0.0005], [0, -0.012, 0]]) * unit, 0.0016 * unit, (1, 1, 1), 5
    )
    out.append(
        copies(
            fringe,
            np.tile(np.eye(3), (count, 1, 1)),
            path[-1] + x[:, None] * right * width[-1],
            np.tile(main * 0.95, (count, 1)),
        )
    )
    return out


def _robe(codes, fit, neck):
    """Two lapels crossed in front over a shirt's edge, as a kimono or bathrobe."""
    unit = fit.unit
    turn = np.linspace(0, 2 * math.pi, 65)
    near = np.minimum(turn, 2 * math.pi - turn)
    line = 3.0 - 4.6 * np.clip(1 - near / 1.25, 0, 1)
    out = _yoke(codes, fit, neck, line, 0.0045 * unit, codes.colour(0), codes.seed)
    for k, (lift, shade, inset) in enumerate(
        ((0.0045, codes.colour(1), 0.55), (0.0075, codes.colour(0) * 0.93, 0.0))
    ):
        wide = 1.35 if k else 0.9
        s = np.linspace(-1, 1, 7)[:, None]
        for side in (1, -1):
            column = np.concatenate([np.linspace(-4.0, 14, 22), np.linspace(15, 32, 12)]) if True else None
            c = column / 64 * 2 * math.pi
            row = (
                3.1
                + inset
                - 4.6 * np.clip(1 - np.clip(c + 0.12, 0, None) / 1.25, 0, 1)
                - 1.6 * np.clip(-c, 0, None)
                + 0.3 * (c / math.pi)
            )
            rows = row + 0.5 * wide * s
            up = lift + 0.0035 * (1 - s**4) + (0.002 if side > 0 else 0.0) + np.zeros_like(rows)
            points = neck.at(rows, side * column, up * unit)
            out.append(grid(points if side > 0 else points[:, ::-1], shade))
    return out


def _sailor(codes, fit, neck):
    """A sailor's collar: broad leaves with a stripe, square behind, and a scarf's bow in front."""
    unit = fit.unit
    turn = np.linspace(0, 2 * math.pi, 65)
    near = np.minimum(turn, 2 * math.pi - turn)
    line = 2.4 - 3.6 * np.clip(1 - near / 1.0, 0, 1)
    shirt = np.maximum(codes.colour(1), 0.75)
    out = _yoke(codes, fit, neck, line, 0.0045 * unit, shirt, codes.seed)
    gap = 0.10
    side = np.linspace(gap, 2 * math.pi - gap, 61)
    column = side / (2 * math.pi) * 64
    ahead = np.minimum(side, 2 * math.pi - side)
    top = 2.9 - 3.4 * np.clip(1 - ahead / 1.0, 0, 1)
    t = np.linspace(0, 1, 11)[:, None]
    length = 1.2 + 3.6 * smoothstep(0.0, 0.9, ahead)
    row = top - t * np.minimum(length, top - neck.end[0] - 0.15)
    leaf = neck.at(row, column, unit * (0.0075 + 0.003 * np.sin(math.pi * np.clip(t * 1.2, 0, 1)) + 0 * row))[
        ::-1
    ]
    shade = np.broadcast_to(codes.colour(0), leaf.shape).copy()
    shade[1:2] = np.maximum(codes.colour(1), 0.8)
    out += [grid(leaf, shade), *edges(leaf, 0.0016 * unit, codes.colour(0) * 0.9, rounds=1)]
    at = neck.at(np.array([-0.9]), np.zeros(1), 0.012 * unit)[0]
    out += bow(
        at,
        np.array([0, 0.25, 0.97]),
        np.array([1.0, 0, 0]),
        0.036 * unit,
        codes.colour(2),
        0.4 if codes.sizes[5] > 0 else 0.0,
    )
    return out


_MAKERS = {
    "crew": _crew,
    "vneck": _vneck,
    "turtleneck": _turtleneck,
    "shirt": _shirt,
    "hoodie": _hoodie,
    "scarf": _scarf,
    "robe": _robe,
    "sailor": _sailor,
}
