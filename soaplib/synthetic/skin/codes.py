"""Skin as a few numbers: how much of which pigment, where it flushes, what lies on it, how it folds."""

import dataclasses

import numpy as np

from soaplib.synthetic.pieces import STYLES
from soaplib.synthetic.skin.makeup import Makeup, draw_makeup
from soaplib.synthetic.skin.pigments import human_pigments, reflectance, tinted_pigments, to_srgb
from soaplib.synthetic.skin.wrinkles import Wrinkles, draw_wrinkles

_FANTASY = (
    (0.36, 0.56, 0.86), (0.45, 0.72, 0.48), (0.62, 0.64, 0.68), (0.66, 0.52, 0.82), (0.80, 0.42, 0.36),
    (0.30, 0.66, 0.66), (0.90, 0.72, 0.38), (0.52, 0.60, 0.38),
)  # fmt: skip
_CLAYS = {
    "plasticine": ((0.90, 0.62, 0.48), (0.55, 0.34, 0.24), (0.86, 0.72, 0.56), (0.50, 0.68, 0.80), (0.60, 0.74, 0.45),
                   (0.90, 0.55, 0.55), (0.95, 0.80, 0.40), (0.72, 0.44, 0.30)),
    "terracotta": ((0.72, 0.40, 0.28), (0.60, 0.36, 0.26), (0.80, 0.56, 0.42), (0.66, 0.64, 0.60), (0.83, 0.79, 0.72)),
    "porcelain": ((0.96, 0.90, 0.86), (0.97, 0.88, 0.82), (0.93, 0.91, 0.90), (0.62, 0.42, 0.33)),
    "vinyl": ((0.95, 0.76, 0.64), (0.86, 0.62, 0.47), (0.48, 0.31, 0.23), (0.70, 0.48, 0.36), (0.97, 0.84, 0.76)),
    "felt": ((0.93, 0.74, 0.62), (0.62, 0.42, 0.31), (0.88, 0.66, 0.60), (0.95, 0.86, 0.76), (0.58, 0.66, 0.72)),
}  # fmt: skip
"""Stuffs of the clay style with their usual colours, sRGB."""


_USUAL_MELANIN = (4.5, 0.7, 0.22)


@dataclasses.dataclass(frozen=True)
class Skin:
    """The skin of one head; amounts lie in [0, 1] unless said otherwise, colours are sRGB in [0, 1].

    seed: of the patterns. melanin: 0.02 (palest) to 14; blood: 0.08 to 0.5; yellow: carotene. tint: () for human
    pigments, else the colour of the stuff, with flush the colour of its blush. mottle, pores: unevenness, 1 is
    usual. cheeks, nose, ears: how red. under_eye: dark rings; lids: their shade. freckles, moles, age_spots: counts.
    lip_blood: 0 to 3; lip_pigment: their melanin over the skin's; lip_rim: how clear their border is. brow_bed:
    shade under the brows. stubble and scalp: shadow of short hair, of hair_colour. stuff: "skin" or the material of
    the clay style; gloss: 0 matte to 1.
    """

    style: str
    seed: int
    melanin: float
    blood: float
    yellow: float
    tint: tuple[float, ...]
    flush: tuple[float, ...]
    mottle: float
    pores: float
    cheeks: float
    nose: float
    ears: float
    under_eye: float
    lids: float
    freckles: int
    freckle_strength: float
    moles: int
    age_spots: int
    lip_blood: float
    lip_pigment: float
    lip_rim: float
    brow_bed: float
    hair_colour: tuple[float, float, float]
    stubble: float
    scalp: float
    makeup: Makeup
    wrinkles: Wrinkles
    stuff: str
    gloss: float


def draw_skin(
    rng: np.random.Generator,
    style: str,
    age: float = 0.7,
    masculine: float = 0.5,
    ancestry: tuple[float, float, float] | None = None,
) -> Skin:
    """Draw a skin.

    age: as anny counts it, 1/3 a child, 2/3 young, 1 old. masculine: 0 to 1. ancestry: shares (african, asian,
    caucasian) that make some tones likelier, or None for any tone.

    `dataclasses.replace` it with the hair's own hair_colour, stubble and scalp where they are known.
    Raises ValueError for an unknown style.
    """
    if style not in STYLES:
        raise ValueError(f"draw_skin: expected a style of {', '.join(STYLES)}, got {style!r}")
    wear = float(np.interp(age, (0.25, 0.667, 1.0), (0.0, 0.42, 1.0)))
    skin = _human(rng, style, wear, masculine, _melanin(rng, ancestry))
    return {"realistic": _realistic, "cartoon": _cartoon, "anime": _anime, "clay": _clay}[style](rng, skin)


def pigments(skin: Skin) -> np.ndarray:
    """Give the (3, 3) rows base, melanin and blood of a skin, for `reflectance`."""
    return tinted_pigments(skin.tint, skin.flush) if skin.tint else human_pigments(skin.yellow)


def skin_tone(skin: Skin) -> np.ndarray:
    """Give the (3,) sRGB of the plain skin."""
    base, melanin, blood = pigments(skin)
    return to_srgb(reflectance(base + skin.melanin * melanin + skin.blood * blood))


def _melanin(rng, ancestry):
    """Log-normal about the shares' mean where they are known, else evenly over the scale of tones."""
    even = rng.uniform(np.log(0.03), np.log(11.0))
    if ancestry is None:
        return float(np.exp(even))
    shares = np.maximum(ancestry, 0) ** 1.5  # mixed people, too, lean to one side
    likely = float(shares @ np.log(_USUAL_MELANIN) / max(shares.sum(), 1e-9))
    spread = 0.55 + 0.4 * (1 - shares.max() / max(shares.sum(), 1e-9))
    return float(np.clip(np.exp(rng.normal(likely, spread)), 0.03, 13.0))


def _human(rng, style, wear, masculine, melanin):
    """What every person has; wear: 0 (child) over 0.5 (about 35 years) to 1 (very old)."""
    pale = 1 / (1 + melanin)
    brown = np.array([[0.06, 0.05, 0.05], [0.20, 0.13, 0.09], [0.36, 0.25, 0.15], [0.60, 0.45, 0.28]])
    hair = brown[min(int(rng.exponential(0.4 + 1.6 * pale)), 3)]
    youth = float(np.clip(1 - 1.4 * wear, 0, 1))
    return Skin(
        style=style, seed=int(rng.integers(2**31)), melanin=melanin,
        blood=rng.uniform(0.16, 0.42) * (1 + 0.12 * melanin),
        yellow=rng.uniform(0.1, 1), tint=(), flush=(), mottle=rng.uniform(0.5, 1.3) * (0.7 + 0.6 * wear),
        pores=rng.uniform(0.4, 1.2) * (0.4 + 0.8 * wear), cheeks=rng.uniform(0.2, 1.0) ** 1.3,
        nose=rng.uniform(0.2, 1.0), ears=rng.uniform(0.3, 1.0), under_eye=rng.uniform(0.1, 0.5 + 0.5 * wear),
        lids=rng.uniform(0.2, 0.9), freckles=int(rng.integers(60, 420) * (rng.random() < 0.45 * pale)),
        freckle_strength=rng.uniform(0.3, 1), moles=int(rng.poisson(2.2 * (1 - youth))),
        age_spots=int(rng.poisson(30 * max(0.0, wear - 0.62) * (0.3 + 0.7 * pale))),
        lip_blood=rng.uniform(0.5, 1.15) * (1 + 0.25 * melanin),
        lip_pigment=rng.uniform(0.85, 1.15) + 0.1 * (1 - pale), lip_rim=rng.uniform(0.2, 1),
        brow_bed=rng.uniform(0.04, 0.16), hair_colour=tuple(hair * rng.uniform(0.7, 1.2)),
        stubble=float((masculine > 0.5) * (wear > 0.25) * (rng.random() < 0.6) * rng.uniform(0.1, 0.9)),
        scalp=0.0, makeup=draw_makeup(rng, pale**0.5, 0.62 * (1 - masculine) * (wear > 0.22)),
        wrinkles=draw_wrinkles(rng, wear), stuff="skin", gloss=rng.uniform(0.12, 0.28),
    )  # fmt: skip


def _realistic(rng, skin):
    return skin


def _cartoon(rng, skin):
    """Clean and soft, a little too rosy; sometimes not human."""
    fantasy = rng.random() < 0.1
    tint = _jittered(rng, _FANTASY[rng.integers(len(_FANTASY))], 0.03) if fantasy else ()
    flush = _flush(rng, tint, (0.85, 0.35, 0.45), 0.12) if fantasy else ()
    melanin = 0.8 * skin.melanin / (1 + 0.05 * skin.melanin)
    return dataclasses.replace(
        skin, tint=tint, flush=flush, melanin=1.0 if fantasy else melanin,
        blood=0.0 if fantasy else skin.blood + 0.06, yellow=0.3 + 0.7 * skin.yellow, mottle=0.1, pores=0.0,
        cheeks=rng.uniform(0.6, 1.6), nose=rng.uniform(0.4, 1.2), ears=rng.uniform(0.5, 1.2),
        under_eye=0.2 * skin.under_eye, freckles=int((skin.freckles > 0) * rng.integers(14, 40)),
        moles=int(rng.random() < 0.1), age_spots=0,
        lip_blood=rng.uniform(0.7, 1.6) * (1 + 0.25 * melanin), lip_rim=0.0, brow_bed=0.0,
        stubble=0.6 * skin.stubble, wrinkles=_softened(skin.wrinkles, 0.2), gloss=rng.uniform(0.10, 0.24),
    )  # fmt: skip


def _anime(rng, skin):
    """Flat and pale, a touch of pink on the cheeks."""
    fantasy = rng.random() < 0.08
    tone = np.array([1.0, 0.90, 0.83]) - rng.uniform(0, 1) ** 2 * np.array([0.20, 0.32, 0.38])
    if rng.random() < 0.14:
        tone = np.array([0.62, 0.42, 0.31]) * rng.uniform(0.8, 1.15)
    tint = _jittered(rng, _FANTASY[rng.integers(len(_FANTASY))] if fantasy else tone, 0.02)
    return dataclasses.replace(
        skin, tint=tint, flush=_flush(rng, tint, (0.96, 0.48, 0.48), 0.55), melanin=1.0, blood=0.0, mottle=0.0,
        pores=0.0, cheeks=rng.uniform(0, 1) ** 1.5, nose=0.25 * (rng.random() < 0.5), ears=0.3, under_eye=0.0,
        lids=0.0, freckles=0, moles=int(rng.random() < 0.08), age_spots=0, lip_blood=rng.uniform(0.1, 0.6),
        lip_rim=0.0, brow_bed=0.0, stubble=0.3 * skin.stubble * (rng.random() < 0.3),
        wrinkles=_softened(skin.wrinkles, 0.0), gloss=0.02,
        makeup=dataclasses.replace(
            skin.makeup, rouge=0.0, shadow=0.3 * skin.makeup.shadow, liner=0.75 * skin.makeup.liner,
            lipstick=0.6 * skin.makeup.lipstick,
            lipstick_colour=tuple(0.35 + 0.65 * c for c in skin.makeup.lipstick_colour),
        ),
    )  # fmt: skip


def _clay(rng, skin):
    """One hue of plasticine, terracotta, porcelain, vinyl or felt, with painted cheeks and lips."""
    stuff = tuple(_CLAYS)[rng.integers(len(_CLAYS))]
    tint = _jittered(rng, _CLAYS[stuff][rng.integers(len(_CLAYS[stuff]))], 0.04)
    painted = stuff in ("porcelain", "vinyl") or rng.random() < 0.5
    return dataclasses.replace(
        skin, tint=tint, flush=_flush(rng, tint, (0.88, 0.30, 0.30), 0.6), melanin=1.0, blood=0.0,
        mottle={"felt": 0.7, "terracotta": 0.8, "plasticine": 0.35}.get(stuff, 0.05),
        pores={"felt": 2.2, "terracotta": 1.2}.get(stuff, 0.0), cheeks=rng.uniform(0.3, 0.9) * painted,
        nose=0.4 * painted * (rng.random() < 0.5), ears=0.2 * painted, under_eye=0.0, lids=0.3 * painted, freckles=0,
        moles=0, age_spots=0, lip_blood=rng.uniform(0.5, 1.2) * painted, lip_rim=0.0, brow_bed=0.0, stubble=0.0,
        wrinkles=_softened(skin.wrinkles, 0.2),
        makeup=skin.makeup if painted else Makeup(), stuff=stuff,
        gloss={"porcelain": 0.55, "vinyl": 0.4, "plasticine": 0.15}.get(stuff, 0.0),
    )  # fmt: skip


def _jittered(rng, colour, spread):
    return tuple(float(c) for c in np.clip(np.asarray(colour) + rng.normal(0, spread, 3), 0.08, 0.99))


def _flush(rng, tint, red, share):
    """The colour of a blush: between a deeper shade of the stuff's own and a red, varied."""
    mixed = (1 - share) * np.asarray(tint) * [0.92, 0.72, 0.78] + share * np.asarray(red) * (
        0.5 + 0.5 * max(tint)
    )
    return _jittered(rng, mixed, 0.03)


def _softened(wrinkles, share):
    return dataclasses.replace(wrinkles, age=share * wrinkles.age, active=share * wrinkles.active)
