"""SOAP workbench: one portrait in, one rigged, textured, animatable head out."""

__version__ = "0.1.0"
