"""Lids: they rest on the balls, close over them, and never let them through."""

import numpy as np
import pytest
import torch

from soaplib.parts import place_parts
from soaplib.parts.rims import eye_rims, split_rim
from soaplib.render import rasterize
from tests.test_parts_eyes import person

HEADS = {"mean": (0, 0.0, 1.0), "random": (2, 0.7, 1.0), "doll": (9, 0.5, 1.6)}
SIDES = ("Left", "Right")


@pytest.fixture(scope="module", params=HEADS)
def placed(request):
    return place_parts(person(*HEADS[request.param]))


def posed(head, **weights):
    return (head.template + head.expression_basis @ head.expression(**weights)).astype(float)


def blink(weight):
    return {f"eyeBlink{side}": weight for side in SIDES}


def least_distance(head, eyes, vertices):
    """The least distance of the skin's surface (vertices, edges' middles, faces' middles) from the balls."""
    faces = head.faces[head.part_vertices("skin")[head.faces].all(1)]
    corners = vertices[faces]
    points = np.concatenate(
        [corners, (corners + np.roll(corners, 1, 1)) / 2, corners.mean(1, keepdims=True)], 1
    )
    return min(
        (np.linalg.norm(points - centre, axis=-1) - radius).min()
        for centre, radius in zip(eyes.centres, eyes.radii, strict=True)
    )


@pytest.mark.parametrize("weight", [0, 0.25, 0.5, 0.75, 1])
def test_blinking_lids_stay_outside_the_balls(placed, weight):
    head, eyes, _ = placed
    assert least_distance(head, eyes, posed(head, **blink(weight))) > -2e-4


@pytest.mark.parametrize(
    "action", ["eyeSquint", "eyeWide", "eyeLookUp", "eyeLookDown", "eyeLookIn", "cheekSquint"]
)
def test_other_actions_stay_outside_the_balls(placed, action):
    head, eyes, _ = placed
    assert least_distance(head, eyes, posed(head, **{action + side: 1 for side in SIDES})) > -2e-4


def test_margins_rest_on_the_balls(placed):
    head, eyes, _ = placed
    for k, rim in enumerate(eye_rims(head)):
        gap = np.linalg.norm(head.template[rim] - eyes.centres[k], axis=1) - eyes.radii[k]
        assert gap.min() > 1e-4 and gap.max() < 6e-4


def test_blink_closes_the_margins(placed):
    head, _, _ = placed
    vertices = posed(head, **blink(1))
    for rim in eye_rims(head):
        upper, lower = (vertices[ids] for ids in split_rim(head, rim))
        order = np.argsort(lower[:, 0])
        met = np.stack([np.interp(upper[:, 0], lower[order, 0], lower[order, c]) for c in range(3)], 1)
        assert np.linalg.norm(met - upper, axis=1).max() < 3e-4


def test_one_blink_leaves_the_other_eye_alone(placed):
    head, _, _ = placed
    move = posed(head, eyeBlinkLeft=1) - head.template
    right = (head.template[:, 0] < -0.005) & head.part_vertices("skin")
    assert np.abs(move[right]).max() < 1e-4


def shown_eye(head, part, yaw, weights):
    """Pixels of the eyeballs left visible, and without the skin, orthographic from `yaw` degrees, 0.25 mm a pixel."""
    skin = head.faces[head.part_vertices("skin")[head.faces].all(1)]
    vertices = np.concatenate([posed(head, **weights), part.vertices])
    angle = np.radians(yaw)
    turn = np.array([[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]])
    centre = part.vertices.mean(0)
    view = (vertices - centre) @ turn.T / 0.064
    clip = np.concatenate([view * [1, 1, -0.2], np.ones((len(view), 1))], 1)
    faces = np.concatenate([skin, part.faces + len(head.template)])

    def count(chosen, first):
        seen = rasterize(torch.as_tensor(clip)[None], torch.as_tensor(chosen), (512, 512))[0, ..., 3]
        return int((seen > first).sum())

    return count(faces, len(skin)), count(part.faces + len(head.template), 0)


@pytest.mark.parametrize("yaw", [-30, 0, 30])
def test_no_eye_shows_between_closed_lids(placed, yaw):
    head, _, (part, *_) = placed
    shown, whole = shown_eye(head, part, yaw, blink(1))
    assert whole > 5000 and shown == 0


def test_open_lids_show_the_eyes_and_half_a_blink_less(placed):
    head, _, (part, *_) = placed
    open_, _ = shown_eye(head, part, 0, {})
    half, _ = shown_eye(head, part, 0, blink(0.5))
    assert open_ > 2000 and 0.2 * open_ < half < 0.7 * open_


def test_lashes_follow_the_lid(placed):
    head, _, _ = placed
    lashes = head.part_vertices("left_lashes")
    drop = (posed(head, eyeBlinkLeft=1) - head.template)[lashes, 1]
    upper, lower = split_rim(head, eye_rims(head)[0])
    lid = (posed(head, eyeBlinkLeft=1) - head.template)[upper, 1].min()
    assert 0.6 * lid > drop.min() > 1.8 * lid


def test_no_spikes(placed):
    head, _, _ = placed
    skin = head.faces[head.part_vertices("skin")[head.faces].all(1)]
    edges = np.unique(np.sort(np.concatenate([skin[:, [0, 1]], skin[:, [1, 2]], skin[:, [2, 0]]]), 1), axis=0)

    def lengths(vertices):
        return np.linalg.norm(vertices[edges[:, 0]] - vertices[edges[:, 1]], axis=1)

    rest, closed = lengths(head.template), lengths(posed(head, **blink(1)))
    long = rest > 2e-3
    assert (closed[long] < 4 * rest[long]).all()
    assert (closed - rest).max() < 0.015
