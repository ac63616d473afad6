import numpy as np
import pytest
import torch

from soaplib.render import camera_rotation, clip_positions, orthographic, perspective, project, turn


def some_rotation(seed=0):
    q, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))
    return q * np.linalg.det(q)


def test_orthographic_by_hand():
    camera = orthographic(np.eye(3), 100.0, (50.0, 40.0))
    points = np.array([[0.0, 0, 0], [0.1, 0, 0], [0, 0.1, 0], [0, 0, 0.1]])
    np.testing.assert_allclose(project(points, camera), [[50, 40], [60, 40], [50, 30], [50, 40]])
    depth = (np.c_[points, np.ones(4)] @ camera.T)[:, 2]
    np.testing.assert_allclose(depth, [0, 0, 0, -10])


def test_perspective_by_hand():
    camera = perspective(np.eye(3), np.array([0.0, 0, -2]), 100.0, (50.0, 40.0))
    np.testing.assert_allclose(
        project(np.array([[0.2, 0.1, 0], [0.2, 0.1, 1]]), camera), [[60, 35], [70, 30]]
    )
    h = np.array([[0.0, 0, 1, 1], [0, 0, 0, 1], [0, 0, -3, 1]]) @ camera.T
    np.testing.assert_allclose(h[:, 3], [1, 2, 5])
    assert (np.diff(h[:, 2] / h[:, 3]) > 0).all()


@pytest.mark.parametrize("kind", ["orthographic", "perspective"])
def test_rotation_comes_back(kind):
    rotation = some_rotation(3)
    if kind == "orthographic":
        camera = orthographic(rotation, 700.0, (20.0, 30.0))
    else:
        camera = perspective(rotation, np.array([0.1, -0.2, -3]), 500.0, (20.0, 30.0))
    np.testing.assert_allclose(camera_rotation(camera), rotation, atol=1e-12)
    both = camera_rotation(torch.tensor(np.stack((camera, np.eye(4)))))
    np.testing.assert_allclose(both[0], rotation, atol=1e-12)


def test_turn_shows_the_sides_the_convention_says():
    camera = orthographic(np.eye(3), 100.0, (50.0, 50.0))
    nose, left_ear, right_ear = np.array([[0, 0, 0.1], [0.1, 0, 0], [-0.1, 0, 0]])
    points = np.stack((nose, left_ear, right_ear))

    def pixel_x_and_depth(yaw):
        h = np.c_[points, np.ones(3)] @ turn(camera, yaw, np.zeros(3)).T
        return h[:, 0], h[:, 2]

    x, depth = pixel_x_and_depth(90)
    np.testing.assert_allclose(x, [60, 50, 50], atol=1e-9)
    assert depth[2] < depth[1], "at +90 the head's right ear is nearest"
    x, depth = pixel_x_and_depth(-90)
    np.testing.assert_allclose(x, [40, 50, 50], atol=1e-9)
    assert depth[1] < depth[2], "at -90 the head's left ear is nearest"
    x, depth = pixel_x_and_depth(180)
    np.testing.assert_allclose(x, [50, 40, 60], atol=1e-9)
    assert depth[0] == depth.max()


@pytest.mark.parametrize("kind", ["orthographic", "perspective"])
def test_turn_rotates_about_the_pivot_in_camera_axes(kind):
    rotation, shift = some_rotation(1), np.array([0.05, 0.1, -2])
    pivot, yaw = np.array([0.02, 0.07, -0.03]), np.deg2rad(33.0)
    r_y = np.array([[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]])
    points = np.random.default_rng(0).normal(size=(6, 3)) * 0.1
    moved = pivot + (points - pivot) @ rotation.T @ r_y.T @ rotation
    if kind == "orthographic":
        camera = orthographic(rotation, 321.0, (100.0, 90.0))
    else:
        camera = perspective(rotation, shift, 500.0, (100.0, 90.0))
    turned = turn(camera, 33.0, pivot)
    np.testing.assert_allclose(project(points, turned), project(moved, camera), atol=1e-9)
    np.testing.assert_allclose(project(pivot[None], turned), project(pivot[None], camera), atol=1e-9)
    np.testing.assert_allclose(turn(turned, -33.0, pivot), camera, atol=1e-9)


def test_clip_positions_agree_with_the_pixels():
    points = np.random.default_rng(0).normal(size=(2, 9, 3)) * 0.1
    for camera in (
        orthographic(some_rotation(), 300.0, (60.0, 50.0)),
        perspective(some_rotation(), np.array([0, 0, -1.0]), 300.0, (60.0, 50.0)),
    ):
        clip = clip_positions(points, camera, (100, 120))
        assert clip.shape == (2, 9, 4)
        x = (clip[..., 0] / clip[..., 3] + 1) * 60
        y = (1 - clip[..., 1] / clip[..., 3]) * 50
        np.testing.assert_allclose(np.stack((x, y), -1), project(points, camera), atol=1e-9)
        z = clip[..., 2] / clip[..., 3]
        assert (abs(z) < 1).all()
        h = np.concatenate((points, np.ones((2, 9, 1))), -1) @ camera.T
        depth = h[..., 2] / h[..., 3]
        assert (np.argsort(z, 1) == np.argsort(depth, 1)).all()
    fixed = clip_positions(points[0], orthographic(np.eye(3), 1.0, (0.0, 0.0)), (4, 4), depth_range=(-2, 2))
    np.testing.assert_allclose(fixed[0, :, 2], -points[0, :, 2] / 2)


def test_batches_broadcast_and_one_mesh_serves_many_cameras():
    base = torch.tensor(orthographic(np.eye(3), 100.0, (50.0, 50.0)))
    cameras = turn(
        base, torch.tensor([0.0, 90, 180], dtype=torch.float64), torch.zeros(3, dtype=torch.float64)
    )
    assert cameras.shape == (3, 4, 4)
    torch.testing.assert_close(cameras[1], turn(base, 90.0, torch.zeros(3)))
    points = torch.rand(7, 3, dtype=torch.float64)
    assert clip_positions(points, cameras, (8, 8)).shape == (3, 7, 4)
    assert project(points, cameras).shape == (3, 7, 2)
    many = perspective(
        torch.eye(3).expand(3, 3, 3), torch.tensor([0.0, 0, -1]), torch.tensor([1.0, 2, 3]), (4.0, 5.0)
    )
    assert many.shape == (3, 4, 4)
    torch.testing.assert_close(
        many[1], perspective(torch.eye(3), torch.tensor([0.0, 0, -1]), 2.0, (4.0, 5.0))
    )


def test_gradients():
    def everything(rotation, points, pivot, scale):
        flat = orthographic(rotation, scale, (5.0, 6.0))
        deep = turn(perspective(rotation, pivot - 3, 9.0, (5.0, 6.0)), 20.0, pivot)
        clip = clip_positions(points, torch.stack((flat, deep)), (8, 9), depth_range=(-9.0, 9.0))
        return clip, project(points, deep), camera_rotation(deep)

    g = torch.Generator().manual_seed(0)
    rotation = torch.tensor(some_rotation(), requires_grad=True)
    points, pivot = (
        torch.randn(s, generator=g, dtype=torch.float64, requires_grad=True) for s in ((4, 3), (3,))
    )
    scale = torch.tensor(3.0, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(everything, (rotation, points * 0.1, pivot * 0.1, scale))


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda: orthographic(np.eye(4), 1.0, (0.0, 0.0)), "rotation"),
        (lambda: perspective(np.eye(3), np.zeros(2), 1.0, (0.0, 0.0)), "translation"),
        (lambda: project(np.zeros((4, 2)), np.eye(4)), "points"),
        (lambda: project(np.zeros((4, 3)), np.eye(3)), "camera"),
        (lambda: turn(np.eye(4), 1.0, np.zeros(2)), "pivot"),
        (lambda: clip_positions(np.zeros((4, 3)), np.eye(4), (4, 4), (1.0, 1.0)), "depth_range"),
    ],
)
def test_wrong_input_is_named(call, name):
    with pytest.raises(ValueError, match=name):
        call()
