"""The compact generator: guide, D_r, D_n, four times as many pixels, and what the portrait shows kept as it is."""

import os

import numpy as np
import torch

from soaplib.data import HeadPose, Portrait, Views
from soaplib.head import HeadModel
from soaplib.multiview.compact.details import lay_details
from soaplib.multiview.compact.guide import Guide, make_guide
from soaplib.multiview.compact.inputs import FLIPPED, known_views, mirrored, normals_inputs, signed_views
from soaplib.multiview.compact.outlines import draw_outlines
from soaplib.multiview.compact.pipeline import NormalsPipeline, ViewsPipeline
from soaplib.multiview.compact.upsample import upsample_views
from soaplib.multiview.compact.weights import find_weights, load_pipeline
from soaplib.multiview.geometric import make_coat
from soaplib.multiview.source import resized

SIZE = 128
"""Pixels of a side of the views that the networks make."""

STEPS, GUIDANCE = 1, 1.0
"""What measured best on held-out heads."""

_NOTHING = 0.02  # masks below are no head, as in all generators


def compact_views(
    portrait: Portrait,
    head: HeadModel,
    pose: HeadPose,
    size: int = 512,
    weights: str | os.PathLike | None = None,
    steps: int = STEPS,
    guidance: float = GUIDANCE,
    eta: float = 0.0,
    seed: int = 0,
) -> Views:
    """Make six views (see `soaplib.multiview.generate`) with our own two networks.

    D_r draws the views and D_n their normals at 128 x 128, guided by the fitted head and by the portrait laid on it;
    then they are upsampled. View 0 is the portrait; in the other views its own pixels are kept where it sees the head
    well, and detail like its own is laid on the rest (`soaplib.multiview.compact.details`).

    weights: folder with the models `views` and `normals`, see `find_weights`. steps, guidance, eta: of `ViewsPipeline`;
    D_n always makes one step. seed: of the noise. About 5 s on one core.
    Raises UserError where there are no weights.
    """
    found = find_weights("views", weights)
    artist = load_pipeline(ViewsPipeline, found)
    sculptor = load_pipeline(NormalsPipeline, find_weights("normals", weights))
    guide = make_guide(portrait, head, pose, SIZE)
    stack, base = guide_tensors(guide)
    generator = torch.Generator().manual_seed(seed)
    drawn = _drawn(
        artist, stack, base, num_inference_steps=steps, guidance_scale=guidance, eta=eta, generator=generator
    )
    drawn = draw_outlines(drawn, torch.as_tensor(guide.shell_mask)[None], guide.cameras)
    normals = sculptor.decode(_sculpted(sculptor, *normals_inputs(stack, drawn), generator)).images[0]
    low = artist.decode(drawn)
    matte = portrait.matte[..., None]
    front = resized(np.concatenate([portrait.image * matte + 1 - matte, matte], -1), size).clip(0, 1)
    _, masks, normals = upsample_views(
        low.images[0], low.masks[0], normals, size / SIZE, found.parent, (front[..., :3], front[..., 3])
    )
    cameras = guide.cameras.copy()
    cameras[:, :3] *= size / SIZE
    hair = guide.hair / np.maximum(guide.shell_mask, 0.05)
    colours = lay_details(low.images[0], low.masks[0], hair, make_coat(portrait, head, pose, size, cameras))
    images = colours * masks[..., None] + 1 - masks[..., None]
    images[0], masks[0] = front[..., :3], front[..., 3]
    there = masks > _NOTHING
    images = np.where(there[..., None], images, 1)
    return Views(
        images.astype(np.float32), (normals * there[..., None]).astype(np.float32),
        (masks * there).astype(np.float32), cameras, "compact",
    )  # fmt: skip


def _drawn(artist, stack, base, **options):
    """D_r's views (1, 6, 4, S, S), what is known in them kept. One step gives a mean, and is made for the mirrored head
    too: the mean of both answers is the better one. Samples, which more steps give, have no mean worth having."""
    if options["num_inference_steps"] == 1:
        stack, base = (
            torch.cat(pair) for pair in ((stack, mirrored(stack, FLIPPED)), (base, mirrored(base)))
        )
    known, sure = known_views(stack)
    made = artist(stack, base, known=known, known_weight=sure, output_type="pt", **options).images.clamp(
        -1, 1
    )
    return made if len(made) == 1 else (made[:1] + mirrored(made[1:])) / 2


def _sculpted(sculptor, guide, base, generator):
    """D_n's normals (1, 6, 3, S, S), of the head and of its mirror image."""
    guide, base = torch.cat([guide, mirrored(guide, FLIPPED)]), torch.cat([base, mirrored(base, (0,))])
    made = sculptor(guide, base, generator=generator, output_type="pt").images
    return made[:1] + mirrored(made[1:], (0,))


def guide_tensors(guide: Guide) -> tuple[torch.Tensor, torch.Tensor]:
    """Give D_r's guide (1, 6, G, S, S) and its base (1, 6, 4, S, S), colours on white and alpha in [-1, 1]."""
    base = torch.as_tensor(np.moveaxis(guide.base, -1, 1).copy(), dtype=torch.float32)
    return torch.as_tensor(guide.stack())[None], signed_views(base[None])
