"""Analytic antialiasing of silhouettes, through which images move vertices."""

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
from soaplib.render.rasterise import pixel_corners


def antialias(
    color: torch.Tensor,
    rast: torch.Tensor,
    clip: torch.Tensor,
    faces: torch.Tensor,
    edges: torch.Tensor | None = None,
) -> torch.Tensor:
    """Blend pixels across silhouette edges by how far the edge reaches between their centres.

    Args:
        color: (B, H, W, C) float32 or float64.
        rast: (B, H, W, 4) from `rasterize`.
        clip: (B, V, 4), the same as given to `rasterize`.
        faces: (F, 3), the same as given to `rasterize`.
        edges: `mesh_edges(faces)`, to spare its computation in a loop.

    Returns:
        (B, H, W, C). float64 when color or clip is.

    For two neighbouring pixels with different faces, the nearer face is followed from its pixel's centre towards
    the other centre, across inner edges from face to face, until an edge is a silhouette: one without a
    neighbour, or whose neighbour folds back on the screen. If it is crossed before the other centre, at distance
    d, alpha = 1/2 - d blends: the other pixel takes -alpha of the nearer colour where d > 1/2, the nearer pixel
    takes alpha of the other's where d < 1/2. Only edges closer than 45 degrees to the pair's normal count, so
    that each is blended along one axis. Vertices doubled along a seam make borders; there neighbouring colours
    blend a little.

    Gradients flow to color, and through the edges' crossing points to clip (x, y and w).

    Raises:
        ValueError: wrong shapes or types, or faces out of range.

    Source: Laine et al. 2020, section 3.6; theirs looks at one face only, following the surface finds the
    silhouettes of meshes with faces smaller than a pixel too.
    """
    checked_tensor("antialias", "color", color, "B,H,W,C")
    checked_tensor("antialias", "rast", rast, f"{color.shape[0]},{color.shape[1]},{color.shape[2]},4")
    checked_tensor("antialias", "clip", clip, f"{color.shape[0]},V,4")
    faces = checked_faces("antialias", faces, clip.shape[1])
    check_rast("antialias", rast, len(faces))
    edges = mesh_edges(faces) if edges is None else edges
    if edges.shape != faces.shape or edges.dtype != torch.int32:
        raise ValueError(
            f"antialias: edges must be mesh_edges(faces), (F, 3) int32 with F = {len(faces)}, "
            f"got {tuple(edges.shape)} {edges.dtype}"
        )
    dtype = common_dtype(color, clip)
    return _Antialias.apply(color.to(dtype), rast.detach().to(dtype), clip.to(dtype), faces, edges)


def mesh_edges(faces: torch.Tensor) -> torch.Tensor:
    """Find the face across each edge.

    Args:
        faces: (F, 3) integers.

    Returns:
        (F, 3) int32: entry i of a face is the face across the edge opposite its vertex i; -1 on a border and on
        an edge of three or more faces.
    """
    corners = torch.as_tensor(faces).cpu().numpy().astype(np.int64)
    across = np.full(corners.size, -1, np.int32)
    if corners.size:
        # Edge i of a face runs from vertex i + 1 to i + 2; row 3 f + i of the flat list.
        ends = np.stack((np.roll(corners, -1, 1), np.roll(corners, -2, 1)), -1).reshape(-1, 2)
        key = ends.min(1) * (corners.max() + 1) + ends.max(1)
        order = np.argsort(key, kind="stable")
        starts = np.flatnonzero(np.diff(key[order], prepend=-1))
        pairs = starts[np.diff(starts, append=len(key)) == 2]
        first, second = order[pairs], order[pairs + 1]
        across[first], across[second] = second // 3, first // 3
    return torch.from_numpy(across.reshape(-1, 3))


class _Antialias(torch.autograd.Function):
    @staticmethod
    def forward(ctx, color, rast, clip, faces, edges):
        images, height, width, _ = color.shape
        color, rast = color.contiguous(), rast.contiguous()
        corners = pixel_corners(clip.detach(), height, width)
        folds = np.zeros((images, len(faces)), np.uint8)
        run_tasks(_find_folds, images, corners, faces.numpy(), edges.numpy(), folds)
        # Per pixel and axis: +-(3 face + edge + 1) of the silhouette between it and its right or lower
        # neighbour, + where the face is this pixel's; and alpha.
        crossing = np.zeros((images, height, width, 2), np.int32)
        alpha = np.zeros((images, height, width, 2))
        arrays = (rast.numpy(), corners, faces.numpy(), edges.numpy(), folds, crossing, alpha)
        run_tasks(_find_crossings, ROW_TASKS, *arrays)
        out = torch.empty_like(color)
        run_tasks(_blend, ROW_TASKS, color.detach().numpy(), crossing, alpha, out.numpy())
        ctx.save_for_backward(color, faces)
        ctx.plan = corners, crossing, alpha
        return out

    @staticmethod
    def backward(ctx, grad):
        color, faces = ctx.saved_tensors
        corners, crossing, alpha = ctx.plan
        grad, color = grad.contiguous(), color.detach()
        grad_color = grad_clip = None
        if ctx.needs_input_grad[0]:
            grad_color = torch.empty_like(color)
            run_tasks(_blend_backward, ROW_TASKS, grad.numpy(), crossing, alpha, grad_color.numpy())
        if ctx.needs_input_grad[2]:
            images, height = color.shape[:2]
            bands = bands_per_image(images, height)
            sums = np.zeros((images * bands, corners.shape[1], 4))
            arrays = (grad.numpy(), color.numpy(), corners, faces.numpy(), crossing, alpha)
            run_tasks(_move, images * bands, bands, *arrays, sums)
            grad_clip = torch.from_numpy(sums.reshape(images, bands, -1, 4).sum(1)).to(color.dtype)
        return grad_color, None, grad_clip, None, None


@kernel
def _find_folds(task, tasks, corners, faces, edges, folds):
    """Set bit i of a face's flag where its edge i is a silhouette on this image's screen."""
    _find_folds_image(corners[task], faces, edges, folds[task])


@kernel
def _find_folds_image(corners, faces, edges, folds):
    for f in range(len(faces)):
        area = _side(corners, faces[f, 0], faces[f, 1], faces[f, 2])
        flag = 0
        for i in range(3):
            g = edges[f, i]
            if g < 0:
                flag |= 1 << i
                continue
            a, b = faces[f, (i + 1) % 3], faces[f, (i + 2) % 3]
            other = _side(corners, faces[g, 0] + faces[g, 1] + faces[g, 2] - a - b, a, b)
            # Written so that NaN, a dropped neighbour, counts as a silhouette.
            if not ((other > 0 and area < 0) or (other < 0 and area > 0)):
                flag |= 1 << i
        folds[f] = flag


@kernel
def _side(corners, i, j, k):
    x, y = corners[i, 4], corners[i, 5]
    return (corners[j, 4] - x) * (corners[k, 5] - y) - (corners[j, 5] - y) * (corners[k, 4] - x)


@kernel
def _find_crossings(task, tasks, rast, corners, faces, edges, folds, crossing, alpha):
    images, height = rast.shape[:2]
    for row in range(task * images * height // tasks, (task + 1) * images * height // tasks):
        b, y = row // height, row % height
        _find_crossings_row(rast[b], corners[b], faces, edges, folds[b], y, crossing[b, y], alpha[b, y])


@kernel
def _find_crossings_row(rast, corners, faces, edges, folds, y, crossing, alpha):
    height, width = rast.shape[:2]
    for x in range(width):
        here = int(rast[y, x, 3]) - 1
        for axis in range(2):
            x_next, y_next = x + 1 - axis, y + axis
            if x_next >= width or y_next >= height:
                continue
            there = int(rast[y_next, x_next, 3]) - 1
            if here == there or _unfolded(edges, folds, here, there):
                continue
            ours = there < 0 or (here >= 0 and rast[y, x, 2] <= rast[y_next, x_next, 2])
            if ours:
                edge, distance = _follow(corners, faces, edges, folds, here, x + 0.5, y + 0.5, axis, 1.0)
                if edge >= 0:
                    crossing[x, axis] = edge + 1
                    alpha[x, axis] = 0.5 - distance
            else:
                fx, fy = x_next + 0.5, y_next + 0.5
                edge, distance = _follow(corners, faces, edges, folds, there, fx, fy, axis, -1.0)
                if edge >= 0:
                    crossing[x, axis] = -edge - 1
                    alpha[x, axis] = distance - 0.5


@kernel
def _unfolded(edges, folds, here, there):
    """Say whether two faces meet in an edge that is no silhouette: the commonest case, told cheaply."""
    if here < 0 or there < 0:
        return False
    for i in range(3):
        if edges[here, i] == there:
            return not folds[here] >> i & 1
    return False


@kernel
def _follow(corners, faces, edges, folds, face, fx, fy, axis, direction):
    """Walk over the surface from a pixel's centre to its neighbour's.

    Returns 3 face + edge of the silhouette met and the distance to it in [0, 1], or -1.
    """
    came_from = -1
    for _ in range(64):
        exit_edge, distance = -1, -np.inf
        for i in range(3):
            if came_from >= 0 and edges[face, i] == came_from:
                continue
            a, b = corners[faces[face, (i + 1) % 3]], corners[faces[face, (i + 2) % 3]]
            along_a, across_a = a[4 + axis] - (fy if axis else fx), a[5 - axis] - (fx if axis else fy)
            along_b, across_b = b[4 + axis] - (fy if axis else fx), b[5 - axis] - (fx if axis else fy)
            if (across_a < 0) == (across_b < 0):
                continue
            met = direction * (along_a - across_a * (along_b - along_a) / (across_b - across_a))
            if met > distance:
                exit_edge, distance = i, met
        if exit_edge < 0 or distance >= 1.0625:
            return -1, 0.0
        if folds[face] >> exit_edge & 1:
            a, b = corners[faces[face, (exit_edge + 1) % 3]], corners[faces[face, (exit_edge + 2) % 3]]
            steep = abs(b[5 - axis] - a[5 - axis]) >= abs(b[4 + axis] - a[4 + axis])
            if not steep or distance <= -0.0625:
                return -1, 0.0
            return 3 * face + exit_edge, min(max(distance, 0.0), 1.0)
        came_from, face = face, edges[face, exit_edge]
    return -1, 0.0


@kernel
def _blend(task, tasks, color, crossing, alpha, out):
    images, height = color.shape[:2]
    for row in range(task * images * height // tasks, (task + 1) * images * height // tasks):
        b, y = row // height, row % height
        _blend_row(color[b], crossing[b], alpha[b], y, out[b, y])


@kernel
def _blend_row(color, crossing, alpha, y, out):
    width, channels = color.shape[1:]
    for x in range(width):
        for c in range(channels):
            out[x, c] = color[y, x, c]
        for axis in range(2):
            # A pair's colour goes to its first pixel where alpha > 0, else to its second.
            if crossing[y, x, axis] != 0 and alpha[y, x, axis] > 0:
                for c in range(channels):
                    step = color[y + axis, x + 1 - axis, c] - color[y, x, c]
                    out[x, c] += alpha[y, x, axis] * step
            py, px = y - axis, x - 1 + axis
            if py >= 0 and px >= 0 and crossing[py, px, axis] != 0 and alpha[py, px, axis] < 0:
                for c in range(channels):
                    out[x, c] += alpha[py, px, axis] * (color[y, x, c] - color[py, px, c])


@kernel
def _blend_backward(task, tasks, grad, crossing, alpha, grad_color):
    images, height = grad.shape[:2]
    for row in range(task * images * height // tasks, (task + 1) * images * height // tasks):
        b, y = row // height, row % height
        _blend_backward_row(grad[b], crossing[b], alpha[b], y, grad_color[b, y])


@kernel
def _blend_backward_row(grad, crossing, alpha, y, grad_color):
    width, channels = grad.shape[1:]
    for x in range(width):
        for c in range(channels):
            grad_color[x, c] = grad[y, x, c]
        for axis in range(2):
            if crossing[y, x, axis] != 0:
                a = alpha[y, x, axis]
                to_y, to_x = (y, x) if a > 0 else (y + axis, x + 1 - axis)
                for c in range(channels):
                    grad_color[x, c] -= a * grad[to_y, to_x, c]
            py, px = y - axis, x - 1 + axis
            if py >= 0 and px >= 0 and crossing[py, px, axis] != 0:
                a = alpha[py, px, axis]
                to_y, to_x = (py, px) if a > 0 else (y, x)
                for c in range(channels):
                    grad_color[x, c] += a * grad[to_y, to_x, c]


@kernel
def _move(task, tasks, bands, grad, color, corners, faces, crossing, alpha, sums):
    b, band, height = task // bands, task % bands, color.shape[1]
    first, last = band * height // bands, (band + 1) * height // bands
    _move_band(grad[b], color[b], corners[b], faces, crossing[b], alpha[b], first, last, sums[task])


@kernel
def _move_band(grad, color, corners, faces, crossing, alpha, first_row, last_row, sums):
    height, width, channels = color.shape
    for y in range(first_row, last_row):
        for x in range(width):
            for axis in range(2):
                code, a = crossing[y, x, axis], alpha[y, x, axis]
                if code == 0 or abs(a) >= 0.5:
                    continue
                y_next, x_next = y + axis, x + 1 - axis
                to_y, to_x = (y, x) if a > 0 else (y_next, x_next)
                g = 0.0
                for c in range(channels):
                    g += grad[to_y, to_x, c] * (color[y_next, x_next, c] - color[y, x, c])
                if g == 0:
                    continue
                # alpha = s / 2 - crossing point along the axis, on either side: d alpha = -d point.
                face, edge = (abs(code) - 1) // 3, (abs(code) - 1) % 3
                i, j = faces[face, (edge + 1) % 3], faces[face, (edge + 2) % 3]
                py, px = (y, x) if code > 0 else (y_next, x_next)
                centre = (px if axis else py) + 0.5
                slope = (corners[j, 4 + axis] - corners[i, 4 + axis]) / (
                    corners[j, 5 - axis] - corners[i, 5 - axis]
                )
                t = (centre - corners[i, 5 - axis]) / (corners[j, 5 - axis] - corners[i, 5 - axis])
                _pull(sums[i], corners[i], -g * (1 - t), slope, axis, width, height)
                _pull(sums[j], corners[j], -g * t, slope, axis, width, height)


@kernel
def _pull(total, corner, g, slope, axis, width, height):
    """Add to a clip-space gradient that of an edge's crossing point, which is g (1, -slope) on the screen."""
    gx, gy = (-g * slope, g) if axis else (g, -g * slope)
    inverse = 1.0 / corner[3]
    total[0] += gx * (0.5 * width) * inverse
    total[1] -= gy * (0.5 * height) * inverse
    total[3] += (gx * (0.5 * width - corner[4]) + gy * (0.5 * height - corner[5])) * inverse
