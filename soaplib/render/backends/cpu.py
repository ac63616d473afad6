"""The operations on the CPU: numba kernels, all cores. What they promise, the other backends keep."""

from soaplib.render.antialiasing import antialias
from soaplib.render.interpolation import interpolate
from soaplib.render.mipmaps import pixel_steps
from soaplib.render.peeling import peel
from soaplib.render.rasterise import rasterize
from soaplib.render.shading import vertex_normals
from soaplib.render.texturing import texture

__all__ = ["antialias", "interpolate", "peel", "pixel_steps", "rasterize", "texture", "vertex_normals"]
