"""Fast pictures of posed pieces, with the truth about each pixel: colour, normals, depth, labels, and more.

Forward only. Each pixel has 2 x 2 samples of visibility; each face that is seen in a pixel is shaded once there.
"""

import dataclasses
from typing import NamedTuple

import numpy as np

from soaplib.render import camera_rotation
from soaplib.render.kernels import run_tasks
from soaplib.synthetic.light import Light
from soaplib.synthetic.looks import Look
from soaplib.synthetic.occlusion import received_light
from soaplib.synthetic.pieces import LABELS, Piece
from soaplib.synthetic.pixels import paint_view
from soaplib.synthetic.shading import EYE, GENERIC, HAIR, SKIN, Shader, make_shader
from soaplib.synthetic.texels import Texels, pack

EXTRAS = ("depth", "uv", "albedo", "position")

_MATERIALS = np.array(
    [
        {"skin": SKIN, "neck": SKIN, "lips": SKIN, "hair": HAIR, "eyes": EYE, "irises": EYE}.get(
            name, GENERIC
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
        paint_view, count, scene, cameras, rotations, _eyes(cameras), rows.astype(np.int64), size, outputs
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
