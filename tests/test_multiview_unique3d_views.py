"""The generator of the published models: framing, outlines, normals, and what goes into each model."""

import numpy as np
import pytest
import scipy.ndimage
import torch
from made_up_portrait import made_up_portrait
from made_up_unique3d import published_folder

from soaplib.data import VIEW_YAWS
from soaplib.errors import UserError
from soaplib.multiview import generate
from soaplib.multiview.unique3d import views as module
from soaplib.multiview.unique3d.views import outline, unique3d_views
from soaplib.render import project, render_views

SIZE, CROP = 128, 160


@pytest.fixture(scope="module")
def made(head):
    return made_up_portrait(head, CROP, (4, -12, 3), 0.3)


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    base = tmp_path_factory.mktemp("published")
    published_folder(base / "head-mvimage-diffuser", "views")
    published_folder(base / "head-mvnormal-diffuser", "reference", seed=5)
    return base


@pytest.fixture
def perfect(head, made, monkeypatch):
    """Let the models draw the truth: grey views of the head itself, then its normals on a colour of their own."""
    cameras = module._cameras(made.portrait, head, made.pose, 64)
    drawn = head.part_vertices("skin", "left_eye", "right_eye")
    faces = head.faces[drawn[head.faces].all(1)]
    truth = render_views(
        torch.as_tensor(made.vertices, dtype=torch.float32), torch.as_tensor(faces), cameras, (64, 64)
    )
    mask = truth.mask.numpy()[..., None]
    length = np.maximum(np.linalg.norm(truth.normals.numpy(), axis=-1, keepdims=True), 1e-6)
    colours = (truth.normals.numpy() / length + 1) / 2 * mask + (1 - mask) * [0.1, 0.9, 0.5]
    calls = []

    def drawn_instead(weights, kind, pictures, settings):
        calls.append((weights, kind, pictures, settings))
        return (mask * 0.4 + 1 - mask).repeat(3, -1) if kind == "image" else colours.astype(np.float32)

    monkeypatch.setattr(module, "_drawn", drawn_instead)
    return calls


def test_cameras_turn_about_the_middle_of_the_picture(head, made):
    """As SOAP draws them: x' = c x + s z about the picture's middle column, one scale, rows stay."""
    cameras = module._cameras(made.portrait, head, made.pose, SIZE)
    seen = np.c_[made.vertices, np.ones(len(made.vertices))] @ made.pose.camera[:3].T
    skull = made.pose.camera[2] @ np.append(head.skull_middle(made.vertices), 1)
    across, toward = seen[:, 0] - CROP / 2, skull - seen[:, 2]
    for yaw, camera in zip(VIEW_YAWS, cameras, strict=True):
        c, s = np.cos(np.radians(yaw)), np.sin(np.radians(yaw))
        expected = np.stack([CROP / 2 + c * across + s * toward, seen[:, 1]], 1) * SIZE / CROP
        np.testing.assert_allclose(project(made.vertices, camera), expected, atol=1e-3)


def test_perfect_models_give_the_head_back(head, made, perfect):
    views = unique3d_views(made.portrait, head, made.pose, SIZE, weights=("a", "b"), resolution=64)
    drawn = head.part_vertices("skin", "left_eye", "right_eye")
    faces = head.faces[drawn[head.faces].all(1)]
    truth = render_views(
        torch.as_tensor(made.vertices, dtype=torch.float32),
        torch.as_tensor(faces),
        views.cameras,
        (SIZE, SIZE),
    )
    for view in range(1, 6):
        expected, found = truth.mask[view].numpy() > 0.5, views.masks[view] > 0.5
        assert (expected & found).sum() / (expected | found).sum() > 0.97, view
        cosine = (truth.normals[view].numpy() * views.normals[view]).sum(-1)[expected & found]
        assert np.degrees(np.arccos(np.clip(cosine, -1, 1))).mean() < 8, view
    assert np.median(np.abs(views.images[1][views.masks[1] > 0.99] - 0.4)) < 0.01
    assert views.generator == "unique3d"


def test_each_model_gets_its_pictures(head, made, perfect):
    views = unique3d_views(made.portrait, head, made.pose, SIZE, ("a", "b"), 7, 2.0, 3, 64)
    portrait = made.portrait.image * made.portrait.matte[..., None] + 1 - made.portrait.matte[..., None]
    (first, second) = perfect
    assert first[:2] == ("a", "image") and second[:2] == ("b", "normal")
    np.testing.assert_array_equal(first[2], portrait)
    assert len(second[2]) == 6
    np.testing.assert_array_equal(second[2][0], portrait)  # not the first view drawn
    wanted = {"num_inference_steps": 7, "guidance_scale": 2.0, "seed": 3, "size": 64}
    assert first[3].items() >= wanted.items() and second[3] == first[3]
    np.testing.assert_array_equal(views.images[0], module._resized(portrait, SIZE).astype(np.float32))
    np.testing.assert_array_equal(views.masks[0], module._resized(made.portrait.matte, SIZE))


@pytest.fixture(scope="module")
def tiny(head, made, weights):
    return generate(
        made.portrait,
        head,
        made.pose,
        "unique3d",
        SIZE,
        weights=weights,
        steps=2,
        resolution=32,
        progress=False,
    )


def test_from_weights_to_views(tiny):
    assert tiny.images.shape == tiny.normals.shape == (6, SIZE, SIZE, 3)
    for values in (tiny.images, tiny.masks):
        assert values.dtype == np.float32 and values.min() >= 0 and values.max() <= 1
    length = np.linalg.norm(tiny.normals, axis=-1)
    np.testing.assert_allclose(length[tiny.masks > 0.5], 1, atol=1e-3)
    assert not length[tiny.masks <= 0.02].any() and (tiny.images[tiny.masks == 0] == 1).all()


def test_the_seed_settles_it(head, made, weights, tiny):
    settings = {"weights": weights, "steps": 2, "resolution": 32, "progress": False}
    again = unique3d_views(made.portrait, head, made.pose, SIZE, **settings)
    other = unique3d_views(made.portrait, head, made.pose, SIZE, **settings, seed=1)
    assert np.array_equal(again.images, tiny.images) and np.array_equal(again.normals, tiny.normals)
    assert not np.array_equal(other.images[1:], tiny.images[1:])


def test_outlines_stand_out_from_the_corners():
    picture = np.full((64, 64, 3), (0.5, 0.5, 0.8))
    picture[20:, 10:40] = (0.5, 0.5, 0.9)  # more than 20 / 255
    picture[30:34, 20:24] = (0.5, 0.5, 0.81)  # a hole
    picture[50:53, 55:58] = 0  # an island
    expected = np.zeros((64, 64), bool)
    expected[20:, 10:40] = True
    np.testing.assert_array_equal(outline(picture), expected)
    with pytest.raises(UserError, match="normals of view 3 show nothing"):
        outline(np.zeros((8, 8, 3)), 1, 3)


def test_soft_edges_are_shares():
    picture = np.full((40, 40, 3), (0.5, 0.5, 0.8))
    picture[10:, 10:30] = (0.2, 0.9, 0.3)
    mixed = scipy.ndimage.uniform_filter1d(picture, 5, axis=1)
    expected = scipy.ndimage.uniform_filter1d((picture[..., 0] == 0.2).astype(float), 5, axis=1)
    np.testing.assert_allclose(outline(mixed, 6), expected, atol=1e-6)


def test_no_normal_is_mixed_with_the_background():
    picture = np.zeros((8, 16, 3), np.float32)
    picture[:, 3:8], picture[:, 8:13] = (0.5 + 0.4 * 1.1, 0.5, 0.8 * 1.0), (0.1, 0.5, 0.8)
    picture[:, 3] /= 2
    mask = np.zeros((8, 16), np.float32)
    mask[:, 3], mask[:, 4:13] = 0.5, 1
    found = module._normals(picture, mask)
    np.testing.assert_allclose(found[:, 8:], np.broadcast_to([-0.8, 0, 0.6], (8, 8, 3)), atol=1e-6)
    left = np.array([0.88, 0, 0.6]) / np.hypot(0.88, 0.6)
    np.testing.assert_allclose(found[:, :8], np.broadcast_to(left, (8, 8, 3)), atol=1e-6)


def test_four_views_are_too_few(head, made, weights, tmp_path):
    four = published_folder(tmp_path / "four", "views", config={"n_views": 4})
    settings = {"steps": 1, "resolution": 32, "progress": False}
    with pytest.raises(UserError, match="draws 4 views, expected SOAP's 6"):
        unique3d_views(
            made.portrait, head, made.pose, SIZE, (four, weights / "head-mvnormal-diffuser"), **settings
        )
    with pytest.raises(UserError, match="a folder or a pair"):
        unique3d_views(made.portrait, head, made.pose, SIZE, (four,), **settings)
    with pytest.raises(UserError, match=r"No folder .*head-mvimage-diffuser"):
        unique3d_views(made.portrait, head, made.pose, SIZE, tmp_path / "none", **settings)
