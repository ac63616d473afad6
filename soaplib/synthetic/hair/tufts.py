"""Tufts: locks grown from roots by the direction field, waved and given widths."""

import numpy as np

from soaplib.synthetic.hair.ground import Ground, Roots
from soaplib.synthetic.hair.locks import Locks, tangents, unit


def grow_tufts(
    ground: Ground, roots: Roots, rng: np.random.Generator, *, length, gaps, width, points=12,
    away=(1.0, 0.2), down=(0.3, 1.0), out=(0.0, 0.0), pull=(0.0, 0.0), push=((0, 0, 0), (0, 0, 0)), target=(0, 0, 0),
    stiff=0.75, cling=(0.5, 0.05), opening=0.0, stop=(0.0, 0.0), noise=0.0, wave=0.0, turns=2.0, curl=0.0,
    phase=None, taper=None, bulge=0.3, layer=0.5, shade=1.0, twist=0.0, round=False, guard=None,
) -> Locks:  # fmt: skip
    """Grow one lock from each root; arguments as in `march`, broadcast over the roots; metres.

    noise: of the direction. wave: (N,) amplitude, metres; turns along the lock; curl: share of the wave that goes
    out of the surface; phase: (N,) or drawn. taper: (points,) widths over `width`. twist: radians of turning.
    """
    from soaplib.synthetic.hair import march

    count = len(roots)

    def full(value, *shape):
        out = np.empty((count, *shape), np.float32)
        out[...] = value
        return out

    push = full(push, 2, 3) + noise * rng.normal(size=(count, 1, 3)).astype(np.float32)
    hull = ground.hull
    paths = march.march(
        np.ascontiguousarray(roots.points, np.float32), full(length), full(gaps, 4), full(away, 2), full(down, 2),
        full(out, 2), full(pull, 2), push, full(target, 3), full(stiff), full(cling, 2), full(opening), full(stop, 2),
        np.ascontiguousarray(ground.part, np.float32), ground.parted, ground.brow, ground.line,
        guard or (ground.eye_azimuth + 0.06, ground.brow_y + 0.004 * ground.scale), hull.centre, hull.unit,
        hull.radii, hull.normals, points,
    )  # fmt: skip
    t = np.linspace(0, 1, points, dtype=np.float32)
    turn = np.broadcast_to(full(twist)[:, None] * (t - 0.5), (count, points))
    outward = hull.normals_at(paths)
    if np.any(np.asarray(wave) > 0):
        along = tangents(paths)
        side = unit(np.cross(along, outward))
        drawn = rng.uniform(0, 2 * np.pi, count).astype(np.float32) if phase is None else full(phase)
        angle = 2 * np.pi * full(turns)[:, None] * t + drawn[:, None]
        ramp = full(wave)[:, None] * np.minimum(t * 3, 1) * (0.6 + 0.4 * t)
        share = full(curl)[:, None]
        paths = paths + side * (ramp * np.sin(angle))[..., None]
        paths = paths + outward * (ramp * share * (1 + np.cos(angle)))[..., None]
        paths = np.ascontiguousarray(paths, np.float32)
        least = float(np.min(np.asarray(gaps)[..., 0])) * 0.6
        march.pushed(paths, max(least, 0.001), hull.centre, hull.unit, hull.radii)
        turn = turn - 0.5 * share * np.sin(angle)
    along = tangents(paths)
    # Where a lock stands straight off the head, its upper side is the one that looks up and ahead.
    upper = np.float32([0.0, 0.8, 0.6])
    upper = upper - (along @ upper)[..., None] * along
    flat = (outward * along).sum(-1, keepdims=True)
    outward = unit(outward - 0.95 * flat * along + 0.7 * flat**4 * upper)
    profile = np.ones(points, np.float32) if taper is None else np.asarray(taper, np.float32)
    return Locks(
        paths, outward, full(width)[:, None] * profile, full(bulge), turn.astype(np.float32), full(shade),
        full(layer), round,
    )  # fmt: skip
