"""Hoods: of a jumper, a cloak or an animal; headscarves. They hide hair and ears and hang to the shoulders."""

import math

import numpy as np

from soaplib.parts.smoothstep import smoothstep
from soaplib.synthetic.pieces import Piece
from soaplib.synthetic.worn.creatures import ears_on
from soaplib.synthetic.worn.fitting import Fit
from soaplib.synthetic.worn.patterns import draw_scheme
from soaplib.synthetic.worn.radius_maps import CROWN, LOW, ROWS, smoothed
from soaplib.synthetic.worn.solids import blob, edges, grid, grid_normals, join
from soaplib.synthetic.worn.sweeps import curve, tube
from soaplib.synthetic.worn.things import Worn, finish

SHAPES = ("hoodie", "cloak", "animal", "hijab", "headscarf")
_CLEAR = 0.0115


def draw_hood(rng: np.random.Generator, style: str) -> Worn:
    """Draw a hood; animals' are for the stylised heads."""
    weights = {"realistic": [40, 8, 1, 34, 17], "cartoon": [34, 14, 26, 14, 12]}.get(
        style, [34, 18, 26, 12, 10]
    )
    shape = str(rng.choice(SHAPES, p=np.array(weights) / sum(weights)))
    patterns = {
        "hijab": ["plain", "plain", "plain", "weave", "dots"],
        "headscarf": ["dots", "plaid", "plain", "stars", "bars"],
        "hoodie": ["plain", "plain", "weave"],
        "cloak": ["plain", "weave"],
        "animal": ["felt", "plain"],
    }[shape]
    sizes = tuple(rng.uniform(-1, 1, 6).round(3).tolist())
    return Worn(
        "hood", shape, draw_scheme(rng, style), str(rng.choice(patterns)), sizes, int(rng.integers(1 << 30))
    )


def make_hood(codes: Worn, fit: Fit) -> Piece:
    """Make a hood.

    sizes: width of the opening, looseness, point at the back, how far it stands over the forehead, fullness at the
    neck, and (animal) the kind of ears.
    """
    unit = fit.unit
    snug = codes.shape in ("hijab", "headscarf")
    radius = _draped(codes, fit)
    rows, columns = 28, 33
    low = 3.0 if codes.shape != "headscarf" else 8.0
    share = np.linspace(0, 1, rows)
    row = low + share * (CROWN - low)
    # Closer columns at the opening's edges and at the seam in the middle.
    side = np.linspace(-1, 1, columns)
    side = side - np.sin(2 * math.pi * side) * 0.07
    edge = _opening(codes, fit, row)
    # Columns go from the opening's one side about the back to the other; azimuth grows to the head's left.
    azimuth = math.pi + side[None] * (math.pi - edge[:, None])
    points = fit.place(azimuth, row[:, None], fit.reach(azimuth, row[:, None], radius))
    points[-1] = points[-1].mean(0)
    points = _pulled(codes, fit, points, row, side)
    points = _folded(codes, fit, points, share, side, snug)
    points, shade = _seamed(codes, points, side, snug)
    cloth = grid(points, shade, False, uv=_uv(azimuth, share))
    inner = edges(
        points, (0.0025 if snug else 0.0045) * unit, codes.colour(0) * (0.7 if snug else 0.55), rounds=1
    )[:1]
    solids = [cloth, *inner]
    hem = _hem(points)
    thick = unit * (0.0028 if snug else 0.0045 + 0.0015 * codes.sizes[1])
    solids.append(tube(hem, thick, codes.colour(0) * 0.96, 7, closed=False))
    solids.append(tube(points[0], thick * 0.8, codes.colour(0) * 0.9, 6))
    if codes.shape == "hoodie":
        solids += _cords(codes, fit, points, unit)
    if codes.shape == "animal":
        kind = ("cat", "bear", "rabbit", "fox")[int((codes.sizes[5] + 1) / 2 * 3.999)]
        solids += ears_on(fit, radius, kind, codes.colour(0), codes.colour(1), 0.9 + 0.15 * codes.sizes[1])
    if codes.shape == "headscarf":
        solids += _chin_knot(codes, fit, points, unit)
    return finish(codes, join(solids), fit.draped, 0.05)


def _draped(codes, fit):
    """Give the radius map of the cloth: clear of head and ears, hanging from where they reach farthest."""
    unit = fit.unit
    snug = codes.shape in ("hijab", "headscarf")
    pressed = np.clip(fit.over - fit.skull - 0.006, 0, 0.012)
    bust = smoothed(np.maximum(fit.bust, fit.skull + pressed), 1.6)
    lift = _CLEAR + unit * ((0.002 if snug else 0.010 + 0.006 * codes.sizes[1]) + 0.004 * (not snug))
    radius = bust + lift
    # Cloth hangs: going down it comes nearer only slowly, least of all behind.
    azimuth = np.arange(radius.shape[1]) * (2 * math.pi / radius.shape[1])
    back = 0.5 - 0.5 * np.cos(azimuth)
    full = 0.5 + 0.35 * codes.sizes[4]
    slope = unit * (0.0052 - 0.0024 * full - (0 if snug else 0.0006)) * (1 - 0.25 * back)
    for row in range(ROWS - 2, -1, -1):
        drop = slope if row < LOW else slope * 0.35
        radius[row] = np.maximum(radius[row], radius[row + 1] - drop)
    return smoothed(radius, 1.2)


def _opening(codes, fit, row):
    """Give the azimuth of the opening's edge in each row: wide at the face, closed over the forehead and the neck."""
    marks = fit.landmarks
    wide, over = codes.sizes[0], codes.sizes[3]
    unit = fit.unit
    forehead = marks[10] - [0, unit * (0.002 + 0.006 * over), 0]
    top = fit.where(forehead)[1] + 1.0
    chin = fit.where(marks[152] - [0, 0.006 * unit, 0])[1]
    cheek = np.abs(fit.where(marks[[234, 454]])[0]).mean()
    half = cheek - (0.16 if codes.shape in ("hijab", "headscarf") else 0.10) + 0.06 * wide
    if codes.shape == "cloak":
        half += 0.06
    t = np.clip((row - chin) / (top - chin), 0, 1)
    round_ = np.sqrt(np.clip(1 - np.abs(2 * t - 1) ** 2.6, 0, 1))
    upper = np.where(t > 0.5, half * round_, half)
    below = half * round_ if codes.shape == "hijab" else half * (0.42 + 0.58 * smoothstep(0.0, 0.45, t))
    if codes.shape == "headscarf":
        below = half * (0.10 + 0.9 * np.sqrt(np.clip(t / 0.45, 0, 1)))
    edge = np.where(t > 0.5, upper, below)
    if codes.shape == "cloak":
        edge = np.where(t > 0.5, upper, half * (0.62 + 0.38 * smoothstep(0.0, 0.45, t)))
    return np.maximum(edge, 0.0)


def _pulled(codes, fit, points, row, side):
    """Pull the opening forward over the brow, and the back into a point."""
    unit = fit.unit
    up = smoothstep(LOW - 4, CROWN - 4, row)[:, None]
    near = np.exp(-(((1 - np.abs(side)) / 0.22) ** 2))[None]
    if codes.shape in ("hoodie", "cloak", "animal"):
        reach = unit * (0.012 + 0.012 * max(codes.sizes[3], -0.6)) * (1.3 if codes.shape == "cloak" else 1.0)
        rows = smoothstep(8, LOW, row)[:, None]
        points = points + (near * rows * reach)[..., None] * np.array([0, 0.15, 1.0])
        point = max(codes.sizes[2], 0) * (1.4 if codes.shape == "cloak" else 0.8) * (codes.shape != "animal")
        behind = np.exp(-((side / 0.5) ** 2))[None] * smoothstep(LOW, CROWN - 6, row)[:, None]
        points = points + (behind * up * unit * 0.035 * point)[..., None] * np.array([0, 0.55, -0.8])
    return points


def _folded(codes, fit, points, share, side, snug):
    """Lay folds into the cloth where it hangs."""
    rng = np.random.default_rng(codes.seed)
    low = smoothstep(0.62, 0.10, share)[:, None]
    wave = 0
    for k in (3, 5, 8):
        lean, phase = rng.uniform(-4, 4), rng.uniform(0, 2 * math.pi)
        wave = wave + np.sin(k * 2.2 * side[None] + phase + lean * share[:, None]) / k**0.4
    quiet = smoothstep(0.0, 0.12, 1 - np.abs(side))[None]
    depth = fit.unit * (0.0026 if snug else 0.0042) * (1 + 0.5 * codes.sizes[4])
    out = points - fit.centre
    out[..., 1] *= 0.2
    out /= np.linalg.norm(out, axis=-1, keepdims=True)
    fold = np.maximum(depth * wave, -0.4 * depth)
    return points + (fold * low * quiet)[..., None] * out


def _seamed(codes, points, side, snug):
    """Sew the cloth: a seam from the brow to the nape, and a stitched edge round the opening."""
    shade = np.broadcast_to(codes.colour(0), points.shape).copy()
    if snug:
        return points, shade
    middle = np.exp(-((side / 0.03) ** 2))
    edge = np.exp(-(((np.abs(side) - 0.86) / 0.03) ** 2))
    points = points - grid_normals(points) * (0.0022 * middle + 0.0012 * edge)[None, :, None]
    return points, shade * (1 - 0.22 * middle - 0.16 * edge)[None, :, None]


def _uv(azimuth, share):
    return np.stack([azimuth / (2 * math.pi), np.broadcast_to(share[:, None], azimuth.shape)], -1)


def _hem(points):
    """Follow the opening's edge from below on one side over the top to the other, evenly."""
    left, right = points[:, -1], points[:, 0]
    gap = np.linalg.norm(left - right, axis=1)
    top = int(np.argmax((gap < 1e-4) & (np.arange(len(gap)) > len(gap) // 2))) or len(gap) - 1
    first = int(np.argmax(gap > 1e-4))
    path = np.concatenate([right[first : top + 1], left[first:top][::-1]])
    return curve(path, 40)


def _cords(codes, fit, points, unit):
    """Hang two cords from the opening's lower ends."""
    out = []
    for column, side in ((0, 1), (-1, -1)):
        start = points[4, column] + [0, 0, 0.004 * unit]
        length = unit * (0.05 + 0.012 * codes.sizes[0])
        path = curve([start, start + [side * 0.003 * unit, -0.3 * length, 0.010 * unit],
                      start + [side * 0.004 * unit, -length, 0.012 * unit]], 8)  # fmt: skip
        out.append(tube(path, 0.0022 * unit, codes.colour(1), 7))
        out.append(blob(path[-1], np.array([0.0032, 0.006, 0.0032]) * unit, codes.colour(2), 6, 8))
    return out


def _chin_knot(codes, fit, points, unit):
    """Tie the scarf's ends under the chin."""
    chin = fit.landmarks[152]
    low = points[2, 0] * 0.5 + points[2, -1] * 0.5
    knot = np.array([0.0, chin[1] - 0.022 * unit, max(low[2], chin[2] - 0.012 * unit)])
    out = [blob(knot, np.array([0.012, 0.009, 0.009]) * unit, codes.colour(0) * 0.95, power=2.5)]
    for side in (-1, 1):
        path = curve([knot, knot + np.array([side * 0.014, -0.018, 0.008]) * unit,
                      knot + np.array([side * 0.022, -0.045, 0.004]) * unit], 8)  # fmt: skip
        width = np.array([0.003, 0.007, 0.010, 0.0125, 0.014, 0.0145, 0.012, 0.004]) * unit
        out.append(
            tube(
                path,
                np.stack([width, 0.0016 * unit + 0 * width], -1),
                codes.colour(0),
                8,
                up=(0.1 * side, 0.2, 1.0),
                power=3.0,
            )
        )
        start = points[6, 0 if side > 0 else -1]
        out.append(
            tube(
                curve(
                    [start, (start + knot) / 2 + [side * 0.004 * unit, -0.003 * unit, 0.004 * unit], knot], 8
                ),
                np.array([0.008, 0.0035]) * unit,
                codes.colour(0) * 0.97,
                8,
                up=(side * 0.6, -0.5, 0.6),
                power=2.5,
            )
        )
    return out
