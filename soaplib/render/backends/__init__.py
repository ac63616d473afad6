"""Which program renders: one interface, several backends behind it.

| backend | device | how it comes |
|---|---|---|
| cpu | CPU, all cores | numba, always there |
| warp | CUDA without a compiler; the CPU on one thread | NVIDIA Warp, which anny brings |
| nvdiffrast | CUDA | to be built by the user |
| pytorch3d | CPU or CUDA | to be built by the user |

Chosen by the device of the tensors: `cpu` for the CPU; nvdiffrast for CUDA where it is installed, else warp. By
name: `use_backend`, or the argument `backend` of an operation.
"""

import contextlib
import contextvars
import importlib.util

from soaplib.errors import UserError

NAMES = ("cpu", "nvdiffrast", "pytorch3d", "warp")

_MODULES = {"cpu": "numba", "nvdiffrast": "nvdiffrast", "pytorch3d": "pytorch3d", "warp": "warp"}
_DEVICES = {"cpu": ("cpu",), "nvdiffrast": ("cuda",), "pytorch3d": ("cpu", "cuda"), "warp": ("cpu", "cuda")}
_HOW_TO_GET = {
    "cpu": "make setup, or: pip install numba",
    "nvdiffrast": "pip install --no-build-isolation git+https://github.com/NVlabs/nvdiffrast (needs CUDA's compiler)",
    "pytorch3d": "conda install -c conda-forge pytorch3d, or "
    "pip install --no-build-isolation git+https://github.com/facebookresearch/pytorch3d (needs a C++ compiler)",
    "warp": "make setup, or: pip install warp-lang",
}
_wanted = contextvars.ContextVar("soaplib.render.backend", default=None)


def installed(name: str) -> bool:
    """Say whether a backend's package is there, without importing it."""
    return importlib.util.find_spec(_MODULES[checked_name(name)]) is not None


def how_to_get(name: str) -> str:
    """Return what to do to have a backend."""
    return _HOW_TO_GET[checked_name(name)]


@contextlib.contextmanager
def use_backend(name: str | None):
    """Render with this backend inside a `with` block, in this thread; None chooses by the tensors' device.

    Raises:
        UserError: no such backend, or its package is not installed.
    """
    token = _wanted.set(None if name is None else _checked_there(name))
    try:
        yield
    finally:
        _wanted.reset(token)


def choose(device_type: str, double: bool = False, name: str | None = None) -> str:
    """Return the backend for tensors on "cpu" or "cuda": `name`, else that of `use_backend`, else the device's own.

    double: the tensors are float64, which nvdiffrast does not take; it is then not chosen of itself.

    Raises:
        UserError: no such backend, its package is not installed, or it does not work on that device.
    """
    name = name or _wanted.get()
    if name is None:
        fast = "nvdiffrast" if not double and installed("nvdiffrast") else "warp"
        name = "cpu" if device_type == "cpu" else fast
    elif device_type not in _DEVICES[checked_name(name)]:
        raise UserError(
            f"The render backend {name} takes tensors on {' or '.join(_DEVICES[name])}, but these are on "
            f"{device_type}; move them, or choose another backend."
        )
    return _checked_there(name)


def checked_name(name: str) -> str:
    """Return name; raises UserError where there is no such backend."""
    if name not in NAMES:
        raise UserError(f"There is no render backend {name!r}; there are {', '.join(NAMES)}.")
    return name


def _checked_there(name):
    if not installed(name):
        raise UserError(f"The render backend {name} is not installed; get it so: {_HOW_TO_GET[name]}.")
    return name
