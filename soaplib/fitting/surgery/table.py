"""The half-edge table that splits, collapses and flips work on: arrays with room to grow.

Half-edge h = 3 f + k runs from corner k of face f to its next corner.
"""

import collections

import numba as nb
import numpy as np

MAX_VALENCE = 128

Table = collections.namedtuple(
    "Table",
    "counts faces uv_faces twin feature alive frozen source vertices uv targets outgoing locked parents",
)
"""counts: (3,) vertices, faces and UVs in use. faces, uv_faces: (F, 3) int32. twin: (3F,) int64, -1 on a border.
feature: (3F,) bool, seams and borders. alive, frozen: (F,) bool. source: (F,) int32 the face it was at first, -1 if
changed or new. vertices: (V, 3), uv: (T, 2), targets: (V,) float64. outgoing: (V,) int64 a half-edge that starts
there, -1 for removed or unused vertices. locked: (V,) bool, never removed. parents: (V, 2) int32 ends of the edge a
vertex was made on, -1 for those of the input."""


def make_table(vertices, faces, uv, uv_faces, targets, frozen) -> Table:
    """Build the table; edges of more than two faces and vertices of more than one fan are locked."""
    count = len(vertices)
    twin, crowded = _twins(faces, count)
    feature = twin < 0
    paired = np.flatnonzero(twin >= 0)
    start, end = uv_faces.ravel(), np.roll(uv_faces, -1, 1).ravel()
    other = twin[paired]
    feature[paired] = (start[paired] != end[other]) | (end[paired] != start[other])
    locked = np.zeros(count, bool)
    locked[faces[frozen]] = True
    ends = np.stack([faces, np.roll(faces, -1, 1)], -1).reshape(-1, 2)
    locked[ends[twin < 0]] = True
    outgoing = np.full(count, -1, np.int64)
    outgoing[faces.ravel()[::-1]] = np.arange(faces.size)[::-1]
    # Where edges have more than two faces or fans meet in a point the table is blind, so all about it stays.
    blind = _fans(faces, twin, outgoing) != np.bincount(faces.ravel(), minlength=count)
    blind[ends[crowded]] = True
    frozen = frozen | blind[faces].any(1)
    locked[faces[frozen]] = True
    return Table(
        np.array([count, len(faces), len(uv)], np.int64), faces.copy(), uv_faces.copy(), twin, feature,
        np.ones(len(faces), bool), frozen, np.arange(len(faces), dtype=np.int32), vertices.copy(), uv.copy(),
        targets.copy(), outgoing, locked, np.full((count, 2), -1, np.int32),
    )  # fmt: skip


def grown(table: Table, splits: int) -> Table:
    """Give the table with room for so many more splits."""
    vertices, faces, uvs = (int(n) for n in table.counts)
    return table._replace(
        faces=_room(table.faces, faces + 2 * splits, -1), uv_faces=_room(table.uv_faces, faces + 2 * splits, -1),
        twin=_room(table.twin, 3 * (faces + 2 * splits), -1),
        feature=_room(table.feature, 3 * (faces + 2 * splits), False),
        alive=_room(table.alive, faces + 2 * splits, False), frozen=_room(table.frozen, faces + 2 * splits, False),
        source=_room(table.source, faces + 2 * splits, -1), vertices=_room(table.vertices, vertices + splits, 0),
        uv=_room(table.uv, uvs + 2 * splits, 0), targets=_room(table.targets, vertices + splits, 0),
        outgoing=_room(table.outgoing, vertices + splits, -1), locked=_room(table.locked, vertices + splits, False),
        parents=_room(table.parents, vertices + splits, -1),
    )  # fmt: skip


def _room(array, size, fill):
    if len(array) >= size:
        return array
    out = np.full((size, *array.shape[1:]), fill, array.dtype)
    out[: len(array)] = array
    return out


def _twins(faces, count):
    """Pair opposite half-edges; (3F,) int64 and the (3F,) mask of those on edges of more than two faces."""
    start, end = faces.ravel().astype(np.int64), np.roll(faces, -1, 1).ravel().astype(np.int64)
    low, high = np.minimum(start, end), np.maximum(start, end)
    key = low * count + high
    order = np.argsort(key, kind="stable")
    key = key[order]
    first = np.flatnonzero(np.concatenate([[True], key[1:] != key[:-1]]))
    uses = np.diff(np.append(first, len(key)))
    twin = np.full(faces.size, -1, np.int64)
    pair = first[uses == 2]
    a, b = order[pair], order[pair + 1]
    opposite = start[a] == end[b]
    twin[a[opposite]], twin[b[opposite]] = b[opposite], a[opposite]
    crowded = np.zeros(faces.size, bool)
    crowded[order] = np.repeat(uses > 2, uses)
    crowded[a[~opposite]] = crowded[b[~opposite]] = True
    return twin, crowded


@nb.njit(cache=True)
def after(h):
    """The next half-edge of the same face."""
    return h - 2 if h % 3 == 2 else h + 1


@nb.njit(cache=True)
def before(h):
    """The previous half-edge of the same face."""
    return h + 2 if h % 3 == 0 else h - 1


@nb.njit(cache=True)
def ring(twin, first, out):
    """Write the half-edges that leave the start of `first` into `out`; returns their number and whether they close.

    The number is -1 where `out` is too short. Counter-clockwise; in an open fan, from one border to the other.
    """
    h = first
    n = 0
    while True:
        if n == len(out):
            return -1, False
        out[n] = h
        n += 1
        h = twin[before(h)]
        if h < 0:
            break
        if h == first:
            return n, True
    h = first
    while twin[h] >= 0:
        h = after(twin[h])
        if n == len(out):
            return -1, False
        for i in range(n, 0, -1):
            out[i] = out[i - 1]
        out[0] = h
        n += 1
    return n, False


@nb.njit(cache=True)
def _fans(faces, twin, outgoing):
    """Count the faces that can be reached about each vertex."""
    out = np.zeros(len(outgoing), np.int64)
    leaving = np.empty(MAX_VALENCE, np.int64)
    for v in range(len(outgoing)):
        if outgoing[v] >= 0:
            out[v] = ring(twin, outgoing[v], leaving)[0]
    return out


@nb.njit(cache=True)
def edge_length(table, h):
    """The length of a half-edge and its target, the mean of its ends'."""
    v, u = table.faces[h // 3, h % 3], table.faces[h // 3, after(h) % 3]
    return distance(table.vertices, v, u), 0.5 * (table.targets[v] + table.targets[u])


# Points are named by their place in an array below: passing slices is several times as slow.


@nb.njit(cache=True)
def distance(points, a, b):
    """The distance of two of (N, 3) points."""
    x, y, z = points[b, 0] - points[a, 0], points[b, 1] - points[a, 1], points[b, 2] - points[a, 2]
    return np.sqrt(x * x + y * y + z * z)


@nb.njit(cache=True)
def area_vector(points, a, b, c):
    """Twice the area of a triangle times its normal, as three numbers."""
    x0, x1, x2 = points[b, 0] - points[a, 0], points[b, 1] - points[a, 1], points[b, 2] - points[a, 2]
    y0, y1, y2 = points[c, 0] - points[a, 0], points[c, 1] - points[a, 1], points[c, 2] - points[a, 2]
    return x1 * y2 - x2 * y1, x2 * y0 - x0 * y2, x0 * y1 - x1 * y0


@nb.njit(cache=True)
def quality(points, a, b, c):
    """4 sqrt(3) area / sum of squared sides: 1 for the equilateral triangle, 0 for a degenerate one."""
    n0, n1, n2 = area_vector(points, a, b, c)
    squares = distance(points, a, b) ** 2 + distance(points, b, c) ** 2 + distance(points, c, a) ** 2
    return 2 * np.sqrt(3.0) * np.sqrt(n0 * n0 + n1 * n1 + n2 * n2) / max(squares, 1e-300)


@nb.njit(cache=True)
def signed_area(points, a, b, c):
    """Twice the signed area of a triangle in the plane."""
    x0, x1 = points[b, 0] - points[a, 0], points[b, 1] - points[a, 1]
    y0, y1 = points[c, 0] - points[a, 0], points[c, 1] - points[a, 1]
    return x0 * y1 - x1 * y0


@nb.njit(cache=True)
def unfolded(was, now):
    """Whether a signed area keeps its sign and some of its size; one of 0, as without texture, may become anything."""
    return was == 0 or was * now > 1e-3 * was * was
