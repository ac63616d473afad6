"""The codes of a worn thing, and how its surfaces become a `Piece`."""

import dataclasses

import numpy as np

from soaplib.synthetic.pieces import LABELS, Piece
from soaplib.synthetic.worn.patterns import paint, placed
from soaplib.synthetic.worn.solids import join, whole_faces


@dataclasses.dataclass(frozen=True)
class Worn:
    """What is worn, as plain values.

    kind: one of `WORN_KINDS`. shape: which of the kind. colours: three sRGB colours in [0, 1]: main, second, trim.
    pattern: one of `soaplib.synthetic.worn.patterns.PATTERNS`. sizes: six numbers in [-1, 1], 0 the usual; what
    each of them does is told by the function that makes the shape. seed: for what is left to chance.
    """

    kind: str
    shape: str
    colours: tuple[tuple[float, float, float], ...]
    pattern: str = "plain"
    sizes: tuple[float, ...] = (0.0,) * 6
    seed: int = 0

    def colour(self, k: int) -> np.ndarray:
        """Give the k-th colour."""
        return np.asarray(self.colours[k], float)


def finish(codes: Worn, solids, binding, gloss=0.1, label="worn") -> Piece:
    """Make surfaces one `Piece`.

    binding: a function of the vertices (V, 3) that gives roots and root weights. Surfaces with uv show the
    pattern of the codes in the first two colours; the others their own colours.
    """
    solid = join(solids)
    uv = texture = None
    colours = solid.colours
    if solid.uv is not None and codes.pattern != "plain":
        texture, uv = paint(codes.pattern, codes.colours, codes.seed), placed(solid.uv)
        colours = np.where(solid.uv[:, :1] < 0, colours, 1.0)
    roots, weights = binding(solid.vertices)
    # Where a row of a grid shrinks to a point its triangles have no area.
    faces = solid.faces[whole_faces(solid.vertices, solid.faces)]
    return Piece(
        name=f"{codes.kind} {codes.shape}",
        vertices=solid.vertices.astype(np.float32),
        normals=solid.normals.astype(np.float32),
        faces=np.ascontiguousarray(faces, np.int32),
        labels=np.full(len(faces), LABELS.index(label), np.uint8),
        colours=np.clip(colours, 0, 1, dtype=np.float32),
        roots=roots,
        root_weights=weights,
        uv=None if uv is None else uv.astype(np.float32),
        texture=texture,
        gloss=gloss,
        double_sided=True,
    )


def on_skull(fit):
    """Give the binding that hangs all vertices on the skull."""
    return lambda vertices: fit.hung_on_skull(len(vertices))
