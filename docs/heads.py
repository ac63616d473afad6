"""Draw the README's picture: python docs/heads.py docs/heads.jpg RUN... (run folders of `soap run`)."""

import json
import pathlib
import sys

import numpy as np
from PIL import Image

from soaplib.animation.posing import pose_vertices
from soaplib.data import Avatar
from soaplib.render import draw, orthographic, turn

SIZE = 300
SHOTS = (
    (0, {}), (40, {}), (90, {}), (180, {}), (-40, {"jawOpen": 0.8}),
    (0, {"eyeBlinkLeft": 1.0, "eyeBlinkRight": 1.0, "mouthSmileLeft": 0.9, "mouthSmileRight": 0.9}),
)  # fmt: skip


def row(run: pathlib.Path) -> np.ndarray:
    """One portrait's crop and its head from several sides, (SIZE, 7 SIZE, 3) uint8."""
    crop = np.asarray(Image.open(run / "01_portrait" / "crop.png").convert("RGBA"), np.float32) / 255
    paper = crop[..., :3] * crop[..., 3:] + 1 - crop[..., 3:]
    first = Image.fromarray((paper * 255 + 0.5).astype(np.uint8)).resize((SIZE, SIZE), Image.LANCZOS)
    avatar = Avatar.load(run / "05_texturing" / "avatar")
    every = np.concatenate([part.vertices for part in avatar.parts])
    middle = (every.min(0) + every.max(0)) / 2
    scale = 0.9 * SIZE / np.ptp(every, axis=0).max()
    camera = orthographic(np.eye(3), scale, SIZE / 2 - scale * middle[:2] * [1, -1])
    tiles = [np.asarray(first)]
    for yaw, actions in SHOTS:
        weights = np.array([actions.get(name, 0.0) for name in avatar.expression_names], np.float32)
        parts = []
        for part in avatar.parts:
            vertices, normals = pose_vertices(part, avatar.joints, weights, np.zeros((5, 3), np.float32))
            parts.append(_Posed(part, vertices, normals))
        picture = draw(parts, turn(camera, float(yaw), middle), (SIZE, SIZE), light="soft")
        tiles.append((np.clip(picture, 0, 1) * 255 + 0.5).astype(np.uint8))
    return np.concatenate(tiles, 1)


class _Posed:
    """A part with other vertices, as `draw` wants it."""

    def __init__(self, part, vertices, normals):
        self.vertices, self.normals = vertices, normals
        self.faces, self.uv, self.texture = part.faces, part.uv, part.texture
        self.alpha, self.double_sided = part.alpha, part.double_sided


if __name__ == "__main__":
    out, *runs = map(pathlib.Path, sys.argv[1:])
    for run in runs:
        json.loads((run / "run.json").read_text())  # a clear error where the folder is no run
    Image.fromarray(np.concatenate([row(run) for run in runs])).save(out, quality=88)
