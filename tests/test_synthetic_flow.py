"""The warp of styles: smooth, invertible, with a right Jacobian, a similarity about each eye."""

import numpy as np
import pytest

from soaplib.synthetic.people.base import base
from soaplib.synthetic.people.flow import Flow
from soaplib.synthetic.people.identity import draw_identity
from soaplib.synthetic.people.person import make_person
from soaplib.synthetic.people.proportions import draw_proportions, style_flow

_EYES = np.array([[0.033, 0, -0.002], [-0.033, 0, -0.002]])


def _flow(style, seed):
    head = base().head
    warp = draw_proportions(np.random.default_rng(seed), style)
    return style_flow(warp, head, head.template.astype(np.float64), _EYES, 0.0155)


def _flow_of_nothing(**changes):
    values = dict(
        bumps=np.zeros((0, 15)), ramps=np.zeros((0, 14)), eyes=_EYES, radius=0.0155, eye_log=0.0,
        eye_shift=np.zeros((2, 3)),
    )  # fmt: skip
    return Flow(**(values | changes))


def test_no_motion_is_the_identity():
    points = np.random.default_rng(0).normal(size=(50, 3)) * 0.1
    moved, turns = _flow_of_nothing().carry(points)
    np.testing.assert_array_equal(moved, points)
    np.testing.assert_array_equal(turns, np.tile(np.eye(3), (50, 1, 1)))


def test_a_ramp_that_acts_everywhere_scales_by_its_factor():
    row = [0, 1, 0, -2, -1, 0, 0, 0, np.log(1.2), 0, 0, 0, 0, 0]
    far = np.array([[0.3, 0.2, 0.1], [-0.3, -0.4, 0.2]])  # away from the eyes
    moved, turns = _flow_of_nothing(ramps=np.array([row])).carry(far)
    np.testing.assert_allclose(moved, far * [1.2, 1, 1], rtol=1e-4)
    np.testing.assert_allclose(turns[0], np.diag([1.2, 1, 1]), atol=1e-3)


@pytest.mark.parametrize("style", ["cartoon", "anime", "clay"])
def test_eyeballs_and_lids_undergo_a_similarity(style):
    rng = np.random.default_rng(5)
    for seed in range(4):
        flow = _flow(style, seed)
        off = rng.normal(size=(200, 3))
        off *= 0.0155 * 1.04 / np.linalg.norm(off, axis=1, keepdims=True)
        for eye in _EYES:
            moved = flow.carry(np.concatenate([[eye], eye + off]), jacobians=False)[0]
            np.testing.assert_allclose(moved[1:] - moved[0], off * flow.eye_scale, atol=1e-9)


@pytest.mark.parametrize("style", ["cartoon", "anime", "clay"])
def test_jacobians_are_those_of_the_warp_and_nothing_folds(style):
    template = base().head.template.astype(np.float64)
    rng = np.random.default_rng(0)
    points = template[rng.choice(len(template), 300, replace=False)]
    flow = _flow(style, 1)
    _, turns = flow.carry(points)
    step = 1e-6
    for axis in range(3):
        ahead, behind = (flow.carry(points + s * step * np.eye(3)[axis], jacobians=False)[0] for s in (1, -1))
        np.testing.assert_allclose(turns[:, :, axis], (ahead - behind) / (2 * step), atol=2e-4)
    for seed in range(6):
        assert np.linalg.det(_flow(style, seed).carry(template)[1]).min() > 0.02


@pytest.mark.parametrize("style", ["cartoon", "anime", "clay"])
def test_the_two_eyes_stay_apart(style):
    for seed in range(5):
        person = make_person(draw_identity(np.random.default_rng(seed), style))
        inner = np.abs(person.eyes.centres[:, 0]) - person.eyes.radii
        assert inner.min() > 0
