"""Analytic antialiasing of silhouettes, through which images move vertices."""

import numpy as np
import torch

from soaplib.render import memory
from soaplib.render.kernels import (
    ROW_TASKS,
    as_tensor,
    check_rast,
    checked_faces,
    checked_ranges,
    checked_tensor,
    common_dtype,
    kernel,
    run_tasks,
)
from soaplib.render.rasterise import add_corner
from soaplib.render.scanning import pixel_corners
from soaplib.render.silhouettes import find_folds, follow, mark_pairs, unfolded


def antialias(
    color: torch.Tensor,
    rast: torch.Tensor,
    clip: torch.Tensor,
    faces: torch.Tensor,
    edges: torch.Tensor | None = None,
    ranges=None,
) -> torch.Tensor:
    """Blend pixels across silhouette edges by how far the edge reaches between their centres.

    Args:
        color: (B, H, W, C) float32 or float64.
        rast: (B, H, W, 4) from `rasterize`.
        clip: (B, V, 4), or (V, 4) for meshes with ranges, the same as given to `rasterize`.
        faces: (F, 3), the same as given to `rasterize`.
        edges: `mesh_edges(faces)`, to spare its computation in a loop.
        ranges: (B, 2), the same as given to `rasterize`.

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
        ValueError: wrong shapes or types, or faces or ranges out of bounds.

    Source: Laine et al. 2020, section 3.6; theirs looks at one face only, following the surface finds the
    silhouettes of meshes with faces smaller than a pixel too.
    """
    checked_tensor("antialias", "color", color, "B,H,W,C")
    images = len(color)
    checked_tensor("antialias", "rast", rast, f"{images},{color.shape[1]},{color.shape[2]},4")
    checked_tensor("antialias", "clip", clip, f"{images},V,4" if ranges is None else "V,4")
    clip = clip if ranges is None else clip[None]
    faces = checked_faces("antialias", faces, clip.shape[1])
    spans = checked_ranges("antialias", ranges, images, len(faces))
    edges = mesh_edges(faces) if edges is None else edges
    if edges.shape != faces.shape or edges.dtype != torch.int32:
        raise ValueError(
            f"antialias: edges must be mesh_edges(faces), (F, 3) int32 with F = {len(faces)}, "
            f"got {tuple(edges.shape)} {edges.dtype}"
        )
    dtype = common_dtype(color, clip)
    return _Antialias.apply(color.to(dtype), rast.detach().to(dtype), clip.to(dtype), faces, edges, spans)


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
    def forward(ctx, color, rast, clip, faces, edges, spans):
        height, width = color.shape[1:3]
        corners = pixel_corners(clip, height, width)
        lists = _pairs(corners, rast.contiguous().numpy(), faces.numpy(), edges.numpy(), spans)
        color = color.detach().contiguous()
        out = memory.empty(color.shape, color.numpy().dtype)
        np.copyto(out, color.numpy())
        run_tasks(_blend, len(out), color.numpy(), *lists, out)
        ctx.save_for_backward(color, faces)
        ctx.plan = corners, lists
        return torch.from_numpy(out)

    @staticmethod
    def backward(ctx, grad):
        color, faces = ctx.saved_tensors
        corners, lists = ctx.plan
        grad = grad.contiguous().numpy()
        grad_color = grad_clip = None
        if ctx.needs_input_grad[0]:
            result = memory.empty(grad.shape, grad.dtype)
            np.copyto(result, grad)
            run_tasks(_blend_backward, len(grad), grad, *lists, result)
            grad_color = torch.from_numpy(result)
        if ctx.needs_input_grad[2]:
            sums = np.zeros((*corners.shape[:2], 4))
            run_tasks(_move, len(corners), grad, color.numpy(), corners, faces.numpy(), *lists, sums)
            grad_clip = as_tensor(sums, color.dtype)
        return grad_color, None, grad_clip, None, None, None


def _pairs(corners, rast, faces, edges, spans):
    """Return lists of neighbouring pixels to blend, each image's in the order of its rows.

    starts (B + 1,): where each image's pairs begin in the others. place: 2 (y W + x) + axis, for the pixel and
    its right (axis 0) or lower (1) neighbour. silhouette: +-(3 face + edge + 1) of the edge between them, + where
    the face is this pixel's; 0 for no pair. alpha: see `antialias`.
    """
    images, height, width, _ = rast.shape
    folds = find_folds(corners, faces, edges)
    marks, counts = mark_pairs(corners, faces, edges, folds, spans, height, width)
    starts = np.concatenate(([0], np.cumsum(counts.reshape(-1), dtype=np.int64)))
    place, silhouette = np.zeros((2, starts[-1]), np.int32)
    alpha, highest = np.zeros(starts[-1]), np.zeros(ROW_TASKS, np.int64)
    arrays = (rast, corners, faces, edges, folds, marks, starts, place, silhouette, alpha, highest)
    run_tasks(_find_pairs, ROW_TASKS, *arrays)
    check_rast("antialias", int(highest.max()), len(faces))
    return starts[np.arange(images + 1) * height], place, silhouette, alpha


@kernel
def _find_pairs(
    task, tasks, rast, corners, faces, edges, folds, marks, starts, place, silhouette, alpha, highest
):
    images, height = rast.shape[:2]
    for row in range(task * images * height // tasks, (task + 1) * images * height // tasks):
        if starts[row] < starts[row + 1]:
            b, y, span = row // height, row % height, slice(starts[row], starts[row + 1])
            mesh = b if len(corners) > 1 else 0
            found = _find_pairs_row(
                y,
                rast[b],
                corners[mesh],
                faces,
                edges,
                folds[mesh],
                marks[b, y],
                place[span],
                silhouette[span],
                alpha[span],
            )
            highest[task] = max(highest[task], found)


@kernel
def _find_pairs_row(y, rast, corners, faces, edges, folds, marks, place, silhouette, alpha):
    """Fill a row's part of the lists and return the highest face + 1 seen."""
    n, width, highest = 0, rast.shape[1], 0
    for x in range(width):
        if marks[x] == 0:
            continue
        for axis in range(2):
            if marks[x] >> axis & 1:
                here, there = int(rast[y, x, 3]) - 1, int(rast[y + axis, x + 1 - axis, 3]) - 1
                highest = max(highest, here + 1, there + 1)
                place[n] = 2 * (y * width + x) + axis
                if max(here, there) < len(faces):
                    silhouette[n], alpha[n] = _pair(
                        rast, corners, faces, edges, folds, y, x, axis, here, there
                    )
                n += 1
        if n == len(place):
            break
    return highest


@kernel
def _pair(rast, corners, faces, edges, folds, y, x, axis, here, there):
    """Return the signed silhouette between a pixel and its neighbour (see `_pairs`), and alpha."""
    y_next, x_next = y + axis, x + 1 - axis
    if here == there or unfolded(edges, folds, here, there):
        return 0, 0.0
    if there < 0 or (here >= 0 and rast[y, x, 2] <= rast[y_next, x_next, 2]):
        edge, distance = follow(corners, faces, edges, folds, here, x + 0.5, y + 0.5, axis, 1.0)
        return (edge + 1, 0.5 - distance) if edge >= 0 else (0, 0.0)
    edge, distance = follow(corners, faces, edges, folds, there, x_next + 0.5, y_next + 0.5, axis, -1.0)
    return (-edge - 1, distance - 0.5) if edge >= 0 else (0, 0.0)


@kernel
def _blend(task, tasks, color, starts, place, silhouette, alpha, out):
    width, channels = color.shape[2:]
    for n in range(starts[task], starts[task + 1]):
        if silhouette[n] != 0:
            y, x, axis = place[n] // 2 // width, place[n] // 2 % width, place[n] % 2
            y_next, x_next = y + axis, x + 1 - axis
            # A pair's colour goes to its first pixel where alpha > 0, else to its second.
            y_to, x_to = (y, x) if alpha[n] > 0 else (y_next, x_next)
            for c in range(channels):
                out[task, y_to, x_to, c] += alpha[n] * (color[task, y_next, x_next, c] - color[task, y, x, c])


@kernel
def _blend_backward(task, tasks, grad, starts, place, silhouette, alpha, grad_color):
    width, channels = grad.shape[2:]
    for n in range(starts[task], starts[task + 1]):
        if silhouette[n] != 0:
            y, x, axis = place[n] // 2 // width, place[n] // 2 % width, place[n] % 2
            y_next, x_next = y + axis, x + 1 - axis
            y_to, x_to = (y, x) if alpha[n] > 0 else (y_next, x_next)
            for c in range(channels):
                g = alpha[n] * grad[task, y_to, x_to, c]
                grad_color[task, y, x, c] -= g
                grad_color[task, y_next, x_next, c] += g


@kernel
def _move(task, tasks, grad, color, corners, faces, starts, place, silhouette, alpha, sums):
    # Images that share vertices are added up one after the other.
    first, last = (task, task + 1) if tasks > 1 else (0, len(grad))
    for b in range(first, last):
        _move_image(
            grad[b],
            color[b],
            corners[task],
            faces,
            starts[b],
            starts[b + 1],
            place,
            silhouette,
            alpha,
            sums[task],
        )


@kernel
def _move_image(grad, color, corners, faces, first, last, place, silhouette, alpha, sums):
    height, width, channels = color.shape
    for n in range(first, last):
        a = alpha[n]
        if silhouette[n] == 0 or abs(a) >= 0.5:
            continue
        y, x, axis = place[n] // 2 // width, place[n] // 2 % width, place[n] % 2
        y_next, x_next = y + axis, x + 1 - axis
        y_to, x_to = (y, x) if a > 0 else (y_next, x_next)
        g = 0.0
        for c in range(channels):
            g += grad[y_to, x_to, c] * (color[y_next, x_next, c] - color[y, x, c])
        if g == 0:
            continue
        face, edge = (abs(silhouette[n]) - 1) // 3, (abs(silhouette[n]) - 1) % 3
        i, j = faces[face, (edge + 1) % 3], faces[face, (edge + 2) % 3]
        # The edge p_i x p_j = 0 is met 1 - alpha after the pixel, seen from there, so d alpha = -d point, and
        # the point moves by the change of p_i x p_j over its slope along the axis.
        fx, fy = (x + 0.5, y + 1 - a) if axis else (x + 1 - a, y + 0.5)
        xi, yi, wi = corners[i, 0] - fx * corners[i, 3], corners[i, 1] - fy * corners[i, 3], corners[i, 3]
        xj, yj, wj = corners[j, 0] - fx * corners[j, 3], corners[j, 1] - fy * corners[j, 3], corners[j, 3]
        g /= wi * xj - wj * xi if axis else wj * yi - wi * yj
        add_corner(sums, i, g * yj, -g * xj, 0.0, fx, fy, width, height)
        add_corner(sums, j, -g * yi, g * xi, 0.0, fx, fy, width, height)
