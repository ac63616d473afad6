"""Checksums of files and of the code: what tells one run's state from another's."""

import functools
import hashlib
import importlib.metadata
import json
import pathlib
import platform

_PACKAGES = (
    "anny",
    "mediapipe",
    "numba",
    "numpy",
    "opencv-contrib-python",
    "pillow",
    "scikit-image",
    "scipy",
    "torch",
    "trimesh",
    "xatlas",
)


def file_checksum(path: pathlib.Path) -> str:
    """Return a file's SHA-256 in hexadecimal."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def folder_checksums(folder: pathlib.Path) -> dict[str, str]:
    """Return {path relative to `folder`: SHA-256} of the files below it, sorted by path.

    Left out are `stage.json`, which holds this, and 3D views (`.html`), in which K3D writes the time.
    """
    files = sorted(
        p for p in folder.rglob("*") if p.is_file() and p.suffix != ".html" and p.name != "stage.json"
    )
    return {p.relative_to(folder).as_posix(): file_checksum(p) for p in files}


def value_checksum(value: object) -> str:
    """Return the SHA-256 of a JSON value."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


@functools.cache
def code_checksum() -> str:
    """Return one checksum over every `.py` file of soaplib."""
    package = pathlib.Path(__file__).resolve().parents[1]
    return value_checksum(
        {p.relative_to(package).as_posix(): file_checksum(p) for p in package.rglob("*.py")}
    )


@functools.cache
def versions() -> dict[str, str]:
    """Return the versions of Python, soaplib and the packages a result depends on; "absent" for a missing one."""
    from soaplib import __version__

    found = {"python": platform.python_version(), "soaplib": __version__}
    for name in _PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "absent"
    return found
