"""Reading pictures: every odd format works, and everything else ends in one clear sentence."""

import cv2
import numpy as np
import pytest
from PIL import Image

from soaplib.errors import UserError
from soaplib.portrait import read_picture


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    """(48, 64, 3) uint8, smooth and different in every corner, so a wrong rotation cannot pass."""
    y, x = np.mgrid[0:48, 0:64]
    return np.stack([x * 4, y * 5, 255 - (x + y) * 2], -1).astype(np.uint8)


def _close(picture, pixels, tolerance=0.03):
    assert picture.rgb.dtype == np.float32
    assert picture.rgb.shape == pixels.shape
    np.testing.assert_allclose(picture.rgb, pixels / 255, atol=tolerance)


@pytest.mark.parametrize("name", ["a.png", "a.bmp", "a.tif", "a.webp", "a.ppm", "a.jp2"])
def test_ordinary_formats(tmp_path, pixels, name):
    Image.fromarray(pixels).save(tmp_path / name, **({"lossless": True} if name == "a.webp" else {}))
    picture = read_picture(tmp_path / name)
    _close(picture, pixels, 0.004)
    assert picture.alpha is None and picture.size == (64, 48) and picture.notes == ()


def test_a_name_without_suffix_and_a_string_path_do(tmp_path, pixels):
    Image.fromarray(pixels).save(tmp_path / "portrait", format="PNG")
    _close(read_picture(str(tmp_path / "portrait")), pixels)


@pytest.mark.parametrize("mode", ["L", "LA", "1", "P"])
def test_few_channels(tmp_path, pixels, mode):
    image = Image.fromarray(pixels).convert(mode)
    image.save(tmp_path / "a.png")
    _close(read_picture(tmp_path / "a.png"), np.asarray(image.convert("RGB")), 0.004)


def test_cmyk(tmp_path, pixels):
    Image.fromarray(pixels).convert("CMYK").save(tmp_path / "a.tif")
    _close(read_picture(tmp_path / "a.tif"), pixels, 0.02)
    Image.fromarray(pixels).convert("CMYK").save(tmp_path / "a.jpg", quality=98)
    _close(read_picture(tmp_path / "a.jpg"), pixels, 0.08)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_undone(tmp_path, pixels, orientation):
    # what a camera held this way would have stored: EXIF 2.3, table of the tag Orientation
    stored = {
        1: pixels, 2: pixels[:, ::-1], 3: pixels[::-1, ::-1], 4: pixels[::-1], 5: pixels.swapaxes(0, 1),
        6: np.rot90(pixels, 1), 7: pixels[::-1, ::-1].swapaxes(0, 1), 8: np.rot90(pixels, -1),
    }  # fmt: skip
    exif = Image.Exif()
    exif[274] = orientation
    Image.fromarray(np.ascontiguousarray(stored[orientation])).save(tmp_path / "a.png", exif=exif)
    picture = read_picture(tmp_path / "a.png")
    _close(picture, pixels, 0.004)
    assert picture.size == (64, 48)


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_sixteen_bits(tmp_path, pixels, name):
    deep = pixels.astype(np.uint16) * 257
    cv2.imwrite(str(tmp_path / name), deep[..., ::-1])
    _close(read_picture(tmp_path / name), pixels, 0.004)
    cv2.imwrite(str(tmp_path / name), deep[..., 0])
    _close(read_picture(tmp_path / name), np.repeat(pixels[..., :1], 3, -1), 0.004)


def test_float_and_high_dynamic_range(tmp_path, pixels):
    values = pixels.astype(np.float32) / 255
    Image.fromarray(values[..., 0]).save(tmp_path / "grey.tif")
    _close(read_picture(tmp_path / "grey.tif"), np.repeat(pixels[..., :1], 3, -1), 0.004)
    cv2.imwrite(str(tmp_path / "rgb.tif"), values[..., ::-1])
    _close(read_picture(tmp_path / "rgb.tif"), pixels, 0.02)
    grey = np.repeat(values[..., :1], 3, -1)  # Radiance shares one exponent between the channels
    cv2.imwrite(str(tmp_path / "a.hdr"), 5 * grey**2.2)
    picture = read_picture(tmp_path / "a.hdr")
    _close(picture, 255 * grey, 0.06)
    assert "white" in picture.notes[0]


def test_not_a_number_becomes_black(tmp_path, pixels):
    values = pixels[..., 0].astype(np.float32) / 255
    values[3, 4] = np.nan
    Image.fromarray(values).save(tmp_path / "a.tif")
    picture = read_picture(tmp_path / "a.tif")
    assert np.isfinite(picture.rgb).all() and picture.rgb[3, 4, 0] == 0


@pytest.mark.parametrize("name", ["a.gif", "a.webp", "a.png"])
def test_animations_give_their_first_picture_and_say_so(tmp_path, pixels, name):
    first = Image.fromarray(pixels)
    first.save(tmp_path / name, save_all=True, append_images=[first.rotate(180), first.rotate(90)])
    picture = read_picture(tmp_path / name)
    _close(picture, pixels, 0.2)
    assert picture.notes == ("The file holds 3 pictures; the first one was used.",)


def test_transparency_is_kept(tmp_path, pixels):
    alpha = np.zeros(pixels.shape[:2], np.uint8)
    alpha[10:, 20:] = 255
    for name, image in (
        ("a.png", Image.fromarray(np.dstack([pixels, alpha]))),
        ("b.png", Image.fromarray(np.dstack([pixels, alpha])).quantize(32)),
        ("c.png", Image.fromarray(np.dstack([pixels[..., 0], alpha]), "LA")),
    ):
        image.save(tmp_path / name)
        np.testing.assert_allclose(read_picture(tmp_path / name).alpha, alpha / 255, atol=0.05)


def test_an_opaque_alpha_is_none(tmp_path, pixels):
    Image.fromarray(pixels).convert("RGBA").save(tmp_path / "a.png")
    assert read_picture(tmp_path / "a.png").alpha is None


@pytest.mark.parametrize("name", ["a.jpg", "a.png"])
def test_a_large_picture_is_read_small_and_the_scale_is_exact(tmp_path, name):
    wide = np.zeros((3001, 4003, 3), np.uint8)
    wide[1000:2000, 2000:3000] = 255
    Image.fromarray(wide).save(tmp_path / name)
    picture = read_picture(tmp_path / name)
    assert picture.size == (4003, 3001) and max(picture.rgb.shape) == 2048
    np.testing.assert_allclose(picture.scale, [4003 / 2048, 3001 / picture.rgb.shape[0]])
    rows, columns = np.nonzero(picture.rgb[..., 0] > 0.5)
    x, y = (columns.mean() + 0.5, rows.mean() + 0.5) * picture.scale
    assert abs(x - 2500) < 1 and abs(y - 1500) < 1
    assert "4003 x 3001" in picture.notes[0]


def test_transparent_colours_do_not_leak_when_shrunk(tmp_path):
    image = np.zeros((2500, 2500, 4), np.uint8)
    image[..., 1] = 255  # green where transparent
    image[:, 1201:] = (255, 0, 0, 255)
    Image.fromarray(image).save(tmp_path / "a.png")
    picture = read_picture(tmp_path / "a.png")
    edge = picture.alpha > 0.3
    assert picture.rgb[edge][:, 1].max() < 0.1


def _broken_files(folder, pixels):
    image = Image.fromarray(np.kron(pixels, np.ones((4, 4, 1), np.uint8)))
    for name in ("a.png", "a.jpg", "a.gif", "a.bmp", "a.webp", "a.tif"):
        image.save(folder / name)
        blob = (folder / name).read_bytes()
        (folder / f"half_{name}").write_bytes(blob[: len(blob) // 2])
        yield f"half_{name}", "broken or incomplete"
    files = {
        "empty.png": (b"", "is empty"),
        "text.jpg": (b"this is no picture" * 9, "not a picture"),
        "header.png": (b"\x89PNG\r\n\x1a\n", "broken or incomplete"),
        "phone.heic": (b"\0\0\0\x18ftypheic" + bytes(99), "save it as JPEG"),
    }
    for name, (blob, words) in files.items():
        (folder / name).write_bytes(blob)
        yield name, words
    pictures = {
        "one.png": (Image.new("RGB", (1, 1)), "1 x 1 pixels, too small"),
        "small.png": (Image.new("RGB", (400, 31)), "too small"),
        "thread.png": (Image.new("RGB", (30000, 30)), "30000 x 30"),
        "strip.png": (Image.new("RGB", (3000, 40)), "a strip"),
        "bomb.png": (Image.new("1", (20000, 12000)), "million pixels"),
        "clear.png": (Image.new("RGBA", (64, 64)), "wholly transparent"),
    }
    for name, (picture, words) in pictures.items():
        picture.save(folder / name)
        yield name, words
    yield "missing.png", "There is no file"
    yield ".", "is a folder"


def test_what_cannot_be_read_ends_in_one_sentence(tmp_path, pixels):
    for name, words in _broken_files(tmp_path, pixels):
        with pytest.raises(UserError) as caught:
            read_picture(tmp_path / name)
        sentence = str(caught.value)
        assert words in sentence, name
        assert "\n" not in sentence and sentence.endswith("."), name
        assert ";" in sentence, f"{name}: says what to do"
