"""What a portrait and the head fitted to it already tell about each of the six views.

Where the head is (its normals), where hair and headwear probably are (the head swollen to the matte), which part of
the head each pixel shows, which colours the portrait has for it, and those of its mirror image on the other side of
the face. From all this follows a first guess of the views, `Guide.base`, which the network only corrects.
"""

import dataclasses

import cv2
import numpy as np
import scipy.ndimage
import scipy.sparse as sp
import scipy.spatial
import torch

from soaplib.data import REGIONS, HeadPose, Portrait
from soaplib.head import HeadModel
from soaplib.head.cover import HAIR, behind_regions
from soaplib.head.laplacian import factorised, uniform_laplacian
from soaplib.head.swell import swell
from soaplib.multiview.geometric import posed_vertices, view_cameras
from soaplib.multiview.source import FEATURES, Source, filled, nearest, resized
from soaplib.render import render_views

CHANNELS = (
    "head_normals.x", "head_normals.y", "head_normals.z", "head_mask",
    "shell_normals.x", "shell_normals.y", "shell_normals.z", "shell_mask",
    "places.x", "places.y", "places.z", "hair",
    "seen.r", "seen.g", "seen.b", "seen_weight", "mirrored.r", "mirrored.g", "mirrored.b", "mirrored_weight",
)  # fmt: skip
"""What `Guide.stack` stacks, in this order."""

SIGNED = (0, 1, 2, 4, 5, 6, 8, 9, 10)
"""Positions in `CHANNELS` of those in [-1, 1]; they are 0 outside, as all others, which are in [0, 1]."""

_WORK = 256  # pixels of a side of the portrait that is laid on the shell
_REACH = 0.22  # metres from the skull's middle at which a place is 1
_CLOTHES = REGIONS.index("clothes")
_OTHER_SIDE = {f"{a}_{part}": f"{b}_{part}" for a, b in (("left", "right"), ("right", "left"))
               for part in ("eye", "lashes")}  # fmt: skip
_FACING = -0.15  # cosine above which a vertex bears the label that the picture shows, not that guessed behind
_SPREAD, _PULL = 1.0, 2e-3  # how far a colour spreads over the shell, and what pulls it to its kind's mean
_SOFTENED = 3  # rounds of averaging over neighbours between hair, skin and cloth


@dataclasses.dataclass(frozen=True, eq=False)
class Guide:
    """Six views at S x S in the order of `soaplib.data.VIEW_YAWS`, float32; all are 0 outside and premultiplied
    (antialiased), so that they may be averaged and shrunk.

    head_normals (6, S, S, 3), camera axes, and head_mask (6, S, S): of the fitted head. shell_normals, shell_mask: of
    the head swollen to the matte. places (6, S, S, 3): which point of the neutral template the shell shows, in 0.22
    metres from the middle of its skull. hair (6, S, S): how much of it is hair or headwear. seen (6, S, S, 3), times
    seen_weight (6, S, S): the portrait's colours where it looks at the shell; in view 0 they are the portrait and its
    matte. mirrored, mirrored_weight: the same for the point on the other side of the head. base (6, S, S, 4): a first
    guess of the views, RGB premultiplied by alpha; in view 0 the portrait. cameras (6, 4, 4).
    """

    head_normals: np.ndarray
    head_mask: np.ndarray
    shell_normals: np.ndarray
    shell_mask: np.ndarray
    places: np.ndarray
    hair: np.ndarray
    seen: np.ndarray
    seen_weight: np.ndarray
    mirrored: np.ndarray
    mirrored_weight: np.ndarray
    base: np.ndarray
    cameras: np.ndarray

    def stack(self) -> np.ndarray:
        """Give (6, len(CHANNELS), S, S) float32, for a network; `base` is not among them."""
        names = dict.fromkeys(name.split(".")[0] for name in CHANNELS)
        parts = [getattr(self, name) for name in names]
        parts = [part if part.ndim == 4 else part[..., None] for part in parts]
        return np.ascontiguousarray(np.concatenate(parts, -1).transpose(0, 3, 1, 2))


def make_guide(portrait: Portrait, head: HeadModel, pose: HeadPose, size: int = 128) -> Guide:
    """Draw the guide of six views at size x size. About 0.6 s on one core, most of it for the shell.

    The shell is made, and the portrait laid on it, at 256 pixels, whatever the portrait's size.
    """
    portrait, camera = _at_work_size(portrait, pose.camera)
    fitted = posed_vertices(head, pose)
    shell = swell(head, fitted, camera, portrait.matte, portrait.regions)
    drawn = head.part_vertices("skin", "left_eye", "right_eye")
    faces = head.faces[drawn[head.faces].all(1)]
    cameras = view_cameras(camera, head.skull_middle(fitted))
    cameras[:, :3] *= size / _WORK

    source = Source(portrait, shell, faces, camera)
    twin = _twins(head)
    guess, hair, alike = _guess(source, shell, faces, twin)
    places = (head.template - head.skull_middle(head.template)) / _REACH
    attributes = [shell, source.normals, shell[twin], source.normals[twin], guess, guess[twin], places,
                  hair[:, None], alike[:, None]]  # fmt: skip
    bare, full = (
        render_views(
            torch.as_tensor(vertices, dtype=torch.float32), torch.as_tensor(faces), cameras, (size, size), values
        )
        for vertices, values in (
            (fitted, None), (shell, torch.as_tensor(np.column_stack(attributes), dtype=torch.float32)),
        )
    )  # fmt: skip
    mask, values = full.mask.numpy(), full.attributes.numpy()
    inside = mask > 0.02
    at = values[inside] / mask[inside][:, None]
    own, other = source.look(at[:, :3], at[:, 3:6]), source.look(at[:, 6:9], at[:, 9:12])
    known, mirrored = own[1][:, None], (other[1] * at[:, 22])[:, None]
    first = at[:, 12:15] + mirrored * (other[0] - at[:, 15:18])  # with the shade of this side
    first = known * own[0] + (1 - known) * np.clip(first, 0, 1)

    def picture(colours, weight):
        out = np.zeros((*mask.shape, 4), np.float32)
        out[inside] = np.column_stack([colours * weight, weight]) * mask[inside][:, None]
        return out

    seen, mirrored, base = (
        picture(own[0], known),
        picture(other[0], mirrored),
        picture(first, np.ones_like(known)),
    )
    matte = portrait.matte[..., None]
    seen[0] = base[0] = resized(np.concatenate([portrait.image * matte, matte], -1), size).clip(0, 1)
    return Guide(
        bare.normals.numpy(), bare.mask.numpy(), full.normals.numpy(), mask, values[..., 18:21].clip(-1, 1),
        values[..., 21].clip(0, 1), seen[..., :3], seen[..., 3], mirrored[..., :3], mirrored[..., 3], base, cameras,
    )  # fmt: skip


def _at_work_size(portrait, camera):
    size = portrait.image.shape[0]
    matte = resized(portrait.matte, _WORK).clip(0, 1)
    image = resized(portrait.image, _WORK).clip(0, 1)
    regions = cv2.resize(portrait.regions, (_WORK, _WORK), interpolation=cv2.INTER_NEAREST)
    camera = camera.copy()
    camera[:3] *= _WORK / size
    return dataclasses.replace(portrait, image=image, matte=matte, regions=regions), camera


def _twins(head):
    """Give each vertex (V,) the one on the other side of the head."""
    names = list(head.part_names)
    other = np.array([names.index(_OTHER_SIDE.get(name, name)) for name in names])
    tree = scipy.spatial.cKDTree(np.column_stack([head.template, head.part]))
    return tree.query(np.column_stack([head.template * (-1, 1, 1), other[head.part]]))[1]


def _guess(source, vertices, faces, twin):
    """Guess a colour (V, 3) for each vertex, from those of its kind that the portrait shows.

    Kinds are skin, hair and cloth; each has a mean, and its seen colours spread over the shell (a screened Poisson
    equation). Also gives how much hair (V,) a vertex is, and how much alike (V,) its twin is.
    """
    portrait, camera = source.portrait, source.camera
    pixels = vertices @ camera[:2, :3].T + camera[:2, 3]
    colours, sure = source.look(vertices, source.normals)
    near = nearest(filled(portrait.regions), pixels)
    far = nearest(filled(behind_regions(portrait.regions, portrait.matte)), pixels)
    label = np.where((source.normals @ source.rotation.T)[:, 2] > _FACING, near, far)
    plain = sure * ~np.isin(near, FEATURES)
    laplacian = uniform_laplacian(faces, len(vertices))
    kinds = np.stack([label == HAIR, label == _CLOTHES], 1)
    kinds = np.column_stack([~kinds.any(1), kinds]).astype(float)
    weights, spread = plain[:, None] * kinds, []
    everything = (plain @ colours) / max(plain.sum(), 1e-9) if plain.sum() > 1 else np.full(3, 0.5)
    for weight in weights.T:
        mean = (weight @ colours) / weight.sum() if weight.sum() > 3 else everything
        system = sp.diags(weight + _PULL) + _SPREAD * laplacian
        spread.append(factorised(system).solve(weight[:, None] * colours + _PULL * mean))
    average = sp.identity(len(vertices)) - sp.diags(1 / (laplacian.diagonal() + 1)) @ laplacian
    for _ in range(_SOFTENED):
        kinds = average @ kinds
    guess = sum(kinds[:, k : k + 1] * spread[k] for k in range(len(spread)))
    return np.clip(guess, 0, 1), kinds[:, 1], (kinds * kinds[twin]).sum(1).clip(0, 1)
