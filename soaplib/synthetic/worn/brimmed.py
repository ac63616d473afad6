"""Hats with a brim all round: fedora, wide brim, bowler, top hat, witch's hat, cowboy hat, bucket hat."""

import math

import numpy as np

from soaplib.parts.smoothstep import smoothstep
from soaplib.synthetic.worn.fitting import Fit
from soaplib.synthetic.worn.seats import Seat, hat_line, seat_on
from soaplib.synthetic.worn.solids import Solid, blob, edges, grid, join
from soaplib.synthetic.worn.sweeps import curve, tube
from soaplib.synthetic.worn.things import Worn

_COLUMNS = 48

_CROWNS = {
    "bowler": (
        [(1, 0), (1.01, 0.2), (1.0, 0.42), (0.95, 0.62), (0.83, 0.8), (0.6, 0.93), (0.3, 0.99), (0, 1)],
        0.112,
    ),
    "fedora": (
        [(1, 0), (0.985, 0.3), (0.96, 0.6), (0.92, 0.8), (0.84, 0.93), (0.66, 0.995), (0.3, 1.0), (0, 1)],
        0.128,
    ),
    "sunhat": (
        [(1, 0), (1.0, 0.25), (0.985, 0.5), (0.93, 0.72), (0.8, 0.88), (0.55, 0.97), (0.25, 1.0), (0, 1)],
        0.105,
    ),
    "tophat": (
        [
            (1, 0),
            (0.985, 0.2),
            (0.97, 0.45),
            (0.98, 0.7),
            (1.03, 0.95),
            (1.03, 0.985),
            (1.0, 1.0),
            (0.5, 1.0),
            (0, 1),
        ],
        0.155,
    ),
    "witch": (
        [(1, 0), (0.97, 0.1), (0.86, 0.24), (0.62, 0.44), (0.38, 0.64), (0.18, 0.83), (0.06, 0.97), (0, 1)],
        0.3,
    ),
    "cowboy": (
        [(1, 0), (0.985, 0.25), (0.95, 0.5), (0.9, 0.75), (0.8, 0.92), (0.6, 1.0), (0.3, 1.0), (0, 1)],
        0.135,
    ),
    "bucket": (
        [(1, 0), (0.985, 0.25), (0.955, 0.55), (0.91, 0.85), (0.86, 0.97), (0.8, 1.0), (0.4, 1.0), (0, 1)],
        0.1,
    ),
}
"""Crown of each hat: (radius over the ellipse's, height over the crown's), and the usual height in metres."""


def brimmed(codes: Worn, fit: Fit) -> Solid:
    """Make a hat with a brim all round.

    sizes: height of the crown, width of the brim, its curl, dent or bend of the crown, tilt to a side, hatband (a
    buckle or bow above 0.3).
    """
    tall, wide, curl, dent, tilt, band = codes.sizes
    unit, shape = fit.unit, codes.shape
    line = hat_line(fit, -0.1, 0.004 * fit.unit, _COLUMNS)
    seat = seat_on(fit, line)
    crown, usual = _CROWNS[shape]
    profile, height = seat.cover(crown, unit * usual * (1 + 0.18 * tall))
    points = _crown_points(seat, profile, _COLUMNS, corner=shape in ("tophat", "bucket"))
    points = _shaped(shape, points, seat, height, dent, codes.seed)
    solids = [
        grid(points[a : b + 1], codes.colour(0), True, uv=_uv(a, b, len(points))) for a, b in _runs(points)
    ]
    width = unit * {"bowler": 0.04, "fedora": 0.055, "sunhat": 0.085, "tophat": 0.045, "witch": 0.095,
                    "cowboy": 0.08, "bucket": 0.05}[shape] * (1 + 0.25 * wide)  # fmt: skip
    solids += _brim(codes, seat, points[0], width, curl, unit)
    solids += _hatband(codes, seat, points, height, unit, band)
    solid = join(solids)
    return _tilted(solid, seat, math.radians(5) * tilt)


def _crown_points(seat: Seat, profile, columns, corner):
    if corner:
        top = int(np.argmax(profile[:, 1] >= profile[-1, 1] - 1e-9))
        side = curve(np.column_stack([profile[: top + 1], np.zeros(top + 1)]), 12)[:, :2]
        lid = np.column_stack([np.linspace(profile[top, 0], 0, 6), np.full(6, profile[-1, 1])])
        fine = np.concatenate([side, lid])
    else:
        fine = curve(np.column_stack([profile, np.zeros(len(profile))]), 22)[:, :2]
        fine[-1] = 0, profile[-1, 1]
    ring = seat.ring(columns)
    return seat.frame[0] + fine[:, :1, None] * ring + fine[:, 1, None, None] * seat.frame[2]


def _runs(points):
    """Cut a crown at a doubled row: there its edge is sharp."""
    same = np.flatnonzero(np.abs(points[1:] - points[:-1]).max((1, 2)) < 1e-9)
    return (
        [(0, len(points) - 1)] if not len(same) else [(0, int(same[0])), (int(same[0]) + 1, len(points) - 1)]
    )


def _uv(a, b, count):
    u, v = np.meshgrid(np.linspace(0, 1, _COLUMNS + 1), np.linspace(a, b, b - a + 1) / (count - 1))
    return np.stack([u, v], -1)


def _shaped(shape, points, seat, height, dent, seed):
    """Pinch and dent a felt crown, bend a witch's hat."""
    up, front = seat.frame[2], seat.frame[3]
    place = points - seat.frame[0]
    x, z = place[..., 0] / seat.scale[0], place @ front / seat.scale[1]
    share = (place @ up / height)[..., None]
    if shape in ("fedora", "cowboy"):
        crease = np.exp(-((x / 0.3) ** 2)) * smoothstep(-0.9, -0.2, z)
        # The crown was made high enough to be dented by what it stands over the skull.
        room = max(0.0, height - float(seat.inside[:, 1].max()) - 0.002)
        depth = min(room, 0.022 * (1 + 0.4 * dent))
        points = points - (crease * depth)[..., None] * smoothstep(0.86, 1.0, share) * up
        pinch = np.exp(-(((z - 0.75) / 0.35) ** 2)) * np.exp(-(((np.abs(x) - 0.55) / 0.25) ** 2))
        points = points - (np.sign(x) * pinch * 0.1 * seat.scale[0])[..., None] * smoothstep(
            0.7, 0.95, share
        ) * [1.0, 0, 0]
    if shape == "witch":
        way = math.copysign(1, dent) * (0.35 + 0.5 * abs(dent))
        bend = smoothstep(0.35, 1.0, share) ** 1.5
        points = points + bend * height * (0.30 * way * seat.frame[1] - 0.16 * front - 0.14 * abs(way) * up)
        rng = np.random.default_rng(seed)
        folds = np.sin(share * 26 + 2.0 * np.sin(np.arctan2(x, z) + rng.uniform(0, 6))[..., None])
        slim = smoothstep(0.3, 0.5, share) * smoothstep(1.0, 0.8, share)
        out = np.stack([x, 0 * x, z], -1)
        points = points + 0.0022 * folds * slim * out / np.maximum(
            np.linalg.norm(out, axis=-1, keepdims=True), 0.05
        )
    return points


def _brim(codes, seat, base, width, curl, unit):
    t = np.linspace(0, 1, 8)[:, None, None]
    azimuth = np.linspace(0, 2 * math.pi, _COLUMNS + 1)[:, None]
    ring = base - seat.frame[0]
    ring = ring - (ring @ seat.frame[2])[:, None] * seat.frame[2]
    out = ring / np.linalg.norm(ring, axis=1, keepdims=True)
    sides, front = np.sin(azimuth) ** 2, np.cos(azimuth)
    flare = {
        "bowler": 0.30 * sides + 0.10,
        "fedora": 0.12 * sides - 0.16 * np.clip(front, 0, 1) + 0.14 * np.clip(-front, 0, 1),
        "sunhat": -0.16 - 0.16 * curl + 0.09 * np.sin(3 * azimuth + codes.seed) * max(0.3, curl),
        "tophat": 0.34 * sides - 0.02,
        "witch": -0.08 + 0.07 * np.sin(2 * azimuth + codes.seed) * (1 + curl),
        "cowboy": 0.62 * sides * (1 + 0.25 * curl) - 0.12,
        "bucket": -0.95 - 0.25 * curl + 0 * sides,
    }[codes.shape]
    power = 1.0 if codes.shape == "bucket" else 1.8
    wide = width * (1 + (0.18 * front if codes.shape in ("fedora", "bowler") else 0 * front))
    shrink = 1 / np.sqrt(1 + flare**2)
    sheet = seat.frame[0] + ring + wide * shrink * (t * out + flare * t**power * seat.frame[2])
    # Rows from the rim inwards, so that the upper side is the outside.
    sheet = sheet[::-1]
    shade = codes.colour(0) * 0.97
    u, v = np.meshgrid(np.linspace(0, 1, _COLUMNS + 1), np.linspace(0.0, 0.35, 8))
    uv = np.stack([u, v], -1) if codes.pattern in ("felt", "weave", "plaid", "knit") else None
    rim = tube(sheet[0, :-1] - 0.001 * unit * seat.frame[2], 0.0019 * unit, shade * 0.85, 6, closed=True)
    return [grid(sheet, shade, True, uv), edges(sheet, 0.002 * unit, shade * 0.85, True, rounds=1)[0], rim]


def _hatband(codes, seat, points, height, unit, band):
    """Put a ribbon round the foot of the crown, with a buckle or a bow."""
    up = seat.frame[2]
    broad = unit * (0.013 + 0.012 * (codes.shape in ("tophat", "witch", "sunhat")) + 0.004 * band)
    rise = (points - seat.frame[0]) @ up
    rows = []
    for h, out in (
        (0.0015 * unit, 0.0004),
        (0.002 * unit, 0.0014),
        (0.5 * broad, 0.0016),
        (broad - 0.0005, 0.0012),
        (broad, 0.0),
    ):
        column = rise[:, 0]
        k = int(np.clip(np.searchsorted(column, h) - 1, 0, len(column) - 2))
        f = np.clip((h - column[k]) / max(column[k + 1] - column[k], 1e-9), 0, 1)
        ring = points[k] * (1 - f) + points[k + 1] * f
        away = ring - seat.frame[0]
        away = away - (away @ up)[:, None] * up
        rows.append(ring + (out + 0.0006) * unit * away / np.linalg.norm(away, axis=1, keepdims=True))
    rows = np.stack(rows)
    second = (
        codes.colour(1) if codes.pattern == "plain" or codes.pattern in ("felt", "weave") else codes.colour(2)
    )
    out = [grid(rows, second, True)]
    if band > 0.3 and codes.shape in ("witch", "bowler", "tophat"):
        middle = rows[2, 0] + 0.003 * unit * seat.frame[3]
        half = np.array([0.016, 0.5 * broad + 0.006])
        if codes.shape != "witch":
            half = half * [0.55, 0.75]
        turn = np.linspace(0, 2 * math.pi, 25)[:-1]
        c, s = np.cos(turn), np.sin(turn)
        square = (
            np.stack([np.sign(c) * np.abs(c) ** 0.3, np.sign(s) * np.abs(s) ** 0.3], -1) * half * [unit, 1]
        )
        loop = middle + square[:, :1] * seat.frame[1] + square[:, 1:] * up
        out.append(tube(loop, 0.0022 * unit, codes.colour(2), 7, closed=True))
    elif band > 0 and codes.shape in ("sunhat", "fedora"):
        side = rows[2, 3 * _COLUMNS // 16]
        away = side - seat.frame[0]
        away = away / np.linalg.norm(away)
        across = np.cross(up, away)
        for way in (-1, 1):
            axes = np.stack([across * way * 0.013 + up * 0.004, up * broad * 0.62, away * 0.004]) * [
                [unit],
                [1],
                [unit],
            ]
            out.append(blob(side + (across * way * 0.012 + away * 0.003) * unit, axes, second * 0.95, 7, 10))
        out.append(
            blob(
                side + away * 0.004 * unit,
                np.stack([across * 0.005, up * broad * 0.4, away * 0.004]),
                second * 0.85,
                7,
                9,
            )
        )
    return out


def _tilted(solid, seat, angle):
    """Turn a hat about its front axis; what would cut the head is left to the room in the ellipse."""
    if abs(angle) < 1e-6:
        return solid
    axis = seat.frame[3]
    cos, sin = math.cos(angle), math.sin(angle)
    x, y, z = axis
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    turn = np.eye(3) * cos + sin * cross + (1 - cos) * np.outer(axis, axis)
    origin = seat.frame[0] + seat.frame[2] * 0.04
    return Solid(
        (solid.vertices - origin) @ turn.T + origin,
        solid.normals @ turn.T,
        solid.faces,
        solid.colours,
        solid.uv,
    )
