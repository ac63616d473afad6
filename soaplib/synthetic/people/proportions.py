"""The proportions of a style: large eyes, small noses, big skulls, as a warp of the head; see `flow`."""

import numpy as np

from soaplib.head import HeadModel
from soaplib.synthetic.people.flow import Flow

_RANGES = {  # of each style: the least and the most of each code; what is not named keeps `_PLAIN`
    "realistic": {},
    "cartoon": {
        "eye": (1.15, 1.45), "eyes_apart": (0.0, 0.003), "eyes_down": (-0.002, 0.010), "opening": (1.2, 1.7),
        "nose": (0.6, 1.0), "nose_depth": (0.75, 1.1), "nose_up": (0.0, 0.006), "mouth": (0.85, 1.15),
        "lips": (0.6, 1.0), "mouth_up": (-0.002, 0.006), "jaw": (0.78, 1.12), "chin": (0.75, 1.1),
        "lower_face": (0.82, 1.0), "width": (1.02, 1.2), "skull": (1.0, 1.14), "crown": (0.92, 1.06),
        "cheeks": (0.0, 0.010),
        "ears": (0.85, 1.25), "neck": (0.55, 0.85), "smooth": (0.4, 1.0), "relief": (0.0, 0.5),
    },
    "anime": {
        "eye": (1.3, 1.62), "eyes_apart": (0.001, 0.005), "eyes_down": (0.003, 0.013), "opening": (1.35, 2.0),
        "nose": (0.45, 0.75), "nose_depth": (0.5, 0.85), "nose_up": (-0.004, 0.004), "mouth": (0.62, 0.95),
        "lips": (0.5, 0.8), "mouth_up": (-0.004, 0.004), "jaw": (0.74, 0.98), "chin": (0.55, 0.85),
        "lower_face": (0.86, 1.0), "width": (1.04, 1.16), "skull": (1.02, 1.14), "crown": (0.88, 1.02),
        "cheeks": (0.001, 0.007),
        "ears": (0.75, 1.0), "neck": (0.5, 0.72), "smooth": (0.7, 1.0), "relief": (0.2, 0.7),
    },
    "clay": {
        "eye": (0.9, 1.3), "eyes_apart": (0.0, 0.004), "eyes_down": (0.0, 0.014), "opening": (1.0, 1.5),
        "nose": (0.6, 1.1), "nose_depth": (0.8, 1.25), "nose_up": (0.0, 0.008), "mouth": (0.7, 1.05),
        "lips": (0.6, 1.0), "mouth_up": (0.0, 0.006), "jaw": (0.9, 1.2), "chin": (0.9, 1.2), "lower_face": (0.76, 0.92),
        "width": (1.08, 1.26), "skull": (1.0, 1.16), "crown": (0.88, 1.02), "cheeks": (0.003, 0.014),
        "ears": (0.75, 1.25), "neck": (0.5, 0.8), "smooth": (0.7, 1.0), "relief": (0.2, 0.7),
    },
}  # fmt: skip
_PLAIN = {
    "eye": 1.0, "eyes_apart": 0.0, "eyes_down": 0.0, "opening": 1.0, "nose": 1.0, "nose_depth": 1.0, "nose_up": 0.0,
    "mouth": 1.0, "lips": 1.0, "mouth_up": 0.0, "jaw": 1.0, "chin": 1.0, "lower_face": 1.0, "width": 1.0,
    "skull": 1.0, "crown": 1.0, "cheeks": 0.0,
    "ears": 1.0, "neck": 1.0, "smooth": 0.0, "relief": 0.0,
}  # fmt: skip
"""Scales, and metres for eyes_*, *_up and cheeks; smooth, relief: how far a face's peculiarities, and the common
relief of faces, are smoothed away (0 to 1)."""


def draw_proportions(rng: np.random.Generator, style: str) -> tuple[tuple[str, float], ...]:
    """Draw a style's free parameters, each in its range; () for realistic heads."""
    strength = rng.uniform(-0.15, 0.15)  # some heads are more stylised than others in all at once
    out = []
    for name, (low, high) in _RANGES[style].items():
        t = np.clip(rng.random() + (strength if high > _PLAIN[name] else -strength), 0, 1)
        out.append((name, round(float(low + (high - low) * t), 4)))
    return tuple(out)


def proportion(warp: tuple[tuple[str, float], ...], name: str) -> float:
    """Look up one code, or what it is on a head of no style."""
    return dict(warp).get(name, _PLAIN[name])


def style_flow(warp: tuple[tuple[str, float], ...], head: HeadModel, vertices, eyes, radius: float) -> Flow:
    """Build the warp of a head of neutral `vertices` (V, 3), with eyeballs at `eyes` (2, 3) of `radius` metres.

    All motions are placed by the head's own landmarks.
    """
    code = _PLAIN | dict(warp)
    marks = head.landmarks(vertices)
    at = {name: marks[list(ids)].mean(0) for name, ids in _MARKS.items()}
    mouth_half = (marks[291, 0] - marks[61, 0]) / 2
    corner = (marks[61, 2] + marks[291, 2]) / 2
    grown = radius * code["eye"]
    apart = np.maximum(code["eyes_apart"], 1.08 * grown + 0.004 - np.abs(eyes[:, 0]))
    shift = np.stack(
        [np.sign(eyes[:, 0]) * apart, np.full(2, -code["eyes_down"]), np.full(2, 0.7 * (radius - grown))], 1
    )
    return Flow(
        bumps=np.array(_bumps(code, at, mouth_half, corner, head, vertices)), ramps=np.array(_ramps(code, at)),
        eyes=np.array(eyes, np.float64), radius=float(radius), eye_log=float(np.log(code["eye"])), eye_shift=shift,
    )  # fmt: skip


_MARKS = {"tip": (4,), "base": (2,), "bridge": (168,), "mouth": (13, 14), "chin": (152,), "brow": (9,)}


def _bumps(code, at, mouth_half, corner, head, vertices):
    """Rows of `Flow.bumps`: nose, mouth, chin, cheeks, ears."""
    log = np.log
    tip, base, bridge, mouth, chin = (at[name] for name in ("tip", "base", "bridge", "mouth", "chin"))
    height = bridge[1] - base[1]
    nose = [0, base[1] + 0.42 * height, tip[2] - 0.012]
    root = [0, base[1] + 0.3 * height, base[2] - 0.012]
    rows = [
        [*nose, 0.036, 0.85 * height, 0.05, *root, log(code["nose"]), 0.6 * log(code["nose"]),
         log(code["nose"] * code["nose_depth"]), 0, code["nose_up"], 0],
        [0, mouth[1], mouth[2] - 0.05, 2.4 * mouth_half, 0.042, 0.1, 0, mouth[1], corner - 0.002,
         log(code["mouth"]), log(code["mouth"] ** 0.5 * code["lips"]), log(code["mouth"] ** 0.3 * code["lips"] ** 0.7),
         0, code["mouth_up"], 0],
        [0, chin[1] + 0.008, chin[2] - 0.012, 0.06, 0.045, 0.06, 0, chin[1] + 0.02, chin[2] - 0.03,
         log(code["chin"]), 0, 0.3 * log(code["chin"]), 0, 0, 0],
    ]  # fmt: skip
    for side in (1, -1):
        rows.append(
            [side * 0.05, mouth[1] + 0.018, mouth[2] - 0.025, 0.045, 0.045, 0.06, 0, 0, 0, 0, 0, 0,
             side * code["cheeks"], 0, 0.5 * code["cheeks"]]
        )  # fmt: skip
        ear = vertices[(head.region("ears") > 0.5) & (vertices[:, 0] * side > 0)]
        middle, root_x = ear.mean(0), np.quantile(np.abs(ear[:, 0]), 0.1) * side
        rows.append(
            [middle[0] + side * 0.01, middle[1], middle[2], 0.045, 0.062, 0.055, root_x, middle[1], middle[2],
             *[log(code["ears"])] * 3, 0, 0, 0]
        )  # fmt: skip
    return rows


def _ramps(code, at):
    """Rows of `Flow.ramps`: the jaw's taper, the lower face, the skull, the neck."""
    log = np.log
    chin, brow, base = at["chin"], at["brow"], at["base"]
    rise = (1 - code["lower_face"]) * (base[1] - chin[1])
    down = np.array([0, -0.945, -0.325])
    below = (chin + [0, -0.004, 0]) @ down
    return [
        [0, 1, 0, -2.0, -1.0, 0, 0, 0, log(code["width"]), 0, 0, 0, 0, 0],
        [0, -1, 0, -base[1] - 0.03, -chin[1], 0, 0, 0, log(code["jaw"]), 0, 0, 0, 0, 0],
        [0, -1, 0, -base[1], -chin[1], 0, 0, 0, 0, 0, 0, 0, rise, 0],
        [0, 1, 0, -0.01, brow[1] + 0.06, 0, brow[1], -0.06, log(code["skull"]), log(code["skull"] * code["crown"]),
         log(code["skull"]), 0, 0, 0],
        [*down, below, below + 0.05, 0, 0, -0.09, log(code["neck"]), 0, log(code["neck"]), 0, 0, 0],
    ]  # fmt: skip
