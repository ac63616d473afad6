"""The pipeline of the published models: what reaches the networks, guidance, restarts, and files it writes."""

import numpy as np
import pytest
import torch
from diffusers import DDPMScheduler, EulerAncestralDiscreteScheduler
from made_up_unique3d import published_folder
from PIL import Image

from soaplib.multiview.unique3d.loading import load_soap_pipeline
from soaplib.multiview.unique3d.pipeline import MultiViewPipeline

SIZE = 32


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    base = tmp_path_factory.mktemp("published")
    return {kind: published_folder(base / kind, kind) for kind in ("views", "reference")}


@pytest.fixture
def pipeline(folders):
    made = load_soap_pipeline(folders["views"])
    made.set_progress_bar_config(disable=True)
    return made


@pytest.fixture(scope="module")
def picture():
    return np.random.default_rng(2).random((48, 48, 3)).astype(np.float32)


def draw(pipeline, picture, seed=42, **settings):
    settings = {"num_inference_steps": 3, "size": SIZE} | settings
    return pipeline(picture, generator=torch.Generator().manual_seed(seed), **settings).images


def spied(pipeline):
    """Give the list that every call of the network will be noted in."""
    calls = []

    def note(_, given, settings):
        calls.append({"sample": given[0], "timestep": int(given[1]), "embeds": given[2]} | settings)

    pipeline.unet.register_forward_pre_hook(note, with_kwargs=True)
    return calls


def test_six_pictures_come_out(pipeline, picture):
    images = draw(pipeline, picture)
    assert images.shape == (6, SIZE, SIZE, 3) and images.dtype == np.float32
    assert images.min() >= 0 and images.max() <= 1 and images.std(0).max() > 0.01
    assert np.array_equal(images, draw(pipeline, picture))
    assert not np.array_equal(images, draw(pipeline, picture, seed=1))


def test_what_reaches_the_network(pipeline, picture):
    calls = spied(pipeline)
    draw(pipeline, picture, num_inference_steps=50, callback_on_step_end=None)
    assert [call["timestep"] for call in calls] == list(range(981, 0, -20))
    call = calls[0]
    assert call["sample"].shape == call["condition_latents"].shape == (12, 4, 4, 4)
    assert call["embeds"].shape == (12, 1, 12)
    assert (
        not call["embeds"][:6].any() and not call["condition_latents"][:6].any()
    )  # unconditional half first
    assert call["class_labels"].tolist() == [0, 1, 2, 3, 4, 5] * 2
    image = pipeline._pictures.preprocess(
        Image.fromarray(np.rint(picture * 255).astype(np.uint8)), SIZE, SIZE
    )
    with torch.no_grad():
        latents = pipeline.vae.encode(image).latent_dist.mode() * 0.18215
        pixels = pipeline.feature_extractor(
            images=np.rint(picture * 255).astype(np.uint8), return_tensors="pt"
        )
        embeds = pipeline.image_encoder(pixels.pixel_values).image_embeds
    for row in range(6, 12):
        torch.testing.assert_close(call["condition_latents"][row], latents[0])
        torch.testing.assert_close(call["embeds"][row], embeds)


def test_ddim_by_hand(pipeline, picture):
    """eta = 1: x' = sqrt(a') x0 + sqrt(1 - a' - s^2) e + s z, s^2 = (1 - a')/(1 - a) (1 - a/a')."""
    calls, seen = spied(pipeline), []
    draw(
        pipeline, picture, guidance_scale=2.0,
        callback_on_step_end=lambda pipe, index, timestep, given: seen.append(given["latents"]) or {},
    )  # fmt: skip
    generator = torch.Generator().manual_seed(42)
    latents = torch.randn(6, 4, 4, 4, generator=generator)
    alphas = pipeline.scheduler.alphas_cumprod
    steps = [call["timestep"] for call in calls]
    for index, timestep in enumerate(steps):
        torch.testing.assert_close(
            calls[index]["sample"], torch.cat([latents, latents]), rtol=1e-4, atol=1e-4
        )
        with torch.no_grad():
            call = {k: v for k, v in calls[index].items() if k not in ("sample", "embeds", "timestep")}
            noise = pipeline.unet.forward(
                torch.cat([latents, latents]), timestep, calls[index]["embeds"], **call
            )[0]
        noise = noise[:6] + 2.0 * (noise[6:] - noise[:6])
        a = alphas[timestep]
        b = alphas[steps[index + 1]] if index + 1 < len(steps) else alphas[0]
        s = torch.sqrt((1 - b) / (1 - a) * (1 - a / b))
        clean = (latents - torch.sqrt(1 - a) * noise) / torch.sqrt(a)
        latents = torch.sqrt(b) * clean + torch.sqrt(1 - b - s**2) * noise
        latents = latents + s * torch.randn(6, 4, 4, 4, generator=generator)
        torch.testing.assert_close(seen[index], latents, rtol=1e-3, atol=1e-3)


def test_guidance_one_is_the_conditional_branch(pipeline, picture):
    calls = spied(pipeline)
    plain = draw(pipeline, picture, guidance_scale=1)
    assert {len(call["sample"]) for call in calls} == {6}
    np.testing.assert_allclose(draw(pipeline, picture, guidance_scale=1 + 1e-7), plain, atol=2e-4)
    assert np.abs(draw(pipeline, picture, guidance_scale=3) - plain).max() > 1e-3


def test_the_sample_is_scaled_and_the_portrait_is_not(pipeline, picture):
    """Upstream laid them together first, which is wrong for schedulers of sigmas."""
    pipeline.scheduler = EulerAncestralDiscreteScheduler.from_config(pipeline.scheduler.config)
    calls = spied(pipeline)
    draw(pipeline, picture)
    sigma = pipeline.scheduler.sigmas[0]
    noise = torch.randn(6, 4, 4, 4, generator=torch.Generator().manual_seed(42))
    expected = noise * pipeline.scheduler.init_noise_sigma / (sigma**2 + 1) ** 0.5
    torch.testing.assert_close(calls[0]["sample"][:6], expected)
    conditions = [call["condition_latents"] for call in calls]
    assert all(torch.equal(conditions[0], other) for other in conditions)


def test_each_view_may_have_its_own_picture(pipeline, picture):
    calls = spied(pipeline)
    draw(pipeline, [picture * share for share in (1, 0.8, 0.6, 0.4, 0.2, 0)], class_labels=[0])
    call = calls[0]
    assert call["class_labels"].tolist() == [0] * 12
    assert len({row.sum().item() for row in call["condition_latents"][6:]}) == 6
    assert draw(pipeline, [picture] * 12).shape == (12, SIZE, SIZE, 3)  # two objects
    assert calls[-1]["class_labels"].tolist() == [0, 1, 2, 3, 4, 5] * 4


def test_normals_of_any_number_of_pictures(folders, picture):
    made = load_soap_pipeline(folders["reference"], "normal")
    made.set_progress_bar_config(disable=True)
    both = draw(made, [picture, picture[::-1]])
    assert both.shape == (2, SIZE, SIZE, 3) and np.abs(both[0] - both[1]).max() > 1e-3
    assert draw(made, picture).shape == (1, SIZE, SIZE, 3)


def test_pictures_of_all_sorts(pipeline, picture):
    as_bytes = np.rint(picture * 255).astype(np.uint8)
    expected = draw(pipeline, as_bytes, num_inference_steps=1)
    clear = np.zeros((48, 48, 4), np.uint8)
    for given in (
        picture,
        Image.fromarray(as_bytes),
        np.dstack([as_bytes, np.full((48, 48), 255, np.uint8)]),
    ):
        assert np.array_equal(draw(pipeline, given, num_inference_steps=1), expected)
    white = draw(pipeline, np.ones((48, 48, 3), np.float32), num_inference_steps=1)
    assert np.array_equal(draw(pipeline, clear, num_inference_steps=1), white)


def test_it_starts_from_pictures(pipeline, picture):
    """The more strength, the further from the start; and only that share of the steps is taken."""
    pipeline.scheduler = DDPMScheduler.from_config(pipeline.scheduler.config)
    calls, first = spied(pipeline), pipeline._encode(pipeline._rows(picture), SIZE)
    away = []
    for strength in (0.1, 0.5, 1.0):
        calls.clear()
        draw(pipeline, picture, num_inference_steps=10, start=picture, strength=strength)
        assert len(calls) == 10 * strength
        away.append((calls[0]["sample"][:6] - first).abs().mean().item())
    assert away == sorted(away) and away[0] < 0.5 * away[2]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"images": 5}, "5 pictures do not make whole objects of 6 views"),
        ({"class_labels": [0, 1, 2, 3]}, "class_labels must be 6 numbers"),
        ({"class_labels": [8]}, "from 0 to 7; got .8."),
        ({"size": 30}, "multiple of 8 pixels, not 30"),
        ({"num_inference_steps": 0}, "1 step or more"),
        ({"strength": 0}, "strength above 0"),
        ({"start": 12}, "as many as images are, 6, not 12"),
        ({"images": 0}, "0 pictures do not"),
    ],
)
def test_wrong_arguments_are_named(pipeline, picture, settings, message):
    settings = {k: [picture] * v if k in ("images", "start") else v for k, v in settings.items()}
    with pytest.raises(ValueError, match=message):
        draw(pipeline, settings.pop("images", picture), **settings)
    with pytest.raises(ValueError, match=r"must be \(H, W, 3\)"):
        draw(pipeline, np.zeros((6, 4, 4, 1)))


@pytest.mark.parametrize("kind", ["views", "reference"])
def test_it_is_written_and_read_again(folders, picture, tmp_path, kind):
    made = load_soap_pipeline(folders[kind], "image" if kind == "views" else "normal")
    made.set_progress_bar_config(disable=True)
    expected = draw(made, picture)
    made.save_pretrained(tmp_path)
    assert {path.suffix for path in tmp_path.rglob("*") if path.is_file()} == {".json", ".safetensors"}
    for again in (
        MultiViewPipeline.from_pretrained(tmp_path),
        load_soap_pipeline(tmp_path, made.config.kind),
    ):
        again.set_progress_bar_config(disable=True)
        assert type(again.unet) is type(made.unet) and again.config.kind == made.config.kind
        assert np.array_equal(draw(again, picture), expected)


def test_it_shows_its_progress(folders, picture, capfd):
    draw(load_soap_pipeline(folders["views"]), picture)
    assert "3/3" in capfd.readouterr().err
