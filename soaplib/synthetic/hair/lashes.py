"""Eyelashes: a line along the lids with hairs, or the bold line of drawn heads."""

import dataclasses

import numpy as np

from soaplib.head import HeadModel
from soaplib.synthetic.hair.locks import unit
from soaplib.synthetic.pieces import LABELS, Piece

_UPPER = {
    "right": (133, 173, 157, 158, 159, 160, 161, 246, 33),
    "left": (362, 398, 384, 385, 386, 387, 388, 466, 263),
}
_LOWER = {"right": (155, 154, 153, 145, 144, 163, 7), "left": (382, 381, 380, 374, 373, 390, 249)}


@dataclasses.dataclass(frozen=True)
class Lashes:
    """Codes of the lashes. length: metres on the base head; lower: share of it on the lower lid; curl: upwards;
    wing: how much longer outwards; teeth: tips a lid shows, 0 for a plain line. colour: sRGB."""  # fmt: skip

    style: str
    seed: int
    length: float = 0.005
    lower: float = 0.3
    curl: float = 0.6
    wing: float = 0.4
    teeth: int = 12
    colour: tuple[float, float, float] = (0.08, 0.06, 0.06)


def draw_lashes(rng: np.random.Generator, style: str, masculine: float = 0.5) -> Lashes:
    """Draw lashes: longer on feminine faces; a bold line with a wing in anime."""
    made_up = rng.uniform() < 0.5 * (1 - masculine)
    length = {"realistic": 0.0042, "cartoon": 0.0055, "anime": 0.0045, "clay": 0.003}[style]
    length *= rng.uniform(0.7, 1.1) * (1.25 - 0.55 * masculine) * (1.3 if made_up else 1.0)
    lower = rng.choice([0.0, 0.2]) if style == "anime" else rng.uniform(0.0, 0.45)
    return Lashes(
        style, int(rng.integers(2**31)), float(length), float(lower), float(rng.uniform(0.3, 0.9)),
        float(rng.uniform(0.1, 0.6) * (1.3 if style == "anime" else 1.0)),
        int(rng.integers(9, 16)) if style in ("realistic", "cartoon") else 0,
        tuple(round(float(c), 3) for c in rng.uniform(0.03, 0.12) * np.array([1.2, 1.0, 0.95])),
    )  # fmt: skip


def grow_lashes(lashes: Lashes, head: HeadModel) -> Piece:
    """Grow lashes on the edges of a person's lids; they go with the lids."""
    rng = np.random.default_rng(lashes.seed)
    parts = []
    for side in ("left", "right"):
        for marks, share, up in ((_UPPER, 1.0, 1.0), (_LOWER, lashes.lower, -1.0)):
            if share > 0.05:
                parts.append(_fan(lashes, head, marks[side], side, share, up, rng))
    start, faces = 0, []
    for part in parts:
        faces.append(part[-1] + start)
        start += len(part[0])
    vertices, normals, strands, corners, weights = (
        np.concatenate([part[k] for part in parts]) for k in range(5)
    )
    faces = np.concatenate(faces).astype(np.int32)
    return Piece(
        "lashes", vertices.astype(np.float32), normals.astype(np.float32), faces,
        np.full(len(faces), LABELS.index("brows"), np.uint8),
        np.tile(np.float32(lashes.colour), (len(vertices), 1)), corners.astype(np.int32), weights.astype(np.float32),
        None, None, 0.05, strands.astype(np.float32), True,
    )  # fmt: skip


def _fan(lashes, head, marks, side, share, up, rng):
    """A strip of three rows along one lid: on its edge, halfway, at the tips."""
    template = np.asarray(head.template, np.float32)
    triangles = head.faces[head.landmark_faces[list(marks)]]
    bary = head.landmark_weights[list(marks)]
    edge = np.einsum("nkd,nk->nd", template[triangles], bary)
    fine = 49 if lashes.teeth > 6 else 25
    t = np.linspace(0, 1, fine)
    knots = np.linspace(0, 1, len(marks))
    line = np.stack([np.interp(t, knots, edge[:, k]) for k in range(3)], 1)
    for _ in range(2):
        line[1:-1] = 0.25 * line[:-2] + 0.5 * line[1:-1] + 0.25 * line[2:]
    scale = float(np.linalg.norm(edge[-1] - edge[0])) / (0.028 if up > 0 else 0.02)
    outward = 1.0 if side == "left" else -1.0
    tooth = np.ones(fine)
    if lashes.teeth:
        wave = np.abs(np.mod(t * lashes.teeth, 1.0) * 2 - 1)
        tooth = (0.35 + 0.65 * wave) * (1 + 0.15 * rng.normal(size=fine))
    profile = np.clip((0.25 if lashes.style != "anime" else 0.4) + 1.6 * t, 0, 1) * (1 + lashes.wing * t**3)
    if up > 0 and lashes.style != "anime":
        profile = profile * np.clip((1.03 - t) * 14, 0, 1)
    length = lashes.length * scale * share * profile * tooth
    forward = np.array([0.0, 0.0, 1.0])
    lift = np.array([0.0, up, 0.0])
    aside = np.array([outward, 0.0, 0.0])
    lean = (t - 0.35)[:, None] * 0.9 * aside
    first = unit(forward + 0.25 * lift + lean)
    last = unit((1 - 0.8 * lashes.curl) * forward + (0.3 + lashes.curl) * lift + 1.3 * lean)
    if lashes.style in ("anime", "clay"):
        # Drawn on the lid, not standing off it.
        first = last = unit(0.35 * forward + lift + 0.8 * lean)
    base = line + forward * (0.0006 * scale) + lift * (0.0002 * scale)
    halfway = base + 0.45 * length[:, None] * first
    tips = halfway + 0.55 * length[:, None] * last
    rows = np.stack([base, halfway, tips], 1)
    index = np.arange(fine * 3).reshape(fine, 3)
    a, b, c, d = index[:-1, :-1], index[1:, :-1], index[1:, 1:], index[:-1, 1:]
    faces = np.concatenate([np.stack([a, b, c], -1).reshape(-1, 3), np.stack([a, c, d], -1).reshape(-1, 3)])
    near = np.rint(t * (len(marks) - 1)).astype(int)
    corners, weights = np.repeat(triangles[near], 3, 0), np.repeat(bary[near], 3, 0)
    normals = np.tile(np.array([0.0, 0.2 * up, 1.0]) / np.hypot(1, 0.2), (fine * 3, 1))
    strands = np.repeat(unit(tips - base), 3, 0)
    return rows.reshape(-1, 3), normals, strands, corners, weights, faces
