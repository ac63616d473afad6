"""Register the head model to a surface: who it is, how it moves and how it stands, told by shape."""

import dataclasses

import numpy as np
import scipy.sparse as sp
import torch
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from soaplib.data import Views
from soaplib.fitting.energy import seen_faces
from soaplib.fitting.initial import bounded_least_squares
from soaplib.fitting.normal_maps import NormalMaps
from soaplib.head import HeadModel
from soaplib.head.laplacian import factorised, uniform_laplacian
from soaplib.render import vertex_normals

_COUNT = 20.0  # neighbouring vertices err together: this many count as one
_NOISE = 1.5e-3  # metres
_FACING = 0.5  # cosine between normals below which points do not correspond
_ALONG = 0.2  # what a distance along the surface counts, over one off it
_WIDTHS = (0.02, 0.006)  # metres from which a distance is doubted, at first and at last
_HAIR, _HAIRY = 0.008, 0.03  # metres of hair over skin, and what counts there
_STEPS = 16
_BLURS = (
    8.0,
    8.0,
    6.0,
    5.0,
    4.0,
    3.0,
    3.0,
    2.0,
    2.0,
    2.0,
    2.0,
    2.0,
    1.5,
    1.5,
)  # pixels of 256, of the steps by normal maps
_DOUBTED = 0.5  # how much nearest points count there
_HELD, _FADE = ("mouth_cavity", "eye_sockets"), 15
_BENDS = (30.0, 10.0, 3.0, 1.0, 1.0)
_SURE = {"face": 1.0, "ears": 0.5, "neck": 0.3, "scalp": 0.2}


@dataclasses.dataclass(frozen=True, eq=False)
class Registered:
    """The head model on a surface: scale * (template + basis @ shape + actions @ expression) @ turn.T + shift."""

    shape: np.ndarray
    expression: np.ndarray
    scale: float
    turn: np.ndarray
    shift: np.ndarray

    @property
    def matrix(self) -> np.ndarray:
        """The similarity as (4, 4)."""
        out = np.eye(4)
        out[:3, :3], out[:3, 3] = self.scale * self.turn, self.shift
        return out

    def place(self, points: np.ndarray) -> np.ndarray:
        """Bring points (..., 3) of the model's world to the surface's."""
        return self.scale * points @ self.turn.T + self.shift

    def vertices(self, head: HeadModel) -> np.ndarray:
        """Give all vertices (V, 3) on the surface."""
        return self.place(
            head.template + head.shape_basis @ self.shape + head.expression_basis @ self.expression
        )


def register(
    head: HeadModel, vertices: np.ndarray, faces: np.ndarray, shape: np.ndarray, expression: np.ndarray,
    landmarks: tuple[np.ndarray, np.ndarray, np.ndarray, float] | None = None, bare: np.ndarray | None = None,
    free: np.ndarray | None = None, views: Views | None = None,
) -> Registered:  # fmt: skip
    """Find the shape (S,), expression (E,) and similarity whose head lies on a surface.

    vertices: (N, 3), faces: (F, 3) of the surface; shape, expression: where to start, near it. landmarks: camera
    (4, 4), pixels (478, 2), weights (478,) and the deviation of one in pixels. bare: (N,) how far the surface is skin,
    and not hair over it; free: (E,) which actions may be used; views: of the same head, in the surface's world.

    The nearest points whose normals agree correspond (Chen and Medioni 1992: distances count off the surface), and
    Gauss and Newton's steps solve for all unknowns at once, with the priors of the bases, bounds on the actions, and
    doubt of what lies far off (Geman and McClure). Nearest points let a head slide along itself; so with views more
    steps follow, in which the normal maps say where noses, lips and ears are (`NormalMaps`).
    """
    state = Registered(np.asarray(shape, float), np.asarray(expression, float), 1.0, np.eye(3), np.zeros(3))
    free = np.ones(len(state.expression), bool) if free is None else free
    weights = _sure(head)
    chosen = np.flatnonzero(weights > 0.02)
    weights = weights[chosen]
    skin = head.faces[head.part_vertices("skin")[head.faces].all(1)]
    surface = _Surface(vertices, faces, bare)
    whole = head.shape_basis.astype(float), head.expression_basis[:, :, free].astype(float)
    bases = [basis[chosen] for basis in whole]
    corners, share = head.faces[head.landmark_faces], head.landmark_weights.astype(float)

    def at(attribute):
        return np.einsum("lc,lc...->l...", share, attribute[corners].astype(float))

    mark_bases = at(head.shape_basis), at(head.expression_basis[:, :, free])
    maps = None if views is None else NormalMaps(views, head, chosen)
    for step, blur in enumerate((*[None] * _STEPS, *(_BLURS if views else ()))):
        width = _WIDTHS[0] * (_WIDTHS[1] / _WIDTHS[0]) ** min(1, step / (_STEPS - 4))
        local = head.template + head.shape_basis @ state.shape + head.expression_basis @ state.expression
        normals = _normals(local, skin)[chosen] @ state.turn.T
        points = state.place(local[chosen])
        goal, toward, fit, skin_there = surface.nearest(points, normals)
        left = goal - points - ((1 - skin_there) * _HAIR)[:, None] * toward
        doubt = (
            weights
            * fit
            * (_HAIRY + (1 - _HAIRY) * skin_there**2)
            * (width**2 / (width**2 + (left**2).sum(1))) ** 2
        )
        # rows: off the surface, and (lightly) along all axes
        frame = np.concatenate([toward[:, None], np.broadcast_to(_ALONG * np.eye(3), (len(points), 3, 3))], 1)
        frame = frame * np.sqrt(doubt / _COUNT)[:, None, None] / _NOISE
        slopes = _slopes(local[chosen], bases, state)
        rows = [np.einsum("nak,nkm->nam", frame, slopes).reshape(-1, slopes.shape[2])]
        right = [np.einsum("nak,nk->na", frame, left).ravel()]
        if landmarks is not None:
            camera, targets, known, deviation = landmarks
            places = at(local)
            seen = state.place(places) @ camera[:2, :3].T + camera[:2, 3]
            off = targets - seen
            robust = np.minimum(1, 2.5 * deviation / np.maximum(np.linalg.norm(off, axis=1), 1e-9))
            amount = np.sqrt(known * robust / 6.0)[:, None] / deviation
            by = np.einsum("ak,lkm->lam", camera[:2, :3], _slopes(places, mark_bases, state))
            rows.append((by * amount[..., None]).reshape(-1, by.shape[2]))
            right.append((off * amount).ravel())
        if blur:
            slopes = _slopes(local, whole, state)
            seen = maps.equations(state.place(local), slopes, weights * skin_there**2, blur)
            for part, equations in zip((rows, right), seen, strict=True):
                part[0] = part[0] * _DOUBTED
                part.append(equations * _COUNT**-0.5)
        state = _step(state, np.concatenate(rows), np.concatenate(right), free)
    return state


def _slopes(local, bases, state):
    """Derivatives (N, 3, M) of placed points by shape, expression, turn, log of the scale and shift."""
    linear = state.scale * state.turn
    turned = local @ linear.T
    x, y, z = turned.T
    o = np.zeros_like(x)
    turns = np.stack([np.stack([o, -z, y], 1), np.stack([z, o, -x], 1), np.stack([-y, x, o], 1)], 2)
    shifts = np.broadcast_to(np.eye(3), (len(local), 3, 3))
    moves = [np.einsum("ab,nbm->nam", linear, basis) for basis in bases]
    return np.concatenate([*moves, turns, turned[..., None], shifts], 2)


def _step(state, rows, right, free):
    count, actions = len(state.shape), int(free.sum())
    now = np.concatenate([state.shape, state.expression[free], np.zeros(7)])
    prior = np.concatenate([np.ones(count), np.full(actions, 2.0), np.full(7, 1e-6)])
    low = np.concatenate([np.full(count, -3.0), np.zeros(actions), np.full(7, -np.inf)])
    high = np.concatenate([np.full(count, 3.0), np.ones(actions), np.full(7, np.inf)])
    solved = bounded_least_squares(
        np.concatenate([rows, np.diag(prior)]),
        np.concatenate([right + rows @ now, np.zeros(len(now))]),
        low,
        high,
    )
    expression = np.zeros(len(free))
    expression[free] = solved[count : count + actions]
    turn, log_scale, shift = solved[-7:-4], solved[-4], solved[-3:]
    turn = Rotation.from_rotvec(turn / max(1, np.linalg.norm(turn) / 0.3)).as_matrix()
    log_scale = np.clip(log_scale, -0.2, 0.2)
    # the turn and the scale are about the origin, as the slopes are: the old shift stays
    return Registered(
        solved[:count], expression, state.scale * np.exp(log_scale), turn @ state.turn, state.shift + shift
    )


def settle(head: HeadModel, registered: np.ndarray, vertices: np.ndarray, trust: np.ndarray) -> np.ndarray:
    """Slide the face of a deformed head (V, 3) along itself to where its registered vertices (V, 3) belong.

    trust: (V,) how far each vertex is skin that is seen. Gradients of pictures move vertices along a surface as
    readily as off it, and actions with them. So the registered head is bent onto the surface with the least bending
    (bi-Laplacian) that takes points onto the planes of their nearest ones, ever less stiff; along the surface nothing
    pulls (Amberg, Romdhani and Vetter 2007, with one scalar system for a step). The face takes these places;
    all else stays.
    """
    skin = head.faces[head.part_vertices("skin")[head.faces].all(1)]
    surface, laplacian = _Surface(vertices, seen_faces(head)), uniform_laplacian(skin, len(vertices))
    weights, bending = _sure(head) * trust, laplacian.T @ laplacian
    out = registered
    for stiffness in _BENDS:
        goal, toward, fit, _ = surface.nearest(out, _normals(out, skin))
        off = np.einsum("va,va->v", goal - out, toward)
        width = _WIDTHS[1]
        doubt = weights * fit * (width**2 / (width**2 + off**2)) ** 2
        system = stiffness * bending + sp.diags(doubt + 1e-4)
        right = doubt[:, None] * (out + off[:, None] * toward - registered)
        out = registered + factorised(system).solve(right)
    held = sum(head.region(name) for name in _HELD if name in head.region_names)
    share = (head.region("face") > 0.5) * head.part_vertices("skin") * (held < 0.3) * 1.0
    degree = np.maximum(laplacian.diagonal(), 1)
    for _ in range(_FADE):
        share = share - 0.5 * (laplacian @ share) / degree
    return vertices + (share * trust)[:, None] * (out - vertices)


def _sure(head):
    """How far the place of each vertex (V,) tells how the head stands."""
    weights = sum(share * head.region(name) for name, share in _SURE.items() if name in head.region_names)
    hidden = (head.region("mouth_cavity") > 0.5) | (head.region("eye_sockets") > 0.5)
    return weights * head.part_vertices("skin") * ~hidden


class _Surface:
    """Nearest vertices of a mesh, those that face the same way."""

    def __init__(self, vertices, faces, bare=None):
        used = np.unique(faces)
        self.vertices, self.normals = vertices[used], _normals(vertices, faces)[used]
        self.bare = np.ones(len(used)) if bare is None else bare[used]
        self.tree = cKDTree(self.vertices)

    def nearest(self, points, normals):
        """Goals (N, 3), their normals (N, 3), how well these agree (N,), and how bare they are (N,)."""
        far, near = self.tree.query(points, k=6)
        agree = np.einsum("nka,na->nk", self.normals[near], normals)
        best = np.argmin(far * (1 + 4 * np.clip(1 - agree, 0, 1)), axis=1)
        row = np.arange(len(points))
        chosen = near[row, best]
        fit = np.clip((agree[row, best] - _FACING) / (1 - _FACING), 0, 1)
        return self.vertices[chosen], self.normals[chosen], fit, self.bare[chosen]


def _normals(vertices, faces):
    return vertex_normals(torch.as_tensor(vertices), torch.as_tensor(faces)).numpy()
