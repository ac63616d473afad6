"""How varied a set of heads is: its shapes, its colours, its counts, its silhouettes."""

import collections
import dataclasses
from collections.abc import Iterable, Mapping

import cv2
import numpy as np

from soaplib.synthetic.pieces import LABELS

COUNTED = ("style", "hair", "worn", "expression")
"""The keys of a sample's `meta.json` that `count_kinds` counts."""

_GREY = 12.0  # chroma in CIELAB under which nobody names a hue
_FEWEST = 4  # pixels of a part that tell its colour


@dataclasses.dataclass(frozen=True)
class Spectrum:
    """Principal components of N shapes.

    mean: (V, 3) metres. axes: (K, V, 3), of unit length over all coordinates together, K = N - 1 at most.
    variances: (K,) square metres, the largest first: of the shapes along each axis.
    """

    mean: np.ndarray
    axes: np.ndarray
    variances: np.ndarray

    def needed(self, share: float) -> int:
        """Give how many axes hold this share of the variance, 0 to 1."""
        held = np.cumsum(self.variances) / max(self.variances.sum(), 1e-300)
        return int(min(np.searchsorted(held, share - 1e-9) + 1, len(held)))

    @property
    def dimension(self) -> float:
        """(sum v)^2 / sum v^2: how many axes there would be were all variances equal (the participation ratio)."""
        return float(self.variances.sum() ** 2 / max((self.variances**2).sum(), 1e-300))

    @property
    def spread(self) -> float:
        """Root mean square distance of a vertex from where it is on the mean shape, metres."""
        return float(np.sqrt(self.variances.sum() / len(self.mean)))


def shape_spectrum(shapes: np.ndarray) -> Spectrum:
    """Analyse (N, V, 3) corresponding shapes by their principal components; they are compared as they lie.

    Raises ValueError for fewer than two shapes.
    """
    shapes = np.asarray(shapes, np.float64)
    if shapes.ndim != 3 or shapes.shape[2] != 3 or len(shapes) < 2:
        raise ValueError(f"shape_spectrum: expected (N, V, 3) with N of at least 2, got {shapes.shape}")
    mean = shapes.mean(0)
    flat = (shapes - mean).reshape(len(shapes), -1)
    # Far fewer shapes than coordinates: the small Gram matrix has the same spectrum.
    values, vectors = np.linalg.eigh(flat @ flat.T)
    order = np.argsort(-values)[: min(len(shapes) - 1, flat.shape[1])]
    axes = vectors[:, order].T @ flat
    axes /= np.maximum(np.linalg.norm(axes, axis=1, keepdims=True), 1e-12)
    return Spectrum(mean, axes.reshape(-1, *mean.shape), np.maximum(values[order], 0) / (len(shapes) - 1))


def part_colours(pictures: np.ndarray, labels: np.ndarray, part: str) -> np.ndarray:
    """Give the middle colour of a part in each of N pictures: (N, 3) float32 sRGB in [0, 1], NaN where it is not seen.

    pictures: (N, H, W, 3) uint8, such as albedo. labels: (N, H, W) uint8, positions in `LABELS`. part: one of them.
    Raises ValueError for an unknown part.
    """
    if part not in LABELS:
        raise ValueError(f"part_colours: unknown part {part!r}; known: {', '.join(LABELS)}")
    out = np.full((len(pictures), 3), np.nan, np.float32)
    for k, (picture, label) in enumerate(zip(pictures, labels, strict=True)):
        seen = picture[label == LABELS.index(part)]
        if len(seen) >= _FEWEST:
            out[k] = np.median(seen[:, :3], axis=0) / 255
    return out


@dataclasses.dataclass(frozen=True)
class ColourHistogram:
    """How many colours fall where in CIELAB.

    lightness: (B,) counts over equal steps of L* from 0 to 100. hue: (B,) counts over equal steps of the hue angle
    from 0 to 360 degrees, of the colours that have a hue; grey: how many have none.
    """

    lightness: np.ndarray
    hue: np.ndarray
    grey: int


def colour_histogram(colours: np.ndarray, bins: int = 12) -> ColourHistogram:
    """Count (N, 3) sRGB colours in [0, 1] by lightness and hue; rows of NaN are left out."""
    colours = np.asarray(colours, np.float32).reshape(-1, 3)
    colours = colours[np.isfinite(colours).all(1)]
    if not len(colours):
        return ColourHistogram(np.zeros(bins, int), np.zeros(bins, int), 0)
    lightness, a, b = cv2.cvtColor(colours[None], cv2.COLOR_RGB2Lab)[0].T
    hued = np.hypot(a, b) >= _GREY
    hue = np.degrees(np.arctan2(b, a))[hued] % 360
    return ColourHistogram(
        np.histogram(lightness, bins, (0, 100))[0], np.histogram(hue, bins, (0, 360))[0], int((~hued).sum())
    )


def count_kinds(metas: Iterable[Mapping]) -> dict[str, dict[str, int]]:
    """Count styles, hair families, worn things and expressions over samples' `meta.json`, the most common first."""
    counts = {key: collections.Counter() for key in COUNTED}
    for meta in metas:
        for key, counter in counts.items():
            counter.update([meta[key]] if isinstance(meta[key], str) else meta[key])
    return {
        key: dict(sorted(counter.items(), key=lambda kv: (-kv[1], kv[0]))) for key, counter in counts.items()
    }


def silhouette_ious(masks: np.ndarray) -> np.ndarray:
    """Compare silhouettes: (N, N) float64 intersection over union of each two heads, averaged over their views.

    masks: (N, K, H, W) bool. Where both are empty it is 1. Takes N x N x 8 bytes; of a large set, give a sample.
    Raises ValueError for another shape.
    """
    masks = np.asarray(masks)
    if masks.ndim != 4:
        raise ValueError(f"silhouette_ious: expected masks (N, K, H, W), got {masks.shape}")
    total = np.zeros((len(masks), len(masks)))
    for view in range(masks.shape[1]):
        flat = masks[:, view].reshape(len(masks), -1).astype(np.float32)  # counts are exact below 2 ** 24
        common = (flat @ flat.T).astype(np.float64)
        area = np.diag(common)
        union = area[:, None] + area[None] - common
        total += np.where(union > 0, common / np.maximum(union, 1), 1.0)
    return total / masks.shape[1]


def mean_pairwise(matrix: np.ndarray) -> float:
    """Give the mean over all pairs of two different heads of an (N, N) matrix such as `silhouette_ious` gives."""
    count = len(matrix)
    if count < 2:
        raise ValueError(f"mean_pairwise: expected a matrix of at least two heads, got {count}")
    return float((matrix.sum() - np.trace(matrix)) / (count * (count - 1)))
