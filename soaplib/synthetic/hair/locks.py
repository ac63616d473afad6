"""Locks of hair as curves with widths, and their surfaces: curved ribbons and tubes with strand coordinates."""

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class Locks:
    """N locks of T points. paths, outward: (N, T, 3) metres and unit vectors away from the head (or the bundle).

    width: (N, T) metres, half across. bulge: (N,) height of the cross-section over its half width. turn: (N, T)
    radians by which the section is turned about the path. shade: (N,) brightness about 1. layer: (N,) in [0, 1],
    0 deep, 1 on top. round: tubes, not ribbons.
    """

    paths: np.ndarray
    outward: np.ndarray
    width: np.ndarray
    bulge: np.ndarray
    turn: np.ndarray
    shade: np.ndarray
    layer: np.ndarray
    round: bool = False


@dataclasses.dataclass(frozen=True)
class Surface:
    """A surface of hair: vertices, normals, strands (V, 3), faces (F, 3), uv (V, 2) and what its colours need.

    along: (V,) 0 at the root, 1 at the tip; across: (V,) 0 in the middle, 1 at the edges; shade, layer: (V,).
    """

    vertices: np.ndarray
    normals: np.ndarray
    strands: np.ndarray
    faces: np.ndarray
    uv: np.ndarray
    along: np.ndarray
    across: np.ndarray
    shade: np.ndarray
    layer: np.ndarray


def unit(vectors: np.ndarray) -> np.ndarray:
    """Give (..., 3) vectors of length 1."""
    return vectors / np.sqrt(np.einsum("...k,...k->...", vectors, vectors) + 1e-18)[..., None]


def tangents(paths: np.ndarray) -> np.ndarray:
    """Give the unit directions along (N, T, 3) curves."""
    steps = np.empty_like(paths)
    steps[:, 1:-1] = paths[:, 2:] - paths[:, :-2]
    steps[:, 0], steps[:, -1] = paths[:, 1] - paths[:, 0], paths[:, -1] - paths[:, -2]
    return unit(steps)


def taper(points: int, root: float, full: float, tip: float, power: float) -> np.ndarray:
    """Give (points,) widths along a lock: `root` at its root, 1 from `full` on, falling to `tip` by a power."""
    t = np.linspace(0, 1, points, dtype=np.float32)
    rise = root + (1 - root) * np.clip(t / max(full, 1e-3), 0, 1)
    return rise * (tip + (1 - tip) * (1 - t**power))


def surface(locks: Locks, across: int, softness: float, uv_offset: np.ndarray, reach: float) -> Surface:
    """Build the locks' surface.

    across: vertices over a ribbon's width, or about a tube. softness: 0 shades with the lock's own normals, 1 with
    the head's. uv_offset: (N, 2) in [0, 1]. reach: metres that one width of the strand texture spans.
    """
    count, points = locks.paths.shape[:2]
    along = tangents(locks.paths)
    side = unit(np.cross(along, locks.outward))
    up = np.cross(side, along)
    cos, sin = np.cos(locks.turn)[..., None], np.sin(locks.turn)[..., None]
    side, up = side * cos + up * sin, up * cos - side * sin
    if locks.round:
        # The head's normals would shade a tube's far side from within.
        softness = min(0.3 * softness, 0.15)
        angle = np.linspace(0, 2 * np.pi, across + 1, dtype=np.float32)
        x, y = np.sin(angle), np.cos(angle)
        nx, ny = x, y
        edge = np.abs(x) * 0.4 + 0.6 * (y < 0)
    else:
        x = np.linspace(-1, 1, across, dtype=np.float32)
        y = 0.5 - x**2
        nx, ny = 1.6 * x, np.ones_like(x)
        edge = x**2
    width = locks.width[..., None, None]
    tall = width * locks.bulge[:, None, None, None]
    sides, ups = side[:, :, None], up[:, :, None]
    vertices = locks.paths[:, :, None] + sides * (width * x[:, None]) + ups * (tall * y[:, None])
    lean = np.minimum(locks.bulge, 1.0)[:, None, None, None]
    own = unit(sides * (lean * nx[:, None]) + ups * ny[:, None])
    normals = unit(own * (1 - softness) + locks.outward[:, :, None] * softness)
    columns = vertices.shape[2]
    index = np.arange(count * points * columns, dtype=np.int32).reshape(count, points, columns)
    a, b, c, d = index[:, :-1, :-1], index[:, 1:, :-1], index[:, 1:, 1:], index[:, :-1, 1:]
    faces = np.concatenate([np.stack([a, d, c], -1).reshape(-1, 3), np.stack([a, c, b], -1).reshape(-1, 3)])
    span = np.minimum(locks.width.max(1) / reach * (np.pi if locks.round else 2), 0.9)
    u = uv_offset[:, :1] * (1 - span[:, None]) + span[:, None] * np.linspace(0, 1, columns)
    v = np.linspace(0, 1, points)[None] * 0.7 + 0.3 * uv_offset[:, 1:]
    shape = (count, points, columns)
    uv = np.stack([np.broadcast_to(u[:, None], shape), np.broadcast_to(v[:, :, None], shape)], -1)
    t = np.linspace(0, 1, points, dtype=np.float32)

    def flat(values):
        return np.ascontiguousarray(np.broadcast_to(values, shape).reshape(-1), np.float32)

    return Surface(
        vertices.reshape(-1, 3).astype(np.float32),
        normals.reshape(-1, 3).astype(np.float32),
        np.broadcast_to(along[:, :, None], (*shape, 3)).reshape(-1, 3).astype(np.float32),
        faces,
        uv.reshape(-1, 2).astype(np.float32),
        flat(t[None, :, None]), flat(edge[None, None]),
        flat(locks.shade[:, None, None]), flat(locks.layer[:, None, None]),
    )  # fmt: skip


def joined(surfaces: list[Surface]) -> Surface:
    """Put surfaces together."""
    start, faces = 0, []
    for one in surfaces:
        faces.append(one.faces + start)
        start += len(one.vertices)
    fields = [field.name for field in dataclasses.fields(Surface)]
    arrays = {
        name: np.concatenate([getattr(one, name) for one in surfaces]) for name in fields if name != "faces"
    }
    return Surface(faces=np.concatenate(faces).astype(np.int32), **arrays)
