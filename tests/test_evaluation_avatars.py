"""Finished avatars: what is in sight, and how like they are to portraits drawn of themselves."""

import dataclasses

import numpy as np
import pytest
from made_up_avatar import sphere

from soaplib.animation.expressions import ARKIT_NAMES
from soaplib.data import Avatar, Portrait
from soaplib.errors import UserError
from soaplib.evaluation import avatars
from soaplib.evaluation.avatars import AVATAR_UNITS, aligned, coverage, in_sight, measure_avatar, posed_parts
from soaplib.render import draw, orthographic
from soaplib.viewing.figures import as_part


def part(name, vertices, faces, colour, **morphs):
    made = as_part(vertices, faces, np.array(colour, np.float32), name)
    moves = np.zeros((52, len(vertices), 3), np.float32)
    for action, move in morphs.items():
        moves[ARKIT_NAMES.index(action)] = move
    return dataclasses.replace(made, morphs=moves)


@pytest.fixture
def avatar():
    """Two eyeballs before a skull, covered by a plate that comes down with `eyeBlinkLeft`; teeth within."""
    skull = sphere(12, 0.1, (0, 0, 0))
    balls = [sphere(8, 0.015, (x, 0.0, 0.1)) for x in (0.03, -0.03)]
    eyes = np.concatenate([ball[0] for ball in balls])
    eye_faces = np.concatenate([balls[0][2], balls[1][2] + len(balls[0][0])])
    plate = np.array([[-0.09, -0.04, 0.13], [0.09, -0.04, 0.13], [0.09, 0.04, 0.13], [-0.09, 0.04, 0.13]])
    above = plate + [0, 0.2, 0]
    teeth = sphere(6, 0.02, (0, -0.05, 0))
    parts = (
        part("skin", skull[0], skull[2], (0.8, 0.6, 0.5)),
        part("eyes", eyes, eye_faces, (1, 1, 1)),
        part("lids", above, np.array([[0, 1, 2], [0, 2, 3]]), (0.5, 0.3, 0.3), eyeBlinkLeft=[0, -0.2, 0]),
        part("teeth", teeth[0], teeth[2], (1, 1, 0.8), jawOpen=[0, 0, 0.2]),
    )
    joints = np.array([[0, -0.1, 0], [0, -0.08, 0], [0, -0.02, 0.02], [0.03, 0, 0.1], [-0.03, 0, 0.1]])
    camera = orthographic(np.eye(3), 400.0, np.array([64.0, 70.0]))
    return Avatar(parts, joints, ARKIT_NAMES, np.zeros(52), np.zeros((5, 3)), camera)


@pytest.fixture(autouse=True)
def seen(monkeypatch):
    """What the detector finds: a list of landmarks, none of them at first, as these heads have no face."""
    found = []

    def detect(image, alpha):
        if not found:
            raise UserError("No face was found.")
        return found[0], {}

    monkeypatch.setattr(avatars, "detect_landmarks", detect)
    return found


def portrait_of(avatar, size=128):
    """A portrait drawn of the avatar itself, its matte just what it covers."""
    parts = posed_parts(avatar, avatar.weights, avatar.joint_rotations)
    return Portrait(
        draw(parts, avatar.camera, (size, size)), coverage(parts, avatar.camera, (size, size)).astype(np.float32),
        np.random.default_rng(0).uniform(40, 90, (478, 2)).astype(np.float32), np.ones(478, np.float32),
        np.ones((size, size), np.uint8), np.eye(3), {},
    )  # fmt: skip


def test_open_eyes_are_in_sight_and_shut_ones_are_not(avatar):
    assert in_sight(avatar, ("eyes",)) > 1000
    assert in_sight(avatar, ("eyes",), {"eyeBlinkLeft": 1.0}) == 0
    half = in_sight(avatar, ("eyes",), {"eyeBlinkLeft": 0.82})
    assert 0 < half < in_sight(avatar, ("eyes",))


def test_teeth_are_counted_when_they_come_out(avatar):
    assert in_sight(avatar, ("teeth", "tongue")) == 0
    assert in_sight(avatar, ("teeth", "tongue"), {"jawOpen": 1.0}) > 100


def test_what_is_see_through_hides_nothing(avatar):
    glass = dataclasses.replace(avatar.parts[2], alpha=True)
    through = dataclasses.replace(avatar, parts=(*avatar.parts[:2], glass, avatar.parts[3]))
    assert in_sight(through, ("eyes",), {"eyeBlinkLeft": 1.0}) == in_sight(avatar, ("eyes",))


def test_an_avatar_is_like_its_own_picture(avatar):
    found = measure_avatar(portrait_of(avatar), avatar)
    assert set(found) == set(AVATAR_UNITS)
    assert found["silhouette"] == 1 and found["psnr"] > 60
    assert found["eyes_shut"] == 0 and found["mouth_closed"] == 0
    assert found["landmarks"] is None, "it has no face"


def test_landmarks_count_after_the_best_similarity(avatar, seen):
    """All moved alike: 0. Then one of 478 by twice the distance of the eyes: 2 / 478 and what it turns the rest."""
    made = portrait_of(avatar)
    seen.append(1.5 * made.landmarks + 7)
    assert measure_avatar(made, avatar)["landmarks"] == pytest.approx(0, abs=1e-4)
    eyes = np.linalg.norm(made.landmarks[33] - made.landmarks[263])
    seen[0] = made.landmarks.copy()
    seen[0][100, 0] += 2 * eyes
    assert 200 / 478 < measure_avatar(made, avatar)["landmarks"] < 2
    unknown = made.landmark_weights.copy()
    unknown[100] = 0
    hidden = dataclasses.replace(made, landmark_weights=unknown)
    assert measure_avatar(hidden, avatar)["landmarks"] == pytest.approx(0, abs=1e-4)


def test_another_picture_and_matte_are_seen(avatar):
    made = portrait_of(avatar)
    darker = dataclasses.replace(made, image=made.image - 0.1)
    assert measure_avatar(darker, avatar)["psnr"] == pytest.approx(20, abs=0.5), "-10 log10 0.1 ** 2"
    shifted = dataclasses.replace(made, matte=np.roll(made.matte, 20, axis=1))
    assert measure_avatar(shifted, avatar)["silhouette"] < 0.8


def test_what_lies_below_the_portrait_does_not_count(avatar):
    made = portrait_of(avatar)
    cut = made.matte.copy()
    cut[90:] = 0
    assert measure_avatar(dataclasses.replace(made, matte=cut), avatar)["silhouette"] == 1


def test_points_are_aligned_by_the_best_similarity():
    rng = np.random.default_rng(1)
    points, known = rng.normal(size=(50, 2)), np.arange(50) < 40
    c, s = 1.7 * np.cos(0.4), 1.7 * np.sin(0.4)
    to = points @ np.array([[c, -s], [s, c]]).T + [3, -2]
    np.testing.assert_allclose(aligned(points, to, known), to, atol=1e-9)
    to[known] += 0.1 * rng.normal(size=(40, 2))
    left = aligned(points, to, known)[known] - to[known]
    for moved in (left + 0.01, left * 1.01 + 0.01):
        assert (left**2).sum() <= (moved**2).sum() + 1e-9
    assert np.abs(left.mean(0)).max() < 1e-9
