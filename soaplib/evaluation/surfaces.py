"""How far apart two surfaces are, as far as an eye could see them."""

import numba as nb
import numpy as np
import scipy.spatial
import torch

from soaplib.head.surface import closest_on_triangle
from soaplib.render import clip_positions, rasterize, vertex_normals

_SIZE = 384
_CANDIDATES = 24
_TURNED = 5e-3  # metres that a normal turned by 60 degrees counts as


def visible_faces(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Tell which triangles (F,) bool of a mesh are seen from outside: from any of 17 directions round about and above.

    Drawn by orthography at 384 x 384 pixels; layers of hair under other hair, or teeth behind lips, do not count. Not
    from below: heads are cut off there, and open.
    """
    seen = np.zeros(len(faces), bool)
    seen[_pixels(vertices, faces)[0]] = True
    return seen


def visible_points(vertices: np.ndarray, faces: np.ndarray, count: int) -> np.ndarray:
    """Spread (count, 3) points evenly over the pixels of the 17 pictures of `visible_faces`; fixed seed.

    What lies open counts in many pictures, what shows in a gap in few, and what is covered in none: hair is a heap
    of locks with three times the area that a head shows of it.
    """
    ids, shares = _pixels(vertices, faces)
    places = (np.arange(count) + np.random.default_rng(7).random(count)) / count * len(ids)
    chosen = np.minimum(places.astype(int), len(ids) - 1)
    return (np.asarray(vertices, np.float64)[faces[ids[chosen]]] * shares[chosen][..., None]).sum(1)


def chamfer(vertices, faces, true_vertices, true_faces, samples: int = 20000) -> float:
    """Give the symmetric Chamfer distance of two meshes ((V, 3), (F, 3) each), in their own unit.

    The mean of both mean distances from `visible_points` of one surface to the nearest point of the other
    surface (not to its vertices or samples, so that no density of points sets a floor). Give the faces that count:
    `visible_faces` of each.
    """
    there = distances(visible_points(vertices, faces, samples), true_vertices, true_faces)
    back = distances(visible_points(true_vertices, true_faces, samples), vertices, faces)
    return float((there.mean() + back.mean()) / 2)


def distances(points: np.ndarray, vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Give the distance (P,) of points (P, 3) to a mesh, tried on the 24 triangles with the nearest centres."""
    ids, weights = nearest_on(points, vertices, faces)
    nearest = (np.asarray(vertices, np.float64)[faces[ids]] * weights[..., None]).sum(1)
    return np.linalg.norm(nearest - points, axis=1)


def nearest_on(
    points: np.ndarray, vertices: np.ndarray, faces: np.ndarray, normals: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Give the triangle (P,) and barycentrics (P, 3) of the nearest point of a mesh, tried as for `distances`.

    normals: (P, 3) of the points, or None. With them near means alike in place and in normal: an opposite normal counts
    as 10 mm, so that a point on one lip is not matched to the other one, which it touches.
    """
    vertices = np.asarray(vertices, np.float64)
    triangles = np.ascontiguousarray(vertices[faces])
    if normals is None:
        own, theirs = np.zeros_like(points, np.float64), np.zeros_like(triangles)
    else:
        own, theirs = _TURNED * normals, _TURNED * mesh_normals(vertices, faces)[faces]
    tree = scipy.spatial.cKDTree(np.concatenate([triangles.mean(1), theirs.mean(1)], 1))
    near = tree.query(np.concatenate([points, own], 1), min(_CANDIDATES, len(faces)))[1].reshape(
        len(points), -1
    )
    return _nearest(
        np.ascontiguousarray(points, np.float64), triangles, near, own, np.ascontiguousarray(theirs)
    )


def mesh_normals(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Give the unit normals (V, 3) of a mesh's vertices."""
    return vertex_normals(torch.as_tensor(vertices), torch.as_tensor(faces)).numpy()


def _pixels(vertices, faces):
    """The triangle (P,) and the place on it, barycentrics (P, 3), that each pixel of 17 pictures sees."""
    centre = (vertices.min(0) + vertices.max(0)) / 2
    radius = np.linalg.norm(vertices - centre, axis=1).max()
    points = torch.as_tensor(vertices, dtype=torch.float32)
    ids, shares = [], []
    for direction in _directions():  # one by one: all at once would be 40 MB
        camera = torch.as_tensor(_towards(direction, centre, radius)[None], dtype=torch.float32)
        seen = rasterize(clip_positions(points, camera, (_SIZE, _SIZE)), faces, (_SIZE, _SIZE))[0].numpy()
        seen = seen[seen[..., 3] > 0]
        ids.append(seen[:, 3].astype(int) - 1)
        shares.append(np.column_stack([seen[:, :2], 1 - seen[:, :2].sum(1)]))
    return np.concatenate(ids), np.concatenate(shares).astype(np.float64)


def _directions():
    """Unit vectors to the faces, edges and corners of a cube, but for those below."""
    grid = np.array([(x, y, z) for x in (-1, 0, 1) for y in (0, 1) for z in (-1, 0, 1) if x or y or z], float)
    return grid / np.linalg.norm(grid, axis=1, keepdims=True)


def _towards(direction, centre, radius):
    """An orthographic camera that looks along -direction at a ball."""
    other = np.eye(3)[np.abs(direction).argmin()]
    right = np.cross(other, direction)
    right /= np.linalg.norm(right)
    camera = np.eye(4)
    scale = _SIZE / (2.02 * radius)
    camera[:3, :3] = scale * np.stack([right, -np.cross(direction, right), -direction])
    camera[:3, 3] = -camera[:3, :3] @ centre + [_SIZE / 2, _SIZE / 2, 0]
    return camera


@nb.njit(cache=True)
def _nearest(points, triangles, near, own, theirs):
    ids, weights = near[:, 0].copy(), np.full((len(points), 3), 1 / 3)
    for i in range(len(points)):
        best = np.inf
        for f in near[i]:
            t = triangles[f]
            w = closest_on_triangle(points[i], t)
            d = 0.0
            for k in range(3):
                d += (w[0] * t[0, k] + w[1] * t[1, k] + w[2] * t[2, k] - points[i, k]) ** 2
                n = theirs[f]
                d += (w[0] * n[0, k] + w[1] * n[1, k] + w[2] * n[2, k] - own[i, k]) ** 2
            if d < best:
                best, ids[i] = d, f
                weights[i, 0], weights[i, 1], weights[i, 2] = w
    return ids, weights
