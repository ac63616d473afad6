"""The generator "unique3d": six views and their normals by the published models."""

import pathlib

import cv2
import numpy as np
import scipy.ndimage

from soaplib.data import HeadPose, Portrait, Views
from soaplib.errors import UserError
from soaplib.head import HeadModel
from soaplib.multiview.geometric import posed_vertices, view_cameras
from soaplib.multiview.unique3d.loading import find_weights, load_soap_pipeline
from soaplib.render import camera_rotation

_BACKGROUND = 20 / 255  # summed over the channels; SOAP's process.py
_ISLAND = 0.05  # of the largest piece of a view; what is smaller is no head
_RIM = 2  # pixels over which the networks mix the head with the background
_SEEN = 0.02  # masks below are nothing, as in all generators


def unique3d_views(
    portrait: Portrait,
    head: HeadModel,
    pose: HeadPose,
    size: int = 512,
    weights=None,
    steps: int = 50,
    guidance: float = 1.5,
    seed: int = 42,
    resolution: int = 256,
    device=None,
    progress: bool = True,
) -> Views:
    """Make six views (see `soaplib.multiview.generate`) by D_r, the portrait to RGB, and D_n, each view to its normals.

    View 0 is the portrait itself, for D_n as well; the outlines of the others are those of their normals, which stand
    on a background of one colour. All is upsampled at the end (`soaplib.multiview.compact.upsample`). The views turn
    about the vertical axis through the middle of the picture, at the depth of the skull's middle: the networks tell no
    depth, and the fitting moves the head to where they show it.

    weights: None for those this machine has (`soaplib.multiview.unique3d.loading.find_weights`), a folder which holds
    both models under their published names, or the pair (D_r, D_n) of folders or names on the Hub. steps, guidance,
    seed, resolution (pixels at which the networks draw): SOAP's own, but for the noise, which is drawn on the CPU so
    that every device gives the same. device: None takes CUDA where there is one. progress: show bars.
    The networks in full size take about an hour on two CPU cores, 5 GB for each in turn.

    Raises UserError where weights are missing or damaged, have other than six views, or a view comes out empty.
    """
    from soaplib.multiview.compact.upsample import upsample_views

    rgb_weights, normal_weights = _pair(weights)
    on_white = portrait.image * portrait.matte[..., None] + 1 - portrait.matte[..., None]
    settings = {
        "num_inference_steps": steps, "guidance_scale": guidance, "size": resolution, "seed": seed,
        "device": device, "progress": progress,
    }  # fmt: skip
    images = _drawn(rgb_weights, "image", on_white, settings)
    if len(images) != 6:
        raise UserError(
            f"{rgb_weights} draws {len(images)} views, expected SOAP's 6: give the weights of D_r."
        )
    images[0] = _resized(on_white, resolution)
    # SOAP upsamples before D_n, too, which has no effect: D_n takes its pictures at this size.
    pictures = _drawn(normal_weights, "normal", [on_white, *images[1:]], settings)
    masks = np.stack([outline(picture, view=view) for view, picture in enumerate(pictures)])
    normals = np.stack([_normals(*pair) for pair in zip(pictures, masks, strict=True)])
    masks[0] = _resized(portrait.matte, resolution)
    front = np.clip(_resized(on_white, size), 0, 1), np.clip(_resized(portrait.matte, size), 0, 1)
    images, masks, normals = upsample_views(images, masks, normals, size / resolution, front=front)
    images, masks = np.where(masks[..., None] > 0, images, 1).astype(np.float32), masks.astype(np.float32)
    images[0], masks[0] = front
    normals = (normals * (masks[..., None] > _SEEN)).astype(np.float32)
    return Views(images, normals, masks, _cameras(portrait, head, pose, size), "unique3d")


def outline(picture: np.ndarray, rim: float = _RIM, view: int = 0) -> np.ndarray:
    """Give the (H, W) float32 share of each pixel that stands out from the background in a picture of normals.

    The background's colour is that of the upper corners, which no head reaches; what differs from it by more than
    20 / 255, summed over the channels, is the head (SOAP's process.py). Holes are filled and islands dropped. Along
    the edge, colours are mixed with the background's over `rim` pixels: there, the share is the difference over that
    of the nearest pixel further in.
    Raises UserError, which names the view, where nothing stands out.
    """
    patch = max(1, len(picture) // 64)
    corners = np.concatenate([picture[:patch, :patch], picture[:patch, -patch:]])
    away = np.abs(picture - np.median(corners, axis=(0, 1))).sum(-1)
    pieces, count = scipy.ndimage.label(scipy.ndimage.binary_fill_holes(away > _BACKGROUND))
    if not count:
        raise UserError(
            f"The normals of view {view} show nothing but background: try another seed or portrait."
        )
    areas = np.bincount(pieces.ravel())
    areas[0] = 0
    head = (areas > _ISLAND * areas.max())[pieces]
    depth = cv2.distanceTransform(np.pad(head, 1, mode="edge").astype(np.uint8), cv2.DIST_L2, 5)[1:-1, 1:-1]
    inner = depth > rim
    if not inner.any():
        return head.astype(np.float32)
    at = scipy.ndimage.distance_transform_edt(~inner, return_distances=False, return_indices=True)
    share = away / np.maximum(away[tuple(at)], _BACKGROUND)
    return np.where(inner, 1, np.clip(share, 0, 1) * head).astype(np.float32)


def _pair(weights):
    if weights is None:
        return find_weights("image"), find_weights("normal")
    if isinstance(weights, tuple | list):
        if len(weights) != 2:
            raise UserError(f"weights must be a folder or a pair (D_r, D_n), got {len(weights)} of them.")
        return tuple(weights)
    folder = pathlib.Path(weights)
    return folder / "head-mvimage-diffuser", folder / "head-mvnormal-diffuser"


def _drawn(weights, kind, pictures, settings):
    """Load one model, draw with it and let it go."""
    import torch

    device = settings["device"] or ("cuda" if torch.cuda.is_available() else "cpu")
    pipeline = load_soap_pipeline(weights, kind, device=device)
    pipeline.set_progress_bar_config(
        disable=not settings["progress"], desc={"image": "views"}.get(kind, "normals")
    )
    drawing = {k: v for k, v in settings.items() if k not in ("seed", "device", "progress")}
    return pipeline(pictures, **drawing, generator=torch.Generator().manual_seed(settings["seed"])).images


def _resized(picture, size):
    if len(picture) == size:
        return picture
    return cv2.resize(
        picture, (size, size), interpolation=cv2.INTER_AREA if size < len(picture) else cv2.INTER_CUBIC
    )


def _normals(picture, mask):
    """Unit vectors (H, W, 3) of a picture of normals; none that is mixed with the background is kept.

    On and past the edge they are those of the nearest pixel inside.
    """
    inner = mask > 0.99
    inner = inner if inner.any() else mask > 0
    at = scipy.ndimage.distance_transform_edt(~inner, return_distances=False, return_indices=True)
    vectors = (2 * picture - 1)[tuple(at)]
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-6)


def _cameras(portrait, head, pose, size):
    """Cameras which turn about the picture's middle column at the depth of the skull's middle."""
    skull = head.skull_middle(posed_vertices(head, pose))
    side = portrait.image.shape[1]
    column = pose.camera[0, :3] @ skull + pose.camera[0, 3]
    per_metre = np.linalg.norm(pose.camera[0, :3])
    pivot = skull + (side / 2 - column) / per_metre * camera_rotation(pose.camera)[0]
    cameras = view_cameras(pose.camera, pivot)
    cameras[:, :3] *= size / side
    return cameras
