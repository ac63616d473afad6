"""Picture in, Portrait out: landmarks, matte, crop, regions and a report of what was seen."""

import cv2
import numpy as np

from soaplib.data import REGIONS, Portrait
from soaplib.errors import UserError
from soaplib.landmarks import FACE_OVAL
from soaplib.portrait.crop import Box, box_to_picture, cut_matte, head_box, take, to_box
from soaplib.portrait.face import eye_distance, head_angles, head_frame
from soaplib.portrait.landmarks import detect_landmarks
from soaplib.portrait.matte import coarse_matte, foreground_colours, refine_matte
from soaplib.portrait.picture import Picture
from soaplib.portrait.regions import label_regions

_REACH_UP, _REACH_DOWN, _REACH_ASIDE = 2.6, 1.0, 2.4


def make_portrait(
    picture: Picture, landmarks: tuple[np.ndarray, np.ndarray] | None = None, size: int = 512
) -> Portrait:
    """Cut the head out of a picture and say what is what in it.

    landmarks: what `read_landmarks` returned, (478, 2) pixels of the picture as given and (478,) weights; found by
    `detect_landmarks` where None. size: side of the square crop in pixels.

    Raises:
        UserError: no face is found, or the landmarks lie outside the picture.
    """
    if landmarks is None:
        points, seen = detect_landmarks(picture.rgb, picture.alpha)
        weights = np.ones(len(points), np.float32)
        source = "detected"
    else:
        points, weights = (np.asarray(part, dtype=np.float64) for part in landmarks)
        points = points / picture.scale
        seen, source = {"faces": 1, "jitter": 0.0}, "file"
        _check_inside(points[weights > 0] * picture.scale, picture.size)
    given = picture
    picture, points, upright = _upright(picture, points)
    window = _window(points, picture.rgb.shape)
    rgb = picture.rgb[window]
    alpha = None if picture.alpha is None else picture.alpha[window]
    origin = np.array([window[1].start, window[0].start])
    local = points - origin
    framed = picture.alpha is not None and _is_frame(picture.alpha)
    coarse, matte_source = coarse_matte(rgb, None if framed else alpha, local)
    if framed:
        coarse = coarse * alpha
    near = head_box(cut_matte(coarse, local), local)
    box = Box(near.left + int(origin[0]), near.top + int(origin[1]), near.side)

    image = take(picture.rgb, box, size, 1.0)
    in_crop = to_box(points, box, size)
    matte = take(coarse, near, size, 0.0)
    if matte_source != "alpha":
        matte = refine_matte(image, matte, in_crop) * take(np.ones_like(coarse), near, size, 0.0)
    matte = cut_matte(matte, in_crop)
    image = foreground_colours(image, matte)
    regions = label_regions(image, matte, in_crop)
    report = _report(picture, points, weights, image, matte, regions, in_crop, seen)
    report |= {"landmarks": source, "matte": matte_source}
    return Portrait(
        image=image,
        matte=matte,
        landmarks=in_crop.astype(np.float32),
        landmark_weights=weights.astype(np.float32),
        regions=regions,
        crop_to_picture=np.diag([*given.scale, 1.0]) @ np.linalg.inv(upright) @ box_to_picture(box, size),
        report=report,
    )


def _upright(picture: Picture, points: np.ndarray) -> tuple[Picture, np.ndarray, np.ndarray]:
    """Turn a picture that lies on its side, or on its head, by quarter turns; the (3, 3) matrix says how."""
    across = points[263] - points[33]
    quarters = int(np.rint(np.degrees(np.arctan2(across[1], across[0])) / 90)) % 4
    matrix = np.eye(3)
    for turn in range(quarters):
        matrix = (
            np.array([[0, 1, 0], [-1, 0, picture.rgb.shape[1 if turn % 2 == 0 else 0]], [0, 0, 1]]) @ matrix
        )
    if not quarters:
        return picture, points, matrix
    rgb = np.ascontiguousarray(np.rot90(picture.rgb, quarters))
    alpha = None if picture.alpha is None else np.ascontiguousarray(np.rot90(picture.alpha, quarters))
    size = picture.size if quarters % 2 == 0 else picture.size[::-1]
    note = f"The picture lay on its side and was turned by {90 * quarters} degrees against the clock."
    turned = Picture(rgb, alpha, size, (*picture.notes, note))
    return turned, points @ matrix[:2, :2].T + matrix[:2, 2], matrix


def _check_inside(points: np.ndarray, size) -> None:
    inside = ((points >= 0) & (points <= size)).all(1)
    if inside.mean() < 0.5:
        raise UserError(
            f"Most landmarks of the file lie outside the picture of {size[0]} x {size[1]} pixels; "
            "they must be pixels of the picture as given, from its top left corner."
        )


def _is_frame(alpha: np.ndarray) -> bool:
    """Whether the alpha only cuts the picture to a disc or a rectangle, and says nothing of the head."""
    opaque = alpha > 0.5
    rows, columns = np.flatnonzero(opaque.any(1)), np.flatnonzero(opaque.any(0))
    box = opaque[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    y, x = (np.linspace(-1, 1, n) for n in box.shape)
    disc = np.hypot(x[None], y[:, None]) <= 1
    return bool(box.mean() > 0.97 or (box & disc).sum() / (box | disc).sum() > 0.98)


def _window(points: np.ndarray, shape) -> tuple[slice, slice]:
    """The part of the picture that can hold the head."""
    oval = points[list(FACE_OVAL)]
    face = float(np.ptp(oval, axis=0).max())
    x, y = (oval.min(0) + oval.max(0)) / 2
    height, width = shape[:2]
    rows = slice(
        int(np.clip(y - _REACH_UP * face, 0, height - 1)), int(np.clip(y + _REACH_DOWN * face, 1, height))
    )
    columns = slice(
        int(np.clip(x - _REACH_ASIDE * face, 0, width - 1)), int(np.clip(x + _REACH_ASIDE * face, 1, width))
    )
    return rows, columns


def _report(picture, points, weights, image, matte, regions, in_crop, seen) -> dict:
    if seen.get("stylised"):  # big eyes and a high mouth would pass for a bowed head
        weights = np.isin(np.arange(len(points)), FACE_OVAL).astype(np.float64)
    rotation, _, misfit = head_frame(points, weights)
    angles = {name: round(value, 1) for name, value in head_angles(rotation).items()}
    face_px = float(np.ptp(points[list(FACE_OVAL)] * picture.scale, axis=0).max())
    oval = np.zeros(matte.shape, np.uint8)
    cv2.fillPoly(oval, [np.rint(in_crop[list(FACE_OVAL)]).astype(np.int32)], 1)
    covered = float((regions[oval > 0] == REGIONS.index("hair")).mean()) if oval.any() else 0.0
    sharpness = _sharpness(picture, points)
    report = {
        "picture_size": list(picture.size),
        "face_px": round(face_px, 1),
        "eye_distance_px": round(eye_distance(points * picture.scale), 1),
        "pose": angles,
        "sharpness": round(sharpness, 3),
        "occlusion": round(covered, 3),
        "landmark_misfit": round(misfit, 4),
    } | {f"landmark_{k}" if k in ("jitter", "agreeing", "attempt") else k: v for k, v in seen.items()}
    report["advice"] = list(picture.notes) + _advice(report)
    return report


def _sharpness(picture: Picture, points: np.ndarray) -> float:
    """Share of the face's contrast at fine scales: spread of the Laplacian over spread of grey, face at 256 pixels."""
    oval = points[list(FACE_OVAL)]
    low, high = np.floor(oval.min(0)).astype(int).clip(0), np.ceil(oval.max(0)).astype(int)
    face = picture.rgb[low[1] : high[1], low[0] : high[0]]
    if min(face.shape[:2]) < 8:
        return 0.0
    grey = cv2.cvtColor(np.ascontiguousarray(face), cv2.COLOR_RGB2GRAY)
    factor = 256 / max(grey.shape)
    how = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    grey = cv2.resize(grey, None, fx=factor, fy=factor, interpolation=how)
    return float(cv2.Laplacian(grey, cv2.CV_32F).std() / max(float(grey.std()), 1e-3))


def _advice(report: dict) -> list[str]:
    advice = []
    pose = report["pose"]
    if report["faces"] > 1:
        advice.append(f"{report['faces']} faces were found; the largest was taken.")
    if abs(pose["yaw"]) > 35 or abs(pose["pitch"]) > 30:
        advice.append(
            f"The head is turned by {pose['yaw']:.0f} degrees and nods by {pose['pitch']:.0f}; "
            "a more frontal picture gives a better head."
        )
    if abs(pose["roll"]) > 35:
        advice.append(
            f"The head is tilted by {pose['roll']:.0f} degrees; turn the picture upright for a better result."
        )
    if report["face_px"] < 160:
        advice.append(
            f"The face is only {report['face_px']:.0f} pixels high; 400 or more give a sharper texture."
        )
    elif report["sharpness"] < 0.03:
        advice.append("The face looks blurred; a sharper picture gives a better texture.")
    if report["occlusion"] > 0.25:
        advice.append(
            f"Hair or headwear covers about {report['occlusion']:.0%} of the face; expressions there are guessed."
        )
    if report.get("landmark_jitter", 0) > 0.03:
        advice.append(
            "The face is unlike a photograph, and its landmarks are uncertain; "
            "check them and correct them with a landmark file where they are off."
        )
    return advice
