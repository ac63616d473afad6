"""The parametric head: what a head model is, and where one comes from."""

from soaplib.head.anny import load_head
from soaplib.head.flame import load_flame
from soaplib.head.model import HeadModel
from soaplib.head.subdivide import subdivide

__all__ = ["HeadModel", "load_flame", "load_head", "subdivide"]
