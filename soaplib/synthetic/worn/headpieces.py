"""Stiff headwear without a brim: crown, helmet, cook's and sailor's hats, party cone."""

import math

import numpy as np

from soaplib.parts.smoothstep import smoothstep
from soaplib.synthetic.worn.fitting import Fit
from soaplib.synthetic.worn.knitwear import fluff
from soaplib.synthetic.worn.seats import CLEAR, cap_points, hat_line, seat_on
from soaplib.synthetic.worn.solids import Solid, blob, copies, edges, grid, join
from soaplib.synthetic.worn.sweeps import curve, tube
from soaplib.synthetic.worn.things import Worn


def crown(codes: Worn, fit: Fit) -> Solid:
    """Forge a crown. sizes: height, number of points, flare, depth of the points, arches over it (above 0.3)."""
    tall, many, flare, deep, arched = codes.sizes[:5]
    unit = fit.unit
    line = hat_line(fit, 0.1, 0.014 * unit)
    # An open crown stands on the hair and presses it down a little; one with a cushion wholly.
    on_hair = np.maximum(np.minimum(fit.over, fit.skull + 0.013 * unit), fit.smooth)
    seat = seat_on(fit, line, of=fit.smooth if arched > 0.3 else on_hair)
    count = round(7 + 2.4 * many)
    columns = 8 * count
    ring = seat.ring(columns)
    azimuth = np.linspace(0, 2 * math.pi, columns + 1)
    wave = np.abs(((azimuth * count / (2 * math.pi)) % 1) - 0.5) * 2
    height = unit * (0.05 + 0.014 * tall)
    band = 0.42 - 0.1 * deep
    top = band + (1 - band) * wave**1.4
    t = np.linspace(0, 1, 6)[:, None]
    rise = t * top * height
    wide = 1 + 0.012 + (0.1 + 0.06 * flare) * (rise / height) ** 1.5
    # The skull comes closer to the axis as it rises: no need to check more than the foot.
    points = seat.frame[0] + wide[..., None] * ring + rise[..., None] * seat.frame[2]
    gold = codes.colour(2)
    thick = 0.0028 * unit
    solids = [grid(points, gold, True), *edges(points, thick, gold * 0.85, True, rounds=1)]
    for h in (0.03, band * 0.78):
        loop = seat.frame[0] + (1.02 + (0.1 + 0.06 * flare) * h**1.5) * ring[:-1] + h * height * seat.frame[2]
        solids.append(tube(loop, 0.0026 * unit, gold * 1.08, 5, closed=True))
    tips = points[-1, :-1:8]
    ball = blob((0, 0, 0), 0.0052 * unit, (1, 1, 1), 5, 7)
    eye = np.tile(np.eye(3), (count, 1, 1))
    solids.append(copies(ball, eye, tips + seat.frame[2] * 0.003 * unit, np.tile(gold * 1.1, (count, 1))))
    # Stones between the points, in the band.
    between = np.arange(count) * 8 + 4
    out = ring[between] / np.linalg.norm(ring[between], axis=1, keepdims=True)
    middle = seat.frame[0] + ring[between] * (1.025 + 0.04 * band) + out * 0.001 * unit
    middle = middle + seat.frame[2] * 0.4 * band * height
    up = np.broadcast_to(seat.frame[2], out.shape)
    axes = np.stack([np.cross(up, out) * 0.0065, up * 0.0065, out * 0.004], 1) * unit
    stones = np.where((np.arange(count) % 2)[:, None] == 0, codes.colour(0), codes.colour(1))
    solids.append(copies(blob((0, 0, 0), 1.0, (1, 1, 1), 5, 7, 2.6), axes, middle, stones))
    if arched > 0.3:
        solids += _cushion(codes, fit, line, seat, gold)
    return join(solids)


def _cushion(codes, fit, line, seat, gold):
    """Fill a royal crown with velvet and span two arches over it, with an orb."""
    unit = fit.unit
    share = np.linspace(0, 1, 12)[:, None]
    puff = 0.016 * np.sin(math.pi * np.clip(share * 1.1, 0, 1))
    velvet = cap_points(fit, line, 12, 0.05, 1.0, CLEAR + 0.001 + unit * puff)
    out = [grid(velvet, codes.colour(0), True)]
    top = velvet[-1, 0]
    for first in (0, 16):
        half = velvet[3:, first]
        other = velvet[3:, first + 32][::-1]
        path = curve(np.concatenate([half[::3], [top], other[::3]]), 25)
        path = (
            path
            + (path - seat.frame[0]) * (0.004 * unit / np.linalg.norm(path - seat.frame[0], axis=1))[:, None]
        )
        out.append(tube(path, np.array([0.0055, 0.0022]) * unit, gold, 8, up=path - seat.frame[0]))
    orb = top + seat.frame[2] * 0.008 * unit
    out.append(blob(orb, 0.0085 * unit, gold * 1.08))
    out.append(tube(np.stack([orb, orb + seat.frame[2] * 0.02 * unit]), 0.0018 * unit, gold, 6))
    bar = orb + seat.frame[2] * 0.014 * unit
    out.append(
        tube(np.stack([bar - [0.005 * unit, 0, 0], bar + [0.005 * unit, 0, 0]]), 0.0018 * unit, gold, 6)
    )
    return out


def helmet(codes: Worn, fit: Fit) -> Solid:
    """Make a helmet. sizes: thickness, ridge from front to back, rim, stripe (above 0), rivets (above 0), crest
    (above 0.5)."""
    thick, ridge, rim, stripe, rivets, crest = codes.sizes
    unit = fit.unit
    line = hat_line(fit, 0.1)
    share = np.linspace(0, 1, 20)[:, None]
    lift = CLEAR + unit * (0.006 + 0.003 * thick) * np.ones_like(share)
    back = smoothstep(0.2, 0.9, 0.5 - 0.5 * np.cos(line.azimuth))
    lift = lift + unit * 0.008 * back * smoothstep(0.45, 0.0, share)
    middle = np.exp(-((np.sin(line.azimuth) / 0.16) ** 2)) * (1 - smoothstep(0.9, 1.0, share))
    lift = lift + unit * 0.004 * max(ridge, 0) * middle
    points = cap_points(fit, line, 20, lift=lift)
    azimuth = line.azimuth
    stripes = (np.abs(np.sin(azimuth)) < 0.17) & (stripe > 0)
    shade = np.where(stripes[None, :, None], codes.colour(1), codes.colour(0))
    shade = np.broadcast_to(shade, points.shape).copy()
    shade[-2:] = codes.colour(1) if stripe > 0 else codes.colour(0)
    solids = [grid(points, shade, True)]
    edge = points[0, :-1]
    solids.append(
        tube(
            edge,
            np.array([0.0032, 0.0045 + 0.0015 * rim]) * unit,
            codes.colour(2),
            8,
            closed=True,
            up=(0, 1, 0),
        )
    )
    solids.append(edges(points[:3], 0.006 * unit, codes.colour(2) * 0.5, True)[0])
    if rivets > 0:
        at = points[3, :-1:4] + 0.0005 * unit
        out = at - fit.centre
        solids.append(
            copies(
                blob((0, 0, 0), 0.0032 * unit, (1, 1, 1), 5, 7),
                np.tile(np.eye(3), (len(at), 1, 1)),
                at + out / np.linalg.norm(out, axis=1, keepdims=True) * 0.0005,
                np.tile(codes.colour(2), (len(at), 1)),
            )
        )
    if crest > 0.5:
        path = np.concatenate([points[7:, 0], points[5:-1, 32][::-1]])
        out = path - fit.centre
        out /= np.linalg.norm(out, axis=1, keepdims=True)
        high = unit * 0.028 * np.sin(np.linspace(0.12, 0.95, len(path)) * math.pi) ** 0.6
        solids.append(
            tube(
                path + out * high[:, None] * 0.5,
                np.stack([0.006 * unit + 0 * high, high * 0.55 + 0.004 * unit], -1),
                codes.colour(1),
                10,
                up=out,
                power=3.0,
            )
        )
    return join(solids)


def chef(codes: Worn, fit: Fit) -> Solid:
    """Make a cook's hat. sizes: height, fullness, number of pleats, flop to a side."""
    tall, full, pleats, flop = codes.sizes[:4]
    unit = fit.unit
    line = hat_line(fit, 0.0)
    seat = seat_on(fit, line)
    columns = 96
    ring, azimuth = seat.ring(columns), np.linspace(0, 2 * math.pi, columns + 1)
    rise = float(seat.inside[:, 1].max())
    foot = unit * 0.045
    wide = 1.22 + 0.12 * full
    top = max(rise + 0.03 * unit, unit * (0.12 + 0.03 * tall))
    profile = np.array([(1.01, foot), (1.06, foot + 0.012 * unit), (wide - 0.03, foot + 0.45 * (top - foot)),
                        (wide, foot + 0.68 * (top - foot)), (wide - 0.09, foot + 0.88 * (top - foot)),
                        (0.78, 0.99 * top), (0.4, top), (0, 0.97 * top)])  # fmt: skip
    fine = curve(np.column_stack([profile, np.zeros(len(profile))]), 20)[:, :2]
    fine[-1, 0] = 0
    count = round(13 + 4 * pleats)
    depth = 0.028 * smoothstep(foot, foot + 0.02, fine[:, 1]) * smoothstep(0.1, 0.8, fine[:, 0])
    radius = fine[:, :1] * (1 + depth[:, None] * np.cos(count * azimuth))
    over = smoothstep(0.4, 1.0, fine[:, 1] / top)[:, None, None]
    points = seat.frame[0] + radius[..., None] * ring + fine[:, 1, None, None] * seat.frame[2]
    points = points + over * unit * 0.012 * flop * seat.frame[1]
    points[-1] = points[-1].mean(0)
    shade = codes.colour(0) * (
        1 - 0.10 * (1 - np.cos(count * azimuth))[None, :, None] * (depth[:, None, None] / 0.028)
    )
    t = np.linspace(0, 1, 5)[:, None, None]
    band = seat.frame[0] + (1.015 + 0.012 * np.sin(math.pi * t)) * ring + t * foot * 1.05 * seat.frame[2]
    return join([grid(points, shade, True), grid(band, codes.colour(0) * 0.96, True),
                 tube(band[0, :-1], 0.0018 * unit, codes.colour(0) * 0.85, 6, closed=True)])  # fmt: skip


def sailor(codes: Worn, fit: Fit) -> Solid:
    """Make a sailor's cap: a flat round top over a band, with two ribbons behind. sizes: width, tilt, ribbons
    (above -0.5), anchor badge (above 0)."""
    width, tilt, ribbons, badge = codes.sizes[:4]
    unit = fit.unit
    line = hat_line(fit, -0.1, 0.018 * unit)
    seat = seat_on(fit, line)
    ring, up = seat.ring(64), seat.frame[2]
    rise = float(seat.inside[:, 1].max())
    wide = 1.26 + 0.06 * width
    foot, top = unit * 0.028, rise + 0.006 * unit
    profile = np.array([(1.0, 0.8 * foot), (1.05, foot), (wide - 0.03, 0.66 * top), (wide, 0.82 * top),
                        (wide - 0.05, 0.94 * top), (0.8, top), (0.4, 0.995 * top), (0, 0.99 * top)])  # fmt: skip
    fine = curve(np.column_stack([profile, np.zeros(len(profile))]), 20)[:, :2]
    fine[-1, 0] = 0
    lean = np.sin(np.linspace(0, 2 * math.pi, 65))[:, None] * 0.006 * tilt * unit
    share = smoothstep(0.4, 1.0, fine[:, 1] / top)[:, None, None]
    points = (
        seat.frame[0]
        + fine[:, :1, None] * ring
        + (fine[:, 1, None, None] + lean * share * fine[:, :1, None]) * up
    )
    t = np.linspace(-0.1, 1, 5)[:, None, None]
    band = seat.frame[0] + (1.012 + 0.012 * np.sin(math.pi * np.clip(t, 0, 1))) * ring + t * foot * up
    solids = [grid(points, codes.colour(1), True), grid(band, codes.colour(0), True)]
    loop = points[np.argmax(fine[:, 0]), :-1]
    solids.append(tube(loop, 0.0022 * unit, codes.colour(0), 6, closed=True))
    for f in (0.3, 0.7):
        solids.append(
            tube(
                seat.frame[0] + 1.028 * ring[:-1] + f * foot * up,
                0.001 * unit,
                codes.colour(1),
                5,
                closed=True,
            )
        )
    if badge > 0:
        at = seat.frame[0] + ring[0] * 1.03 + up * 0.5 * foot
        solids.append(blob(at, np.array([0.009, 0.009, 0.003]) * unit, codes.colour(2)))
    if ribbons > -0.5:
        for side in (-1, 1):
            start = seat.frame[0] + ring[32] * 1.03 + up * 0.3 * foot + [side * 0.006 * unit, 0, 0]
            path = curve([start, start + [side * 0.006 * unit, -0.035 * unit, -0.012 * unit],
                          start + [side * 0.014 * unit, -0.075 * unit, -0.004 * unit]], 8)  # fmt: skip
            path = fit.pushed_out(path, 0.009)
            solids.append(
                tube(path, np.array([0.006, 0.0008]) * unit, codes.colour(0), 6, up=(0, 0.2, -1), power=4.0)
            )
    return join(solids)


def party(codes: Worn, fit: Fit) -> Solid:
    """Make a paper cone with a pompom, on the crown. sizes: height, width, tilt, size of the pompom."""
    tall, wide, tilt, ball = codes.sizes[:4]
    unit = fit.unit
    crown_row = fit.reach(np.zeros(1), np.full(1, 54.0))[0]
    top = fit.place(0.35 * tilt + 1.57 * np.sign(tilt), 50.0, crown_row)
    up = top - fit.centre
    up = up / np.linalg.norm(up) * 0.5 + np.array([0, 0.5, 0.02])
    up /= np.linalg.norm(up)
    right = np.cross(up, [0, 0, 1.0])
    right /= np.linalg.norm(right)
    front = np.cross(right, up)
    radius = unit * (0.052 + 0.006 * wide)
    height = unit * (0.125 + 0.02 * tall)
    azimuth = np.linspace(0, 2 * math.pi, 49)[:, None]
    ring = np.sin(azimuth) * right + np.cos(azimuth) * front
    # The foot follows the skull all round.
    foot = fit.pushed_out(top + ring * radius - up * 0.06 * unit, CLEAR, fit.over)
    tip = top + up * height
    t = np.linspace(0, 1, 14)[:, None, None]
    points = foot * (1 - t) + tip * t
    points = np.concatenate([points[:-1], np.repeat(tip[None, None], 49, 1)])
    edge = tube(foot[:-1], 0.003 * unit, codes.colour(2), 7, closed=True)
    return join(
        [
            grid(points, codes.colour(0), True, uv=True),
            edge,
            *fluff(tip, unit * (0.014 + 0.003 * ball), codes.colour(2), codes.seed),
        ]
    )
