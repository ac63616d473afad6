"""Antialiasing, in Warp."""

from typing import Any

import torch
import warp as wp

from soaplib.render.backends.device import device_edges, device_faces
from soaplib.render.backends.warp.interpolation import face_at
from soaplib.render.backends.warp.rasterise import pixel_corners, pull_point, send_to_vertex
from soaplib.render.backends.warp.sums import OPTIONS, float_kernel, launch, summed
from soaplib.render.kernels import checked_tensor, common_dtype

wp.set_module_options(OPTIONS)


def antialias(color, rast, clip, faces, edges=None):
    """See `soaplib.render.antialiasing.antialias`."""
    images = color.shape[0]
    checked_tensor("antialias", "color", color, "B,H,W,C")
    checked_tensor("antialias", "rast", rast, f"{images},{color.shape[1]},{color.shape[2]},4")
    packed = clip.ndim == 2
    checked_tensor("antialias", "clip", clip, "V,4" if packed else f"{images},V,4")
    clip = clip[None] if packed else clip
    faces = device_faces("antialias", faces, clip)
    edges = device_edges(faces) if edges is None else edges.to(faces.device)
    if edges.shape != faces.shape or edges.dtype != torch.int32:
        raise ValueError(
            f"antialias: edges must be mesh_edges(faces), (F, 3) int32 with F = {len(faces)}, "
            f"got {tuple(edges.shape)} {edges.dtype}"
        )
    dtype = common_dtype(color, clip)
    return _Antialias.apply(color.to(dtype), rast.detach().to(dtype), clip.to(dtype), faces, edges)


class _Antialias(torch.autograd.Function):
    @staticmethod
    def forward(ctx, color, rast, clip, faces, edges):
        images, height, width, _ = color.shape
        color, rast = color.contiguous(), rast.contiguous()
        corners = pixel_corners(clip, height, width)
        folds = torch.zeros((len(corners), len(faces)), dtype=torch.uint8, device=color.device)
        launch(_find_folds, folds.shape, corners, faces, edges, folds)
        crossing = torch.zeros((images, height, width, 2), dtype=torch.int32, device=color.device)
        alpha = torch.zeros((images, height, width, 2), dtype=torch.float64, device=color.device)
        launch(_find_crossings, crossing.shape, rast, corners, faces, edges, folds, crossing, alpha)
        out = torch.empty_like(color)
        launch(_blend, color.shape[:3], color, crossing, alpha, out)
        ctx.save_for_backward(color, faces, corners, crossing, alpha)
        return out

    @staticmethod
    def backward(ctx, grad):
        color, faces, corners, crossing, alpha = ctx.saved_tensors
        grad = grad.contiguous()
        grad_color = grad_clip = None
        if ctx.needs_input_grad[0]:
            grad_color = torch.empty_like(color)
            launch(_blend_backward, color.shape[:3], grad, crossing, alpha, grad_color)
        if ctx.needs_input_grad[2]:
            vertices = corners.shape[0] * corners.shape[1]
            arrays = (grad, color, corners, faces, crossing, alpha)
            sums = summed(_move, crossing.shape, 2 * crossing.numel(), vertices, 4, *arrays)
            grad_clip = sums.to(color.dtype).reshape(*corners.shape[:2], 4)
        return grad_color, None, grad_clip, None, None


@wp.func
def _side(corners: wp.array3d[wp.float64], b: int, i: int, j: int, k: int):
    x, y = corners[b, i, 4], corners[b, i, 5]
    return (corners[b, j, 4] - x) * (corners[b, k, 5] - y) - (corners[b, j, 5] - y) * (corners[b, k, 4] - x)


@wp.kernel
def _find_folds(
    corners: wp.array3d[wp.float64],
    faces: wp.array2d[wp.int32],
    edges: wp.array2d[wp.int32],
    folds: wp.array2d[wp.uint8],
):
    """Set bit i of a face's flag where its edge i is a silhouette on this image's screen."""
    b, f = wp.tid()
    zero = wp.float64(0.0)
    area = _side(corners, b, faces[f, 0], faces[f, 1], faces[f, 2])
    flag = 0
    for i in range(3):
        g = edges[f, i]
        fold = True
        if g >= 0:
            p = faces[f, (i + 1) % 3]
            q = faces[f, (i + 2) % 3]
            other = _side(corners, b, faces[g, 0] + faces[g, 1] + faces[g, 2] - p - q, p, q)
            # Written so that NaN, a dropped neighbour, counts as a silhouette.
            fold = not ((other > zero and area < zero) or (other < zero and area > zero))
        if fold:
            flag = flag | (1 << i)
    folds[b, f] = wp.uint8(flag)


@wp.func
def _fold(folds: wp.array2d[wp.uint8], b: int, f: int, i: int):
    return ((int(folds[b, f]) >> i) & 1) == 1


@wp.func
def _unfolded(edges: wp.array2d[wp.int32], folds: wp.array2d[wp.uint8], b: int, here: int, there: int):
    """Say whether two faces meet in an edge that is no silhouette."""
    joined = False
    if here >= 0 and there >= 0:
        for i in range(3):
            if edges[here, i] == there and not _fold(folds, b, here, i):
                joined = True
    return joined


@wp.func
def _exit(
    corners: wp.array3d[wp.float64],
    faces: wp.array2d[wp.int32],
    edges: wp.array2d[wp.int32],
    b: int,
    face: int,
    came_from: int,
    along: wp.float64,
    across: wp.float64,
    axis: int,
    direction: wp.float64,
):
    """Return the edge through which the way leaves a face, or -1, and the distance to it; came_from: face + 1."""
    exit_edge, distance, zero = (-1), wp.float64(-wp.inf), wp.float64(0.0)
    for i in range(3):
        if came_from == 0 or edges[face, i] + 1 != came_from:
            p = faces[face, (i + 1) % 3]
            q = faces[face, (i + 2) % 3]
            along_p = corners[b, p, 4 + axis] - along
            across_p = corners[b, p, 5 - axis] - across
            along_q = corners[b, q, 4 + axis] - along
            across_q = corners[b, q, 5 - axis] - across
            if (across_p < zero) != (across_q < zero):
                met = direction * (along_p - across_p * (along_q - along_p) / (across_q - across_p))
                if met > distance:
                    exit_edge = i
                    distance = met
    return exit_edge, distance


@wp.func
def _steep(
    corners: wp.array3d[wp.float64], faces: wp.array2d[wp.int32], b: int, face: int, edge: int, axis: int
):
    p = faces[face, (edge + 1) % 3]
    q = faces[face, (edge + 2) % 3]
    rise = wp.abs(corners[b, q, 5 - axis] - corners[b, p, 5 - axis])
    return rise >= wp.abs(corners[b, q, 4 + axis] - corners[b, p, 4 + axis])


@wp.func
def _follow(
    corners: wp.array3d[wp.float64],
    faces: wp.array2d[wp.int32],
    edges: wp.array2d[wp.int32],
    folds: wp.array2d[wp.uint8],
    b: int,
    first: int,
    along: wp.float64,
    across: wp.float64,
    axis: int,
    direction: wp.float64,
):
    """Walk from a pixel's centre to its neighbour's.

    Returns 3 face + edge + 1 of the silhouette met and the distance to it in [0, 1], or 0.
    """
    face = wp.int32(first)
    came_from = wp.int32(0)
    found = wp.int32(0)
    met_at = wp.float64(0.0)
    steps_left = wp.int32(64)
    while steps_left > 0:
        steps_left = steps_left - 1
        edge, distance = _exit(corners, faces, edges, b, face, came_from, along, across, axis, direction)
        if edge < 0 or distance >= wp.float64(1.0625):
            steps_left = wp.int32(0)
        elif _fold(folds, b, face, edge):
            steps_left = wp.int32(0)
            if distance > wp.float64(-0.0625) and _steep(corners, faces, b, face, edge, axis):
                found = 3 * face + edge + 1
                met_at = wp.min(wp.max(distance, wp.float64(0.0)), wp.float64(1.0))
        else:
            came_from = face + 1
            face = edges[face, edge]
    return found, met_at


@float_kernel
def _find_crossings(
    rast: wp.array4d[Any],
    corners: wp.array3d[wp.float64],
    faces: wp.array2d[wp.int32],
    edges: wp.array2d[wp.int32],
    folds: wp.array2d[wp.uint8],
    crossing: wp.array4d[wp.int32],
    alpha: wp.array4d[wp.float64],
):
    """Write +-(3 face + edge + 1) of the silhouette between a pixel and its right or lower neighbour, and alpha."""
    b, y, x, axis = wp.tid()
    x_next, y_next = x + 1 - axis, y + axis
    if x_next < rast.shape[2] and y_next < rast.shape[1]:
        here, there = face_at(rast, b, y, x, faces), face_at(rast, b, y_next, x_next, faces)
        own = wp.min(b, corners.shape[0] - 1)
        if here != there and not _unfolded(edges, folds, own, here, there):
            ours = there < 0 or (here >= 0 and rast[b, y, x, 2] <= rast[b, y_next, x_next, 2])
            half = wp.float64(0.5)
            if ours:
                along, across = wp.float64(x + (y - x) * axis) + half, wp.float64(y + (x - y) * axis) + half
                edge, distance = _follow(
                    corners, faces, edges, folds, own, here, along, across, axis, wp.float64(1.0)
                )
                if edge > 0:
                    crossing[b, y, x, axis] = edge
                    alpha[b, y, x, axis] = half - distance
            else:
                along = wp.float64(x_next + (y_next - x_next) * axis) + half
                across = wp.float64(y_next + (x_next - y_next) * axis) + half
                edge, distance = _follow(
                    corners, faces, edges, folds, own, there, along, across, axis, wp.float64(-1.0)
                )
                if edge > 0:
                    crossing[b, y, x, axis] = -edge
                    alpha[b, y, x, axis] = distance - half


@float_kernel
def _blend(
    color: wp.array4d[Any],
    crossing: wp.array4d[wp.int32],
    alpha: wp.array4d[wp.float64],
    out: wp.array4d[Any],
):
    b, y, x = wp.tid()
    for c in range(color.shape[3]):
        value = wp.float64(color[b, y, x, c])
        for axis in range(2):
            # A pair's colour goes to its first pixel where alpha > 0, else to its second.
            if alpha[b, y, x, axis] > wp.float64(0.0):
                step = wp.float64(color[b, y + axis, x + 1 - axis, c] - color[b, y, x, c])
                value += alpha[b, y, x, axis] * step
            py, px = y - axis, x - 1 + axis
            # Nothing crosses where alpha is 0.
            if py >= 0 and px >= 0 and alpha[b, py, px, axis] < wp.float64(0.0):
                value += alpha[b, py, px, axis] * wp.float64(color[b, y, x, c] - color[b, py, px, c])
        out[b, y, x, c] = out.dtype(value)


@float_kernel
def _blend_backward(
    grad: wp.array4d[Any],
    crossing: wp.array4d[wp.int32],
    alpha: wp.array4d[wp.float64],
    grad_color: wp.array4d[Any],
):
    b, y, x = wp.tid()
    for c in range(grad.shape[3]):
        value = wp.float64(grad[b, y, x, c])
        for axis in range(2):
            if crossing[b, y, x, axis] != 0:
                a = alpha[b, y, x, axis]
                to_y, to_x = y, x
                if not a > wp.float64(0.0):
                    to_y, to_x = y + axis, x + 1 - axis
                value -= a * wp.float64(grad[b, to_y, to_x, c])
            py, px = y - axis, x - 1 + axis
            if py >= 0 and px >= 0 and crossing[b, py, px, axis] != 0:
                a = alpha[b, py, px, axis]
                to_y, to_x = y, x
                if a > wp.float64(0.0):
                    to_y, to_x = py, px
                value += a * wp.float64(grad[b, to_y, to_x, c])
        grad_color[b, y, x, c] = grad_color.dtype(value)


@wp.func
def _pull(
    bounds: wp.array[wp.int64],
    sums: wp.array2d[wp.int64],
    corners: wp.array3d[wp.float64],
    b: int,
    v: int,
    g: wp.float64,
    slope: wp.float64,
    axis: int,
    width: int,
    height: int,
    steps: wp.float64,
    adding: bool,
):
    """Send a vertex the gradient of an edge's crossing point, which is g (1, -slope) on the screen."""
    step = wp.vec2d(g, -g * slope)
    if axis == 1:
        step = wp.vec2d(-g * slope, g)
    w, h = wp.float64(width), wp.float64(height)
    m = pull_point(step, corners[b, v, 4], corners[b, v, 5], w, h) / corners[b, v, 3]
    send_to_vertex(bounds, sums, b * corners.shape[1] + v, m, steps, adding)


@float_kernel
def _move(
    grad: wp.array4d[Any],
    color: wp.array4d[Any],
    corners: wp.array3d[wp.float64],
    faces: wp.array2d[wp.int32],
    crossing: wp.array4d[wp.int32],
    alpha: wp.array4d[wp.float64],
    steps: wp.float64,
    adding: bool,
    bounds: wp.array[wp.int64],
    sums: wp.array2d[wp.int64],
):
    """Give the ends of silhouette edges the gradient that comes through alpha."""
    b, y, x, axis = wp.tid()
    code, a = crossing[b, y, x, axis], alpha[b, y, x, axis]
    half, zero = wp.float64(0.5), wp.float64(0.0)
    if code != 0 and wp.abs(a) < half:
        y_next, x_next = y + axis, x + 1 - axis
        to_y, to_x = y, x
        if not a > zero:
            to_y, to_x = y_next, x_next
        g = wp.float64(0.0)
        for c in range(color.shape[3]):
            g += wp.float64(grad[b, to_y, to_x, c]) * wp.float64(
                color[b, y_next, x_next, c] - color[b, y, x, c]
            )
        if g != zero:
            # alpha = +-1/2 - the crossing point along the axis: d alpha = -d point.
            face, edge = (wp.abs(code) - 1) / 3, (wp.abs(code) - 1) % 3
            i, j = faces[face, (edge + 1) % 3], faces[face, (edge + 2) % 3]
            own = wp.min(b, corners.shape[0] - 1)
            py, px = y, x
            if code < 0:
                py, px = y_next, x_next
            centre = wp.float64(py + (px - py) * axis) + half
            reach = corners[own, j, 5 - axis] - corners[own, i, 5 - axis]
            slope = (corners[own, j, 4 + axis] - corners[own, i, 4 + axis]) / reach
            t = (centre - corners[own, i, 5 - axis]) / reach
            height, width = color.shape[1], color.shape[2]
            one = wp.float64(1.0)
            _pull(bounds, sums, corners, own, i, -g * (one - t), slope, axis, width, height, steps, adding)
            _pull(bounds, sums, corners, own, j, -g * t, slope, axis, width, height, steps, adding)
