"""End the neck where the views end."""

import dataclasses

import numpy as np
import scipy.sparse as sp
from scipy.sparse.csgraph import connected_components

from soaplib.head import HeadModel
from soaplib.head.laplacian import border_vertices
from soaplib.head.model import split_quads

_KEPT = ("face", "lids", "lips", "eye_sockets", "mouth_cavity", "ears")
_NEAR = 0.02  # pictures from the cut within which the new border is drawn onto it
_ROUNDS = 3


def trim_neck(
    head: HeadModel, vertices: np.ndarray, row: np.ndarray, cut: float
) -> tuple[HeadModel, np.ndarray, np.ndarray]:
    """Leave out what of a posed head (V, 3) lies below the cut, and draw the end onto it.

    row: (4,) world to rows of a picture, over its height; cut: the row where it ends, likewise. The face, the ears and
    all that is not skin stay. Returns the head without it, its vertices (V', 3), and which stay, (V,) bool.
    """
    depth = vertices @ row[:3] + row[3] - cut
    skin = head.part_vertices("skin")
    held = ~skin | np.any([head.region(name) > 0.5 for name in _KEPT if name in head.region_names], axis=0)
    held[head.faces[head.landmark_faces]] = True
    quads = head.quads
    loose = ~held[quads].any(1)
    keep = ~(loose & (depth[quads].mean(1) > 0))
    before = border_vertices(_skin_faces(quads, skin), len(vertices))
    for _ in range(_ROUNDS):  # a quad with all its corners on the new border would be drawn flat
        border = border_vertices(_skin_faces(quads[keep], skin), len(vertices)) & ~before
        keep &= ~(loose & border[quads].all(1))
        keep &= held[quads].any(1) | (_largest(quads, keep, len(vertices)))
    border = border_vertices(_skin_faces(quads[keep], skin), len(vertices)) & ~before
    moved = border & (np.abs(depth) < _NEAR)
    along = row[:3] / (row[:3] @ row[:3])
    stays = np.bincount(quads.ravel(), minlength=len(vertices)) == 0
    stays[quads[keep]] = True
    ended = vertices - np.where(moved, depth, 0)[:, None] * along
    return _without(head, keep, stays), ended[stays], stays


def _without(head, keep, stays):
    """The head of the quads `keep` and the vertices `stays` alone; no landmark lies on the others."""
    square = head.quads[:, 2] != head.quads[:, 3]
    place = np.cumsum(np.concatenate([keep, keep[square]])) - 1  # of triangles, in the order of `split_quads`
    used, uv_quads = np.unique(head.uv_quads[keep], return_inverse=True)
    return dataclasses.replace(
        head, template=head.template[stays], quads=(np.cumsum(stays) - 1)[head.quads[keep]].astype(np.int32),
        uv=head.uv[used], uv_quads=uv_quads.reshape(-1, 4).astype(np.int32), part=head.part[stays],
        regions=head.regions[stays], shape_basis=head.shape_basis[stays],
        expression_basis=head.expression_basis[stays], pose_basis=head.pose_basis[stays],
        joint_regressor=head.joint_regressor[:, stays], skin_weights=head.skin_weights[stays],
        landmark_faces=place[head.landmark_faces].astype(np.int32),
    )  # fmt: skip


def _skin_faces(quads, skin):
    faces = split_quads(quads)
    return faces[skin[faces].all(1)]


def _largest(quads, keep, count):
    """Tell which quads hang on the largest piece of those kept."""
    ends = quads[keep]
    sides = np.concatenate([ends[:, [0, 1]], ends[:, [1, 2]], ends[:, [2, 3]]])
    graph = sp.coo_matrix((np.ones(len(sides)), sides.T), shape=(count, count))
    label = connected_components(graph, directed=False)[1]
    return label[quads[:, 0]] == np.bincount(label[ends[:, 0]]).argmax()
