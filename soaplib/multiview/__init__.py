"""From one portrait and a fitted head to six views of it."""

from soaplib.multiview.generate import GENERATORS, generate

__all__ = ["GENERATORS", "generate"]
