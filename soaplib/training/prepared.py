"""Samples on disk: made once by all cores, then read by a training as often as it likes.

A folder of shards, each a folder `shard-00000` with one `.npy` for each array of `Sample`, heads first, and
`heads.json`: one line about each of `heads`, how many were `asked` for, and which `failed`. A shard is written aside
and renamed when whole.
"""

import concurrent.futures
import dataclasses
import json
import multiprocessing
import os
import pathlib
import shutil
import uuid
from collections.abc import Callable

import numpy as np
import torch

from soaplib import __version__
from soaplib.errors import UserError
from soaplib.multiview.compact.guide import CHANNELS, SIGNED
from soaplib.multiview.compact.inputs import FLIPPED, mirrored
from soaplib.training.samples import PARTS, Sample, make_sample, sample_codes

_RECIPE = "samples.json"
_FLIPS = {"guide": FLIPPED, "normals": (0,)}


@dataclasses.dataclass(frozen=True)
class Recipe:
    """What decides the bytes of the samples; how many there are may grow. part: one of `PARTS`."""

    seed: int = 0
    size: int = 128
    part: str = "train"
    shard_size: int = 50


def prepare(
    out, heads: int, size: int = 128, workers: int | None = None, seed: int = 0, part: str = "train",
    tell: Callable[[int, int], None] | None = None,
) -> int:  # fmt: skip
    """Write the first `heads` samples of a seed to the folder `out`, or those that are missing there; return how many.

    size: pixels of the views. workers: processes, all cores as default; the bytes do not depend on them. part: one of
    `PARTS`. tell: called with (heads done, heads in all). About 1.3 heads a second on a core, 3 MB each at 128.

    Raises UserError where the folder holds something else, or samples of another recipe.
    """
    from soaplib.synthetic.dataset.workers import available_cores

    if heads < 1 or part not in PARTS:
        raise UserError(f"Give at least one head and a part of {', '.join(PARTS)}, not {heads} and {part!r}.")
    recipe, out = Recipe(seed, size, part), pathlib.Path(out)
    _begin(out, recipe)
    starts = range(0, heads, recipe.shard_size)
    counts = {k: min(recipe.shard_size, heads - first) for k, first in enumerate(starts)}
    todo = [k for k, count in counts.items() if _held(out, k) < count]
    done = heads - sum(counts[k] for k in todo)
    workers = min(workers or available_cores(), max(len(todo), 1))
    if tell:
        tell(done, heads)
    if workers == 1:
        for k in todo:
            done += _write_shard(out, recipe, k, counts[k])
            if tell:
                tell(done, heads)
        return heads
    spawn = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(workers, mp_context=spawn) as pool:
        futures = [pool.submit(_write_shard, out, recipe, k, counts[k]) for k in todo]
        try:
            for future in concurrent.futures.as_completed(futures):
                done += future.result()
                if tell:
                    tell(done, heads)
        finally:
            pool.shutdown(cancel_futures=True)
    return heads


class PreparedHeads(torch.utils.data.Dataset):
    """The samples of a folder, as dicts of float32 tensors: guide (6, C, S, S), base and views (6, 4, S, S), RGB
    premultiplied by alpha, normals (6, 3, S, S), see `Sample` and `CHANNELS`. `heads` says what each head is.
    """

    def __init__(self, folder, mirrored: bool = False, seed: int = 0):
        """mirrored: give each head or its mirror image, by chance, anew in each epoch (`set_epoch`).

        Raises UserError where the folder holds no samples.
        """
        self.mirrored, self.seed, self.epoch = mirrored, seed, 0
        shards = _shards(pathlib.Path(folder))
        if not shards:
            raise UserError(f"There are no prepared heads in {folder}; make some with: soap train prepare.")
        self._arrays = [
            Sample(*(np.load(shard / f"{name}.npy", mmap_mode="r") for name in Sample._fields)) for shard in shards
        ]  # fmt: skip
        self.heads = [line for shard in shards for line in _record(shard)["heads"]]
        self._ends = np.cumsum([len(arrays.views) for arrays in self._arrays])

    @property
    def size(self) -> int:
        """Pixels of a side of the views."""
        return self._arrays[0].views.shape[-1]

    def set_epoch(self, epoch: int) -> None:
        """Choose the mirror images of an epoch."""
        self.epoch = int(epoch)

    def __len__(self) -> int:
        return int(self._ends[-1])

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        if not -len(self) <= index < len(self):
            raise IndexError(f"there are {len(self)} prepared heads, none at {index}")
        index %= len(self)
        shard = int(np.searchsorted(self._ends, index, side="right"))
        row = index - (self._ends[shard - 1] if shard else 0)
        sample = decode(Sample(*(array[row] for array in self._arrays[shard])))
        chance = np.random.default_rng((self.seed, self.epoch, index)).random()
        return mirror(sample) if self.mirrored and chance < 0.5 else sample


def decode(sample: Sample) -> dict[str, torch.Tensor]:
    """Give a sample's numbers as float32 tensors, in [0, 1] or [-1, 1]."""
    parts = {name: torch.from_numpy(np.array(array)).float() for name, array in sample._asdict().items()}
    guide = parts["guide"] / 255
    signed = list(SIGNED)
    guide[:, signed] = (parts["guide"][:, signed] - 128) / 127
    return {"guide": guide, "base": parts["base"] / 255, "views": parts["views"] / 255,
            "normals": (parts["normals"] - 128) / 127}  # fmt: skip


def mirror(sample: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Give the sample of the mirrored head: left and right views change places, and x changes its sign."""
    return {name: mirrored(value, _FLIPS.get(name, ())) for name, value in sample.items()}


def _begin(out, recipe):
    stated = dataclasses.asdict(recipe) | {"channels": list(CHANNELS), "soaplib": __version__}
    record = out / _RECIPE
    if record.exists():
        found = json.loads(record.read_text())
        for name, value in stated.items():
            if found.get(name) != value:
                raise UserError(
                    f"{out} holds samples with {name} {found.get(name)!r}, but {value!r} is asked for; "
                    "give another folder."
                )
        return
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UserError(f"{out} holds other files and no samples; give a new or empty folder.")
    out.mkdir(parents=True, exist_ok=True)
    aside = out / f".{uuid.uuid4().hex}.part"
    aside.write_text(json.dumps(stated, indent=1))
    os.replace(aside, record)


def _shards(folder):
    return sorted(folder.glob("shard-*"))


def _held(out, number):
    """How many heads were asked for when the shard was made, 0 where there is none."""
    shard = out / f"shard-{number:05d}"
    return _record(shard)["asked"] if shard.exists() else 0


def _record(shard):
    return json.loads((shard / "heads.json").read_text())


def _write_shard(out, recipe, number, count):
    """Make a shard of `count` heads in place of a shorter one, if there is one."""
    from soaplib.head import load_head
    from soaplib.synthetic.dataset.shards import one_thread

    head, samples, lines, failed, error = load_head(), [], [], [], None
    with one_thread():
        for index in range(number * recipe.shard_size, number * recipe.shard_size + count):
            codes = sample_codes(recipe.seed, index, recipe.part)
            line = {
                "seed": codes.seed, "style": codes.style, "hair": codes.hair.family,
                "worn": [thing.kind for thing in codes.worn], "expression": codes.expression.family,
            }  # fmt: skip
            try:
                samples.append(make_sample(codes, head, recipe.size))
            except Exception as caught:  # one head that cannot be made never stops the rest
                error = caught
                failed.append(line | {"error": f"{type(caught).__name__}: {caught}"})
            else:
                lines.append(line)
    if not lines:
        raise RuntimeError(f"none of the heads of shard {number} could be made") from error
    aside, final = out / f".shard-{number:05d}.{uuid.uuid4().hex}.part", out / f"shard-{number:05d}"
    aside.mkdir()
    for name in Sample._fields:
        np.save(aside / f"{name}.npy", np.stack([getattr(sample, name) for sample in samples]))
    (aside / "heads.json").write_text(json.dumps({"asked": count, "heads": lines, "failed": failed}))
    shutil.rmtree(final, ignore_errors=True)
    os.replace(aside, final)
    return count
