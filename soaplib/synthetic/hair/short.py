"""Short hair: crops, swept and pixie cuts, spikes, crests, curls about the head, rims."""

import numpy as np

from soaplib.synthetic.hair.codes import Hair
from soaplib.synthetic.hair.ground import Ground, Roots
from soaplib.synthetic.hair.locks import Locks
from soaplib.synthetic.hair.look import Look
from soaplib.synthetic.hair.loose import together, waves
from soaplib.synthetic.hair.tufts import grow_tufts


def fallen(
    ground: Ground, hair: Hair, look: Look, rng: np.random.Generator, count: float = 190, high=None
) -> list[Locks]:
    """Grow locks of `hair.length` that lie away from whorl and parting, as crops and pixie cuts have them.

    high: grows only where the height is below high(azimuth).
    """
    scale = ground.scale
    roots = ground.spread(look.number(count, hair), rng)
    roots = together(roots, ground.about_crown(max(6, round(11 * look.count**0.5)), 0.12))
    if high is not None:
        roots = roots.where(roots.height < high(roots.azimuth))
    count = len(roots)
    # Shorter at the sides and in the neck.
    fade = 1 - hair.layers * np.clip(1 - roots.edge / 0.9, 0, 1)
    length = hair.length * scale * fade * rng.uniform(0.75, 1.2, count) + 0.006 * scale
    front = np.clip(np.cos(roots.azimuth), 0, 1) * np.clip(roots.height / 0.5, 0, 1)
    layer = np.clip(0.35 + 0.5 * np.clip(roots.height, 0, 1) + 0.15 * rng.normal(size=count), 0, 1)
    rise = (
        0.0015 + 0.002 * layer + (0.003 + 0.012 * hair.volume) * np.clip(roots.edge / 0.8, 0, 1) * fade
    ) * scale
    rise = np.minimum(rise, 0.5 * length)
    gaps = np.stack([rise, rise * 1.2, rise * 1.1, rise * (0.8 + 0.8 * max(hair.tips, 0))], 1)
    push = np.zeros((count, 2, 3), np.float32)
    sideways = hair.fringe_sweep * front
    push[:, 0] = np.stack([0.8 * sideways, np.zeros(count), (0.5 - 1.2 * hair.back) * front], 1)
    push[:, 1] = push[:, 0]
    sideburn = (np.abs(roots.azimuth) > 0.75) & (np.abs(roots.azimuth) < 1.35)
    push[sideburn, :, 2] -= 0.35
    low = ground.brow_y + (0.012 + 0.02 * (1 - hair.fringe)) * scale
    locks = grow_tufts(
        ground, roots, rng, length=length, gaps=gaps, points=max(6, look.points - 4), push=push,
        width=look.half_width(0.0075 * scale, hair, rng, count),
        taper=look.widths(hair, 0.75, 0.2, max(6, look.points - 4)),
        away=(1.0, 0.6), down=(0.05, 0.35), out=(0.15 + 0.8 * hair.lift, 0.3 * hair.lift + 0.3 * max(hair.tips, 0)),
        stiff=0.6, cling=(0.3 - 0.25 * hair.lift, 0.35), stop=(0.95, low), noise=0.3 * hair.noise, bulge=look.bulge,
        layer=layer, round=look.round, twist=rng.normal(size=count) * 0.6 * hair.noise,
        **waves(hair, roots, rng, scale),
    )  # fmt: skip
    return [locks]


def swept(ground: Ground, hair: Hair, look: Look, rng: np.random.Generator) -> list[Locks]:
    """Grow a top that is combed up, back and to one side over short sides."""
    scale = ground.scale
    roots = ground.spread(look.number(150, hair), rng)
    front = ground.roots(*_front_row(ground, max(6, round(16 * look.count)), rng))
    roots = together(roots, front)
    top = (roots.height > 0.62) | ((np.abs(roots.azimuth) < 0.75) & (roots.edge > 0))
    upper, sides = roots.where(top), roots.where(~top)
    count = len(upper)
    ahead = np.clip((upper.points[:, 2] - ground.scalp.centre[2]) / (0.1 * scale), -0.6, 1)
    length = hair.length * scale * rng.uniform(0.8, 1.15, count) * (0.75 + 0.25 * np.clip(ahead, 0, 1))
    layer = np.clip(0.55 + 0.4 * ahead + 0.1 * rng.normal(size=count), 0, 1)
    height = (
        0.004 + 0.004 * layer + (0.008 + 0.03 * hair.volume) * np.clip(0.35 + 0.65 * ahead, 0, 1)
    ) * scale
    gaps = np.stack([0.6 * height, height, 0.85 * height, 0.6 * height], 1)
    across = hair.fringe_sweep
    push = np.zeros((count, 2, 3), np.float32)
    push[:, 0] = np.stack(
        [np.full(count, 0.8 * across), np.full(count, 0.1), np.full(count, 0.25 - hair.back)], 1
    )
    push[:, 1] = np.stack(
        [np.full(count, 0.9 * across), np.full(count, -0.25), np.full(count, -0.3 - hair.back)], 1
    )
    tops = grow_tufts(
        ground, upper, rng, length=length, gaps=gaps, points=look.points, push=push,
        width=look.half_width(0.0085 * scale, hair, rng, count), taper=look.widths(hair, 0.75, 0.2), away=(0.1, 0.1),
        down=(0.0, 0.15), out=(0.5 + hair.lift, 0.0), stiff=0.7, cling=(0.25, 0.3), noise=0.25 * hair.noise,
        bulge=look.bulge, layer=layer, round=look.round, stop=(0.95, ground.brow_y + 0.015 * scale),
        **waves(hair, upper, rng, scale),
    )  # fmt: skip
    count = len(sides)
    length = (
        (0.012 + 0.25 * hair.length * np.clip(sides.edge, 0.15, 1)) * scale * rng.uniform(0.8, 1.2, count)
    )
    rise = np.minimum((0.002 + 0.006 * np.clip(sides.edge, 0, 1)) * scale, 0.4 * length)
    push = np.zeros((count, 2, 3), np.float32)
    push[:, :, 2] = -0.7 * (np.abs(sides.azimuth) < 1.9)[:, None]
    below = grow_tufts(
        ground, sides, rng, length=length, gaps=np.stack([rise] * 4, 1), points=max(6, look.points - 5), push=push,
        width=look.half_width(0.007 * scale, hair, rng, count),
        taper=look.widths(hair, 0.75, 0.2, max(6, look.points - 5)), away=(0.0, 0.0), down=(0.9, 1.0), stiff=0.6,
        cling=(0.4, 0.4), noise=0.2 * hair.noise, bulge=look.bulge, layer=0.3, round=look.round,
    )  # fmt: skip
    return [below, tops]


def spikes(
    ground: Ground, hair: Hair, look: Look, rng: np.random.Generator, crest: float = 0.0
) -> list[Locks]:
    """Grow locks that stand off the head and end in points. crest: keep only a strip this wide (radians), or 0."""
    scale = ground.scale
    if crest:
        roots = _strip(ground, crest, look.number(80, hair), rng)
    else:
        roots = ground.spread(max(26, look.number(80, hair)), rng, 0.3)
        roots = together(roots, ground.roots(*_front_row(ground, max(7, round(14 * look.count)), rng)))
    count = len(roots)
    up = np.clip(roots.height / 0.9, -0.4, 1)
    length = hair.length * scale * rng.uniform(0.7, 1.25, count) * (0.7 + 0.3 * up)
    front = np.clip(np.cos(roots.azimuth), 0, 1) * (roots.edge < 0.35)
    stand = (0.35 + 0.9 * hair.volume) * np.clip(0.35 + 0.65 * up, 0.2, 1)
    gap = np.full((count, 4), 0.004 * scale)
    gap[:, 1:] += 0.004 * scale
    push = np.zeros((count, 2, 3), np.float32)
    push[:, :, 1] = (0.5 * hair.lift * np.clip(up, 0, 1))[:, None]
    push[:, :, 0] = (0.5 * hair.fringe_sweep * np.clip(up, 0, 1))[:, None]
    push[:, :, 2] = (-0.5 * hair.back + 0.7 * front * (1 - hair.back))[:, None]
    droop = np.stack([np.full(count, 0.05), np.where(front > 0.3, 0.7 * (1 - hair.back), 0.25 * (1 - up))], 1)
    out = np.stack([stand, 0.45 * stand], 1)
    low = ground.brow_y - 0.004 * scale
    locks = grow_tufts(
        ground, roots, rng, length=length, gaps=gap, points=look.points, push=push,
        width=look.half_width(0.0125 * scale, hair, rng, count), taper=look.widths(hair, 0.9, 0.15),
        away=(0.9, 0.4) if not crest else (0.0, 0.0), down=droop, out=out if not crest else (1.2, 0.8), stiff=0.75,
        cling=(0.0, 0.05), noise=0.35 * hair.noise, bulge=max(look.bulge, 0.45), layer=np.clip(0.5 + 0.4 * up, 0, 1),
        stop=(0.6, low), round=look.round, twist=rng.normal(size=count) * 0.3,
        **waves(hair, roots, rng, scale),
    )  # fmt: skip
    return [locks]


def curls(ground: Ground, hair: Hair, look: Look, rng: np.random.Generator, gap) -> list[Locks]:
    """Grow small curls out of a round volume; gap: metres of its surface over the skin, of (azimuth, height)."""
    scale = ground.scale
    roots = ground.spread(look.number(190, hair), rng)
    full = gap(roots.azimuth, roots.height) * np.clip(roots.edge / 0.3, 0.1, 1)
    lifted = ground.scalp.bare.push_out(roots.points, np.maximum(full - 0.004 * scale, 0))
    roots = Roots(roots.azimuth, roots.height, lifted.astype(np.float32), roots.edge, roots.away)
    count = len(roots)
    direction = rng.normal(size=(count, 1, 3)).astype(np.float32) * np.ones((1, 2, 1), np.float32)
    locks = grow_tufts(
        ground, roots, rng, length=rng.uniform(0.018, 0.034, count) * scale, gaps=np.full((count, 4), 0.001),
        points=look.points, push=direction, width=look.half_width(0.0055 * scale, hair, rng, count),
        taper=look.widths(hair, 0.8, 0.2), away=(0.0, 0.0), down=(0.0, 0.1), out=(1.2, 0.5), stiff=0.6,
        cling=(0.0, 0.0),
        wave=0.005 * scale, turns=1.3, curl=0.8, bulge=look.bulge, layer=rng.uniform(0.3, 1, count), round=look.round,
    )  # fmt: skip
    return [locks]


def ropes(ground: Ground, hair: Hair, look: Look, rng: np.random.Generator) -> list[Locks]:
    """Grow dreadlocks: ropes that fall from all over the head."""
    scale = ground.scale
    roots = ground.spread(max(30, round(75 * look.count**0.5 * hair.density)), rng)
    count = len(roots)
    layer = np.clip(1 - roots.away / 1.5 + 0.15 * rng.normal(size=count), 0, 1)
    base = (0.004 + 0.012 * layer + 0.006 * hair.volume) * scale
    gaps = np.stack([base, base + 0.014 * hair.volume * scale, base + 0.018 * hair.volume * scale, base], 1)
    end = ground.brow_y - hair.length * scale + 0.02 * scale * rng.normal(size=count)
    length = 1.3 * np.maximum(roots.points[:, 1] - end, 0.03 * scale) + 0.03 * scale
    opening = max(hair.opening, ground.eye_azimuth + 0.15) + 0.4 * rng.uniform(0, 1, count)
    push = np.zeros((count, 2, 3), np.float32)
    push[:, 0, 2] = -0.5 * (np.abs(roots.azimuth) < 1.0)
    locks = grow_tufts(
        ground, roots, rng, length=length, gaps=gaps, points=16, push=push, out=(0.3, 0.0), bulge=1.0, round=True,
        width=0.0062 * scale * hair.lock_width * rng.uniform(0.8, 1.2, count),
        taper=look.widths(hair, 0.8, 0.1, 16) * 0.4 + 0.6, opening=opening, cling=(0.35, 0.03), layer=layer,
        stop=np.stack([np.full(count, 4.0), end], 1), noise=0.25 * hair.noise, wave=0.003 * scale,
        turns=rng.uniform(1.5, 3.0, count), curl=0.3,
    )  # fmt: skip
    return [locks]


def _front_row(ground, count, rng):
    azimuth = np.linspace(-0.8, 0.8, count) + rng.normal(size=count) * 0.02
    return azimuth, ground.hairline.height(azimuth) + 0.035 + 0.03 * rng.uniform(size=count)


def _strip(ground, wide, count, rng):
    """Spread roots over a strip from the front hairline over the top to the nape."""
    s = (np.arange(count) + rng.uniform(size=count)) / count
    aside = rng.uniform(-wide, wide, count)
    # The angle over the top: from the front's height to the nape's.
    angle = 0.62 + s * (np.pi - 0.62 + 0.75)
    level, ahead = np.sin(angle) * np.cos(aside), np.cos(angle)
    azimuth = np.arctan2(np.sin(aside), ahead)
    height = np.where(level > 0, np.arcsin(np.clip(level, -1, 1)), level)
    roots = ground.roots(azimuth, height)
    return roots.where(roots.edge > 0.0)
