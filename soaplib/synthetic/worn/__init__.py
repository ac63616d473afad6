"""What is worn: glasses, hats, hoods, bands, jewels, horns and ears, collars, sized to each head."""

import dataclasses

import numpy as np

from soaplib.head import HeadModel
from soaplib.synthetic.pieces import STYLES, Piece
from soaplib.synthetic.worn import bands, collars, creatures, glasses, hats, hoods, jewels
from soaplib.synthetic.worn.fitting import Fit
from soaplib.synthetic.worn.things import Worn

__all__ = ["WORN_KINDS", "WORN_SHAPES", "Worn", "covered_by", "draw_worn", "dress", "dress_all"]

_MAKERS = {
    "glasses": glasses.make_glasses,
    "hat": hats.make_hat,
    "hood": hoods.make_hood,
    "band": bands.make_band,
    "earrings": jewels.make_earrings,
    "necklace": jewels.make_necklace,
    "creature": creatures.make_creature,
    "collar": collars.make_collar,
}

WORN_KINDS = tuple(_MAKERS)
"""Kinds of worn things."""

WORN_SHAPES = {
    "glasses": glasses.SHAPES,
    "hat": hats.SHAPES,
    "hood": hoods.SHAPES,
    "band": bands.SHAPES,
    "earrings": jewels.EARRINGS,
    "necklace": jewels.NECKLACES,
    "creature": creatures.SHAPES,
    "collar": collars.SHAPES,
}
"""The shapes of each kind."""

_ON_TOP = {
    "realistic": (0.13, 0.04, 0.07, 0.005),
    "cartoon": (0.15, 0.05, 0.11, 0.09),
    "anime": (0.12, 0.05, 0.14, 0.13),
    "clay": (0.15, 0.05, 0.10, 0.09),
}
"""How often a head of each style wears a hat, a hood, a band, ears or horns."""

_BESIDES = {
    "realistic": (0.20, 0.22, 0.10, 0.72),
    "cartoon": (0.20, 0.16, 0.08, 0.72),
    "anime": (0.14, 0.16, 0.10, 0.78),
    "clay": (0.20, 0.14, 0.08, 0.68),
}
"""How often it wears glasses, earrings, a necklace (without a high collar), a collar."""

_LOW_COLLARS = ("crew", "vneck", "robe")


def draw_worn(rng: np.random.Generator, style: str, masculine: float = 0.5) -> tuple[Worn, ...]:
    """Draw what a head wears, often nothing: at most one thing on top, glasses, earrings, necklace, collar.

    masculine: 0 to 1; bands, earrings and necklaces are the rarer the higher it is.

    Raises:
        ValueError: a style not in `STYLES`.
    """
    if style not in STYLES:
        raise ValueError(f"draw_worn: style must be one of {', '.join(STYLES)}, got {style!r}")
    worn = []
    adorned = 1.5 - float(np.clip(masculine, 0, 1))
    hat, hood, band, creature = _ON_TOP[style]
    odds = (hat, hood, band * adorned, creature)
    top = rng.choice(5, p=[*odds, 1 - sum(odds)])
    makers = (hats.draw_hat, hoods.draw_hood, bands.draw_band, creatures.draw_creature)
    if top < 4:
        worn.append(makers[top](rng, style))
    hooded = top == 1
    spectacles, earrings, necklace, collar = rng.random(4) < _BESIDES[style] * np.array(
        [1, adorned, adorned, 1]
    )
    if spectacles:
        seen = glasses.draw_glasses(rng, style)
        worn.append(dataclasses.replace(seen, pattern="clear") if hooded else seen)
    if earrings and not hooded and not (worn and worn[0].shape == "headphones"):
        worn.append(jewels.draw_earrings(rng, style))
    low = True
    if hooded and worn[0].shape != "headscarf":
        # A hood is part of what is worn below it.
        below = collars.draw_collar(rng, style)
        worn.append(dataclasses.replace(below, shape="crew", colours=worn[0].colours, pattern="plain"))
    elif collar:
        worn.append(collars.draw_collar(rng, style))
        low = worn[-1].shape in _LOW_COLLARS
    if necklace and low and not hooded:
        worn.append(jewels.draw_necklace(rng, style))
    return tuple(worn)


def covered_by(worn: tuple[Worn, ...]) -> str:
    """Say what hides the hair: "hood", "cap" (a hat), or ""."""
    kinds = {
        w.kind for w in worn if w.shape not in ("crown", "party") or (w.sizes[4] > 0.3 and w.shape == "crown")
    }
    return "hood" if "hood" in kinds else "cap" if "hat" in kinds else ""


def dress(codes: Worn, head: HeadModel, hair: np.ndarray | None = None) -> Piece:
    """Make one worn thing to the measures of a head.

    head: a personal head of `soaplib.head.load_head()`'s topology. hair: (N, 3) vertices of its hair in the neutral
    pose; bands, bows, horns and ears then stand on it instead of in it. Collars are labelled clothes, the rest worn.

    Raises:
        ValueError: a kind or shape that does not exist, or a head of another topology.
    """
    return dress_all((codes,), head, hair)[0]


def dress_all(worn: tuple[Worn, ...], head: HeadModel, hair: np.ndarray | None = None) -> tuple[Piece, ...]:
    """Make several worn things as `dress` does, measuring the head once."""
    for codes in worn:
        if codes.shape not in WORN_SHAPES.get(codes.kind, ()):
            raise ValueError(
                f"dress: expected a kind of {', '.join(WORN_KINDS)} and one of its shapes, "
                f"got {codes.kind!r} {codes.shape!r}"
            )
    if not worn:
        return ()
    fit = Fit(head, hair)
    return tuple(_MAKERS[codes.kind](codes, fit) for codes in worn)
