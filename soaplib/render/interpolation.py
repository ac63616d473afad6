"""Interpolation of vertex attributes over rasterised faces."""

import numpy as np
import torch

from soaplib.render import memory
from soaplib.render.kernels import (
    bands_per_image,
    check_rast,
    checked_faces,
    checked_tensor,
    collected,
    common_dtype,
    corners_of,
    kernel,
    run_tasks,
    windowed_sums,
)
from soaplib.render.rasterise import vertex_windows


def interpolate(attributes: torch.Tensor, rast: torch.Tensor, faces: torch.Tensor) -> torch.Tensor:
    """Interpolate vertex attributes at every pixel: u a_0 + v a_1 + (1 - u - v) a_2.

    Args:
        attributes: (B, V, C) or, for all images, (1, V, C) or (V, C) float32 or float64. Of meshes that were
            rasterized with ranges, those of all meshes one after the other.
        rast: (B, H, W, 4) from `rasterize`.
        faces: (F, 3), the same as given to `rasterize`.

    Returns:
        (B, H, W, C); 0 where there is no face. float64 when either input is.

    Gradients flow to the attributes and to rast's u and v.

    Raises:
        ValueError: wrong shape or type, or faces out of range.

    Source: Laine et al. 2020, section 3.4.
    """
    if isinstance(attributes, torch.Tensor) and attributes.ndim == 2:
        attributes = attributes[None]
    checked_tensor("interpolate", "attributes", attributes, "B,V,C")
    checked_tensor("interpolate", "rast", rast, "B,H,W,4")
    if attributes.shape[0] not in (1, rast.shape[0]):
        raise ValueError(
            f"interpolate: attributes must have batch 1 or {rast.shape[0]} as rast, got {attributes.shape[0]}"
        )
    faces = checked_faces("interpolate", faces, attributes.shape[1])
    dtype = common_dtype(attributes, rast)
    return _Interpolate.apply(attributes.to(dtype), rast.to(dtype), faces)


class _Interpolate(torch.autograd.Function):
    @staticmethod
    def forward(ctx, attributes, rast, faces):
        attributes, rast = attributes.contiguous(), rast.contiguous()
        ctx.save_for_backward(attributes, rast, faces)
        arrays = [t.detach().numpy() for t in (attributes, rast, faces)]
        out = memory.empty((*rast.shape[:3], attributes.shape[2]), arrays[1].dtype)
        bands = bands_per_image(*rast.shape[:2])
        highest = np.zeros(len(rast) * bands, np.int64)
        run_tasks(_forward, len(highest), bands, *arrays, out, highest)
        check_rast("interpolate", int(highest.max(initial=0)), len(faces))
        return torch.from_numpy(out)

    @staticmethod
    def backward(ctx, grad):
        attributes, rast, faces = (t.detach().numpy() for t in ctx.saved_tensors)
        images, height = rast.shape[:2]
        bands = bands_per_image(images, height)
        windows = vertex_windows(rast, faces, bands, attributes.shape[1], len(attributes) == 1)
        sums, starts = windowed_sums(windows, attributes.shape[2])
        grad_rast = memory.empty(rast.shape, rast.dtype)
        arrays = (grad.contiguous().numpy(), attributes, rast, faces, grad_rast)
        run_tasks(_backward, len(windows), bands, *arrays, starts, sums)
        total = collected(sums, starts, windows, bands, attributes.shape, grad.dtype)
        return total, torch.from_numpy(grad_rast), None


@kernel
def _forward(task, tasks, bands, attributes, rast, faces, out, highest):
    b, band, height = task // bands, task % bands, rast.shape[1]
    first, last = band * height // bands, (band + 1) * height // bands
    values = attributes[b if len(attributes) > 1 else 0]
    highest[task] = _forward_band(values, rast[b, first:last], faces, out[b, first:last])


@kernel
def _forward_band(attributes, rast, faces, out):
    """Fill rows of out and return the highest face + 1 in rast; the pixels of faces not there are 0."""
    channels, count, highest = out.shape[2], len(faces), 0
    for y in range(rast.shape[0]):
        for x in range(rast.shape[1]):
            face = int(rast[y, x, 3])
            highest = max(highest, face)
            if face < 1 or face > count:
                for c in range(channels):
                    out[y, x, c] = 0
                continue
            u, v = rast[y, x, 0], rast[y, x, 1]
            w = 1 - u - v
            i, j, k = corners_of(faces, face - 1)
            for c in range(channels):
                out[y, x, c] = u * attributes[i, c] + v * attributes[j, c] + w * attributes[k, c]
    return highest


@kernel
def _backward(task, tasks, bands, grad, attributes, rast, faces, grad_rast, starts, sums):
    b, band, height = task // bands, task % bands, rast.shape[1]
    first, last = band * height // bands, (band + 1) * height // bands
    values = attributes[b if len(attributes) > 1 else 0]
    rows = slice(first, last)
    _backward_band(grad[b, rows], values, rast[b, rows], faces, grad_rast[b, rows], starts[task], sums)


@kernel
def _backward_band(grad, attributes, rast, faces, grad_rast, start, sums):
    channels, start = grad.shape[2], np.uint64(start)
    for y in range(grad.shape[0]):
        for x in range(grad.shape[1]):
            face = int(rast[y, x, 3]) - 1
            gu = gv = 0.0
            if face >= 0:
                u, v = np.float64(rast[y, x, 0]), np.float64(rast[y, x, 1])
                w = 1 - u - v
                i, j, k = corners_of(faces, face)
                for c in range(channels):
                    g = np.float64(grad[y, x, c])
                    sums[start + i, c] += u * g
                    sums[start + j, c] += v * g
                    sums[start + k, c] += w * g
                    gu += g * (attributes[i, c] - attributes[k, c])
                    gv += g * (attributes[j, c] - attributes[k, c])
            grad_rast[y, x, 0], grad_rast[y, x, 1] = gu, gv
            grad_rast[y, x, 2] = grad_rast[y, x, 3] = 0
