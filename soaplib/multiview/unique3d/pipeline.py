"""SOAP's two models as one diffusers pipeline: from pictures to as many pictures, all drawn at once."""

import dataclasses
import inspect

import numpy as np
import torch
from diffusers import DiffusionPipeline
from diffusers.image_processor import VaeImageProcessor
from diffusers.utils import BaseOutput
from diffusers.utils.torch_utils import randn_tensor
from PIL import Image


@dataclasses.dataclass
class MultiViewOutput(BaseOutput):
    """images: (N, H, W, 3) float32 in [0, 1]."""

    images: np.ndarray


class MultiViewPipeline(DiffusionPipeline):
    """Draw all views of an object from one picture of it (D_r), or the normals of each of its views (D_n).

    The picture reaches the network twice: as CLIP's embedding in the cross-attention, and as its own latents beside
    the noise. A label tells each row of the batch which view it is. Layout and arguments are those of the published
    models; see `soaplib.multiview.unique3d.loading.load_soap_pipeline`.

    unet: `MultiViewUNet` or `ReferenceNormalUNet`. kind: "image" labels the views 0, 1, ...; "normal" gives all the
    label 0, as SOAP does.
    """

    model_cpu_offload_seq = "image_encoder->unet->vae"

    def __init__(self, vae, image_encoder, unet, scheduler, feature_extractor, kind: str = "image"):
        super().__init__()
        self.register_modules(
            vae=vae,
            image_encoder=image_encoder,
            unet=unet,
            scheduler=scheduler,
            feature_extractor=feature_extractor,
        )
        self.register_to_config(kind=kind)
        self._pictures = VaeImageProcessor()

    @property
    def n_views(self) -> int:
        """How many views the network draws of one object; 1 where each stands by itself."""
        return getattr(self.unet.config, "n_views", 1)

    @torch.no_grad()
    def __call__(
        self,
        images,
        class_labels=None,
        num_inference_steps: int = 50,
        guidance_scale: float = 1.5,
        eta: float = 1.0,
        size: int = 256,
        generator: torch.Generator | None = None,
        start=None,
        strength: float = 0.8,
        callback_on_step_end=None,
    ) -> MultiViewOutput:
        """Draw the views.

        Args:
            images: one RGB picture, which all views follow, or a list of one for each view (several objects one
                after the other); PIL images or arrays (H, W, 3), uint8 or float in [0, 1]. Alpha is laid on white.
            class_labels: which view each row is; as default what `kind` says.
            num_inference_steps: steps of the scheduler.
            guidance_scale: w in e = e_0 + w (e_c - e_0), where e_0 is the prediction for zeros in place of the
                embedding and the latents (classifier-free guidance; Ho and Salimans 2022); 1 leaves e_0 out.
            eta: share of DDIM's noise (Song et al. 2021, equation 16); schedulers without it ignore it.
            size: pixels of a side, a multiple of what the VAE divides by (8).
            generator: of the noise; one on the CPU gives the same noise on every device.
            start: None, or pictures as in `images` to start from instead of pure noise (SDEdit; Meng et al. 2022).
            strength: with `start`, the share of the steps taken: 1 keeps nothing of the pictures.
            callback_on_step_end: called as diffusers' own do, (pipeline, step, timestep, {"latents": (N, 4, h, w)});
                what it returns under "latents" replaces them.

        Raises:
            ValueError: a number of pictures or labels that fits no whole object, labels the network does not have,
                or a size, a number of steps or a strength out of range.
        """
        pictures = self._rows(images)
        labels = self._labels(class_labels, len(pictures))
        self._check(size, num_inference_steps, strength)
        embeds, condition = self._embed(pictures), self._encode(pictures, size)
        guided = guidance_scale != 1
        if guided:
            embeds = torch.cat([torch.zeros_like(embeds), embeds])
            condition = torch.cat([torch.zeros_like(condition), condition])
            labels = None if labels is None else torch.cat([labels, labels])
        latents, timesteps = self._begin(start, len(pictures), size, num_inference_steps, strength, generator)
        extra = self._step_arguments(eta, generator)
        for index, timestep in enumerate(self.progress_bar(timesteps)):
            rows = torch.cat([latents, latents]) if guided else latents
            rows = self.scheduler.scale_model_input(rows, timestep)
            noise = self.unet(
                rows, timestep, embeds, class_labels=labels, condition_latents=condition, return_dict=False
            )[0]
            if guided:
                without, given = noise.chunk(2)
                noise = without + guidance_scale * (given - without)
            latents = self.scheduler.step(noise, timestep, latents, **extra, return_dict=False)[0]
            if callback_on_step_end is not None:
                latents = callback_on_step_end(self, index, timestep, {"latents": latents}).get(
                    "latents", latents
                )
        self.maybe_free_model_hooks()
        return MultiViewOutput(self.decode(latents))

    @torch.no_grad()
    def decode(self, latents: torch.Tensor) -> np.ndarray:
        """Give the pictures (N, H, W, 3), float32 in [0, 1], of latents (N, 4, h, w)."""
        latents = latents.to(self.vae.dtype) / self.vae.config.scaling_factor
        pictures = [self.vae.decode(row[None], return_dict=False)[0] for row in latents]
        return self._pictures.postprocess(torch.cat(pictures).float(), output_type="np").astype(np.float32)

    def _rows(self, images):
        single = isinstance(images, Image.Image) or (hasattr(images, "ndim") and images.ndim == 3)
        pictures = [_picture(image) for image in ([images] if single else images)]
        if single:
            return pictures * self.n_views
        if not pictures or len(pictures) % self.n_views:
            raise ValueError(
                f"{len(pictures)} pictures do not make whole objects of {self.n_views} views; give one picture, "
                f"or one for each view"
            )
        return pictures

    def _labels(self, given, rows):
        known = self.unet.config.num_class_embeds
        if known is None:
            return None
        if given is None:
            given = range(self.n_views) if self.config.kind == "image" else [0]
        labels = torch.as_tensor(list(given), dtype=torch.long)
        if not len(labels) or rows % len(labels) or labels.min() < 0 or labels.max() >= known:
            raise ValueError(
                f"class_labels must be {rows} numbers, or a number that divides it, from 0 to {known - 1}; got "
                f"{labels.tolist()}"
            )
        return labels.repeat(rows // len(labels)).to(self._execution_device)

    def _check(self, size, steps, strength):
        factor = 2 ** (len(self.vae.config.block_out_channels) - 1)
        if size <= 0 or size % factor:
            raise ValueError(f"size must be a multiple of {factor} pixels, not {size}")
        if steps < 1 or not 0 < strength <= 1:
            raise ValueError(
                f"expected 1 step or more and a strength above 0 and up to 1, not {steps} and {strength}"
            )

    def _embed(self, pictures):
        """CLIP's projected embeddings (N, 1, C), not normalised, as the published models were trained with."""
        distinct, places = _distinct(pictures)
        pixels = self.feature_extractor(images=distinct, return_tensors="pt").pixel_values
        embeds = self.image_encoder(pixels.to(self._execution_device, self.image_encoder.dtype)).image_embeds
        return embeds[places][:, None].to(self.unet.dtype)

    def _encode(self, pictures, size):
        """The VAE's mean latents (N, 4, h, w), scaled."""
        distinct, places = _distinct(pictures)
        pixels = self._pictures.preprocess(distinct, height=size, width=size)
        pixels = pixels.to(self._execution_device, self.vae.dtype)
        latents = torch.cat([self.vae.encode(row[None]).latent_dist.mode() for row in pixels])
        return (latents[places] * self.vae.config.scaling_factor).to(self.unet.dtype)

    def _begin(self, start, rows, size, steps, strength, generator):
        """The latents to begin with, and the timesteps to go through."""
        device, dtype = self._execution_device, self.unet.dtype
        self.scheduler.set_timesteps(steps, device=device)
        timesteps = self.scheduler.timesteps
        side = size // 2 ** (len(self.vae.config.block_out_channels) - 1)
        shape = (rows, self.vae.config.latent_channels, side, side)
        noise = randn_tensor(shape, generator=generator, device=device, dtype=dtype)
        if start is None:
            return noise * self.scheduler.init_noise_sigma, timesteps
        pictures = self._rows(start)
        if len(pictures) != rows:
            raise ValueError(
                f"start must be one picture or as many as images are, {rows}, not {len(pictures)}"
            )
        timesteps = timesteps[len(timesteps) - max(1, round(len(timesteps) * strength)) :]
        latents = self._encode(pictures, size)
        return self.scheduler.add_noise(latents, noise, timesteps[:1].expand(rows)), timesteps

    def _step_arguments(self, eta, generator):
        taken = inspect.signature(self.scheduler.step).parameters
        return {k: v for k, v in (("eta", eta), ("generator", generator)) if k in taken}


def _picture(image):
    """Any picture as an RGB PIL image; transparent pixels become white."""
    if not isinstance(image, Image.Image):
        array = np.asarray(image)
        if array.ndim != 3 or array.shape[2] not in (3, 4):
            raise ValueError(f"a picture must be (H, W, 3) or (H, W, 4), not {array.shape}")
        if array.dtype != np.uint8:
            array = np.rint(np.clip(array, 0, 1) * 255).astype(np.uint8)
        image = Image.fromarray(np.ascontiguousarray(array))
    if image.mode == "RGB":
        return image
    rgba = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba).convert("RGB")


def _distinct(pictures):
    """The pictures without repetition of one object, and where each row finds its own."""
    distinct = list({id(picture): picture for picture in pictures}.values())
    order = {id(picture): index for index, picture in enumerate(distinct)}
    return distinct, [order[id(picture)] for picture in pictures]
