"""How good generated views are: against the true ones, and against each other."""

import numpy as np
import scipy.ndimage
import torch

from soaplib.data import Views
from soaplib.evaluation.truth import VIEW_SIZE, Truth, unit_normals
from soaplib.render import project
from soaplib.synthetic.drawing.paint import Frames, paint

VIEW_UNITS = {"psnr": "dB", "iou": "", "normals": "degrees", "agreement": "dB"}
"""The unit of each metric of `measure_views`."""

_SLANTED = (4, 5)  # the views that share much of their surface with view 0
_SLACK = 0.01  # of the picture's side: how far behind the seen surface a point may lie and count as seen


def measure_views(truth: Truth, views: Views) -> dict[str, float]:
    """Compare views of any size with the truth painted by their own cameras; see the functions below."""
    size = views.images.shape[1]
    frames = paint_truth(truth, views.cameras, size)
    true_images, true_masks = on_white(frames)
    return {
        "psnr": unseen_psnr(views.images, views.masks, true_images, true_masks),
        "iou": unseen_iou(views.masks, true_masks),
        "normals": normal_error(views.normals, views.masks, unit_normals(frames), true_masks),
        "agreement": agreement(views.images, views.masks, frames.position, true_masks, views.cameras),
    }


def paint_truth(truth: Truth, cameras: np.ndarray, size: int) -> Frames:
    """Paint a truth with its positions for six cameras (6, 4, 4) at `size`, cut below the chin as a portrait is."""
    return paint(
        truth.scene, cameras, size, np.full(len(cameras), truth.cut * size / VIEW_SIZE), ("position",)
    )


def on_white(frames: Frames) -> tuple[np.ndarray, np.ndarray]:
    """Give painted frames as `Views` has them: images (N, H, W, 3) float32 on white, masks (N, H, W)."""
    alpha = frames.rgba[..., 3:].astype(np.float32) / 255
    return frames.rgba[..., :3].astype(np.float32) / 255 * alpha + 1 - alpha, alpha[..., 0]


def unseen_psnr(images, masks, true_images, true_masks) -> float:
    """Give the peak signal-to-noise ratio in dB, the mean over views 1 to 5, of the pixels in either mask.

    images, true_images: (6, H, W, 3) on white, in [0, 1]. masks, true_masks: (6, H, W).
    """
    each = []
    for k in range(1, 6):
        union = (masks[k] > 0.5) | (true_masks[k] > 0.5)
        each.append(psnr(images[k][union], true_images[k][union]))
    return float(np.mean(each))


def psnr(values: np.ndarray, true: np.ndarray) -> float:
    """Give the PSNR in dB of values in [0, 1] against the true ones; 99 where they are the same."""
    error = np.mean((np.asarray(values, np.float64) - true) ** 2) if len(values) else 0.0
    return float(min(-10 * np.log10(max(error, 1e-12)), 99.0))


def unseen_iou(masks, true_masks) -> float:
    """Give the intersection over union of the masks (6, H, W), the mean over views 1 to 5."""
    own, true = masks[1:] > 0.5, true_masks[1:] > 0.5
    return float(((own & true).sum((1, 2)) / np.maximum((own | true).sum((1, 2)), 1)).mean())


def normal_error(normals, masks, true_normals, true_masks) -> float:
    """Give the mean angle in degrees between normals (6, H, W, 3) where both masks (6, H, W) are, over all six views.

    Each view counts the same. Where there is no normal, the angle is 90 degrees.
    """
    each = []
    for k in range(len(normals)):
        both = (masks[k] > 0.5) & (true_masks[k] > 0.5)
        if both.any():
            own, true = normals[k][both].astype(np.float64), true_normals[k][both].astype(np.float64)
            length = np.linalg.norm(own, axis=1) * np.linalg.norm(true, axis=1)
            cosine = np.where(length > 1e-6, (own * true).sum(1) / np.maximum(length, 1e-6), 0)
            each.append(np.degrees(np.arccos(cosine.clip(-1, 1))).mean())
    return float(np.mean(each)) if each else 90.0


def agreement(images, masks, positions, true_masks, cameras) -> float:
    """Warp views 4 and 5 into view 0 by the true surface, and give their PSNR there against view 0.

    images (6, H, W, 3), masks (6, H, W). positions (6, H, W, 3): the world point that each pixel truly shows, where
    true_masks (6, H, W) is 1; cameras (6, 4, 4). Points are compared where both views truly show them and both masks
    are.
    """
    size = images.shape[1]
    solid = true_masks > 0.99
    points = positions[0][solid[0]].astype(np.float64)
    front, known = images[0][solid[0]], masks[0][solid[0]] > 0.99
    values, wanted = [], []
    for k in _SLANTED:
        camera = cameras[k]
        at = project(points, camera)
        depth = points @ camera[2, :3] + camera[2, 3]
        surface = positions[k].astype(np.float64) @ camera[2, :3] + camera[2, 3]
        nearest = np.where(solid[k], surface, -np.inf)
        column, row = (np.clip(at[:, j].astype(int), 0, size - 1) for j in (0, 1))
        inside = ((at > 0) & (at < size)).all(1)
        whole = scipy.ndimage.binary_erosion(
            solid[k] & (masks[k] > 0.99), np.ones((3, 3))
        )  # no background mixed in
        visible = inside & known & whole[row, column] & (depth <= nearest[row, column] + _SLACK * size)
        values.append(_sampled(images[k], at[visible]))
        wanted.append(front[visible])
    return psnr(np.concatenate(values), np.concatenate(wanted))


def _sampled(image, at):
    """Sample (H, W, 3) at pixels (N, 2) whose centres lie at +0.5, bilinearly."""
    size = image.shape[0]
    grid = torch.as_tensor(at[None, None] / size * 2 - 1)
    planes = torch.as_tensor(image.astype(np.float64)).permute(2, 0, 1)[None]
    out = torch.nn.functional.grid_sample(planes, grid, padding_mode="border", align_corners=False)
    return out[0, :, 0].T.numpy()
