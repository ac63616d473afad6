"""A differentiable rasteriser, cameras, shading, and pictures made with them.

Four operations in the manner of nvdiffrast (Laine et al., "Modular Primitives for High-Performance
Differentiable Rendering", 2020): `rasterize`, `interpolate`, `texture`, `antialias`. On the CPU they are torch autograd
functions over numba kernels; the same input gives the same bits at any number of threads, backward too. On a GPU, or
by name, another backend does them: see `soaplib.render.backends`.
"""

import importlib

_HOMES = {
    "backends": ("use_backend",),
    "backends.operations": (
        "antialias", "interpolate", "peel", "pixel_steps", "rasterize", "texture", "vertex_normals",
    ),
    "antialiasing": ("mesh_edges",),
    "rasterise": ("pack_meshes",),
    "cameras": (
        "camera_rotation", "clip_positions", "orthographic", "perspective", "project", "turn",
    ),
    "shading": (
        "camera_normals", "face_normals", "irradiance_sh", "lambert", "shade_sh", "spherical_harmonics",
        "world_normals",
    ),
    "pictures": ("Rendering", "render_views"),
    "drawing": ("draw",),
    "turntables": ("contact_sheet", "turntable"),
}  # fmt: skip
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = sorted(_HOME_OF)


def __getattr__(name):
    """Import a public name's module on first use, so that `import soaplib.render` costs nothing."""
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOME_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__():
    return __all__
