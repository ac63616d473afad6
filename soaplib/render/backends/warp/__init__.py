"""CUDA without a compiler on the user's machine: Warp kernels, one thread per face or pixel.

They are the kernels of the CPU backend in another language, and run on the CPU too, on one thread; that is how they
are tested where there is no GPU. The same input gives the same bits on the same device: the nearest face is the
minimum of (depth, face) packed into an integer, and sums are those of `soaplib.render.backends.warp.sums`.

Imported on first use only, since importing Warp takes a while.
"""

import warp

# Warp tells of its devices and of every kernel it compiles otherwise; warnings stay.
warp.config.log_level = max(warp.config.log_level, warp.LOG_WARNING)

from soaplib.render.backends.warp.antialiasing import antialias  # noqa: E402
from soaplib.render.backends.warp.interpolation import interpolate, pixel_steps  # noqa: E402
from soaplib.render.backends.warp.normals import vertex_normals  # noqa: E402
from soaplib.render.backends.warp.rasterise import peel, rasterize  # noqa: E402
from soaplib.render.backends.warp.texturing import texture  # noqa: E402

__all__ = ["antialias", "interpolate", "peel", "pixel_steps", "rasterize", "texture", "vertex_normals"]
