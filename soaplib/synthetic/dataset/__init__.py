"""Datasets of synthetic heads: samples, shards, workers, splits, loaders."""
