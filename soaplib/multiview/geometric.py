"""The generator without a network: the portrait laid on the swollen head, hidden sides completed."""

import dataclasses

import numpy as np
import scipy.ndimage
import torch

from soaplib.data import REGIONS, VIEW_YAWS, HeadPose, Portrait, Views
from soaplib.head import HeadModel, subdivide
from soaplib.head.cover import behind_regions
from soaplib.head.swell import swell
from soaplib.multiview.panorama import Chart, complete
from soaplib.multiview.source import FEATURES, Source, bilinear, filled, nearest, resized
from soaplib.render import project, render_views, turn


def view_cameras(camera: np.ndarray, pivot: np.ndarray) -> np.ndarray:
    """Give the six cameras (6, 4, 4): the picture's own, turned by `VIEW_YAWS` about the world point pivot (3,)."""
    return np.stack([turn(camera, float(yaw), pivot) for yaw in VIEW_YAWS])


def geometric_views(portrait: Portrait, head: HeadModel, pose: HeadPose, size: int) -> Views:
    """Make six views (see `soaplib.multiview.generate`) from the swollen head alone.

    Colours come from the portrait where it looks at the surface from less than 63 degrees; behind, they come
    from a panorama of the head (see `soaplib.multiview.panorama`). About 5 s on two cores at 512 pixels.
    """
    coat = make_coat(portrait, head, pose, size)
    masks, normals = coat.masks.copy(), coat.normals.copy()
    images = coat.colours * masks[..., None] + 1 - masks[..., None]
    images[0] = resized(portrait.image * portrait.matte[..., None] + 1 - portrait.matte[..., None], size)
    normals[0] = _to_matte(normals[0], masks[0])
    masks[0] = resized(portrait.matte, size)
    length = np.linalg.norm(normals, axis=-1, keepdims=True)
    normals = np.where(length > 1e-3, normals / np.maximum(length, 1e-3), 0) * (masks[..., None] > 0.02)
    return Views(
        images.astype(np.float32),
        normals.astype(np.float32),
        masks.astype(np.float32),
        coat.cameras,
        "geometric",
    )


@dataclasses.dataclass(frozen=True, eq=False)
class Coat:
    """The portrait laid on the swollen head, six views in the order of `soaplib.data.VIEW_YAWS`, float32.

    colours (6, S, S, 3), sure (6, S, S): not premultiplied, 1 and 0 where the head is not; sure is 1 where the portrait
    shows the colour and 0 where it comes from the panorama. masks (6, S, S), and normals (6, S, S, 3) in camera axes,
    are those of the swollen head. cameras (6, 4, 4).
    """

    colours: np.ndarray
    sure: np.ndarray
    masks: np.ndarray
    normals: np.ndarray
    cameras: np.ndarray


def make_coat(
    portrait: Portrait, head: HeadModel, pose: HeadPose, size: int, cameras: np.ndarray | None = None
) -> Coat:
    """Lay the portrait on the head swollen to its matte, and complete what it does not see.

    cameras: (6, 4, 4) of views of size x size; if not given, they turn about the skull of the swollen head.
    """
    posed = posed_vertices(head, pose)
    posed = swell(head, posed, pose.camera, portrait.matte, portrait.regions)
    fine, binding = subdivide(head)
    vertices = binding @ posed
    drawn = fine.part_vertices("skin", "left_eye", "right_eye")
    faces = fine.faces[drawn[fine.faces].all(1)]
    if cameras is None:
        cameras = view_cameras(pose.camera, fine.skull_middle(vertices))
        cameras[:, :3] *= size / portrait.image.shape[0]  # the three rows are pixels, so they scale together
    source = Source(portrait, vertices, faces, pose.camera)
    chart = Chart.about(vertices, fine.skull)
    panorama = _panorama(chart, source, vertices, faces)
    rendering = render_views(
        torch.as_tensor(vertices, dtype=torch.float32), torch.as_tensor(faces), cameras, (size, size),
        torch.as_tensor(np.column_stack([vertices, source.normals]), dtype=torch.float32),
    )  # fmt: skip
    masks = rendering.mask.numpy()
    colours, sure = np.ones((*masks.shape, 3), np.float32), np.zeros(masks.shape, np.float32)
    for i in range(len(masks)):
        inside = masks[i] > 0.02
        at = rendering.attributes[i].numpy()[inside] / masks[i][inside][:, None]
        seen, weight = source.look(at[:, :3], at[:, 3:])
        behind = bilinear(panorama, chart.pixels(at[:, :3]))
        colours[i][inside] = weight[:, None] * seen + (1 - weight[:, None]) * behind
        sure[i][inside] = weight
    return Coat(colours, sure, masks, rendering.normals.numpy(), cameras)


def posed_vertices(head: HeadModel, pose: HeadPose) -> np.ndarray:
    """Give the head model's vertices (V, 3) in the portrait's shape, expression and pose."""
    as_tensor = [
        torch.as_tensor(a, dtype=torch.float32)[None] for a in (pose.shape, pose.expression, pose.pose)
    ]
    return head.tensors().forward(*as_tensor)[0][0].double().numpy()


def _panorama(chart, source, vertices, faces):
    """Colours all round: the portrait's where it is sure, completed elsewhere."""
    values, covered = chart.positions(vertices, faces, np.column_stack([vertices, source.normals]))
    colours, sure = source.look(values.reshape(-1, 6)[:, :3], values.reshape(-1, 6)[:, 3:])
    colours, sure = colours.reshape(*covered.shape, 3), sure.reshape(covered.shape) * covered
    known = sure > 0.6
    flat = values.reshape(-1, 6)
    pixels = project(flat[:, :3].astype(float), source.camera)
    regions = source.portrait.regions
    far = behind_regions(regions, source.portrait.matte)
    toward = (flat[:, 3:] @ source.rotation.T)[:, 2].reshape(known.shape)
    near_labels = nearest(filled(regions), pixels).reshape(known.shape)
    labels = np.where(toward > -0.15, near_labels, nearest(filled(far), pixels).reshape(known.shape))
    labels = np.where(np.isin(labels, FEATURES), REGIONS.index("skin"), labels)
    labels = filled(np.where(covered, labels, 0))  # the map's upper rim, past the crown, is no surface
    featureless = known & ~np.isin(near_labels, FEATURES)
    done = complete(np.where(known[..., None], colours, 0), featureless, labels)
    return np.where(known[..., None], colours, done)


def _to_matte(normals, mask):
    """Carry the normals of the mesh out to where only the matte reaches."""
    at = scipy.ndimage.distance_transform_edt(mask < 0.9, return_distances=False, return_indices=True)
    return normals[tuple(at)]
