"""Draw a head of hair: a family, and its free parameters over their wide ranges."""

import dataclasses

import numpy as np

from soaplib.synthetic.hair.codes import Hair
from soaplib.synthetic.hair.colours import draw_colour
from soaplib.synthetic.hair.families import FAMILIES

_BACK = 3.1416
_WORN = {  # family -> how often with feminine and with masculine faces
    "shaved": (0.2, 1.6), "crop": (0.3, 2.6), "swept": (0.4, 2.6), "bob": (2.0, 0.3), "long_straight": (2.0, 0.4),
    "long_curly": (1.8, 0.5), "bun": (1.4, 0.4), "double_buns": (1.0, 0.05), "ponytail": (1.6, 0.3),
    "braids": (1.3, 0.15), "fringe": (1.7, 0.4), "spiky": (0.7, 1.8), "afro": (1.0, 1.0), "bald_rim": (0.03, 0.7),
    "mohawk": (0.3, 0.6), "pixie": (1.2, 0.8), "wavy_lob": (1.8, 0.5), "twin_tails": (1.3, 0.05),
    "dreadlocks": (0.7, 0.9), "half_up": (1.4, 0.3), "crown_braid": (0.9, 0.03),
}  # fmt: skip
_ANIME = {
    "spiky": 2.5,
    "twin_tails": 2.0,
    "fringe": 2.0,
    "shaved": 0.2,
    "bald_rim": 0.2,
    "crop": 0.4,
    "afro": 0.4,
}
_FRINGED = {
    "bob": 0.45, "long_straight": 0.35, "long_curly": 0.25, "wavy_lob": 0.3, "ponytail": 0.4, "bun": 0.3,
    "double_buns": 0.5, "twin_tails": 0.7, "braids": 0.4, "pixie": 0.9, "fringe": 1.0, "spiky": 0.3, "crop": 0.25,
    "half_up": 0.4,
}  # fmt: skip
_HOODED = ("bob", "long_straight", "fringe", "wavy_lob", "crop", "swept", "pixie")


def draw_hair(
    rng: np.random.Generator,
    style: str,
    covered: str = "",
    masculine: float = 0.5,
    age: float = 0.5,
    family: str = "",
) -> Hair:
    """Draw the codes of a head of hair.

    style: one of `STYLES`. covered: "" | "cap" | "hood", what is worn over it. masculine: 0 to 1; age: 0 (child) to
    1 (old): both shift which families and colours are likely. family: draw this one. Raises KeyError for an unknown
    family.
    """
    names = [name for name in FAMILIES if covered != "hood" or name in _HOODED]
    weights = np.array([_likely(name, style, masculine, age) for name in names])
    drawn = names[rng.choice(len(names), p=weights / weights.sum())]
    family = family or drawn
    if family not in FAMILIES:
        raise KeyError(f"draw_hair: no family {family!r}; known: {', '.join(FAMILIES)}")
    hair = Hair(
        family, style, int(rng.integers(2**31)), draw_colour(rng, style, age), covered,
        volume=float(rng.beta(2, 2.2)), part=_part(rng), part_length=1.0, noise=float(rng.uniform(0.1, 0.7)),
        density=float(rng.uniform(0.85, 1.15)), lock_width=float(rng.uniform(0.85, 1.25)),
        taper=float(rng.uniform(0.4, 0.8)), tips=float(rng.uniform(-0.8, 0.6)), layers=float(rng.uniform(0, 0.5)),
        opening=float(rng.uniform(0.6, 1.25)), tuck=bool(rng.uniform() < 0.2), lift=float(rng.uniform(0, 0.6)),
        back=float(rng.uniform(0.0, 0.6)), ends=float(rng.uniform(0.002, 0.014)),
        asymmetry=float(rng.choice([0.0, rng.uniform(-1, 1)], p=[0.7, 0.3])), front=float(rng.normal() * 0.04),
        peak=float(max(0, rng.normal() * 0.05)), recede=_recession(rng, masculine, age),
        sideburn=float(rng.uniform(-0.05, 0.1) + 0.25 * masculine * rng.uniform()),
        nape=float(rng.uniform(-0.12, 0.1)), tail=float(rng.uniform(0.75, 1.35)),
    )  # fmt: skip
    changes = _of_family(rng, family)
    if rng.uniform() < _FRINGED.get(family, 0.0) + (0.3 if style == "anime" and family in _FRINGED else 0.0):
        changes |= _fringe(rng, style)
    if style == "anime":
        changes |= dict(taper=float(rng.uniform(0.8, 1.0)), noise=min(hair.noise, 0.4))
    hair = dataclasses.replace(hair, **changes)
    return dataclasses.replace(hair, **_covered(rng, hair))


def _likely(name, style, masculine, age):
    feminine, male = _WORN[name]
    weight = feminine * (1 - masculine) + male * masculine
    if style == "anime":
        weight *= _ANIME.get(name, 1.0)
    if name == "bald_rim":
        weight *= np.clip((age - 0.45) * 4, 0, 2)
    if age > 0.75 and name in ("spiky", "mohawk", "twin_tails", "double_buns"):
        weight *= 0.2
    return max(weight, 1e-6)


def _part(rng):
    return float(rng.choice([0.0, rng.uniform(0.25, 0.6), -rng.uniform(0.25, 0.6)], p=[0.35, 0.35, 0.3]))


def _recession(rng, masculine, age):
    return float(
        np.clip(rng.normal() * 0.05 + 0.35 * masculine * max(age - 0.3, 0) * rng.uniform(0, 2), -0.05, 0.4)
    )


def _fringe(rng, style):
    return dict(
        fringe=float(rng.uniform(0.6, 1.08 if style != "anime" else 1.25)),
        fringe_width=float(rng.uniform(0.5, 0.85)),
        fringe_sweep=float(rng.choice([0.0, rng.uniform(-1, 1)], p=[0.4, 0.6])),
    )


def _of_family(rng, family):
    """Draw what is a family's own."""

    def between(low, high):
        return float(rng.uniform(low, high))

    if family == "shaved":
        return dict(length=0.002)
    if family == "crop":
        return dict(length=between(0.014, 0.04), layers=between(0.3, 0.8), part_length=0.0, lift=between(0.0, 0.5),
                    back=between(0.0, 0.9), volume=between(0.1, 0.6))  # fmt: skip
    if family == "swept":
        return dict(length=between(0.07, 0.13), volume=between(0.15, 0.9), fringe_sweep=between(-0.9, 0.9),
                    back=between(0.2, 0.9), lift=between(0.1, 0.6), wave=between(0, 0.003),
                    wave_count=between(0.3, 0.9))  # fmt: skip
    if family == "bob":
        return dict(length=between(0.09, 0.17), taper=between(0.05, 0.5), volume=between(0.2, 0.9))
    if family == "long_straight":
        return dict(length=between(0.2, 0.33), wave=between(0, 0.003), volume=between(0.05, 0.6))
    if family == "long_curly":
        return dict(length=between(0.17, 0.3), wave=between(0.007, 0.014), wave_count=between(3, 4.5),
                    curl=between(0.4, 1.0), volume=between(0.4, 1.0), tips=between(-0.1, 0.3))  # fmt: skip
    if family == "bun":
        return dict(
            tie=(_BACK, between(-0.15, 1.25)), tail=between(0.8, 1.7), volume=between(0.1, 0.8), part=0.0
        )
    if family == "double_buns":
        return dict(
            tie=(between(1.6, 2.2), between(0.55, 1.0)), tail=between(0.75, 1.4), volume=between(0.1, 0.5)
        )
    if family == "ponytail":
        side = float(rng.choice([_BACK, between(1.7, 2.5), -between(1.7, 2.5)], p=[0.7, 0.15, 0.15]))
        return dict(tie=(side, between(-0.2, 1.2)), length=between(0.14, 0.32), tail=between(0.8, 1.6), part=0.0,
                    lift=between(0.1, 0.9), wave=between(0, 0.008), fringe_width=between(0.1, 0.7))  # fmt: skip
    if family == "braids":
        return dict(tie=(between(1.75, 2.3), between(-0.6, 0.3)), length=between(0.18, 0.3), tail=between(0.8, 1.5),
                    part=between(-0.15, 0.15), lift=0.0, volume=between(0.1, 0.5))  # fmt: skip
    if family == "fringe":
        return dict(
            length=between(0.12, 0.3), part_length=between(0.1, 0.6), fringe=1.0, opening=between(0.6, 0.9)
        )
    if family == "spiky":
        return dict(length=between(0.05, 0.12), lift=between(0.2, 0.9), taper=between(0.75, 1.0), part_length=0.0,
                    fringe_sweep=between(-0.6, 0.6), back=between(0, 0.8), noise=between(0.3, 1.0))  # fmt: skip
    if family == "afro":
        return dict(volume=between(0.15, 1.0), noise=between(0.3, 1.0))
    if family == "bald_rim":
        return dict(length=between(0.012, 0.05), part_length=between(0, 1), volume=between(0.05, 0.7),
                    lift=between(0, 0.3))  # fmt: skip
    if family == "mohawk":
        return dict(
            length=between(0.04, 0.13), volume=between(0.4, 0.9), tail=between(0.2, 1.4), back=between(0, 0.7)
        )
    if family == "pixie":
        return dict(length=between(0.045, 0.08), layers=between(0.3, 0.6), part_length=between(0.2, 1.0),
                    lift=between(0, 0.25), volume=between(0.25, 0.8), back=between(0, 0.5))  # fmt: skip
    if family == "wavy_lob":
        return dict(length=between(0.14, 0.22), wave=between(0.004, 0.01), wave_count=between(1.4, 2.6),
                    curl=between(0, 0.4), volume=between(0.3, 0.9))  # fmt: skip
    if family == "twin_tails":
        return dict(tie=(between(1.7, 2.3), between(0.0, 0.9)), length=between(0.16, 0.34), tail=between(0.7, 1.4),
                    lift=between(0.2, 0.9), wave=between(0, 0.01), volume=between(0.2, 0.7))  # fmt: skip
    if family == "half_up":
        return dict(tie=(_BACK, between(0.6, 1.2)), tail=between(0.5, 0.9), length=between(0.14, 0.3), part_length=0.0,
                    wave=between(0, 0.009), curl=between(0, 0.3), volume=between(0.15, 0.7))  # fmt: skip
    if family == "crown_braid":
        return dict(
            tie=(_BACK, between(-0.5, 0.0)), tail=between(0.8, 1.3), volume=between(0.05, 0.4), part=0.0
        )
    return dict(length=between(0.08, 0.26), volume=between(0.2, 0.9), lock_width=between(0.8, 1.4))


def _covered(rng, hair):
    """Flatten what a hat would lie on; under a hood hair stays short but for what frames the face."""
    if not hair.covered:
        return {}
    flat = dict(volume=min(hair.volume, 0.15), lift=0.0, tips=min(hair.tips, 0.2))
    if hair.covered == "cap":
        tie = (hair.tie[0], min(hair.tie[1], -0.35)) if hair.tie[0] > 3 else (max(hair.tie[0], 1.9), -0.45)
        return flat | dict(tie=tie, fringe=min(hair.fringe, 0.9))
    return flat | dict(
        length=min(hair.length, 0.14), opening=float(rng.uniform(0.5, 0.75)), curl=min(hair.curl, 0.2)
    )
