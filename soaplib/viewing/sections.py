"""Heads cut open: what lies on one side of a plane, and the lines in which the plane meets a surface."""

import dataclasses

import numpy as np

from soaplib.data import Part


def cut_away(part: Part, point: np.ndarray, direction: np.ndarray) -> Part:
    """Take away what lies beyond the plane through `point` (3,) across `direction` (3,), exactly along the plane.

    Triangles that the plane meets are cut, their corners, normals and texture coordinates mixed along the edges. What
    is left has no morphs; all sides of it are drawn, as it is seen from within.
    """
    heights = _heights(part.vertices, point, direction)
    faces, weights, pairs = _kept(part.faces, heights)

    def mixed(values):
        ends = values[pairs].astype(np.float64)
        added = ends[:, 0] * (1 - weights[:, None]) + ends[:, 1] * weights[:, None]
        return np.concatenate([values, added.astype(values.dtype)])

    normals = mixed(part.normals)
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-9)
    vertices = mixed(part.vertices)
    return dataclasses.replace(
        part, vertices=vertices, normals=normals, faces=faces, uv=mixed(part.uv),
        skin_weights=mixed(part.skin_weights), morphs=np.zeros((0, len(vertices), 3), np.float32), double_sided=True,
    )  # fmt: skip


def section(vertices: np.ndarray, faces: np.ndarray, point: np.ndarray, direction: np.ndarray) -> np.ndarray:
    """Give the segments (N, 2, 3) in which a plane, as for `cut_away`, meets the triangles of a mesh."""
    heights = _heights(vertices, point, direction)
    inside = heights[faces] <= 0
    met = faces[inside.any(1) & ~inside.all(1)]
    ends = np.stack([met, np.roll(met, -1, 1)], -1)  # three edges of each, of which two are crossed
    crossed = (heights[ends] <= 0).sum(-1) == 1
    ends = ends[crossed]
    share = heights[ends[:, 0]] / (heights[ends[:, 0]] - heights[ends[:, 1]])
    places = np.asarray(vertices, np.float64)[ends]
    return (places[:, 0] + share[:, None] * (places[:, 1] - places[:, 0])).reshape(-1, 2, 3)


def _heights(vertices, point, direction):
    """How far vertices lie beyond the plane; those on it are moved to just this side, so that none is degenerate."""
    heights = (np.asarray(vertices, np.float64) - point) @ np.asarray(direction, np.float64)
    return np.where(np.abs(heights) < 1e-12, -1e-12, heights)


def _kept(faces, heights):
    """The faces on this side, those cut made anew, and for each new vertex its ends (N, 2) and the second's share."""
    inside = heights[faces] <= 0
    count = inside.sum(1)
    pairs, made = [], []
    for number in (1, 2):  # corners on this side: a triangle, or a quad, is left
        some = faces[count == number]
        lone = (inside[count == number] if number == 1 else ~inside[count == number]).argmax(1)
        a, b, c = (some[np.arange(len(some)), (lone + k) % 3] for k in range(3))
        first = len(heights) + sum(map(len, pairs)) + np.arange(len(some))
        second = first + len(some)
        pairs += [np.stack([a, b], 1), np.stack([a, c], 1)]  # on the edges that leave the lone corner
        if number == 1:
            made.append(np.stack([a, first, second], 1))
        else:
            made += [np.stack([first, b, c], 1), np.stack([first, c, second], 1)]
    pairs = np.concatenate(pairs)
    ends = heights[pairs]
    shares = ends[:, 0] / (ends[:, 0] - ends[:, 1])
    return np.concatenate([faces[count == 3], *made]).astype(np.int32), shares, pairs
