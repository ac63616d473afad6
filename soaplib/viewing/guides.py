"""What the compact networks see and make, as pictures."""

import numpy as np

_SIGNED = {"head_normals": "head_mask", "shell_normals": "shell_mask", "places": "shell_mask"}


def guide_rows(guide: np.ndarray) -> dict[str, np.ndarray]:
    """Give each part of a guide (V, G, S, S), see `Guide.stack`, as pictures (V, S, S, 3) on white, by name.

    Normals and places n are shown as (n + 1) / 2; hair is dark.
    """
    from soaplib.multiview.compact.guide import CHANNELS

    guide, parts = np.asarray(guide), {}
    for k, name in enumerate(CHANNELS):
        parts.setdefault(name.split(".")[0], []).append(guide[:, k])
    parts = {name: np.stack(planes, -1) for name, planes in parts.items()}
    rows = {name: on_white((parts[name] + parts[mask]) / 2, parts[mask]) for name, mask in _SIGNED.items()}
    rows["hair"] = (1 - 0.2 * parts["shell_mask"] - 0.6 * parts["hair"]).repeat(3, -1)
    rows |= {name: on_white(parts[name], parts[f"{name}_weight"]) for name in ("seen", "mirrored")}
    return {name.replace("_", " "): pictures for name, pictures in rows.items()}


def rgba_pictures(rgba: np.ndarray) -> np.ndarray:
    """Lay views (V, 4, S, S), colours premultiplied by alpha, on white: (V, S, S, 3)."""
    rgba = np.moveaxis(np.asarray(rgba), 1, -1)
    return on_white(rgba[..., :3], rgba[..., 3:])


def normal_pictures(normals: np.ndarray) -> np.ndarray:
    """Encode normals (V, 3, S, S), 0 outside, as colours (n + 1) / 2 on white: (V, S, S, 3)."""
    normals = np.moveaxis(np.asarray(normals), 1, -1)
    inside = np.linalg.norm(normals, axis=-1, keepdims=True).clip(0, 1)
    return on_white((normals + inside) / 2, inside)


def on_white(premultiplied: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Lay colours (..., 3) times their alpha (..., 1) on white."""
    return (premultiplied + 1 - alpha).clip(0, 1)
