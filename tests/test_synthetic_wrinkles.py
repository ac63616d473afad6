"""Folds of the skin and the relief's gradient."""

import dataclasses

import numpy as np
import pytest
import torch

from soaplib.head import load_head
from soaplib.render import vertex_normals
from soaplib.synthetic.skin.codes import draw_skin
from soaplib.synthetic.skin.fields import skin_fields
from soaplib.synthetic.skin.layout import canvas
from soaplib.synthetic.skin.relief import relief_gradient, skin_relief
from soaplib.synthetic.skin.wrinkles import Wrinkles, action_map, draw_wrinkles, line_gains, wrinkle_relief

SIZE = 256


def weights(**values):
    return load_head().expression(**values)


def test_young_skin_at_rest_is_smooth():
    assert not wrinkle_relief(Wrinkles(1, age=0.0, active=1.0), None, SIZE).any()
    assert not wrinkle_relief(Wrinkles(1, age=0.0, active=1.0), np.zeros(52), SIZE).any()
    assert wrinkle_relief(Wrinkles(1, age=1.0, active=1.0), None, SIZE).min() < -1e-4


def test_folds_are_linear_in_the_positive_part_of_the_weights():
    codes = Wrinkles(3, age=0.0, active=1.0)
    half, full = (wrinkle_relief(codes, weights(browInnerUp=w), SIZE) for w in (0.5, 1.0))
    assert full == pytest.approx(2 * half, abs=1e-7) and full.any()
    assert not wrinkle_relief(codes, -weights(browInnerUp=1.0), SIZE).any()
    static = wrinkle_relief(dataclasses.replace(codes, age=1.0), None, SIZE)
    both = wrinkle_relief(dataclasses.replace(codes, age=1.0), weights(browInnerUp=1.0), SIZE)
    assert both == pytest.approx(static + full, abs=1e-6)


def test_each_action_folds_its_own_place():
    places, marks = canvas(SIZE).places, load_head().landmarks(load_head().template)
    for action, low, high in (
        ("browInnerUp", marks[9, 1], 1.0),
        ("mouthShrugLower", -1.0, marks[17, 1] + 0.001),
        ("mouthPucker", marks[152, 1], marks[2, 1]),
    ):
        touched = np.abs(action_map(action, SIZE)) > 5e-5
        assert touched.sum() > 20, action
        assert (places[touched, 1] > low).all() and (places[touched, 1] < high).all(), action
    left, right = (np.abs(action_map(f"noseSneer{side}", SIZE)) > 5e-5 for side in ("Left", "Right"))
    assert (places[left, 0] > -0.013).all() and (places[right, 0] < 0.013).all()
    assert abs(int(left.sum()) - int(right.sum())) < 0.1 * left.sum()


def test_actions_of_the_eyeballs_fold_nothing():
    assert not action_map("eyeLookUpLeft", SIZE).any()


def test_unknown_action_is_named():
    with pytest.raises(ValueError, match="browUp"):
        action_map("browUp", SIZE)


def test_folds_stay_below_two_millimetres_and_off_mouth_and_eyes():
    rng = np.random.default_rng(0)
    fields = skin_fields(SIZE)
    for _ in range(10):
        relief = wrinkle_relief(draw_wrinkles(rng, 1.0), rng.uniform(0, 1, 52), SIZE)
        assert np.abs(relief).max() < 0.002
        assert not relief[fields.mask("mouth") > 0].any()
        assert np.quantile(np.abs(relief), 0.99) < 0.001


def test_people_fold_differently_but_alike_each_time():
    a, b = (line_gains(Wrinkles(seed, 1.0, 1.0), None) for seed in (1, 2))
    assert (a != b).any() and (a == line_gains(Wrinkles(1, 1.0, 1.0), None)).all()
    assert (a >= 0).all()


def test_gradient_of_a_slope_is_its_tangential_part():
    head, surface, fields = load_head(), canvas(512), skin_fields(512)
    slope = np.array([0.3, -0.2, 0.1])
    gradient = relief_gradient((surface.places @ slope).astype(np.float32), 512)
    gradient = gradient.reshape(-1, 3)[surface.texels.index]
    corners = head.template[surface.corners].astype(float)
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normal = (normal / np.linalg.norm(normal, axis=1, keepdims=True))[surface.texels.face]
    expected = slope - (normal @ slope)[:, None] * normal
    flat = (fields.mask("mouth") == 0) & (fields.mask("socket") == 0) & (fields.mask("ears") == 0)
    error = np.linalg.norm(gradient - expected, axis=1)[flat]
    assert np.median(error) < 0.01 and np.quantile(error, 0.9) < 0.08
    smooth = vertex_normals(torch.as_tensor(head.template)[None], torch.as_tensor(surface.corners))[0].numpy()
    along = np.abs((gradient * surface.at(smooth)).sum(1))[flat]
    assert np.median(along) < 0.02


def test_gradient_turns_with_the_head():
    surface = canvas(SIZE)
    relief = wrinkle_relief(Wrinkles(1, 1.0, 1.0), None, SIZE)
    turn = np.array([[0, 0, 1], [0, 1, 0], [-1, 0, 0]], float)
    plain, turned = relief_gradient(relief, SIZE), relief_gradient(relief, SIZE, turn)
    assert turned == pytest.approx(plain @ turn.T, abs=1e-6)
    assert plain.reshape(-1, 3)[surface.texels.index].any()


def test_stuffs_have_their_own_relief():
    skin = draw_skin(np.random.default_rng(0), "clay")
    smooth, kneaded = (
        skin_relief(dataclasses.replace(skin, stuff=stuff, wrinkles=Wrinkles(0, 0, 0)), None, SIZE)
        for stuff in ("porcelain", "plasticine")
    )
    assert not smooth.any() and 5e-5 < kneaded.std() < 1e-3
