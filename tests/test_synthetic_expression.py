"""What synthetic faces do."""

import dataclasses
import json

import numpy as np
import pytest

from soaplib.animation.rotations import matrices
from soaplib.head import load_head
from soaplib.synthetic.people.expression import _ACTIONS, EXPRESSION_FAMILIES, NEUTRAL, draw_expression


def _weights(expression):
    return dict(zip(_ACTIONS, expression.weights, strict=True))


def test_actions_are_those_of_the_head():
    assert load_head().expression_names == _ACTIONS
    assert len(NEUTRAL.weights) == 52 and not any(NEUTRAL.weights)


@pytest.mark.parametrize("family", EXPRESSION_FAMILIES)
def test_every_family_gives_weights_in_range(family):
    for seed in range(5):
        expression = draw_expression(np.random.default_rng(seed), "cartoon", family)
        assert expression.family == family
        assert np.shape(expression.weights) == (52,) and np.shape(expression.rotations) == (5, 3)
        assert min(expression.weights) >= 0 and max(expression.weights) <= 1
        assert json.loads(json.dumps(dataclasses.asdict(expression)))["family"] == family
        assert expression == draw_expression(np.random.default_rng(seed), "cartoon", family)


def test_the_gaze_of_joints_and_actions_agrees():
    """A full look turns the ball by 30 degrees in or out, 20 up, 22 down; both eyes look the same way."""
    for seed in range(30):
        expression = draw_expression(np.random.default_rng(seed), "realistic")
        weights = _weights(expression)
        turns = matrices(np.array(expression.rotations[3:]))
        np.testing.assert_array_equal(turns[0], turns[1])
        gaze = turns[0] @ [0, 0, 1]
        yaw, up = np.degrees(np.arctan2(gaze[0], gaze[2])), np.degrees(np.arcsin(gaze[1]))
        told = 30 * (weights["eyeLookOutLeft"] - weights["eyeLookInLeft"])
        assert yaw == pytest.approx(told, abs=0.05)
        assert told == pytest.approx(30 * (weights["eyeLookInRight"] - weights["eyeLookOutRight"]), abs=0.01)
        assert up == pytest.approx(20 * weights["eyeLookUpLeft"] - 22 * weights["eyeLookDownLeft"], abs=0.05)


def test_a_wink_closes_one_eye():
    for seed in range(10):
        weights = _weights(draw_expression(np.random.default_rng(seed), "realistic", "wink"))
        both = sorted([weights["eyeBlinkLeft"], weights["eyeBlinkRight"]])
        assert both[0] < 0.3 and both[1] > 0.85


def test_all_families_are_drawn():
    rng = np.random.default_rng(0)
    drawn = {draw_expression(rng, "realistic").family for _ in range(800)}
    assert drawn == set(EXPRESSION_FAMILIES)


def test_unknown_names_are_refused():
    with pytest.raises(ValueError, match="known"):
        draw_expression(np.random.default_rng(0), "realistic", "boredom")
    with pytest.raises(ValueError, match="known"):
        draw_expression(np.random.default_rng(0), "cubist")
