"""Lids of a synthetic person: they rest on the eyeballs, open as wide as the style wants, and close over them."""

import dataclasses

import numba as nb
import numpy as np
from scipy.spatial import cKDTree

from soaplib.head import HeadModel
from soaplib.parts.eyes import CLEARANCE, Eyes
from soaplib.parts.polar import cartesian, curve, polar
from soaplib.parts.rims import eye_rims
from soaplib.parts.rings import Rings, rings_around
from soaplib.parts.smoothstep import smoothstep
from soaplib.synthetic.people.sums import product

SIDES = ("Left", "Right")
_MIDDLES = ((1 / 3, 1 / 3, 1 / 3), (0.5, 0.5, 0.0), (0.0, 0.5, 0.5), (0.5, 0.0, 0.5))
_LID_ACTIONS = ("eyeSquint", "eyeWide", "eyeLookIn", "eyeLookOut", "eyeLookUp", "eyeLookDown")
_SOCKET_ROOM = 0.03
_EDGE_RINGS = 12
_UPPER_INNER, _LOWER_INNER = (
    (8, 2),
    (2, 0),
)  # rings of the socket: none goes along in a blink from the one, all up to
_FACE_ROUNDS = 4
_LOWER_SHARE = 0.15
_MAX_TRAVEL = np.radians(40)
_PATH_SPARE = 1.5e-4
_MOST_UP, _MOST_DOWN = np.radians(50), np.radians(-42)  # where margins may stand, seen from the ball's centre
_SPAN = 0.75  # radians of skin beyond a margin that give way where the eye opens wider


@dataclasses.dataclass(frozen=True)
class LidGrid:
    """One eye's lids, as they are on every head: the mesh about an eye is a grid of rings around its opening.

    rings: (K, S) vertices, from the rim outwards up to the visible edge; sectors run from the inner corner over the
    upper lid and back. upper, lower: sectors from corner to corner. ids: (N,) all vertices near, with weights spread
    (N, S), of sum 1, and falloff (N,) by which the rim's motion carries them; along: (N, 2 S) how far each goes with
    the edge's sectors, and the rim's, in a blink. above: (N,) 1 on the upper side, 0 on the lower one. depth: (N,)
    rings into the socket, 0 outside. faces: (F, 3) of the skin near, without the socket. outside: (O,) skin about
    the opening. ball: the eyeball's vertices. blink, lid_actions: columns of the expression basis. width: of the
    opening on the default head.
    """

    ball: np.ndarray
    faces: np.ndarray
    rings: np.ndarray
    upper: np.ndarray
    lower: np.ndarray
    ids: np.ndarray
    spread: np.ndarray
    falloff: np.ndarray
    along: np.ndarray
    above: np.ndarray
    depth: np.ndarray
    outside: np.ndarray
    blink: int
    lid_actions: np.ndarray
    width: float

    @property
    def rim(self) -> np.ndarray:
        """(S,) the vertices of the lid margin."""
        return self.rings[0]

    def floor(self, radius: float) -> np.ndarray:
        """The least distance (N,) of `ids` from the ball's centre; the hidden socket keeps more room."""
        return radius + CLEARANCE + _SOCKET_ROOM * radius * np.clip(self.depth / 4, 0, 1)


def lid_grids(head: HeadModel, eyes: Eyes) -> tuple[LidGrid, LidGrid]:
    """Read the grids, left eye first, off a head whose lids fit `eyes`."""
    return tuple(_grid(head, eyes, k, rim) for k, rim in enumerate(eye_rims(head)))


def _grid(head, eyes, k, rim):
    template = head.template.astype(np.float64)
    rings = rings_around(head, rim, "eye_sockets")
    rows = regular_rows(rings, rim, _EDGE_RINGS)
    outer = int(np.argmax(np.abs(template[rim, 0] - template[rim[0], 0])))
    upper = np.arange(outer + 1)
    lower = np.concatenate([[0], np.arange(len(rim) - 1, outer - 1, -1)])
    off = template - eyes.centres[k]
    elevation = np.arctan2(off[:, 1], off[:, 2])
    edge = int(np.argmin([elevation[row[upper]].mean() - elevation[row[lower]].mean() for row in rows]))
    distance = np.linalg.norm(off, axis=1)
    skin = head.part_vertices("skin")
    ids = np.union1d(
        np.flatnonzero(skin & (distance < 3 * eyes.radii[k])), rings.ids[np.abs(rings.ring) < 16]
    )
    ids = ids[skin[ids]]
    far, near = cKDTree(template[rim]).query(template[ids], k=6)
    share = 1 / (far + 2e-4) ** 2
    spread = np.zeros((len(ids), len(rim)))
    np.put_along_axis(spread, near, share / share.sum(1, keepdims=True), 1)
    blink = head.expression_names.index(f"eyeBlink{SIDES[k]}")
    along, depth = _along(head, rings, rows[: edge + 1], ids, blink)
    shown = np.zeros(len(template), bool)
    shown[ids[depth == 0]] = True
    return LidGrid(
        faces=head.faces[shown[head.faces].all(1)].astype(np.int64),
        ball=np.flatnonzero(head.part_vertices(("left_eye", "right_eye")[k])), rings=rows[: edge + 1], upper=upper,
        lower=lower, ids=ids, spread=spread, along=along, depth=depth, above=_above(rings, ids, elevation, rim),
        falloff=smoothstep(0.45 * eyes.widths[k], 0.05 * eyes.widths[k], far[:, 0]),
        outside=np.flatnonzero(
            skin & (head.region("eye_sockets") == 0) & (distance < 2 * eyes.radii[k]) & (off[:, 2] > 0)
        ),
        blink=blink, width=float(eyes.widths[k]),
        lid_actions=np.array([head.expression_names.index(f"{name}{SIDES[k]}") for name in _LID_ACTIONS]),
    )  # fmt: skip


def regular_rows(rings: Rings, rim: np.ndarray, count: int, step: int = 1) -> np.ndarray:
    """Give rim and the `count` rings after it (step 1 outwards, -1 inwards) as rows (count + 1, S) of vertices.

    Each vertex stands above its only neighbour in the row before. Raises ValueError where the mesh is no such grid.
    """
    place = np.full(rings.ids.max() + 1, -1)
    place[rings.ids] = np.arange(len(rings.ids))
    rows = [place[rim]]
    for ring in range(1, count + 1):
        here = np.flatnonzero(rings.ring == step * ring)
        parents = rings.inwards[here]
        if len(here) != len(rim) or (np.diff(parents.indptr) != 1).any():
            raise ValueError(f"regular_rows: ring {step * ring} about this rim is not a copy of the rim")
        child = np.full(len(rings.ids), -1)
        child[parents.indices] = here
        rows.append(child[rows[-1]])
    return rings.ids[np.stack(rows)]


def _above(rings, ids, elevation, rim):
    """1 for vertices on the upper side, 0 on the lower: as the rings say, by elevation where none reaches."""
    out = (elevation[ids] > elevation[rim].mean()).astype(float)
    known = np.isin(ids, rings.ids)
    out[known] = rings.upper[np.searchsorted(rings.ids, ids[known])]
    return out


def _along(head, rings, rows, ids, blink):
    """How far vertices beyond the edge, and inside the rim, go with them in the default head's blink; and depths."""
    size = np.linalg.norm(head.expression_basis[:, :, blink], axis=1).astype(np.float64)
    place = np.full(len(size), -1)
    place[rings.ids] = np.arange(len(rings.ids))
    sectors = rows.shape[1]
    along, depth = np.zeros((len(ids), 2 * sectors)), np.zeros(len(ids))
    known = np.flatnonzero(place[ids] >= 0)
    ring = rings.ring[place[ids[known]]]
    depth[known] = np.clip(-ring, 0, None)
    upper = rings.upper[place[ids[known]]] > 0.5
    for block, (start, step) in enumerate(((len(rows) - 1, 1), (0, -1))):
        carried = np.zeros((len(rings.ids), sectors))
        carried[place[rows[start]], np.arange(sectors)] = 1
        carried = rings.carried(carried, start, step)[place[ids[known]]]
        whole = np.maximum(carried @ size[rows[start]], 0.2 * size[rows[start]].max())
        beyond = (ring - start) * step > 0
        inner = np.where(upper, smoothstep(*_UPPER_INNER, -ring), smoothstep(*_LOWER_INNER, -ring))
        share = np.clip(size[ids[known]] / whole, 0, 1) * beyond * inner
        along[known, block * sectors : (block + 1) * sectors] = carried * share[:, None]
    return along, depth


def settle(grid: LidGrid, template: np.ndarray, centre: np.ndarray, radius: float) -> None:
    """Move the margin onto the ball (along z, so that the front view stays), the lids with it, in place.

    No skin near stays inside the ball. template: (V, 3) float64.
    """
    off = template[grid.rim] - centre
    reach = radius + CLEARANCE
    across = np.hypot(off[:, 0], off[:, 1])
    forward = np.sqrt(np.maximum(reach**2 - across**2, 0)) - off[:, 2]
    radial = off * (reach / np.linalg.norm(off, axis=1, keepdims=True) - 1)
    along = smoothstep(0.97, 0.9, across / reach)[:, None]
    move = along * forward[:, None] * [0, 0, 1] + (1 - along) * radial
    size = np.linalg.norm(move, axis=1, keepdims=True)
    move *= np.minimum(1, 0.3 * radius / np.maximum(size, 1e-9))
    template[grid.ids] += product(grid.spread, move) * grid.falloff[:, None]
    push_out(template, grid.ids, grid.floor(radius), centre)


def open_lids(grid: LidGrid, template: np.ndarray, centre: np.ndarray, factor: float) -> None:
    """Turn the lids apart about the ball until the opening is `factor` times as high, in place.

    Distances from the axis through the ball stay, so lids stay on it; the skin beyond gives way within a span.
    """
    u, height, elevation = polar(template[grid.ids] - centre)
    edge = template[grid.rings[-1]] - centre
    edge_u, _, edge_elevation = polar(edge)
    top, bottom = grid.upper, grid.lower
    middle = (
        np.interp(edge_u[top], *curve(edge_u[bottom], edge_elevation[bottom])) + edge_elevation[top]
    ) / 2
    low_middle = (
        np.interp(edge_u[bottom], *curve(edge_u[top], edge_elevation[top])) + edge_elevation[bottom]
    ) / 2
    most = np.maximum(_MOST_UP - edge_elevation[top], 0.0)
    least = np.minimum(_MOST_DOWN - edge_elevation[bottom], 0.0)
    rise = np.minimum((factor - 1) * (edge_elevation[top] - middle), most)
    fall = np.maximum((factor - 1) * (edge_elevation[bottom] - low_middle), least)
    turn = np.zeros(len(u))
    for sector, amount, way, side in ((top, rise, 1, grid.above), (bottom, fall, -1, 1 - grid.above)):
        order = curve(edge_u[sector], edge_elevation[sector])
        beyond = (elevation - np.interp(u, *order)) * way
        here = np.interp(u, *curve(edge_u[sector], amount), 0, 0)
        span = np.maximum(_SPAN, 2.2 * np.abs(amount).max(initial=0))
        turn += side * here * smoothstep(span, 0.0, np.maximum(beyond, 0))
    front = smoothstep(-0.2, 0.3, np.cos(elevation))
    template[grid.ids] = centre + cartesian(u, height, elevation + turn * front)


def blink(grid: LidGrid, template: np.ndarray, centre: np.ndarray, radius: float) -> np.ndarray:
    """Displacements (N, 3) of `grid.ids` that close the eye: both margins meet in one curve.

    Displacements add linearly, so closed lids stand off the ball as far as the chord of their path needs.
    """
    rows = grid.rings
    floor = grid.floor(radius) - _PATH_SPARE
    u, height, elevation = polar(template[grid.ids] - centre)
    place = np.searchsorted(grid.ids, rows)
    turn, end = np.zeros(len(u)), height.copy()
    top, bottom = place[0, grid.upper], place[0, grid.lower]
    opening = elevation[top] - np.interp(u[top], *curve(u[bottom], elevation[bottom]))
    low = np.clip(1 - _MAX_TRAVEL / max(opening.max(), 1e-6), _LOWER_SHARE, 0.5)
    for row in place:
        top, bottom = (curve(u[row[half]], elevation[row[half]]) for half in (grid.upper, grid.lower))
        low_side = np.interp(u[row], *bottom)
        turn[row] = low_side + low * (np.interp(u[row], *top) - low_side) - elevation[row]
        needed = _path_height(u[row], height[row], turn[row], floor[row])
        sides = [np.interp(u[row], *curve(u[row[half]], needed[half])) for half in (grid.upper, grid.lower)]
        end[row] = np.maximum(*sides)
    lift = end - height
    beyond = np.ones(len(u), bool)
    beyond[place] = False
    ends = np.concatenate([place[-1], place[0]])
    turn[beyond] = product(grid.along[beyond], turn[ends])
    lift[beyond] = product(grid.along[beyond], lift[ends])
    moves = np.abs(turn) > 1e-9
    end = np.where(moves, np.maximum(height + lift, _path_height(u, height, turn, floor)), height)
    moved = cartesian(u, end, elevation + turn) + centre - template[grid.ids]
    return np.where(moves[:, None], moved, 0)


def follow(grid: LidGrid, template, actions, centre, radius, width) -> None:
    """Fit the expression basis (V, 3, E) about one eye to a person's ball, in place.

    Lid actions are scaled to the opening's width and keep the margin on the ball; no action enters the ball.
    """
    ratio = np.clip(width / grid.width, 0.5, 2.5)
    rim_rest = template[grid.rim] - centre
    rest = np.linalg.norm(rim_rest, axis=1)
    for k in grid.lid_actions:
        action = actions[grid.ids, :, k] * (1 + (ratio - 1) * grid.falloff)[:, None]
        moved = rim_rest + action[np.searchsorted(grid.ids, grid.rim)]
        onto = moved * (rest / np.linalg.norm(moved, axis=1) - 1)[:, None]
        actions[grid.ids, :, k] = action + product(grid.spread, onto) * grid.falloff[:, None]
    actions[grid.ids, :, grid.blink] = blink(grid, template, centre, radius)
    _clear_actions(template, actions, grid.ids, grid.floor(radius), centre)


def clear_ball(grid: LidGrid, points: np.ndarray, centre: np.ndarray, radius: float) -> None:
    """Push skin (V, 3) out of a ball, in place: vertices, then whole faces, which sag between them."""
    push_out(points, grid.ids, grid.floor(radius), centre)
    _push_faces_out(points, grid.faces, centre, radius + 0.7 * CLEARANCE)


@nb.njit(cache=True)
def _push_faces_out(points, faces, centre, floor):
    """Move the corners of a face outwards by what its middle, or that of a side, lacks."""
    middle = np.empty(3)
    for _ in range(_FACE_ROUNDS):
        for f in range(len(faces)):
            a, b, c = faces[f]
            for k in range(4):
                wa, wb, wc = _MIDDLES[k]
                q = 0.0
                for d in range(3):
                    middle[d] = wa * points[a, d] + wb * points[b, d] + wc * points[c, d] - centre[d]
                    q += middle[d] ** 2
                q = np.sqrt(q)
                if q >= floor or q < 0.5 * floor:
                    continue
                for d in range(3):
                    push = middle[d] * (floor / q - 1)
                    points[a, d] += push * (wa > 0)
                    points[b, d] += push * (wb > 0)
                    points[c, d] += push * (wc > 0)


@nb.njit(cache=True)
def push_out(points, ids, floor, centre):
    """Push points out of a ball, in place: a smooth floor of their distance from its centre."""
    for n in range(len(ids)):
        v = ids[n]
        q = 0.0
        for c in range(3):
            q += (points[v, c] - centre[c]) ** 2
        q = max(np.sqrt(q), 1e-9)
        over = q - floor[n]
        if over > 4e-3:
            continue
        new = floor[n] + (over + np.sqrt(over * over + 4e-8)) / 2
        for c in range(3):
            points[v, c] = centre[c] + (points[v, c] - centre[c]) * new / q


@nb.njit(cache=True)
def _clear_actions(template, actions, ids, floor, centre):
    for n in range(len(ids)):
        v = ids[n]
        rest = 0.0
        for c in range(3):
            rest += (template[v, c] - centre[c]) ** 2
        least = min(floor[n], np.sqrt(rest))
        for k in range(actions.shape[2]):
            size = abs(actions[v, 0, k]) + abs(actions[v, 1, k]) + abs(actions[v, 2, k])
            if size < 1e-6:
                continue
            q = 0.0
            for c in range(3):
                q += (template[v, c] + actions[v, c, k] - centre[c]) ** 2
            q = np.sqrt(q)
            if q < least:
                for c in range(3):
                    off = template[v, c] + actions[v, c, k] - centre[c]
                    actions[v, c, k] += off * (least / max(q, 1e-9) - 1)


def _path_height(u, height, turn, floor):
    """The least height at the end of a turn whose straight path stays outside the ball (see soaplib.parts.lids)."""
    disc = np.sqrt(np.maximum(floor**2 - u**2, 0))
    free = np.arccos(np.clip(disc / np.maximum(height, 1e-9), 0, 1))
    rest = np.clip(np.abs(turn) - free, 0, np.radians(70))
    return np.where(np.abs(turn) > 1e-6, np.maximum(height, disc / np.cos(rest)), height)
