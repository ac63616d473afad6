"""Fast pictures of a whole avatar: textured, lit and blended parts."""

import dataclasses
import math

import numpy as np
import torch

from soaplib.render.cameras import camera_rotation
from soaplib.render.kernels import ROW_TASKS, checked_size, kernel, run_tasks
from soaplib.render.scanning import scan_faces, with_screen
from soaplib.render.shading import lambert, shade_sh


def draw(parts, camera, size, background=1.0, light=None) -> np.ndarray:
    """Draw textured parts together, antialiased by 2 x 2 samples a pixel: for turntables and figures.

    Args:
        parts: objects like `soaplib.data.Part`, already posed: vertices and normals (V, 3), faces (F, 3),
            uv (V, 2), texture (H, W, 3 or 4) uint8, double_sided, alpha. Parts with alpha are blended over the
            others, far parts first and in them far faces first; parts that are not double-sided are seen from
            their front only.
        camera: (4, 4) world to pixels.
        size: (H, W).
        background: a grey, an (r, g, b), or an (H, W, 3) image, in [0, 1].
        light: None shows the textures as they are (unlit). "soft" shades them by a light from above the viewer's
            left shoulder; a (3,) direction by a lamp there (`lambert`); (9,) or (9, 3) by spherical harmonics
            (`shade_sh`). All in camera axes: light turns with the camera.

    Returns:
        (H, W, 3) float32 in [0, 1].

    Raises:
        ValueError: a size below 1, an unknown light, or a part with wrong arrays, named.
    """
    height, width = checked_size("draw", size)
    light = _checked_light(light)
    camera = np.asarray(camera, np.float64)
    # Solid parts seen from in front only come first: the scan culls a leading run of faces.
    parts = sorted(parts, key=lambda p: (bool(p.alpha), bool(p.double_sided)))
    pieces = [_piece(part, camera, light) for part in parts if len(part.faces)]
    solid = [p for p in pieces if not p.alpha]
    canvas = np.empty((2 * height, 2 * width, 3), np.float32)
    back = np.broadcast_to(np.asarray(background, np.float32), (height, width, 3))
    canvas.reshape(height, 2, width, 2, 3)[:] = back[:, None, :, None]

    rast = np.empty((1, 2 * height, 2 * width, 4), np.float32)
    corners, faces = _joined(solid)
    culled = sum(len(p.faces) for p in solid if not p.double_sided)
    scan_faces(corners[None], faces, culled, -np.inf, np.inf, rast)
    first = 0
    for piece in solid:
        surface = (piece.faces, piece.shades, piece.values, piece.texture)
        run_tasks(_paint, ROW_TASKS, rast[0], first, *surface, *_box(piece, canvas), canvas)
        first += len(piece.faces)
    for piece in sorted((p for p in pieces if p.alpha), key=lambda p: -p.depths().mean()):
        order = np.argsort(-piece.depths(), kind="stable")
        surface = (piece.faces[order], piece.shades[order], piece.values, piece.texture)
        run_tasks(_blend, ROW_TASKS, rast[0], piece.corners, *surface, piece.double_sided, canvas)
    out = np.empty((height, width, 3), np.float32)
    run_tasks(_shrink, ROW_TASKS, canvas, out)
    return out


@dataclasses.dataclass(frozen=True)
class _Piece:
    """A part made ready to draw.

    corners: (V, 6) at double resolution, see `pixel_corners`. values: (V, 8) u, v, and the shades (red, green,
    blue) of front and back. shades: (F,) the column of values where the shade of the side that is seen begins.
    """

    corners: np.ndarray
    faces: np.ndarray
    shades: np.ndarray
    values: np.ndarray
    texture: np.ndarray
    alpha: bool
    double_sided: bool

    def depths(self):
        return (self.corners[:, 2] / self.corners[:, 3])[self.faces].mean(1)


def _piece(part, camera, light):
    count = len(part.vertices)
    texture = np.asarray(part.texture)
    name = getattr(part, "name", "a part")
    if texture.ndim != 3 or texture.shape[2] not in (3, 4) or texture.dtype != np.uint8:
        raise ValueError(f"draw: texture of {name} must be (H, W, 3 or 4) uint8, got {_shape(texture)}")
    if np.shape(part.uv) != (count, 2) or np.shape(part.normals) != (count, 3):
        raise ValueError(
            f"draw: {name} has {count} vertices, but uv {np.shape(part.uv)} and normals {np.shape(part.normals)}"
        )
    faces = np.ascontiguousarray(part.faces, np.int32)
    if faces.min() < 0 or faces.max() >= count:
        raise ValueError(
            f"draw: faces of {name} must index its {count} vertices, got {faces.min()}..{faces.max()}"
        )
    moved = np.asarray(part.vertices, np.float64) @ camera[:, :3].T + camera[:, 3]
    moved[:, :2] *= 2
    corners = with_screen(moved)
    # An index made from NaN would reach outside the texture.
    values = np.concatenate((np.nan_to_num(part.uv), np.ones((count, 6))), 1, dtype=np.float32)
    if light is not None:
        normals = np.asarray(part.normals, np.float64) @ camera_rotation(camera).T
        values[:, 2:5], values[:, 5:] = _shade(normals, light), _shade(-normals, light)
    return _Piece(
        corners,
        faces,
        np.where(_clockwise(corners[:, 4:], faces), 5, 2).astype(np.int8),
        values,
        np.ascontiguousarray(texture),
        bool(part.alpha),
        bool(part.double_sided),
    )


def _clockwise(screen, faces):
    a, b, c = (screen[faces[:, i]] for i in range(3))
    return (b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) > (b[:, 1] - a[:, 1]) * (c[:, 0] - a[:, 0])


def _checked_light(light):
    if light is None or (isinstance(light, str) and light == "soft"):
        return light
    values = None if isinstance(light, str) else np.asarray(light, np.float64)
    if values is None or values.shape not in ((3,), (9,), (9, 3)) or not np.isfinite(values).all():
        raise ValueError(
            f'draw: light must be None, "soft", a direction (3,), or spherical harmonics (9,) or (9, 3), got {light!r}'
        )
    return values


def _shade(normals, light):
    """Return the shades (V, 3) or (V, 1) of normals in camera axes."""
    if isinstance(light, str):
        return _soft(normals)[:, None]
    if light.shape == (3,):
        return lambert(torch.from_numpy(normals), light).numpy()[:, None]
    shade = shade_sh(torch.from_numpy(normals), torch.from_numpy(light).reshape(9, -1))
    return shade.clamp(min=0).numpy()


def _soft(n):
    """Return a gentle shade for normals in camera axes: ambient, a wrapped key light, some from above and ahead."""
    key = n @ (np.array([-0.45, 0.55, 0.7]) / math.sqrt(0.45**2 + 0.55**2 + 0.7**2))
    return 0.62 + 0.36 * np.clip((key + 0.35) / 1.35, 0, 1) + 0.05 * n[:, 1] + 0.04 * n[:, 2]


def _joined(pieces):
    if not pieces:
        return np.empty((0, 6)), np.empty((0, 3), np.int32)
    starts = np.cumsum([0] + [len(p.corners) for p in pieces[:-1]])
    faces = [p.faces + np.int32(s) for p, s in zip(pieces, starts, strict=True)]
    return np.concatenate([p.corners for p in pieces]), np.concatenate(faces)


def _box(piece, canvas):
    """Return the first and last + 1 row and column that a piece can touch."""
    x, y = piece.corners[:, 4], piece.corners[:, 5]
    good = np.isfinite(x) & np.isfinite(y)
    if not good.any():
        return 0, 0, 0, 0
    limits = []
    for values, count in ((y, canvas.shape[0]), (x, canvas.shape[1])):
        low, high = values[good].min(), values[good].max()
        limits += [int(np.clip(low - 1, 0, count)), int(np.clip(high + 2, 0, count))]
    return tuple(limits)


@kernel
def _paint(task, tasks, rast, first, faces, shades, values, texture, y0, y1, x0, x1, canvas):
    for y in range(y0 + task * (y1 - y0) // tasks, y0 + (task + 1) * (y1 - y0) // tasks):
        _paint_row(rast[y], first, faces, shades, values, texture, x0, x1, canvas[y])


@kernel
def _paint_row(rast, first, faces, shades, values, texture, x0, x1, canvas):
    for x in range(x0, x1):
        f = int(rast[x, 3]) - 1 - first
        if f < 0 or f >= len(faces):
            continue
        red, green, blue, _ = _colour(rast[x, 0], rast[x, 1], faces[f], shades[f], values, texture)
        canvas[x, 0] = red
        canvas[x, 1] = green
        canvas[x, 2] = blue


@kernel
def _colour(u, v, face, shaded, values, texture):
    """Return the shaded texture at barycentrics u, v of a face, and its opacity, all in [0, 1]."""
    rows, columns, channels = texture.shape
    w = np.float32(1) - u - v
    p, q, r = values[face[0]], values[face[1]], values[face[2]]
    s = min(
        max((u * p[0] + v * q[0] + w * r[0]) * columns - np.float32(0.5), np.float32(0)),
        np.float32(columns - 1),
    )
    t = (np.float32(1) - (u * p[1] + v * q[1] + w * r[1])) * rows - np.float32(0.5)
    t = min(max(t, np.float32(0)), np.float32(rows - 1))
    left, top = int(s), int(t)
    right, bottom = min(left + 1, columns - 1), min(top + 1, rows - 1)
    s, t = s - np.float32(left), t - np.float32(top)
    a, b = (np.float32(1) - s) * (np.float32(1) - t), s * (np.float32(1) - t)
    c, d = (np.float32(1) - s) * t, s * t
    scale = np.float32(1 / 255)
    shade_r = (u * p[shaded] + v * q[shaded] + w * r[shaded]) * scale
    shade_g = (u * p[shaded + 1] + v * q[shaded + 1] + w * r[shaded + 1]) * scale
    shade_b = (u * p[shaded + 2] + v * q[shaded + 2] + w * r[shaded + 2]) * scale
    one = np.float32(1)
    ta, tb, tc, td = texture[top, left], texture[top, right], texture[bottom, left], texture[bottom, right]
    red = min((a * ta[0] + b * tb[0] + c * tc[0] + d * td[0]) * shade_r, one)
    green = min((a * ta[1] + b * tb[1] + c * tc[1] + d * td[1]) * shade_g, one)
    blue = min((a * ta[2] + b * tb[2] + c * tc[2] + d * td[2]) * shade_b, one)
    opacity = one
    if channels == 4:
        opacity = (a * ta[3] + b * tb[3] + c * tc[3] + d * td[3]) * scale
    return red, green, blue, opacity


@kernel
def _blend(task, tasks, rast, corners, faces, shades, values, texture, double_sided, canvas):
    """Blend faces, given far ones first, over the canvas where no solid face is before them."""
    rows = len(canvas)
    first, last = task * rows // tasks, (task + 1) * rows // tasks
    _blend_band(rast, corners, faces, shades, values, texture, double_sided, first, last, canvas)


@kernel
def _blend_band(rast, corners, faces, shades, values, texture, double_sided, first_row, last_row, canvas):
    width = canvas.shape[1]
    for f in range(len(faces)):
        c0, c1, c2 = corners[faces[f, 0]], corners[faces[f, 1]], corners[faces[f, 2]]
        top, bottom = min(c0[5], c1[5], c2[5]) - 0.5, max(c0[5], c1[5], c2[5]) - 0.5
        left, right = min(c0[4], c1[4], c2[4]) - 0.5, max(c0[4], c1[4], c2[4]) - 0.5
        if not (top <= last_row - 1 and bottom >= first_row and left <= width - 1 and right >= 0):
            continue
        area = (c1[4] - c0[4]) * (c2[5] - c0[5]) - (c1[5] - c0[5]) * (c2[4] - c0[4])
        # Written so that NaN, a vertex behind the camera, is left out.
        if not (area != 0 and (double_sided or area < 0) and abs(area) < np.inf):
            continue
        sign = 1.0 if area > 0 else -1.0
        for y in range(int(math.ceil(max(top, first_row))), int(math.floor(min(bottom, last_row - 1))) + 1):
            for x in range(int(math.ceil(max(left, 0))), int(math.floor(min(right, width - 1))) + 1):
                b0 = sign * _edge(c1, c2, x + 0.5, y + 0.5)
                b1 = sign * _edge(c2, c0, x + 0.5, y + 0.5)
                b2 = sign * _edge(c0, c1, x + 0.5, y + 0.5)
                if not (_in(b0, c1, c2, sign) and _in(b1, c2, c0, sign) and _in(b2, c0, c1, sign)):
                    continue
                whole = b0 + b1 + b2
                b0, b1, b2 = b0 / whole, b1 / whole, b2 / whole
                z = b0 * c0[2] / c0[3] + b1 * c1[2] / c1[3] + b2 * c2[2] / c2[3]
                if rast[y, x, 3] > 0 and z > rast[y, x, 2]:
                    continue
                b0, b1, b2 = b0 / c0[3], b1 / c1[3], b2 / c2[3]
                total = b0 + b1 + b2
                red, green, blue, opacity = _colour(
                    np.float32(b0 / total), np.float32(b1 / total), faces[f], shades[f], values, texture
                )
                pixel = canvas[y, x]
                pixel[0] += opacity * (red - pixel[0])
                pixel[1] += opacity * (green - pixel[1])
                pixel[2] += opacity * (blue - pixel[2])


@kernel
def _edge(a, b, x, y):
    return (a[4] - x) * (b[5] - y) - (a[5] - y) * (b[4] - x)


@kernel
def _in(value, a, b, sign):
    """Say whether a point is inside an edge; one on it belongs to one of the two faces there, not to both."""
    if value != 0:
        return value > 0
    dx, dy = sign * (b[4] - a[4]), sign * (b[5] - a[5])
    return dy > 0 or (dy == 0 and dx > 0)


@kernel
def _shrink(task, tasks, canvas, out):
    for y in range(task * len(out) // tasks, (task + 1) * len(out) // tasks):
        for x in range(out.shape[1]):
            for c in range(3):
                out[y, x, c] = np.float32(0.25) * (
                    canvas[2 * y, 2 * x, c]
                    + canvas[2 * y, 2 * x + 1, c]
                    + canvas[2 * y + 1, 2 * x, c]
                    + canvas[2 * y + 1, 2 * x + 1, c]
                )


def _shape(value):
    return f"{tuple(np.shape(value))} {getattr(value, 'dtype', type(value).__name__)}"
