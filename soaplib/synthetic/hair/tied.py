"""Tied hair: combed to one or two ties, and what hangs or sits there: tails and buns."""

import numpy as np

from soaplib.synthetic.hair.codes import Hair
from soaplib.synthetic.hair.ground import Ground
from soaplib.synthetic.hair.locks import Locks, tangents, unit
from soaplib.synthetic.hair.look import Look
from soaplib.synthetic.hair.loose import together
from soaplib.synthetic.hair.tufts import grow_tufts


def tie_points(ground: Ground, hair: Hair, sides: int, gap: float) -> np.ndarray:
    """Give the (sides, 3) points of the ties, `gap` metres over the skin; two lie left and right."""
    azimuth, height = hair.tie
    azimuths = np.array([azimuth] if sides == 1 else [abs(azimuth), -abs(azimuth)])
    skin = ground.scalp.points(azimuths, np.full(sides, height))
    return ground.scalp.bare.push_out(skin, gap * ground.scale)


def combed(
    ground: Ground, hair: Hair, look: Look, rng: np.random.Generator, ties: np.ndarray, only=None
) -> list[Locks]:
    """Grow hair that is combed over the head to the tie on its side of the parting.

    only: a function of the `Roots` that tells which of them are combed; all by default.
    """
    scale = ground.scale
    roots = ground.spread(look.number(115, hair), rng)
    azimuth = np.linspace(-np.pi, np.pi, max(20, round(44 * look.count**0.5)) + 1)[:-1]
    azimuth = azimuth + rng.normal(size=len(azimuth)) * 0.02
    behind = 0.02 + 0.06 * rng.uniform(size=len(azimuth)) ** 2
    edge = ground.roots(azimuth, ground.hairline.height(azimuth) + behind)
    roots = together(roots, edge)
    if len(ties) == 2:
        roots = together(roots, ground.along_part(max(5, round(18 * look.count**0.5)), 0.05))
    if only is not None:
        roots = roots.where(only(roots))
    # The sideburn's hair stays where it is: in front of the ear.
    roots = roots.where((roots.height > -0.02) | (np.abs(roots.azimuth) > 1.8))
    count = len(roots)
    which = np.zeros(count, int)
    if len(ties) == 2:
        line = hair.part * np.clip(np.cos(roots.azimuth), 0, 1)
        which = np.where(np.sin(roots.azimuth - line) >= 0, 0, 1)
    target = ties[which]
    reach = np.linalg.norm(target - roots.points, axis=1)
    keep = reach > 0.012 * scale
    roots, target, reach = roots.where(keep), target[keep], reach[keep]
    count = len(roots)
    layer = np.clip(reach / (0.2 * scale) + 0.15 * rng.normal(size=count), 0, 1)
    base = (0.0015 + 0.0045 * layer + 0.010 * hair.volume * np.clip(roots.edge / 0.5, 0.1, 1)) * scale
    slim = look.widths(hair, 0.35, 0.3)
    gaps = np.stack([0.8 * base, base, 0.9 * base, np.full(count, 0.004 * scale)], 1)
    locks = grow_tufts(
        ground, roots, rng, length=1.8 * reach + 0.02 * scale, gaps=gaps, points=look.points, target=target,
        width=look.half_width(0.0095 * scale, hair, rng, count),
        taper=np.where(np.arange(look.points) < look.points / 3, slim, np.maximum(slim, 0.45)),
        away=(0.0, 0.0), down=(0.0, 0.0), pull=(1.0, 1.0),
        push=np.float32([[0, 0, 0], [0, 0, 0]]), stiff=0.55, cling=(0.6, 0.6), noise=0.06 * hair.noise,
        bulge=0.8 * look.bulge, layer=0.3 + 0.6 * layer, round=look.round,
        wave=0.25 * hair.wave * scale, turns=hair.wave_count * 0.6, curl=0.0,
    )  # fmt: skip
    return [locks]


def strays(ground: Ground, hair: Hair, look: Look, rng: np.random.Generator) -> list[Locks]:
    """Grow the few locks before the ears that escape a comb."""
    if hair.fringe_width < 0.3:
        return []
    scale = ground.scale
    count = max(2, round(4 * look.count)) * 2
    side = np.where(np.arange(count) % 2, 1.0, -1.0)
    azimuth = side * rng.uniform(0.75, 1.05, count)
    roots = ground.roots(azimuth, ground.hairline.height(azimuth) + 0.05)
    end = ground.brow_y - rng.uniform(0.05, 0.12, count) * scale
    gaps = np.tile(np.array([0.003, 0.007, 0.009, 0.006]) * scale, (count, 1))
    locks = grow_tufts(
        ground, roots, rng, length=1.3 * (roots.points[:, 1] - end), gaps=gaps, points=look.points,
        width=look.half_width(0.005 * scale, hair, rng, count), taper=look.widths(hair), away=(0.3, 0.0),
        down=(0.8, 1.0), cling=(0.4, 0.1),
        opening=max(hair.opening, ground.eye_azimuth + 0.22), stop=np.stack([np.full(count, 4.0), end], 1),
        bulge=look.bulge, layer=0.9, round=look.round, wave=(0.003 + hair.wave) * scale, turns=1.5, curl=0.3,
    )  # fmt: skip
    return [locks]


def tail_axis(ground: Ground, hair: Hair, tie: np.ndarray, length: float, points: int, forward: float = 0.0):
    """Give the (points, 3) axis of a tail: out from the tie, then down, outside the head. forward: over a shoulder."""
    scale = ground.scale
    start = ground.scalp.bare.normals_at(tie[None])[0] + (0, 0.5 * hair.lift, 0)
    direction, place = start / np.linalg.norm(start), tie.astype(float)
    step = length / (points - 1)
    axis = [place]
    thick = 0.014 * hair.tail * scale
    for k in range(1, points):
        fall = np.array([0.0, -1.0, forward * min(1.0, 3 * k / points)])
        bend = min(1.0, step / (0.05 * scale * (0.6 + hair.volume)))
        direction = direction + bend * (fall - direction)
        direction = direction / np.linalg.norm(direction)
        place = place + step * direction
        place = ground.hull.push_out(place[None].astype(np.float32), thick)[0].astype(float)
        axis.append(place)
    return np.array(axis, np.float32)


def frame(axis: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Give two unit vectors (T, 3) across an axis that turn as little as they can."""
    along = tangents(axis[None])[0]
    across = np.zeros_like(axis)
    first = np.cross(along[0], (0.0, 1.0, 0.0) if abs(along[0, 1]) < 0.9 else (1.0, 0.0, 0.0))
    across[0] = first / np.linalg.norm(first)
    for k in range(1, len(axis)):
        turned = across[k - 1] - (across[k - 1] @ along[k]) * along[k]
        across[k] = turned / np.linalg.norm(turned)
    return across, np.cross(along, across)


def tail(
    ground: Ground, hair: Hair, look: Look, rng: np.random.Generator, tie: np.ndarray, forward=0.0
) -> list[Locks]:
    """Grow a tail from a tie."""
    scale = ground.scale
    points = look.points + 6
    axis = tail_axis(ground, hair, tie, hair.length * scale, points, forward)
    across, other = frame(axis)
    count = max(9, round(25 * look.count * hair.density))
    angle = rng.uniform(0, 2 * np.pi, count)
    # Most locks on the outside, where they are seen.
    off = np.sqrt(rng.uniform(0.25, 1, count))
    t = np.linspace(0, 1, points)
    body = 0.45 + 0.75 * np.sin(np.pi * np.clip(t, 0, 1) ** 0.6) ** 0.8
    body = body * (1 - 0.6 * hair.taper * t**3)
    radius = 0.021 * hair.tail * scale * off[:, None] * body
    reach = rng.uniform(0.78, 1.0, count)[:, None] * t
    place = reach * (points - 1)
    low = np.minimum(place.astype(int), points - 2)
    share = (place - low)[..., None]

    def along(values):
        return values[low] * (1 - share) + values[low + 1] * share

    swing = angle[:, None] + 0.5 * np.sin(2 * np.pi * reach + rng.uniform(0, 6.3, (count, 1)))
    outward = along(across) * np.cos(swing)[..., None] + along(other) * np.sin(swing)[..., None]
    wavy = (
        hair.wave
        * scale
        * np.minimum(3 * reach, 1)
        * np.sin(2 * np.pi * hair.wave_count * reach + 0.5 * angle[:, None])
    )
    paths = along(axis) + outward * (radius + 0.7 * wavy)[..., None]
    paths = ground.hull.push_out(paths.astype(np.float32), 0.002 * scale)
    width = look.half_width(0.0095 * scale * hair.tail**0.5, hair, rng, count)
    widths = width[:, None] * look.widths(hair, 0.5, 0.3, points)
    full = np.ones(count, np.float32)
    locks = Locks(
        paths.astype(np.float32), unit(outward).astype(np.float32), widths.astype(np.float32), look.bulge * full,
        np.zeros((count, points), np.float32), full, (0.4 + 0.6 * off**2).astype(np.float32), look.round,
    )  # fmt: skip
    return [locks]


def bun(ground: Ground, hair: Hair, look: Look, rng: np.random.Generator, tie: np.ndarray) -> list[Locks]:
    """Grow a bun on a tie: locks wound up on a flattened ball."""
    scale = ground.scale
    size = 0.03 * hair.tail * scale
    axis = ground.scalp.bare.normals_at(tie[None])[0] + (0, 0.4 * hair.lift, 0)
    axis = axis / np.linalg.norm(axis)
    right = np.cross(axis, (0.0, 0.3, 1.0))
    right = right / np.linalg.norm(right)
    up = np.cross(right, axis)
    count = max(9, round(26 * look.count**0.7))
    points = look.points + 2
    t = np.linspace(0, 1, points)
    swirl = (1.2 + 1.8 * hair.wave_count / 4) * (1 if hair.seed % 2 else -1)
    around = (np.arange(count) / count * 2 * np.pi)[:, None] + swirl * t + 0.25 * rng.normal(size=(count, 1))
    rise = -0.9 + (2.6 + 0.2 * rng.normal(size=(count, 1))) * t
    rise = np.clip(rise, -1.2, 1.9)
    out = (
        np.cos(rise)[..., None] * (np.cos(around)[..., None] * right + np.sin(around)[..., None] * up)
        + 0.85 * np.sin(rise)[..., None] * axis
    )
    wobble = (
        1
        + 0.06 * rng.normal(size=(count, 1))
        + 0.05 * hair.noise * np.sin(5 * t + rng.uniform(0, 6, (count, 1)))
    )
    paths = tie + axis * (0.6 * size) + out * (size * wobble)[..., None]
    outward = unit(out)
    width = look.half_width(1.0, hair, rng, count) / look.width * (2.2 * np.pi * size / count) * 0.75
    taper = 0.55 + 0.45 * np.sin(np.pi * t) ** 0.7
    full = np.ones(count, np.float32)
    return [
        Locks(
            paths.astype(np.float32), outward.astype(np.float32), (width[:, None] * taper).astype(np.float32),
            max(look.bulge, 0.4) * full, np.zeros((count, points), np.float32), full,
            rng.uniform(0.4, 1, count).astype(np.float32), look.round,
        )
    ]  # fmt: skip
