"""Six views without a network: the portrait in view 0, cameras about the axis, no second face behind."""

import dataclasses

import numpy as np
import pytest
from made_up_portrait import made_up_portrait

from soaplib.data import VIEW_YAWS
from soaplib.errors import UserError
from soaplib.multiview import GENERATORS, generate
from soaplib.multiview.geometric import posed_vertices, view_cameras
from soaplib.render import camera_rotation, orthographic, project

SIZE = 192


@pytest.fixture(scope="module")
def made(head):
    return made_up_portrait(head, 256, (3, -6, 0), 0.3)


@pytest.fixture(scope="module")
def views(head, made):
    return generate(made.portrait, head, made.pose, "geometric", size=SIZE)


def test_shapes_and_ranges(views):
    assert views.images.shape == views.normals.shape == (6, SIZE, SIZE, 3)
    assert views.masks.shape == (6, SIZE, SIZE) and views.cameras.shape == (6, 4, 4)
    for values in (views.images, views.masks):
        assert values.dtype == np.float32 and values.min() >= 0 and values.max() <= 1
    length = np.linalg.norm(views.normals, axis=-1)
    inside = views.masks > 0.5
    np.testing.assert_allclose(length[inside], 1, atol=1e-3)
    assert not length[views.masks <= 0.02].any()
    assert (views.images[views.masks == 0] == 1).all()
    assert views.generator == "geometric"


def test_view_0_is_the_portrait(head, made):
    p = made.portrait
    same = generate(p, head, made.pose, "geometric", size=256)
    on_white = p.image * p.matte[..., None] + 1 - p.matte[..., None]
    np.testing.assert_array_equal(same.images[0], on_white.astype(np.float32))
    np.testing.assert_array_equal(same.masks[0], p.matte)
    np.testing.assert_allclose(same.cameras[0], made.pose.camera, atol=1e-9)


def test_cameras_turn_about_the_pivot_by_the_yaws():
    camera = orthographic(np.eye(3), 1000.0, np.array([100.0, 120.0]))
    pivot = np.array([0.01, 0.05, -0.03])
    cameras = view_cameras(camera, pivot)
    np.testing.assert_allclose(cameras[0], camera)
    for yaw, turned in zip(VIEW_YAWS, cameras, strict=True):
        np.testing.assert_allclose(project(pivot[None], turned), project(pivot[None], camera), atol=1e-9)
        c, s = np.cos(np.radians(yaw)), np.sin(np.radians(yaw))
        np.testing.assert_allclose(camera_rotation(turned), [[c, 0, s], [0, 1, 0], [-s, 0, c]], atol=1e-12)


def test_cameras_shrink_with_the_pictures(views, made):
    factor = SIZE / 256
    np.testing.assert_allclose(views.cameras[0][:3], made.pose.camera[:3] * factor, atol=1e-9)


def test_profiles_show_the_side_they_should(views):
    """View 1 sees the head's own left side: the nose points to the picture's left; view 3 the other way."""
    for view, side in ((1, -1), (3, 1)):
        mask = views.masks[view] > 0.5
        middle = mask[int(SIZE * 0.8) :].nonzero()[1].mean()
        columns = np.nonzero(mask.any(0))[0]
        left, right = middle - columns.min(), columns.max() - middle
        face_normals = views.normals[view][..., 0][mask]
        assert (left < right) == (side > 0) or np.sign(face_normals.mean()) == side
        assert views.masks[view].sum() == pytest.approx(views.masks[4 - view].sum(), rel=0.1)


def test_masks_agree_with_the_normals_side(views):
    """The back is the front's mirror image in outline (orthography), but for hair behind."""
    front, back = views.masks[0] > 0.5, views.masks[2][:, ::-1] > 0.5
    shift = int(round(np.nonzero(front.any(0))[0].mean() - np.nonzero(back.any(0))[0].mean()))
    back = np.roll(back, shift, 1)
    assert (front & back).sum() / (front | back).sum() > 0.93


def test_no_face_shows_behind(head, made):
    """Lips, eyes and brows painted pure red, skin and hair without red: none of it in the back view."""
    p = made.portrait
    red = np.isin(p.regions, [3, 4, 5, 6, 7])
    image = p.image * [0.0, 1, 1]
    image[red] = [1, 0, 0]
    views = generate(
        dataclasses.replace(p, image=image.astype(np.float32)), head, made.pose, "geometric", size=SIZE
    )
    inside = views.masks[2] > 0.9
    assert views.images[2][inside][:, 0].max() < 0.1
    assert views.images[0][..., 0].max() == 1
    front_cheek = views.images[4][views.masks[4] > 0.9]
    assert (front_cheek[:, 0] > 0.8).sum() > 5  # half a profile shows the mouth


def test_hair_is_behind_and_skin_in_front(views):
    back = views.images[2][int(SIZE * 0.2) : int(SIZE * 0.4)]
    seen = views.masks[2][int(SIZE * 0.2) : int(SIZE * 0.4)] > 0.9
    assert np.abs(back[seen].mean(0) - [0.3, 0.2, 0.12]).max() < 0.08


def test_the_same_portrait_gives_the_same_bits(head, made, views):
    again = generate(made.portrait, head, made.pose, "geometric", size=SIZE)
    for name in ("images", "normals", "masks", "cameras"):
        assert np.array_equal(getattr(views, name), getattr(again, name)), name


def test_posed_vertices_are_the_models(head, made):
    np.testing.assert_allclose(posed_vertices(head, made.pose), made.vertices, atol=2e-6)


def test_an_unknown_generator_is_named(head, made):
    with pytest.raises(UserError, match="geometric, not 'magic'"):
        generate(made.portrait, head, made.pose, "magic")
    assert "auto" in GENERATORS
