"""What drawn and modelled people look like that the head's shape basis does not: a few directions more.

`python -m soaplib.synthetic.people.styles` draws people of all styles, of identities that trainings may see, takes what
the shape basis leaves of them, and writes its principal components to `soaplib/head/styles.npz`, which `load_head` adds
to the basis. No fit to portraits or views can find a cartoon's vertices with a basis that holds no cartoons.
"""

import dataclasses
import pathlib
import sys

import numpy as np
from scipy.spatial.transform import Rotation

from soaplib.head import HeadModel, anny
from soaplib.synthetic.dataset import splits
from soaplib.synthetic.people.identity import draw_identity
from soaplib.synthetic.people.person import make_person
from soaplib.synthetic.pieces import STYLES

COMPONENTS = 24
_NOISE = 1.5e-3  # metres that a vertex may be off, at one standard deviation's cost
_COUNT = 20.0  # neighbouring vertices err together: this many count as one
_ROUNDS = 5
_COUNTED = {"face": 1.0, "ears": 0.5, "neck": 0.1, "scalp": 0.2}
_EYES, _REST = 0.3, 0.001
_SEED = 1


def people(count: int, style: str) -> np.ndarray:
    """Make `count` people of a style, of identities that are not held out: their heads (count, V, 3)."""
    out, number = [], 0
    while len(out) < count:
        identity = draw_identity(np.random.default_rng((_SEED, number)), style)
        number += 1
        if splits.of_identity(dataclasses.asdict(identity)) == "train":
            out.append(make_person(identity).head.template)
    return np.stack(out).astype(np.float64)


def unexplained(head: HeadModel, heads: np.ndarray) -> np.ndarray:
    """Give what the shape basis and a similarity leave of heads (N, V, 3), in the model's frame (N, V, 3).

    Each is the least squares in all at once, with the basis' prior (Gauss and Newton's steps; the part of the system
    that belongs to the basis is the same for all).
    """
    counted = _counted(head)
    chosen = np.flatnonzero(counted > _REST)
    by = np.repeat(np.sqrt(counted[chosen] / _COUNT) / _NOISE, 3)[:, None]
    basis = head.shape_basis[chosen].reshape(3 * len(chosen), -1).astype(np.float64) * by
    count = basis.shape[1]
    normal = np.zeros((count + 7, count + 7))
    normal[:count, :count] = basis.T @ basis + np.eye(count)
    mean, out = head.template.astype(np.float64), []
    for goal in heads:
        shape, scale, turn, shift = np.zeros(count), 1.0, np.eye(3), np.zeros(3)
        for _ in range(_ROUNDS):
            points = mean[chosen] + (basis / by @ shape).reshape(-1, 3)
            left = ((goal[chosen] - shift) @ turn / scale - points).ravel() * by[:, 0]
            similar = _similarities(points).reshape(-1, 7) * by
            normal[:count, count:] = basis.T @ similar
            normal[count:, :count] = normal[:count, count:].T
            normal[count:, count:] = similar.T @ similar
            step = np.linalg.solve(normal, np.concatenate([basis.T @ left - shape, similar.T @ left]))
            shape = np.clip(shape + step[:count], -3, 3)
            shift = shift + scale * turn @ step[-3:]
            turn = turn @ Rotation.from_rotvec(step[count : count + 3]).as_matrix()
            scale *= 1 + step[count + 3]
        out.append((goal - shift) @ turn / scale - mean - head.shape_basis @ shape)
    return np.stack(out)


def components(head: HeadModel, rest: dict[str, np.ndarray], count: int = COMPONENTS) -> np.ndarray:
    """Give principal components (V, 3, count) of what is left of people (N, V, 3) of each style, a deviation long.

    What is left of realistic people on average is how people are prepared (their lids, their mouths), no style, and
    taken off. The rest is not centred: the mean head stays that of realistic people. Signs: the largest entry is > 0.
    """
    samples = np.concatenate(list(rest.values())) - rest["realistic"].mean(0)
    flat = samples.reshape(len(samples), -1)
    weighed = flat * np.repeat(np.sqrt(_counted(head)), 3)
    _, vectors = np.linalg.eigh(weighed @ weighed.T / len(flat))
    basis = flat.T @ vectors[:, ::-1][:, :count] / np.sqrt(len(flat))
    basis *= np.sign(basis[np.abs(basis).argmax(0), np.arange(count)])
    return basis.reshape(samples.shape[1], 3, count)


def main(count: int = 150) -> None:
    """Draw `count` people of each style, and write the components of what the basis leaves of them."""
    head = anny.load_head(styles=False)
    rest = {style: unexplained(head, people(count, style)) for style in STYLES}
    basis = components(head, rest)
    np.savez_compressed(anny.STYLES, basis=basis.astype(np.float16), build=np.array(anny.cache_folder().name))
    sys.stdout.write(f"wrote {anny.STYLES}, {pathlib.Path(anny.STYLES).stat().st_size / 1e6:.1f} MB\n")


def _counted(head):
    """How much each vertex (V,) counts: what pictures show, and the eyeballs with their lids."""
    skin = head.part_vertices("skin")
    hidden = (head.region("mouth_cavity") > 0.5) | (head.region("eye_sockets") > 0.5)
    seen = sum(share * head.region(name) for name, share in _COUNTED.items()) * skin * ~hidden
    eyes = head.part_vertices("left_eye", "right_eye")
    return np.maximum(np.where(eyes, _EYES, seen), _REST)


def _similarities(points):
    """Derivatives (N, 3, 7) of points by a turn, the logarithm of a scale, and a shift."""
    x, y, z = points.T
    o = np.zeros_like(x)
    turns = np.stack([np.stack([o, -z, y], 1), np.stack([z, o, -x], 1), np.stack([-y, x, o], 1)], 2)
    return np.concatenate([turns, points[..., None], np.broadcast_to(np.eye(3), (len(points), 3, 3))], 2)


if __name__ == "__main__":
    main()
