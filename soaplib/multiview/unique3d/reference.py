"""Unique3D's UNet for normals: a second UNet reads the picture, and the first looks up its pixels one by one.

Source of the layout: the published Unique3D normal model (`ExtraAttnProc` there).
"""

import torch

# diffusers finds out how to load a network of ours by the name ModelMixin in the network's own module.
from diffusers import ModelMixin, UNet2DConditionModel  # noqa: F401
from diffusers.configuration_utils import register_to_config
from diffusers.models.attention_processor import Attention, AttnProcessor2_0
from torch import nn

from soaplib.multiview.unique3d.unet import PublishedUNet, stock_arguments


class ReferenceNormalUNet(PublishedUNet):
    """Stable Diffusion's UNet (4 channels in) which adds, after each self-attention, what a twin knows of that pixel.

    The twin, `ref_unet`, runs first, on the clean latents of the picture. At the same layer and pixel, with r the
    twin's input to its self-attention, the layer's output grows by the attention of one pixel to that one pixel.
    A softmax over one key is 1, so that this is W_o (W_v r + b_v) + b_o: the published to_q and to_k have no effect,
    and are here only because they are in the file. Each row of the batch stands by itself.
    """

    settled = PublishedUNet.settled | {"n_views"}

    @register_to_config
    @stock_arguments
    def __init__(self, **stock):
        super().__init__(**stock)
        for layer in _self_attentions(self):
            layer.set_processor(_LookingUp(layer))
        twin = UNet2DConditionModel(**stock)
        for layer in _self_attentions(twin):
            layer.set_processor(_Recording())
        self.ref_unet = twin

    def forward(
        self, sample, timestep, encoder_hidden_states, class_labels=None, condition_latents=None, **kwargs
    ):
        """Predict the noise; as `MultiViewUNet.forward`, but every row has its own picture and labels are ignored."""
        if condition_latents is None:
            raise ValueError(
                "ReferenceNormalUNet needs condition_latents: the picture whose normals are wanted"
            )
        layers = _self_attentions(self)
        twins, own = (
            [layer.processor for layer in layers if isinstance(layer.processor, kind)]
            for kind in (_Recording, _LookingUp)
        )
        self.ref_unet(condition_latents.to(sample), timestep, encoder_hidden_states)
        for looking, twin in zip(own, twins, strict=True):
            looking.reference, twin.seen = twin.seen, None
        out = super().forward(sample, timestep, encoder_hidden_states, **kwargs)
        for looking in own:
            looking.reference = None
        return out


class _Recording:
    """Attend as usual and keep what came in."""

    def __init__(self):
        self.below, self.seen = AttnProcessor2_0(), None

    def __call__(self, attn, hidden_states, *args, **kwargs):
        self.seen = hidden_states
        return self.below(attn, hidden_states, *args, **kwargs)


class _LookingUp(nn.Module):
    """Attend as usual and add what the twin's record says of each pixel; the name of the layer is the file's."""

    def __init__(self, layer):
        super().__init__()
        width, heads = layer.to_q.in_features, layer.heads
        self.crosspond_attention = Attention(width, heads=heads, dim_head=width // heads, bias=True)
        self.below, self.reference = AttnProcessor2_0(), None

    def forward(self, attn, hidden_states, *args, **kwargs) -> torch.Tensor:
        look = self.crosspond_attention
        return self.below(attn, hidden_states, *args, **kwargs) + look.to_out[0](look.to_v(self.reference))


def _self_attentions(network):
    return [layer for name, layer in network.named_modules() if name.endswith(".attn1")]
