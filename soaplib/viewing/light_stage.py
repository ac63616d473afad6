"""The six views under a light that moves: as a strip of pictures, and as a page to play with that needs no kernel."""

import base64
import html
import io
import json
from collections.abc import Sequence

import cv2
import numpy as np
from PIL import Image

from soaplib.data import VIEW_YAWS, Views
from soaplib.viewing.viewer import asset

_GREY, _GROUND = 0.78, 0.965
_BRIGHT = 1.25  # a portrait has light of its own already; this makes up for the shade that comes on top


def relit(views: Views, direction: Sequence[float], ambient: float = 0.3, colours: bool = True) -> np.ndarray:
    """Light views by Lambert's law, I = a (s + (1 - s) max(0, n l)): (N, H, W, 3) in [0, 1] on a pale ground.

    direction: to the light, in the axes of view 0; it stands still about the head, so each view turns it as it turns
    the head. ambient: the share s of light from all sides. colours: the views' own, or clay.
    """
    light = np.asarray(direction, float) / np.linalg.norm(direction)
    mask = views.masks[..., None]
    own = _straight(views.images, mask) if colours else np.full_like(views.images, _GREY)
    shade = np.stack([
        np.maximum(normals @ (_turn(yaw) @ light), 0) for yaw, normals in zip(VIEW_YAWS, views.normals, strict=True)
    ])[..., None]  # fmt: skip
    lit = own * (ambient + (1 - ambient) * shade) * _BRIGHT
    return (mask * lit + (1 - mask) * _GROUND).clip(0, 1).astype(np.float32)


def light_stage_page(views: Views, size: int = 240) -> str:
    """Give the page (HTML, whole in itself, about half a megabyte): the views side by side, `size` pixels each, and a
    light that goes round the head, or follows the pointer or the arrow keys."""
    pictures = [
        _shrunk(array, size)
        for array in (_straight(views.images, views.masks[..., None]), views.normals, views.masks)
    ]
    colours, normals, masks = (np.concatenate(list(array), 1) for array in pictures)
    length = np.linalg.norm(normals, axis=-1, keepdims=True)
    normals = (normals / np.maximum(length, 1e-6) + 1) / 2
    given = {
        "yaws": VIEW_YAWS, "colours": _address(colours, "JPEG", quality=88), "normals": _address(normals, "PNG"),
        "masks": _address(masks, "PNG"),
    }  # fmt: skip
    return asset("light_stage.html").replace("/*GIVEN*/", json.dumps(given))


def show_light_stage(views: Views, height: int = 300) -> None:
    """Show the page in a notebook; it stays alive in the executed notebook, and in a page made of it."""
    from IPython.display import HTML, display

    page = html.escape(light_stage_page(views), quote=True)
    frame = f'<iframe srcdoc="{page}" width="100%" height="{height}" style="border:0" title="Light stage"></iframe>'
    display(HTML(f"<div>{frame}</div>"))


def _straight(images, mask):
    """Colours without the white that they were laid on; grey where nothing is."""
    return np.where(mask > 0.02, (images - 1 + mask) / np.maximum(mask, 0.02), _GREY).clip(0, 1)


def _turn(yaw):
    c, s = np.cos(np.radians(yaw)), np.sin(np.radians(yaw))
    return np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])


def _shrunk(pictures, size):
    kind = cv2.INTER_AREA if size < pictures.shape[1] else cv2.INTER_CUBIC
    return np.stack([cv2.resize(picture, (size, size), interpolation=kind) for picture in pictures])


def _address(picture, kind, **settings):
    file = io.BytesIO()
    Image.fromarray((picture.clip(0, 1) * 255 + 0.5).astype(np.uint8)).save(file, kind, **settings)
    return f"data:image/{kind.lower()};base64,{base64.b64encode(file.getvalue()).decode()}"
