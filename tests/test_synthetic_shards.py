"""Datasets of synthetic heads: whole shards, the same bytes, resumed and grown; loaders give what was written."""

import hashlib
import io
import json
import tarfile

import cv2
import numpy as np
import pytest
import torch
from made_up_synthetic_head import make_made_up_head

from soaplib.errors import UserError
from soaplib.render import project
from soaplib.synthetic import splits
from soaplib.synthetic.loader import KEYS, LiveHeads, ShardDataset, decode
from soaplib.synthetic.pieces import LABELS, STYLES
from soaplib.synthetic.sample import EXTRAS, encode, render_head
from soaplib.synthetic.shards import Recipe, begin, shards_of, write_shard
from soaplib.synthetic.workers import write_dataset

SIZE = 48
RECIPE = Recipe(seed=0, size=SIZE, shard_size=2)


def digests(folder):
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    """Five heads in three shards, written in this process."""
    folder = tmp_path_factory.mktemp("synth") / "heads"
    index = write_dataset(folder, RECIPE, 5, workers=1, make=make_made_up_head)
    return folder, index


def members(path):
    with tarfile.open(path) as tar:
        return [(m, tar.extractfile(m).read()) for m in tar.getmembers()]


def test_a_dataset_holds_what_is_promised(dataset):
    folder, index = dataset
    assert index["count"] == 5 and json.loads((folder / "index.json").read_text())["count"] == 5
    assert sum(index["counts"]["style"].values()) == 5 and index["failed"] == []
    assert [path.name for path in sorted(folder.glob("*.tar"))] == index["shards"]
    files = [name for shard in index["shards"] for name in members(folder / shard)]
    assert all(m.mtime == 0 and m.uid == 0 and m.uname == "" for m, _ in files)
    names = {m.name.split(".", 1)[1] for m, _ in files}
    each = [f"{kind}_{i}.png" for kind in ("view", "normal", "labels") for i in range(6)]
    assert names >= {"portrait.png", "portrait_mask.png", "meta.json", *each} and len(files) == 5 * len(names)
    view = cv2.imdecode(
        np.frombuffer(dict((m.name, d) for m, d in files)["00000000.view_0.png"], np.uint8), -1
    )
    assert view.shape == (SIZE, SIZE, 4) and view.dtype == np.uint8


def test_meta_tells_the_truth(dataset):
    folder, _ = dataset
    files = {m.name: data for m, data in members(folder / "heads-00000000-00000001.tar")}
    meta = json.loads(files["00000001.meta.json"])
    head = make_made_up_head(1)
    assert meta["seed"] == 1 and meta["style"] == STYLES[1] and meta["labels"] == list(LABELS)
    points = np.array(meta["landmarks478_metres"])
    assert np.abs(points - head.model.landmarks(head.vertices)).max() < 1e-6
    camera = np.array(meta["camera"]["portrait"])
    assert np.abs(project(points, camera) - np.array(meta["landmarks478"])).max() < 0.01
    assert np.array(meta["landmarks68"]).shape == (68, 2) and np.array(meta["camera"]["views"]).shape == (
        6,
        4,
        4,
    )
    assert meta["splits"] == splits.of(meta)


def test_the_same_bytes_whatever_the_workers(dataset, tmp_path):
    folder, _ = dataset
    told = []
    write_dataset(
        tmp_path / "two", RECIPE, 5, workers=2, make=make_made_up_head, tell=lambda *state: told.append(state)
    )
    assert digests(tmp_path / "two") == digests(folder)
    assert told[0] == (0, 5) and told[-1][1] == 5 and [t[0] for t in told] == sorted(t[0] for t in told)


def test_a_scheduler_is_used_by_its_address(dataset, tmp_path):
    distributed = pytest.importorskip("distributed")
    folder, _ = dataset
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, protocol="tcp://", dashboard_address=None
    ) as cluster:
        address = cluster.scheduler_address
        write_dataset(tmp_path / "d", RECIPE, 5, scheduler=address, make=make_made_up_head)
        write_dataset(tmp_path / "d", RECIPE, 5, scheduler=address, make=None)  # nothing left to do
    assert digests(tmp_path / "d") == digests(folder)


def test_goes_on_after_a_kill(dataset, tmp_path):
    folder, _ = dataset

    class Killed(BaseException):
        pass

    def make(seed):
        if seed == 3:
            raise Killed
        return make_made_up_head(seed)

    with pytest.raises(Killed):
        write_dataset(tmp_path / "d", RECIPE, 5, workers=1, make=make)
    assert sorted(p.name for p in (tmp_path / "d").glob("*.tar")) == ["heads-00000000-00000001.tar"]
    (tmp_path / "d" / ".heads-00000002-00000003.0.part").write_bytes(b"half")
    made, told = [], []

    def count(seed):
        made.append(seed)
        return make_made_up_head(seed)

    write_dataset(tmp_path / "d", RECIPE, 5, workers=1, make=count, tell=lambda done, _: told.append(done))
    assert made == [2, 3, 4] and told == [2, 3, 4, 5] and digests(tmp_path / "d") == digests(folder)


def test_grows_to_the_same_bytes(dataset, tmp_path):
    folder, _ = dataset
    write_dataset(tmp_path / "d", RECIPE, 3, workers=1, make=make_made_up_head)
    assert (tmp_path / "d" / "heads-00000002-00000002.tar").exists()
    write_dataset(tmp_path / "d", RECIPE, 5, workers=1, make=make_made_up_head)
    assert digests(tmp_path / "d") == digests(folder)
    assert (
        write_dataset(tmp_path / "d", RECIPE, 5, workers=1, make=None)["count"] == 5
    )  # nothing left to make


def test_a_head_that_fails_is_left_out_and_named(tmp_path):
    def make(seed):
        if seed == 1:
            raise ArithmeticError("no nose")
        return make_made_up_head(seed)

    index = write_dataset(tmp_path / "d", RECIPE, 2, workers=1, make=make)
    assert index["count"] == 1 and index["failed"] == [{"seed": 1, "error": "ArithmeticError: no nose"}]
    with pytest.raises(RuntimeError, match="none of the heads 0 to 1 could be made"):
        write_shard(tmp_path, shards_of(2, 2)[0], RECIPE, lambda seed: make(1))
    assert not list(tmp_path.glob("*.tar"))


def test_folders_that_do_not_fit(dataset, tmp_path):
    folder, _ = dataset
    with pytest.raises(UserError, match=r"holds a dataset with seed 0, but 1 is asked for"):
        begin(folder, Recipe(1, SIZE, shard_size=2), 5)
    with pytest.raises(UserError, match=r"extras \[\], but \['depth'\]"):
        begin(folder, Recipe(0, SIZE, extras=("depth",), shard_size=2), 5)
    with pytest.raises(UserError, match="holds 5 heads already, more than --count 3"):
        begin(folder, RECIPE, 3)
    (tmp_path / "note.txt").write_text("mine")
    with pytest.raises(UserError, match="holds other files and no dataset"):
        begin(tmp_path, RECIPE, 5)
    with pytest.raises(UserError, match="is a file"):
        begin(tmp_path / "note.txt", RECIPE, 5)
    with pytest.raises(UserError, match="No Dask scheduler answers"):
        write_dataset(tmp_path / "d", RECIPE, 5, scheduler="tcp://127.0.0.1:1", make=make_made_up_head)


def test_memory_stays_flat(tmp_path):
    psutil = pytest.importorskip("psutil")
    recipe = Recipe(0, 32, views=1, shard_size=20)
    shards = shards_of(200, 20)
    write_shard(tmp_path, shards[0], recipe, make_made_up_head)
    before = psutil.Process().memory_info().rss
    for shard in shards[1:]:
        write_shard(tmp_path, shard, recipe, make_made_up_head)
    assert psutil.Process().memory_info().rss - before < 30e6


def test_loader_gives_what_was_rendered(dataset):
    folder, _ = dataset
    samples = list(ShardDataset(folder, keys=[k for k in KEYS if k not in ("depth", "uv", "albedo")]))
    assert [s["seed"] for s in samples] == [0, 1, 2, 3, 4]
    truth = render_head(make_made_up_head(3), SIZE)
    sample = samples[3]
    assert torch.equal(sample["labels"], torch.from_numpy(truth.views.labels.astype(np.int64)))
    alpha = torch.from_numpy(truth.views.rgba[..., 3].astype(np.float32) / 255)
    assert torch.equal(sample["views"][:, 3], alpha)
    seen = alpha > 0
    colours = torch.from_numpy(truth.views.rgba[..., :3].astype(np.float32) / 255).permute(0, 3, 1, 2)
    assert torch.equal(sample["views"][:, :3] * seen[:, None], colours * seen[:, None])
    length = sample["normals"].norm(dim=1)
    assert (length[~seen] == 0).all() and ((length[seen] - 1).abs() < 0.02).all()
    assert sample["portrait"].shape == (3, SIZE, SIZE) and sample["cameras"].shape == (6, 4, 4)


def test_loader_shuffles_splits_and_divides(dataset):
    folder, _ = dataset
    shuffled = ShardDataset(folder, keys=("landmarks478",), shuffle=10, seed=1)
    orders = [[s["seed"] for s in shuffled] for _ in range(3)]
    assert all(sorted(order) == [0, 1, 2, 3, 4] for order in orders) and len(set(map(tuple, orders))) > 1
    parts = {
        part: {s["seed"] for s in ShardDataset(folder, keys=(), split={"style": part})}
        for part in ("train", "test")
    }
    assert parts["train"] | parts["test"] == {0, 1, 2, 3, 4} and not parts["train"] & parts["test"]
    assert all(STYLES[seed % 4] in splits.held_out("style") for seed in parts["test"])
    loader = torch.utils.data.DataLoader(
        ShardDataset(folder, keys=("portrait",)), batch_size=2, num_workers=2
    )
    batches = list(loader)
    assert sorted(int(seed) for batch in batches for seed in batch["seed"]) == [0, 1, 2, 3, 4]
    assert batches[0]["portrait"].shape[1:] == (3, SIZE, SIZE)


def test_live_heads_are_those_of_the_dataset(dataset):
    folder, _ = dataset
    live = iter(LiveHeads(0, SIZE, make=make_made_up_head))
    for stored in ShardDataset(folder):
        made = next(live)
        assert made.keys() == stored.keys()
        assert all(np.array_equal(made[key], stored[key]) for key in made)
    train = LiveHeads(0, SIZE, views=1, keys=(), split={"style": "test"}, make=make_made_up_head)
    stream = iter(train)
    assert all(STYLES[next(stream)["seed"] % 4] in splits.held_out("style") for _ in range(2))


def test_loader_errors(dataset, tmp_path):
    folder, _ = dataset
    with pytest.raises(UserError, match="There are no shards in"):
        ShardDataset(tmp_path)
    with pytest.raises(UserError, match="no 'colour'"):
        ShardDataset(folder, keys=("colour",))
    with pytest.raises(UserError, match="no split hair: validation"):
        ShardDataset(folder, split={"hair": "validation"})
    with pytest.raises(UserError, match=r"made without depth_0\.png"):
        next(iter(ShardDataset(folder, keys=("depth",))))


def test_extras_carry_the_rest_of_the_truth():
    head = make_made_up_head(2)
    sample = render_head(head, SIZE, 6, EXTRAS)
    files = encode(sample, EXTRAS)
    back = decode(files, ("depth", "uv", "albedo", "labels"))
    inside = back["labels"] > 0
    assert np.abs(back["depth"].numpy() - sample.views.depth)[inside].max() < 1e-4
    assert (back["depth"][~inside] == 0).all()
    assert np.abs(back["uv"].numpy().transpose(0, 2, 3, 1) - sample.views.uv.clip(0, 1))[inside].max() < 1e-4
    albedo = (back["albedo"].numpy().transpose(0, 2, 3, 1) * 255).round()
    assert np.array_equal(albedo, sample.views.albedo)
    mesh = np.load(io.BytesIO(files["mesh.npz"]))
    assert np.array_equal(mesh["skin/vertices"], head.pieces[0].vertices)
    assert encode(render_head(head, SIZE, 6, EXTRAS), EXTRAS) == files


def test_splits_are_of_the_codes_alone():
    meta = {"codes": {"identity": {"age": 0.5}}, "hair": "bob", "style": "realistic", "expression": "neutral"}
    assert splits.of(meta) == splits.of(meta | {"seed": 7, "splits": {}})
    people = [splits.of(meta | {"codes": {"identity": {"age": i / 1000}}})["identity"] for i in range(1000)]
    assert 60 < people.count("test") < 140
    assert len(splits.held_out("style")) == 1 and 2 <= len(splits.held_out("hair")) <= 5
    with pytest.raises(KeyError):
        splits.held_out("nose")
