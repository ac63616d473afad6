"""A synthetic person: a personal head model with eyes, lids, lips, teeth and tongue, from an identity's codes."""

import dataclasses

import numba as nb
import numpy as np

from soaplib.head import HeadModel
from soaplib.parts.eyes import Eyes
from soaplib.synthetic.base import Base, base
from soaplib.synthetic.eyeballs import eyes_piece, fit_balls
from soaplib.synthetic.identity import Identity, identity_vertices
from soaplib.synthetic.lids import clear_ball, follow, open_lids, settle
from soaplib.synthetic.lips import least_gaps, seal
from soaplib.synthetic.pieces import Piece
from soaplib.synthetic.proportions import proportion, style_flow
from soaplib.synthetic.sums import product

_SMOOTHINGS, _EVENINGS = 6, 7  # rounds


@dataclasses.dataclass(frozen=True, eq=False)
class Person:
    """One person in the neutral pose.

    head: a `HeadModel` with the topology of `load_head`: own template, 52 actions and joints, no shape basis; its
    eyeballs turn by the eye joints alone, never by actions. eyes: the eyeballs. pieces: "skin", "eyes", "teeth" and
    "tongue", the skin and the eyes without texture. normals: (V, 3) of the head's template. lip_gaps: what
    `soaplib.synthetic.lips.uncross` lets the lips keep.
    """

    identity: Identity
    head: HeadModel
    eyes: Eyes
    pieces: tuple[Piece, ...]
    normals: np.ndarray
    lip_gaps: np.ndarray

    @property
    def style(self) -> str:
        """One of `soaplib.synthetic.pieces.STYLES`."""
        return self.identity.style

    def piece(self, name: str) -> Piece:
        """Give a piece by its name; KeyError names the known ones."""
        for piece in self.pieces:
            if piece.name == name:
                return piece
        raise KeyError(f"Person.piece: no piece {name!r}; known: {', '.join(p.name for p in self.pieces)}")


def make_person(identity: Identity) -> Person:
    """Build a person; the same codes give the same bits. About 20 ms of one core, once everything is loaded."""
    shared = base()
    template = _smoothed(identity, shared) + shared.mouth_change
    joints = product(shared.head.joint_regressor, template)
    centres, radius, widths = fit_balls(shared.lids, template)
    actions = shared.head.expression_basis.astype(np.float64)
    for grid, centre in zip(shared.lids, centres, strict=True):
        settle(grid, template, centre, radius)
        open_lids(grid, template, centre, proportion(identity.warp, "opening"))
        template[grid.ball] = _as_ball(template[grid.ball], centre, radius)
    seal(shared.lips, template)
    for k, (grid, centre) in enumerate(zip(shared.lids, centres, strict=True)):
        follow(grid, template, actions, centre, radius, widths[k])
    joints[3:] = centres
    scale = 1.0
    if identity.warp:
        flow = style_flow(identity.warp, shared.head, template, centres, radius)
        joints, scale = flow.carry(joints, jacobians=False)[0], flow.eye_scale
        template, turns = flow.carry(template)
        template = _evened(template, shared)
        _turn_actions(actions, turns, turns[shared.lips.upper].mean((0, 1)), shared.mouth_actions)
        centres = joints[3:]
        for grid, centre in zip(shared.lids, centres, strict=True):
            clear_ball(grid, template, centre, radius * scale)
    eyes = Eyes(
        centres=centres, radii=np.repeat(radius * scale, 2), widths=widths * scale,
        iris_radius=np.minimum(identity.iris * widths * scale / 2, 0.85 * radius * scale),
    )  # fmt: skip
    shared.flesh.keep_inside(template, vertex_normals(template, shared.faces))
    walls = np.concatenate([shared.lips.inner_rows(), shared.flesh.walls])
    teeth = shared.teeth.carried(template, walls, shared.tongue.roots[:, 0])
    template32 = template.astype(np.float32)
    head = dataclasses.replace(
        shared.head, template=template32, expression_basis=actions.astype(np.float32),
        joint_regressor=_moved_regressor(shared, template32, joints),
    )  # fmt: skip
    normals = vertex_normals(template32, shared.faces)
    return Person(
        identity=identity, head=head, eyes=eyes, normals=normals,
        pieces=_pieces(shared, template, normals, eyes, teeth), lip_gaps=least_gaps(shared.lips, template),
    )  # fmt: skip


def _smoothed(identity: Identity, shared: Base) -> np.ndarray:
    """The person's raw head, peculiarities and relief of the face smoothed as far as the style says."""
    template = identity_vertices(identity)
    smooth, relief = (proportion(identity.warp, name) for name in ("smooth", "relief"))
    if smooth or relief:
        usual = shared.usual
        own = template - usual
        faired = own
        for _ in range(_SMOOTHINGS):
            faired = shared.smoothing @ faired
        template = template + smooth * (faired - own) + relief * (shared.rounded - usual)
    return template


def _evened(template: np.ndarray, shared: Base) -> np.ndarray:
    """Even out how a warped head differs from the mean one: where a warp squeezes skin it would leave folds."""
    move = template - shared.usual
    for _ in range(_EVENINGS):
        move = shared.smoothing @ move
    return shared.usual + move


def _as_ball(places, centre, radius):
    """The model's own eyeball, made as round as the fitted one."""
    off = places - (places.min(0) + places.max(0)) / 2
    return centre + off * (radius / np.linalg.norm(off, axis=1, keepdims=True))


def _moved_regressor(shared, template, joints):
    """Change each row by the least squares that puts its joint where it belongs, sums kept at 1."""
    out = shared.head.joint_regressor.astype(np.float64)
    for row, support, joint in zip(out, shared.joint_supports, joints, strict=True):
        system = np.concatenate([template[support].T.astype(np.float64), np.ones((1, len(support)))])
        error = np.append(joint - product(row, template), 1 - row.sum())
        row[support] += product(system.T, np.linalg.solve(product(system, system.T), error))
    return out.astype(np.float32)


def _pieces(shared, template, normals, eyes, teeth):
    """Skin, eyes, teeth and tongue of a head."""
    skin, tongue = (
        dataclasses.replace(
            piece, vertices=template[piece.roots[:, 0]].astype(np.float32), normals=normals[piece.roots[:, 0]]
        )
        for piece in (shared.skin, shared.tongue)
    )
    return skin, eyes_piece(shared.lids, eyes), teeth, tongue


@nb.njit(cache=True)
def _turn_actions(actions, turns, of_lips, whole):
    """Turn displacements (V, 3, E) by each vertex's Jacobian (V, 3, 3), in place.

    Actions of jaw and mouth (`whole`, (E,) bool) are turned by that of the lips all over: lips, teeth, cheeks and the
    walls of the mouth lie close on each other and move far, so they have to keep together.
    """
    for v in range(len(actions)):
        for k in range(actions.shape[2]):
            x, y, z = actions[v, 0, k], actions[v, 1, k], actions[v, 2, k]
            if x == 0 and y == 0 and z == 0:
                continue
            j = of_lips if whole[k] else turns[v]
            for c in range(3):
                actions[v, c, k] = j[c, 0] * x + j[c, 1] * y + j[c, 2] * z


@nb.njit(cache=True)
def vertex_normals(vertices, faces):
    """Area-weighted unit normals (V, 3) float32."""
    out = np.zeros((len(vertices), 3))
    for f in range(len(faces)):
        a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
        ux, uy, uz = (
            vertices[b, 0] - vertices[a, 0],
            vertices[b, 1] - vertices[a, 1],
            vertices[b, 2] - vertices[a, 2],
        )
        vx, vy, vz = (
            vertices[c, 0] - vertices[a, 0],
            vertices[c, 1] - vertices[a, 1],
            vertices[c, 2] - vertices[a, 2],
        )
        nx, ny, nz = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
        for i in (a, b, c):
            out[i, 0] += nx
            out[i, 1] += ny
            out[i, 2] += nz
    for i in range(len(out)):
        length = np.sqrt(out[i, 0] ** 2 + out[i, 1] ** 2 + out[i, 2] ** 2)
        if length > 0:
            out[i] /= length
    return out.astype(np.float32)
