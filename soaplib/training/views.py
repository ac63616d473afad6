"""Training D_r: from what the portrait and its fitted head tell to the six views."""

import dataclasses
import os
import pathlib

import torch

from soaplib.multiview.compact.guide import CHANNELS
from soaplib.multiview.compact.inputs import signed_views
from soaplib.multiview.compact.pipeline import ViewsPipeline
from soaplib.training.augment import augment
from soaplib.training.denoising import (
    DenoisingSettings,
    denoise,
    keep_pipeline,
    new_network,
    one_step,
    rows,
    train_prepared,
)

_SHELL, _SEEN = CHANNELS.index("shell_mask"), CHANNELS.index("seen_weight")
# What a pixel outside the head, one of view 0, and one the portrait shows count, where an imagined one counts 1.
_OUTSIDE, _FRONT, _SHOWN = 0.15, 0.1, 0.4


@dataclasses.dataclass(frozen=True)
class ViewsSettings(DenoisingSettings):
    """How D_r is trained: `LoopSettings` and `DenoisingSettings`."""


def train_views(
    data: str | os.PathLike, out: str | os.PathLike, settings: ViewsSettings | None = None
) -> pathlib.Path:
    """Train D_r on prepared heads (`soaplib.training.samples`), data/train, judged on data/test.

    Returns the folder of the model, for `ViewsPipeline.from_pretrained`. See `soaplib.training.loop.train` for what
    else is written to out, and for how it goes on after a stop.
    """
    settings = settings or ViewsSettings()
    return train_prepared(ViewsTask(settings), data, out, settings)


class ViewsTask:
    """D_r as `soaplib.training.loop.Task`; a batch has guide, base and views of `soaplib.training.samples`."""

    def __init__(self, settings: ViewsSettings):
        self.settings = settings
        self.network = new_network(settings, channels=4, guide_channels=len(CHANNELS), base_spread=0.4)

    def loss(self, network, batch, generator):
        """Squared error of the network's output, most of it counted where the views are imagined."""
        batch = augment(batch, generator)
        clean = signed_views(batch["views"])
        made = denoise(
            network,
            self.network,
            clean,
            batch["guide"],
            signed_views(batch["base"]),
            self.settings,
            generator,
        )
        error = (made.correction - made.target).square()
        weight = _weight(batch)
        terms = {"colour": (weight * error[:, :, :3]).mean(), "mask": (weight * error[:, :, 3:]).mean()}
        return {"loss": 3 * terms["colour"] + terms["mask"], **terms}

    def measure(self, network, batch):
        """See `unseen_psnr` and `mask_iou`; those of the guide's base are given beside them."""
        truth, base = signed_views(batch["views"]), signed_views(batch["base"])
        made = one_step(network, batch["guide"], base)
        return {
            "psnr": unseen_psnr(made, truth), "iou": mask_iou(made, truth),
            "base_psnr": unseen_psnr(base, truth), "base_iou": mask_iou(base, truth),
        }  # fmt: skip

    def sheet(self, network, batch):
        """Rows of the base, the network's views, their masks, and the truth."""
        base, truth = signed_views(batch["base"]), signed_views(batch["views"])
        made = one_step(network, batch["guide"], base)
        mask = made[:, :, 3:].expand(-1, -1, 3, -1, -1)
        return rows(base[:, :, :3], made[:, :, :3], mask, truth[:, :, :3])

    def keep(self, network, folder):
        """Write a `ViewsPipeline`."""
        keep_pipeline(ViewsPipeline, network, folder)


def unseen_psnr(made: torch.Tensor, truth: torch.Tensor) -> float:
    """Give the mean PSNR of views 1-5 on white inside the union of the masks; both (B, V, 4, S, S) in [-1, 1]."""
    union = ((made[:, 1:, 3] > 0) | (truth[:, 1:, 3] > 0)).float()
    error = ((made - truth)[:, 1:, :3].clamp(-2, 2) / 2).square().mean(2)
    mean = (error * union).sum((-1, -2)) / union.sum((-1, -2)).clamp_min(1)
    return float((-10 * mean.clamp_min(1e-10).log10()).mean())


def mask_iou(made: torch.Tensor, truth: torch.Tensor) -> float:
    """Give the mean intersection over union of the masks of views 1-5."""
    a, b = made[:, 1:, 3] > 0, truth[:, 1:, 3] > 0
    return float(((a & b).sum((-1, -2)) / (a | b).sum((-1, -2)).clamp_min(1)).mean())


def _weight(batch):
    """What each pixel counts (B, V, 1, S, S)."""
    guide, views = batch["guide"], batch["views"]
    region = torch.maximum(guide[:, :, _SHELL, None], views[:, :, 3:])
    weight = _OUTSIDE + (1 - _OUTSIDE) * region
    weight = weight * (1 - (1 - _SHOWN) * guide[:, :, _SEEN, None])
    front = torch.ones_like(weight)
    front[:, 0] = _FRONT
    return weight * front
