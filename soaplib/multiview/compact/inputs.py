"""What the two compact networks are given and what they should give, as tensors in [-1, 1]."""

import torch
import torch.nn.functional as functional

from soaplib.multiview.compact.guide import CHANNELS, SIGNED

PLACE = (CHANNELS.index("places.x"), CHANNELS.index("places.z") + 1)
"""Where the canonical positions lie among the guide's channels, and those of `normals_inputs` (`CompactUNet.place`)."""

_HEAD, _SHELL = (
    slice(CHANNELS.index(f"{name}_normals.x"), CHANNELS.index(f"{name}_mask")) for name in ("head", "shell")
)
_HEAD_MASK = CHANNELS.index("head_mask")
_HAIR = CHANNELS.index("hair")
_SEEN = CHANNELS.index("seen.r")
_GEOMETRY = _SEEN  # all channels before the portrait's colours

NORMALS_CHANNELS = _GEOMETRY + 4
"""Channels of what D_n is guided by: the guide's geometry, then a view's colours on white and its mask."""

FLIPPED = tuple(k for k, name in enumerate(CHANNELS) if k in SIGNED and name.endswith(".x"))
"""Channels of either guide that change their sign in a mirror; of normals it is the first."""

_SWAPPED = (0, 3, 2, 1, 5, 4)  # the view that a mirror image shows in place of each


def signed_views(premultiplied: torch.Tensor) -> torch.Tensor:
    """Turn RGB premultiplied by alpha, and alpha (B, V, 4, S, S) in [0, 1], into colours on white and alpha."""
    colours, alpha = premultiplied[:, :, :3], premultiplied[:, :, 3:]
    return 2 * torch.cat([colours + 1 - alpha, alpha], 2) - 1


def known_views(guide: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Give what the portrait shows of the views, as `signed_views`, and how surely (B, V, 4, S, S).

    guide: (B, V, G, S, S). In view 0 all is known; elsewhere the colours that the portrait shows, but no mask.
    """
    seen = guide[:, :, _SEEN : _SEEN + 4]
    weight = seen[:, :, 3:]
    colours = seen[:, :, :3] / weight.clamp_min(1e-3)
    front = torch.zeros_like(weight)
    front[:, 0] = 1
    known = torch.cat([2 * colours.clamp(0, 1) - 1, 2 * weight - 1], 2)
    known = torch.lerp(known, signed_views(seen), front)
    return known, torch.cat([torch.maximum(weight, front).expand_as(colours), front], 2)


def normals_inputs(guide: torch.Tensor, views: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Give D_n's guide (B, V, `NORMALS_CHANNELS`, S, S) and base (B, V, 3, S, S).

    guide: of D_r. views: (B, V, 4, S, S) colours on white and alpha in [-1, 1]. The base has the fitted head's normals
    where it is seen and bears no hair, else those of the swollen head, and none outside the views' masks.
    """
    alpha = views[:, :, 3:] / 2 + 0.5
    head, shell = guide[:, :, _HEAD], guide[:, :, _SHELL]
    shown = guide[:, :, _HEAD_MASK, None] * (
        head[:, :, 2:] > 0
    )  # the head model is open below: not its inside
    bare = (1 - guide[:, :, _HAIR, None]) * shown
    base = functional.normalize(torch.lerp(shell, head, bare), dim=2)
    return torch.cat([guide[:, :, :_GEOMETRY], views], 2), base * alpha


def mirrored(values: torch.Tensor, flipped: tuple[int, ...] = ()) -> torch.Tensor:
    """Give what belongs to the mirrored head: left and right views (..., 6, C, S, S) change places, and the channels
    `flipped` their sign."""
    out = values[..., list(_SWAPPED), :, :, :].flip(-1)
    out[..., list(flipped), :, :] *= -1
    return out
