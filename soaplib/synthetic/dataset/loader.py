"""Synthetic heads for a training, as PyTorch datasets: from shards, or rendered while it runs."""

import json

import cv2
import numpy as np
import torch

from soaplib.errors import UserError
from soaplib.synthetic.dataset import splits
from soaplib.synthetic.dataset.sample import DEPTH_OFFSET, DEPTH_STEP, EXTRAS, encode, render_head
from soaplib.synthetic.dataset.shards import find_shards

KEYS = (
    "portrait", "portrait_mask", "portrait_labels", "portrait_normal", "views", "normals", "labels", "depth", "uv",
    "albedo", "landmarks478", "landmarks68", "cameras", "portrait_camera", "meta",
)  # fmt: skip
"""What a sample can hold. Pictures are float32 tensors, channels first:

portrait (3, S, S) with its background, portrait_mask (1, S, S), views (N, 4, S, S) RGBA with straight alpha, albedo
(N, 3, S, S): in [0, 1]; normals (N, 3, S, S) and portrait_normal (3, S, S): camera axes in [-1, 1], 0 outside; depth
(N, S, S): metres, 0 outside; uv (N, 2, S, S). labels (N, S, S) and portrait_labels (S, S): int64, positions in
`LABELS`. landmarks478 (478, 2), landmarks68 (68, 2): portrait pixels; cameras (N, 4, 4), portrait_camera (4, 4). meta:
the dict of `meta.json`, which the default collate function cannot stack. seed: int, always there.
"""

_DEFAULT_KEYS = ("portrait", "portrait_mask", "views", "normals", "labels", "landmarks478")


class ShardDataset(torch.utils.data.IterableDataset):
    """The heads of a folder of shards, as dicts of tensors.

    Shards are divided among the machines of a distributed training and the workers of a DataLoader.
    """

    def __init__(self, folder, keys=_DEFAULT_KEYS, split=None, shuffle: int = 0, seed: int = 0):
        """Args:
        folder: of `soap synth`.
        keys: names of `KEYS`.
        split: {axis: part} of `soaplib.synthetic.dataset.splits`, such as {"identity": "train", "hair": "train"};
            a head must belong to all of them. None takes every head.
        shuffle: how many heads are kept to draw from at random (and shards come in random order); 0 keeps the order.
        seed: of the shuffling; the epochs of one dataset are shuffled differently.

        Raises:
            UserError: no shards in the folder, an unknown key or split, or a key that the dataset was made without.
        """
        super().__init__()
        self.keys, self.split = _checked_keys(keys), _checked_split(split)
        self.paths = [str(path) for path in find_shards(folder)]
        self.shuffle, self.seed, self.epoch = int(shuffle), int(seed), 0
        self.folder = folder

    def __iter__(self):
        import webdataset as wds

        stages = [wds.SimpleShardList(self.paths)]
        if self.shuffle:
            stages.append(wds.detshuffle(len(self.paths), seed=self.seed, epoch=self.epoch - 1))
        stages += [wds.split_by_node, wds.split_by_worker, wds.tarfile_to_samples()]
        stages.append(wds.select(self._wanted))
        if self.shuffle:
            stages.append(wds.detshuffle(self.shuffle, seed=self.seed + 1, epoch=self.epoch - 1))
        stages.append(wds.map(self._decoded))
        self.epoch += 1
        for sample in wds.DataPipeline(*stages):
            sample.pop("__key__", None)  # webdataset's own; a head is known by its seed
            yield sample

    def _wanted(self, sample):
        if not self.split:
            return True
        parts = json.loads(sample["meta.json"])["splits"]
        return all(parts[axis] == part for axis, part in self.split.items())

    def _decoded(self, sample):
        try:
            return decode(sample, self.keys)
        except KeyError as missing:
            raise UserError(
                f"The heads in {self.folder} were made without {missing.args[0]}; make them anew with --extras."
            ) from None


class LiveHeads(torch.utils.data.IterableDataset):
    """Heads that are made and rendered while a training runs, without end: the same dicts as from shards.

    Machine and worker w of n gives heads start + w, start + w + n, ...; so no head comes twice, and all of them come
    whatever the number of workers.
    """

    def __init__(
        self,
        seed: int = 0,
        size: int = 256,
        views: int = 6,
        keys=_DEFAULT_KEYS,
        split=None,
        start=0,
        make=None,
    ):
        """Args:
        seed, size, views: as of `soaplib.synthetic.dataset.shards.Recipe`; head i is that of the dataset of this seed.
        keys, split: as of `ShardDataset`; heads of other splits are made and left out.
        start: index of the first head. make: function from a seed to a head.
        """
        super().__init__()
        self.keys, self.split = _checked_keys(keys), _checked_split(split)
        self.seed, self.size, self.views, self.start, self.make = seed, size, views, start, make

    def __iter__(self):
        from soaplib.synthetic.dataset.shards import Recipe, one_thread

        make = self.make
        if make is None:
            from soaplib.synthetic.heads import make_head as make
        extras = tuple(name for name in EXTRAS if name in self.keys)
        recipe = Recipe(self.seed, self.size, self.views, extras)
        first, step = _share()
        index = self.start + first
        while True:
            with one_thread():
                sample = render_head(make(recipe.head_seed(index)), self.size, self.views, extras)
                parts = sample.meta["splits"]
                if all(parts[axis] == part for axis, part in self.split.items()):
                    yield decode(encode(sample, extras), self.keys)
            index += step


def decode(files: dict[str, bytes], keys=_DEFAULT_KEYS) -> dict:
    """Turn a sample's files into tensors; keys: names of `KEYS`, which says what they are. KeyError: a file lacks."""
    meta = json.loads(files["meta.json"])
    count = len(meta["camera"]["views"])
    out = {"seed": meta["seed"]}
    for key in keys:
        out[key] = _READERS[key](files, meta, count)
    return out


def _picture(data: bytes) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)


def _unit(image):
    """(H, W[, C]) BGR[A] uint8 to (C, H, W) RGB[A] float32 in [0, 1]."""
    if image.ndim == 2:
        return torch.from_numpy(image[None].astype(np.float32) / 255)
    order = [2, 1, 0, 3][: image.shape[2]]
    return torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)[order]).astype(np.float32) / 255)


def _direction(image):
    normal = _unit(image) * 2 - 1
    return torch.where((normal.abs() < 0.005).all(0), torch.zeros(()), normal)


def _label(image):
    return torch.from_numpy(image.astype(np.int64))


def _distance(image):
    metres = image.astype(np.float32) * np.float32(DEPTH_STEP) - np.float32(DEPTH_OFFSET)
    return torch.from_numpy(np.where(image > 0, metres, np.float32(0)))


def _place(image):
    return torch.from_numpy(
        np.ascontiguousarray(image[..., 2:0:-1].transpose(2, 0, 1)).astype(np.float32) / 65535
    )


def _one(name, convert):
    return lambda files, meta, count: convert(_picture(files[f"{name}.png"]))


def _each(name, convert):
    return lambda files, meta, count: torch.stack(
        [convert(_picture(files[f"{name}_{i}.png"])) for i in range(count)]
    )


def _told(*path):
    def read(files, meta, count):
        for name in path:
            meta = meta[name]
        return torch.tensor(meta, dtype=torch.float32)

    return read


_READERS = {
    "portrait": _one("portrait", _unit), "portrait_mask": _one("portrait_mask", _unit),
    "portrait_labels": _one("portrait_labels", _label), "portrait_normal": _one("portrait_normal", _direction),
    "views": _each("view", _unit), "normals": _each("normal", _direction), "labels": _each("labels", _label),
    "depth": _each("depth", _distance), "uv": _each("uv", _place), "albedo": _each("albedo", _unit),
    "landmarks478": _told("landmarks478"), "landmarks68": _told("landmarks68"), "cameras": _told("camera", "views"),
    "portrait_camera": _told("camera", "portrait"), "meta": lambda files, meta, count: meta,
}  # fmt: skip


def _checked_keys(keys):
    unknown = [key for key in keys if key not in KEYS]
    if unknown:
        raise UserError(f"A sample has no {unknown[0]!r}; it can have {', '.join(KEYS)}.")
    return tuple(keys)


def _checked_split(split):
    split = dict(split or {})
    for axis, part in split.items():
        if axis not in splits.AXES or part not in ("train", "test"):
            raise UserError(
                f"There is no split {axis}: {part}; give one of {', '.join(splits.AXES)} as train or test."
            )
    return split


def _share():
    """Give which share of the heads is this process's, and of how many."""
    worker = torch.utils.data.get_worker_info()
    number, count = (0, 1) if worker is None else (worker.id, worker.num_workers)
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        number += count * torch.distributed.get_rank()
        count *= torch.distributed.get_world_size()
    return number, count
