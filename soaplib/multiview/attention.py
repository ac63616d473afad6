"""Attention across views: all pixels of all views of one object attend to each other, without a new parameter.

SOAP and Unique3D make the views of one object agree by one change to the self-attention of the UNet: the rows of the
batch that show one object are laid behind each other as a single sequence. The same weights then mix the views.
"""

import contextlib

import torch
from torch import nn


class AcrossViews:
    """A processor for diffusers' `Attention` which joins the views of each object into one sequence.

    Hidden states (B V, L, C), or (B V, C, H, W), whose V rows of one object lie side by side, become (B, V L, C),
    pass through the processor below (by default diffusers' own) and are parted again. It adds no parameters.
    Cross-attention, which gets states of an encoder, stays within each view. A group norm inside the layer takes its
    statistics over all views of the object.

    n_views: how many views an object has. below: the processor that attends. across: False leaves each view to
    itself, as does `views_apart`.
    Raises ValueError where the batch is no multiple of the number of views.
    """

    def __init__(self, n_views: int, below=None, across: bool = True):
        from diffusers.models.attention_processor import AttnProcessor2_0

        if n_views < 1:
            raise ValueError(f"n_views must be 1 or more, not {n_views}")
        self.n_views, self.across = n_views, across
        self.below = AttnProcessor2_0() if below is None else below

    def __call__(
        self, attn, hidden_states, encoder_hidden_states=None, attention_mask=None, temb=None, **kwargs
    ) -> torch.Tensor:
        if not self.across or encoder_hidden_states is not None:
            return self.below(attn, hidden_states, encoder_hidden_states, attention_mask, temb, **kwargs)
        if attention_mask is not None:
            raise ValueError("attention across views takes no attention mask: every pixel sees every other")
        rows = len(hidden_states)
        if rows % self.n_views:
            raise ValueError(
                f"attention across {self.n_views} views expected a batch that is a multiple of {self.n_views}, "
                f"got {rows} rows; lay the views of one object side by side along the batch"
            )
        shape = hidden_states.shape
        if hidden_states.ndim == 4:
            hidden_states = hidden_states.flatten(2).transpose(1, 2)
        length, channels = hidden_states.shape[1:]
        joined = hidden_states.reshape(rows // self.n_views, self.n_views * length, channels)
        out = self.below(attn, joined, None, None, temb, **kwargs).reshape(rows, length, -1)
        return out.transpose(1, 2).reshape(rows, -1, *shape[2:]) if len(shape) == 4 else out


def join_views(network: nn.Module, n_views: int, named: str = "attn1") -> int:
    """Let every self-attention in `network` called `named` attend across views; return how many there are.

    Each keeps the processor it has, wrapped in `AcrossViews`; one that is already wrapped gets the new number of
    views. In diffusers' transformer blocks "attn1" is the self-attention and "attn2" the cross-attention.
    """
    from diffusers.models.attention_processor import Attention

    count = 0
    for name, module in network.named_modules():
        if isinstance(module, Attention) and name.split(".")[-1] == named:
            below = module.processor
            below = below.below if isinstance(below, AcrossViews) else below
            module.set_processor(AcrossViews(n_views, below))
            count += 1
    return count


@contextlib.contextmanager
def views_apart(network: nn.Module):
    """While inside, no view of `network` knows of the others: what attention across views does, by its absence.

    Every `AcrossViews` in the network is switched off and gets its former state back at the end.
    """
    joined = [
        module.processor
        for module in network.modules()
        if isinstance(getattr(module, "processor", None), AcrossViews)
    ]
    before = [processor.across for processor in joined]
    try:
        for processor in joined:
            processor.across = False
        yield
    finally:
        for processor, across in zip(joined, before, strict=True):
            processor.across = across
