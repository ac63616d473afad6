"""Heads of known truth against what the stages make of their portraits."""

from soaplib.evaluation.evaluate import evaluate

__all__ = ["evaluate"]
