"""Whether this machine can make avatars, and how to mend what is missing."""

import importlib.metadata
import os
import platform
import re
import shutil
import subprocess
import sys

PYTHONS = ((3, 10), (3, 12))
"""First and last Python that the pinned packages are made for."""

_MEMORY_GB = 4


def examine() -> dict:
    """Look at Python, packages, the cached head, the machine and optional programs.

    Returns:
        {ok: a full run can work, checks: [{name, ok, needed, found, mend}]}; mend says what to do, "" where nothing.
    """
    checks = [_python(), *_packages(), *_machine(), *_optional()]
    if all(check["ok"] for check in checks if check["needed"]):
        checks.append(_head())
    return {"ok": all(check["ok"] for check in checks if check["needed"]), "checks": checks}


def _check(name, ok, found, mend="", needed=True) -> dict:
    return {"name": name, "ok": bool(ok), "needed": needed, "found": str(found), "mend": "" if ok else mend}


def _python() -> dict:
    low, high = (".".join(map(str, version)) for version in PYTHONS)
    ok = PYTHONS[0] <= sys.version_info[:2] <= PYTHONS[1]
    mend = f"Python {low} to {high} is needed (mediapipe 0.10.21 knows no later one): make setup PYTHON=python3.11"
    return _check("Python", ok, platform.python_version(), mend)


def _packages() -> list[dict]:
    """Check the packages that soaplib's own metadata requires, and import those that often fail."""
    checks = []
    for requirement in importlib.metadata.requires("soaplib") or ():
        if "extra ==" in requirement:
            continue
        name, wanted = re.match(r"([\w.-]+)\s*([^;]*)", requirement).groups()
        try:
            version = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            version = None
        mend = f"make setup, or: pip install -c constraints.txt '{name}{wanted}'"
        checks.append(_check(name, version and _satisfies(version, wanted), version or "absent", mend))
    checks += [_import("cv2", _CV2), _import("mediapipe", _CV2), _import("torch", "make setup")]
    rival = [
        n for n in ("opencv-python", "opencv-python-headless", "opencv-contrib-python-headless") if _has(n)
    ]
    again = "pip install --force-reinstall --no-deps -c constraints.txt opencv-contrib-python"
    mend = f"pip uninstall {' '.join(rival)}; {again}"
    checks.append(_check("one OpenCV", not rival, ", ".join(rival) or "opencv-contrib-python alone", mend))
    return checks


_CV2 = (
    "where a lib*.so is missing: apt-get install libgl1 libglib2.0-0 libegl1, or dnf install mesa-libGL glib2"
)


def _satisfies(version: str, wanted: str) -> bool:
    from packaging.specifiers import SpecifierSet

    return SpecifierSet(wanted).contains(version, prereleases=True)


def _import(module: str, mend: str) -> dict:
    # In a process of its own: a missing library may end the process, and nothing stays imported here.
    run = subprocess.run([sys.executable, "-c", f"import {module}"], capture_output=True, text=True)
    found = "works" if run.returncode == 0 else (run.stderr.strip().splitlines() or ["crashes"])[-1]
    return _check(f"import {module}", run.returncode == 0, found, mend)


def _has(distribution: str) -> bool:
    try:
        importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def _head() -> dict:
    """Check the cached head model; a run without one builds it first, so it is not needed."""
    from soaplib.head.anny import cache_folder

    folder = cache_folder()
    ok = (folder / "HeadModel.json").exists()
    found = folder if ok else "not built yet; the first run builds it"
    return _check("head model", ok, found, "soap doctor --build (half a minute, once)", needed=False)


def _machine() -> list[dict]:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    checks = [_check("processor cores", True, cores)]
    if hasattr(os, "sysconf"):
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
        mend = f"about {_MEMORY_GB} GB are needed for a full run; --profile draft takes less"
        checks.append(_check("memory", memory >= 0.9 * _MEMORY_GB, f"{memory:.1f} GB", mend, needed=False))
    return checks


def _backends(gpu: bool) -> list[dict]:
    """Check the render backends; the CPU's is among the needed packages."""
    from soaplib.render import backends

    notes = {
        "nvdiffrast": "optional, renders fastest with an NVIDIA card: ",
        "pytorch3d": "optional, renders too, for comparison: ",
        "warp": "renders with an NVIDIA card: ",
    }
    checks = []
    for name, note in notes.items():
        there = backends.installed(name)
        found = "installed" if gpu or name != "warp" else "installed, of use with an NVIDIA card"
        mend = note + backends.how_to_get(name)
        checks.append(_check(name, there, found if there else "absent", mend, needed=False))
    return checks


def _optional() -> list[dict]:
    def program(names, mend):
        path = next((shutil.which(name) for name in names if shutil.which(name)), None)
        return _check(names[0], path, path or "absent", mend, needed=False)

    gpu = shutil.which("nvidia-smi")
    return [
        _check("GPU", gpu, gpu or "none found", "optional: all stages work on the processor", needed=False),
        *_backends(bool(gpu)),
        program(
            ["node", "nodejs"],
            "optional, for the Khronos glTF validator in the tests: nodejs.org or apt-get install npm",
        ),
        program(
            ["chromium", "chromium-browser", "google-chrome", "chrome"],
            "optional, for the browser test of the report: apt-get install chromium",
        ),
    ]
