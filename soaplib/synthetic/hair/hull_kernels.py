"""The loops of `hull`, compiled; `locate`, `radius_at` and `place` also serve other compiled loops."""

import math

import numba
import numpy as np

from soaplib.synthetic.hair.hull import BOTTOM, COLUMNS, ROWS, TOP

_PER_ROW = (ROWS - 1) / (TOP - BOTTOM)
_PER_COLUMN = COLUMNS / (2 * math.pi)
_jit = numba.njit(cache=True, fastmath=False, error_model="numpy")


@_jit
def locate(x, y, z, centre, unit):
    """Give azimuth, height, radius of a point."""
    dx, dy, dz = x - centre[0], y - centre[1], z - centre[2]
    flat = math.sqrt(dx * dx + dz * dz)
    azimuth = math.atan2(dx, dz)
    if dy > 0:
        return azimuth, math.atan2(dy, flat), math.sqrt(flat * flat + dy * dy)
    return azimuth, dy / unit, flat


@_jit
def place(azimuth, height, radius, centre, unit):
    """Give the point of azimuth, height, radius."""
    if height > 0:
        flat, dy = radius * math.cos(height), radius * math.sin(height)
    else:
        flat, dy = radius, height * unit
    return centre[0] + flat * math.sin(azimuth), centre[1] + dy, centre[2] + flat * math.cos(azimuth)


@_jit
def cell(azimuth, height):
    """Give row, next row, column, next column and the fractions between them."""
    row = min(max((TOP - height) * _PER_ROW, 0.0), ROWS - 1.001)
    column = (azimuth + math.pi) * _PER_COLUMN
    i, j = int(row), int(math.floor(column))
    return i, i + 1, j % COLUMNS, (j + 1) % COLUMNS, row - i, column - math.floor(column)


@_jit
def radius_at(azimuth, height, radii):
    """Interpolate the map."""
    i, i1, j, j1, a, b = cell(azimuth, height)
    top = radii[i, j] * (1 - b) + radii[i, j1] * b
    return top * (1 - a) + (radii[i1, j] * (1 - b) + radii[i1, j1] * b) * a


@_jit
def normal_at(azimuth, height, normals):
    """Interpolate the normals; not of unit length."""
    i, i1, j, j1, a, b = cell(azimuth, height)
    w0, w1, w2, w3 = (1 - a) * (1 - b), (1 - a) * b, a * (1 - b), a * b
    x = w0 * normals[i, j, 0] + w1 * normals[i, j1, 0] + w2 * normals[i1, j, 0] + w3 * normals[i1, j1, 0]
    y = w0 * normals[i, j, 1] + w1 * normals[i, j1, 1] + w2 * normals[i1, j, 1] + w3 * normals[i1, j1, 1]
    z = w0 * normals[i, j, 2] + w1 * normals[i, j1, 2] + w2 * normals[i1, j, 2] + w3 * normals[i1, j1, 2]
    return x, y, z


@_jit
def locate_all(points, centre, unit):
    """Locate (N, 3) points."""
    out = np.empty_like(points)
    for n in range(len(points)):
        out[n, 0], out[n, 1], out[n, 2] = locate(points[n, 0], points[n, 1], points[n, 2], centre, unit)
    return out


@_jit
def surface_all(wanted, centre, unit, radii):
    """Place (N, 3) rows of azimuth, height, gap."""
    out = np.empty_like(wanted)
    for n in range(len(wanted)):
        radius = radius_at(wanted[n, 0], wanted[n, 1], radii) + wanted[n, 2]
        out[n, 0], out[n, 1], out[n, 2] = place(wanted[n, 0], wanted[n, 1], radius, centre, unit)
    return out


@_jit
def push_all(points, gaps, centre, unit, radii):
    """Push (N, 3) points out to the surface + gaps."""
    out = points.copy()
    for n in range(len(points)):
        azimuth, height, radius = locate(points[n, 0], points[n, 1], points[n, 2], centre, unit)
        least = radius_at(azimuth, height, radii) + gaps[n]
        if radius < least:
            out[n, 0], out[n, 1], out[n, 2] = place(azimuth, height, least, centre, unit)
    return out


@_jit
def normals_all(points, centre, unit, normals):
    """Look up the unit normals next to (N, 3) points."""
    out = np.empty_like(points)
    for n in range(len(points)):
        azimuth, height, _ = locate(points[n, 0], points[n, 1], points[n, 2], centre, unit)
        x, y, z = normal_at(azimuth, height, normals)
        length = math.sqrt(x * x + y * y + z * z) + 1e-12
        out[n, 0], out[n, 1], out[n, 2] = x / length, y / length, z / length
    return out


@_jit
def fill(radii):
    """Fill the cells without a radius: between known ones of the row, else from the row above or below."""
    known_row = -1
    for i in range(ROWS):
        known = 0
        for j in range(COLUMNS):
            known += radii[i, j] > 0
        if known < COLUMNS // 4:
            radii[i, 0] = -2
            continue
        if known_row < 0:
            known_row = i
        row = radii[i].copy()
        for j in range(COLUMNS):
            if row[j] > 0:
                continue
            left, right = 1, 1
            while row[(j - left) % COLUMNS] <= 0:
                left += 1
            while row[(j + right) % COLUMNS] <= 0:
                right += 1
            a, b = row[(j - left) % COLUMNS], row[(j + right) % COLUMNS]
            radii[i, j] = (a * right + b * left) / (left + right)
    for i in range(known_row - 1, -1, -1):
        radii[i] = radii[i + 1].mean()
    for i in range(known_row + 1, ROWS):
        if radii[i, 0] == -2:
            radii[i] = radii[i - 1]


@_jit
def splat(located, faces):
    """Give radius (-1: none), triangle and weights of the outermost triangle that covers each cell."""
    radii = np.full((ROWS, COLUMNS), -1.0, np.float32)
    ids = np.full((ROWS, COLUMNS), -1, np.int32)
    weights = np.zeros((ROWS, COLUMNS, 3), np.float64)
    for f in range(len(faces)):
        p, q, r = faces[f, 0], faces[f, 1], faces[f, 2]
        x0, y0 = (located[p, 0] + math.pi) * _PER_COLUMN, (TOP - located[p, 1]) * _PER_ROW
        x1, y1 = (located[q, 0] + math.pi) * _PER_COLUMN, (TOP - located[q, 1]) * _PER_ROW
        x2, y2 = (located[r, 0] + math.pi) * _PER_COLUMN, (TOP - located[r, 1]) * _PER_ROW
        x1 -= COLUMNS * math.floor((x1 - x0) / COLUMNS + 0.5)
        x2 -= COLUMNS * math.floor((x2 - x0) / COLUMNS + 0.5)
        area = (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)
        if max(x0, x1, x2) - min(x0, x1, x2) > COLUMNS / 3 or abs(area) < 1e-9:
            continue
        for i in range(max(math.ceil(min(y0, y1, y2)), 0), min(math.floor(max(y0, y1, y2)), ROWS - 1) + 1):
            for j in range(math.ceil(min(x0, x1, x2)), math.floor(max(x0, x1, x2)) + 1):
                u = ((x1 - j) * (y2 - i) - (x2 - j) * (y1 - i)) / area
                v = ((x2 - j) * (y0 - i) - (x0 - j) * (y2 - i)) / area
                w = 1 - u - v
                if u >= -1e-5 and v >= -1e-5 and w >= -1e-5:
                    radius = u * located[p, 2] + v * located[q, 2] + w * located[r, 2]
                    if radius > radii[i, j % COLUMNS]:
                        radii[i, j % COLUMNS] = radius
                        ids[i, j % COLUMNS] = f
                        weights[i, j % COLUMNS, 0] = u
                        weights[i, j % COLUMNS, 1] = v
                        weights[i, j % COLUMNS, 2] = w
    return radii, ids, weights
