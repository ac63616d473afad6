"""Training of our own networks on synthetic heads: prepared samples, their augmentation, one loop for all."""
