"""Clothes with a collar of leaves: shirts, jackets over shirts, sailors' blouses."""

import math

import numpy as np

from soaplib.parts.smoothstep import smoothstep
from soaplib.synthetic.worn.bows import bow
from soaplib.synthetic.worn.cloth import cover, from_front, front_of
from soaplib.synthetic.worn.fitting import Fit
from soaplib.synthetic.worn.necks import Neck
from soaplib.synthetic.worn.solids import blob, edges, grid
from soaplib.synthetic.worn.sweeps import curve, tube
from soaplib.synthetic.worn.things import Worn


def shirt(codes: Worn, fit: Fit, neck: Neck) -> list:
    """A shirt, closed with buttons and at times a tie or a bow, or open at the neck."""
    main = codes.colour(1) if codes.pattern == "plain" else codes.colour(0)
    return _shirt(codes, fit, neck, main, max(codes.sizes[1], -0.2))


def _shirt(codes, fit, neck, main, open_, under=False):
    unit = fit.unit
    if open_ > 0:
        slit = np.clip(1 - from_front() / (0.42 + 0.22 * open_), 0, 1)
        line = 3.0 - (3.2 + 1.2 * open_) * slit**0.9
    else:
        line = 3.0 - 0.7 * front_of() ** 2
    out = cover(codes, neck, line, 0.0042 * unit, main, under)
    # The leaves: from the fold at the top of the stand down and outwards, longer to their points in front.
    gap = 0.05 + 0.30 * max(open_, 0)
    side = np.linspace(gap, 2 * math.pi - gap, 49)
    column = side / (2 * math.pi) * 64
    ahead = np.minimum(side, 2 * math.pi - side)
    dip = 0.7 * np.exp(-((ahead / 0.3) ** 2)) * (1 + 1.2 * max(open_, 0))
    top = 5.3 + 0.5 * codes.sizes[0] - 1.25 * (0.5 + 0.5 * np.cos(side)) - dip
    point = np.exp(-((np.clip(ahead - gap, 0, None) / 0.30) ** 2))
    length = 2.15 + (1.5 + 0.6 * codes.sizes[3]) * point
    t = np.linspace(0, 1, 9)[:, None]
    row = top + 0.12 * np.sin(math.pi * np.clip(t * 3, 0, 1)) - t * length
    lift = unit * (0.0065 + 0.0080 * np.sin(np.clip(t * 1.25, 0, 1) * math.pi / 2) + 0.002 * t * point)
    # Points drift back from the middle.
    drift = 1.3 * point * t**1.2 * (1 if open_ <= 0 else 1.6) * np.where(side < math.pi, 1, -1)
    leaf = neck.at(row, column + drift, lift)[::-1]
    stand = neck.at(
        np.stack([top - 1.8, top - 0.8, top]), column, np.array([[0.0042], [0.0048], [0.0062]]) * unit
    )
    out.append(grid(leaf, main, uv=None if under else _woven(column, 9)))
    out.append(grid(stand, main * 0.92))
    if not under:
        out += edges(leaf, 0.0014 * unit, main * 0.94, rounds=1)
    if open_ <= 0:
        out += _buttons(codes, fit, neck, main)
        if codes.sizes[5] > 0.35:
            out += _tie(codes, fit, neck)
    return out


def jacket(codes: Worn, fit: Fit, neck: Neck) -> list:
    """A jacket's lapels over a closed shirt."""
    unit = fit.unit
    pale = 0.55 + 0.45 * codes.colour(1)
    out = _shirt(codes, fit, neck, pale, -0.2, True)
    line = 3.4 - 5.0 * np.clip(1 - from_front() / 1.0, 0, 1)
    out += cover(codes, neck, np.maximum(line, neck.end + 0.02), 0.0085 * unit, codes.colour(0))
    gap = 0.16
    side = np.linspace(gap, 2 * math.pi - gap, 45)
    ahead = np.minimum(side, 2 * math.pi - side)
    column = side / (2 * math.pi) * 64
    end = np.interp(column, np.arange(65), neck.end)
    top = np.maximum(3.55 - 5.0 * np.clip(1 - ahead / 1.0, 0, 1), end + 0.1)
    # The notch parts the collar from the lapel.
    notch = np.exp(-(((ahead - 0.72) / 0.05) ** 2))
    length = np.minimum((1.75 + 0.9 * smoothstep(1.0, 0.55, ahead)) * (1 - 0.4 * notch), top - end)
    t = np.linspace(0, 1, 8)[:, None]
    drift = 1.5 * smoothstep(1.1, 0.4, ahead) * t * np.where(side < math.pi, 1, -1)
    lift = unit * (0.0095 + 0.0045 * np.sin(np.clip(t * 1.2, 0, 1) * math.pi / 2))
    leaf = neck.at(top - t * length, column + drift, lift)[::-1]
    shade = codes.colour(0) * 0.9
    return [
        *out,
        grid(leaf, shade, uv=_woven(column, 8)),
        *edges(leaf, 0.0016 * unit, shade * 0.92, rounds=1),
    ]


def _woven(column, rows):
    """Let a leaf show the pattern in the scale of the cloth below it."""
    u, v = np.meshgrid(column / 64, np.linspace(0.05, 0.4, rows))
    return np.stack([u, v], -1)


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


def sailor(codes: Worn, fit: Fit, neck: Neck) -> list:
    """A sailor's collar: broad leaves with a stripe, square behind, and a scarf's bow in front."""
    unit = fit.unit
    near = from_front()
    line = 2.4 - 3.6 * np.clip(1 - near / 1.0, 0, 1)
    white = np.maximum(codes.colour(1), 0.75)
    out = cover(codes, neck, line, 0.0045 * unit, white)
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
