"""Which face each sample of a picture sees: depth and face number alone, for pictures without gradients."""

import math

import numpy as np

from soaplib.render.kernels import kernel


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
    """Fill depth (H, W) float64 and ids (H, W) int32 with the nearest face at each sample's centre, -1 where none is.

    The first `culled` faces are drawn from their front (counter-clockwise seen from outside) only. rows: samples
    from this row on stay empty. A centre on an edge belongs to both faces; the nearest, then the first, wins.
    """
    height, width = ids.shape
    bottom = min(height, rows)
    depth[:] = np.inf
    ids[:] = -1
    for f in range(len(faces)):
        i, j, k = faces[f, 0], faces[f, 1], faces[f, 2]
        x0, y0, x1, y1, x2, y2 = (
            places[i, 0], places[i, 1], places[j, 0], places[j, 1], places[k, 0], places[k, 1],
        )  # fmt: skip
        # y grows downwards: a face that is counter-clockwise to the viewer has a negative area here.
        area = (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)
        if not (abs(area) > 1e-9) or not (abs(area) < 1e15) or (area > 0 and f < culled):
            continue
        top, low = min(y0, y1, y2), max(y0, y1, y2)
        left, right = min(x0, x1, x2), max(x0, x1, x2)
        if low < 0 or right < 0 or top >= bottom or left >= width:
            continue
        first_row, last_row = max(int(math.ceil(top - 0.5)), 0), min(int(math.floor(low - 0.5)), bottom - 1)
        first, last = max(int(math.ceil(left - 0.5)), 0), min(int(math.floor(right - 0.5)), width - 1)
        if first_row > last_row or first > last:
            continue
        inverse = 1.0 / area
        # b1 and b2 are the barycentrics of vertices 1 and 2.
        b1x, b1y = (y2 - y0) * inverse, (x0 - x2) * inverse
        b2x, b2y = (y0 - y1) * inverse, (x1 - x0) * inverse
        z0 = places[i, 2]
        z1, z2 = places[j, 2] - z0, places[k, 2] - z0
        px = first + 0.5 - x0
        for r in range(first_row, last_row + 1):
            py = r + 0.5 - y0
            b1, b2 = b1x * px + b1y * py, b2x * px + b2y * py
            for c in range(first, last + 1):
                if b1 >= -1e-9 and b2 >= -1e-9 and b1 + b2 <= 1.000000001:
                    z = z0 + b1 * z1 + b2 * z2
                    if z < depth[r, c]:
                        depth[r, c] = z
                        ids[r, c] = f
                b1 += b1x
                b2 += b2x
