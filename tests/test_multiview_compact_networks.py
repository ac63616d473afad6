"""The compact networks and their pipelines, on tiny random ones."""

import numpy as np
import pytest
import torch

from soaplib.errors import UserError
from soaplib.multiview.attention import views_apart
from soaplib.multiview.compact.guide import CHANNELS
from soaplib.multiview.compact.inputs import (
    FLIPPED,
    NORMALS_CHANNELS,
    PLACE,
    known_views,
    mirrored,
    normals_inputs,
    signed_views,
)
from soaplib.multiview.compact.pipeline import NormalsPipeline, ViewsPipeline, make_scheduler
from soaplib.multiview.compact.unet import CompactUNet
from soaplib.multiview.compact.weights import VARIABLE, find_weights

SIZE, GUIDE = 16, len(CHANNELS)


def tiny(channels=4, guide_channels=GUIDE, trained=True):
    torch.manual_seed(0)
    network = CompactUNet(
        channels=channels, guide_channels=guide_channels, widths=(16, 32), depths=(1, 1),
        attention=("rows", "all"), place=PLACE,
    )  # fmt: skip
    if trained:  # as if: no layer is zero any more
        with torch.no_grad():
            for parameter in network.parameters():
                parameter += 0.05 * torch.randn_like(parameter)
    return network.eval()


def given(heads=1, channels=4, guide_channels=GUIDE, seed=0):
    """A guide, a base and noisy views."""
    rng = torch.Generator().manual_seed(seed)
    shapes = [(heads, 6, c, SIZE, SIZE) for c in (guide_channels, channels, channels)]
    return [0.5 * torch.randn(shape, generator=rng) for shape in shapes]


def quiet(pipeline):
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


@pytest.fixture(scope="module")
def pipeline():
    return quiet(ViewsPipeline(tiny(), make_scheduler()))


def test_an_untrained_network_gives_the_base_at_pure_noise():
    guide, base, noisy = given()
    made = tiny(trained=False)(noisy, torch.zeros(1), guide, base)
    torch.testing.assert_close(made.sample, base)
    assert not made.correction.any()


@pytest.mark.parametrize("signal", [0.0, 0.3, 0.9, 0.999])
def test_the_target_makes_the_estimate_the_clean_views(signal):
    """And it is of unit size where the base is off by `base_spread`, whatever the noise."""
    network, (_, base, noise) = tiny(trained=False), given(heads=3)
    clean = base + network.config.base_spread * torch.randn(
        base.shape, generator=torch.Generator().manual_seed(1)
    )
    a = torch.full((3,), signal)
    noisy = signal * clean + (1 - signal**2) ** 0.5 * 2 * noise  # `given` halves its noise
    target = network.target(noisy, a, clean, base)
    change, scale = network._linear(noisy, a, base)
    estimate = base + change + scale * target
    torch.testing.assert_close(estimate, clean, atol=1e-4, rtol=1e-4)
    assert target.std() == pytest.approx(1, abs=0.02)


def test_nearly_clean_views_are_hardly_changed():
    guide, base, noisy = given()
    made = tiny()(noisy, torch.tensor([0.9999]), guide, base).sample
    assert (made - noisy).abs().mean() < 0.05


def test_views_may_come_in_any_order_with_their_labels():
    network, (guide, base, noisy) = tiny(), given()
    order = torch.tensor([3, 0, 5, 1, 4, 2])
    straight = network(noisy, torch.tensor([0.5]), guide, base).sample
    shuffled = network(
        noisy[:, order], torch.tensor([0.5]), guide[:, order], base[:, order], labels=order
    ).sample
    torch.testing.assert_close(shuffled, straight[:, order], atol=1e-5, rtol=1e-4)
    unlabelled = network(noisy[:, order], torch.tensor([0.5]), guide[:, order], base[:, order]).sample
    assert (unlabelled - straight[:, order]).abs().max() > 1e-3


def test_views_see_each_other_and_heads_do_not():
    network, (guide, base, noisy) = tiny(), given(heads=2)
    signal = torch.tensor([0.0, 0.0])
    changed = guide.clone()
    changed[0, 0] += 1

    def difference():
        apart = network(noisy, signal, changed, base).sample - network(noisy, signal, guide, base).sample
        return apart.abs().amax((2, 3, 4))

    together = difference()
    assert (together[0] > 1e-4).all()
    assert together[1].max() < 1e-6
    with views_apart(network):
        alone = difference()
    assert alone[0, 0] > 1e-4 and alone[0, 1:].max() < 1e-6


def test_saved_and_loaded_again(pipeline, tmp_path):
    pipeline.save_pretrained(tmp_path)
    assert (tmp_path / "unet" / "diffusion_pytorch_model.safetensors").exists()
    again = quiet(ViewsPipeline.from_pretrained(tmp_path))
    assert again.unet.config.widths == [16, 32] or again.unet.config.widths == (16, 32)
    guide, base, _ = given()
    first, second = (
        p(guide, base, num_inference_steps=2, generator=torch.Generator().manual_seed(3))
        for p in (pipeline, again)
    )
    np.testing.assert_allclose(first.images, second.images, atol=1e-6)
    np.testing.assert_allclose(first.masks, second.masks, atol=1e-6)


def test_the_generator_decides_all(pipeline):
    guide, base, _ = given()

    def made(seed, **options):
        generator = torch.Generator().manual_seed(seed)
        return pipeline(
            guide, base, num_inference_steps=3, generator=generator, output_type="pt", **options
        ).images

    assert torch.equal(made(0), made(0)) and torch.equal(made(0, eta=1.0), made(0, eta=1.0))
    assert not torch.equal(made(0), made(1))
    assert not torch.equal(made(0), made(0, eta=1.0))


def test_one_step_is_the_networks_answer_to_pure_noise(pipeline):
    guide, base, _ = given()
    generator = torch.Generator().manual_seed(5)
    made = pipeline(guide, base, 1, generator=generator, output_type="pt").images
    noise = torch.randn(base.shape, generator=torch.Generator().manual_seed(5))
    with torch.no_grad():
        wanted = pipeline.unet(noise, torch.zeros(1), guide, base).sample
    torch.testing.assert_close(made, wanted)


def test_guidance_carries_on_from_the_answer_without_a_guide(pipeline):
    guide, base, _ = given()

    def made(guide, base, scale):
        generator = torch.Generator().manual_seed(0)
        return pipeline(guide, base, 1, scale, generator=generator, output_type="pt").images

    with_guide = made(guide, base, 1.0)
    without = made(torch.zeros_like(guide), torch.zeros_like(base), 1.0)
    torch.testing.assert_close(made(guide, base, 0.0), without, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(
        made(guide, base, 2.5), without + 2.5 * (with_guide - without), atol=1e-4, rtol=1e-4
    )


def test_steps_lead_from_noise_to_the_last_estimate(pipeline):
    guide, base, _ = given()
    seen = []
    made = pipeline(
        guide, base, 4, generator=torch.Generator().manual_seed(0), output_type="pt",
        callback_on_step_end=lambda pipe, step, time, tensors: seen.append((step, int(time), tensors)),
    ).images  # fmt: skip
    assert [(step, time) for step, time, _ in seen] == [(0, 999), (1, 749), (2, 499), (3, 249)]
    torch.testing.assert_close(seen[-1][2]["sample"], made, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(seen[-1][2]["estimate"], made)


def test_known_pixels_are_kept(pipeline):
    guide, base, known = given()
    weight = torch.zeros(1, 6, 1, SIZE, SIZE)
    weight[:, 0], weight[:, 1, :, :8] = 1, 0.5
    options = dict(output_type="pt", num_inference_steps=1)
    free = pipeline(guide, base, generator=torch.Generator().manual_seed(0), **options).images
    kept = pipeline(
        guide, base, generator=torch.Generator().manual_seed(0), known=known, known_weight=weight, **options
    ).images
    torch.testing.assert_close(kept[:, 0], known[:, 0])
    torch.testing.assert_close(kept[:, 1, :, :8], (known[:, 1, :, :8] + free[:, 1, :, :8]) / 2)
    torch.testing.assert_close(kept[:, 2:], free[:, 2:])


def test_no_steps_are_an_error(pipeline):
    guide, base, _ = given()
    with pytest.raises(ValueError, match="1 or more, not 0"):
        pipeline(guide, base, num_inference_steps=0)


def test_outputs_are_pictures_masks_and_unit_normals(pipeline):
    guide, base, _ = given()
    made = pipeline(guide, 9 * base)
    assert made.images.shape == (1, 6, SIZE, SIZE, 3) and made.masks.shape == (1, 6, SIZE, SIZE)
    assert made.images.min() == 0 and made.images.max() == 1 and made.masks.max() == 1
    sculptor = quiet(NormalsPipeline(tiny(3, NORMALS_CHANNELS), make_scheduler()))
    guide, base, _ = given(1, 3, NORMALS_CHANNELS)
    made = sculptor(guide, base)
    np.testing.assert_allclose(np.linalg.norm(made.images, axis=-1), 1, atol=1e-5)
    assert made.masks is None


def test_colours_lie_on_white():
    premultiplied = torch.zeros(1, 1, 4, 1, 3)
    premultiplied[0, 0, :, 0, 0] = torch.tensor([0.25, 0.5, 0.0, 0.5])  # half of (0.5, 1, 0)
    premultiplied[0, 0, :, 0, 1] = torch.tensor([0.2, 0.4, 0.6, 1.0])
    made = signed_views(premultiplied)[0, 0, :, 0].T
    expected = [[0.5, 1.0, 0.0, 0.0], [-0.6, -0.2, 0.2, 1.0], [1.0, 1.0, 1.0, -1.0]]
    torch.testing.assert_close(made, torch.tensor(expected))


def test_what_the_portrait_shows_is_known():
    guide = torch.zeros(1, 6, len(CHANNELS), 1, 2)
    seen = CHANNELS.index("seen.r")
    guide[0, 0, seen : seen + 4, 0, 0] = torch.tensor([0.25, 0.5, 0.0, 0.5])
    guide[0, 4, seen : seen + 4, 0, 0] = torch.tensor([0.2, 0.4, 0.1, 0.5])
    known, sure = known_views(guide)
    torch.testing.assert_close(
        known[0, 0, :, 0].T, torch.tensor([[0.5, 1.0, 0.0, 0.0], [1.0, 1.0, 1.0, -1.0]])
    )
    assert (sure[0, 0] == 1).all()
    torch.testing.assert_close(known[0, 4, :3, 0, 0], torch.tensor([-0.2, 0.6, -0.6]))
    assert sure[0, 4, :3, 0, 0].tolist() == [0.5] * 3 and sure[0, 4, 3].max() == 0
    assert not sure[0, 1:4].any()


def test_normals_start_from_the_head_and_under_hair_from_the_shell():
    guide, views = torch.zeros(1, 6, len(CHANNELS), 1, 3), torch.ones(1, 6, 4, 1, 3)
    guide[:, :, CHANNELS.index("head_mask")] = 1
    guide[:, :, CHANNELS.index("head_normals.x")], guide[:, :, CHANNELS.index("head_normals.z")] = 0.6, 0.8
    guide[0, 5, CHANNELS.index("head_normals.z"), 0, 0] = -0.8  # from inside
    guide[:, :, CHANNELS.index("shell_normals.z")] = 0.5
    guide[:, :, CHANNELS.index("hair"), 0, 1] = 1
    views[:, :, 3, 0, 2] = -1
    inputs, base = normals_inputs(guide, views)
    assert inputs.shape[2] == NORMALS_CHANNELS
    torch.testing.assert_close(base[0, 2, :, 0].T, torch.tensor([[0.6, 0, 0.8], [0, 0, 1.0], [0, 0, 0]]))
    torch.testing.assert_close(base[0, 5, :, 0, 0], torch.tensor([0, 0, 1.0]))
    torch.testing.assert_close(inputs[:, :, -4:], views)


def test_weights_are_found_where_the_user_says(pipeline, tmp_path, monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    with pytest.raises(UserError, match="'views' were expected in"):
        find_weights("views", tmp_path)
    pipeline.save_pretrained(tmp_path / "views")
    assert find_weights("views", tmp_path) == tmp_path / "views"
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    assert find_weights("views") == tmp_path / "views"
    with pytest.raises(UserError, match="'normals'"):
        find_weights("normals")


def test_a_mirror_twice_is_none():
    guide = torch.randn(2, 6, len(CHANNELS), 4, 4)
    once = mirrored(guide, FLIPPED)
    assert torch.equal(mirrored(once, FLIPPED), guide)
    place = CHANNELS.index("places.x")
    assert torch.equal(once[:, 1, place], -guide[:, 3, place].flip(-1))
    assert torch.equal(mirrored(guide)[:, 4], guide[:, 5].flip(-1))
