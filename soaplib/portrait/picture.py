"""Read any picture file as float RGB with an optional alpha, or say in one sentence why not.

Files in the wild are rotated by EXIF, grey, CMYK, 16-bit, palettes, animated or huge; what leaves here is always
the same plain array. Pillow reads nearly everything; OpenCV reads what it cannot (16-bit and float RGB TIFF, HDR).
"""

import dataclasses
import io
import os
import pathlib
import warnings

import cv2
import numpy as np
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from soaplib.errors import UserError

_MAX_SIDE = 2048
_MIN_SIDE = 32
_MAX_PIXELS = 178_000_000
_MAX_ASPECT = 8
_WIDE_MODES = ("I", "F", "I;16", "I;16B", "I;16L", "I;16N")
_ORIENTATION_TAG = 274
_SIGNATURES = (b"\x89PNG", b"\xff\xd8", b"GIF8", b"II*\0", b"MM\0*", b"RIFF", b"BM")


@dataclasses.dataclass(frozen=True)
class Picture:
    """A picture as it is worked on.

    rgb: (H, W, 3) float32 in [0, 1], sRGB. alpha: (H, W) float32, or None where the picture is opaque.
    size: (width, height) of the picture as given, after EXIF rotation; rgb may be a smaller copy.
    notes: sentences on what was done to it, for the person who gave it.
    """

    rgb: np.ndarray
    alpha: np.ndarray | None
    size: tuple[int, int]
    notes: tuple[str, ...] = ()

    @property
    def scale(self) -> np.ndarray:
        """(2,) float64, pixels of the picture as given per pixel of `rgb`, in x and y."""
        height, width = self.rgb.shape[:2]
        return np.array(self.size, dtype=np.float64) / (width, height)


def read_picture(path: str | os.PathLike) -> Picture:
    """Read the picture file at `path`, upright, with a long side of at most 2048 pixels.

    Raises:
        UserError: the file is missing, empty, broken, no picture, too small, too large, too long or wholly
            transparent; the sentence says which and what to do.
    """
    path = pathlib.Path(path)
    blob = _read_bytes(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore"
            )  # Pillow warns of odd metadata; what matters is whether pixels come
            picture = _with_pillow(path.name, blob)
    except Image.DecompressionBombError as error:
        raise UserError(
            f"{path.name} has more than {_MAX_PIXELS // 10**6} million pixels; "
            "save it at 4000 pixels or less on its long side and try again."
        ) from error
    except UnidentifiedImageError as error:
        picture = _with_opencv(path.name, blob)
        if picture is None:
            raise UserError(_not_a_picture(path.name, blob)) from error
    except (OSError, SyntaxError, ValueError, EOFError, IndexError, TypeError, OverflowError) as error:
        if isinstance(error, UserError):
            raise
        picture = _with_opencv(path.name, blob) if isinstance(error, ValueError | TypeError) else None
        if picture is None:
            raise UserError(_broken(path.name)) from error
    return picture


def _read_bytes(path: pathlib.Path) -> bytes:
    if path.is_dir():
        raise UserError(f"{path} is a folder; give the picture file inside it.")
    try:
        blob = path.read_bytes()
    except FileNotFoundError as error:
        raise UserError(f"There is no file {path}; check the path of the picture.") from error
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read ({error}); check its permissions.") from error
    if not blob:
        raise UserError(f"{path.name} is empty (0 bytes); download or save the picture again.")
    return blob


def _not_a_picture(name: str, blob: bytes) -> str:
    if blob[4:8] == b"ftyp" and blob[8:12] in (b"heic", b"heix", b"mif1", b"msf1", b"hevc"):
        return f"{name} is a HEIC picture, which is not read here; save it as JPEG or PNG and try again."
    if blob.startswith(_SIGNATURES):
        return _broken(name)
    return f"{name} is not a picture that can be read; give a PNG, JPEG, WebP, TIFF, GIF or BMP file."


def _broken(name: str) -> str:
    return f"{name} is broken or incomplete and cannot be decoded; download or save it again, as PNG or JPEG."


def _check_size(name: str, width: int, height: int) -> None:
    if width * height > _MAX_PIXELS:
        raise UserError(
            f"{name} is {width} x {height} pixels, more than {_MAX_PIXELS // 10**6} million; "
            "save it at 4000 pixels or less on its long side and try again."
        )
    if min(width, height) < _MIN_SIDE:
        raise UserError(
            f"{name} is {width} x {height} pixels, too small to hold a portrait; "
            f"give a picture of at least {_MIN_SIDE} pixels, better 512, on its short side."
        )
    if max(width, height) > _MAX_ASPECT * min(width, height):
        raise UserError(
            f"{name} is {width} x {height} pixels, a strip rather than a portrait; cut it to a square about the head."
        )


def _with_pillow(name: str, blob: bytes) -> Picture:
    notes = []
    with Image.open(io.BytesIO(blob)) as image:
        _check_size(name, *image.size)
        if getattr(image, "n_frames", 1) > 1:
            notes.append(f"The file holds {image.n_frames} pictures; the first one was used.")
            image.seek(0)
        orientation = image.getexif().get(_ORIENTATION_TAG, 1)
        size = image.size[::-1] if orientation in (5, 6, 7, 8) else image.size
        if image.mode in _WIDE_MODES:
            values = np.array(ImageOps.exif_transpose(image))
            return _finish(name, _from_numbers(values, image.mode == "F", notes), size, notes)
        # A JPEG is decoded at a half, a quarter or an eighth straight away; `box` is the whole picture in the
        # pixels of that copy, fractions included, so the scale stays exact.
        draft = image.draft(None, (_MAX_SIDE, _MAX_SIDE))
        box = draft[1] if draft else (0, 0, *image.size)
        image.load()
        image = _to_rgb(image)
        small = _fitting(*image.size)
        if small != image.size or box[2:] != image.size:
            image = image.resize(small, Image.Resampling.LANCZOS, box=box, reducing_gap=3)
        # exif_transpose needs the tag, which `convert` and `resize` may drop
        image.getexif()[_ORIENTATION_TAG] = orientation
        image = ImageOps.exif_transpose(image)
        return _finish(name, np.asarray(image, dtype=np.float32) / 255, size, notes)


def _to_rgb(image: Image.Image) -> Image.Image:
    """Bring any 8-bit mode to RGB or RGBA in sRGB."""
    profile = image.info.get("icc_profile")
    if profile and image.mode in ("RGB", "CMYK", "L"):
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            return ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
        except (ImageCms.PyCMSError, OSError):
            pass  # a wrong or damaged profile: the plain conversion below is what viewers show then
    has_alpha = image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info
    if image.mode == "La":
        image = image.convert("LA")
    return image.convert("RGBA" if has_alpha else "RGB")


def _with_opencv(name: str, blob: bytes) -> Picture | None:
    level = cv2.setLogLevel(0)
    try:
        values = cv2.imdecode(np.frombuffer(blob, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:
        return None
    finally:
        cv2.setLogLevel(level)
    if values is None:
        return None
    _check_size(name, values.shape[1], values.shape[0])
    if values.ndim == 3 and values.shape[2] >= 3:
        values = values[..., [2, 1, 0, 3][: values.shape[2]]]
    notes = []
    linear = (
        blob[:2] == b"#?" or blob[:4] == b"\x76\x2f\x31\x01"
    )  # Radiance HDR and OpenEXR hold linear light
    values = _from_numbers(values, values.dtype.kind == "f", notes, linear)
    return _finish(name, values, values.shape[1::-1], notes)


def _from_numbers(values: np.ndarray, floating: bool, notes: list[str], linear: bool = False) -> np.ndarray:
    """Scale pixel numbers of any type to [0, 1]: (H, W) or (H, W, C) float32."""
    values = values.squeeze(-1) if values.ndim == 3 and values.shape[2] == 1 else values
    if values.dtype == np.uint8:
        return values.astype(np.float32) / 255
    values = np.nan_to_num(values.astype(np.float32), nan=0.0, posinf=0.0, neginf=0.0)
    if not floating:
        top = 255 if values.max() <= 255 else 65535 if values.max() <= 65535 else values.max()
        return np.clip(values / top, 0, 1)
    colours = values[..., :3] if values.ndim == 3 else values
    top = float(colours.max())
    if top > 255 or linear:
        top = float(np.percentile(colours, 99.5)) or top
    elif top > 1.05:
        top = 255 if top > 32 else float(np.percentile(colours, 99.5)) or top
    else:
        top = 1.0
    if top != 1:
        notes.append(f"The picture's numbers reach beyond 1; {top:.4g} was taken as white.")
    colours = np.clip(colours / top, 0, 1)
    if linear:
        colours = colours ** np.float32(1 / 2.2)
    return np.concatenate([colours, values[..., 3:]], -1) if values.ndim == 3 else colours


def _fitting(width: int, height: int) -> tuple[int, int]:
    factor = min(1.0, _MAX_SIDE / max(width, height))
    return max(1, round(width * factor)), max(1, round(height * factor))


def _finish(name: str, values: np.ndarray, size: tuple[int, int], notes: list[str]) -> Picture:
    """values: (H, W), (H, W, 2), (H, W, 3) or (H, W, 4) float32 in [0, 1]."""
    if values.ndim == 2:
        values = values[..., None]
    grey = values.shape[2] <= 2
    rgb = np.repeat(values[..., :1], 3, -1) if grey else values[..., :3]
    alpha = np.clip(values[..., -1], 0, 1) if values.shape[2] in (2, 4) else None
    rgb, alpha = _shrink(rgb, alpha)
    if max(size) > max(rgb.shape[:2]):
        notes.append(
            f"The picture of {size[0]} x {size[1]} pixels was read at {rgb.shape[1]} x {rgb.shape[0]}."
        )
    if alpha is not None:
        if (alpha > 0.5).mean() < 1e-3:
            raise UserError(
                f"{name} is wholly transparent; save it with the head opaque, or without an alpha channel."
            )
        if alpha.min() > 0.99:
            alpha = None
    return Picture(
        np.ascontiguousarray(rgb, dtype=np.float32), alpha, tuple(int(n) for n in size), tuple(notes)
    )


def _shrink(rgb: np.ndarray, alpha: np.ndarray | None) -> tuple[np.ndarray, np.ndarray | None]:
    size = _fitting(rgb.shape[1], rgb.shape[0])
    if size == rgb.shape[1::-1]:
        return rgb, alpha
    if alpha is None:
        return cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), None
    # premultiplied, so that the colour of transparent pixels does not leak into the edge
    small = cv2.resize(alpha, size, interpolation=cv2.INTER_AREA)
    rgb = cv2.resize(rgb * alpha[..., None], size, interpolation=cv2.INTER_AREA)
    return rgb / np.maximum(small, 1e-3)[..., None], small
