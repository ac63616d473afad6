"""The operations of the renderer, each passed on to the backend that is chosen for its tensors."""

import functools
import importlib
import inspect

import torch

from soaplib.render.backends import choose, cpu

_BACKEND_DOC = """
    backend: "cpu", "nvdiffrast", "pytorch3d" or "warp"; as default that of `use_backend`, else the one for the device
    of the tensors. A backend that is not there, or not for that device, raises soaplib.errors.UserError.
    """


def _passed_on(function):
    """Make of a CPU operation one with an argument `backend`."""
    name = function.__name__

    @functools.wraps(function)
    def call(*arguments, backend=None, **named):
        first = next((a for a in (*arguments, *named.values()) if isinstance(a, torch.Tensor)), None)
        if first is None:
            # The CPU's own check says what is wrong.
            return function(*arguments, **named)
        chosen = choose(first.device.type, first.dtype == torch.float64, backend)
        module = importlib.import_module(f"soaplib.render.backends.{chosen}")
        return getattr(module, name)(*arguments, **named)

    signature = inspect.signature(function)
    keyword = inspect.Parameter("backend", inspect.Parameter.KEYWORD_ONLY, default=None)
    call.__signature__ = signature.replace(parameters=[*signature.parameters.values(), keyword])
    call.__doc__ = function.__doc__.rstrip() + "\n" + _BACKEND_DOC
    return call


rasterize = _passed_on(cpu.rasterize)
peel = _passed_on(cpu.peel)
pixel_steps = _passed_on(cpu.pixel_steps)
interpolate = _passed_on(cpu.interpolate)
texture = _passed_on(cpu.texture)
antialias = _passed_on(cpu.antialias)
vertex_normals = _passed_on(cpu.vertex_normals)
