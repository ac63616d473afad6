"""The head model of one person: the fitted surface with the whole rig carried along by the binding."""

import dataclasses

import numpy as np

from soaplib.data import Geometry
from soaplib.head import HeadModel, subdivide


def personal_head(head: HeadModel, geometry: Geometry) -> HeadModel:
    """Give a head model whose template is the fitted neutral surface; its shape basis is empty.

    Every attribute of the rig is `binding @ attribute`; expressions are scaled by the geometry's liveliness.
    Raises ValueError where the geometry was not made from this head model.
    """
    fine, binding = subdivide(head)
    if binding.shape != geometry.binding.shape:
        raise ValueError(
            f"personal_head: the geometry is bound to a head of {geometry.binding.shape[1]} vertices, this one has "
            f"{binding.shape[1]}; run the fitting again"
        )
    return dataclasses.replace(
        fine,
        template=geometry.vertices.astype(np.float32),
        shape_basis=np.zeros((len(geometry.vertices), 3, 0), np.float32),
        expression_basis=fine.expression_basis * geometry.liveliness[:, None, None],
    )
