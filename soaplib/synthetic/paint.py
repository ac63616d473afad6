"""Fast pictures of posed pieces, with the truth about each pixel: colour, normals, depth, labels, and more.

Forward only. Each pixel has 2 x 2 samples of visibility; each face that is seen in a pixel is shaded once there.
"""

import dataclasses
import math
from typing import NamedTuple

import numpy as np

from soaplib.render import camera_rotation
from soaplib.render.kernels import kernel, run_tasks
from soaplib.synthetic.inlined import inlined
from soaplib.synthetic.light import Light
from soaplib.synthetic.looks import Look
from soaplib.synthetic.occlusion import received_light
from soaplib.synthetic.outlines import find_lines
from soaplib.synthetic.pieces import LABELS, Piece
from soaplib.synthetic.shading import Shader, make_shader, shade
from soaplib.synthetic.texels import Texels, pack, sample
from soaplib.synthetic.visible import LANES, place_vertices, scan_visible

EXTRAS = ("depth", "uv", "albedo", "position")

_GENERIC, _SKIN, _HAIR, _EYE = range(4)
_MATERIALS = np.array(
    [
        {"skin": _SKIN, "neck": _SKIN, "lips": _SKIN, "hair": _HAIR, "eyes": _EYE, "irises": _EYE}.get(
            name, _GENERIC
        )
        for name in LABELS
    ],
    np.uint8,
)
# Lines are drawn between these classes; irises have the edge of their own texture. 8 marks lips, which are skin.
_LINES = {
    "lips": 8,
    "hair": 1,
    "brows": 2,
    "worn": 3,
    "clothes": 3,
    "eyes": 4,
    "irises": 4,
    "teeth": 5,
    "mouth": 5,
}
_LINE_CLASSES = np.array([_LINES.get(name, 0) for name in LABELS], np.uint8)
_CREASE = 0.004
# Smooth normals of a front look away from the viewer by no more than this.
_AWAY = -0.35


@dataclasses.dataclass(frozen=True)
class Frames:
    """Pictures of one scene from N cameras.

    rgba: (N, H, W, 4) uint8, sRGB, straight (not premultiplied) alpha, 0 where nothing is. normals: (N, H, W, 3)
    uint8, round(255 (n + 1) / 2) of the smooth unit normals in camera axes (x right, y up, z to the viewer), 128
    outside. labels: (N, H, W) uint8, positions in `LABELS`, the label of most of a pixel's samples. On request:
    depth (N, H, W) float32, metres along the view away from the viewer (from the world's origin for orthographic
    cameras, from the camera for others), 0 outside; uv (N, H, W, 2) float32 of the piece that is seen, 0 outside
    and where it has none; albedo (N, H, W, 3) uint8, sRGB without light; position (N, H, W, 3) float32, world.
    """

    rgba: np.ndarray
    normals: np.ndarray
    labels: np.ndarray
    depth: np.ndarray | None = None
    uv: np.ndarray | None = None
    albedo: np.ndarray | None = None
    position: np.ndarray | None = None


class Scene(NamedTuple):
    """Posed pieces made ready to draw under one light (see `assemble`): few arrays, for the kernels.

    values (V, 20) float32: position, normal, strand, colour, uv, ambient light, key light, openness, gloss (the rest
    is empty). faces (F, 7) int32: three vertices, label, material, piece, class of lines; the first `culled` of them
    are seen from the front only. uv_areas (F,) float32: in texels of the finest level.
    """

    values: np.ndarray
    faces: np.ndarray
    uv_areas: np.ndarray
    culled: int
    texels: Texels
    shader: Shader


_POSITION, _NORMAL, _STRAND, _COLOUR, _UV, _AMBIENT, _KEY, _OPENNESS, _GLOSS = 0, 3, 6, 9, 12, 14, 17, 18, 19


def assemble(pieces, light: Light, look: Look, gradients=None) -> Scene:
    """Join posed pieces into one scene and find the light that reaches each of their vertices.

    Args:
        pieces: `Piece`s whose vertices and normals are posed already.
        light: in the axes of the pieces (`Light.turned`).
        look: how it is shaded.
        gradients: {name of a piece: (H, W, 3) float map over its texture's UV}; the surface's gradient g of wrinkles
            in the pieces' axes: it is shaded with the normal n - g, made unit again.

    Raises:
        ValueError: a piece whose arrays do not fit each other, named.
    """
    pieces = sorted((p for p in pieces if len(p.faces)), key=lambda p: p.double_sided)
    for piece in pieces:
        _check(piece)
    starts = np.cumsum([0] + [len(p.vertices) for p in pieces])
    vertices = np.concatenate([p.vertices for p in pieces]).astype(np.float32)
    normals = np.concatenate([p.normals for p in pieces]).astype(np.float32)
    faces = np.concatenate([p.faces + np.int32(s) for p, s in zip(pieces, starts, strict=False)]).astype(
        np.int32
    )
    ambient, openness, key = received_light(vertices, normals, faces, light, look.occlusion)
    values = np.zeros((len(vertices), 20), np.float32)
    values[:, :3], values[:, 3:6] = vertices, normals
    values[:, 14:17], values[:, 17], values[:, 18] = ambient, key, openness
    for piece, start in zip(pieces, starts, strict=False):
        rows = slice(start, start + len(piece.vertices))
        if piece.strands is not None:
            values[rows, 6:9] = piece.strands
        values[rows, 9:12] = piece.colours
        if piece.uv is not None:
            values[rows, 12:14] = np.nan_to_num(piece.uv)
        values[rows, 19] = piece.gloss
    texels = pack(pieces, gradients or {})
    owners = np.repeat(np.arange(len(pieces)), [len(p.faces) for p in pieces])
    labels = np.concatenate([p.labels for p in pieces])
    table = np.column_stack([faces, labels, _MATERIALS[labels], owners, _LINE_CLASSES[labels]]).astype(
        np.int32
    )
    uv = values[:, 12:14][faces]
    edges = uv[:, 1:] - uv[:, :1]
    areas = np.abs(edges[:, 0, 0] * edges[:, 1, 1] - edges[:, 0, 1] * edges[:, 1, 0]) / 2
    culled = sum(len(p.faces) for p in pieces if not p.double_sided)
    return Scene(
        values,
        table,
        (areas * texels.sizes[owners]).astype(np.float32),
        culled,
        texels,
        make_shader(light, look),
    )


def paint(scene: Scene, cameras: np.ndarray, size: int, cuts=None, extras=()) -> Frames:
    """Draw a scene from several cameras.

    Args:
        scene: from `assemble`.
        cameras: (N, 4, 4) world metres to pixels.
        size: pixels along each side of the pictures.
        cuts: (N,) rows of pixels below which nothing is drawn, or None.
        extras: names of `EXTRAS` to be drawn as well.

    Returns:
        `Frames`. Cameras are drawn on numba's threads side by side; the bits do not depend on their number.

    Raises:
        ValueError: cameras of another shape, or an unknown extra.
    """
    cameras = np.ascontiguousarray(cameras, np.float64)
    if cameras.ndim != 3 or cameras.shape[1:] != (4, 4):
        raise ValueError(f"paint: cameras must be (N, 4, 4), got {cameras.shape}")
    unknown = set(extras) - set(EXTRAS)
    if unknown:
        raise ValueError(f"paint: extras are of {', '.join(EXTRAS)}, got {', '.join(sorted(unknown))}")
    count = len(cameras)
    rows = np.full(count, 2 * size) if cuts is None else np.clip(np.rint(2 * np.asarray(cuts)), 0, 2 * size)
    frames = Frames(
        np.zeros((count, size, size, 4), np.uint8),
        np.full((count, size, size, 3), 128, np.uint8),
        np.zeros((count, size, size), np.uint8),
        *(
            np.zeros((count, size if name in extras else 0, size, *tail), kind)
            for name, tail, kind in _EXTRA_ARRAYS
        ),
    )
    outputs = tuple(getattr(frames, f.name) for f in dataclasses.fields(frames))
    rotations = camera_rotation(cameras)
    run_tasks(
        _paint_view, count, scene, cameras, rotations, _eyes(cameras), rows.astype(np.int64), size, outputs
    )
    return dataclasses.replace(frames, **{name: None for name in EXTRAS if name not in extras})


_EXTRA_ARRAYS = (
    ("depth", (), np.float32), ("uv", (2,), np.float32), ("albedo", (3,), np.uint8), ("position", (3,), np.float32),
)  # fmt: skip


def _check(piece: Piece):
    count, faces = len(piece.vertices), len(piece.faces)
    wanted = {
        "normals": (count, 3), "colours": (count, 3), "labels": (faces,), "uv": (count, 2), "strands": (count, 3),
    }  # fmt: skip
    for name, shape in wanted.items():
        value = getattr(piece, name)
        if value is not None and value.shape != shape:
            raise ValueError(f"paint: {name} of {piece.name} must be {shape}, got {value.shape}")
    if piece.faces.min() < 0 or piece.faces.max() >= count:
        raise ValueError(
            f"paint: faces of {piece.name} must index its {count} vertices, "
            f"got {piece.faces.min()}..{piece.faces.max()}"
        )
    if piece.texture is not None and (piece.texture.ndim != 3 or piece.texture.shape[2] != 3):
        raise ValueError(f"paint: texture of {piece.name} must be (H, W, 3), got {piece.texture.shape}")


def _eyes(cameras):
    """Give where perspective cameras stand (N, 3): the point without a pixel and without a distance."""
    rows = cameras[:, [0, 1, 3]]
    parallel = (cameras[:, 3, :3] == 0).all(1)
    matrices = np.where(parallel[:, None, None], np.eye(3), rows[:, :, :3])
    return np.linalg.solve(matrices, -rows[:, :, 3:])[..., 0]


@kernel
def _paint_view(task, tasks, scene, cameras, rotations, eyes, rows, size, outputs):
    camera, rotation = cameras[task], rotations[task]
    values, faces = scene.values, scene.faces
    places = np.empty((len(values), 4))
    place_vertices(values, camera, 2.0, places)
    depth = np.empty((2 * size, 2 * size + LANES), np.float32)
    ids = np.empty((2 * size, 2 * size + LANES), np.int32)
    scan_visible(places, faces, scene.culled, rows[task], depth, ids)
    perspective = abs(camera[3, 0]) + abs(camera[3, 1]) + abs(camera[3, 2]) > 0
    # Pixels a metre of an orthographic camera, focal length of a perspective one.
    scale = math.sqrt(camera[0, 0] ** 2 + camera[0, 1] ** 2 + camera[0, 2] ** 2)
    if perspective:
        ahead = camera[0, 0] * camera[3, 0] + camera[0, 1] * camera[3, 1] + camera[0, 2] * camera[3, 2]
        scale = math.sqrt(max(scale * scale - ahead * ahead, 1e-12))
    ink = np.zeros((1, 1), np.uint8)
    if scene.shader.lines > 0:
        ink = np.empty((2 * size, 2 * size), np.uint8)
        width = int(scene.shader.line_width)
        find_lines(ids, depth, values, faces, rotation[1], scale, perspective, _CREASE, width, ink)
    rgba, normals, labels, depths, uvs, albedos, positions = outputs
    # Arrays go one by one: reading them out of a tuple at every pixel would count references there.
    _shade_pixels(
        places, values, faces, scene.uv_areas, scene.texels.table, scene.texels.colours, scene.texels.gradients,
        scene.shader, ids, ink, eyes[task], rotation, perspective, size, rgba[task], normals[task], labels[task],
        albedos[task],
    )  # fmt: skip
    if depths.shape[1] or uvs.shape[1] or positions.shape[1]:
        _note_places(
            places, values, faces, ids, scale, perspective, size, labels[task], depths[task], uvs[task],
            positions[task],
        )  # fmt: skip


@kernel
def _shade_pixels(
    places, values, faces, uv_areas, table, colours, gradients, shader, ids, ink, eye, rotation, perspective, size,
    rgba, normals, labels, albedos,
):  # fmt: skip
    lined = ink.shape[0] > 1
    for row in range(size):
        for column in range(size):
            r, c = 2 * row, 2 * column
            seen = (ids[r, c], ids[r, c + 1], ids[r + 1, c], ids[r + 1, c + 1])
            covered = (seen[0] >= 0) + (seen[1] >= 0) + (seen[2] >= 0) + (seen[3] >= 0)
            if covered == 0:
                continue
            red, green, blue, nx, ny, nz, ar, ag, ab = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
            for first in range(4):
                face = seen[first]
                if face < 0 or _before(seen, first):
                    continue
                # The middle of the pixel's samples that see this face.
                x, y, weight, inked = 0.0, 0.0, 0.0, 0.0
                for other in range(first, 4):
                    if seen[other] == face:
                        rr, cc = r + other // 2, c + other % 2
                        x += cc + 0.5
                        y += rr + 0.5
                        weight += 1.0
                        if lined:
                            inked += ink[rr, cc]
                shaded = _shade_face(
                    places, values, faces, uv_areas, table, colours, gradients, shader, face, x / weight, y / weight,
                    eye, rotation, perspective,
                )  # fmt: skip
                light = weight - shader.lines * inked
                red += light * shaded[0]
                green += light * shaded[1]
                blue += light * shaded[2]
                nx += weight * shaded[3]
                ny += weight * shaded[4]
                nz += weight * shaded[5]
                ar += weight * shaded[6]
                ag += weight * shaded[7]
                ab += weight * shaded[8]
            share = 255.0 / covered
            rgba[row, column, 0] = int(min(red * share + 0.5, 255.0))
            rgba[row, column, 1] = int(min(green * share + 0.5, 255.0))
            rgba[row, column, 2] = int(min(blue * share + 0.5, 255.0))
            rgba[row, column, 3] = int(covered * 63.75 + 0.5)
            mx = rotation[0, 0] * nx + rotation[0, 1] * ny + rotation[0, 2] * nz
            my = rotation[1, 0] * nx + rotation[1, 1] * ny + rotation[1, 2] * nz
            mz = rotation[2, 0] * nx + rotation[2, 1] * ny + rotation[2, 2] * nz
            norm = 127.5 / max(math.sqrt(mx * mx + my * my + mz * mz), 1e-9)
            normals[row, column, 0] = int(mx * norm + 128.0)
            normals[row, column, 1] = int(my * norm + 128.0)
            normals[row, column, 2] = int(mz * norm + 128.0)
            labels[row, column] = _label(seen, faces)
            if albedos.shape[0]:
                albedos[row, column, 0] = int(min(ar * share + 0.5, 255.0))
                albedos[row, column, 1] = int(min(ag * share + 0.5, 255.0))
                albedos[row, column, 2] = int(min(ab * share + 0.5, 255.0))


@inlined
def _before(seen, index):
    """Tell whether an earlier one of the four samples sees the same face."""
    if index == 0:
        return False
    if seen[index] == seen[0]:
        return True
    if index == 1:
        return False
    return seen[index] == seen[1] or (index == 3 and seen[3] == seen[2])


@inlined
def _label(seen, faces):
    """Give the label of most of the four samples; of two with as many, the surface before the empty, then the first."""
    best, most = 0, 0
    for first in range(4):
        if seen[first] < 0:
            continue
        label, count = faces[seen[first], 3], 0
        for other in range(4):
            if seen[other] >= 0 and faces[seen[other], 3] == label:
                count += 1
        if count > most:
            best, most = label, count
    empty = (seen[0] < 0) + (seen[1] < 0) + (seen[2] < 0) + (seen[3] < 0)
    return 0 if empty > most else best


@inlined
def _corners(places, i, j, k, x, y):
    """Give the perspective-correct barycentrics of the sample position (x, y) in a face, and twice its area."""
    x0, y0 = places[i, 0] - x, places[i, 1] - y
    x1, y1 = places[j, 0] - x, places[j, 1] - y
    x2, y2 = places[k, 0] - x, places[k, 1] - y
    a, b, c = x1 * y2 - x2 * y1, x2 * y0 - x0 * y2, x0 * y1 - x1 * y0
    area = a + b + c
    a, b, c = a / places[i, 3], b / places[j, 3], c / places[k, 3]
    inverse = 1.0 / (a + b + c)
    return a * inverse, b * inverse, c * inverse, area


@inlined
def _mixed(values, i, j, k, a, b, c, first):
    """Give three values of a row, from column `first` on, mixed of the corners i, j, k."""
    return (
        a * values[i, first] + b * values[j, first] + c * values[k, first],
        a * values[i, first + 1] + b * values[j, first + 1] + c * values[k, first + 1],
        a * values[i, first + 2] + b * values[j, first + 2] + c * values[k, first + 2],
    )


@inlined
def _shade_face(
    places, values, faces, uv_areas, table, colours, gradients, shader, face, x, y, eye, rotation, perspective
):
    """Give the sRGB colour in [0, 1], the smooth world normal and the albedo at a place of a face."""
    i, j, k, piece = faces[face, 0], faces[face, 1], faces[face, 2], faces[face, 5]
    a, b, c, area = _corners(places, i, j, k, x, y)
    nx, ny, nz = _mixed(values, i, j, k, a, b, c, _NORMAL)
    norm = 1.0 / max(math.sqrt(nx * nx + ny * ny + nz * nz), 1e-9)
    place = _mixed(values, i, j, k, a, b, c, _POSITION)
    view = (rotation[2, 0], rotation[2, 1], rotation[2, 2])
    if perspective:
        vx, vy, vz = eye[0] - place[0], eye[1] - place[1], eye[2] - place[2]
        near = 1.0 / max(math.sqrt(vx * vx + vy * vy + vz * vz), 1e-9)
        view = (vx * near, vy * near, vz * near)
    # The back of a surface has its normal turned; hairs as thin as a card may lie with either side up.
    toward = (nx * view[0] + ny * view[1] + nz * view[2]) * norm
    nx, ny, nz = nx * norm, ny * norm, nz * norm
    if toward < (0.0 if area > 0 else _AWAY):
        if faces[face, 4] == _HAIR:  # a lock has a thickness: its rim looks outwards whichever side is seen
            nx, ny, nz = nx - 2 * toward * view[0], ny - 2 * toward * view[1], nz - 2 * toward * view[2]
        else:
            nx, ny, nz = -nx, -ny, -nz
    red, green, blue = _mixed(values, i, j, k, a, b, c, _COLOUR)
    bx, by, bz = nx, ny, nz
    if table[0, piece, 0] > 0:
        u, v, _ = _mixed(values, i, j, k, a, b, c, _UV)
        # Texels a pixel: a pixel is four samples, the area here is twice the face's.
        crowding = 8.0 * uv_areas[face] / max(abs(area), 1e-9)
        tr, tg, tb = sample(colours, table, 0, piece, u, v, crowding)
        red, green, blue = red * tr * (1 / 255), green * tg * (1 / 255), blue * tb * (1 / 255)
        if table[1, piece, 0] > 0:
            gx, gy, gz = sample(gradients, table, 1, piece, u, v, crowding)
            bx, by, bz = bx - gx, by - gy, bz - gz
    key, openness, gloss = _mixed(values, i, j, k, a, b, c, _KEY)
    lit = shade(
        shader, faces[face, 4], gloss, (red, green, blue), (bx, by, bz),
        _mixed(values, i, j, k, a, b, c, _STRAND), view, place,
        _mixed(values, i, j, k, a, b, c, _AMBIENT), key, openness,
    )  # fmt: skip
    return lit[0], lit[1], lit[2], nx, ny, nz, red, green, blue


@kernel
def _note_places(places, values, faces, ids, scale, perspective, size, labels, depths, uvs, positions):
    """Note where the first sample that has a pixel's label lies: depth, uv, position."""
    for row in range(size):
        for column in range(size):
            for sample_ in range(4):
                r, c = 2 * row + sample_ // 2, 2 * column + sample_ % 2
                face = ids[r, c]
                if face < 0 or labels[row, column] == 0 or faces[face, 3] != labels[row, column]:
                    continue
                i, j, k = faces[face, 0], faces[face, 1], faces[face, 2]
                a, b, c, _ = _corners(places, i, j, k, c + 0.5, r + 0.5)
                if depths.shape[0]:
                    if perspective:
                        depths[row, column] = a * places[i, 3] + b * places[j, 3] + c * places[k, 3]
                    else:
                        depths[row, column] = (a * places[i, 2] + b * places[j, 2] + c * places[k, 2]) / scale
                if uvs.shape[0]:
                    u, v, _ = _mixed(values, i, j, k, a, b, c, _UV)
                    uvs[row, column, 0], uvs[row, column, 1] = u, v
                if positions.shape[0]:
                    x, y, z = _mixed(values, i, j, k, a, b, c, _POSITION)
                    positions[row, column, 0], positions[row, column, 1], positions[row, column, 2] = x, y, z
                break
