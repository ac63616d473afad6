"""Lashes stand on the upper lids, follow them, and cover the closed eye's line."""

import numpy as np
import pytest

from soaplib.head import load_head, subdivide
from soaplib.landmarks import LEFT_EYE
from soaplib.parts import fit_eyes, fit_lids, lashes_part


@pytest.fixture(scope="module")
def head():
    fine, _ = subdivide(load_head())
    return fit_lids(fine, fit_eyes(fine))


@pytest.fixture(scope="module")
def lashes(head):
    return lashes_part(head, fit_eyes(head))


def test_left_and_right_mirror_each_other(lashes):
    half = len(lashes.vertices) // 2
    assert np.allclose(lashes.vertices[:half] * [-1, 1, 1], lashes.vertices[half:], atol=2e-3)
    assert (lashes.vertices[:half, 0] > 0).all()


def test_roots_lie_on_the_upper_lid_and_go_with_it(head, lashes):
    roots = np.flatnonzero(lashes.uv[:, 1] == 0)[: len(lashes.vertices) // 8]
    lid = head.landmarks(head.template)[[*LEFT_EYE[8:], LEFT_EYE[0]]]
    gap = np.linalg.norm(lashes.vertices[roots, None] - lid[None], axis=-1).min(1)
    assert gap.max() < 4e-3
    blink = head.expression_names.index("eyeBlinkLeft")
    moved = head.landmarks(head.template + head.expression_basis[:, :, blink])[LEFT_EYE[12]] - lid[4]
    middle = roots[len(roots) // 2]
    assert np.linalg.norm(lashes.morphs[blink, middle] - moved) < 2e-3


def test_tips_point_up_open_and_down_closed(head, lashes):
    tips, roots = lashes.uv[:, 1] == 1, lashes.uv[:, 1] == 0
    blink = [head.expression_names.index(f"eyeBlink{side}") for side in ("Left", "Right")]
    closed = lashes.vertices + lashes.morphs[blink].sum(0)
    assert (lashes.vertices[tips, 1] > lashes.vertices[roots, 1]).all()
    assert (closed[tips, 1] < closed[roots, 1]).mean() > 0.9


def test_actions_of_the_mouth_leave_them_alone(head, lashes):
    assert np.abs(lashes.morphs[head.expression_names.index("jawOpen")]).max() < 2e-4


def test_weights_and_texture(lashes):
    assert np.allclose(lashes.skin_weights.sum(1), 1, atol=1e-5)
    assert lashes.alpha and lashes.texture.shape[2] == 4
    cover = lashes.texture[..., 3] / 255
    assert cover[-1].min() == 1 and cover[0].mean() < 0.1  # a closed line of roots, thin tips
