"""Bows tied of ribbon."""

import math

import numpy as np

from soaplib.parts.smoothstep import smoothstep
from soaplib.synthetic.worn.solids import Solid, blob, grid
from soaplib.synthetic.worn.sweeps import curve, tube


def bow(at, facing, right, size, colour, tails=0.0) -> list:
    """Tie a bow at a point; facing: unit vector away from the head; right: along its wings; size: one wing."""
    facing = facing / np.linalg.norm(facing)
    right = right - facing * (right @ facing)
    right /= np.linalg.norm(right)
    up = np.cross(facing, right)
    turn = np.stack([right, up, facing])
    t = np.linspace(0, 1, 12)
    s = np.linspace(0, 2 * math.pi, 17)
    high = np.interp(t, [0, 0.12, 0.45, 0.8, 0.95, 1], [0.10, 0.18, 0.40, 0.52, 0.47, 0.40])
    deep = np.interp(t, [0, 0.12, 0.45, 0.8, 0.95, 1], [0.10, 0.13, 0.22, 0.17, 0.07, 0.012])
    c, n = np.cos(s), np.sin(s)
    crease = 1 - 0.16 * smoothstep(0.75, 0.0, t)[:, None] * np.abs(np.sin(2.5 * s))[None]
    y = high[:, None] * (np.sign(n) * np.abs(n) ** 0.8)[None] * crease
    z = deep[:, None] * c[None] * crease + 0.06
    x = t[:, None] + 0.06 * (n[None] ** 2) * t[:, None] ** 4
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
