"""Teeth and tongue of a synthetic person: those of the default head, carried along by the strips under the gums."""

import dataclasses

import numpy as np

from soaplib.data import Part
from soaplib.head import HeadModel
from soaplib.synthetic.pieces import LABELS, Piece
from soaplib.synthetic.sums import product

_ROWS = ("upper", "lower")
_SIDE, _BINS = np.radians(75), 31  # directions from the arch's middle in which walls are looked at
_GAP, _USUAL_WIDTH, _LEAST = 1.2e-3, 0.075, 0.6
_ENAMEL = {"upper": (0.72, 0.99), "lower": (0.43, 0.70)}


@dataclasses.dataclass(frozen=True)
class Teeth:
    """Both rows on the default head. vertices: (V, 3); upper: (V,) bool; strips: the head's vertices under each row;
    fits: (4, S) each row's solver of the affine map from its strip; piece: the piece, to be filled with places."""

    vertices: np.ndarray
    upper: np.ndarray
    strips: tuple[np.ndarray, np.ndarray]
    fits: tuple[np.ndarray, np.ndarray]
    piece: Piece

    @classmethod
    def of(cls, head: HeadModel, part: Part) -> "Teeth":
        """Take the rows over from the default head's part "teeth"."""
        vertices = part.vertices.astype(np.float64)
        upper = part.skin_weights[:, 1] > 0.5
        strips = tuple(np.flatnonzero(head.part_vertices(f"{row}_teeth")) for row in _ROWS)
        fits = tuple(
            np.linalg.pinv(_homogeneous(head.template[strip].astype(np.float64))) for strip in strips
        )
        roots, weights = _roots(head, vertices, upper, strips)
        v = part.uv[part.faces].mean(1)[:, 1]
        enamel = np.any([(v > low - 0.005) & (v < high + 0.005) for low, high in _ENAMEL.values()], axis=0)
        labels = np.where(enamel, LABELS.index("teeth"), LABELS.index("mouth")).astype(np.uint8)
        piece = Piece(
            name="teeth", vertices=part.vertices, normals=part.normals, faces=part.faces, labels=labels,
            colours=np.ones((len(vertices), 3), np.float32), roots=roots, root_weights=weights, uv=part.uv,
            texture=part.texture, gloss=0.5,
        )  # fmt: skip
        return cls(vertices, upper, strips, fits, piece)

    def carried(self, vertices: np.ndarray, walls: np.ndarray, tongue: np.ndarray) -> Piece:
        """Give the piece "teeth" of a head of neutral `vertices` (V, 3).

        Both rows are made smaller, down to `_LEAST`, until `walls`, vertices of lips and cheeks, stand clear of them;
        the vertices `tongue` are made smaller with them, in place.
        """
        places, normals = np.empty_like(self.vertices), np.empty_like(self.vertices)
        for of_row, strip, fit in zip((self.upper, ~self.upper), self.strips, self.fits, strict=True):
            affine = product(fit, vertices[strip])
            places[of_row] = product(_homogeneous(self.vertices[of_row]), affine)
            normals[of_row] = product(self.piece.normals[of_row], np.linalg.inv(affine[:3]).T)
        normals /= np.linalg.norm(normals, axis=1, keepdims=True)
        middle, scale = _room(places, vertices[walls])
        for k, axis in enumerate((0, 2)):
            places[:, axis] = middle[k] + (places[:, axis] - middle[k]) * scale
            vertices[tongue, axis] = middle[k] + (vertices[tongue, axis] - middle[k]) * scale
        return dataclasses.replace(
            self.piece, vertices=places.astype(np.float32), normals=normals.astype(np.float32)
        )


def _room(places, walls):
    """The arch's middle, x and z, and how far it has to shrink about that for the walls; by direction from above."""
    middle = np.array([(places[:, 0].min() + places[:, 0].max()) / 2, places[:, 2].min()])
    low, high = np.quantile(places[:, 1], [0.05, 0.95])
    walls = walls[(walls[:, 1] > low) & (walls[:, 1] < high)]
    reach, angle = _polar(places, middle)
    wall_reach, wall_angle = _polar(walls, middle)
    bins = np.linspace(-_SIDE, _SIDE, _BINS)
    outline = np.zeros(_BINS)
    np.maximum.at(
        outline, np.clip(np.round((angle + _SIDE) / (bins[1] - bins[0])).astype(int), 0, _BINS - 1), reach
    )
    beside = np.abs(wall_angle) < _SIDE
    size = np.ptp(places[:, 0]) / _USUAL_WIDTH
    room = (wall_reach[beside] - _GAP * size) / np.maximum(np.interp(wall_angle[beside], bins, outline), 1e-6)
    return middle, float(np.clip(room.min(initial=1.0), _LEAST, 1.0))


def _polar(points, middle):
    off = points[:, [0, 2]] - middle
    return np.linalg.norm(off, axis=1), np.arctan2(off[:, 0], off[:, 1])


def _homogeneous(points):
    return np.concatenate([points, np.ones((len(points), 1))], 1)


def _roots(head, vertices, upper, strips):
    """Three vertices of a row's strip for each tooth's: two in front, one above the other, and one at its side's back.

    Weights are barycentric in the plane of y and z, in which the jaw swings; so the motion is that of the jaw.
    """
    roots, weights = np.zeros((len(vertices), 3), np.int32), np.zeros((len(vertices), 3), np.float32)
    for of_row, strip in zip((upper, ~upper), strips, strict=True):
        places = head.template[strip].astype(np.float64)
        front = np.abs(places[:, 0]) < 0.15 * np.ptp(places[:, 0])
        high = strip[np.argmax(np.where(front, places[:, 1], -np.inf))]
        low = strip[np.argmin(np.where(front, places[:, 1], np.inf))]
        for side in (1, -1):
            mine = of_row & (vertices[:, 0] * side >= 0)
            back = strip[np.argmin(places[:, 2] - 1e-3 * side * np.sign(places[:, 0]))]
            corners = head.template[[high, low, back]].astype(np.float64)
            system = np.concatenate([corners[:, 1:].T, np.ones((1, 3))])
            right = np.concatenate([vertices[mine, 1:].T, np.ones((1, mine.sum()))])
            roots[mine], weights[mine] = (high, low, back), np.linalg.solve(system, right).T
    return roots, weights


def tongue_piece(head: HeadModel, part: Part) -> Piece:
    """Give the piece "tongue" on the default head: vertices of the head itself, with UV and picture of `part`."""
    ids = np.flatnonzero(head.part_vertices("tongue")).astype(np.int32)
    weights = np.zeros((len(ids), 3), np.float32)
    weights[:, 0] = 1
    return Piece(
        name="tongue", vertices=part.vertices, normals=part.normals, faces=part.faces,
        labels=np.full(len(part.faces), LABELS.index("mouth"), np.uint8), colours=np.ones((len(ids), 3), np.float32),
        roots=np.repeat(ids[:, None], 3, 1), root_weights=weights, uv=part.uv, texture=part.texture, gloss=0.4,
    )  # fmt: skip
