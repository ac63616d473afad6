"""The run folder: made, held by one run at a time, and given its input."""

import contextlib
import os
import pathlib
import shutil

from soaplib.errors import UserError
from soaplib.runs.checksums import file_checksum
from soaplib.runs.stages import STAGES


@contextlib.contextmanager
def held_folder(run_dir: pathlib.Path):
    """Make the run folder if it is absent, and keep other runs out of it meanwhile.

    After a UserError before the first stage was finished the folder is as it was: removed if it was made here,
    else with its former input.

    Raises:
        UserError: the folder holds something other than a run, cannot be made, or another run is at work in it.
    """
    made = _make(run_dir)
    with contextlib.ExitStack() as stack:
        _lock(run_dir, stack)
        inputs = {path: path.read_bytes() for path in _inputs(run_dir)}
        record = _read(run_dir / "run.json")
        try:
            yield
        except UserError:
            if made and not (run_dir / STAGES[0]).exists():
                shutil.rmtree(run_dir)
                for folder in made[1:]:
                    folder.rmdir()
            elif _read(run_dir / "run.json") == record:
                for path in _inputs(run_dir):
                    path.unlink()
                for path, content in inputs.items():
                    path.write_bytes(content)
            raise


def take_in(source: str | os.PathLike | None, run_dir: pathlib.Path, stem: str) -> dict | None:
    """Copy a file into the run folder as `<stem>.<its extension>` and return its record for the manifest.

    The record: file (its name in the run folder), name (as it was called), sha256, bytes. None in, None out.
    """
    source = source and pathlib.Path(source)
    target = source and run_dir / f"{stem}{source.suffix.lower()}"
    if source and not (target.exists() and file_checksum(target) == file_checksum(source)):
        aside = run_dir / f".{target.name}.part"
        shutil.copyfile(source, aside)
        os.replace(aside, target)
    for path in run_dir.glob(f"{stem}.*"):
        if path != target:
            path.unlink()
    if source is None:
        return None
    return {
        "file": target.name,
        "name": source.name,
        "sha256": file_checksum(target),
        "bytes": target.stat().st_size,
    }


def _make(run_dir: pathlib.Path) -> list[pathlib.Path]:
    """Make the folder and return what was made, innermost first; check it where it was there."""
    if run_dir.is_dir():
        ours = (run_dir / "run.json").exists() or any((run_dir / stage).exists() for stage in STAGES)
        if not ours and any(run_dir.iterdir()):
            raise UserError(
                f"The folder {run_dir} holds something else than a run; choose another with --run-dir."
            )
        return []
    made = [folder for folder in (run_dir, *run_dir.parents) if not folder.exists()]
    try:
        run_dir.mkdir(parents=True)
    except OSError as error:
        raise UserError(
            f"The run folder {run_dir} cannot be made ({error.strerror}); choose another with --run-dir."
        ) from error
    return made


def _lock(run_dir: pathlib.Path, stack: contextlib.ExitStack) -> None:
    try:
        import fcntl
    except ImportError:  # Windows has no such lock
        return
    handle = os.open(run_dir, os.O_RDONLY)
    stack.callback(os.close, handle)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise UserError(
            f"Another run is at work in {run_dir}; wait for it or choose another --run-dir."
        ) from None


def _inputs(run_dir: pathlib.Path) -> list[pathlib.Path]:
    return [*run_dir.glob("input.*"), *run_dir.glob("landmarks.*")]


def _read(path: pathlib.Path) -> bytes | None:
    return path.read_bytes() if path.exists() else None
