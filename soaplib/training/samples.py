"""What the compact networks learn from: synthetic heads as portraits with their guides, and the true six views.

A head's portrait is its true view 0, with landmarks and a matte as wrong as those of a real picture; the head model
is fitted to it, and the truth is painted by the cameras of that fit, as `soaplib.evaluation.truth` does.
"""

import dataclasses
from typing import NamedTuple

import cv2
import numpy as np

from soaplib.data import HeadPose, Portrait
from soaplib.fitting import fit_head
from soaplib.head import HeadModel
from soaplib.landmarks import OUTER_EYES
from soaplib.multiview.compact.guide import SIGNED, Guide, make_guide
from soaplib.multiview.geometric import posed_vertices
from soaplib.portrait.crop import cut_matte
from soaplib.portrait.regions import label_regions
from soaplib.render import project
from soaplib.synthetic.dataset import splits
from soaplib.synthetic.drawing.camera import make_cameras
from soaplib.synthetic.drawing.paint import Frames, assemble, paint
from soaplib.synthetic.heads import Codes, draw_codes, make_head
from soaplib.synthetic.pieces import STYLES

PARTS = ("train", "test")
"""train: no identity, hair family, style or expression that `splits` holds out; test: identity, hair and style are."""

_PORTRAIT = 256  # pixels; a portrait is laid on the head at this size in any case
_DRAWS = 2**40
_SMOOTH, _LENGTH, _WAVES = 0.033, 0.35, 16  # landmark error: size and length of its waves, in eye distances
_WHITE, _SHIFT, _FACTOR = 0.006, 0.008, 0.35


class Sample(NamedTuple):
    """One head, all uint8, six views of S x S in the order of `soaplib.data.VIEW_YAWS`.

    guide: (6, len(CHANNELS), S, S) as of `Guide.stack`: round(255 u), and 128 + round(127 u) for the `SIGNED` ones.
    base, views: (6, 4, S, S), RGB premultiplied by alpha: the guide's guess, and the truth. normals: (6, 3, S, S)
    128 + round(127 n): the true ones in camera axes, 128 outside.
    """

    guide: np.ndarray
    base: np.ndarray
    views: np.ndarray
    normals: np.ndarray


def sample_codes(seed: int, index: int, part: str = "train") -> Codes:
    """Draw the codes of the head at an index of the prepared set `seed`, of one of `PARTS`."""
    rng = np.random.default_rng((seed, index, PARTS.index(part)))
    if part == "test":
        hair, style = (str(rng.choice(splits.held_out(axis))) for axis in ("hair", "style"))
        wanted = {"identity": "test", "hair": "test", "style": "test"}
        named = {"hair": hair, "style": style}
    else:
        wanted, named = dict.fromkeys(splits.AXES, "train"), {}
        shown = [style for style in STYLES if style not in splits.held_out("style")]
    while True:
        codes = draw_codes(int(rng.integers(_DRAWS)), **named)
        if part == "train" and codes.style not in shown:
            continue
        found = splits.of({
            "codes": {"identity": dataclasses.asdict(codes.identity)}, "style": codes.style,
            "hair": codes.hair.family, "expression": codes.expression.family,
        })  # fmt: skip
        if all(found[axis] == value for axis, value in wanted.items()):
            return codes


def make_sample(codes: Codes, head: HeadModel, size: int = 128) -> Sample:
    """Make the sample of a synthetic head; its random errors follow from the head's seed. About 0.8 s on one core."""
    made = make_head(codes)
    points = np.concatenate([piece.vertices for piece in made.pieces])
    cameras = make_cameras(made.turn, made.model, made.vertices, points, _PORTRAIT)
    scene = assemble(made.pieces, made.light.turned(made.turn.rotation()), made.look, made.gradients)
    front = cameras.views[0]
    frames = paint(scene, front[None], _PORTRAIT, [cameras.cut])
    rng = np.random.default_rng((codes.seed, len(STYLES)))
    portrait = _portrait(frames.rgba[0], project(made.landmarks, front), rng)
    pose = fit_head(portrait, head)
    guide = make_guide(portrait, head, pose, size)
    place = _place(made.landmarks, front, head, pose)
    cuts = np.full(6, cameras.cut * size / _PORTRAIT)
    return encode(guide, paint(scene, guide.cameras @ place, size, cuts))


def encode(guide: Guide, truth: Frames) -> Sample:
    """Give a guide and the true views, painted by its cameras, as a sample."""
    stack = guide.stack()
    levels, zero = np.full((1, stack.shape[1], 1, 1), 255.0), np.zeros((1, stack.shape[1], 1, 1))
    levels[:, list(SIGNED)], zero[:, list(SIGNED)] = 127.0, 128.0
    alpha = truth.rgba[..., 3:].astype(np.float32) / 255
    views = np.concatenate([truth.rgba[..., :3] * alpha, truth.rgba[..., 3:]], -1)
    normals = truth.normals.astype(np.float32) / 127.5 - 1
    normals *= (truth.labels[..., None] > 0) / np.maximum(
        np.linalg.norm(normals, axis=-1, keepdims=True), 1e-6
    )
    return Sample(
        _bytes(stack * levels + zero), _bytes(_channels_first(guide.base) * 255),
        _bytes(_channels_first(views)), _bytes(_channels_first(normals) * 127 + 128),
    )  # fmt: skip


def _channels_first(images):
    return np.ascontiguousarray(np.moveaxis(images, -1, -3))


def _bytes(values):
    return np.rint(values).clip(0, 255).astype(np.uint8)


def _portrait(rgba, landmarks, rng) -> Portrait:
    """Give the portrait that the first stage would make of a picture, with its usual errors."""
    landmarks = landmarks + landmark_error(landmarks, rng)
    matte = cut_matte(_blurred_matte(rgba[..., 3].astype(np.float32) / 255, rng), landmarks)
    alpha = rgba[..., 3:].astype(np.float32) / 255
    image = rgba[..., :3] / 255 * alpha + rng.random(3, np.float32) * (1 - alpha)  # shines through at the rim
    image = image.astype(np.float32)
    return Portrait(
        image, matte, landmarks.astype(np.float32), np.ones(len(landmarks), np.float32),
        label_regions(image, matte, landmarks), np.eye(3), {"advice": []},
    )  # fmt: skip


def landmark_error(landmarks: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw an error (N, 2) in pixels for landmarks (N, 2), as detectors err: neighbours together.

    Waves of random direction (random Fourier features of a Gaussian field), a shift of all, and a little white noise.
    Against the truth of synthetic heads MediaPipe errs by 3 to 5 % of the outer-eye distance, nearly all of it smooth.
    """
    unit = np.linalg.norm(landmarks[OUTER_EYES[0]] - landmarks[OUTER_EYES[1]])
    waves = rng.normal(0, 1 / (_LENGTH * unit), (_WAVES, 2))
    phases, heights = rng.uniform(0, 2 * np.pi, _WAVES), rng.normal(0, _SMOOTH / np.sqrt(_WAVES), (_WAVES, 2))
    smooth = np.cos(landmarks @ waves.T + phases) @ heights
    size = np.exp(rng.normal(0, _FACTOR))
    white = rng.normal(0, _WHITE, landmarks.shape)
    return unit * (size * smooth + rng.normal(0, _SHIFT, 2) + white)


def _blurred_matte(alpha, rng):
    """Make a matte as soft as real ones are, and mostly a little too small."""
    soft = cv2.GaussianBlur(alpha, (0, 0), rng.uniform(0.3, 1.6))
    low = rng.uniform(0.05, 0.55)  # what becomes 0; all that is surely inside stays 1
    high = rng.uniform(max(low + 0.25, 0.7), 0.96)
    return np.clip((soft - low) / (high - low), 0, 1) * (alpha > 0)


def _place(landmarks, front, head, pose: HeadPose):
    """Find the similarity (4, 4) from the person's world to the fitted head's, see `Truth.place`."""
    fitted = head.landmarks(posed_vertices(head, pose))
    depth = np.median(
        fitted @ pose.camera[2, :3] + pose.camera[2, 3] - landmarks @ front[2, :3] - front[2, 3]
    )
    shift = np.eye(4)
    shift[2, 3] = depth
    return np.linalg.inv(pose.camera) @ shift @ front
