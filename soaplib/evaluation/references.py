"""Heads of one's own as references: a GLB's front becomes a portrait, and its other sides tell what is true."""

import dataclasses
import pathlib

import numpy as np
import torch

from soaplib.data import HeadPose, Part, Portrait, Views
from soaplib.errors import UserError
from soaplib.evaluation.fitted import Fitted
from soaplib.evaluation.glb import joined, read_glb
from soaplib.evaluation.measures import UNITS, rig, shape
from soaplib.evaluation.views import normal_error, unseen_iou, unseen_psnr
from soaplib.fitting import fit_head
from soaplib.head import HeadModel
from soaplib.multiview.geometric import posed_vertices, view_cameras
from soaplib.portrait import Picture, make_portrait
from soaplib.render import camera_rotation, draw, orthographic, render_views

REFERENCE_UNITS = {
    name: UNITS[name]
    for name in ("chamfer", "chamfer_parametric", "chamfer_ratio", "normals", "iou", "landmarks", "weights_sum",
                 "blink_pixels", "penetration", "seconds")
}  # fmt: skip
"""Units of the metrics of `measure_reference`."""

PORTRAIT_SIZE, VIEW_SIZE = 512, 256
_MARGIN = 1.08  # of the picture, over the head's largest side


@dataclasses.dataclass(frozen=True, eq=False)
class Reference:
    """A head out of a GLB file, and the fit to its portrait.

    parts: its meshes in the fitted head's world; lit: whether they are drawn shaded, as they have no texture. portrait,
    pose: of the stages under test. cameras: (6, 4, 4) of the six views, 256 x 256; pivot: (3,), about which they turn;
    cut: the last row of the views that the portrait shows.
    """

    name: str
    parts: tuple[Part, ...]
    lit: bool
    portrait: Portrait
    pose: HeadPose
    cameras: np.ndarray
    pivot: np.ndarray
    cut: float

    @property
    def surface(self) -> tuple[np.ndarray, np.ndarray]:
        """All that is solid as one mesh, (V, 3) and (F, 3)."""
        return _joined(self.parts)[:2]

    @property
    def marks(self) -> np.ndarray:
        """The portrait's landmarks (478, 2) in pixels of the views."""
        return self.portrait.landmarks * (VIEW_SIZE / self.portrait.image.shape[0])

    def normals(self, cameras: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
        """Give unit normals (N, S, S, 3), 0 outside, and coverage (N, S, S), nothing of it below the portrait's cut."""
        vertices, faces, normals = _joined(self.parts)
        seen = render_views(
            torch.as_tensor(vertices, dtype=torch.float32), torch.as_tensor(faces),
            torch.as_tensor(cameras, dtype=torch.float32), (size, size), torch.as_tensor(normals),
        )  # fmt: skip
        turned = np.einsum("nab,nhwb->nhwa", camera_rotation(cameras), seen.attributes.numpy())
        length = np.linalg.norm(turned, axis=-1, keepdims=True)
        above = (np.arange(size)[:, None] + 1 <= self.cut * size / VIEW_SIZE)[None]
        mask = seen.mask.numpy() * above
        unit = np.where(mask[..., None] > 0.02, turned / np.maximum(length, 1e-6), 0)
        return unit.astype(np.float32), mask.astype(np.float32)

    def views(self) -> Views:
        """Give the true six views, 256 x 256."""
        normals, masks = self.normals(self.cameras, VIEW_SIZE)
        return Views(self.images(self.cameras, masks), normals, masks, self.cameras, "truth")

    def images(self, cameras: np.ndarray, masks: np.ndarray) -> np.ndarray:
        """Draw the head on white, (N, S, S, 3), nothing of it where masks (N, S, S) are 0."""
        drawn = [_picture(self.parts, self.lit, camera, masks.shape[1]) for camera in cameras]
        return np.where(masks[..., None] > 0, np.stack(drawn), 1).astype(np.float32)

    def moved(self, pose: HeadPose) -> "Reference":
        """Give the same head in the world of a corrected pose (`soaplib.fitting.stand`)."""
        to_old = np.linalg.inv(self.pose.camera) @ pose.camera
        to_new = np.linalg.inv(to_old)
        return dataclasses.replace(
            self, pose=pose, parts=_moved(self.parts, to_new), cameras=self.cameras @ to_old,
            pivot=to_new[:3, :3] @ self.pivot + to_new[:3, 3],
        )  # fmt: skip


def find_references(folder: pathlib.Path | None, count: int) -> list[pathlib.Path]:
    """Return the first GLB files of a folder, by name; raises UserError where there is none."""
    if folder is None:
        raise UserError("The suite references needs a folder of GLB heads; give it with --references FOLDER.")
    folder = pathlib.Path(folder)
    if not folder.is_dir():
        raise UserError(f"There is no folder {folder}; give one that holds GLB heads.")
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() == ".glb")
    if not files:
        raise UserError(f"The folder {folder} holds no .glb file; put heads there as GLB.")
    return files[:count]


def make_reference(path: pathlib.Path, head: HeadModel) -> Reference:
    """Read a head that stands upright and looks along +Z, take its portrait from there, and fit `head` to it.

    The portrait is 512 x 512, orthographic, unlit where it has a texture, with its alpha. Along the line of sight,
    of which it says nothing, the head is placed by the face: the surface behind the landmarks meets the fit's.
    Raises UserError where the file cannot be read, or no face is found on its front.
    """
    parts = read_glb(path)
    lit = all(part.texture.shape[0] <= 2 for part in parts)
    front = _front(parts)
    seen = _seen(parts, front, PORTRAIT_SIZE)
    image = _picture(parts, lit, front, PORTRAIT_SIZE)
    portrait = make_portrait(Picture(image, seen.mask[0].numpy(), (PORTRAIT_SIZE, PORTRAIT_SIZE)))
    to_crop = np.linalg.inv(portrait.crop_to_picture)
    lift = np.eye(4)
    lift[:2, :2], lift[:2, 3] = to_crop[:2, :2], to_crop[:2, 2]
    lift[2, 2] = np.sqrt(abs(np.linalg.det(to_crop[:2, :2])))
    camera = lift @ front
    side = portrait.image.shape[0]
    seen = _seen(parts, camera, side)
    column, row = np.clip(portrait.landmarks.astype(int), 0, side - 1).T
    on = seen.face_ids[0].numpy()[row, column] >= 0
    if on.mean() < 0.8:
        raise UserError(f"The face found on {path.name} lies beside it; does the head look along +Z?")
    pose = fit_head(portrait, head)
    fitted = posed_vertices(head, pose)
    depths = head.landmarks(fitted) @ pose.camera[2, :3] + pose.camera[2, 3]
    shift = np.eye(4)
    shift[2, 3] = np.median((depths - seen.depth[0].numpy()[row, column])[on])
    pivot = head.skull_middle(fitted)
    cameras = view_cameras(pose.camera, pivot)
    cameras[:, :3] *= VIEW_SIZE / side
    shown = np.flatnonzero((portrait.matte > 0.5).any(1))
    cut = float((shown[-1] + 1) * VIEW_SIZE / side)
    place = np.linalg.inv(pose.camera) @ shift @ camera
    return Reference(path.stem, _moved(parts, place), lit, portrait, pose, cameras, pivot, cut)


def measure_reference(reference: Reference, fitted: Fitted) -> dict[str, float]:
    """Give the metrics of one head, named in `REFERENCE_UNITS`; reference, fitted: as `fit` returns them.

    Its landmarks are those found in the portrait, as a file tells no others.
    """
    return {**shape(reference, fitted), **rig(fitted), "seconds": fitted.seconds}


def measure_reference_views(reference: Reference, views: Views) -> dict[str, float]:
    """Compare generated views with the head, by their own cameras, as `soaplib.evaluation.views` does."""
    size = views.images.shape[1]
    normals, masks = reference.normals(views.cameras, size)
    images = reference.images(views.cameras, masks)
    below = np.arange(size) + 1 > reference.cut * size / VIEW_SIZE  # there nothing is known
    given = np.where(below[:, None], 0, views.masks)
    return {
        "psnr": unseen_psnr(views.images, given, images, masks), "iou": unseen_iou(given, masks),
        "normals": normal_error(views.normals, given, normals, masks),
    }  # fmt: skip


def _front(parts):
    """The orthographic camera from +Z that shows all."""
    places = np.concatenate([part.vertices for part in parts]).astype(float)
    low, high = places.min(0), places.max(0)
    scale = PORTRAIT_SIZE / (_MARGIN * (high - low).max())
    middle = scale * (low + high) / 2
    return orthographic(
        np.eye(3), scale, np.array([PORTRAIT_SIZE / 2 - middle[0], PORTRAIT_SIZE / 2 + middle[1]])
    )


def _seen(parts, camera, size):
    vertices, faces, _ = _joined(parts)
    return render_views(
        torch.as_tensor(vertices, dtype=torch.float32), torch.as_tensor(faces),
        torch.as_tensor(camera, dtype=torch.float32), (size, size),
    )  # fmt: skip


def _picture(parts, lit, camera, size):
    return draw(parts, camera, (size, size), light="soft" if lit else None)


def _joined(parts):
    """Vertices, faces and normals of all parts that are not see-through."""
    return joined([part for part in parts if not part.alpha] or list(parts))


def _moved(parts, place):
    """The parts moved by a similarity (4, 4)."""
    turned = place[:3, :3] / np.cbrt(np.linalg.det(place[:3, :3]))
    return tuple(
        dataclasses.replace(
            part, vertices=(part.vertices @ place[:3, :3].T + place[:3, 3]).astype(np.float32),
            normals=(part.normals @ turned.T).astype(np.float32),
        )
        for part in parts
    )  # fmt: skip
