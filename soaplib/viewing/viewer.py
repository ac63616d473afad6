"""The 3D viewer as HTML: a piece for a page of ours, or a page of its own; no network, no kernel."""

import base64
import html
import json
import os
import pathlib
import string
from importlib import resources

import numpy as np

from soaplib.animation.expressions import AREAS, PRESETS

_POLICY = "; ".join(
    (
        "default-src 'none'",
        "style-src 'unsafe-inline'",
        "script-src 'unsafe-inline'",
        "img-src data: blob:",
        "media-src data:",
    )
)
"""What the browser may load: nothing from elsewhere."""


def viewer_html(glb: bytes, portrait: dict | None = None) -> str:
    """Return the viewer of a GLB that `soaplib.animation.gltf.write_glb` wrote, as HTML for the body of `page_html`.

    portrait: `run.json`'s key of that name (weights {expression: value}, joints {node: quaternion xyzw},
    camera (4, 4)); where given, a button poses the head as in the picture.
    """
    presets = {name: {"weights": weights} for name, weights in PRESETS.items()}
    if portrait:
        posed = {key: portrait[key] for key in ("weights", "joints") if key in portrait}
        if "camera" in portrait:
            posed["view"] = _direction(portrait["camera"])
        presets = {"neutral": presets.pop("neutral"), "portrait": posed} | presets
    # "<" is written as an escape so that no name can end the script element
    options = json.dumps({"areas": AREAS, "presets": presets}).replace("<", "\\u003c")
    return string.Template(asset("viewer.html")).substitute(
        options=options, glb=base64.b64encode(glb).decode("ascii")
    )


def write_viewer(
    glb: str | os.PathLike, path: str | os.PathLike, portrait: dict | None = None, title: str = "Avatar"
) -> pathlib.Path:
    """Write one offline HTML page that shows the GLB file `glb`; return its path."""
    path = pathlib.Path(path)
    path.write_text(page_html(title, viewer_html(pathlib.Path(glb).read_bytes(), portrait)), encoding="utf-8")
    return path


def page_html(title: str, body: str) -> str:
    """Return a whole page with our style and the viewer's code around `body`; `title` is plain text."""
    return string.Template(asset("page.html")).substitute(
        policy=_POLICY,
        title=escaped(title),
        style=asset("page.css") + asset("viewer.css"),
        script=asset("viewer.js") + asset("controls.js"),
        body=body,
    )


def escaped(text: object) -> str:
    """Return `text` as HTML that shows it."""
    return html.escape(str(text))


def asset(name: str) -> str:
    """Return the text of a file of this package."""
    return resources.files("soaplib.viewing").joinpath(name).read_text(encoding="utf-8")


def _direction(camera) -> list[float]:
    """Return yaw and pitch, radians, from which an orthographic camera looks at the head."""
    away = np.asarray(camera, float)[2, :3]
    x, y, z = -away / np.linalg.norm(away)
    return [float(np.arctan2(x, z)), float(np.arcsin(y))]
