"""The training loop: exact to resume, deterministic, and it learns; the two trainings on a handful of tiny heads."""

import dataclasses
import json

import numpy as np
import pytest
import torch
from PIL import Image

from soaplib.errors import UserError
from soaplib.multiview.compact.guide import CHANNELS
from soaplib.multiview.compact.pipeline import NormalsPipeline, ViewsPipeline
from soaplib.training.loop import LoopSettings, Source, _Order, train
from soaplib.training.normals import NormalsSettings, mean_angle, train_normals
from soaplib.training.views import ViewsSettings, mask_iou, train_views, unseen_psnr

SIZE = 16


class Toy:
    """Learn to double what comes in."""

    def __init__(self):
        torch.manual_seed(0)
        self.network = torch.nn.Sequential(torch.nn.Linear(3, 8), torch.nn.Tanh(), torch.nn.Linear(8, 3))
        self.calls = 0

    def loss(self, network, batch, generator):
        self.calls += 1
        noisy = batch["x"] + 0.01 * torch.randn(batch["x"].shape, generator=generator)
        return {"loss": (network(noisy) - 2 * batch["x"]).square().mean()}

    def measure(self, network, batch):
        return {"error": float((network(batch["x"]) - 2 * batch["x"]).abs().mean())}

    def sheet(self, network, batch):
        return np.zeros((4, 5, 3), np.uint8)

    def keep(self, network, folder):
        folder.mkdir()
        torch.save(network.state_dict(), folder / "toy.pt")


class Stopped(Exception):
    pass


def draw(index, rng):
    x = np.random.default_rng(index).standard_normal(3).astype(np.float32)
    return {"x": x if rng is None else x * np.float32(rng.uniform(0.9, 1.1))}


DATA = Source(7, draw)
SETTINGS = LoopSettings(
    max_steps=30, batch=2, micro=1, learning_rate=0.02, warm_up=3, ema=0.9, precision="no",
    checkpoint_every=10, log_every=5, held_out=3,
)  # fmt: skip


def lines(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def kept(folder):
    return torch.load(folder / "model" / "toy.pt", weights_only=True)


def test_it_learns_and_says_so(tmp_path):
    assert train(Toy(), DATA, DATA, tmp_path, SETTINGS) == tmp_path / "model"
    losses = [line["loss"] for line in lines(tmp_path) if "loss" in line]
    errors = [line["error"] for line in lines(tmp_path) if "error" in line]
    assert len(losses) == 6 and losses[-1] < 0.5 * losses[0]
    assert len(errors) == 3 and errors[-1] < errors[0]
    assert [line["step"] for line in lines(tmp_path) if "error" in line] == [10, 20, 30]
    assert json.loads((tmp_path / "model" / "metrics.json").read_text())["step"] == 30
    assert Image.open(tmp_path / "sheets" / "0000030.png").size == (5, 4)
    assert len(list((tmp_path / "checkpoints").iterdir())) == 2
    assert json.loads((tmp_path / "settings.json").read_text())["max_steps"] == 30


def test_a_stopped_training_ends_where_an_unbroken_one_does(tmp_path):
    unbroken, stopped, resumed = Toy(), Toy(), Toy()
    train(unbroken, DATA, DATA, tmp_path / "a", SETTINGS)
    whole = stopped.loss

    def loss(*arguments):
        if stopped.calls == 2 * 17:
            raise Stopped
        return whole(*arguments)

    stopped.loss = loss
    with pytest.raises(Stopped):
        train(stopped, DATA, DATA, tmp_path / "b", SETTINGS)
    with torch.no_grad():  # a fresh start in another place: all must come from the checkpoint
        for parameter in resumed.network.parameters():
            parameter += 1
    train(resumed, DATA, DATA, tmp_path / "b", SETTINGS)
    assert resumed.calls == 2 * 20  # from step 10
    for name, value in kept(tmp_path / "a").items():
        assert torch.equal(value, kept(tmp_path / "b")[name])
    for one, other in zip(unbroken.network.parameters(), resumed.network.parameters(), strict=True):
        assert torch.equal(one, other)

    def without_time(folder):
        return [{k: v for k, v in line.items() if k != "minutes"} for line in lines(folder)]

    assert without_time(tmp_path / "a") == without_time(tmp_path / "b")


def test_gradients_of_parts_add_up(tmp_path):
    """Two heads at once and one after the other are the same step, but for their noise."""

    class Quiet(Toy):
        def loss(self, network, batch, generator):
            return {"loss": (network(batch["x"]) - 2 * batch["x"]).square().mean()}

    one, two = Quiet(), Quiet()
    settings = dataclasses.replace(SETTINGS, max_steps=5, checkpoint_every=5)
    train(one, DATA, DATA, tmp_path / "1", settings)
    train(two, DATA, DATA, tmp_path / "2", dataclasses.replace(settings, micro=2))
    for a, b in zip(one.network.parameters(), two.network.parameters(), strict=True):
        torch.testing.assert_close(a, b)


def test_the_model_holds_averaged_weights(tmp_path):
    toy = Toy()
    train(toy, DATA, DATA, tmp_path, SETTINGS)
    own = toy.network.state_dict()
    assert any(not torch.equal(value, own[name]) for name, value in kept(tmp_path).items())


def test_a_training_ends_with_its_minutes(tmp_path):
    toy = Toy()
    train(toy, DATA, DATA, tmp_path, dataclasses.replace(SETTINGS, max_steps=10**9, max_minutes=0.005))
    assert 0 < toy.calls < 10**5 and (tmp_path / "model" / "toy.pt").exists()


@pytest.mark.parametrize("processes", [1, 2])
def test_every_sample_comes_once_each_time_round(processes):
    settings = dataclasses.replace(SETTINGS, batch=2, micro=2)
    orders = [iter(_Order(8, settings, process, processes, 0)) for process in range(processes)]
    drawn = [place for _ in range(8 // processes) for order in orders for place in next(order)]
    assert sorted(position for position, _ in drawn) == list(range(16))
    first, second = [i for n, i in drawn if n < 8], [i for n, i in drawn if n >= 8]
    assert sorted(first) == sorted(second) == list(range(8)) and first != second
    late = next(iter(_Order(8, settings, 0, processes, 3)))
    assert late == [place for place in drawn if place[0] in range(6 * processes, 6 * processes + 2)]


def test_what_is_asked_for_wrongly():
    with pytest.raises(UserError, match="multiple of micro, which is 2, not 3"):
        LoopSettings(batch=3, micro=2)
    with pytest.raises(UserError, match="not 'fp8'"):
        LoopSettings(precision="fp8")
    with pytest.raises(UserError, match="found 0 to train on"):
        train(Toy(), Source(0, draw), DATA, "nowhere", SETTINGS)


@pytest.fixture(scope="module")
def heads(tmp_path_factory):
    """Four prepared heads of 16 x 16: discs of one colour, of which only the front is known."""
    folder = tmp_path_factory.mktemp("prepared")
    y, x = np.mgrid[:SIZE, :SIZE]
    disc = ((x - 7.5) ** 2 + (y - 7.5) ** 2 < 30).astype(np.float32)
    for part, seed in (("train", 0), ("test", 1)):
        rng = np.random.default_rng(seed)
        views = np.zeros((4, 6, 4, SIZE, SIZE), np.float32)
        views[:, :, 3] = disc
        views[:, :, :3] = disc * rng.uniform(0.2, 0.8, (4, 1, 3, 1, 1))
        guide = np.zeros((4, 6, len(CHANNELS), SIZE, SIZE), np.float32)
        guide[:, :, CHANNELS.index("shell_mask")] = guide[:, :, CHANNELS.index("head_mask")] = disc
        guide[:, 0, CHANNELS.index("seen.r") : CHANNELS.index("seen_weight") + 1] = views[:, 0]
        base = views * [[[[1]]], *5 * [[[[0.5]]]]]
        base[:, :, 3] = disc
        normals = np.zeros((4, 6, 3, SIZE, SIZE), np.float32)
        normals[:, :, 2] = disc
        signed = [i for i, name in enumerate(CHANNELS) if "normals" in name or "places" in name]
        coded = 255 * guide
        coded[:, :, signed] = 128 + 127 * guide[:, :, signed]
        shard = folder / part / "shard-00000"
        shard.mkdir(parents=True)
        for name, values in (
            ("guide", coded), ("base", 255 * base), ("views", 255 * views), ("normals", 128 + 127 * normals)
        ):  # fmt: skip
            np.save(shard / f"{name}.npy", np.rint(values).astype(np.uint8))
        record = {"asked": 4, "heads": [{"seed": i} for i in range(4)], "failed": []}
        (shard / "heads.json").write_text(json.dumps(record))
    return folder


TINY = dict(
    max_steps=30, batch=1, widths=(16, 32), depths=(1, 1), attention=("rows", "all"), warm_up=3, learning_rate=3e-3,
    ema=0.9, log_every=10, checkpoint_every=30, held_out=2, precision="no",
)  # fmt: skip


def test_d_r_beats_its_base_on_toy_heads(heads, tmp_path):
    folder = train_views(heads, tmp_path / "views", ViewsSettings(**TINY))
    losses = [line["loss"] for line in lines(tmp_path / "views") if "loss" in line]
    assert losses[-1] < losses[0]
    measured = json.loads((folder / "metrics.json").read_text())
    assert measured["psnr"] > measured["base_psnr"] + 1 and measured["base_iou"] == 1
    pipeline = ViewsPipeline.from_pretrained(folder)
    assert pipeline.unet.config.guide_channels == len(CHANNELS)
    sheet = Image.open(tmp_path / "views" / "sheets" / "0000030.png")
    assert sheet.size == (6 * SIZE, 2 * 4 * SIZE)

    settings = NormalsSettings(**TINY, views_model=str(folder), imagined=1.0)
    folder = train_normals(heads, tmp_path / "normals", settings)
    losses = [line["loss"] for line in lines(tmp_path / "normals") if "loss" in line]
    assert losses[-1] < losses[0]
    measured = json.loads((folder / "metrics.json").read_text())
    assert measured["degrees"] < 0.7 * measured["base_degrees"]
    assert measured["imagined_degrees"] < measured["base_degrees"]
    assert NormalsPipeline.from_pretrained(folder).unet.config.channels == 3


def test_trainings_start_from_their_seed_and_leave_the_global_one(heads, tmp_path):
    from soaplib.training.views import ViewsTask

    torch.manual_seed(5)
    one = ViewsTask(ViewsSettings(**TINY)).network
    drawn = torch.rand(1)
    torch.manual_seed(5)
    assert torch.equal(drawn, torch.rand(1))
    two, other = ViewsTask(ViewsSettings(**TINY)).network, ViewsTask(ViewsSettings(**TINY, seed=1)).network
    assert torch.equal(one.enter.weight, two.enter.weight)
    assert not torch.equal(one.enter.weight, other.enter.weight)


def test_a_training_starts_from_a_model_of_its_layout(heads, tmp_path):
    from soaplib.training.views import ViewsTask

    folder = train_views(heads, tmp_path / "first", ViewsSettings(**TINY))
    given = ViewsPipeline.from_pretrained(folder).unet.state_dict()
    network = ViewsTask(ViewsSettings(**TINY, start=str(folder))).network
    assert all(torch.equal(value, given[name].float()) for name, value in network.state_dict().items())
    wider = ViewsSettings(**TINY | {"widths": (16, 48)}, start=str(folder))
    with pytest.raises(UserError, match="another layout"):
        ViewsTask(wider)
    with pytest.raises(UserError, match="there is none"):
        ViewsTask(ViewsSettings(**TINY, start=str(tmp_path / "nowhere")))


def test_metrics_by_hand():
    truth = -torch.ones(1, 6, 4, 4, 4)  # black and empty
    made = truth.clone()
    truth[:, :, 3, :2], made[:, :, 3, 1:3] = 1, 1
    made[:, :, :3, 0] = 0  # off by half of the range in one row of the three in the union
    assert mask_iou(made, truth) == pytest.approx(1 / 3)
    assert unseen_psnr(made, truth) == pytest.approx(-10 * np.log10(0.25 / 3), abs=1e-4)
    up, aside = torch.zeros(1, 6, 3, 2, 2), torch.zeros(1, 6, 3, 2, 2)
    up[:, :, 2], aside[:, :, 0] = 1, 3
    inside = torch.ones(1, 6, 2, 2, dtype=torch.bool)
    assert mean_angle(aside, up, inside) == pytest.approx(90)
    assert mean_angle(up + aside / 3, up, inside) == pytest.approx(45)
