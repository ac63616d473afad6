"""Teeth, gums and tongue: tinted by what the portrait shows, or by its light."""

import dataclasses

import cv2
import numpy as np

from soaplib.data import HeadPose, Part, Portrait
from soaplib.head import HeadModel
from soaplib.texture.bake import Seer
from soaplib.texture.palette import Palette
from soaplib.texture.visible import at_pixels, grown, region_mask, shown_part

_FEWEST = 25
_BRIGHT = 0.42
_PALE = 0.33  # of its brightness: the largest spread over the channels of a tooth's colour in white light
_PALER = 0.75  # times that of the lips: in warm light teeth are warm too
_SHADED = 0.45  # teeth that lie in the dark in the portrait take little of it: they show when the mouth opens


def paint_teeth(
    part: Part, head: HeadModel, pose: HeadPose, seer: Seer, portrait: Portrait, palette: Palette
) -> Part:
    """Tint teeth and gums to the portrait and keep the pixels of them that it shows.

    Pixels of the inner mouth that are bright and pale are teeth. Without any, the teeth are ivory in the light of
    the picture.
    """
    plain = palette.tinted(part.texture[..., :3] / 255.0)
    inside = grown(region_mask(portrait, ("mouth",)), 1)
    teeth = teeth_pixels(portrait)
    if teeth.sum() >= _FEWEST:
        ivory = _pale(part.texture[..., :3] / 255.0)
        if ivory.any():
            wanted = np.percentile(portrait.image[teeth], 70, axis=0)
            gain = wanted / np.maximum(np.percentile(plain[ivory], 70, axis=0), 0.05)
            plain = plain * np.clip(gain, 0.3, 1.4)
    crowns = _pale(part.texture[..., :3] / 255.0)
    part = _with_colours(part, plain)
    if not inside.any():
        return part
    sure = grown(teeth.astype(np.uint8), 1)
    gums = ~np.concatenate([crowns] * 2, 1)
    return _keep_shown(_unshared(part), head, pose, seer, inside, sure, _SHADED, gums)


def paint_tongue(
    part: Part, head: HeadModel, pose: HeadPose, seer: Seer, portrait: Portrait, palette: Palette
) -> Part:
    """Tint the tongue halfway to the lips' hue, in the light of the picture, and keep what the portrait shows there."""
    plain = palette.tinted(part.texture[..., :3] / 255.0)
    mean = plain.reshape(-1, 3).mean(0)
    hue = palette.lips / max(palette.lips.max(), 1e-3) * mean.max()
    gain = (0.5 * mean + 0.5 * hue) / np.maximum(mean, 0.02)
    part = _with_colours(part, plain * np.clip(gain, 0.3, 3.0))
    inside = grown(region_mask(portrait, ("mouth",)), 1) * (
        grown(teeth_pixels(portrait).astype(np.uint8), 2) == 0
    )
    return _keep_shown(part, head, pose, seer, inside, np.zeros_like(inside)) if inside.any() else part


def _keep_shown(part, head, pose, seer, inside, sure, otherwise=0.8, not_sure=None):
    """Keep the portrait's pixels on what it shows of a part: wholly where `sure`, else the share `otherwise`.

    not_sure: texels (H, W) bool of the part that are none of what `sure` pixels show, or None: a portrait's teeth
    do not belong on gums.

    A mouth that is dark in the portrait shades all of the part a little, so that what was hidden does not come out
    bright beside what was seen.
    """
    shown = shown_part(part, head, pose, seer)
    keep = np.where(sure > 0, 1.0, otherwise) * (inside > 0)
    own = shown.visible * at_pixels(keep, shown.pixels)
    if not_sure is not None:
        own[not_sure.ravel()[shown.texels.index] & (at_pixels(sure, shown.pixels) > 0)] = 0
    if not own.any():
        return part
    flat = part.texture[..., :3].reshape(-1, 3) / 255.0
    index = shown.texels.index
    seen, plain = shown.colour[own > 0].mean(), flat[index[own > 0]].mean()
    flat = flat * np.clip(np.sqrt(seen / max(plain, 0.02)), 0.75, 1.0)
    flat[index] += _softened(shown, own)[:, None] * (shown.colour - flat[index])
    return _with_colours(part, flat.reshape(*part.texture.shape[:2], 3))


def _softened(shown, own):
    """Let the weights of what is kept fade within what is shown, so that specks leave no hard marks."""
    spread = 0.012 * shown.texels.shape[0]
    near = cv2.GaussianBlur(shown.texels.picture(own.astype(np.float32)), (0, 0), spread)
    return np.minimum(own, near.ravel()[shown.texels.index] ** 0.5)


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


def teeth_pixels(portrait):
    """Bright, pale pixels of the inner mouth, (S, S) bool."""
    mouth = grown(region_mask(portrait, ("mouth",)), -1) > 0
    lips = portrait.image[region_mask(portrait, ("lips",)) > 0]
    if len(lips) < _FEWEST:
        return mouth & _pale(portrait.image)
    coloured = np.median(np.ptp(lips, axis=-1) / np.maximum(lips.max(-1), 1e-3))
    return mouth & _pale(portrait.image, np.clip(_PALER * coloured, _PALE, 1.4 * _PALE))


def _pale(image, most=_PALE):
    brightest, spread = image.max(-1), np.ptp(image, axis=-1)
    return (brightest > _BRIGHT) & (spread < most * brightest)


def _with_colours(part, colours):
    picture = part.texture.copy()
    picture[..., :3] = (np.clip(colours, 0, 1) * 255 + 0.5).astype(np.uint8)
    return dataclasses.replace(part, texture=picture)
