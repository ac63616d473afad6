"""How each style models hair: how many locks, how wide, how round, how sharp."""

import dataclasses

import numpy as np

from soaplib.synthetic.hair.codes import Hair
from soaplib.synthetic.hair.locks import taper


@dataclasses.dataclass(frozen=True)
class Look:
    """Modelling of one style, with one head's own parameters in it.

    count, width: factors. points, across: vertices along and over a lock. bulge, softness, round: see `Locks` and
    `surface`. tip, power: see `taper`. contrast, fineness: of the strand texture. edge: how much darker a lock's
    edges are.
    """

    count: float
    width: float
    points: int
    across: int
    bulge: float
    softness: float
    round: bool
    tip: float
    power: float
    contrast: float
    fineness: float
    edge: float

    def number(self, count: float, hair: Hair) -> int:
        """Give how many locks stand for `count` of them."""
        return max(4, round(count * self.count * hair.density))

    def half_width(self, width: float, hair: Hair, rng: np.random.Generator, count: int) -> np.ndarray:
        """Draw (count,) half widths about `width` metres."""
        return width * self.width * hair.lock_width * rng.uniform(0.65, 1.3, count).astype(np.float32)

    def widths(
        self, hair: Hair, root: float = 0.45, full: float = 0.25, points: int | None = None
    ) -> np.ndarray:
        """Give the widths along a lock."""
        tip = self.tip * (1 - hair.taper)
        return taper(points or self.points, root, full, tip, self.power + 2 * (1 - hair.taper))


_LOOKS = {
    "realistic": Look(1.0, 1.0, 12, 4, 0.24, 0.62, False, 0.35, 2.0, 0.95, 1.0, 0.26),
    "cartoon": Look(0.5, 1.75, 12, 5, 0.50, 0.35, False, 0.20, 2.2, 0.40, 0.6, 0.35),
    "anime": Look(0.42, 1.9, 12, 5, 0.30, 0.86, False, 0.0, 1.8, 0.15, 0.5, 0.18),
    "clay": Look(0.42, 1.4, 10, 6, 0.70, 0.10, True, 0.45, 3.0, 0.30, 0.5, 0.30),
}


def look_of(hair: Hair) -> Look:
    """Give the look of a head of hair's style."""
    return _LOOKS[hair.style]
