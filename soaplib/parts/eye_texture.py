"""The picture of an eye: sclera, limbal ring, iris with fibres, pupil, in the eyeballs' UV disc."""

import numpy as np


def eye_texture(colour, iris_sine: float, sclera, size: int, eye: int) -> np.ndarray:
    """Paint one eye: (size, size, 3) uint8, looking along the disc's centre, no highlight.

    colour: RGB of the iris; iris_sine: iris radius over eyeball radius; sclera: RGB; eye: 0 left, 1 right (the
    pink inner corner lies towards the nose). Deterministic.
    """
    grid = (np.arange(size) + 0.5) / size * 2 - 1
    x, y = np.meshgrid(grid, -grid)
    radius = np.hypot(x, y)
    angle = np.arctan2(y, x)
    edge = np.sin(np.arcsin(min(iris_sine, 1)) / 2)  # Lambert radius of the iris
    white = _sclera(np.asarray(sclera, float), x, y, radius, angle, eye)
    inside = _iris(np.asarray(colour, float), radius / edge, angle, eye)
    soft = _step(1.03, 0.93, radius / edge)[..., None]
    picture = white * (1 - soft) + inside * soft
    return (np.clip(picture, 0, 1) * 255 + 0.5).astype(np.uint8)


def _sclera(base, x, y, radius, angle, eye):
    """White in the middle, warmer and darker to the corners and under the upper lid, with faint veins."""
    inwards = -x if eye == 0 else x
    corner = _step(0.42, 0.80, radius)
    pink = np.array([0.80, 0.52, 0.47])
    shade = base * (1 - 0.10 * _step(0.1, 0.55, y))[..., None]
    shade = shade * (1 - 0.10 * _step(0.2, 0.55, radius))[..., None]
    veins = _waves(angle, eye + 5, (17, 29, 41)) * _step(0.32, 0.6, radius)
    amount = np.clip(0.65 * corner * (0.55 + 0.45 * _step(-0.2, 0.8, inwards)) + 0.05 * veins, 0, 1)
    return shade * (1 - amount[..., None]) + pink * amount[..., None]


def _iris(colour, rho, angle, eye):
    """rho: distance from the centre over the iris radius."""
    fibres = _waves(angle + 0.06 * np.sin(9 * rho), eye, (23, 37, 61, 83))
    fine = _waves(angle - 0.04 * np.sin(13 * rho), eye + 2, (97, 131))
    zone = _step(0.72, 0.38, rho)  # the collarette: lighter and warmer about the pupil
    light = 0.80 + 0.22 * fibres * _step(0.25, 0.5, rho) + 0.10 * fine + 0.28 * zone
    # The lower half catches light that the cornea bends in; the upper one lies in the lid's shade.
    light = light + 0.16 * -np.sin(angle) * _step(0.2, 0.7, rho)
    warm = colour + zone[..., None] * np.array([0.10, 0.06, 0.0])
    iris = warm * light[..., None]
    ring = _step(0.76, 0.98, rho)[..., None]
    iris = iris * (1 - 0.62 * ring)
    pupil = _step(0.44, 0.37, rho)[..., None]
    return iris * (1 - pupil) + np.array([0.025, 0.02, 0.02]) * pupil


def _waves(angle, seed, counts):
    """A periodic sum of waves in [-1, 1] around the circle with seeded phases."""
    phases = np.random.default_rng(seed).uniform(0, 2 * np.pi, len(counts))
    total = sum(np.sin(n * angle + p) for n, p in zip(counts, phases, strict=True))
    return total / len(counts)


def _step(low, high, value):
    """Smooth step from 0 at low to 1 at high (which may be the lesser)."""
    t = np.clip((value - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)
