"""Texture look-up."""

import math

import numba
import numpy as np
import torch

from soaplib.render.kernels import ROW_TASKS, checked_tensor, common_dtype, kernel, run_tasks


def texture(image: torch.Tensor, uv: torch.Tensor, mode: str = "bilinear", mip: bool = False) -> torch.Tensor:
    """Look up an image at texture coordinates.

    Args:
        image: (B, Ht, Wt, C) or, for all, (1, Ht, Wt, C) float32 or float64, row 0 on top.
        uv: (B, H, W, 2), origin at the image's bottom left, its top right at (1, 1); outside, the border's texel
            goes on.
        mode: "bilinear" between texel centres, or "nearest".
        mip: where neighbouring pixels lie more than a texel apart, look into halved images instead, blending two
            (trilinear): no shimmer where a texture is seen small. Bilinear only.

    Returns:
        (B, H, W, C). float64 when either input is.

    Gradients flow to the image and, when bilinear, to uv (0 where it is clamped; the choice of mip
    level is held fixed).

    Raises:
        ValueError: wrong shape, type or mode.

    Source: Laine et al. 2020, section 3.5; mip levels by halving (Williams 1983), the
    footprint from differences of uv to the nearer of two neighbours, so that seams do not count.
    """
    checked_tensor("texture", "image", image, "B,H,W,C")
    checked_tensor("texture", "uv", uv, "B,H,W,2")
    if len(image) not in (1, len(uv)) or 0 in image.shape:
        raise ValueError(
            f"texture: image must have batch 1 or {len(uv)} as uv and no empty axis, got {tuple(image.shape)}"
        )
    if mode not in ("bilinear", "nearest"):
        raise ValueError(f'texture: mode must be "bilinear" or "nearest", got {mode!r}')
    if mip and mode != "bilinear":
        raise ValueError(f'texture: mip needs mode "bilinear", got {mode!r}')
    dtype = common_dtype(image, uv)
    image, uv = image.to(dtype), uv.to(dtype)
    return _trilinear(image, uv) if mip else _Texture.apply(image, uv, mode == "bilinear")


def _trilinear(image, uv):
    level = _mip_level(uv.detach(), image.shape[1:3])
    deepest = int(np.ceil(np.log2(max(image.shape[1:3]))))
    level = level.clamp(0, deepest)[..., None]
    result = torch.zeros((*uv.shape[:3], image.shape[3]), dtype=uv.dtype)
    for depth in range(deepest + 1):
        weight = (1 - (level - depth).abs()).clamp(min=0)
        if weight.any():
            result = result + weight * _Texture.apply(image, uv, True)
        if depth < deepest:
            image = torch.nn.functional.avg_pool2d(
                image.movedim(-1, 1), [min(2, s) for s in image.shape[1:3]], ceil_mode=True
            ).movedim(1, -1)
    return result


def _mip_level(uv, texels):
    """Return the base-2 logarithm of how many texels neighbouring pixels lie apart, (B, H, W)."""
    place = uv * torch.tensor([texels[1], texels[0]], dtype=uv.dtype)
    widest = torch.zeros(uv.shape[:3], dtype=uv.dtype)
    for axis in (1, 2):
        step = place.diff(dim=axis).norm(dim=-1)
        if step.shape[axis] == 0:
            continue
        edge = torch.full_like(step.narrow(axis, 0, 1), torch.inf)
        nearer = torch.minimum(torch.cat((step, edge), axis), torch.cat((edge, step), axis))
        widest = torch.maximum(widest, nearer)
    return torch.log2(widest.clamp(min=1e-6))


class _Texture(torch.autograd.Function):
    @staticmethod
    def forward(ctx, image, uv, bilinear):
        image, uv = image.contiguous(), uv.contiguous()
        ctx.save_for_backward(image, uv)
        ctx.bilinear = bilinear
        out = torch.empty((*uv.shape[:3], image.shape[3]), dtype=uv.dtype)
        run_tasks(_forward, ROW_TASKS, image.detach().numpy(), uv.detach().numpy(), bilinear, out.numpy())
        return out

    @staticmethod
    def backward(ctx, grad):
        image, uv = (t.detach() for t in ctx.saved_tensors)
        grad = grad.contiguous()
        grad_image = grad_uv = None
        if ctx.needs_input_grad[0]:
            sums = np.zeros(image.shape)
            run_tasks(_image_backward, numba.get_num_threads(), grad.numpy(), uv.numpy(), ctx.bilinear, sums)
            grad_image = torch.from_numpy(sums).to(image.dtype)
        if ctx.needs_input_grad[1]:
            grad_uv = torch.zeros_like(uv)
            if ctx.bilinear:
                arrays = (t.numpy() for t in (grad, image, uv, grad_uv))
                run_tasks(_uv_backward, ROW_TASKS, *arrays)
        return grad_image, grad_uv, None


@kernel
def _place(coordinate, size, bilinear):
    """Return the lower texel, the upper one and the upper one's weight along an axis.

    The weight is -1 where the coordinate is clamped: it then does not move.
    """
    at = coordinate * size - 0.5
    if not bilinear:
        at = math.floor(at + 0.5)
    # Written so that NaN is clamped too.
    if not (at > 0):
        return 0, 0, -1.0
    if at >= size - 1:
        return size - 1, size - 1, -1.0
    low = int(at)
    if not bilinear:
        return low, low, -1.0
    return low, low + 1, at - low


@kernel
def _forward(task, tasks, image, uv, bilinear, out):
    images, height = uv.shape[:2]
    for row in range(task * images * height // tasks, (task + 1) * images * height // tasks):
        b, y = row // height, row % height
        _forward_row(image[b if len(image) > 1 else 0], uv[b, y], bilinear, out[b, y])


@kernel
def _forward_row(image, uv, bilinear, out):
    rows, columns = image.shape[:2]
    for x in range(len(uv)):
        left, right, s = _place(float(uv[x, 0]), columns, bilinear)
        top, bottom, t = _place(1.0 - uv[x, 1], rows, bilinear)
        s, t = max(s, 0.0), max(t, 0.0)
        for c in range(out.shape[1]):
            upper = image[top, left, c] * (1 - s) + image[top, right, c] * s
            lower = image[bottom, left, c] * (1 - s) + image[bottom, right, c] * s
            out[x, c] = upper * (1 - t) + lower * t


@kernel
def _image_backward(task, tasks, grad, uv, bilinear, sums):
    # Each task owns rows of the image and walks over all pixels in order: no sum depends on the tasks.
    rows = sums.shape[1]
    _image_backward_band(grad, uv, bilinear, task * rows // tasks, (task + 1) * rows // tasks, sums)


@kernel
def _image_backward_band(grad, uv, bilinear, first_row, last_row, sums):
    rows, columns = sums.shape[1:3]
    for b in range(len(uv)):
        total = sums[b if len(sums) > 1 else 0]
        for y in range(uv.shape[1]):
            for x in range(uv.shape[2]):
                top, bottom, t = _place(1.0 - uv[b, y, x, 1], rows, bilinear)
                if bottom < first_row or top >= last_row:
                    continue
                left, right, s = _place(float(uv[b, y, x, 0]), columns, bilinear)
                s, t = max(s, 0.0), max(t, 0.0)
                for row, weight in ((top, 1 - t), (bottom, t)):
                    if first_row <= row < last_row and weight != 0:
                        for c in range(grad.shape[3]):
                            g = weight * grad[b, y, x, c]
                            total[row, left, c] += (1 - s) * g
                            total[row, right, c] += s * g


@kernel
def _uv_backward(task, tasks, grad, image, uv, grad_uv):
    images, height = uv.shape[:2]
    for row in range(task * images * height // tasks, (task + 1) * images * height // tasks):
        b, y = row // height, row % height
        _uv_backward_row(grad[b, y], image[b if len(image) > 1 else 0], uv[b, y], grad_uv[b, y])


@kernel
def _uv_backward_row(grad, image, uv, grad_uv):
    rows, columns = image.shape[:2]
    for x in range(len(uv)):
        left, right, s = _place(float(uv[x, 0]), columns, True)
        top, bottom, t = _place(1.0 - uv[x, 1], rows, True)
        along_s = along_t = 0.0
        ss, tt = max(s, 0.0), max(t, 0.0)
        for c in range(grad.shape[1]):
            a, b = image[top, left, c], image[top, right, c]
            d, e = image[bottom, left, c], image[bottom, right, c]
            along_s += grad[x, c] * ((b - a) * (1 - tt) + (e - d) * tt)
            along_t += grad[x, c] * ((d - a) * (1 - ss) + (e - b) * ss)
        grad_uv[x, 0] = along_s * columns if s >= 0 else 0.0
        grad_uv[x, 1] = -along_t * rows if t >= 0 else 0.0
