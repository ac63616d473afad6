"""The head model of one person: the fitted surface with the whole rig carried along by the binding."""

import dataclasses

import numpy as np

from soaplib.data import Geometry
from soaplib.head import HeadModel, subdivide


def personal_head(head: HeadModel, geometry: Geometry) -> HeadModel:
    """Give a head model whose template is the fitted neutral surface; its shape basis is empty.

    Every attribute of the rig is `binding @ attribute`; expressions are scaled by the geometry's liveliness. Root, neck
    and jaw are where the geometry says; eyes follow their balls.
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
        joint_regressor=_with_joints(fine.joint_regressor, geometry),
        template=geometry.vertices.astype(np.float32),
        shape_basis=np.zeros((len(geometry.vertices), 3, 0), np.float32),
        expression_basis=fine.expression_basis * geometry.liveliness[:, None, None],
    )


def _with_joints(regressor, geometry):
    """Change the rows of root, neck and jaw by the least squares that put these joints in their places, sums kept."""
    out = regressor.astype(np.float64)
    for row, joint in zip(out[:3], geometry.joints, strict=False):
        support = np.flatnonzero(row)
        system = np.concatenate([geometry.vertices[support].T.astype(np.float64), np.ones((1, len(support)))])
        error = np.append(joint - row @ geometry.vertices, 1 - row.sum())
        row[support] += np.linalg.lstsq(system, error, rcond=None)[0]
    return out.astype(regressor.dtype)
