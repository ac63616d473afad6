"""What is rendered: the head from six sides, with as many faces and channels as wanted."""

import dataclasses

import numpy as np
import torch

from soaplib.data import VIEW_YAWS
from soaplib.render import clip_positions, mesh_edges, orthographic, turn


@dataclasses.dataclass(frozen=True)
class Job:
    """One mesh before several cameras.

    vertices: (V, 3) float32 metres. faces: (F, 3) int32. attributes: (1, V, C) float32. cameras: (N, 4, 4) float32
    orthographic, world to pixels. clip: (N, V, 4) float32. edges: `mesh_edges(faces)`. weights: (N, S, S, C), the
    gradient that comes back. size: S. middle, scale: the cameras' pivot, and pixels a metre.
    """

    vertices: torch.Tensor
    faces: torch.Tensor
    attributes: torch.Tensor
    cameras: torch.Tensor
    clip: torch.Tensor
    edges: torch.Tensor
    weights: torch.Tensor
    size: int
    middle: np.ndarray
    scale: float

    def to(self, device: str) -> "Job":
        """Return the job with its tensors on another device."""
        moved = {n: v.to(device) for n, v in vars(self).items() if isinstance(v, torch.Tensor)}
        return dataclasses.replace(self, **moved)


def head_job(size: int, parts: int = 1, channels: int = 3, views: int = len(VIEW_YAWS)) -> Job:
    """Make the job of the default head filling `size` x `size` pixels.

    parts: each edge is cut into so many, each face into its square. views: the first so many of the six sides.
    """
    from soaplib.head import load_head

    head = load_head()
    vertices, faces = split_faces(head.template, head.faces, parts)
    return mesh_job(vertices, faces, size, channels, views)


def mesh_job(vertices: np.ndarray, faces: np.ndarray, size: int, channels: int = 3, views: int = 6) -> Job:
    """Make the job of a mesh, vertices (V, 3) and faces (F, 3), filling `size` x `size` pixels from six sides."""
    low, high = vertices.min(0), vertices.max(0)
    middle = (low + high) / 2
    scale = 0.95 * size / float((high - low).max())
    front = orthographic(np.eye(3), scale, size / 2 - scale * middle[:2] * [1, -1])
    cameras = np.stack([turn(front, float(yaw), middle) for yaw in VIEW_YAWS[:views]])
    cameras = torch.tensor(cameras, dtype=torch.float32)
    points = torch.tensor(vertices, dtype=torch.float32)
    faces = torch.tensor(np.ascontiguousarray(faces), dtype=torch.int32)
    random = np.random.default_rng(0)
    attributes = torch.tensor(random.random((1, len(points), channels)), dtype=torch.float32)
    weights = torch.tensor(random.normal(size=(len(cameras), size, size, channels)), dtype=torch.float32)
    clip = clip_positions(points, cameras, (size, size))
    edges = mesh_edges(faces)
    return Job(points, faces, attributes, cameras, clip, edges, weights, size, middle, scale)


def split_faces(vertices: np.ndarray, faces: np.ndarray, parts: int) -> tuple[np.ndarray, np.ndarray]:
    """Cut each edge into `parts` and each face into parts^2, keeping the mesh closed where it is.

    Returns vertices (V', 3) and faces (parts^2 F, 3).
    """
    if parts == 1:
        return np.asarray(vertices), np.asarray(faces)
    # A new vertex is a whole-numbered combination of its face's corners; corners of weight 0 do not count, so that
    # faces that share an edge share its vertices.
    grid = np.array([(i, j, parts - i - j) for i in range(parts + 1) for j in range(parts + 1 - i)])
    number = {(i, j): n for n, (i, j, _) in enumerate(grid)}
    small = []
    for i, j in number:
        if i + j < parts:
            small.append((number[i, j], number[i + 1, j], number[i, j + 1]))
        if i + j < parts - 1:
            small.append((number[i + 1, j], number[i + 1, j + 1], number[i, j + 1]))
    weight = np.broadcast_to(grid, (len(faces), *grid.shape))
    corner = np.where(weight > 0, np.asarray(faces, np.int64)[:, None], -1)
    order = np.argsort(corner, -1, kind="stable")
    code = np.take_along_axis(corner, order, -1) * (parts + 1) + np.take_along_axis(weight, order, -1)
    _, first, which = np.unique(code.reshape(-1, 3), axis=0, return_index=True, return_inverse=True)
    corners = np.broadcast_to(np.asarray(faces)[:, None], corner.shape).reshape(-1, 3)[first]
    weights = weight.reshape(-1, 3)[first] / parts
    made = (np.asarray(vertices)[corners] * weights[..., None]).sum(1)
    return made, which.reshape(len(faces), -1)[:, small].reshape(-1, 3)
