"""Videos: what is in the files, read back by ffmpeg."""

import numpy as np
import pytest
from made_up_avatar import made_up_avatar

from soaplib.animation.video import expressions, turntable

imageio_ffmpeg = pytest.importorskip("imageio_ffmpeg")


def read(path):
    stream = imageio_ffmpeg.read_frames(str(path))
    about = next(stream)
    width, height = about["size"]
    return about, np.array([np.frombuffer(frame, np.uint8).reshape(height, width, 3) for frame in stream])


@pytest.fixture(scope="module")
def avatar():
    return made_up_avatar(rings=16)


@pytest.fixture(scope="module")
def turned(avatar, tmp_path_factory):
    told = []
    path = tmp_path_factory.mktemp("video") / "turn.mp4"
    assert turntable(avatar, path, seconds=1, fps=8, size=96, progress=lambda *now: told.append(now)) == path
    return path, told


def test_turntable_goes_once_around(turned):
    path, told = turned
    about, frames = read(path)
    assert (about["codec"], about["size"], about["fps"]) == ("h264", (96, 96), 8)
    assert about["pix_fmt"].startswith("yuv420p")
    assert len(frames) == 8
    assert told == [(index, 8) for index in range(1, 9)]
    border = np.concatenate([frames[:, :2].ravel(), frames[:, :, :2].ravel()])
    assert (border > 235).all(), "the head stays inside the picture from every side"
    covered = (frames.min(axis=-1) < 220).mean(axis=(1, 2))
    assert covered.min() > 0.2
    step = [
        np.abs(a.astype(int) - b).mean() for a, b in zip(frames, np.roll(frames, -1, axis=0), strict=True)
    ]
    assert min(step) > 2, "every frame shows another side, the first and the last, too"


def test_equal_avatars_give_equal_bytes(avatar, turned, tmp_path):
    again = turntable(avatar, tmp_path / "turn.mp4", seconds=1, fps=8, size=96)
    assert again.read_bytes() == turned[0].read_bytes()
    assert [file.name for file in tmp_path.iterdir()] == ["turn.mp4"]


def test_expressions_show_two_sides_and_move(avatar, tmp_path):
    about, frames = read(expressions(avatar, tmp_path / "face.mp4", seconds=4, fps=6, size=96))
    assert about["size"] == (144, 96)
    assert len(frames) == 25
    assert np.abs(frames[0].astype(int) - frames[-1]).mean() < 3, "it ends as it began"
    for side in (frames[:, :, :72], frames[:, :, 72:]):
        moved = np.abs(side[1:].astype(int) - side[:1]).mean(axis=(1, 2, 3))
        assert moved.max() > 4
    assert np.abs(frames[0, :, :72].astype(int) - frames[0, :, 72:]).mean() > 5


def test_a_failure_leaves_no_file(avatar, tmp_path):
    def stop(done, total):
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        turntable(avatar, tmp_path / "turn.mp4", seconds=1, fps=8, size=64, progress=stop)
    assert not list(tmp_path.iterdir())
