"""A file of FLAME's shape, made from the default head: other vertices, other order, triangles, another identity."""

import numpy as np

from soaplib.head import load_head
from soaplib.head.model import split_quads


def flame_arrays(shapes: int = 12, expressions: int = 3) -> dict:
    """Give the arrays of a FLAME file: skin without tongue and teeth, slid along itself, mirrored ids, 3 % larger."""
    head = load_head()
    rng = np.random.default_rng(4)
    vertices = head.template + head.shape_basis[..., :20] @ (0.5 * rng.normal(size=20))
    quads = head.quads[head.part_vertices("skin", "left_eye", "right_eye")[head.quads].all(1)]
    turned = np.where(
        (rng.random(len(quads)) < 0.5)[:, None] & (quads[:, 2:3] != quads[:, 3:]), np.roll(quads, 1, 1), quads
    )
    used, flat = np.unique(turned, return_inverse=True)
    order = rng.permutation(len(used))
    place = np.argsort(order)
    faces = split_quads(place[flat.reshape(turned.shape)])
    vertices = vertices[used][order]
    mean = np.zeros_like(vertices)
    for k in range(3):
        np.add.at(mean, faces[:, k], vertices[faces[:, (k + 1) % 3]] + vertices[faces[:, (k + 2) % 3]])
    mean /= 2 * np.bincount(faces.ravel(), minlength=len(vertices))[:, None]
    slide = rng.uniform(0, 0.25, (len(vertices), 1)) * (head.part[used][order] == 0)[:, None]
    vertices = 1.03 * (vertices + slide * (mean - vertices)) + [0.002, -0.03, 0.01]
    regressor = head.joint_regressor[:, used][:, order].astype(np.float64)
    return {
        "v_template": vertices,
        "f": faces.astype(np.uint32),
        "shapedirs": rng.normal(size=(len(vertices), 3, shapes + expressions)) * 1e-3,
        "posedirs": rng.normal(size=(len(vertices), 3, 36)) * 1e-4,
        "J_regressor": regressor / regressor.sum(1, keepdims=True),
        "kintree_table": np.array([[4294967295, 0, 1, 1, 1], [0, 1, 2, 3, 4]], np.uint32),
        "weights": head.skin_weights[used][order].astype(np.float64),
    }
