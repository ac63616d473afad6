"""The families of hair: which locks and which shell make each."""

import dataclasses

import numpy as np

from soaplib.synthetic.hair import short, tied
from soaplib.synthetic.hair.braid import braid, crown_braid
from soaplib.synthetic.hair.locks import Locks, Surface, unit
from soaplib.synthetic.hair.loose import fringe, loose
from soaplib.synthetic.hair.shell import shell


@dataclasses.dataclass(frozen=True)
class Grown:
    """What a family grows: shells, locks, and (centre, axis, radius) of the bands about tails and braids."""

    shells: tuple[Surface, ...] = ()
    locks: tuple[Locks, ...] = ()
    bands: tuple[tuple[np.ndarray, np.ndarray, float], ...] = ()


def band(centre: np.ndarray, axis: np.ndarray, radius: float) -> Surface:
    """Build the band about a tail: a ring of 14 x 5 vertices."""
    around, about = np.meshgrid(
        np.linspace(0, 2 * np.pi, 15)[:-1], np.linspace(0, 2 * np.pi, 6)[:-1], indexing="ij"
    )
    right = np.cross(axis, (0.3, 0.2, 1.0))
    right = right / np.linalg.norm(right)
    out = np.cos(around)[..., None] * right + np.sin(around)[..., None] * np.cross(axis, right)
    normals = np.cos(about)[..., None] * out + np.sin(about)[..., None] * axis
    points = centre + out * radius + normals * (0.35 * radius)
    index = np.arange(70, dtype=np.int32).reshape(14, 5)
    a, b = index, np.roll(index, -1, 0)
    c, d = np.roll(b, -1, 1), np.roll(a, -1, 1)
    faces = np.concatenate([np.stack([a, d, c], -1).reshape(-1, 3), np.stack([a, c, b], -1).reshape(-1, 3)])
    ones = np.ones(70, np.float32)
    return Surface(
        points.reshape(-1, 3).astype(np.float32), normals.reshape(-1, 3).astype(np.float32),
        np.repeat(np.cross(axis, out[:, 0]), 5, 0).astype(np.float32), faces, np.full((70, 2), 0.5, np.float32),
        ones, 0 * ones, ones, ones,
    )  # fmt: skip


def _falling(ground, hair, look, rng):
    under = shell(ground, (0.0015 + 0.006 * hair.volume) * ground.scale, 0.6)
    return Grown((under,), (*loose(ground, hair, look, rng), *fringe(ground, hair, look, rng)))


def _shaved(ground, hair, look, rng):
    return Grown((shell(ground, 0.0018 * ground.scale, 0.1, shade=1.0, level=1.0),))


def _crop(ground, hair, look, rng):
    body = short.crop_body(ground, hair)
    under = shell(ground, body, 0.12, shade=0.95, level=0.6)
    return Grown((under,), (*short.fallen(ground, hair, look, rng, body), *fringe(ground, hair, look, rng)))


def _swept(ground, hair, look, rng):
    body = short.swept_body(ground, hair)
    under = shell(ground, body, 0.12, shade=0.95, level=0.6)
    return Grown((under,), tuple(short.swept(ground, hair, look, rng, body)))


def _spiky(ground, hair, look, rng):
    body = short.crop_body(ground, dataclasses.replace(hair, layers=0.3))
    under = shell(ground, body, 0.12, shade=0.9, level=0.5)
    return Grown((under,), (*short.spikes(ground, hair, look, rng, body), *fringe(ground, hair, look, rng)))


def _mohawk(ground, hair, look, rng):
    sides = shell(ground, 0.0018 * ground.scale, 0.1, shade=0.8, level=0.5)
    flat = short.crop_body(ground, dataclasses.replace(hair, volume=0.0))
    return Grown((sides,), tuple(short.spikes(ground, hair, look, rng, flat, 0.2 + 0.12 * hair.tail)))


def _afro(ground, hair, look, rng):
    scale = ground.scale
    phases = rng.uniform(0, 2 * np.pi, 8)
    # Modelled and drawn ones are puffs, a real one is made of its curls.
    puffy = hair.style != "realistic"
    often = (6, 9, 13, 19) if puffy else (9, 14, 21, 30)
    size = (0.006 + 0.005 * hair.noise if puffy else 0.0015 + 0.003 * hair.noise) * scale

    def gap(azimuth, height):
        high = np.clip((height + 1.15) / 1.5, 0.3, 1)
        front = 1 - 0.3 * np.clip(np.cos(azimuth), 0, 1) * np.clip(1 - height, 0, 1)
        return (0.012 + 0.075 * hair.volume) * scale * high * front

    def bumps(azimuth, height):
        total = 0.0
        for k, n in enumerate(often):
            waves = np.sin(n * azimuth + phases[2 * k] + 3 * np.sin(2 * height))
            total = total + waves * np.sin(0.8 * n * height + phases[2 * k + 1]) / (1 + 0.5 * k)
        return size * total

    def body(azimuth, height):
        edge = np.clip((height - ground.hairline.height(azimuth)) / 0.55, 0, 1)
        rise = np.sqrt(edge * (2 - edge))
        return np.maximum(gap(azimuth, height) + bumps(azimuth, height), 0.001) * rise

    puff = shell(ground, body, 0.05, shade=0.9, level=0.7)
    # Curls have no common direction, and so no long highlight.
    turn = rng.uniform(0, np.pi, (len(puff.vertices), 1)).astype(np.float32)
    strands = puff.strands * np.cos(turn) + np.cross(puff.normals, puff.strands) * np.sin(turn)
    puff = dataclasses.replace(puff, strands=unit(strands))
    return Grown((puff,), tuple(short.curls(ground, hair, look, rng, body)))


def _bald_rim(ground, hair, look, rng):
    def high(azimuth):
        back = np.clip(-np.cos(azimuth), 0, 1)
        ragged = 0.04 * np.sin(7 * azimuth + hair.seed % 6) + 0.03 * np.sin(17 * azimuth + hair.seed % 5)
        return 0.22 + 0.3 * hair.part_length * back + ragged

    body = short.crop_body(ground, hair)
    rim = shell(ground, lambda azimuth, height: 0.7 * body(azimuth, height), 0.3, high, 0.95, level=0.6)
    return Grown((rim,), tuple(short.fallen(ground, hair, look, rng, body, 520, high)))


def _dreadlocks(ground, hair, look, rng):
    return Grown((shell(ground, 0.003 * ground.scale),), tuple(short.ropes(ground, hair, look, rng)))


def _tied(sides, gap, end, banded):
    def grow(ground, hair, look, rng):
        ties = tied.tie_points(ground, hair, sides, gap)
        under = shell(ground, 0.002 * ground.scale)
        locks = [*tied.combed(ground, hair, look, rng, ties), *tied.strays(ground, hair, look, rng)]
        bands = []
        for tie in ties:
            locks += end(ground, hair, look, rng, tie)
            axis = ground.scalp.bare.normals_at(tie[None])[0]
            if banded:
                bands.append((tie, axis, 0.012 * hair.tail * ground.scale))
        return Grown((under,), (*locks, *fringe(ground, hair, look, rng)), tuple(bands))

    return grow


def _half_up(ground, hair, look, rng):
    ties = tied.tie_points(ground, hair, 1, 0.004)

    def upper(roots):
        return roots.height > 0.5 - 0.35 * np.clip(np.cos(roots.azimuth), 0, 1)

    def lower(roots):
        return ~upper(roots)

    end = tied.bun if hair.seed % 3 else tied.tail
    short_tail = dataclasses.replace(hair, length=0.6 * hair.length)
    locks = [*loose(ground, hair, look, rng, lower), *tied.combed(ground, hair, look, rng, ties, upper)]
    locks += end(ground, short_tail, look, rng, ties[0])
    return Grown((shell(ground, 0.002 * ground.scale),), (*locks, *fringe(ground, hair, look, rng)))


def _crown_braid(ground, hair, look, rng):
    grown = _tied(1, 0.004, tied.bun, False)(ground, hair, look, rng)
    return dataclasses.replace(grown, locks=(*grown.locks, *crown_braid(ground, hair)))


FAMILIES = {
    "shaved": _shaved,
    "crop": _crop,
    "swept": _swept,
    "bob": _falling,
    "long_straight": _falling,
    "long_curly": _falling,
    "bun": _tied(1, 0.004, tied.bun, False),
    "double_buns": _tied(2, 0.004, tied.bun, False),
    "ponytail": _tied(1, 0.006, tied.tail, True),
    "braids": _tied(2, 0.006, braid, True),
    "fringe": _falling,
    "spiky": _spiky,
    "afro": _afro,
    "bald_rim": _bald_rim,
    "mohawk": _mohawk,
    "pixie": _crop,
    "wavy_lob": _falling,
    "twin_tails": _tied(2, 0.006, tied.tail, True),
    "dreadlocks": _dreadlocks,
    "half_up": _half_up,
    "crown_braid": _crown_braid,
}
"""Family name -> (ground, hair, look, rng) -> `Grown`."""
