"""Folds of the skin: D(uv) = D_static(id) + sum_k a_k(id) relu(psi_k) W_k(uv), a height in metres."""

import dataclasses
import functools

import numpy as np
import scipy.interpolate
import scipy.spatial

from soaplib.head import load_head
from soaplib.parts.smoothstep import smoothstep
from soaplib.render.kernels import kernel
from soaplib.synthetic.skin.fields import skin_fields
from soaplib.synthetic.skin.layout import canvas
from soaplib.synthetic.skin.wrinkle_lines import wrinkle_lines


@dataclasses.dataclass(frozen=True)
class Wrinkles:
    """How one skin folds. seed: which lines are deep in it; age: depth at rest, 0 to 1; active: depth in motion."""

    seed: int
    age: float
    active: float


def draw_wrinkles(rng: np.random.Generator, wear: float) -> Wrinkles:
    """Draw the folds of a skin; wear: 0 (child) over 0.5 (about 35 years) to 1 (very old)."""
    worn = smoothstep(0.35, 1.0, wear)
    return Wrinkles(
        int(rng.integers(2**31)),
        float(worn * rng.uniform(0.7, 1.5)),
        float(rng.uniform(0.6, 1.1) * (0.45 + 0.7 * wear)),
    )


def line_gains(wrinkles: Wrinkles, weights: np.ndarray | None) -> np.ndarray:
    """Give the (L,) depth of each line in an expression; weights: (52,) of the head's actions, None for rest."""
    folding, static, groups = _rules()
    rng = np.random.default_rng(wrinkles.seed)
    character = np.exp(rng.normal(0, 0.45, groups.max() + 1))[groups] * rng.uniform(0.35, 1.25, len(static))
    active = 0.0
    if weights is not None:
        active = wrinkles.active * np.minimum(folding @ np.maximum(np.asarray(weights, np.float64), 0), 1.0)
    return np.minimum(character, 1.25) * (wrinkles.age * static + active)


def wrinkle_relief(wrinkles: Wrinkles, weights: np.ndarray | None = None, size: int = 512) -> np.ndarray:
    """Give D at the texels of `canvas(size)`: (N,) float32 metres; weights: (52,) as in `line_gains`."""
    lines = fold_maps(size)
    relief = np.zeros(len(canvas(size).places), np.float32)
    _mix(lines.starts, lines.texels, lines.heights, line_gains(wrinkles, weights).astype(np.float32), relief)
    return relief


def action_map(action: str, size: int = 512) -> np.ndarray:
    """Give W of one action at the texels of `canvas(size)`, every line at its usual depth: (N,) float32 metres.

    Raises ValueError for an unknown action.
    """
    names = load_head().expression_names
    if action not in names:
        raise ValueError(f"action_map: expected one of the head's {len(names)} actions, got {action!r}")
    folding = _rules()[0][:, names.index(action)]
    lines = fold_maps(size)
    out = np.zeros(len(canvas(size).places), np.float32)
    _mix(lines.starts, lines.texels, lines.heights, folding.astype(np.float32), out)
    return out


@dataclasses.dataclass(frozen=True)
class FoldMaps:
    """Sparse height maps of the L lines: texels (M,) int32 and heights (M,) float32, line k from starts[k] on."""

    starts: np.ndarray
    texels: np.ndarray
    heights: np.ndarray


@functools.lru_cache(maxsize=4)
def fold_maps(size: int) -> FoldMaps:
    """Draw every line's groove on the texels of `canvas(size)`."""
    head, surface, fields = load_head(), canvas(size), skin_fields(size)
    front = np.flatnonzero(
        (surface.places[:, 2] > -0.075) & (fields.mask("mouth") == 0) & (fields.mask("socket") < 0.5)
        & (fields.mask("ears") == 0)
    )  # fmt: skip
    places = surface.places[front].astype(np.float64)
    tree = scipy.spatial.cKDTree(places[:, :2] * [1, 1])
    starts, texels, heights = [0], [], []
    for line in wrinkle_lines(head.landmarks(head.template)):
        at, height = _groove(line, places, tree)
        starts.append(starts[-1] + len(at))
        texels.append(front[at])
        heights.append(height)
    return FoldMaps(
        np.array(starts), np.concatenate(texels).astype(np.int32), np.concatenate(heights).astype(np.float32)
    )


def _groove(line, places, tree):
    """Texels near a line and their heights: a groove that runs out at its ends, between slightly raised sides."""
    steps = np.append(0, np.linalg.norm(np.diff(line.points, axis=0), axis=1).cumsum())
    flat = scipy.interpolate.make_interp_spline(steps, line.points, k=min(3, len(steps) - 1))(
        np.linspace(0, steps[-1], 160)
    )
    curve = np.concatenate([flat, places[tree.query(flat)[1], 2:]], 1)
    curve[:, 2] = np.convolve(np.pad(curve[:, 2], 6, "edge"), np.full(13, 1 / 13), "valid")
    reach = 5 * line.width
    low, high = curve.min(0) - reach, curve.max(0) + reach
    here = np.flatnonzero(((places > low) & (places < high)).all(1))
    distance, nearest = scipy.spatial.cKDTree(curve).query(places[here], distance_upper_bound=reach)
    found = np.isfinite(distance)
    here, distance, nearest = here[found], distance[found], nearest[found]
    along = nearest / (len(curve) - 1)
    taper = np.sin(np.pi * np.clip(0.04 + 0.92 * along, 0, 1)) ** 0.7
    d = distance / line.width
    height = -np.exp(-(d**2)) + 0.3 * np.exp(-((d - 1.7) ** 2) / 0.9)
    outer = np.abs(places[here, 0]) > np.abs(curve[nearest, 0])
    height += line.bulge * outer * np.exp(-((d - 1.9) ** 2) / 1.6)
    height *= np.clip(5 - d, 0, 1)
    return here, line.depth * taper * height


@functools.cache
def _rules():
    """Folding (L, 52) of lines by actions, (L,) depths at rest, (L,) numbers of their groups."""
    head = load_head()
    lines = wrinkle_lines(head.landmarks(head.template))
    folding = np.zeros((len(lines), len(head.expression_names)))
    for k, line in enumerate(lines):
        for action, weight in line.actions.items():
            folding[k, head.expression_names.index(action)] = weight
    groups = np.unique([line.group for line in lines], return_inverse=True)[1]
    return folding, np.array([line.static for line in lines]), groups


@kernel
def _mix(starts, texels, heights, gains, out):
    for k in range(len(gains)):
        if gains[k] != 0:
            for n in range(starts[k], starts[k + 1]):
                out[texels[n]] += gains[k] * heights[n]
