"""The picture of an eye: sclera, limbal ring, iris with fibres, pupil, in the eyeballs' UV disc."""

import numpy as np

from soaplib.parts.smoothstep import smoothstep


def eye_texture(colour, iris_sine: float, sclera, size: int, eye: int, opening) -> np.ndarray:
    """Paint one eye: (size, size, 3) uint8, looking along the disc's centre, no highlight.

    colour: RGB of the iris; iris_sine: iris radius over eyeball radius; sclera: RGB; eye: 0 left, 1 right.
    opening: unit directions (U, 3) of the upper and (L, 3) of the lower lid margin, each from the nose outwards:
    the ball is shaded under the upper lid and pink in the corners. Deterministic.
    """
    directions, inside = texel_directions(size)
    radius = np.sqrt((1 - directions[..., 2]) / 2)
    angle = np.arctan2(directions[..., 1], directions[..., 0])
    edge = np.sin(np.arcsin(min(iris_sine, 1)) / 2)  # Lambert radius of the iris
    shade = _lid_shade(directions, *opening)
    white = _sclera(np.asarray(sclera, float), directions, radius, angle, eye, opening) * shade[..., None]
    iris = _iris(np.asarray(colour, float), radius / edge, angle, eye) * (0.4 + 0.6 * shade)[..., None]
    soft = smoothstep(1.03, 0.93, radius / edge)[..., None]
    picture = white * (1 - soft) + iris * soft
    picture[~inside] = picture[inside].mean(0)
    return (np.clip(picture, 0, 1) * 255 + 0.5).astype(np.uint8)


def texel_directions(size: int) -> tuple[np.ndarray, np.ndarray]:
    """Give each texel's unit direction (size, size, 3) from the ball's centre, and where the disc covers it.

    Lambert's equal-area projection about +z, seen from the front.
    """
    grid = (np.arange(size) + 0.5) / size * 2 - 1
    x, y = np.meshgrid(grid, -grid)
    radius = np.hypot(x, y)
    polar = 2 * np.arcsin(np.minimum(radius, 1))
    safe = np.maximum(radius, 1e-12)
    return np.stack([np.sin(polar) * x / safe, np.sin(polar) * y / safe, np.cos(polar)], -1), radius <= 1


def _lid_shade(directions, upper, lower):
    """Darker towards the upper margin and above it, a little towards the lower one."""
    elevation = np.arctan2(directions[..., 1], np.maximum(directions[..., 2], 1e-3))
    top, bottom = (_elevation_at(directions[..., 0], margin) for margin in (upper, lower))
    under = smoothstep(np.radians(-16), np.radians(1), elevation - top)
    over = smoothstep(np.radians(10), np.radians(-1), elevation - bottom)
    return (1 - 0.27 * under) * (1 - 0.12 * over)


def _elevation_at(x, margin):
    order = np.argsort(margin[:, 0], kind="stable")
    return np.interp(x, margin[order, 0], np.arctan2(margin[order, 1], margin[order, 2]))


def _sclera(base, directions, radius, angle, eye, opening):
    """White, warmer outwards, pink in the corners, with faint veins."""
    inner, outer = (
        np.arccos(np.clip(directions @ (c / np.linalg.norm(c)), -1, 1)) for c in opening[0][[0, -1]]
    )
    pink = np.array([0.78, 0.47, 0.43])
    near = np.maximum(0.75 * smoothstep(0.34, 0.06, inner), 0.45 * smoothstep(0.26, 0.04, outer))
    back = 0.5 * smoothstep(0.55, 0.85, radius)
    veins = _waves(angle, eye + 5, (17, 29, 41)) * smoothstep(0.25, 0.5, radius)
    amount = np.clip(np.maximum(near, back) + 0.05 * veins, 0, 1)
    shade = base * (1 - 0.07 * smoothstep(0.15, 0.5, radius))[..., None]
    return shade * (1 - amount[..., None]) + pink * amount[..., None]


def _iris(colour, rho, angle, eye):
    """rho: distance from the centre over the iris radius."""
    fibres = _waves(angle + 0.06 * np.sin(9 * rho), eye, (23, 37, 61, 83))
    fine = _waves(angle - 0.04 * np.sin(13 * rho), eye + 2, (97, 131))
    zone = smoothstep(0.72, 0.38, rho)  # the collarette: lighter and warmer about the pupil
    light = 0.80 + 0.22 * fibres * smoothstep(0.25, 0.5, rho) + 0.10 * fine + 0.28 * zone
    # The lower half catches light that the cornea bends in; the upper one lies in the lid's shade.
    light = light + 0.16 * -np.sin(angle) * smoothstep(0.2, 0.7, rho)
    warm = colour + zone[..., None] * np.array([0.10, 0.06, 0.0])
    iris = warm * light[..., None]
    ring = smoothstep(0.76, 0.98, rho)[..., None]
    iris = iris * (1 - 0.62 * ring)
    pupil = smoothstep(0.44, 0.37, rho)[..., None]
    return iris * (1 - pupil) + np.array([0.025, 0.02, 0.02]) * pupil


def _waves(angle, seed, counts):
    """A periodic sum of waves in [-1, 1] around the circle with seeded phases."""
    phases = np.random.default_rng(seed).uniform(0, 2 * np.pi, len(counts))
    total = sum(np.sin(n * angle + p) for n, p in zip(counts, phases, strict=True))
    return total / len(counts)
