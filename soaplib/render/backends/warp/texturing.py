"""Texture look-up, in Warp."""

import functools
from typing import Any

import torch
import warp as wp

from soaplib.render.backends.warp.sums import (
    OPTIONS,
    add_term,
    float_kernel,
    launch,
    raise_bound,
    summed,
)
from soaplib.render.mipmaps import mip_levels
from soaplib.render.texturing import checked_texture

wp.set_module_options(OPTIONS)

_CLAMP, _WRAP = wp.constant(0), wp.constant(1)


def texture(image, uv, mode="bilinear", mip=False, boundary="clamp", steps=None):
    """See `soaplib.render.texturing.texture`."""
    image, uv, boundary = checked_texture(image, uv, mode, mip, boundary, steps)
    table = _table(*image.shape[1:3], bool(mip), image.device)
    levels = mip_levels(uv, image.shape[1:3], steps) if mip else uv.new_empty((0, 0, 0), dtype=torch.float64)
    flat = _pyramid(image) if mip else image.flatten(1, 2)
    return _Texture.apply(flat, uv, table, levels, mode == "bilinear", boundary)


def _pyramid(image):
    """Return the texels (B, T, C) of an image and its halvings; see `soaplib.render.mipmaps.pyramid`."""
    level, flat = image.movedim(-1, 1), [image.flatten(1, 2)]
    while max(level.shape[2:]) > 1:
        level = torch.nn.functional.avg_pool2d(level, [min(2, s) for s in level.shape[2:]], ceil_mode=True)
        flat.append(level.movedim(1, -1).flatten(1, 2))
    return torch.cat(flat, 1)


@functools.lru_cache(maxsize=64)
def _table(rows, columns, mip, device):
    """Return start, rows and columns of each level, (L, 3) int32."""
    table = [(0, rows, columns)]
    while mip and rows * columns > 1:
        start = table[-1][0] + rows * columns
        rows, columns = -(-rows // 2), -(-columns // 2)
        table.append((start, rows, columns))
    return torch.tensor(table, dtype=torch.int32, device=device)


class _Texture(torch.autograd.Function):
    @staticmethod
    def forward(ctx, flat, uv, table, levels, bilinear, boundary):
        flat, uv = flat.contiguous(), uv.contiguous()
        ctx.save_for_backward(flat, uv, table, levels)
        ctx.how = bilinear, boundary
        out = torch.empty((*uv.shape[:3], flat.shape[2]), dtype=uv.dtype, device=uv.device)
        launch(_forward, uv.shape[:3], flat, table, uv, levels, *ctx.how, out)
        return out

    @staticmethod
    def backward(ctx, grad):
        flat, uv, table, levels = ctx.saved_tensors
        grad = grad.contiguous()
        grad_flat = grad_uv = None
        if ctx.needs_input_grad[0]:
            targets = flat.shape[0] * flat.shape[1]
            arrays = (grad, table, uv, levels, *ctx.how, flat.shape[0], flat.shape[1])
            sums = summed(_image_backward, uv.shape[:3], 4 * uv.numel(), targets, flat.shape[2], *arrays)
            grad_flat = sums.to(flat.dtype).reshape(flat.shape)
        if ctx.needs_input_grad[1]:
            grad_uv = torch.zeros_like(uv)
            if ctx.how[0]:
                launch(_uv_backward, uv.shape[:3], grad, flat, table, uv, levels, *ctx.how, grad_uv)
        return grad_flat, grad_uv, None, None, None, None


@wp.func
def _modulo(a: int, size: int):
    return ((a % size) + size) % size


@wp.func
def _inside(a: int, size: int):
    found = a
    if a < 0 or a >= size:
        found = -1
    return found


@wp.func
def _place(coordinate: wp.float64, size: int, bilinear: bool, boundary: int):
    """Return the lower texel, the upper one and its weight.

    The weight is -1 where the coordinate is clamped: it then does not move. A texel of -1 is 0.
    """
    half, zero = wp.float64(0.5), wp.float64(0.0)
    at = coordinate * wp.float64(size) - half
    if not bilinear:
        at = wp.floor(at + half)
    low, high, weight = 0, 0, wp.float64(-1.0)
    if boundary == _CLAMP:
        # Written so that NaN is clamped too.
        if at > zero:
            if at >= wp.float64(size - 1):
                low, high = size - 1, size - 1
            else:
                low = int(at)
                high = low + 1
                if bilinear:
                    weight = at - wp.float64(low)
    elif wp.abs(at) < wp.float64(1e9):
        low = int(wp.floor(at))
        high = low + 1
        if bilinear:
            weight = at - wp.float64(low)
        if boundary == _WRAP:
            low, high = _modulo(low, size), _modulo(high, size)
        else:
            low, high = _inside(low, size), _inside(high, size)
    elif boundary != _WRAP:
        # What is not finite, or so large that it has no fraction.
        low, high = -1, -1
    return low, high, weight


@wp.func
def _depth(levels: wp.array3d[wp.float64], b: int, y: int, x: int):
    """Return the level a pixel looks into, and the share of the one after it."""
    first, share = 0, wp.float64(0.0)
    if levels.shape[0] > 0:
        first = int(levels[b, y, x])
        share = levels[b, y, x] - wp.float64(first)
    return first, share


@wp.func
def _texel(flat: wp.array3d[Any], own: int, start: int, columns: int, row: int, column: int, c: int):
    value = wp.float64(0.0)
    if row >= 0 and column >= 0:
        value = wp.float64(flat[own, start + row * columns + column, c])
    return value


@float_kernel
def _forward(
    flat: wp.array3d[Any],
    table: wp.array2d[wp.int32],
    uv: wp.array4d[Any],
    levels: wp.array3d[wp.float64],
    bilinear: bool,
    boundary: int,
    out: wp.array4d[Any],
):
    b, y, x = wp.tid()
    one, zero = wp.float64(1.0), wp.float64(0.0)
    own = wp.min(b, flat.shape[0] - 1)
    first, rest = _depth(levels, b, y, x)
    for n in range(first, first + 2):
        share = rest
        if n == first:
            share = one - rest
        if share > zero:
            start, rows, columns = table[n, 0], table[n, 1], table[n, 2]
            left, right, s = _place(wp.float64(uv[b, y, x, 0]), columns, bilinear, boundary)
            top, bottom, t = _place(one - wp.float64(uv[b, y, x, 1]), rows, bilinear, boundary)
            s, t = wp.max(s, zero), wp.max(t, zero)
            for c in range(out.shape[3]):
                p = _texel(flat, own, start, columns, top, left, c)
                q = _texel(flat, own, start, columns, top, right, c)
                k = _texel(flat, own, start, columns, bottom, left, c)
                m = _texel(flat, own, start, columns, bottom, right, c)
                value = (p * (one - s) + q * s) * (one - t) + (k * (one - s) + m * s) * t
                if n == first:
                    out[b, y, x, c] = out.dtype(share * value)
                else:
                    out[b, y, x, c] = out[b, y, x, c] + out.dtype(share * value)


@wp.func
def _send(
    bounds: wp.array[wp.int64],
    sums: wp.array2d[wp.int64],
    row: int,
    column: int,
    at: int,
    c: int,
    value: wp.float64,
    steps: wp.float64,
    adding: bool,
):
    if row >= 0 and column >= 0:
        if adding:
            add_term(bounds, sums, at, c, value, steps)
        else:
            raise_bound(bounds, at, value)


@float_kernel
def _image_backward(
    grad: wp.array4d[Any],
    table: wp.array2d[wp.int32],
    uv: wp.array4d[Any],
    levels: wp.array3d[wp.float64],
    bilinear: bool,
    boundary: int,
    images: int,
    texels: int,
    steps: wp.float64,
    adding: bool,
    bounds: wp.array[wp.int64],
    sums: wp.array2d[wp.int64],
):
    b, y, x = wp.tid()
    one, zero = wp.float64(1.0), wp.float64(0.0)
    first, rest = _depth(levels, b, y, x)
    for n in range(first, first + 2):
        share = rest
        if n == first:
            share = one - rest
        if share > zero:
            start, rows, columns = table[n, 0], table[n, 1], table[n, 2]
            left, right, s = _place(wp.float64(uv[b, y, x, 0]), columns, bilinear, boundary)
            top, bottom, t = _place(one - wp.float64(uv[b, y, x, 1]), rows, bilinear, boundary)
            s, t = wp.max(s, zero), wp.max(t, zero)
            above = wp.min(b, images - 1) * texels + start + top * columns
            below = wp.min(b, images - 1) * texels + start + bottom * columns
            for c in range(grad.shape[3]):
                g = share * wp.float64(grad[b, y, x, c])
                _send(bounds, sums, top, left, above + left, c, g * (one - s) * (one - t), steps, adding)
                _send(bounds, sums, top, right, above + right, c, g * s * (one - t), steps, adding)
                _send(bounds, sums, bottom, left, below + left, c, g * (one - s) * t, steps, adding)
                _send(bounds, sums, bottom, right, below + right, c, g * s * t, steps, adding)


@float_kernel
def _uv_backward(
    grad: wp.array4d[Any],
    flat: wp.array3d[Any],
    table: wp.array2d[wp.int32],
    uv: wp.array4d[Any],
    levels: wp.array3d[wp.float64],
    bilinear: bool,
    boundary: int,
    grad_uv: wp.array4d[Any],
):
    b, y, x = wp.tid()
    one, zero = wp.float64(1.0), wp.float64(0.0)
    own = wp.min(b, flat.shape[0] - 1)
    first, rest = _depth(levels, b, y, x)
    for n in range(first, first + 2):
        share = rest
        if n == first:
            share = one - rest
        if share > zero:
            start, rows, columns = table[n, 0], table[n, 1], table[n, 2]
            left, right, s = _place(wp.float64(uv[b, y, x, 0]), columns, bilinear, boundary)
            top, bottom, t = _place(one - wp.float64(uv[b, y, x, 1]), rows, bilinear, boundary)
            ss, tt = wp.max(s, zero), wp.max(t, zero)
            along_s, along_t = wp.float64(0.0), wp.float64(0.0)
            for c in range(grad.shape[3]):
                g = wp.float64(grad[b, y, x, c])
                p = _texel(flat, own, start, columns, top, left, c)
                q = _texel(flat, own, start, columns, top, right, c)
                k = _texel(flat, own, start, columns, bottom, left, c)
                m = _texel(flat, own, start, columns, bottom, right, c)
                along_s += g * ((q - p) * (one - tt) + (m - k) * tt)
                along_t += g * ((k - p) * (one - ss) + (m - q) * ss)
            if s >= zero:
                grad_uv[b, y, x, 0] = grad_uv[b, y, x, 0] + grad_uv.dtype(
                    share * along_s * wp.float64(columns)
                )
            if t >= zero:
                grad_uv[b, y, x, 1] = grad_uv[b, y, x, 1] - grad_uv.dtype(share * along_t * wp.float64(rows))
