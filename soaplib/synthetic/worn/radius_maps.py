"""How far a head reaches in each direction from the middle of its skull: maps over azimuth and height.

A place about a head is told by azimuth (0 at the face, growing to the head's left), row and radius. The first `LOW`
rows are heights below the skull's middle and the radius is the distance from the vertical axis; above them rows are
elevations up to the crown and the radius is the distance from the middle.
"""

import dataclasses
import math

import numba as nb
import numpy as np
import scipy.ndimage

COLUMNS = 96
LOW, _HIGH = 30, 25
ROWS = LOW + _HIGH
CROWN = ROWS - 1
"""The row of the crown, the topmost."""


@dataclasses.dataclass(frozen=True)
class Space:
    """Azimuth, row and radius about a head. centre: (3,) of the skull; step: metres between rows below it."""

    centre: np.ndarray
    step: float

    def place(self, azimuth, row, radius) -> np.ndarray:
        """Give the points (..., 3) at azimuth, row, radius."""
        azimuth, row, radius = np.broadcast_arrays(azimuth, row, radius)
        polar = np.clip((row - LOW) / (_HIGH - 1), 0, 1) * (math.pi / 2)
        drop = np.minimum(row - LOW, 0) * self.step
        reach = radius * np.cos(polar)
        return self.centre + np.stack(
            [reach * np.sin(azimuth), drop + radius * np.sin(polar), reach * np.cos(azimuth)], -1
        )

    def where(self, points) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Give azimuth, row, radius of points (..., 3)."""
        x, y, z = np.moveaxis(np.asarray(points) - self.centre, -1, 0)
        flat = np.hypot(x, z)
        above = y > 0
        row = np.where(above, LOW + np.arctan2(y, flat) * ((_HIGH - 1) / (math.pi / 2)), LOW + y / self.step)
        return np.arctan2(x, z), row, np.where(above, np.hypot(flat, y), flat)


def cast_maps(vertices, faces, of_ear, space: Space) -> tuple[np.ndarray, np.ndarray]:
    """Measure how far skin reaches, (ROWS, COLUMNS): without the ears, and with them.

    vertices: (V, 3) float64. faces: (F, 3) of the skin; of_ear: (F,) bool.
    """
    bare, whole = np.zeros((ROWS, COLUMNS)), np.zeros((ROWS, COLUMNS))
    _cast(vertices, faces, of_ear, space.centre, space.step, bare, whole)
    _fill(bare)
    return bare, np.maximum(whole, bare)


def hair_map(skull: np.ndarray, hair: np.ndarray, space: Space) -> np.ndarray:
    """Grow a map by the hair (N, 3) in each direction: what most of it reaches, run smooth, wild tips pressed down."""
    azimuth, row, radius = space.where(hair)
    keep = row > LOW - 6
    column = np.round(azimuth[keep] * (COLUMNS / (2 * math.pi))).astype(int) % COLUMNS
    cell = np.clip(np.round(row[keep]), 0, CROWN).astype(int), column
    thick = np.zeros_like(skull)
    np.maximum.at(thick, cell, radius[keep] - skull[cell])
    thick = np.minimum(thick, 0.22 * skull)
    thick = scipy.ndimage.grey_closing(thick, (5, 5), mode="wrap")
    thick = scipy.ndimage.gaussian_filter(thick, 1.2, mode=("nearest", "wrap"))
    thick[-3:] = thick[-3:].mean(1, keepdims=True)
    return skull + thick


def smoothed(map_: np.ndarray, cells: float) -> np.ndarray:
    """Give a map that runs smoothly outside the given one."""
    grown = scipy.ndimage.maximum_filter(map_, (3, 3), mode=("nearest", "wrap"))
    return np.maximum(
        scipy.ndimage.gaussian_filter(grown, cells, mode=("nearest", "wrap"), truncate=2.5), map_
    )


@nb.njit(cache=True)
def looked_up(map_, azimuth, row):
    """Give a map's radius between its cells at azimuths and rows (any shape, the same)."""
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
        cell[i, 1] = LOW + (math.atan2(y, flat) * climb if y > 0 else y / step)
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
            polar = max(0.0, (row - LOW) / climb)
            oy = centre[1] + min(0, row - LOW) * step
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
