"""Depths by six views: of two balls, one before the other, which normals alone cannot place."""

import numpy as np
import pytest
import torch
import trimesh

from soaplib.data import VIEW_YAWS, Views
from soaplib.fitting.stereo import Depths, find_depths
from soaplib.render import orthographic, render_views, turn

SIZE = 128


@pytest.fixture(scope="module")
def scene():
    ball = trimesh.creation.icosphere(4, 1.0)
    vertices = np.concatenate([ball.vertices, 0.3 * ball.vertices + [0.2, 0.1, 1.15]])
    faces = np.concatenate([ball.faces, ball.faces + len(ball.vertices)])
    colours = 0.5 + 0.5 * np.sin(9 * vertices + 4 * vertices[:, [1, 2, 0]])
    front = orthographic(np.eye(3), 0.32 * SIZE, np.array([SIZE / 2, SIZE / 2]))
    cameras = np.stack([turn(front, float(yaw), np.zeros(3)) for yaw in VIEW_YAWS])
    seen = render_views(
        torch.as_tensor(vertices, dtype=torch.float32), torch.as_tensor(faces.astype(np.int32)),
        torch.as_tensor(cameras, dtype=torch.float32), (SIZE, SIZE), torch.as_tensor(colours, dtype=torch.float32),
    )  # fmt: skip
    views = Views(seen.attributes.numpy(), seen.normals.numpy(), seen.mask.numpy(), cameras, "truth")
    return views, seen.depth.numpy(), seen.face_ids.numpy() >= len(ball.faces)


def test_both_sides_of_a_step_lie_where_they_are(scene):
    views, true, small = scene
    found = find_depths(views)
    for k, least in ((0, 0.7), (4, 0.8), (5, 0.7)):
        inside = views.masks[k] > 0.99
        assert found.known[k][inside].mean() > least
        for side in (small[k], inside & ~small[k]):
            known = found.known[k] & side
            off = np.abs(found.depth[k] - true[k])[known]
            assert known.sum() > 0.4 * side.sum() and np.median(off) < 1.0 and (off < 2.5).mean() > 0.85


def test_nothing_is_known_outside(scene):
    views, _, _ = scene
    found = find_depths(views)
    assert not found.known[views.masks < 0.5].any()
    again = find_depths(views)
    np.testing.assert_array_equal(found.depth, again.depth)


def test_pictures_of_another_size_have_their_own_unit():
    depth = np.arange(6 * 128 * 128, dtype=float).reshape(6, 128, 128)
    deep, known = Depths(depth, depth % 2 == 0).at(64)
    assert deep.shape == (6, 64, 64) and float(deep[0, 0, 0]) == pytest.approx(depth[0, 1, 1] / 2)
    deep, known = Depths(depth, depth % 2 == 0).at(256)
    assert float(deep[1, 5, 7]) == pytest.approx(2 * depth[1, 2, 3])
    assert known[1, 5, 7] == float(depth[1, 2, 3] % 2 == 0)
