"""The colour of skin from its pigments: melanin and blood, by Kubelka and Munk's formula in three bands.

R = 1 + K - sqrt(K^2 + 2 K), where K is absorption over scattering (Kubelka and Munk 1931, infinite depth), and
K = base + melanin M + blood H in linear sRGB. The light and the dark skin patch of the ColorChecker (McCamy et al.
1976; sRGB 194 150 130 and 115 82 68 after Pascale 2006) differ by K = (1.81, 4.18, 6.33), which gives the
direction M = (0.432, 1, 1.515). H is the molar extinction of oxyhaemoglobin (Prahl 1998) averaged over 600-640,
530-570 and 450-470 nm, over a scattering that falls as wavelength^-1.2.
"""

import functools

import numpy as np

MELANIN = np.array([0.432, 1.0, 1.515])
BLOOD = np.array([0.05, 1.0, 0.85])
_BASE = np.array([0.004, 0.03, 0.24])
_YELLOW = np.array([0.005, 0.06, 0.50])
_YELLOW_MELANIN = np.array([-0.10, 0.0, 0.45])  # pheomelanin's absorption rises more steeply to the blue


def absorption(reflectance) -> np.ndarray:
    """Give K, the absorption over scattering that reflects as given: (1 - R)^2 / (2 R), linear values."""
    reflectance = np.clip(np.asarray(reflectance, np.float64), 1e-3, 1)
    return (1 - reflectance) ** 2 / (2 * reflectance)


def reflectance(absorption) -> np.ndarray:
    """Give R, the linear reflectance of K; the inverse of `absorption`."""
    absorption = np.maximum(absorption, 0)
    return 1 + absorption - np.sqrt(absorption * (absorption + 2))


def to_linear(colour) -> np.ndarray:
    """Decode sRGB in [0, 1] to linear light (IEC 61966-2-1)."""
    colour = np.asarray(colour, np.float64)
    return np.where(colour <= 0.04045, colour / 12.92, ((np.maximum(colour, 0) + 0.055) / 1.055) ** 2.4)


def to_srgb(linear) -> np.ndarray:
    """Encode linear light in [0, 1] as sRGB (IEC 61966-2-1)."""
    linear = np.clip(np.asarray(linear, np.float64), 0, 1)
    return np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)


@functools.cache
def srgb_bytes() -> np.ndarray:
    """Give the (4096,) sRGB bytes of linear light, to be looked up by its square root times 4095."""
    return (to_srgb((np.arange(4096) / 4095) ** 2) * 255 + 0.5).astype(np.uint8)


def human_pigments(yellow: float) -> np.ndarray:
    """Give (3, 3) rows base, melanin, blood; yellow: carotene in [0, 1], which makes a pale skin golden."""
    return np.stack([_BASE + yellow * _YELLOW, MELANIN + yellow * _YELLOW_MELANIN, BLOOD])


def tinted_pigments(tint, flush) -> np.ndarray:
    """Give (3, 3) pigments that reflect the sRGB `tint` at melanin 1, blood 0, and `flush` at melanin 1, blood 1."""
    skin, red = absorption(to_linear(tint)), absorption(to_linear(flush))
    return np.stack([0.6 * skin, 0.4 * skin, red - skin])
