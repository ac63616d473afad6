"""Measure where MediaPipe sees its 478 landmarks on painted heads.

`python -m soaplib.synthetic.landmarks` shows it synthetic heads, half of them realistic, a quarter each cartoons and
clay, and writes `soaplib/head/embedding478.npz`. Bare heads of one colour, as random shapes of the head model are,
lead the detector astray by 1.5 to 3 % of the outer-eye distance: brows, lips and hair are what it goes by.
"""

import dataclasses
import pathlib
import sys
from collections.abc import Iterator

import numpy as np

from soaplib.head import embedding, load_head
from soaplib.synthetic.camera import make_cameras
from soaplib.synthetic.heads import draw_codes, make_head
from soaplib.synthetic.paint import assemble, paint

_SIZE = 512
_STYLES = ("realistic", "cartoon", "realistic", "clay")
_HIDING = {"glasses", "hood"}
_FIRST_SEED = 8_000_000_000
_OPEN = 0.15


def pictures(count: int) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, bool]]:
    """Draw `count` heads without glasses and hoods, for `soaplib.head.embedding.measure_embedding`."""
    seed = _FIRST_SEED
    while count:
        codes = draw_codes(seed, style=_STYLES[count % len(_STYLES)])
        seed += 1
        if _HIDING & {thing.kind for thing in codes.worn}:
            continue
        count -= 1
        turned = dataclasses.replace(codes.turn, roll=0.5 * codes.turn.roll)
        made = make_head(dataclasses.replace(codes, turn=turned))
        points = np.concatenate([piece.vertices for piece in made.pieces])
        camera = make_cameras(turned, made.model, made.vertices, points, _SIZE).views[0]
        scene = assemble(made.pieces, made.light.turned(turned.rotation()), made.look, made.gradients)
        rgba = paint(scene, camera[None], _SIZE).rgba[0].astype(np.float32) / 255
        image = rgba[..., :3] * rgba[..., 3:] + 1 - rgba[..., 3:]
        jaw = codes.expression.weights[made.model.expression_names.index("jawOpen")]
        yield (
            (255 * image + 0.5).astype(np.uint8), made.vertices.astype(np.float64), turned.rotation(), camera,
            jaw > _OPEN,
        )  # fmt: skip


def main(count: int = 240) -> None:
    """Measure, and write the embedding that the default head is built with."""
    import mediapipe

    mesh = mediapipe.solutions.face_mesh.FaceMesh(static_image_mode=True, refine_landmarks=True)

    def detect(image):
        found = mesh.process(image).multi_face_landmarks
        return found and np.array([(p.x, p.y) for p in found[0].landmark]) * image.shape[1::-1]

    faces, weights, spread = embedding.measure_embedding(load_head(), detect, pictures=pictures(count))
    path = pathlib.Path(embedding.__file__).with_name("embedding478.npz")
    np.savez(path, faces=faces, weights=weights)
    sys.stdout.write(f"median spread {1000 * np.median(spread):.2f} mm; wrote {path}\n")


if __name__ == "__main__":
    main()
