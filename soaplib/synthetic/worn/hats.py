"""Hats of all shapes: which there are, how often, in what colours."""

import numpy as np

from soaplib.synthetic.pieces import Piece
from soaplib.synthetic.worn import brimmed, caps, headpieces, knitwear
from soaplib.synthetic.worn.fitting import Fit
from soaplib.synthetic.worn.patterns import METALS, draw_scheme, rgb
from soaplib.synthetic.worn.solids import Solid
from soaplib.synthetic.worn.things import Worn, finish, on_skull

_MAKERS = {
    "beanie": knitwear.beanie, "baseball": caps.baseball, "fedora": brimmed.brimmed, "bucket": brimmed.brimmed,
    "sunhat": brimmed.brimmed, "beret": knitwear.beret, "bandana": knitwear.bandana, "bowler": brimmed.brimmed,
    "tophat": brimmed.brimmed, "cowboy": brimmed.brimmed, "witch": brimmed.brimmed, "stocking": knitwear.stocking,
    "crown": headpieces.crown, "helmet": headpieces.helmet, "chef": headpieces.chef, "sailor": headpieces.sailor,
    "party": headpieces.party,
}  # fmt: skip

SHAPES = tuple(_MAKERS)

_ODDS = {
    "realistic": (26, 22, 8, 7, 7, 7, 4, 3, 2, 4, 1, 2, 1, 2, 1, 1, 1),
    "cartoon": (17, 13, 5, 5, 5, 6, 5, 4, 5, 6, 7, 5, 6, 4, 3, 4, 4),
    "anime": (14, 12, 5, 6, 7, 10, 3, 3, 4, 3, 9, 4, 7, 3, 2, 6, 2),
    "clay": (17, 10, 6, 5, 6, 6, 5, 6, 6, 5, 6, 5, 6, 4, 3, 3, 4),
}

_PATTERNS = {
    "beanie": ("ribs", "ribs", "knit", "nordic", "stripes"),
    "fedora": ("felt",),
    "bowler": ("felt",),
    "tophat": ("plain",),
    "cowboy": ("felt",),
    "witch": ("felt", "plain", "stars"),
    "sunhat": ("weave", "knit"),
    "beret": ("felt", "felt", "plain"),
    "bucket": ("plain", "plaid", "dots", "weave"),
    "bandana": ("dots", "stars", "plaid", "plain"),
    "stocking": ("felt", "stripes", "knit", "plain"),
    "baseball": ("plain", "plain", "weave"),
    "party": ("stripes", "dots", "stars", "bars"),
}


def draw_hat(rng: np.random.Generator, style: str) -> Worn:
    """Draw a hat."""
    odds = np.array(_ODDS[style], float)
    shape = str(rng.choice(SHAPES, p=odds / odds.sum()))
    colours = draw_scheme(rng, style)
    pattern = str(rng.choice(_PATTERNS.get(shape, ("plain",))))
    if shape == "crown":
        colours = (*colours[:2], rgb(METALS[int(rng.choice([0, 0, 0, 1, 2]))]))
    elif shape == "chef":
        colours = ((0.95, 0.95, 0.94), *colours[1:])
    elif shape == "sailor" and rng.random() < 0.7:
        colours = (colours[0], (0.95, 0.95, 0.93), rgb(METALS[0]))
    elif shape == "stocking" and rng.random() < 0.6:
        colours = ((0.76, 0.1, 0.12), (0.96, 0.95, 0.93), (0.96, 0.95, 0.93))
        pattern = "felt"
    elif shape == "stocking":
        colours = (colours[0], tuple(0.6 + 0.4 * c for c in colours[1]), colours[2])
    elif shape == "sunhat" and rng.random() < 0.6:
        colours = ((0.86, 0.76, 0.55), *colours[1:])
    elif shape == "witch" and rng.random() < 0.4:
        colours = ((0.15, 0.13, 0.19), *colours[1:])
    sizes = tuple(rng.uniform(-1, 1, 6).round(3).tolist())
    return Worn("hat", shape, colours, pattern, sizes, int(rng.integers(1 << 30)))


def make_hat(codes: Worn, fit: Fit) -> Piece:
    """Make a hat; its maker tells what the sizes do."""
    solid: Solid = _MAKERS[codes.shape](codes, fit)
    return finish(
        codes,
        solid,
        on_skull(fit),
        {"crown": 0.7, "helmet": 0.5, "party": 0.25, "tophat": 0.3}.get(codes.shape, 0.05),
    )
