"""Antialiasing, in Warp."""

from typing import Any

import torch
import warp as wp

from soaplib.render.backends.device import device_edges, device_faces
from soaplib.render.backends.warp.corners import pixel_corners, point, pull_point, seen_from, send_to_vertex
from soaplib.render.backends.warp.interpolation import face_at
from soaplib.render.backends.warp.sums import OPTIONS, float_kernel, launch, summed
from soaplib.render.kernels import checked_tensor, common_dtype

wp.set_module_options(OPTIONS)

# How far beyond a pixel's centre a silhouette is looked for, as on the CPU.
_SLACK = wp.constant(wp.float64(0.0625))


def antialias(color, rast, clip, faces, edges=None, ranges=None):
    """See `soaplib.render.antialiasing.antialias`."""
    images = color.shape[0]
    checked_tensor("antialias", "color", color, "B,H,W,C")
    checked_tensor("antialias", "rast", rast, f"{images},{color.shape[1]},{color.shape[2]},4")
    checked_tensor("antialias", "clip", clip, f"{images},V,4" if ranges is None else "V,4")
    clip = clip if ranges is None else clip[None]
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
def _sign(corners: wp.array3d[wp.float64], faces: wp.array2d[wp.int32], b: int, f: int):
    """Return how a face is wound on the screen: 1 or -1, or 0 where it is not drawn."""
    i, j, k = faces[f, 0], faces[f, 1], faces[f, 2]
    x, y, zero = corners[b, i, 4], corners[b, i, 5], wp.float64(0.0)
    side = (corners[b, j, 4] - x) * (corners[b, k, 5] - y) - (corners[b, j, 5] - y) * (corners[b, k, 4] - x)
    if wp.isnan(side):
        side = zero
        if corners[b, i, 3] > zero or corners[b, j, 3] > zero or corners[b, k, 3] > zero:
            side = wp.dot(point(corners, b, i), wp.cross(point(corners, b, j), point(corners, b, k)))
    sign = 0
    if side > zero:
        sign = 1
    if side < zero:
        sign = -1
    return sign


@wp.kernel
def _find_folds(
    corners: wp.array3d[wp.float64],
    faces: wp.array2d[wp.int32],
    edges: wp.array2d[wp.int32],
    folds: wp.array2d[wp.uint8],
):
    """Set bit i of a face's flag where its edge i is a silhouette on this image's screen."""
    b, f = wp.tid()
    own = _sign(corners, faces, b, f)
    flag = int(0)  # noqa: UP018
    for i in range(3):
        g = edges[f, i]
        turned = 0
        if g >= 0:
            p = faces[f, (i + 1) % 3]
            q = faces[f, (i + 2) % 3]
            turned = -_sign(corners, faces, b, g)
            for k in range(3):
                if faces[g, k] == q and faces[g, (k + 1) % 3] == p:
                    turned = _sign(corners, faces, b, g)
        if own * turned <= 0:
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
def _before(corners: wp.array3d[wp.float64], b: int, i: int, j: int):
    """Return the screen position just before the camera on the way from i, in front of it, to j, behind."""
    w = wp.float64(1e-6) * corners[b, i, 3]
    t = (corners[b, i, 3] - w) / (corners[b, i, 3] - corners[b, j, 3])
    x = corners[b, i, 0] + t * (corners[b, j, 0] - corners[b, i, 0])
    y = corners[b, i, 1] + t * (corners[b, j, 1] - corners[b, i, 1])
    return wp.vec2d(x / w, y / w)


@wp.func
def _edge_ends(corners: wp.array3d[wp.float64], b: int, i: int, j: int):
    """Return the screen positions of an edge's ends; an end behind the camera is moved just before it."""
    p = wp.vec2d(corners[b, i, 4], corners[b, i, 5])
    q = wp.vec2d(corners[b, j, 4], corners[b, j, 5])
    if wp.isnan(p[0]) and not wp.isnan(q[0]):
        p = _before(corners, b, j, i)
    elif wp.isnan(q[0]) and not wp.isnan(p[0]):
        q = _before(corners, b, i, j)
    return p, q


@wp.func
def _exit(
    corners: wp.array3d[wp.float64],
    faces: wp.array2d[wp.int32],
    edges: wp.array2d[wp.int32],
    b: int,
    face: int,
    came_from: int,
    at: wp.vec2d,
    axis: int,
    direction: wp.float64,
):
    """Return the edge through which the way leaves a face, or -1, the distance to it, and whether it is steep.

    came_from: the face before + 1, or 0.
    """
    exit_edge, distance, steep = -1, wp.float64(-wp.inf), False
    for i in range(3):
        if came_from == 0 or edges[face, i] + 1 != came_from:
            p, q = _edge_ends(corners, b, faces[face, (i + 1) % 3], faces[face, (i + 2) % 3])
            along_p, across_p = p[axis] - at[axis], p[1 - axis] - at[1 - axis]
            along_q, across_q = q[axis] - at[axis], q[1 - axis] - at[1 - axis]
            if (across_p < wp.float64(0.0)) != (across_q < wp.float64(0.0)):
                met = direction * (along_p - across_p * (along_q - along_p) / (across_q - across_p))
                if met > distance:
                    exit_edge = i
                    distance = met
                    steep = wp.abs(across_q - across_p) >= wp.abs(along_q - along_p)
    return exit_edge, distance, steep


@wp.func
def _follow(
    corners: wp.array3d[wp.float64],
    faces: wp.array2d[wp.int32],
    edges: wp.array2d[wp.int32],
    folds: wp.array2d[wp.uint8],
    b: int,
    first: int,
    at: wp.vec2d,
    axis: int,
    direction: wp.float64,
):
    """Walk from a pixel's centre to its neighbour's.

    Returns 3 face + edge + 1 of the silhouette met and the distance to it in [0, 1], or 0.
    """
    # Variables that change in a loop; what is a literal is a constant to Warp.
    face = wp.int32(first)
    came_from = wp.int32(0)
    found = wp.int32(0)
    met_at = wp.float64(0.0)
    steps_left = wp.int32(64)
    while steps_left > 0:
        steps_left = steps_left - 1
        edge, distance, steep = _exit(corners, faces, edges, b, face, came_from, at, axis, direction)
        if edge < 0 or distance >= wp.float64(1.0) + _SLACK:
            steps_left = wp.int32(0)
        elif _fold(folds, b, face, edge):
            steps_left = wp.int32(0)
            if distance > -_SLACK and steep:
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
            half, one = wp.float64(0.5), wp.float64(1.0)
            if ours:
                at = wp.vec2d(wp.float64(x) + half, wp.float64(y) + half)
                edge, distance = _follow(corners, faces, edges, folds, own, here, at, axis, one)
                if edge > 0:
                    crossing[b, y, x, axis] = edge
                    alpha[b, y, x, axis] = half - distance
            else:
                at = wp.vec2d(wp.float64(x_next) + half, wp.float64(y_next) + half)
                edge, distance = _follow(corners, faces, edges, folds, own, there, at, axis, -one)
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
            own = wp.min(b, corners.shape[0] - 1)
            face, edge = (wp.abs(code) - 1) / 3, (wp.abs(code) - 1) % 3
            i, j = faces[face, (edge + 1) % 3], faces[face, (edge + 2) % 3]
            # The edge p_i x p_j = 0 is met 1/2 - alpha after the pixel, seen from there, so d alpha = -d point, and
            # the point moves by the change of p_i x p_j over its slope along the axis.
            fx = wp.float64(x) + wp.float64(1 - axis) * (half - a) + half
            fy = wp.float64(y) + wp.float64(axis) * (half - a) + half
            p, q = seen_from(corners, own, i, fx, fy), seen_from(corners, own, j, fx, fy)
            slope = q[2] * p[1] - p[2] * q[1]
            if axis == 1:
                slope = p[2] * q[0] - q[2] * p[0]
            width, height = wp.float64(color.shape[2]), wp.float64(color.shape[1])
            first = own * corners.shape[1]
            g = g / slope
            m = pull_point(wp.vec2d(g * q[1], -g * q[0]), fx, fy, width, height)
            send_to_vertex(bounds, sums, first + i, m, steps, adding)
            m = pull_point(wp.vec2d(-g * p[1], g * p[0]), fx, fy, width, height)
            send_to_vertex(bounds, sums, first + j, m, steps, adding)
