"""Metrics of views: by hand, and that the truth itself gets full marks and a worse view lower ones."""

import dataclasses

import numpy as np
import pytest

from soaplib.data import Views
from soaplib.evaluation.truth import make_truth, unit_normals
from soaplib.evaluation.views import (
    VIEW_UNITS,
    agreement,
    measure_views,
    normal_error,
    on_white,
    paint_truth,
    psnr,
    unseen_iou,
    unseen_psnr,
)
from soaplib.head import load_head
from soaplib.multiview.geometric import view_cameras
from soaplib.render import orthographic
from soaplib.synthetic.heads import draw_codes, make_head

SIZE = 96


def test_psnr_by_hand():
    assert psnr(np.full((5, 3), 0.5), np.full((5, 3), 0.4)) == pytest.approx(20)
    assert psnr(np.full((5, 3), 0.5), np.full((5, 3), 0.49)) == pytest.approx(40)
    assert psnr(np.ones(3), np.ones(3)) == 99 == psnr(np.zeros((0, 3)), np.zeros((0, 3)))


def test_psnr_counts_the_pixels_of_either_mask_of_the_unseen_views():
    images, true = np.ones((6, 8, 8, 3)), np.ones((6, 8, 8, 3))
    masks, true_masks = np.zeros((6, 8, 8)), np.zeros((6, 8, 8))
    masks[:, :2], true_masks[:, 2:4] = 1, 1
    images[:, :4] = 0.9
    images[:, 4:] = 0.0  # outside both: does not count
    images[0] = 0.0  # view 0 is given
    assert unseen_psnr(images, masks, true, true_masks) == pytest.approx(20)
    images[1, :4] = 0.0
    assert unseen_psnr(images, masks, true, true_masks) == pytest.approx((4 * 20 + 0) / 5)


def test_iou_by_hand():
    masks, true = np.zeros((6, 4, 4)), np.zeros((6, 4, 4))
    masks[:, :2], true[:, 1:3] = 1, 1
    assert unseen_iou(masks, true) == pytest.approx(1 / 3)
    masks[0] = 0
    assert unseen_iou(masks, true) == pytest.approx(1 / 3)
    assert unseen_iou(true, true) == 1


def test_normals_by_hand():
    true = np.zeros((6, 4, 4, 3))
    true[..., 2] = 1
    leaning = np.zeros_like(true)
    leaning[..., 0] = leaning[..., 2] = 2.0  # 45 degrees, of any length
    ones, half = np.ones((6, 4, 4)), np.zeros((6, 4, 4))
    half[:, :2] = 1
    assert normal_error(leaning, ones, true, ones) == pytest.approx(45)
    leaning[:, 2:] = 0  # outside one of the masks: does not count
    assert normal_error(leaning, ones, true, half) == pytest.approx(45)
    assert normal_error(leaning, ones, true, ones) == pytest.approx((45 + 90) / 2)
    assert normal_error(leaning, np.zeros((6, 4, 4)), true, ones) == 90


@pytest.fixture(scope="module")
def ball():
    """A ball of radius 0.1 about the pivot: positions, masks and cameras; its colour is a smooth function of place."""
    camera = orthographic(np.eye(3), 350.0, np.array([SIZE / 2, SIZE / 2]))
    cameras = view_cameras(camera, np.zeros(3))
    grid = (np.stack(np.meshgrid(np.arange(SIZE), np.arange(SIZE)), -1) + 0.5 - SIZE / 2) / 350 * (1, -1)
    inside = (grid**2).sum(-1) < 0.0098
    height = np.sqrt(np.maximum(0.01 - (grid**2).sum(-1), 0))
    seen = np.concatenate([grid, height[..., None]], -1)
    rotations = np.stack([c[:3, :3] / 350 * [[1], [-1], [-1]] for c in cameras])
    positions = np.stack([seen @ rotation for rotation in rotations]) * inside[..., None]
    masks = np.repeat(inside[None], 6, 0).astype(float)
    images = np.where(inside[..., None], 0.5 + 3 * positions, 1)
    return images, masks, positions, cameras


def test_views_of_one_surface_agree(ball):
    images, masks, positions, cameras = ball
    good = agreement(images, masks, positions, masks, cameras)
    assert good > 45
    wrong = images.copy()
    wrong[4:] += 0.1 * masks[4:, ..., None]
    assert agreement(wrong, masks, positions, masks, cameras) == pytest.approx(20, abs=0.2)
    wrong = images.copy()
    wrong[1:4] = 0  # others are not compared
    assert agreement(wrong, masks, positions, masks, cameras) == good


def test_what_is_hidden_in_a_slanted_view_is_not_compared(ball):
    images, masks, positions, cameras = ball
    wrong = images.copy()
    # view 4 turns the head by -45 degrees: what then looks away lies at one side of view 0
    far = (positions[0] @ cameras[4, 2, :3] > 5) & (positions[0] @ cameras[5, 2, :3] > 5)
    wrong[0][far] = 0
    assert agreement(wrong, masks, positions, masks, cameras) == agreement(
        images, masks, positions, masks, cameras
    )
    near = positions[0] @ cameras[4, 2, :3] < 0
    wrong[0][near] = 0
    assert agreement(wrong, masks, positions, masks, cameras) < 20


@pytest.fixture(scope="module")
def truth():
    return make_truth(make_head(draw_codes(5, style="realistic")), load_head())


def test_the_truth_gets_full_marks(truth):
    cameras = truth.cameras.copy()
    cameras[:, :3] *= SIZE / 256
    frames = paint_truth(truth, cameras, SIZE)
    images, masks = on_white(frames)
    views = Views(images, unit_normals(frames), masks, cameras, "truth")
    best = measure_views(truth, views)
    assert best.keys() == VIEW_UNITS.keys()
    assert best["psnr"] == 99 and best["iou"] == 1 and best["normals"] < 0.1 and best["agreement"] > 22
    shifted = dataclasses.replace(views, images=np.roll(images, 3, 2), masks=np.roll(masks, 3, 2))
    worse = measure_views(truth, shifted)
    assert worse["psnr"] < 30 and worse["iou"] < 0.97 and worse["agreement"] < best["agreement"]


def test_the_truth_is_painted_by_the_views_own_cameras(truth):
    """Views that turn about another axis are compared with the truth seen so."""
    small = truth.cameras.copy()
    small[:, :3] *= 64 / 256
    own = on_white(paint_truth(truth, small, 64))[1]
    np.testing.assert_allclose(own.mean(), truth.views().masks.mean(), rtol=0.02)
    other = view_cameras(small[0], truth.pivot + (0, 0, 0.02))
    moved = on_white(paint_truth(truth, other, 64))[1]
    np.testing.assert_array_equal(moved[0], own[0])
    assert np.abs(moved[1] - own[1]).mean() > 0.01
