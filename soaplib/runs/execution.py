"""One notebook executed by papermill in a kernel of ours."""

import asyncio
import os
import pathlib
import threading

from soaplib.errors import UserError
from soaplib.runs.kernels import START_SECONDS, Kernels
from soaplib.runs.progress import Progress
from soaplib.runs.stages import Notebook


class RunError(RuntimeError):
    """A stage failed by a defect, not by a mistake of the user: says which, how, and where to read on."""


def execute(
    book: Notebook,
    following: Notebook | None,
    parameters: dict,
    output: pathlib.Path,
    kernels: Kernels,
    progress: Progress,
    cell_seconds: float,
) -> None:
    """Execute `book` with `parameters` and write it, with its outputs, to `output`.

    The kernel for `following` is warmed up meanwhile. What failed is kept as `<output stem>.failed.ipynb`.

    Raises:
        UserError: the notebook raised one; carries its sentence.
        RunError: it raised anything else, its kernel died, or a cell ran longer than `cell_seconds`.
        KeyboardInterrupt: as it came; the kernel is ended.
    """
    output.parent.mkdir(exist_ok=True)
    aside = output.with_name(f".{book.name}.part.ipynb")
    failed = output.with_name(f"{book.name}.failed.ipynb")
    manager = kernels.take()
    work = _Work(book, parameters, aside, manager, progress, cell_seconds)
    try:
        work.start()
        while work.is_alive():
            work.join(0.1)
            progress.time_passes()
            # Not at once: this stage's own kernel should have both cores for its imports.
            if following is not None and work.cells_done > 1:
                kernels.warm(following.imports())
                following = None
    finally:
        kernels.stop(manager)
        work.join(10)
        if work.error is not None and aside.exists():
            os.replace(aside, failed)
    if work.error is not None:
        raise _translated(work.error, book.name, failed, cell_seconds)
    failed.unlink(missing_ok=True)
    os.replace(aside, output)


class _Work(threading.Thread):
    """papermill in a thread: nbclient takes over SIGINT in a main thread, and Ctrl-C would not reach the run."""

    def __init__(self, book, parameters, output, manager, progress, cell_seconds):
        super().__init__(daemon=True)
        self.cells_done, self.error = 0, None
        self._book, self._parameters, self._output = book, parameters, output
        self._manager, self._progress, self._cell_seconds = manager, progress, cell_seconds

    def run(self):
        import papermill

        try:
            papermill.execute_notebook(
                str(self._book.path),
                str(self._output),
                parameters=self._parameters,
                kernel_name="python3",
                progress_bar=False,
                start_timeout=START_SECONDS,
                execution_timeout=self._cell_seconds,
                # Saved widget state is large, and K3D shows nothing from it without a kernel.
                store_widget_state=False,
                # A progress bar's thousand updates become one output (papermill issue 765).
                coalesce_streams=True,
                on_cell_executed=self._count,
                km=self._manager,
                stdout_file=_Lines(self._progress),
                stderr_file=_Lines(self._progress),
            )
        except BaseException as error:  # handed to the main thread, which raises it
            self.error = error
        finally:
            _end_tasks()

    def _count(self, **_):
        self.cells_done += 1
        self._progress.cell_done()


def _end_tasks():
    """End what nbclient has left waiting in this thread for a kernel that is gone."""
    from jupyter_core.utils import ensure_event_loop

    loop = ensure_event_loop()
    tasks = asyncio.all_tasks(loop)
    for task in tasks:
        task.cancel()
    loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))


class _Lines:
    """A text stream that passes on the last line written to it."""

    def __init__(self, progress):
        self._progress = progress

    def write(self, text):
        lines = text.replace("\r", "\n").split("\n")
        line = next((line.strip() for line in reversed(lines) if line.strip()), "")
        if line:
            self._progress.output(line)

    def flush(self):
        pass


def _translated(error, stage, notebook, cell_seconds):
    """Return the exception to raise for what papermill raised."""
    from nbclient.exceptions import CellTimeoutError, DeadKernelError
    from papermill.exceptions import PapermillExecutionError

    read = f"; read {notebook}"
    if isinstance(error, PapermillExecutionError):
        if error.ename == "UserError":
            return UserError(error.evalue)
        return RunError(f"{stage} failed with {error.ename}: {error.evalue or 'no message'}{read}")
    if isinstance(error, DeadKernelError):
        return RunError(f"{stage}: its kernel died, most often for want of memory (4 GB are needed){read}")
    if isinstance(error, CellTimeoutError):
        return RunError(f"{stage}: a cell ran longer than {cell_seconds:.0f} s{read}")
    if isinstance(error, RuntimeError):
        return RunError(f"{stage}: {error}; the same command goes on from there")  # the kernel did not answer
    return error
