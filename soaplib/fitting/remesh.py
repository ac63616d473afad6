"""Remesh a surface to edge-length targets outside its frozen faces, and write how everything on it comes along."""

import dataclasses

import numba as nb
import numpy as np
import scipy.sparse as sp

from soaplib.fitting.surgery.collapse import collapse_edges, short_edges
from soaplib.fitting.surgery.flip import flip_edges
from soaplib.fitting.surgery.relax import slide
from soaplib.fitting.surgery.split import long_edges, split_edges
from soaplib.fitting.surgery.table import Table, grown, make_table

LONG, SHORT = 4 / 3, 4 / 5
"""An edge is split above and collapsed below these times its target (Botsch and Kobbelt 2004)."""

_WORST = 0.3  # the least quality that an operation may leave a triangle, unless it was worse: some 10 degrees
_BEND = 0.5  # the cosine of 60 degrees: by no more may a collapse or a flip turn a triangle
_OFF, _PASS = 0.25, 0.1  # how far, in targets, collapses and flips may leave the surface: ridges stay


@dataclasses.dataclass(frozen=True)
class Remeshed:
    """A remeshed surface and how it came from the old one.

    vertices: (V', 3); faces: (F', 3) int32; uv: (T', 2) and uv_faces: (F', 3) int32, or None where none were given.
    carry: (V', V) float64 CSR, rows sum to 1: every attribute of a vertex comes along as `carry @ attribute`, and a
    binding as `carry @ binding`. kept: (K,) the old vertices that are still there, ascending: they are the first K of
    the new ones, and their rows of `carry` hold a single 1. face_source: (F',) the old face that a face is, corner by
    corner, or -1; ascending where it is not -1. targets: (V',) the edge lengths asked for at the new vertices.
    """

    vertices: np.ndarray
    faces: np.ndarray
    uv: np.ndarray | None
    uv_faces: np.ndarray | None
    carry: sp.csr_matrix
    kept: np.ndarray
    face_source: np.ndarray
    targets: np.ndarray


def remesh(
    vertices: np.ndarray,
    faces: np.ndarray,
    targets: np.ndarray,
    frozen: np.ndarray,
    uv: np.ndarray | None = None,
    uv_faces: np.ndarray | None = None,
    rounds: int = 3,
    relax: int = 1,
) -> Remeshed:
    """Split, collapse and flip edges until their lengths fit the targets (V,), metres.

    vertices: (V, 3); faces: (F, 3), consistently oriented; frozen: (F,) bool, faces that keep corners, edges and
    order; uv, uv_faces: (T, 2), (F, 3), texture coordinates, whose seams are kept. In each of `rounds`, edges longer
    than 4/3 of their target (the mean of their ends') are halved, those shorter than 4/5 collapse onto one end, and
    flips make the rest Delaunay. Then, `relax` times, new vertices slide to the middle of the triangles about them.
    So every vertex that survives does so exactly, and all stay on the old surface as near as their targets ask.

    Refused is what would turn a triangle by more than 60 degrees, make a sliver, cut through a ridge or a tip, change
    the topology (link condition; Dey et al. 1999), fold the texture, or leave a seam or border. Borders keep
    their vertices and may gain some; seams may lose some where they are straight. All about edges with more than two
    faces stays. Deterministic. Raises ValueError for wrong shapes, and targets that are not positive.

    SOAP, section 3.2, with its collapses done (the published code discards them), flips added, and rows of the binding
    in place of a thousand numbers a vertex.
    """
    vertices, faces = np.asarray(vertices, np.float64), np.asarray(faces, np.int32)
    targets, frozen = np.asarray(targets, np.float64), np.asarray(frozen, bool)
    _check(vertices, faces, targets, frozen, uv, uv_faces)
    if uv is None:
        coordinates, uv_corners = np.zeros((len(vertices), 2)), faces
    else:
        coordinates, uv_corners = np.asarray(uv, np.float64), np.asarray(uv_faces, np.int32)
    table = make_table(vertices, faces, coordinates, uv_corners, targets, frozen)
    carry = sp.identity(len(vertices), format="csr")
    for _ in range(rounds):
        table = _round(table)
    for _ in range(relax):
        carry = _slid(table, _with_new(carry, table))
        flip_edges(table, _BEND, _PASS, 4)
    loose = np.bincount(faces.ravel(), minlength=len(vertices)) == 0
    return _packed(table, _with_new(carry, table), loose, uv)


def _check(vertices, faces, targets, frozen, uv, uv_faces):
    wanted = {
        "vertices": (vertices.shape, (len(vertices), 3)), "faces": (faces.shape, (len(faces), 3)),
        "targets": (targets.shape, (len(vertices),)), "frozen": (frozen.shape, (len(faces),)),
    }  # fmt: skip
    if uv is not None:
        wanted["uv_faces"] = (np.shape(uv_faces), (len(faces), 3))
    for name, (shape, expected) in wanted.items():
        if shape != expected:
            raise ValueError(f"remesh: expected {name} of shape {expected}, got {shape}")
    if not (np.isfinite(targets).all() and (targets > 0).all()):
        raise ValueError(
            "remesh: expected positive, finite targets, metres; give the longest where there is no demand"
        )


def _round(table: Table) -> Table:
    for _ in range(12):  # halving 12 times reaches 1/4096 of any edge
        edges = long_edges(table, LONG)
        table = grown(table, len(edges) + 1)
        done = split_edges(table, edges, LONG, _WORST)
        flip_edges(table, _BEND, _PASS, 1)
        if done <= table.counts[1] // 300:
            break
    for _ in range(4):
        edges = short_edges(table, SHORT)
        if collapse_edges(table, edges, SHORT, LONG, _WORST, _BEND, _OFF) <= table.counts[1] // 200:
            break
    flip_edges(table, _BEND, _PASS, 8)
    return table


def _with_new(carry, table):
    """Add the rows of the vertices made since: each the mean of its parents'."""
    first, count = carry.shape[0], int(table.counts[0])
    level = _levels(table.parents[:count], first)
    rows, place = carry, np.arange(count)
    for depth in range(1, int(level.max()) + 1):
        new = np.flatnonzero(level == depth)
        half = _mixture(place[table.parents[new]], np.full((len(new), 2), 0.5), rows.shape[0])
        place[new] = rows.shape[0] + np.arange(len(new))
        rows = sp.vstack([rows, half @ rows], format="csr")
    return rows[place]


@nb.njit(cache=True)
def _levels(parents, first):
    """How many splits after each other made a vertex, counted from the first `first` vertices."""
    level = np.zeros(len(parents), np.int64)
    for v in range(first, len(parents)):
        level[v] = 1 + max(level[parents[v, 0]], level[parents[v, 1]])
    return level


def _slid(table, carry):
    corners, weights = slide(table, _WORST, _BEND)
    return _mixture(corners, weights, len(corners)) @ carry


def _mixture(of, weights, count):
    """The matrix (N, count) that adds `of` (N, K) with `weights` (N, K)."""
    rows = np.repeat(np.arange(len(of)), of.shape[1])
    out = sp.csr_matrix((weights.ravel(), (rows, of.ravel())), shape=(len(of), count))
    out.eliminate_zeros()
    return out


def _packed(table, carry, loose, uv):
    """Leave out what was removed; vertices of no face are not the mesh's to remove."""
    count, first = carry.shape
    there = table.outgoing[:count] >= 0
    there[:first] |= loose
    rows, alive = np.flatnonzero(there), np.flatnonzero(table.alive)
    place = np.full(count, -1, np.int32)
    place[rows] = np.arange(len(rows), dtype=np.int32)
    carry = carry[rows]
    out_uv = out_corners = None
    if uv is not None:
        used, flat = np.unique(table.uv_faces[alive], return_inverse=True)
        out_uv = table.uv[used].astype(np.asarray(uv).dtype)
        out_corners = flat.reshape(-1, 3).astype(np.int32)
    return Remeshed(
        table.vertices[rows], place[table.faces[alive]], out_uv, out_corners, carry,
        rows[rows < first], table.source[alive], table.targets[rows],
    )  # fmt: skip
