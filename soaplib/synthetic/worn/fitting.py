"""What of a head a worn thing must fit: how far the skull reaches in each direction, where eyes, nose, ears are."""

import dataclasses
import functools

import numpy as np

from soaplib.head import HeadModel, load_head
from soaplib.synthetic.worn.radius_maps import (
    CROWN,
    LOW,
    ROWS,
    Space,
    cast_maps,
    hair_map,
    looked_up,
    smoothed,
)

_FACE_HEIGHT, _FACE_WIDTH = 0.171, 0.155  # of the base head, chin to hairline and between the ears


@dataclasses.dataclass(frozen=True, eq=False)
class Fit:
    """The measures of one head, metres; what takes longer is measured when it is first asked for.

    head: a personal head of `load_head`'s topology. hair: (N, 3) vertices of its hair, or None.
    """

    head: HeadModel
    hair: np.ndarray | None = None

    def __post_init__(self):
        count = len(load_head().template)
        if len(self.head.template) != count:
            raise ValueError(f"Fit: expected a head of {count} vertices, got {len(self.head.template)}")

    @functools.cached_property
    def vertices(self) -> np.ndarray:
        """(V, 3) float64 of the head."""
        return np.asarray(self.head.template, np.float64)

    @functools.cached_property
    def landmarks(self) -> np.ndarray:
        """(478, 3)."""
        corners, weights = _landmark_corners()
        return np.einsum("nkd,nk->nd", self.vertices[corners], weights)

    @functools.cached_property
    def eyes(self) -> np.ndarray:
        """(2, 3) the middles of the eyeballs, the head's right first."""
        return np.stack([self.vertices[ids].mean(0) for ids in _eye_vertices()])

    @functools.cached_property
    def eye_radius(self) -> float:
        """Of the eyeballs."""
        return float(np.ptp(self.vertices[_eye_vertices()[0], 1])) / 2

    @functools.cached_property
    def ears(self) -> dict[str, np.ndarray]:
        """(2, 3) each, right first: top, lobe, bottom, root (above), back, outer."""
        return {name: self.vertices[ids] for name, ids in _ear_vertices().items()}

    @functools.cached_property
    def unit(self) -> float:
        """The size of this head's face over an adult's."""
        high = float(self.landmarks[10, 1] - self.landmarks[152, 1]) / _FACE_HEIGHT
        return (high + float(np.ptp(self.landmarks[[234, 454], 0])) / _FACE_WIDTH) / 2

    @functools.cached_property
    def space(self) -> Space:
        """Azimuth, row and radius about the skull's middle."""
        skin = self.vertices[_skin_faces()[2]]
        eyes = self.eyes[:, 1].mean()
        middle = eyes + 0.1 * (skin[:, 1].max() - eyes)
        front, back = self.landmarks[9, 2], skin[skin[:, 1] > eyes, 2].min()
        centre = np.array([0.0, middle, front + 0.52 * (back - front)])
        return Space(centre, (middle - skin[:, 1].min()) / LOW)

    @functools.cached_property
    def _maps(self):
        faces, of_ear, _ = _skin_faces()
        return cast_maps(self.vertices, faces, of_ear, self.space)

    @property
    def centre(self) -> np.ndarray:
        """(3,) the middle of the skull."""
        return self.space.centre

    @property
    def skull(self) -> np.ndarray:
        """The map of the skin without the ears."""
        return self._maps[0]

    @property
    def bust(self) -> np.ndarray:
        """The map of the skin with the ears."""
        return self._maps[1]

    @functools.cached_property
    def over(self) -> np.ndarray:
        """The map of the hair, of the skull where there is none."""
        return self.skull if self.hair is None else hair_map(self.skull, self.hair, self.space)

    @functools.cached_property
    def smooth(self) -> np.ndarray:
        """The skull's map run smooth, nowhere inside it; a little wider where hair stands under a hat."""
        # Hats keep 8.5 mm from the skull, so that only hair above 5 mm needs more room; they press down the rest.
        pressed = np.clip(self.over - self.skull - 0.005, 0, 0.007)
        return smoothed(self.skull + pressed, 1.5)

    def place(self, azimuth, row, radius) -> np.ndarray:
        """Give the points (..., 3) at azimuth, row, radius."""
        return self.space.place(azimuth, row, radius)

    def where(self, points) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Give azimuth, row, radius of points (..., 3)."""
        return self.space.where(points)

    def reach(self, azimuth, row, of=None) -> np.ndarray:
        """Look up a radius map (the skull as default) between its cells."""
        map_ = self.skull if of is None else of
        azimuth, row = np.broadcast_arrays(azimuth, row)
        return looked_up(map_, np.array(azimuth, float), np.array(row, float))

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
        low, high = self.centre[1] - LOW * self.space.step, self.landmarks[152, 1]
        t = np.clip((vertices[:, 1] - low) / max(high - low, 1e-6), 0, 1)
        t = t * t * (3 - 2 * t)
        roots = np.tile([skull[0], skull[1], shoulder], (len(vertices), 1)).astype(np.int32)
        return roots, np.stack([t / 2, t / 2, 1 - t], -1).astype(np.float32)

    def hung_on(self, vertex, count) -> tuple[np.ndarray, np.ndarray]:
        """Bind `count` vertices to one vertex of the head."""
        weights = np.zeros((count, 3), np.float32)
        weights[:, 0] = 1
        return np.full((count, 3), vertex, np.int32), weights


@functools.cache
def _skin_faces():
    head = load_head()
    keep = (
        head.part_vertices("skin") & (head.region("eye_sockets") < 0.5) & (head.region("mouth_cavity") < 0.5)
    )
    faces = head.faces[keep[head.faces].all(1)]
    return faces, (head.region("ears") > 0.3)[faces].any(1), np.unique(faces)


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
def _landmark_corners():
    head = load_head()
    return head.faces[head.landmark_faces], head.landmark_weights.astype(np.float64)
