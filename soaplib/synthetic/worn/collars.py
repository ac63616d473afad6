"""Clothes at the neck: jumpers, shirts, hoodies, coats, scarves; they hide where the head model ends."""

import math

import numpy as np

from soaplib.synthetic.pieces import Piece
from soaplib.synthetic.worn.cloth import cover, from_front, front_of, rib, roll
from soaplib.synthetic.worn.fitting import Fit
from soaplib.synthetic.worn.necks import Neck
from soaplib.synthetic.worn.patterns import draw_scheme
from soaplib.synthetic.worn.shirts import jacket, sailor, shirt
from soaplib.synthetic.worn.solids import blob, copies, grid, join
from soaplib.synthetic.worn.sweeps import curve, tube
from soaplib.synthetic.worn.things import Worn, finish

SHAPES = ("crew", "vneck", "turtleneck", "shirt", "hoodie", "scarf", "robe", "sailor", "jacket")


def draw_collar(rng: np.random.Generator, style: str) -> Worn:
    """Draw what is worn at the neck."""
    weights = {"realistic": [26, 14, 10, 20, 12, 6, 4, 1, 9], "anime": [12, 8, 8, 16, 14, 8, 10, 18, 8]}.get(
        style, [22, 10, 14, 16, 14, 12, 6, 4, 5]
    )
    shape = str(rng.choice(SHAPES, p=np.array(weights) / sum(weights)))
    pattern = {
        "crew": ["plain", "plain", "stripes", "knit"],
        "turtleneck": ["ribs", "knit", "plain"],
        "scarf": ["stripes", "knit", "plaid", "ribs", "plain"],
        "shirt": ["plain", "plain", "bars", "weave", "plaid"],
        "vneck": ["plain", "knit", "nordic"],
        "jacket": ["plain", "plain", "weave", "plaid"],
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


def _crew(codes, fit, neck):
    high = 2.3 + 0.5 * codes.sizes[0]
    line = high - (0.9 + 0.5 * codes.sizes[1]) * front_of() ** 1.5
    main = codes.colour(0)
    trim = codes.colour(1) if codes.sizes[5] > 0.2 else main * 0.92
    return [
        *cover(codes, neck, line, 0.0045 * fit.unit, main),
        *rib(neck, line, 0.75, trim),
    ]


def _vneck(codes, fit, neck):
    turn = from_front()
    deep = 3.2 + 0.8 * codes.sizes[1]
    line = 2.6 - deep * np.clip(1 - turn / 1.15, 0, 1)
    main = codes.colour(0)
    return [
        *cover(codes, neck, line, 0.0045 * fit.unit, main),
        *rib(neck, line, 0.6, codes.colour(1) if codes.sizes[5] > 0 else main * 0.92),
    ]


def _turtleneck(codes, fit, neck):
    unit = fit.unit
    main = codes.colour(0)
    top = 6.0 + 0.9 * codes.sizes[0] - 0.9 * front_of()
    base = np.full(65, 2.0) - 0.6 * front_of()
    t = np.linspace(0, 1, 16)[:, None]
    # Up the neck inside, rolled over outwards and down again.
    s = np.clip(t / 0.55, 0, 1)
    lift = unit * (0.004 + 0.0035 * s)
    inner = neck.at(base + s * (top - base), np.linspace(0, 64, 65), np.broadcast_to(lift, (16, 65)))[:10]
    fold = np.linspace(0, 1, 12)[:, None]
    thick = unit * (0.0075 + 0.0025 * codes.sizes[2])
    bulge = unit * 0.0075 + thick * (0.35 + 0.65 * np.sin(math.pi * np.clip(fold * 0.8 + 0.12, 0, 1)))
    row = top + 0.15 * np.sin(math.pi * np.clip(fold / 0.25, 0, 1)) - fold * (2.1 + 0.5 * codes.sizes[3])
    rng = np.random.default_rng(codes.seed)
    turn = np.linspace(0, 2 * math.pi, 65)
    slump = (
        sum(np.sin(k * turn + rng.uniform(0, 6.28)) for k in (2, 3, 5)) * 0.0009 * unit * (1 + codes.sizes[4])
    )
    outer = neck.at(row, np.linspace(0, 64, 65), bulge + slump * fold)
    roll = grid(np.concatenate([outer[::-1], inner[::-1][:3]]), main, True, uv=True)
    return [*cover(codes, neck, base + 2.8, 0.0045 * unit, main), roll,
            tube(outer[-1, :-1] + [0, 0.0005, 0], 0.0024 * unit, main * 0.9, 6, closed=True)]  # fmt: skip


def _hoodie(codes, fit, neck):
    """A jumper with its hood lying behind: a thick roll round the neck that widens at the back."""
    unit = fit.unit
    main = codes.colour(0)
    line = 2.2 - 1.2 * front_of() ** 1.5
    out = cover(codes, neck, line, 0.005 * unit, main)
    turn = np.linspace(0, 2 * math.pi, 65)
    back = 0.5 - 0.5 * np.cos(turn)
    rng = np.random.default_rng(codes.seed)
    wave = sum(np.sin(k * turn + rng.uniform(0, 6.28)) / k for k in (2, 3, 5))
    out += roll(
        neck,
        2.2 + 0.6 * back - 1.0 * (1 - back) ** 2,
        unit * (0.007 + 0.017 * back**1.3 * (1 + 0.2 * codes.sizes[2])),
        1.25,
        main,
        0.06 * wave,
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


def _scarf(codes, fit, neck):
    """A scarf wound twice, one end hanging in front."""
    unit = fit.unit
    rng = np.random.default_rng(codes.seed)
    turn = np.linspace(0, 2 * math.pi, 65)
    main = codes.colour(0)
    out = cover(codes, neck, np.full(65, 1.2), 0.0045 * unit, codes.colour(2))
    thick = unit * (0.0135 + 0.0025 * codes.sizes[2])
    for k, (row, tilt, phase) in enumerate(((1.5, 0.5, 0.3), (3.4, 0.6, 2.8))):
        wave = sum(np.sin(j * turn + rng.uniform(0, 6.28)) / j for j in (3, 4, 7)) * 0.10
        line = (
            row
            + tilt * np.cos(turn - phase)
            + 0.35 * (0.5 - 0.5 * np.cos(turn)) * k
            - 0.5 * k * (0.5 + 0.5 * np.cos(turn))
        )
        out += roll(neck, line, thick * (1.12 - 0.12 * k) * np.ones(65), 1.3, main * (1 - 0.04 * k), wave)
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
    out = cover(codes, neck, line, 0.0045 * unit, codes.colour(0))
    for k, (lift, shade, inset) in enumerate(
        ((0.0045, codes.colour(1), 0.55), (0.0075, codes.colour(0) * 0.93, 0.0))
    ):
        wide = 1.35 if k else 0.9
        s = np.linspace(-1, 1, 7)[:, None]
        for side in (1, -1):
            column = np.concatenate([np.linspace(-4.0, 14, 22), np.linspace(15, 32, 12)])
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


_MAKERS = {
    "crew": _crew,
    "vneck": _vneck,
    "turtleneck": _turtleneck,
    "shirt": shirt,
    "hoodie": _hoodie,
    "scarf": _scarf,
    "robe": _robe,
    "sailor": sailor,
    "jacket": jacket,
}
