"""How open each place of the base head lies: the share of the sky it sees."""

import functools

import numpy as np
import torch

from soaplib.head import load_head
from soaplib.render import interpolate, rasterize, vertex_normals

_DIRECTIONS = 48
_SIZE = 192
_SLACK = 0.002


@functools.cache
def openness() -> np.ndarray:
    """Give (V,) float32 in [0, 1]: the share of directions, weighted by the cosine, not hidden by the skin itself.

    Each of 48 directions spread evenly over the sphere looks at the base head without its eyes, teeth and tongue;
    a vertex is hidden where another surface lies 2 mm or more before it.
    """
    head = load_head()
    skin = head.part_vertices("skin")
    faces = torch.as_tensor(head.faces[skin[head.faces].all(1)], dtype=torch.int32)
    points = torch.as_tensor(head.template, dtype=torch.float64)
    normals = vertex_normals(points[None], faces)[0].numpy()
    middle = points[torch.as_tensor(skin)].mean(0)
    seen, total = np.zeros(len(points)), np.full(len(points), 1e-9)
    for direction in _sphere(_DIRECTIONS):
        cosine = np.maximum(normals @ direction, 0)
        total += cosine
        seen += cosine * _visible(points, faces, middle, direction)
    return (seen / total).astype(np.float32)


def _sphere(count):
    """Points spread evenly over the sphere along a spiral (Fibonacci's)."""
    k = np.arange(count) + 0.5
    height = 1 - 2 * k / count
    ring, turn = np.sqrt(1 - height**2), np.pi * (1 + 5**0.5) * k
    return np.stack([ring * np.cos(turn), height, ring * np.sin(turn)], 1)


def _visible(points, faces, middle, direction):
    """Whether each point is seen from a direction, by one depth map."""
    up = np.eye(3)[np.argmin(np.abs(direction))]
    right = np.cross(up, direction)
    right /= np.linalg.norm(right)
    axes = torch.as_tensor(np.stack([right, np.cross(direction, right), direction]))
    local = (points - middle) @ axes.T
    scale = _SIZE / (2.05 * float(local[:, :2].abs().max()))
    pixel = local[:, :2] * scale * torch.tensor([1.0, -1.0]) + _SIZE / 2
    depth = -local[:, 2:]
    near, far = depth.min() - 0.01, depth.max() + 0.01
    clip = torch.cat(
        [pixel * 2 / _SIZE - 1, 2 * (depth - near) / (far - near) - 1, torch.ones_like(depth)], 1
    )
    clip[:, 1] *= -1
    rast = rasterize(clip[None].float(), faces, (_SIZE, _SIZE))
    front = interpolate(depth.float()[None], rast, faces)[0, ..., 0].numpy()
    front[rast[0, ..., 3].numpy() == 0] = np.inf
    column, row = np.clip(pixel.numpy().astype(int), 0, _SIZE - 1).T
    return depth[:, 0].numpy() < front[row, column] + _SLACK
