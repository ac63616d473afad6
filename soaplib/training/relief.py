"""Strands, folds and lumps put on prepared heads: their normals, and the shading by which a picture shows them.

What a network may learn from smooth heads alone is that every head is smooth. Here waves are laid on the surface as
each view sees it; the true normals lean with their slope and the colours are shaded by a light, darker in the furrows.
So the network learns to read relief from shading, whatever the style of the head (shape from shading, Horn 1970).
"""

import math

import torch

from soaplib.data import VIEW_YAWS
from soaplib.multiview.compact.guide import CHANNELS

_HAIR = CHANNELS.index("hair")
_WAVES = 2  # in directions a little apart
_WARPS = 4  # slow waves that bend them
_DARKEST, _BRIGHTEST = 0.35, 2.0  # factors of shading


def add_relief(
    batch: dict[str, torch.Tensor], generator: torch.Generator, chosen: torch.Tensor
) -> dict[str, torch.Tensor]:
    """Give a batch (B, 6, C, S, S) with relief on the `chosen` heads (B,): on their hair, on some all over.

    Changes normals and views only; what the fitted head tells of them stays smooth, as it is of real heads.
    """
    views, normals = batch["views"], batch["normals"]
    count, device, size = len(views), views.device, views.shape[-1]

    def uniform(low, high, *shape):
        return (low + (high - low) * torch.rand(count, *shape, generator=generator)).to(device)

    chosen, everywhere = chosen.to(device), uniform(0, 1) < 0.25
    height, along, across = _waves(uniform, size)
    where = torch.where(
        _wide(everywhere), torch.ones_like(views[:, :, :1]), batch["guide"][:, :, _HAIR, None]
    )
    slope = _wide(uniform(0.3, 1.8) * torch.where(everywhere, 0.5, 1.0) * chosen) * where
    leaning = normals + slope * torch.cat([-along, across, torch.zeros_like(along)], 2)
    leaning = leaning * (normals.square().sum(2, keepdim=True) > 0.2)
    leaning = leaning / leaning.square().sum(2, keepdim=True).sqrt().clamp_min(1e-3)
    light = _lights(uniform)
    ambient = _wide(uniform(0.15, 0.8))
    before, after = (
        ambient + (1 - ambient) * (field * light).sum(2, keepdim=True).clamp_min(0)
        for field in (normals, leaning)
    )
    furrows = 1 - _wide(uniform(0.0, 0.7)) * slope.clamp_max(1) * (1 - height)
    shade = (after / before * furrows).clamp(_DARKEST, _BRIGHTEST)
    alpha = views[:, :, 3:]
    shaded = torch.cat([(views[:, :, :3] * shade).clamp_min(0).minimum(alpha), alpha], 2)
    changed = _wide(chosen)
    return batch | {
        "views": torch.where(changed, shaded, views), "normals": torch.where(changed, leaning, normals),
    }  # fmt: skip


def _wide(values):
    return values[:, None, None, None, None]


def _waves(uniform, size):
    """Heights in [0, 1], and their slopes to the right and down, of unit size: all (B, 6, 1, S, S)."""
    line = torch.arange(size, dtype=torch.float32) + 0.5
    y, x = (a.to(uniform(0, 1).device) for a in torch.meshgrid(line, line, indexing="ij"))
    period, direction = uniform(4.0, 14.0), uniform(0, math.pi)
    phase, bend = uniform(0, 2 * math.pi, 6, _WAVES + _WARPS), uniform(0.5, 3.0)
    apart, turn = uniform(-0.6, 0.6, 6, _WAVES), uniform(0, math.pi, 6, _WARPS)
    slow = 2 * math.pi / size * uniform(1.0, 4.0, 6, _WARPS)
    warp, warp_x, warp_y = 0, 0, 0
    for k in range(_WARPS):
        c, s = (f(turn[..., k])[..., None, None] for f in (torch.cos, torch.sin))
        rate = slow[..., k, None, None]
        angle = rate * (c * x + s * y) + phase[..., _WAVES + k, None, None]
        size_of = bend[:, None, None, None]
        warp = warp + size_of * torch.sin(angle)
        slant = size_of * rate * torch.cos(angle)
        warp_x, warp_y = warp_x + slant * c, warp_y + slant * s
    height, along, across = 0, 0, 0
    for k in range(_WAVES):
        turned = (direction[:, None] + apart[..., k])[..., None, None]
        rate = (math.pi / period)[:, None, None, None]
        c, s = torch.cos(turned), torch.sin(turned)
        angle = rate * (c * x + s * y) + warp + phase[..., k, None, None]
        height = height + torch.sin(angle).abs() / _WAVES  # round strands, sharp furrows
        slope = torch.cos(angle) * torch.sign(torch.sin(angle)) / _WAVES
        along = along + slope * (c + warp_x / rate)
        across = across + slope * (s + warp_y / rate)
    return height[:, :, None], along[:, :, None], across[:, :, None]


def _lights(uniform):
    """One direction of light for each head, from the front and above, in the axes of its six views (B, 6, 3, 1, 1)."""
    x, y, z = uniform(-1, 1), uniform(-0.2, 1.2), uniform(0.1, 1.2)
    yaw = torch.deg2rad(torch.tensor(VIEW_YAWS, dtype=torch.float32, device=x.device))
    c, s = torch.cos(yaw), torch.sin(yaw)
    turned = torch.stack(
        [
            x[:, None] * c + z[:, None] * s,
            y[:, None].expand(-1, len(VIEW_YAWS)),
            z[:, None] * c - x[:, None] * s,
        ],
        -1,
    )
    return (turned / turned.norm(dim=-1, keepdim=True))[..., None, None]
