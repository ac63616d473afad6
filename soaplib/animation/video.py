"""Videos of an avatar: once around it, and its face in motion. H.264 in MP4, which every browser plays."""

import dataclasses
import math
import os
import pathlib
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np

from soaplib.animation.motion import sample_motion
from soaplib.animation.posing import Poser
from soaplib.data import JOINT_NAMES, Avatar, Part

Progress = Callable[[int, int], None]
"""Is told (frames done, frames in all)."""

_BACKGROUND = 0.955
_FIELD_OF_VIEW = math.radians(24)
_YAWS = (0.0, math.radians(-38))


def turntable(
    avatar: Avatar,
    path: str | os.PathLike,
    seconds: float = 4,
    fps: int = 24,
    size: int = 480,
    progress: Progress | None = None,
) -> pathlib.Path:
    """Film the avatar in neutral pose while it turns once around; the clip loops without a jump.

    Args:
        path: `.mp4` file to write. size: width and height in pixels, even.
        progress: called after each frame.

    Returns:
        The path.
    """
    from soaplib.render import turntable as pictures_around

    count = round(seconds * fps)
    centre, distance = _whole(avatar)
    camera = _camera((size, size), 0.0, centre, distance)
    around = pictures_around(avatar.parts, camera, centre, (size, size), count, _BACKGROUND)
    frames = map(_as_bytes, around)
    return _write(path, frames, count, fps, progress)


def expressions(
    avatar: Avatar,
    path: str | os.PathLike,
    seconds: float = 8,
    fps: int = 24,
    size: int = 480,
    progress: Progress | None = None,
) -> pathlib.Path:
    """Film `sample_motion` from the front and, beside it, from three quarters.

    Args:
        path: `.mp4` file to write. size: height in pixels, even; the width is twice that of one head.
        progress: called after each frame.

    Returns:
        The path.
    """
    clip = sample_motion(fps, seconds)
    names = [name for name in avatar.expression_names if name in clip.names]
    weights = np.zeros((len(clip.weights), len(avatar.expression_names)), np.float32)
    weights[:, [avatar.expression_names.index(name) for name in names]] = clip.weights[
        :, [clip.names.index(name) for name in names]
    ]
    width = size * 3 // 4 // 2 * 2
    centres, distance = _close(avatar, (size, width), _YAWS)
    posers = [Poser.of(part, avatar.joints) for part in avatar.parts]

    def frames() -> Iterator[np.ndarray]:
        for index in range(len(weights)):
            parts = _posed(avatar.parts, posers, weights[index], clip.rotations[index])
            pictures = [
                _draw(parts, (size, width), yaw, centre, distance)
                for yaw, centre in zip(_YAWS, centres, strict=True)
            ]
            yield np.concatenate(pictures, axis=1)

    return _write(path, frames(), len(weights), fps, progress)


def _draw(parts: Sequence[Part], size: tuple[int, int], yaw: float, centre, distance: float) -> np.ndarray:
    """Draw parts from `yaw` radians to the head's left of the front, `distance` metres from `centre`, as uint8."""
    from soaplib.render import draw

    camera = _camera(size, yaw, centre, distance)
    return _as_bytes(draw(parts, camera, size, background=_BACKGROUND, light="soft"))


def _camera(size: tuple[int, int], yaw: float, centre, distance: float) -> np.ndarray:
    from soaplib.render import perspective

    rotation = _towards(yaw)
    return perspective(
        rotation,
        -rotation @ centre - np.array([0, 0, distance]),
        size[0] / 2 / math.tan(_FIELD_OF_VIEW / 2),
        np.array([size[1] / 2, size[0] / 2]),
    )


def _as_bytes(picture: np.ndarray) -> np.ndarray:
    return (picture * 255 + 0.5).astype(np.uint8)


def _towards(yaw: float) -> np.ndarray:
    c, s = math.cos(yaw), math.sin(yaw)
    return np.array([[c, 0, -s], [0, 1, 0], [s, 0, c]])


def _whole(avatar: Avatar) -> tuple[np.ndarray, float]:
    """Return the middle of the avatar and a distance from which a square picture holds it from any side."""
    places = np.concatenate([part.vertices for part in avatar.parts])
    low, high = places.min(axis=0), places.max(axis=0)
    centre = (low + high) / 2
    reach = np.linalg.norm((places - centre)[:, [0, 2]], axis=1).max()
    half = max((high[1] - low[1]) / 2, reach)
    return centre, 1.06 * half / math.tan(_FIELD_OF_VIEW / 2) + reach


def _close(avatar: Avatar, size: tuple[int, int], yaws: Sequence[float]) -> tuple[list[np.ndarray], float]:
    """Return where to look from each yaw, and one distance, so that pictures are filled from the crown to the chin."""
    places = np.concatenate([part.vertices for part in avatar.parts])
    left, right = avatar.joints[[JOINT_NAMES.index("left_eye"), JOINT_NAMES.index("right_eye")]]
    chin = (left + right)[1] / 2 - 2.3 * np.linalg.norm(left - right)
    places = places[places[:, 1] > chin]
    centres, half = [], 0.0
    for yaw in yaws:
        seen = places @ _towards(yaw).T
        low, high = seen.min(axis=0), seen.max(axis=0)
        centres.append((low + high) / 2 @ _towards(yaw))
        half = max(half, (high[1] - low[1]) / 2, (high[0] - low[0]) / 2 * size[0] / size[1])
    return centres, 1.18 * half / math.tan(_FIELD_OF_VIEW / 2)


def _posed(parts, posers, weights, rotations) -> list[Part]:
    posed = []
    for part, poser in zip(parts, posers, strict=True):
        vertices, normals = poser.pose(weights, rotations)
        posed.append(dataclasses.replace(part, vertices=vertices, normals=normals))
    return posed


def _write(
    path: str | os.PathLike, frames: Iterable[np.ndarray], count: int, fps: int, progress: Progress | None
) -> pathlib.Path:
    """Encode frames (H, W, 3) uint8 of even sizes; aside first, then renamed."""
    import imageio_ffmpeg

    path = pathlib.Path(path)
    aside = path.with_name(f".{path.stem}.part.mp4")
    writer = None
    try:
        for index, frame in enumerate(frames):
            if writer is None:
                # one thread and no version string: equal frames give equal bytes
                writer = imageio_ffmpeg.write_frames(
                    os.fspath(aside),
                    (frame.shape[1], frame.shape[0]),
                    fps=fps,
                    codec="libx264",
                    pix_fmt_out="yuv420p",
                    quality=None,
                    macro_block_size=2,
                    output_params=[
                        *("-crf", "20", "-preset", "veryfast", "-threads", "1", "-movflags", "+faststart"),
                        *("-fflags", "+bitexact", "-flags:v", "+bitexact", "-map_metadata", "-1"),
                    ],
                )
                writer.send(None)
            writer.send(np.ascontiguousarray(frame))
            if progress:
                progress(index + 1, count)
        writer.close()
        os.replace(aside, path)
    finally:
        if writer is not None:
            writer.close()
        aside.unlink(missing_ok=True)
    return path
