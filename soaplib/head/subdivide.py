"""Catmull-Clark subdivision as a binding: one sparse matrix that carries the whole rig to a finer mesh."""

import numpy as np
import scipy.sparse as sp

from soaplib.head.model import HeadModel


def subdivide(head: HeadModel) -> tuple[HeadModel, sp.csr_matrix]:
    """Subdivide a head once and return it with its binding (V', V), whose rows sum to 1.

    Catmull and Clark 1978: face points, edge points, and smoothed vertices; borders follow the cubic
    B-spline of the border curve. UVs are split at the middles and not smoothed, so the atlas keeps its seams.
    The first V of the V' vertices are the old ones.
    """
    binding, quads = catmull_clark(head.quads, len(head.template))
    uv, uv_quads = _split_uv(head.uv, head.uv_quads, head.quads)
    return head.bound(binding, quads, uv, uv_quads), binding


def catmull_clark(quads: np.ndarray, count: int) -> tuple[sp.csr_matrix, np.ndarray]:
    """Give the Catmull-Clark matrix (V', V) and the new quads (4Q, 4) for (Q, 4) quads on `count` vertices.

    A triangle (last corner repeated) counts as a three-sided face and gives three quads.
    """
    edges, edge_of_side = _edges(quads)
    faces = len(quads)
    sides = np.where(quads[:, 2] == quads[:, 3], 3, 4)
    valid = np.arange(4) < sides[:, None]
    face_of, corner = np.nonzero(valid)
    vertex_of = quads[face_of, corner]
    face_points = _matrix(face_of, vertex_of, 1 / sides[face_of], (faces, count))
    edge_of = edge_of_side[face_of, corner]
    used = np.bincount(edge_of, minlength=len(edges))
    ends = _matrix(
        np.repeat(np.arange(len(edges)), 2), edges.ravel(), np.full(edges.size, 0.5), (len(edges), count)
    )
    beside = _matrix(edge_of, face_of, 1 / used[edge_of], (len(edges), faces)) @ face_points
    inner = sp.diags((used == 2).astype(float))
    edge_points = inner @ (0.5 * ends + 0.5 * beside) + sp.diags((used != 2).astype(float)) @ ends
    vertex_points = _vertex_points(edges, used, face_of, vertex_of, face_points, ends, count)
    binding = sp.vstack([vertex_points, edge_points, face_points]).tocsr()
    binding.sum_duplicates()
    previous = edge_of_side[face_of, (corner - 1) % sides[face_of]]
    new = np.stack([vertex_of, count + edge_of, count + len(edges) + face_of, count + previous], 1)
    return binding, new.astype(np.int32)


def _vertex_points(edges, used, face_of, vertex_of, face_points, ends, count):
    """(F + 2R + (n-3)P) / n inside; (1, 6, 1) / 8 along borders; vertices of no face stay."""
    valence = np.bincount(edges.ravel(), minlength=count).astype(float)
    around_faces = np.maximum(np.bincount(vertex_of, minlength=count), 1)
    ring_faces = (
        _matrix(vertex_of, face_of, 1 / around_faces[vertex_of], (count, face_points.shape[0])) @ face_points
    )
    at = edges.ravel()
    edge_id = np.repeat(np.arange(len(edges)), 2)
    ring_edges = _matrix(at, edge_id, 1 / np.maximum(valence[at], 1), (count, len(edges))) @ ends
    border_edge = used[edge_id] == 1
    border_count = np.bincount(at[border_edge], minlength=count)
    is_border, is_free = border_count > 0, valence == 0
    n = np.maximum(valence, 3)
    keep = (~is_border & ~is_free).astype(float)
    smooth = sp.diags(keep / n) @ (ring_faces + 2 * ring_edges) + sp.diags(keep * (n - 3) / n)
    weight = 1 / np.maximum(border_count[at[border_edge]], 1)
    along = _matrix(at[border_edge], edge_id[border_edge], weight, (count, len(edges))) @ ends
    border = sp.diags(0.5 * is_border) @ along + sp.diags(0.5 * is_border)
    return smooth + border + sp.diags(is_free.astype(float))


def _edges(quads):
    """Unique undirected edges (E, 2) and the edge of each side (Q, 4); the empty side of a triangle is its first."""
    triangle = quads[:, 2] == quads[:, 3]
    following = np.roll(quads, -1, axis=1)
    following[triangle, 2] = quads[triangle, 0]
    sides = np.sort(np.stack([quads, following], -1), axis=-1)
    sides[triangle, 3] = sides[triangle, 0]
    edges, inverse = np.unique(sides.reshape(-1, 2), axis=0, return_inverse=True)
    return edges, inverse.reshape(quads.shape)


def _split_uv(uv, uv_quads, quads):
    """Split each UV face at its middles; the corner order is that of `catmull_clark`."""
    edges, edge_of_side = _edges(uv_quads)
    sides = np.where(quads[:, 2] == quads[:, 3], 3, 4)
    valid = np.arange(4) < sides[:, None]
    face_of, corner = np.nonzero(valid)
    centres = (uv[uv_quads] * valid[..., None]).sum(1) / sides[:, None]
    new_uv = np.concatenate([uv, uv[edges].mean(1), centres]).astype(np.float32)
    previous = edge_of_side[face_of, (corner - 1) % sides[face_of]]
    first, second = len(uv), len(uv) + len(edges)
    new = [
        uv_quads[face_of, corner],
        first + edge_of_side[face_of, corner],
        second + face_of,
        first + previous,
    ]
    return new_uv, np.stack(new, 1).astype(np.int32)


def _matrix(rows, columns, values, shape):
    return sp.csr_matrix((values, (rows, columns)), shape=shape)
