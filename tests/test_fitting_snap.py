"""Landmarks brought onto the picture's; parts that follow the skin."""

import dataclasses

import numpy as np
from made_up_portrait import eye_distance, made_up_portrait

from soaplib.fitting.snap import follow_skin, landmark_trust, snap_landmarks
from soaplib.landmarks import FACE_OVAL, LEFT_IRIS, RIGHT_IRIS
from soaplib.render import camera_rotation, project


def test_landmarks_snap_and_depth_stays(head):
    made = made_up_portrait(head, 256, (4, -15, 5), 0.1, mouthSmileLeft=0.1)
    target = made_up_portrait(head, 256, (4, -15, 5), 0.2, seed=0).portrait
    target = dataclasses.replace(
        target, landmarks=target.landmarks - target.landmarks.mean(0) + made.portrait.landmarks.mean(0)
    )
    snapped = snap_landmarks(head, made.vertices, made.pose.camera, target)

    def errors(vertices):
        off = project(head.landmarks(vertices), made.pose.camera) - target.landmarks
        return np.linalg.norm(off, axis=1) / eye_distance(target)

    inner = np.setdiff1d(np.arange(478), FACE_OVAL + LEFT_IRIS + RIGHT_IRIS)
    assert errors(made.vertices)[inner].mean() > 0.004
    assert errors(snapped)[inner].mean() < 0.002
    toward = camera_rotation(made.pose.camera)[2]
    skin = head.part_vertices("skin")
    np.testing.assert_allclose((snapped @ toward)[skin], (made.vertices @ toward)[skin], atol=1e-9)


def test_a_head_that_fits_already_stays(head):
    made = made_up_portrait(head, 256, (4, -15, 5), 0.5)
    snapped = snap_landmarks(head, made.vertices, made.pose.camera, made.portrait)
    np.testing.assert_allclose(snapped, made.vertices, atol=2e-6)  # landmarks are single precision


def test_landmarks_of_weight_zero_pull_nothing(head):
    made = made_up_portrait(head, 256, (0, 0, 0))
    wild = made.portrait.landmarks.copy()
    wild[:100] += 50
    weights = np.ones(478, np.float32)
    weights[:100] = 0
    portrait = dataclasses.replace(made.portrait, landmarks=wild, landmark_weights=weights)
    snapped = snap_landmarks(head, made.vertices, made.pose.camera, portrait)
    np.testing.assert_allclose(snapped, made.vertices, atol=2e-6)


def test_parts_follow_the_skin_about_them(head):
    before = head.template.astype(float)
    skin = head.part_vertices("skin")
    same = follow_skin(head, before, before)
    np.testing.assert_allclose(same, before, atol=1e-12)
    scale, shift = 1.3, np.array([0.01, -0.02, 0.03])
    after = np.where(skin[:, None], before * scale + shift, before)
    moved = follow_skin(head, before, after)
    np.testing.assert_allclose(moved, before * scale + shift, atol=1e-9)


def test_trust_in_landmarks_by_hand(head):
    photo = made_up_portrait(head, 128, (0, 0, 0)).portrait
    drawn = dataclasses.replace(photo, report={"stylised": True})
    chosen = [1, 33, 13, 10, 468]  # the nose's tip, an eye corner, a lip, the oval, an iris
    np.testing.assert_allclose(landmark_trust(photo)[chosen], [1, 5, 5, 0.3, 0])
    np.testing.assert_allclose(landmark_trust(drawn)[chosen], [0.1, 1, 1, 0.3, 0])
    unknown = dataclasses.replace(photo, landmark_weights=np.zeros(478, np.float32))
    assert not landmark_trust(unknown).any()
