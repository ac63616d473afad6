"""What of a head a worn thing must fit: how far the skull reaches in each direction, where eyes, nose, ears are."""

import dataclasses
import functools
import math

import numba as nb
import numpy as np
import scipy.ndimage
import scipy.spatial

from soaplib.head import HeadModel, load_head

COLUMNS = 96
_LOW, _HIGH = 30, 25  # rows below the middle of the skull (by height) and from it up to the crown (by angle)
ROWS = _LOW + _HIGH
CROWN = ROWS - 1
"""The row of the crown, the topmost."""


@dataclasses.dataclass(frozen=True)
class Fit:
    """The measures of one head, metres.

    A place about the head is told by azimuth (0 at the face, growing to the head's left), row and radius: up to
    `_LOW` rows are heights below `centre` and the radius is the distance from the vertical axis; above, rows are
    elevations and the radius is the distance from `centre`. skull, bust: (ROWS, COLUMNS) radius of the skin,
    without and with the ears. landmarks: (478, 3). eyes: (2, 3) the eyeballs' middles, the head's right first;
    eye_radius of the balls. ears: names to (2, 3) places, right first. unit: this head's size over an adult's.
    """

    head: HeadModel
    centre: np.ndarray
    step: float
    skull: np.ndarray
    bust: np.ndarray
    landmarks: np.ndarray
    eyes: np.ndarray
    eye_radius: float
    ears: dict
    unit: float
    over: np.ndarray

    def place(self, azimuth, row, radius) -> np.ndarray:
        """Give the points (..., 3) at azimuth, row, radius."""
        azimuth, row, radius = np.broadcast_arrays(azimuth, row, radius)
        polar = np.clip((row - _LOW) / (_HIGH - 1), 0, 1) * (math.pi / 2)
        drop = np.minimum(row - _LOW, 0) * self.step
        reach = radius * np.cos(polar)
        return self.centre + np.stack(
            [reach * np.sin(azimuth), drop + radius * np.sin(polar), reach * np.cos(azimuth)], -1
        )

    @functools.cached_property
    def smooth(self) -> np.ndarray:
        """The skull's map run smooth, nowhere inside it; a little wider where hair stands under a hat."""
        # Hats keep 8.5 mm from the skull, so that only hair above 5 mm needs more room; they press down the rest.
        pressed = np.clip(self.over - self.skull - 0.005, 0, 0.007)
        return smoothed(self.skull + pressed, 1.5)

    def where(self, points) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Give azimuth, row, radius of points (..., 3)."""
        x, y, z = np.moveaxis(np.asarray(points) - self.centre, -1, 0)
        flat = np.hypot(x, z)
        above = y > 0
        row = np.where(
            above, _LOW + np.arctan2(y, flat) * ((_HIGH - 1) / (math.pi / 2)), _LOW + y / self.step
        )
        return np.arctan2(x, z), row, np.where(above, np.hypot(flat, y), flat)

    def reach(self, azimuth, row, of=None) -> np.ndarray:
        """Look up a radius map (the skull as default) between its cells."""
        map_ = self.skull if of is None else of
        azimuth, row = np.broadcast_arrays(azimuth, row)
        return _looked_up(map_, np.ascontiguousarray(azimuth, float), np.ascontiguousarray(row, float))

    def on(self, azimuth, row, lift=0.0, of=None) -> np.ndarray:
        """Give the points `lift` metres outside a radius map, the skull as default."""
        return self.place(azimuth, row, self.reach(azimuth, row, of) + lift)

    def pushed_out(self, points, lift, of=None) -> np.ndarray:
        """Move points (..., 3) that are less than `lift` outside the map out to it."""
        azimuth, row, radius = self.where(points)
        return self.place(azimuth, row, np.maximum(radius, self.reach(azimuth, row, of) + lift))

    def normal(self, azimuth, row, of=None) -> np.ndarray:
        """Give the unit normals (..., 3) of a radius map."""
        d = 0.6
        along = self.on(azimuth + 0.05, row, of=of) - self.on(azimuth - 0.05, row, of=of)
        up = self.on(azimuth, np.minimum(row + d, CROWN - 0.01), of=of) - self.on(azimuth, row - d, of=of)
        normal = np.cross(along, up)
        return normal / np.maximum(np.linalg.norm(normal, axis=-1, keepdims=True), 1e-12)

    def spot(self, azimuth: float, row: float) -> tuple[np.ndarray, np.ndarray]:
        """Give one point on the hair (the skull where there is none), and the unit vector outwards."""
        azimuth, row = np.array([azimuth]), np.array([row])
        return self.on(azimuth, row, 0.0, self.over)[0], self.normal(azimuth, row, self.over)[0]

    def row_of_height(self, azimuth, height, of=None) -> np.ndarray:
        """Give for each azimuth the topmost row at which the map's surface is `height` (a world y, broadcast)."""
        return self.row_of_plane(azimuth, np.zeros(3) + [0, 1, 0], height, of)

    def row_of_plane(self, azimuth, normal, level, of=None) -> np.ndarray:
        """Give for each azimuth the row in which the surface meets the plane normal . p = level, from above."""
        azimuth = np.asarray(azimuth, float)
        rows = np.arange(8, ROWS)
        side = self.on(azimuth[None], rows[:, None], of=of) @ normal - level
        under = side < 0
        last = len(rows) - 1 - np.argmax(under[::-1], axis=0)
        last = np.clip(np.where(under.any(0), last, 0), 0, len(rows) - 2)
        k = np.arange(len(azimuth))
        a, b = side[last, k], side[last + 1, k]
        return rows[last] + np.clip(-a / np.where(b - a == 0, 1, b - a), 0, 1)

    def hung_on_skull(self, count) -> tuple[np.ndarray, np.ndarray]:
        """Bind `count` vertices to the skull, which only the neck's joint moves."""
        roots, weights = np.tile(_anchors()[0], (count, 1)), np.full((count, 3), 1 / 3)
        return roots.astype(np.int32), weights.astype(np.float32)

    def draped(self, vertices) -> tuple[np.ndarray, np.ndarray]:
        """Bind vertices (V, 3) to the skull above the jaw and to the shoulders at the neck's end."""
        skull, shoulder = _anchors()
        low, high = self.centre[1] - _LOW * self.step, self.landmarks[152, 1]
        t = np.clip((vertices[:, 1] - low) / max(high - low, 1e-6), 0, 1)
        t = t * t * (3 - 2 * t)
        roots = np.tile([skull[0], skull[1], shoulder], (len(vertices), 1)).astype(np.int32)
        return roots, np.stack([t / 2, t / 2, 1 - t], -1).astype(np.float32)

    def hung_on(self, vertex, count) -> tuple[np.ndarray, np.ndarray]:
        """Bind `count` vertices to one vertex of the head."""
        weights = np.zeros((count, 3), np.float32)
        weights[:, 0] = 1
        return np.full((count, 3), vertex, np.int32), weights


def fit_head(head: HeadModel, hair: np.ndarray | None = None) -> Fit:
    """Measure a head of `load_head`'s topology; hair: (N, 3) vertices of its hair, on which bands then lie."""
    vertices = np.asarray(head.template, np.float64)
    faces, of_ear = _skin_faces()
    ears = {name: vertices[ids] for name, ids in _ear_vertices().items()}
    landmarks = head.landmarks(vertices)
    eyes = np.stack([vertices[ids].mean(0) for ids in _eye_vertices()])
    top, back = vertices[faces[:, 0], 1].max(), vertices[faces[:, 0], 2].min()
    upper = vertices[faces[:, 0], 1] > eyes[:, 1].mean()
    back = vertices[faces[:, 0], 2][upper].min()
    front = landmarks[9, 2]
    middle = eyes[:, 1].mean() + 0.1 * (top - eyes[:, 1].mean())
    centre = np.array([0.0, middle, front + 0.52 * (back - front)])
    step = (middle - vertices[faces].min((0, 1))[1]) / _LOW
    skull, bust = np.zeros((ROWS, COLUMNS)), np.zeros((ROWS, COLUMNS))
    _cast(vertices, faces, of_ear, centre, step, skull, bust)
    _fill(skull)
    bust = np.maximum(bust, skull)
    over = skull if hair is None else _over_hair(skull, hair, centre, step)
    unit = float(landmarks[10, 1] - landmarks[152, 1]) / _FACE_HEIGHT
    unit = (unit + float(np.ptp(landmarks[[234, 454], 0])) / _FACE_WIDTH) / 2
    size = float(np.ptp(vertices[_eye_vertices()[0], 1])) / 2
    return Fit(head, centre, step, skull, bust, landmarks, eyes, size, ears, unit, over)


_FACE_HEIGHT, _FACE_WIDTH = 0.171, 0.155  # of the base head, chin to hairline and between the ears


def smoothed(map_: np.ndarray, cells: float) -> np.ndarray:
    """Give a map that runs smoothly outside the given one."""
    grown = scipy.ndimage.maximum_filter(map_, (3, 3), mode=("nearest", "wrap"))
    return np.maximum(
        scipy.ndimage.gaussian_filter(grown, cells, mode=("nearest", "wrap"), truncate=2.5), map_
    )


def _over_hair(skull, hair, centre, step):
    """Grow the map by the hair in each direction: what most of it reaches, run smooth."""
    probe = Fit(None, centre, step, skull, skull, None, None, 0.0, {}, 1.0, skull)
    azimuth, row, radius = probe.where(hair)
    keep = row > _LOW - 6
    cell = (
        np.clip(np.round(row[keep]), 0, CROWN).astype(int),
        (np.round(azimuth[keep] * (COLUMNS / (2 * math.pi))).astype(int) % COLUMNS),
    )
    thick = np.zeros_like(skull)
    np.maximum.at(thick, cell, radius[keep] - skull[cell])
    # A band presses wild tips down.
    thick = np.minimum(thick, 0.22 * skull)
    thick = scipy.ndimage.grey_closing(thick, (5, 5), mode="wrap")
    thick = scipy.ndimage.gaussian_filter(thick, 1.2, mode=("nearest", "wrap"))
    thick[-3:] = thick[-3:].mean(1, keepdims=True)
    return skull + thick


@functools.cache
def _skin_faces():
    head = load_head()
    keep = (
        head.part_vertices("skin") & (head.region("eye_sockets") < 0.5) & (head.region("mouth_cavity") < 0.5)
    )
    faces = head.faces[keep[head.faces].all(1)]
    return faces, (head.region("ears") > 0.3)[faces].any(1)


@functools.cache
def _eye_vertices():
    head = load_head()
    return tuple(np.flatnonzero(head.part_vertices(name)) for name in ("right_eye", "left_eye"))


@functools.cache
def _anchors():
    """Find three vertices of the skull that only the neck's joint moves, and one that no joint but the root does."""
    head = load_head()
    still = np.abs(head.expression_basis).max((1, 2)) < 1e-7
    rigid = np.flatnonzero(still & (head.region("scalp") > 0.5) & (head.skin_weights[:, 1] > 0.999))
    place = head.template[rigid]
    skull = rigid[[np.argmax(place @ way) for way in ((0, 1, 0), (0.8, 0.5, 0), (-0.8, 0.5, 0))]]
    loose = head.skin_weights[:, 0] * (still & head.part_vertices("skin"))
    return skull, int(np.argmax(loose))


@functools.cache
def _ear_vertices():
    """Find for each ear, right first, the vertices of its top, its lobe, its end behind and above its root."""
    head = load_head()
    inside, place = head.region("ears") > 0.5, head.template
    faces = head.faces
    mixed = faces[inside[faces].any(1) & ~inside[faces].all(1)]
    border = np.zeros(len(place), bool)
    border[mixed[inside[mixed]]] = True
    found = {name: [] for name in ("top", "lobe", "bottom", "root", "back", "outer")}
    for side in (-1, 1):
        mine = np.flatnonzero(inside & (place[:, 0] * side > 0))
        low = place[mine, 1].min()
        height = place[mine, 1] - low
        lobe = mine[(height > 0.003) & (height < 0.011)]
        rim = mine[border[mine]]
        found["top"].append(mine[np.argmax(place[mine, 1])])
        found["lobe"].append(lobe[np.argmax(place[lobe] @ (side, 0, 0.6))])
        found["bottom"].append(mine[np.argmin(height)])
        found["root"].append(rim[np.argmax(place[rim] @ (0, 1, 0.35))])
        found["back"].append(mine[np.argmin(place[mine, 2])])
        found["outer"].append(mine[np.argmax(place[mine, 0] * side)])
    return {name: np.array(ids) for name, ids in found.items()}


def lobes() -> np.ndarray:
    """Give the two vertices in which an earring sits, the head's right first."""
    return _ear_vertices()["lobe"]


@functools.cache
def neck_grid(rows: int = 14, columns: int = 64):
    """Lay a grid over the neck: roots (rows, columns + 1, 3) and their weights; closed, the last column repeats.

    Row 0 is the open end of the neck, the last under the jaw and at the nape; columns run as azimuths do.
    """
    head = load_head()
    place = head.template.astype(np.float64)
    skin = head.part_vertices("skin")
    faces = head.faces[skin[head.faces].all(1)]
    sides = np.sort(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]), 1)
    sides, uses = np.unique(sides, axis=0, return_counts=True)
    end = np.unique(sides[uses == 1])
    end = end[place[end, 1] < -0.12]
    ring = place[end]
    around = np.arctan2(ring[:, 0], ring[:, 2] - ring[:, 2].mean())
    order = np.argsort(around)
    near = (
        skin
        & (place[:, 1] < -0.02)
        & (head.region("mouth_cavity") < 0.5)
        & (head.region("eye_sockets") < 0.5)
    )
    ids = np.flatnonzero(near)
    azimuth = np.arctan2(place[ids, 0], place[ids, 2] - ring[:, 2].mean())
    low = np.interp(azimuth, around[order], ring[order, 1], period=2 * math.pi)
    # The neck's upper end: under the jaw in front, higher at the nape.
    high = -0.105 + 0.055 * (0.5 - 0.5 * np.cos(azimuth)) ** 1.5
    share = (place[ids, 1] - low) / (high - low)
    # Under the chin only the neck's side counts, not the chin's front.
    throat = ~((head.region("face")[ids] > 0.5) & (place[ids, 1] > -0.1)) & (share < 1.6)
    ids, azimuth, share = ids[throat], azimuth[throat], share[throat]
    scale = np.array([1.0, 1.2])
    flat = np.stack([azimuth, share], -1) * scale
    flat = np.concatenate([flat + [shift, 0] for shift in (-2 * math.pi, 0, 2 * math.pi)])
    u = np.linspace(0, 2 * math.pi, columns + 1)
    wanted = (
        np.stack(np.meshgrid((u + math.pi) % (2 * math.pi) - math.pi, np.linspace(0.0, 1, rows)), -1) * scale
    )
    tree = scipy.spatial.Delaunay(flat)
    query = wanted.reshape(-1, 2)
    at = tree.find_simplex(query, bruteforce=True)
    nearest = scipy.spatial.cKDTree(flat).query(query)[1]
    t = tree.transform[at]
    part = np.einsum("nij,nj->ni", t[:, :2], query - t[:, 2])
    weights = np.column_stack([part, 1 - part.sum(1)])
    roots = tree.simplices[at] % len(ids)
    lost = at < 0
    roots[lost], weights[lost] = (nearest[lost] % len(ids))[:, None], [1, 0, 0]
    shape = (rows, columns + 1, 3)
    return ids[roots].reshape(shape).astype(np.int32), weights.reshape(shape).astype(np.float32)


def neck_points(head: HeadModel, rows: int = 14, columns: int = 64) -> np.ndarray:
    """Give the points (rows, columns + 1, 3) of `neck_grid` on a head."""
    roots, weights = neck_grid(rows, columns)
    return np.einsum("rckd,rck->rcd", head.template[roots].astype(np.float64), weights)


@nb.njit(cache=True)
def _looked_up(map_, azimuth, row):
    rows, columns = map_.shape
    flat_a, flat_r = azimuth.ravel(), row.ravel()
    out = np.empty(len(flat_a))
    for i in range(len(out)):
        r = min(max(flat_r[i], 0.0), rows - 1.0)
        r0 = min(int(r), rows - 2)
        c = (flat_a[i] * columns / (2 * math.pi)) % columns
        c0 = int(c) % columns
        fr, fc = r - r0, c - int(c)
        c1 = (c0 + 1) % columns
        low = map_[r0, c0] * (1 - fc) + map_[r0, c1] * fc
        high = map_[r0 + 1, c0] * (1 - fc) + map_[r0 + 1, c1] * fc
        out[i] = low * (1 - fr) + high * fr
    return out.reshape(azimuth.shape)


@nb.njit(cache=True)
def _cast(vertices, faces, of_ear, centre, step, skull, bust):
    """Send a ray through each cell of the maps and keep how far out it leaves the skin."""
    turn = COLUMNS / (2 * math.pi)
    climb = (_HIGH - 1) / (math.pi / 2)
    count = len(vertices)
    cell = np.empty((count, 2))
    for i in range(count):
        x, y, z = vertices[i, 0] - centre[0], vertices[i, 1] - centre[1], vertices[i, 2] - centre[2]
        flat = math.sqrt(x * x + z * z)
        cell[i, 0] = math.atan2(x, z) * turn
        cell[i, 1] = _LOW + (math.atan2(y, flat) * climb if y > 0 else y / step)
    for f in range(len(faces)):
        a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
        ca, cb, cc = cell[a, 0], cell[b, 0], cell[c, 0]
        # Bring the corners to the same turn.
        cb += round((ca - cb) / COLUMNS) * COLUMNS
        cc += round((ca - cc) / COLUMNS) * COLUMNS
        first, last = min(ca, cb, cc), max(ca, cb, cc)
        low, high = min(cell[a, 1], cell[b, 1], cell[c, 1]), max(cell[a, 1], cell[b, 1], cell[c, 1])
        if last - first > COLUMNS / 4 or high > CROWN - 1.5:
            first, last, high = 0.0, COLUMNS - 1.0, CROWN + 0.0
        pa, pb, pc = vertices[a], vertices[b], vertices[c]
        for row in range(max(0, math.ceil(low - 0.3)), min(CROWN, math.floor(high + 0.3)) + 1):
            polar = max(0.0, (row - _LOW) / climb)
            oy = centre[1] + min(0, row - _LOW) * step
            cosine, dy = math.cos(polar), math.sin(polar)
            for column in range(math.ceil(first - 0.1), math.floor(last + 0.1) + 1):
                way = column / turn
                dx, dz = cosine * math.sin(way), cosine * math.cos(way)
                t = _hit(centre[0], oy, centre[2], dx, dy, dz, pa, pb, pc)
                if t > 0:
                    k = column % COLUMNS
                    bust[row, k] = max(bust[row, k], t)
                    if not of_ear[f]:
                        skull[row, k] = max(skull[row, k], t)


@nb.njit(cache=True, error_model="numpy")
def _hit(ox, oy, oz, dx, dy, dz, a, b, c):
    """Give the distance at which a ray leaves through a triangle, or -1 (Moller and Trumbore 1997)."""
    e0, e1, e2 = b[0] - a[0], b[1] - a[1], b[2] - a[2]
    g0, g1, g2 = c[0] - a[0], c[1] - a[1], c[2] - a[2]
    p0, p1, p2 = dy * g2 - dz * g1, dz * g0 - dx * g2, dx * g1 - dy * g0
    whole = e0 * p0 + e1 * p1 + e2 * p2
    # A triangle seen from behind is where the ray leaves the head.
    if whole > -1e-14:
        return -1.0
    t0, t1, t2 = ox - a[0], oy - a[1], oz - a[2]
    u = (t0 * p0 + t1 * p1 + t2 * p2) / whole
    if u < -1e-4 or u > 1.0001:
        return -1.0
    q0, q1, q2 = t1 * e2 - t2 * e1, t2 * e0 - t0 * e2, t0 * e1 - t1 * e0
    v = (dx * q0 + dy * q1 + dz * q2) / whole
    if v < -1e-4 or u + v > 1.0001:
        return -1.0
    return (g0 * q0 + g1 * q1 + g2 * q2) / whole


@nb.njit(cache=True)
def _fill(map_):
    """Fill the cells no ray left through: along their row from both sides, or from the row above."""
    rows, columns = map_.shape
    for row in range(rows - 1, -1, -1):
        known = 0
        for c in range(columns):
            known += map_[row, c] > 0
        if known == 0:
            if row + 1 < rows:
                for c in range(columns):
                    map_[row, c] = map_[row + 1, c]
            continue
        start = 0
        while map_[row, start] == 0:
            start += 1
        last, value = start, map_[row, start]
        for k in range(start + 1, start + columns + 1):
            c = k % columns
            here = map_[row, c]
            if here > 0:
                for j in range(last + 1, k):
                    t = (j - last) / (k - last)
                    map_[row, j % columns] = value * (1 - t) + here * t
                last, value = k, here
