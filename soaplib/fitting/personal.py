"""The head model of one person: the fitted surface with the whole rig carried along by the binding."""

import dataclasses

import numpy as np

from soaplib.data import Geometry
from soaplib.fitting.joints import resolved_regressor
from soaplib.fitting.transfer import personal_actions
from soaplib.head import HeadModel


def personal_head(head: HeadModel, geometry: Geometry) -> HeadModel:
    """Give a head model whose template is the fitted neutral surface; its shape basis is empty.

    Every attribute of the rig is `binding @ attribute`; actions are turned and scaled as the person's features are
    (`personal_actions`), and by the geometry's liveliness; the joint regressor is solved anew, so that the joints are
    the geometry's (`resolved_regressor`).
    Raises ValueError where the geometry was not made from this head model.
    """
    if geometry.binding.shape[1] != len(head.template):
        raise ValueError(
            f"personal_head: the geometry is bound to a head of {geometry.binding.shape[1]} vertices, this one has "
            f"{len(head.template)}; run the fitting again"
        )
    shapeless = dataclasses.replace(head, shape_basis=head.shape_basis[..., :0])
    bound = shapeless.bound(geometry.binding, geometry.quads, geometry.uv, geometry.uv_quads)
    regressor = resolved_regressor(head, geometry.binding, geometry.vertices, geometry.joints, strict=False)
    own = personal_actions(bound, geometry.vertices, geometry.liveliness.astype(np.float64))
    return dataclasses.replace(
        bound,
        template=geometry.vertices.astype(np.float32),
        expression_basis=own.astype(np.float32),
        joint_regressor=regressor.astype(np.float32),
    )
