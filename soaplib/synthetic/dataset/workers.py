"""Many shards at once: in this process, on this machine's cores, or on a Dask cluster."""

import contextlib
import logging
import os
import threading

from soaplib.errors import UserError
from soaplib.synthetic.dataset.shards import Recipe, Shard, begin, finish, write_shard

_TOPIC = "soap-synth"
# Dask has glibc give memory back at once: each head's arrays would be mapped, and cleared by the system, anew.
_ALLOCATION = {
    f"distributed.nanny.pre-spawn-environ.MALLOC_{name}_": 1 << 30
    for name in ("TRIM_THRESHOLD", "MMAP_THRESHOLD")
}


def write_dataset(
    folder,
    recipe: Recipe,
    count: int,
    workers: int | None = None,
    scheduler: str | None = None,
    make=None,
    tell=None,
) -> dict:
    """Write a dataset of `count` heads, or what is missing of it, and return its index.

    Args:
        folder: where the shards go; with a scheduler, a folder that all its machines see under this path.
        workers: processes on this machine, all its cores as default; 1 works in this process.
        scheduler: address of a running Dask scheduler, such as tcp://head-node:8786, instead of own processes.
        make: see `write_shard`; it must be importable where the workers run.
        tell: is called with (heads done, heads in all), first with what was there already.

    Raises:
        UserError: see `begin`; or no scheduler answers.

    The bytes do not depend on the workers. Shards that are whole stay when the work is interrupted, and the same call
    goes on from there.
    """
    folder = os.path.abspath(folder)
    todo = begin(folder, recipe, count)
    progress = _Progress(count, count - sum(s.last - s.first for s in todo), tell)
    if not todo:
        return finish(folder, recipe, count)
    workers = min(workers or available_cores(), len(todo))
    if scheduler is None and workers == 1:
        for shard in todo:
            write_shard(folder, shard, recipe, make, progress.one)
    else:
        with _client(workers, scheduler) as client:
            _spread(client, folder, todo, recipe, make, progress)
    return finish(folder, recipe, count)


def available_cores() -> int:
    """Give the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class _Progress:
    def __init__(self, total, done, tell):
        self.total, self.done, self.tell = total, done, tell
        self.lock = threading.Lock()
        self._tell()

    def one(self, *_):
        with self.lock:
            self.done += 1
            self._tell()

    def _tell(self):
        if self.tell is not None:
            self.tell(min(self.done, self.total), self.total)


@contextlib.contextmanager
def _client(workers, scheduler):
    from dask import config
    from distributed import Client, LocalCluster

    if scheduler is not None:
        try:
            client = Client(scheduler, timeout=5)
        except (OSError, ValueError):
            raise UserError(
                f"No Dask scheduler answers at {scheduler}; start one with `dask scheduler` and give its address."
            ) from None
        with client:
            yield client
        return
    # One thread each: processes are what keeps cores busy here. A shard is small, so memory needs no watching.
    with (
        config.set(_ALLOCATION),
        LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            processes=True,
            memory_limit=0,
            dashboard_address=None,
            silence_logs=logging.CRITICAL,
        ) as cluster,
        Client(cluster) as client,
    ):
        yield client


def _spread(client, folder, todo: list[Shard], recipe, make, progress):
    from distributed import as_completed

    client.subscribe_topic(_TOPIC, progress.one)
    futures = [
        client.submit(
            _work, folder, shard, recipe, make, key=f"{shard.name}-{recipe.seed}", retries=2, pure=False
        )
        for shard in todo
    ]
    try:
        for future in as_completed(futures):
            future.result()
            future.release()
    finally:
        client.unsubscribe_topic(_TOPIC)
        client.cancel(futures)


def _work(folder, shard, recipe, make):
    from distributed import get_worker

    worker = get_worker()
    write_shard(folder, shard, recipe, make, lambda: worker.log_event(_TOPIC, 1))
