"""Earrings in the lobes, necklaces round the neck."""

import math

import numpy as np

from soaplib.synthetic.pieces import Piece
from soaplib.synthetic.worn.fitting import Fit, lobes
from soaplib.synthetic.worn.necks import Neck
from soaplib.synthetic.worn.patterns import METALS, draw_scheme, rgb
from soaplib.synthetic.worn.solids import blob, copies, join
from soaplib.synthetic.worn.sweeps import curve, tube
from soaplib.synthetic.worn.things import Worn, finish

EARRINGS = ("stud", "gem", "hoop", "drop", "pearl", "disc")
NECKLACES = ("pearls", "chain", "pendant", "choker", "beads")


def draw_earrings(rng: np.random.Generator, style: str) -> Worn:
    """Draw a pair of earrings."""
    shape = str(rng.choice(EARRINGS, p=[0.22, 0.14, 0.3, 0.16, 0.1, 0.08]))
    metal = rgb(METALS[rng.integers(3)])
    scheme = draw_scheme(rng, style)
    gem = (0.94, 0.92, 0.88) if shape == "pearl" else scheme[0]
    return Worn("earrings", shape, (metal, gem, scheme[1]), "plain", _sizes(rng), int(rng.integers(1 << 30)))


def draw_necklace(rng: np.random.Generator, style: str) -> Worn:
    """Draw a necklace."""
    shape = str(rng.choice(NECKLACES, p=[0.2, 0.25, 0.25, 0.18, 0.12]))
    metal = rgb(METALS[rng.integers(3)])
    scheme = draw_scheme(rng, style)
    main = {
        "pearls": (0.94, 0.92, 0.87),
        "beads": scheme[0],
        "choker": rgb("17171a") if rng.random() < 0.5 else scheme[0],
    }
    return Worn(
        "necklace",
        shape,
        (main.get(shape, metal), metal, scheme[0]),
        "plain",
        _sizes(rng),
        int(rng.integers(1 << 30)),
    )


def _sizes(rng):
    return tuple(rng.uniform(-1, 1, 6).round(3).tolist())


def make_earrings(codes: Worn, fit: Fit) -> Piece:
    """Make earrings. sizes: size, thickness or length, stones."""
    size, more, stones = codes.sizes[:3]
    unit, metal, gem = fit.unit, codes.colour(0), codes.colour(1)
    at = fit.ears["lobe"][1].astype(float)
    down = fit.ears["bottom"][1]
    out = np.array([0.85, 0.0, 0.52])
    solids = []
    if codes.shape in ("stud", "gem", "pearl"):
        big = unit * {"stud": 0.0030, "gem": 0.0044, "pearl": 0.0055}[codes.shape] * (1 + 0.2 * size)
        shade = metal if codes.shape == "stud" else gem
        solids.append(blob(at + out * 0.5 * big, big, shade, 8, 11, 2.0 if codes.shape != "gem" else 1.5))
        if codes.shape == "gem":
            solids.append(blob(at + out * 0.1 * big, 0.98 * big, metal, 7, 10))
    elif codes.shape == "hoop":
        radius = unit * (0.015 + 0.008 * size)
        thick = unit * (0.0012 + 0.0006 * (1 + more))
        turn = np.linspace(0, 2 * math.pi, 33)[:-1]
        way = np.array([0.24, 0, 0.97])
        middle = np.array([at[0] + 0.0008 * unit, down[1] + 0.004 * unit - radius, at[2] - 0.003 * unit])
        loop = middle + radius * (np.cos(turn)[:, None] * [0, 1.0, 0] + np.sin(turn)[:, None] * way)
        solids.append(tube(loop, thick, metal, 8, closed=True))
        if stones > 0.4:
            bead = blob((0, 0, 0), 0.0032 * unit, (1, 1, 1), 6, 8)
            low = loop[[12, 14, 16, 18, 20]]
            solids.append(copies(bead, np.tile(np.eye(3), (5, 1, 1)), low, np.tile(gem, (5, 1))))
    elif codes.shape == "drop":
        length = unit * (0.02 + 0.008 * more)
        top = at + out * 0.0015 * unit
        foot = np.array([at[0] + 0.004 * unit, down[1] - length, at[2] + 0.001 * unit])
        path = curve([top, [foot[0], down[1] - 0.1 * length, top[2] + 0.002 * unit], foot], 10)
        solids.append(tube(path, 0.0008 * unit, metal, 6))
        solids.append(blob(top, 0.0026 * unit, metal, 6, 9))
        t = np.linspace(0, 1, 12)
        big = unit * (0.0058 + 0.0012 * size)
        radius = big * np.sqrt(np.clip(1 - (2 * t - 1) ** 2, 0, 1)) * (0.35 + 0.65 * t) + 1e-5
        drop = foot - np.array([0, 1.0, 0]) * (t[:, None] * 2.9 * big - 0.15 * big)
        solids.append(tube(drop, radius, gem, 12, caps=False, up=(0, 0, 1)))
    else:
        radius = unit * (0.0105 + 0.003 * size)
        middle = np.array([at[0] + 0.003 * unit, down[1] - radius - 0.006 * unit, at[2] + 0.001 * unit])
        solids.append(
            tube(np.stack([at + out * 0.002 * unit, middle + [0, radius * 0.8, 0]]), 0.0008 * unit, metal, 6)
        )
        way = np.array([0.6, 0, 0.8])
        axes = np.stack([np.cross([0, 1.0, 0], way) * radius, [0, radius, 0], way * 0.0014 * unit])
        solids.append(blob(middle, axes, metal, 9, 18, 2.4))
        solids.append(blob(middle, axes * [[0.55], [0.55], [1.5]], gem, 8, 14))
    left = join(solids)
    pair = join([left, left.mirrored()])
    count = len(left.vertices)

    def binding(_):
        ids = lobes()
        halves = [fit.hung_on(int(ids[1]), count), fit.hung_on(int(ids[0]), count)]
        return tuple(np.concatenate(parts) for parts in zip(*halves, strict=True))

    return finish(codes, pair, binding, 0.7)


def make_necklace(codes: Worn, fit: Fit) -> Piece:
    """Make a necklace. sizes: size of its beads or links, how low it hangs, pendant."""
    size, low, stone = codes.sizes[:3]
    unit = fit.unit
    neck = Neck(fit)
    column = np.arange(64) / 64 * neck.columns
    front = 0.5 + 0.5 * np.cos(2 * math.pi * column / neck.columns)
    solids = []
    if codes.shape == "choker":
        t = np.linspace(-1, 1, 5)[:, None]
        row = 5.6 - 0.6 * front + (0.28 + 0.12 * size) * t
        lift = unit * (0.0015 + 0.0016 * (1 - t**4))
        solids.append(neck.sheet(row, lift, codes.colour(0)))
        if stone > 0:
            at = neck.at(np.array([4.75]), np.array([0.0]), 0.004 * unit)[0] - [0, 0.006 * unit, 0]
            solids.append(blob(at, np.array([0.006, 0.0075, 0.004]) * unit, codes.colour(2)))
        return finish(codes, join(solids), neck.binding, 0.3)
    bead = (
        unit
        * {"pearls": 0.0043, "beads": 0.0055, "chain": 0.0016, "pendant": 0.0009}[codes.shape]
        * (1 + 0.2 * size)
    )
    row = 3.6 - (1.7 + 0.7 * low) * front**1.6
    loop = neck.at(row, column, bead + 0.0006 * unit)
    length = np.linalg.norm(np.diff(np.concatenate([loop, loop[:1]]), axis=0), axis=1).sum()
    if codes.shape in ("pearls", "beads"):
        count = int(length / (2.02 * bead))
        even = curve(np.concatenate([loop, loop[:1]]), count + 1)[:-1]
        grade = 0.82 + 0.18 * np.cos(np.linspace(0, 2 * math.pi, count, endpoint=False))
        shades = np.tile(codes.colour(0), (count, 1))
        if codes.shape == "beads":
            shades[::3] = codes.colour(2)
            shades[1::3] = codes.colour(1)
        turns = np.tile(np.eye(3) * bead, (count, 1, 1)) * (
            grade[:, None, None] if codes.shape == "pearls" else 1
        )
        solids.append(copies(blob((0, 0, 0), 1.0, (1, 1, 1), 6, 8), turns, even, shades))
    else:
        solids.append(tube(loop, bead, codes.colour(0), 6, closed=True))
    if codes.shape == "pendant":
        at = loop[0] + np.array([0, -0.010, 0.0025]) * unit
        kind = stone > 0
        solids.append(
            blob(
                at,
                np.array([0.0075, 0.0095, 0.0032]) * unit,
                codes.colour(2) if kind else codes.colour(0),
                8,
                14,
                2.0,
            )
        )
        solids.append(
            blob(
                at + [0, 0.010 * unit, -0.001 * unit],
                np.array([0.002, 0.003, 0.0015]) * unit,
                codes.colour(0),
                5,
                7,
            )
        )
    return finish(codes, join(solids), neck.binding, 0.7)
