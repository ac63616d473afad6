"""Kernels of this very interpreter, the next one warmed up while the present one works."""

import contextlib
import functools
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

START_SECONDS = 120
"""How long a kernel may take to answer: a cold disk and a loaded machine included."""


class Kernels:
    """Start kernels for one run; at most one spare is kept, started ahead with a notebook's imports done.

    Importing torch, numba and the like costs seconds in every new kernel; a spare pays them on the second core
    while the stage before computes. Each kernel is a process of its own, so a stage never sees another's memory.
    """

    def __init__(self, cwd: pathlib.Path):
        self._cwd = cwd
        # Short and private: a socket's path may hold about 100 characters, and a home folder may be read-only.
        self._folder = pathlib.Path(tempfile.mkdtemp(prefix="soap-"))
        self._spare = None
        self._count = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self._spare is not None:
            self.stop(self._spare)
        shutil.rmtree(self._folder, ignore_errors=True)

    def warm(self, imports: str) -> None:
        """Start the spare kernel if there is none, and let it run `imports` in a namespace that is thrown away."""
        if self._spare is None:
            self._spare = self._start(imports)

    def take(self):
        """Return a running kernel's manager: the spare, or a new one."""
        manager, self._spare = self._spare or self._start(""), None
        return manager

    @staticmethod
    def stop(manager) -> None:
        """End a kernel at once, and close what was connected to it."""
        from jupyter_core.utils import run_sync

        with contextlib.suppress(RuntimeError, ProcessLookupError):
            run_sync(manager.shutdown_kernel)(now=True)
        for client in manager.clients:
            client.stop_channels()

    def _start(self, imports: str):
        from jupyter_client.blocking import BlockingKernelClient
        from jupyter_core.utils import run_sync

        self._count += 1
        manager = _manager_class()(
            kernel_name="python3",
            connection_file=str(self._folder / f"kernel{self._count}.json"),
            # Sockets of the file system: no race for a free port (papermill issue 511).
            transport="tcp" if os.name == "nt" else "ipc",
            ip="127.0.0.1" if os.name == "nt" else str(self._folder / f"kernel{self._count}-ipc"),
        )
        environment = dict(os.environ)
        environment["IPYTHONDIR"] = str(
            self._folder / "ipython"
        )  # a person's start-up files do not change a run
        environment["PYTHONHASHSEED"] = "0"
        # The order in which OpenBLAS adds depends on its threads; one thread is as fast for our sizes.
        environment["OPENBLAS_NUM_THREADS"] = "1"
        # OpenMP's threads would spin between torch's operations and take the cores from the renderer's.
        environment["OMP_WAIT_POLICY"] = "passive"
        # Large arrays come and go in each step of a fit; giving their pages back each time costs a sixth of it.
        environment["MALLOC_TRIM_THRESHOLD_"] = environment["MALLOC_MMAP_THRESHOLD_"] = str(2**28)
        environment["PYDEVD_DISABLE_FILE_VALIDATION"] = "1"
        # What it prints is in the notebook; libraries that write past Python would spoil the progress bars.
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        run_sync(manager.start_kernel)(cwd=str(self._cwd), env=environment, **quiet)
        if imports:
            client = BlockingKernelClient()
            client.load_connection_info(manager.get_connection_info())
            client.start_channels(iopub=False, stdin=False, hb=False, control=False)
            # An import that fails here fails again in the notebook, where it can be read.
            client.execute(f"exec({imports!r}, {{}})", silent=True, store_history=False, allow_stdin=False)
            manager.clients.append(client)  # stays open: the kernel is not there yet to take the message
        return manager


@functools.cache
def _manager_class():
    """Return a kernel manager that starts this interpreter, whatever kernels a person has installed, and that
    remembers its clients (nbclient leaves those of a kernel it has not started open)."""
    from jupyter_client import AsyncKernelManager
    from jupyter_client.kernelspec import KernelSpec, KernelSpecManager

    class ThisPython(KernelSpecManager):
        def get_kernel_spec(self, kernel_name):
            argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
            argv.append("--HistoryManager.hist_file=:memory:")
            return KernelSpec(argv=argv, display_name="Python 3", language="python")

    class Manager(AsyncKernelManager):
        def __init__(self, **options):
            super().__init__(kernel_spec_manager=ThisPython(), **options)
            self.clients = []

        def client(self, **options):
            client = super().client(**options)
            self.clients.append(client)
            return client

    return Manager
