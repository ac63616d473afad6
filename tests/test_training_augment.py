"""Augmentation: alike on both sides where it must be, on one side where it may be, and the same for the same seed."""

import pytest
import torch

from soaplib.multiview.compact.guide import CHANNELS
from soaplib.training import augment as module
from soaplib.training.augment import augment, degrade, degrade_views, recolour

SIZE = 32
SEEN, MIRRORED = CHANNELS.index("seen.r"), CHANNELS.index("mirrored.r")
COLOURS = [*range(SEEN, SEEN + 4), *range(MIRRORED, MIRRORED + 4)]


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def batch():
    """Three heads whose base is their truth, of one colour each, soft at the rim."""
    g = seeded(5)
    alpha = torch.zeros(3, 6, 1, SIZE, SIZE)
    alpha[..., 8:24, 8:24] = 1
    alpha[..., 8, :] *= 0.5
    colours = torch.rand(3, 1, 3, 1, 1, generator=g) * 0.6 + 0.2
    views = torch.cat([colours * alpha, alpha], 2)
    guide = torch.rand(3, 6, len(CHANNELS), SIZE, SIZE, generator=g)
    guide[:, :, SEEN : SEEN + 4] = guide[:, :, MIRRORED : MIRRORED + 4] = views
    return {"guide": guide, "base": views.clone(), "views": views, "normals": torch.rand(3, 6, 3, SIZE, SIZE)}


def copied(batch):
    return {name: value.clone() for name, value in batch.items()}


def test_the_same_seed_gives_the_same_batch_and_leaves_the_old_one(batch):
    before = copied(batch)
    one, other, third = (augment(batch, seeded(seed)) for seed in (1, 1, 2))
    assert all(torch.equal(batch[name], before[name]) for name in batch)
    assert one.keys() == batch.keys() and all(one[name].shape == batch[name].shape for name in batch)
    assert all(torch.equal(one[name], other[name]) for name in batch)
    assert not torch.equal(one["views"], third["views"])


def test_colours_change_alike_in_what_is_known_and_what_is_wanted(batch):
    changed = 0
    for seed in range(10):
        out = recolour(batch, seeded(seed))
        torch.testing.assert_close(out["base"], out["views"])
        torch.testing.assert_close(out["guide"][:, :, SEEN : SEEN + 4], out["views"])
        torch.testing.assert_close(out["guide"][:, :, MIRRORED : MIRRORED + 4], out["views"])
        changed += int(((out["views"] - batch["views"]).abs().amax((1, 2, 3, 4)) > 0.01).sum())
    assert 20 <= changed <= 29  # of 30 heads; one in seven stays as it is


def test_geometry_is_not_recoloured(batch):
    out = recolour(batch, seeded(3))
    rest = [k for k in range(len(CHANNELS)) if k not in COLOURS]
    assert torch.equal(out["guide"][:, :, rest], batch["guide"][:, :, rest])
    assert torch.equal(out["normals"], batch["normals"])
    assert torch.equal(out["views"][:, :, 3:], batch["views"][:, :, 3:])


def test_colours_stay_premultiplied_and_in_range(batch):
    for seed in range(10):
        out = augment(batch, seeded(seed))
        for rgb, weight in (
            (out["views"][:, :, :3], out["views"][:, :, 3:]),
            (out["base"][:, :, :3], out["base"][:, :, 3:]),
            (out["guide"][:, :, SEEN : SEEN + 3], out["guide"][:, :, SEEN + 3 : SEEN + 4]),
        ):
            assert rgb.min() >= 0 and (rgb <= weight + 1e-4).all() and weight.max() <= 1
            assert torch.isfinite(rgb).all()


def test_what_is_wanted_stays_clean(batch):
    for seed in range(10):
        out = degrade(batch, seeded(seed))
        assert torch.equal(out["views"], batch["views"]) and torch.equal(out["normals"], batch["normals"])
        assert torch.equal(out["base"][:, :, 3:], batch["base"][:, :, 3:])
        rest = [k for k in range(len(CHANNELS)) if k not in COLOURS]
        assert torch.equal(out["guide"][:, :, rest], batch["guide"][:, :, rest])


def test_parts_are_hidden_now_and_then(batch):
    """Where something stands before the head, nothing is known; no head is hidden whole."""
    hidden = 0
    for seed in range(20):
        out = degrade(batch, seeded(seed))["guide"][:, 0, SEEN + 3]
        was = batch["guide"][:, 0, SEEN + 3]
        assert (out <= was + 1e-5).all()
        lost = ((was == 1) & (out == 0)).sum((1, 2)) / (was == 1).sum((1, 2))
        assert (lost < 1).all()
        hidden += int((lost > 0).sum())
    assert 5 <= hidden <= 40


def test_grey_stays_grey_when_hues_turn():
    grey = torch.ones(4, 3, 1)
    angles = torch.tensor([0.0, 0.5, -1.0, 2.0])
    torch.testing.assert_close(module._turn_hue(angles) @ grey, grey)
    torch.testing.assert_close(module._saturate(angles) @ grey, grey)
    red = torch.tensor([[1.0], [0.0], [0.0]])
    third = torch.tensor([2 * torch.pi / 3])
    torch.testing.assert_close(
        (module._turn_hue(third) @ red)[0, :, 0], torch.tensor([0.0, 1.0, 0.0]), atol=1e-6, rtol=0
    )
    torch.testing.assert_close(module._saturate(torch.zeros(1)) @ red, torch.full((1, 3, 1), 0.299))


def test_a_blur_keeps_the_sum_and_each_head_has_its_own():
    image = torch.zeros(2, 1, 1, SIZE, SIZE)
    image[..., 16, 16] = 1
    out = module._blur(image, torch.tensor([0.0, 2.0]))
    torch.testing.assert_close(out[0], image[0])
    torch.testing.assert_close(out[1].sum(), torch.tensor(1.0))
    at = torch.arange(SIZE) - 16.0
    variance = (out[1, 0, 0].sum(0) * at**2).sum()
    torch.testing.assert_close(variance, torch.tensor(4.0), atol=0.4, rtol=0)


def test_jpeg_rounds_blocks_and_keeps_flat_ones():
    images = torch.rand(2, 1, 3, 16, 16, generator=seeded(1))
    cosines = module._cosines()
    torch.testing.assert_close(cosines @ cosines.T, torch.eye(8), atol=1e-6, rtol=0)
    out = module._jpeg(images, torch.tensor([0.0, 0.5]))
    assert torch.equal(out[0], images[0])
    assert 0.01 < (out[1] - images[1]).abs().mean() < 0.5
    torch.testing.assert_close(module._jpeg(out, torch.tensor([0.0, 0.5])), out, atol=1e-5, rtol=0)
    flat = torch.full((1, 1, 3, 8, 8), 0.5)  # its only wave is 8 x 0.5 = 4
    torch.testing.assert_close(module._jpeg(flat, torch.tensor([0.5])), flat)


def test_degraded_views_keep_the_portrait_sharper(batch):
    views = batch["views"].clone()
    views[:, :, :3] *= torch.rand(3, 1, 3, SIZE, SIZE, generator=seeded(2))
    off = torch.zeros(6)
    for seed in range(10):
        out = degrade_views(views, seeded(seed))
        assert out.min() >= 0 and out.max() <= 1
        off += (out - views).abs().mean((0, 2, 3, 4))
    assert off[0] < 0.7 * off[1:].mean()
