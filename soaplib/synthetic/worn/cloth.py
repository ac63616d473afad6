"""Cloth round the neck: what covers the shoulders, knitted bands, rolls."""

import math

import numpy as np

from soaplib.parts.smoothstep import smoothstep
from soaplib.synthetic.worn.necks import Neck
from soaplib.synthetic.worn.solids import Solid, grid
from soaplib.synthetic.worn.sweeps import tube
from soaplib.synthetic.worn.things import Worn


def front_of(columns=64):
    """Rise to 1 in front, 0 behind, for each of the columns + 1."""
    return 0.5 + 0.5 * np.cos(np.linspace(0, 2 * math.pi, columns + 1))


def from_front(columns=64):
    """Give how many radians each of the columns + 1 is away from the front."""
    turn = np.linspace(0, 2 * math.pi, columns + 1)
    return np.minimum(turn, 2 * math.pi - turn)


def cover(codes: Worn, neck: Neck, line, lift, colour, under=False) -> list[Solid]:
    """Lay the cloth from a neckline (rows per column) down over the shoulders, with a turned hem.

    lift: metres over the skin. under: it lies under other cloth, without pattern or hem.
    """
    unit = neck.fit.unit
    t = np.linspace(0, 1, 6 if under else 14)[:, None]
    row = neck.end + t * (line - neck.end)
    rng = np.random.default_rng(codes.seed)
    turn = np.linspace(0, 2 * math.pi, 65)
    wave = sum(np.sin(k * turn + rng.uniform(0, 6.28)) for k in (3, 5, 7))
    folds = 0.0012 * (1 + codes.sizes[4]) * np.clip(wave, -0.5, 3) * smoothstep(1, 0.3, t)
    points = neck.at(row, np.linspace(0, 64, 65), lift + unit * (folds + 0.002 * (1 - t)))
    if under:
        return [grid(points, colour, True)]
    hem = tube(points[0, :-1], 0.0022 * unit, np.asarray(colour) * 0.9, 6, closed=True)
    return [grid(points, colour, True, uv=True), hem]


def rib(neck: Neck, line, wide, colour, thick=0.0030) -> list[Solid]:
    """Knit the band along a neckline (65,), `wide` rows broad."""
    t = np.linspace(-1, 1, 7)[:, None]
    lift = neck.fit.unit * (0.0045 + thick * np.sqrt(np.clip(1 - t**4, 0, 1)))
    shade = np.asarray(colour) * (1 - 0.10 * (np.arange(129) % 2))[None, :, None] + np.zeros((7, 1, 1))
    row = np.interp(np.linspace(0, 64, 129), np.arange(65), line) + wide * 0.5 * t
    return [grid(neck.at(row, np.linspace(0, 64, 129), lift), shade, True)]


def roll(neck: Neck, row, radius, flat, colour, wave=0.0) -> list[Solid]:
    """Lay a thick roll round the neck; row, radius and wave (a share of it) per column (65,)."""
    column = np.linspace(0, 64, 65)
    middle = neck.at(row, column, radius * 0.8 + 0.003 * neck.fit.unit)
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
    return [grid(points, colour, True, uv=True)]
