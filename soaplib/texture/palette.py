"""Colours that the portrait lends to what it hides: flesh, mouth, teeth, and the light of the picture."""

import dataclasses

import numpy as np

from soaplib.data import REGIONS, Portrait

_TYPICAL_SKIN = np.array([0.75, 0.58, 0.50])


@dataclasses.dataclass(frozen=True)
class Palette:
    """skin, lips: (3,) median colours of the portrait; light: (3,) what white looks like in it, at most 1;
    chroma: 0 for a grey picture, 1 for one with ordinary colours.
    """

    skin: np.ndarray
    lips: np.ndarray
    light: np.ndarray
    chroma: float

    def tinted(self, colour) -> np.ndarray:
        """Give natural RGB colours (..., 3) as they would look in this picture: in its light, grey if it is grey."""
        colour = np.asarray(colour, float)
        grey = (colour @ [0.299, 0.587, 0.114])[..., None]
        return np.clip((grey + self.chroma * (colour - grey)) * self.light, 0, 1)


def read_palette(portrait: Portrait) -> Palette:
    """Read the palette of a portrait by medians over its regions; regions that are absent give plain colours."""
    skin = _median(portrait, "skin", _TYPICAL_SKIN)
    lips = _median(portrait, "lips", skin * [0.9, 0.7, 0.7])
    head = portrait.image[portrait.matte > 0.9]
    spread = np.ptp(head, axis=-1) if len(head) else np.ones(1)
    chroma = float(np.clip((np.percentile(spread, 75) - 0.01) / 0.06, 0, 1))
    eyes = portrait.image[np.isin(portrait.regions, [REGIONS.index("eyes")])]
    brightest = np.percentile(skin.max() if not len(eyes) else eyes.max(-1), 80)
    level = np.clip(max(brightest, skin.max()) * 1.05, 0.35, 1.0)
    return Palette(skin, lips, np.full(3, level), chroma)


def _median(portrait, name, otherwise):
    pixels = portrait.image[(portrait.regions == REGIONS.index(name)) & (portrait.matte > 0.9)]
    return np.median(pixels, axis=0).astype(float) if len(pixels) >= 12 else np.asarray(otherwise, float)
