"""A head model on a remeshed surface: which of its faces stay, its rig carried along, and both in one step."""

import dataclasses

import numpy as np

from soaplib.fitting.edges import edge_targets
from soaplib.fitting.joints import resolved_regressor
from soaplib.fitting.remesh import Remeshed, remesh
from soaplib.head import HeadModel
from soaplib.head.model import split_quads

FACE_REGIONS = ("face", "lids", "lips", "eye_sockets", "mouth_cavity")
"""What keeps its topology. Ears may be added where no hair lies over them."""

_CHORD = 3e-4


def adapted_head(
    head: HeadModel,
    vertices: np.ndarray,
    error: np.ndarray,
    shortest: float = 2.5e-3,
    longest: float = 12e-3,
    regions: tuple[str, ...] = FACE_REGIONS,
    budget: int | None = None,
) -> tuple[HeadModel, Remeshed]:
    """Remesh a deformed head to where its error is, and carry the rig along.

    vertices: (V, 3) where `head` has been deformed to; error: (V,) as for `edge_targets`, as from `seen_error`;
    shortest, longest: metres of an edge (a pixel and a half is a good least), chords at most 0.3 mm deep;
    regions: what stays (`frozen_faces`); budget: about how many triangles there may be outside of that.
    Returns the head on the new mesh and the `Remeshed`, whose `carry` takes along everything else (moments, start).
    """
    frozen = frozen_faces(head, regions)
    faces = head.faces
    targets = edge_targets(vertices, faces, error, shortest, longest, frozen, _CHORD, budget=budget)
    remeshed = remesh(vertices, faces, targets, frozen, head.uv, split_quads(head.uv_quads))
    return carried_head(head, remeshed), remeshed


def frozen_faces(head: HeadModel, regions: tuple[str, ...] = FACE_REGIONS) -> np.ndarray:
    """Tell which triangles (F,) of `head.faces` keep their topology: the face, the eyes, and all that is not skin.

    A quad is frozen as a whole where one corner belongs to one of the `regions` by more than a half, or carries a
    landmark. Regions that the head does not have are left out.
    """
    kept = ~head.part_vertices("skin")
    for name in set(regions) & set(head.region_names):
        kept |= head.region(name) > 0.5
    kept[head.faces[head.landmark_faces]] = True
    quads = kept[head.quads].any(1)
    return np.concatenate([quads, quads[head.quads[:, 2] != head.quads[:, 3]]])


def carried_head(head: HeadModel, remeshed: Remeshed) -> HeadModel:
    """Carry the whole rig to what `remesh` made of `head.faces`, with its UVs (`uv=head.uv`).

    Every attribute is `carry @ attribute`: exact where a vertex was kept. Quads that stayed are quads again, landmarks
    keep their places in their triangles, and the joint regressor is solved anew.

    Raises ValueError where no UVs were remeshed, or a landmark's face was: freeze it (`frozen_faces`).
    """
    if remeshed.uv is None:
        raise ValueError(
            "carried_head: expected a mesh with UVs; give `remesh` the head's uv and split_quads(uv_quads)"
        )
    carry = remeshed.carry

    def carried(attribute):
        flat = carry.astype(attribute.dtype) @ attribute.reshape(len(attribute), -1)
        return flat.reshape(carry.shape[0], *attribute.shape[1:])

    quads, uv_quads, place = _quads(head, remeshed)
    landmark_faces = place[head.landmark_faces]
    if (landmark_faces < 0).any():
        raise ValueError(
            f"carried_head: the faces of {(landmark_faces < 0).sum()} landmarks were remeshed; expected them frozen, "
            "as `frozen_faces` says"
        )
    template = carried(head.template)
    joints = head.joint_regressor @ head.template
    regressor = resolved_regressor(head, carry, template, joints).astype(head.joint_regressor.dtype)
    part = head.part[carry.indices[carry.indptr[:-1]]]  # no edge joins two parts, so one parent tells
    return dataclasses.replace(
        head, template=template, quads=quads, uv=remeshed.uv, uv_quads=uv_quads, part=part,
        regions=carried(head.regions), shape_basis=carried(head.shape_basis),
        expression_basis=carried(head.expression_basis), pose_basis=carried(head.pose_basis), joint_regressor=regressor,
        skin_weights=carried(head.skin_weights), landmark_faces=landmark_faces,
    )  # fmt: skip


def _quads(head, remeshed):
    """The quads that stayed, then the rest as triangles; their UVs; and where each old triangle went, or -1."""
    count = len(head.quads)
    square = head.quads[:, 2] != head.quads[:, 3]
    second = np.full(count, -1)
    second[square] = count + np.arange(square.sum())
    now = np.full(count + square.sum(), -1)
    same = remeshed.face_source >= 0
    now[remeshed.face_source[same]] = np.flatnonzero(same)
    whole = np.flatnonzero((now[:count] >= 0) & (~square | (now[second] >= 0)))
    first, other = now[whole], now[np.where(square, second, np.arange(count))[whole]]
    single = np.setdiff1d(np.arange(len(remeshed.faces)), np.concatenate([first, other]))

    def joined(faces):
        return np.concatenate([np.c_[faces[first], faces[other, 2]], faces[single][:, [0, 1, 2, 2]]]).astype(
            np.int32
        )

    place = np.full(len(now), -1, np.int32)
    place[whole] = np.arange(len(whole))
    halves = whole[square[whole]]
    place[second[halves]] = len(whole) + len(single) + np.arange(len(halves))
    return joined(remeshed.faces), joined(remeshed.uv_faces), place
