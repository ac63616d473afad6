"""Attention across views: one sequence per object, the same weights, and a switch."""

import pytest
import torch
from diffusers.models.attention_processor import Attention, AttnProcessor2_0
from torch import nn

from soaplib.multiview.attention import AcrossViews, join_views, views_apart

VIEWS, LENGTH, WIDTH = 3, 5, 8


@pytest.fixture
def attention():
    generator = torch.Generator().manual_seed(3)
    layer = Attention(WIDTH, heads=2, dim_head=4).double()
    for parameter in layer.parameters():
        parameter.data = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
    return layer


@pytest.fixture
def states():
    return torch.randn(2 * VIEWS, LENGTH, WIDTH, generator=torch.Generator().manual_seed(1)).double()


def by_hand(layer, joined):
    """Softmax attention of one sequence (N, C), head by head, written out."""
    q, k, v = (getattr(layer, name)(joined).reshape(-1, 2, 4) for name in ("to_q", "to_k", "to_v"))
    heads = [torch.softmax(q[:, h] @ k[:, h].T / 2.0, -1) @ v[:, h] for h in range(2)]
    return layer.to_out[0](torch.cat(heads, -1))


def test_all_pixels_of_one_object_attend_to_each_other(attention, states):
    attention.set_processor(AcrossViews(VIEWS))
    out = attention(states)
    for first in (0, VIEWS):
        expected = by_hand(attention, states[first : first + VIEWS].reshape(-1, WIDTH))
        torch.testing.assert_close(out[first : first + VIEWS].reshape(-1, WIDTH), expected)


def test_pictures_are_sequences_too(attention, states):
    attention.set_processor(AcrossViews(VIEWS))
    pictures = states[:, :4].transpose(1, 2).reshape(2 * VIEWS, WIDTH, 2, 2)
    out = attention(pictures)
    assert out.shape == pictures.shape
    torch.testing.assert_close(out.flatten(2).transpose(1, 2), attention(states[:, :4].contiguous()))


def test_the_residual_of_pictures_stays_in_place(states):
    layer = Attention(WIDTH, heads=2, dim_head=4, residual_connection=True, norm_num_groups=2).double()
    nn.init.zeros_(layer.to_out[0].weight), nn.init.zeros_(layer.to_out[0].bias)
    layer.set_processor(AcrossViews(VIEWS))
    pictures = states[:, :4].transpose(1, 2).reshape(2 * VIEWS, WIDTH, 2, 2)
    torch.testing.assert_close(layer(pictures), pictures)


def test_objects_know_nothing_of_each_other(attention, states):
    attention.set_processor(AcrossViews(VIEWS))
    other = states.clone()
    other[0] += 1
    changed = (attention(other) - attention(states)).abs().amax((1, 2))
    assert (changed[:VIEWS] > 1e-6).all()
    assert (changed[VIEWS:] == 0).all()


def test_views_apart_is_plain_attention_and_ends(attention, states):
    plain = attention(states)
    network = nn.ModuleDict({"attn1": attention})
    assert join_views(network, VIEWS) == 1
    joined = attention(states)
    assert (joined - plain).abs().max() > 1e-3
    with pytest.raises(KeyError), views_apart(network):
        torch.testing.assert_close(attention(states), plain, rtol=0, atol=0)
        raise KeyError
    torch.testing.assert_close(attention(states), joined, rtol=0, atol=0)


def test_cross_attention_stays_within_a_view(attention, states):
    encoder = states.flip(1)[:, :2]
    plain = attention(states, encoder)
    attention.set_processor(AcrossViews(VIEWS))
    torch.testing.assert_close(attention(states, encoder), plain, rtol=0, atol=0)


def test_it_adds_no_parameter_and_wraps_once(attention):
    keys = set(attention.state_dict())
    network = nn.ModuleDict({"attn1": attention, "attn2": Attention(WIDTH, heads=2, dim_head=4)})
    join_views(network, VIEWS)
    join_views(network, 4)
    assert set(attention.state_dict()) == keys
    assert attention.processor.n_views == 4 and isinstance(attention.processor.below, AttnProcessor2_0)
    assert isinstance(network["attn2"].processor, AttnProcessor2_0)


def test_a_wrong_batch_and_a_mask_are_refused(attention, states):
    attention.set_processor(AcrossViews(4))
    with pytest.raises(ValueError, match="multiple of 4, got 6"):
        attention(states)
    attention.set_processor(AcrossViews(VIEWS))
    with pytest.raises(ValueError, match="no attention mask"):
        attention(states, attention_mask=torch.zeros(2 * VIEWS, 1, LENGTH))
    with pytest.raises(ValueError, match="1 or more"):
        AcrossViews(0)
