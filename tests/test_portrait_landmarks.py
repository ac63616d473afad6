"""Landmarks found, landmarks from a file, and the mean face they lean on."""

import json

import cv2
import numpy as np
import pytest
from skimage import data

from soaplib.errors import UserError
from soaplib.landmarks import FACE_OVAL, IBUG68
from soaplib.portrait import NAMED_POINTS, NEEDED_POINTS, detect_landmarks, read_landmarks
from soaplib.portrait.face import (
    LEFT_EYE,
    RIGHT_EYE,
    eye_distance,
    head_angles,
    head_frame,
    mean_face,
    mirror,
)


@pytest.fixture(scope="module")
def astronaut() -> np.ndarray:
    return data.astronaut().astype(np.float32) / 255


@pytest.fixture(scope="module")
def found(astronaut):
    return detect_landmarks(astronaut)


def _turn(yaw: float, pitch: float, roll: float) -> np.ndarray:
    y, x, z = np.radians([yaw, pitch, roll])
    ry = np.array([[np.cos(y), 0, np.sin(y)], [0, 1, 0], [-np.sin(y), 0, np.cos(y)]])
    rx = np.array([[1, 0, 0], [0, np.cos(x), -np.sin(x)], [0, np.sin(x), np.cos(x)]])
    rz = np.array([[np.cos(z), -np.sin(z), 0], [np.sin(z), np.cos(z), 0], [0, 0, 1]])
    return rz @ rx @ ry


def _project(rotation: np.ndarray, size: float = 80, centre=(200, 150)) -> np.ndarray:
    return size * (mean_face() @ rotation[:2].T) * (1, -1) + centre


def test_the_mean_face_is_a_symmetric_face():
    points, swap = mean_face(), mirror()
    np.testing.assert_array_equal(swap[swap], np.arange(478))
    np.testing.assert_allclose(points[swap] * (-1, 1, 1), points, atol=1e-6)
    np.testing.assert_allclose(points[[33, 263]].mean(0), 0, atol=1e-6)
    assert points[263, 0] - points[33, 0] == pytest.approx(1, abs=1e-6)
    assert points[1, 2] > points[33, 2] and points[152, 1] < points[13, 1] < points[1, 1] < points[10, 1]


def test_left_and_right_index_lists_mirror_each_other():
    swap = mirror()
    assert [swap[i] for i in RIGHT_EYE] == list(LEFT_EYE)
    assert {swap[i] for i in FACE_OVAL} == set(FACE_OVAL)
    jaw = IBUG68[:17]
    assert [swap[i] for i in jaw] == list(jaw[::-1])
    assert len(set(IBUG68)) == 68


@pytest.mark.parametrize("angles", [(0, 0, 0), (30, 0, 0), (0, 20, 0), (0, 0, 25), (-20, 10, -15)])
def test_head_frame_recovers_a_known_rotation(angles):
    rotation, size, residual = head_frame(_project(_turn(*angles)))
    np.testing.assert_allclose(rotation, _turn(*angles), atol=0.01)
    assert size == pytest.approx(80, rel=1e-3) and residual < 0.01
    np.testing.assert_allclose(list(head_angles(rotation).values()), angles, atol=0.6)


def test_landmarks_lie_on_the_astronaut(found):
    points, report = found
    assert points.shape == (478, 2) and points.dtype == np.float32
    assert report["faces"] == 1 and report["jitter"] < 0.01
    # eyes, nose tip and mouth as measured by eye on the picture
    np.testing.assert_allclose(
        points[[468, 473, 1, 13]], [[204, 101], [247, 103], [224, 131], [223, 144]], atol=3
    )


def test_averaged_looks_are_steadier_than_one(astronaut, found):
    moved = cv2.warpAffine(astronaut, np.float32([[1.07, 0.03, 3.3], [-0.03, 1.07, 1.7]]), (512, 512))
    again, report = detect_landmarks(moved)
    expected = (found[0] - 0.0) @ np.array([[1.07, 0.03], [-0.03, 1.07]]).T + (3.3, 1.7)
    off = np.linalg.norm(again - expected, axis=1).mean() / eye_distance(expected)
    assert off < 0.012
    assert off < 1.5 * report["jitter"]


def test_detection_repeats_bit_for_bit(astronaut, found):
    np.testing.assert_array_equal(detect_landmarks(astronaut)[0], found[0])


@pytest.mark.parametrize("case", ["small in a corner", "sideways", "dark", "grey", "cut out"])
def test_hard_pictures_are_found_too(astronaut, found, case):
    face = astronaut[:256, 96:352]
    true = found[0] - (96, 0)
    alpha = None
    if case == "small in a corner":
        picture = np.full((1400, 1800, 3), 0.5, np.float32)
        picture[40:296, 60:316] = face
        true = true + (60, 40)
    elif case == "sideways":
        picture = np.ascontiguousarray(np.rot90(face))
        true = np.column_stack([true[:, 1], 256 - true[:, 0]])
    elif case == "dark":
        picture = face * 0.15
    elif case == "grey":
        picture = np.repeat(face.mean(-1, keepdims=True), 3, -1)
    else:
        picture, alpha = face, np.zeros(face.shape[:2], np.float32)
        alpha[:220, 60:200] = 1
    points, _ = detect_landmarks(np.ascontiguousarray(picture), alpha)
    assert np.linalg.norm(points - true, axis=1).mean() / eye_distance(true) < 0.05


def test_the_largest_of_two_faces_is_taken(astronaut, found):
    face = astronaut[:256, 96:352]
    picture = np.full((420, 700, 3), 0.6, np.float32)
    picture[100:356, 10:266] = face
    picture[20:404, 280:664] = cv2.resize(face, (384, 384), interpolation=cv2.INTER_LINEAR)
    points, report = detect_landmarks(picture)
    assert report["faces"] == 2 and points[:, 0].min() > 280


@pytest.mark.parametrize("kind", ["noise", "ramp", "flat"])
def test_no_face_ends_in_a_sentence_that_names_the_manual_way(kind):
    ramp = np.broadcast_to(np.linspace(0, 1, 160, dtype=np.float32)[None, :, None], (160, 160, 3))
    noise = np.random.default_rng(0).random((160, 160, 3), dtype=np.float32)
    picture = {"noise": noise, "ramp": np.ascontiguousarray(ramp), "flat": np.full_like(noise, 0.5)}[kind]
    with pytest.raises(UserError, match=r"No face .*--landmarks FILE\.json.*notebook 01"):
        detect_landmarks(picture)


def _write(tmp_path, value) -> str:
    path = tmp_path / "points.json"
    path.write_text(value if isinstance(value, str) else json.dumps(value))
    return path


def _named(points: np.ndarray, names=NAMED_POINTS) -> dict:
    return {"points": {name: points[NAMED_POINTS[name]].tolist() for name in names}}


def test_named_points_are_kept_and_the_rest_is_plausible(tmp_path, found):
    points, weights = read_landmarks(_write(tmp_path, _named(found[0])))
    given = list(NAMED_POINTS.values())
    np.testing.assert_allclose(points[given], found[0][given], atol=1e-3)
    assert weights[given].min() == 1 and weights.sum() == len(given)
    assert np.linalg.norm(points - found[0], axis=1).max() / eye_distance(found[0]) < 0.25
    assert np.linalg.norm(points - found[0], axis=1).mean() / eye_distance(found[0]) < 0.06


@pytest.mark.parametrize("angles", [(0, 0, 0), (25, 0, 10), (-30, 10, 0)])
def test_few_points_of_a_turned_mean_face_give_all_of_it(tmp_path, angles):
    true = _project(_turn(*angles))
    points, weights = read_landmarks(_write(tmp_path, _named(true, (*NEEDED_POINTS, "nose_tip"))))
    assert weights.sum() == 8
    assert np.linalg.norm(points - true, axis=1).mean() < 0.12 * 80


def test_68_and_478_landmarks(tmp_path, found):
    body = found[0][list(IBUG68)].tolist()
    points, weights = read_landmarks(_write(tmp_path, {"landmarks68": body}))
    np.testing.assert_allclose(points[list(IBUG68)], body, atol=1e-3)
    assert weights.sum() == 68
    points, weights = read_landmarks(_write(tmp_path, {"landmarks478": found[0].tolist()}))
    np.testing.assert_allclose(points, found[0], atol=1e-4)
    assert weights.sum() == 478


def _without(value: dict, key: str) -> dict:
    return {"points": {k: v for k, v in value["points"].items() if k != key}}


def test_wrong_landmark_files_end_in_one_sentence(tmp_path):
    good = _named(_project(_turn(0, 0, 0)))
    turned = _named(_project(_turn(0, 0, 0)) * (-1, 1) + (400, 0))
    cases = {
        "not valid JSON": "{points: 1",
        "must be an object such as": [1, 2],
        "must have one of": {"landmarks": []},
        "lacks chin": _without(good, "chin"),
        "did you mean left_iris": {"points": good["points"] | {"left_irs": [1, 2]}},
        "unknown point tail": {"points": good["points"] | {"tail": [1, 2]}},
        "give at least 8": _named(_project(_turn(0, 0, 0)), NEEDED_POINTS),
        "must be two numbers": {"points": good["points"] | {"chin": [1, "2"]}},
        "chin in points.json": {"points": good["points"] | {"chin": [float("nan"), 2]}},
        "list of 68 points": {"landmarks68": [[1, 2]] * 67},
        "left and right swapped": turned,
        "within a few pixels": {"points": {k: [v[0] / 800, v[1] / 800] for k, v in good["points"].items()}},
        '"points" in points.json must be an object': {"points": [[1, 2]]},
    }
    for words, value in cases.items():
        with pytest.raises(UserError) as caught:
            read_landmarks(_write(tmp_path, value))
        assert words in str(caught.value)
        assert "\n" not in str(caught.value)
    with pytest.raises(UserError, match="no landmark file"):
        read_landmarks(tmp_path / "none.json")
    with pytest.raises(UserError, match="cannot be read"):
        read_landmarks(tmp_path)
