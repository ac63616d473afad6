"""A head of plain colours as pieces, with a cap of hair: what the drawing is tested on."""

import functools

import numpy as np
import torch

from soaplib.head import load_head
from soaplib.render import vertex_normals
from soaplib.synthetic.pieces import LABELS, Piece


@functools.cache
def made_up_pieces():
    """Give the base head's pieces (skin, eyes, hair), neutral."""
    head = load_head()
    skin = head.part_vertices("skin")
    colours = np.tile(np.array([0.82, 0.62, 0.53], np.float32), (len(head.template), 1))
    colours += head.region("lips")[:, None] * (np.array([0.72, 0.4, 0.4], np.float32) - colours)
    labels = np.full(len(head.faces), LABELS.index("skin"), np.uint8)
    for name, label in (("neck", "neck"), ("lips", "lips"), ("mouth_cavity", "mouth")):
        labels[(head.region(name) > 0.5)[head.faces].all(1)] = LABELS.index(label)
    pieces = [_piece("skin", head, skin, colours, labels, gloss=0.35)]
    for side in ("left_eye", "right_eye"):
        ball = head.part_vertices(side)
        front = head.template[:, 2] > head.template[ball, 2].max() - 0.006
        colours = np.tile(np.array([0.93, 0.92, 0.9], np.float32), (len(head.template), 1))
        colours[ball & front] = (0.3, 0.2, 0.12)
        labels = np.full(len(head.faces), LABELS.index("eyes"), np.uint8)
        labels[front[head.faces].all(1)] = LABELS.index("irises")
        pieces.append(_piece(side, head, ball, colours, labels, gloss=1.0))
    scalp = head.region("scalp") > 0.6
    colours = np.tile(np.array([0.25, 0.14, 0.08], np.float32), (len(head.template), 1))
    labels = np.full(len(head.faces), LABELS.index("hair"), np.uint8)
    hair = _piece("hair", head, scalp & skin, colours, labels, gloss=0.6, offset=0.012)
    down = np.array([0, -1, 0], np.float32) + 0.2 * hair.vertices / 0.1
    down -= (down * hair.normals).sum(1, keepdims=True) * hair.normals
    down /= np.maximum(np.linalg.norm(down, axis=1, keepdims=True), 1e-6)
    return (*pieces, Piece(**{**vars(hair), "strands": down.astype(np.float32), "double_sided": True}))


def _piece(name, head, kept, colours, labels, gloss, offset=0.0):
    faces = kept[head.faces].all(1)
    used = np.unique(head.faces[faces])
    place = np.full(len(head.template), -1, np.int32)
    place[used] = np.arange(len(used))
    vertices = head.template[used].astype(np.float32)
    normals = vertex_normals(torch.as_tensor(head.template), torch.as_tensor(head.faces)).numpy()[used]
    roots = np.repeat(used[:, None], 3, 1).astype(np.int32)
    weights = np.tile(np.array([1, 0, 0], np.float32), (len(used), 1))
    return Piece(
        name, vertices + offset * normals, normals.astype(np.float32), place[head.faces[faces]].astype(np.int32),
        labels[faces], colours[used].astype(np.float32), roots, weights, gloss=gloss,
    )  # fmt: skip
