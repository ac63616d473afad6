"""Points on a triangle mesh: the closest one to a place in space."""

import numba as nb
import numpy as np
import scipy.spatial


def closest_points(
    points: np.ndarray, vertices: np.ndarray, faces: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Find the closest surface point to each of (P, 3) points.

    Returns triangle ids (P,) int32 and barycentrics (P, 3) float32. Exact: triangles are tried in the order of
    their centres' distance until none that is left can be closer. Ericson, Real-Time Collision Detection, 5.1.5.
    """
    points = np.ascontiguousarray(points, np.float64)
    triangles = np.ascontiguousarray(np.asarray(vertices, np.float64)[faces])
    centres = triangles.mean(1)
    reach = float(np.linalg.norm(triangles - centres[:, None], axis=2).max())
    tree = scipy.spatial.cKDTree(centres)
    nearest = tree.query(points)[0]
    ids, weights = np.zeros(len(points), np.int32), np.zeros((len(points), 3), np.float32)
    for i, candidates in enumerate(tree.query_ball_point(points, nearest + reach)):
        found, weight = _closest(points[i : i + 1], triangles[candidates])
        ids[i], weights[i] = candidates[found[0]], weight[0]
    return ids, weights


@nb.njit(cache=True)
def _closest(points, triangles):
    ids = np.zeros(len(points), np.int32)
    weights = np.zeros((len(points), 3))
    for i in range(len(points)):
        best = np.inf
        for f in range(len(triangles)):
            w = closest_on_triangle(points[i], triangles[f])
            d = 0.0
            for k in range(3):
                q = w[0] * triangles[f, 0, k] + w[1] * triangles[f, 1, k] + w[2] * triangles[f, 2, k]
                d += (q - points[i, k]) ** 2
            if d < best:
                best, ids[i] = d, f
                weights[i, 0], weights[i, 1], weights[i, 2] = w
    return ids, weights


@nb.njit(cache=True, error_model="numpy")
def closest_on_triangle(p, t):
    """Give the barycentrics of the point of triangle t (3, 3) closest to p (3,); for use in other kernels.

    They may be NaN where two corners coincide.
    """
    ab, ac, ap = t[1] - t[0], t[2] - t[0], p - t[0]
    d1, d2 = np.dot(ab, ap), np.dot(ac, ap)
    if d1 <= 0 and d2 <= 0:
        return 1.0, 0.0, 0.0
    bp = p - t[1]
    d3, d4 = np.dot(ab, bp), np.dot(ac, bp)
    if d3 >= 0 and d4 <= d3:
        return 0.0, 1.0, 0.0
    vc = d1 * d4 - d3 * d2
    if vc <= 0 and d1 >= 0 and d3 <= 0:
        v = d1 / (d1 - d3)
        return 1 - v, v, 0.0
    cp = p - t[2]
    d5, d6 = np.dot(ab, cp), np.dot(ac, cp)
    if d6 >= 0 and d5 <= d6:
        return 0.0, 0.0, 1.0
    vb = d5 * d2 - d1 * d6
    if vb <= 0 and d2 >= 0 and d6 <= 0:
        w = d2 / (d2 - d6)
        return 1 - w, 0.0, w
    va = d3 * d6 - d5 * d4
    if va <= 0 and d4 - d3 >= 0 and d5 - d6 >= 0:
        w = (d4 - d3) / ((d4 - d3) + (d5 - d6))
        return 0.0, 1 - w, w
    total = va + vb + vc
    if total == 0:
        return 1.0, 0.0, 0.0
    return 1 - vb / total - vc / total, vb / total, vc / total
