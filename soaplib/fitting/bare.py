"""Where a surface is bare skin, and where hair or cloth: by its colours in all views."""

import numpy as np
import torch
from scipy.spatial import cKDTree

from soaplib.data import REGIONS, Portrait, Views
from soaplib.fitting.energy import scaled, shrunk
from soaplib.render import render_views

_SIZE = 128
_SAMPLES, _NEAREST = 1500, 15
_SKIN = [REGIONS.index(name) for name in ("skin", "neck", "lips")]
_OTHER = [REGIONS.index(name) for name in ("hair", "clothes")]
_FEW = 60  # pixels of hair and cloth that are too few to know it by its colour


def bare_skin(views: Views, portrait: Portrait, vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Tell how far each of posed vertices (V, 3) is skin and not hair or cloth, (V,) in [0, 1]; 0.5 where unseen.

    A vertex has the mean of the pixels that show it (`skin_share`). About 0.3 s.
    """
    share = skin_share(views, portrait, _SIZE)
    if share is None:
        return np.ones(len(vertices))
    return vertex_share(share, views, vertices, faces)


def vertex_share(share: np.ndarray, views: Views, vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Give each of posed vertices (V, 3) the mean (V,) of the pixels that show it; 0.5 where unseen.

    share: (6, h, h) in [0, 1], NaN where there is nothing to see.
    """
    size = share.shape[1]
    seen = render_views(
        torch.as_tensor(vertices, dtype=torch.float32), torch.as_tensor(faces),
        torch.as_tensor(scaled(views, size), dtype=torch.float32), (size, size),
    )  # fmt: skip
    ids = seen.face_ids.numpy()
    shown = (ids >= 0) & ~np.isnan(share)
    corners = faces[ids[shown]].ravel()
    amount = np.bincount(corners, minlength=len(vertices))
    total = np.bincount(corners, np.repeat(share[shown], 3), minlength=len(vertices))
    return (total + 0.5) / (amount + 1)


def skin_share(views: Views, portrait: Portrait, size: int) -> np.ndarray | None:
    """Give how far each pixel of the views is skin, (6, size, size) in [0, 1], NaN outside; None for no known hair.

    Each pixel is what most of the 15 pixels of view 0 are that come next to it in colour, among as many of skin as of
    the others (`Portrait.regions`).
    """
    import cv2

    full = views.images.shape[1]
    labels = cv2.resize(portrait.regions, (full, full), interpolation=cv2.INTER_NEAREST)
    inside = views.masks[0] > 0.95
    skin, other = (views.images[0][np.isin(labels, kinds) & inside] for kinds in (_SKIN, _OTHER))
    if len(other) < _FEW or len(skin) < _FEW:
        return None
    skin, other = (_even(colours) for colours in (skin, other))
    shown = shrunk(views.masks, size) > 0.95
    near = cKDTree(np.concatenate([skin, other])).query(shrunk(views.images, size)[shown], k=_NEAREST)[1]
    share = np.full(shown.shape, np.nan)
    share[shown] = (near < len(skin)).mean(1)
    return share


def _even(colours):
    """As many colours from all over a list."""
    return colours[np.linspace(0, len(colours) - 1, _SAMPLES).astype(int)]
