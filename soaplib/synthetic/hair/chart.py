"""A strip of skin about each brow as a small chart, bound to the head's triangles."""

import dataclasses
import functools

import numpy as np

from soaplib.head import HeadModel, load_head
from soaplib.synthetic.hair.locks import unit

_UPPER = {"right": (107, 66, 105, 63, 70), "left": (336, 296, 334, 293, 300)}
_LOWER = {"right": (55, 65, 52, 53, 46), "left": (285, 295, 282, 283, 276)}
_ALONG, _ACROSS = 25, 15
HALF = 0.014
"""Metres on the base head from the brow's line to the chart's border."""


@dataclasses.dataclass(frozen=True)
class Chart:
    """corners (rows, columns, 3) head vertices and weights (rows, columns, 3): rows along the brow, inner end first.

    Columns go up. Places are (along in [-0.12, 1.12], up in [-1, 1]).
    """

    corners: np.ndarray
    weights: np.ndarray

    def on(self, head: HeadModel) -> tuple[np.ndarray, np.ndarray]:
        """Give the chart's points and unit normals (rows, columns, 3) on a person's head."""
        template = np.asarray(head.template, np.float32)
        points = np.einsum("rckd,rck->rcd", template[self.corners], self.weights)
        normals = np.cross(np.gradient(points, axis=0), np.gradient(points, axis=1))
        normals = unit(normals)
        return points, normals * np.sign(normals[..., 2:].mean())

    def place(self, along: np.ndarray, up: np.ndarray, *grids: np.ndarray) -> tuple[np.ndarray, ...]:
        """Interpolate (rows, columns, K) grids at places; then the nearest cell's corners and weights."""
        row = np.clip((along + 0.12) / 1.24 * (_ALONG - 1), 0, _ALONG - 1.001)
        column = np.clip((up + 1) / 2 * (_ACROSS - 1), 0, _ACROSS - 1.001)
        i, j = row.astype(int), column.astype(int)
        a, b = (row - i)[..., None], (column - j)[..., None]
        out = [
            (grid[i, j] * (1 - b) + grid[i, j + 1] * b) * (1 - a)
            + (grid[i + 1, j] * (1 - b) + grid[i + 1, j + 1] * b) * a
            for grid in grids
        ]
        near, beside = np.rint(row).astype(int), np.rint(column).astype(int)
        return (*out, self.corners[near, beside], self.weights[near, beside])


@functools.cache
def brow_chart(side: str) -> Chart:
    """Lay the chart on the base head about the brow's landmarks; side: "left" or "right"."""
    from soaplib.head.surface import closest_points

    head = load_head()
    template = head.template.astype(np.float64)
    marks = head.landmarks(template)
    line = (marks[list(_UPPER[side])] + marks[list(_LOWER[side])]) / 2
    up = marks[list(_UPPER[side])] - marks[list(_LOWER[side])]
    step = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1))])
    s = np.linspace(-0.12, 1.12, _ALONG)
    centre, direction = np.empty((_ALONG, 3)), np.empty((_ALONG, 3))
    for k in range(3):
        # A smooth curve that runs on straight beyond both ends.
        curve = np.polyfit(step / step[-1], line[:, k], 2)
        centre[:, k] = np.polyval(curve, s)
        direction[:, k] = np.interp(s, step / step[-1], up[:, k])
    direction = unit(direction)
    w = np.linspace(-1, 1, _ACROSS)
    points = centre[:, None] + direction[:, None] * (HALF * w[:, None])
    faces = head.faces
    skin = (
        head.part_vertices("skin") & (head.region("eye_sockets") < 0.5) & (head.region("mouth_cavity") < 0.5)
    )
    faces = faces[skin[faces].all(1)]
    ids, weights = closest_points(points.reshape(-1, 3), template, faces)
    shape = (_ALONG, _ACROSS, 3)
    return Chart(faces[ids].reshape(shape), weights.reshape(shape).astype(np.float32))
