"""Synthetic heads drawn: light, cameras, shading by style, and the truth of each pixel."""
