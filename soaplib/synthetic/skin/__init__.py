"""Skin, eyes and mouth of synthetic heads: codes, colours, relief."""
