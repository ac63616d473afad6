"""Marking landmarks by hand: what the widget writes is what the pipeline reads."""

import io
import json

import numpy as np
from PIL import Image

from soaplib.portrait import NAMED_POINTS, NEEDED_POINTS, Picture, read_landmarks
from soaplib.portrait.face import mean_face
from soaplib.viewing.mark import mark_landmarks


def test_points_kept_one_by_one_become_a_landmark_file(tmp_path):
    picture = Picture(np.full((200, 300, 3), 0.5, np.float32), None, (600, 400))
    path = tmp_path / "landmarks.json"
    places = {name: mean_face()[index, :2] * (150, -150) + (300, 180) for name, index in NAMED_POINTS.items()}
    box = mark_landmarks(picture, path, {"nose_tip": list(places["nose_tip"])})
    whole, part, controls = box.children
    name, x, y, _, buttons, says = controls.children
    keep, save = buttons.children
    save.click()
    assert not path.exists() and "needed" in says.value
    for needed in NEEDED_POINTS:
        assert name.value == needed, "the next point is offered"
        before = part.value
        x.value, y.value = places[needed]
        assert part.value != before
        keep.click()
    save.click()
    points, weights = read_landmarks(path)
    assert set(json.loads(path.read_text())["points"]) == {*NEEDED_POINTS, "nose_tip"}
    assert weights.sum() == len(NEEDED_POINTS) + 1
    for needed in NEEDED_POINTS:
        np.testing.assert_allclose(points[NAMED_POINTS[needed]], places[needed], atol=0.26)
    assert Image.open(io.BytesIO(whole.value)).size == (420, 280)
