"""Flip edges to the better of the two diagonals."""

import numba as nb
import numpy as np

from soaplib.fitting.surgery.table import MAX_VALENCE, after, area_vector, before, ring, signed_area, unfolded


@nb.njit(cache=True)
def flip_edges(table, bend, slack, sweeps):
    """Flip until all free edges but a few are Delaunay (opposite angles sum to pi or less), or `sweeps` are over.

    Seams, borders and sharp edges stay: the diagonals may pass each other at `slack` targets, and the four triangles
    must lie within `bend` (a cosine) of their mean normal. Returns the number of flips.
    """
    around = np.empty(MAX_VALENCE, np.int64)
    total = 0
    for _ in range(sweeps):
        done = 0
        for h in range(3 * table.counts[1]):
            t = table.twin[h]
            if t < h or not table.alive[h // 3] or table.feature[h]:
                continue
            if table.frozen[h // 3] or table.frozen[t // 3]:
                continue
            if _better(table, h, t, bend, slack) and not _joined(table, h, t, around):
                _flip(table, h, t)
                done += 1
        total += done
        if 500 * done <= table.counts[1]:
            break
    return total


@nb.njit(cache=True)
def _better(table, h, t, bend, slack):
    points, uv, uvs = table.vertices, table.uv, table.uv_faces
    v, u = table.faces[h // 3, h % 3], table.faces[t // 3, t % 3]
    a, b = table.faces[h // 3, before(h) % 3], table.faces[t // 3, before(t) % 3]
    if _cotangent(points, a, v, u) + _cotangent(points, b, u, v) > -1e-6:
        return False
    one, two = area_vector(points, v, u, a), area_vector(points, u, v, b)
    m0, m1, m2 = one[0] + two[0], one[1] + two[1], one[2] + two[2]
    least = bend * np.sqrt(m0 * m0 + m1 * m1 + m2 * m2)
    for x in (one, two, area_vector(points, v, b, a), area_vector(points, u, a, b)):
        if x[0] * m0 + x[1] * m1 + x[2] * m2 < least * np.sqrt(x[0] ** 2 + x[1] ** 2 + x[2] ** 2):
            return False
    # The diagonals pass each other at volume / |their cross product|; the latter is the sum of the area vectors.
    volume = 0.0
    for k in range(3):
        volume += one[k] * (points[b, k] - points[v, k])
    if abs(volume) > slack * table.targets[v] * np.sqrt(m0 * m0 + m1 * m1 + m2 * m2):
        return False
    i, j = uvs[h // 3, h % 3], uvs[t // 3, t % 3]
    k, l = uvs[h // 3, before(h) % 3], uvs[t // 3, before(t) % 3]
    was = signed_area(uv, i, j, k) + signed_area(uv, j, i, l)
    return unfolded(was, signed_area(uv, i, l, k)) and unfolded(was, signed_area(uv, j, k, l))


@nb.njit(cache=True)
def _cotangent(points, apex, p, q):
    """The cotangent of the angle at `apex`, large and negative where the triangle is flat there."""
    dot = 0.0
    for k in range(3):
        dot += (points[p, k] - points[apex, k]) * (points[q, k] - points[apex, k])
    n0, n1, n2 = area_vector(points, apex, p, q)
    return dot / max(np.sqrt(n0 * n0 + n1 * n1 + n2 * n2), 1e-30)


@nb.njit(cache=True)
def _joined(table, h, t, around):
    """Whether the other diagonal is an edge already, or an end would be left with fewer than three faces."""
    v, u = table.faces[h // 3, h % 3], table.faces[t // 3, t % 3]
    a, b = table.faces[h // 3, before(h) % 3], table.faces[t // 3, before(t) % 3]
    if a == b:
        return True
    for w in (v, u):
        n, closed = ring(table.twin, table.outgoing[w], around)
        if n < 0 or n <= (3 if closed else 1):
            return True
    n, _ = ring(table.twin, table.outgoing[a], around)
    for i in range(n):
        x = around[i]
        if table.faces[x // 3, after(x) % 3] == b or table.faces[x // 3, before(x) % 3] == b:
            return True
    return n < 0 or n + 1 > MAX_VALENCE


@nb.njit(cache=True)
def _flip(table, h, t):
    """(v, u, a) and (u, v, b) become (v, b, a) and (u, a, b)."""
    faces, uvs, twin, feature = table.faces, table.uv_faces, table.twin, table.feature
    f, g = h // 3, t // 3
    v, u, a, b = faces[f, h % 3], faces[g, t % 3], faces[f, before(h) % 3], faces[g, before(t) % 3]
    x, y, p, q = uvs[f, h % 3], uvs[g, t % 3], uvs[f, before(h) % 3], uvs[g, before(t) % 3]
    ua, av, vb, bu = after(h), before(h), after(t), before(t)
    outer = (twin[vb], twin[av], twin[ua], twin[bu])
    edge = (feature[vb], feature[av], feature[ua], feature[bu])
    faces[f, 0], faces[f, 1], faces[f, 2] = v, b, a
    faces[g, 0], faces[g, 1], faces[g, 2] = u, a, b
    uvs[f, 0], uvs[f, 1], uvs[f, 2] = x, q, p
    uvs[g, 0], uvs[g, 1], uvs[g, 2] = y, p, q
    place = (3 * f, 3 * f + 2, 3 * g, 3 * g + 2)
    for i in range(4):
        twin[place[i]], feature[place[i]] = outer[i], edge[i]
        if outer[i] >= 0:
            twin[outer[i]] = place[i]
    twin[3 * f + 1], twin[3 * g + 1] = 3 * g + 1, 3 * f + 1
    feature[3 * f + 1], feature[3 * g + 1] = False, False
    table.outgoing[v], table.outgoing[b] = 3 * f, 3 * f + 1
    table.outgoing[a], table.outgoing[u] = 3 * g + 1, 3 * g
    table.source[f], table.source[g] = -1, -1
