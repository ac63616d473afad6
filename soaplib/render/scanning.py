"""The scan behind `rasterize`: faces over pixels, nearest first, in homogeneous coordinates."""

import math

import numpy as np
import torch

from soaplib.render.kernels import ROW_TASKS, kernel, run_tasks

LANES = 16
"""Pixels that a row is scanned by: without branches, so that the compiler uses vectors (8 would be unrolled)."""

NO_LAYER = np.empty((0, 0, 0)), np.empty((0, 0, 0), np.int32)
"""In place of the depths and faces of a layer, for `scan_layer`: the first, without any before it."""


def pixel_corners(clip: torch.Tensor, height: int, width: int) -> np.ndarray:
    """Return (B, V, 6) float64: x w, y w, z, w with x, y in pixels (y down), then x and y themselves.

    The last two are NaN where a vertex is not in front of the camera or not finite.
    """
    clip = clip.detach().contiguous().numpy()
    corners = np.empty((*clip.shape[:2], 6))
    run_tasks(_pixel_corners, max(1, len(clip)), clip, height, width, corners)
    return corners


@kernel
def _pixel_corners(task, tasks, clip, height, width, corners):
    if task < len(clip):
        for v in range(clip.shape[1]):
            x, y = np.float64(clip[task, v, 0]), np.float64(clip[task, v, 1])
            z, w = np.float64(clip[task, v, 2]), np.float64(clip[task, v, 3])
            x, y = (x + w) * (width / 2), (w - y) * (height / 2)
            corners[task, v, 0], corners[task, v, 1], corners[task, v, 2], corners[task, v, 3] = x, y, z, w
            inverse = 1 / w if w > 0 and _finite(x, y, z, w) else np.nan
            corners[task, v, 4], corners[task, v, 5] = x * inverse, y * inverse


@kernel
def _finite(x, y, z, w):
    # What is not finite leaves NaN when taken from itself.
    return x - x == 0 and y - y == 0 and z - z == 0 and w - w == 0


def with_screen(homogeneous: np.ndarray) -> np.ndarray:
    """Append the screen positions x, y to (B, V, 4) homogeneous pixel positions (see `pixel_corners`)."""
    w = homogeneous[..., 3:]
    good = (w > 0) & np.isfinite(homogeneous).all(-1, keepdims=True)
    screen = homogeneous[..., :2] / np.where(good, w, np.nan)
    return np.concatenate((homogeneous, screen), -1)


def scan_faces(corners, faces, culled, near, far, rast):
    """Fill rast (B, H, W, 4) as `rasterize` says; the first `culled` faces are drawn from in front only.

    corners: (B, V, 6), see `pixel_corners`. faces: (F, 3) int32. near, far: limits of z/w.
    """
    spans = np.tile(np.array([0, len(faces)]), (len(rast), 1))
    scan_layer(corners, faces, spans, culled, near, far, NO_LAYER, rast)


def scan_layer(corners, faces, spans, culled, near, far, under, rast):
    """Fill rast as `scan_faces` does, with the nearest faces behind a layer.

    Args:
        corners: (B, V, 6), or (1, V, 6) for all images.
        spans: (B, 2) int64, the first face and the last + 1 of each image.
        under: `NO_LAYER`, or the layer's depths (B, H, W) float64 and faces + 1 (B, H, W) int32, which become
            those of the layer found. A centre that lies on an edge then belongs to one of the two faces only, so
            that no surface is met twice.
    """
    images, height = rast.shape[:2]
    # Bands of less than 16 rows would mostly skip faces. The bits do not depend on the number of bands.
    bands = max(1, min(height // 16, -(-ROW_TASKS // max(images, 1))))
    run_tasks(_scan, images * bands, bands, corners, faces, spans, culled, near, far, *under, rast)


@kernel
def _scan(task, tasks, bands, corners, faces, spans, culled, near, far, depths, owners, rast):
    b, band, height, width = task // bands, task % bands, rast.shape[1], rast.shape[2]
    first, last = band * height // bands, (band + 1) * height // bands
    # Chunks of pixels may reach beyond the last column.
    nearest = np.full((last - first, width + LANES), np.inf)
    owner = np.zeros((last - first, width + LANES), np.int32)
    places = corners[b if len(corners) > 1 else 0]
    layered = len(depths) > 0
    # Not read where there is no layer.
    depth, other = (depths[b, first:last], owners[b, first:last]) if layered else (nearest, owner)
    _scan_band(
        places,
        faces,
        spans[b, 0],
        spans[b, 1],
        culled,
        near,
        far,
        first,
        layered,
        depth,
        other,
        nearest,
        owner,
    )
    _resolve(places, faces, first, nearest, owner, rast[b, first:last])
    if layered:
        depth[:] = nearest[:, :width]
        other[:] = owner[:, :width]


@kernel
def _scan_band(
    corners, faces, first, last, culled, near, far, first_row, layered, depth, other, nearest, owner
):
    last_row, width = first_row + len(nearest), nearest.shape[1] - LANES
    for f in range(first, last):
        i, j, k = faces[f, 0], faces[f, 1], faces[f, 2]
        sy0, sy1, sy2 = corners[i, 5], corners[j, 5], corners[k, 5]
        # A centre that lies on the border must not be lost to the rounding of the box.
        top, bottom = min(sy0, sy1, sy2) - 0.500001, max(sy0, sy1, sy2) - 0.499999
        if (top > last_row - 1 or bottom < first_row) and not math.isnan(sy0 + sy1 + sy2):
            continue
        sx0, sx1, sx2 = corners[i, 4], corners[j, 4], corners[k, 4]
        left, right = min(sx0, sx1, sx2) - 0.500001, max(sx0, sx1, sx2) - 0.499999
        if math.isnan(sx0 + sx1 + sx2 + sy0 + sy1 + sy2):
            if not _partly_in_front(corners, i, j, k):
                continue
            top, bottom, left, right = float(first_row), last_row - 1.0, 0.0, width - 1.0
        y_first, y_last = int(math.ceil(max(top, first_row))), int(math.floor(min(bottom, last_row - 1.0)))
        x_first, x_last = int(math.ceil(max(left, 0.0))), int(math.floor(min(right, width - 1.0)))
        if y_first > y_last or x_first > x_last:
            continue
        # Edge functions a_i = A_i x + B_i y + C_i, opposite vertex i. Swapping an edge's ends negates each
        # coefficient exactly, so two faces never disagree about a centre near their common edge.
        x0, y0, z0, w0 = corners[i, 0], corners[i, 1], corners[i, 2], corners[i, 3]
        x1, y1, z1, w1 = corners[j, 0], corners[j, 1], corners[j, 2], corners[j, 3]
        x2, y2, z2, w2 = corners[k, 0], corners[k, 1], corners[k, 2], corners[k, 3]
        ax0, ay0, ac0 = w2 * y1 - w1 * y2, w1 * x2 - w2 * x1, x1 * y2 - x2 * y1
        ax1, ay1, ac1 = w0 * y2 - w2 * y0, w2 * x0 - w0 * x2, x2 * y0 - x0 * y2
        ax2, ay2, ac2 = w1 * y0 - w0 * y1, w0 * x1 - w1 * x0, x0 * y1 - x1 * y0
        det = ac0 * w0 + ac1 * w1 + ac2 * w2
        scale = abs(ac0 * w0) + abs(ac1 * w1) + abs(ac2 * w2)
        if not (abs(det) > 1e-14 * scale) or (det > 0 and f < culled):
            continue
        sign, inverse = math.copysign(1.0, det), 1 / abs(det)
        ax0, ay0, ac0 = sign * ax0, sign * ay0, sign * ac0
        ax1, ay1, ac1 = sign * ax1, sign * ay1, sign * ac1
        ax2, ay2, ac2 = sign * ax2, sign * ay2, sign * ac2
        z0, z1, z2 = z0 * inverse, z1 * inverse, z2 * inverse
        least0 = least1 = least2 = 0.0
        if layered:
            least0, least1, least2 = _least(ax0, ay0), _least(ax1, ay1), _least(ax2, ay2)
        wide = x_last - x_first > 2 * LANES
        for y in range(y_first, y_last + 1):
            fy = y + 0.5
            e0, e1, e2 = ay0 * fy + ac0, ay1 * fy + ac1, ay2 * fy + ac2
            start, stop = x_first, x_last
            if wide:
                start, stop = _narrow(ax0, e0, start, stop)
                start, stop = _narrow(ax1, e1, start, stop)
                start, stop = _narrow(ax2, e2, start, stop)
            row, fx_last = y - first_row, stop + 0.75
            if layered:
                for x in range(start, stop + 1):
                    fx = x + 0.5
                    a0, a1, a2 = ax0 * fx + e0, ax1 * fx + e1, ax2 * fx + e2
                    z = a0 * z0 + a1 * z1 + a2 * z2
                    inside = a0 >= least0 and a1 >= least1 and a2 >= least2 and near <= z <= far
                    under = z > depth[row, x] or (z == depth[row, x] and f >= other[row, x])
                    if inside and under and z < nearest[row, x]:
                        nearest[row, x] = z
                        owner[row, x] = f + 1
                continue
            u_row = np.uint64(row)
            for x_chunk in range(start, stop + 1, LANES):
                fx_chunk = x_chunk + 0.5
                for lane in range(LANES):
                    x, fx = np.uint64(x_chunk + lane), fx_chunk + lane
                    a0, a1, a2 = ax0 * fx + e0, ax1 * fx + e1, ax2 * fx + e2
                    z = a0 * z0 + a1 * z1 + a2 * z2
                    old, face = nearest[u_row, x], owner[u_row, x]
                    inside = (a0 >= 0) & (a1 >= 0) & (a2 >= 0) & (z >= near) & (z <= far)
                    inside = inside & (z < old) & (fx <= fx_last)
                    nearest[u_row, x] = z if inside else old
                    owner[u_row, x] = np.int32(f + 1) if inside else face


@kernel
def _partly_in_front(corners, i, j, k):
    """Say whether a face some of whose corners have no place on the screen is finite, and not all behind."""
    if not (corners[i, 3] > 0 or corners[j, 3] > 0 or corners[k, 3] > 0):
        return False
    good = True
    for v in (i, j, k):
        good = good and _finite(corners[v, 0], corners[v, 1], corners[v, 2], corners[v, 3])
    return good


@kernel
def _least(ax, ay):
    """Return what an edge function must reach: 0, or more where its edge's centres are its neighbour's."""
    return 0.0 if ax > 0 or (ax == 0 and ay > 0) else 5e-324


@kernel
def _narrow(slope, offset, start, stop):
    """Shrink a row's span to where slope * (x + 0.5) + offset can be >= 0, a pixel generously."""
    if slope > 0:
        root = -offset / slope - 1.5
        if root > start:
            start = int(math.ceil(min(root, stop + 1.0)))
    elif slope < 0:
        root = -offset / slope + 0.5
        if root < stop:
            stop = int(math.floor(max(root, start - 1.0)))
    elif offset < 0:
        stop = start - 1
    return start, stop


@kernel
def _resolve(corners, faces, first_row, nearest, owner, rast):
    """Write rows of rast from each pixel's face and depth."""
    for y in range(rast.shape[0]):
        fy = y + first_row + 0.5
        for x in range(rast.shape[1]):
            f = owner[y, x] - 1
            if f < 0:
                rast[y, x, 0] = rast[y, x, 1] = rast[y, x, 2] = rast[y, x, 3] = 0
                continue
            fx = x + 0.5
            i, j, k = faces[f, 0], faces[f, 1], faces[f, 2]
            px0, py0 = corners[i, 0] - fx * corners[i, 3], corners[i, 1] - fy * corners[i, 3]
            px1, py1 = corners[j, 0] - fx * corners[j, 3], corners[j, 1] - fy * corners[j, 3]
            px2, py2 = corners[k, 0] - fx * corners[k, 3], corners[k, 1] - fy * corners[k, 3]
            a0, a1, a2 = px1 * py2 - py1 * px2, px2 * py0 - py2 * px0, px0 * py1 - py0 * px1
            inverse = 1 / (a0 + a1 + a2)
            # Rounding may put a centre on the border a little outside.
            u, v = max(a0 * inverse, 0.0), max(a1 * inverse, 0.0)
            rast[y, x, 0] = min(u, 1.0)
            rast[y, x, 1] = min(v, 1.0 - min(u, 1.0))
            rast[y, x, 2] = nearest[y, x]
            rast[y, x, 3] = f + 1
