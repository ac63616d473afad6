"""Several views made one picture on the surface, without seams."""

import dataclasses

import numpy as np

from soaplib.render.kernels import kernel, run_tasks
from soaplib.texture.bake import Seen, Seer, look
from soaplib.texture.surface import smooth_field

_TASKS = 16
_ORDER = (0, 4, 5, 1, 3, 2)
_REACH = 0.02  # metres over which the views' colours are brought together
_OUTLIER = 0.12
_BELIEF, _NEARBY, _LEAST = 0.004, 0.003, 0.05
FADES = (0.012, 0.045)
"""How near an edge the first view and the others fade out, as parts of the picture's height."""


@dataclasses.dataclass(frozen=True)
class Painted:
    """Colours (N, 3) float32 of points and how far they are known: trust (N,) float32 in [0, 1]."""

    colour: np.ndarray
    trust: np.ndarray


def equalise(soft: np.ndarray, weights: np.ndarray, laplacian, order=_ORDER) -> tuple[np.ndarray, np.ndarray]:
    """Find the smooth change of colour that makes each view agree with those before it where both see.

    soft: (K, V, 3) the views' colours at the vertices; weights: (K, V); laplacian: (V, V) of the mesh. The first of
    `order` stays as it is. Differences larger than `_OUTLIER` count less, so that what one view shows at a wrong
    place does not spread (Ivanov and Lempitsky 2007 solve for the same field, at the seams only).

    Returns (K, V, 3) offsets, and (K, V) in (0, 1] how well a view then agrees with those before it, here and nearby:
    a view that contradicts the portrait beside its border should not paint that border.
    """
    offsets, agreement = np.zeros(soft.shape), np.ones(weights.shape)
    total = weights[order[0]].astype(np.float64)
    known = soft[order[0]] * total[:, None]
    for k in order[1:]:
        mean = known / np.maximum(total, 1e-9)[:, None]
        both = np.minimum(total, 1) * weights[k]
        if both.max() > 1e-3:
            difference = mean - soft[k]
            inlying = 1 / (1 + (np.linalg.norm(difference, axis=1) / _OUTLIER) ** 2)
            offsets[k] = smooth_field(laplacian, difference, both * inlying, _REACH)
            apart = np.linalg.norm(difference - offsets[k], axis=1)
            agrees = 1 / (1 + (apart / _OUTLIER) ** 4)
            # Far from all overlap a view is believed; the constant pulls it there within some five centimetres.
            trust = both + _BELIEF
            wanted = (both * agrees + _BELIEF) / trust
            field = smooth_field(laplacian, wanted[:, None], trust, _NEARBY)[:, 0]
            agreement[k] = np.clip(field, _LEAST, 1) ** 2
        weight = weights[k] * agreement[k]
        known += weight[:, None] * (soft[k] + offsets[k])
        total += weight
    return offsets, agreement


def view_weight(seen: Seen, fade: float) -> np.ndarray:
    """Weigh what a view saw, (N,) in [0, 1]: cos^2 of the angle, falling off within `fade` pixels of an edge."""
    return _smooth(seen.clearance / fade) * np.clip(seen.cosine, 0, 1) ** 2


def blend(seers: list[Seer], points, normals, changes) -> Painted:
    """Paint points by all views.

    seers: K views, the first being the portrait itself; points, normals: (N, 3); changes: a function of the view's
    number that gives (N, 3) offsets of its colours and (N,) factors of its weight, float32.

    The first view takes all where it sees well (cosine above 0.4); the others share the rest by `view_weight`. Low
    frequencies mix over wide bands, high ones over narrow ones (Burt and Adelson 1983, two bands).
    """
    count = len(points)
    sums = np.zeros((count, 8), np.float32)
    for k in (*range(1, len(seers)), 0):
        seen = look(seers[k], points, normals)
        offset, factor = changes(k)
        weight = (view_weight(seen, FADES[min(k, 1)] * len(seers[k].clearance)) * factor).astype(np.float32)
        if k == 0:  # where it sees badly the portrait is a last resort
            weight *= 0.02
        run_tasks(_add, _TASKS, weight, seen.sharp, seen.soft, offset, sums)
    colour, trust = np.empty((count, 3), np.float32), np.empty(count, np.float32)
    run_tasks(
        _finish, _TASKS, seen.sharp, seen.soft, seen.cosine, seen.clearance, np.float32(len(seers[0].clearance)),
        factor, offset, sums, colour, trust,
    )  # fmt: skip
    return Painted(colour, trust)


def _smooth(x):
    x = np.clip(x, 0, 1)
    return x * x * (3 - 2 * x)


@kernel
def _add(task, tasks, weight, sharp, soft, offset, sums):
    for n in range(len(weight) * task // tasks, len(weight) * (task + 1) // tasks):
        w = weight[n]
        if w <= 0:
            continue
        narrow = w * w * w * w
        for c in range(3):
            sums[n, c] += w * (soft[n, c] + offset[n, c])
            sums[n, 3 + c] += narrow * (sharp[n, c] - soft[n, c])
        sums[n, 6] += w
        sums[n, 7] += narrow


@kernel
def _ramp(x, low, high):
    t = min(max((x - low) / (high - low), 0.0), 1.0)
    return t * t * (3 - 2 * t)


@kernel
def _finish(task, tasks, sharp, soft, cosine, clearance, height, factor, offset, sums, colour, trust):
    for n in range(len(sharp) * task // tasks, len(sharp) * (task + 1) // tasks):
        near = clearance[n] / height
        wide = _ramp(cosine[n], 0.10, 0.40) * _ramp(near, 0.0, 0.012) * factor[n]
        narrow = _ramp(cosine[n], 0.20, 0.32) * _ramp(near, 0.001, 0.006) * factor[n]
        others = _ramp(sums[n, 6], 0.0, 0.04)
        if sums[n, 6] <= 1e-7:
            wide = 1.0 if wide > 0 else 0.0
        if sums[n, 7] <= 1e-14:
            narrow = 1.0 if wide > 0 else 0.0
        trust[n] = max(wide, narrow) + (1 - max(wide, narrow)) * others
        for c in range(3):
            low = wide * (soft[n, c] + offset[n, c])
            high = narrow * (sharp[n, c] - soft[n, c])
            if wide < 1:
                low += (1 - wide) * sums[n, c] / max(sums[n, 6], 1e-12)
            if narrow < 1:
                high += (1 - narrow) * sums[n, 3 + c] / max(sums[n, 7], 1e-20)
            colour[n, c] = min(max(low + high, 0.0), 1.0)
