"""The report of a run: one offline HTML file with every picture, number and the avatar in 3D."""

import base64
import io
import json
import os
import pathlib

from PIL import Image

from soaplib.errors import UserError
from soaplib.viewing.viewer import asset, escaped, page_html, viewer_html

_STAGES = {
    "01_portrait": (
        "Portrait",
        "The face is found, cut out, marked and labelled, and the head model takes its first pose.",
    ),
    "02_multiview": (
        "Six views",
        "The head as it would look from six sides, and which way its surface faces at each pixel.",
    ),
    "03_fitting": (
        "Fitting",
        "The head model is deformed until it agrees with the views; its rig rides along.",
    ),
    "04_eyes_teeth": ("Eyes and teeth", "Eyeballs, teeth and tongue find their places and sizes."),
    "05_texturing": (
        "Texturing",
        "The views are baked into textures, and what no view has seen is filled in.",
    ),
    "06_animation": ("Animation", "Skin, bones and 52 expressions become one file, and the head moves."),
}
_VIDEOS = {"turntable.mp4": "Once around", "expressions.mp4": "A range of expressions"}
_LONGEST_SIDE = 1800


def write_report(run_dir: str | os.PathLike) -> pathlib.Path:
    """Write `report.html` into a run folder from its `run.json` and the files that names; return its path.

    Pictures, videos and the avatar are inside the page, so it can be moved or mailed alone; only the downloads
    are links to files beside it. What is missing in the folder is left out.

    Raises:
        UserError: the folder holds no readable `run.json`.
    """
    run_dir = pathlib.Path(run_dir)
    run = _read_run(run_dir)
    title = str(run.get("name") or run_dir.resolve().name)
    body = "\n".join(
        [
            _header(run_dir, run, title),
            _avatar(run_dir, run),
            _advice(run_dir, run),
            _videos(run_dir),
            *(_stage(run_dir, number, stage) for number, stage in enumerate(run.get("stages") or [], 1)),
            _times(run),
            _provenance(run),
            "<dialog><form method='dialog'><button aria-label='Close'><img alt=''></button></form></dialog>",
        ]
    )
    style = f"<style>{asset('report.css')}</style>"
    script = f"<script>{asset('report.js')}</script>"
    path = run_dir / "report.html"
    aside = run_dir / ".report.html.part"
    aside.write_text(page_html(title, style + body + script), encoding="utf-8")
    os.replace(aside, path)
    return path


def _read_run(run_dir: pathlib.Path) -> dict:
    try:
        run = json.loads((run_dir / "run.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(
            f"A report needs a run folder with a readable run.json, but {run_dir} has none; "
            "give a folder that `soap run` made."
        ) from error
    return run


# ------------------------------------------------------------------------------------------------- sections


def _header(run_dir, run, title) -> str:
    device = run.get("device") or {}
    kind = (device.get("kind") or device.get("name") or "") if isinstance(device, dict) else device
    facts = [
        ("Time", _seconds(run["total_seconds"]) if "total_seconds" in run else None),
        ("Avatar", _size(run_dir / "avatar.glb")),
        ("Profile", run.get("profile")),
        ("Device", str(kind).upper() or None),
        ("Seed", run.get("seed")),
    ]
    shown = "".join(
        f"<div><dt>{name}</dt><dd>{escaped(fact)}</dd></div>" for name, fact in facts if fact is not None
    )
    source = run.get("input")
    picture = _picture(
        run_dir / str((source or {}).get("file", "")) if isinstance(source, dict) else None, 720
    )
    figure = f"<figure><img src='{picture[0]}' alt='The portrait that was given'></figure>" if picture else ""
    return (
        f"<header><div><p class='eyebrow'>Portrait to avatar</p><h1>{escaped(title)}</h1>"
        f"<dl class='facts'>{shown}</dl>{_downloads(run_dir)}</div>{figure}</header>"
    )


def _downloads(run_dir) -> str:
    names = ["avatar.glb", *_VIDEOS, "run.json"]
    names += sorted(path.relative_to(run_dir).as_posix() for path in run_dir.glob("**/*.ipynb"))
    links = [
        f"<a href='{escaped(name)}' download>{escaped(pathlib.PurePosixPath(name).name)} "
        f"<small>{_size(run_dir / name)}</small></a>"
        for name in names
        if (run_dir / name).is_file() and not any(part.startswith(".") for part in pathlib.Path(name).parts)
    ]
    return f"<nav class='downloads' aria-label='Downloads'>{''.join(links)}</nav>" if links else ""


def _avatar(run_dir, run) -> str:
    glb = run_dir / "avatar.glb"
    if not glb.is_file():
        return (
            "<section><p class='note'>There is no avatar yet: the run has not come to its end. "
            "<code>soap run</code> with the same folder goes on where it stopped.</p></section>"
        )
    return f"<section aria-label='The avatar'>{viewer_html(glb.read_bytes(), run.get('portrait'))}</section>"


def _advice(run_dir, run) -> str:
    """Return what the input check advises: in `run.json`, or in the stored portrait."""
    advice = list(run.get("advice") or [])
    stored = run_dir / "01_portrait" / "Portrait.json"
    if stored.is_file():
        advice += json.loads(stored.read_text(encoding="utf-8")).get("report", {}).get("advice", [])
    if not advice:
        return ""
    items = "".join(f"<li>{escaped(sentence)}</li>" for sentence in dict.fromkeys(advice))
    return f"<section class='note'><h2>For a better result</h2><ul>{items}</ul></section>"


def _videos(run_dir) -> str:
    shown = "".join(
        f"<figure><video controls loop muted playsinline preload='metadata' src='{_data(run_dir / name, 'video/mp4')}'>"
        f"</video><figcaption>{caption}</figcaption></figure>"
        for name, caption in _VIDEOS.items()
        if (run_dir / name).is_file()
    )
    return f"<section><h2>In motion</h2><div class='figures videos'>{shown}</div></section>" if shown else ""


def _stage(run_dir, number, stage) -> str:
    name = str(stage.get("name", ""))
    title, about = _STAGES.get(name, (name.lstrip("0123456789_").replace("_", " ").capitalize(), ""))
    figures = []
    for figure in stage.get("figures") or []:
        file = run_dir / str(figure.get("file", ""))
        picture = _picture(file if file.is_file() else run_dir / name / str(figure.get("file", "")))
        if picture:
            caption = escaped(figure.get("caption", ""))
            wide = " class='wide'" if picture[1] > 1.9 else ""
            figures.append(
                f"<figure{wide}><button type='button' class='zoom' aria-label='Enlarge'>"
                f"<img src='{picture[0]}' alt='{caption}' loading='lazy'></button>"
                f"<figcaption>{caption}</figcaption></figure>"
            )
    units = stage.get("units") or {}
    rows = "".join(
        f"<tr><th scope='row'>{escaped(key.replace('_', ' '))}</th><td>{_value(value, units.get(key, ''))}</td></tr>"
        for key, value in (stage.get("metrics") or {}).items()
    )
    notes = "".join(f"<li>{escaped(note)}</li>" for note in stage.get("notes") or [])
    took = f"<span class='seconds'>{_seconds(stage['seconds'])}</span>" if "seconds" in stage else ""
    return (
        f"<section class='stage' id='{escaped(name)}'><div class='heading'><span class='number'>{number}</span>"
        f"<h2>{escaped(title)}</h2>{took}</div>"
        + (f"<p class='about'>{about}</p>" if about else "")
        + (f"<div class='figures'>{''.join(figures)}</div>" if figures else "")
        + (f"<ul class='notes'>{notes}</ul>" if notes else "")
        + (f"<table>{rows}</table>" if rows else "")
        + "</section>"
    )


def _times(run) -> str:
    timed = [(s.get("name", ""), float(s["seconds"])) for s in run.get("stages") or [] if "seconds" in s]
    if not timed:
        return ""
    longest = max(seconds for _, seconds in timed) or 1
    bars = "".join(
        f"<div><dt>{escaped(_STAGES.get(name, (name,))[0])}</dt>"
        f"<dd><i style='width:{100 * seconds / longest:.1f}%'></i><span>{_seconds(seconds)}</span></dd></div>"
        for name, seconds in timed
    )
    return f"<section><h2>Where the time went</h2><dl class='bars'>{bars}</dl></section>"


def _provenance(run) -> str:
    """Return what is needed to make the same avatar again."""
    groups = {
        "Parameters": run.get("parameters"),
        "Device": run.get("device"),
        "Versions": run.get("versions"),
    }
    columns = ""
    for title, values in groups.items():
        if values:
            values = values if isinstance(values, dict) else {"": values}
            rows = "".join(
                f"<tr><th scope='row'>{escaped(key)}</th><td>{_value(value)}</td></tr>"
                for key, value in values.items()
            )
            columns += f"<div><h3>{title}</h3><table>{rows}</table></div>"
    if not columns:
        return ""
    return f"<section><details class='made'><summary>How it was made</summary><div>{columns}</div></details></section>"


# --------------------------------------------------------------------------------------------------- pieces


def _picture(path: pathlib.Path | None, longest: int = _LONGEST_SIDE) -> tuple[str, float] | None:
    """Return a picture as a data address, no longer than `longest`, and its width over its height."""
    if path is None or not path.is_file():
        return None
    try:
        with Image.open(path) as image:
            image = image.convert(
                "RGBA" if "A" in image.getbands() or "transparency" in image.info else "RGB"
            )
    except (OSError, ValueError):
        return None  # an input that only soaplib's own reader can open
    image.thumbnail((longest, longest), Image.Resampling.LANCZOS)
    file = io.BytesIO()
    image.save(file, "WEBP", quality=88, method=2)
    return _data_of(file.getvalue(), "image/webp"), image.width / image.height


def _data(path: pathlib.Path, media_type: str) -> str:
    return _data_of(path.read_bytes(), media_type)


def _data_of(data: bytes, media_type: str) -> str:
    return f"data:{media_type};base64,{base64.b64encode(data).decode('ascii')}"


def _value(value, unit="") -> str:
    if isinstance(value, dict) and "value" in value:
        value, unit = value["value"], value.get("unit", unit)
    if isinstance(value, float):
        value = f"{value:.4g}"
    elif isinstance(value, int) and not isinstance(value, bool):
        value = f"{value:,}"
    elif isinstance(value, (dict, list)):
        value = json.dumps(value)
    return escaped(f"{value} {unit}".strip())


def _seconds(seconds) -> str:
    seconds = float(seconds)
    if seconds >= 60:
        return f"{int(seconds // 60)} min {round(seconds % 60):02d} s"
    return f"{seconds:.1f} s"


def _size(path: pathlib.Path) -> str | None:
    if not path.is_file():
        return None
    size = path.stat().st_size
    return f"{size / 1e6:.1f} MB" if size >= 1e6 else f"{max(size // 1000, 1)} kB"
