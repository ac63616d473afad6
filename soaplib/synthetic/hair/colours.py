"""Colours of hair: melanin for natural ones, age for grey ones, dyes for the rest."""

import numpy as np

from soaplib.synthetic.hair.codes import HairColour

# Absorption of the two melanins in red, green, blue: d'Eon et al., "An Energy-Conserving Hair Reflectance Model", 2011.
_EUMELANIN = np.array([0.419, 0.697, 1.37])
_PHEOMELANIN = np.array([0.187, 0.4, 1.05])
# Colour of a body of hair, exp(-k sqrt(absorption)), as in Chiang et al. 2016; k for hair lit all round.
_DEPTH = 2.3

_NATURAL = {
    "black": (5.0, 0.2, 0.24),
    "dark brown": (2.2, 0.3, 0.22),
    "brown": (1.2, 0.3, 0.18),
    "light brown": (0.62, 0.25, 0.10),
    "blond": (0.22, 0.15, 0.12),
    "platinum": (0.05, 0.05, 0.03),
    "auburn": (0.55, 1.6, 0.06),
    "red": (0.12, 1.5, 0.05),
}
"""Name -> (eumelanin, pheomelanin, how often)."""

_DYES = {
    "pink": (0.93, 0.52, 0.66), "rose": (0.80, 0.36, 0.48), "blue": (0.25, 0.42, 0.80), "navy": (0.16, 0.20, 0.42),
    "teal": (0.20, 0.60, 0.62), "green": (0.34, 0.62, 0.36), "mint": (0.58, 0.84, 0.72),
    "purple": (0.48, 0.30, 0.68),
    "lilac": (0.74, 0.64, 0.88), "crimson": (0.70, 0.13, 0.18), "orange": (0.92, 0.50, 0.20),
    "silver": (0.80, 0.82, 0.87), "sky": (0.56, 0.77, 0.93), "gold": (0.95, 0.80, 0.40),
}  # fmt: skip

_DYED_SHARE = {"realistic": 0.06, "cartoon": 0.22, "anime": 0.5, "clay": 0.25}


def melanin_colour(eumelanin: float, pheomelanin: float) -> np.ndarray:
    """Give the sRGB colour (3,) of hair with these amounts of melanin."""
    linear = np.exp(-_DEPTH * np.sqrt(eumelanin * _EUMELANIN + pheomelanin * _PHEOMELANIN))
    # Light that goes from hair to hair warms it; dark hair is greyer than its absorption, by its highlights.
    linear = linear * (1.17, 0.95, 0.86) + 0.004
    return np.where(linear < 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


def draw_colour(rng: np.random.Generator, style: str, age: float) -> HairColour:
    """Draw the colour of a head of hair; age 0 to 1 greys it."""
    if rng.uniform() < _DYED_SHARE[style] * (1.0 if age < 0.75 else 0.3):
        return _dyed(rng, style)
    names = list(_NATURAL)
    often = np.array([_NATURAL[name][2] for name in names])
    name = names[rng.choice(len(names), p=often / often.sum())]
    eumelanin, pheomelanin = np.array(_NATURAL[name][:2]) * np.exp(0.25 * rng.normal(size=2))
    base = melanin_colour(eumelanin, pheomelanin)
    if style in ("cartoon", "anime"):
        # Drawn hair is lighter and purer than real hair.
        base = np.clip(base * 1.15 + 0.03, 0, 1) ** 0.92
    grey = float(np.clip((age - 0.62) / 0.3 + 0.25 * rng.normal(), 0, 1)) if age > 0.55 else 0.0
    white = np.array([0.86, 0.85, 0.83]) * rng.uniform(0.75, 1.0)
    light = 0.2126 * base[0] + 0.7152 * base[1] + 0.0722 * base[2]
    streak = base * rng.uniform(1.1, 1.5) + 0.02
    share = rng.choice([0.06, 0.2, 0.35], p=[0.5, 0.35, 0.15])
    if grey > 0.02:
        base = base * (1 - grey) + white * grey
        streak, share = 0.35 * base + 0.65 * white, 0.3 + 0.3 * grey
        name = "grey" if grey < 0.75 else "white"
    elif rng.uniform() < 0.15 and light < 0.5 and style != "clay":
        streak, share = melanin_colour(0.25, 0.2), rng.uniform(0.15, 0.45)
    return HairColour(
        _plain(base), _plain(streak), float(share), float(rng.uniform(0.68, 0.92)), float(rng.uniform(1.0, 1.3)),
        float(rng.uniform(0.4, 0.9)), float(rng.uniform(0.05, 0.14)), _tie(rng), _gloss(rng, style), name,
    )  # fmt: skip


def _dyed(rng, style):
    names = list(_DYES)
    name = names[rng.integers(len(names))]
    base = np.clip(np.array(_DYES[name]) * rng.uniform(0.85, 1.08) + 0.02 * rng.normal(size=3), 0.03, 0.98)
    other = np.array(_DYES[names[rng.integers(len(names))]])
    streak = other if rng.uniform() < 0.25 else np.clip(base * rng.uniform(1.1, 1.3), 0, 1)
    root = rng.uniform(0.5, 0.8) if rng.uniform() < 0.3 else rng.uniform(0.8, 0.95)
    return HairColour(
        _plain(base), _plain(streak), float(rng.uniform(0.05, 0.3)), float(root), float(rng.uniform(0.95, 1.2)),
        float(rng.uniform(0.3, 0.7)), float(rng.uniform(0.04, 0.1)), _tie(rng), _gloss(rng, style), name,
    )  # fmt: skip


def _tie(rng):
    return _plain(np.array([(0.08, 0.08, 0.09), *list(_DYES.values())][rng.integers(1 + len(_DYES))]))


def _gloss(rng, style):
    return float(
        {"realistic": 0.3, "cartoon": 0.3, "anime": 0.35, "clay": 0.06}[style] * rng.uniform(0.6, 1.4)
    )


def _plain(colour):
    return tuple(round(float(c), 4) for c in np.clip(colour, 0.015, 1))
