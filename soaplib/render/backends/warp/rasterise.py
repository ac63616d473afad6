"""Rasterisation, in Warp."""

from typing import Any

import numpy as np
import torch
import warp as wp

from soaplib.render.backends.device import checked_layers, checked_meshes
from soaplib.render.backends.warp.corners import pixel_corners, point, pull_point, seen_from, send_to_vertex
from soaplib.render.backends.warp.interpolation import face_at
from soaplib.render.backends.warp.sums import OPTIONS, float_kernel, launch, summed

wp.set_module_options(OPTIONS)

_FACE_BITS = 26
"""Bits of a key that hold the face; the 37 above hold the depth."""

_NOTHING = (1 << 63) - 1
"""The key of a pixel that no face covers."""

_FACE_MASK = wp.constant(wp.int64((1 << _FACE_BITS) - 1))
_FACE_RANGE = wp.constant(wp.int64(1 << _FACE_BITS))
_DEPTHS = wp.constant(wp.float64((1 << (63 - _FACE_BITS)) - 2))
_NO_KEY = wp.constant(wp.int64(_NOTHING))

_SMALL = 512
"""Faces with at most so many pixels in their box are drawn by one thread, larger ones by several."""

_LANES = {"cuda": (512, 256), "cpu": (1, 1)}
"""Groups of threads that share large faces, and threads in each."""


def rasterize(clip, faces, size, cull=False, ranges=None):
    """See `soaplib.render.rasterise.rasterize`."""
    clip, faces, spans, size = _checked("rasterize", clip, faces, size, ranges)
    return _Rasterize.apply(clip, faces, spans, *size, bool(cull), None)[0]


def peel(clip, faces, size, layers, cull=False, ranges=None):
    """See `soaplib.render.peeling.peel`."""
    clip, faces, spans, size = _checked("peel", clip, faces, size, ranges)
    layers = checked_layers(layers)
    keys = torch.full((len(spans) * size[0] * size[1],), -1, dtype=torch.int64, device=clip.device)
    found = []
    for _ in range(layers):
        rast, keys = _Rasterize.apply(clip, faces, spans, *size, bool(cull), keys)
        found.append(rast)
    return tuple(found)


def _checked(operation, clip, faces, size, ranges):
    checked = checked_meshes(operation, clip, faces, size, ranges)
    if len(checked[1]) >= 1 << _FACE_BITS:
        raise ValueError(f"{operation}: the warp backend draws less than {1 << _FACE_BITS} faces")
    return checked


class _Rasterize(torch.autograd.Function):
    """rast of the nearest faces behind those of the keys `under`, None for no layer before, and their keys."""

    @staticmethod
    def forward(ctx, clip, faces, spans, height, width, cull, under):
        corners = pixel_corners(clip, height, width)
        keys = _nearest(corners, faces, spans, height, width, cull, under)
        rast = torch.empty((len(spans), height, width, 4), dtype=clip.dtype, device=clip.device)
        launch(_resolve, rast.shape[:3], rast, corners, faces, keys)
        ctx.save_for_backward(rast, faces, corners)
        ctx.mark_non_differentiable(keys)
        return rast, keys

    @staticmethod
    def backward(ctx, grad, _):
        rast, faces, corners = ctx.saved_tensors
        pixels = rast.shape[0] * rast.shape[1] * rast.shape[2]
        arrays = (grad.contiguous(), rast, corners, faces)
        vertices = corners.shape[0] * corners.shape[1]
        sums = summed(_rasterize_backward, rast.shape[:3], 3 * pixels, vertices, 4, *arrays)
        return sums.to(rast.dtype).reshape(*corners.shape[:2], 4), *[None] * 6


def _on_device(spans, device):
    """Return spans as a tensor, without a copy from the CPU where all images show the same faces."""
    if (spans == spans[0]).all():
        first, last = (torch.full((len(spans),), int(s), dtype=torch.int32, device=device) for s in spans[0])
        return torch.stack((first, last), 1)
    return torch.from_numpy(spans.astype(np.int32)).to(device, non_blocking=True)


def _nearest(corners, faces, spans, height, width, cull, under):
    """Return the keys (B * H * W,) of the nearest faces."""
    device = corners.device
    keys = torch.full((len(spans) * height * width,), _NOTHING, dtype=torch.int64, device=device)
    most = int((spans[:, 1] - spans[:, 0]).max(initial=0))
    if not len(keys) or not most:
        return keys
    layer = (under is not None, keys if under is None else under, keys)
    waiting = torch.zeros(1, dtype=torch.int32, device=device)
    queue = torch.empty((int((spans[:, 1] - spans[:, 0]).sum()), 2), dtype=torch.int32, device=device)
    spans = _on_device(spans, device)
    groups, lanes = _LANES[device.type]
    shape = (cull, height, width)
    launch(_scan, (len(spans), most), corners, faces, spans, *shape, _SMALL, *layer, waiting, queue)
    launch(_scan_large, (groups, lanes), corners, faces, *shape, groups, lanes, *layer, waiting, queue)
    return keys


@wp.func
def _setup(corners: wp.array3d[wp.float64], faces: wp.array2d[wp.int32], b: int, f: int, cull: bool):
    """Return whether the face can be seen, its edge functions (rows: x, y, 1) and the plane of its depth."""
    i, j, k = faces[f, 0], faces[f, 1], faces[f, 2]
    p, q, r = point(corners, b, i), point(corners, b, j), point(corners, b, k)
    e0, e1, e2 = wp.cross(q, r), wp.cross(r, p), wp.cross(p, q)
    d0, d1, d2 = e0[2] * p[2], e1[2] * q[2], e2[2] * r[2]
    det = d0 + d1 + d2
    seen = wp.abs(det) > wp.float64(1e-14) * (wp.abs(d0) + wp.abs(d1) + wp.abs(d2))
    if cull and det > wp.float64(0.0):
        seen = False
    if det < wp.float64(0.0):
        e0, e1, e2, det = -e0, -e1, -e2, -det
    plane = (e0 * corners[b, i, 2] + e1 * corners[b, j, 2] + e2 * corners[b, k, 2]) / det
    return seen, e0, e1, e2, plane


@wp.func
def _whole(corners: wp.array3d[wp.float64], b: int, v: int):
    return wp.isfinite(corners[b, v, 0] + corners[b, v, 1] + corners[b, v, 2] + corners[b, v, 3])


@wp.func
def _partly_in_front(corners: wp.array3d[wp.float64], b: int, i: int, j: int, k: int):
    """Say whether a face some of whose corners have no place on the screen is finite, and not all behind."""
    zero = wp.float64(0.0)
    front = corners[b, i, 3] > zero or corners[b, j, 3] > zero or corners[b, k, 3] > zero
    return front and _whole(corners, b, i) and _whole(corners, b, j) and _whole(corners, b, k)


@wp.func
def _box(
    corners: wp.array3d[wp.float64], faces: wp.array2d[wp.int32], b: int, f: int, height: int, width: int
):
    """Return the first and last row, then column, whose centres the face can cover."""
    i, j, k = faces[f, 0], faces[f, 1], faces[f, 2]
    x0, x1, x2 = corners[b, i, 4], corners[b, j, 4], corners[b, k, 4]
    y0, y1, y2 = corners[b, i, 5], corners[b, j, 5], corners[b, k, 5]
    y_first, y_last, x_first, x_last = 0, -1, 0, -1
    if not wp.isfinite(x0 + x1 + x2 + y0 + y1 + y2):
        if _partly_in_front(corners, b, i, j, k):
            y_last, x_last = height - 1, width - 1
    else:
        low, high = wp.float64(0.500001), wp.float64(0.499999)
        zero = wp.float64(0.0)
        top = wp.max(wp.min(y0, wp.min(y1, y2)) - low, zero)
        bottom = wp.min(wp.max(y0, wp.max(y1, y2)) - high, wp.float64(height - 1))
        left = wp.max(wp.min(x0, wp.min(x1, x2)) - low, zero)
        right = wp.min(wp.max(x0, wp.max(x1, x2)) - high, wp.float64(width - 1))
        if top <= bottom and left <= right:
            y_first, y_last = int(wp.ceil(top)), int(wp.floor(bottom))
            x_first, x_last = int(wp.ceil(left)), int(wp.floor(right))
    return y_first, y_last, x_first, x_last


@wp.func
def _least(e: wp.vec3d, layered: bool):
    """Return what an edge function must reach: 0, or in layers more where its edge's centres are its neighbour's."""
    least = wp.float64(0.0)
    if layered and not (e[0] > least or (e[0] == least and e[1] > least)):
        least = wp.float64(5e-324)
    return least


@wp.func
def _cover(
    e0: wp.vec3d,
    e1: wp.vec3d,
    e2: wp.vec3d,
    plane: wp.vec3d,
    f: int,
    y: int,
    x: int,
    at: int,
    layered: bool,
    under: wp.array[wp.int64],
    keys: wp.array[wp.int64],
):
    half, one = wp.float64(0.5), wp.float64(1.0)
    fx, fy = wp.float64(x) + half, wp.float64(y) + half
    a0 = e0[0] * fx + (e0[1] * fy + e0[2])
    a1 = e1[0] * fx + (e1[1] * fy + e1[2])
    a2 = e2[0] * fx + (e2[1] * fy + e2[2])
    if a0 >= _least(e0, layered) and a1 >= _least(e1, layered) and a2 >= _least(e2, layered):
        z = plane[0] * fx + (plane[1] * fy + plane[2])
        if z >= -one and z <= one:
            key = wp.int64(wp.rint((z + one) * half * _DEPTHS)) * _FACE_RANGE + wp.int64(f)
            behind = True
            if layered:
                behind = key > under[at]
            if behind:
                wp.atomic_min(keys, at, key)


@wp.kernel
def _scan(
    corners: wp.array3d[wp.float64],
    faces: wp.array2d[wp.int32],
    spans: wp.array2d[wp.int32],
    cull: bool,
    height: int,
    width: int,
    limit: int,
    layered: bool,
    under: wp.array[wp.int64],
    keys: wp.array[wp.int64],
    waiting: wp.array[wp.int32],
    queue: wp.array2d[wp.int32],
):
    """Draw each face whose box has at most `limit` pixels; put the others into the queue, `waiting[0]` long."""
    b, place = wp.tid()
    f = spans[b, 0] + place
    if f < spans[b, 1]:
        own = wp.min(b, corners.shape[0] - 1)
        y_first, y_last, x_first, x_last = _box(corners, faces, own, f, height, width)
        rows, columns = y_last - y_first + 1, x_last - x_first + 1
        if rows > 0 and columns > 0:
            if rows * columns > limit:
                slot = wp.atomic_add(waiting, 0, 1)
                queue[slot, 0] = b
                queue[slot, 1] = f
            else:
                seen, e0, e1, e2, plane = _setup(corners, faces, own, f, cull)
                if seen:
                    for y in range(y_first, y_last + 1):
                        for x in range(x_first, x_last + 1):
                            at = (b * height + y) * width + x
                            _cover(e0, e1, e2, plane, f, y, x, at, layered, under, keys)


@wp.kernel
def _scan_large(
    corners: wp.array3d[wp.float64],
    faces: wp.array2d[wp.int32],
    cull: bool,
    height: int,
    width: int,
    groups: int,
    lanes: int,
    layered: bool,
    under: wp.array[wp.int64],
    keys: wp.array[wp.int64],
    waiting: wp.array[wp.int32],
    queue: wp.array2d[wp.int32],
):
    """Draw the faces in the queue, each by the lanes of one group."""
    group, lane = wp.tid()
    for item in range(group, waiting[0], groups):
        b, f = queue[item, 0], queue[item, 1]
        own = wp.min(b, corners.shape[0] - 1)
        y_first, y_last, x_first, x_last = _box(corners, faces, own, f, height, width)
        seen, e0, e1, e2, plane = _setup(corners, faces, own, f, cull)
        if seen:
            columns = x_last - x_first + 1
            for place in range(lane, (y_last - y_first + 1) * columns, lanes):
                y, x = y_first + place / columns, x_first + place % columns
                _cover(e0, e1, e2, plane, f, y, x, (b * height + y) * width + x, layered, under, keys)


@float_kernel
def _resolve(
    rast: wp.array4d[Any],
    corners: wp.array3d[wp.float64],
    faces: wp.array2d[wp.int32],
    keys: wp.array[wp.int64],
):
    """Write (u, v, z/w, face + 1) of the nearest face."""
    b, y, x = wp.tid()
    key = keys[(b * rast.shape[1] + y) * rast.shape[2] + x]
    for c in range(4):
        rast[b, y, x, c] = rast.dtype(0.0)
    if key != _NO_KEY:
        f = int(key & _FACE_MASK)
        seen, e0, e1, e2, plane = _setup(corners, faces, wp.min(b, corners.shape[0] - 1), f, False)
        half = wp.float64(0.5)
        fx, fy = wp.float64(x) + half, wp.float64(y) + half
        a0 = e0[0] * fx + (e0[1] * fy + e0[2])
        a1 = e1[0] * fx + (e1[1] * fy + e1[2])
        a2 = e2[0] * fx + (e2[1] * fy + e2[2])
        total = a0 + a1 + a2
        # Rounding may put a centre on the border a little outside.
        zero, one = wp.float64(0.0), wp.float64(1.0)
        u = wp.min(wp.max(a0 / total, zero), one)
        rast[b, y, x, 0] = rast.dtype(u)
        rast[b, y, x, 1] = rast.dtype(wp.min(wp.max(a1 / total, zero), one - u))
        rast[b, y, x, 2] = rast.dtype(plane[0] * fx + (plane[1] * fy + plane[2]))
        rast[b, y, x, 3] = rast.dtype(f + 1)


@float_kernel
def _rasterize_backward(
    grad: wp.array4d[Any],
    rast: wp.array4d[Any],
    corners: wp.array3d[wp.float64],
    faces: wp.array2d[wp.int32],
    steps: wp.float64,
    adding: bool,
    bounds: wp.array[wp.int64],
    sums: wp.array2d[wp.int64],
):
    b, y, x = wp.tid()
    f = face_at(rast, b, y, x, faces)
    gu, gv = wp.float64(grad[b, y, x, 0]), wp.float64(grad[b, y, x, 1])
    zero, half = wp.float64(0.0), wp.float64(0.5)
    if f >= 0 and not (gu == zero and gv == zero):
        fx, fy = wp.float64(x) + half, wp.float64(y) + half
        own = wp.min(b, corners.shape[0] - 1)
        i, j, k = faces[f, 0], faces[f, 1], faces[f, 2]
        p, q = seen_from(corners, own, i, fx, fy), seen_from(corners, own, j, fx, fy)
        r = seen_from(corners, own, k, fx, fy)
        a0, a1, a2 = q[0] * r[1] - q[1] * r[0], r[0] * p[1] - r[1] * p[0], p[0] * q[1] - p[1] * q[0]
        inverse = wp.float64(1.0) / (a0 + a1 + a2)
        mean = (gu * a0 + gv * a1) * inverse
        g0, g1, g2 = (gu - mean) * inverse, (gv - mean) * inverse, -mean * inverse
        w, h = wp.float64(rast.shape[2]), wp.float64(rast.shape[1])
        m0 = pull_point(wp.vec2d(g2 * q[1] - g1 * r[1], g1 * r[0] - g2 * q[0]), fx, fy, w, h)
        m1 = pull_point(wp.vec2d(g0 * r[1] - g2 * p[1], g2 * p[0] - g0 * r[0]), fx, fy, w, h)
        m2 = pull_point(wp.vec2d(g1 * p[1] - g0 * q[1], g0 * q[0] - g1 * p[0]), fx, fy, w, h)
        first = own * corners.shape[1]
        send_to_vertex(bounds, sums, first + i, m0, steps, adding)
        send_to_vertex(bounds, sums, first + j, m1, steps, adding)
        send_to_vertex(bounds, sums, first + k, m2, steps, adding)
