"""Texture look-up."""

import math

import numba
import numpy as np
import torch

from soaplib.render import memory
from soaplib.render.kernels import ROW_TASKS, as_tensor, checked_tensor, common_dtype, kernel, run_tasks
from soaplib.render.mipmaps import collapse, mip_levels, pyramid

_BOUNDARIES = ("clamp", "wrap", "zero")
_CLAMP, _WRAP, _ZERO = range(3)


def texture(
    image: torch.Tensor,
    uv: torch.Tensor,
    mode: str = "bilinear",
    mip: bool = False,
    boundary: str = "clamp",
    steps: torch.Tensor | None = None,
) -> torch.Tensor:
    """Look up an image at texture coordinates.

    Args:
        image: (B, Ht, Wt, C) or, for all, (1, Ht, Wt, C) float32 or float64, row 0 on top.
        uv: (B, H, W, 2), origin at the image's bottom left, its top right at (1, 1).
        mode: "bilinear" between texel centres, or "nearest".
        mip: where a pixel's step spans more than a texel, look into halved images instead, blending two
            (trilinear): no shimmer where a texture is seen small. Bilinear only.
        boundary: what lies outside the image: with "clamp" the border's texel goes on, with "wrap" the image
            repeats, with "zero" all is 0.
        steps: (B, H, W, 2, 2) from `pixel_steps`, for the exact level of each pixel; as default, mip takes the
            differences of uv between pixels, which are wrong along seams narrower than two pixels.

    Returns:
        (B, H, W, C). float64 when image or uv is.

    Gradients flow to the image (through its halvings too) and, when bilinear, to uv (0 where it is clamped). The
    choice of level is held fixed: it has no gradient. Where uv is not finite, a texel at the border is looked up.

    Raises:
        ValueError: wrong shape, type, mode or boundary.

    Source: Laine et al. 2020, section 3.5; see `mipmaps` for the levels.
    """
    image, uv, outside = checked_texture(image, uv, mode, mip, boundary, steps)
    levels = mip_levels(uv, image.shape[1:3], steps).numpy() if mip else np.empty((0, 0, 0))
    return _Texture.apply(image, uv, levels, mode == "bilinear", outside)


def checked_texture(image, uv, mode: str, mip: bool, boundary: str, steps):
    """Return image and uv in their common type, and the boundary's number; see `texture`."""
    checked_tensor("texture", "image", image, "B,H,W,C")
    checked_tensor("texture", "uv", uv, "B,H,W,2")
    if len(image) not in (1, len(uv)) or 0 in image.shape:
        raise ValueError(
            f"texture: image must have batch 1 or {len(uv)} as uv and no empty axis, got {tuple(image.shape)}"
        )
    if mode not in ("bilinear", "nearest"):
        raise ValueError(f'texture: mode must be "bilinear" or "nearest", got {mode!r}')
    if boundary not in _BOUNDARIES:
        raise ValueError(f"texture: boundary must be one of {', '.join(_BOUNDARIES)}, got {boundary!r}")
    if mip and mode != "bilinear":
        raise ValueError(f'texture: mip needs mode "bilinear", got {mode!r}')
    if steps is not None:
        checked_tensor("texture", "steps", steps, ",".join(map(str, uv.shape)) + ",2")
    dtype = common_dtype(image, uv)
    return image.to(dtype), uv.to(dtype), _BOUNDARIES.index(boundary)


class _Texture(torch.autograd.Function):
    @staticmethod
    def forward(ctx, image, uv, levels, bilinear, boundary):
        texels, uv = image.detach().contiguous().numpy(), uv.contiguous()
        if len(levels):
            flat, table = pyramid(texels)
        else:
            flat = texels.reshape(len(texels), -1, texels.shape[3])
            table = np.array([(0, *texels.shape[1:3])])
        out = memory.empty((*uv.shape[:3], flat.shape[2]), flat.dtype)
        places = (uv.detach().numpy(), levels, bilinear, boundary)
        run_tasks(_forward, ROW_TASKS, flat, table, *places, out)
        ctx.save_for_backward(image, uv)
        ctx.plan = flat, table, places
        return torch.from_numpy(out)

    @staticmethod
    def backward(ctx, grad):
        image, uv = ctx.saved_tensors
        flat, table, places = ctx.plan
        grad = grad.contiguous().numpy()
        grad_image = grad_uv = None
        if ctx.needs_input_grad[0]:
            sums = memory.zeros(flat.shape, np.float64)
            run_tasks(_image_backward, numba.get_num_threads(), grad, table, *places, sums)
            grad_image = as_tensor(collapse(sums, table), image.dtype)
        if ctx.needs_input_grad[1]:
            slopes = memory.zeros(uv.shape, flat.dtype)
            if places[2]:
                run_tasks(_uv_backward, ROW_TASKS, grad, flat, table, *places, slopes)
            grad_uv = torch.from_numpy(slopes)
        return grad_image, grad_uv, None, None, None


@kernel
def _place(coordinate, size, bilinear, boundary):
    """Return the lower texel, the upper one and the upper one's weight along an axis.

    The weight is -1 where the coordinate is clamped: it then does not move. A texel of -1 is 0.
    """
    at = coordinate * size - 0.5
    if not bilinear:
        at = math.floor(at + 0.5)
    if boundary != _CLAMP:
        return _place_beyond(at, size, bilinear, boundary)
    # Written so that NaN is clamped too.
    if not at > 0:
        return 0, 0, -1.0
    if at >= size - 1:
        return size - 1, size - 1, -1.0
    low = int(at)
    return low, low + 1, at - low if bilinear else -1.0


@kernel
def _place_beyond(at, size, bilinear, boundary):
    # What is not finite, or so large that it has no fraction, is not to be made an integer.
    if not abs(at) < 1e15:
        return (0, 0, -1.0) if boundary == _WRAP else (-1, -1, -1.0)
    low = int(math.floor(at))
    high, weight = low + 1, at - low if bilinear else -1.0
    if boundary == _WRAP:
        return low % size, high % size, weight
    return low if 0 <= low < size else -1, high if 0 <= high < size else -1, weight


@kernel
def _taps(u, v, rows, columns, bilinear, boundary):
    """Return the texels left, right, above and below a place in a level, and the right's and lower's weights."""
    left, right, s = _place(u, columns, bilinear, boundary)
    top, bottom, t = _place(1.0 - v, rows, bilinear, boundary)
    return left, right, s, top, bottom, t


@kernel
def _texel(flat, start, columns, row, column, c):
    return np.float64(flat[start + row * columns + column, c]) if row >= 0 and column >= 0 else 0.0


@kernel
def _forward(task, tasks, flat, table, uv, levels, bilinear, boundary, out):
    images, height = uv.shape[:2]
    for row in range(task * images * height // tasks, (task + 1) * images * height // tasks):
        b, y = row // height, row % height
        texels = flat[b if len(flat) > 1 else 0]
        _forward_row(texels, table, uv[b, y], levels, b, y, bilinear, boundary, out[b, y])


@kernel
def _forward_row(flat, table, uv, levels, b, y, bilinear, boundary, out):
    channels = out.shape[1]
    for x in range(len(uv)):
        # A pixel looks into the level of whole number below its own, and with the rest into the next.
        depth = levels[b, y, x] if len(levels) else 0.0
        first = int(depth)
        for n in range(first, first + (2 if depth > first else 1)):
            share = depth - first if n > first else 1 - (depth - first)
            start, rows, columns = table[n, 0], table[n, 1], table[n, 2]
            u, v = np.float64(uv[x, 0]), np.float64(uv[x, 1])
            left, right, s, top, bottom, t = _taps(u, v, rows, columns, bilinear, boundary)
            s, t = max(s, 0.0), max(t, 0.0)
            # What is 0 outside counts for nothing.
            upper, lower = share * (1 - t) * (top >= 0), share * t * (bottom >= 0)
            s, r = s * (right >= 0), (1 - s) * (left >= 0)
            above, below = start + max(top, 0) * columns, start + max(bottom, 0) * columns
            left, right = max(left, 0), max(right, 0)
            p, q = np.uint64(above + left), np.uint64(above + right)
            k, m = np.uint64(below + left), np.uint64(below + right)
            for c in range(channels):
                value = upper * (r * flat[p, c] + s * flat[q, c]) + lower * (r * flat[k, c] + s * flat[m, c])
                out[x, c] = value if n == first else out[x, c] + value


@kernel
def _image_backward(task, tasks, grad, table, uv, levels, bilinear, boundary, sums):
    # Each task owns rows of the levels and walks over all pixels in order: no sum depends on the tasks.
    for b in range(uv.shape[0]):
        total = sums[b if len(sums) > 1 else 0]
        for y in range(uv.shape[1]):
            _image_backward_row(
                task, tasks, grad[b, y], table, uv[b, y], levels, b, y, bilinear, boundary, total
            )


@kernel
def _image_backward_row(task, tasks, grad, table, uv, levels, b, y, bilinear, boundary, total):
    channels = grad.shape[1]
    for x in range(len(uv)):
        depth = levels[b, y, x] if len(levels) else 0.0
        first = int(depth)
        for n in range(first, first + (2 if depth > first else 1)):
            share = depth - first if n > first else 1 - (depth - first)
            start, rows, columns = table[n, 0], table[n, 1], table[n, 2]
            first_row, last_row = task * rows // tasks, (task + 1) * rows // tasks
            top, bottom, t = _place(1.0 - np.float64(uv[x, 1]), rows, bilinear, boundary)
            if not (first_row <= top < last_row or first_row <= bottom < last_row):
                continue
            left, right, s = _place(np.float64(uv[x, 0]), columns, bilinear, boundary)
            s, t = max(s, 0.0), max(t, 0.0)
            for row, row_weight in ((top, share * (1 - t)), (bottom, share * t)):
                if first_row <= row < last_row and row_weight != 0:
                    at = start + row * columns
                    for c in range(channels):
                        g = row_weight * grad[x, c]
                        if left >= 0:
                            total[at + left, c] += (1 - s) * g
                        if right >= 0:
                            total[at + right, c] += s * g


@kernel
def _uv_backward(task, tasks, grad, flat, table, uv, levels, bilinear, boundary, grad_uv):
    images, height = uv.shape[:2]
    for row in range(task * images * height // tasks, (task + 1) * images * height // tasks):
        b, y = row // height, row % height
        texels = flat[b if len(flat) > 1 else 0]
        _uv_backward_row(grad[b, y], texels, table, uv[b, y], levels, b, y, bilinear, boundary, grad_uv[b, y])


@kernel
def _uv_backward_row(grad, flat, table, uv, levels, b, y, bilinear, boundary, grad_uv):
    channels = grad.shape[1]
    for x in range(len(uv)):
        depth = levels[b, y, x] if len(levels) else 0.0
        first = int(depth)
        gu = gv = 0.0
        for n in range(first, first + (2 if depth > first else 1)):
            share = depth - first if n > first else 1 - (depth - first)
            start, rows, columns = table[n, 0], table[n, 1], table[n, 2]
            u, v = np.float64(uv[x, 0]), np.float64(uv[x, 1])
            left, right, s, top, bottom, t = _taps(u, v, rows, columns, bilinear, boundary)
            ss, tt = max(s, 0.0), max(t, 0.0)
            along_s = along_t = 0.0
            for c in range(channels):
                p = _texel(flat, start, columns, top, left, c)
                q = _texel(flat, start, columns, top, right, c)
                k = _texel(flat, start, columns, bottom, left, c)
                m = _texel(flat, start, columns, bottom, right, c)
                along_s += grad[x, c] * ((q - p) * (1 - tt) + (m - k) * tt)
                along_t += grad[x, c] * ((k - p) * (1 - ss) + (m - q) * ss)
            gu += share * along_s * columns if s >= 0 else 0.0
            gv -= share * along_t * rows if t >= 0 else 0.0
        grad_uv[x, 0], grad_uv[x, 1] = gu, gv
