"""Halved images, and which of them a pixel should look into."""

import math

import numpy as np
import torch

from soaplib.render import memory
from soaplib.render.kernels import (
    ROW_TASKS,
    checked_faces,
    checked_tensor,
    common_dtype,
    kernel,
    run_tasks,
)
from soaplib.render.scanning import pixel_corners


def pixel_steps(
    attributes: torch.Tensor, rast: torch.Tensor, clip: torch.Tensor, faces: torch.Tensor
) -> torch.Tensor:
    """Differentiate interpolated attributes by the place on the screen, face by face, exactly.

    Args:
        attributes: (B, V, C), or (1, V, C) or (V, C) for all images, as for `interpolate`.
        rast: (B, H, W, 4) from `rasterize` or `peel`.
        clip: (B, V, 4), or (V, 4) for meshes with ranges; faces: (F, 3), as given there.

    Returns:
        (B, H, W, C, 2): the change of each attribute per pixel to the right, and per pixel down; 0 where no face
        is. Of UV, what `texture` takes as `steps`. No gradients flow.

    Raises:
        ValueError: wrong shapes or types, or faces out of range.
    """
    attributes, clip = (t[None] if t.ndim == 2 else t for t in (attributes, clip))
    checked_tensor("pixel_steps", "attributes", attributes, "B,V,C")
    checked_tensor("pixel_steps", "rast", rast, "B,H,W,4")
    checked_tensor("pixel_steps", "clip", clip, f"B,{attributes.shape[1]},4")
    faces = checked_faces("pixel_steps", faces, clip.shape[1])
    images, height, width, _ = rast.shape
    if len(attributes) not in (1, images) or len(clip) not in (1, images):
        raise ValueError(
            f"pixel_steps: attributes and clip must have batch 1 or {images} as rast, "
            f"got {len(attributes)} and {len(clip)}"
        )
    dtype = common_dtype(attributes, rast)
    rast, values = (t.detach().to(dtype).contiguous().numpy() for t in (rast, attributes))
    out = memory.empty((images, height, width, values.shape[2], 2), rast.dtype)
    run_tasks(_steps, ROW_TASKS, rast, pixel_corners(clip, height, width), faces.numpy(), values, out)
    return torch.from_numpy(out)


@kernel
def _steps(task, tasks, rast, corners, faces, values, out):
    images, height = rast.shape[:2]
    for row in range(task * images * height // tasks, (task + 1) * images * height // tasks):
        b, y = row // height, row % height
        places, own = corners[b if len(corners) > 1 else 0], values[b if len(values) > 1 else 0]
        _steps_row(rast[b, y], y + 0.5, places, faces, own, out[b, y])


@kernel
def _steps_row(rast, fy, corners, faces, values, out):
    for x in range(len(rast)):
        face = int(rast[x, 3]) - 1
        if face < 0 or face >= len(faces):
            out[x] = 0
            continue
        fx, v0, v1, v2 = x + 0.5, faces[face, 0], faces[face, 1], faces[face, 2]
        w0, w1, w2 = corners[v0, 3], corners[v1, 3], corners[v2, 3]
        px0, py0 = corners[v0, 0] - fx * w0, corners[v0, 1] - fy * w0
        px1, py1 = corners[v1, 0] - fx * w1, corners[v1, 1] - fy * w1
        px2, py2 = corners[v2, 0] - fx * w2, corners[v2, 1] - fy * w2
        inverse = 1 / (px1 * py2 - py1 * px2 + px2 * py0 - py2 * px0 + px0 * py1 - py0 * px1)
        b0, b1 = (px1 * py2 - py1 * px2) * inverse, (px2 * py0 - py2 * px0) * inverse
        # The edge functions' slopes, then those of the barycentrics, their quotients.
        ax0, ax1, ax2 = py1 * w2 - w1 * py2, py2 * w0 - w2 * py0, py0 * w1 - w0 * py1
        ay0, ay1, ay2 = w1 * px2 - px1 * w2, w2 * px0 - px2 * w0, w0 * px1 - px0 * w1
        ax, ay = ax0 + ax1 + ax2, ay0 + ay1 + ay2
        ux, vx = (ax0 - b0 * ax) * inverse, (ax1 - b1 * ax) * inverse
        uy, vy = (ay0 - b0 * ay) * inverse, (ay1 - b1 * ay) * inverse
        for c in range(values.shape[1]):
            p, q = values[v0, c] - values[v2, c], values[v1, c] - values[v2, c]
            out[x, c, 0] = ux * p + vx * q
            out[x, c, 1] = uy * p + vy * q


def mip_levels(uv: torch.Tensor, texels: tuple[int, int], steps: torch.Tensor | None = None) -> torch.Tensor:
    """Return how often an image of (rows, columns) texels should be halved for each pixel, (B, H, W) float64.

    That is the base-2 logarithm of how many texels one pixel's step spans, along the wider of the screen's axes
    (OpenGL 4.6, section 8.14.1), from 0 to where one texel is left.

    uv: (B, H, W, 2). steps: (B, H, W, 2, 2) from `pixel_steps`; without them, differences to the nearer of two
    neighbouring pixels are taken, so that seams do not count.
    """
    scale = torch.tensor([texels[1], texels[0]], dtype=torch.float64, device=uv.device)
    widest = torch.zeros(uv.shape[:3], dtype=torch.float64, device=uv.device)
    if steps is None:
        place = uv.detach() * scale
        for axis in (1, 2):
            step = place.diff(dim=axis).norm(dim=-1)
            if step.shape[axis]:
                edge = torch.full_like(step.narrow(axis, 0, 1), torch.inf)
                nearer = torch.minimum(torch.cat((step, edge), axis), torch.cat((edge, step), axis))
                widest = torch.maximum(widest, nearer)
    else:
        widest = (steps.detach() * scale[:, None]).norm(dim=-2).amax(-1)
    deepest = math.ceil(math.log2(max(texels)))
    return torch.log2(widest.nan_to_num(1.0).clamp(min=1)).clamp(max=deepest)


def pyramid(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Halve (B, H, W, C) until one texel is left: all levels' texels (B, T, C), and start, rows, columns of each.

    A texel is the mean of the up to four below it (Williams, "Pyramidal parametrics", 1983).
    """
    images, rows, columns, channels = image.shape
    table = [(0, rows, columns)]
    while rows * columns > 1:
        start = table[-1][0] + rows * columns
        rows, columns = -(-rows // 2), -(-columns // 2)
        table.append((start, rows, columns))
    flat = memory.empty((images, table[-1][0] + 1, channels), image.dtype)
    flat[:, : table[0][1] * table[0][2]] = image.reshape(images, -1, channels)
    table = np.array(table)
    for level in range(1, len(table)):
        run_tasks(_halve, ROW_TASKS, flat, table[level - 1], table[level])
    return flat, table


def collapse(sums: np.ndarray, table: np.ndarray) -> np.ndarray:
    """Return the gradient (B, H, W, C) at a pyramid's image, of that at its levels (B, T, C), which is overwritten."""
    for level in range(len(table) - 1, 0, -1):
        run_tasks(_double, ROW_TASKS, sums, table[level - 1], table[level])
    rows, columns = table[0, 1:]
    return sums[:, : rows * columns].reshape(len(sums), rows, columns, -1)


@kernel
def _halve(task, tasks, flat, fine, coarse):
    for y in range(task * coarse[1] // tasks, (task + 1) * coarse[1] // tasks):
        y_last = min(2 * y + 2, fine[1])
        for b in range(len(flat)):
            for x in range(coarse[2]):
                x_last = min(2 * x + 2, fine[2])
                share = 1.0 / ((y_last - 2 * y) * (x_last - 2 * x))
                for c in range(flat.shape[2]):
                    total = 0.0
                    for fine_y in range(2 * y, y_last):
                        for fine_x in range(2 * x, x_last):
                            total += flat[b, fine[0] + fine_y * fine[2] + fine_x, c]
                    flat[b, coarse[0] + y * coarse[2] + x, c] = total * share


@kernel
def _double(task, tasks, sums, fine, coarse):
    for y in range(task * coarse[1] // tasks, (task + 1) * coarse[1] // tasks):
        y_last = min(2 * y + 2, fine[1])
        for b in range(len(sums)):
            for x in range(coarse[2]):
                x_last = min(2 * x + 2, fine[2])
                share = 1.0 / ((y_last - 2 * y) * (x_last - 2 * x))
                for fine_y in range(2 * y, y_last):
                    for fine_x in range(2 * x, x_last):
                        for c in range(sums.shape[2]):
                            g = share * sums[b, coarse[0] + y * coarse[2] + x, c]
                            sums[b, fine[0] + fine_y * fine[2] + fine_x, c] += g
