"""Split long edges at their middles."""

import numba as nb
import numpy as np

from soaplib.fitting.surgery.table import after, before, distance, edge_length, quality


@nb.njit(cache=True)
def long_edges(table, ratio):
    """Find the edges longer than `ratio` times their target, as half-edges, the longest (in targets) first."""
    found = np.empty(3 * table.counts[1], np.int64)
    excess = np.empty(3 * table.counts[1])
    n = 0
    for h in range(3 * table.counts[1]):
        f, t = h // 3, table.twin[h]
        if not table.alive[f] or table.frozen[f] or (t >= 0 and (t < h or table.frozen[t // 3])):
            continue
        length, target = edge_length(table, h)
        if length > ratio * target:
            found[n], excess[n] = h, -length / target
            n += 1
    return found[:n][np.argsort(excess[:n], kind="mergesort")]


@nb.njit(cache=True)
def split_edges(table, edges, ratio, worst):
    """Split those of `edges` that are still long, unless a sliver worse than `worst` comes of it; returns how many."""
    done = 0
    for i in range(len(edges)):
        h = edges[i]
        length, target = edge_length(table, h)
        if length > ratio * target and _splits_well(table, h, worst):
            _split(table, h)
            done += 1
    return done


@nb.njit(cache=True)
def _splits_well(table, h, worst):
    """Whether both halves of both faces are no slivers, or no worse than the face was, or h is its longest edge.

    Halving the longest edges alone never makes angles much worse (Rivara 1984).
    """
    points, m = table.vertices, table.counts[0]
    v, u = table.faces[h // 3, h % 3], table.faces[h // 3, after(h) % 3]
    for k in range(3):
        points[m, k] = 0.5 * (points[v, k] + points[u, k])
    length = distance(points, v, u)
    for side in (h, table.twin[h]):
        if side < 0:
            continue
        a = table.faces[side // 3, before(side) % 3]
        if length >= max(distance(points, v, a), distance(points, u, a)):
            continue
        halves = min(quality(points, v, m, a), quality(points, m, u, a))
        if halves < worst and halves < quality(points, v, u, a):
            return False
    return True


@nb.njit(cache=True)
def _split(table, h):
    faces, uv_faces, twin, feature = table.faces, table.uv_faces, table.twin, table.feature
    t = twin[h]
    m = table.counts[0]  # `_splits_well` has put the middle there
    table.counts[0] += 1
    v, u = faces[h // 3, h % 3], faces[h // 3, after(h) % 3]
    table.targets[m] = 0.5 * (table.targets[v] + table.targets[u])
    table.parents[m, 0], table.parents[m, 1] = v, u
    table.locked[m] = t < 0
    uv_v, uv_u = uv_faces[h // 3, h % 3], uv_faces[h // 3, after(h) % 3]
    uv_m = _middle_uv(table, uv_v, uv_u)
    first = _halve(table, h, m, uv_m)
    table.outgoing[m] = first
    table.outgoing[u], table.outgoing[v] = first + 1, h
    if t < 0:
        return
    if uv_faces[t // 3, t % 3] != uv_u or uv_faces[t // 3, after(t) % 3] != uv_v:
        uv_m = _middle_uv(table, uv_faces[t // 3, t % 3], uv_faces[t // 3, after(t) % 3])
    second = _halve(table, t, m, uv_m)
    twin[h], twin[second] = second, h
    twin[t], twin[first] = first, t
    feature[second], feature[first] = feature[h], feature[h]


@nb.njit(cache=True)
def _middle_uv(table, a, b):
    m = table.counts[2]
    table.counts[2] += 1
    for k in range(2):
        table.uv[m, k] = 0.5 * (table.uv[a, k] + table.uv[b, k])
    return m


@nb.njit(cache=True)
def _halve(table, h, m, uv_m):
    """Halve the face of h = (v, u), apex a: it becomes (v, m, a), a new one is (m, u, a); returns m -> u."""
    faces, uv_faces, twin, feature = table.faces, table.uv_faces, table.twin, table.feature
    f, n, p = h // 3, after(h), before(h)
    g = table.counts[1]
    table.counts[1] += 1
    faces[g, 0], faces[g, 1], faces[g, 2] = m, faces[f, n % 3], faces[f, p % 3]
    uv_faces[g, 0], uv_faces[g, 1], uv_faces[g, 2] = uv_m, uv_faces[f, n % 3], uv_faces[f, p % 3]
    faces[f, n % 3], uv_faces[f, n % 3] = m, uv_m
    table.alive[g], table.frozen[g], table.source[g], table.source[f] = True, False, -1, -1
    twin[3 * g], feature[3 * g] = -1, feature[h]
    twin[3 * g + 1], feature[3 * g + 1] = twin[n], feature[n]
    if twin[n] >= 0:
        twin[twin[n]] = 3 * g + 1
    twin[n], twin[3 * g + 2] = 3 * g + 2, n
    feature[n], feature[3 * g + 2] = False, False
    return 3 * g
