"""Interpolation of vertex attributes over rasterised faces."""

import numpy as np
import torch

from soaplib.render.kernels import (
    ROW_TASKS,
    bands_per_image,
    check_rast,
    checked_faces,
    checked_tensor,
    common_dtype,
    kernel,
    run_tasks,
)


def interpolate(attributes: torch.Tensor, rast: torch.Tensor, faces: torch.Tensor) -> torch.Tensor:
    """Interpolate vertex attributes at every pixel: u a_0 + v a_1 + (1 - u - v) a_2.

    Args:
        attributes: (B, V, C) or, for all images, (1, V, C) float32 or float64.
        rast: (B, H, W, 4) from `rasterize`.
        faces: (F, 3), the same as given to `rasterize`.

    Returns:
        (B, H, W, C); 0 where there is no face. float64 when either input is.

    Gradients flow to the attributes and to rast's u and v.

    Raises:
        ValueError: wrong shape or type, or faces out of range.

    Source: Laine et al. 2020, section 3.4.
    """
    checked_tensor("interpolate", "attributes", attributes, "B,V,C")
    checked_tensor("interpolate", "rast", rast, "B,H,W,4")
    if attributes.shape[0] not in (1, rast.shape[0]):
        raise ValueError(
            f"interpolate: attributes must have batch 1 or {rast.shape[0]} as rast, got {attributes.shape[0]}"
        )
    faces = checked_faces("interpolate", faces, attributes.shape[1])
    check_rast("interpolate", rast, len(faces))
    dtype = common_dtype(attributes, rast)
    return _Interpolate.apply(attributes.to(dtype), rast.to(dtype), faces)


class _Interpolate(torch.autograd.Function):
    @staticmethod
    def forward(ctx, attributes, rast, faces):
        attributes, rast = attributes.contiguous(), rast.contiguous()
        ctx.save_for_backward(attributes, rast, faces)
        out = torch.empty((*rast.shape[:3], attributes.shape[2]), dtype=rast.dtype)
        arrays = (t.detach().numpy() for t in (attributes, rast, faces, out))
        run_tasks(_forward, ROW_TASKS, *arrays)
        return out

    @staticmethod
    def backward(ctx, grad):
        attributes, rast, faces = ctx.saved_tensors
        images, height = rast.shape[:2]
        shared = len(attributes) == 1
        bands = bands_per_image(images, height)
        grad_rast = torch.zeros_like(rast)
        sums = np.zeros((images * bands, *attributes.shape[1:]))
        arrays = (t.detach().numpy() for t in (grad.contiguous(), attributes, rast, faces, grad_rast))
        run_tasks(_backward, images * bands, bands, *arrays, sums)
        sums = sums.reshape(1 if shared else images, -1, *attributes.shape[1:]).sum(1)
        return torch.from_numpy(sums).to(rast.dtype), grad_rast, None


@kernel
def _forward(task, tasks, attributes, rast, faces, out):
    images, height = rast.shape[:2]
    for row in range(task * images * height // tasks, (task + 1) * images * height // tasks):
        b, y = row // height, row % height
        _forward_row(attributes[b if len(attributes) > 1 else 0], rast[b, y], faces, out[b, y])


@kernel
def _forward_row(attributes, rast, faces, out):
    for x in range(len(rast)):
        face = int(rast[x, 3]) - 1
        if face < 0:
            out[x] = 0
            continue
        u, v = rast[x, 0], rast[x, 1]
        w = 1 - u - v
        i, j, k = faces[face, 0], faces[face, 1], faces[face, 2]
        for c in range(out.shape[1]):
            out[x, c] = u * attributes[i, c] + v * attributes[j, c] + w * attributes[k, c]


@kernel
def _backward(task, tasks, bands, grad, attributes, rast, faces, grad_rast, sums):
    b, band, height = task // bands, task % bands, rast.shape[1]
    first, last = band * height // bands, (band + 1) * height // bands
    values = attributes[b if len(attributes) > 1 else 0]
    _backward_band(grad[b], values, rast[b], faces, grad_rast[b], first, last, sums[task])


@kernel
def _backward_band(grad, attributes, rast, faces, grad_rast, first_row, last_row, sums):
    for y in range(first_row, last_row):
        for x in range(rast.shape[1]):
            face = int(rast[y, x, 3]) - 1
            if face < 0:
                continue
            u, v = float(rast[y, x, 0]), float(rast[y, x, 1])
            w = 1 - u - v
            i, j, k = faces[face, 0], faces[face, 1], faces[face, 2]
            gu = gv = 0.0
            for c in range(grad.shape[2]):
                g = float(grad[y, x, c])
                sums[i, c] += u * g
                sums[j, c] += v * g
                sums[k, c] += w * g
                gu += g * (attributes[i, c] - attributes[k, c])
                gv += g * (attributes[j, c] - attributes[k, c])
            grad_rast[y, x, 0] = gu
            grad_rast[y, x, 1] = gv
