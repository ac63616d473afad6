"""A small UNet over six views: it corrects what the fitted head already tells about each of them."""

import math
from typing import NamedTuple

import torch
import torch.nn.functional as functional
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.attention_processor import Attention
from diffusers.models.modeling_utils import ModelMixin
from torch import nn

from soaplib.multiview.attention import AcrossViews

_GROUPS = 16
_EMBEDDING = 128
_HEAD = 32


class CompactOutput(NamedTuple):
    """sample: (B, V, C, S, S), the estimate of the clean views x_0. correction: (B, V, C, S, S), the network's own
    output F, of unit size, from which it is made (`CompactUNet.target` gives what F should have been)."""

    sample: torch.Tensor
    correction: torch.Tensor


class CompactUNet(ModelMixin, ConfigMixin):
    """Estimate clean views from noisy ones, a guide, and a first estimate (the base).

    The noisy views are x_t = a x_0 + s e with a^2 + s^2 = 1. Where the base is off by a deviation b (`base_spread`),
    the best linear estimate of x_0 from the base and x_t is base + k (x_t - a base), k = a b^2 / (a^2 b^2 + s^2), and
    it is off by b s / sqrt(a^2 b^2 + s^2): the network's output F, of unit size, is scaled by that and added. This is
    the preconditioning of Karras et al. 2022 (arXiv 2206.00364, section 5) with the base as the mean instead of zero.
    F starts at zero, so at pure noise (a = 0) an untrained network gives the base. Of the noisy views the network is
    told k (x_t - a base), which fades as they do: pure noise, that tells nothing, is not told at all.

    The network starts on patches and halves the picture at each further width. Time and view scale and shift every
    residual block; the views see each other by joint self-attention at the levels `attention` names: over "all" tokens
    of all views, or over "rows": the cameras turn about the picture's vertical axis, so what is in a row of one view
    is in the same row of all (their epipolar lines), at a fraction of the price. Rows, columns and the guide's
    channels `place` (canonical positions on the head) tell which place each token shows.

    channels: of the views, 4 for RGBA, 3 for normals. guide_channels: of the guide. widths: channels of each level.
    depths: residual blocks of each level, on the way down and again on the way up. attention: "all", "rows" or "" for
    each level. place: first and last (exclusive) guide channel of the canonical positions. patch: pixels of a side of
    the first level's tokens.
    """

    @register_to_config
    def __init__(
        self,
        channels: int = 4,
        guide_channels: int = 20,
        widths: tuple[int, ...] = (32, 64, 128, 192),
        depths: tuple[int, ...] = (1, 1, 1, 1),
        attention: tuple[str, ...] = ("", "", "rows", "all"),
        place: tuple[int, int] = (8, 11),
        patch: int = 2,
        base_spread: float = 0.4,
        n_views: int = 6,
    ):
        super().__init__()
        last = len(widths) - 1
        self.time = nn.Sequential(
            nn.Linear(_EMBEDDING, _EMBEDDING), nn.SiLU(), nn.Linear(_EMBEDDING, _EMBEDDING)
        )
        self.view = nn.Embedding(n_views, _EMBEDDING)
        self.enter = nn.Conv2d(2 * channels + guide_channels + 2, widths[0], patch, stride=patch)
        self.down = nn.ModuleList(
            nn.ModuleList(_Residual(width) for _ in range(depth))
            for width, depth in zip(widths, depths, strict=True)
        )
        self.across = nn.ModuleList(
            _Across(width, n_views, reach == "rows") if reach else None
            for width, reach in zip(widths, attention, strict=True)
        )
        self.shrink = nn.ModuleList(nn.Conv2d(widths[i], widths[i + 1], 2, stride=2) for i in range(last))
        self.grow = nn.ModuleList(nn.Conv2d(widths[i + 1], 4 * widths[i], 1) for i in range(last))
        self.up = nn.ModuleList(
            nn.ModuleList(_Residual(widths[i]) for _ in range(depths[i])) for i in range(last)
        )
        self.normalise = nn.GroupNorm(_GROUPS, widths[0])
        self.leave = nn.Conv2d(widths[0], patch**2 * channels, 3, padding=1)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)

    def forward(
        self,
        sample: torch.Tensor,
        signal: torch.Tensor,
        guide: torch.Tensor,
        base: torch.Tensor,
        labels: torch.Tensor | None = None,
    ) -> CompactOutput:
        """Give the estimate of the clean views.

        sample: (B, V, C, S, S) noisy views, S a multiple of the last level's tokens. signal: (B,) the factor a in
        [0, 1] of the clean views in them. guide: (B, V, G, S, S). base: (B, V, C, S, S). labels: (V,) which of the six
        views each one is, 0 to V - 1 if not given.
        """
        b, v, c, size, _ = sample.shape
        change, scale = self._linear(sample, signal, base)
        grid = _grid(size, sample)
        x = torch.cat([change / self.config.base_spread, base, guide], 2).flatten(0, 1)
        x = self.enter(torch.cat([x, grid.expand(b * v, -1, -1, -1)], 1))
        place = guide[:, :, slice(*self.config.place)].flatten(0, 1)
        place = torch.cat([place, grid.expand(b * v, -1, -1, -1)], 1)
        labels = torch.arange(v, device=sample.device) if labels is None else labels
        embedding = self.time(_waves(signal)).to(x.dtype)[:, None] + self.view(labels)[None]
        embedding = functional.silu(embedding.flatten(0, 1))
        kept = []
        for i, blocks in enumerate(self.down):
            for block in blocks:
                x = block(x, embedding)
            if self.across[i] is not None:
                x = self.across[i](x, place)
            if i < len(self.shrink):
                kept.append(x)
                x = self.shrink[i](x)
        for i in reversed(range(len(self.grow))):
            x = functional.pixel_shuffle(self.grow[i](x), 2) + kept[i]
            for block in self.up[i]:
                x = block(x, embedding)
        x = functional.pixel_shuffle(self.leave(functional.silu(self.normalise(x))), self.config.patch)
        correction = x.float().view(b, v, c, size, size)
        return CompactOutput(base + change + scale * correction, correction)

    def target(self, sample, signal, clean, base) -> torch.Tensor:
        """Give the correction F (B, V, C, S, S) that would have made the estimate equal the clean views."""
        change, scale = self._linear(sample, signal, base)
        return (clean - base - change) / scale

    def _linear(self, sample, signal, base):
        """The best linear estimate of x_0 less the base, and by how much it is off (B, 1, 1, 1, 1)."""
        a, spread = signal[:, None, None, None, None], self.config.base_spread
        noise = (1 - a * a).clamp_min(1e-6)
        variance = a * a * spread**2 + noise
        return a * spread**2 / variance * (sample - a * base), spread * (noise / variance).sqrt()


class _Residual(nn.Module):
    """Two 3x3 convolutions about a scale and shift from the embedding of time and view."""

    def __init__(self, width):
        super().__init__()
        self.normalise1, self.normalise2 = nn.GroupNorm(_GROUPS, width), nn.GroupNorm(_GROUPS, width)
        self.convolve1, self.convolve2 = (nn.Conv2d(width, width, 3, padding=1) for _ in range(2))
        self.embed = nn.Linear(_EMBEDDING, 2 * width)
        nn.init.zeros_(self.embed.weight)
        nn.init.zeros_(self.embed.bias)

    def forward(self, x, embedding):
        hidden = self.convolve1(functional.silu(self.normalise1(x)))
        scale, shift = self.embed(embedding)[..., None, None].chunk(2, 1)
        hidden = self.normalise2(hidden) * (1 + scale) + shift
        return x + self.convolve2(functional.silu(hidden))


class _Across(nn.Module):
    """Joint self-attention of the pixels of all views of one object, told where each one lies."""

    def __init__(self, width, n_views, in_rows):
        super().__init__()
        self.n_views, self.in_rows = n_views, in_rows
        self.normalise = nn.GroupNorm(_GROUPS, width)
        self.place = nn.Linear(4 * 5, width)
        heads = max(1, width // _HEAD)
        self.attend = Attention(width, heads=heads, dim_head=width // heads, processor=AcrossViews(n_views))

    def forward(self, x, place):
        size = x.shape[-1]
        place = functional.adaptive_avg_pool2d(place, size).movedim(1, -1)
        place = torch.cat([f(n * math.pi / 2 * place) for n in (1, 4) for f in (torch.sin, torch.cos)], -1)
        hidden = self.normalise(x).movedim(1, -1) + self.place(place)  # (B V, S, S, C)
        if not self.in_rows:
            hidden = self.attend(hidden.flatten(1, 2)).reshape(hidden.shape)
        else:
            views = hidden.view(-1, self.n_views, *hidden.shape[1:])
            rows = views.transpose(
                1, 2
            )  # (B, S, V, S, C): each row of an object is an object of V short views
            rows = self.attend(rows.reshape(-1, *rows.shape[3:])).reshape(rows.shape)
            hidden = rows.transpose(1, 2).reshape(hidden.shape)
        return x + hidden.movedim(-1, 1)


def _grid(size, like):
    """Rows and columns (1, 2, S, S) from -1 to 1."""
    line = (torch.arange(size, device=like.device, dtype=like.dtype) + 0.5) * (2 / size) - 1
    return torch.stack(torch.meshgrid(line, line, indexing="ij"))[None]


def _waves(signal):
    """Sines and cosines (B, E) of the angle whose cosine is the signal, which is 0 at no noise and pi/2 at noise."""
    angle = torch.arccos(signal.float().clamp(0, 1))[:, None]
    rates = torch.exp(torch.linspace(0, math.log(64), _EMBEDDING // 2, device=signal.device))
    return torch.cat([torch.sin(angle * rates), torch.cos(angle * rates)], 1)
