"""Headphones: a padded bow over the head and a cup on each ear."""

import math

import numpy as np

from soaplib.synthetic.worn.creatures import hoop, hoop_path
from soaplib.synthetic.worn.fitting import Fit
from soaplib.synthetic.worn.sweeps import curve, lathe, tube
from soaplib.synthetic.worn.things import Worn


def headphones(codes: Worn, fit: Fit) -> list:
    """Headphones: a padded bow over the head and a cup on each ear."""
    unit = fit.unit
    size = unit * (0.034 + 0.004 * codes.sizes[0])
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
    at = np.array([reach * math.sin(azimuth), middle[1, 1], middle[1, 2]])
    at[0] = max(at[0], fit.ears["outer"][1, 0]) + 0.002 * unit
    way = np.array([1.0, 0.06, 0.05])
    way /= np.linalg.norm(way)
    up = np.array([0, 1.0, 0])
    up = up - way * (up @ way)
    up /= np.linalg.norm(up)
    frame = np.stack([at, np.cross(way, up), way, up])
    # A lathe about the ear's axis: cushion, shell, disc.
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
