"""Horns, antlers, antennae and animals' ears, on the head itself or on a headband."""

import math

import numpy as np

from soaplib.parts.smoothstep import smoothstep
from soaplib.synthetic.pieces import Piece
from soaplib.synthetic.worn.fitting import Fit
from soaplib.synthetic.worn.patterns import draw_scheme, rgb
from soaplib.synthetic.worn.solids import Solid, blob, grid, join
from soaplib.synthetic.worn.sweeps import curve, tube
from soaplib.synthetic.worn.things import Worn, finish, on_skull

EARS = ("cat", "rabbit", "bear", "fox", "mouse")
SHAPES = (*EARS, "devil", "ram", "demon", "antlers", "unicorn", "antennae")

_FURS = ("2b2622", "f4efe8", "c98b4e", "8a8580", "6b4630", "e8c48a", "d9d4cf", "b5562a")
_HORNS = ("e9dcc3", "3a2f2a", "8c2323", "5a4a3c", "c9b48f", "23242b", "6d3f6b")


def draw_creature(rng: np.random.Generator, style: str) -> Worn:
    """Draw ears or horns."""
    weights = np.array([24, 14, 10, 10, 6, 8, 6, 8, 6, 3, 3], float)
    if style == "realistic":
        weights = np.array([10, 6, 3, 3, 2, 4, 2, 3, 3, 0.5, 2])
    shape = str(rng.choice(SHAPES, p=weights / weights.sum()))
    if shape in EARS:
        main = rgb(str(rng.choice(_FURS))) if rng.random() < 0.7 else draw_scheme(rng, style)[0]
        inside = rgb(str(rng.choice(["f2b5bd", "f6d5cf", "e79aa8", "fff3ea"])))
    elif shape == "antennae":
        main, inside, _ = draw_scheme(rng, style)
    else:
        main = rgb(str(rng.choice(_HORNS)))
        inside = tuple(float(round(0.55 * c, 4)) for c in main)
    trim = draw_scheme(rng, style)[0]
    sizes = rng.uniform(-1, 1, 6)
    return Worn(
        "creature",
        shape,
        (main, inside, trim),
        "plain",
        tuple(sizes.round(3).tolist()),
        int(rng.integers(1 << 30)),
    )


def make_creature(codes: Worn, fit: Fit) -> Piece:
    """Make ears or horns. sizes: size, how far apart, lean, curl or bend, thickness; on a headband where the sixth
    is > 0 (ears and antennae)."""
    size, apart, lean, curl, thick, band = codes.sizes
    scale = 1 + 0.22 * size
    solids = []
    if codes.shape in EARS:
        solids += ears_on(
            fit, fit.over, codes.shape, codes.colour(0), codes.colour(1), scale, apart, lean, curl
        )
    elif codes.shape == "unicorn":
        solids.append(_unicorn(codes, fit, scale, thick))
    else:
        right = _horn(codes, fit, scale, apart, lean, curl, thick)
        solids += [*right, *(s.mirrored() for s in right)]
    if band > 0 and codes.shape in (*EARS, "antennae"):
        solids.append(hoop(fit, 0.0035, 0.0022, codes.colour(2)))
    return finish(codes, join(solids), on_skull(fit), 0.25 if codes.shape not in EARS else 0.04)


def hoop(fit: Fit, half_width, half_thick, colour, lean=0.0, power=3.0, sides=8, of=None) -> Solid:
    """Lay a hoop over the head from behind one ear to the other, on the hair; lean: radians forward at the top."""
    path, out = hoop_path(fit, half_thick, lean, of)
    radius = np.stack([half_thick * fit.unit + 0 * path[:, 0], half_width * fit.unit + 0 * path[:, 0]], -1)
    fade = smoothstep(0, 0.12, np.linspace(0, 1, len(path))) * smoothstep(
        1, 0.88, np.linspace(0, 1, len(path))
    )
    radius[:, 1] *= 0.55 + 0.45 * fade
    return tube(path, radius, colour, sides, up=np.cross(out, np.gradient(path, axis=0)), power=power)


def hoop_path(fit: Fit, lift, lean=0.0, of=None, count=41):
    """Give a hoop's path (count, 3) from behind the right ear over the crown to the left, and its outward ways."""
    of = fit.over if of is None else of
    ear = 0.55 * fit.ears["root"] + 0.45 * fit.ears["back"]
    foot = ear.mean(0) * [0, 1, 1] + [0, 0.004 * fit.unit, -0.002 * fit.unit]
    turn = np.linspace(-math.pi / 2, math.pi / 2, count)
    up = np.array([0, math.cos(lean), math.sin(lean)])
    # Rays in a plane through both ears: where they meet the map is found by steps along the azimuth and row.
    ways = np.sin(turn)[:, None] * [1.0, 0, 0] + np.cos(turn)[:, None] * up
    points = foot + ways * 0.1 * fit.unit
    for _ in range(5):
        azimuth, row, radius = fit.where(points)
        want = fit.reach(azimuth, row, of) + (lift + 0.0015) * fit.unit
        grow = np.linalg.norm(points - foot, axis=1) * (want / np.maximum(radius, 1e-3))
        points = foot + ways * grow[:, None]
    points = curve(points, count)
    out = points - fit.centre
    return points, out / np.linalg.norm(out, axis=1, keepdims=True)


def ears_on(fit: Fit, of, kind, colour, inside, scale=1.0, apart=0.0, lean=0.0, bend=0.0) -> list:
    """Put a pair of an animal's ears on a map of the head."""
    unit = fit.unit
    around, row = {
        "cat": (1.35, 47.0),
        "fox": (1.32, 47.0),
        "rabbit": (1.45, 50.5),
        "bear": (1.40, 44.5),
        "mouse": (1.40, 45.0),
    }[kind]
    row = row - 1.6 * apart
    at = fit.on(np.array([around]), np.array([row]), 0.0, of)[0]
    normal = fit.normal(np.array([around]), np.array([row]), of)[0]
    way = normal * 0.55 + np.array([0, 0.7, 0.04 + 0.1 * lean])
    way /= np.linalg.norm(way)
    front = np.array([0.32, 0.0, 1.0])
    front = front - way * (front @ way)
    front /= np.linalg.norm(front)
    across = np.cross(way, front)
    left = _ear(kind, unit * scale, colour, inside, bend)
    turn = np.stack([across, way, front])
    base = at - way * 0.008 * unit * scale
    left = [Solid(s.vertices @ turn + base, s.normals @ turn, s.faces, s.colours) for s in left]
    return [*left, *(s.mirrored() for s in left)]


def _ear(kind, size, colour, inside, bend):
    """Shape one ear, its foot at the origin, +Y up, open to +Z: a hollow leaf with a lining."""
    high, wide, round_ = {"cat": (0.066, 0.030, 0.0), "fox": (0.082, 0.033, 0.0), "rabbit": (0.155, 0.024, 0.75),
                          "bear": (0.052, 0.031, 1.0), "mouse": (0.085, 0.05, 1.0)}[kind]  # fmt: skip
    t = np.linspace(0, 1, 12)
    s = np.linspace(-1, 1, 11)
    if kind == "rabbit":
        width = np.interp(t, [0, 0.25, 0.6, 0.85, 0.96, 1], [0.62, 0.86, 1.0, 0.78, 0.42, 0.02])
    elif round_:
        width = np.sqrt(np.clip(1 - ((t - 0.42) / 0.58) ** 2, 0, 1)) * np.where(t < 0.42, 1, 1)
        width = np.where(t < 0.42, 0.72 + 0.28 * np.sin(t / 0.42 * math.pi / 2), width)
    else:
        width = (1 - t**1.25) * (1 + 0.35 * t) + 0.015
    width[-1] = 0.004
    # A leaf rolled about its axis: the sides come forward, less towards the tip.
    roll = 1.25 * (1 - 0.55 * t)
    x = np.sin(s[None] * roll[:, None]) / np.sin(roll)[:, None] * (width * wide)[:, None]
    z = (1 - np.cos(s[None] * roll[:, None])) * (width * wide)[:, None] * 0.85
    y = np.broadcast_to((t * high)[:, None], x.shape).copy()
    y -= (0.12 * wide * np.abs(s) ** 2)[None] * (1 - t)[:, None]
    # A rabbit's ears fall outwards; inwards they would cross.
    sway = (0.3 if kind == "rabbit" and bend > 0 else 0.06) * bend
    x = x + (sway * high * t**2)[:, None]
    z = z - (0.1 * high * t**1.5)[:, None]
    back = np.stack([x, y, z], -1) * size
    # Outside is the back: columns must run the other way round there.
    outer = back[:, ::-1].copy()
    thick = np.interp(t, [0, 0.8, 1], [0.0055, 0.0035, 0.0004])[:, None] * size * (1 - np.abs(s) ** 3)[None]
    outer[..., 2] -= thick[:, ::-1]
    shade = np.asarray(colour) * (0.93 + 0.07 * t[:, None, None])
    hollow = back.copy()
    hollow[..., 2] += 0.0006 * size
    lining = np.where(
        np.abs(s)[None, :, None] < 0.74 * np.clip(1.25 - t, 0.3, 1)[:, None, None] ** 0.3,
        np.asarray(inside),
        np.asarray(colour) * 0.96,
    )
    rim = np.concatenate([back[:, 0], back[:-1, -1][::-1]])
    rim = curve(rim, 30)
    return [
        grid(outer, np.broadcast_to(shade, outer.shape)),
        grid(hollow, np.broadcast_to(lining, hollow.shape)),
        tube(rim, 0.0024 * size * (1.0 if kind != "mouse" else 1.2), np.asarray(colour), 7),
    ]


def _horn(codes, fit, scale, apart, lean, curl, thick):
    """Grow the head's left horn."""
    unit = fit.unit * scale
    around, row = {
        "devil": (0.72, 45.0),
        "demon": (0.85, 43.0),
        "ram": (1.1, 43.5),
        "antlers": (1.1, 47.0),
        "antennae": (0.75, 47.0),
    }[codes.shape]
    at_row = np.array([row - 1.5 * apart])
    at = fit.on(np.array([around]), at_row, 0.0, fit.over)[0]
    out = fit.normal(np.array([around]), at_row, fit.over)[0]
    side, up, front = np.eye(3)
    foot = at - out * 0.010 * unit
    t = np.linspace(0, 1, 26)
    ridges = 1.0
    if codes.shape == "devil":
        points = [
            foot,
            at + out * 0.02 * unit,
            at + (0.032 * side + 0.036 * up + 0.006 * front) * unit,
            at + ((0.034 - 0.016 * curl) * side + 0.072 * up + (0.012 + 0.012 * lean) * front) * unit,
        ]
        radius, rings = 0.0125 * (1 - t) ** 0.8 + 0.0006, 0
    elif codes.shape == "demon":
        points = [foot, at + out * 0.03 * unit, at + (0.055 * side + 0.035 * up - 0.012 * front) * unit,
                  at + (0.062 * side + 0.085 * up - (0.02 + 0.02 * lean) * front) * unit,
                  at + ((0.036 - 0.02 * curl) * side + 0.13 * up - 0.004 * front) * unit]  # fmt: skip
        radius, rings = 0.0155 * (1 - t) ** 0.75 + 0.0006, 12
    elif codes.shape == "ram":
        turn = t * (4.6 + 0.9 * curl)
        wide = 0.046 * (1 - 0.55 * t)
        middle = at + (0.012 * side - 0.004 * up - 0.034 * front) * unit
        points = middle + unit * (
            (0.004 + 0.042 * t**1.2)[:, None] * side + (wide * np.cos(turn + 0.1))[:, None] * up * 0.98
            - (wide * np.sin(turn + 0.1) - 0.024)[:, None] * front
        )  # fmt: skip
        points = np.concatenate([[at - out * 0.012 * unit + 0.004 * up * unit], points])
        radius, rings = 0.0165 * (1 - t) ** 0.7 + 0.0008, 16
    elif codes.shape == "antennae":
        points = [foot, at + out * 0.03 * unit, at + (0.02 * side + 0.085 * up + 0.01 * front) * unit,
                  at + ((0.045 + 0.02 * curl) * side + 0.115 * up + (0.03 + 0.015 * lean) * front) * unit]  # fmt: skip
        radius, rings = 0.0022 + 0 * t, 0
    else:
        points = [foot, at + out * 0.035 * unit, at + (0.06 * side + 0.055 * up - 0.02 * front) * unit,
                  at + (0.085 * side + 0.11 * up - 0.004 * front) * unit,
                  at + ((0.075 - 0.015 * curl) * side + 0.165 * up + 0.02 * front) * unit]  # fmt: skip
        radius, rings = 0.0075 * (1 - 0.75 * t) + 0.0004, 0
    path = curve(np.asarray(points), 34 if rings else 26)
    t = np.linspace(0, 1, len(path))
    radius = np.interp(t, np.linspace(0, 1, 26), radius) * unit * (1 + 0.2 * thick)
    if rings:
        ridges = 1 + 0.075 * np.abs(np.sin(t * rings * math.pi / 2)) * smoothstep(1.0, 0.5, t)
    shade = np.asarray(codes.colour(0)) * (1 - 0.35 * smoothstep(0.3, 1, t))[:, None]
    if codes.shape in ("demon", "ram", "devil"):
        shade = codes.colour(0) + (codes.colour(1) - codes.colour(0)) * smoothstep(0.15, 1.0, t)[:, None]
    path[8:] = fit.pushed_out(path[8:], radius[8:] + 0.003, fit.bust) if codes.shape == "ram" else path[8:]
    solids = [tube(path, radius * ridges, shade, 10)]
    if codes.shape == "antennae":
        solids = [tube(path, radius, codes.colour(0), 7), blob(path[-1], 0.0105 * unit, codes.colour(1))]
    if codes.shape == "antlers":
        for where, reach, way in (
            (0.3, 0.05, (0.1, 0.8, 0.65)),
            (0.58, 0.055, (0.75, 0.62, 0.1)),
            (0.78, 0.042, (-0.25, 0.8, 0.55)),
        ):
            k = int(where * 25)
            way = np.asarray(way) / np.linalg.norm(way)
            twig = curve(
                [
                    path[k],
                    path[k] + way * 0.45 * reach * unit,
                    path[k] + (way * 0.9 + [0, 0.35, 0]) * reach * unit,
                ],
                9,
            )
            size = np.linspace(radius[k] * 0.85, 0.0008 * unit, 9)
            solids.append(
                tube(twig, size, shade[k] + (shade[-1] - shade[k]) * np.linspace(0, 1, 9)[:, None], 8)
            )
    return solids


def _unicorn(codes, fit, scale, thick):
    """Grow one twisted horn out of the forehead."""
    unit = fit.unit * scale
    row = fit.row_of_height(np.zeros(1), fit.landmarks[10, 1] + 0.012 * fit.unit)
    at = fit.on(np.zeros(1), row, 0.0, fit.over)[0]
    way = fit.normal(np.zeros(1), row, fit.over)[0] + [0, 0.75, 0.1]
    way /= np.linalg.norm(way)
    t = np.linspace(0, 1, 40)
    turn = np.linspace(0, 2 * math.pi, 15)
    radius = unit * 0.0135 * (1 + 0.15 * thick) * (1 - t) ** 0.9 + 0.0004
    groove = 1 + 0.13 * np.abs(np.sin(turn[None] - t[:, None] * 13)) - 0.06
    right = np.array([1.0, 0, 0])
    front = np.cross(right, way)
    ring = np.sin(turn)[:, None] * right + np.cos(turn)[:, None] * front
    points = (
        (at - way * 0.012 * unit)
        + (t * 0.125 * unit)[:, None, None] * way
        + (radius[:, None] * groove)[..., None] * ring
    )
    shade = codes.colour(0) * (0.8 + 0.3 * (groove - 0.94) / 0.13)[..., None]
    return grid(points, shade, True)
