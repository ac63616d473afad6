"""A dataset's folder: WebDataset tar shards that are written whole or not at all, and an index of what is in them."""

import collections
import contextlib
import dataclasses
import json
import os
import pathlib
import uuid

from soaplib import __version__
from soaplib.errors import UserError
from soaplib.synthetic.dataset import splits
from soaplib.synthetic.dataset.sample import encode, render_head

_SEEDS = 1_000_000
_RECIPE, _INDEX = "dataset.json", "index.json"


@dataclasses.dataclass(frozen=True)
class Recipe:
    """What decides the bytes of a dataset; only its count may grow later.

    seed: of the dataset; head i is `make_head(seed * 1_000_000 + i)`. size: pixels. views: how many of the six.
    extras: sorted names of `soaplib.synthetic.dataset.sample.EXTRAS`. shard_size: heads in a shard.
    """

    seed: int
    size: int = 256
    views: int = 6
    extras: tuple[str, ...] = ()
    shard_size: int = 50

    def head_seed(self, index: int) -> int:
        """Give the seed of the head at an index."""
        return self.seed * _SEEDS + index


@dataclasses.dataclass(frozen=True)
class Shard:
    """Heads first to last - 1 of a dataset, in one tar file."""

    first: int
    last: int

    @property
    def name(self) -> str:
        return f"heads-{self.first:08d}-{self.last - 1:08d}"


def shards_of(count: int, shard_size: int) -> list[Shard]:
    """Cut `count` heads into shards."""
    return [Shard(first, min(first + shard_size, count)) for first in range(0, count, shard_size)]


def begin(folder, recipe: Recipe, count: int) -> list[Shard]:
    """Make a dataset's folder ready, or find out how far it is; returns the shards that are still to be written.

    Raises:
        UserError: the folder holds something else, or a dataset of another recipe, or more heads than asked for.
    """
    folder = pathlib.Path(folder)
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder} is a file; give a folder for the shards.")
    stated = {**dataclasses.asdict(recipe), "extras": list(recipe.extras), "soaplib": __version__}
    record = folder / _RECIPE
    if record.exists():
        found = json.loads(record.read_text())
        differing = [name for name in stated if found.get(name) != stated[name]]
        if differing:
            name = differing[0]
            raise UserError(
                f"{folder} holds a dataset with {name} {found.get(name)!r}, but {stated[name]!r} is asked for; "
                f"give another folder, or the same {name}."
            )
    elif folder.exists() and any(folder.iterdir()):
        raise UserError(f"{folder} holds other files and no dataset; give a new or empty folder.")
    else:
        folder.mkdir(parents=True, exist_ok=True)
        _write_whole(record, json.dumps(stated, indent=1).encode())
    wanted = shards_of(count, recipe.shard_size)
    done = {path.stem for path in folder.glob("heads-*.tar")}
    beyond = [name for name in done if int(name.split("-")[2]) >= count]
    if beyond:
        have = 1 + max(int(name.split("-")[2]) for name in done)
        raise UserError(
            f"{folder} holds {have} heads already, more than --count {count}; give at least {have}."
        )
    for left in folder.glob(".*.part"):
        left.unlink()
    return [shard for shard in wanted if shard.name not in done]


def write_shard(folder, shard: Shard, recipe: Recipe, make=None, tell=None) -> None:
    """Make the heads of a shard and write them: aside first, renamed when whole.

    Args:
        make: function from a seed to a head; `soaplib.synthetic.heads.make_head` as default.
        tell: is called without arguments after each head.

    A head that cannot be made is left out and named in the index; if none can, the last error is raised. Beside the
    tar lies a JSON file of the same name with one line on each head.
    """
    from webdataset import TarWriter

    folder = pathlib.Path(folder)
    if make is None:
        from soaplib.synthetic.heads import make_head as make
    lines, failed, error = [], [], None
    aside = folder / f".{shard.name}.{uuid.uuid4().hex}.part"
    try:
        with (
            one_thread(),
            open(aside, "wb") as stream,
            TarWriter(stream, user="", group="", mtime=0, encoder=False) as writer,
        ):
            for index in range(shard.first, shard.last):
                seed = recipe.head_seed(index)
                try:
                    sample = render_head(make(seed), recipe.size, recipe.views, recipe.extras)
                    files = encode(sample, recipe.extras)
                except Exception as caught:
                    error = caught
                    failed.append({"seed": seed, "error": f"{type(caught).__name__}: {caught}"})
                else:
                    writer.write({"__key__": f"{index:08d}", **files})
                    lines.append({key: sample.meta[key] for key in _LINE})
                if tell is not None:
                    tell()
            if not lines:
                raise RuntimeError(
                    f"none of the heads {shard.first} to {shard.last - 1} could be made"
                ) from error
        _write_whole(folder / f"{shard.name}.json", json.dumps({"heads": lines, "failed": failed}).encode())
        os.replace(aside, folder / f"{shard.name}.tar")
    finally:
        aside.unlink(missing_ok=True)


_LINE = ("seed", "style", "hair", "worn", "expression", "splits")


def finish(folder, recipe: Recipe, count: int) -> dict:
    """Write `index.json` of a folder whose shards are all there, and return it.

    It holds the recipe, soaplib's version, the shards, counts by style, hair, expression, worn things and split, what
    the splits hold out, and the heads that could not be made.
    """
    folder = pathlib.Path(folder)
    counts = {key: collections.Counter() for key in ("style", "hair", "expression", "worn", "splits")}
    failed, total, names = [], 0, []
    for shard in shards_of(count, recipe.shard_size):
        lines = json.loads((folder / f"{shard.name}.json").read_text())
        failed += lines["failed"]
        total += len(lines["heads"])
        names.append(f"{shard.name}.tar")
        for line in lines["heads"]:
            for key in ("style", "hair", "expression"):
                counts[key][line[key]] += 1
            counts["worn"].update(line["worn"])
            counts["splits"].update(f"{axis} {part}" for axis, part in line["splits"].items())
    for path in (*folder.glob("heads-*.tar"), *folder.glob("heads-*.json")):
        if f"{path.stem}.tar" not in names:  # the shorter last shard of a smaller dataset that has grown
            path.unlink()
    index = {
        "count": total,
        **dataclasses.asdict(recipe),
        "soaplib": __version__,
        "shards": names,
        "counts": {key: dict(sorted(values.items())) for key, values in counts.items()},
        "held_out": {axis: splits.held_out(axis) for axis in ("hair", "style", "expression")},
        "failed": failed,
    }
    _write_whole(folder / _INDEX, json.dumps(index, indent=1).encode())
    return index


def find_shards(folder) -> list[pathlib.Path]:
    """Give the shards of a dataset's folder, in order; raises UserError where there are none."""
    found = sorted(pathlib.Path(folder).glob("heads-*.tar"))
    if not found:
        raise UserError(
            f"There are no shards in {folder}; make some with: soap synth --count 100 --out {folder}."
        )
    return found


def _write_whole(path: pathlib.Path, data: bytes) -> None:
    aside = path.with_name(f".{path.name}.{uuid.uuid4().hex}.part")
    aside.write_bytes(data)
    os.replace(aside, path)


@contextlib.contextmanager
def one_thread():
    """Let numba, torch and OpenCV work on this thread alone: the machine's cores are kept busy by other workers."""
    import cv2
    import numba
    import torch

    before = numba.get_num_threads(), torch.get_num_threads(), cv2.getNumThreads()
    numba.set_num_threads(1)
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        numba.set_num_threads(before[0])
        torch.set_num_threads(before[1])
        cv2.setNumThreads(before[2])
