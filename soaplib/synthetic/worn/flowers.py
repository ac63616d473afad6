"""Flowers in the hair: a large one over an ear, a wreath round the head."""

import math

import numpy as np

from soaplib.synthetic.worn.fitting import Fit
from soaplib.synthetic.worn.seats import hat_line
from soaplib.synthetic.worn.solids import blob, copies, grid
from soaplib.synthetic.worn.sweeps import tube
from soaplib.synthetic.worn.things import Worn

_GREEN = np.array([0.27, 0.45, 0.24])
_YELLOW = (0.96, 0.82, 0.35)


def flower(codes: Worn, fit: Fit) -> list:
    """One large flower above an ear, with leaves."""
    rng = np.random.default_rng(codes.seed)
    side = math.copysign(1.0, codes.sizes[3])
    at, way = fit.spot(side * (1.18 + 0.12 * codes.sizes[1]), 36.5)
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
        _YELLOW,
        rng,
    )
    for along in ((0.0, -0.8, -0.6), (0.0, 0.75, -0.66)):
        along = np.array(along) - way * (np.array(along) @ way)
        out.append(_leaf(at - way * 0.002, along / np.linalg.norm(along), way, size * 1.5, _GREEN))
    if codes.sizes[5] > 0.2:
        at2, way2 = fit.spot(side * (1.5 + 0.12 * codes.sizes[1]), 38.5)
        out += _blossom(at2 + way2 * 0.004, way2, size * 0.62, 5, codes.colour(1), _YELLOW, rng)
    return out


def wreath(codes: Worn, fit: Fit) -> list:
    """A wreath of flowers and leaves round the head."""
    rng = np.random.default_rng(codes.seed)
    unit = fit.unit
    line = hat_line(fit, 0.35, 0.010 * unit)
    of = np.maximum(fit.smooth, fit.over)
    path = fit.on(line.azimuth[:-1], line.row[:-1] + 1.0, 0.004 * unit, of)
    count = 12 + round(3 * codes.sizes[5])
    k = (64 * np.arange(count) / count).astype(int)
    ways = _unit(_unit(path - fit.centre) + [0, 0.15, 0])
    size = unit * (0.015 + 0.003 * codes.sizes[0]) * rng.uniform(0.75, 1.25, count)
    shades = np.asarray(codes.colours)[rng.integers(3, size=count)]
    out = [tube(path, 0.0035 * unit, _GREEN * 0.75, 6, closed=True)]
    out += _small_blossoms(path[k] + ways[k] * 0.003 * unit, ways[k], size, shades, rng)
    leaf = _leaf(np.zeros(3), np.array([0, 1.0, 0]), np.array([0, 0, 1.0]), 1.0, (1, 1, 1))
    at = np.concatenate([(k + 2) % 64, (k + 4) % 64])
    along = _unit(path[(at + 2) % 64] - path[at])
    along = _unit(along + np.repeat([[0, 0.55, 0], [0, -0.55, 0]], count, 0))
    across = np.cross(along, ways[at])
    turns = np.stack([across, along, np.cross(across, along)], 1) * (0.021 * unit)
    greens = _GREEN * rng.uniform(0.85, 1.25, (2 * count, 1))
    return [*out, copies(leaf, turns, path[at], greens)]


def _unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def small_blossom(at, way, size, colour, rng) -> list:
    """Open a small flower of five round petals at a point, facing `way`."""
    return _small_blossoms(at[None], way[None], np.array([size]), np.asarray(colour)[None], rng)


def _small_blossoms(at, ways, size, colours, rng):
    right = _unit(np.cross([0.02, 1, 0.1], ways))[:, None]
    up = np.cross(ways[:, None], right)
    turn = (2 * math.pi * np.arange(5) / 5 + rng.uniform(0, 1, (len(at), 1)))[..., None]
    tips = np.cos(turn) * up + np.sin(turn) * right
    way, big = np.broadcast_to(ways[:, None], tips.shape), size[:, None, None]
    turns = np.stack([np.cross(tips, way) * 0.42, tips * 0.5 + way * 0.12, way * 0.16], 2) * big[..., None]
    offsets = at[:, None] + (tips * 0.55 + way * 0.1) * big
    petal, heart = blob((0, 0, 0), 1.0, (1, 1, 1), 5, 7), blob((0, 0, 0), 0.26, _YELLOW, 5, 7)
    return [
        copies(petal, turns.reshape(-1, 3, 3), offsets.reshape(-1, 3), np.repeat(colours, 5, 0)),
        copies(heart, np.eye(3) * big, at + ways * 0.2 * size[:, None]),
    ]


def _blossom(at, way, size, petals, colour, heart, rng):
    """Open a flower: a ring or two of cupped petals about a heart."""
    t, s = np.linspace(0, 1, 6), np.linspace(-1, 1, 7)
    width = np.array([0.10, 0.34, 0.46, 0.44, 0.30, 0.05])
    x = s[None] * width[:, None]
    y = np.broadcast_to((0.12 + 0.88 * t)[:, None], x.shape) - 0.06 * (s**2)[None] * t[:, None]
    z = 0.30 * t[:, None] ** 1.5 + 0.28 * (s**2)[None] * (0.5 + 0.5 * t[:, None])
    petal = np.stack([x, y, z], -1)
    shade = np.asarray(colour) * (0.78 + 0.22 * t)[:, None, None]
    one = grid(petal, np.broadcast_to(shade, petal.shape))
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
