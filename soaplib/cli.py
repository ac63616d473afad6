"""The command `soap`: avatars of portraits, synthetic heads, trainings, measurements, and whether this machine can."""

import argparse
import contextlib
import json
import os
import pathlib
import signal
import sys
import time

from soaplib import __version__
from soaplib.errors import UserError

RUNS = pathlib.Path("papermill_runs")


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return the exit code.

    0: done, and for `soap run` the avatar is whole. 1: a defect, or (doctor) something is missing. 2: a mistake in what
    was given, told in one sentence on stderr. 130: interrupted; finished stages stay.
    """
    options = _parser().parse_args(arguments)
    try:
        return options.command(options)
    except UserError as error:
        print(f"soap: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(
            "soap: interrupted; finished stages stay, and the same command goes on from there.",
            file=sys.stderr,
        )
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="soap", description="One portrait in, one rigged, textured, animatable head out."
    )
    parser.add_argument("--version", action="version", version=f"soap {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    run = commands.add_parser("run", help="make an avatar of a portrait", description=_run.__doc__)
    run.add_argument(
        "portrait", metavar="PORTRAIT", help="image file, or the name of a sample: astronaut, hopper"
    )
    run.add_argument("--run-dir", type=pathlib.Path, help=f"folder of the run [{RUNS}/<name of the picture>]")
    run.add_argument("--profile", default="standard", help="standard, or draft for a quick look [standard]")
    run.add_argument(
        "-p", dest="parameters", action="append", default=[], metavar="NAME=VALUE",
        help="a notebook's parameter, may be repeated; the value is JSON or plain text",
    )  # fmt: skip
    run.add_argument(
        "--from", dest="from_stage", metavar="STAGE", help="run anew from this stage on: 3, fitting, ..."
    )
    run.add_argument("--until", dest="until_stage", metavar="STAGE", help="stop after this stage")
    run.add_argument(
        "--landmarks", type=pathlib.Path, metavar="FILE.json", help="landmarks, where no face is found"
    )
    run.add_argument("--seed", type=int, default=0, help="seed of all that is random [0]")
    run.set_defaults(command=_run)

    doctor = commands.add_parser("doctor", help="tell whether this machine can make avatars")
    doctor.add_argument("--json", action="store_true", help="print JSON")
    doctor.add_argument("--build", action="store_true", help="build the cached head model if it is not there")
    doctor.set_defaults(command=_doctor)

    view = commands.add_parser("view", help="open the report of a run")
    view.add_argument("run", type=pathlib.Path, metavar="RUN", help="folder of the run")
    view.add_argument("--no-open", action="store_true", help="only write the report and print its path")
    view.set_defaults(command=_view)

    bench = commands.add_parser("bench", help="measure speed on this machine", description=_bench.__doc__)
    bench.add_argument("what", choices=["render"], help="render: the backends, and other renderers")
    bench.add_argument("--json", action="store_true", help="print JSON")
    bench.add_argument(
        "--sizes", type=int, nargs="+", metavar="S", help="pixels along a side [128 256 512 1024]"
    )
    bench.add_argument("--backends", nargs="+", metavar="NAME", help="only these [all that run here]")
    bench.add_argument(
        "--seconds", type=float, default=120, help="leave out what would take longer than this, once [120]"
    )
    bench.add_argument("--no-growth", action="store_true", help="do not vary faces and channels")
    bench.set_defaults(command=_bench)

    evaluate = commands.add_parser(
        "evaluate", help="measure the fit on heads whose truth is known", description=_evaluate.__doc__
    )
    evaluate.add_argument(
        "--suite", choices=("synthetic", "references"), default="synthetic",
        help="synthetic: heads made from numbers; references: GLB heads of your own [synthetic]",
    )  # fmt: skip
    evaluate.add_argument(
        "--references", type=pathlib.Path, metavar="FOLDER",
        help="for the suite references: a folder of GLB heads that stand upright and look along +Z",
    )  # fmt: skip
    evaluate.add_argument("--heads", type=int, default=40, metavar="N", help="how many heads at most [40]")
    evaluate.add_argument(
        "--views", choices=("oracle", "generated"), default="oracle",
        help="oracle: the true six views; generated: those made of the portrait [oracle]",
    )  # fmt: skip
    evaluate.add_argument("--generator", default="auto", metavar="NAME", help="of generated views [auto]")
    evaluate.add_argument("--profile", default="standard", choices=("standard", "draft"), help="[standard]")
    evaluate.add_argument("--json", type=pathlib.Path, metavar="FILE", help="write all figures here")
    evaluate.add_argument(
        "--sheet", type=pathlib.Path, metavar="FILE.png", help="draw the worst three heads here"
    )
    evaluate.set_defaults(command=_evaluate)

    synth = commands.add_parser("synth", help="make a dataset of synthetic heads", description=_synth.__doc__)
    synth.add_argument("--count", type=int, required=True, metavar="N", help="heads in the whole dataset")
    synth.add_argument("--out", type=pathlib.Path, required=True, metavar="DIR", help="folder of the shards")
    synth.add_argument("--seed", type=int, default=0, help="seed of the dataset [0]")
    synth.add_argument("--views", type=int, default=6, help="how many of the six views, the front first [6]")
    synth.add_argument("--size", type=int, default=256, help="pixels along each side of a picture [256]")
    synth.add_argument(
        "--extras",
        default="",
        metavar="LIST",
        help="more truth in each sample: depth,uv,albedo,mesh or some of them",
    )
    synth.add_argument("--shard-size", type=int, default=50, metavar="N", help="heads in a shard [50]")
    synth.add_argument("--workers", type=int, metavar="W", help="processes on this machine [one a core]")
    synth.add_argument(
        "--scheduler",
        metavar="ADDRESS",
        help="a running Dask scheduler, tcp://host:8786, instead of own processes",
    )
    synth.set_defaults(command=_synth)

    train = commands.add_parser("train", help="train the compact networks", description=_train.__doc__)
    train.add_argument("what", choices=("prepare", "views", "normals", "upsample"))
    train.add_argument(
        "--out", type=pathlib.Path, required=True, metavar="DIR", help="folder of what is made"
    )
    train.add_argument("--data", type=pathlib.Path, metavar="DIR", help="samples, of soap train prepare")
    train.add_argument("--heads", type=int, default=5000, metavar="N", help="samples to prepare [5000]")
    train.add_argument(
        "-s", dest="settings", action="append", default=[], metavar="NAME=VALUE",
        help="a setting such as max_minutes=60 or precision=no, may be repeated",
    )  # fmt: skip
    train.set_defaults(command=_train)
    return parser


def _run(options) -> int:
    """Make an avatar: six notebooks, executed in order into the run folder. A finished stage is kept as long as
    nothing it depends on has changed, so an interrupted run goes on where it was."""
    from soaplib.runs import RunError, find_portrait, run_portrait
    from soaplib.runs.bars import Bars
    from soaplib.runs.parameters import parse_parameters

    begun = time.perf_counter()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # kernels are ended on the way out
    parameters = parse_parameters(options.parameters)
    portrait = find_portrait(options.portrait)
    _check_input(portrait, options.landmarks)
    run_dir = options.run_dir or RUNS / portrait.stem
    try:
        with contextlib.closing(Bars()) as progress:
            manifest = run_portrait(
                portrait,
                run_dir,
                profile=options.profile,
                parameters=parameters,
                landmarks=options.landmarks,
                seed=options.seed,
                from_stage=options.from_stage,
                until_stage=options.until_stage,
                progress=progress,
            )
    except RunError as error:
        print(f"soap: {error}", file=sys.stderr)
        return 1
    seconds = time.perf_counter() - begun
    for note in (note for stage in manifest.stages for note in stage["notes"]):
        print(f"  {note}")
    if not manifest.complete:
        print(
            f"Stopped after {options.until_stage} as asked, {seconds:.0f} s; `soap run` without --until goes on."
        )
        return 0
    print(f"The avatar is {run_dir / 'avatar.glb'} ({seconds:.0f} s); look at it with: soap view {run_dir}")
    return 0


def _check_input(portrait: pathlib.Path, landmarks: pathlib.Path | None) -> None:
    """Raise UserError for a picture or landmarks that cannot be read, before anything is made."""
    from soaplib.portrait import read_landmarks, read_picture

    read_picture(portrait)
    if landmarks is not None:
        read_landmarks(landmarks)


def _doctor(options) -> int:
    from soaplib.runs.doctor import examine

    if options.build:
        from soaplib.head import load_head

        print("Building the head model, once (a minute or two) ...", file=sys.stderr)
        load_head()
    found = examine()
    if options.json:
        print(json.dumps(found, indent=1))
    else:
        for check in found["checks"]:
            sign = "ok  " if check["ok"] else ("MISS" if check["needed"] else "-   ")
            print(
                f"{sign} {check['name']:<22} {check['found']}"
                + (f"\n     {check['mend']}" if check["mend"] else "")
            )
        print(
            "A full run can work here."
            if found["ok"]
            else "A full run cannot work here yet: mend what is missing."
        )
    return 0 if found["ok"] else 1


def _view(options) -> int:
    from soaplib.runs.manifest import read_manifest
    from soaplib.viewing.report import write_report

    record = options.run / "run.json"
    if read_manifest(options.run) is None:
        raise UserError(
            f"There is no run in {options.run}; make one with: soap run PORTRAIT --run-dir {options.run}."
        )
    report = options.run / "report.html"
    if not report.exists() or report.stat().st_mtime < record.stat().st_mtime:
        write_report(options.run)
    print(report)
    if not options.no_open and _has_display():
        import webbrowser

        webbrowser.open(report.resolve().as_uri())
    return 0


def _bench(options) -> int:
    """Render six views of the head, forward and backward, with each backend and other renderers that are installed:
    medians of alternating repetitions, and how the time grows with pixels, faces and channels."""
    from soaplib.bench.render import SIZES, measure, table

    report = measure(
        options.sizes or SIZES,
        options.backends,
        seconds=options.seconds,
        growth=not options.no_growth,
        progress=lambda line: print(line, file=sys.stderr),
    )
    print(json.dumps(report, indent=1) if options.json else table(report))
    return 0


def _evaluate(options) -> int:
    """Fit heads whose truth is known and measure how far off the fits are: shape, motion and rig, as mean, median and
    90th percentile of each metric. Synthetic heads are of people whom no training sees, in all styles; references are
    your own. A head that cannot be fitted is told, and the rest goes on; --json is kept up to date after each head."""
    from tqdm import tqdm

    from soaplib.evaluation import Watch, evaluate
    from soaplib.evaluation.report import WorstHeads, table
    from soaplib.storage import write_json

    for path in (options.json, options.sheet):
        if path is not None and not path.absolute().parent.is_dir():
            raise UserError(
                f"There is no folder {path.absolute().parent} to write {path.name} into; make it first."
            )
    if options.references is not None and options.suite != "references":
        raise UserError("--references goes with --suite references; give both, or neither.")
    worst, results = WorstHeads(), []

    class Told(Watch):
        def begins(self, heads):
            bar.reset(heads)

        def measured(self, truth, fitted, row):
            worst.see(truth, fitted, row)

        def failed(self, name, reason):
            tqdm.write(f"soap: head {name}: {reason}", sys.stderr)

        def so_far(self, result):
            results[:] = [result]
            if options.json is not None:
                write_json(options.json, result)
            if options.sheet is not None and result["heads"]:
                _write_picture(options.sheet, worst.sheet)
            bar.update()

    try:
        with tqdm(total=options.heads, unit="head") as bar:
            evaluate(
                options.heads, options.views, options.profile, options.generator,
                suite=options.suite, references=options.references, watch=Told(),
            )  # fmt: skip
    except KeyboardInterrupt:
        print("soap: interrupted; this is of the heads that were finished.", file=sys.stderr)
        print(*map(table, results), sep="")
        return 130
    (result,) = results
    print(table(result))
    return 0 if result["heads"] and not any(one["defect"] for one in result["failed"]) else 1


def _write_picture(path, picture) -> None:
    """Write a picture aside first and then rename it."""
    from PIL import Image

    aside = path.with_name(f".{path.name}.part")
    Image.fromarray(picture).save(aside, Image.registered_extensions().get(path.suffix.lower(), "PNG"))
    os.replace(aside, path)


def _train(options) -> int:
    """Train the networks of the compact generator on synthetic heads: prepare samples, then views (D_r) and normals
    (D_n) on them; upsample makes its own. Each goes on where an interrupted one stopped, but upsample begins anew."""
    from soaplib.runs.parameters import parse_parameters
    from soaplib.training.command import run

    begun = time.perf_counter()
    with contextlib.ExitStack() as stack:
        out = run(
            options.what,
            options.out,
            options.data,
            options.heads,
            parse_parameters(options.settings),
            _heads_bar(stack),
        )
    print(f"{options.what}: {out} ({time.perf_counter() - begun:.0f} s).")
    return 0


def _heads_bar(stack):
    """Give a function that shows (done, total) in a bar, which begins anew with another total."""
    bars = {}

    def tell(done, total):
        if total not in bars:
            from tqdm import tqdm

            bars[total] = stack.enter_context(tqdm(total=total, initial=done, unit="head", smoothing=0.05))
        bars[total].update(done - bars[total].n)

    return tell


def _synth(options) -> int:
    """Make a dataset of synthetic heads: WebDataset shards of pictures with all that is true of them. Shards are
    written whole; the same command goes on where an interrupted one stopped, and a larger --count adds heads."""
    from soaplib.synthetic.dataset.sample import EXTRAS
    from soaplib.synthetic.dataset.shards import Recipe
    from soaplib.synthetic.dataset.workers import write_dataset

    extras = tuple(sorted({name.strip() for name in options.extras.split(",") if name.strip()}))
    _check_synth(options, extras, EXTRAS)
    recipe = Recipe(options.seed, options.size, options.views, extras, options.shard_size)
    begun = time.perf_counter()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # workers are ended on the way out
    try:
        with contextlib.ExitStack() as stack:
            tell = _heads_bar(stack)
            index = write_dataset(
                options.out, recipe, options.count, options.workers, options.scheduler, tell=tell
            )
    except KeyboardInterrupt:
        print(
            "soap: interrupted; whole shards stay, and the same command goes on from there.", file=sys.stderr
        )
        return 130
    print(f"{index['count']} heads lie in {options.out} ({time.perf_counter() - begun:.0f} s).")
    if index["failed"]:
        seeds = ", ".join(str(one["seed"]) for one in index["failed"][:5])
        told = f"{len(index['failed'])} heads could not be made (seeds {seeds}, ...; see index.json)."
        print(f"soap: {told}", file=sys.stderr)
    return 1 if index["failed"] else 0


def _check_synth(options, extras, known) -> None:
    for name, low, high in (
        ("count", 1, 1_000_000), ("views", 1, 6), ("size", 32, 2048), ("shard-size", 1, 10_000), ("seed", 0, 2**40),
    ):  # fmt: skip
        value = getattr(options, name.replace("-", "_"))
        if not low <= value <= high:
            raise UserError(f"Expected --{name} from {low} to {high}, got {value}.")
    unknown = [name for name in extras if name not in known]
    if unknown:
        raise UserError(f"There is no extra {unknown[0]!r}; --extras takes {','.join(known)}.")
    if options.workers is not None and options.workers < 1:
        raise UserError(f"Expected --workers 1 or more, got {options.workers}.")
    if options.workers is not None and options.scheduler is not None:
        raise UserError("Give --workers or --scheduler, not both: a scheduler has workers of its own.")


def _has_display() -> bool:
    return sys.platform in ("darwin", "win32") or bool(
        os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    )
