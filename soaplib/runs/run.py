"""A portrait through all stages: what must be done, is done; what is done and still true, is kept."""

import dataclasses
import os
import pathlib
import shutil
import time

from soaplib.errors import UserError
from soaplib.runs.checksums import code_checksum, file_checksum, value_checksum, versions
from soaplib.runs.execution import RunError, execute
from soaplib.runs.folder import held_folder, take_in
from soaplib.runs.kernels import Kernels
from soaplib.runs.manifest import ARTIFACTS, Manifest, new_manifest, read_manifest
from soaplib.runs.parameters import check_parameters
from soaplib.runs.progress import Progress
from soaplib.runs.stage import read_stage
from soaplib.runs.stages import PROFILES, STAGES, Notebook, find_stage, read_notebooks


def run_portrait(
    portrait: str | os.PathLike,
    run_dir: str | os.PathLike,
    *,
    profile: str = "standard",
    parameters: dict | None = None,
    landmarks: str | os.PathLike | None = None,
    seed: int = 0,
    from_stage: str | None = None,
    until_stage: str | None = None,
    notebooks: str | os.PathLike | None = None,
    cell_seconds: float = 1800,
    progress: Progress | None = None,
) -> Manifest:
    """Make an avatar of a portrait in a run folder and return the run's record.

    A stage is kept where nothing it depends on has changed: its notebook, its parameters, profile and seed, the code
    of soaplib, the versions of its packages, the input, and the files of the stages before; and where its own
    files still have their checksums. All else is run, so a call after an interruption goes on from there.

    Args:
        portrait: image file. run_dir: folder to make or to go on with.
        profile: one of `PROFILES`. parameters: {name: JSON value} for the notebooks that take them.
        landmarks: JSON file of landmarks for a picture where no face is found.
        from_stage: first stage that is run whatever its state; those before it are taken as they lie there.
        until_stage: last stage that is run. Both may be shortened to what names one stage ("3", "fitting").
        notebooks: folder whose notebooks take the place of those shipped, where the name is that of a stage.
        cell_seconds: longest time one cell may take.
        progress: is told what happens.

    Raises:
        UserError: a mistake in what was given or in the picture. If the run folder was made by this call and
            no stage was finished in it, it is removed again.
        RunError: a stage failed by a defect.
    """
    parameters = parameters or {}
    books = read_notebooks(notebooks)
    first = STAGES.index(find_stage(from_stage)) if from_stage else None
    last = STAGES.index(find_stage(until_stage)) if until_stage else len(STAGES) - 1
    if profile not in PROFILES:
        raise UserError(f"The profile is one of {', '.join(PROFILES)}, not {profile}.")
    if first is not None and first > last:
        raise UserError(
            f"The run would begin at {STAGES[first]} and end at {STAGES[last]}, which lies before it."
        )
    check_parameters(parameters, books)
    run_dir = pathlib.Path(run_dir)
    with held_folder(run_dir), Kernels(run_dir) as kernels:
        before = read_manifest(run_dir)
        given = [
            take_in(source, run_dir, stem) for source, stem in ((portrait, "input"), (landmarks, "landmarks"))
        ]
        manifest = new_manifest(run_dir, *given, parameters, profile, seed)
        if before is None:
            manifest.write(run_dir)
        else:
            manifest.stages = before.stages
        run = _Run(run_dir, books, manifest, kernels, progress or Progress(), cell_seconds, last)
        if before and before.input["sha256"] != manifest.input["sha256"]:
            run.progress.says(
                f"{run_dir} held another portrait, {before.input['name']}: every stage runs anew."
            )
        for index in range(last + 1):
            if first is None or index < first:
                kept = run.kept(index) if first is None else run.taken_as_it_is(index)
                if kept is not None:
                    manifest.put_stage(kept)
                    run.progress.stage_ends(STAGES[index], kept["seconds"], False)
                    continue
            run.make(index)
        if last == len(STAGES) - 1:
            run.finish()
        return manifest


@dataclasses.dataclass
class _Run:
    run_dir: pathlib.Path
    books: list[Notebook]
    manifest: Manifest
    kernels: Kernels
    progress: Progress
    cell_seconds: float
    last: int

    def given(self, index: int) -> dict:
        """Return the parameters that the notebook of this stage is given."""
        landmarks = self.manifest.landmarks
        values = self.manifest.parameters | {
            "run_dir": ".",  # the kernel works in the run folder: no path of this machine in what is executed
            "portrait": self.manifest.input["file"],
            "landmarks": landmarks and landmarks["file"],
            "profile": self.manifest.profile,
            "seed": self.manifest.seed,
        }
        return {name: values[name] for name in self.books[index].parameters if name in values}

    def key(self, index: int) -> str:
        """Return the checksum of all that this stage's result depends on."""
        return value_checksum(
            {
                "notebook": file_checksum(self.books[index].path),
                "parameters": self.given(index),
                "input": self.manifest.input["sha256"],
                "landmarks": self.manifest.landmarks and self.manifest.landmarks["sha256"],
                "code": code_checksum(),
                "versions": versions(),
                "before": [self.manifest.stage(name)["files"] for name in STAGES[:index]],
            }
        )

    def kept(self, index: int) -> dict | None:
        """Return the record of a stage that need not run again, else None."""
        record = self.manifest.stage(STAGES[index])
        executed = self.run_dir / "notebooks" / f"{STAGES[index]}.ipynb"
        if record is None or record["key"] != self.key(index) or not executed.exists():
            return None
        return record if self._files_hold(record) else None

    def taken_as_it_is(self, index: int) -> dict:
        """Return the record of a finished stage before the one to begin from, however it came about."""
        name = STAGES[index]
        record = self.manifest.stage(name)
        if record is not None and self._files_hold(record):
            if record["key"] != self.key(index):
                self.progress.says(
                    f"{name} is taken as it is, though what it was made from has changed since."
                )
            return record
        written = read_stage(self.run_dir / name)
        if written is None:
            raise UserError(
                f"The run cannot begin later than {name}, which is not finished; leave --from away."
            )
        self.progress.says(f"{name} is taken as it is: it was made outside of this run.")
        return self._record(index, written, "", written["seconds"])

    def make(self, index: int) -> None:
        """Run a stage's notebook and put its record into the manifest."""
        name = STAGES[index]
        book = self.books[index]
        following = self.books[index + 1] if index < self.last else None
        key = self.key(index)
        begun = time.perf_counter()
        self.kernels.warm(book.imports())  # has no effect where the stage before has done it
        self.progress.stage_begins(name, book.code_cells)
        try:
            executed = self.run_dir / "notebooks" / f"{name}.ipynb"
            execute(
                book, following, self.given(index), executed, self.kernels, self.progress, self.cell_seconds
            )  # fmt: skip
        finally:
            shutil.rmtree(self.run_dir / f".{name}.part", ignore_errors=True)
        written = read_stage(self.run_dir / name)
        if written is None:
            raise RunError(f"{name} ended without stage.finish(); add it to the end of {book.path}")
        self.manifest.put_stage(self._record(index, written, key, time.perf_counter() - begun))
        for file in (*ARTIFACTS, "report.html"):  # they showed what was there before
            (self.run_dir / file).unlink(missing_ok=True)
        self.manifest.write(self.run_dir)
        self.progress.stage_ends(name, self.manifest.stage(name)["seconds"], True)

    def finish(self) -> None:
        """Put the avatar, its videos, `run.json` and the report into the run folder."""
        from soaplib.viewing.report import write_report

        try:
            self.manifest.give_out(self.run_dir)
        except FileNotFoundError as error:
            raise RunError(f"{STAGES[-1]} is finished, but has not made {error.filename}") from error
        before = read_manifest(self.run_dir)
        report = self.run_dir / "report.html"
        if self.manifest != before or not report.exists():
            self.manifest.write(self.run_dir)
            self.progress.says("Writing the report.")
            write_report(self.run_dir)

    def _record(self, index: int, written: dict, key: str, seconds: float) -> dict:
        name = STAGES[index]
        return {
            "name": name,
            "key": key,
            "parameters": self.given(index),
            "seconds": round(seconds, 3),
            "metrics": written["metrics"],
            "units": written["units"],
            "figures": [figure | {"file": f"{name}/{figure['file']}"} for figure in written["figures"]],
            "notes": written["notes"],
            "files": {f"{name}/{file}": digest for file, digest in written["files"].items()},
        }

    def _files_hold(self, record: dict) -> bool:
        paths = {self.run_dir / file: digest for file, digest in record["files"].items()}
        return all(path.is_file() and file_checksum(path) == digest for path, digest in paths.items())
