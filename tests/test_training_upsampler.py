"""Training of the upsamplers: what they see, that they learn, and that they are the same again."""

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from soaplib.multiview.compact.upsample import Upsampler, bicubic
from soaplib.training import upsampler
from soaplib.training.upsampler import (
    UpsamplerPlan,
    cut_square,
    draw_frames,
    make_batch,
    make_upsampler,
    measure_upsampler,
    spoil_rgba,
    spoil_vectors,
    train_upsampler,
)

TOY = {"batch": 4, "crop": 16, "width": 8, "blocks": 1, "pool": 2, "renew": 40, "size": 128}


def striped(size=128):
    """Frames without a head: hard diagonal stripes on a disc, and its normals as of a ball."""
    y, x = np.mgrid[:size, :size].astype(np.float32)
    u, v = (x + 0.5) / size * 2 - 1, 1 - (y + 0.5) / size * 2
    inside = (u**2 + v**2 < 0.8).astype(np.float32)[..., None]
    shade = 0.2 + 0.6 * ((x + y) // 6 % 2)
    normals = np.stack([u, v, np.sqrt(np.maximum(1 - u**2 - v**2, 0.05))], -1)
    normals /= np.linalg.norm(normals, axis=-1, keepdims=True)
    rgba = np.concatenate([np.stack([shade, 0.8 * shade, 0.5 * shade], -1) * inside, inside], -1)
    return np.stack([rgba] * 6).astype(np.float16), np.stack([normals * inside] * 6).astype(np.float16)


@pytest.fixture
def stripes(monkeypatch):
    """No heads are drawn: all frames are stripes."""
    monkeypatch.setattr(upsampler, "sample_codes", lambda *_: None)
    monkeypatch.setattr(upsampler, "draw_frames", lambda *_: striped())


def test_frames_are_premultiplied_and_normals_are_unit():
    from soaplib.training.samples import sample_codes

    rgba, vectors = draw_frames(sample_codes(0, 0), 64)
    assert rgba.shape == (6, 64, 64, 4) and vectors.shape == (6, 64, 64, 3)
    rgba, vectors = rgba.astype(float), vectors.astype(float)
    assert (rgba[..., :3] <= rgba[..., 3:] + 1e-3).all() and rgba.min() >= 0 and rgba.max() == 1
    assert (vectors[rgba[..., 3] == 0] == 0).all()
    assert abs(np.linalg.norm(vectors[rgba[..., 3] == 1], axis=-1).mean() - 1) < 0.01
    assert (rgba[..., 3] > 0.5).mean() > 0.15


def test_squares_hold_some_of_the_head_and_are_mirrored_whole():
    rng = np.random.default_rng(0)
    for _ in range(20):
        colour, vector = cut_square(rng, striped(), 16)
        assert colour.shape == (64, 64, 4) and vector.shape == (64, 64, 3) and colour[32, 32, 3] > 0
    rgba, vectors = striped()
    rgba, vectors = rgba.copy(), vectors.copy()
    rgba[..., 0] = (vectors[..., 0] > 0) * rgba[..., 3]  # red marks where x is positive
    for _ in range(20):
        colour, vector = cut_square(rng, (rgba, vectors), 16)
        sure = np.abs(vector[..., 0]) > 0.01
        mirrored = (colour[..., 0] > 0)[sure] != (vector[..., 0] > 0)[sure]
        assert mirrored.all() or not mirrored.any(), "the mark stays with its pixel, the sign turns"


def test_shrinking_alone_is_the_mean_of_cells(monkeypatch):
    monkeypatch.setattr(upsampler, "_CLEAN", 1.1)
    rng, (rgba, vectors) = np.random.default_rng(0), striped()
    rgba, vectors = rgba[0].astype(np.float32), vectors[0].astype(np.float32)
    low = spoil_rgba(rng, rgba)
    np.testing.assert_allclose(low, rgba.reshape(32, 4, 32, 4, 4).mean((1, 3)), atol=1e-6)
    field = spoil_vectors(rng, vectors, rgba[..., 3])
    length = np.linalg.norm(field, axis=-1)
    np.testing.assert_allclose(length, low[..., 3], atol=1e-5)


def test_spoiled_pictures_stay_pictures(monkeypatch):
    monkeypatch.setattr(upsampler, "_CLEAN", -1.0)
    rgba, vectors = (array[0].astype(np.float32) for array in striped())
    rng, seen = np.random.default_rng(1), set()
    for _ in range(30):
        low = spoil_rgba(rng, rgba)
        assert low.dtype == np.float32 and low.min() >= 0 and (low[..., :3] <= low[..., 3:] + 1e-6).all()
        seen.add(low.tobytes())
        field = spoil_vectors(rng, vectors, rgba[..., 3])
        assert np.linalg.norm(field, axis=-1).max() < 1 + 1e-5
    assert len(seen) > 20, "one in eight is only shrunk all the same"


@pytest.mark.parametrize("kind", ["rgba", "normals"])
def test_it_learns_hard_edges(stripes, kind):
    plan = UpsamplerPlan(kind, steps=60, rate=1e-2, **TOY)
    losses = []
    network = train_upsampler(plan, progress=lambda step, loss: losses.append((step, loss)))
    assert [step for step, _ in losses] == list(range(60))
    found = measure_upsampler(network, kind, heads=1)
    if kind == "rgba":
        assert found["psnr_network"] > found["psnr_bicubic"] + 0.5
    else:
        assert found["degrees_known"] < found["degrees_bicubic"]


def test_the_same_plan_gives_the_same_network_and_touches_nobodys_seed(stripes, tmp_path):
    plan = UpsamplerPlan(steps=3, **TOY)
    torch.manual_seed(11)
    first = train_upsampler(plan, tmp_path / "made")
    after = torch.rand(1)
    torch.manual_seed(11)
    assert torch.rand(1) == after
    second = train_upsampler(plan)
    other = train_upsampler(UpsamplerPlan(steps=3, seed=1, **TOY))
    for name, value in first.state_dict().items():
        assert torch.equal(value, second.state_dict()[name])
    assert not torch.equal(first.last.weight, other.last.weight)
    loaded = Upsampler.from_pretrained(tmp_path / "made", torch_dtype=torch.float32)
    torch.testing.assert_close(loaded.last.weight, first.last.weight, atol=1e-4, rtol=1e-3)
    half = load_file(tmp_path / "made" / "diffusion_pytorch_model.safetensors")
    assert {value.dtype for value in half.values()} == {torch.float16}


def test_guides_come_from_the_truth_or_from_the_finished_upsampler():
    rng = np.random.default_rng(2)
    squares = [cut_square(rng, striped(), 16) for _ in range(8)]
    colours = make_upsampler(UpsamplerPlan())
    (low, guide), wanted = make_batch(rng, squares, "normals", colours)
    assert low.shape == (8, 3, 16, 16) and guide.shape == (8, 4, 64, 64) and wanted.shape == (8, 3, 64, 64)
    true = np.array(
        [np.array_equal(g.transpose(1, 2, 0), s[0]) for g, s in zip(guide.numpy(), squares, strict=True)]
    )
    assert true.any() and not true.all()


def test_untrained_it_measures_as_bicubic(stripes):
    found = measure_upsampler(make_upsampler(UpsamplerPlan()), "rgba", heads=1)
    assert abs(found["psnr_network"] - found["psnr_bicubic"]) < 0.2  # colours are kept below alpha
    low = torch.rand(1, 3, 8, 8)
    torch.testing.assert_close(
        make_upsampler(UpsamplerPlan("normals"))(low, torch.rand(1, 4, 32, 32)), bicubic(low)
    )


def test_an_unknown_kind_is_refused():
    with pytest.raises(ValueError, match="rgba, normals"):
        train_upsampler(UpsamplerPlan("depth"))
