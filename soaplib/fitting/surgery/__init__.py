"""Mesh surgery: splits, collapses and flips of edges on one table of half-edges, compiled."""
