"""A widget to mark landmarks by hand, for faces that no detector finds or that it finds wrongly."""

import io
import json
import os
import pathlib

import numpy as np
from PIL import Image, ImageDraw

from soaplib.portrait import NAMED_POINTS, NEEDED_POINTS, Picture

_SIDE = 420
_MARK, _OTHER = (255, 60, 30), (60, 220, 120)


def mark_landmarks(picture: Picture, path: str | os.PathLike, points: dict | None = None):
    """Return a widget for a live notebook that writes a landmark file (see `soaplib.portrait.landmark_file`).

    Choose a point by its name, move the cross onto it in the whole picture, then finely in the enlarged part; "Keep"
    takes the place, "Save" writes `path` as soon as all of `NEEDED_POINTS` are kept.

    points: {name: [x, y]} to begin with, pixels of the picture as given. It needs a running kernel, so a notebook
    that is also run by papermill keeps it in a cell tagged `skip-execution`.
    """
    import ipywidgets as widgets

    kept = {name: list(map(float, place)) for name, place in (points or {}).items()}
    width, height = picture.size
    names = [*NEEDED_POINTS, *(name for name in NAMED_POINTS if name not in NEEDED_POINTS)]
    wide = widgets.Layout(width=f"{_SIDE}px")
    name = widgets.Dropdown(options=names, description="point", layout=wide)
    x = widgets.FloatSlider(min=0, max=width, step=0.5, value=width / 2, description="x", layout=wide)
    y = widgets.FloatSlider(min=0, max=height, step=0.5, value=height / 2, description="y", layout=wide)
    zoom = widgets.IntSlider(min=2, max=16, value=6, description="zoom", layout=wide)
    keep = widgets.Button(description="Keep", button_style="primary")
    save = widgets.Button(description="Save")
    says = widgets.Label()
    whole, part = (widgets.Image(format="png", layout=wide) for _ in range(2))
    image = Image.fromarray((picture.rgb.clip(0, 1) * 255 + 0.5).astype(np.uint8)).resize(picture.size)

    def look(_=None):
        whole.value = _drawn(image, (0, 0, width, height), (x.value, y.value), kept)
        half = max(width, height) / zoom.value / 2
        box = (x.value - half, y.value - half, x.value + half, y.value + half)
        part.value = _drawn(image, box, (x.value, y.value), kept)

    def choose(_=None):
        x.value, y.value = kept.get(name.value, (x.value, y.value))
        look()

    def take(_):
        kept[name.value] = [x.value, y.value]
        missing = [needed for needed in NEEDED_POINTS if needed not in kept]
        says.value = f"{len(kept)} kept" + (f"; still needed: {', '.join(missing)}" if missing else "")
        following = [other for other in names if other not in kept]
        if following:
            name.value = following[0]
        look()

    def write(_):
        missing = [needed for needed in NEEDED_POINTS if needed not in kept]
        if missing:
            says.value = f"Not yet: {', '.join(missing)} are needed."
            return
        pathlib.Path(path).write_text(json.dumps({"points": kept}, indent=1) + "\n")
        says.value = f"Saved: soap run PICTURE --landmarks {path}"

    for slider in (x, y, zoom):
        slider.observe(look, "value")
    name.observe(choose, "value")
    keep.on_click(take)
    save.on_click(write)
    choose()
    controls = widgets.VBox([name, x, y, zoom, widgets.HBox([keep, save]), says])
    return widgets.HBox([whole, part, controls], layout=widgets.Layout(flex_flow="row wrap"))


def _drawn(image, box, cross, kept) -> bytes:
    """Draw the part `box` (left, top, right, bottom) of the picture with a cross and the points kept; a PNG file."""
    scale = _SIDE / max(box[2] - box[0], box[3] - box[1])
    size = tuple(max(1, round(scale * (box[2 + k] - box[k]))) for k in (0, 1))
    # the box may reach beyond the picture, which the transform leaves black
    view = image.transform(
        size, Image.Transform.AFFINE, (1 / scale, 0, box[0], 0, 1 / scale, box[1]), Image.Resampling.BILINEAR
    )
    draw = ImageDraw.Draw(view)
    for place in kept.values():
        u, v = ((place[k] - box[k]) * scale for k in (0, 1))
        draw.ellipse((u - 3, v - 3, u + 3, v + 3), outline=_OTHER, width=2)
    u, v = ((cross[k] - box[k]) * scale for k in (0, 1))
    draw.line((u - 14, v, u + 14, v), fill=_MARK, width=1)
    draw.line((u, v - 14, u, v + 14), fill=_MARK, width=1)
    file = io.BytesIO()
    view.save(file, "PNG")
    return file.getvalue()
