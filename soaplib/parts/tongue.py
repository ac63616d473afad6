"""The tongue: the head model's own, with a UV map and a picture of its own."""

import numpy as np

from soaplib.data import Part
from soaplib.head import HeadModel
from soaplib.parts.smoothstep import smoothstep

_SIZE = 256


def tongue_part(head: HeadModel) -> Part:
    """Take the tongue out of the head as a part "tongue", with the head's morphs and weights.

    Its UV is the view from above (u across, v from the root to the tip), the same above and below. The head is
    expected to come from `clear_mouth`, which keeps the tongue off teeth and lips.
    """
    ids = np.flatnonzero(head.part_vertices("tongue"))
    place = np.full(len(head.template), -1)
    place[ids] = np.arange(len(ids))
    faces = place[head.faces]
    faces = faces[(faces >= 0).all(1)]
    vertices = head.template[ids]
    low, high = vertices.min(0), vertices.max(0)
    uv = 0.02 + 0.96 * ((vertices - low) / np.maximum(high - low, 1e-9))[:, [0, 2]]
    morphs = np.ascontiguousarray(np.moveaxis(head.expression_basis[ids], -1, 0), np.float32)
    return Part(
        name="tongue", vertices=vertices.astype(np.float32), normals=_normals(vertices, faces),
        faces=faces.astype(np.int32), uv=uv.astype(np.float32), texture=tongue_texture(),
        skin_weights=head.skin_weights[ids].astype(np.float32), morphs=morphs, roughness=0.35,
    )  # fmt: skip


def tongue_texture() -> np.ndarray:
    """Paint the tongue as seen from above, tip up: (256, 256, 3) uint8, dark to the root, with a soft groove."""
    u, v = np.meshgrid((np.arange(_SIZE) + 0.5) / _SIZE, 1 - (np.arange(_SIZE) + 0.5) / _SIZE)
    across = 2 * u - 1
    rng = np.random.default_rng(7)
    waves = rng.uniform(-1, 1, (24, 2)) * 95
    phases = rng.uniform(0, 2 * np.pi, 24)
    buds = (
        np.cos(waves[:, 0, None, None] * u + waves[:, 1, None, None] * v + phases[:, None, None]).sum(0) / 8
    )
    root, tip = np.array([0.20, 0.06, 0.07]), np.array([0.76, 0.40, 0.39])
    t = smoothstep(0.2, 1.0, v)[..., None]
    colour = root * (1 - t) + tip * t
    groove = 1 - 0.22 * np.exp(-((across / 0.07) ** 2)) * smoothstep(1.0, 0.8, v)
    sides = 1 - 0.25 * smoothstep(0.55, 1.0, np.abs(across))
    colour = colour * (groove * sides * (1 + 0.05 * buds))[..., None]
    return (np.clip(colour, 0, 1) * 255 + 0.5).astype(np.uint8)


def _normals(vertices, faces):
    crossed = np.cross(
        vertices[faces[:, 1]] - vertices[faces[:, 0]], vertices[faces[:, 2]] - vertices[faces[:, 0]]
    )
    normals = np.zeros_like(vertices)
    for corner in range(3):
        np.add.at(normals, faces[:, corner], crossed)
    return (normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)).astype(np.float32)
