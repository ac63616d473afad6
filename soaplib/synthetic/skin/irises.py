"""Eyes as a few numbers: colours of iris and white, pupil, highlights; drawn for every style."""

import dataclasses

import numpy as np

from soaplib.synthetic.pieces import STYLES

PUPILS = ("round", "slit", "star", "heart", "tall")
"""Shapes of pupils."""

_HUMAN = {  # sRGB of the iris near its rim and near the pupil, and how common in dark and in pale people
    "black": ((0.16, 0.10, 0.07), (0.20, 0.12, 0.08), 3.0, 0.1),
    "brown": ((0.30, 0.18, 0.10), (0.40, 0.24, 0.12), 4.0, 1.2),
    "chestnut": ((0.42, 0.26, 0.14), (0.52, 0.32, 0.15), 1.2, 1.0),
    "amber": ((0.58, 0.38, 0.15), (0.66, 0.46, 0.20), 0.2, 0.35),
    "hazel": ((0.40, 0.38, 0.22), (0.52, 0.34, 0.16), 0.15, 1.0),
    "green": ((0.34, 0.44, 0.32), (0.52, 0.50, 0.30), 0.05, 0.8),
    "blue": ((0.30, 0.44, 0.60), (0.50, 0.60, 0.70), 0.02, 1.4),
    "ice": ((0.48, 0.60, 0.70), (0.64, 0.72, 0.78), 0.0, 0.5),
    "grey": ((0.40, 0.46, 0.50), (0.54, 0.56, 0.54), 0.03, 0.8),
}
_BRIGHT = (
    (0.15, 0.45, 0.90), (0.10, 0.65, 0.55), (0.20, 0.62, 0.22), (0.55, 0.25, 0.80), (0.85, 0.20, 0.25),
    (0.90, 0.62, 0.10), (0.88, 0.35, 0.58), (0.55, 0.32, 0.14), (0.32, 0.20, 0.12), (0.40, 0.44, 0.52),
    (0.10, 0.72, 0.85),
)  # fmt: skip
_SHARES = (0.18, 0.11, 0.12, 0.08, 0.03, 0.08, 0.03, 0.14, 0.10, 0.05, 0.08)


@dataclasses.dataclass(frozen=True)
class Irises:
    """The eyes of one head; colours are sRGB in [0, 1], left eye first; lengths are parts of the iris's radius.

    rims, middles: colour of the iris at its rim and about the pupil. collar: where the one turns into the other.
    fibre: strength of the threads. ring: the dark limbal ring's strength; ring_width. slope: how much lighter the
    lower half is than the upper; glow: a light crescent below. pupil: radius; shape: one of `PUPILS`. white: of the
    ball; veins: how bloodshot. lights: painted highlights, rows (x, y, x radius, y radius, strength). seed: pattern.
    """

    seed: int
    rims: tuple[tuple[float, ...], tuple[float, ...]]
    middles: tuple[tuple[float, ...], tuple[float, ...]]
    collar: float
    fibre: float
    ring: float
    ring_width: float
    slope: float
    glow: float
    pupil: float
    shape: str
    white: tuple[float, float, float]
    veins: float
    lights: tuple[tuple[float, ...], ...]


def draw_irises(rng: np.random.Generator, style: str, melanin: float = 1.0, age: float = 0.7) -> Irises:
    """Draw the eyes that go with a skin; melanin: the skin's; age: as for `draw_skin`.

    Raises ValueError for an unknown style.
    """
    if style not in STYLES:
        raise ValueError(f"draw_irises: expected a style of {', '.join(STYLES)}, got {style!r}")
    eyes = _natural(rng, melanin, age)
    return {"realistic": lambda *_: eyes, "cartoon": _cartoon, "anime": _anime, "clay": _doll}[style](
        rng, eyes
    )


def _natural(rng, melanin, age):
    pale = 1 / (1 + melanin)
    names = tuple(_HUMAN)
    chance = np.array([_HUMAN[n][2] * (1 - pale) ** 2 + _HUMAN[n][3] * pale**3 for n in names])
    first = names[rng.choice(len(names), p=chance / chance.sum())]
    second = names[rng.choice(len(names), p=chance / chance.sum())] if rng.random() < 0.006 else first
    change, shade = rng.normal(0, 0.025, (2, 3)), rng.uniform(0.85, 1.15)
    colours = [
        tuple(_colour(np.array(_HUMAN[n][k]) * shade + change[k]) for n in (first, second)) for k in range(2)
    ]
    old = 2 * max(0.0, age - 0.8)
    white = np.array([0.945, 0.93, 0.915]) - rng.uniform(0, 0.05) - old * np.array([0.06, 0.10, 0.2])
    return Irises(
        int(rng.integers(2**31)), *colours, collar=rng.uniform(0.4, 0.62), fibre=rng.uniform(0.5, 1.1),
        ring=rng.uniform(0.35, 0.8) * (1 - 0.8 * old), ring_width=rng.uniform(0.08, 0.2), slope=0.16, glow=0.0,
        pupil=rng.uniform(0.28, 0.5), shape="round", white=_colour(white), veins=rng.uniform(0, 1) ** 2,
        lights=(),
    )  # fmt: skip


def _cartoon(rng, eyes):
    """Saturated and glossy, with big pupils."""
    vivid = rng.random() < 0.45
    rims, middles = eyes.rims, eyes.middles
    if vivid:
        rim = np.array(_BRIGHT[rng.choice(len(_BRIGHT), p=_SHARES)]) * rng.uniform(0.7, 1.0)
        rims, middles = (_colour(rim),) * 2, (_colour(0.55 * rim + 0.35 + rng.normal(0, 0.03, 3)),) * 2
    side = 1 if rng.random() < 0.8 else -1
    lights = [(-0.30 * side, 0.34, 0.20, 0.20, 0.95)]
    if rng.random() < 0.6:
        lights.append((0.30 * side, -0.32, 0.09, 0.09, 0.7))
    shape = "slit" if rng.random() < 0.04 else "round"
    return dataclasses.replace(
        eyes, rims=rims, middles=middles, fibre=0.35 * eyes.fibre, ring=0.8, ring_width=rng.uniform(0.08, 0.16),
        slope=0.3, glow=rng.uniform(0.1, 0.4), pupil=rng.uniform(0.42, 0.6), shape=shape,
        white=_colour(np.array([0.97, 0.97, 0.97]) - rng.uniform(0, 0.03)), veins=0.0, lights=tuple(lights),
    )  # fmt: skip


def _anime(rng, eyes):
    """A gradient from a dark top to a light foot, large highlights, pupils of any shape."""
    colour = np.array(_BRIGHT[rng.choice(len(_BRIGHT), p=_SHARES)])
    other = np.array(_BRIGHT[rng.choice(len(_BRIGHT), p=_SHARES)]) if rng.random() < 0.05 else colour
    lift = rng.uniform(0.25, 0.5)
    rims = tuple(_colour(0.72 * c) for c in (colour, other))
    middles = tuple(_colour(c * (1 - lift) + lift) for c in (colour, other))
    side = 1 if rng.random() < 0.7 else -1
    big = rng.uniform(0.20, 0.30)
    lights = [(-0.32 * side, 0.40, big, 1.15 * big, 1.0), (0.34 * side, -0.40, 0.12, 0.12, 0.85)]
    if rng.random() < 0.35:
        lights.append((0.05 * side, -0.62, 0.30, 0.10, 0.5))
    shape = str(rng.choice(PUPILS, p=(0.50, 0.06, 0.05, 0.04, 0.35)))
    return dataclasses.replace(
        eyes, rims=rims, middles=middles, collar=rng.uniform(0.45, 0.7), fibre=0.25 * (rng.random() < 0.4), ring=0.95,
        ring_width=rng.uniform(0.07, 0.14), slope=rng.uniform(0.6, 0.95), glow=rng.uniform(0.3, 0.8),
        pupil=rng.uniform(0.32, 0.48), shape=shape, white=_colour(np.array([0.98, 0.98, 0.99])), veins=0.0,
        lights=tuple(lights),
    )  # fmt: skip


def _doll(rng, eyes):
    """Glass eyes, painted dots, or shiny black buttons."""
    kind = rng.choice(["glass", "glass", "painted", "button"])
    white = _colour(np.array([0.96, 0.955, 0.945]) - rng.uniform(0, 0.04))
    light = ((-0.28, 0.34, 0.15, 0.15, 0.9),)
    if kind == "glass":
        return dataclasses.replace(
            eyes, fibre=1.3, ring=0.9, ring_width=0.12, slope=0.2, glow=0.25, pupil=rng.uniform(0.32, 0.45),
            white=white, veins=0.0, lights=light,
        )  # fmt: skip
    if kind == "painted":
        return dataclasses.replace(
            eyes, middles=eyes.rims, fibre=0.0, ring=0.3, ring_width=0.1, slope=0.0, glow=0.0,
            pupil=rng.uniform(0.45, 0.65), white=white, veins=0.0, lights=light if rng.random() < 0.6 else (),
        )  # fmt: skip
    black = ((0.05, 0.045, 0.05),) * 2
    return dataclasses.replace(
        eyes, rims=black, middles=black, fibre=0.0, ring=0.0, slope=0.0, glow=0.1, pupil=0.5, white=white,
        veins=0.0, lights=light,
    )  # fmt: skip


def _colour(values):
    return tuple(round(float(v), 4) for v in np.clip(values, 0.02, 1))
