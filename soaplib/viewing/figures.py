"""Figures for notebooks: pictures side by side, and meshes as posters and as 3D views that need no kernel."""

import io
import math
import os
import pathlib
import sys
from collections.abc import Sequence

import numpy as np
from PIL import Image

from soaplib.data import JOINT_NAMES, Part

_INK, _QUIET, _ACCENT = "#23211f", "#6f6a64", "#b4552d"
_CLAY = (200, 190, 178)
_FIELD_OF_VIEW = 24.0


def style() -> None:
    """Set matplotlib's defaults for our notebooks: quiet axes, our colours, legible at half a page's width."""
    import matplotlib

    matplotlib.rcParams.update(
        {
            "figure.dpi": 110,
            "savefig.dpi": 150,
            "font.size": 10,
            "axes.titlesize": 11,
            "axes.titlelocation": "left",
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.edgecolor": _QUIET,
            "axes.labelcolor": _INK,
            "axes.prop_cycle": matplotlib.cycler(
                color=[_ACCENT, "#2d6d8c", "#7a8b3c", "#8a5a96", "#c99a2e", "#4f4a45"]
            ),
            "axes.grid": True,
            "axes.axisbelow": True,
            "grid.color": "#e4e0da",
            "xtick.color": _QUIET,
            "ytick.color": _QUIET,
            "text.color": _INK,
            "legend.frameon": False,
            "image.interpolation": "lanczos",
        }
    )


def show_images(
    images: Sequence[np.ndarray],
    titles: Sequence[str] = (),
    columns: int | None = None,
    title: str = "",
    width: float = 10.0,
    cmap: str = "gray",
):
    """Return a matplotlib figure of pictures in a grid, each cell shaped as the first picture.

    Args:
        images: (H, W), (H, W, 3) or (H, W, 4) arrays, uint8 or float in [0, 1]; integer labels (H, W) are shown
            by `cmap`, too.
        titles: one for each picture, or fewer.
        columns: pictures in a row; as default all up to six.
        width: inches.

    Raises:
        ValueError: there is no picture.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    if not len(images):
        raise ValueError("show_images: expected at least one picture, got none")
    columns = columns or min(len(images), 6)
    rows = math.ceil(len(images) / columns)
    first = np.asarray(images[0])
    cell = width / columns
    caption = 0.28 if len(titles) else 0.06
    top = 0.35 if title else 0.0
    height = rows * (cell * first.shape[0] / first.shape[1] + caption) + top
    figure = Figure(figsize=(width, height))
    FigureCanvasAgg(figure)  # outside pyplot, so that nothing is shown twice and nothing is left open
    for index, image in enumerate(images):
        row, column = divmod(index, columns)
        box_height = (height - top) / rows
        bottom = height - top - (row + 1) * box_height
        axes = figure.add_axes(
            [column / columns + 0.004, bottom / height, 1 / columns - 0.008, (box_height - caption) / height]
        )
        image = np.asarray(image)
        if image.ndim == 2:
            axes.imshow(image, cmap=cmap, **({"vmin": 0, "vmax": 1} if image.dtype.kind == "f" else {}))
        else:
            axes.imshow(image if image.dtype == np.uint8 else image.clip(0, 1))
        axes.set_axis_off()
        if index < len(titles):
            axes.set_title(titles[index], fontsize=10, pad=4)
    if title:
        figure.text(0.004, 1 - 0.08 / height, title, va="top", fontsize=12, fontweight="bold")
    return figure


def show(picture, caption: str = "", dpi: int = 90) -> None:
    """Show a matplotlib figure, or an (H, W) or (H, W, 3) array, in the notebook alone: not in the report."""
    from IPython.display import Image as Shown
    from IPython.display import Markdown, display

    file = io.BytesIO()
    if hasattr(picture, "savefig"):
        picture.savefig(file, dpi=dpi, bbox_inches="tight", metadata={"Software": None})
        if "matplotlib.pyplot" in sys.modules:  # else the inline backend would show it again
            sys.modules["matplotlib.pyplot"].close(picture)
    else:
        values = np.asarray(picture)
        Image.fromarray(values if values.dtype == np.uint8 else _bytes(np.nan_to_num(values))).save(
            file, "PNG"
        )
    display(Shown(file.getvalue(), alt=caption))
    if caption:
        display(Markdown(f"*{caption}*"))


def add_colour_bar(figure, limits: tuple[float, float], label: str, cmap: str = "viridis") -> None:
    """Add a scale below a figure of `show_images`: `limits` are the values at both ends of `cmap`."""
    import matplotlib
    from matplotlib.cm import ScalarMappable

    axes = figure.add_axes([0.3, -0.07, 0.4, 0.022 * 4 / figure.get_figheight()])
    scale = ScalarMappable(matplotlib.colors.Normalize(*limits), matplotlib.colormaps[cmap])
    figure.colorbar(scale, cax=axes, orientation="horizontal", label=label)


def as_part(
    vertices: np.ndarray,
    faces: np.ndarray,
    colours: np.ndarray | None = None,
    name: str = "mesh",
    cmap: str = "viridis",
    limits: tuple[float, float] | None = None,
) -> Part:
    """Return a bare mesh as a part that can be drawn.

    colours: None for clay; (3,) one RGB in [0, 1]; (V,) numbers, shown from the smallest to the largest, or between
    `limits`, by the matplotlib colour map `cmap`; (V, 3) RGB in [0, 1], averaged over each face.
    """
    import torch

    from soaplib.render import vertex_normals

    vertices = np.asarray(vertices, np.float32)
    faces = np.asarray(faces, np.int32)
    normals = vertex_normals(torch.tensor(vertices), torch.tensor(faces)).numpy()
    colours = None if colours is None else np.asarray(colours, np.float32)
    uv = np.full((len(vertices), 2), 0.5, np.float32)
    if colours is None or colours.shape == (3,):
        rgb = _CLAY if colours is None else _bytes(colours)
        texture = np.broadcast_to(np.asarray(rgb, np.uint8), (2, 2, 3)).copy()
    elif colours.shape == (len(vertices),):
        import matplotlib

        texture = _bytes(matplotlib.colormaps[cmap](np.linspace(0, 1, 256))[None, :, :3])
        low, high = limits or (np.nanmin(colours), np.nanmax(colours))
        share = np.nan_to_num((colours - low) / max(high - low, 1e-12)).clip(0, 1)
        uv[:, 0] = (share * 255 + 0.5) / 256  # from the centre of the first texel to that of the last
    elif colours.shape == (len(vertices), 3):
        side = math.ceil(math.sqrt(len(faces)))
        texture = np.zeros((side * side, 3), np.uint8)
        texture[: len(faces)] = _bytes(colours[faces].mean(axis=1))
        texture = texture.reshape(side, side, 3)
        row, column = np.divmod(np.arange(len(faces)), side)
        uv = np.stack([(column + 0.5) / side, 1 - (row + 0.5) / side], axis=1).repeat(3, axis=0)
        vertices, normals = vertices[faces].reshape(-1, 3), normals[faces].reshape(-1, 3)
        faces = np.arange(3 * len(faces), dtype=np.int32).reshape(-1, 3)
    else:
        raise ValueError(
            f"as_part: expected colours (3,), ({len(vertices)},) or ({len(vertices)}, 3), got {colours.shape}"
        )
    count = len(vertices)
    weights = np.tile(np.eye(len(JOINT_NAMES), dtype=np.float32)[0], (count, 1))
    none = np.zeros((0, count, 3), np.float32)
    return Part(
        name, vertices, normals, faces, uv.astype(np.float32), texture, weights, none, double_sided=True
    )  # fmt: skip


def poster(
    parts: Sequence[Part],
    yaws: Sequence[float] = (0.0, 40.0, 90.0),
    size: int = 420,
    light: str | None = "soft",
    frame: tuple[np.ndarray, float] | None = None,
) -> np.ndarray:
    """Draw parts from some sides, `yaws` degrees towards the head's left, beside each other; (size, N size, 3).

    frame: the point (3,) in the middle of each picture and half its width in metres, for a close-up; as default
    all is shown.
    """
    from soaplib.render import draw

    parts = list(parts)
    centre, half = frame or _frame(parts)
    row = [
        draw(parts, _camera(yaw, centre, half, size), (size, size), background=0.965, light=light)
        for yaw in yaws
    ]
    return np.concatenate(row, axis=1)


def show3d(
    parts: Sequence[Part],
    path: str | os.PathLike,
    link: str | None = None,
    yaws: Sequence[float] = (0.0, 40.0, 90.0),
    height: int = 460,
    plot=None,
) -> np.ndarray:
    """Show parts in a notebook twice: as a drawn poster, which every reader shows, and turning in 3D.

    The 3D view is a K3D snapshot, one file that needs neither a kernel nor a network, shown by an IFrame with a
    plain link below.

    Args:
        parts: of an avatar, or from `as_part`.
        path: `.html` file to write; its folder is made.
        link: address of that file as seen from the executed notebook; as default seen from here.
        yaws: sides of the poster, see `poster`.
        height: of the 3D view, pixels.
        plot: what turns in 3D instead of the parts, as from `k3d_frames`.

    Returns:
        The poster, as for `Stage.figure`.
    """
    from IPython.display import HTML, IFrame, display

    parts = list(parts)
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    plot = k3d_plot(parts, height) if plot is None else plot
    path.write_text(plot.get_snapshot(), encoding="utf-8")
    link = link or os.path.relpath(path)
    picture = poster(parts, yaws)
    display(Image.fromarray(_bytes(picture)))
    display(IFrame(link, "100%", height))
    display(HTML(f'<p><a href="{link}" target="_blank">Open the 3D view in a page of its own</a></p>'))
    return picture


def k3d_plot(parts: Sequence[Part], height: int = 460):
    """Return a K3D plot of parts, seen from the front; its meshes lie in `plot.objects` in the same order."""
    import k3d

    plot = _empty_plot(*_frame(parts), height)
    for part in parts:
        data, kind = _texture_file(part)
        plot += k3d.mesh(
            np.ascontiguousarray(part.vertices, np.float32),
            np.ascontiguousarray(part.faces, np.uint32),
            normals=np.ascontiguousarray(part.normals, np.float32),
            uvs=np.stack([part.uv[:, 0], 1 - part.uv[:, 1]], axis=1).astype(
                np.float32
            ),  # K3D counts v from the top
            texture=data,
            texture_file_format=kind,
            color=0xFFFFFF,
            flat_shading=False,
            side="double" if part.double_sided else "front",
            roughness=float(part.roughness),
            alpha_mode="blend" if part.alpha else None,
            name=part.name,
        )
    return plot


def k3d_frames(frames: Sequence[Part], names: Sequence[str] = (), height: int = 460, wires: bool = True):
    """Return a K3D plot of one surface that changes: a frame a second, played and stepped through in its menu.

    frames: parts, each with vertices and triangles of its own, drawn in clay; names: shown beside each. wires: draw
    the triangles' edges too.
    """
    import k3d

    centre, half = _frame(frames)
    plot = _empty_plot(centre, half, height)
    plot.menu_visibility, plot.time_interpolation, plot.time_speed = True, False, 1.0
    times = [f"{time}.0" for time in range(len(frames))]
    vertices = {t: np.ascontiguousarray(f.vertices, np.float32) for t, f in zip(times, frames, strict=True)}
    faces = {t: np.ascontiguousarray(f.faces, np.uint32) for t, f in zip(times, frames, strict=True)}
    first = times[0]
    clay = (_CLAY[0] << 16) + (_CLAY[1] << 8) + _CLAY[2]
    for wireframe, colour in ((False, clay), (True, 0x2D6D8C))[: 1 + wires]:
        mesh = k3d.mesh(
            vertices[first], faces[first], color=colour, wireframe=wireframe, flat_shading=True, side="double"
        )
        mesh.vertices, mesh.indices = vertices, faces
        plot += mesh
    if len(names):
        text = k3d.text2d(
            names[0], position=(0.02, 0.04), reference_point="lt", size=1.1, label_box=False, is_html=True,
            color=0x23211F,
        )  # fmt: skip
        text.text = dict(zip(times, names, strict=True))
        plot += text
    return plot


def _empty_plot(centre, half, height):
    """A K3D plot that looks from the front at a ball of the radius `half`."""
    import k3d

    plot = k3d.plot(
        height=height, grid_visible=False, menu_visibility=False, axes_helper=0, camera_auto_fit=False,
        camera_up_axis="y", camera_fov=_FIELD_OF_VIEW, background_color=0xF6F6F6, lighting=1.6, snapshot_type="full",
    )  # fmt: skip
    distance = half / math.tan(math.radians(_FIELD_OF_VIEW / 2))
    plot.camera = [*(centre + [0.35 * distance, 0.06 * distance, 0.95 * distance]), *centre, 0, 1, 0]
    return plot


def _texture_file(part: Part) -> tuple[bytes, str]:
    """Return a part's texture small enough for a notebook, and its kind."""
    see_through = part.alpha and part.texture.shape[2] == 4
    image = Image.fromarray(part.texture if see_through else part.texture[..., :3])
    image.thumbnail((1024, 1024))
    file = io.BytesIO()
    if see_through:
        image.save(file, "PNG")
    else:
        image.save(file, "JPEG", quality=90, subsampling=0)
    return file.getvalue(), "png" if see_through else "jpg"


def _bytes(values: np.ndarray) -> np.ndarray:
    return (np.asarray(values).clip(0, 1) * 255 + 0.5).astype(np.uint8)


def _frame(parts: Sequence[Part]) -> tuple[np.ndarray, float]:
    """Return the middle of the parts and half the width of a square that holds them from any side."""
    places = np.concatenate([part.vertices for part in parts]).astype(float)
    low, high = places.min(axis=0), places.max(axis=0)
    centre = (low + high) / 2
    reach = np.linalg.norm((places - centre)[:, [0, 2]], axis=1).max()
    return centre, 1.04 * max((high[1] - low[1]) / 2, reach)


def _camera(yaw: float, centre: np.ndarray, half: float, size: int) -> np.ndarray:
    from soaplib.render import orthographic

    c, s = math.cos(math.radians(yaw)), math.sin(math.radians(yaw))
    rotation = np.array([[c, 0, -s], [0, 1, 0], [s, 0, c]])
    scale = size / 2 / half
    seen = rotation @ centre * scale
    return orthographic(rotation, scale, np.array([size / 2 - seen[0], size / 2 + seen[1]]))
