"""Make-up: eye shadow, lid line, lipstick, rouge, as codes."""

import dataclasses

import numpy as np

_LIPSTICKS = (
    (0.72, 0.10, 0.14), (0.55, 0.08, 0.13), (0.85, 0.33, 0.36), (0.78, 0.26, 0.40), (0.62, 0.30, 0.26),
    (0.88, 0.45, 0.38), (0.45, 0.10, 0.22), (0.70, 0.42, 0.36),
)  # fmt: skip
_SHADOWS = (
    (0.42, 0.27, 0.20), (0.55, 0.40, 0.30), (0.36, 0.24, 0.34), (0.30, 0.34, 0.42), (0.20, 0.18, 0.18),
    (0.62, 0.42, 0.40), (0.28, 0.40, 0.36), (0.24, 0.36, 0.58), (0.60, 0.46, 0.22),
)  # fmt: skip
_ROUGES = ((0.86, 0.36, 0.38), (0.80, 0.38, 0.30), (0.74, 0.30, 0.40))


@dataclasses.dataclass(frozen=True)
class Makeup:
    """Colours are sRGB in [0, 1]; amounts lie in [0, 1], 0 for none."""

    shadow: float = 0.0
    shadow_colour: tuple[float, float, float] = _SHADOWS[0]
    liner: float = 0.0
    lipstick: float = 0.0
    lipstick_colour: tuple[float, float, float] = _LIPSTICKS[0]
    rouge: float = 0.0
    rouge_colour: tuple[float, float, float] = _ROUGES[0]


def draw_makeup(rng: np.random.Generator, lightness: float, share: float) -> Makeup:
    """Draw make-up; with probability 1 - share there is none.

    lightness: of the skin, in [0, 1]: colours on dark skin are deeper and stronger.
    """
    worn = rng.random() < share
    bold = rng.random() ** 1.5
    parts = rng.random(4) < (0.75, 0.7, 0.75, 0.6)
    colours = [_varied(rng, table, lightness) for table in (_SHADOWS, _LIPSTICKS, _ROUGES)]
    amounts = np.round((0.30 + 0.45 * bold) * rng.uniform(0.8, 1.2, 4) * parts * worn, 4)
    return Makeup(
        float(0.8 * amounts[0]), colours[0], float(min(1.5 * amounts[1], 0.95)), float(min(1.2 * amounts[2], 0.9)),
        colours[1], float(0.5 * amounts[3]), colours[2],
    )  # fmt: skip


def _varied(rng, table, lightness):
    colour = np.array(table[rng.integers(len(table))]) * (0.62 + 0.38 * lightness)
    colour = np.clip(colour + rng.normal(0, 0.03, 3), 0.03, 0.95)
    return tuple(round(float(c), 4) for c in colour)
