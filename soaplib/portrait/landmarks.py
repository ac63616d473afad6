"""Find the 478 MediaPipe landmarks in any portrait: many tries first, then many looks averaged."""

import itertools

import cv2
import numpy as np

from soaplib.errors import UserError
from soaplib.portrait.face import eye_distance, head_frame, mirror
from soaplib.portrait.models import find_faces
from soaplib.portrait.stylised import part_contrast, snap_parts

NO_FACE = (
    "No face was found in the picture; give a picture whose face is larger and more frontal, or mark points by hand "
    "and pass them with --landmarks FILE.json (a cell in notebook 01 helps to click them)."
)
_LOOK_SIZE = 448
_CONFUSED = 0.025
_AGREEMENT = {"large": 0.16, "small": 0.1, "turned": 0.1}


def detect_landmarks(rgb: np.ndarray, alpha: np.ndarray | None = None) -> tuple[np.ndarray, dict]:
    """Find the largest face.

    rgb: (H, W, 3) float32 in [0, 1]. alpha: (H, W) or None. Returns (478, 2) float32 pixels and a report with
    `faces` (how many were seen), `attempt` (what found it), `jitter` (spread of single looks over the outer-eye
    distance) and `agreeing` (share of looks that agreed).

    Raises:
        UserError: no face; the sentence names the manual way.
    """
    plain = _composite(rgb, alpha)
    upright = _search("large", plain, alpha)
    if upright is not None and upright[1]["jitter"] <= _CONFUSED:
        return _finish(plain, *upright)
    # a doll stands upright and confuses the detector; so does a photograph upside down, but only the right way round
    found = _search("turned", plain, alpha) or upright or _search("small", plain, alpha)
    if found is None:
        raise UserError(NO_FACE)
    return _finish(plain, *found)


def _search(kind: str, plain: np.ndarray, alpha: np.ndarray | None) -> tuple[np.ndarray, dict] | None:
    """The first convincing face, else the least doubtful one."""
    doubtful: list[tuple[np.ndarray, dict]] = []
    for enhance in (False, True) if kind == "large" else (False,):
        image = _contrast(plain) if enhance else plain
        for name, views in _attempts(kind, image, alpha):
            faces = _distinct([face for view in views for face in _faces_in(image, *view)])
            for face in faces[:3]:
                points, report = _agree(_looks(image, face), _AGREEMENT[kind])
                if points is None:
                    continue
                attempt = name + (", contrast raised" if enhance else "")
                report |= {"faces": len(faces), "attempt": attempt}
                if _convincing(kind, points, report):
                    return points, report
                if kind == "large" and abs(_roll(points)) < 30:
                    doubtful.append((points, report))

    def likely(found):
        return (
            part_contrast(plain, snap_parts(plain, found[0]))
            - abs(_roll(found[0]))
            + 10 * found[1]["agreeing"]
        )

    return max(doubtful, key=likely, default=None)


def _finish(image: np.ndarray, points: np.ndarray, report: dict) -> tuple[np.ndarray, dict]:
    """Photographs are done; on faces that confuse the detector, look at the picture drawn taller, and then move
    eyes and mouth to where the picture has them.
    """
    if report["jitter"] > _CONFUSED:
        best, chosen = part_contrast(image, points), points
        for tall in (1.3, 1.6, 2.0):
            seen, more = _agree(_looks(image, points, tall), _AGREEMENT["large"])
            contrast = part_contrast(image, seen) if seen is not None else -np.inf
            if contrast > best + 1:
                best, chosen, report = contrast, seen, report | more
        points = snap_parts(image, chosen)
        report |= {"stylised": True}
    return points.astype(np.float32), report


def _convincing(kind: str, points: np.ndarray, report: dict) -> bool:
    """Whether looks agree well enough to stop searching; the less a view is what one expects, the better they must."""
    agreeing, jitter, roll = report["agreeing"], report["jitter"], abs(_roll(points))
    if kind == "large":
        return agreeing >= 0.5 and jitter < 0.075 and roll < 50
    return agreeing >= 0.75 and jitter < 0.03 and (roll < 40 or kind == "turned")


def _roll(points: np.ndarray) -> float:
    across = points[263] - points[33]
    return float(np.degrees(np.arctan2(across[1], across[0])))


def _composite(rgb: np.ndarray, alpha: np.ndarray | None) -> np.ndarray:
    if alpha is not None:
        # mid grey, so that neither white hair nor a dark coat loses its outline
        rgb = rgb * alpha[..., None] + 0.6 * (1 - alpha[..., None])
    return np.rint(np.clip(rgb, 0, 1) * 255).astype(np.uint8)


def _contrast(image: np.ndarray) -> np.ndarray:
    lab = cv2.cvtColor(image, cv2.COLOR_RGB2LAB)
    lab[..., 0] = cv2.createCLAHE(clipLimit=3.0, tileGridSize=(8, 8)).apply(lab[..., 0])
    return cv2.cvtColor(lab, cv2.COLOR_LAB2RGB)


def _attempts(kind: str, image: np.ndarray, alpha: np.ndarray | None):
    """Yield (name, views) of one kind: the face fills a good part of the picture, is small, or lies on its side.

    A view is (affine (2, 3) from picture to view pixels, side of the square view).
    """
    height, width = image.shape[:2]
    middle, long = (width / 2, height / 2), max(width, height)
    if kind == "turned":
        for angle in (30, -30, 60, -60, 90, -90, 180):
            yield (
                f"turned by {angle} degrees",
                [_square(middle, zoom * long, 640, angle) for zoom in (1.0, 1.5)],
            )
        return
    if kind == "large":
        yield "whole picture", [_square(middle, long, 768)]
        yield "padded picture", [_square(middle, 1.7 * long, 768)]
        if alpha is not None:
            yield "top of the figure", _figure_top(alpha)
    for share in (0.6,) if kind == "large" else (0.35, 0.22):
        side = share * long
        centres = itertools.product(_steps(height, side), _steps(width, side))
        yield f"tiles of {share:.0%}", [_square((x, y), side, 384) for y, x in centres]


def _figure_top(alpha: np.ndarray):
    rows, columns = np.nonzero(alpha > 0.5)
    left, wide, top = columns.min(), float(np.ptp(columns) + 1), rows.min()
    return [
        _square((x, top + 0.4 * side), 1.2 * side, 512)
        for side in (wide, 0.6 * wide, 0.35 * wide)
        for x in (left + wide / 2, float(np.median(columns[rows < top + side / 2])))
    ]


def _steps(length: float, side: float) -> np.ndarray:
    count = max(1, int(np.ceil(2 * length / side)) - 1)
    return np.linspace(min(side / 2, length / 2), max(length - side / 2, length / 2), count)


def _square(
    centre, side: float, pixels: int, angle: float = 0.0, tall: float = 1.0
) -> tuple[np.ndarray, int]:
    """The view of a square of the picture, `side` wide about `centre`, turned by `angle` degrees, at `pixels`;
    drawn `tall` times higher than wide.
    """
    radians, scale = np.radians(angle), pixels / side
    cos, sin = scale * np.cos(radians), scale * np.sin(radians)
    linear = np.diag([tall**-0.5, tall**0.5]) @ np.array([[cos, -sin], [sin, cos]])
    return np.hstack([linear, (pixels / 2 - linear @ np.asarray(centre, dtype=np.float64))[:, None]]), pixels


def _render(image: np.ndarray, affine: np.ndarray, pixels: int) -> np.ndarray:
    scale = np.sqrt(abs(np.linalg.det(affine[:, :2])))
    if scale < 0.7:  # warpAffine does not filter: blur first so that shrinking does not alias
        image = cv2.GaussianBlur(image, (0, 0), 0.5 / scale - 0.35)
    corners = np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]])
    border = [float(v) for v in np.median(corners, axis=0)]
    # pixel centres lie at +0.5 here and at 0 in OpenCV
    shift = affine.copy()
    shift[:, 2] += affine[:, :2] @ (0.5, 0.5) - 0.5
    return cv2.warpAffine(
        image,
        shift,
        (pixels, pixels),
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=border,
    )


def _faces_in(image: np.ndarray, affine: np.ndarray, pixels: int, flip: bool = False) -> list[np.ndarray]:
    view = _render(image, affine, pixels)
    faces = find_faces(view[:, ::-1] if flip else view)
    back = np.linalg.inv(affine[:, :2])
    found = []
    for face in faces:
        if flip:
            face = np.column_stack([pixels - face[:, 0], face[:, 1]])[mirror()]
        face = (face - affine[:, 2]) @ back.T
        if _plausible(face, image.shape):
            found.append(face)
    return found


def _plausible(face: np.ndarray, shape) -> bool:
    """Big enough, mostly inside the picture, and near enough to a face's shape under some rotation."""
    inside = ((face >= 0) & (face < shape[1::-1])).all(1).mean()
    _, size, residual = head_frame(face)
    return bool(inside > 0.6 and size > 5 and residual < 0.25)


def _height(face: np.ndarray) -> float:
    return float(np.ptp(face, axis=0).max())


def _distinct(faces: list[np.ndarray]) -> list[np.ndarray]:
    kept: list[np.ndarray] = []
    for face in sorted(faces, key=_height, reverse=True):
        if all(np.hypot(*(face.mean(0) - k.mean(0))) > 0.6 * _height(k) for k in kept):
            kept.append(face)
    return kept


def _looks(image: np.ndarray, face: np.ndarray, tall: float = 1.0) -> np.ndarray:
    """Detect again on upright crops about the face, each a little different: (N, 478, 2)."""
    seen = []
    for rounds in (_FIRST_LOOKS, _FIRST_LOOKS, _MORE_LOOKS):  # each is centred on what the one before saw
        roll = -_roll(face)
        low, high = face.min(0), face.max(0)
        centre, side = (low + high) / 2, float((high - low).max())
        seen = []
        for grow, dx, dy, turn, flip in rounds:
            view = _square(centre + side * np.array([dx, dy]), grow * side, _LOOK_SIZE, roll + turn, tall)
            near = [
                f
                for f in _faces_in(image, *view, flip)
                if np.hypot(*(f.mean(0) - face.mean(0))) < 0.35 * side
            ]
            if near:
                seen.append(max(near, key=_height))
        if len(seen) < 2:
            break
        face = np.median(seen, axis=0)
    return np.array(seen).reshape(-1, 478, 2)


_FIRST_LOOKS = ((2.0, 0, 0, 0, False), (2.0, 0, 0, 0, True), (1.6, 0, 0, 0, False), (2.6, 0, 0, 0, False))
_MORE_LOOKS = tuple(
    (grow, dx, dy, turn, flip)
    for grow, dx, dy, turn in (
        (1.5, 0.03, 0.02, 0), (1.7, -0.04, 0.03, 4), (1.9, 0.05, -0.04, -4),
        (2.1, -0.03, -0.05, 2), (2.4, 0.06, 0.05, -2), (2.8, -0.05, 0.02, 0),
    )
    for flip in (False, True)
)  # fmt: skip


def _agree(looks: np.ndarray, radius: float) -> tuple[np.ndarray | None, dict]:
    """Average the looks that agree within `radius` eye distances; None where so few do that there is hardly a face."""
    if len(looks) < 0.4 * len(_MORE_LOOKS):
        return None, {}
    middle = np.median(looks, axis=0)
    apart = np.linalg.norm(looks - middle, axis=2).mean(1) / eye_distance(middle)
    good = looks[apart < radius]
    if len(good) < 0.4 * len(_MORE_LOOKS):
        return None, {}
    points = good.mean(0)
    spread = np.linalg.norm(good - points, axis=2).mean() / eye_distance(points)
    return points, {"jitter": round(float(spread), 4), "agreeing": round(len(good) / len(_MORE_LOOKS), 3)}
