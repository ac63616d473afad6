"""Several views made one picture on the surface, without seams."""

import dataclasses

import numpy as np

from soaplib.render.kernels import kernel, run_tasks
from soaplib.texture.bake import Seen, Seer, look
from soaplib.texture.surface import smooth_field

_TASKS = 16
_ORDER = (0, 4, 5, 1, 3, 2)
_STIFFNESS = 60.0
_OUTLIER = 0.12
_FEW = 0.04


@dataclasses.dataclass(frozen=True)
class Painted:
    """Colours (N, 3) float32 of points and how far they are known: trust (N,) float32 in [0, 1]."""

    colour: np.ndarray
    trust: np.ndarray


def equalise(soft: np.ndarray, weights: np.ndarray, laplacian, order=_ORDER) -> np.ndarray:
    """Find the smooth change of colour that makes each view agree with those before it where both see.

    soft: (K, V, 3) the views' colours at the vertices; weights: (K, V); laplacian: (V, V) of the mesh. The first view of
    `order` stays as it is. Differences larger than `_OUTLIER` count less, so that what one view shows at a wrong
    place does not spread (Ivanov and Lempitsky 2007 solve for the same field, at the seams only).
    Returns (K, V, 3).
    """
    offsets = np.zeros(soft.shape)
    total = weights[order[0]].astype(np.float64)
    known = soft[order[0]] * total[:, None]
    for k in order[1:]:
        mean = known / np.maximum(total, 1e-9)[:, None]
        both = np.minimum(total, 1) * weights[k]
        difference = mean - soft[k]
        if both.max() > 1e-3:
            trust = both / (1 + (np.linalg.norm(difference, axis=1) / _OUTLIER) ** 2)
            offsets[k] = smooth_field(laplacian, difference, trust, _STIFFNESS)
        known += weights[k][:, None] * (soft[k] + offsets[k])
        total += weights[k]
    return offsets


def view_weight(seen: Seen, fade: float) -> np.ndarray:
    """Weigh what a view saw, (N,) in [0, 1]: cos^2 of the angle, falling off within `fade` pixels of an edge."""
    return _smooth(seen.clearance / fade) * np.clip(seen.cosine, 0, 1) ** 2


def blend(seers: list[Seer], points, normals, offsets, strength=None) -> Painted:
    """Paint points by all views.

    seers: K views, the first being the portrait itself; points, normals: (N, 3); offsets: (K, N, 3) callable by
    index, from `equalise`; strength: (K, N) or None, factors of the views' weights, callable by index.

    The first view takes all where it sees well (cosine above 0.4); the others share the rest by `view_weight`. Low
    frequencies mix over wide bands, high ones over narrow ones (Burt and Adelson 1983, two bands).
    """
    count = len(points)
    sums = np.zeros((count, 8), np.float32)
    first = None
    for k, seer in enumerate(seers):
        seen = look(seer, points, normals)
        fade = (0.006 if k == 0 else 0.045) * len(seer.clearance)
        factor = np.ones(count, np.float32) if strength is None else strength(k)
        weight = (view_weight(seen, fade) * factor).astype(np.float32)
        if k == 0:
            first = (seen, offsets(0), factor)
            weight *= 0.02
        run_tasks(_add, _TASKS, weight, seen.sharp, seen.soft, offsets(k), sums)
    colour, trust = np.empty((count, 3), np.float32), np.empty(count, np.float32)
    seen, offset, factor = first
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
