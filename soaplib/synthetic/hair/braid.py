"""Braids of three strands: hanging from a tie, or laid over the head."""

import numpy as np

from soaplib.synthetic.hair.codes import Hair
from soaplib.synthetic.hair.ground import Ground
from soaplib.synthetic.hair.locks import Locks, tangents, unit
from soaplib.synthetic.hair.look import Look
from soaplib.synthetic.hair.tied import frame, tail_axis

_SIZE = 0.0115  # metres, half across a braid


def braid(
    ground: Ground, hair: Hair, look: Look, rng: np.random.Generator, tie: np.ndarray, forward=0.5
) -> list[Locks]:
    """Grow a braid from a tie, with a tuft at its end."""
    length, size = hair.length * ground.scale, _SIZE * hair.tail * ground.scale
    axis = tail_axis(ground, hair, tie, length, _points(length, size), forward)
    t = np.linspace(0, 1, len(axis))
    slim = (1 - 0.35 * t) * np.minimum(1, 0.6 + 4 * t)
    across, other = frame(axis)
    tuft = _tuft(axis, across, other, size, max(5, round(9 * look.count)), ground.scale)
    return [_strands(axis, across, other, size * slim, length), tuft]


def crown_braid(ground: Ground, hair: Hair) -> list[Locks]:
    """Grow a braid that is laid over the head from ear to ear, behind the front hairline."""
    size = 0.9 * _SIZE * hair.tail * ground.scale
    azimuth = np.linspace(-2.0, 2.0, 76)
    height = 0.12 + 0.83 * np.cos(azimuth / 2.0 * np.pi / 2) ** 0.8
    skin = ground.scalp.points(azimuth, height)
    axis = ground.scalp.whole.push_out(skin, 0.75 * size + 0.002 * ground.scale)
    normals = ground.scalp.bare.normals_at(axis)
    across = unit(np.cross(tangents(axis[None])[0], normals))
    t = np.linspace(0, 1, len(axis))
    slim = np.minimum(1, 0.4 + 6 * np.minimum(t, 1 - t))
    length = float(np.linalg.norm(np.diff(axis, axis=0), axis=1).sum())
    return [_strands(axis, across, normals, size * slim, length)]


def _points(length, size):
    return int(np.clip(9 * length / (5.2 * size), 24, 64))


def _strands(axis, across, other, size, length):
    """Three tubes that cross over each other, once in 5.2 half widths; size: (T,)."""
    points = len(axis)
    turns = max(2.0, length / (5.2 * size.max()))
    phase = 2 * np.pi * (turns * np.linspace(0, 1, points)[None] + np.arange(3)[:, None] / 3)
    aside, ahead = size * np.sin(phase), 0.55 * size * np.sin(2 * phase)
    paths = axis[None] + across[None] * aside[..., None] + other[None] * ahead[..., None]
    outward = across[None] * np.sin(phase)[..., None] + other[None] * (0.3 + np.sin(2 * phase))[..., None]
    full = np.ones(3, np.float32)
    return Locks(
        paths.astype(np.float32), unit(outward).astype(np.float32), np.tile(0.72 * size, (3, 1)).astype(np.float32),
        0.9 * full, np.zeros((3, points), np.float32), np.float32([1.0, 0.92, 1.06]), full, True,
    )  # fmt: skip


def _tuft(axis, across, other, size, count, scale):
    """The loose end of a braid."""
    angle = np.arange(count) / count * 2 * np.pi
    t = np.linspace(0, 1, 8)
    ring = np.cos(angle)[:, None] * across[-1] + np.sin(angle)[:, None] * other[-1]
    drop = tangents(axis[None])[0, -1]
    down = drop * (0.035 * scale * t)[None, :, None]
    paths = axis[-1] + down + ring[:, None] * (size * (0.3 + 0.5 * np.sin(2.4 * t)))[None, :, None]
    width = np.tile(0.6 * size * (1 - 0.85 * t**2), (count, 1))
    ones = np.ones(count, np.float32)
    return Locks(
        paths.astype(np.float32), np.broadcast_to(ring[:, None], paths.shape).astype(np.float32),
        width.astype(np.float32), 0.4 * ones, np.zeros((count, 8), np.float32), 0.95 * ones, 0.8 * ones, False,
    )  # fmt: skip
