"""How a style is shaded: the numbers that the drawing is told."""

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class Look:
    """Numbers of one head's shading.

    cel: flat tones instead of smooth shading. wrap: how far light reaches round a skin's terminator, per channel
    (red furthest: light that went through the skin). bleed: how far red light creeps into the skin's shadows.
    saturation: of the albedo. shine: factor on every highlight. glint: of the key
    light mirrored in the eyes, where none is painted in them. rim: light on grazing surfaces. occlusion: how much of
    the ambient occlusion counts. lines: darkness of outlines, 0 for none; line_width: in samples (half pixels).
    terminators: the two levels of light between the three tones of cel shading; tones: (2, 3) factors on the albedo
    in the second and third tone; bumps: height of a handmade surface's dents, metres; seed: of the dents.
    """

    cel: bool = False
    wrap: tuple[float, float, float] = (0.3, 0.14, 0.1)
    bleed: float = 0.45
    saturation: float = 1.0
    shine: float = 1.0
    glint: float = 0.0
    rim: float = 0.5
    occlusion: float = 1.0
    lines: float = 0.0
    line_width: float = 1.0
    terminators: tuple[float, float] = (0.5, 0.25)
    tones: tuple[tuple[float, float, float], tuple[float, float, float]] = ((0.8, 0.7, 0.75), (0.6, 0.5, 0.6))
    bumps: float = 0.0
    seed: int = 0


def draw_look(rng: np.random.Generator, style: str) -> Look:
    """Draw how a head of the style is shaded; KeyError for an unknown style."""
    return _DRAWS[style](rng)


def _realistic(rng):
    red = rng.uniform(0.22, 0.4)
    return Look(
        wrap=(red, 0.45 * red, 0.33 * red),
        shine=float(rng.uniform(0.7, 1.3)),
        rim=float(rng.uniform(0.3, 0.7)),
        glint=1.0,
    )


def _cartoon(rng):
    wrap = rng.uniform(0.4, 0.6)
    return Look(
        wrap=(wrap, 0.75 * wrap, 0.65 * wrap),
        bleed=0.6,
        saturation=float(rng.uniform(1.1, 1.3)),
        shine=float(rng.uniform(0.9, 1.7)),
        rim=float(rng.uniform(0.9, 1.8)),
        occlusion=float(rng.uniform(0.75, 1.0)),
        lines=float(rng.uniform(0.4, 0.8)) if rng.random() < 0.12 else 0.0,
    )


def _anime(rng):
    hue = np.array([(0.86, 0.72, 0.76), (0.8, 0.74, 0.84), (0.84, 0.76, 0.74), (0.78, 0.74, 0.8)])[
        rng.integers(4)
    ]
    depth = rng.uniform(0.85, 1.05)
    second = np.clip(1 - (1 - hue) * depth, 0, 1)
    third = second * np.clip(hue + 0.04, 0, 1)
    first = rng.uniform(0.4, 0.56)
    return Look(
        cel=True,
        saturation=float(rng.uniform(1.0, 1.15)),
        shine=float(rng.uniform(0.7, 1.2)),
        rim=0.0,
        lines=float(rng.uniform(0.65, 0.95)),
        line_width=float(rng.choice([1.0, 1.0, 2.0])),
        terminators=(float(first), float(first - rng.uniform(0.18, 0.3))),
        tones=(tuple(map(float, second)), tuple(map(float, third))),
    )


def _clay(rng):
    wrap = rng.uniform(0.2, 0.45)
    return Look(
        wrap=(wrap, 0.85 * wrap, 0.75 * wrap),
        bleed=0.2,
        shine=float(rng.choice([0.0, 0.0, 0.35])),
        rim=float(rng.uniform(0.1, 0.4)),
        bumps=float(rng.uniform(0.0002, 0.0007)),
        seed=int(rng.integers(2**31)),
    )


_DRAWS = {"realistic": _realistic, "cartoon": _cartoon, "anime": _anime, "clay": _clay}
