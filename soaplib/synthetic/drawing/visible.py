"""Which face each sample of a picture sees: depth and face number alone, for pictures without gradients."""

import math

import numpy as np

from soaplib.render.kernels import kernel

LANES = 16
"""Samples of a row that are tested at once, without branches, so that the compiler uses vectors."""


@kernel
def place_vertices(vertices, camera, factor, places):
    """Project vertices (V, 3 or more columns) by a (4, 4) camera into places (V, 4).

    Their columns: x, y in samples, the camera's depth, which is straight on the screen, and h[3]; NaN behind it.

    factor: samples a pixel along each side.
    """
    m = camera
    for i in range(len(vertices)):
        x, y, z = vertices[i, 0], vertices[i, 1], vertices[i, 2]
        w = m[3, 0] * x + m[3, 1] * y + m[3, 2] * z + m[3, 3]
        inverse = 1.0 / w if w > 1e-9 else np.nan
        places[i, 0] = (m[0, 0] * x + m[0, 1] * y + m[0, 2] * z + m[0, 3]) * inverse * factor
        places[i, 1] = (m[1, 0] * x + m[1, 1] * y + m[1, 2] * z + m[1, 3]) * inverse * factor
        places[i, 2] = (m[2, 0] * x + m[2, 1] * y + m[2, 2] * z + m[2, 3]) * inverse
        places[i, 3] = w


@kernel
def scan_visible(places, faces, culled, rows, depth, ids):
    """Fill depth (H, W + LANES) float32 and ids (H, W + LANES) int32 with the nearest face at each sample's centre.

    ids is -1 where none is; the last `LANES` columns are no part of the picture. The first `culled` faces are drawn
    from their front (counter-clockwise seen from outside) only. rows: samples from this row on stay empty. A centre on
    an edge belongs to both faces; the nearest, then the first, wins.
    """
    height, width = ids.shape[0], ids.shape[1] - LANES
    bottom = min(height, rows)
    depth[:] = np.inf
    ids[:] = -1
    for f in range(len(faces)):
        i, j, k = faces[f, 0], faces[f, 1], faces[f, 2]
        x0, y0 = places[i, 0], places[i, 1]
        x1, y1 = places[j, 0] - x0, places[j, 1] - y0
        x2, y2 = places[k, 0] - x0, places[k, 1] - y0
        # y grows downwards: a face that is counter-clockwise to the viewer has a negative area here.
        area = x1 * y2 - x2 * y1
        if not (abs(area) > 1e-9) or not (abs(area) < 1e15) or (area > 0 and f < culled):
            continue
        top, low = y0 + min(0.0, y1, y2), y0 + max(0.0, y1, y2)
        left, right = x0 + min(0.0, x1, x2), x0 + max(0.0, x1, x2)
        if low < 0 or right < 0 or top >= bottom or left >= width:
            continue
        first_row, last_row = max(int(math.ceil(top - 0.5)), 0), min(int(math.floor(low - 0.5)), bottom - 1)
        first, last = max(int(math.ceil(left - 0.5)), 0), min(int(math.floor(right - 0.5)), width - 1)
        if first_row > last_row or first > last:
            continue
        inverse = 1.0 / area
        # b1 and b2 are the barycentrics of vertices 1 and 2; from here on single precision, measured from vertex 0.
        b1x, b1y = np.float32(y2 * inverse), np.float32(-x2 * inverse)
        b2x, b2y = np.float32(-y1 * inverse), np.float32(x1 * inverse)
        z0 = np.float32(places[i, 2])
        z1, z2 = np.float32(places[j, 2] - places[i, 2]), np.float32(places[k, 2] - places[i, 2])
        least, most = np.float32(-1e-5), np.float32(1.00001)
        beyond = np.float32(last + 0.75 - x0)
        for r in range(first_row, last_row + 1):
            py = np.float32(r + 0.5 - y0)
            row1, row2, row = b1y * py, b2y * py, np.uint64(r)
            for chunk in range(first, last + 1, LANES):
                start = np.float32(chunk + 0.5 - x0)
                for lane in range(LANES):
                    c, px = np.uint64(chunk + lane), start + np.float32(lane)
                    b1, b2 = b1x * px + row1, b2x * px + row2
                    z = z0 + b1 * z1 + b2 * z2
                    old, owner = depth[row, c], ids[row, c]
                    inside = (b1 >= least) & (b2 >= least) & (b1 + b2 <= most) & (z < old) & (px <= beyond)
                    depth[row, c] = z if inside else old
                    ids[row, c] = np.int32(f) if inside else owner
