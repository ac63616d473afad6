"""The published networks: their very names and shapes, what they compute, and that they load from their own layout."""

import json

import numpy as np
import pytest
import torch
from diffusers import UNet2DConditionModel
from diffusers.models.attention_processor import Attention
from made_up_unique3d import UNET, published_folder, twin_by_hand
from safetensors.torch import load_file, save_file

from soaplib.errors import UserError
from soaplib.multiview.attention import AcrossViews, views_apart
from soaplib.multiview.unique3d import loading
from soaplib.multiview.unique3d.layout import detect, read_header
from soaplib.multiview.unique3d.loading import find_weights, load_soap_pipeline, weights_folder
from soaplib.multiview.unique3d.reference import ReferenceNormalUNet
from soaplib.multiview.unique3d.unet import MultiViewUNet

UNET_FILE = "unet/diffusion_pytorch_model.safetensors"


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    base = tmp_path_factory.mktemp("published")
    return {kind: published_folder(base / kind, kind) for kind in ("views", "reference", "plain")}


@pytest.fixture(scope="module")
def views_unet(folders):
    return load_soap_pipeline(folders["views"]).unet


@pytest.fixture
def inputs():
    generator = torch.Generator().manual_seed(5)
    rows = torch.randn(12, 4, 8, 8, generator=generator)
    condition = torch.randn(12, 4, 8, 8, generator=generator)
    return rows, condition, torch.randn(12, 1, 12, generator=generator), torch.arange(12) % 6


def run(unet, rows, condition, embeds, labels):
    with torch.no_grad():
        return unet(rows, 300, embeds, class_labels=labels, condition_latents=condition).sample


def copy(folder, tmp_path):
    """A folder's files, small enough to copy for each test that spoils them."""
    for path in folder.rglob("*"):
        if path.is_file():
            to = tmp_path / path.relative_to(folder)
            to.parent.mkdir(parents=True, exist_ok=True)
            to.write_bytes(path.read_bytes())
    return tmp_path


def test_d_r_in_full_size_is_the_published_file():
    """687 tensors, 859,542,724 parameters: 3.438 GB in fp32, as the Hub lists it."""
    with torch.device("meta"):
        unet = MultiViewUNet(in_channels=8, num_class_embeds=8, cross_attention_dim=768)
    state = unet.state_dict()
    assert len(state) == 687
    assert sum(value.numel() for value in state.values()) == 859_542_724
    assert state["conv_in.weight"].shape == (320, 8, 3, 3)
    assert state["class_embedding.weight"].shape == (8, 1280)
    joined = [m for m in unet.modules() if isinstance(getattr(m, "processor", None), AcrossViews)]
    assert len(joined) == 16
    stock = {name for name in state if name != "class_embedding.weight"}
    with torch.device("meta"):
        assert stock == set(UNet2DConditionModel(cross_attention_dim=768).state_dict())


def test_the_normal_model_in_full_size_is_the_published_file():
    """Two stock UNets and 16 attentions of a pixel to a pixel: 3.537 GB in bf16."""
    with torch.device("meta"):
        state = ReferenceNormalUNet(cross_attention_dim=768).state_dict()
    assert sum(value.numel() for value in state.values()) == 2 * 859_520_964 + 49_611_520
    layer = "down_blocks.0.attentions.0.transformer_blocks.0.attn1.processor.crosspond_attention."
    names = {name.removeprefix(layer) for name in state if name.startswith(layer)}
    parts = ("to_q", "to_k", "to_v", "to_out.0")
    assert names == {f"{part}.{kind}" for part in parts for kind in ("weight", "bias")}
    assert "ref_unet.conv_in.weight" in state


def test_it_is_the_stock_network_with_views_joined(folders, views_unet, inputs):
    rows, condition, embeds, labels = inputs
    stock = UNet2DConditionModel(**UNET, in_channels=8, num_class_embeds=8).eval()
    stock.load_state_dict(load_file(folders["views"] / UNET_FILE))
    with torch.no_grad():
        apart = stock(torch.cat([rows, condition], 1), 300, embeds, class_labels=labels).sample
    with views_apart(views_unet):
        torch.testing.assert_close(run(views_unet, *inputs), apart, rtol=1e-5, atol=1e-5)
    assert (run(views_unet, *inputs) - apart).abs().max() > 1e-3


def test_objects_stay_apart(views_unet, inputs):
    rows, condition, embeds, labels = inputs
    other = rows.clone()
    other[0] += 1
    change = run(views_unet, other, condition, embeds, labels) - run(views_unet, *inputs)
    change = change.abs().amax((1, 2, 3))
    assert (change[:6] > 1e-4).all() and (change[6:] == 0).all()


def test_views_may_come_in_any_order_with_their_labels(views_unet, inputs):
    order = torch.tensor([3, 0, 5, 1, 4, 2])
    rows, condition, embeds, labels = (value[:6] for value in inputs)
    expected = run(views_unet, rows, condition, embeds, labels)[order]
    found = run(views_unet, rows[order], condition[order], embeds[order], labels[order])
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    mixed = run(views_unet, rows[order], condition[order], embeds[order], labels)
    assert (mixed - expected).abs().max() > 1e-3  # the label tells the view


def test_few_pictures_serve_many_rows(views_unet, inputs):
    rows, condition, embeds, labels = inputs
    expected = run(views_unet, rows, condition[[0, 6]].repeat_interleave(6, 0), embeds, labels)
    torch.testing.assert_close(run(views_unet, rows, condition[[0, 6]], embeds, labels), expected)
    with pytest.raises(ValueError, match="12 samples cannot share 5"):
        run(views_unet, rows, condition[:5], embeds, labels)


def test_the_normal_model_looks_up_the_twins_pixels(folders, inputs):
    """Main network by hand: each self-attention plus full attention of length-1 sequences to the twin's record."""
    rows, condition, embeds, _ = inputs
    main, twin, looks = twin_by_hand(folders["reference"])
    seen = {}
    for name, layer in twin.named_modules():
        if name in looks:
            layer.register_forward_pre_hook(lambda _, given, name=name: seen.update({name: given[0]}))

    def add(name, width):
        look = Attention(width, heads=8, dim_head=width // 8, bias=True).eval()
        look.load_state_dict(looks[name])

        def hook(_, given, out):
            pixels, record = (value.reshape(-1, 1, width) for value in (given[0], seen[name]))
            return out + look(pixels, encoder_hidden_states=record).reshape(out.shape)

        return hook

    for name, layer in main.named_modules():
        if name in looks:
            layer.register_forward_hook(add(name, layer.to_q.in_features))
    with torch.no_grad():
        twin(condition, 300, embeds)
        expected = main(rows, 300, embeds).sample
    found = load_soap_pipeline(folders["reference"], "normal").unet
    assert isinstance(found, ReferenceNormalUNet)
    torch.testing.assert_close(run(found, rows, condition, embeds, None), expected, rtol=1e-4, atol=1e-5)
    assert (run(found, rows, condition.flip(0), embeds, None) - expected).abs().max() > 1e-3
    one = run(found, *(value[:1] for value in (rows, condition, embeds)), None)
    torch.testing.assert_close(one, expected[:1], rtol=1e-4, atol=1e-5)  # every row by itself
    with pytest.raises(ValueError, match="condition_latents"):
        run(found, rows, None, embeds, None)


def test_the_plain_model_is_stock(folders, inputs):
    rows, condition, embeds, _ = inputs
    found = load_soap_pipeline(folders["plain"], "normal").unet
    assert found.config.n_views == 1
    stock = UNet2DConditionModel(**UNET, in_channels=8).eval()
    stock.load_state_dict(load_file(folders["plain"] / UNET_FILE))
    with torch.no_grad():
        expected = stock(torch.cat([rows, condition], 1), 300, embeds).sample
    torch.testing.assert_close(run(found, rows, condition, embeds, None), expected, rtol=1e-5, atol=1e-5)


def test_the_file_tells_what_it_holds(folders):
    found = {kind: detect(folder / "unet") for kind, folder in folders.items()}
    assert {kind: layout.kind for kind, layout in found.items()} == {k: k for k in folders}
    assert (found["views"].n_views, found["views"].labels) == (6, 8)
    for kind, folder in folders.items():
        held = load_file(folder / UNET_FILE)
        assert found[kind].shapes == {name: tuple(value.shape) for name, value in held.items()}


@pytest.mark.parametrize(("config", "n_views"), [({"n_views": 4}, 4), ({}, 6), ({"n_view": 4}, 4)])
def test_the_number_of_views_by_either_name(folders, tmp_path, config, n_views):
    folder = copy(folders["views"], tmp_path)
    path = folder / "unet/config.json"
    found = json.loads(path.read_text())
    del found["n_views"]
    path.write_text(json.dumps(found | config))
    unet = load_soap_pipeline(folder).unet
    assert unet.config.n_views == n_views
    joined = [m.processor for m in unet.modules() if isinstance(getattr(m, "processor", None), AcrossViews)]
    assert {processor.n_views for processor in joined} == {n_views}
    assert MultiViewUNet.from_pretrained(folder / "unet").config.n_views == n_views


def test_what_the_file_says_outranks_its_config(folders, tmp_path):
    folder = copy(folders["views"], tmp_path)
    path = folder / "unet/config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"num_class_embeds": None, "in_channels": 4}))
    assert load_soap_pipeline(folder).unet.config.num_class_embeds == 8


def test_shards_and_variants(folders, tmp_path, views_unet, inputs):
    folder = copy(folders["views"], tmp_path)
    whole = folder / UNET_FILE
    tensors = load_file(whole)
    whole.unlink()
    names, shards = sorted(tensors), {}
    for index, part in enumerate((names[::2], names[1::2]), 1):
        file = f"diffusion_pytorch_model-0000{index}-of-00002.safetensors"
        save_file({name: tensors[name] for name in part}, folder / "unet" / file, metadata={"format": "pt"})
        shards |= dict.fromkeys(part, file)
    index = folder / "unet/diffusion_pytorch_model.safetensors.index.json"
    index.write_text(json.dumps({"metadata": {"total_size": 1}, "weight_map": shards}))
    expected = run(views_unet, *inputs)
    torch.testing.assert_close(run(load_soap_pipeline(folder).unet, *inputs), expected, rtol=0, atol=0)
    index.write_text(json.dumps({"metadata": {}, "weight_map": shards | {"another": file}}))
    with pytest.raises(UserError, match="lack 1 tensors of their index, such as another"):
        load_soap_pipeline(folder)
    for path in (folder / "unet").glob("*diffusion*"):
        path.unlink()
    half = {name: value.half() for name, value in tensors.items()}
    save_file(half, folder / "unet/diffusion_pytorch_model.fp16.safetensors", metadata={"format": "pt"})
    unet = load_soap_pipeline(folder).unet
    assert unet.dtype == torch.float32
    torch.testing.assert_close(run(unet, *inputs), expected, rtol=0.1, atol=0.02)


def test_files_of_the_time_load_too(folders, tmp_path):
    """Autoencoders of 2022 call their attention's layers query, key, value and proj_attn; CLIP's list its positions."""
    folder = copy(folders["views"], tmp_path)
    old = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
    path, tensors = folder / "vae/diffusion_pytorch_model.safetensors", {}
    for name, value in load_file(folder / "vae/diffusion_pytorch_model.safetensors").items():
        for new, then in old.items():
            name = name.replace(f"attentions.0.{new}.", f"attentions.0.{then}.")
        tensors[name] = value
    assert "encoder.mid_block.attentions.0.proj_attn.weight" in tensors
    save_file(tensors, path, metadata={"format": "pt"})
    path = folder / "image_encoder/model.safetensors"
    positions = {"vision_model.embeddings.position_ids": torch.arange(5)[None]}
    save_file(load_file(path) | positions, path, metadata={"format": "pt"})
    found, expected = load_soap_pipeline(folder), load_soap_pipeline(folders["views"])
    for name in ("vae", "image_encoder"):
        state = getattr(expected, name).state_dict()
        for key, value in getattr(found, name).state_dict().items():
            assert torch.equal(value, state[key]), key


def test_all_comes_in_one_precision(folders):
    pipeline = load_soap_pipeline(folders["views"])  # whose image encoder is in half precision
    assert {pipeline.unet.dtype, pipeline.vae.dtype, pipeline.image_encoder.dtype} == {torch.float32}
    pipeline = load_soap_pipeline(folders["views"], dtype=torch.float64)
    assert {pipeline.unet.dtype, pipeline.vae.dtype, pipeline.image_encoder.dtype} == {torch.float64}


def spoil_component(folder):
    (folder / "vae").rename(folder / "another")


def spoil_pickled(folder):
    (folder / UNET_FILE).rename(folder / "unet/diffusion_pytorch_model.bin")


def spoil_pickled_vae(folder):
    (folder / "vae/diffusion_pytorch_model.safetensors").rename(folder / "vae/diffusion_pytorch_model.bin")


def spoil_cut_short(folder):
    data = (folder / UNET_FILE).read_bytes()
    (folder / UNET_FILE).write_bytes(data[:-100])


def spoil_pointer(folder):
    (folder / UNET_FILE).write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 3\n")


def spoil_config(folder):
    (folder / "unet/config.json").unlink()


def spoil_json(folder):
    (folder / "unet/config.json").write_text("{")


def spoil_shape(folder):
    tensors = load_file(folder / UNET_FILE)
    tensors["conv_out.bias"] = torch.zeros(5)
    save_file(tensors, folder / UNET_FILE)


def spoil_key(folder):
    tensors = load_file(folder / UNET_FILE)
    del tensors["conv_out.bias"]
    save_file(tensors, folder / UNET_FILE)


def spoil_layout(folder):
    save_file({"decoder.weight": torch.zeros(3)}, folder / UNET_FILE)


def spoil_channels(folder):
    tensors = load_file(folder / UNET_FILE)
    tensors["conv_in.weight"] = tensors["conv_in.weight"][:, :4].contiguous()
    save_file(tensors, folder / UNET_FILE)


def spoil_encoder(folder):
    path = folder / "image_encoder/model.safetensors"
    tensors = load_file(path)
    del tensors["visual_projection.weight"]
    save_file(tensors, path, metadata={"format": "pt"})


def spoil_views(folder):
    path = folder / "unet/config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"n_views": "six"}))


def spoil_scheduler(folder):
    (folder / "scheduler/scheduler_config.json").write_text('{"_class_name": "UNet2DConditionModel"}')


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (spoil_component, "lacks the folder vae"),
        (spoil_pickled, "as a pickle .diffusion_pytorch_model.bin.*convert"),
        (spoil_pickled_vae, "vae holds its weights as a pickle"),
        (spoil_cut_short, "no whole .safetensors file .* bytes expected"),
        (spoil_pointer, "no whole .safetensors file .*Git LFS"),
        (spoil_config, "No file .*config.json"),
        (spoil_json, "config.json is not JSON"),
        (spoil_shape, r"conv_out.bias of shape \(5,\) where its config.json asks for \(4,\)"),
        (spoil_key, "lacks the tensor conv_out.bias"),
        (spoil_layout, "expected a tensor conv_in.weight"),
        (spoil_channels, "takes 4 channels, expected 8"),
        (spoil_encoder, "lack 1 tensors, such as visual_projection.weight"),
        (spoil_views, "says n_views is 'six', expected a number"),
        (spoil_scheduler, "names a scheduler 'UNet2DConditionModel' which diffusers lacks"),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(folders, tmp_path, spoil, message):
    folder = copy(folders["views"], tmp_path)
    spoil(folder)
    with pytest.raises(UserError, match=message) as caught:
        load_soap_pipeline(folder)
    assert str(caught.value).count("\n") == 0


def test_normals_are_not_taken_for_views(folders):
    with pytest.raises(UserError, match=r"kind 'reference'.*know nothing of each other"):
        load_soap_pipeline(folders["reference"], "image")
    with pytest.raises(UserError, match="one of image, normal, not 'depth'"):
        load_soap_pipeline(folders["views"], "depth")


def test_no_file_is_no_header(tmp_path):
    with pytest.raises(UserError, match=r"No file .*none.safetensors"):
        read_header(tmp_path / "none.safetensors")


@pytest.fixture
def nowhere(tmp_path, monkeypatch):
    """A machine without weights, and the place where they would be."""
    import huggingface_hub.constants
    import platformdirs

    monkeypatch.delenv(loading.VARIABLE, raising=False)
    monkeypatch.setattr(platformdirs, "user_data_dir", lambda name: str(tmp_path / "data" / name))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path


def test_without_weights_the_error_says_what_to_put_where(nowhere):
    with pytest.raises(UserError) as caught:
        find_weights("normal")
    expected = nowhere / "data/soaplib/unique3d/head-mvnormal-diffuser"
    for word in ("Luffuly/head-mvnormal-diffuser", str(expected), "SOAP_UNIQUE3D"):
        assert word in str(caught.value)
    with pytest.raises(UserError, match=r"No folder .*give the folder"):
        load_soap_pipeline(nowhere / "none")
    with pytest.raises(UserError, match="no such model in the Hugging Face Hub's cache: copy it there"):
        load_soap_pipeline("somebody/some-model")


def test_weights_are_found_where_they_belong(nowhere, monkeypatch):
    cached = nowhere / "hub/models--Luffuly--head-mvimage-diffuser"
    snapshot = cached / "snapshots" / ("0" * 40)
    snapshot.mkdir(parents=True)
    (cached / "refs").mkdir()
    (cached / "refs/main").write_text("0" * 40)
    assert find_weights("image") == snapshot
    own = nowhere / "data/soaplib/unique3d/head-mvimage-diffuser"
    own.mkdir(parents=True)
    assert find_weights("image") == own
    named = nowhere / "named"
    (named / "head-mvimage-diffuser").mkdir(parents=True)
    monkeypatch.setenv("SOAP_UNIQUE3D", str(named))
    assert weights_folder() == named
    assert find_weights("image") == named / "head-mvimage-diffuser"


def test_a_download_is_made_only_when_asked_for(nowhere, monkeypatch, folders):
    import huggingface_hub

    asked = []

    def download(repository, local_files_only, allow_patterns):
        asked.append((repository, local_files_only, allow_patterns))
        return str(folders["views"])

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    load_soap_pipeline("somebody/some-model")
    load_soap_pipeline("somebody/some-model", download=True)
    patterns = ["*.json", "*.safetensors"]  # neither code nor pickles
    assert asked == [("somebody/some-model", offline, patterns) for offline in (True, False)]


def test_the_config_takes_all_stock_arguments():
    unet = MultiViewUNet(**UNET, in_channels=8, num_class_embeds=8, n_views=3)
    again = MultiViewUNet.from_config(unet.config)
    assert dict(again.config) == dict(unet.config) and again.config.n_views == 3
    assert np.array_equal(again.config.block_out_channels, UNET["block_out_channels"])
    with pytest.raises(TypeError):
        MultiViewUNet(no_such_argument=1)
