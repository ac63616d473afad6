"""Noise in space, of one band of wavelengths: on a surface it has no seam, wherever its texture is cut."""

import numpy as np

from soaplib.render.kernels import kernel

_WAVES = 40


def band_noise(places: np.ndarray, wavelength: float, seed: int) -> np.ndarray:
    """Give (N,) float32 noise of mean 0 and variance 1 at (N, 3) places.

    wavelength: of the middle of the band, in the unit of the places; the band is an octave wide. A sum of plane
    waves of random directions and phases (spectral synthesis), nearly Gaussian. Deterministic in the seed.
    """
    rng = np.random.default_rng(seed)
    directions = rng.normal(size=(_WAVES, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    numbers = 2 * np.pi / wavelength * 2 ** rng.uniform(-0.5, 0.5, _WAVES)
    waves = (directions * numbers[:, None]).astype(np.float32)
    phases = rng.uniform(0, 2 * np.pi, _WAVES).astype(np.float32)
    out = np.empty(len(places), np.float32)
    _sum_waves(np.ascontiguousarray(places, np.float32), waves, phases, np.float32((2 / _WAVES) ** 0.5), out)
    return out


@kernel
def _sum_waves(places, waves, phases, scale, out):
    for n in range(len(places)):
        total = np.float32(0)
        for k in range(len(waves)):
            at = places[n, 0] * waves[k, 0] + places[n, 1] * waves[k, 1] + places[n, 2] * waves[k, 2]
            total += np.cos(at + phases[k])
        out[n] = total * scale
