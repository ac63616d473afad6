"""Texels of an atlas as points on the surface, and values carried between texels and vertices."""

import dataclasses

import numpy as np
import torch

from soaplib.render import rasterize
from soaplib.render.kernels import kernel, run_tasks

_TASKS = 16


@dataclasses.dataclass(frozen=True)
class Texels:
    """The covered texels of an atlas.

    shape: (height, width). index: (N,) int32, row * width + column, row 0 on top, ascending. face: (N,) int32 and
    weights: (N, 3) float32 barycentrics say which point of the mesh the texel's centre is.
    """

    shape: tuple[int, int]
    index: np.ndarray
    face: np.ndarray
    weights: np.ndarray

    def picture(self, values: np.ndarray, empty: float = 0) -> np.ndarray:
        """Spread (N,) or (N, C) values into an atlas (height, width[, C])."""
        out = np.full((self.shape[0] * self.shape[1], *values.shape[1:]), empty, values.dtype)
        out[self.index] = values
        return out.reshape(*self.shape, *values.shape[1:])

    def covered(self) -> np.ndarray:
        """Give the (height, width) bool mask of these texels."""
        return self.picture(np.ones(len(self.index), bool))


def find_texels(uv: np.ndarray, faces: np.ndarray, shape: tuple[int, int]) -> Texels:
    """Find the texels whose centre lies in a face of the layout: uv (V, 2) origin bottom-left, faces (F, 3).

    shape: (height, width) of the atlas.
    """
    clip = np.concatenate([2 * uv - 1, np.zeros((len(uv), 1)), np.ones((len(uv), 1))], 1)
    rast = rasterize(torch.as_tensor(clip[None], dtype=torch.float32), torch.as_tensor(faces), shape)
    rast = rast[0].numpy().reshape(-1, 4)
    index = np.flatnonzero(rast[:, 3] > 0)
    u, v = rast[index, 0], rast[index, 1]
    weights = np.stack([u, v, 1 - u - v], 1)
    return Texels(tuple(shape), index.astype(np.int32), rast[index, 3].astype(np.int32) - 1, weights)


def at_texels(texels: Texels, faces: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Interpolate vertex values (V,) or (V, C) at every texel: float32 (N,) or (N, C).

    faces: (F, 3) the vertices of each face; may be those of a mesh welded at the seams.
    """
    flat = np.ascontiguousarray(values.reshape(len(values), -1), np.float32)
    out = np.empty((len(texels.index), flat.shape[1]), np.float32)
    run_tasks(_interpolate, _TASKS, texels.face, texels.weights, faces, flat, out)
    return out.reshape(len(out), *values.shape[1:])


def at_vertices(
    texels: Texels, faces: np.ndarray, values: np.ndarray, weights: np.ndarray, count: int
) -> tuple[np.ndarray, np.ndarray]:
    """Average texel values (N, C) about each of `count` vertices, weighted by `weights` (N,).

    Returns (V, C) float64 means, 0 where there is none, and (V,) float64: the mean weight of the vertex's texels.
    """
    sums = np.zeros((count, values.shape[1] + 2))
    _scatter(texels.face, texels.weights, faces, np.ascontiguousarray(values, np.float32), weights, sums)
    total = sums[:, -2]
    means = sums[:, :-2] / np.maximum(total, 1e-12)[:, None]
    return means, total / np.maximum(sums[:, -1], 1e-12)


@kernel
def _interpolate(task, tasks, face, weights, faces, values, out):
    for n in range(len(face) * task // tasks, len(face) * (task + 1) // tasks):
        i, j, k = faces[face[n], 0], faces[face[n], 1], faces[face[n], 2]
        for c in range(values.shape[1]):
            out[n, c] = (
                weights[n, 0] * values[i, c] + weights[n, 1] * values[j, c] + weights[n, 2] * values[k, c]
            )


@kernel
def _scatter(face, weights, faces, values, trust, sums):
    channels = values.shape[1]
    for n in range(len(face)):
        for corner in range(3):
            v = faces[face[n], corner]
            w = weights[n, corner]
            sums[v, channels + 1] += w
            w *= trust[n]
            if w > 0:
                sums[v, channels] += w
                for c in range(channels):
                    sums[v, c] += w * values[n, c]
