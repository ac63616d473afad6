"""Eyeballs of a synthetic person: fitted between the lids, and drawn as two caps with a disc of UV each."""

import numpy as np

from soaplib.parts.eyes import CLEARANCE, Eyes, eye_rule
from soaplib.synthetic.lids import LidGrid
from soaplib.synthetic.pieces import LABELS, Piece
from soaplib.synthetic.sums import product

_ROUNDS = 5
_SECTORS = 28
_BACK = np.radians(115)  # the rest of the ball is never seen
_IRIS_RINGS, _WHITE_RINGS = 5, 9


def fit_balls(grids: tuple[LidGrid, LidGrid], template: np.ndarray) -> tuple[np.ndarray, float, np.ndarray]:
    """Fit two balls of one radius between the lids: centres (2, 3), radius, widths (2,) of the openings, metres.

    As `soaplib.parts.fit_eyes`: the margins lie on the balls, near SOAP's eye rule and the model's own eyeballs, and
    skin about the opening stays outside; here by a few rounds of Gauss and Newton. template: (V, 3) float64.
    """
    margins = [template[grid.rim] for grid in grids]
    widths = np.array([max(np.ptp(m[:, 0]), 1.25 * np.ptp(m[:, 1])) for m in margins])
    radius, depth = eye_rule(widths.mean())
    middles = np.array([
        np.append((m[:, :2].min(0) + m[:, :2].max(0)) / 2, m[:, 2].mean()) - [0, 0, depth] for m in margins
    ])  # fmt: skip
    own = [template[grid.ball] for grid in grids]
    own_middles = np.array([(p.min(0) + p.max(0)) / 2 for p in own])
    own_radius = np.mean([np.ptp(p, axis=0).mean() / 2 for p in own])
    outer = [template[grid.outside] for grid in grids]
    found = np.append(middles.ravel(), radius)
    for _ in range(_ROUNDS):
        system, right = np.zeros((7, 7)), np.zeros(7)
        for k in range(2):
            columns = [3 * k, 3 * k + 1, 3 * k + 2, 6]
            rows, errors = _rows(found[3 * k : 3 * k + 3], found[6], radius, margins[k], outer[k])
            pulls = np.concatenate([np.diag([1, 1, 0.3]), np.diag([0.3, 0.3, 0.1])]) / radius
            off = np.concatenate(
                [found[3 * k : 3 * k + 3] - middles[k], found[3 * k : 3 * k + 3] - own_middles[k]]
            )
            rows = np.concatenate([rows, np.column_stack([pulls, np.zeros(6)])])
            errors = np.concatenate([errors, pulls.sum(1) * off])
            system[np.ix_(columns, columns)] += product(rows.T, rows)
            right[columns] += product(rows.T, errors)
        for weight, target in ((0.5, radius), (0.15, own_radius)):
            system[6, 6] += (weight / radius) ** 2
            right[6] += (weight / radius) ** 2 * (found[6] - target)
        found = found - np.linalg.solve(system, right)
    return found[:6].reshape(2, 3), float(found[6]), widths


def _rows(centre, r, unit, margin, outer):
    """Rows (M, 4) of the Jacobian over centre and radius, and residuals (M,), of the margin and of skin in the ball."""
    off = margin - centre
    distance = np.linalg.norm(off, axis=1)
    error = (distance - r - CLEARANCE) / unit
    weight = 8 / np.sqrt(len(off)) / np.sqrt(1 + (error / 0.02) ** 2) / unit
    rows = -weight[:, None] * np.column_stack([off / distance[:, None], np.ones(len(off))])
    errors = 8 / np.sqrt(len(off)) * 0.02 * np.arcsinh(error / 0.02)
    away = outer - centre
    far = np.linalg.norm(away, axis=1)
    cut = (r + 3 * CLEARANCE - far) / unit
    inside = cut > 0
    weight = 6 / np.sqrt(len(off)) / unit
    out_rows = weight * np.column_stack([away[inside] / far[inside, None], np.ones(inside.sum())])
    return np.concatenate([rows, out_rows]), np.concatenate([errors, 6 / np.sqrt(len(off)) * cut[inside]])


def eyes_piece(grids: tuple[LidGrid, LidGrid], eyes: Eyes) -> Piece:
    """Build both eyeballs as the piece "eyes", looking straight ahead, white and without a texture.

    UV: Lambert's equal-area disc about the gaze for each eye (`soaplib.parts.eye_texture`), the left eye's square in
    the left half. Labels: irises within the iris radius, which is a ring of the mesh, else eyes.
    """
    parts = [_cap(eyes.radii[k], eyes.iris_radius[k]) for k in range(2)]
    directions = np.concatenate([part[0] for part in parts])
    count = len(parts[0][0])
    centres, radii = np.repeat(eyes.centres, count, 0), np.repeat(eyes.radii, count)[:, None]
    roots = np.repeat([[grid.ball[0]] * 3 for grid in grids], count, 0)
    weights = np.zeros((2 * count, 3), np.float32)
    weights[:, 0] = 1
    uv = np.concatenate([parts[0][2] * [0.5, 1], parts[1][2] * [0.5, 1] + [0.5, 0]])
    iris = len(parts[0][1]) - 2 * _SECTORS * _WHITE_RINGS
    labels = np.full(len(parts[0][1]), LABELS.index("eyes"), np.uint8)
    labels[:iris] = LABELS.index("irises")
    return Piece(
        name="eyes", vertices=(centres + radii * directions).astype(np.float32), normals=directions.astype(np.float32),
        faces=np.concatenate([parts[0][1], parts[1][1] + count]).astype(np.int32), labels=np.tile(labels, 2),
        colours=np.ones((2 * count, 3), np.float32), roots=roots.astype(np.int32), root_weights=weights,
        uv=uv.astype(np.float32), gloss=0.8,
    )  # fmt: skip


def _cap(radius, iris_radius):
    """The seen part of a unit ball about +z: directions (V, 3), faces (F, 3), those of the iris first, UV (V, 2)."""
    edge = np.arcsin(min(iris_radius / radius, 1))
    polar = np.concatenate([
        np.linspace(0, edge, _IRIS_RINGS + 1)[1:], np.linspace(edge, _BACK, _WHITE_RINGS + 1)[1:]
    ])  # fmt: skip
    angle = np.arange(_SECTORS) * 2 * np.pi / _SECTORS
    p, a = np.meshgrid(polar, angle, indexing="ij")
    directions = np.stack([np.sin(p) * np.cos(a), np.sin(p) * np.sin(a), np.cos(p)], -1).reshape(-1, 3)
    disc = np.sin(p / 2) / 2
    uv = 0.5 + np.stack([disc * np.cos(a), disc * np.sin(a)], -1).reshape(-1, 2)
    ids = 1 + np.arange(len(polar) * _SECTORS).reshape(len(polar), _SECTORS)
    after = np.roll(ids, -1, axis=1)
    tip = np.stack([np.zeros(_SECTORS, int), ids[0], after[0]], -1)
    quads = np.stack([ids[:-1], ids[1:], after[1:], after[:-1]], -1).reshape(-1, 4)
    faces = np.concatenate([tip, np.stack([quads[:, [0, 1, 3]], quads[:, [3, 1, 2]]], 1).reshape(-1, 3)])
    return np.concatenate([[[0, 0, 1.0]], directions]), faces, np.concatenate([[[0.5, 0.5]], uv])
