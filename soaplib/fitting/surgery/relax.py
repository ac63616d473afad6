"""Slide vertices over the surface towards the middle of their neighbours."""

import numba as nb
import numpy as np

from soaplib.fitting.surgery.table import (
    MAX_VALENCE,
    after,
    area_vector,
    before,
    quality,
    ring,
    signed_area,
    unfolded,
)


@nb.njit(cache=True)
def slide(table, worst, bend):
    """Move the free vertices tangentially, all at once, and give where each lies on the surface as it was.

    The middle is that of the triangles about a vertex, weighted by area times target (Dunyach et al. 2013). Returns
    corners (V, 3) and weights (V, 3): new = sum of weights * old corners, exactly in that triangle. Vertices on
    seams stay, as do those whose move would turn a triangle or make it a sliver.
    """
    count = table.counts[0]
    corners, weights = np.zeros((count, 3), np.int64), np.zeros((count, 3))
    moved = np.zeros(count, np.bool_)
    places, uvs = table.vertices[:count].copy(), table.uv[: table.counts[2]].copy()
    around = np.empty(MAX_VALENCE, np.int64)
    for v in range(count):
        corners[v, 0], weights[v, 0] = v, 1.0
        if table.locked[v] or table.outgoing[v] < 0 or table.parents[v, 0] < 0:
            continue
        n, _ = ring(table.twin, table.outgoing[v], around)
        smooth = n > 0
        for i in range(n):
            smooth = smooth and not table.feature[around[i]]
        if smooth:
            moved[v] = _place(table, v, around, n, corners[v], weights[v], places, uvs)
    _take_back(table, moved, places, uvs, worst, bend)
    for v in range(count):
        if not moved[v]:
            corners[v, 0], weights[v, 0], weights[v, 1], weights[v, 2] = v, 1.0, 0.0, 0.0
            continue
        table.vertices[v] = places[v]
        h = table.outgoing[v]
        table.uv[table.uv_faces[h // 3, h % 3]] = uvs[table.uv_faces[h // 3, h % 3]]
    return corners, weights


@nb.njit(cache=True)
def _place(table, v, around, n, corners, weights, places, uvs):
    """Find the triangle about v over which its middle lies; False where there is none."""
    at = table.vertices[v]
    middle, normal, total = np.zeros(3), np.zeros(3), 0.0
    for i in range(n):
        p, q = _ends(table, around[i])
        x = area_vector(table.vertices, v, p, q)
        share = np.sqrt(x[0] ** 2 + x[1] ** 2 + x[2] ** 2)
        share *= table.targets[v] + table.targets[p] + table.targets[q]
        for k in range(3):
            normal[k] += x[k]
            middle[k] += share * (at[k] + table.vertices[p, k] + table.vertices[q, k]) / 3
        total += share
    length = np.sqrt((normal * normal).sum())
    if total == 0 or length == 0:
        return False
    normal /= length
    step = middle / total - at
    step -= (step * normal).sum() * normal
    for i in range(n):
        p, q = _ends(table, around[i])
        b, c = table.vertices[p] - at, table.vertices[q] - at
        b -= (b * normal).sum() * normal
        c -= (c * normal).sum() * normal
        area = (np.cross(b, c) * normal).sum()
        if area <= 0:
            continue
        s, t = (np.cross(step, c) * normal).sum() / area, (np.cross(b, step) * normal).sum() / area
        if s < 0 or t < 0 or s + t > 0.95:
            continue
        corners[0], corners[1], corners[2] = v, p, q
        weights[0], weights[1], weights[2] = 1 - s - t, s, t
        for k in range(3):
            places[v, k] = (1 - s - t) * at[k] + s * table.vertices[p, k] + t * table.vertices[q, k]
        f, h = around[i] // 3, around[i]
        own = table.uv_faces[f, h % 3]
        uv_p, uv_q = table.uv_faces[f, after(h) % 3], table.uv_faces[f, before(h) % 3]
        for k in range(2):
            uvs[own, k] = (1 - s - t) * table.uv[own, k] + s * table.uv[uv_p, k] + t * table.uv[uv_q, k]
        return True
    return False


@nb.njit(cache=True)
def _ends(table, h):
    return table.faces[h // 3, after(h) % 3], table.faces[h // 3, before(h) % 3]


@nb.njit(cache=True)
def _take_back(table, moved, places, uvs, worst, bend):
    """Undo the moves about each triangle that they would turn or make a sliver, until none is left."""
    bad = True
    while bad:
        bad = False
        for f in range(table.counts[1]):
            a, b, c = table.faces[f]
            if not table.alive[f] or not (moved[a] or moved[b] or moved[c]):
                continue
            if _sound(table, f, places, uvs, worst, bend):
                continue
            bad = True
            for k in range(3):
                v, uv = table.faces[f, k], table.uv_faces[f, k]
                moved[v] = False
                places[v] = table.vertices[v]
                uvs[uv] = table.uv[uv]


@nb.njit(cache=True)
def _sound(table, f, places, uvs, worst, bend):
    a, b, c = table.faces[f]
    x, y = area_vector(table.vertices, a, b, c), area_vector(places, a, b, c)
    dot = x[0] * y[0] + x[1] * y[1] + x[2] * y[2]
    square = (x[0] ** 2 + x[1] ** 2 + x[2] ** 2) * (y[0] ** 2 + y[1] ** 2 + y[2] ** 2)
    if dot <= bend * np.sqrt(square):
        return False
    new = quality(places, a, b, c)
    if new < worst and new < quality(table.vertices, a, b, c):
        return False
    i, j, k = table.uv_faces[f]
    return unfolded(signed_area(table.uv, i, j, k), signed_area(uvs, i, j, k))
