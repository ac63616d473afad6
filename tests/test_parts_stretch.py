"""Edges that an expression stretches too far are relaxed; all others stay."""

import numpy as np

from soaplib.parts.stretch import limit_stretch


def _grid(n=12, step=0.003):
    x, y = np.meshgrid(np.arange(n), np.arange(n))
    vertices = np.column_stack([x.ravel(), y.ravel(), 0 * x.ravel()]) * step
    at = np.arange(n * n).reshape(n, n)
    a, b, c, d = (q.ravel() for q in (at[:-1, :-1], at[:-1, 1:], at[1:, 1:], at[1:, :-1]))
    return vertices, np.concatenate([np.column_stack([a, b, c]), np.column_stack([a, c, d])])


def _worst(vertices, faces, move):
    edges = faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2)
    rest = np.linalg.norm(vertices[edges[:, 0]] - vertices[edges[:, 1]], axis=1)
    place = vertices + move
    return (np.linalg.norm(place[edges[:, 0]] - place[edges[:, 1]], axis=1) / rest).max()


def test_a_spike_is_relaxed_below_the_bar():
    vertices, faces = _grid()
    morphs = np.zeros((len(vertices), 3, 1))
    morphs[70, 2, 0] = 0.03  # ten edges high
    assert _worst(vertices, faces, morphs[..., 0]) > 4
    assert _worst(vertices, faces, limit_stretch(vertices, faces, morphs)[..., 0]) <= 3.4 + 1e-9


def test_what_is_within_the_limit_is_untouched():
    vertices, faces = _grid()
    rng = np.random.default_rng(0)
    morphs = rng.normal(size=(len(vertices), 3, 4)) * 0.0008
    assert np.array_equal(limit_stretch(vertices, faces, morphs), morphs)


def test_only_the_torn_action_changes():
    vertices, faces = _grid()
    morphs = np.zeros((len(vertices), 3, 2))
    morphs[:, 0, 0] = 0.001
    morphs[70, 2, 1] = 0.03
    limited = limit_stretch(vertices, faces, morphs)
    assert np.array_equal(limited[..., 0], morphs[..., 0])
    assert not np.array_equal(limited[..., 1], morphs[..., 1])
