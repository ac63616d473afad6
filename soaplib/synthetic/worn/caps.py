"""Caps with a peak."""

import math

import numpy as np

from soaplib.parts.smoothstep import smoothstep
from soaplib.synthetic.worn.fitting import Fit
from soaplib.synthetic.worn.seats import CLEAR, cap_points, hat_line
from soaplib.synthetic.worn.solids import Solid, blob, edges, grid, join
from soaplib.synthetic.worn.sweeps import tube
from soaplib.synthetic.worn.things import Worn


def baseball(codes: Worn, fit: Fit) -> Solid:
    """Make a baseball cap. sizes: height, length of the peak, its bow, how low it sits, contrast of the peak, a
    badge (above 0)."""
    tall, long, bow, low, other, badge = codes.sizes
    unit = fit.unit
    line = hat_line(fit, 0.05 - 0.3 * low)
    share = np.linspace(0, 1, 18)[:, None]
    front = 0.5 + 0.5 * np.cos(line.azimuth)
    stiff = smoothstep(0.0, 0.4, share) * smoothstep(1.05, 0.5, share) * front**2
    lift = CLEAR + unit * (0.002 + (0.016 + 0.008 * tall) * stiff + 0.006 * share)
    points = cap_points(fit, line, 18, lift=lift)
    seams = 1 - 0.2 * (np.abs((line.azimuth / (math.pi / 3)) % 1 - 0.5) > 0.47)[None, :, None]
    cloth = np.broadcast_to(codes.colour(0) * seams, points.shape)
    solids = [grid(points, cloth, True, uv=True)]
    solids.append(
        blob(points[-1, 0] + [0, 0.0015, 0], np.array([0.006, 0.004, 0.006]) * unit, codes.colour(1), 6, 9)
    )
    # The peak grows out of the front of the line, an arch seen from ahead.
    half = 1.02
    turn = np.linspace(-half, half, 25)
    root = fit.on(
        turn, np.interp(turn, _wrapped(line.azimuth), _wrapped_values(line)) + 0.15, CLEAR + 0.001, fit.smooth
    )
    length = unit * (0.066 + 0.012 * long)
    outline = np.clip(1 - np.abs(turn / half) ** 2.6, 0, 1) ** 0.62
    t = np.linspace(0, 1, 7)[:, None, None]
    ahead = np.array([0.0, -0.22, 1.0])
    sideways = np.sin(turn)[:, None] * [1.0, 0, 0] * 0.1
    reach = length * outline[:, None] * (ahead + sideways)
    arch = -unit * (0.010 + 0.008 * bow) * (turn / half)[:, None] ** 2 * np.array([0, 1.0, 0])
    sheet = (
        root + t * reach + t * arch + np.array([0, 0.006 * unit, 0]) * np.sin(math.pi * t) * outline[:, None]
    )
    sheet = sheet[::-1]
    shade = codes.colour(1) if other > 0 else codes.colour(0) * 0.95
    solids += [grid(sheet, shade), *edges(sheet, 0.0026 * unit, shade * 0.85)]
    solids.append(
        tube(
            points[0, :-1],
            np.array([0.0016, 0.0042]) * unit,
            codes.colour(0) * 0.8,
            6,
            closed=True,
            up=(0, 1, 0),
        )
    )
    if badge > 0:
        solids.append(_badge(codes, points))
    return join(solids)


def _badge(codes, points):
    """Sew a disc on the front panels."""
    turn = np.linspace(0, 2 * math.pi, 21)
    rows = []
    for t in np.linspace(1, 0, 5):
        column = 2.6 * t * np.sin(turn)
        row = 6.2 - 2.3 * t * np.cos(turn)
        c, r = np.floor(column).astype(int), np.floor(row).astype(int)
        a, b = (column - c)[:, None], (row - r)[:, None]
        loop = points[:, :-1]
        n = loop.shape[1]
        place = (loop[r, c % n] * (1 - a) + loop[r, (c + 1) % n] * a) * (1 - b) + (
            loop[r + 1, c % n] * (1 - a) + loop[r + 1, (c + 1) % n] * a
        ) * b
        rows.append(place)
    place = np.stack(rows)
    ways = place - place.mean((0, 1)) * [0, 1, 0] - np.array([0, 0, -0.06])
    ways = ways / np.linalg.norm(ways, axis=-1, keepdims=True)
    lift = 0.0012 * np.array([0.2, 1, 1.2, 1.3, 1.3])[:, None, None]
    shade = np.stack([codes.colour(2), codes.colour(2), codes.colour(1), codes.colour(2), codes.colour(2)])
    return grid(place + ways * lift, np.broadcast_to(shade[:, None], place.shape), True)


def _wrapped(azimuth):
    return np.concatenate([azimuth[:-1] - 2 * math.pi, azimuth])


def _wrapped_values(line):
    return np.concatenate([line.row[:-1], line.row])
