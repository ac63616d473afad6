"""Collapse short edges onto one of their ends, so that what stays, stays exactly."""

import numba as nb
import numpy as np

from soaplib.fitting.surgery.table import (
    MAX_VALENCE,
    after,
    area_vector,
    before,
    distance,
    edge_length,
    quality,
    ring,
    signed_area,
    unfolded,
)

_MOST = 9  # the valence above which a collapse is refused


@nb.njit(cache=True)
def short_edges(table, ratio):
    """Find the edges shorter than `ratio` times their target, as half-edges, the shortest (in targets) first."""
    found = np.empty(3 * table.counts[1], np.int64)
    excess = np.empty(3 * table.counts[1])
    n = 0
    for h in range(3 * table.counts[1]):
        f, t = h // 3, table.twin[h]
        if not table.alive[f] or t < h:  # t < h: the other half has its turn, or a border
            continue
        if table.locked[table.faces[f, h % 3]] and table.locked[table.faces[f, after(h) % 3]]:
            continue
        length, target = edge_length(table, h)
        if length < ratio * target:
            found[n], excess[n] = h, length / target
            n += 1
    return found[:n][np.argsort(excess[:n], kind="mergesort")]


@nb.njit(cache=True)
def collapse_edges(table, edges, short, long, worst, bend, slack):
    """Collapse those of `edges` that are still short, where the surface allows it; returns how many.

    long: no new edge may be longer than this times its target; worst: least quality of the triangles it leaves;
    bend: the cosine by which a normal may turn; slack: how far, in targets, the vertex that stays may be off the planes
    of the faces about the one that goes: so ridges and tips stay.
    """
    mark = np.full(table.counts[0], -1, np.int64)
    around, beyond = np.empty(MAX_VALENCE, np.int64), np.empty(MAX_VALENCE, np.int64)
    done = 0
    for i in range(len(edges)):
        h = edges[i]
        if not table.alive[h // 3]:
            continue
        length, target = edge_length(table, h)
        if length >= short * target:
            continue
        t = table.twin[h]
        one = _worth(table, h, long, worst, bend, slack, mark, 2 * i, around, beyond)
        two = _worth(table, t, long, worst, bend, slack, mark, 2 * i + 1, around, beyond)
        if one < 0 and two < 0:
            continue
        _collapse(table, h if one >= two else t, around)
        done += 1
    return done


@nb.njit(cache=True)
def _worth(table, h, long, worst, bend, slack, mark, stamp, around, beyond):
    """The least quality of the triangles that are left when the start of h goes to its end; -1 if it may not."""
    faces, twin, feature = table.faces, table.twin, table.feature
    t = twin[h]
    v, u = faces[h // 3, h % 3], faces[h // 3, after(h) % 3]
    if table.locked[v]:
        return -1.0
    n, closed = ring(twin, h, around)
    if n < 0 or not closed:
        return -1.0
    if not _short_enough(table, u, around, n, long):
        return -1.0
    m, _ = ring(twin, after(h), beyond)
    a, b = faces[h // 3, before(h) % 3], faces[t // 3, before(t) % 3]
    if m < 0 or a == b or not _topology_kept(table, u, around, n, beyond, m, a, b, mark, stamp):
        return -1.0
    if not _along_feature(table, h, around, n):
        return -1.0
    uv_u, other = table.uv_faces[h // 3, after(h) % 3], table.uv_faces[t // 3, t % 3]
    points = table.vertices
    least, before_it = 2.0, 2.0
    for i in range(n):  # around[0] = h; counter-clockwise, so its face is on the side of a
        f, k = around[i] // 3, around[i] % 3
        p, q = faces[f, (k + 1) % 3], faces[f, (k + 2) % 3]
        before_it = min(before_it, quality(points, v, p, q))
        if i > 0 and feature[around[i]]:
            uv_u = other
        if p == u or q == u:
            continue
        if not _looks_on(points, v, u, p, q, bend, slack * table.targets[v]):
            return -1.0
        uv_p, uv_q = table.uv_faces[f, (k + 1) % 3], table.uv_faces[f, (k + 2) % 3]
        was = signed_area(table.uv, table.uv_faces[f, k], uv_p, uv_q)
        if not unfolded(was, signed_area(table.uv, uv_u, uv_p, uv_q)):
            return -1.0
        least = min(least, quality(points, u, p, q))
    return least if least >= min(worst, before_it) else -1.0


@nb.njit(cache=True)
def _topology_kept(table, u, around, n, beyond, m, a, b, mark, stamp):
    """The link condition, and valences between 3 and `_MOST` after it."""
    faces = table.faces
    for i in range(n):
        mark[faces[around[i] // 3, after(around[i]) % 3]] = stamp
    shared = 0
    for i in range(m):
        shared += mark[faces[beyond[i] // 3, after(beyond[i]) % 3]] == stamp
    last = before(beyond[m - 1])  # in an open fan the last neighbour starts an incoming border edge
    if table.twin[last] < 0:
        shared += mark[faces[last // 3, last % 3]] == stamp
    if shared != 2 or n + m - 4 > max(_MOST, m):
        return False
    for w in (a, b):
        if not table.locked[w] and ring(table.twin, table.outgoing[w], beyond)[0] <= 3:
            return False
    return n > 3


@nb.njit(cache=True)
def _along_feature(table, h, around, n):
    """A vertex on no seam may go anywhere; one on a seam only along it, where the seam is rather straight."""
    count, other = 0, -1
    for i in range(n):
        if table.feature[around[i]]:
            count += 1
            if around[i] != h:
                other = around[i]
    if count == 0:
        return True
    if count != 2 or not table.feature[h]:
        return False
    v = table.vertices[table.faces[h // 3, h % 3]]
    x = table.vertices[table.faces[h // 3, after(h) % 3]] - v
    y = table.vertices[table.faces[other // 3, after(other) % 3]] - v
    return (x * y).sum() < -0.7 * np.sqrt((x * x).sum() * (y * y).sum())


@nb.njit(cache=True)
def _short_enough(table, u, around, n, long):
    for i in range(1, n):
        p = table.faces[around[i] // 3, after(around[i]) % 3]
        if distance(table.vertices, u, p) > long * 0.5 * (table.targets[u] + table.targets[p]):
            return False
    return True


@nb.njit(cache=True)
def _looks_on(points, old, new, p, q, bend, slack):
    """Whether the triangle (old, p, q) looks the same way with its first corner at `new`, and near its plane."""
    x0, x1, x2 = area_vector(points, old, p, q)
    y0, y1, y2 = area_vector(points, new, p, q)
    xx, yy = np.sqrt(x0 * x0 + x1 * x1 + x2 * x2), np.sqrt(y0 * y0 + y1 * y1 + y2 * y2)
    if quality(points, old, p, q) < 1e-2:  # a needle has no normal to keep
        return yy > 0
    off = x0 * (points[new, 0] - points[old, 0])
    off += x1 * (points[new, 1] - points[old, 1]) + x2 * (points[new, 2] - points[old, 2])
    return abs(off) < slack * xx and x0 * y0 + x1 * y1 + x2 * y2 > bend * xx * yy


@nb.njit(cache=True)
def _collapse(table, h, around):
    faces, twin, feature = table.faces, table.twin, table.feature
    t = twin[h]
    v, u = faces[h // 3, h % 3], faces[h // 3, after(h) % 3]
    n, _ = ring(twin, h, around)
    uv_u, other = table.uv_faces[h // 3, after(h) % 3], table.uv_faces[t // 3, t % 3]
    for i in range(n):
        f, k = around[i] // 3, around[i] % 3
        if i > 0 and feature[around[i]]:
            uv_u = other
        faces[f, k], table.uv_faces[f, k], table.source[f] = u, uv_u, -1
    for side in (h, t):
        _close(table, side)
    table.outgoing[v] = -1


@nb.njit(cache=True)
def _close(table, h):
    """Remove the face of h and join its other two sides."""
    twin, feature = table.twin, table.feature
    x, y = twin[after(h)], twin[before(h)]
    joined = feature[after(h)] or feature[before(h)]
    for one, two in ((x, y), (y, x)):
        if one >= 0:
            twin[one], feature[one] = two, joined
            table.outgoing[table.faces[one // 3, one % 3]] = one
            table.outgoing[table.faces[one // 3, after(one) % 3]] = after(one)
    table.alive[h // 3] = False
