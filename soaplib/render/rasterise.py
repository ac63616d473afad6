"""Rasterisation: which face each pixel sees, and where on it."""

import numpy as np
import torch

from soaplib.render import memory
from soaplib.render.kernels import (
    bands_per_image,
    checked_faces,
    checked_ranges,
    checked_size,
    checked_tensor,
    collected,
    corners_of,
    kernel,
    run_tasks,
    windowed_sums,
)
from soaplib.render.scanning import NO_LAYER, pixel_corners, scan_layer


def rasterize(clip: torch.Tensor, faces: torch.Tensor, size, cull: bool = False, ranges=None) -> torch.Tensor:
    """Find for every pixel the nearest face and the place on it.

    Args:
        clip: (B, V, 4) float32 or float64 clip-space positions as in OpenGL: x right, y up, z in [-w, w],
            nearer is smaller. With ranges (V, 4), the vertices of all meshes one after the other.
        faces: (F, 3) int32 or int64, shared by the batch, or with ranges the faces of all meshes.
        size: (H, W) in pixels. Row 0 is the top, pixel centres lie at +0.5.
        cull: leave out faces that are clockwise on the screen; else both sides are seen.
        ranges: (B, 2) integers, for meshes that share no topology: image b shows the faces
            ranges[b, 0] to ranges[b, 0] + ranges[b, 1] - 1. See `pack_meshes`.

    Returns:
        (B, H, W, 4), clip's dtype: (u, v, z/w, face + 1). u and v are the perspective-correct barycentrics of
        the face's vertices 0 and 1 (nvdiffrast's layout). All 0 where no face is.

    A pixel belongs to a face when its centre lies in it or on its border; of several, the nearest wins, then the
    lowest face index. Edges shared by two faces leave no gap. Of a face that reaches behind the camera the part in
    front is drawn; pixels outside -1 <= z/w <= 1 are not. Faces of no area, or with a vertex that is not finite,
    draw nothing.

    Gradients flow from u and v to clip; z/w and the face index have none (interpolate a depth instead).

    Raises:
        ValueError: wrong shape or type, a face index or range out of bounds, or a size below 1.

    Source: Laine et al. 2020, section 3.3; homogeneous edge functions, Olano and Greer 1997.
    """
    clip, faces, spans, size = checked_meshes("rasterize", clip, faces, size, ranges)
    return rasterize_layer(clip, faces, spans, size, bool(cull), NO_LAYER)


def pack_meshes(vertices, faces) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Lay meshes one after the other, as `rasterize`, `interpolate` and `antialias` take them with ranges.

    Args:
        vertices: B tensors (V_b, C): positions in clip space, or attributes.
        faces: B tensors (F_b, 3) integers, each into its own vertices.

    Returns:
        (sum of V_b, C), (sum of F_b, 3) int32 into the former, and ranges (B, 2) int64. Gradients flow to vertices.

    Raises:
        ValueError: lists of different lengths, or faces out of range.
    """
    vertices, faces = list(vertices), list(faces)
    if len(vertices) != len(faces):
        raise ValueError(f"pack_meshes: {len(vertices)} vertices need as many faces, got {len(faces)}")
    faces = [checked_faces("pack_meshes", f, len(v)) for v, f in zip(vertices, faces, strict=True)]
    counts = torch.tensor([[len(v), len(f)] for v, f in zip(vertices, faces, strict=True)], dtype=torch.int64)
    counts = counts.reshape(-1, 2)
    starts = counts.cumsum(0) - counts
    if not vertices:
        return torch.empty(0, 4), torch.empty(0, 3, dtype=torch.int32), counts
    moved = [f + int(s) for f, s in zip(faces, starts[:, 0], strict=True)]
    return torch.cat(vertices), torch.cat(moved), torch.stack((starts[:, 1], counts[:, 1]), 1)


def checked_meshes(operation: str, clip, faces, size, ranges):
    """Return clip (B or 1, V, 4), faces, the images' first and last + 1 faces (B, 2), and (H, W)."""
    checked_tensor(operation, "clip", clip, "B,V,4" if ranges is None else "V,4")
    clip = clip if ranges is None else clip[None]
    faces = checked_faces(operation, faces, clip.shape[1])
    if clip.dtype == torch.float32 and len(faces) >= 1 << 24:
        raise ValueError(f"{operation}: {len(faces)} faces need float64, as float32 counts to 2^24 only")
    spans = checked_ranges(operation, ranges, len(clip) if ranges is None else None, len(faces))
    return clip, faces, spans, checked_size(operation, size)


def rasterize_layer(clip, faces, spans, size, cull, under):
    """Return rast as `rasterize` does, of what lies under a layer: see `scanning.scan_layer`."""
    return _Rasterize.apply(clip, faces, spans, *size, cull, under)


def vertex_windows(rast, faces, bands, vertex_count, shared) -> np.ndarray:
    """Return the first vertex and the last + 1 that each band of rast (B, H, W, 4) may touch: (B bands, 2) int64.

    That is all of them, unless all images share the vertices: then those of the faces seen.
    """
    windows = np.zeros((len(rast) * bands, 2), np.int64)
    windows[:, 1] = vertex_count
    if shared and len(rast) > 1:
        run_tasks(_vertex_windows, len(windows), bands, rast, faces, windows)
    return windows


@kernel
def _vertex_windows(task, tasks, bands, rast, faces, windows):
    b, band, height = task // bands, task % bands, rast.shape[1]
    low, high = _face_window(rast[b, band * height // bands : (band + 1) * height // bands])
    first, last = windows[task, 1], np.int64(0)
    for f in range(low, high):
        for k in range(3):
            first, last = min(first, np.int64(faces[f, k])), max(last, np.int64(faces[f, k]) + 1)
    windows[task, 0], windows[task, 1] = min(first, last), last


@kernel
def _face_window(rast):
    low, high = 1 << 62, 0
    for y in range(rast.shape[0]):
        for x in range(rast.shape[1]):
            face = int(rast[y, x, 3])
            if face > 0:
                low, high = min(low, face - 1), max(high, face)
    return low, high


class _Rasterize(torch.autograd.Function):
    @staticmethod
    def forward(ctx, clip, faces, spans, height, width, cull, under):
        corners = pixel_corners(clip, height, width)
        rast = memory.empty((len(spans), height, width, 4), "f8" if clip.dtype == torch.float64 else "f4")
        culled = len(faces) if cull else 0
        scan_layer(corners, faces.numpy(), spans, culled, -1.0, 1.0, under, rast)
        rast = torch.from_numpy(rast)
        ctx.save_for_backward(rast, faces)
        ctx.corners = corners
        return rast

    @staticmethod
    def backward(ctx, grad):
        rast, faces = ctx.saved_tensors
        corners = ctx.corners
        images, height = rast.shape[:2]
        bands = bands_per_image(images, height)
        rast, faces = rast.numpy(), faces.numpy()
        windows = vertex_windows(rast, faces, bands, corners.shape[1], len(corners) == 1)
        sums, starts = windowed_sums(windows, 4)
        arrays = (grad.contiguous().numpy(), rast, corners, faces)
        run_tasks(_rast_backward, len(windows), bands, *arrays, starts, sums)
        shape = (*corners.shape[:2], 4)
        return collected(sums, starts, windows, bands, shape, grad.dtype), *[None] * 6


@kernel
def _rast_backward(task, tasks, bands, grad, rast, corners, faces, starts, sums):
    b, band, height = task // bands, task % bands, rast.shape[1]
    first, last = band * height // bands, (band + 1) * height // bands
    places = corners[b if len(corners) > 1 else 0]
    _rast_backward_band(grad[b], rast[b], places, faces, first, last, starts[task], sums)


@kernel
def _rast_backward_band(grad, rast, corners, faces, first_row, last_row, start, sums):
    height, width = rast.shape[:2]
    start = np.uint64(start)
    for y in range(first_row, last_row):
        fy, x = y + 0.5, 0
        while x < width:
            face = int(rast[y, x, 3]) - 1
            if face < 0:
                x += 1
                continue
            # A row's pixels that see one face together: along them each edge function a_i = p_j x p_k changes by
            # slope_i a step, so that it is enough to add up its gradients g_i, and g_i times the step.
            fx = x + 0.5
            v0, v1, v2 = corners_of(faces, face)
            w0, w1, w2 = corners[v0, 3], corners[v1, 3], corners[v2, 3]
            px0, py0 = corners[v0, 0] - fx * w0, corners[v0, 1] - fy * w0
            px1, py1 = corners[v1, 0] - fx * w1, corners[v1, 1] - fy * w1
            px2, py2 = corners[v2, 0] - fx * w2, corners[v2, 1] - fy * w2
            a0, a1, a2 = px1 * py2 - py1 * px2, px2 * py0 - py2 * px0, px0 * py1 - py0 * px1
            slope0, slope1, slope2 = py1 * w2 - w1 * py2, py2 * w0 - w2 * py0, py0 * w1 - w0 * py1
            s0 = s1 = s2 = t0 = t1 = t2 = step = 0.0
            while x < width and int(rast[y, x, 3]) - 1 == face:
                gu, gv = np.float64(grad[y, x, 0]), np.float64(grad[y, x, 1])
                inverse = 1.0 / (a0 + a1 + a2)
                mean = (gu * a0 + gv * a1) * inverse
                g0, g1, g2 = (gu - mean) * inverse, (gv - mean) * inverse, -mean * inverse
                s0, s1, s2 = s0 + g0, s1 + g1, s2 + g2
                t0, t1, t2 = t0 + step * g0, t1 + step * g1, t2 + step * g2
                a0, a1, a2 = a0 + slope0, a1 + slope1, a2 + slope2
                x, step = x + 1, step + 1
            gx, gy = s2 * py1 - s1 * py2, s1 * px2 - t1 * w2 - s2 * px1 + t2 * w1
            add_corner(sums, start + v0, gx, gy, t1 * py2 - t2 * py1, fx, fy, width, height)
            gx, gy = s0 * py2 - s2 * py0, s2 * px0 - t2 * w0 - s0 * px2 + t0 * w2
            add_corner(sums, start + v1, gx, gy, t2 * py0 - t0 * py2, fx, fy, width, height)
            gx, gy = s1 * py0 - s0 * py1, s0 * px1 - t0 * w1 - s1 * px0 + t1 * w0
            add_corner(sums, start + v2, gx, gy, t0 * py1 - t1 * py0, fx, fy, width, height)


@kernel
def add_corner(sums, row, gx, gy, gw, fx, fy, width, height):
    """Add the gradient at a corner's homogeneous pixel position, seen from (fx, fy), to that at its clip x, y, w."""
    sums[row, 0] += gx * (0.5 * width)
    sums[row, 1] -= gy * (0.5 * height)
    sums[row, 3] += gw + gx * (0.5 * width - fx) + gy * (0.5 * height - fy)
