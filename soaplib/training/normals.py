"""Training D_n: from six views and the fitted head's normals to the six views' normals."""

import dataclasses
import os
import pathlib

import torch
import torch.nn.functional as functional

from soaplib.multiview.compact.guide import CHANNELS
from soaplib.multiview.compact.inputs import (
    NORMALS_CHANNELS,
    known_views,
    normals_inputs,
    signed_views,
)
from soaplib.multiview.compact.outlines import draw_outlines
from soaplib.multiview.compact.pipeline import NormalsPipeline, ViewsPipeline
from soaplib.training.augment import augment, degrade_views, recolour
from soaplib.training.denoising import (
    DenoisingSettings,
    denoise,
    keep_pipeline,
    new_network,
    one_step,
    rows,
    train_prepared,
)
from soaplib.training.relief import add_relief

_SHELL = CHANNELS.index("shell_mask")
_OUTSIDE = 0.05  # what a pixel outside the head counts


@dataclasses.dataclass(frozen=True)
class NormalsSettings(DenoisingSettings):
    """How D_n is trained: `DenoisingSettings`, and views_model: folder of a D_r whose views stand for the true ones in
    the share `imagined` of the heads, so that D_n knows how they look; without one the true views are blurred.
    relief: the share of the other heads that get strands and folds (`soaplib.training.relief`)."""

    last_step: float = 0.7
    views_model: str | None = None
    imagined: float = 0.5
    relief: float = 0.4


def train_normals(
    data: str | os.PathLike, out: str | os.PathLike, settings: NormalsSettings | None = None
) -> pathlib.Path:
    """Train D_n on prepared heads (`soaplib.training.samples`), data/train, judged on data/test with the true views.

    Returns the folder of the model, for `NormalsPipeline.from_pretrained`. See `soaplib.training.loop.train` for what
    else is written to out, and for how it goes on after a stop.
    """
    settings = settings or NormalsSettings()
    return train_prepared(NormalsTask(settings), data, out, settings)


class NormalsTask:
    """D_n as `soaplib.training.loop.Task`; a batch has guide, base, views and normals of `soaplib.training.samples`."""

    def __init__(self, settings: NormalsSettings):
        self.settings = settings
        self.network = new_network(settings, channels=3, guide_channels=NORMALS_CHANNELS, base_spread=0.35)
        folder = settings.views_model
        self.artist = None if folder is None else ViewsPipeline.from_pretrained(folder).unet.eval()

    def loss(self, network, batch, generator):
        """Squared error of the network's output, and inside the masks the length of the difference of unit normals."""
        batch, views = self._varied(batch, generator)
        guide, base = normals_inputs(batch["guide"], views)
        clean, inside = batch["normals"], batch["views"][:, :, 3:]
        made = denoise(network, self.network, clean, guide, base, self.settings, generator)
        weight = _OUTSIDE + (1 - _OUTSIDE) * inside
        square = (weight * (made.correction - made.target).square()).mean()
        apart = functional.normalize(made.estimate, dim=2, eps=1e-3) - clean
        chord = (apart.square().sum(2, keepdim=True) + 1e-4).sqrt()
        chord = (chord * inside).sum() / inside.sum().clamp_min(1)
        return {"loss": square + chord, "square": square, "chord": chord}

    def measure(self, network, batch):
        """Mean angles to the true normals: with the true views, with D_r's, and the fitted head's own."""
        truth, inside = batch["normals"], batch["views"][:, :, 3] > 0.5
        guide, base = normals_inputs(batch["guide"], signed_views(batch["views"]))
        made = one_step(network, guide, base)
        head = batch["guide"][:, :, :3]
        measured = {"degrees": mean_angle(made, truth, inside), "base_degrees": mean_angle(base, truth, inside),
                    "head_degrees": mean_angle(head, truth, inside & (batch["guide"][:, :, 3] > 0.5))}  # fmt: skip
        if self.artist is not None:
            guide, base = normals_inputs(batch["guide"], self._artists(batch))
            measured["imagined_degrees"] = mean_angle(one_step(network, guide, base), truth, inside)
        return measured

    def sheet(self, network, batch):
        """Rows of the views, the base, the network's normals, and the truth."""
        views = signed_views(batch["views"])
        guide, base = normals_inputs(batch["guide"], views)
        made = functional.normalize(one_step(network, guide, base), dim=2)
        inside = batch["views"][:, :, 3:]
        return rows(views[:, :, :3], base * inside, made * inside, batch["normals"])

    def keep(self, network, folder):
        """Write a `NormalsPipeline`."""
        keep_pipeline(NormalsPipeline, network, folder)

    def _varied(self, batch, generator):
        """An augmented batch, and its views (B, V, 4, S, S) as true, or as D_r may have made them."""
        chance = torch.rand(2, len(batch["views"]), generator=generator)
        imagined = chance[0] < self.settings.imagined
        batch = add_relief(batch, generator, ~imagined & (chance[1] < self.settings.relief))
        # D_n is told no colours but the views': those of the guide matter to D_r alone.
        batch = augment(batch, generator) if imagined.any() else recolour(batch, generator)
        views = signed_views(batch["views"])
        if imagined.any():
            chosen = imagined.to(views.device)[:, None, None, None, None]
            made = (
                signed_views(degrade_views(batch["views"], generator))
                if self.artist is None
                else self._artists(batch)
            )
            views = torch.where(chosen, made, views)
        return batch, views

    @torch.no_grad()
    def _artists(self, batch):
        made = one_step(self.artist.to(batch["guide"].device), batch["guide"], signed_views(batch["base"]))
        known, weight = known_views(batch["guide"])
        return draw_outlines(torch.lerp(made, known, weight).clamp(-1, 1), batch["guide"][:, :, _SHELL], None)


def mean_angle(normals: torch.Tensor, truth: torch.Tensor, inside: torch.Tensor) -> float:
    """Give the mean angle in degrees between normals (B, V, 3, S, S) where inside (B, V, S, S)."""
    cosine = (functional.normalize(normals.float(), dim=2) * truth).sum(2).clamp(-1, 1)
    return float(torch.rad2deg(torch.arccos(cosine))[inside].mean())
