"""Teeth, gums and tongue: tinted by what the portrait shows, or by its light."""

import dataclasses

import numpy as np

from soaplib.data import HeadPose, Part, Portrait
from soaplib.head import HeadModel
from soaplib.texture.bake import Seer
from soaplib.texture.palette import Palette
from soaplib.texture.visible import at_pixels, grown, region_mask, shown_part

_FEWEST = 25
_BRIGHT = 0.42


def paint_teeth(part: Part, head: HeadModel, pose: HeadPose, seer: Seer, portrait: Portrait, palette: Palette) -> Part:
    """Tint teeth and gums to the portrait and keep the pixels of them that it shows.

    Pixels of the inner mouth that are bright and pale are teeth. Without any, the teeth are ivory in the light of
    the picture.
    """
    plain = palette.tinted(part.texture[..., :3] / 255.0)
    teeth = _teeth_pixels(portrait)
    if teeth.sum() < _FEWEST:
        return _with_colours(part, plain)
    shown = shown_part(part, head, pose, seer)
    ivory = _pale(part.texture[..., :3] / 255.0)
    if ivory.any():
        wanted = np.percentile(portrait.image[teeth], 70, axis=0)
        gain = wanted / np.maximum(np.percentile(plain[ivory], 60, axis=0), 0.05)
        plain = plain * np.clip(gain, 0.3, 1.4)
    own = np.where(shown.visible > 0, at_pixels(grown(teeth.astype(np.uint8), 1), shown.pixels), 0)[:, None]
    flat = plain.reshape(-1, 3)
    index = shown.texels.index
    flat[index] = own * shown.colour + (1 - own) * flat[index]
    return _with_colours(part, flat.reshape(plain.shape))


def paint_tongue(part: Part, head: HeadModel, pose: HeadPose, seer: Seer, portrait: Portrait, palette: Palette) -> Part:
    """Tint the tongue halfway to the lips' hue, in the light of the picture."""
    plain = palette.tinted(part.texture[..., :3] / 255.0)
    mean = plain.reshape(-1, 3).mean(0)
    hue = palette.lips / max(palette.lips.max(), 1e-3) * mean.max()
    gain = (0.5 * mean + 0.5 * hue) / np.maximum(mean, 0.02)
    return _with_colours(part, plain * np.clip(gain, 0.3, 3.0))


def _teeth_pixels(portrait):
    """Bright, pale pixels of the inner mouth, (S, S) bool."""
    mouth = grown(region_mask(portrait, ("mouth",)), -1) > 0
    return mouth & _pale(portrait.image)


def _pale(image):
    brightest, spread = image.max(-1), np.ptp(image, axis=-1)
    return (brightest > _BRIGHT) & (spread < 0.33 * brightest)


def _with_colours(part, colours):
    picture = part.texture.copy()
    picture[..., :3] = (np.clip(colours, 0, 1) * 255 + 0.5).astype(np.uint8)
    return dataclasses.replace(part, texture=picture)
