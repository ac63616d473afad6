"""Pictures: differentiable views of one mesh, and fast textured ones of a whole avatar."""

import dataclasses
import math

import numpy as np
import torch

from soaplib.render.backends.operations import antialias, interpolate, rasterize, vertex_normals
from soaplib.render.cameras import camera_rotation, clip_positions
from soaplib.render.kernels import ROW_TASKS, checked_size, kernel, run_tasks
from soaplib.render.scanning import scan_faces, with_screen
from soaplib.render.shading import camera_normals


@dataclasses.dataclass(frozen=True)
class Rendering:
    """What `render_views` sees: tensors with the views first, rows from the top.

    mask: (N, H, W) coverage in [0, 1]. normals: (N, H, W, 3) in camera axes (x right, y up, z to the viewer), of
    unit length inside. attributes: (N, H, W, C), or None. These three are antialiased against a background of 0,
    so they are premultiplied by the mask, and silhouettes have gradients. depth: (N, H, W), the camera's, not
    antialiased, 0 outside. face_ids: (N, H, W) int64, -1 outside.
    """

    mask: torch.Tensor
    normals: torch.Tensor
    attributes: torch.Tensor | None
    depth: torch.Tensor
    face_ids: torch.Tensor


def render_views(
    vertices: torch.Tensor,
    faces: torch.Tensor,
    cameras: torch.Tensor,
    size,
    attributes: torch.Tensor | None = None,
    cull: bool = False,
    edges: torch.Tensor | None = None,
    backend: str | None = None,
) -> Rendering:
    """Render a mesh from several cameras, differentiably.

    Args:
        vertices: (V, 3), or (N, V, 3) with one mesh per camera.
        faces: (F, 3) integers, counter-clockwise from outside.
        cameras: (N, 4, 4), or (4, 4) for N = 1; world to pixels.
        size: (H, W).
        attributes: (V, C) or (1 or N, V, C) to interpolate as well.
        cull: leave out faces seen from behind.
        edges: `mesh_edges(faces)`, to spare its computation in a loop.
        backend: "cpu", "nvdiffrast", "pytorch3d" or "warp"; as default that of `use_backend`, else the one for the
            device of the vertices.

    Returns:
        A `Rendering`. Gradients flow to vertices, cameras and attributes.

    Raises:
        ValueError: wrong shapes or types, or faces out of range.
    """
    if not isinstance(vertices, torch.Tensor) or vertices.ndim not in (2, 3) or vertices.shape[-1] != 3:
        raise ValueError(
            f"render_views: vertices must be a tensor (V, 3) or (N, V, 3), got {_shape(vertices)}"
        )
    cameras = torch.as_tensor(cameras, dtype=vertices.dtype, device=vertices.device)
    if cameras.shape[-2:] != (4, 4) or cameras.ndim not in (2, 3):
        raise ValueError(f"render_views: cameras must be (N, 4, 4) or (4, 4), got {_shape(cameras)}")
    cameras = cameras.reshape(-1, 4, 4)
    if vertices.ndim == 3 and len(vertices) not in (1, len(cameras)):
        raise ValueError(
            f"render_views: {len(vertices)} meshes need as many cameras, or one mesh, got {len(cameras)} cameras"
        )
    faces = torch.as_tensor(faces)
    clip = clip_positions(vertices, cameras, size)
    rast = rasterize(clip, faces, size, cull, backend=backend)
    inside = rast[..., 3:] > 0

    normals = camera_normals(vertex_normals(vertices, faces, backend=backend), cameras)
    homogeneous = vertices @ cameras[:, 2:, :3].transpose(-1, -2) + cameras[:, None, 2:, 3]
    depth = homogeneous[..., :1] / homogeneous[..., 1:]
    values = [depth.expand(len(cameras), -1, -1), normals.expand(len(cameras), -1, -1)]
    if attributes is not None:
        attributes = attributes.to(vertices.dtype).reshape(-1, *attributes.shape[-2:])
        values.append(attributes.expand(len(cameras), -1, -1))
    seen = interpolate(torch.cat(values, -1), rast, faces, backend=backend)
    unit = torch.nn.functional.normalize(seen[..., 1:4], dim=-1, eps=1e-12)
    color = torch.cat((inside.to(seen.dtype), unit, seen[..., 4:]), -1)
    smooth = antialias(color, rast, clip, faces, edges, backend=backend)
    return Rendering(
        mask=smooth[..., 0],
        normals=smooth[..., 1:4],
        attributes=None if attributes is None else smooth[..., 4:],
        depth=seen[..., 0],
        face_ids=rast[..., 3].detach().long() - 1,
    )


def draw(parts, camera, size, background=1.0, light: str | None = None) -> np.ndarray:
    """Draw textured parts together, antialiased by 2 x 2 samples a pixel: for turntables and figures.

    Args:
        parts: objects like `soaplib.data.Part`, already posed: vertices and normals (V, 3), faces (F, 3),
            uv (V, 2), texture (H, W, 3 or 4) uint8, double_sided, alpha. Parts with alpha are blended over the
            others, far parts first and in them far faces first; parts that are not double-sided are seen from
            their front only.
        camera: (4, 4) world to pixels.
        size: (H, W).
        background: a grey, an (r, g, b), or an (H, W, 3) image, in [0, 1].
        light: None shows the textures as they are; "soft" shades them by a light from above the viewer's left
            shoulder, turned with the camera.

    Returns:
        (H, W, 3) float32 in [0, 1].

    Raises:
        ValueError: a size below 1, an unknown light, or a part with wrong arrays, named.
    """
    height, width = checked_size("draw", size)
    if light not in (None, "soft"):
        raise ValueError(f'draw: light must be None or "soft", got {light!r}')
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

    corners: (V, 6) at double resolution, see `pixel_corners`. values: (V, 4) u, v, and the shades of front and
    back. shades: (F,) which of the columns of values holds the shade of the side that is seen.
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
    values = np.concatenate((np.nan_to_num(part.uv), np.ones((count, 2))), 1, dtype=np.float32)
    if light == "soft":
        normals = np.asarray(part.normals, np.float64) @ camera_rotation(camera).T
        values[:, 2:] = np.stack((_soft(normals), _soft(-normals)), 1)
    return _Piece(
        corners,
        faces,
        np.where(_clockwise(corners[:, 4:], faces), 3, 2).astype(np.int8),
        values,
        np.ascontiguousarray(texture),
        bool(part.alpha),
        bool(part.double_sided),
    )


def _clockwise(screen, faces):
    a, b, c = (screen[faces[:, i]] for i in range(3))
    return (b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) > (b[:, 1] - a[:, 1]) * (c[:, 0] - a[:, 0])


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
    shade = (u * p[shaded] + v * q[shaded] + w * r[shaded]) * np.float32(1 / 255)
    one = np.float32(1)
    ta, tb, tc, td = texture[top, left], texture[top, right], texture[bottom, left], texture[bottom, right]
    red = min((a * ta[0] + b * tb[0] + c * tc[0] + d * td[0]) * shade, one)
    green = min((a * ta[1] + b * tb[1] + c * tc[1] + d * td[1]) * shade, one)
    blue = min((a * ta[2] + b * tb[2] + c * tc[2] + d * td[2]) * shade, one)
    opacity = one
    if channels == 4:
        opacity = (a * ta[3] + b * tb[3] + c * tc[3] + d * td[3]) * np.float32(1 / 255)
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
