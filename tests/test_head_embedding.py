"""The measured embedding: measured again on few heads, it agrees with the one that is shipped."""

import numpy as np
import pytest

from soaplib.head import load_head
from soaplib.head.embedding import measure_embedding
from soaplib.landmarks import INNER_LIPS, LEFT_EYE, RIGHT_EYE


def _places(head, faces, weights):
    return (head.template[head.faces[faces]] * weights[..., None]).sum(1)


def test_measured_again_it_agrees():
    mediapipe = pytest.importorskip("mediapipe")
    mesh = mediapipe.solutions.face_mesh.FaceMesh(static_image_mode=True, refine_landmarks=True)

    def detect(image):
        found = mesh.process(image).multi_face_landmarks
        return found and np.array([(p.x, p.y) for p in found[0].landmark]) * image.shape[1::-1]

    head = load_head()
    faces, weights, spread = measure_embedding(head, detect, count=25, seed=1)
    mesh.close()
    distance = np.linalg.norm(
        _places(head, faces, weights) - _places(head, head.landmark_faces, head.landmark_weights), axis=1
    )
    assert np.median(distance) < 3e-3
    assert distance[list(LEFT_EYE + RIGHT_EYE + INNER_LIPS)].max() < 4e-3  # on the same margins
    assert 5e-4 < np.median(spread) < 8e-3


def test_shipped_lids_and_lips_lie_on_their_margins():
    head = load_head()
    marks = head.landmarks(head.template)
    assert np.ptp(marks[list(INNER_LIPS), 1]) < 3e-3  # closed lips touch
    socket = head.template[(head.region("eye_sockets") > 0.5)]
    for contour in (LEFT_EYE, RIGHT_EYE):
        lids = marks[list(contour)]
        assert (lids[1:8, 1].mean() < lids[9:, 1].mean()) and np.ptp(lids[:, 1]) > 8e-3
        assert lids[:, 2].min() > socket[:, 2].max() - 0.02


def test_a_blind_detector_is_reported():
    with pytest.raises(ValueError, match="found 0 in 2"):
        measure_embedding(load_head(), lambda image: None, count=2)
