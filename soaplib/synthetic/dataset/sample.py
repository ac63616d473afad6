"""One head's pictures and the truth about them: rendered, and encoded as the files of a dataset's sample."""

import dataclasses
import io
import json

import cv2
import numpy as np

from soaplib import __version__
from soaplib.data import VIEW_YAWS
from soaplib.landmarks import IBUG68
from soaplib.render import project
from soaplib.synthetic.dataset import splits
from soaplib.synthetic.drawing.backdrop import paint_backdrop
from soaplib.synthetic.drawing.camera import make_cameras
from soaplib.synthetic.drawing.paint import Frames, assemble, paint
from soaplib.synthetic.pieces import LABELS, Piece

EXTRAS = ("depth", "uv", "albedo", "mesh")
"""What is written on request: per picture `depth_i`, `uv_i`, `albedo_i` (and `portrait_depth`, ...), and `mesh.npz`."""

DEPTH_STEP, DEPTH_OFFSET = 1e-4, 3.2
"""A depth of d metres is written as round((d + DEPTH_OFFSET) / DEPTH_STEP) in 16 bits, 0 where nothing is."""

# Run lengths are the quickest and, for pictures of smooth surfaces on nothing, the smallest.
_PNG = (cv2.IMWRITE_PNG_COMPRESSION, 1, cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_RLE)


@dataclasses.dataclass(frozen=True)
class Sample:
    """Pictures of one head.

    views: `Frames` of the orthographic views; portrait: of the perspective one, not cut below the chin. picture:
    (S, S, 3) uint8, the portrait over its background; mask: (S, S) uint8, the head in it, cut as SOAP cuts. meta:
    what is written as `meta.json`. pieces: the posed surfaces.
    """

    views: Frames
    portrait: Frames
    picture: np.ndarray
    mask: np.ndarray
    meta: dict
    pieces: tuple[Piece, ...]


def render_head(head, size: int = 256, views: int = 6, extras=()) -> Sample:
    """Draw a head's views and its portrait.

    Args:
        head: what `soaplib.synthetic.heads.make_head` gives: posed pieces, light, look, turn, backdrop and codes.
        size: pixels along each side. views: how many of `VIEW_YAWS`, from the first on.
        extras: names of `EXTRAS`.
    """
    points = np.concatenate([piece.vertices for piece in head.pieces])
    cameras = make_cameras(head.turn, head.model, head.vertices, points, size)
    scene = assemble(head.pieces, head.light.turned(head.turn.rotation()), head.look, head.gradients)
    drawn = tuple(name for name in extras if name != "mesh")
    frames = paint(scene, cameras.views[:views], size, np.full(views, cameras.cut), drawn)
    portrait = paint(scene, cameras.portrait[None], size, None, drawn)
    alpha = portrait.rgba[0, ..., 3:].astype(np.float32) / 255
    behind = paint_backdrop(head.backdrop, size)
    picture = np.rint(portrait.rgba[0, ..., :3] * alpha + behind * (1 - alpha)).astype(np.uint8)
    mask = portrait.rgba[0, ..., 3].copy()
    mask[max(round(cameras.portrait_cut), 0) :] = 0
    return Sample(frames, portrait, picture, mask, _meta(head, cameras, size, views), tuple(head.pieces))


def _meta(head, cameras, size, views):
    landmarks = project(head.landmarks, cameras.portrait).round(3)
    meta = {
        "seed": head.seed,
        "style": head.style,
        "hair": head.hair_family,
        "worn": list(head.worn),
        "expression": head.expression_family,
        "codes": head.codes,
        "size": size,
        "camera": {
            "portrait": cameras.portrait.tolist(),
            "views": cameras.views[:views].tolist(),
            "yaws": list(VIEW_YAWS[:views]),
            "portrait_cut": round(cameras.portrait_cut, 3),
            "cut": round(cameras.cut, 3),
        },
        "landmarks478": landmarks.tolist(),
        "landmarks68": landmarks[list(IBUG68)].tolist(),
        "landmarks478_metres": head.landmarks.round(6).tolist(),
        "labels": list(LABELS),
        "depth": {"step": DEPTH_STEP, "offset": DEPTH_OFFSET},
        "soaplib": __version__,
    }
    return meta | {"splits": splits.of(meta)}


def encode(sample: Sample, extras=()) -> dict[str, bytes]:
    """Give a sample's files by their names in the dataset; the same sample gives the same bytes."""
    files = {
        "portrait.png": _png(sample.picture[..., ::-1]),
        "portrait_mask.png": _png(sample.mask),
        "portrait_labels.png": _png(sample.portrait.labels[0]),
        "portrait_normal.png": _png(sample.portrait.normals[0, ..., ::-1]),
        "meta.json": json.dumps(sample.meta, separators=(",", ":")).encode(),
    }
    for i in range(len(sample.views.rgba)):
        files[f"view_{i}.png"] = _png(cv2.cvtColor(sample.views.rgba[i], cv2.COLOR_RGBA2BGRA))
        files[f"normal_{i}.png"] = _png(sample.views.normals[i, ..., ::-1])
        files[f"labels_{i}.png"] = _png(sample.views.labels[i])
    for prefix, frames in (("", sample.views), ("portrait_", sample.portrait)):
        for name, convert in (("depth", _depth16), ("uv", _uv16), ("albedo", _reversed)):
            if name in extras:
                for i, image in enumerate(getattr(frames, name)):
                    inside = frames.labels[i] > 0
                    files[f"{prefix}{name}.png" if prefix else f"{name}_{i}.png"] = _png(
                        convert(image, inside)
                    )
    if "mesh" in extras:
        files["mesh.npz"] = _mesh(sample.pieces)
    return files


def _png(image):
    done, data = cv2.imencode(".png", np.ascontiguousarray(image), _PNG)
    if not done:
        raise RuntimeError("OpenCV could not encode a picture as PNG")
    return data.tobytes()


def _depth16(depth, inside):
    return np.where(inside, np.clip(np.rint((depth + DEPTH_OFFSET) / DEPTH_STEP), 1, 65535), 0).astype(
        np.uint16
    )


def _uv16(uv, inside):
    """Red is u, green is v, blue is 65535 on the head; OpenCV wants them in reverse."""
    whole = np.concatenate([uv, np.ones((*uv.shape[:2], 1), np.float32)], 2) * inside[..., None]
    return np.rint(whole.clip(0, 1) * 65535).astype(np.uint16)[..., ::-1]


def _reversed(albedo, inside):
    return albedo[..., ::-1]


def _mesh(pieces):
    """The posed surfaces: arrays "skin/vertices", "skin/faces", ... in metres."""
    arrays = {}
    for piece in pieces:
        for name in ("vertices", "normals", "faces", "labels", "colours", "uv", "texture"):
            value = getattr(piece, name)
            if value is not None:
                arrays[f"{piece.name}/{name}"] = (
                    value.astype(np.float32) if value.dtype == np.float64 else value
                )
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()
