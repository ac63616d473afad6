"""MediaPipe's models that ship in its wheel, made once per process and kept quiet."""

import contextlib
import functools
import os
import sys

import numpy as np

_MAX_FACES = 8


@functools.cache
def face_mesh():
    """Return MediaPipe Face Mesh with irises, for still pictures."""
    with _quiet():
        from mediapipe.python.solutions.face_mesh import FaceMesh

        return FaceMesh(
            static_image_mode=True,
            max_num_faces=_MAX_FACES,
            refine_landmarks=True,
            min_detection_confidence=0.1,
        )


@functools.cache
def selfie_segmenter(model: int):
    """Return MediaPipe selfie segmentation: 0 is the square model, 1 the landscape one."""
    with _quiet():
        from mediapipe.python.solutions.selfie_segmentation import SelfieSegmentation

        return SelfieSegmentation(model_selection=model)


def find_faces(image: np.ndarray) -> list[np.ndarray]:
    """Return each face found in `image` (H, W, 3) uint8 RGB as (478, 2) float64 pixels."""
    mesh = face_mesh()
    with _quiet():
        found = mesh.process(np.ascontiguousarray(image)).multi_face_landmarks or ()
    size = np.array(image.shape[1::-1], dtype=np.float64)
    return [np.array([(p.x, p.y) for p in face.landmark]) * size for face in found]


def segment_person(image: np.ndarray, model: int) -> np.ndarray:
    """Return the probability of a person per pixel of `image` (H, W, 3) uint8 RGB: (H, W) float32."""
    segmenter = selfie_segmenter(model)
    with _quiet():
        return np.array(segmenter.process(np.ascontiguousarray(image)).segmentation_mask, dtype=np.float32)


@contextlib.contextmanager
def _quiet():
    """Silence what MediaPipe's C++ side writes to standard error; Python's exceptions pass unhindered."""
    os.environ.setdefault("GLOG_minloglevel", "3")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.flush()
    try:
        kept = os.dup(2)
    except OSError:  # no standard error at all, as under some services
        yield
        return
    try:
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
