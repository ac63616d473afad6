"""Lids that rest on the eyeballs, and close over them."""

import dataclasses

import numpy as np
from scipy.spatial import cKDTree

from soaplib.head import HeadModel
from soaplib.parts.eyes import CLEARANCE, Eyes
from soaplib.parts.polar import cartesian, curve, polar
from soaplib.parts.rims import eye_rims
from soaplib.parts.rings import Rings, rings_around
from soaplib.parts.smoothstep import smoothstep

_SOFTNESS = 2e-4
_LOWER_SHARE = 0.15
_MAX_TRAVEL = np.radians(40)
_PATH_SPARE = 1.5e-4
_SOCKET_ROOM = 0.03  # of the radius: the hidden faces of the socket are large, their middles sag
_EDGE_RINGS = 12
_BELOW_RINGS = 16
_USUAL_WIDTH = 0.026
_SIDES = ("Left", "Right")
_LID_ACTIONS = ("eyeSquint", "eyeWide", "eyeLookIn", "eyeLookOut", "eyeLookUp", "eyeLookDown")


def fit_lids(head: HeadModel, eyes: Eyes) -> HeadModel:
    """Give a copy of the head whose lids rest on the eyeballs and slide over them.

    The margins move onto the balls (along z, so that the front view stays), taking the lids with them, and no
    skin stays inside a ball. eyeBlink* at 1 brings both margins, and the thickness of the lids, to one meeting
    curve; glTF adds displacements linearly, so the closed lids stand off the ball as far as the chord of their
    path needs to stay outside it. All other actions are pushed out of the balls. Lashes follow their lids.
    """
    template = head.template.astype(np.float64)
    actions = np.moveaxis(head.expression_basis, -1, 0).astype(np.float64)
    names = head.expression_names
    for name, action in zip(names, actions, strict=True):
        if name.startswith("eye"):
            action *= _own_side(template, eyes, name)[:, None]
    for k, rim in enumerate(eye_rims(head)):
        lid = _Lid.around(head, template, eyes, k, rim)
        lid.settle(template)
        for name, column in zip(names, actions, strict=True):
            if name == f"eyeBlink{_SIDES[k]}":
                column[:] = lid.blink(template, column)
            elif name.endswith(_SIDES[k]) and name[: -len(_SIDES[k])] in _LID_ACTIONS:
                column[:] = lid.follow(template, column)
            else:
                column[:] = lid.clear(template, column)
    basis = np.ascontiguousarray(np.moveaxis(actions, 0, -1), np.float32)
    return dataclasses.replace(head, template=template.astype(np.float32), expression_basis=basis)


def _own_side(template, eyes, name):
    """1 on the side of the eye that the action names, 0 on the other: the head model's blinks reach both sockets."""
    apart = eyes.centres[0, 0] - eyes.centres[1, 0]
    across = (template[:, 0] - eyes.centres[:, 0].mean()) / apart * (1 if name.endswith("Left") else -1)
    return smoothstep(-0.1, 0.1, across)


@dataclasses.dataclass(frozen=True)
class _Lid:
    """One eye's lids. ids: the vertices near it, skin and lashes; rim: the margin's vertices, in order."""

    centre: np.ndarray
    radius: float
    width: float
    rings: Rings
    lashes: np.ndarray
    ids: np.ndarray
    rim: np.ndarray
    near: np.ndarray  # (N, 6) positions in rim
    share: np.ndarray  # (N, 6) their weights
    falloff: np.ndarray  # (N,) 1 at the rim, 0 far away
    floor: np.ndarray  # (V,) least distance of skin from the centre

    @classmethod
    def around(cls, head, template, eyes, k, rim):
        centre, radius, width = eyes.centres[k], eyes.radii[k], eyes.widths[k]
        lashes = head.part_vertices(("left_lashes", "right_lashes")[k])
        distance = np.linalg.norm(template - centre, axis=1)
        ids = np.flatnonzero((head.part_vertices("skin") & (distance < 3 * radius)) | lashes)
        far, near = cKDTree(template[rim]).query(template[ids], k=6)
        share = 1 / (far + 2e-4) ** 2
        share /= share.sum(1, keepdims=True)
        falloff = smoothstep(0.45 * width, 0.05 * width, far[:, 0])
        falloff[lashes[ids]] = 1
        rings = rings_around(head, rim, "eye_sockets")
        floor = np.full(len(template), radius + CLEARANCE)
        floor[rings.ids] += _SOCKET_ROOM * radius * np.clip(-rings.ring / 4, 0, 1)
        return cls(
            centre, radius, width, rings, np.flatnonzero(lashes), ids, rim, near, share, falloff, floor
        )

    def settle(self, template) -> None:
        """Move the margin onto the ball, its surroundings with it, and all skin out of the ball, in place."""
        off = template[self.rim] - self.centre
        reach = self.radius + CLEARANCE
        across = np.hypot(off[:, 0], off[:, 1])
        forward = np.sqrt(np.maximum(reach**2 - across**2, 0)) - off[:, 2]
        radial = off * (reach / np.linalg.norm(off, axis=1, keepdims=True) - 1)
        along = smoothstep(0.97, 0.9, across / reach)[:, None]
        move = along * forward[:, None] * [0, 0, 1] + (1 - along) * radial
        size = np.linalg.norm(move, axis=1, keepdims=True)
        move *= np.minimum(1, 0.3 * self.radius / np.maximum(size, 1e-9))
        template[self.ids] += self._spread(move)
        template[self.ids] = self._outside(template[self.ids], self.floor[self.ids, None])

    def blink(self, template, basis):
        """Displacements (V, 3) that close the lids; basis: the head model's, which says how far skin goes along."""
        ids, ring = self.rings.ids, self.rings.ring
        u, height, elevation = polar(template[ids] - self.centre)
        turn, end, floor = np.zeros(len(ids)), height.copy(), self.floor[ids] - _PATH_SPARE
        edge, low = self._lid_edge(u, elevation)
        for k in range(edge + 1):
            here = np.flatnonzero(ring == k)
            upper, lower = (here[self.rings.half(here, top)] for top in (True, False))
            top, bottom = (curve(u[half], elevation[half]) for half in (upper, lower))
            low_side = np.interp(u[here], *bottom)
            meet = low_side + low * (np.interp(u[here], *top) - low_side)
            turn[here] = meet - elevation[here]
            needed = self._path_height(u, height, turn, floor)
            sides = [np.interp(u[here], *curve(u[half], needed[half])) for half in (upper, lower)]
            end[here] = np.maximum(*sides)
        share = self._share(basis, edge)
        lift = end - height
        for start, step in ((edge, 1), (0, -1)):
            beyond = (ring - start) * step > 0
            turn[beyond] = (self.rings.carried(turn, start, step) * share)[beyond]
            lift[beyond] = (self.rings.carried(lift, start, step) * share)[beyond]
        end = np.maximum(height + lift, self._path_height(u, height, turn, floor))
        out = basis.copy()
        moved = cartesian(u, end, elevation + turn) + self.centre - template[ids]
        still = (np.abs(turn) < 1e-9) & (np.abs(end - height) < 1e-12)  # no residue of the way there and back
        out[ids] = np.where(still[:, None], 0, moved)
        self._move_lashes(template, turn, end - height, out)
        return out

    def follow(self, template, basis):
        """Displacements of a lid action, scaled to the opening, with the margin kept on the ball."""
        ratio = np.clip(self.width / _USUAL_WIDTH, 0.5, 2.5)
        out = basis.copy()
        out[self.ids] *= (1 + (ratio - 1) * self.falloff)[:, None]
        moved = template[self.rim] + out[self.rim] - self.centre
        rest = np.linalg.norm(template[self.rim] - self.centre, axis=1)
        onto = moved * (rest / np.linalg.norm(moved, axis=1) - 1)[:, None]
        out[self.ids] += self._spread(onto)
        return self.clear(template, out)

    def clear(self, template, basis):
        """The same displacements, pushed out of the ball where they enter it."""
        moving = np.abs(basis[self.ids]).max(1) > 1e-6
        if not moving.any():
            return basis
        out = basis.copy()
        ids = self.ids[moving]
        off = template[ids] + basis[ids] - self.centre
        distance = np.linalg.norm(off, axis=1)
        least = np.minimum(self.floor[ids], np.linalg.norm(template[ids] - self.centre, axis=1))
        push = np.maximum(least / np.maximum(distance, 1e-9), 1)[:, None]
        out[ids] += off * (push - 1)
        return out

    def _spread(self, move):
        """Carry displacements of the rim (R, 3) to all vertices near it."""
        return (move[self.near] * self.share[..., None]).sum(1) * self.falloff[:, None]

    def _outside(self, points, floor):
        """Push points out of the ball: the floor (N, 1) is a smooth one of their distance from the centre."""
        off = points - self.centre
        distance = np.maximum(np.linalg.norm(off, axis=1, keepdims=True), 1e-9)
        over = distance - floor
        return self.centre + off / distance * (floor + (over + np.sqrt(over**2 + _SOFTNESS**2)) / 2)

    def _lid_edge(self, u, elevation):
        """The ring with the narrowest opening, which is the edge one sees, and the lower lid's share of the way."""
        openings = []
        for k in range(_EDGE_RINGS):
            here = np.flatnonzero(self.rings.ring == k)
            upper, lower = (here[self.rings.half(here, top)] for top in (True, False))
            grid = np.linspace(u[here].min(), u[here].max(), 32)
            openings.append(
                np.interp(grid, *curve(u[upper], elevation[upper]))
                - np.interp(grid, *curve(u[lower], elevation[lower]))
            )
        edge = int(np.argmin([opening.mean() for opening in openings]))
        return edge, np.clip(1 - _MAX_TRAVEL / openings[0].max(), _LOWER_SHARE, 0.5)

    def _share(self, basis, edge):
        """How far each vertex beyond the edge goes along with it: as in the head model, and less below the eye."""
        rings = self.rings
        size = np.linalg.norm(basis[rings.ids], axis=1)
        outer, inner = rings.carried(size, edge, 1), rings.carried(size, 0, -1)
        whole = np.maximum(np.where(rings.ring > 0, outer, inner), 0.2 * size.max())
        above = np.clip(size / whole, 0, 1)
        below = smoothstep(_BELOW_RINGS, 0, np.abs(rings.ring - np.where(rings.ring > 0, edge, 0)))
        return rings.upper * above + (1 - rings.upper) * below

    def _path_height(self, u, height, turn, floor):
        """The least height at the end of a turn whose straight path stays outside the ball.

        In the plane at u the ball (of radius `floor`) is a disc of radius g. From height h the straight line
        that touches it reaches it after acos(g / h), and stands at g / cos(rest of the turn) at the end.
        """
        disc = np.sqrt(np.maximum(floor**2 - u**2, 0))
        free = np.arccos(np.clip(disc / np.maximum(height, 1e-9), 0, 1))
        rest = np.clip(np.abs(turn) - free, 0, np.radians(70))
        return np.where(np.abs(turn) > 1e-6, np.maximum(height, disc / np.cos(rest)), height)

    def _move_lashes(self, template, turn, lift, out) -> None:
        """Turn and lift every lash as the skin at its root: the lash vertices nearest to skin are roots."""
        if not len(self.lashes):
            return
        outer = np.flatnonzero(self.rings.ring >= 0)
        far, nearest = cKDTree(template[self.rings.ids[outer]]).query(template[self.lashes])
        nearest = outer[nearest]
        u, height, elevation = polar(template[self.lashes] - self.centre)
        upper = self.rings.upper[nearest] > 0.5
        for mine in (upper, ~upper):
            if not mine.any():
                continue
            root = mine & (far <= np.quantile(far[mine], 0.3))
            here = self.lashes[mine]
            turned = elevation[mine] + np.interp(u[mine], *curve(u[root], turn[nearest[root]]))
            lifted = height[mine] + np.interp(u[mine], *curve(u[root], lift[nearest[root]]))
            out[here] = cartesian(u[mine], lifted, turned) + self.centre - template[here]
