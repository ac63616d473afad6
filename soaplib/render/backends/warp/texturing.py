"""Texture look-up, in Warp."""

from typing import Any

import torch
import warp as wp

from soaplib.render.backends.device import checked_texture, trilinear
from soaplib.render.backends.warp.sums import OPTIONS, add_term, float_kernel, launch, raise_bound, summed

wp.set_module_options(OPTIONS)


def texture(image, uv, mode="bilinear", mip=False):
    """See `soaplib.render.texturing.texture`."""
    image, uv = checked_texture(image, uv, mode, mip)
    if mip:
        return trilinear(image, uv, lambda level, place: _Texture.apply(level, place, True))
    return _Texture.apply(image, uv, mode == "bilinear")


class _Texture(torch.autograd.Function):
    @staticmethod
    def forward(ctx, image, uv, bilinear):
        image, uv = image.contiguous(), uv.contiguous()
        ctx.save_for_backward(image, uv)
        ctx.bilinear = bilinear
        out = torch.empty((*uv.shape[:3], image.shape[3]), dtype=uv.dtype, device=uv.device)
        launch(_forward, uv.shape[:3], image, uv, bilinear, out)
        return out

    @staticmethod
    def backward(ctx, grad):
        image, uv = ctx.saved_tensors
        grad = grad.contiguous()
        grad_image = grad_uv = None
        if ctx.needs_input_grad[0]:
            pixels, texels = uv.numel() // 2, image.shape[0] * image.shape[1] * image.shape[2]
            sizes = (image.shape[1], image.shape[2], image.shape[0])
            arrays = (grad, uv, *sizes, ctx.bilinear)
            sums = summed(_image_backward, uv.shape[:3], 4 * pixels, texels, image.shape[3], *arrays)
            grad_image = sums.to(image.dtype).reshape(image.shape)
        if ctx.needs_input_grad[1]:
            grad_uv = torch.zeros_like(uv)
            if ctx.bilinear:
                launch(_uv_backward, uv.shape[:3], grad, image, uv, grad_uv)
        return grad_image, grad_uv, None


@wp.func
def _place(coordinate: wp.float64, size: int, bilinear: bool):
    """Return the lower texel, the upper one and its weight; the weight is -1 where the coordinate is clamped."""
    half, zero = wp.float64(0.5), wp.float64(0.0)
    at = coordinate * wp.float64(size) - half
    if not bilinear:
        at = wp.floor(at + half)
    low, high, weight = 0, 0, wp.float64(-1.0)
    # Written so that NaN is clamped too.
    if at > zero:
        if at >= wp.float64(size - 1):
            low, high = size - 1, size - 1
        else:
            low = int(at)
            high = low
            if bilinear:
                high = low + 1
                weight = at - wp.float64(low)
    return low, high, weight


@float_kernel
def _forward(image: wp.array4d[Any], uv: wp.array4d[Any], bilinear: bool, out: wp.array4d[Any]):
    b, y, x = wp.tid()
    one, zero = wp.float64(1.0), wp.float64(0.0)
    own = wp.min(b, image.shape[0] - 1)
    left, right, s = _place(wp.float64(uv[b, y, x, 0]), image.shape[2], bilinear)
    top, bottom, t = _place(one - wp.float64(uv[b, y, x, 1]), image.shape[1], bilinear)
    s, t = wp.max(s, zero), wp.max(t, zero)
    for c in range(out.shape[3]):
        upper = wp.float64(image[own, top, left, c]) * (one - s) + wp.float64(image[own, top, right, c]) * s
        lower = (
            wp.float64(image[own, bottom, left, c]) * (one - s) + wp.float64(image[own, bottom, right, c]) * s
        )
        out[b, y, x, c] = out.dtype(upper * (one - t) + lower * t)


@float_kernel
def _image_backward(
    grad: wp.array4d[Any],
    uv: wp.array4d[Any],
    rows: int,
    columns: int,
    images: int,
    bilinear: bool,
    steps: wp.float64,
    adding: bool,
    bounds: wp.array[wp.int64],
    sums: wp.array2d[wp.int64],
):
    b, y, x = wp.tid()
    one, zero = wp.float64(1.0), wp.float64(0.0)
    left, right, s = _place(wp.float64(uv[b, y, x, 0]), columns, bilinear)
    top, bottom, t = _place(one - wp.float64(uv[b, y, x, 1]), rows, bilinear)
    s, t = wp.max(s, zero), wp.max(t, zero)
    first = wp.min(b, images - 1) * rows
    upper, lower = (first + top) * columns, (first + bottom) * columns
    if adding:
        for c in range(grad.shape[3]):
            g = wp.float64(grad[b, y, x, c])
            add_term(bounds, sums, upper + left, c, g * (one - s) * (one - t), steps)
            add_term(bounds, sums, upper + right, c, g * s * (one - t), steps)
            add_term(bounds, sums, lower + left, c, g * (one - s) * t, steps)
            add_term(bounds, sums, lower + right, c, g * s * t, steps)
    else:
        most = wp.float64(0.0)
        for c in range(grad.shape[3]):
            g = wp.float64(grad[b, y, x, c])
            if not wp.abs(g) <= most:
                most = wp.abs(g)
        raise_bound(bounds, upper + left, most * (one - s) * (one - t))
        raise_bound(bounds, upper + right, most * s * (one - t))
        raise_bound(bounds, lower + left, most * (one - s) * t)
        raise_bound(bounds, lower + right, most * s * t)


@float_kernel
def _uv_backward(
    grad: wp.array4d[Any], image: wp.array4d[Any], uv: wp.array4d[Any], grad_uv: wp.array4d[Any]
):
    b, y, x = wp.tid()
    one, zero = wp.float64(1.0), wp.float64(0.0)
    own = wp.min(b, image.shape[0] - 1)
    left, right, s = _place(wp.float64(uv[b, y, x, 0]), image.shape[2], True)
    top, bottom, t = _place(one - wp.float64(uv[b, y, x, 1]), image.shape[1], True)
    ss, tt = wp.max(s, zero), wp.max(t, zero)
    along_s, along_t = wp.float64(0.0), wp.float64(0.0)
    for c in range(grad.shape[3]):
        g = wp.float64(grad[b, y, x, c])
        p, q = wp.float64(image[own, top, left, c]), wp.float64(image[own, top, right, c])
        d, e = wp.float64(image[own, bottom, left, c]), wp.float64(image[own, bottom, right, c])
        along_s += g * ((q - p) * (one - tt) + (e - d) * tt)
        along_t += g * ((d - p) * (one - ss) + (e - q) * ss)
    if s >= zero:
        grad_uv[b, y, x, 0] = grad_uv.dtype(along_s * wp.float64(image.shape[2]))
    if t >= zero:
        grad_uv[b, y, x, 1] = grad_uv.dtype(-along_t * wp.float64(image.shape[1]))
