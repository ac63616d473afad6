"""Short hair: crops, swept and pixie cuts, spikes, crests, curls about the head, rims."""

import dataclasses

import numpy as np

from soaplib.synthetic.hair.codes import Hair
from soaplib.synthetic.hair.ground import Ground
from soaplib.synthetic.hair.locks import Locks
from soaplib.synthetic.hair.look import Look
from soaplib.synthetic.hair.loose import front_row, together, waves
from soaplib.synthetic.hair.tufts import grow_tufts


def crop_body(ground: Ground, hair: Hair):
    """Give the body of short hair, metres as a function of (azimuth, height): fuller on top than at its border."""

    def body(azimuth, height):
        edge = np.clip((height - ground.hairline.height(azimuth)) / 0.8, 0, 1)
        top = 0.65 + 0.35 * np.clip(height, 0, 1)
        full = 1 - hair.layers * (1 - edge)
        return (0.001 + (0.003 + 0.016 * hair.volume) * np.sqrt(edge) * full * top) * ground.scale

    return body


def swept_body(ground: Ground, hair: Hair):
    """Give the body of swept hair: high over the forehead, flat at the sides."""

    def body(azimuth, height):
        edge = np.clip((height - ground.hairline.height(azimuth)) / 0.35, 0, 1)
        ahead = np.cos(azimuth) * np.cos(np.clip(height, 0, 1.5))
        top = np.clip((height - 0.25) / 0.6, 0, 1)
        crest = np.clip(0.45 + 0.75 * ahead + 0.3 * hair.fringe_sweep * np.sin(azimuth), 0.1, 1.2)
        return (0.001 + (0.003 + (0.006 + 0.032 * hair.volume) * crest * top) * np.sqrt(edge)) * ground.scale

    return body


def fallen(
    ground: Ground, hair: Hair, look: Look, rng: np.random.Generator, body, count: float = 290, high=None
) -> list[Locks]:
    """Grow locks of `hair.length` that lie away from whorl and parting, as crops and pixie cuts have them.

    body: what they lie on, see `crop_body`. high: hair grows only where the height is below high(azimuth).
    """
    scale = ground.scale
    roots = ground.spread(look.number(count, hair), rng)
    roots = together(roots, ground.about_crown(max(6, round(13 * look.count**0.5)), 0.12))
    if hair.part_length > 0.1:
        roots = together(roots, ground.along_part(max(5, round(16 * look.count**0.5)), 0.05))
    if high is not None:
        roots = roots.where(roots.height < high(roots.azimuth))
    ground = ground.raised(body)
    roots = ground.lifted(roots)
    count = len(roots)
    # Shorter at the sides and in the neck.
    fade = 1 - hair.layers * np.clip(1 - roots.edge / 0.9, 0, 1)
    length = (hair.length * fade + 0.01) * scale * rng.uniform(0.75, 1.2, count)
    front = np.clip(np.cos(roots.azimuth), 0, 1) * np.clip(roots.height / 0.5, 0, 1)
    layer = np.clip(0.65 + 0.25 * np.clip(roots.height, 0, 1) + 0.15 * rng.normal(size=count), 0, 1)
    rise = (0.0005 + 0.002 * layer) * scale
    gaps = np.stack([rise, rise, rise, rise * (0.6 + 3 * max(hair.tips, 0))], 1)
    push = np.zeros((count, 2, 3), np.float32)
    sideways = hair.fringe_sweep * front
    push[:, 0] = np.stack([0.8 * sideways, np.zeros(count), (0.5 - 1.2 * hair.back) * front], 1)
    push[:, 1] = push[:, 0]
    sideburn = (np.abs(roots.azimuth) > 0.75) & (np.abs(roots.azimuth) < 1.35)
    push[sideburn, :, 2] -= 0.35
    low = ground.brow_y + (0.012 + 0.02 * (1 - hair.fringe)) * scale
    points = max(7, look.points - 4)
    pointed = dataclasses.replace(hair, taper=max(hair.taper, 0.9))
    stand = hair.lift * np.clip(roots.height, 0, 1)
    locks = grow_tufts(
        ground, roots, rng, length=length, gaps=gaps, points=points, push=push,
        width=look.half_width((0.0042 + 0.03 * hair.length) * scale, hair, rng, count),
        taper=look.widths(pointed, 0.3, 0.3, points),
        away=(1.0, 0.6), down=(0.05, 0.35), out=np.stack([0.5 * stand, 0.4 * stand], 1), stiff=0.6,
        cling=np.stack([0.4 - 0.35 * stand, np.full(count, 0.4)], 1), stop=(0.95, low), noise=0.25 * hair.noise,
        bulge=0.6 * look.bulge, layer=layer, round=look.round, twist=rng.normal(size=count) * 0.3 * hair.noise,
        **waves(hair, roots, rng, scale),
    )  # fmt: skip
    return [locks]


def swept(ground: Ground, hair: Hair, look: Look, rng: np.random.Generator, body) -> list[Locks]:
    """Grow a top that is combed up, back and to one side over short sides; body: see `swept_body`."""
    scale = ground.scale
    roots = ground.spread(look.number(210, hair), rng)
    front = front_row(ground, max(7, round(22 * look.count)), 0.8, rng)
    roots = together(roots, front)
    ground = ground.raised(body)
    roots = ground.lifted(roots)
    top = (roots.height > 0.5) | ((np.abs(roots.azimuth) < 0.75) & (roots.edge > 0))
    upper, sides = roots.where(top), roots.where(~top)
    count = len(upper)
    ahead = np.clip((upper.points[:, 2] - ground.scalp.centre[2]) / (0.1 * scale), -0.6, 1)
    length = hair.length * scale * rng.uniform(0.7, 1.1, count) * (0.75 + 0.25 * np.clip(ahead, 0, 1))
    layer = np.clip(0.65 + 0.3 * ahead + 0.12 * rng.normal(size=count), 0, 1)
    height = (0.001 + 0.0035 * layer) * scale
    gaps = np.stack([0.4 * height, height, height, 0.5 * height + 0.004 * scale * max(hair.tips, 0)], 1)
    across = hair.fringe_sweep
    push = np.zeros((count, 2, 3), np.float32)
    push[:, 0] = np.stack(
        [np.full(count, 0.8 * across), np.full(count, 0.1), np.full(count, 0.2 - hair.back)], 1
    )
    push[:, 1] = np.stack(
        [np.full(count, 0.9 * across), np.full(count, -0.25), np.full(count, -0.3 - hair.back)], 1
    )
    tops = grow_tufts(
        ground, upper, rng, length=length, gaps=gaps, points=look.points, push=push,
        width=look.half_width(0.0072 * scale, hair, rng, count), taper=look.widths(hair, 0.35, 0.3), away=(0.1, 0.1),
        down=(0.0, 0.15), out=(0.25 + 0.3 * hair.lift, 0.0), stiff=0.7, cling=(0.35, 0.35), noise=0.15 * hair.noise,
        bulge=0.6 * look.bulge, layer=layer, round=look.round, stop=(0.95, ground.brow_y + 0.015 * scale),
        twist=rng.normal(size=count) * 0.3 * hair.noise, **waves(hair, upper, rng, scale),
    )  # fmt: skip
    count = len(sides)
    length = (
        (0.022 + 0.25 * hair.length * np.clip(sides.edge, 0.15, 1)) * scale * rng.uniform(0.8, 1.2, count)
    )
    rise = (0.0005 + 0.0015 * rng.uniform(size=count)) * scale
    push = np.zeros((count, 2, 3), np.float32)
    push[:, :, 2] = -0.7 * (np.abs(sides.azimuth) < 1.9)[:, None]
    points = max(7, look.points - 4)
    below = grow_tufts(
        ground, sides, rng, length=length, gaps=np.stack([rise] * 4, 1), points=points, push=push,
        width=look.half_width(0.006 * scale, hair, rng, count), taper=look.widths(hair, 0.3, 0.35, points),
        away=(0.0, 0.0), down=(0.9, 1.0), stiff=0.6, cling=(0.4, 0.4), noise=0.1 * hair.noise, bulge=0.6 * look.bulge,
        layer=np.clip(0.6 + 0.2 * rng.normal(size=count), 0, 1), round=look.round,
    )  # fmt: skip
    return [below, tops]


def spikes(
    ground: Ground, hair: Hair, look: Look, rng: np.random.Generator, body, crest: float = 0.0
) -> list[Locks]:
    """Grow locks that stand off the head and end in points.

    body: what they stand on. crest: keep only a strip this wide (radians) over the top, or 0.
    """
    scale = ground.scale
    if crest:
        roots = _strip(ground, crest, look.number(150, hair), rng)
    else:
        roots = ground.spread(max(44, look.number(130, hair)), rng, 0.4)
        roots = together(roots, front_row(ground, max(8, round(16 * look.count)), 0.8, rng))
    ground = ground.raised(body)
    roots = ground.lifted(roots, 0.004)
    count = len(roots)
    up = np.clip(roots.height / 0.9, -0.4, 1)
    length = hair.length * scale * rng.uniform(0.7, 1.25, count) * (0.75 + 0.25 * up)
    front = np.clip(np.cos(roots.azimuth), 0, 1) * (roots.edge < 0.35)
    stand = (0.15 + 0.8 * hair.volume) * np.clip(0.3 + 0.7 * up, 0.15, 1)
    push = np.zeros((count, 2, 3), np.float32)
    push[:, :, 1] = (0.5 * hair.lift * np.clip(up, 0, 1))[:, None]
    push[:, :, 0] = (0.5 * hair.fringe_sweep * np.clip(up, 0, 1))[:, None]
    push[:, :, 2] = (-0.5 * hair.back + 0.7 * front * (1 - hair.back))[:, None]
    droop = np.stack([0.25 * (1 - up), np.where(front > 0.3, 0.7 * (1 - hair.back), 0.25 * (1 - up))], 1)
    out = np.stack([stand, 0.6 * stand], 1)
    low = ground.brow_y - 0.004 * scale
    wide = 0.008 if crest else 0.0135
    locks = grow_tufts(
        ground, roots, rng, length=length, gaps=np.full((count, 4), 0.003 * scale), points=8, push=push,
        width=look.half_width(wide * scale, hair, rng, count), taper=look.widths(hair, 0.75, 0.3, 8),
        away=(0.0, 0.0) if crest else (0.9, 0.5), down=droop, out=(1.2, 0.8) if crest else out, stiff=0.75,
        cling=(0.0, 0.05), noise=0.3 * hair.noise, bulge=0.6, layer=np.clip(0.6 + 0.3 * up, 0, 1),
        stop=(0.6, low), round=True, twist=rng.normal(size=count) * 0.3,
        **waves(hair, roots, rng, scale),
    )  # fmt: skip
    return [locks]


def curls(ground: Ground, hair: Hair, look: Look, rng: np.random.Generator, body) -> list[Locks]:
    """Grow coils over a round body of hair, metres as a function of (azimuth, height); some stand off it."""
    scale = ground.scale
    roots = ground.spread(look.number(330 if hair.style == "realistic" else 200, hair), rng, 1.0)
    ground = ground.raised(lambda azimuth, height: body(azimuth, height) - 0.002 * scale)
    roots = ground.lifted(roots)
    count = len(roots)
    angle = rng.uniform(0, 2 * np.pi, count)
    push = np.stack([np.cos(angle), np.sin(angle), rng.normal(size=count)], 1)[:, None] * np.ones((1, 2, 1))
    points = 10
    locks = grow_tufts(
        ground, roots, rng, length=rng.uniform(0.022, 0.04, count) * scale, gaps=np.full((count, 4), 0.002 * scale),
        points=points, push=push.astype(np.float32), width=look.half_width(0.0042 * scale, hair, rng, count),
        taper=look.widths(hair, 0.8, 0.2, points), away=(0.0, 0.0), down=(0.0, 0.2),
        out=np.stack([np.full(count, 0.3), 0.3 * (rng.uniform(size=count) < 0.3)], 1), stiff=0.6, cling=(0.3, 0.3),
        wave=(0.003 + 0.003 * hair.noise) * scale, turns=1.4, curl=0.7, bulge=max(look.bulge, 0.5),
        layer=rng.uniform(0.35, 1, count), shade=rng.uniform(0.8, 1.1, count), round=look.round,
    )  # fmt: skip
    return [locks]


def ropes(ground: Ground, hair: Hair, look: Look, rng: np.random.Generator) -> list[Locks]:
    """Grow dreadlocks: ropes that fall from all over the head."""
    scale = ground.scale
    roots = ground.spread(max(30, round(68 * look.count**0.5 * hair.density)), rng)
    roots = together(roots, front_row(ground, 11, 1.0, rng))
    count = len(roots)
    layer = np.clip(1 - roots.away / 1.5 + 0.15 * rng.normal(size=count), 0, 1)
    base = (0.003 + 0.006 * layer + 0.006 * hair.volume) * scale
    gaps = np.stack([base, base + 0.014 * hair.volume * scale, base + 0.018 * hair.volume * scale, base], 1)
    end = ground.brow_y - hair.length * scale + 0.02 * scale * rng.normal(size=count)
    length = 1.3 * np.maximum(roots.points[:, 1] - end, 0.03 * scale) + 0.03 * scale
    opening = max(hair.opening, ground.eye_azimuth + 0.15) + 0.4 * rng.uniform(0, 1, count)
    push = np.zeros((count, 2, 3), np.float32)
    push[:, 0, 2] = -0.5 * (np.abs(roots.azimuth) < 1.0)
    locks = grow_tufts(
        ground, roots, rng, length=length, gaps=gaps, points=16, push=push, out=(0.05, 0.0), bulge=1.0, round=True,
        width=0.0062 * scale * hair.lock_width * rng.uniform(0.8, 1.2, count),
        taper=look.widths(hair, 0.8, 0.1, 16) * 0.4 + 0.6, opening=opening, cling=(0.35, 0.03), layer=layer,
        stop=np.stack([np.full(count, 4.0), end], 1), noise=0.25 * hair.noise, wave=0.003 * scale,
        turns=rng.uniform(1.5, 3.0, count), curl=0.3,
    )  # fmt: skip
    return [locks]


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
