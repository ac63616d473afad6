"""Relief: only where it is wanted, normals that stay unit vectors, colours that follow them."""

import numpy as np
import pytest
import torch

from soaplib.multiview.compact.guide import CHANNELS
from soaplib.training.relief import add_relief

SIZE = 48
HAIR = CHANNELS.index("hair")


@pytest.fixture
def batch():
    """Three flat grey squares that look at us, hair in their upper halves."""
    views, normals = torch.zeros(3, 6, 4, SIZE, SIZE), torch.zeros(3, 6, 3, SIZE, SIZE)
    guide = torch.zeros(3, 6, len(CHANNELS), SIZE, SIZE)
    views[..., 8:40, 8:40] = 0.5
    views[:, :, 3, 8:40, 8:40] = 1
    normals[:, :, 2, 8:40, 8:40] = 1
    guide[:, :, HAIR, 8:24, 8:40] = 1
    return {"guide": guide, "views": views, "normals": normals, "base": views.clone()}


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def test_only_chosen_heads_change_and_the_batch_given_stays(batch):
    before = {name: value.clone() for name, value in batch.items()}
    out = add_relief(batch, seeded(), torch.tensor([True, False, True]))
    assert all(torch.equal(batch[name], before[name]) for name in batch)
    assert torch.equal(out["guide"], batch["guide"]) and torch.equal(out["base"], batch["base"])
    for name in ("views", "normals"):
        changed = (out[name] - batch[name]).abs().amax((1, 2, 3, 4)) > 0.05
        assert changed.tolist() == [True, False, True]
    again = add_relief(batch, seeded(), torch.tensor([True, False, True]))
    assert torch.equal(out["views"], again["views"])


def test_it_lies_on_hair_or_all_over_and_nowhere_else(batch):
    everywhere = 0
    for seed in range(8):
        out = add_relief(batch, seeded(seed), torch.ones(3, dtype=torch.bool))
        lean = (out["normals"] - batch["normals"]).abs().amax(2)
        assert not lean[..., :8, :].any() and (lean[..., 8:24, 8:40].amax((1, 2, 3)) > 0.1).all()
        everywhere += int((lean[..., 24:40, :].amax((1, 2, 3)) > 0.01).sum())
    assert 1 <= everywhere <= 15  # a quarter of 24 heads


def test_normals_are_unit_and_colours_premultiplied(batch):
    batch["views"][:, :, :, 8] *= 0.5
    out = add_relief(batch, seeded(2), torch.ones(3, dtype=torch.bool))
    inside = batch["normals"][:, :, 2] > 0
    length = out["normals"].norm(dim=2)
    torch.testing.assert_close(length[inside], torch.ones_like(length[inside]))
    assert not length[~inside].any()
    assert torch.equal(out["views"][:, :, 3], batch["views"][:, :, 3])
    assert (out["views"][:, :, :3] <= out["views"][:, :, 3:]).all() and (out["views"] >= 0).all()


def test_slopes_that_face_a_light_are_brighter(batch):
    """Light comes from the front and above: over many heads what leans up is brighter than what leans down."""
    up, down = [], []
    for seed in range(12):
        out = add_relief(batch, seeded(seed), torch.ones(3, dtype=torch.bool))
        shade, lean = out["views"][:, 0, 0, 10:22, 10:38], out["normals"][:, 0, 1, 10:22, 10:38]
        up.append(float(shade[lean > 0.1].mean()))
        down.append(float(shade[lean < -0.1].mean()))
    assert np.nanmean(up) > np.nanmean(down) + 0.05
