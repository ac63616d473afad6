"""The outer surface of a head as a map of radii about its axis, so that a point is pushed out of it in no time."""

import dataclasses
import functools

import numpy as np

COLUMNS = 128
ROWS = 104
TOP = np.pi / 2
BOTTOM = -3.6


@dataclasses.dataclass(frozen=True)
class Hull:
    """Radii of a head about a centre, over azimuth and height.

    The azimuth is atan2(x, z): 0 in front, pi / 2 on the head's left. The height is, above the centre, the
    elevation in radians, where the radius is measured from the centre; below it, (y - centre y) / `unit`, where
    the radius is measured from the vertical axis: so a head with its neck is single-valued. centre: (3,).
    unit: metres. radii: (ROWS, COLUMNS) float32 metres, rows from `TOP` down to `BOTTOM`. normals:
    (ROWS, COLUMNS, 3) float32 of the smoothed surface.
    """

    centre: np.ndarray
    unit: float
    radii: np.ndarray
    normals: np.ndarray

    def locate(self, points: np.ndarray) -> np.ndarray:
        """Give azimuth, height and radius of (..., 3) points, as one (..., 3) float32 array."""
        flat = np.ascontiguousarray(points, np.float32).reshape(-1, 3)
        return _kernels()["locate"](flat, self.centre, self.unit).reshape(points.shape)

    def surface(self, azimuth: np.ndarray, height: np.ndarray, gap=0.0) -> np.ndarray:
        """Give the points (..., 3) over the surface at azimuths and heights, `gap` metres out along the radius."""
        azimuth, height, gap = np.broadcast_arrays(azimuth, height, gap)
        flat = np.stack([azimuth.ravel(), height.ravel(), gap.ravel()], 1).astype(np.float32)
        return _kernels()["surface"](flat, self.centre, self.unit, self.radii).reshape(*azimuth.shape, 3)

    def push_out(self, points: np.ndarray, gap=0.0) -> np.ndarray:
        """Move (..., 3) points that are closer to the axis than surface + `gap` out along the radius."""
        flat = np.ascontiguousarray(points, np.float32).reshape(-1, 3)
        gaps = np.empty(points.shape[:-1], np.float32)
        gaps[...] = gap
        return _kernels()["push"](flat, gaps.reshape(-1), self.centre, self.unit, self.radii).reshape(
            points.shape
        )

    def normals_at(self, points: np.ndarray) -> np.ndarray:
        """Give the smoothed surface's unit normals (..., 3) next to (..., 3) points."""
        flat = np.ascontiguousarray(points, np.float32).reshape(-1, 3)
        return _kernels()["normals"](flat, self.centre, self.unit, self.normals).reshape(points.shape)


def build_hull(vertices: np.ndarray, faces: np.ndarray, centre: np.ndarray, unit: float) -> Hull:
    """Build the map of a mesh: in every cell its outermost triangle; cells without one are filled along the row.

    vertices: (V, 3) metres; faces: (F, 3). Triangles about the pole are left to the filling.
    """
    kernels = _kernels()
    centre = np.asarray(centre, np.float32)
    located = kernels["locate"](np.ascontiguousarray(vertices, np.float32), centre, float(unit))
    radii, _, _ = kernels["splat"](located, np.ascontiguousarray(faces, np.int32))
    kernels["fill"](radii)
    return Hull(centre, float(unit), radii, _normals(_smoothed(radii, 3), centre, unit))


def grown(hull: Hull, vertices: np.ndarray, faces: np.ndarray) -> Hull:
    """Give the hull that holds another mesh as well (the ears); only where that mesh is."""
    kernels = _kernels()
    located = kernels["locate"](np.ascontiguousarray(vertices, np.float32), hull.centre, hull.unit)
    radii, _, _ = kernels["splat"](located, np.ascontiguousarray(faces, np.int32))
    return dataclasses.replace(hull, radii=np.maximum(radii, hull.radii))


def smoothed(hull: Hull, times: int) -> Hull:
    """Give a rounder hull that still holds the given one: blurred, then grown where the blur had cut into it."""
    radii = _smoothed(hull.radii, times)
    radii = _smoothed(np.maximum(radii, hull.radii), 2)
    radii = np.maximum(radii, hull.radii)
    return Hull(hull.centre, hull.unit, radii, _normals(_smoothed(radii, 2), hull.centre, hull.unit))


def raised(hull: Hull, gap: np.ndarray) -> Hull:
    """Give the hull `gap` (ROWS, COLUMNS) metres further out."""
    radii = (hull.radii + gap).astype(np.float32)
    return Hull(hull.centre, hull.unit, radii, _normals(_smoothed(radii, 2), hull.centre, hull.unit))


def heights() -> np.ndarray:
    """Give the (ROWS,) heights of the map's rows."""
    return np.linspace(TOP, BOTTOM, ROWS, dtype=np.float32)


def azimuths() -> np.ndarray:
    """Give the (COLUMNS,) azimuths of the map's columns, in [-pi, pi)."""
    return (np.arange(COLUMNS, dtype=np.float32) * (2 * np.pi / COLUMNS) - np.pi).astype(np.float32)


def _smoothed(radii, times):
    for _ in range(times):
        rows = np.concatenate([radii[:1], radii, radii[-1:]])
        radii = 0.25 * rows[:-2] + 0.5 * rows[1:-1] + 0.25 * rows[2:]
        columns = np.concatenate([radii[:, -1:], radii, radii[:, :1]], 1)
        radii = 0.25 * columns[:, :-2] + 0.5 * columns[:, 1:-1] + 0.25 * columns[:, 2:]
        radii[0] = radii[0].mean()
    return radii.astype(np.float32)


def _normals(radii, centre, unit):
    """Cross products of central differences; the pole's is straight up."""
    azimuth, height = np.meshgrid(azimuths(), heights())
    up = np.maximum(height, 0)
    across = radii * np.cos(up)
    points = np.stack(
        [
            across * np.sin(azimuth),
            np.where(height > 0, radii * np.sin(up), height * unit),
            across * np.cos(azimuth),
        ],
        -1,
    )
    along_row = np.roll(points, -1, 1) - np.roll(points, 1, 1)
    along_column = np.empty_like(points)
    along_column[1:-1] = points[2:] - points[:-2]
    along_column[0], along_column[-1] = points[1] - points[0], points[-1] - points[-2]
    normal = np.cross(along_column, along_row)
    normal /= np.linalg.norm(normal, axis=-1, keepdims=True) + 1e-12
    normal[0] = (0, 1, 0)
    return normal.astype(np.float32)


@functools.cache
def _kernels():
    """Compile on first use: numba takes its time to import."""
    from soaplib.synthetic.hair import hull_kernels

    return {
        "locate": hull_kernels.locate_all,
        "surface": hull_kernels.surface_all,
        "push": hull_kernels.push_all,
        "normals": hull_kernels.normals_all,
        "splat": hull_kernels.splat,
        "fill": hull_kernels.fill,
    }
