"""The head model fitted to a portrait and deformed to its views."""

from soaplib.fitting.deform import deform
from soaplib.fitting.initial import fit_head
from soaplib.fitting.personal import personal_head
from soaplib.fitting.stand import moved_views, stand

__all__ = ["deform", "fit_head", "moved_views", "personal_head", "stand"]
