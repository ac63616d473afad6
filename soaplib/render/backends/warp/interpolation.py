"""Interpolation of vertex attributes, in Warp."""

from typing import Any

import torch
import warp as wp

from soaplib.render.backends.device import device_faces
from soaplib.render.backends.warp.corners import pixel_corners, seen_from
from soaplib.render.backends.warp.sums import OPTIONS, add_term, float_kernel, launch, raise_bound, summed
from soaplib.render.kernels import checked_tensor, common_dtype

wp.set_module_options(OPTIONS)


def interpolate(attributes, rast, faces):
    """See `soaplib.render.interpolation.interpolate`."""
    attributes = attributes[None] if attributes.ndim == 2 else attributes
    checked_tensor("interpolate", "attributes", attributes, "B,V,C")
    checked_tensor("interpolate", "rast", rast, "B,H,W,4")
    if attributes.shape[0] not in (1, rast.shape[0]):
        raise ValueError(
            f"interpolate: attributes must have batch 1 or {rast.shape[0]} as rast, got {attributes.shape[0]}"
        )
    faces = device_faces("interpolate", faces, attributes)
    dtype = common_dtype(attributes, rast)
    return _Interpolate.apply(attributes.to(dtype), rast.to(dtype), faces)


def pixel_steps(attributes, rast, clip, faces):
    """See `soaplib.render.mipmaps.pixel_steps`."""
    attributes, clip = (t[None] if t.ndim == 2 else t for t in (attributes, clip))
    checked_tensor("pixel_steps", "attributes", attributes, "B,V,C")
    checked_tensor("pixel_steps", "rast", rast, "B,H,W,4")
    checked_tensor("pixel_steps", "clip", clip, f"B,{attributes.shape[1]},4")
    images, height, width, _ = rast.shape
    if len(attributes) not in (1, images) or len(clip) not in (1, images):
        raise ValueError(
            f"pixel_steps: attributes and clip must have batch 1 or {images} as rast, "
            f"got {len(attributes)} and {len(clip)}"
        )
    faces = device_faces("pixel_steps", faces, clip)
    dtype = common_dtype(attributes, rast)
    shape = (images, height, width, attributes.shape[2])
    along, down = (torch.zeros(shape, dtype=dtype, device=rast.device) for _ in range(2))
    values = attributes.detach().to(dtype).contiguous()
    corners = pixel_corners(clip.detach(), height, width)
    launch(_steps, shape[:3], values, rast.detach().to(dtype).contiguous(), corners, faces, along, down)
    return torch.stack((along, down), -1)


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


@float_kernel
def _steps(
    attributes: wp.array3d[Any],
    rast: wp.array4d[Any],
    corners: wp.array3d[wp.float64],
    faces: wp.array2d[wp.int32],
    along: wp.array4d[Any],
    down: wp.array4d[Any],
):
    """Write the attributes' change per pixel to the right and per pixel down."""
    b, y, x = wp.tid()
    f = face_at(rast, b, y, x, faces)
    if f >= 0:
        half = wp.float64(0.5)
        fx, fy = wp.float64(x) + half, wp.float64(y) + half
        mesh, own = wp.min(b, corners.shape[0] - 1), wp.min(b, attributes.shape[0] - 1)
        i, j, k = faces[f, 0], faces[f, 1], faces[f, 2]
        p, q, r = (
            seen_from(corners, mesh, i, fx, fy),
            seen_from(corners, mesh, j, fx, fy),
            seen_from(corners, mesh, k, fx, fy),
        )
        # The edge functions' slopes and, last, values at the pixel; then those of the barycentrics, their quotients.
        e0, e1, e2 = wp.cross(q, r), wp.cross(r, p), wp.cross(p, q)
        total = e0 + e1 + e2
        inverse = wp.float64(1.0) / total[2]
        u, v = (e0 - total * (e0[2] * inverse)) * inverse, (e1 - total * (e1[2] * inverse)) * inverse
        for c in range(along.shape[3]):
            a = wp.float64(attributes[own, i, c] - attributes[own, k, c])
            d = wp.float64(attributes[own, j, c] - attributes[own, k, c])
            along[b, y, x, c] = along.dtype(u[0] * a + v[0] * d)
            down[b, y, x, c] = down.dtype(u[1] * a + v[1] * d)
