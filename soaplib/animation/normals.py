"""How normals turn under each expression: what lit viewers need beside the moved positions."""

import numpy as np
import torch

from soaplib.data import Part
from soaplib.render import vertex_normals

SMALLEST_TURN = 0.05
"""Changes of a unit normal shorter than this (3 degrees) are left out."""


def morph_normals(part: Part) -> np.ndarray:
    """Give the changes (E, V, 3) float32 of a part's normals under each of its morphs at full strength, for glTF.

    Area-weighted normals of the moved surface less those of the resting one, both over the seams of its texture, where
    vertices are split: so the resting normals stay what the part says. 0 where a normal hardly turns.
    """
    _, welded = np.unique(part.vertices, axis=0, return_inverse=True)
    welded = welded.ravel()
    first = np.empty(welded.max(initial=-1) + 1, np.int64)
    first[welded[::-1]] = np.arange(len(welded))[::-1]
    faces = torch.as_tensor(welded[part.faces].astype(np.int32))

    def normals(vertices):
        own = torch.as_tensor(np.ascontiguousarray(vertices[first], np.float32))
        return vertex_normals(own, faces).numpy()

    rest = normals(part.vertices)
    out = np.zeros((len(part.morphs), *part.vertices.shape), np.float32)
    for change, morph in zip(out, part.morphs, strict=True):
        if morph.any():
            turned = normals(part.vertices + morph) - rest
            turned[(turned**2).sum(1) < SMALLEST_TURN**2] = 0
            change[:] = turned[welded]
    return out
