"""Silhouettes of a mesh on the screen: which edges are, which pixels they part, and the way to them."""

import math

import numpy as np

from soaplib.render.kernels import ROW_TASKS, kernel, run_tasks

# How far before the first pixel's centre and behind the second's an edge may lie, to be met in spite of rounding.
_SLACK = 0.0625


def find_folds(corners, faces, edges) -> np.ndarray:
    """Return (B, F) uint8: bit i is set where the edge opposite a face's vertex i is a silhouette on the screen.

    corners: (B, V, 6), see `pixel_corners`. edges: (F, 3), see `mesh_edges`. A silhouette has no neighbour, or one
    that folds back, or one that is not drawn as it has no area or is not finite.
    """
    images, count = len(corners), len(faces)
    windings = np.zeros((count, 3), np.int8)
    run_tasks(_find_windings, ROW_TASKS, faces, edges, windings)
    signs, folds = np.empty((images, count), np.int8), np.empty((images, count), np.uint8)
    # Enough tasks for all threads when there is one image.
    parts = max(1, -(-ROW_TASKS // max(images, 1)))
    run_tasks(_find_signs, images * parts, parts, corners, faces, signs)
    run_tasks(_find_folds, images * parts, parts, edges, windings, signs, folds)
    return folds


@kernel
def _find_windings(task, tasks, faces, edges, windings):
    """Note 1 where the neighbour over an edge is wound as the face is, -1 where it is not, 0 where there is none."""
    for f in range(task * len(faces) // tasks, (task + 1) * len(faces) // tasks):
        for i in range(3):
            g = edges[f, i]
            if g >= 0:
                a, b = faces[f, (i + 1) % 3], faces[f, (i + 2) % 3]
                windings[f, i] = -1
                for k in range(3):
                    if faces[g, k] == b and faces[g, (k + 1) % 3] == a:
                        windings[f, i] = 1


@kernel
def _find_signs(task, tasks, parts, corners, faces, signs):
    b, part = task // parts, task % parts
    first, last = part * len(faces) // parts, (part + 1) * len(faces) // parts
    _find_signs_image(corners[b], faces, first, last, signs[b])


@kernel
def _find_signs_image(corners, faces, first, last, signs):
    for f in range(first, last):
        i, j, k = faces[f, 0], faces[f, 1], faces[f, 2]
        x, y = corners[i, 4], corners[i, 5]
        px, py, qx, qy = corners[j, 4] - x, corners[j, 5] - y, corners[k, 4] - x, corners[k, 5] - y
        side = px * qy - py * qx
        if side != side:
            side = _side_behind(corners, i, j, k)
        signs[f] = (side > 0) - (side < 0)


@kernel
def _side_behind(corners, i, j, k):
    """Return a number with the sign of a face's area where it is in front, for one that is partly behind."""
    if not (corners[i, 3] > 0 or corners[j, 3] > 0 or corners[k, 3] > 0):
        return 0.0
    x0, y0, w0 = corners[i, 0], corners[i, 1], corners[i, 3]
    x1, y1, w1 = corners[j, 0], corners[j, 1], corners[j, 3]
    x2, y2, w2 = corners[k, 0], corners[k, 1], corners[k, 3]
    return x0 * (y1 * w2 - y2 * w1) + x1 * (y2 * w0 - y0 * w2) + x2 * (y0 * w1 - y1 * w0)


@kernel
def _find_folds(task, tasks, parts, edges, windings, signs, folds):
    b, part = task // parts, task % parts
    for f in range(part * len(edges) // parts, (part + 1) * len(edges) // parts):
        flag = 0
        for i in range(3):
            g = max(edges[f, i], 0)
            if signs[b, f] * signs[b, g] * windings[f, i] <= 0:
                flag |= 1 << i
        folds[b, f] = flag


def mark_pairs(corners, faces, edges, folds, spans, height, width):
    """Mark neighbouring pixels between whose centres a silhouette passes, seen or hidden.

    Args:
        corners, faces, edges, folds: see `find_folds`. spans: (B, 2), the images' first and last + 1 faces.

    Returns:
        (B, H, W) uint8, bit 0 for a pixel and its right neighbour, bit 1 for it and the lower one; and
        (B, H) int32, how many bits each row has. Edges closer than 45 degrees to the pair's normal only.
    """
    marks = np.zeros((len(spans), height, width), np.uint8)
    counts = np.zeros((len(spans), height), np.int32)
    run_tasks(_mark, len(spans), corners, faces, edges, folds, spans, marks, counts)
    return marks, counts


@kernel
def _mark(task, tasks, corners, faces, edges, folds, spans, marks, counts):
    shared = task if len(corners) > 1 else 0
    _mark_image(
        corners[shared],
        faces,
        edges,
        folds[shared],
        spans[task, 0],
        spans[task, 1],
        marks[task],
        counts[task],
    )


@kernel
def _mark_image(corners, faces, edges, folds, first, last, marks, counts):
    height, width = marks.shape
    for f in range(first, last):
        if folds[f] == 0:
            continue
        for i in range(3):
            # Of two faces that share a silhouette the first marks it.
            if folds[f] >> i & 1 and not 0 <= edges[f, i] < f:
                ax, ay, bx, by = edge_ends(corners, faces[f, (i + 1) % 3], faces[f, (i + 2) % 3])
                if abs(by - ay) >= abs(bx - ax):
                    _mark_edge(ay, ax, by, bx, 0, height, width - 1, marks, counts)
                if abs(by - ay) <= abs(bx - ax):
                    _mark_edge(ax, ay, bx, by, 1, width, height - 1, marks, counts)


@kernel
def _mark_edge(a_across, a_along, b_across, b_along, axis, lines, pairs, marks, counts):
    """Mark the pairs that an edge passes; `across` counts the lines of pixels and `along` the pixels in them."""
    slope = (b_along - a_along) / (b_across - a_across)
    if not abs(slope) <= 1:
        return
    low, high = min(a_across, b_across) - 0.500001, max(a_across, b_across) - 0.499999
    for line in range(int(math.ceil(max(low, 0.0))), int(math.floor(min(high, lines - 1.0))) + 1):
        met = a_along + (line + 0.5 - a_across) * slope - 0.5
        for pair in (math.floor(met - _SLACK), math.floor(met + _SLACK)):
            if 0 <= pair < pairs:
                y, x = (int(pair), line) if axis else (line, int(pair))
                if not marks[y, x] >> axis & 1:
                    marks[y, x] |= 1 << axis
                    counts[y] += 1


@kernel
def edge_ends(corners, i, j):
    """Return the screen positions x, y of an edge's ends; an end behind the camera is moved just before it."""
    ax, ay, bx, by = corners[i, 4], corners[i, 5], corners[j, 4], corners[j, 5]
    if ax != ax and bx == bx:
        ax, ay = _before(corners, j, i)
    elif bx != bx and ax == ax:
        bx, by = _before(corners, i, j)
    return ax, ay, bx, by


@kernel
def _before(corners, i, j):
    w = 1e-6 * corners[i, 3]
    t = (corners[i, 3] - w) / (corners[i, 3] - corners[j, 3])
    x = corners[i, 0] + t * (corners[j, 0] - corners[i, 0])
    y = corners[i, 1] + t * (corners[j, 1] - corners[i, 1])
    return x / w, y / w


@kernel
def unfolded(edges, folds, here, there):
    """Say whether two faces meet in an edge that is no silhouette: the commonest case, told cheaply."""
    if here < 0 or there < 0:
        return False
    for i in range(3):
        if edges[here, i] == there:
            return not folds[here] >> i & 1
    return False


@kernel
def follow(corners, faces, edges, folds, face, fx, fy, axis, direction):
    """Walk over the surface from a pixel's centre to its neighbour's.

    Returns 3 face + edge of the silhouette met and the distance to it in [0, 1], or -1.
    """
    came_from = -1
    for _ in range(64):
        exit_edge, distance, steep = -1, -np.inf, False
        for i in range(3):
            if came_from >= 0 and edges[face, i] == came_from:
                continue
            ax, ay, bx, by = edge_ends(corners, faces[face, (i + 1) % 3], faces[face, (i + 2) % 3])
            along_a, across_a = (ay - fy, ax - fx) if axis else (ax - fx, ay - fy)
            along_b, across_b = (by - fy, bx - fx) if axis else (bx - fx, by - fy)
            if (across_a < 0) == (across_b < 0):
                continue
            met = direction * (along_a - across_a * (along_b - along_a) / (across_b - across_a))
            if met > distance:
                exit_edge, distance = i, met
                steep = abs(across_b - across_a) >= abs(along_b - along_a)
        if exit_edge < 0 or distance >= 1 + _SLACK:
            return -1, 0.0
        if folds[face] >> exit_edge & 1:
            if not steep or distance <= -_SLACK:
                return -1, 0.0
            return 3 * face + exit_edge, min(max(distance, 0.0), 1.0)
        came_from, face = face, edges[face, exit_edge]
    return -1, 0.0
