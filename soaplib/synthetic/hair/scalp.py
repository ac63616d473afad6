"""Where hair grows and hats sit: the scalp in coordinates shared by all heads, and a head's surface to stay out of.

A place on the scalp is (azimuth, height) on the *base* head, as in `hull`; the base head's mesh carries it to every
person, so a hairline drawn once lies right on all of them.
"""

import dataclasses
import functools

import numpy as np
import scipy.sparse as sp

from soaplib.head import HeadModel, load_head
from soaplib.synthetic.hair import hull as hulls

CROWN = (np.pi, 1.22)
"""Azimuth and height of the whorl on the base head, a hand's breadth behind the top."""

_HAT_FRONT = (0.0, 0.30)
_HAT_BACK = (np.pi, -0.30)
_HAT_OVER_EAR = 0.006


@dataclasses.dataclass(frozen=True)
class Hairline:
    """Free parameters of a hairline, in radians of the map; 0 is the base head's.

    front: how much higher in front. peak: the widow's peak. recede: how far the temples recede. sideburn: how
    much lower the hair ends before the ear. nape: how much lower it ends at the back.
    """

    front: float = 0.0
    peak: float = 0.0
    recede: float = 0.0
    sideburn: float = 0.0
    nape: float = 0.0

    def height(self, azimuth: np.ndarray) -> np.ndarray:
        """Give the height where the hair begins at each azimuth, on the base head."""
        around = np.abs(np.mod(np.asarray(azimuth) + np.pi, 2 * np.pi) - np.pi)
        line = np.interp(around, *_line())
        line = line + self.front * _bump(around, 0.0, 1.1)
        line = line - self.peak * _bump(around, 0.0, 0.28)
        line = line + self.recede * _bump(around, 0.62, 0.36)
        line = line - self.sideburn * _bump(around, np.radians(67), 0.14)
        return line - self.nape * _bump(around, np.pi, 1.1)


@dataclasses.dataclass(frozen=True)
class HatLine:
    """A tilted plane about the head: what lies above it is under a hat. height = level + slope * z, metres."""

    level: float
    slope: float

    def height(self, points: np.ndarray) -> np.ndarray:
        """Give how high the line runs at (..., 3) points."""
        return self.level + self.slope * points[..., 2]


@dataclasses.dataclass(frozen=True)
class Scalp:
    """The scalp and the outer surface of one head.

    unit: metres, from the middle of the cranium to its top. bare: the `Hull` of skin without ears. whole: with
    ears. grid: (rows, columns, 3) the points of the base head's map on this head, ears left out. hat: `HatLine`.
    """

    unit: float
    bare: hulls.Hull
    whole: hulls.Hull
    grid: np.ndarray
    hat: HatLine

    @property
    def centre(self) -> np.ndarray:
        """(3,) the middle of the cranium."""
        return self.bare.centre

    def points(self, azimuth: np.ndarray, height: np.ndarray) -> np.ndarray:
        """Give this head's skin (..., 3) at azimuths and heights of the base head."""
        row = (hulls.TOP - np.asarray(height)) / (hulls.TOP - hulls.BOTTOM) * (hulls.ROWS - 1)
        row = np.clip(row, 0, hulls.ROWS - 1.001)
        column = (np.asarray(azimuth) + np.pi) * (hulls.COLUMNS / (2 * np.pi))
        row, column = np.broadcast_arrays(row, column)
        i, j = np.floor(row).astype(int), np.floor(column).astype(int)
        a, b = (row - i)[..., None], (column - j)[..., None]
        left, right = j % hulls.COLUMNS, (j + 1) % hulls.COLUMNS
        upper = self.grid[i, left] * (1 - b) + self.grid[i, right] * b
        lower = self.grid[i + 1, left] * (1 - b) + self.grid[i + 1, right] * b
        return (upper * (1 - a) + lower * a).astype(np.float32)

    def push_out(self, points: np.ndarray, gap=0.0) -> np.ndarray:
        """Move (..., 3) points that lie within `gap` metres of the skin (ears too), or inside it, outwards."""
        return self.whole.push_out(points, gap)

    def above_hat_line(self, points: np.ndarray) -> np.ndarray:
        """Tell which of the (..., 3) points a hat hides: (...,) bool."""
        return points[..., 1] > self.hat.height(points)


def scalp(head: HeadModel) -> Scalp:
    """Measure the scalp of a head with the topology of `soaplib.head.load_head()`; ValueError for another one."""
    base = _base()
    template = np.asarray(head.template, np.float32)
    if len(template) != base.grid.shape[1]:
        raise ValueError(f"scalp: expected a head of {base.grid.shape[1]} vertices, got {len(template)}")
    grid = (base.grid @ template).reshape(hulls.ROWS, hulls.COLUMNS, 3).astype(np.float32)
    centre, unit = _middle(template, base.anchors)
    bare = hulls.build_hull(template, base.skin_faces, centre, unit)
    whole = hulls.grown(bare, template, base.ear_faces)
    return Scalp(unit, bare, whole, grid, _hat_line(template, grid, base.ear_vertices))


def hat_line(head: HeadModel) -> HatLine:
    """Give the line above which a head is under a hat: over the brows, close over the ears, lower behind."""
    return scalp(head).hat


@dataclasses.dataclass(frozen=True)
class _Base:
    grid: sp.csr_matrix
    skin_faces: np.ndarray
    ear_faces: np.ndarray
    ear_vertices: np.ndarray
    anchors: np.ndarray


@functools.cache
def _base():
    """Bind the map's cells to the base head's triangles; what no triangle covers lies between its neighbours."""
    from soaplib.synthetic.hair.hull_kernels import splat

    head = load_head()
    template = head.template.astype(np.float32)
    skin = head.part_vertices("skin")
    ears = (head.region("ears") > 0.5) & skin
    inside = (head.region("mouth_cavity") > 0.5) | (head.region("eye_sockets") > 0.5)
    faces = head.faces
    faces = faces[skin[faces].all(1) & ~inside[faces].all(1)]
    of_ear = ears[faces].any(1)
    anchors = _anchors(template, skin)
    centre, unit = _middle(template, anchors)
    located = hulls.build_hull(template, faces, centre, unit).locate(template)
    _, ids, weights = splat(located, np.ascontiguousarray(faces[~of_ear]))
    cells = np.flatnonzero(ids.ravel() >= 0)
    bound = faces[~of_ear][ids.ravel()[cells]]
    binding = sp.csr_matrix(
        (weights.reshape(-1, 3)[cells].ravel(), (np.repeat(cells, 3), bound.ravel())),
        shape=(hulls.ROWS * hulls.COLUMNS, len(template)),
    )
    grid = (_between(ids >= 0) @ binding).tocsr()
    return _Base(grid, faces[~of_ear], faces[of_ear], np.flatnonzero(ears), anchors)


def _between(known):
    """Give the sparse matrix that fills unknown cells: along the row, or whole rows from the nearest known row."""
    rows, columns = known.shape
    full = np.flatnonzero(known.sum(1) >= columns // 4)
    entries = []
    for i in range(rows):
        source = full[np.argmin(np.abs(full - i))]
        where = np.flatnonzero(known[source])
        if i < full[0]:
            # The pole: the higher, the closer to the ring's middle.
            pull = i / full[0]
            for j in range(columns):
                entries += [(i, j, source, k, (1 - pull) / len(where)) for k in where]
                entries.append((i, j, source, where[np.argmin(np.abs(where - j))], pull))
            continue
        for j in range(columns):
            right = where[np.searchsorted(where, j) % len(where)]
            left = where[np.searchsorted(where, j, "right") - 1]
            ahead, behind = (right - j) % columns, (j - left) % columns
            share = 0.5 if ahead + behind == 0 else behind / (ahead + behind)
            entries += [(i, j, source, left, 1 - share), (i, j, source, right, share)]
    i, j, si, sj, value = (np.array(column) for column in zip(*entries, strict=True))
    shape = (rows * columns, rows * columns)
    return sp.csr_matrix((value, (i * columns + j, si * columns + sj)), shape=shape)


def _anchors(template, skin):
    """Four skin vertices: forehead, back of the head, crown, and the left ear's side, about the cranium's middle."""
    wanted = np.array([(0, 0.05, 0.024), (0, 0.03, -0.19), (0, 0.127, -0.08), (0, -0.02, -0.19)], np.float32)
    distance = np.linalg.norm(template[None] - wanted[:, None], axis=2) + np.where(skin, 0, 1)[None]
    return distance.argmin(1)


def _middle(template, anchors):
    forehead, back, top, low = template[anchors]
    centre = np.array([(forehead[0] + back[0]) / 2, 0.0, (forehead[2] + back[2]) / 2])
    # On the base head this is 2 cm above the eyes.
    centre[1] = top[1] - 0.5 * (top[1] - 0.5 * (back[1] + low[1])) * 1.75
    return centre.astype(np.float32), float(top[1] - centre[1])


def _hat_line(template, grid, ears):
    def at(azimuth, height):
        i = round((hulls.TOP - height) / (hulls.TOP - hulls.BOTTOM) * (hulls.ROWS - 1))
        return grid[i, round((azimuth + np.pi) / (2 * np.pi) * hulls.COLUMNS) % hulls.COLUMNS]

    front, back = at(*_HAT_FRONT), at(*_HAT_BACK)
    slope = float((front[1] - back[1]) / (front[2] - back[2]))
    over = template[ears]
    ear = float((over[:, 1] - slope * over[:, 2]).max()) + _HAT_OVER_EAR
    return HatLine(max(float(front[1] - slope * front[2]), ear), slope)


@functools.cache
def _line():
    """Azimuths and heights of the base hairline: forehead, temple, sideburn, over the ear, behind it, nape."""
    knots = np.array(
        [
            (0, 0.56), (14, 0.56), (26, 0.54), (36, 0.47), (45, 0.33), (52, 0.16), (57, 0.02), (61, -0.12),
            (66, -0.20), (71, -0.13), (75, 0.02), (84, 0.08), (94, 0.03), (102, -0.20), (108, -0.55),
            (116, -0.85), (130, -1.00), (150, -1.05), (180, -1.05),
        ]
    )  # fmt: skip
    fine = np.linspace(0, np.pi, 181)
    raw = np.interp(fine, np.radians(knots[:, 0]), knots[:, 1])
    padded = np.concatenate([raw[5:0:-1], raw, raw[-2:-7:-1]])
    return fine, np.convolve(padded, np.hanning(9)[1:-1] / np.hanning(9).sum(), "same")[5:-5]


def _bump(azimuth, middle, width):
    return np.exp(-(((azimuth - middle) / width) ** 2))
