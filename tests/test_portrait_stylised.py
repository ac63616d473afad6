"""Drawn faces: eyes and mouth go where the drawing has them."""

import cv2
import numpy as np
import pytest

from soaplib.landmarks import FACE_OVAL
from soaplib.portrait.face import LEFT_EYE, LIPS_OUTER, RIGHT_EYE, mean_face
from soaplib.portrait.stylised import part_contrast, snap_parts

SIZE, CENTRE = 110, np.array([200.0, 170.0])


def _drawn(eyes_y: float, mouth_y: float, turn: float = 0.0):
    """A disc of a face with dot eyes and a mouth at given heights (eye distances below the mean face's eyes)."""
    image = np.full((400, 400, 3), (90, 160, 210), np.uint8)
    cv2.ellipse(image, (200, 190), (120, 125), 0, 0, 360, (250, 215, 190), -1, cv2.LINE_AA)
    eyes = [CENTRE + SIZE * np.array([side * 0.4, eyes_y]) for side in (-1, 1)]
    for eye in eyes:
        cv2.ellipse(image, tuple(int(v) for v in eye), (11, 20), 0, 0, 360, (60, 20, 20), -1, cv2.LINE_AA)
    mouth = CENTRE + (0, SIZE * mouth_y)
    cv2.ellipse(image, tuple(int(v) for v in mouth), (24, 12), 0, 0, 360, (190, 40, 60), -1, cv2.LINE_AA)
    points = mean_face()[:, :2] * (SIZE, -SIZE) + CENTRE
    matrix = cv2.getRotationMatrix2D((200, 200), turn, 1)
    image = cv2.warpAffine(image, matrix, (400, 400), borderValue=(90, 160, 210))
    move = lambda p: np.asarray(p) @ matrix[:, :2].T + matrix[:, 2]  # noqa: E731
    return image, move(points), move(eyes), move([mouth])[0]


@pytest.mark.parametrize("turn", [0, 15])
def test_eyes_and_mouth_go_to_the_drawing(turn):
    image, points, eyes, mouth = _drawn(0.25, 0.55, turn)
    snapped = snap_parts(image, points)
    for ring, eye in ((RIGHT_EYE, eyes[0]), (LEFT_EYE, eyes[1])):
        np.testing.assert_allclose(snapped[list(ring)].mean(0), eye, atol=0.05 * SIZE)
    np.testing.assert_allclose(snapped[list(LIPS_OUTER)].mean(0), mouth, atol=0.06 * SIZE)
    np.testing.assert_allclose(snapped[[468, 473]], eyes, atol=0.05 * SIZE)
    assert part_contrast(image, snapped) > part_contrast(image, points) + 20
    # corners stay on their side and lids on theirs
    right = snapped[list(RIGHT_EYE)]
    if turn == 0:
        assert right[0, 0] < right[8, 0] and right[4, 1] < right[12, 1]
        assert snapped[263, 0] > snapped[362, 0] and snapped[386, 1] < snapped[374, 1]


def test_the_outline_of_the_face_stays():
    image, points, _, _ = _drawn(0.25, 0.55)
    oval = list(FACE_OVAL)
    np.testing.assert_allclose(snap_parts(image, points)[oval], points[oval], atol=0.05 * SIZE)


def test_a_face_without_parts_is_left_alone():
    image = np.full((400, 400, 3), 200, np.uint8)
    points = mean_face()[:, :2] * (SIZE, -SIZE) + CENTRE
    np.testing.assert_array_equal(snap_parts(image, points), points)
