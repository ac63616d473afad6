"""The picture of an eye from its codes, in the eyeballs' UV disc (see `soaplib.parts.eye_texture`)."""

import functools

import numpy as np

from soaplib.parts.eye_texture import texel_directions
from soaplib.render.kernels import kernel
from soaplib.synthetic.skin.irises import PUPILS, Irises
from soaplib.synthetic.skin.pigments import srgb_bytes, to_linear

_AROUND = 1024
_MARGINS = 64
_LIDS = (np.radians(21), np.radians(-17))  # of a usual opening seen from the ball's centre


def paint_eyes(irises: Irises, iris_sines, size: int = 128, openings=(None, None)) -> np.ndarray:
    """Paint both eyes beside each other, the left eye in the left half: (size, 2 size, 3) uint8; see `paint_eye`."""
    eyes = [paint_eye(irises, float(iris_sines[k]), k, size, openings[k]) for k in range(2)]
    return np.concatenate(eyes, axis=1)


def paint_eye(irises: Irises, iris_sine: float, eye: int, size: int = 128, opening=None) -> np.ndarray:
    """Paint one eye looking along the disc's centre: (size, size, 3) uint8 sRGB.

    iris_sine: iris radius over eyeball radius. eye: 0 left, 1 right. opening: unit directions (U, 3) of the upper and
    (L, 3) of the lower lid's margin from the ball's centre, each from the nose outwards, whose shade falls on the
    ball; None for a usual one. Raises ValueError for an iris_sine outside (0, 1].
    """
    if not 0 < iris_sine <= 1:
        raise ValueError(f"paint_eye: expected an iris_sine in (0, 1], got {iris_sine}")
    rng = np.random.default_rng((irises.seed, eye))
    turns = rng.integers(0, _AROUND, 4)
    lids, corners = _lids(opening, eye)
    numbers = np.array(
        [np.sin(np.arcsin(iris_sine) / 2), irises.collar, irises.fibre, irises.ring, irises.ring_width, irises.slope,
         irises.glow, irises.pupil, PUPILS.index(irises.shape), irises.veins], np.float32
    )  # fmt: skip
    rim, middle, white = (to_linear(c) for c in (irises.rims[eye], irises.middles[eye], irises.white))
    colours = np.array([rim, middle, white, rim * 0.12], np.float32)
    lights = np.array(irises.lights, np.float32).reshape(-1, 5)
    out = np.empty((size, size, 3), np.uint8)
    _paint(_directions(size), _threads(), turns, numbers, colours, lights, lids, corners, srgb_bytes(), out)
    return out


@functools.lru_cache(maxsize=4)
def _directions(size):
    """(size, size, 5) float32: direction, Lambert radius, angle."""
    directions, _ = texel_directions(size)
    radius = np.sqrt(np.maximum((1 - directions[..., 2]) / 2, 0))
    angle = np.arctan2(directions[..., 1], directions[..., 0])
    return np.concatenate([directions, radius[..., None], angle[..., None]], -1).astype(np.float32)


@functools.cache
def _threads():
    """(4, 1024) periodic noise of rising fineness around the circle, of variance 1."""
    rng = np.random.default_rng(5)
    around = np.arange(_AROUND) * 2 * np.pi / _AROUND
    out = np.empty((4, _AROUND), np.float32)
    for k, (low, high) in enumerate(((3, 12), (18, 40), (40, 80), (3, 30))):
        numbers = rng.integers(low, high, 14)
        out[k] = np.sin(around[:, None] * numbers + rng.uniform(0, 2 * np.pi, 14)).sum(1) / 7**0.5
    return out


def _lids(opening, eye):
    """Elevations of the margins over x from -1 to 1: (2, 64); directions of inner and outer corner (2, 3)."""
    x = np.linspace(-1, 1, _MARGINS)
    if opening is None:
        side = 1 if eye == 0 else -1
        corners = np.array([[-side * 0.72, -0.1, 0.69], [side * 0.80, 0.0, 0.6]])
        return np.outer(_LIDS, np.sqrt(np.maximum(1 - (x / 0.85) ** 2, 0))).astype(
            np.float32
        ), corners.astype("f4")
    lids = []
    for margin in opening:
        order = np.argsort(margin[:, 0], kind="stable")
        lids.append(np.interp(x, margin[order, 0], np.arctan2(margin[order, 1], margin[order, 2])))
    corners = np.asarray(opening[0])[[0, -1]]
    corners = corners / np.linalg.norm(corners, axis=1, keepdims=True)
    return np.array(lids, np.float32), corners.astype(np.float32)


@kernel
def _step(low, high, value):
    t = min(max((value - low) / (high - low), 0.0), 1.0)
    return t * t * (3 - 2 * t)


@kernel
def _pupil(shape, x, y, size):
    """Distance from a pupil's middle, 1 on its border."""
    if shape == 1:
        return np.sqrt((x / (0.30 * size)) ** 2 + (y / (1.7 * size)) ** 2)
    if shape == 2:
        turn = np.arctan2(x, y)
        return np.sqrt(x * x + y * y) / (size * (0.95 + 0.38 * np.cos(5 * turn)))
    if shape == 3:
        a, b = x / (1.15 * size), (y - 0.15 * size) / (1.15 * size)
        c = b - 0.75 * np.sqrt(abs(a)) * (1 - 0.3 * abs(a)) + 0.1
        return np.sqrt(a * a + c * c)
    if shape == 4:
        return np.sqrt((x / (0.82 * size)) ** 2 + (y / (1.3 * size)) ** 2)
    return np.sqrt(x * x + y * y) / size


@kernel
def _iris(c, x, y, rho, at, threads, turns, numbers, colours):
    """Channel c of the iris in linear light; x, y: place in iris radii; at: step around."""
    collar, fibre, ring, width = numbers[1], numbers[2], numbers[3], numbers[4]
    slope, glow, size = numbers[5], numbers[6], numbers[7]
    coarse = threads[0, (at + turns[0]) % 1024]
    fine = threads[1, (at + turns[1]) % 1024] + 0.7 * threads[2, (at + turns[2]) % 1024]
    t = _step(collar - 0.16, collar + 0.16, rho + 0.035 * coarse * min(fibre, 1.0))
    value = colours[1, c] * (1 - t) + colours[0, c] * t
    open_ = _step(0.22, 0.5, rho) * _step(1.02, 0.8, rho)
    value *= max(1 + fibre * open_ * (0.20 * fine + 0.10 * coarse), 0.15)
    value *= max(1 - slope * (0.85 * y + 0.12), 0.06)
    value += glow * _step(0.3, 0.85, -y + 0.12 * rho) * _step(1.0, 0.72, rho) * (0.35 * colours[1, c] + 0.25)
    dark = ring * _step(1 - 1.9 * width - 0.06, 1 - 0.35 * width, rho)
    value = value * (1 - dark) + colours[3, c] * dark
    inside = _step(1.14, 0.92, _pupil(int(numbers[8]), x, y, size))
    return value * (1 - inside) + 0.004 * inside


@kernel
def _paint(directions, threads, turns, numbers, colours, lights, lids, corners, encoding, out):
    edge, veins = numbers[0], numbers[9]
    pink = (0.58, 0.20, 0.165)
    red = (0.55, 0.09, 0.07)
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            dx, dy, dz, radius, angle = directions[i, j]
            rho = radius / edge
            at = int((angle + np.pi) * (1024 / (2 * np.pi))) % 1024
            x, y = rho * np.cos(angle), rho * np.sin(angle)
            column = int(min(max((dx + 1) * 31.5, 0.0), 63.0))
            elevation = np.arctan2(dy, max(dz, 1e-3))
            under = _step(-0.28, 0.02, elevation - lids[0, column])
            over = _step(0.17, -0.02, elevation - lids[1, column])
            shade = (1 - 0.42 * under) * (1 - 0.15 * over)
            inner = np.arccos(
                min(max(dx * corners[0, 0] + dy * corners[0, 1] + dz * corners[0, 2], -1.0), 1.0)
            )
            outer = np.arccos(
                min(max(dx * corners[1, 0] + dy * corners[1, 1] + dz * corners[1, 2], -1.0), 1.0)
            )
            flesh = max(0.70 * _step(0.30, 0.05, inner), 0.40 * _step(0.24, 0.03, outer))
            flesh = max(flesh, 0.45 * _step(0.58, 0.85, radius)) * (0.35 + 0.65 * min(2 * veins + 0.3, 1.0))
            wander = int(40 * np.sin(9 * radius + threads[3, at]))
            line = threads[2, (at + turns[3] + wander) % 1024] + 0.5 * threads[0, (at + turns[0]) % 1024]
            vein = veins * 0.30 * _step(1.1, 2.0, line) * _step(0.9 * edge + 0.1, 0.62, radius)
            soft = _step(1.035, 0.945, rho)
            for c in range(3):
                white = colours[2, c] * (1 - 0.10 * _step(0.2, 0.55, radius))
                white += flesh * (pink[c] - white)
                white += vein * (red[c] - white)
                value = white * shade
                if soft > 0:
                    iris = _iris(c, x, y, rho, at, threads, turns, numbers, colours) * (0.35 + 0.65 * shade)
                    value = value * (1 - soft) + iris * soft
                    for k in range(len(lights)):
                        d = np.sqrt(
                            ((x - lights[k, 0]) / lights[k, 2]) ** 2
                            + ((y - lights[k, 1]) / lights[k, 3]) ** 2
                        )
                        a = lights[k, 4] * _step(1.12, 0.85, d)
                        value += a * (1 - value)
                level = np.sqrt(min(max(value, 0.0), 1.0)) * 4095 + 0.5
                out[i, j, c] = encoding[int(level)]
