"""The visual hull, less what lies before skin that is seen: about where the hair ends."""

import cv2
import numpy as np
import scipy.ndimage
import torch

from soaplib.data import Views
from soaplib.fitting.energy import scaled, shrunk
from soaplib.render import render_views

_CELLS = 112
_INSIDE = 0.3  # of a pixel's mask: views need not agree to the pixel
_SKIN = 0.7  # share of skin from which a pixel carves
_MARGIN = 0.015  # over the picture's width, before the skin
_SOFT = 0.7  # cells over which the distance is smoothed


class Hull:
    """How far points are from the visual hull of the masks (Laurentini 1994), carved by skin that is seen.

    Silhouettes alone leave the space between hair and cheek full. So where a view shows skin, what lies before the
    head without hair is empty. Below the last row that view 0 shows, all goes straight down.
    """

    def __init__(self, views: Views, share: np.ndarray, vertices: np.ndarray, faces: np.ndarray):
        """share: (6, h, w) how far pixels are skin, NaN outside (`skin_share`); vertices: (V, 3), faces: (F, 3) of the
        head without hair, about in its place. 112 cells a side, about 0.6 s."""
        size = _CELLS
        cameras = scaled(views, size)
        self.to_cells = cameras[0, :3].copy()
        # view 2 turns half about the pivot, which so is where both have the same depth: the middle
        self.to_cells[2, 3] += size / 2 - (cameras[0, 2, 3] + cameras[2, 2, 3]) / 2
        planes = np.meshgrid(*[np.arange(size) + 0.5] * 3, indexing="ij")  # depth, row, column
        cells = np.stack(planes[::-1], -1).reshape(-1, 3)
        world = (cells - self.to_cells[:, 3]) @ np.linalg.inv(self.to_cells[:, :3]).T
        masks = shrunk(views.masks, size)
        rows = np.flatnonzero((masks[0] > 0.5).any(1))
        if len(rows):
            masks[:, rows[-1] :] = masks[:, rows[-1] - 1 : rows[-1]]
        inside = np.ones(len(world), bool)
        for camera, mask, depth in zip(
            cameras, masks, _skin_depths(cameras, share, vertices, faces), strict=True
        ):
            seen = world @ camera[:3, :3].T + camera[:3, 3]
            column, row = np.clip(seen[:, :2].astype(int), 0, size - 1).T
            inside &= (mask[row, column] > _INSIDE) & (seen[:, 2] > depth[row, column])
        inside = inside.reshape(size, size, size)
        away = scipy.ndimage.distance_transform_edt(~inside) - scipy.ndimage.distance_transform_edt(inside)
        away = scipy.ndimage.gaussian_filter(away, _SOFT) / (size / 2)
        self.field = torch.as_tensor(away, dtype=torch.float32)[None, None]
        self.to_grid = torch.as_tensor(self.to_cells * (2 / size), dtype=torch.float32)

    def distance(self, points: torch.Tensor) -> torch.Tensor:
        """Give the distances (P,) of points (P, 3) from the hull's surface over half a picture, negative inside."""
        grid = points @ self.to_grid[:, :3].T + self.to_grid[:, 3] - 1
        found = torch.nn.functional.grid_sample(
            self.field, grid[None, None, None], align_corners=False, padding_mode="border"
        )
        return found[0, 0, 0, 0]


def _skin_depths(cameras, share, vertices, faces):
    """The depths (6, size, size) before which there is nothing; -inf where none is known."""
    size = _CELLS
    seen = render_views(
        torch.as_tensor(vertices, dtype=torch.float32), torch.as_tensor(faces),
        torch.as_tensor(cameras, dtype=torch.float32), (size, size),
    )  # fmt: skip
    skin = (np.nan_to_num(share) > _SKIN).astype(np.float32)
    skin = np.stack([cv2.resize(s, (size, size), interpolation=cv2.INTER_AREA) for s in skin]) > 0.9
    return np.where(skin & (seen.face_ids.numpy() >= 0), seen.depth.numpy() - _MARGIN * size, -np.inf)
