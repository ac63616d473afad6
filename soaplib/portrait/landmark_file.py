"""Landmarks by hand, for faces that no detector knows.

A landmark file is JSON with one of three keys, in pixels of the picture as given (after EXIF rotation), x to the
right and y down from the top left corner; "left" and "right" are the head's own, so `right_eye_outer` is on the
left of a frontal picture:

    {"points": {"right_eye_outer": [x, y], ...}}    named points, see NAMED_POINTS; eye corners, mouth corners and
                                                    chin are needed, the others help
    {"landmarks68": [[x, y], ... 68 of them]}       iBUG order
    {"landmarks478": [[x, y], ... 478 of them]}     MediaPipe order
"""

import difflib
import json
import os
import pathlib

import numpy as np
from scipy.interpolate import RBFInterpolator

from soaplib.errors import UserError
from soaplib.landmarks import IBUG68, LEFT_IRIS, RIGHT_IRIS
from soaplib.portrait.face import head_frame, mean_face

NAMED_POINTS = {
    "right_eye_outer": 33, "right_eye_inner": 133, "right_eye_upper": 159, "right_eye_lower": 145, "right_iris": 468,
    "left_eye_outer": 263, "left_eye_inner": 362, "left_eye_upper": 386, "left_eye_lower": 374, "left_iris": 473,
    "right_brow_outer": 70, "right_brow_middle": 105, "right_brow_inner": 107,
    "left_brow_outer": 300, "left_brow_middle": 334, "left_brow_inner": 336,
    "nose_bridge": 168, "nose_tip": 1, "nose_base": 2, "nose_right_wing": 129, "nose_left_wing": 358,
    "mouth_right": 61, "mouth_left": 291, "upper_lip": 0, "upper_lip_inner": 13, "lower_lip_inner": 14,
    "lower_lip": 17, "chin": 152, "jaw_right": 172, "jaw_left": 397, "cheek_right": 234, "cheek_left": 454,
    "forehead": 10,
}  # fmt: skip
"""MediaPipe index of every name a landmark file may use."""

NEEDED_POINTS = (
    "right_eye_outer", "right_eye_inner", "left_eye_outer", "left_eye_inner", "mouth_right", "mouth_left", "chin",
)  # fmt: skip
_LEAST = 8


def read_landmarks(path: str | os.PathLike) -> tuple[np.ndarray, np.ndarray]:
    """Return (478, 2) float32 pixels of the picture as given, and (478,) float32 weights.

    Landmarks that the file does not give have weight 0 and the place where the mean face, warped through the
    given ones (thin plate spline), has them.

    Raises:
        UserError: the file is missing, no such JSON, or its points cannot be a face.
    """
    path = pathlib.Path(path)
    indices, given = _parse(path.name, _load(path))
    _check_upright(path.name, indices, given)
    points = _complete(indices, given)
    weights = np.zeros(len(points), np.float32)
    weights[indices] = 1
    return points.astype(np.float32), weights


def _load(path: pathlib.Path) -> dict:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UserError(
            f"There is no landmark file {path}; check the path given with --landmarks."
        ) from error
    except OSError as error:
        raise UserError(
            f"The landmark file {path} cannot be read ({error.strerror}); check the path."
        ) from error
    except ValueError as error:
        raise UserError(
            f"The landmark file {path.name} is not valid JSON ({error}); mend it there."
        ) from error
    if not isinstance(value, dict):
        raise UserError(
            f'The landmark file {path.name} must be an object such as {{"points": {{"chin": [x, y]}}}}.'
        )
    return value


def _parse(name: str, value: dict) -> tuple[np.ndarray, np.ndarray]:
    keys = [key for key in ("points", "landmarks68", "landmarks478") if key in value]
    if len(keys) != 1:
        found = ", ".join(map(str, value)) or "nothing"
        raise UserError(
            f'The landmark file {name} must have one of "points", "landmarks68" and "landmarks478", but has {found}.'
        )
    body = value[keys[0]]
    if keys[0] == "points":
        return _parse_named(name, body)
    count = int(keys[0].removeprefix("landmarks"))
    if not isinstance(body, list) or len(body) != count:
        came = f"{len(body)} entries" if isinstance(body, list) else type(body).__name__
        raise UserError(f'"{keys[0]}" in {name} must be a list of {count} points [x, y], but is {came}.')
    given = np.array([_pair(name, f"point {i}", pair) for i, pair in enumerate(body)])
    return np.array(IBUG68 if count == 68 else range(count)), given


def _parse_named(name: str, body) -> tuple[np.ndarray, np.ndarray]:
    if not isinstance(body, dict):
        raise UserError(
            f'"points" in {name} must be an object of names and points, such as {{"chin": [x, y]}}.'
        )
    for key in body:
        if key not in NAMED_POINTS:
            near = difflib.get_close_matches(key, NAMED_POINTS, 1)
            hint = f"did you mean {near[0]}" if near else "known are " + ", ".join(NAMED_POINTS)
            raise UserError(f"{name} names an unknown point {key}; {hint}.")
    missing = [key for key in NEEDED_POINTS if key not in body]
    if missing:
        raise UserError(f"{name} lacks {', '.join(missing)}; eye corners, mouth corners and chin are needed.")
    if len(body) < _LEAST:
        raise UserError(
            f"{name} has {len(body)} points; give at least {_LEAST}, best with nose_tip and the brows."
        )
    return np.array([NAMED_POINTS[key] for key in body]), np.array(
        [_pair(name, *item) for item in body.items()]
    )


def _pair(name: str, key: str, pair) -> list[float]:
    numbers = isinstance(pair, list | tuple) and len(pair) == 2
    if not numbers or not all(isinstance(n, int | float) and abs(n) < 1e6 for n in pair):
        raise UserError(
            f"{key} in {name} must be two numbers [x, y] in pixels, but is {json.dumps(pair)[:40]}."
        )
    return [float(n) for n in pair]


def _check_upright(name: str, indices: np.ndarray, given: np.ndarray) -> None:
    place = dict(zip(indices.tolist(), given, strict=True))
    right, left = (place[33] + place[133]) / 2, (place[263] + place[362]) / 2
    across, down = left - right, place[152] - (left + right) / 2
    if np.hypot(*across) < 4 or np.hypot(*down) < 4:
        raise UserError(
            f"The points of {name} lie within a few pixels of each other; give them in pixels of the picture."
        )
    if across[0] * down[1] - across[1] * down[0] <= 0:
        raise UserError(
            f"{name} has left and right swapped; right_eye is the head's own right, on the left of a frontal picture."
        )


def _complete(indices: np.ndarray, given: np.ndarray) -> np.ndarray:
    if len(indices) == len(mean_face()):
        points = np.empty((len(indices), 2))
        points[indices] = given
        return points
    weights = np.zeros(len(mean_face()))
    weights[indices] = 1
    rotation, size, _ = head_frame(_spread(indices, given), weights)
    flat = size * (mean_face() @ rotation[:2].T) * (1, -1)
    flat += given.mean(0) - flat[indices].mean(0)
    # the spline acts on what the rigid face leaves over, in units of the eye distance so its ridge means the same
    warp = RBFInterpolator(
        flat[indices] / size, given - flat[indices], kernel="thin_plate_spline", smoothing=1e-6, degree=1
    )
    points = flat + warp(flat / size)
    points[indices] = given
    # an iris moves as a whole
    for ring in (RIGHT_IRIS, LEFT_IRIS):
        if ring[0] in indices:
            rim = flat[list(ring[1:])] - flat[ring[0]]
            points[list(ring[1:])] = points[ring[0]] + rim
    return points


def _spread(indices: np.ndarray, given: np.ndarray) -> np.ndarray:
    points = np.zeros((len(mean_face()), 2))
    points[indices] = given
    return points
