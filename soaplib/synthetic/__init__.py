"""Heads with known truth, in many styles: made from a seed, drawn from any side, written as a dataset."""
