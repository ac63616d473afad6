"""One training loop for all our networks: on `accelerate`, exact to resume, with metrics and pictures as it goes."""

import dataclasses
import json
import math
import os
import pathlib
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import numpy as np
import torch

from soaplib.errors import UserError
from soaplib.storage import write_json

_KEPT_CHECKPOINTS = 2


@dataclasses.dataclass(frozen=True)
class LoopSettings:
    """How long and how fast to train; nothing here says what.

    max_steps, max_minutes: the training ends at whichever comes first (minutes: over all resumed parts; None: no
    limit), and the learning rate falls along a cosine to zero until then, after warm_up steps of rising. batch: heads
    in one step on each device, micro: heads at once (their gradients are added up). ema: decay of the averaged
    weights, which are those that are kept. precision: "bf16" or "no". workers: processes that load data.
    checkpoint_every: steps between checkpoints, each with metrics on held-out heads and a sheet; checkpoint_minutes:
    at latest after so many. log_every: steps between lines of metrics.
    """

    max_steps: int = 20000
    max_minutes: float | None = None
    batch: int = 4
    micro: int = 1
    learning_rate: float = 1e-3
    warm_up: int = 100
    weight_decay: float = 1e-3
    ema: float = 0.998
    precision: str = "bf16"
    workers: int = 0
    checkpoint_every: int = 1000
    checkpoint_minutes: float = 10.0
    log_every: int = 20
    held_out: int = 24
    seed: int = 0

    def __post_init__(self):
        if self.batch % self.micro:
            raise UserError(
                f"The batch must be a multiple of micro, which is {self.micro}, not {self.batch}."
            )
        if self.precision not in ("bf16", "no"):
            raise UserError(f"The precision must be bf16 or no, not {self.precision!r}.")


class Task(Protocol):
    """What is trained: a network, its loss, and how it is judged, drawn and kept.

    A batch is a dict of tensors, made of the samples by stacking; all that is random comes from the
    generator, which is the CPU's.
    """

    network: torch.nn.Module

    def loss(
        self, network: torch.nn.Module, batch: dict, generator: torch.Generator
    ) -> dict[str, torch.Tensor]:
        """Give terms of the loss, the whole under "loss"."""

    def measure(self, network: torch.nn.Module, batch: dict) -> dict[str, float]:
        """Give metrics of one batch of held-out heads; they are averaged over batches."""

    def sheet(self, network: torch.nn.Module, batch: dict) -> np.ndarray:
        """Draw what the network makes of held-out heads: (H, W, 3) uint8."""

    def keep(self, network: torch.nn.Module, folder: pathlib.Path) -> None:
        """Write the network as a model to use."""


Load = Callable[[int, np.random.Generator | None], Mapping[str, torch.Tensor]]
"""Gives sample i as named tensors or arrays: varied by the random numbers given, or as it is for None."""


@dataclasses.dataclass(frozen=True)
class Source:
    """Samples of a training: how many there are, and how to load one."""

    count: int
    load: Load


def train(
    task: Task, data: Source, held_out: Source, out: str | os.PathLike, settings: LoopSettings
) -> pathlib.Path:
    """Train a task and return the folder of its kept model, `out/model`.

    out also gets: settings.json, metrics.jsonl (a line of losses or of held-out metrics each), sheets/*.png, and
    checkpoints/. A training that was stopped goes on from its last checkpoint when called again, to the very weights
    of one that never stopped (on the same number of devices; with max_minutes the learning rate follows the clock).
    The model holds the averaged weights (EMA).

    Raises:
        UserError: there are no samples.
    """
    from accelerate import Accelerator
    from diffusers.training_utils import EMAModel

    if not data.count or not held_out.count:
        raise UserError(
            f"Training needs samples, found {data.count} to train on and {held_out.count} held out."
        )
    out = pathlib.Path(out)
    accelerator = Accelerator(
        mixed_precision=settings.precision, gradient_accumulation_steps=1, cpu=not torch.cuda.is_available()
    )
    optimizer = torch.optim.AdamW(
        task.network.parameters(), lr=settings.learning_rate, betas=(0.9, 0.99),
        weight_decay=settings.weight_decay, fused=True,
    )  # fmt: skip
    network, optimizer = accelerator.prepare(task.network, optimizer)
    ema = EMAModel(task.network.parameters(), decay=settings.ema)
    ema.to(accelerator.device)
    clock = _Clock()
    accelerator.register_for_checkpointing(ema, clock)
    if accelerator.is_main_process:
        out.mkdir(parents=True, exist_ok=True)
        write_json(out / "settings.json", dataclasses.asdict(settings))
    if last := _checkpoints(out)[-1:]:
        accelerator.load_state(str(last[0]))
    journal = _Journal(out / "metrics.jsonl", accelerator.is_main_process, clock.step)
    judge = _Judge(task, held_out, settings.held_out, accelerator, out, journal)
    batches = _batches(data, settings, accelerator, clock.step)
    clock.start()
    saved_at = clock.minutes
    network.train()
    while (done := clock.done(settings)) < 1:
        rate = settings.learning_rate * min(1, (clock.step + 1) / max(settings.warm_up, 1))
        for group in optimizer.param_groups:
            group["lr"] = rate * 0.5 * (1 + math.cos(math.pi * done))
        for part in range(settings.batch // settings.micro):
            position = (clock.step, part, accelerator.process_index)
            generator = torch.Generator().manual_seed(_seed(settings.seed, 1, *position))
            batch = {name: value.to(accelerator.device) for name, value in next(batches).items()}
            terms = task.loss(network, batch, generator)
            accelerator.backward(terms["loss"] * (settings.micro / settings.batch))
            journal.add(terms)
        accelerator.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        ema.step(task.network.parameters())
        clock.step += 1
        if clock.step % settings.log_every == 0:
            journal.write_terms(clock, optimizer.param_groups[0]["lr"])
        due = clock.minutes - saved_at >= settings.checkpoint_minutes
        if clock.step % settings.checkpoint_every == 0 or due or clock.done(settings) >= 1:
            saved_at = clock.minutes
            _save(accelerator, out, clock)
            with _averaged(ema, task.network):
                judge(clock)
    if accelerator.is_main_process and not (out / "model").exists():
        with _averaged(ema, task.network):
            judge(clock)
    accelerator.free_memory()
    return out / "model"


class _Clock:
    """How far a training is, over all its resumed parts."""

    def __init__(self):
        self.step, self._before, self._started = 0, 0.0, None

    def start(self):
        self._started = time.monotonic()

    @property
    def minutes(self):
        return self._before + (0 if self._started is None else (time.monotonic() - self._started) / 60)

    def done(self, settings):
        """The part of the training that is behind, in [0, 1]."""
        share = self.step / settings.max_steps
        return min(
            1, share if settings.max_minutes is None else max(share, self.minutes / settings.max_minutes)
        )

    def state_dict(self):
        return {"step": self.step, "minutes": self.minutes}

    def load_state_dict(self, state):
        self.step, self._before, self._started = state["step"], state["minutes"], None


class _Journal:
    """Lines of metrics; those past the step a training resumes from are taken out."""

    def __init__(self, path, writes, step):
        self.path, self.writes, self.sums, self.count = path, writes, {}, 0
        if writes and path.exists():
            lines = path.read_text().splitlines()
            path.write_text("".join(f"{line}\n" for line in lines if json.loads(line)["step"] <= step))

    def add(self, terms):
        for name, value in terms.items():
            self.sums[name] = self.sums.get(name, 0.0) + value.detach()
        self.count += 1

    def write_terms(self, clock, rate):
        terms = {name: float(value) / self.count for name, value in self.sums.items()}
        self.sums, self.count = {}, 0
        self.write(clock, {"rate": rate, **terms})

    def write(self, clock, values):
        if self.writes:
            line = {"step": clock.step, "minutes": round(clock.minutes, 2)}
            line |= {name: float(f"{value:.5g}") for name, value in values.items()}
            with self.path.open("a") as file:
                file.write(json.dumps(line) + "\n")


class _Judge:
    """Measures, draws and keeps the averaged network."""

    def __init__(self, task, held_out, count, accelerator, out, journal):
        self.task, self.accelerator, self.out, self.journal = task, accelerator, out, journal
        chosen = np.linspace(0, held_out.count - 1, min(count, held_out.count)).astype(int)
        self.source, self.chosen = held_out, np.unique(chosen)

    def __call__(self, clock):
        if not self.accelerator.is_main_process:
            return
        from PIL import Image

        network, measured = self.task.network, []
        network.eval()
        batches = [_stacked([self.source.load(int(i), None)]) for i in self.chosen]
        batches = [{name: v.to(self.accelerator.device) for name, v in batch.items()} for batch in batches]
        with torch.no_grad():
            measured = [self.task.measure(network, batch) for batch in batches]
            sheet = self.task.sheet(network, {k: torch.cat([b[k] for b in batches[:4]]) for k in batches[0]})
        network.train()
        means = {name: float(np.mean([m[name] for m in measured])) for name in measured[0]}
        self.journal.write(clock, means)
        (self.out / "sheets").mkdir(exist_ok=True)
        Image.fromarray(sheet).save(self.out / "sheets" / f"{clock.step:07d}.png")
        aside = self.out / "model.part"
        shutil.rmtree(aside, ignore_errors=True)
        self.task.keep(network, aside)
        write_json(aside / "metrics.json", {"step": clock.step, "minutes": clock.minutes, **means})
        shutil.rmtree(self.out / "model", ignore_errors=True)
        os.replace(aside, self.out / "model")


class _averaged:
    """While inside, the network has its averaged weights."""

    def __init__(self, ema, network):
        self.ema, self.network = ema, network

    def __enter__(self):
        self.ema.store(self.network.parameters())
        self.ema.copy_to(self.network.parameters())

    def __exit__(self, *_):
        self.ema.restore(self.network.parameters())


def _save(accelerator, out, clock):
    folder = out / "checkpoints" / f"step_{clock.step:07d}"
    aside = folder.with_suffix(".part")
    accelerator.save_state(str(aside))
    accelerator.wait_for_everyone()
    if accelerator.is_main_process:
        shutil.rmtree(folder, ignore_errors=True)
        os.replace(aside, folder)
        for old in _checkpoints(out)[:-_KEPT_CHECKPOINTS]:
            shutil.rmtree(old)


def _checkpoints(out):
    """The whole checkpoints, in order of their steps."""
    return sorted(path for path in (out / "checkpoints").glob("step_*") if path.suffix != ".part")


def _batches(data, settings, accelerator, step):
    """Yield the batches of this process from a step on: which samples, and with which random numbers, follows from the
    position alone."""
    loader = torch.utils.data.DataLoader(
        _Samples(data, settings.seed),
        batch_sampler=_Order(
            data.count, settings, accelerator.process_index, accelerator.num_processes, step
        ),
        num_workers=settings.workers,
        collate_fn=_stacked,
    )
    return iter(loader)


class _Samples(torch.utils.data.Dataset):
    """Sample n of an endless stream."""

    def __init__(self, data, seed):
        self.data, self.seed = data, seed

    def __getitem__(self, place):
        position, index = place
        return self.data.load(index, np.random.default_rng([self.seed, 2, position]))


class _Order:
    """Endless (position in the stream, sample) of one process: a fresh permutation each time round."""

    def __init__(self, count, settings, process, processes, step):
        self.count, self.settings, self.step = count, settings, step
        self.process, self.processes = process, processes
        self._turn, self._shuffled = None, None

    def __iter__(self):
        batch, micro, count = self.settings.batch, self.settings.micro, self.count
        step = self.step
        while True:
            first = (step * self.processes + self.process) * batch
            for start in range(first, first + batch, micro):
                yield [(n, self._sample(n // count, n % count)) for n in range(start, start + micro)]
            step += 1

    def _sample(self, turn, place):
        if self._turn != turn:
            self._turn, self._shuffled = turn, self._shuffle(turn)
        return int(self._shuffled[place])

    def _shuffle(self, turn):
        return np.random.default_rng([self.settings.seed, 3, turn]).permutation(self.count)


def _stacked(samples: Sequence[Mapping]) -> dict[str, torch.Tensor]:
    return {name: torch.stack([torch.as_tensor(sample[name]) for sample in samples]) for name in samples[0]}


def _seed(*numbers):
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0] >> np.uint64(1))
