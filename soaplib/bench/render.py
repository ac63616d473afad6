"""`soap bench render`: how fast the backends render the head, next to other renderers, in one run."""

import math
import os
import platform
import statistics
import time
from collections.abc import Callable, Iterable

import numba
import torch

from soaplib.bench.contenders import Contender, contenders
from soaplib.bench.jobs import Job, head_job
from soaplib.errors import UserError

SIZES = (128, 256, 512, 1024)
PARTS = (1, 2, 3, 4)
"""How finely the edges are cut to see how the cost grows with faces: to 161 thousand."""

CHANNELS = (1, 3, 8, 16, 32)

_BASE_SIZE = 256
_SECONDS = 1.5
_MOST_REPEATS = 25


def measure(
    sizes: Iterable[int] = SIZES,
    names: Iterable[str] | None = None,
    seconds: float = 120.0,
    growth: bool = True,
    job: Callable[..., Job] = head_job,
    progress: Callable[[str], None] = lambda line: None,
) -> dict:
    """Measure forward and backward of six views of the head.

    Repetitions of all that render the same job alternate, after one of each that does not count; medians are given.
    Who takes more than two seconds is measured once, in that first run.

    Args:
        sizes: of the square images, in pixels.
        names: the backends to measure; all that run here as default.
        seconds: leave out what would take longer than this once, judging by its last smaller size.
        growth: measure also with more faces and with other numbers of channels, at 256 x 256.
        job: what is rendered, called with (size, parts, channels).
        progress: is told what is measured.

    Returns:
        {machine, rows, ratios, growth, absent}. rows: {backend, device, size, views, faces, channels, forward_ms,
        backward_ms (None where there are no gradients), repeats}. ratios: {backend, device, size, forward, total} in
        multiples of the CPU backend's time. growth: {backend, device, by, from, to, exponent}: the time grows as
        this power of pixels, faces or channels from the first to the last row; 1 is linear. absent: {backend,
        device, why}.

    Raises:
        UserError: no such backend, or a size below 1.
    """
    sizes = sorted(set(sizes))
    if not sizes or sizes[0] < 1:
        raise UserError(f"Sizes must be 1 pixel or more, got {sizes}.")
    ready, absent = _here(names)
    progress("warming up")
    for contender in ready:
        # Compiles, and loads what it needs.
        forward, backward = contender.make(job(8, 1, 3).to(contender.device))
        _timed(contender, forward, backward)
    late, done = set(), {}
    sweeps = [("pixels", [(size, 1, 3) for size in sizes])]
    if growth:
        sweeps += [("faces", [(_BASE_SIZE, parts, 3) for parts in PARTS])]
        sweeps += [("channels", [(_BASE_SIZE, 1, channels) for channels in CHANNELS])]
    grown = []
    for by, shapes in sweeps:
        # The growth with faces and channels is asked of the library's own backends alone.
        taking_part = [c for c in ready if by == "pixels" or not c.what]
        swept = []
        for shape in shapes:
            if shape not in done:
                task = job(*shape)
                progress(f"{task.size} x {task.size}, {len(task.faces)} faces, {shape[2]} channels")
                done[shape] = _measured([c for c in taking_part if _due(c, task, swept, seconds, late)], task)
            swept += [r for r in done[shape] if _who(r) in {(c.name, c.device) for c in taking_part}]
        grown += _growth(by, swept)
    rows = [row for of_shape in done.values() for row in of_shape]
    absent += [
        {"backend": n, "device": d, "why": f"over {seconds:g} s at {s} x {s}"} for n, d, s in sorted(late)
    ]
    return {"machine": machine(), "rows": rows, "ratios": _ratios(rows), "growth": grown, "absent": absent}


def machine() -> dict:
    """Describe what is measured on: processor, cores, threads, GPU, versions."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "processor": _processor(),
        "cores": cores,
        "threads": numba.get_num_threads(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numba": numba.__version__,
    }


def _processor():
    try:
        with open("/proc/cpuinfo") as lines:
            return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def _here(names):
    """Return the contenders asked for that run here, and why the others do not."""
    known = contenders()
    wanted = {c.name for c in known} if names is None else set(names)
    if unknown := wanted - {c.name for c in known}:
        there = ", ".join(dict.fromkeys(c.name for c in known))
        raise UserError(
            f"There is nothing called {', '.join(sorted(unknown))} to measure; there are {there}."
        )
    asked = [c for c in known if c.name in wanted]
    absent = [{"backend": c.name, "device": c.device, "why": c.why_not} for c in asked if c.why_not]
    return [c for c in asked if not c.why_not], absent


def _due(contender: Contender, job: Job, rows, seconds, late) -> bool:
    """Say whether a contender will be done in time, judging by its last row."""
    last = next((r for r in reversed(rows) if _who(r) == (contender.name, contender.device)), None)
    if any(name == contender.name and device == contender.device for name, device, _ in late):
        return False
    if last is None:
        return True
    grown = max(job.size**2 / last["size"] ** 2, len(job.faces) / last["faces"])
    if _total(last) * grown <= 1000 * seconds:
        return True
    late.add((contender.name, contender.device, job.size))
    return False


def _measured(taking_part: list[Contender], job: Job) -> list[dict]:
    steps = [(contender, *contender.make(job.to(contender.device))) for contender in taking_part]
    times = {}
    for contender, forward, backward in steps:
        times[contender] = [_timed(contender, forward, backward)]
    repeats = {c: _repeats(sum(first)) for c, (first,) in times.items()}
    for turn in range(max(repeats.values(), default=0)):
        for contender, forward, backward in steps:
            if turn < repeats[contender]:
                times[contender].append(_timed(contender, forward, backward))
    return [_row(contender, job, times[contender], backward is not None) for contender, _, backward in steps]


def _repeats(first_seconds: float) -> int:
    """Return how many repetitions to add to a first one that took so long."""
    return 0 if first_seconds > 2 else int(min(max(_SECONDS / first_seconds, 3), _MOST_REPEATS))


def _timed(contender, forward, backward):
    begun = _now(contender)
    state = forward()
    between = _now(contender)
    if backward is None:
        return between - begun, 0.0
    backward(state)
    return between - begun, _now(contender) - between


def _now(contender):
    if contender.device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


def _row(contender, job, times, has_gradients):
    counted = times[1:] or times
    forward, backward = (1000 * statistics.median(t) for t in zip(*counted, strict=True))
    return {
        "backend": contender.name,
        "device": contender.device,
        "size": job.size,
        "views": len(job.clip),
        "faces": len(job.faces),
        "channels": job.attributes.shape[2],
        "forward_ms": round(forward, 3),
        "backward_ms": round(backward, 3) if has_gradients else None,
        "repeats": len(counted),
    }


def _who(row):
    return row["backend"], row["device"]


def _total(row):
    return row["forward_ms"] + (row["backward_ms"] or 0.0)


def _shape(row):
    return row["size"], row["views"], row["faces"], row["channels"]


def _ratios(rows):
    """Return how many times the CPU backend's time the others take for the same job."""
    ours = {_shape(r): r for r in rows if _who(r) == ("cpu", "cpu")}
    ratios = []
    for row in rows:
        own = ours.get(_shape(row))
        if own is None or row is own:
            continue
        total = _total(row) / _total(own) if row["backward_ms"] is not None else None
        ratios.append(
            {
                "backend": row["backend"],
                "device": row["device"],
                "size": row["size"],
                "faces": row["faces"],
                "channels": row["channels"],
                "forward": round(row["forward_ms"] / own["forward_ms"], 3),
                "total": None if total is None else round(total, 3),
            }
        )
    return ratios


def _growth(by, rows):
    count = {
        "pixels": lambda r: r["size"] ** 2,
        "faces": lambda r: r["faces"],
        "channels": lambda r: r["channels"],
    }[by]
    grown = []
    for who in dict.fromkeys(map(_who, rows)):
        own = [r for r in rows if _who(r) == who]
        first, last = own[0], own[-1]
        if count(last) == count(first):
            continue
        power = math.log(_total(last) / _total(first)) / math.log(count(last) / count(first))
        grown.append(
            {
                "backend": who[0],
                "device": who[1],
                "by": by,
                "from": count(first),
                "to": count(last),
                "exponent": round(power, 3),
            }
        )
    return grown


def table(report: dict) -> str:
    """Return a report of `measure` as text."""
    about = report["machine"]
    lines = [
        f"{about['processor']}, {about['cores']} cores, {about['threads']} threads; GPU: {about['gpu'] or 'none'}; "
        f"torch {about['torch']}, numba {about['numba']}",
        f"{'backend':<18}{'size':>6}{'views':>6}{'faces':>8}{'channels':>9}"
        f"{'forward':>13}{'backward':>13}{'times cpu':>11}",
    ]
    ours = {_shape(r): r for r in report["rows"] if _who(r) == ("cpu", "cpu")}
    for row in report["rows"]:
        own = ours.get(_shape(row))
        # Without a backward pass, the forward passes are compared.
        one, other = (
            (_total(row), _total(own))
            if own and row["backward_ms"] is not None
            else (row["forward_ms"], own and own["forward_ms"])
        )
        times = f"{one / other:.3g}" if own else ""
        back = f"{row['backward_ms']:.1f} ms" if row["backward_ms"] is not None else "none"
        name = row["backend"] if row["backend"] == row["device"] else f"{row['backend']} ({row['device']})"
        lines.append(
            f"{name:<18}{row['size']:>6}{row['views']:>6}{row['faces']:>8}{row['channels']:>9}"
            f"{row['forward_ms']:>10.1f} ms{back:>13}{times:>11}"
        )
    for g in report["growth"]:
        lines.append(
            f"{g['backend']} ({g['device']}): time ~ {g['by']}^{g['exponent']:.2f} from {g['from']} to {g['to']}"
        )
    lines += [f"not measured: {a['backend']} ({a['device']}): {a['why']}" for a in report["absent"]]
    return "\n".join(lines)
