"""Loose hair that falls from a parting: bobs, waves, long hair, curls; and the fringe, which others wear too."""

import dataclasses

import numpy as np

from soaplib.synthetic.hair.codes import Hair
from soaplib.synthetic.hair.ground import Ground, Roots
from soaplib.synthetic.hair.locks import Locks
from soaplib.synthetic.hair.look import Look
from soaplib.synthetic.hair.tufts import grow_tufts


def together(first: Roots, second: Roots) -> Roots:
    """Put two sets of roots together."""
    fields = [field.name for field in dataclasses.fields(Roots)]
    return Roots(*(np.concatenate([getattr(first, name), getattr(second, name)]) for name in fields))


def front_row(ground: Ground, count: int, wide: float, rng: np.random.Generator) -> Roots:
    """Give roots just behind the front hairline, to azimuths of +-`wide`."""
    azimuth = np.linspace(-wide, wide, count) + rng.normal(size=count) * 0.02
    return ground.roots(azimuth, ground.hairline.height(azimuth) + 0.03 + 0.04 * rng.uniform(size=count))


def waves(hair: Hair, roots: Roots, rng: np.random.Generator, scale: float) -> dict:
    """Give the wave arguments of `grow_tufts`: neighbours wave alike."""
    count = len(roots)
    phase = 3 * np.sin(2 * roots.azimuth + hair.seed % 7) + rng.normal(size=count) * (0.5 + 1.5 * hair.curl)
    return dict(
        wave=hair.wave * scale * rng.uniform(0.6, 1.2, count), phase=phase, curl=hair.curl,
        turns=hair.wave_count * rng.uniform(0.85, 1.15, count),
    )  # fmt: skip


def loose(ground: Ground, hair: Hair, look: Look, rng: np.random.Generator, only=None) -> list[Locks]:
    """Grow hair that falls all round and is cut at `hair.length` under the brows.

    only: a function of the `Roots` that tells which of them have falling hair; all by default.
    """
    roots = ground.spread(look.number(115, hair), rng)
    if hair.part_length > 0:
        roots = together(roots, ground.along_part(max(5, round(20 * look.count**0.5)), 0.05))
    roots = together(roots, front_row(ground, max(9, round(22 * look.count**0.5)), 1.2, rng))
    for aside in (0.1, 0.26):
        roots = together(roots, ground.about_crown(max(7, round(13 * look.count**0.5)), aside))
    if hair.fringe > 0.05:
        # The fringe grows there instead.
        roots = roots.where((np.abs(roots.azimuth) > hair.fringe_width + 0.05) | (roots.edge > 0.45))
    if only is not None:
        roots = roots.where(only(roots))
    layer = np.clip(1 - roots.away / 1.5 + 0.15 * rng.normal(size=len(roots)), 0, 1)
    return [_lining(ground, hair, look, rng), _falling(ground, hair, look, rng, roots, layer, 0.0105)]


def _lining(ground, hair, look, rng):
    """Wide dark locks behind the others: between those one looks into hair, not through it."""
    azimuth = np.linspace(-np.pi, np.pi, 27)[:-1]
    azimuth = azimuth[np.abs(azimuth) > 0.8]
    roots = ground.roots(azimuth, ground.hairline.height(azimuth) + 0.22)
    plain = dataclasses.replace(
        hair, wave=0.3 * hair.wave, curl=0.0, noise=0.0, taper=0.0, asymmetry=hair.asymmetry, layers=0.0,
        length=hair.length - 0.012,
    )  # fmt: skip
    return _falling(ground, plain, look, rng, roots, np.zeros(len(roots)), 0.02, 0.75, 1 / look.width)


def _falling(ground, hair, look, rng, roots, layer, width, shade=1.0, widen=1.0):
    scale = ground.scale
    side = np.tanh(roots.points[:, 0] / (0.03 * scale))
    end = ground.brow_y - hair.length * scale
    end = end + hair.asymmetry * 0.04 * scale * side + hair.ends * scale * rng.normal(size=len(roots))
    keep = roots.points[:, 1] > end + 0.012 * scale
    roots, layer, side, end = roots.where(keep), layer[keep], side[keep], end[keep]
    count = len(roots)
    base = (0.002 + 0.005 * layer + 0.012 * hair.volume * (0.6 + 0.4 * layer)) * scale
    puff = hair.volume * 0.03 * scale * (0.6 + 0.4 * layer)
    tip = base + puff * (1 + 0.3 * hair.tips) + 0.02 * scale * max(hair.tips, 0)
    tip = tip * (1 + 0.6 * min(hair.tips, 0))
    gaps = np.stack([0.75 * base + hair.lift * 0.008 * scale * layer, base + 0.6 * puff, base + puff, tip], 1)
    length = 1.25 * (roots.points[:, 1] - end) + 0.06 * scale
    length = length * (1 - hair.layers * rng.uniform(0, 0.5, count) * layer)
    opening = hair.opening if hair.fringe <= 0.05 else min(hair.opening, hair.fringe_width)
    opening = max(opening, ground.eye_azimuth + 0.15) + 0.35 * rng.uniform(0, 1, count) * (1 - layer)
    if hair.tuck:
        opening = np.where(np.abs(roots.azimuth) < 1.5, 1.85, opening)
    push = np.zeros((count, 2, 3), np.float32)
    # At the front edge hair goes aside and back before it falls.
    edge = np.clip(1.4 - roots.edge / 0.35, 0, 1) * (np.abs(roots.azimuth) < 1.0) * (hair.fringe <= 0.05)
    push[:, 0, 2] = -(0.5 * hair.back + 0.6 * edge) * (roots.points[:, 2] > ground.scalp.centre[2])
    push[:, 1, 0] = hair.tips * 0.4 * side * (abs(hair.tips) > 0.3)
    # Waves, and the long way over the head, take more points.
    more = min(6, 16 * hair.length) + (8 if hair.curl > 0.2 else 4 if hair.wave > 0.004 else 0)
    points = look.points + int(more * (0.6 if look.round else 1.0))
    return grow_tufts(
        ground, roots, rng, length=length, gaps=gaps, points=points,
        width=widen * look.half_width(width * scale, hair, rng, count), taper=look.widths(hair, points=points),
        away=(1.0, 0.1), down=(0.25, 1.2), push=push, stiff=0.72, cling=(0.5, 0.04 + 0.16 * max(-hair.tips, 0)),
        opening=opening, stop=np.stack([np.full(count, 4.0), end], 1), noise=0.12 * hair.noise, bulge=look.bulge,
        layer=layer, shade=shade, round=look.round, twist=rng.normal(size=count) * 0.3 * hair.noise,
        **waves(hair, roots, rng, scale),
    )  # fmt: skip


def fringe(ground: Ground, hair: Hair, look: Look, rng: np.random.Generator) -> list[Locks]:
    """Grow the fringe, if there is one: from the front of the scalp over the forehead towards the brows."""
    if hair.fringe <= 0.05:
        return []
    scale = ground.scale
    count = max(5, round(34 * look.count * hair.density * hair.fringe_width / 0.7))
    across = (np.arange(count) + 0.5) / count * 2 - 1
    rows = rng.permutation(count) % 3
    azimuth = hair.part * 0.4 + across * hair.fringe_width + rng.normal(size=count) * 0.03
    line = ground.hairline.height(azimuth)
    height = np.minimum(line + 0.06 + 0.16 * rows * (1 - 0.3 * np.abs(across)), 1.4)
    roots = ground.roots(azimuth, height)
    forehead = roots.points[:, 1] - ground.brow_y
    # 1 ends a finger over the brows.
    target = ground.brow_y + 0.006 * scale + (1 - hair.fringe) * np.maximum(forehead, 0) * 0.8
    lower = np.clip((np.abs(azimuth) - ground.eye_azimuth) / 0.3, 0, 1)
    guard = (ground.eye_azimuth + 0.06, ground.brow_y + (0.003 - 0.035 * max(hair.fringe - 1, 0)) * scale)
    end = target - lower * 0.035 * scale + 0.5 * hair.ends * scale * rng.normal(size=count)
    length = 1.25 * (roots.points[:, 1] - end) + 0.05 * scale + abs(hair.fringe_sweep) * 0.025 * scale
    layer = 0.6 + 0.2 * rows
    base = (0.004 + 0.0025 * rows) * scale
    rise = (0.004 + 0.012 * hair.volume) * scale
    gaps = np.stack(
        [base + 0.5 * rise, base + rise, base + 0.8 * rise, base + (0.5 + max(hair.tips, 0)) * rise], 1
    )
    sweep = hair.fringe_sweep
    push = np.zeros((count, 2, 3), np.float32)
    push[:, 0] = np.stack([0.9 * sweep + 0.25 * across, np.zeros(count), np.full(count, 1.0)], 1)
    push[:, 1] = np.stack(
        [0.7 * sweep + 0.2 * across * (1 - abs(sweep)), np.full(count, -0.6), np.full(count, 0.3)], 1
    )
    locks = grow_tufts(
        ground, roots, rng, length=length, gaps=gaps, points=look.points,
        width=look.half_width(0.008 * scale, hair, rng, count), taper=look.widths(hair, root=0.7), away=(0.0, 0.0),
        down=(0.0, 0.8), push=push, stiff=0.7, cling=(0.35, 0.3), stop=np.stack([np.full(count, 1.0), end], 1),
        noise=0.1 * hair.noise, bulge=look.bulge, layer=layer, round=look.round, opening=1e-6, guard=guard,
        wave=0.5 * hair.wave * scale, turns=0.4 * hair.wave_count, curl=hair.curl,
    )  # fmt: skip
    return [locks]
