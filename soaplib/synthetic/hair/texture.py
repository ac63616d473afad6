"""Textures of strands: streaks along v, told apart across u; they multiply the locks' colours."""

import numpy as np

WIDTH, HEIGHT = 128, 64
REACH = 0.09
"""Metres of hair that the width of a texture spans."""


def strand_texture(rng: np.random.Generator, contrast: float, fineness: float = 1.0) -> np.ndarray:
    """Make a (HEIGHT, WIDTH, 3) uint8 texture of strands that run along v.

    contrast: 0 flat to 1 strong. fineness: 1 for strands as a picture of a head shows them, less for coarser ones.
    """
    columns = np.zeros((HEIGHT, WIDTH))
    for step, strength in ((1.6, 0.7), (3.2, 0.9), (8, 0.9), (20, 0.7)):
        step = max(1.0, step / fineness)
        knots = max(4, int(WIDTH / step))
        # A few knots along v as well: strands drift, start and end.
        rows = 4
        noise = rng.normal(size=(rows, knots)) * 0.7 + rng.normal(size=(1, knots))
        columns += strength * _stretched(noise, HEIGHT, WIDTH)
    columns /= columns.std() + 1e-6
    bright = np.exp(0.22 * contrast * columns)
    bright = bright / np.quantile(bright, 0.97)
    warm = 0.02 * contrast * _stretched(rng.normal(size=(2, 24)), HEIGHT, WIDTH)
    colour = bright[..., None] * (1 + warm[..., None] * np.array([1.0, 0.0, -1.0]))
    return (np.clip(colour, 0, 1) * 255).round().astype(np.uint8)


def coil_texture(rng: np.random.Generator, contrast: float) -> np.ndarray:
    """Make a (HEIGHT, WIDTH, 3) uint8 texture of tight curls: dots and gaps of no direction."""
    grain = np.zeros((HEIGHT, WIDTH))
    # Over the shell a texel is three times as tall as wide.
    for step, strength in ((3, 1.0), (7, 1.0)):
        grain += strength * _stretched(rng.normal(size=(3 * HEIGHT // step, WIDTH // step)), HEIGHT, WIDTH)
    bright = np.exp(0.3 * contrast * grain / grain.std())
    bright = np.clip(bright / np.quantile(bright, 0.95), 0, 1)
    return np.repeat((bright * 255).round().astype(np.uint8)[..., None], 3, 2)


def _stretched(noise, rows, columns):
    """Interpolate linearly to (rows, columns)."""

    def at(count, size):
        place = np.linspace(0, count - 1, size) if count > 1 else np.zeros(size)
        low = np.minimum(place.astype(int), max(count - 2, 0))
        return low, np.minimum(low + 1, count - 1), place - low

    i, i1, a = at(noise.shape[0], rows)
    j, j1, b = at(noise.shape[1], columns)
    across = noise[:, j] * (1 - b) + noise[:, j1] * b
    return across[i] * (1 - a[:, None]) + across[i1] * a[:, None]
