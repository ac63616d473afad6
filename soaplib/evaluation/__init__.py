"""Heads of known truth against what the stages make of their portraits."""

from soaplib.evaluation.evaluate import Watch, evaluate

__all__ = ["Watch", "evaluate"]
