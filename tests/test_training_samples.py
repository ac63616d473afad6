"""Prepared samples: what they hold, mirror images, held-out heads, folders that go on where they stopped."""

import dataclasses
import json

import numpy as np
import pytest
import torch

from soaplib.data import VIEW_YAWS
from soaplib.errors import UserError
from soaplib.head import load_head
from soaplib.multiview.compact.guide import CHANNELS, SIGNED
from soaplib.synthetic.dataset import splits
from soaplib.training import prepared, samples
from soaplib.training.prepared import PreparedHeads, decode, mirror, prepare
from soaplib.training.samples import Sample, landmark_error, make_sample, sample_codes

SIZE = 48


def parts_of(codes):
    return splits.of({
        "codes": {"identity": dataclasses.asdict(codes.identity)}, "style": codes.style, "hair": codes.hair.family,
        "expression": codes.expression.family,
    })  # fmt: skip


@pytest.fixture(scope="module")
def sample():
    return make_sample(sample_codes(3, 1), load_head(), SIZE)


def made_up(seed):
    """A sample of noise, which is quick to make."""
    rng = np.random.default_rng(seed)
    shapes = {"guide": len(CHANNELS), "base": 4, "views": 4, "normals": 3}
    return Sample(**{name: rng.integers(0, 256, (6, n, 8, 8), np.uint8) for name, n in shapes.items()})


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(prepared, "make_sample", lambda codes, head, size: made_up(codes.seed))
    monkeypatch.setattr("soaplib.head.load_head", lambda: None)


def test_what_a_sample_holds(sample):
    assert sample.guide.shape == (6, len(CHANNELS), SIZE, SIZE)
    assert sample.base.shape == sample.views.shape == (6, 4, SIZE, SIZE) and sample.normals.shape == (
        6,
        3,
        SIZE,
        SIZE,
    )
    assert all(array.dtype == np.uint8 for array in sample)
    assert (sample.views[:, :3] <= sample.views[:, 3:].astype(int) + 1).all()  # premultiplied
    tensors = decode(sample)
    length = tensors["normals"].norm(dim=1)
    inside = tensors["views"][:, 3] == 1
    assert (length[inside] > 0.97).all() and (length[inside] < 1.02).all()
    assert not length[tensors["views"][:, 3] == 0].any()
    background = tensors["guide"][:, :, 0, 0]
    assert not background.any()  # zero is kept exactly, signed channels too


def test_truth_and_guide_show_the_same_head(sample):
    """The portrait is the true view 0, and the swollen head lies where the truth does."""
    tensors = decode(sample)
    portrait, truth = tensors["base"][0], tensors["views"][0]
    both = (portrait[3] > 0.99) & (truth[3] > 0.99)
    assert both.sum() > 300
    assert (portrait[:3] - truth[:3])[:, both].abs().mean() < 0.03
    shell, true = tensors["guide"][:, CHANNELS.index("shell_mask")] > 0.5, tensors["views"][:, 3] > 0.5
    iou = (shell & true).sum((1, 2)) / (shell | true).sum((1, 2))
    assert iou.min() > 0.6 and iou.mean() > 0.75
    fitted = tensors["guide"][:, [CHANNELS.index(f"head_normals.{axis}") for axis in "xyz"]]
    face = (tensors["guide"][0, CHANNELS.index("hair")] < 0.1) & both
    assert (fitted[0] * tensors["normals"][0]).sum(0)[face].mean() > 0.8


def test_the_same_codes_give_the_same_bytes(sample):
    again = make_sample(sample_codes(3, 1), load_head(), SIZE)
    for one, other in zip(sample, again, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_training_never_sees_what_is_held_out():
    for index in range(12):
        assert set(parts_of(sample_codes(0, index)).values()) == {"train"}
    for index in range(3):
        parts = parts_of(sample_codes(0, index, "test"))
        assert {axis: parts[axis] for axis in ("identity", "hair", "style")} == dict.fromkeys(
            ("identity", "hair", "style"), "test"
        )
    assert sample_codes(0, 1).seed != sample_codes(0, 2).seed != sample_codes(1, 2).seed


def test_landmarks_err_by_a_few_hundredths_and_together():
    rng = np.random.default_rng(0)
    landmarks = np.random.default_rng(1).uniform(100, 200, (478, 2))
    landmarks[[33, 263]] = (110, 150), (190, 150)
    near = landmarks + 1.0
    errors, differences = [], []
    for _ in range(60):
        error = landmark_error(np.concatenate([landmarks, near]), rng) / 80
        errors.append(np.linalg.norm(error, axis=1).mean())
        differences.append(np.linalg.norm(error[:478] - error[478:], axis=1).mean())
    assert 0.03 < np.mean(errors) < 0.06
    assert np.mean(differences) < 0.4 * np.mean(errors)


def test_a_matte_stays_whole_inside():
    alpha = np.zeros((64, 64), np.float32)
    alpha[16:48, 16:48] = 1
    for seed in range(30):
        matte = samples._blurred_matte(alpha, np.random.default_rng(seed))
        assert (matte[24:40, 24:40] == 1).all() and not matte[alpha == 0].any()
        assert 0.8 < matte.sum() / alpha.sum() <= 1


def test_numbers_are_decoded_to_where_they_came_from():
    encoded = made_up(0)
    encoded.guide[:] = 255
    encoded.guide[:, list(SIGNED)] = 1
    encoded.normals[:] = 128
    tensors = decode(encoded)
    assert (tensors["guide"][:, list(SIGNED)] == -1).all() and not tensors["normals"].any()
    others = [k for k in range(len(CHANNELS)) if k not in SIGNED]
    assert (tensors["guide"][:, others] == 1).all()


def test_mirroring_twice_changes_nothing():
    tensors = decode(made_up(1))
    twice = mirror(mirror(tensors))
    assert all(torch.equal(twice[name], value) for name, value in tensors.items())


def test_a_mirror_image_swaps_left_and_right():
    tensors = decode(made_up(2))
    image = mirror(tensors)
    for k, yaw in enumerate(VIEW_YAWS):
        other = VIEW_YAWS.index(180 if yaw == 180 else -yaw)
        torch.testing.assert_close(image["views"][k], tensors["views"][other].flip(-1))
        torch.testing.assert_close(image["normals"][k, 0], -tensors["normals"][other, 0].flip(-1))
        torch.testing.assert_close(image["normals"][k, 1], tensors["normals"][other, 1].flip(-1))
        for name, sign in (("places.x", -1), ("places.z", 1), ("shell_normals.x", -1), ("seen.r", 1)):
            at = CHANNELS.index(name)
            torch.testing.assert_close(image["guide"][k, at], sign * tensors["guide"][other, at].flip(-1))


def test_a_folder_goes_on_where_it_stopped(tmp_path, quick, monkeypatch):
    monkeypatch.setattr(prepared.Recipe, "__init__", _small_shards(prepared.Recipe.__init__))
    told = []
    assert prepare(tmp_path / "heads", 3, workers=1, tell=lambda *a: told.append(a)) == 3
    assert told == [(0, 3), (2, 3), (3, 3)]
    first = (tmp_path / "heads" / "shard-00000" / "views.npy").stat().st_mtime_ns
    told.clear()
    prepare(tmp_path / "heads", 5, workers=1, tell=lambda *a: told.append(a))
    assert told == [(2, 5), (4, 5), (5, 5)]  # the whole shard stays, the short one is made anew
    assert (tmp_path / "heads" / "shard-00000" / "views.npy").stat().st_mtime_ns == first
    data = PreparedHeads(tmp_path / "heads")
    assert len(data) == 5 and data.size == 8 and len(data.heads) == 5
    for index in range(5):
        wanted = decode(made_up(sample_codes(0, index).seed))
        assert all(torch.equal(data[index][name], value) for name, value in wanted.items())
    assert torch.equal(data[-1]["views"], data[4]["views"])
    with pytest.raises(IndexError):
        data[5]
    assert not list((tmp_path / "heads").glob(".*"))
    with pytest.raises(UserError, match="seed"):
        prepare(tmp_path / "heads", 5, seed=1, workers=1)


def _small_shards(init):
    def wrapped(self, seed=0, size=128, part="train", shard_size=2):
        init(self, seed, size, part, shard_size)

    return wrapped


def test_mirror_images_come_by_chance_and_by_epoch(tmp_path, quick):
    prepare(tmp_path, 8, workers=1)
    plain, data = PreparedHeads(tmp_path), PreparedHeads(tmp_path, mirrored=True, seed=4)

    def flips():
        return [not torch.equal(data[i]["views"], plain[i]["views"]) for i in range(8)]

    first = flips()
    assert 0 < sum(first) < 8 and flips() == first
    data.set_epoch(1)
    assert flips() != first


def test_one_head_that_cannot_be_made_stops_nothing(tmp_path, quick, monkeypatch):
    bad = sample_codes(0, 1).seed

    def make(codes, head, size):
        if codes.seed == bad:
            raise FloatingPointError("no such head")
        return made_up(codes.seed)

    monkeypatch.setattr(prepared, "make_sample", make)
    prepare(tmp_path, 3, workers=1)
    assert len(PreparedHeads(tmp_path)) == 2
    record = json.loads((tmp_path / "shard-00000" / "heads.json").read_text())
    assert [line["seed"] for line in record["failed"]] == [bad] and "no such head" in record["failed"][0][
        "error"
    ]
    monkeypatch.setattr(prepared, "make_sample", lambda *a: pytest.fail("was made twice"))
    prepare(tmp_path, 3, workers=1)


def test_wrong_use_is_told(tmp_path):
    with pytest.raises(UserError, match="no prepared heads"):
        PreparedHeads(tmp_path)
    with pytest.raises(UserError, match="train, test"):
        prepare(tmp_path, 3, part="validation")
    (tmp_path / "letter.txt").write_text("mine")
    with pytest.raises(UserError, match="other files"):
        prepare(tmp_path, 3)
