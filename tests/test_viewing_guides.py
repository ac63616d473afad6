"""Guides and views as pictures."""

import numpy as np

from soaplib.multiview.compact.guide import CHANNELS
from soaplib.viewing.guides import guide_rows, normal_pictures, on_white, rgba_pictures


def test_what_is_nothing_is_white_and_what_is_known_keeps_its_colour():
    rgba = np.zeros((2, 4, 3, 3), np.float32)
    rgba[0, :, 1, 1] = [0.1, 0.2, 0.3, 0.5]
    shown = rgba_pictures(rgba)
    np.testing.assert_allclose(shown[0, 1, 1], [0.6, 0.7, 0.8], atol=1e-6)
    assert (shown[1] == 1).all() and shown.shape == (2, 3, 3, 3)
    np.testing.assert_allclose(on_white(np.array([0.2, 0.4, 0.6]), np.ones(1)), [0.2, 0.4, 0.6])


def test_normals_are_the_usual_colours():
    normals = np.zeros((1, 3, 1, 2), np.float32)
    normals[0, :, 0, 0] = [0, 0, 1]
    np.testing.assert_allclose(normal_pictures(normals)[0, 0], [[0.5, 0.5, 1], [1, 1, 1]])


def test_each_part_of_a_guide_has_a_row():
    guide = np.zeros((6, len(CHANNELS), 4, 4), np.float32)
    guide[:, CHANNELS.index("head_mask")] = 1
    guide[:, CHANNELS.index("head_normals.x")] = -1
    guide[:, CHANNELS.index("hair")] = guide[:, CHANNELS.index("shell_mask")] = 1
    rows = guide_rows(guide)
    assert list(rows) == ["head normals", "shell normals", "places", "hair", "seen", "mirrored"]
    assert all(row.shape == (6, 4, 4, 3) for row in rows.values())
    np.testing.assert_allclose(rows["head normals"][0, 0, 0], [0, 0.5, 0.5])
    np.testing.assert_allclose(rows["hair"][0, 0, 0], 0.2, atol=1e-6)
    assert (rows["seen"] == 1).all()
