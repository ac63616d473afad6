"""The picture of a skin: pigments mixed at every texel, then what lies on them, in one pass."""

import numpy as np

from soaplib.render.kernels import kernel
from soaplib.synthetic.hair.scalp import Hairline
from soaplib.synthetic.skin.codes import Skin, pigments
from soaplib.synthetic.skin.fields import BANDS, MASKS, scalp_mask, skin_fields
from soaplib.synthetic.skin.layout import canvas
from soaplib.synthetic.skin.pigments import srgb_bytes, to_linear
from soaplib.synthetic.skin.spots import add_spots

_NOISE = np.cumsum([0] + [count for _, count in BANDS])


def paint_skin(
    skin: Skin, size: int = 512, relief: np.ndarray | None = None, hairline: Hairline | None = None
) -> np.ndarray:
    """Paint the albedo: (size, size, 3) uint8 sRGB in `skin_layout`, gaps between the charts filled.

    relief: (N,) float32 metres from `skin_relief` at this size, or None: its creases are painted a little darker.
    hairline: where the skin's `scalp` shadow begins, None for the usual one.
    """
    fields, surface = skin_fields(size), canvas(size)
    masks = fields.masks
    if skin.scalp > 0 and hairline is not None:
        masks = masks.copy()
        masks[:, MASKS.index("scalp")] = scalp_mask(size, hairline)
    rng = np.random.default_rng(skin.seed)
    melanin, blood = _mixtures(skin, rng)
    extra = np.zeros(len(fields.masks), np.float32)
    add_spots(skin, rng, surface, extra)
    if relief is not None:
        extra += skin.melanin * np.clip(-900 * relief, 0, 0.5)
    layers = _Layers()
    _LAYERS[skin.style](layers, skin)
    out = np.empty((len(fields.masks), 3), np.uint8)
    _paint(
        masks, fields.noise, melanin, blood, extra, pigments(skin).astype(np.float32),
        *layers.arrays(), srgb_bytes(), out,
    )  # fmt: skip
    return surface.picture(out)


def _mixtures(skin, rng):
    """Weights of masks, noise and 1 whose sums are the melanin and the blood at a texel."""
    count = len(MASKS)
    melanin, blood = np.zeros((2, count + _NOISE[-1] + 1), np.float32)

    def put(row, **weights):
        for name, weight in weights.items():
            row[MASKS.index(name)] += weight

    red = 0.32 if not skin.tint else 0.30  # tinted stuff reaches its flush colour at 1
    melanin[-1], blood[-1] = skin.melanin, skin.blood
    put(
        blood, cheeks=red * skin.cheeks, apples=0.5 * red * skin.cheeks, nose=0.9 * red * skin.nose,
        wings=0.9 * red * skin.nose, ears=1.3 * red * skin.ears, chin=0.2 * red * skin.cheeks,
        upper_lid=0.5 * red * skin.lids, under_eye=0.6 * red * skin.under_eye,
    )  # fmt: skip
    lip = skin.lip_blood * (1 if not skin.tint else 0.5)
    put(blood, lips=lip - skin.blood * 0.5, lower_lip=0.15 * lip, lip_seam=0.35 * lip, socket=0.5)
    m = skin.melanin
    put(
        melanin, sun=0.10 * m * (not skin.tint), under_eye=0.30 * m * skin.under_eye, upper_lid=0.18 * m * skin.lids,
        crease=0.15 * m * skin.lids, brow_bed=0.06 * m, lips=(skin.lip_pigment - 1) * m * (not skin.tint),
        lower_lip=-0.15 * m * (not skin.tint), lip_rim=(-0.10 * m) * skin.lip_rim, socket=-0.3 * m,
        temples=0.09 * m * (not skin.tint), highlight=-0.10 * m * (not skin.tint), beard=0.07 * m * (not skin.tint),
    )  # fmt: skip
    uneven = np.array([0.03, 0.028, 0.022, 0.016])
    for band, (_, kinds) in enumerate(BANDS):
        share = skin.pores if band >= 2 else skin.mottle
        at = slice(count + _NOISE[band], count + _NOISE[band + 1])
        melanin[at] = rng.normal(0, 1, kinds) * uneven[band] * share * m / (1 + 0.06 * m)
        blood[at] = (
            rng.normal(0, 1, kinds) * uneven[band] * share * (0.9 * skin.blood + 0.05) * (not skin.tint)
        )
    return melanin, blood


class _Layers:
    """Paints to lay over the pigments, in order."""

    def __init__(self):
        self._rows, self._colours = [], []

    def add(self, mask, colour, amount, low=0.0, high=1.0, noise=-1, rough=0.0, linear=False):
        """Lay a colour where a mask rises from low to high; noise: column that roughens it by `rough`."""
        if amount > 0:
            self._rows.append((MASKS.index(mask), low, 1 / (high - low), amount, noise, rough))
            self._colours.append(colour if linear else to_linear(colour))

    def arrays(self):
        rows = np.array(self._rows, np.float32).reshape(-1, 6)
        return rows, np.array(self._colours, np.float32).reshape(-1, 3)


def _human_layers(layers, skin):
    fine, finest = _NOISE[2], _NOISE[3]
    hair = np.asarray(skin.hair_colour)
    shadow = 0.75 * hair + 0.25 * np.array([0.20, 0.22, 0.26])
    layers.add("beard", shadow, 0.5 * skin.stubble, 0.0, 1, finest, 0.2)
    layers.add("scalp", 0.85 * hair, 0.92 * skin.scalp, 0, 1, finest, 0.12)
    layers.add("brow_bed", hair, skin.brow_bed, 0.2, 1, fine, 0.2)
    make = skin.makeup
    layers.add("apples", make.rouge_colour, 0.6 * make.rouge)
    layers.add("cheeks", make.rouge_colour, 0.35 * make.rouge)
    layers.add("shadow_brow", make.shadow_colour, 0.55 * make.shadow)
    layers.add("upper_lid", make.shadow_colour, 0.75 * make.shadow)
    layers.add("lips", make.lipstick_colour, make.lipstick, 0.25, 0.75)
    layers.add("lip_seam", np.array([0.20, 0.05, 0.05]), 0.30, 0.2, 1)
    layers.add("lash_line", np.array([0.12, 0.07, 0.06]), 0.42)
    layers.add("liner", np.array([0.05, 0.04, 0.045]), make.liner, 0.15, 0.75)


def _hollows(layers, skin, amount):
    layers.add("hollow", np.array([0.10, 0.035, 0.03]), amount, 0.42, 1.0)
    layers.add("socket", np.array([0.62, 0.36, 0.33]), 0.5)
    layers.add("mouth", np.array([0.36, 0.10, 0.09]), 1.0, 0.1, 0.7)
    layers.add("throat", np.array([0.045, 0.012, 0.012]), 1.0)


def _realistic(layers, skin):
    _human_layers(layers, skin)
    _hollows(layers, skin, 0.5)


def _cartoon(layers, skin):
    _human_layers(layers, skin)
    _hollows(layers, skin, 0.35)


def _anime(layers, skin):
    flush = np.asarray(skin.flush)
    drawn = skin.seed % 5 == 0
    layers.add("strokes", 0.9 * flush, 0.8 * (drawn and skin.cheeks > 0.3))
    _human_layers(layers, skin)
    layers.add("lip_seam", 0.45 * flush, 0.75, 0.45, 0.75)
    layers.add("lash_line", np.array([0.10, 0.07, 0.08]), 0.5)
    _hollows(layers, skin, 0.15)


def _clay(layers, skin):
    make = skin.makeup
    flush = np.asarray(skin.flush)
    layers.add("scalp", np.asarray(skin.hair_colour), 0.92 * skin.scalp)
    if skin.cheeks and skin.seed % 3 == 0:
        layers.add("apples", flush, 0.65, 0.38, 0.8)
    layers.add("upper_lid", make.shadow_colour, 0.8 * make.shadow, 0.2, 0.6)
    layers.add("lips", make.lipstick_colour, make.lipstick, 0.3, 0.7)
    layers.add("liner", np.array([0.06, 0.05, 0.05]), make.liner, 0.15, 0.6)
    layers.add("hollow", 0.35 * np.asarray(skin.tint), 0.35, 0.42, 1.0)
    layers.add("mouth", 0.45 * np.asarray(skin.tint), 0.9, 0.1, 0.7)
    layers.add("throat", 0.12 * np.asarray(skin.tint), 1.0)


_LAYERS = {"realistic": _realistic, "cartoon": _cartoon, "anime": _anime, "clay": _clay}


@kernel
def _paint(masks, noise, melanin, blood, extra, pigments, layers, colours, encoding, out):
    kinds, waves = masks.shape[1], noise.shape[1]
    one = kinds + waves
    base, brown, red = pigments[0], pigments[1], pigments[2]
    for n in range(len(masks)):
        m, h = melanin[one] + extra[n], blood[one]
        for k in range(kinds):
            if masks[n, k] > 0:
                value = np.float32(masks[n, k]) * np.float32(1 / 255)
                m += melanin[k] * value
                h += blood[k] * value
        for k in range(waves):
            value = np.float32(noise[n, k]) * np.float32(1 / 32)
            m += melanin[kinds + k] * value
            h += blood[kinds + k] * value
        m, h = max(m, np.float32(0)), max(h, np.float32(0))
        r, g, b = (
            _reflect(base[0] + m * brown[0] + h * red[0]),
            _reflect(base[1] + m * brown[1] + h * red[1]),
            _reflect(base[2] + m * brown[2] + h * red[2]),
        )
        for k in range(len(layers)):
            mask = masks[n, int(layers[k, 0])]
            if mask == 0:
                continue
            t = (np.float32(mask) * np.float32(1 / 255) - layers[k, 1]) * layers[k, 2]
            if t <= 0:
                continue
            t = min(t, np.float32(1))
            a = t * t * (np.float32(3) - 2 * t) * layers[k, 3]
            if layers[k, 4] >= 0:
                a *= np.float32(1) + layers[k, 5] * np.float32(noise[n, int(layers[k, 4])]) * np.float32(
                    1 / 32
                )
                a = min(max(a, np.float32(0)), np.float32(1))
            r += a * (colours[k, 0] - r)
            g += a * (colours[k, 1] - g)
            b += a * (colours[k, 2] - b)
        out[n, 0] = encoding[_level(r)]
        out[n, 1] = encoding[_level(g)]
        out[n, 2] = encoding[_level(b)]


@kernel
def _reflect(k):
    k = max(k, np.float32(0))
    return np.float32(1) + k - np.sqrt(k * (k + np.float32(2)))


@kernel
def _level(value):
    value = min(max(value, np.float32(0)), np.float32(1))
    return int(np.sqrt(value) * np.float32(4095) + np.float32(0.5))
