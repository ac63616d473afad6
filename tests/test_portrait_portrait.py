"""The whole stage on a photograph, and its pieces on pictures whose truth is known."""

import cv2
import numpy as np
import pytest
from PIL import Image
from skimage import data

from soaplib.data import REGIONS, Portrait
from soaplib.errors import UserError
from soaplib.landmarks import IBUG68
from soaplib.portrait import Picture, make_portrait, read_picture
from soaplib.portrait.crop import Box, box_to_picture, cut_matte, cut_row, head_box, take, to_box
from soaplib.portrait.face import mean_face
from soaplib.portrait.matte import closed_form_matte, foreground_colours, keep_connected


@pytest.fixture(scope="module")
def picture(tmp_path_factory) -> Picture:
    path = tmp_path_factory.mktemp("astronaut") / "a.png"
    Image.fromarray(data.astronaut()).save(path)
    return read_picture(path)


@pytest.fixture(scope="module")
def portrait(picture) -> Portrait:
    return make_portrait(picture)


def _face(size: float, centre) -> np.ndarray:
    return mean_face()[:, :2] * (size, -size) + centre


def test_the_portrait_holds_what_its_docstring_says(portrait):
    assert portrait.image.shape == (512, 512, 3) and portrait.image.dtype == np.float32
    assert portrait.matte.shape == (512, 512) and portrait.matte.min() >= 0 and portrait.matte.max() <= 1
    assert portrait.landmarks.shape == (478, 2) and portrait.landmark_weights.min() == 1
    assert portrait.regions.dtype == np.uint8 and portrait.regions.max() < len(REGIONS)
    assert np.isfinite(portrait.image).all()
    assert (portrait.image[portrait.matte <= 0.02] == 1).all()


def test_crop_to_picture_leads_back_to_the_picture(picture, portrait):
    matrix = portrait.crop_to_picture
    height, width = picture.rgb.shape[:2]
    y, x = np.mgrid[0:512, 0:512] + 0.5
    there = np.stack([x, y, np.ones_like(x)], -1) @ matrix.T
    back = cv2.remap(
        picture.rgb,
        (there[..., 0] - 0.5).astype(np.float32),
        (there[..., 1] - 0.5).astype(np.float32),
        cv2.INTER_CUBIC,
    )
    sure = cv2.erode((portrait.matte > 0.99).astype(np.uint8), np.ones((9, 9))) > 0
    assert np.abs(back - portrait.image)[sure].mean() < 0.01
    eyes = (matrix @ np.append(portrait.landmarks[468], 1))[:2]
    np.testing.assert_allclose(eyes, (204, 101), atol=3)


def test_regions_are_where_a_person_sees_them(portrait):
    def at(x, y):  # pixels of the astronaut picture
        column, row, _ = np.linalg.inv(portrait.crop_to_picture) @ (x, y, 1)
        return REGIONS[portrait.regions[int(row), int(column)]]

    assert at(224, 128) == "skin" and at(200, 135) == "skin"
    assert at(215, 45) == "hair" and at(175, 70) == "hair" and at(265, 60) == "hair"
    assert at(204, 101) == "irises" and at(224, 144) == "mouth"
    assert at(120, 40) == "background" and at(330, 60) == "background"
    shares = np.bincount(portrait.regions.ravel(), minlength=len(REGIONS)) / portrait.regions.size
    assert (shares[1:] > 0).all(), dict(zip(REGIONS, shares, strict=True))
    assert (portrait.regions[portrait.matte < 0.5] == 0).mean() > 0.999


def test_the_cut_is_where_soap_cuts(portrait):
    rows = portrait.landmarks[list(IBUG68), 1]
    row = rows.max() + 0.2 * (rows.max() - rows.min())
    assert cut_row(portrait.landmarks) == pytest.approx(row)
    assert portrait.matte[int(row) + 3 :].max() == 0 and portrait.matte[int(row) - 4].max() > 0.9


def test_the_head_fills_the_frame_but_for_its_border(portrait):
    rows, columns = np.nonzero(portrait.matte > 0.5)
    extent = max(np.ptp(rows), np.ptp(columns)) / 512
    assert 0.72 < extent < 0.87
    assert abs(columns.min() + columns.max() - 511) < 20 or abs(rows.min() + rows.max() - 511) < 20


def test_the_report_speaks_plainly(portrait):
    report = portrait.report
    assert set(report["pose"]) == {"yaw", "pitch", "roll"} and abs(report["pose"]["yaw"]) < 8
    assert report["matte"] == "segmentation" and report["landmarks"] == "detected" and report["faces"] == 1
    assert 90 < report["face_px"] < 130 and 0 < report["occlusion"] < 0.3
    assert any("only 109 pixels" in line or "only 108 pixels" in line for line in report["advice"])
    assert all(line.endswith(".") for line in report["advice"])


def test_it_saves_and_repeats_bit_for_bit(picture, portrait, tmp_path):
    portrait.save(tmp_path / "one")
    make_portrait(picture).save(tmp_path / "two")
    for name in ("Portrait.npz", "Portrait.json"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    assert Portrait.load(tmp_path / "one").crop_to_picture.dtype == np.float64


def test_the_pictures_own_alpha_is_used(picture):
    rows, columns = np.mgrid[0:512, 0:512]
    alpha = (np.hypot((columns - 222) / 75, (rows - 110) / 95) < 1).astype(np.float32)
    alpha[180:, 150:300] = 1
    portrait = make_portrait(Picture(picture.rgb, alpha, (512, 512)), size=256)
    assert portrait.report["matte"] == "alpha" and portrait.image.shape == (256, 256, 3)
    column, row, _ = np.linalg.inv(portrait.crop_to_picture) @ (222, 15, 1)
    assert portrait.matte[int(row) + 3, int(column)] > 0.9 and portrait.matte[int(row) - 5, int(column)] == 0


def test_an_alpha_that_is_only_a_frame_is_no_matte(picture):
    rows, columns = np.mgrid[0:512, 0:512]
    disc = (np.hypot(columns - 222, rows - 130) < 128).astype(np.float32)
    portrait = make_portrait(Picture(picture.rgb, disc, (512, 512)), size=128)
    assert portrait.report["matte"] != "alpha"
    column, row, _ = np.linalg.inv(portrait.crop_to_picture) @ (320, 60, 1)
    inside = 0 <= column < 128 and 0 <= row < 128
    assert not inside or portrait.matte[int(row), int(column)] == 0


def test_landmarks_by_hand_serve_where_no_face_is_seen():
    rgb = np.full((300, 260, 3), 0.95, np.float32)
    cv2.ellipse(rgb, (130, 150), (70, 95), 0, 0, 360, (0.9, 0.6, 0.5), -1, cv2.LINE_AA)
    points = _face(90, (130, 130))
    weights = np.zeros(478, np.float32)
    weights[list(IBUG68)] = 1
    portrait = make_portrait(Picture(rgb, None, (520, 600)), (2 * points, weights))
    assert portrait.report["landmarks"] == "file" and portrait.report["matte"] == "background"
    np.testing.assert_array_equal(portrait.landmark_weights, weights)
    back = (portrait.crop_to_picture @ np.c_[portrait.landmarks, np.ones(478)].T)[:2].T
    np.testing.assert_allclose(back, 2 * points, atol=0.01)
    assert portrait.matte[256, 256] == 1
    with pytest.raises(UserError, match="outside the picture"):
        make_portrait(Picture(rgb, None, (260, 300)), (points + 1000, weights))


def test_box_arithmetic_is_exact():
    image = np.arange(12 * 10, dtype=np.float32).reshape(12, 10) / 120
    box = Box(-2, 3, 8)
    out = take(image, box, 8, 1.0)
    np.testing.assert_array_equal(out[:, :2], 1)
    np.testing.assert_array_equal(out[:, 2:], image[3:11, :6])
    small = take(image, Box(0, 0, 10), 5, 1.0)
    np.testing.assert_allclose(small, image[:10].reshape(5, 2, 5, 2).mean((1, 3)), atol=1e-6)
    points = np.array([[3.25, 4.5], [0.0, 0.0]])
    back = np.c_[to_box(points, box, 16), np.ones(2)] @ box_to_picture(box, 16).T
    np.testing.assert_allclose(back[:, :2], points)


@pytest.mark.parametrize("quarters", [1, 2])
def test_a_picture_on_its_side_gives_the_same_portrait(picture, portrait, quarters):
    turned = make_portrait(Picture(np.ascontiguousarray(np.rot90(picture.rgb, quarters)), None, (512, 512)))
    assert "was turned by" in turned.report["advice"][0]
    there = turned.crop_to_picture @ np.append(turned.landmarks[1], 1)
    x, y = (portrait.crop_to_picture @ np.append(portrait.landmarks[1], 1))[:2]
    for _ in range(quarters):
        x, y = y, 512 - x
    np.testing.assert_allclose(there[:2], (x, y), atol=1)
    one, other = turned.matte > 0.5, portrait.matte > 0.5
    assert (one & other).sum() / (one | other).sum() > 0.9


def test_the_box_takes_the_hair_and_leaves_a_tenth_on_each_side():
    matte = np.zeros((200, 300), np.float32)
    matte[40:140, 100:180] = 1
    box = head_box(matte, _face(40, (140, 90)))
    assert (box.side, box.top) == (120, 30) and box.left == 80


def test_the_cut_drops_bodies_and_what_hangs_only_on_them():
    matte = np.zeros((400, 400), np.float32)
    points = _face(60, (200, 120))
    row = int(cut_row(points))
    matte[60 : row + 100, 150:250] = 1  # head and body
    matte[row + 60 :, :] = 1  # shoulders
    matte[80 : row + 70, 20:40] = 1  # a raised arm, joined below the cut
    kept = cut_matte(matte, points)
    assert kept[row + 3 :].max() == 0 and kept[:, 20:40].max() == 0
    assert kept[100, 200] == 1


def test_specks_go_and_the_face_stays():
    matte = np.zeros((120, 120), np.float32)
    matte[20:100, 30:90] = 1
    matte[5:10, 110:115] = 1
    kept = keep_connected(matte, _face(30, (60, 50)))
    assert kept[5:10, 110:115].max() == 0 and kept[50, 60] == 1


def test_closed_form_matting_recovers_a_blend():
    truth = np.clip((np.arange(60) - 20) / 20, 0, 1)[None].repeat(40, 0)
    front = np.array([0.8, 0.3, 0.2])
    back = np.array([0.1, 0.5, 0.7])
    rgb = (truth[..., None] * front + (1 - truth[..., None]) * back).astype(np.float32)
    sure, never = truth == 1, truth == 0
    vague = np.full(truth.shape, 0.5, np.float32)
    alpha = closed_form_matte(rgb, sure, never, vague, np.full(truth.shape, 1e-5))
    assert np.abs(alpha - truth).mean() < 0.001
    assert (alpha[sure] == 1).all() and (alpha[never] == 0).all()


def test_no_background_bleeds_into_the_colours():
    rgb = np.zeros((40, 40, 3), np.float32)
    rgb[..., 1] = 1  # green behind
    matte = np.zeros((40, 40), np.float32)
    matte[10:30, 10:30] = 1
    matte = cv2.GaussianBlur(matte, (0, 0), 2)
    red = np.array([1, 0, 0], np.float32)
    rgb = matte[..., None] * red + (1 - matte[..., None]) * rgb
    colours = foreground_colours(rgb, matte)
    inside = matte > 0.02
    assert colours[inside][:, 1].max() < 0.06
    assert (colours[~inside] == 1).all()
