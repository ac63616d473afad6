"""Change prepared samples so that real pictures are among what a network has seen.

Colours are changed alike in what is known and what is wanted: then the networks learn to carry colours over, whatever
they are. Blur, noise, JPEG and occlusion are put on what is known alone: the wanted views stay clean.

All take batches (B, 6, C, S, S) as `soaplib.training.prepared.PreparedHeads` gives them, draw one set of numbers per
head from a generator of the CPU, work on the batch's device, and return new tensors.
"""

import functools
import math

import torch
from torch.nn import functional

from soaplib.multiview.compact.guide import CHANNELS

_SEEN, _MIRRORED = (CHANNELS.index(f"{name}.r") for name in ("seen", "mirrored"))  # RGB, then their weight
_LEAST = 1e-3  # alpha or weight below which there is no colour
_LUMA = (0.299, 0.587, 0.114)


def augment(batch: dict[str, torch.Tensor], generator: torch.Generator) -> dict[str, torch.Tensor]:
    """Give an augmented batch with the keys guide, base, views and normals: `recolour`, then `degrade`."""
    return degrade(recolour(batch, generator), generator)


def recolour(batch: dict[str, torch.Tensor], generator: torch.Generator) -> dict[str, torch.Tensor]:
    """Change saturation, hue, the gain of each channel, contrast and gamma of whole heads, one in seven not at all."""
    count, device = len(batch["guide"]), batch["guide"].device
    draw = _Draw(generator, count, device)
    matrix = _turn_hue(draw.normal(0.15)) @ _saturate(torch.exp(draw.normal(0.3)))
    gain = torch.exp(draw.normal(0.15)[:, None] + draw.normal(0.1, 3))
    contrast, gamma = torch.exp(draw.normal(0.12)), torch.exp(draw.normal(0.2))
    changed = draw.chance(6 / 7)
    identity = torch.eye(3, device=device)
    matrix = torch.where(
        changed[:, None, None], gain[:, :, None] * matrix * contrast[:, None, None], identity
    )
    shift = torch.where(changed, 0.45 * (1 - contrast), torch.zeros(()).to(device))
    gamma = torch.where(changed, gamma, torch.ones(()).to(device))

    def change(colours, weight):
        straight = colours / weight.clamp_min(_LEAST)
        straight = torch.einsum("bij,bvjhw->bvihw", matrix, straight) + shift[:, None, None, None, None]
        return straight.clamp(1e-4, 1) ** gamma[:, None, None, None, None] * weight

    return _on_colours(batch, change) | _on_rgba(batch, "views", change)


def degrade(batch: dict[str, torch.Tensor], generator: torch.Generator) -> dict[str, torch.Tensor]:
    """Blur what is known, put noise and JPEG's errors on it, hide parts of it, and doubt the weights."""
    count, device = len(batch["guide"]), batch["guide"].device
    draw = _Draw(generator, count, device)
    blurred = draw.uniform(0.3, 1.3) * draw.chance(0.4)
    noise = draw.uniform(0.0, 0.05) * draw.chance(0.5)
    quality = torch.where(draw.chance(0.4), draw.uniform(0.01, 0.08), torch.zeros(()).to(device))

    def change(colours, weight):
        out = _blur(colours, blurred) / _blur(weight, blurred).clamp_min(_LEAST)
        out = out + draw.like(out) * noise[:, None, None, None, None]
        return _jpeg(out, quality).clamp(0, 1) * weight

    out = _on_colours(batch, change)
    guide, base = out["guide"].clone(), out["base"]
    hidden = _blobs(draw, guide.shape[-1]) * draw.chance(0.35)[:, None, None, None, None]
    coarse = _blur(base, torch.full_like(noise, 8.0))
    coarse = coarse[:, :, :3] / coarse[:, :, 3:].clamp_min(_LEAST) * base[:, :, 3:]
    rgb = base[:, :, :3] + hidden * (coarse - base[:, :, :3])
    for first, lost, doubt in ((_SEEN, 0.03, 0.25), (_MIRRORED, 0.15, 0.35)):
        share = 1 - draw.chance(lost).float()
        weight = guide[:, :, first + 3 : first + 4]
        doubted = weight ** torch.exp(draw.normal(doubt))[:, None, None, None, None]
        doubted = doubted * share[:, None, None, None, None] * (1 - hidden)
        doubted = (
            torch.cat([weight[:, :1] * (1 - hidden[:, :1]), doubted[:, 1:]], 1) if first == _SEEN else doubted
        )
        guide[:, :, first : first + 3] *= doubted / weight.clamp_min(_LEAST)
        guide[:, :, first + 3 : first + 4] = doubted
    return out | {"guide": guide, "base": torch.cat([rgb, base[:, :, 3:]], 2)}


def degrade_views(views: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Give views (B, 6, 4, S, S), RGB premultiplied by alpha, as blurred and noisy as generated ones may be.

    View 0, the portrait, is blurred less.
    """
    draw = _Draw(generator, len(views), views.device)
    blurred, noise = draw.uniform(0.0, 2.0), draw.uniform(0.0, 0.03)
    soft = _blur(views, blurred)
    soft = torch.cat([_blur(views[:, :1], blurred / 4), soft[:, 1:]], 1)
    return (soft + draw.like(soft) * noise[:, None, None, None, None] * soft[:, :, 3:]).clamp(0, 1)


class _Draw:
    """Random numbers for `count` heads, drawn on the CPU so that they are the same on every device."""

    def __init__(self, generator, count, device):
        self.generator, self.count, self.device = generator, count, device

    def normal(self, size, *shape):
        return size * torch.randn(self.count, *shape, generator=self.generator).to(self.device)

    def uniform(self, low, high, *shape):
        return low + (high - low) * torch.rand(self.count, *shape, generator=self.generator).to(self.device)

    def chance(self, share):
        return self.uniform(0, 1) < share

    def like(self, values):
        return torch.randn(values.shape, generator=self.generator).to(values)


def _on_colours(batch, change):
    """Change the known colours of a batch: of the guide and of the base."""
    guide = batch["guide"].clone()
    for first in (_SEEN, _MIRRORED):
        rgb, weight = guide[:, :, first : first + 3], guide[:, :, first + 3 : first + 4]
        guide[:, :, first : first + 3] = change(rgb, weight)
    return batch | {"guide": guide} | _on_rgba(batch, "base", change)


def _on_rgba(batch, name, change):
    rgb, alpha = batch[name][:, :, :3], batch[name][:, :, 3:]
    return {name: torch.cat([change(rgb, alpha), alpha], 2)}


def _saturate(factor):
    """(B, 3, 3) that moves colours away from their grey by a factor (B,)."""
    grey = torch.tensor(_LUMA, device=factor.device).expand(3, 3)
    return grey + factor[:, None, None] * (torch.eye(3, device=factor.device) - grey)


def _turn_hue(angle):
    """(B, 3, 3) that turns colours about the grey axis by angles (B,) in radians."""
    c, s = torch.cos(angle)[:, None, None], torch.sin(angle)[:, None, None]
    third, root = torch.full((3, 3), 1 / 3), 1 / math.sqrt(3)
    cross = root * torch.tensor([[0.0, -1.0, 1.0], [1.0, 0.0, -1.0], [-1.0, 1.0, 0.0]])
    return c * torch.eye(3).to(angle) + (1 - c) * third.to(angle) + s * cross.to(angle)


def _blur(images, sigma):
    """Blur (B, V, C, S, S) by Gaussians of sigma (B,) pixels, one for each head."""
    shape, reach = images.shape, max(1, math.ceil(2.5 * float(sigma.max())))
    at = torch.arange(-reach, reach + 1, device=images.device, dtype=images.dtype)
    kernel = torch.exp(-0.5 * (at / sigma.clamp_min(1e-2)[:, None]) ** 2)
    kernel = kernel / kernel.sum(1, keepdim=True)
    per_head = math.prod(shape[1:3])
    flat = images.reshape(1, -1, *shape[3:])
    kernel = kernel.repeat_interleave(per_head, 0)
    flat = functional.conv2d(flat, kernel[:, None, None, :], padding=(0, reach), groups=flat.shape[1])
    flat = functional.conv2d(flat, kernel[:, None, :, None], padding=(reach, 0), groups=flat.shape[1])
    return flat.reshape(shape)


@functools.cache
def _cosines():
    """The orthonormal DCT-II of 8 samples (8, 8), JPEG's."""
    k, n = torch.arange(8.0)[:, None], torch.arange(8.0)[None]
    matrix = torch.cos(math.pi / 8 * (n + 0.5) * k) * 0.5
    matrix[0] = math.sqrt(1 / 8)
    return matrix


def _jpeg(images, step):
    """Round the cosines of 8 x 8 blocks of (B, V, 3, S, S) to steps (B,), larger for finer waves, as JPEG does."""
    if not bool((step > 0).any()):
        return images
    batch, views, channels, size, _ = images.shape
    cosines = _cosines().to(images)
    blocks = images.reshape(batch, views, channels, size // 8, 8, size // 8, 8)
    waves = torch.einsum("pi,bvcyixj,qj->bvcypxq", cosines, blocks, cosines)
    wave = torch.arange(8.0, device=images.device)
    steps = step[:, None, None] * (1 + wave[:, None] + wave[None])
    steps = steps.clamp_min(1e-6)[:, None, None, None, :, None, :]
    waves = torch.round(waves / steps) * steps
    out = torch.einsum("pi,bvcypxq,qj->bvcyixj", cosines, waves, cosines).reshape(images.shape)
    return torch.where((step > 0)[:, None, None, None, None], out, images)


def _blobs(draw, size):
    """(B, 6, 1, S, S): 1 within an ellipse of each view, somewhere on the head."""
    middle, radius, lean = (
        draw.uniform(0.25, 0.75, 6, 2),
        draw.uniform(0.05, 0.22, 6, 2),
        draw.uniform(0, 3.14, 6),
    )
    at = (torch.arange(size, device=draw.device) + 0.5) / size
    x, y = at - middle[..., 0, None], at - middle[..., 1, None]
    c, s = torch.cos(lean)[..., None, None], torch.sin(lean)[..., None, None]
    along = (c * x[..., None, :] + s * y[..., :, None]) / radius[..., 0, None, None]
    across = (c * y[..., :, None] - s * x[..., None, :]) / radius[..., 1, None, None]
    return ((along**2 + across**2) < 1).float()[:, :, None]
