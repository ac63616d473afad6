"""The light about a synthetic head: an environment of soft lobes, and one key light with a direction."""

import dataclasses
import functools
import math

import numpy as np

ENVIRONMENTS = ("overcast", "noon", "sunset", "window", "studio", "lamp", "night")


@dataclasses.dataclass(frozen=True)
class Light:
    """Light in the picture's axes (x right, y up, z to the viewer), linear RGB where 1 shows white as white.

    sky, ground: the radiance from straight above and below, mixed by height between. lobes: (direction, sharpness,
    colour) of soft windows and walls, radiance colour * exp(sharpness (cos - 1)). key_direction: unit vector
    towards the key light; key_colour: its strength on a surface that faces it. key_size: radius of its soft shadow's
    blur, metres.
    """

    environment: str
    sky: tuple[float, float, float]
    ground: tuple[float, float, float]
    lobes: tuple[tuple[tuple[float, float, float], float, tuple[float, float, float]], ...]
    key_direction: tuple[float, float, float]
    key_colour: tuple[float, float, float]
    key_size: float

    def radiance(self, directions: np.ndarray) -> np.ndarray:
        """Give the environment's radiance (N, 3) from unit directions (N, 3); the key light is not in it."""
        height = 0.5 + 0.5 * directions[:, 1:2]
        mix = height * height * (3 - 2 * height)
        out = mix * np.array(self.sky) + (1 - mix) * np.array(self.ground)
        for direction, sharpness, colour in self.lobes:
            out = out + np.exp(sharpness * (directions @ np.array(direction) - 1))[:, None] * np.array(colour)
        return out

    def harmonics(self) -> np.ndarray:
        """Give the (9, 3) coefficients of the environment's light on a white matte surface, divided by pi.

        `soaplib.render.shade_sh(normals, coefficients)` is the shade. Source: Ramamoorthi and Hanrahan 2001: the
        cosine lobe multiplies the bands by pi, 2 pi / 3, pi / 4.
        """
        directions = sphere(512)
        basis = harmonic_basis(directions)
        coefficients = basis.T @ self.radiance(directions) * (4 * math.pi / len(directions))
        return coefficients * np.repeat((1, 2 / 3, 1 / 4), (1, 3, 5))[:, None]

    def turned(self, rotation: np.ndarray) -> "Light":
        """Give the same light in the axes of the head: rotation (3, 3) takes the head's axes to the picture's.

        Sky and ground stay above and below the picture, so they become lobes where the head leans; the lean of at
        most 15 degrees is left out of these two, which are wide.
        """
        lobes = tuple((_tuple(np.array(d) @ rotation), s, c) for d, s, c in self.lobes)
        return dataclasses.replace(
            self, lobes=lobes, key_direction=_tuple(np.array(self.key_direction) @ rotation)
        )


def draw_light(rng: np.random.Generator, style: str) -> Light:
    """Draw a plausible light: sky and ground, window, studio, sunset, ...; drawn styles get friendlier ones."""
    drawn = style in ("anime", "cartoon", "clay")
    chances = np.array((3, 2, 2, 3, 4, 1, 0.5) if not drawn else (3, 2, 1.5, 2, 5, 0.5, 0.25))
    environment = str(rng.choice(ENVIRONMENTS, p=chances / chances.sum()))
    side = rng.choice((-1.0, 1.0))
    sky, ground, key, ratio, azimuth, height, size, lobes = _RECIPES[environment](rng, side)
    if drawn:
        azimuth, height = 0.75 * azimuth, 0.5 * height + 0.25
    direction = _polar(azimuth, height)
    # What a matte grey facing the viewer and the one facing the key get decides the exposure.
    light = Light(environment, sky, ground, lobes, _tuple(direction), (1.0, 1.0, 1.0), float(size))
    front = np.array([[0.0, 0.0, 1.0], [0.35, 0.35, 0.87], [-0.35, 0.35, 0.87]])
    ambient = float((harmonic_basis(front) @ light.harmonics()).mean())
    exposure = rng.uniform(1.05, 1.3) if drawn else rng.uniform(0.9, 1.2)
    fill = exposure / (1 + ratio)
    scale = fill / max(ambient, 1e-3)
    strength = exposure - fill
    facing = max(0.45, float((front @ direction).mean()))
    return dataclasses.replace(
        light,
        sky=_tuple(np.array(sky) * scale),
        ground=_tuple(np.array(ground) * scale),
        lobes=tuple((d, s, _tuple(np.array(c) * scale)) for d, s, c in lobes),
        key_colour=_tuple(np.array(key) * (strength / facing)),
    )


def _overcast(rng, side):
    grey = rng.uniform(0.92, 1.0)
    ground = rng.uniform(0.3, 0.55)
    return (
        (grey, 1.0, 1.04), _warm(ground, rng.uniform(-0.03, 0.08)), _warm(1.0, 0.0), rng.uniform(0.25, 0.6),
        side * rng.uniform(0.1, 0.6), rng.uniform(0.6, 1.0), 0.02, (),
    )  # fmt: skip


def _noon(rng, side):
    return (
        (0.75, 0.9, 1.15), _warm(rng.uniform(0.3, 0.6), 0.08), _warm(1.0, 0.05), rng.uniform(1.0, 2.0),
        side * rng.uniform(0.2, 1.0), rng.uniform(0.6, 1.0), 0.006, (),
    )  # fmt: skip


def _sunset(rng, side):
    glow = (_tuple(_polar(side * 1.2, 0.1)), 3.0, (1.3, 0.6, 0.25))
    return (
        (0.45, 0.5, 0.75), (0.35, 0.25, 0.2), (1.15, 0.92, 0.68), rng.uniform(0.7, 1.6),
        side * rng.uniform(0.5, 1.3), rng.uniform(0.1, 0.45), 0.008, (glow,),
    )  # fmt: skip


def _window(rng, side):
    azimuth = side * rng.uniform(0.6, 1.4)
    cool = rng.uniform(-0.06, 0.03)
    pane = (_tuple(_polar(azimuth, 0.2)), rng.uniform(4, 9), _warm(2.2, cool))
    wall = (_tuple(_polar(-azimuth, 0.0)), 2.0, _warm(rng.uniform(0.15, 0.5), rng.uniform(0, 0.12)))
    return (
        _warm(0.35, 0.05), _warm(0.25, 0.1), _warm(1.0, cool), rng.uniform(0.8, 1.8),
        azimuth, rng.uniform(0.15, 0.5), 0.018, (pane, wall),
    )  # fmt: skip


def _studio(rng, side):
    fill = (_tuple(_polar(-side * rng.uniform(0.5, 1.0), 0.1)), 4.0, _warm(rng.uniform(0.4, 1.0), 0.0))
    rim = (_tuple(_polar(side * rng.uniform(2.2, 2.9), 0.4)), 8.0, _warm(rng.uniform(0.0, 2.5), 0.0))
    return (
        _warm(0.6, 0.0), _warm(0.4, 0.02), _warm(1.0, rng.uniform(-0.02, 0.04)), rng.uniform(0.5, 1.4),
        side * rng.uniform(0.3, 0.9), rng.uniform(0.3, 0.75), 0.014, (fill, rim),
    )  # fmt: skip


def _lamp(rng, side):
    return (
        _warm(0.3, 0.15), _warm(0.3, 0.2), _warm(1.0, rng.uniform(0.1, 0.22)), rng.uniform(0.9, 2.0),
        side * rng.uniform(0.2, 1.0), rng.uniform(-0.1, 0.8), 0.01, (),
    )  # fmt: skip


def _night(rng, side):
    hues = rng.permutation(np.array([(1.5, 0.4, 0.9), (0.3, 0.8, 1.6), (0.9, 0.5, 1.5), (1.5, 0.9, 0.4)]))
    left = (_tuple(_polar(1.4, 0.0)), 2.5, _tuple(hues[0]))
    right = (_tuple(_polar(-1.4, 0.0)), 2.5, _tuple(hues[1]))
    return (
        (0.2, 0.22, 0.32), (0.15, 0.12, 0.18), _tuple(0.75 + 0.25 * hues[2]), rng.uniform(0.5, 1.0),
        side * rng.uniform(0.3, 1.2), rng.uniform(0.1, 0.6), 0.012, (left, right),
    )  # fmt: skip


_RECIPES = dict(zip(ENVIRONMENTS, (_overcast, _noon, _sunset, _window, _studio, _lamp, _night), strict=True))


def _warm(level, warmth):
    return (level * (1 + warmth), level, level * (1 - 1.2 * warmth))


def _polar(azimuth, height):
    """Give the direction at an azimuth from the viewer (to the picture's right) and a height, radians."""
    return np.array(
        [math.sin(azimuth) * math.cos(height), math.sin(height), math.cos(azimuth) * math.cos(height)]
    )


def _tuple(values):
    return tuple(float(v) for v in values)


@functools.cache
def sphere(count: int) -> np.ndarray:
    """Give `count` directions (count, 3) spread evenly over the sphere (a Fibonacci spiral)."""
    k = np.arange(count) + 0.5
    y = 1 - 2 * k / count
    ring, angle = np.sqrt(1 - y * y), k * (math.pi * (3 - math.sqrt(5)))
    out = np.column_stack([ring * np.cos(angle), y, ring * np.sin(angle)])
    out.flags.writeable = False
    return out


def harmonic_basis(directions: np.ndarray) -> np.ndarray:
    """Give the nine harmonics (N, 9) of `soaplib.render.spherical_harmonics` at unit directions (N, 3), in numpy."""
    x, y, z = directions.T
    one = np.full_like(x, 0.28209479177387814)
    linear, mixed = 0.4886025119029199, 1.0925484305920792
    return np.column_stack(
        [
            one, linear * y, linear * z, linear * x, mixed * x * y, mixed * y * z,
            0.31539156525252005 * (3 * z * z - 1), mixed * x * z, 0.5 * mixed * (x * x - y * y),
        ]
    )  # fmt: skip
