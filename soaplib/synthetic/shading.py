"""Light on a point: skin, hair, eyes and the rest, smooth or in flat tones."""

import math
from typing import NamedTuple

import numpy as np

from soaplib.synthetic.dents import dented
from soaplib.synthetic.inlined import inlined
from soaplib.synthetic.light import Light, harmonic_basis
from soaplib.synthetic.looks import Look
from soaplib.synthetic.vectors import dot, step, unit

GENERIC, SKIN, HAIR, EYE = range(4)
"""Materials, each with light of its own."""


class Shader(NamedTuple):
    """What `shade` needs of a `Light` and a `Look`, as numbers for the kernels."""

    cel: bool
    wrap: tuple[float, float, float]
    bleed: float
    saturation: float
    shine: float
    glint: float
    rim: float
    lines: float
    line_width: float
    terminators: tuple[float, float]
    second: tuple[float, float, float]
    third: tuple[float, float, float]
    bumps: float
    offset: tuple[float, float, float]
    key: tuple[float, float, float]
    key_colour: tuple[float, float, float]
    key_right: tuple[float, float, float]
    key_up: tuple[float, float, float]
    fill: tuple[float, float, float]
    fill_colour: tuple[float, float, float]
    tint: tuple[float, float, float]


def make_shader(light: Light, look: Look) -> Shader:
    """Put a light and a look into the numbers that `shade` reads."""
    key = np.array(light.key_direction)
    right = np.cross((0.0, 1.0, 0.0) if abs(key[1]) < 0.9 else (1.0, 0.0, 0.0), key)
    right /= np.linalg.norm(right)
    # The environment's highlights come from where it is brightest.
    harmonics = light.harmonics()
    fill = harmonics[[3, 1, 2]].sum(1) + (0.0, 1e-6, 0.0)
    fill = fill / np.linalg.norm(fill)
    fill_colour = np.maximum(harmonic_basis(fill[None])[0] @ harmonics, 0)
    # Flat tones keep the colour of the light, hardly its strength.
    colour = np.array(light.key_colour) + fill_colour
    tint = colour / max(colour.mean(), 1e-6)
    tint = 1 + 0.35 * (tint - 1)
    offset = np.random.default_rng(look.seed).uniform(0, 50, 3)
    return Shader(
        look.cel, _floats(look.wrap), float(look.bleed), float(look.saturation), float(look.shine),
        float(look.glint), float(look.rim),
        float(look.lines), float(look.line_width), _floats(look.terminators), _floats(look.tones[0]),
        _floats(look.tones[1]), float(look.bumps), _floats(offset), _floats(key), _floats(light.key_colour),
        _floats(right), _floats(np.cross(key, right)), _floats(fill), _floats(fill_colour),
        _floats(tint / max(tint.max(), 1)),
    )  # fmt: skip


def _floats(values):
    return tuple(float(v) for v in values)


@inlined
def shade(s, material, gloss, albedo, normal, strand, view, place, ambient, key, openness):
    """Give the sRGB colour in [0, 1] of a point.

    s: `Shader`. material: `SKIN`, `HAIR`, `EYE`, or `GENERIC`. albedo: sRGB. normal, view (to the eye), strand: unit
    vectors in the world. place: world, metres. ambient: the environment's light over pi. key, openness: the shares
    of the key light and of the environment that arrive.

    Sources: highlights of surfaces, GGX in Karis' mobile form (2013/2014); of hair, the two shifted lobes of Kajiya
    and Kay (1989) and Scheuermann (2004); light round the terminator, wrap lighting (Green, GPU Gems 2004).
    """
    if s.bumps > 0:
        normal = dented(normal, place, s.bumps, s.offset)
    else:
        normal = unit(normal)
    if s.saturation != 1:
        albedo = _saturated(albedo, s.saturation)
    if s.cel:
        return _cel(s, material, gloss, albedo, normal, strand, view, key, openness)
    facing = dot(normal, s.key)
    across = max(dot(normal, view), 0.0)
    base = (_linear(albedo[0]), _linear(albedo[1]), _linear(albedo[2]))
    if material == SKIN:
        w = s.wrap
        soft = key * (1.0 - key) * s.bleed
        lit = (
            _wrapped(facing, w[0]) * min(key + 2.0 * soft, 1.0),
            _wrapped(facing, w[1]) * min(key + 0.4 * soft, 1.0),
            _wrapped(facing, w[2]) * key,
        )
    elif material == HAIR:
        along = dot(strand, s.key)
        amount = key * (
            0.55 * _wrapped(facing, 0.3)
            + 0.45 * math.sqrt(max(1.0 - along * along, 0.0)) * _wrapped(facing, 0.6)
        )
        lit = (amount, amount, amount)
    else:
        amount = key * _wrapped(facing, 0.08)
        lit = (amount, amount, amount)
        if material == EYE:  # eyes lie deeper than their mesh, behind lids and lashes
            base = (0.8 * base[0], 0.8 * base[1], 0.8 * base[2])
    grazing = (1.0 - across) * (1.0 - across)
    edge = s.rim * grazing * grazing * (0.25 if material == HAIR else 0.5)
    shine_key, shine_fill = _highlights(s, material, gloss, normal, strand, view, key, openness, facing)
    # Hair tints what goes through it: the wide, second lobe.
    wide = 0.0
    if material == HAIR:
        wide = (
            0.8
            * s.shine
            * gloss
            * key
            * _lobe(_shifted(strand, normal, 0.15), _half(s.key, view), 4)
            * _wrapped(facing, 0.2)
        )
    red = _glow(
        base[0],
        s.key_colour[0],
        ambient[0],
        s.fill_colour[0],
        lit[0],
        shine_key + wide * base[0] * 3,
        shine_fill,
        edge,
    )
    green = _glow(
        base[1],
        s.key_colour[1],
        ambient[1],
        s.fill_colour[1],
        lit[1],
        shine_key + wide * base[1] * 3,
        shine_fill,
        edge,
    )
    blue = _glow(
        base[2],
        s.key_colour[2],
        ambient[2],
        s.fill_colour[2],
        lit[2],
        shine_key + wide * base[2] * 3,
        shine_fill,
        edge,
    )
    return _display(red), _display(green), _display(blue)


@inlined
def _glow(base, key_colour, ambient, fill_colour, lit, shine_key, shine_fill, edge):
    return (
        base * (ambient + key_colour * lit)
        + key_colour * shine_key
        + fill_colour * shine_fill
        + edge * ambient * (0.3 + 0.7 * base)
    )


@inlined
def _highlights(s, material, gloss, normal, strand, view, key, openness, facing):
    """Give the strength of the highlights of the key light and of the environment."""
    if material == HAIR:
        if facing < -0.4:
            from_key = 0.0
        else:
            from_key = (
                _lobe(_shifted(strand, normal, -0.1), _half(s.key, view), 6) * _wrapped(facing, 0.3) * key
            )
        from_fill = _lobe(_shifted(strand, normal, -0.06), _half(s.fill, view), 5) * openness
        strength = 0.13 * s.shine * gloss
        return strength * from_key, 0.6 * strength * from_fill
    if material == EYE:
        return 2.0 * s.glint * _reflected_window(s, normal, view), 0.02 * s.shine * openness
    if material == SKIN:  # a little of oil on skin
        rough, strength = 0.6 - 0.4 * gloss, s.shine * (0.02 + 0.3 * gloss)
    else:
        rough, strength = 0.85 - 0.75 * gloss, s.shine * (0.02 + 0.6 * gloss * gloss)
    half = _half(s.key, view)
    from_key = _ggx(rough, dot(normal, half), dot(s.key, half)) * max(facing, 0.0) * key
    half = _half(s.fill, view)
    toward = max(dot(normal, s.fill), 0.0)
    from_fill = _ggx(rough, dot(normal, half), dot(s.fill, half)) * toward * openness
    return strength * from_key, 0.5 * strength * from_fill


@inlined
def _reflected_window(s, normal, view):
    """The key light in a wet eye: a small rounded square where it is mirrored.

    The cornea bulges, so the light is mirrored nearer to the iris than the ball alone would have it.
    """
    key = unit((s.key[0] + 1.3 * view[0], s.key[1] + 1.3 * view[1], s.key[2] + 1.3 * view[2]))
    twice = 2.0 * dot(normal, view)
    mirrored = (twice * normal[0] - view[0], twice * normal[1] - view[1], twice * normal[2] - view[2])
    if dot(mirrored, key) <= 0:
        return 0.0
    off = (mirrored[0] - key[0], mirrored[1] - key[1], mirrored[2] - key[2])
    x, y = abs(dot(off, s.key_right)), abs(dot(off, s.key_up))
    return step(0.21, 0.12, x) * step(0.25, 0.15, y)


@inlined
def _cel(s, material, gloss, albedo, normal, strand, view, key, openness):
    """Flat tones with crisp terminators, in sRGB as they are painted."""
    facing = dot(normal, s.key)
    # What turns away is dark by itself; the shadow map would only fray that border.
    key += (1.0 - key) * step(0.35, 0.1, facing)
    level = min(0.5 + 0.5 * facing, 0.16 + 1.3 * key) - 0.35 * (1.0 - min(openness, 1.0))
    if material == EYE:
        glint = _reflected_window(s, normal, view) * s.glint
        shaded = step(0.1, 0.14, level + 0.2)
        mixed = 0.78 + 0.22 * shaded
        return (
            min(albedo[0] * mixed + glint, 1.0),
            min(albedo[1] * mixed + glint, 1.0),
            min(albedo[2] * mixed + glint, 1.0),
        )
    first = step(s.terminators[0] - 0.015, s.terminators[0] + 0.015, level)
    second = step(s.terminators[1] - 0.015, s.terminators[1] + 0.015, level)
    if material != HAIR:
        second = max(second, 0.5)
    band = 0.0
    if material == HAIR:
        # The ring of light round a head of hair: where strands turn from looking up to looking down at the viewer.
        up = (
            0.3 * s.key[0] + 0.35 * view[0],
            0.3 * s.key[1] + 0.55 + 0.35 * view[1],
            0.3 * s.key[2] + 0.35 * view[2],
        )
        half = _half(unit(up), view)
        along = dot(_shifted(strand, normal, -0.12), half)
        band = 0.45 * s.shine * min(2.0 * gloss + 0.3, 1.0) * step(0.12, 0.09, abs(along)) * first
        band *= step(0.6, 0.66, dot(normal, half))
    return (
        _tone(albedo[0] * s.tint[0], first, second, s.second[0], s.third[0], band),
        _tone(albedo[1] * s.tint[1], first, second, s.second[1], s.third[1], band),
        _tone(albedo[2] * s.tint[2], first, second, s.second[2], s.third[2], band),
    )


@inlined
def _tone(value, first, second, shade_second, shade_third, band):
    dark = shade_third + second * (shade_second - shade_third)
    value = value * (dark + first * (1.0 - dark))
    return min(value + band * (1.0 - value) * 0.75, 1.0)


@inlined
def _lobe(strand, half, doublings):
    """sin(strand, half) to the power 2 ** doublings."""
    along = dot(strand, half)
    value = max(1.0 - along * along, 0.0)
    for _ in range(doublings - 1):
        value *= value
    return value


@inlined
def _shifted(strand, normal, shift):
    return unit((strand[0] + shift * normal[0], strand[1] + shift * normal[1], strand[2] + shift * normal[2]))


@inlined
def _ggx(rough, along, toward):
    a = rough * rough
    below = max(along, 0.0) * max(along, 0.0) * (a * a - 1.0) + 1.0
    return a * a / (below * below) * 0.25 / (max(0.1, toward * toward) * (rough + 0.5)) / math.pi


@inlined
def _half(a, b):
    return unit((a[0] + b[0], a[1] + b[1], a[2] + b[2]))


@inlined
def _wrapped(facing, wrap):
    return max((facing + wrap) / ((1.0 + wrap) * (1.0 + 0.5 * wrap)), 0.0)


@inlined
def _saturated(c, amount):
    grey = 0.299 * c[0] + 0.587 * c[1] + 0.114 * c[2]
    return (
        min(max(grey + amount * (c[0] - grey), 0.0), 1.0),
        min(max(grey + amount * (c[1] - grey), 0.0), 1.0),
        min(max(grey + amount * (c[2] - grey), 0.0), 1.0),
    )


@inlined
def _linear(x):
    """sRGB to linear, within 0.003. Source of the polynomial: C. Hable / I. Taylor, 2010."""
    return x * (x * (x * 0.305306011 + 0.682171111) + 0.012522878)


@inlined
def _display(x):
    """Linear light to sRGB, the brightest rolled off from 0.7 on."""
    if x > 0.7:
        x = 0.7 + 0.3 * (x - 0.7) / (x - 0.4)
    root = math.sqrt(max(x, 0.0))
    second = math.sqrt(root)
    third = math.sqrt(second)
    return min(max(0.585122381 * root + 0.783140355 * second - 0.368262736 * third, 0.0), 1.0)
