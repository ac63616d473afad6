"""Upsampling of views: our networks, Lanczos without weights, and Real-ESRGAN in its published layout."""

import numpy as np
import pytest
import torch

from soaplib.errors import UserError
from soaplib.multiview.compact.upsample import (
    Upsampler,
    Upsamplers,
    bicubic,
    load_upsamplers,
    tiled,
    upsample_rgba,
    upsample_views,
)
from soaplib.multiview.realesrgan import VARIABLE, RRDBNet, find_realesrgan, load_realesrgan

LANCZOS = Upsamplers(None, None, None)


@pytest.fixture(autouse=True)
def nobodys_weights(monkeypatch, tmp_path):
    """No weights of the user's are found, wherever the tests run."""
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.delenv("SOAP_WEIGHTS", raising=False)
    monkeypatch.setattr("platformdirs.user_data_dir", lambda *_: str(tmp_path / "nobody"))


def trained_like(channels=4, guide=0, seed=0):
    """A tiny network whose last layer is not zero."""
    torch.manual_seed(seed)
    network = Upsampler(channels, guide, width=8, blocks=1)
    torch.nn.init.normal_(network.last.weight, std=0.05)
    return network.eval()


def ball(size):
    """A lit ball seen by two cameras: images on white, masks, normals."""
    y, x = np.mgrid[:size, :size].astype(np.float32)
    x, y = (x + 0.5) / size * 2 - 1, 1 - (y + 0.5) / size * 2
    squared = (x**2 + y**2) / 0.64
    mask = np.clip((0.8 - np.hypot(x, y)) * size / 2 + 0.5, 0, 1).astype(np.float32)
    normals = np.stack([x / 0.8, y / 0.8, np.sqrt(np.maximum(1 - squared, 0.01))], -1)
    normals /= np.linalg.norm(normals, axis=-1, keepdims=True)
    normals *= (mask > 0.02)[..., None]
    colour = (0.5 + 0.4 * normals).clip(0, 1) * mask[..., None] + 1 - mask[..., None]
    return np.stack([colour] * 2), np.stack([mask] * 2), np.stack([normals] * 2)


def test_an_untrained_network_is_bicubic_and_a_constant_stays():
    low = torch.rand(2, 4, 9, 13)
    torch.testing.assert_close(Upsampler()(low), bicubic(low))
    torch.testing.assert_close(bicubic(torch.full((1, 1, 5, 5), 0.3)), torch.full((1, 1, 20, 20), 0.3))
    ramp = torch.arange(16.0).expand(
        1, 1, 16, 16
    )  # a straight ramp stays one; corners of pixels stay in place
    inner = bicubic(ramp)[0, 0, 8, 16:48]
    torch.testing.assert_close(inner, (torch.arange(16.0, 48.0) + 0.5) / 4 - 0.5, atol=0.06, rtol=0)


def test_the_shipped_size_is_small():
    for network in (Upsampler(4), Upsampler(3, guide_channels=4)):
        assert sum(p.numel() for p in network.parameters()) <= 100_000


@pytest.mark.parametrize("guide", [0, 4])
def test_tiles_are_the_same_as_the_whole(guide):
    network = trained_like(4, guide)
    low, high = torch.rand(1, 4, 50, 37), torch.rand(1, 4, 200, 148) if guide else None
    whole = network(low, high)
    torch.testing.assert_close(tiled(network, low, high, tile=20, margin=8), whole, atol=1e-6, rtol=0)
    assert (tiled(network, low, high, tile=20, margin=0) - whole).abs().max() > 1e-3


def test_networks_survive_saving_in_half_precision(tmp_path):
    network = trained_like()
    trained_like().half().save_pretrained(tmp_path / "upsample")
    trained_like(3, 4, seed=1).half().save_pretrained(tmp_path / "upsample_normals")
    assert {file.name for file in (tmp_path / "upsample").iterdir()} == {
        "config.json", "diffusion_pytorch_model.safetensors",
    }  # fmt: skip
    tools = load_upsamplers(tmp_path)
    assert tools.name == "compact" and tools.normals.config.guide_channels == 4
    assert next(tools.rgba.parameters()).dtype == torch.float32
    low = torch.rand(1, 4, 8, 8)
    torch.testing.assert_close(tools.rgba(low), network(low), atol=2e-3, rtol=0)
    assert load_upsamplers(tmp_path / "empty") == LANCZOS and LANCZOS.name == "lanczos"


@pytest.mark.parametrize(
    "tools", [LANCZOS, Upsamplers(trained_like(), trained_like(3, 4), None)], ids=["lanczos", "compact"]
)
def test_views_keep_their_rules(tools):
    images, masks, normals = ball(24)
    big = upsample_views(images, masks, normals, weights=tools)
    assert [array.shape for array in big] == [(2, 96, 96, 3), (2, 96, 96), (2, 96, 96, 3)]
    assert all(array.dtype == np.float32 for array in big)
    assert all(array.min() >= low and array.max() <= 1 for array, low in zip(big, (0, 0, -1), strict=True))
    length = np.linalg.norm(big[2], axis=-1)
    assert np.abs(length[big[1] > 0.02] - 1).max() < 1e-5 and length[big[1] <= 0.02].max() == 0
    assert big[0][big[1] == 0].min() > 0.99, "white where nothing is"


def test_lanczos_comes_near_the_finer_ball():
    fine = ball(96)
    big = upsample_views(*ball(24), weights=LANCZOS)
    sure = fine[2][..., 2] > 0.5  # its rim turns away faster than pixels can tell
    assert np.abs(big[0] - fine[0])[sure].mean() < 0.01
    assert np.degrees(np.arccos((big[2] * fine[2]).sum(-1)[sure].clip(-1, 1))).mean() < 2
    inside = big[1] > 0.5, fine[1] > 0.5
    assert (inside[0] & inside[1]).sum() > 0.985 * (inside[0] | inside[1]).sum()


def test_other_factors_go_over_four():
    views = ball(24)
    assert upsample_views(*views, factor=2, weights=LANCZOS)[0].shape == (2, 48, 48, 3)
    assert upsample_views(*views, factor=6, weights=LANCZOS)[2].shape == (2, 144, 144, 3)


def test_what_is_known_of_the_front_is_kept_and_guides_its_normals():
    fine, views = ball(96), ball(24)
    image = fine[0][0] * 0.5 + 0.5 * (1 - fine[1][0][..., None])
    tools = Upsamplers(trained_like(), trained_like(3, 4), None)
    big = upsample_views(*views, weights=tools, front=(image, fine[1][0]))
    np.testing.assert_allclose(big[0][0], image, atol=1e-6)
    np.testing.assert_allclose(big[1][0], fine[1][0], atol=1e-6)
    plain = upsample_views(*views, weights=tools)
    assert np.abs(big[2][0] - plain[2][0]).max() > 1e-3
    np.testing.assert_array_equal(big[2][1], plain[2][1])


def published(features=8, blocks=2, grow=4):
    """Random weights in the published layout, key by key, as its files have them."""
    torch.manual_seed(0)
    shapes = {"conv_first": (features, 3), "conv_body": (features, features), "conv_last": (3, features)}
    shapes |= {name: (features, features) for name in ("conv_up1", "conv_up2", "conv_hr")}
    for block in range(blocks):
        for dense in (1, 2, 3):
            for k in range(1, 6):
                out = features if k == 5 else grow
                shapes[f"body.{block}.rdb{dense}.conv{k}"] = (out, features + (k - 1) * grow)
    weights = {f"{name}.weight": 0.1 * torch.randn(*shape, 3, 3) for name, shape in shapes.items()}
    return weights | {f"{name}.bias": 0.1 * torch.randn(shape[0]) for name, shape in shapes.items()}


@pytest.mark.parametrize("wrap", [None, "params", "params_ema"])
def test_real_esrgan_loads_from_its_own_layout(tmp_path, monkeypatch, wrap):
    weights = published()
    torch.save(weights if wrap is None else {wrap: weights}, tmp_path / "x4.pth")
    monkeypatch.setenv(VARIABLE, str(tmp_path / "x4.pth"))
    network = load_realesrgan(find_realesrgan())
    assert set(network.state_dict()) == set(weights)
    tools = load_upsamplers(tmp_path / "empty")
    assert tools.name == "realesrgan"
    picture = np.random.default_rng(0).random((6, 7, 4)).astype(np.float32)
    picture[..., :3] *= picture[..., 3:]
    made = upsample_rgba(picture, tools)
    assert made.shape == (24, 28, 4) and (made[..., :3] <= made[..., 3:] + 1e-6).all()
    assert np.abs(made - upsample_rgba(picture, LANCZOS))[..., :3].max() > 1e-3


def test_real_esrgan_as_safetensors_in_the_users_folder(tmp_path, monkeypatch):
    from safetensors.torch import save_file

    folder = tmp_path / "data" / "realesrgan"
    folder.mkdir(parents=True)
    save_file(published(), folder / "anime_6B.safetensors")
    monkeypatch.setattr("platformdirs.user_data_dir", lambda *_: str(tmp_path / "data"))
    assert find_realesrgan() == folder / "anime_6B.safetensors"
    assert len(load_realesrgan(find_realesrgan()).body) == 2


def test_the_networks_sizes_are_the_published_ones():
    with torch.device("meta"):
        sizes = [sum(p.numel() for p in RRDBNet(blocks=blocks).parameters()) for blocks in (23, 6)]
    assert sizes == [16_697_987, 4_467_779]  # x4plus, x4plus_anime_6B


def test_a_dense_block_by_hand():
    """With all weights zero but the last layer's bias the picture is that bias; residuals keep the features."""
    network = RRDBNet(4, 1, 2)
    for parameter in network.parameters():
        torch.nn.init.zeros_(parameter)
    network.conv_last.bias.data[:] = torch.tensor([0.1, 0.2, 0.3])
    assert torch.allclose(network(torch.rand(1, 3, 2, 2))[0, :, 3, 5], torch.tensor([0.1, 0.2, 0.3]))
    network.body[0].rdb3.conv5.bias.data[:] = 1.0
    assert torch.allclose(network.body(torch.ones(1, 4, 2, 2)), torch.tensor(1.24))  # 1 + 0.2 (1 + 0.2)


def test_wrong_files_are_refused_in_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setenv(VARIABLE, str(tmp_path / "none.pth"))
    with pytest.raises(UserError, match="no file"):
        find_realesrgan()
    torch.save({"weight": torch.zeros(1)}, tmp_path / "other.pth")
    with pytest.raises(UserError, match="its tensors are others"):
        load_realesrgan(tmp_path / "other.pth")
    x2 = published() | {"conv_first.weight": torch.zeros(8, 12, 3, 3)}
    torch.save(x2, tmp_path / "x2.pth")
    with pytest.raises(UserError, match="x4plus"):
        load_realesrgan(tmp_path / "x2.pth")
    (tmp_path / "broken.pth").write_bytes(b"nothing")
    (tmp_path / "broken.safetensors").write_bytes(b"nothing here")
    torch.save(torch.nn.Linear(1, 1), tmp_path / "code.pth")
    for name in ("broken.pth", "broken.safetensors", "code.pth"):
        with pytest.raises(UserError, match="no "):
            load_realesrgan(tmp_path / name)
