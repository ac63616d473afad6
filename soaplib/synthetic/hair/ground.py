"""The ground that hair grows on: a person's scalp with a hairline, a parting, and the face to keep clear of."""

import dataclasses

import numpy as np

from soaplib.head import HeadModel
from soaplib.synthetic.hull import Hull, azimuths, heights, raised, smoothed
from soaplib.synthetic.scalp import CROWN, Hairline, Scalp, scalp

_GOLDEN = (1 + 5**0.5) / 2
_COMMON_UNIT = 0.1074  # metres, `Scalp.unit` of the base head
_EYE_CORNER, _BROW = (33, 263), (105, 334, 66, 296)


@dataclasses.dataclass(frozen=True)
class Roots:
    """N places where locks grow: azimuth, height on the base head, points (N, 3) of this head.

    edge: (N,) height above the hairline. away: (N,) distance from the parting over the head's unit.
    """

    azimuth: np.ndarray
    height: np.ndarray
    points: np.ndarray
    edge: np.ndarray
    away: np.ndarray

    def __len__(self):
        return len(self.azimuth)

    def where(self, kept: np.ndarray) -> "Roots":
        """Give the roots of a mask or of indices."""
        return Roots(*(getattr(self, field.name)[kept] for field in dataclasses.fields(self)))


@dataclasses.dataclass(frozen=True)
class Ground:
    """One head ready for hair.

    scale: its size over the base head's. hull: the rounded outer surface that hair lies on. part: (P, 3) points
    of the parting, from its front to the whorl. brow_y: metres. eye_azimuth: of the outer corners.
    parted: azimuth of the parting's front. brow, line: heights (as in `Hull`) of this head's brows and front
    hairline.
    """

    scalp: Scalp
    hairline: Hairline
    scale: float
    hull: Hull
    part: np.ndarray
    brow_y: float
    eye_azimuth: float
    parted: float
    brow: float
    line: float

    def roots(self, azimuth: np.ndarray, height: np.ndarray) -> Roots:
        """Give the roots at places of the base head."""
        azimuth = np.mod(np.asarray(azimuth, np.float32) + np.pi, 2 * np.pi) - np.pi
        points = self.scalp.points(azimuth, height)
        away = _distance(points, self.part) / self.scalp.unit
        return Roots(azimuth, height, points, height - self.hairline.height(azimuth), away)

    def spread(self, count: int, rng: np.random.Generator, jitter: float = 0.5) -> Roots:
        """Give about `count` roots evenly over the haired scalp (a Fibonacci lattice, jittered)."""
        total = int(count * 1.75)
        k = np.arange(total) + 0.5
        # Equal areas: the sine of the height above the middle, the height itself below it.
        lowest = -1.3
        level = 1 - k / total * (1 - lowest)
        spacing = np.sqrt(2 * np.pi * (1 - lowest) / total)
        height = np.where(level > 0, np.arcsin(np.clip(level, -1, 1)), level)
        azimuth = 2 * np.pi * k / _GOLDEN + rng.uniform(0, 2 * np.pi)
        height = height + spacing * jitter * rng.uniform(-0.5, 0.5, total)
        azimuth = azimuth + spacing * jitter * rng.uniform(-0.5, 0.5, total) / np.cos(np.clip(height, 0, 1.4))
        roots = self.roots(azimuth.astype(np.float32), np.minimum(height, 1.56).astype(np.float32))
        return roots.where(roots.edge > 0.02)

    def along_part(self, count: int, aside: float) -> Roots:
        """Give `count` roots on either side of the parting, `aside` radians from it."""
        crown = _direction(*CROWN)
        front = _direction(*self._front())
        s = np.linspace(0.22, 1.0, count)[:, None]
        middle = _slerp(front, crown, s)
        across = np.cross(front, crown)
        across /= np.linalg.norm(across) + 1e-9
        both = np.concatenate([middle + aside * across, middle - aside * across])
        both /= np.linalg.norm(both, axis=1, keepdims=True)
        return self.roots(np.arctan2(both[:, 0], both[:, 2]), np.arcsin(np.clip(both[:, 1], -1, 1)))

    def about_crown(self, count: int, aside: float) -> Roots:
        """Give `count` roots in a ring about the whorl, `aside` radians from it."""
        crown = _direction(*CROWN)
        right = np.array([1.0, 0.0, 0.0])
        ahead = np.cross(right, crown)
        angle = (np.arange(count) + 0.5)[:, None] * (2 * np.pi / count)
        ring = np.cos(aside) * crown + np.sin(aside) * (np.cos(angle) * right + np.sin(angle) * ahead)
        return self.roots(np.arctan2(ring[:, 0], ring[:, 2]), np.arcsin(np.clip(ring[:, 1], -1, 1)))

    def _front(self):
        local = self.part[0] - self.scalp.centre
        return np.arctan2(local[0], local[2]), np.arctan2(local[1], np.hypot(local[0], local[2]))

    def raised(self, body) -> "Ground":
        """Give the ground with a body of hair on the bare scalp: metres as a function of (azimuth, height)."""
        azimuth, height = np.meshgrid(azimuths(), heights())
        return dataclasses.replace(self, hull=raised(self.scalp.bare, body(azimuth, height)))

    def lifted(self, roots: Roots, below: float = 0.0015) -> Roots:
        """Give the roots brought up to `below` metres under the hull, where they come out of a body of hair."""
        return dataclasses.replace(roots, points=self.hull.push_out(roots.points, -below * self.scale))


def ground(head: HeadModel, hairline: Hairline, part: float = 0.0, part_length: float = 1.0) -> Ground:
    """Make a head ready for hair with a parting that begins at azimuth `part`; see `Hair.part_length`."""
    measured = scalp(head)
    marks = head.landmarks(np.asarray(head.template, np.float32))
    centre = measured.centre
    corners = marks[list(_EYE_CORNER)] - centre
    eye_azimuth = float(np.abs(np.arctan2(corners[:, 0], corners[:, 2])).mean())
    # It goes on below the hairline: hair in front falls to the sides, not over the face.
    front = np.array([part, hairline.height(np.array(part)) - 0.4 * part_length])
    s = (1 - part_length) + part_length * np.linspace(0, 1, 7)[:, None]
    middle = _slerp(_direction(*front), _direction(*CROWN), s)
    parting = measured.points(np.arctan2(middle[:, 0], middle[:, 2]), np.arcsin(np.clip(middle[:, 1], -1, 1)))
    brow_y = float(marks[list(_BROW), 1].mean())
    line_point = measured.points(np.array([0.0]), np.array([float(hairline.height(np.array(0.0)))]))
    line = float(measured.whole.locate(line_point)[0, 1])
    brow = float(measured.whole.locate(marks[list(_BROW)][:1])[0, 1])
    return Ground(
        measured, hairline, measured.unit / _COMMON_UNIT, _draped(measured), parting, brow_y,
        eye_azimuth, part, brow, line,
    )  # fmt: skip


def _draped(measured):
    """Give the hull that hair lies on: rounded, and no wider about the neck's root than over it."""
    rounded = smoothed(measured.whole, 2)
    radii = rounded.radii.copy()
    low = heights() < -1.6
    radii[low] = np.minimum(radii[low], 0.92 * measured.unit)
    return dataclasses.replace(rounded, radii=radii)


def _direction(azimuth, height):
    return np.array(
        [np.cos(height) * np.sin(azimuth), np.sin(height), np.cos(height) * np.cos(azimuth)], np.float64
    )


def _slerp(start, end, s):
    angle = np.arccos(np.clip(start @ end, -1, 1))
    return (np.sin((1 - s) * angle) * start + np.sin(s * angle) * end) / np.sin(angle)


def _distance(points, line):
    """Give each point's distance from a polyline."""
    start, step = line[:-1], np.diff(line, axis=0)
    offset = points[:, None] - start[None]
    s = np.clip((offset * step).sum(-1) / ((step**2).sum(-1) + 1e-12), 0, 1)
    return np.linalg.norm(offset - s[..., None] * step, axis=-1).min(1).astype(np.float32)
