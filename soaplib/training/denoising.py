"""What the trainings of D_r and D_n share: noise, the network's target, the measure of one step, and the model kept."""

import dataclasses
import os
import pathlib

import numpy as np
import torch

from soaplib.errors import UserError
from soaplib.multiview.compact.inputs import PLACE
from soaplib.multiview.compact.pipeline import make_scheduler, without_condition
from soaplib.multiview.compact.unet import CompactUNet
from soaplib.training.loop import LoopSettings, Source, Task, train
from soaplib.training.prepared import PreparedHeads, mirror


@dataclasses.dataclass(frozen=True)
class DenoisingSettings(LoopSettings):
    """`LoopSettings`, and of a `CompactUNet`: its widths, depths and attention; dropout: the share of heads whose
    condition is withheld, for guidance; last_step: the share drawn at pure noise, where one step gives the conditional
    mean; start: folder of a trained model of the same
    layout, such as data/weights/views, whose weights to begin with."""

    widths: tuple[int, ...] = (32, 64, 128, 192)
    depths: tuple[int, ...] = (1, 1, 1, 1)
    attention: tuple[str, ...] = ("", "", "rows", "all")
    dropout: float = 0.1
    last_step: float = 0.5
    start: str | None = None


@dataclasses.dataclass(frozen=True)
class Denoised:
    """A network's answer to noisy views at a drawn step; all (B, V, C, S, S) but signal (B,), a in x_t = a x_0 + s e.

    estimate: of the clean views. correction: the network's own output, target: what it should have been.
    """

    estimate: torch.Tensor
    correction: torch.Tensor
    target: torch.Tensor
    signal: torch.Tensor


def new_network(settings: DenoisingSettings, **config) -> CompactUNet:
    """Make the network of the settings, its first weights those of `start`, or drawn from their seed.

    Raises UserError where `start` holds no model, or one of another layout.
    """
    with torch.random.fork_rng(devices=[]):  # modules draw from the global generator, which stays as it was
        torch.random.manual_seed(settings.seed)
        network = CompactUNet(
            widths=settings.widths,
            depths=settings.depths,
            attention=settings.attention,
            place=PLACE,
            **config,
        )
    if settings.start is not None:
        _begin_with(network, pathlib.Path(settings.start))
    return network


def _begin_with(network, folder):
    if not (folder / "unet" / "config.json").exists():
        raise UserError(f"The training was to start from the model in {folder}, but there is none.")
    given, own = CompactUNet.from_pretrained(folder / "unet").state_dict(), network.state_dict()
    if given.keys() != own.keys() or any(own[name].shape != value.shape for name, value in given.items()):
        raise UserError(
            f"The model in {folder} has another layout (widths, depths, attention) than the settings."
        )
    network.load_state_dict(given)


def denoise(network, core, clean, guide, base, settings, generator) -> Denoised:
    """Noise clean views to a drawn step, withhold the condition of some, and let the network estimate them.

    network: `CompactUNet` as it is to be called (wrapped for several devices), core: as it is. generator: of the CPU.
    """
    heads, device = len(clean), clean.device
    signals = make_scheduler().alphas_cumprod.sqrt()
    chance = torch.rand(2, heads, generator=generator)
    step = torch.randint(len(signals), (heads,), generator=generator)
    signal = torch.where(chance[0] < settings.last_step, signals[-1], signals[step]).to(device)
    withheld = (chance[1] < settings.dropout).to(device)[:, None, None, None, None]
    free = without_condition(guide, base)
    guide, base = torch.where(withheld, free[0], guide), torch.where(withheld, free[1], base)
    noise = torch.randn(clean.shape, generator=generator).to(device)
    a = signal[:, None, None, None, None]
    noisy = a * clean + (1 - a * a).sqrt() * noise
    output = network(noisy, signal, guide, base)
    return Denoised(output.sample, output.correction, core.target(noisy, signal, clean, base), signal)


def one_step(network, guide, base) -> torch.Tensor:
    """Give the estimate (B, V, C, S, S) from pure noise, of which the network sees nothing."""
    return network(base, base.new_zeros(len(base)), guide, base).sample


def keep_pipeline(pipeline_class: type, network: CompactUNet, folder: pathlib.Path) -> None:
    """Write the network as a pipeline in half precision."""
    copy = CompactUNet.from_config(network.config)
    copy.load_state_dict(network.state_dict())
    pipeline_class(copy.half(), make_scheduler()).save_pretrained(folder)


def train_prepared(
    task: Task, data: str | os.PathLike, out: str | os.PathLike, settings: LoopSettings
) -> pathlib.Path:
    """Train a task on the prepared heads of data/train, judged on data/test; see `soaplib.training.loop.train`."""
    data = pathlib.Path(data)
    return train(task, prepared(data / "train"), prepared(data / "test"), out, settings)


def prepared(folder: pathlib.Path) -> Source:
    """Give the prepared heads of a folder, half of them mirrored where random numbers are given.

    Raises UserError where there is none.
    """
    data = PreparedHeads(folder)

    def load(index, rng):
        sample = data[index]
        return mirror(sample) if rng is not None and rng.random() < 0.5 else sample

    return Source(len(data), load)


def rows(*pictures: torch.Tensor) -> np.ndarray:
    """Lay out pictures (B, V, 3, S, S) in [-1, 1]: a row of V for each, head after head; (H, W, 3) uint8."""
    stack = torch.stack([p.float().cpu() for p in pictures], 1).flatten(0, 1)
    stack = ((stack.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)
    return stack.permute(0, 3, 1, 4, 2).flatten(0, 1).flatten(1, 2).numpy()
