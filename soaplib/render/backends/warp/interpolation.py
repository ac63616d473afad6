"""Interpolation of vertex attributes, in Warp."""

from typing import Any

import torch
import warp as wp

from soaplib.render.backends.device import device_faces
from soaplib.render.backends.warp.sums import OPTIONS, add_term, float_kernel, launch, raise_bound, summed
from soaplib.render.kernels import checked_tensor, common_dtype

wp.set_module_options(OPTIONS)


def interpolate(attributes, rast, faces):
    """See `soaplib.render.interpolation.interpolate`."""
    checked_tensor("interpolate", "attributes", attributes, "B,V,C")
    checked_tensor("interpolate", "rast", rast, "B,H,W,4")
    if attributes.shape[0] not in (1, rast.shape[0]):
        raise ValueError(
            f"interpolate: attributes must have batch 1 or {rast.shape[0]} as rast, got {attributes.shape[0]}"
        )
    faces = device_faces("interpolate", faces, attributes)
    dtype = common_dtype(attributes, rast)
    return _Interpolate.apply(attributes.to(dtype), rast.to(dtype), faces)


class _Interpolate(torch.autograd.Function):
    @staticmethod
    def forward(ctx, attributes, rast, faces):
        attributes, rast = attributes.contiguous(), rast.contiguous()
        ctx.save_for_backward(attributes, rast, faces)
        out = torch.empty((*rast.shape[:3], attributes.shape[2]), dtype=rast.dtype, device=rast.device)
        launch(_forward, rast.shape[:3], attributes, rast, faces, out)
        return out

    @staticmethod
    def backward(ctx, grad):
        attributes, rast, faces = ctx.saved_tensors
        grad_rast = torch.zeros_like(rast)
        pixels = rast.shape[0] * rast.shape[1] * rast.shape[2]
        targets = attributes.shape[0] * attributes.shape[1]
        arrays = (grad.contiguous(), attributes, rast, faces, grad_rast)
        sums = summed(_backward, rast.shape[:3], 3 * pixels, targets, attributes.shape[2], *arrays)
        return sums.to(rast.dtype).reshape(attributes.shape), grad_rast, None


@wp.func
def face_at(rast: wp.array4d[Any], b: int, y: int, x: int, faces: wp.array2d[wp.int32]):
    """Return the face seen at a pixel, -1 for none or one that does not exist."""
    f = int(rast[b, y, x, 3]) - 1
    if f >= faces.shape[0]:
        f = -1
    return f


@float_kernel
def _forward(
    attributes: wp.array3d[Any], rast: wp.array4d[Any], faces: wp.array2d[wp.int32], out: wp.array4d[Any]
):
    b, y, x = wp.tid()
    f = face_at(rast, b, y, x, faces)
    if f < 0:
        for c in range(out.shape[3]):
            out[b, y, x, c] = out.dtype(0.0)
    else:
        u, v = rast[b, y, x, 0], rast[b, y, x, 1]
        w = rast.dtype(1.0) - u - v
        own = wp.min(b, attributes.shape[0] - 1)
        i, j, k = faces[f, 0], faces[f, 1], faces[f, 2]
        for c in range(out.shape[3]):
            out[b, y, x, c] = (
                u * attributes[own, i, c] + v * attributes[own, j, c] + w * attributes[own, k, c]
            )


@float_kernel
def _backward(
    grad: wp.array4d[Any],
    attributes: wp.array3d[Any],
    rast: wp.array4d[Any],
    faces: wp.array2d[wp.int32],
    grad_rast: wp.array4d[Any],
    steps: wp.float64,
    adding: bool,
    bounds: wp.array[wp.int64],
    sums: wp.array2d[wp.int64],
):
    """Raise bounds and write grad_rast, or add to the attributes' sums."""
    b, y, x = wp.tid()
    f = face_at(rast, b, y, x, faces)
    if f >= 0:
        u, v = wp.float64(rast[b, y, x, 0]), wp.float64(rast[b, y, x, 1])
        w = wp.float64(1.0) - u - v
        own = wp.min(b, attributes.shape[0] - 1)
        first = own * attributes.shape[1]
        i, j, k = faces[f, 0], faces[f, 1], faces[f, 2]
        if adding:
            for c in range(grad.shape[3]):
                g = wp.float64(grad[b, y, x, c])
                add_term(bounds, sums, first + i, c, u * g, steps)
                add_term(bounds, sums, first + j, c, v * g, steps)
                add_term(bounds, sums, first + k, c, w * g, steps)
        else:
            most, gu, gv = wp.float64(0.0), wp.float64(0.0), wp.float64(0.0)
            for c in range(grad.shape[3]):
                g = wp.float64(grad[b, y, x, c])
                # Written so that NaN stays.
                if not wp.abs(g) <= most:
                    most = wp.abs(g)
                gu += g * wp.float64(attributes[own, i, c] - attributes[own, k, c])
                gv += g * wp.float64(attributes[own, j, c] - attributes[own, k, c])
            raise_bound(bounds, first + i, u * most)
            raise_bound(bounds, first + j, v * most)
            raise_bound(bounds, first + k, w * most)
            grad_rast[b, y, x, 0] = grad_rast.dtype(gu)
            grad_rast[b, y, x, 1] = grad_rast.dtype(gv)
