"""How long edges ought to be: what the views demand, what curvature demands, and a smooth grade between."""

import numba as nb
import numpy as np

_SHARE = 0.37  # the mean area of a triangle after `remesh`, in squares of its target (equilateral: 0.433)


def edge_targets(
    vertices: np.ndarray,
    faces: np.ndarray,
    error: np.ndarray,
    shortest: float,
    longest: float,
    frozen: np.ndarray | None = None,
    chord: float | None = None,
    growth: float = 0.35,
    budget: int | None = None,
) -> np.ndarray:
    """Control edge lengths by the error they leave; returns targets (V,), metres, for `remesh`.

    vertices: (V, 3); faces: (F, 3); error: (V,) >= 0 in units of what is tolerated, NaN where nothing is seen. The
    error of normals on flat triangles grows with their edges, so the target is the present length over the error,
    at most halved or doubled at once; what is not seen keeps its length. chord: metres by which edges may cut
    corners, which asks for sqrt(8 chord / curvature) or less (Dunyach et al. 2013), or None. All within [shortest,
    longest], but at frozen faces.

    frozen: (F,) bool; vertices of frozen faces have the mean length of their frozen edges. Targets then grow by at most
    `growth` metres for each metre along the edges, so that fine parts fade into coarse ones. budget: about how many
    triangles there may be outside the frozen ones; where more are asked for, all targets grow by one factor, up to
    `longest`; None for any number.
    Raises ValueError unless 0 < shortest <= longest and growth > 0.
    """
    if not (0 < shortest <= longest and growth > 0):
        raise ValueError(
            f"edge_targets: expected 0 < shortest <= longest and growth > 0, got {shortest}, {longest}, {growth}"
        )
    vertices, faces = np.asarray(vertices, float), np.asarray(faces)
    edges = _edges(faces)
    length = np.linalg.norm(vertices[edges[:, 0]] - vertices[edges[:, 1]], axis=1)
    count = len(vertices)
    present = _mean_at_ends(edges, length, count, (shortest + longest) / 2)
    change = np.where(np.isnan(error), 1.0, 1 / np.maximum(np.nan_to_num(error), 1e-6)).clip(0.5, 2)
    targets = present * change
    if chord is not None:
        targets = np.minimum(
            targets, np.sqrt(8 * chord / np.maximum(_curvature(vertices, faces, edges), 1e-9))
        )
    kept = np.zeros(len(faces), bool) if frozen is None else np.asarray(frozen, bool)
    inside = _edges(faces[kept])
    ends = np.unique(inside)
    own = np.linalg.norm(vertices[inside[:, 0]] - vertices[inside[:, 1]], axis=1)
    own = _mean_at_ends(inside, own, count, longest)[ends]
    areas = _areas(vertices, faces[~kept])

    def graded(factor):
        wanted = (factor * targets).clip(shortest, longest)
        wanted[ends] = own
        return _graded(wanted, edges, length, growth)

    factor, out = 1.0, graded(1.0)
    for _ in range(12):
        number = (areas / (_SHARE * out[faces[~kept]].mean(1) ** 2)).sum()
        if budget is None or number <= budget or factor * targets.min() > longest:
            break
        factor *= max(np.sqrt(number / budget), 1.02)
        out = graded(factor)
    return out


def seen_error(errors: np.ndarray, face_ids: np.ndarray, faces: np.ndarray, count: int) -> np.ndarray:
    """Gather what pixels say at the vertices: the mean over all pixels of the faces about each.

    errors: (N, H, W), NaN where a pixel is not to count; face_ids: (N, H, W) the face it sees, -1 for none;
    faces: (F, 3). Returns (count,), NaN at vertices that no pixel sees.
    """
    counts = (face_ids >= 0) & ~np.isnan(errors)
    seen = face_ids[counts]
    total = np.bincount(seen, errors[counts], len(faces))
    pixels = np.bincount(seen, minlength=len(faces)).astype(float)
    at = faces.ravel()
    total, pixels = np.bincount(at, total.repeat(3), count), np.bincount(at, pixels.repeat(3), count)
    return np.where(pixels > 0, total / np.maximum(pixels, 1), np.nan)


def _edges(faces):
    """(E, 2) edges, lower vertex first, in ascending order."""
    if len(faces) == 0:
        return np.zeros((0, 2), np.int64)
    ends = np.sort(faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), 1).astype(np.int64)
    span = ends.max() + 1
    return np.stack(np.divmod(np.unique(ends[:, 0] * span + ends[:, 1]), span), 1)


def _areas(vertices, faces):
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    return np.linalg.norm(np.cross(b - a, c - a), axis=1) / 2


def _mean_at_ends(edges, values, count, otherwise):
    total = np.bincount(edges.ravel(), values.repeat(2), count)
    number = np.bincount(edges.ravel(), minlength=count)
    return np.where(number > 0, total / np.maximum(number, 1), otherwise)


def _curvature(vertices, faces, edges):
    """The root mean square over the edges about a vertex of the curvature along them, 1/m; from their ends' normals."""
    corners = vertices[faces]
    normals = np.zeros_like(vertices)
    across = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    for axis in range(3):
        normals[:, axis] = np.bincount(faces.ravel(), across[:, axis].repeat(3), len(vertices))
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-30)
    along = vertices[edges[:, 1]] - vertices[edges[:, 0]]
    bend = ((normals[edges[:, 1]] - normals[edges[:, 0]]) * along).sum(1)
    square = (bend / np.maximum((along**2).sum(1), 1e-16)) ** 2
    return np.sqrt(_mean_at_ends(edges, square, len(vertices), 0.0))


@nb.njit(cache=True)
def _graded(targets, edges, length, growth):
    """Lower targets until none exceeds its neighbour's by more than growth times the edge between (Bellman-Ford)."""
    changed = True
    while changed:
        changed = False
        for way in range(2):
            for i in range(len(edges)):
                e = i if way == 0 else len(edges) - 1 - i
                a, b, most = edges[e, 0], edges[e, 1], growth * length[e]
                if targets[a] > targets[b] + most + 1e-12:
                    targets[a], changed = targets[b] + most, True
                elif targets[b] > targets[a] + most + 1e-12:
                    targets[b], changed = targets[a] + most, True
    return targets
