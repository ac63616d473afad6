"""Normals of vertices, in Warp."""

from typing import Any

import torch
import warp as wp

from soaplib.render.backends.device import device_faces, incidence
from soaplib.render.backends.warp.sums import OPTIONS, float_kernel, launch

wp.set_module_options(OPTIONS)


def vertex_normals(vertices, faces):
    """See `soaplib.render.shading.vertex_normals`."""
    if vertices.ndim < 2 or vertices.shape[-1] != 3 or vertices.dtype not in (torch.float32, torch.float64):
        raise ValueError(
            f"vertex_normals: vertices must be a float (..., V, 3), got {tuple(vertices.shape)} {vertices.dtype}"
        )
    flat = vertices.reshape(-1, *vertices.shape[-2:])
    faces = device_faces("vertex_normals", faces, flat)
    order, starts = incidence(faces, flat.shape[1])
    corners = _Take.apply(flat, faces, order, starts).unflatten(1, (-1, 3))
    a, b, c = corners.unbind(2)
    normals = torch.linalg.cross(b - a, c - a)[:, :, None].expand(-1, -1, 3, -1).flatten(1, 2)
    summed = _Gather.apply(normals.contiguous(), faces, order, starts)
    return torch.nn.functional.normalize(summed, dim=-1, eps=1e-20).reshape(vertices.shape)


class _Take(torch.autograd.Function):
    """The corners' rows (B, 3 F, 3) of vertices (B, V, 3), whose gradients are summed in the order of faces."""

    @staticmethod
    def forward(ctx, vertices, faces, order, starts):
        ctx.save_for_backward(order, starts)
        return vertices[:, faces.flatten().long()]

    @staticmethod
    def backward(ctx, grad):
        return _summed_rows(grad, *ctx.saved_tensors), None, None, None


class _Gather(torch.autograd.Function):
    """The sums (B, V, 3) over each vertex's corners of rows (B, 3 F, 3)."""

    @staticmethod
    def forward(ctx, rows, faces, order, starts):
        ctx.save_for_backward(faces)
        return _summed_rows(rows, order, starts)

    @staticmethod
    def backward(ctx, grad):
        (faces,) = ctx.saved_tensors
        return grad[:, faces.flatten().long()], None, None, None


def _summed_rows(rows, order, starts):
    out = torch.empty((len(rows), len(starts) - 1, 3), dtype=rows.dtype, device=rows.device)
    launch(_sum_rows, out.shape, rows.contiguous(), order, starts, out)
    return out


@float_kernel
def _sum_rows(
    values: wp.array3d[Any], order: wp.array[wp.int32], starts: wp.array[wp.int32], out: wp.array3d[Any]
):
    """Sum, for each vertex, the rows of its corners, in the order of faces."""
    b, v, c = wp.tid()
    total = wp.float64(0.0)
    for place in range(starts[v], starts[v + 1]):
        total += wp.float64(values[b, order[place], c])
    out[b, v, c] = out.dtype(total)
