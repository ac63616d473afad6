"""Rasterisation: which face each pixel sees, and where on it."""

import math

import numpy as np
import torch

from soaplib.render.kernels import (
    ROW_TASKS,
    bands_per_image,
    checked_faces,
    checked_size,
    checked_tensor,
    kernel,
    run_tasks,
)


def rasterize(clip: torch.Tensor, faces: torch.Tensor, size, cull: bool = False) -> torch.Tensor:
    """Find for every pixel the nearest face and the place on it.

    Args:
        clip: (B, V, 4) float32 or float64 clip-space positions as in OpenGL: x right, y up, z in [-w, w],
            nearer is smaller.
        faces: (F, 3) int32 or int64, shared by the batch.
        size: (H, W) in pixels. Row 0 is the top, pixel centres lie at +0.5.
        cull: leave out faces that are clockwise on the screen.

    Returns:
        (B, H, W, 4), clip's dtype: (u, v, z/w, face + 1). u and v are the perspective-correct barycentrics of
        the face's vertices 0 and 1 (nvdiffrast's layout). All 0 where no face is.

    A pixel belongs to a face when its centre lies in it or on its border; of several, the nearest wins, then the
    lowest face index. Edges shared by two faces leave no gap. Faces with a vertex at or behind the camera
    (w <= 0) are dropped whole, not clipped; pixels outside -1 <= z/w <= 1 are not drawn. Faces of no area, or with
    a vertex that is not finite, draw nothing.

    Gradients flow from u and v to clip; z/w and the face index have none (interpolate a depth instead).

    Raises:
        ValueError: wrong shape or type, a face index out of range, or a size below 1.

    Source: Laine et al. 2020, section 3.3; homogeneous edge functions, Olano and Greer 1997.
    """
    checked_tensor("rasterize", "clip", clip, "B,V,4")
    height, width = checked_size("rasterize", size)
    faces = checked_faces("rasterize", faces, clip.shape[1])
    return _Rasterize.apply(clip, faces, height, width, bool(cull))


class _Rasterize(torch.autograd.Function):
    @staticmethod
    def forward(ctx, clip, faces, height, width, cull):
        corners = pixel_corners(clip.detach(), height, width)
        rast = np.empty((len(clip), height, width, 4), corners.dtype if clip.dtype == torch.float64 else "f4")
        culled = len(faces) if cull else 0
        scan_faces(corners, faces.numpy(), culled, -1.0, 1.0, rast)
        rast = torch.from_numpy(rast)
        ctx.save_for_backward(rast, faces)
        ctx.corners = corners
        return rast

    @staticmethod
    def backward(ctx, grad):
        rast, faces = ctx.saved_tensors
        images, height, width, _ = rast.shape
        bands = bands_per_image(images, height)
        sums = np.zeros((images * bands, ctx.corners.shape[1], 4))
        arrays = (grad.contiguous().numpy(), rast.numpy(), ctx.corners, faces.numpy())
        run_tasks(_rast_backward, images * bands, bands, *arrays, sums)
        sums = sums.reshape(images, bands, -1, 4).sum(1)
        return torch.from_numpy(sums).to(rast.dtype), None, None, None, None


def pixel_corners(clip: torch.Tensor, height: int, width: int) -> np.ndarray:
    """Return (B, V, 6) float64: x w, y w, z, w with x, y in pixels (y down), then x and y themselves.

    The last two are NaN where a vertex is not in front of the camera or not finite; its faces are dropped.
    """
    x, y, z, w = clip.double().unbind(-1)
    homogeneous = torch.stack(((x + w) * (width / 2), (w - y) * (height / 2), z, w), -1)
    return with_screen(homogeneous.numpy())


def with_screen(homogeneous: np.ndarray) -> np.ndarray:
    """Append the screen positions x, y to (B, V, 4) homogeneous pixel positions (see `pixel_corners`)."""
    w = homogeneous[..., 3:]
    good = (w > 0) & np.isfinite(homogeneous).all(-1, keepdims=True)
    screen = homogeneous[..., :2] / np.where(good, w, np.nan)
    return np.concatenate((homogeneous, screen), -1)


def scan_faces(corners, faces, culled, near, far, rast):
    """Fill rast (B, H, W, 4) as `rasterize` says; the first `culled` faces are drawn from in front only."""
    images, height = rast.shape[:2]
    # Bands of less than 16 rows would mostly skip faces. The bits do not depend on the number of bands.
    bands = max(1, min(height // 16, -(-ROW_TASKS // max(images, 1))))
    run_tasks(_scan, images * bands, bands, corners, faces, culled, near, far, rast)


@kernel
def _scan(task, tasks, bands, corners, faces, culled, near, far, rast):
    b, band, height = task // bands, task % bands, rast.shape[1]
    first, last = band * height // bands, (band + 1) * height // bands
    _scan_band(corners[b], faces, culled, near, far, first, last, rast[b])


@kernel
def _scan_band(corners, faces, culled, near, far, first_row, last_row, rast):
    width = rast.shape[1]
    rast[first_row:last_row] = 0
    nearest = np.full((last_row - first_row, width), np.inf)
    for f in range(len(faces)):
        c0, c1, c2 = corners[faces[f, 0]], corners[faces[f, 1]], corners[faces[f, 2]]
        # A centre that lies on the border must not be lost to the rounding of the box.
        top = min(c0[5], c1[5], c2[5]) - 0.500001
        bottom = max(c0[5], c1[5], c2[5]) - 0.499999
        if not (top <= last_row - 1 and bottom >= first_row):
            continue
        left = min(c0[4], c1[4], c2[4]) - 0.500001
        right = max(c0[4], c1[4], c2[4]) - 0.499999
        if not (left <= width - 1 and right >= 0) or math.isnan(c0[4] + c1[4] + c2[4]):
            continue
        y_first, y_last = int(math.ceil(max(top, first_row))), int(math.floor(min(bottom, last_row - 1)))
        x_first, x_last = int(math.ceil(max(left, 0.0))), int(math.floor(min(right, width - 1.0)))
        if y_first > y_last or x_first > x_last:
            continue
        # Edge functions a_i = A_i x + B_i y + C_i, opposite vertex i. Swapping an edge's ends negates each
        # coefficient exactly, so two faces never disagree about a centre near their common edge.
        x0, y0, z0, w0 = c0[0], c0[1], c0[2], c0[3]
        x1, y1, z1, w1 = c1[0], c1[1], c1[2], c1[3]
        x2, y2, z2, w2 = c2[0], c2[1], c2[2], c2[3]
        ax0, ay0, ac0 = w2 * y1 - w1 * y2, w1 * x2 - w2 * x1, x1 * y2 - x2 * y1
        ax1, ay1, ac1 = w0 * y2 - w2 * y0, w2 * x0 - w0 * x2, x2 * y0 - x0 * y2
        ax2, ay2, ac2 = w1 * y0 - w0 * y1, w0 * x1 - w1 * x0, x0 * y1 - x1 * y0
        det = ac0 * w0 + ac1 * w1 + ac2 * w2
        scale = abs(ac0 * w0) + abs(ac1 * w1) + abs(ac2 * w2)
        if not (abs(det) > 1e-14 * scale) or (det > 0 and f < culled):
            continue
        if det < 0:
            ax0, ay0, ac0 = -ax0, -ay0, -ac0
            ax1, ay1, ac1 = -ax1, -ay1, -ac1
            ax2, ay2, ac2 = -ax2, -ay2, -ac2
            det = -det
        zx = (ax0 * z0 + ax1 * z1 + ax2 * z2) / det
        zy = (ay0 * z0 + ay1 * z1 + ay2 * z2) / det
        zc = (ac0 * z0 + ac1 * z1 + ac2 * z2) / det
        wide = x_last - x_first > 8
        for y in range(y_first, y_last + 1):
            fy = y + 0.5
            e0, e1, e2 = ay0 * fy + ac0, ay1 * fy + ac1, ay2 * fy + ac2
            start, stop = x_first, x_last
            if wide:
                start, stop = _narrow(ax0, e0, start, stop)
                start, stop = _narrow(ax1, e1, start, stop)
                start, stop = _narrow(ax2, e2, start, stop)
            for x in range(start, stop + 1):
                fx = x + 0.5
                a0, a1, a2 = ax0 * fx + e0, ax1 * fx + e1, ax2 * fx + e2
                if a0 < 0 or a1 < 0 or a2 < 0:
                    continue
                z = zx * fx + (zy * fy + zc)
                if z < nearest[y - first_row, x] and near <= z <= far:
                    nearest[y - first_row, x] = z
                    total = a0 + a1 + a2
                    pixel = rast[y, x]
                    pixel[0] = a0 / total
                    pixel[1] = a1 / total
                    pixel[2] = z
                    pixel[3] = f + 1


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
def _rast_backward(task, tasks, bands, grad, rast, corners, faces, sums):
    b, band, height = task // bands, task % bands, rast.shape[1]
    first, last = band * height // bands, (band + 1) * height // bands
    _rast_backward_band(grad[b], rast[b], corners[b], faces, first, last, sums[task])


@kernel
def _rast_backward_band(grad, rast, corners, faces, first_row, last_row, sums):
    height, width = rast.shape[:2]
    for y in range(first_row, last_row):
        fy = y + 0.5
        for x in range(width):
            face = int(rast[y, x, 3]) - 1
            gu, gv = float(grad[y, x, 0]), float(grad[y, x, 1])
            if face < 0 or (gu == 0 and gv == 0):
                continue
            fx = x + 0.5
            v0, v1, v2 = faces[face, 0], faces[face, 1], faces[face, 2]
            c0, c1, c2 = corners[v0], corners[v1], corners[v2]
            px0, py0 = c0[0] - fx * c0[3], c0[1] - fy * c0[3]
            px1, py1 = c1[0] - fx * c1[3], c1[1] - fy * c1[3]
            px2, py2 = c2[0] - fx * c2[3], c2[1] - fy * c2[3]
            a0, a1, a2 = px1 * py2 - py1 * px2, px2 * py0 - py2 * px0, px0 * py1 - py0 * px1
            inverse = 1.0 / (a0 + a1 + a2)
            mean = (gu * a0 + gv * a1) * inverse
            g0, g1, g2 = (gu - mean) * inverse, (gv - mean) * inverse, -mean * inverse
            _add_corner(sums[v0], g2 * py1 - g1 * py2, g1 * px2 - g2 * px1, fx, fy, width, height)
            _add_corner(sums[v1], g0 * py2 - g2 * py0, g2 * px0 - g0 * px2, fx, fy, width, height)
            _add_corner(sums[v2], g1 * py0 - g0 * py1, g0 * px1 - g1 * px0, fx, fy, width, height)


@kernel
def _add_corner(total, gx, gy, fx, fy, width, height):
    """Add the gradient at a corner's homogeneous pixel position, seen from (fx, fy), to that at its clip x, y, w."""
    total[0] += gx * (0.5 * width)
    total[1] -= gy * (0.5 * height)
    total[3] += gx * (0.5 * width - fx) + gy * (0.5 * height - fy)
