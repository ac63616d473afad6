"""Bind a deformed surface anew: outside the face to the points of the registered head on which it lies."""

import dataclasses

import numpy as np
import scipy.sparse as sp
import torch
from scipy.spatial import cKDTree

from soaplib.fitting.carried import FACE_REGIONS, frozen_faces
from soaplib.head import HeadModel
from soaplib.head.laplacian import uniform_laplacian
from soaplib.render import vertex_normals

_UPON, _AGREED = (
    4e-3,
    0.5,
)  # metres off the registered skin, and cosine of the normals, at which it is the same
_NEAREST, _AMONG = 3, 8
_FADE = 8  # rounds of diffusion over which old rows give way to new ones


def rebound(
    head: HeadModel, registered: np.ndarray, mesh: HeadModel, vertices: np.ndarray, carry: sp.csr_matrix
) -> tuple[HeadModel, sp.csr_matrix]:
    """Give the mesh with the rig, and the rows (V', V), by which a surface moves as the skin does that it lies on.

    head: with registered vertices (V, 3); mesh: the same remeshed, with deformed vertices (V', 3); carry: (V', V) from
    one to the other. A deformation drags skin along the surface, by centimetres under jaws and at temples; what moves
    there would be another place's. Vertices that lie upon the registered skin are bound to its nearest ones that face
    alike; the face, which keeps its topology, and hair, which lies off, stay as they are. Rows sum to 1.
    """
    skin = (
        head.part_vertices("skin") & (head.region("mouth_cavity") < 0.5) & (head.region("eye_sockets") < 0.5)
    )
    own, theirs = _normals(mesh, vertices), _normals(head, registered)
    kept = ~mesh.part_vertices("skin")
    kept[mesh.faces[frozen_faces(mesh, (*FACE_REGIONS, "ears"))]] = True
    free, source = np.flatnonzero(~kept), np.flatnonzero(skin)
    if not len(free):
        return mesh, carry
    far, near = cKDTree(registered[source]).query(vertices[free], k=_AMONG)
    near = source[near]
    alike = np.einsum("fka,fa->fk", theirs[near], own[free]) > _AGREED
    share = np.where(alike, 1 / (far + 1e-4) ** 2, 0)
    share[np.argsort(np.argsort(-share, axis=1, kind="stable"), axis=1, kind="stable") >= _NEAREST] = 0
    first = np.take_along_axis(near, share.argmax(1)[:, None], 1)[:, 0]
    off = np.abs(np.einsum("fa,fa->f", vertices[free] - registered[first], theirs[first]))
    upon = np.zeros(len(vertices))
    upon[free] = (off < _UPON) & (far.min(1) < 3 * _UPON) & alike.any(1)
    laplacian = uniform_laplacian(mesh.faces[mesh.part_vertices("skin")[mesh.faces].all(1)], len(vertices))
    degree, amount = np.maximum(laplacian.diagonal(), 1), np.where(kept, 1.0, upon)
    for _ in range(_FADE):
        amount = amount - 0.5 * (laplacian @ amount) / degree
    amount = np.where(alike.any(1), amount[free], 0)
    rows = share / np.maximum(share.sum(1, keepdims=True), 1e-12) * amount[:, None]
    new = sp.csr_matrix((rows.ravel(), (np.repeat(free, _AMONG), near.ravel())), shape=carry.shape)
    stay = np.ones(len(vertices))
    stay[free] = 1 - amount
    out = (sp.diags(stay) @ carry + new).tocsr()
    out.eliminate_zeros()

    def carried(attribute):
        return (
            (out @ attribute.reshape(len(attribute), -1))
            .reshape(-1, *attribute.shape[1:])
            .astype(attribute.dtype)
        )

    mesh = dataclasses.replace(
        mesh, template=carried(head.template), expression_basis=carried(head.expression_basis),
        skin_weights=carried(head.skin_weights),
    )  # fmt: skip
    return mesh, out


def _normals(head, vertices):
    faces = head.faces[head.part_vertices("skin")[head.faces].all(1)]
    return vertex_normals(torch.as_tensor(vertices), torch.as_tensor(faces)).numpy()
