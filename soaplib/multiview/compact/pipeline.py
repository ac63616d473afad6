"""The two compact diffusion models as `diffusers` pipelines: six views, then their six normal maps."""

import dataclasses
from collections.abc import Callable

import numpy as np
import torch
from diffusers import DDIMScheduler, DiffusionPipeline
from diffusers.utils import BaseOutput
from diffusers.utils.torch_utils import randn_tensor

from soaplib.multiview.compact.unet import CompactUNet


@dataclasses.dataclass
class CompactPipelineOutput(BaseOutput):
    """What a pipeline made, as numpy float32 (B, V, S, S, C).

    images: of `ViewsPipeline` RGB on white in [0, 1]; of `NormalsPipeline` unit normals in camera space. masks:
    (B, V, S, S), of `ViewsPipeline` only.
    """

    images: np.ndarray
    masks: np.ndarray | None = None


def make_scheduler() -> DDIMScheduler:
    """Make the noise schedule both models are trained and sampled with.

    v-prediction, betas rescaled to zero signal at the last step, steps counted from that step backwards ("trailing"):
    Lin et al. 2024 (arXiv 2305.08891), sections 3.1-3.3. So one step from pure noise is the network's conditional mean.
    """
    return DDIMScheduler(
        num_train_timesteps=1000, beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear",
        clip_sample=False, set_alpha_to_one=True, prediction_type="v_prediction", rescale_betas_zero_snr=True,
        timestep_spacing="trailing",
    )  # fmt: skip


class _CompactPipeline(DiffusionPipeline):
    """What both models share: DDIM steps of a `CompactUNet` from noise, with guidance and known pixels."""

    unet: CompactUNet
    scheduler: DDIMScheduler

    def __init__(self, unet: CompactUNet, scheduler: DDIMScheduler):
        super().__init__()
        self.register_modules(unet=unet, scheduler=scheduler)

    @torch.no_grad()
    def __call__(
        self,
        guide: torch.Tensor,
        base: torch.Tensor,
        num_inference_steps: int = 1,
        guidance_scale: float = 1.0,
        eta: float = 0.0,
        generator: torch.Generator | list[torch.Generator] | None = None,
        known: torch.Tensor | None = None,
        known_weight: torch.Tensor | None = None,
        callback_on_step_end: Callable | None = None,
        output_type: str = "np",
        return_dict: bool = True,
    ) -> CompactPipelineOutput | tuple:
        """Make the views of B heads.

        guide: (B, V, G, S, S) and base: (B, V, C, S, S), the first estimate: as in `soaplib.multiview.compact.inputs`.
        num_inference_steps: one step gives the conditional mean, more steps a sample. guidance_scale: by how much the
        estimate is carried on away from that without a guide (Ho and Salimans 2022, arXiv 2207.12598); 1: not at all.
        eta: DDIM's share of fresh noise at each step. known: (B, V, C, S, S) values which, with the weight
        known_weight (B, V, 1 or C, S, S) in [0, 1], every estimate of the clean views is drawn to.
        callback_on_step_end: called as f(pipeline, step, timestep, {"sample": x_t, "estimate": x_0}) after each step.
        output_type: "np", or "pt" for the raw (B, V, C, S, S) estimate.
        Raises ValueError for a number of steps below one.
        """
        if num_inference_steps < 1:
            raise ValueError(f"num_inference_steps must be 1 or more, not {num_inference_steps}")
        device = self._execution_device
        guide, base = guide.to(device), base.to(device)
        self.scheduler.set_timesteps(num_inference_steps, device=device)
        sample = randn_tensor(base.shape, generator=generator, device=device, dtype=base.dtype)
        with self.progress_bar(total=num_inference_steps) as progress:
            for step, time in enumerate(self.scheduler.timesteps):
                power = self.scheduler.alphas_cumprod.to(device)[time]
                estimate = self._estimate(sample, power.sqrt(), guide, base, guidance_scale)
                if known is not None:
                    estimate = torch.lerp(
                        estimate, known.to(device), known_weight.to(device).expand_as(estimate)
                    )
                velocity = (power.sqrt() * sample - estimate) / (1 - power).sqrt()
                fresh = (
                    eta if power > 0 else 0.0
                )  # pure noise is as good as fresh noise, and the square root fails
                sample = self.scheduler.step(velocity, time, sample, fresh, generator=generator).prev_sample
                if callback_on_step_end is not None:
                    callback_on_step_end(self, step, time, {"sample": sample, "estimate": estimate})
                progress.update()
        if output_type == "pt":
            return CompactPipelineOutput(images=estimate) if return_dict else (estimate,)
        made = self.decode(estimate)
        return made if return_dict else made.to_tuple()

    def _estimate(self, sample, signal, guide, base, guidance_scale):
        signal = signal.to(sample.dtype).expand(len(sample))
        given = self.unet(sample, signal, guide, base).sample
        if guidance_scale == 1:
            return given
        free = self.unet(sample, signal, *without_condition(guide, base)).sample
        return free + guidance_scale * (given - free)


class ViewsPipeline(_CompactPipeline):
    """D_r: what the portrait and its fitted head tell about six views -> the six views, RGB and alpha."""

    @staticmethod
    def decode(estimate: torch.Tensor) -> CompactPipelineOutput:
        """Turn (B, V, 4, S, S), colours on white and alpha in [-1, 1], into pictures and masks in [0, 1]."""
        values = (estimate.float().cpu() / 2 + 0.5).clamp(0, 1).movedim(2, -1).numpy()
        return CompactPipelineOutput(images=values[..., :3].copy(), masks=values[..., 3].copy())


class NormalsPipeline(_CompactPipeline):
    """D_n: six views and the normals of the fitted head -> the six views' unit normals."""

    @staticmethod
    def decode(estimate: torch.Tensor) -> CompactPipelineOutput:
        """Bring (B, V, 3, S, S) to unit length."""
        unit = torch.nn.functional.normalize(estimate.float().cpu(), dim=2)
        return CompactPipelineOutput(images=unit.movedim(2, -1).numpy())


def without_condition(guide: torch.Tensor, base: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Give what stands for a guide and a base withheld: in training (dropout) and for guidance."""
    return torch.zeros_like(guide), torch.zeros_like(base)
