"""The compact generator from portrait to views, with untrained networks: what does not depend on the weights."""

from dataclasses import replace

import numpy as np
import pytest
from made_up_portrait import made_up_portrait

from soaplib.multiview.compact.guide import CHANNELS, make_guide
from soaplib.multiview.compact.inputs import NORMALS_CHANNELS, PLACE
from soaplib.multiview.compact.pipeline import NormalsPipeline, ViewsPipeline, make_scheduler
from soaplib.multiview.compact.unet import CompactUNet
from soaplib.multiview.compact.views import SIZE, compact_views

OUT = 192


@pytest.fixture(scope="module")
def made(head):
    return made_up_portrait(head, 256, (3, -6, 0), 0.3)


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    folder = tmp_path_factory.mktemp("weights")
    for name, pipeline, channels, guide_channels in (
        ("views", ViewsPipeline, 4, len(CHANNELS)), ("normals", NormalsPipeline, 3, NORMALS_CHANNELS)
    ):  # fmt: skip
        network = CompactUNet(
            channels=channels, guide_channels=guide_channels, widths=(16, 16), depths=(1, 1),
            attention=("", "rows"), place=PLACE,
        )  # fmt: skip
        pipeline(network, make_scheduler()).save_pretrained(folder / name)
    return folder


@pytest.fixture(scope="module")
def views(head, made, weights):
    return compact_views(made.portrait, head, made.pose, OUT, weights=weights)


def test_shapes_ranges_and_background(views):
    assert views.images.shape == views.normals.shape == (6, OUT, OUT, 3)
    assert views.masks.shape == (6, OUT, OUT) and views.cameras.shape == (6, 4, 4)
    for values in (views.images, views.masks):
        assert values.dtype == np.float32 and values.min() >= 0 and values.max() <= 1
    assert (views.images[views.masks == 0] == 1).all()
    assert views.generator == "compact"


def test_normals_are_unit_where_the_head_is(views):
    length = np.linalg.norm(views.normals, axis=-1)
    np.testing.assert_allclose(length[views.masks > 0.02], 1, atol=1e-3)
    assert not length[views.masks <= 0.02].any()
    assert (
        views.normals[views.masks > 0.95][:, 2] > 0
    ).mean() > 0.97  # the base is the fitted head, seen from outside


def test_untrained_networks_give_the_guides_first_guess(head, made, views):
    guide = make_guide(made.portrait, head, made.pose, SIZE)
    small = views.masks.reshape(6, OUT // 3, 3, OUT // 3, 3).mean((2, 4))
    guess = guide.base[..., 3].reshape(6, SIZE // 2, 2, SIZE // 2, 2).mean((2, 4))
    assert np.abs(small[1:] - guess[1:]).mean() < 0.01


@pytest.fixture(scope="module")
def striped(head, made, weights):
    """The portrait painted with a pattern far too fine for 128 pixels, and its views."""
    stripes = np.where(np.arange(256)[:, None, None] % 2, 0.9, 0.1).astype(np.float32)
    portrait = replace(made.portrait, image=np.broadcast_to(stripes, (256, 256, 3)).copy())
    return portrait, compact_views(portrait, head, made.pose, 256, weights=weights)


def test_view_0_is_the_portrait(made, striped):
    p, views = striped
    on_white = p.image * p.matte[..., None] + 1 - p.matte[..., None]
    there = p.matte > 0.02
    np.testing.assert_allclose(views.images[0][there], on_white[there], atol=1e-6)
    np.testing.assert_array_equal(views.masks[0][there], p.matte[there])
    np.testing.assert_allclose(views.cameras[0], made.pose.camera, atol=1e-9)


@pytest.mark.parametrize("view", [4, 5])
def test_the_portraits_own_pixels_are_kept_at_full_size(striped, view):
    views = striped[1]
    inside = views.masks[view] > 0.99
    change = np.abs(np.diff(views.images[view], axis=0)).mean(-1)[inside[1:] & inside[:-1]]
    assert (change > 0.4).mean() >= 0.25


def test_the_same_again(head, made, weights, views):
    again = compact_views(made.portrait, head, made.pose, OUT, weights=weights)
    for name in ("images", "normals", "masks", "cameras"):
        np.testing.assert_array_equal(getattr(again, name), getattr(views, name))
