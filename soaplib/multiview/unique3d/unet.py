"""The UNet of SOAP's two models: Stable Diffusion's, with the portrait's latents beside the noise and joined views.

Source of the layout: the published Unique3D and SOAP models, whose UNet is called `UnifieldWrappedUNet` there.
"""

import inspect

import torch

# diffusers finds out how to load a network of ours by the name ModelMixin in the network's own module.
from diffusers import ModelMixin, UNet2DConditionModel  # noqa: F401
from diffusers.configuration_utils import register_to_config

from soaplib.multiview.attention import join_views

# Keys of the published configs that say what every model of this layout does anyway.
_SETTLED = {"multiview_attn_position", "multiview_chain_pose", "num_modalities", "latent_size"}


def stock_arguments(init):
    """Let `init(self, ..., **stock)` take, and put into its config, all arguments of `UNet2DConditionModel`."""
    own = inspect.signature(init).parameters.values()
    own = [p for p in own if p.kind is not inspect.Parameter.VAR_KEYWORD]
    names = {p.name for p in own}
    stock = inspect.signature(UNet2DConditionModel.__init__).parameters.values()
    stock = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in stock if p.name not in names]
    init.__signature__ = inspect.Signature([*own, *stock])
    return init


class PublishedUNet(UNet2DConditionModel):
    """Stable Diffusion's UNet, made from a published config: keys that have no meaning here are left out."""

    settled = _SETTLED

    @classmethod
    def extract_init_dict(cls, config_dict, **kwargs):
        """Sort a config's keys, as diffusers asks; n_view, the older name, means n_views."""
        config = dict(config_dict)
        if "n_view" in config:
            config.setdefault("n_views", config.pop("n_view"))
        config = {key: value for key, value in config.items() if key not in cls.settled}
        return super().extract_init_dict(config, **kwargs)


class MultiViewUNet(PublishedUNet):
    """Stable Diffusion's UNet whose every self-attention joins the views of one object.

    n_views: how many rows of the batch show one object, side by side; with 1 each view is by itself. All else are
    the arguments of `UNet2DConditionModel`. The published D_r has in_channels 8 (4 of noise, 4 of the portrait),
    num_class_embeds 8 (one label per view) and cross_attention_dim 768 (CLIP's embedding of the portrait). The views
    add no parameters: the weights are those of the stock network.
    """

    @register_to_config
    @stock_arguments
    def __init__(self, *, n_views: int = 6, **stock):
        super().__init__(**stock)
        join_views(self, n_views)

    def forward(
        self, sample, timestep, encoder_hidden_states, class_labels=None, condition_latents=None, **kwargs
    ):
        """Predict the noise, as `UNet2DConditionModel.forward` does.

        sample: (N, 4, h, w) noisy latents. encoder_hidden_states: (N, 1, 768). class_labels: (N,) int64, which view
        each row is. condition_latents: (M, 4, h, w) of the pictures to follow, laid behind the sample's channels;
        with M < N each serves N / M rows in succession. None where the sample already holds them.
        """
        if condition_latents is not None:
            repeats, rest = divmod(len(sample), len(condition_latents))
            if rest:
                raise ValueError(
                    f"{len(sample)} samples cannot share {len(condition_latents)} condition latents evenly"
                )
            condition = condition_latents.repeat_interleave(repeats, 0).to(sample)
            sample = torch.cat([sample, condition], 1)
        return super().forward(sample, timestep, encoder_hidden_states, class_labels=class_labels, **kwargs)
