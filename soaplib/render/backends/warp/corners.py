"""Vertices as the pixels see them, and gradients on their way back to clip space, in Warp."""

from typing import Any

import torch
import warp as wp

from soaplib.render.backends.warp.sums import OPTIONS, add_term, float_kernel, launch, raise_bound

wp.set_module_options(OPTIONS)


def pixel_corners(clip, height, width):
    """Return (B, V, 6) float64; see `soaplib.render.scanning.pixel_corners`."""
    corners = torch.empty((*clip.shape[:2], 6), dtype=torch.float64, device=clip.device)
    sizes = wp.float64(width), wp.float64(height)
    launch(_project, clip.shape[:2], clip.contiguous(), *sizes, corners)
    return corners


@float_kernel
def _project(clip: wp.array3d[Any], width: wp.float64, height: wp.float64, corners: wp.array3d[wp.float64]):
    """Fill corners (B, V, 6) as `soaplib.render.rasterise.pixel_corners` does."""
    b, v = wp.tid()
    half = wp.float64(0.5)
    x, y = wp.float64(clip[b, v, 0]), wp.float64(clip[b, v, 1])
    z, w = wp.float64(clip[b, v, 2]), wp.float64(clip[b, v, 3])
    px, py = (x + w) * (width * half), (w - y) * (height * half)
    corners[b, v, 0] = px
    corners[b, v, 1] = py
    corners[b, v, 2] = z
    corners[b, v, 3] = w
    if w > wp.float64(0.0) and wp.isfinite(px) and wp.isfinite(py) and wp.isfinite(z) and wp.isfinite(w):
        corners[b, v, 4] = px / w
        corners[b, v, 5] = py / w
    else:
        corners[b, v, 4] = wp.float64(wp.nan)
        corners[b, v, 5] = wp.float64(wp.nan)


@wp.func
def point(corners: wp.array3d[wp.float64], b: int, v: int):
    return wp.vec3d(corners[b, v, 0], corners[b, v, 1], corners[b, v, 3])


@wp.func
def seen_from(corners: wp.array3d[wp.float64], b: int, v: int, fx: wp.float64, fy: wp.float64):
    """Return a vertex' homogeneous pixel position with the origin moved to (fx, fy)."""
    w = corners[b, v, 3]
    return wp.vec3d(corners[b, v, 0] - fx * w, corners[b, v, 1] - fy * w, w)


@wp.func
def pull_point(g: wp.vec2d, fx: wp.float64, fy: wp.float64, width: wp.float64, height: wp.float64):
    """Turn the gradient at a homogeneous pixel position, seen from (fx, fy), into that at clip x, y and w."""
    half = wp.float64(0.5)
    return wp.vec3d(
        g[0] * (half * width),
        -g[1] * (half * height),
        g[0] * (half * width - fx) + g[1] * (half * height - fy),
    )


@wp.func
def send_to_vertex(
    bounds: wp.array[wp.int64],
    sums: wp.array2d[wp.int64],
    at: int,
    g: wp.vec3d,
    steps: wp.float64,
    adding: bool,
):
    """Raise the bound of a vertex, or add to its clip x, y and w."""
    if adding:
        add_term(bounds, sums, at, 0, g[0], steps)
        add_term(bounds, sums, at, 1, g[1], steps)
        add_term(bounds, sums, at, 3, g[2], steps)
    else:
        # Written as a sum so that NaN in any of the three comes through.
        raise_bound(bounds, at, wp.abs(g[0]) + wp.abs(g[1]) + wp.abs(g[2]))
