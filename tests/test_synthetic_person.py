"""Synthetic people: lids on the balls, closed lips, hidden teeth, a rig that is the truth."""

import dataclasses
import functools

import numpy as np
import pytest
import torch

from soaplib.data import JOINT_PARENTS
from soaplib.head import load_head
from soaplib.head.skinning import linear_blend_skinning, rotation_matrices
from soaplib.landmarks import LEFT_IRIS
from soaplib.render import rasterize
from soaplib.synthetic.people.base import base
from soaplib.synthetic.people.expression import _ACTIONS, NEUTRAL, Expression, draw_expression
from soaplib.synthetic.people.identity import draw_identity
from soaplib.synthetic.people.person import make_person
from soaplib.synthetic.people.posing import landmarks68, landmarks478, pose_person, posed, posed_head
from soaplib.synthetic.pieces import LABELS, STYLES

_STILL = ((0.0, 0.0, 0.0),) * 5


@functools.cache
def _person(style, seed=0):
    return make_person(draw_identity(np.random.default_rng([8, seed]), style))


def _doing(**weights):
    both = {f"{name}{side}": w for name, w in weights.items() for side in ("Left", "Right")} | weights
    return Expression("test", tuple(float(both.get(name, 0)) for name in _ACTIONS), _STILL)


def _seen(person, expression, size=220):
    """The piece seen in each pixel of a picture from the front: (size, size) names, "" outside."""
    vertices, faces, owner, start = [], [], [""], 0
    for piece in person.pieces:
        places, _ = posed(piece, person, expression)
        vertices.append(places)
        faces.append(piece.faces + start)
        owner += [piece.name] * len(piece.faces)
        start += len(places)
    points = torch.as_tensor(np.concatenate(vertices))
    clip = torch.cat([points[:, :2] / 0.14, -points[:, 2:] / 0.5, torch.ones(len(points), 1)], 1)[None]
    rast = rasterize(clip, torch.as_tensor(np.concatenate(faces).astype(np.int64)), (size, size), False)
    return np.array(owner)[rast[0, ..., 3].long().numpy()]


@pytest.mark.parametrize("style", STYLES)
def test_same_codes_same_bits_and_the_default_topology(style):
    identity = draw_identity(np.random.default_rng(5), style)
    first, again = make_person(identity), make_person(identity)
    default = load_head()
    np.testing.assert_array_equal(first.head.template, again.head.template)
    np.testing.assert_array_equal(first.head.expression_basis, again.head.expression_basis)
    np.testing.assert_array_equal(first.head.quads, default.quads)
    assert first.head.template.shape == default.template.shape
    assert np.isfinite(first.head.expression_basis).all()
    assert {piece.name for piece in first.pieces} == {"skin", "eyes", "teeth", "tongue"}


@pytest.mark.parametrize("style", STYLES)
def test_eyes_are_balls_with_joints_in_their_middles(style):
    person = _person(style)
    joints = person.head.joint_regressor.astype(np.float64) @ person.head.template
    np.testing.assert_allclose(joints[3:], person.eyes.centres, atol=1e-6)
    np.testing.assert_allclose(person.head.joint_regressor.sum(1), 1, atol=1e-4)
    for k, grid in enumerate(base().lids):
        distance = np.linalg.norm(person.head.template[grid.ball] - person.eyes.centres[k], axis=1)
        np.testing.assert_allclose(distance, person.eyes.radii[k], rtol=1e-4)
    assert (person.eyes.iris_radius < person.eyes.radii).all()


@pytest.mark.parametrize("style", STYLES)
def test_lids_stay_clear_of_the_balls_in_every_expression(style):
    skin = base().head.part_vertices("skin")
    faces = base().faces[skin[base().faces].all(1)]
    for seed in range(2):
        person = _person(style, seed)
        rng = np.random.default_rng(seed)
        for expression in (NEUTRAL, _doing(eyeBlink=1), *(draw_expression(rng, style) for _ in range(4))):
            rest = person.head.template + pose_person(person, expression).moves
            for k, grid in enumerate(base().lids):
                lids = faces[np.isin(faces, grid.ids[grid.depth == 0]).all(1)]
                points = np.concatenate([rest[grid.ids], rest[lids].mean(1)])
                gap = np.linalg.norm(points - person.eyes.centres[k], axis=1) - person.eyes.radii[k]
                assert gap.min() > 1e-4


@pytest.mark.parametrize("style", STYLES)
def test_what_is_seen(style):
    """Eyes open show, closed they do not; a closed mouth shows no teeth, a laughing one does."""
    for seed in range(2):
        person = _person(style, seed)
        neutral = _seen(person, NEUTRAL)
        assert (neutral == "eyes").sum() > 100
        assert (neutral == "teeth").sum() + (neutral == "tongue").sum() == 0
        assert (_seen(person, _doing(eyeBlink=1)) == "eyes").sum() <= 2
        laughing = _doing(mouthSmile=0.8, jawOpen=0.5, mouthUpperUp=0.4)
        assert (_seen(person, laughing) == "teeth").sum() > 15


@pytest.mark.parametrize("style", STYLES)
def test_lips_do_not_cross(style):
    lips = base().lips
    for seed in range(3):
        person = _person(style, seed)
        rest = np.minimum(lips.gaps(person.head.template.astype(np.float64)), 0)
        rng = np.random.default_rng(seed)
        for family in ("talk_closed", "puff", "pucker", "sadness", "anger"):
            expression = draw_expression(rng, style, family)
            moved = person.head.template + pose_person(person, expression).moves
            assert (lips.gaps(moved.astype(np.float64)) - rest).min() > -6e-4


def test_surfaces_keep_their_side():
    """Hardly any triangle of a stylised skin turns over against the same person without style."""
    skin = base().head.part_vertices("skin")
    faces = base().faces[skin[base().faces].all(1)]
    for style in STYLES[1:]:
        person = _person(style)
        plain = make_person(dataclasses.replace(person.identity, warp=()))
        normals = [_normals(p.head.template, faces) for p in (plain, person)]
        assert ((normals[0] * normals[1]).sum(1) < -0.2).mean() < 0.01


def _normals(vertices, faces):
    a, b, c = (vertices[faces[:, k]].astype(np.float64) for k in range(3))
    cross = np.cross(b - a, c - a)
    return cross / np.maximum(np.linalg.norm(cross, axis=1, keepdims=True), 1e-15)


def test_posing_is_the_linear_model_but_for_corrections():
    person = _person("realistic")
    rotations = ((0.0, 0.0, 0.0), (0.05, 0.1, -0.04), (0.04, 0.0, 0.0), (0.0, 0.2, 0.0), (0.0, 0.2, 0.0))
    expression = dataclasses.replace(_doing(browDown=0.8, jawOpen=0.05), rotations=rotations)
    head = person.head
    rest = head.template + head.expression_basis @ np.float32(expression.weights)
    joints = torch.as_tensor(head.joint_regressor @ head.template)[None]
    turns = rotation_matrices(torch.tensor(rotations))[None]
    truth, _ = linear_blend_skinning(
        torch.as_tensor(rest)[None], joints, turns, JOINT_PARENTS, torch.as_tensor(head.skin_weights)
    )
    off = np.linalg.norm(posed_head(person, expression) - truth[0].numpy(), axis=1)
    assert np.median(off) < 1e-6 and off.max() < 2e-3


def test_a_piece_moves_as_its_roots():
    person = _person("cartoon")
    expression = draw_expression(np.random.default_rng(0), "cartoon", "laugh")
    vertices = posed_head(person, expression)
    skin = person.piece("skin")
    np.testing.assert_array_equal(posed(skin, person, expression)[0], vertices[skin.roots[:, 0]])
    other = dataclasses.replace(skin, name="hair")
    places, normals = posed(other, person, expression)
    np.testing.assert_allclose(places, vertices[skin.roots[:, 0]], atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(normals, axis=1), 1, atol=1e-5)


def test_lower_teeth_follow_the_jaw_and_upper_teeth_do_not():
    person = _person("realistic")
    teeth = person.piece("teeth")
    np.testing.assert_allclose(teeth.root_weights.sum(1), 1, atol=1e-5)
    moved = posed(teeth, person, _doing(jawOpen=1))[0] - teeth.vertices
    upper = base().teeth.upper
    assert np.abs(moved[upper]).max() < 1e-5
    assert moved[~upper, 1].max() < -0.004


def test_pieces_are_well_formed():
    for style in STYLES:
        for piece in _person(style).pieces:
            count = len(piece.vertices)
            assert piece.faces.min() >= 0 and piece.faces.max() < count
            assert len(piece.labels) == len(piece.faces) and piece.labels.max() < len(LABELS)
            assert piece.roots.shape == piece.root_weights.shape == (count, 3)
            assert piece.uv.shape == (count, 2) and piece.uv.min() >= 0 and piece.uv.max() <= 1
            np.testing.assert_allclose(np.linalg.norm(piece.normals, axis=1), 1, atol=1e-3)
    labels = {LABELS[k] for piece in _person("realistic").pieces for k in np.unique(piece.labels)}
    assert labels == {"skin", "lips", "neck", "mouth", "eyes", "irises", "teeth"}


def test_landmarks_follow_face_and_gaze():
    person = _person("anime")
    at_rest = landmarks478(person, NEUTRAL)
    assert at_rest.shape == (478, 3) and landmarks68(person, NEUTRAL).shape == (68, 3)
    others = [i for i in range(468)]
    np.testing.assert_allclose(
        at_rest[others], person.head.landmarks(posed_head(person, NEUTRAL))[others], atol=1e-6
    )
    centre = at_rest[LEFT_IRIS[0]]
    np.testing.assert_allclose(centre - person.eyes.centres[0], [0, 0, person.eyes.radii[0]], atol=1e-6)
    aside = dataclasses.replace(NEUTRAL, rotations=(*_STILL[:3], (0.0, 0.3, 0.0), (0.0, 0.3, 0.0)))
    moved = landmarks478(person, aside)[LEFT_IRIS[0]] - centre
    assert moved[0] == pytest.approx(person.eyes.radii[0] * np.sin(0.3), rel=1e-3)


def test_unknown_piece_is_named():
    with pytest.raises(KeyError, match="teeth"):
        _person("clay").piece("moustache")
