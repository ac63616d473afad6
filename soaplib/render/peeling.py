"""Depth peeling: the surfaces behind the nearest one."""

import numpy as np
import torch

from soaplib.render import memory
from soaplib.render.rasterise import checked_meshes, rasterize_layer


def peel(
    clip: torch.Tensor, faces: torch.Tensor, size, layers: int, cull: bool = False, ranges=None
) -> tuple[torch.Tensor, ...]:
    """Rasterize the nearest faces, those behind them, and so on: for hair over skin, glass, or thickness.

    Args:
        clip, faces, size, cull, ranges: as for `rasterize`.
        layers: how many, 1 or more.

    Returns:
        One (B, H, W, 4) for each layer, nearest first, each as `rasterize` returns it: each can be interpolated,
        textured and antialiased on its own. All 0 where no further face is.

    The faces at a pixel are ordered by depth, those of equal depth by index. Unlike in `rasterize`, a centre that
    lies exactly on an edge belongs to one of the faces that share it, so that no surface is met twice; at a
    border that is the face on its right, or below it.

    Raises:
        ValueError: as `rasterize`, or fewer than 1 layer.

    Source: Everitt, "Interactive Order-Independent Transparency", 2001.
    """
    clip, faces, spans, size = checked_meshes("peel", clip, faces, size, ranges)
    if layers != int(layers) or layers < 1:
        raise ValueError(f"peel: layers must be a whole number of at least 1, got {layers!r}")
    depths, owners = (
        memory.empty((len(spans), *size), np.float64),
        memory.zeros((len(spans), *size), np.int32),
    )
    depths.fill(-np.inf)
    return tuple(
        rasterize_layer(clip, faces, spans, size, bool(cull), (depths, owners)) for _ in range(int(layers))
    )
