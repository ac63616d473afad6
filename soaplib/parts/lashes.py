"""Eyelashes: a fringe along each upper lid that follows it, and lies over the lower one when the eye is closed."""

import numpy as np
import scipy.interpolate

from soaplib.data import Part
from soaplib.head import HeadModel
from soaplib.landmarks import LEFT_EYE, RIGHT_EYE
from soaplib.parts.eyes import Eyes

_LENGTH = 0.16  # of the width of the eye's opening, in the middle of the lid
_START = 0.05  # share of the lid, from the inner corner, that bears no lashes
_FANNED = 1.25  # closed, lashes are seen along more of their length: they lie on the cheek and do not curl
_LIFT = 7e-4  # metres off the skin
_ROWS = 4
_COLUMNS = 28
_STRANDS = 46
_SIZE = (96, 512)
_COLOUR = (26, 18, 15)


def lashes_part(head: HeadModel, eyes: Eyes) -> Part:
    """Grow the upper lashes of both eyes as a part "lashes" with a texture that is clear between the hairs.

    Each lash stands on the edge of the lid, where the landmarks of the upper lid lie. Open, it runs forward and curls
    up; in a full blink it points forward and down, and every action turns it by the share of a blink that it makes at
    its root. Morphs of the roots are those of the edge, so lashes never leave the lid.
    """
    names = list(head.expression_names)
    sides = []
    for k, (contour, side) in enumerate(((LEFT_EYE, "Left"), (RIGHT_EYE, "Right"))):
        upper = [*contour[8:], contour[0]]  # from the inner corner over the upper lid to the outer one
        sides.append(
            _fringe(head, upper, eyes.centres[k].astype(np.float64), names.index(f"eyeBlink{side}"), k)
        )
    vertices, morphs, weights, uv, faces = (np.concatenate(parts) for parts in zip(*sides, strict=True))
    faces[len(faces) // 2 :] += len(vertices) // 2
    return Part(
        name="lashes", vertices=vertices.astype(np.float32), normals=_forward(vertices, eyes),
        faces=faces.astype(np.int32), uv=uv.astype(np.float32), texture=lash_texture(),
        skin_weights=weights.astype(np.float32), morphs=np.ascontiguousarray(morphs.transpose(2, 0, 1), np.float32),
        roughness=0.9, alpha=True, double_sided=True,
    )  # fmt: skip


def _fringe(head, upper, centre, blink, k):
    """One eye's strip: vertices (N, 3), morphs (N, 3, E), skin weights (N, 5), UV (N, 2), faces (F, 3)."""
    corners = head.faces[head.landmark_faces[upper]]
    shares = head.landmark_weights[upper].astype(np.float64)

    def of(attribute):
        return np.einsum("lc,lc...->l...", shares, attribute[corners].astype(np.float64))

    places = of(head.template)
    along = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(places, axis=0), axis=1))])
    at = np.linspace(_START, 0.97, _COLUMNS)

    def on_lid(values):
        return scipy.interpolate.PchipInterpolator(along / along[-1], values)(at)

    root, moves, weights = on_lid(places), on_lid(of(head.expression_basis)), on_lid(of(head.skin_weights))
    length = _LENGTH * np.linalg.norm(places[-1] - places[0]) * (0.55 + 0.45 * np.sin(np.pi * at**1.3))
    closing = moves[:, :, blink]
    share = np.einsum("nke,nk->ne", moves, closing) / np.maximum((closing**2).sum(1), 1e-12)[:, None]
    share = np.clip(share, -0.3, 1.0)
    step = np.linspace(0, 1, _ROWS)
    opened = _lash(root - centre, step, length, 0.25, 0.85)
    closed = _lash(root + closing - centre, step, _FANNED * length, -0.75, -0.9)
    vertices = root[:, None] + _LIFT * _unit(root - centre)[:, None] + opened
    morphs = moves[:, None] + (closed - opened)[..., None] * share[:, None, None]
    uv = np.stack(np.broadcast_arrays(at[:, None], step[None]), -1)
    cell = np.arange((_COLUMNS - 1) * _ROWS).reshape(_COLUMNS - 1, _ROWS)[:, :-1].ravel()
    quads = np.stack([cell, cell + _ROWS, cell + _ROWS + 1, cell + 1], 1)
    quads = quads if k else quads[:, ::-1]
    faces = np.concatenate([quads[:, :3], quads[:, [0, 2, 3]]])
    flat = _COLUMNS * _ROWS
    return (vertices.reshape(flat, 3), morphs.reshape(flat, 3, -1), np.repeat(weights, _ROWS, 0),
            uv.reshape(flat, 2), faces)  # fmt: skip


def _lash(off, step, length, low, high):
    """Offsets (N, R, 3) along lashes whose slope against the ball's normal goes from `low` to `high` (up is 1)."""
    normal = _unit(off)
    up = _unit(np.array([0.0, 1.0, 0.0]) - normal[:, 1:2] * normal)
    slope = low + (high - low) * step[None, :]
    forward = np.sqrt(1 - slope**2)
    direction = forward[..., None] * normal[:, None] + slope[..., None] * up[:, None]
    pieces = direction * np.diff(step, prepend=0)[None, :, None]
    return np.cumsum(pieces, axis=1) * length[:, None, None]


def lash_texture() -> np.ndarray:
    """Paint the fringe: (96, 512, 4) uint8, roots at the bottom row, hairs that taper, lean outward and cross."""
    height, width = _SIZE
    rng = np.random.default_rng(11)
    v = (1 - (np.arange(height) + 0.5) / height)[:, None]
    u = ((np.arange(width) + 0.5) / width)[None, :]
    cover = np.clip(1.6 - v / 0.3, 0, 1) * np.ones_like(u)  # the dark line of the roots
    roots = np.linspace(0.0, 1.0, _STRANDS) + rng.uniform(-0.5, 0.5, _STRANDS) / _STRANDS
    for root, tip in zip(roots, rng.uniform(0.65, 1.0, _STRANDS), strict=True):
        lean = 0.05 * (root - 0.35) + rng.uniform(-0.012, 0.012)
        middle = root + lean * v**1.5
        half = 0.0042 * np.clip(1 - v / tip, 0, 1) ** 0.6
        cover = np.maximum(
            cover, np.clip(1.5 - np.abs(u - middle) / np.maximum(half, 1e-6), 0, 1) * (v < tip)
        )
    out = np.empty((height, width, 4), np.uint8)
    out[..., :3] = _COLOUR
    out[..., 3] = (np.clip(cover, 0, 1) * 255 + 0.5).astype(np.uint8)
    return out


def _forward(vertices, eyes):
    nearest = eyes.centres[(vertices[:, 0] < eyes.centres[:, 0].mean()).astype(int)]
    return _unit(vertices - nearest).astype(np.float32)


def _unit(v):
    return v / np.maximum(np.linalg.norm(v, axis=-1, keepdims=True), 1e-12)
