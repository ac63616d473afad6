"""Soft hats: beanie, beret, stocking cap, bandana."""

import math

import numpy as np

from soaplib.parts.smoothstep import smoothstep
from soaplib.synthetic.worn.fitting import Fit
from soaplib.synthetic.worn.seats import CLEAR, cap_points, hat_line, seat_on
from soaplib.synthetic.worn.solids import Solid, blob, copies, edges, grid, grid_normals, join
from soaplib.synthetic.worn.sweeps import curve, tube
from soaplib.synthetic.worn.things import Worn


def beanie(codes: Worn, fit: Fit) -> Solid:
    """Knit a beanie. sizes: how low it sits, slouch, width of the cuff (none below -0.6), pompom (none below 0)."""
    low, slouch, cuff, pompom = codes.sizes[:4]
    unit = fit.unit
    line = hat_line(fit, -0.35 * low)
    share = np.linspace(0, 1, 20)[:, None]
    back = 0.5 - 0.5 * np.cos(line.azimuth)
    baggy = max(slouch, 0)
    rise = smoothstep(0.15, 1.0, share)
    lift = CLEAR + unit * (0.003 + 0.004 * np.sin(math.pi * np.clip(share * 1.2, 0, 1)) + 0.006 * rise)
    lift = lift + unit * baggy * (0.02 * smoothstep(0.3, 0.8, share) * (0.4 + 1.2 * back))
    points = cap_points(fit, line, 20, lift=lift)
    # A knitted top stands up a little, or falls back.
    up = smoothstep(0.55, 1.0, share)[..., None]
    points = points + up**2 * unit * np.array([0, 0.008 + 0.006 * abs(slouch), -0.03 * baggy])
    solids = [grid(points, codes.colour(0), True, uv=True)]
    if cuff > -0.6:
        width = 0.26 + 0.1 * cuff
        bulge = np.linspace(-0.06, width, 9)[:, None]
        t = np.linspace(-1, 1, 9)[:, None]
        lift = CLEAR + unit * (0.0015 + 0.0085 * (1 - t**4) ** 0.5)
        row = cap_points(fit, line, 9, -0.05, width, lift)
        shade = codes.colour(1 if codes.pattern in ("stripes", "nordic", "plain") else 0)
        ribs = 1 - 0.13 * (np.arange(row.shape[1]) % 2)[None, :, None] + 0 * bulge[..., None]
        solids.append(grid(row, shade * ribs, True))
    else:
        solids.append(tube(points[0, :-1], 0.0025 * unit, codes.colour(0) * 0.92, 8, closed=True))
    if pompom > 0:
        size = unit * (0.018 + 0.012 * pompom)
        solids.append(fluff(points[-1, 0] + [0, size * 0.75, 0], size, codes.colour(2), codes.seed))
    return join(solids)


def fluff(centre, size, colour, seed) -> list:
    """Make a ball of wool: a core and short tufts all over it."""
    rng = np.random.default_rng(seed)
    count = 52
    height = 1 - 2 * (np.arange(count) + 0.5) / count
    turn = np.arange(count) * 2.399963
    reach = np.sqrt(1 - height**2)
    ways = np.stack([reach * np.cos(turn), height, reach * np.sin(turn)], -1)
    ways += rng.normal(0, 0.12, ways.shape)
    ways /= np.linalg.norm(ways, axis=1, keepdims=True)
    tuft = blob((0, 0, 0), (0.24, 0.42, 0.24), (1.0, 1.0, 1.0), 4, 5)
    side = np.cross(ways, [0.3, 0.9, 0.31])
    side /= np.linalg.norm(side, axis=1, keepdims=True)
    turns = np.stack([side, ways, np.cross(side, ways)], 1) * size
    shades = np.asarray(colour) * rng.uniform(0.82, 1.08, (count, 1))
    return [
        blob(centre, size * 0.8, np.asarray(colour) * 0.75, 7, 10),
        copies(tuft, turns, centre + ways * size * 0.72, shades),
    ]


def beret(codes: Worn, fit: Fit) -> Solid:
    """Make a beret. sizes: tilt to a side, width, height, how low it sits; a stalk on top where the fifth is > 0."""
    tilt, width, tall, low, stalk = codes.sizes[:5]
    unit = fit.unit
    line = hat_line(fit, 0.5 - 0.4 * low, 0.004 * fit.unit)
    seat = seat_on(fit, line)
    ring, up = seat.ring(64), seat.frame[2]
    rise = float(seat.inside[:, 1].max())
    side = 1.0 if tilt >= 0 else -1.0
    wide = 1.2 + 0.1 * width
    top = rise + unit * (0.012 + 0.006 * tall)
    shape = np.array([
        (1.0, 0.0), (1.012, 0.008 * unit), (1.1, 0.020 * unit), (wide - 0.05, 0.32 * top), (wide, 0.48 * top),
        (wide - 0.06, 0.66 * top), (0.98, 0.84 * top), (0.62, 0.955 * top), (0.3, 0.99 * top), (0.0, top),
    ])  # fmt: skip
    fine = curve(np.column_stack([shape, np.zeros(len(shape))]), 24)
    fine[-1, 0], fine[0] = 0, (1.0, 0, 0)
    # It hangs over to one side and back: shift what is wide, and let it sink there.
    azimuth = np.linspace(0, 2 * math.pi, 65)
    over = (np.sin(azimuth) * side * (0.6 + 0.4 * abs(tilt)) - 0.35 * np.cos(azimuth))[:, None]
    points = seat.frame[0] + fine[:, :1, None] * ring + fine[:, 1, None, None] * up
    loose = np.clip(fine[:, :1, None] - 1.0, 0, 1) / 0.3
    points = points - unit * 0.02 * over * loose * up
    points = points + unit * 0.012 * over * loose * (ring / np.linalg.norm(ring, axis=1, keepdims=True))
    points[-1] = points[-1].mean(0)
    rng = np.random.default_rng(codes.seed)
    folds = sum(np.cos(k * azimuth + rng.uniform(0, 6.28)) / k for k in (3, 5, 8))
    points = points + (unit * 0.0018 * folds)[:, None] * loose * up
    band = np.stack([seat.frame[0] + f * ring + h * unit * up for f, h in (
        (1.0, -0.004), (1.02, -0.002), (1.025, 0.003), (1.02, 0.009), (1.0, 0.011))])  # fmt: skip
    solids = [grid(points, codes.colour(0), True, uv=True), grid(band, codes.colour(2) * 0.8, True)]
    if stalk > 0:
        base = points[-1, 0] - up * 0.002
        path = curve([base, base + up * 0.007 * unit, base + up * 0.014 * unit + [0.004 * unit, 0, 0]], 6)
        solids.append(tube(path, np.linspace(0.0026, 0.0016, 6) * unit, codes.colour(0) * 0.85, 7))
    return join(solids)


def stocking(codes: Worn, fit: Fit) -> Solid:
    """Make a stocking cap with a fur rim and a ball, as Santa's. sizes: length, to which side it falls, width of
    the rim, how high it stands before it falls, size of the ball."""
    length, fall, rim, stand, ball = codes.sizes[:5]
    unit = fit.unit
    line = hat_line(fit)
    share = np.linspace(0, 0.62, 9)[:, None]
    points = cap_points(fit, line, 9, 0.0, 0.62, CLEAR + unit * (0.002 + 0.006 * share))
    side = 1.0 if fall >= 0 else -1.0
    top = points[-1].mean(0)
    reach = unit * (0.15 + 0.03 * length)
    high = unit * (0.035 + 0.02 * stand)
    out = 0.5 + 0.5 * abs(fall)
    spine = curve([
        top,
        top + [side * 0.2 * reach * out, high * 0.75, -0.15 * reach],
        top + [side * 0.62 * reach * out, high * 0.95, -0.45 * reach],
        top + [side * 1.0 * reach * out, high * 0.2, -0.75 * reach],
        top + [side * 1.12 * reach * out, -0.55 * reach, -0.85 * reach],
    ], 17)  # fmt: skip
    spine = np.concatenate([spine[:1], fit.pushed_out(spine[1:], 0.03 * unit)])
    ring = points[-1] - top
    rng = np.random.default_rng(codes.seed)
    t = np.linspace(0, 1, 17)[1:]
    tangent = np.gradient(spine, axis=0)[1:]
    tangent /= np.linalg.norm(tangent, axis=1, keepdims=True)
    shrink = (1 - t) ** 1.25 * 0.95 + 0.05
    shrink *= 1 + 0.05 * np.sin(t * 22 + rng.uniform(0, 6.28)) * smoothstep(0.1, 0.35, t) * (1 - t)
    # Turn the ring so that it stands across the spine.
    start = np.array([0.0, 1.0, 0.0])
    rows = []
    for p, way, s in zip(spine[1:], tangent, shrink, strict=True):
        axis = np.cross(start, way)
        angle = math.atan2(np.linalg.norm(axis), way @ start)
        axis = axis / max(np.linalg.norm(axis), 1e-9)
        cos, sin = math.cos(angle), math.sin(angle)
        turned = ring * cos + np.cross(axis, ring) * sin + axis * (ring @ axis)[:, None] * (1 - cos)
        rows.append(p + turned * s)
    cloth = np.concatenate([points, fit.pushed_out(np.stack(rows), CLEAR, fit.smooth)])
    solids = [grid(cloth, codes.colour(0), True, uv=True)]
    solids.append(_fur_band(fit, line, unit * (0.012 + 0.003 * rim), codes.colour(1), codes.seed))
    solids.append(fluff(spine[-1], unit * (0.02 + 0.005 * ball), codes.colour(1), codes.seed))
    return join(solids)


def _fur_band(fit, line, thick, colour, seed):
    """Lay a fluffy roll round the hat line."""
    rng = np.random.default_rng(seed)
    middle = cap_points(fit, line, 1, 0.06, 0.06, CLEAR + 0.35 * thick)[0]
    out = cap_points(fit, line, 1, 0.06, 0.06, CLEAR + 1.35 * thick)[0] - middle
    out /= np.linalg.norm(out, axis=1, keepdims=True)
    turn = np.linspace(0, 2 * math.pi, 11)[:, None, None]
    across = np.cross(np.gradient(middle, axis=0), out)
    across /= np.linalg.norm(across, axis=1, keepdims=True)
    bumps = rng.normal(0, 0.1, (10, 64))
    bumps = np.concatenate([bumps, bumps[:, :1]], 1)
    bumps = 1 + np.concatenate([bumps, bumps[:1]])[..., None]
    size = thick * bumps
    points = (
        middle - across * size * 1.25 * np.cos(turn) + out * np.maximum(size * np.sin(turn), -0.35 * thick)
    )
    shade = np.asarray(colour) * (0.92 + 0.7 * (bumps - 1))
    return grid(points[::-1], shade[::-1], True)


def bandana(codes: Worn, fit: Fit) -> Solid:
    """Tie a cloth over the skull, knotted at the back. sizes: how low it sits, length of the tails, their spread."""
    low, length, spread = codes.sizes[:3]
    unit = fit.unit
    line = hat_line(fit, 0.2 - 0.4 * low)
    rng = np.random.default_rng(codes.seed)
    share = np.linspace(0, 1, 16)[:, None]
    back = 0.5 - 0.5 * np.cos(line.azimuth)
    # Folds run from the temples to the knot.
    folds = 0.0014 * np.sin(9 * share * 3 + 3 * np.sin(line.azimuth)) * back * (1 - share)
    points = cap_points(fit, line, 16, lift=CLEAR + unit * (0.001 + folds))
    hem = tube(
        points[0, :-1], np.array([0.0022, 0.004]) * unit, codes.colour(0) * 0.9, 8, closed=True, up=(0, 1, 0)
    )
    knot = points[0, 32]
    solids = [grid(points, codes.colour(0), True, uv=True), hem]
    solids.append(
        blob(
            knot + [0, 0, -0.006 * unit],
            np.array([0.012, 0.009, 0.008]) * unit,
            codes.colour(0) * 0.95,
            power=2.4,
        )
    )
    for side in (-1, 1):
        reach = unit * (0.07 + 0.03 * length) * rng.uniform(0.8, 1.1)
        out = 0.35 + 0.25 * spread
        path = curve([
            knot + [side * 0.004, 0, -0.008 * unit],
            knot + [side * reach * out * 0.6, -0.25 * reach, -0.03 * unit],
            knot + [side * reach * out, -reach, -0.022 * unit],
        ], 9)  # fmt: skip
        path = fit.pushed_out(path, 0.008)
        width = unit * np.array([0.004, 0.009, 0.012, 0.0145, 0.016, 0.016, 0.014, 0.009, 0.001])
        solids.append(_ribbon(path, width, (0.2 * side, 0.1, -1.0), codes.colour(0), 0.0012))
    return join(solids)


def _ribbon(path, width, facing, colour, thickness, uv=None):
    """Lay a flat strip along a path, its broad side towards `facing`, with a back."""
    tangent = np.gradient(path, axis=0)
    across = np.cross(tangent, np.asarray(facing, float))
    across /= np.linalg.norm(across, axis=1, keepdims=True)
    side = np.linspace(1, -1, 5)
    width = np.broadcast_to(width, len(path))
    points = path[:, None] + across[:, None] * (side[:, None] * width[:, None, None])
    # A little hollow, so that it does not look like card.
    dip = grid_normals(points) * (0.25 * width[:, None] * (side**2)[None])[..., None]
    points = points - dip
    return join([grid(points, colour, uv=uv), *edges(points, thickness, np.asarray(colour) * 0.92, rounds=1)])
