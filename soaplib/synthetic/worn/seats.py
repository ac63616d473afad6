"""Where a hat sits: the line round the skull where it ends, and the ellipse a stiff hat stands on."""

import dataclasses
import math

import numpy as np

from soaplib.synthetic.hair.scalp import hat_line as scalp_hat_line
from soaplib.synthetic.worn.fitting import Fit
from soaplib.synthetic.worn.radius_maps import CROWN

CLEAR = 0.0085
"""Metres that a hat's inner side keeps from the skin; hair under it takes 4 mm."""


@dataclasses.dataclass(frozen=True)
class HatLine:
    """The line where a hat ends: azimuth and row (C,), the last repeats the first, in the plane normal . p = level."""

    azimuth: np.ndarray
    row: np.ndarray
    normal: np.ndarray
    level: float


def hat_line(fit: Fit, front=0.0, lift=0.0, columns=64) -> HatLine:
    """Lay the plane in which a hat ends: over the ears on the scalp's own hat line, turned about the ears.

    front: how much higher it runs over the brows, in steps of 15 mm; 0 is between brows and hairline. lift: metres
    by which all of it is raised.
    """
    scalp = scalp_hat_line(fit.head)
    brow = float(fit.landmarks[[105, 334], 1].mean())
    ears = fit.ears["root"].mean(0)
    top = float(scalp.height(fit.landmarks[10]))
    least = brow + 0.009 * fit.unit
    high = np.clip(
        brow + 0.75 * (top - brow) + 0.015 * front * fit.unit, least, max(top + 0.02 * fit.unit, least)
    )
    zero = np.zeros(1)
    ahead = fit.on(zero, fit.row_of_height(zero, high + lift))[0]
    low = float(scalp.height(ears)) + lift
    slope = np.clip((ahead[1] - low) / max(ahead[2] - ears[2], 1e-3), -0.05, 0.6)
    normal = np.array([0, 1, -slope]) / math.hypot(1, slope)
    azimuth = np.linspace(0, 2 * math.pi, columns + 1)
    level = float(np.array([0, low, ears[2]]) @ normal)
    return HatLine(azimuth, fit.row_of_plane(azimuth, normal, level), normal, level)


def cap_points(fit: Fit, line: HatLine, rows=16, low=0.0, high=1.0, lift=CLEAR) -> np.ndarray:
    """Give points (rows, C, 3) over the skull from the hat line (share 0) to the crown (share 1), smooth.

    lift: metres outside the skull: a number, (rows, 1) or (rows, C).
    """
    share = np.linspace(low, high, rows)[:, None]
    row = line.row + share * (CROWN - line.row)
    points = fit.on(line.azimuth, row, lift, fit.smooth)
    if high == 1:
        points[-1] = points[-1].mean(0)
    return points


@dataclasses.dataclass(frozen=True)
class Seat:
    """What a stiff hat stands on.

    frame: (4, 3) origin in the hat's plane, then right, up, front. scale: half axes of the ellipse round the head.
    inside: (N, 2) of (radius over the ellipse's, height) of the skull that the hat must hold.
    """

    frame: np.ndarray
    scale: np.ndarray
    inside: np.ndarray

    def cover(self, shape, height: float) -> tuple[np.ndarray, float]:
        """Size a crown so that it holds the skull.

        shape: (N, 2) of (radius over the ellipse's, height over the crown's) from below upwards. height: the least
        in metres. Returns the profile (N, 2) in (radius over the ellipse's, metres), and its height.
        """
        shape = np.asarray(shape, float)
        radius, rise = self.inside.T
        height = max(height, float(rise.max()) + 0.004)
        for _ in range(6):
            room = np.interp(rise / height, shape[:, 1], shape[:, 0])
            need = float((radius / np.maximum(room, 0.05)).max())
            if need < 1.04:
                break
            height *= 1.05
        return np.column_stack([shape[:, 0] * max(1.0, need), shape[:, 1] * height]), height

    def ring(self, columns=64) -> np.ndarray:
        """Give (columns + 1, 3) vectors from the origin to the ellipse."""
        azimuth = np.linspace(0, 2 * math.pi, columns + 1)[:, None]
        return (
            np.sin(azimuth) * self.scale[0] * self.frame[1] + np.cos(azimuth) * self.scale[1] * self.frame[3]
        )


def seat_on(fit: Fit, line: HatLine, lift=CLEAR, of=None) -> Seat:
    """Fit the ellipse in the plane of a hat line about the head, `lift` metres away from a map of it at least.

    of: the map, as default the skull where hair is pressed down.
    """
    of = fit.smooth if of is None else of
    up = line.normal
    front = np.cross([1.0, 0, 0], up)
    frame = np.stack([np.zeros(3), [1.0, 0, 0], up, front])
    rise = np.linspace(0, 1, 14)[:, None]
    skull = fit.on(line.azimuth, line.row + rise * (CROWN - line.row), lift, of).reshape(-1, 3)
    flat = np.stack([skull[:, 0], skull @ front], -1)
    ring = flat[: len(line.azimuth)]
    middle = (ring.max(0) + ring.min(0)) / 2
    scale = np.ptp(ring, axis=0) / 2
    scale = scale * np.linalg.norm((ring - middle) / scale, axis=1).max()
    frame[0] = frame[1] * middle[0] + front * middle[1] + up * line.level
    radius = np.linalg.norm((flat - middle) / scale, axis=1)
    height = skull @ up - line.level
    return Seat(frame, scale, np.column_stack([radius, height])[height > -1e-9])
