"""Four times as many pixels: a small network for pictures with their masks, another for normals.

Both add what is missing to the bicubic picture: ten small convolutions at the low resolution, and a last one whose
channels are laid out as the pixels between (sub-pixel convolution, Shi et al. 2016). Where no weights are: Lanczos.
"""

import dataclasses
import functools
import os

import cv2
import numpy as np
import scipy.ndimage
import torch
import torch.nn.functional as F
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from torch import nn

from soaplib.errors import UserError
from soaplib.multiview.compact.weights import find_weights
from soaplib.multiview.realesrgan import find_realesrgan, load_realesrgan

FACTOR = 4

_TILE, _MARGIN = 256, 16  # pixels at the low resolution; our networks look 11 pixels far
_SEEN = 0.02  # masks below are nothing, as in all generators


class Upsampler(ModelMixin, ConfigMixin):
    """Residual over bicubic upsampling, x `factor`.

    channels: of the picture. guide_channels: of a picture at the high resolution that tells how edges run (0: none).
    Zero in the last layer at first, so that an untrained one is bicubic.
    """

    @register_to_config
    def __init__(
        self,
        channels: int = 4,
        guide_channels: int = 0,
        width: int = 32,
        blocks: int = 4,
        factor: int = FACTOR,
    ):
        super().__init__()
        self.first = nn.Conv2d(channels, width, 3, padding=1)
        self.guided = nn.Conv2d(guide_channels * factor**2, width, 1) if guide_channels else None
        self.body = nn.Sequential(*(_Block(width) for _ in range(blocks)))
        self.last = nn.Conv2d(width, channels * factor**2, 3, padding=1)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)

    def forward(self, low: torch.Tensor, guide: torch.Tensor | None = None) -> torch.Tensor:
        """Give (B, channels, fH, fW) from low (B, channels, H, W) and guide (B, guide_channels, fH, fW)."""
        factor = self.config.factor
        features = self.first(low)
        if self.guided is not None:
            features = features + self.guided(F.pixel_unshuffle(guide, factor))
        return bicubic(low, factor) + F.pixel_shuffle(self.last(self.body(features)), factor)


class _Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.one = nn.Conv2d(width, width, 3, padding=1)
        self.two = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x):
        return x + self.two(F.relu(self.one(F.relu(x))))


@dataclasses.dataclass(frozen=True)
class Upsamplers:
    """What is there to upsample with: modules, or None for Lanczos.

    rgba: an `Upsampler` of 4 channels; normals: of 3, guided by RGBA; photo: Real-ESRGAN of the user's, for RGB.
    """

    rgba: Upsampler | None
    normals: Upsampler | None
    photo: nn.Module | None

    @property
    def name(self) -> str:
        """What colours are upsampled by."""
        return "realesrgan" if self.photo is not None else "lanczos" if self.rgba is None else "compact"


def load_upsamplers(weights: str | os.PathLike | None = None) -> Upsamplers:
    """Load what there is: the models `upsample` and `upsample_normals`, looked for as `find_weights` does, and
    Real-ESRGAN where the user has it (`soaplib.multiview.realesrgan`), which then upsamples the colours.

    Raises UserError where Real-ESRGAN's file is not what its name says.
    """
    found = find_realesrgan()
    return Upsamplers(
        _ours("upsample", weights),
        _ours("upsample_normals", weights),
        None if found is None else _theirs(found),
    )


def upsample_views(
    images: np.ndarray,
    masks: np.ndarray,
    normals: np.ndarray,
    factor: float = FACTOR,
    weights: Upsamplers | str | os.PathLike | None = None,
    front: tuple[np.ndarray, np.ndarray] | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Give images, masks and normals of N views with `factor` times as many pixels along each side, float32.

    Args:
        images: (N, H, W, 3) in [0, 1] on white. masks: (N, H, W). normals: (N, H, W, 3) unit vectors where the mask is.
        factor: other than 4 goes over 4.
        weights: what to upsample with, or the folder to load it from; see `load_upsamplers`.
        front: image (h, w, 3) on white and mask (h, w), h = factor H, which are view 0 as it is known: they
            are kept, and guide its normals.

    Unit normals where masks > 0.02, 0 elsewhere. Six views of 128 x 128: about 1 s on one core.
    """
    tools = weights if isinstance(weights, Upsamplers) else load_upsamplers(weights)
    size = tuple(round(factor * side) for side in masks.shape[1:])
    rgba = np.concatenate([images - 1 + masks[..., None], masks[..., None]], -1)  # premultiplied
    vectors = normals * masks[..., None]
    out = [np.empty((len(images), *size, channels), np.float32) for channels in (3, 1, 3)]
    for i in range(len(images)):
        big = upsample_rgba(rgba[i], tools)
        if i == 0 and front is not None:
            known = np.concatenate([front[0] - 1 + front[1][..., None], front[1][..., None]], -1)
            big = _resized(known, big.shape[:2])
        direction = upsample_normals(vectors[i], big, tools)
        big, direction = _resized(big, size), _resized(direction, size)
        if i == 0 and front is not None:
            big = _resized(known, size)
        out[0][i], out[1][i] = big[..., :3] + 1 - big[..., 3:], big[..., 3:]
        out[2][i] = _unit(direction, big[..., 3] > _SEEN)
    return out[0].clip(0, 1), out[1][..., 0], out[2]


def upsample_rgba(rgba: np.ndarray, tools: Upsamplers) -> np.ndarray:
    """Upsample a premultiplied picture (H, W, 4) by 4; colours stay between 0 and alpha."""
    big = _lanczos(rgba) if tools.rgba is None else _run(tools.rgba, rgba)
    alpha = big[..., 3:].clip(0, 1)
    if tools.photo is not None:
        big = _run(tools.photo, rgba[..., :3] + 1 - rgba[..., 3:]) - 1 + alpha
    return np.concatenate([big[..., :3].clip(0, alpha), alpha], -1)


def upsample_normals(vectors: np.ndarray, guide: np.ndarray, tools: Upsamplers) -> np.ndarray:
    """Upsample normals times mask (H, W, 3) by 4, not yet unit vectors; guide: premultiplied RGBA (4H, 4W, 4)."""
    if tools.normals is None:
        return _lanczos(vectors)
    return _run(tools.normals, vectors, guide if tools.normals.config.guide_channels else None)


def bicubic(low: torch.Tensor, factor: int = FACTOR) -> torch.Tensor:
    """Interpolate (B, C, H, W) by a bicubic kernel; pixels' corners stay where they are."""
    return F.interpolate(low, scale_factor=factor, mode="bicubic", align_corners=False)


@torch.no_grad()
def tiled(network, low, guide=None, factor=FACTOR, tile=_TILE, margin=_MARGIN):
    """Run a network of (low, guide) on square tiles of `tile` pixels, each with `margin` pixels about it.

    The same as running it on the whole where it looks no farther than the margin; memory for one tile only.
    """
    height, width = low.shape[2:]
    out = None
    for top in range(0, height, tile):
        for left in range(0, width, tile):
            rows = slice(max(top - margin, 0), min(top + tile + margin, height))
            columns = slice(max(left - margin, 0), min(left + tile + margin, width))
            given = [low[:, :, rows, columns]]
            if guide is not None:
                given.append(guide[:, :, _times(rows, factor), _times(columns, factor)])
            made = network(*given)
            if out is None:
                out = made.new_empty(*made.shape[:2], factor * height, factor * width)
            down, across = slice(top, min(top + tile, height)), slice(left, min(left + tile, width))
            kept = _times(_within(down, rows), factor), _times(_within(across, columns), factor)
            out[:, :, _times(down, factor), _times(across, factor)] = made[:, :, kept[0], kept[1]]
    return out


def _times(part, factor):
    return slice(part.start * factor, part.stop * factor)


def _within(part, whole):
    return slice(part.start - whole.start, part.stop - whole.start)


def _ours(name, weights):
    try:
        return _loaded(find_weights(name, weights))
    except UserError:
        return None


@functools.lru_cache(maxsize=4)
def _loaded(folder):
    return Upsampler.from_pretrained(folder, torch_dtype=torch.float32).eval()


@functools.lru_cache(maxsize=1)
def _theirs(file):
    return load_realesrgan(file)


def _run(network, picture, guide=None):
    place = next(network.parameters()).device
    given = [
        None
        if array is None
        else torch.as_tensor(array, dtype=torch.float32, device=place).movedim(-1, 0)[None]
        for array in (picture, guide)
    ]
    return tiled(network, *given)[0].movedim(0, -1).cpu().numpy()


def _lanczos(picture):
    size = picture.shape[1] * FACTOR, picture.shape[0] * FACTOR
    return cv2.resize(picture.astype(np.float32), size, interpolation=cv2.INTER_LANCZOS4)


def _resized(picture, size):
    if picture.shape[:2] == tuple(size):
        return picture
    kind = cv2.INTER_AREA if size[0] < picture.shape[0] else cv2.INTER_CUBIC
    return cv2.resize(picture.astype(np.float32), size[::-1], interpolation=kind)


def _unit(vectors, inside):
    """Unit vectors inside, the nearest one's where there is none; 0 outside."""
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    there = length[..., 0] > 1e-2
    if not there.any():
        return np.zeros_like(vectors)
    unit = vectors / np.maximum(length, 1e-2)
    if (inside & ~there).any():
        at = scipy.ndimage.distance_transform_edt(~there, return_distances=False, return_indices=True)
        unit = unit[tuple(at)]
    return unit * inside[..., None]
