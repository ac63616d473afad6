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
_DARK = 0.3


def paint_teeth(
    part: Part, head: HeadModel, pose: HeadPose, seer: Seer, portrait: Portrait, palette: Palette
) -> Part:
    """Tint teeth and gums to the portrait and keep the pixels of them that it shows.

    Pixels of the inner mouth that are bright and pale are teeth. Without any, the teeth are ivory in the light of
    the picture.
    """
    plain = palette.tinted(part.texture[..., :3] / 255.0)
    inside = grown(region_mask(portrait, ("mouth",)), 1)
    teeth = _teeth_pixels(portrait)
    if teeth.sum() >= _FEWEST:
        ivory = _pale(part.texture[..., :3] / 255.0)
        if ivory.any():
            wanted = np.percentile(portrait.image[teeth], 70, axis=0)
            gain = wanted / np.maximum(np.percentile(plain[ivory], 70, axis=0), 0.05)
            plain = plain * np.clip(gain, 0.3, 1.4)
    part = _with_colours(part, plain)
    if not inside.any():
        return part
    part = _unshared(part)
    shown = shown_part(part, head, pose, seer)
    # The dark between the teeth is kept less strongly: they must not stay black when the mouth opens.
    keep = np.where(grown(teeth.astype(np.uint8), 1) > 0, 1.0, _DARK) * (inside > 0)
    own = (shown.visible * at_pixels(keep, shown.pixels))[:, None]
    flat = part.texture[..., :3].reshape(-1, 3) / 255.0
    index = shown.texels.index
    flat[index] = own * shown.colour + (1 - own) * flat[index]
    return _with_colours(part, flat.reshape(*part.texture.shape[:2], 3))


def paint_tongue(
    part: Part, head: HeadModel, pose: HeadPose, seer: Seer, portrait: Portrait, palette: Palette
) -> Part:
    """Tint the tongue halfway to the lips' hue, in the light of the picture."""
    plain = palette.tinted(part.texture[..., :3] / 255.0)
    mean = plain.reshape(-1, 3).mean(0)
    hue = palette.lips / max(palette.lips.max(), 1e-3) * mean.max()
    gain = (0.5 * mean + 0.5 * hue) / np.maximum(mean, 0.02)
    return _with_colours(part, plain * np.clip(gain, 0.3, 3.0))


def _unshared(part: Part) -> Part:
    """Give the left and the right side of a part, which may share texels, each a half of a texture twice as wide."""
    left = part.vertices[part.faces, 0].mean(1) > 0
    pairs = part.faces.astype(np.int64) * 2 + left[:, None]
    used, faces = np.unique(pairs, return_inverse=True)
    source, side = used // 2, used % 2
    uv = part.uv[source].copy()
    uv[:, 0] = (uv[:, 0] + side) / 2
    return dataclasses.replace(
        part, vertices=part.vertices[source], normals=part.normals[source], uv=uv,
        faces=faces.reshape(-1, 3).astype(np.int32), texture=np.concatenate([part.texture] * 2, 1),
        skin_weights=part.skin_weights[source], morphs=np.ascontiguousarray(part.morphs[:, source]),
    )  # fmt: skip


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
