"""Between two levels of the deformation: put triangles where the views ask for them."""

import dataclasses

import numpy as np
import scipy.sparse as sp

from soaplib.fitting.carried import FACE_REGIONS, adapted_head, frozen_faces
from soaplib.fitting.edges import seen_error
from soaplib.fitting.energy import Energy, drawn_vertices
from soaplib.head import HeadModel

_TOLERATED = 8.0  # degrees between normals that ask for no other edge
_LEAST, _PIXELS, _LONGEST = 1.5e-3, 1.2, 12e-3  # of an edge: metres, pixels of the level to come, metres


def without_rig(head: HeadModel) -> HeadModel:
    """Give a head without what its surface can be deformed without, so that remeshing has little to carry along.

    Expressions and skin weights stay: they pose it. The rest is bound again at the end (`personal_head`).
    """
    return dataclasses.replace(
        head, shape_basis=head.shape_basis[..., :0], pose_basis=head.pose_basis[..., :0],
        joint_regressor=head.joint_regressor[:0],
    )  # fmt: skip


def adapt(
    head: HeadModel, vertices: np.ndarray, energy: Energy, triangles: int, ears: bool = True
) -> tuple[HeadModel, np.ndarray, sp.csr_matrix]:
    """Remesh a deformed head outside its face and its eyes, finer where its normals are off those of the views.

    vertices: (V, 3) where `head` has been deformed to; energy: of the level to come, for this head; triangles: about
    how many of all that the views can see there may be; ears: these keep their mesh too, as the face does. No edge
    becomes shorter than 1.2 pixels of that level.
    Returns the head on its new mesh, its vertices (V', 3), and the matrix (V', V) that carries everything else.
    """
    angles, ids = energy.angles(vertices)
    error = seen_error(angles / _TOLERATED, ids, energy.faces.numpy(), len(vertices))
    shortest = max(_LEAST, _PIXELS * 2 * energy.unit / energy.size)
    regions = (*FACE_REGIONS, "ears") if ears else FACE_REGIONS
    kept = (drawn_vertices(head)[head.faces].all(1) & frozen_faces(head, regions)).sum()
    new, remeshed = adapted_head(
        head, vertices, error, shortest, _LONGEST, regions, max(int(triangles - kept), 1)
    )
    return new, remeshed.vertices, remeshed.carry
