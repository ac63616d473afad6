"""What is behind the head in its portrait: nothing, a colour, a gradient, or a blurred place."""

import dataclasses

import cv2
import numpy as np

BACKDROPS = ("white", "flat", "gradient", "blurred")


@dataclasses.dataclass(frozen=True)
class Backdrop:
    """kind: one of `BACKDROPS`. colours: sRGB in [0, 1], one of a flat one, two of a gradient from the top down, and of
    a blurred one its ground. blobs: (x, y, radius) in sides of the picture and colour of what is out of focus."""

    kind: str
    colours: tuple[tuple[float, float, float], ...]
    blobs: tuple[tuple[float, float, float, tuple[float, float, float]], ...] = ()


def draw_backdrop(rng: np.random.Generator, style: str) -> Backdrop:
    """Draw a background; drawn styles get plainer and more colourful ones."""
    plain = style != "realistic"
    chances = (0.4, 0.25, 0.2, 0.15) if plain else (0.3, 0.15, 0.2, 0.35)
    kind = str(rng.choice(BACKDROPS, p=chances))
    vivid = 0.5 if plain else 0.25
    if kind == "white":
        return Backdrop(kind, ((1.0, 1.0, 1.0),))
    if kind == "flat":
        return Backdrop(kind, (_colour(rng, vivid),))
    if kind == "gradient":
        top = np.array(_colour(rng, vivid))
        return Backdrop(kind, (_tuple(top), _tuple(np.clip(top * rng.uniform(0.6, 1.2, 3), 0, 1))))
    blobs = tuple(
        (float(x), float(y), float(r), _colour(rng, 0.4))
        for x, y, r in zip(
            *rng.uniform((0, 0, 0.05), (1, 1, 0.3), (int(rng.integers(4, 12)), 3)).T, strict=True
        )
    )
    return Backdrop(kind, (_colour(rng, 0.3), _colour(rng, 0.3)), blobs)


def paint_backdrop(backdrop: Backdrop, size: int) -> np.ndarray:
    """Give the (size, size, 3) uint8 picture of a background."""
    first, last = np.array(backdrop.colours[0]), np.array(backdrop.colours[-1])
    down = np.linspace(0, 1, 64)[:, None, None]
    small = np.broadcast_to(first + (last - first) * down, (64, 64, 3)).astype(np.float32)
    if backdrop.blobs:
        at = (np.arange(64) + 0.5) / 64
        for x, y, radius, colour in backdrop.blobs:
            far = np.hypot(at[None, :] - x, at[:, None] - y) / radius
            cover = np.clip(3 - 3 * far, 0, 1)[..., None].astype(np.float32)
            small = small + 0.8 * cover * (np.array(colour, np.float32) - small)
        small = cv2.GaussianBlur(small, (0, 0), 1.5)
    return np.rint(cv2.resize(small, (size, size), interpolation=cv2.INTER_LINEAR).clip(0, 1) * 255).astype(
        np.uint8
    )


def _colour(rng, vivid):
    grey = rng.uniform(0.15, 0.95)
    return _tuple(np.clip(grey + vivid * rng.uniform(-0.5, 0.5, 3), 0, 1))


def _tuple(values):
    return tuple(float(v) for v in values)
