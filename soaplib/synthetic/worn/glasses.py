"""Glasses: frames that rest on the nose and the ears, with empty rims or dark lenses."""

import math

import numpy as np

from soaplib.parts.smoothstep import smoothstep
from soaplib.synthetic.pieces import Piece
from soaplib.synthetic.worn.fitting import Fit
from soaplib.synthetic.worn.patterns import METALS, draw_scheme, rgb
from soaplib.synthetic.worn.solids import blob, join, plate
from soaplib.synthetic.worn.sweeps import curve, tube
from soaplib.synthetic.worn.things import Worn, finish, on_skull

SHAPES = ("round", "oval", "square", "rectangle", "aviator", "cateye", "panto", "heart", "sport")

_FORMS = {
    # half width and half height over the usual, exponent of the superellipse
    "round": (0.92, 1.12, 2.0), "oval": (1.0, 0.86, 2.2), "square": (1.0, 0.98, 4.2), "rectangle": (1.06, 0.74, 4.0),
    "aviator": (1.06, 1.06, 2.4), "cateye": (1.05, 0.86, 2.6), "panto": (0.98, 1.02, 2.5), "heart": (1.05, 1.0, 2.0),
    "sport": (1.2, 0.72, 2.8),
}  # fmt: skip
_RIM = 44


def draw_glasses(rng: np.random.Generator, style: str) -> Worn:
    """Draw glasses: thin metal or thick plastic; about one in ten with dark lenses."""
    weights = np.array([18, 10, 18, 16, 9, 9, 14, 1 if style == "realistic" else 5, 3], float)
    shape = str(rng.choice(SHAPES, p=weights / weights.sum()))
    dark = rng.random() < (0.3 if shape in ("aviator", "sport", "heart") else 0.07)
    metal = rng.random() < {"round": 0.6, "aviator": 0.8, "oval": 0.5}.get(shape, 0.22)
    if metal:
        rim = rgb(METALS[rng.integers(len(METALS))])
    elif style == "realistic" and rng.random() < 0.75:
        rim = rgb(str(rng.choice(["17181b", "2a1b14", "4a2c1a", "1d2a44", "5c5f66", "6b2a2a", "8a6a4a"])))
    else:
        rim = draw_scheme(rng, style)[0]
    tint = rgb(str(rng.choice(["101216", "1a1410", "15202b", "2a1d12"])))
    sizes = rng.uniform(-1, 1, 6)
    sizes[2] = -0.75 + 0.25 * sizes[2] if metal else 0.2 + 0.7 * sizes[2]
    colours = (rim, tint, rgb(METALS[rng.integers(2)]))
    return Worn(
        "glasses",
        shape,
        colours,
        "dark" if dark else "clear",
        tuple(sizes.round(3).tolist()),
        int(rng.integers(1 << 30)),
    )


def make_glasses(codes: Worn, fit: Fit) -> Piece:
    """Make glasses. sizes: width, height, thickness of the frame, how low they sit on the nose, bow of the frame,
    height of the temples' hinges. pattern: "dark" or "clear" lenses."""
    width, height, thick, low, bow, hinge = codes.sizes
    unit, marks = fit.unit, fit.landmarks
    right, left = fit.eyes
    apart = (left[0] - right[0]) / 2
    opening = np.ptp(marks[[33, 133], 0])
    wide, tall, power = _FORMS[codes.shape]
    half = max(0.43 * 2 * apart, 0.9 * opening) * (1 + 0.1 * width)
    # The rims may not meet on the nose.
    nose = 0.0085 * unit
    half = min(half * wide, 1.55 * (apart - nose))
    high = (
        max(half * 0.8, 0.75 * np.ptp(marks[[159, 145], 1]) + 0.006 * unit)
        * tall
        / wide**0.5
        * (1 + 0.12 * height)
    )
    centre_x = max(apart * 0.985, half + nose)
    eye_y = (left[1] + right[1]) / 2
    centre_y = eye_y - unit * (0.0015 + 0.002 * (1 + low)) - 0.06 * high
    thin = unit * (0.0017 + 0.0009 * (1 + thick) ** 1.3)
    outline = _outline(codes.shape, half, high, power)

    flat = outline + [centre_x, centre_y]
    lean, curve_ = 0.10, (0.9 + 0.5 * bow) / unit
    base = _clear_of_face(fit, flat, centre_x, centre_y, lean, curve_, thin)

    def onto(xy, out=0.0):
        """Put points of the frame's picture (N, 2) on its bent, leaning surface."""
        z = (
            base
            + lean * (xy[:, 1] - centre_y)
            - curve_ * np.clip(np.abs(xy[:, 0]) - 0.4 * centre_x, 0, None) ** 2
            + out
        )
        return np.column_stack([xy, z])

    rim = onto(flat)
    shade = codes.colour(0)
    radius = np.array([thin, thin * 0.9])
    if thick > -0.3:
        # Thick plastic is heavier above.
        top = smoothstep(-0.2, 1.0, (flat[:, 1] - centre_y) / high)
        radius = np.stack([thin * (0.9 + 0.5 * top), np.full(_RIM, thin * 1.05)], -1)
    frame = tube(rim, radius, shade, 8, closed=True, up=(0, 0, 1), power=3.0 if thick > -0.3 else 2.0)
    solids = [frame, frame.mirrored()]
    if codes.pattern == "dark":
        glass = plate(rim, onto(np.array([[centre_x, centre_y]]))[0], codes.colour(1), 0.002 * unit)
        solids += [glass, glass.mirrored()]
    solids += _bridge(codes, fit, onto, flat, centre_x, centre_y, half, high, thin, thick)
    arm = _temple(codes, fit, onto, flat, centre_y, high, thin, thick, hinge)
    solids += [*arm, *(s.mirrored() for s in arm)]
    if thick < -0.3:
        pad = flat[np.argmin((flat - [centre_x - half, centre_y - 0.1 * high]) @ [1.0, 0])]
        at = onto(pad[None] + [[-0.003 * unit, -0.25 * high]], -0.003 * unit)[0]
        pads = blob(
            at, np.array([[0.0012, 0, 0.001], [0, 0.0042, 0], [0, 0, 0.002]]) * unit, (0.9, 0.86, 0.82), 6, 8
        )
        solids += [pads, pads.mirrored()]
    return finish(
        codes, join(solids), on_skull(fit), 0.55 if codes.pattern == "dark" or thick < -0.3 else 0.35
    )


def _outline(shape, half, high, power):
    """Give the rim (N, 2) about its centre, counter-clockwise from ahead, for the head's left eye."""
    turn = np.linspace(0, 2 * math.pi, _RIM, endpoint=False)
    c, s = np.cos(turn), np.sin(turn)
    x, y = np.sign(c) * np.abs(c) ** (2 / power), np.sign(s) * np.abs(s) ** (2 / power)
    outer, upper = np.clip(x, 0, 1), np.clip(y, 0, 1)
    if shape == "aviator":
        x, y = (
            x * (1 - 0.16 * np.clip(-y, 0, 1) ** 1.5) + 0.06 * y,
            np.where(y > 0, 0.82 * y, 1.1 * y - 0.1 * x * np.clip(-y, 0, 1)),
        )
    elif shape == "cateye":
        y = y + 0.34 * outer**2 * (0.35 + upper) - 0.1 * np.clip(-x, 0, 1) * upper
        x = x + 0.1 * outer * upper
    elif shape == "panto":
        y = np.where(y > 0, 0.9 * y, y)
        x = x * (1 - 0.12 * np.clip(-y, 0, 1))
    elif shape == "heart":
        y = (
            y * (1 - 0.1 * outer)
            + 0.16 * np.abs(x) ** 1.5
            - 0.22 * np.exp(-((x / 0.25) ** 2)) * (y > 0)
            - 0.12 * (y < 0) * (1 - np.abs(x))
        )
    elif shape == "sport":
        y = y + 0.16 * x * (y < 0) + 0.05 * x
    elif shape in ("square", "rectangle"):
        x = x * (1 - 0.06 * np.clip(-y, 0, 1))
    return np.stack([x * half, y * high], -1)


def _clear_of_face(fit, flat, centre_x, centre_y, lean, bend, thin):
    """Find how far ahead the frame's middle must be to leave the face, the lids and the lashes behind it."""
    place = fit.head.template
    x, y = np.abs(place[:, 0]), place[:, 1]
    grow = 1 + (thin + 0.001) / (flat[:, 0].max() - centre_x)
    low, high = flat[:, 1].min() - centre_y, flat[:, 1].max() - centre_y
    inner, outer = (flat[:, 0].min() - centre_x) * grow, (flat[:, 0].max() - centre_x) * grow
    dx, dy = x - centre_x, y - centre_y
    across, up = (
        np.where(dx < 0, dx / inner, dx / outer),
        np.where(dy < 0, dy / (low * grow), dy / (high * grow)),
    )
    under = (across**2.6 + up**2.6 < 1) & (place[:, 2] > fit.eyes[:, 2].mean() - 0.5 * fit.eye_radius)
    need = place[under, 2] - lean * dy[under] + bend * np.clip(x[under] - 0.4 * centre_x, 0, None) ** 2
    skin = need.max() + thin + 0.0018
    lids = (dx[under] ** 2 + dy[under] ** 2 < (1.1 * fit.eye_radius) ** 2).astype(float)
    return float(max(skin, (need + 0.0045 * lids).max()))


def _bridge(codes, fit, onto, flat, centre_x, centre_y, half, high, thin, thick):
    """Span the nose: an arch that keeps clear of its back."""
    level = centre_y + high * {"aviator": 0.3, "round": 0.2, "sport": 0.25}.get(codes.shape, 0.28)
    picks = np.flatnonzero(flat[:, 0] < centre_x - 0.4 * half)
    at = picks[np.argmin(np.abs(flat[picks, 1] - level))]
    end = flat[at] + [thin * 0.3, 0]
    out = []
    for lift, size in ((0.10, 1.0), (0.62, 0.85))[: 2 if codes.shape == "aviator" else 1]:
        x = np.linspace(-1, 1, 13) * end[0]
        y = (
            end[1]
            + (1 - (x / end[0]) ** 2) * end[0] * (0.55 if thick < -0.3 else 0.25)
            + lift * high * 0.55
            - 0.05 * high
        )
        path = onto(np.stack([x, y], -1))
        clear = _nose_front(fit, x, y) + 0.0018 * fit.unit + thin
        path[:, 2] = np.maximum(path[:, 2], clear)
        # On a low nose the rims stand well ahead of it: the arch dips back until it rests there.
        saddle = 1 - np.clip(np.abs(x / end[0]), 0, 1) ** 3
        spare = np.where(saddle > 0.3, (path[:, 2] - clear) / np.maximum(saddle, 0.3), np.inf).min()
        path[:, 2] -= saddle * np.clip(spare, 0, 0.8 * end[0])
        if lift > 0.5:
            inner = flat[
                np.argmin(
                    np.abs(flat[:, 1] - (centre_y + 0.8 * high))
                    + 2 * np.abs(flat[:, 0] - (centre_x - 0.45 * half))
                )
            ]
            x = np.linspace(-1, 1, 9) * inner[0]
            path = onto(np.stack([x, np.full(9, inner[1])], -1))
            path[:, 2] = np.maximum(path[:, 2], _nose_front(fit, x, path[:, 1]) + 0.002 * fit.unit + thin)
        wide = thin * (1.35 if thick > -0.3 else 0.9) * size
        out.append(
            tube(
                path,
                np.array([wide * (1.3 if thick > -0.3 else 1.0), wide]),
                codes.colour(0),
                8,
                up=(0, 0, 1),
            )
        )
    return out


def _nose_front(fit, x, y):
    """Give how far ahead the skin reaches near points of the frame's picture: the nose's back and flanks."""
    place = fit.head.template
    middle = (np.abs(place[:, 0]) < 0.02 * fit.unit) & (np.abs(place[:, 1] - y.mean()) < 0.02 * fit.unit)
    near = place[middle & (place[:, 2] > fit.eyes[0, 2])]
    apart = np.hypot(near[:, 0] - x[:, None], 0.8 * (near[:, 1] - y[:, None]))
    return np.where(apart < 0.0062 * fit.unit, near[:, 2], -1).max(1)


def _temple(codes, fit, onto, flat, centre_y, high, thin, thick, hinge):
    """Run an arm from the rim's outer end over the ear's root and down behind the ear; the head's left one."""
    unit = fit.unit
    level = centre_y + high * (0.42 + 0.2 * hinge)
    outer = flat[:, 0] > np.median(flat[:, 0])
    at = np.flatnonzero(outer)[np.argmin(np.abs(flat[outer, 1] - level))]
    start = onto(flat[at][None])[0]
    root, back = fit.ears["root"][1], fit.ears["back"][1]
    ear = root + [0.0035 * unit, 0.003 * unit, 0.004 * unit]
    side = max(start[0] + 0.004 * unit, ear[0] + 0.0)
    corner = np.array([start[0] + 0.0045 * unit, start[1], start[2] - 0.006 * unit])
    path = curve(
        [
            start,
            corner,
            [
                0.5 * (side + corner[0]) + 0.002 * unit,
                start[1] * 0.75 + ear[1] * 0.25,
                0.62 * corner[2] + 0.38 * ear[2],
            ],
            [ear[0] + 0.001, ear[1] + 0.001, ear[2] + 0.008 * unit],
            ear + [0, 0, -0.006 * unit],
            [ear[0] - 0.002 * unit, 0.5 * (ear[1] + back[1]) + 0.004 * unit, back[2] + 0.006 * unit],
            [ear[0] - 0.004 * unit, back[1] - 0.008 * unit, back[2] + 0.001 * unit],
        ],
        26,
    )
    path[3:] = fit.pushed_out(path[3:], 0.0022 * unit + thin * 0.6)
    broad = thin * (1.0 if thick < -0.3 else 1.75)
    fade = smoothstep(0.0, 0.5, np.linspace(0, 1, 26))
    radius = np.stack([thin * 0.75 + 0 * fade, broad * (1.15 - 0.3 * fade)], -1)
    arm = tube(path, radius, codes.colour(0) * 0.97, 8, up=(0, 1, 0.15), power=3.0 if thick > -0.3 else 2.0)
    joint = blob(corner * 0.5 + start * 0.5, np.array([0.0035, max(broad, 0.002 * unit) * 1.1 / unit, 0.0028]) * unit,
                 codes.colour(0) if thick > -0.3 else codes.colour(2), 6, 9, 3.5)  # fmt: skip
    return [arm, joint]
