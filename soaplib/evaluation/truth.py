"""A synthetic head as a portrait whose truth is known, brought into the frame of the head fitted to it."""

import dataclasses

import numpy as np

from soaplib.data import HeadPose, Portrait, Views
from soaplib.errors import UserError
from soaplib.fitting import fit_head
from soaplib.head import HeadModel
from soaplib.multiview.geometric import posed_vertices, view_cameras
from soaplib.portrait import Picture, make_portrait
from soaplib.render import project
from soaplib.synthetic.drawing.camera import make_cameras
from soaplib.synthetic.drawing.paint import Scene, assemble, paint
from soaplib.synthetic.heads import SyntheticHead

PORTRAIT_SIZE, VIEW_SIZE = 512, 256


@dataclasses.dataclass(frozen=True, eq=False)
class Truth:
    """A synthetic head and the fit to its portrait.

    portrait, pose: of the stages under test, from the head's view 0. found: whether the face was found in it, or its
    landmarks had to be given. place: (4, 4) similarity, the person's world to the fitted head's: exact across the
    picture, and along the line of sight by the face's landmarks, which a front view says nothing of. scene: the
    painted pieces, cameras: (6, 4, 4), and pivot (3,): in the fitted head's world; cut: the last row of the views.
    """

    made: SyntheticHead
    portrait: Portrait
    pose: HeadPose
    found: bool
    place: np.ndarray
    scene: Scene
    cameras: np.ndarray
    pivot: np.ndarray
    cut: float

    @property
    def surface(self) -> tuple[np.ndarray, np.ndarray]:
        """All painted surfaces as one mesh: (V, 3) in the fitted head's world, (F, 3)."""
        return self.scene.values[:, :3].astype(np.float64), self.scene.faces[:, :3]

    @property
    def marks(self) -> np.ndarray:
        """The true landmarks (478, 2) in pixels of the views."""
        return project(self.made.landmarks, self.cameras[0] @ self.place)

    def normals(self, cameras: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
        """Give unit normals (N, S, S, 3), 0 outside, and coverage (N, S, S), nothing of it below the portrait's cut."""
        frames = paint(self.scene, cameras, size, np.full(len(cameras), self.cut * size / VIEW_SIZE))
        return unit_normals(frames), frames.rgba[..., 3].astype(np.float32) / 255

    def views(self) -> Views:
        """Give the true six views, 256 x 256."""
        frames = paint(self.scene, self.cameras, VIEW_SIZE, np.full(6, self.cut))
        alpha = frames.rgba[..., 3:].astype(np.float32) / 255
        images = frames.rgba[..., :3].astype(np.float32) / 255 * alpha + 1 - alpha
        return Views(images, unit_normals(frames), alpha[..., 0], self.cameras, "truth")

    def moved(self, pose: HeadPose) -> "Truth":
        """Give the same truth in the world of a corrected pose (`soaplib.fitting.stand`)."""
        to_old = np.linalg.inv(self.pose.camera) @ pose.camera
        to_new = np.linalg.inv(to_old)
        return dataclasses.replace(
            self, pose=pose, place=to_new @ self.place, scene=_moved(self.scene, to_new),
            cameras=self.cameras @ to_old, pivot=to_new[:3, :3] @ self.pivot + to_new[:3, 3],
        )  # fmt: skip


def unit_normals(frames) -> np.ndarray:
    """Give the normals (N, H, W, 3) of painted `Frames` as float32 unit vectors, 0 outside."""
    normals = frames.normals.astype(np.float32) / 127.5 - 1
    length = np.linalg.norm(normals, axis=-1, keepdims=True)
    return np.where(frames.labels[..., None] > 0, normals / np.maximum(length, 1e-6), 0).astype(np.float32)


def make_truth(made: SyntheticHead, head: HeadModel) -> Truth:
    """Take a head's portrait (view 0, 512 x 512, with its alpha), and fit `head` to it."""
    points = np.concatenate([piece.vertices for piece in made.pieces])
    cameras = make_cameras(made.turn, made.model, made.vertices, points, PORTRAIT_SIZE)
    light = made.light.turned(made.turn.rotation())
    scene = assemble(made.pieces, light, made.look, made.gradients)
    front = cameras.views[0]
    rgba = paint(scene, front[None], PORTRAIT_SIZE, [cameras.cut]).rgba[0].astype(np.float32) / 255
    picture = Picture(rgba[..., :3], rgba[..., 3], (PORTRAIT_SIZE, PORTRAIT_SIZE))
    try:
        portrait, found = make_portrait(picture), True
    except UserError:
        given = project(made.landmarks, front), np.ones(478, np.float32)
        portrait, found = make_portrait(picture, given), False
    pose = fit_head(portrait, head)
    place = _place(made, front, portrait, head, pose)
    scene = _moved(scene, place)
    fitted = posed_vertices(head, pose)
    pivot = head.skull_middle(fitted)
    views = view_cameras(pose.camera, pivot)
    scale = VIEW_SIZE / portrait.image.shape[0]
    views[:, :3] *= scale
    to_crop = np.linalg.inv(portrait.crop_to_picture)
    cut = (to_crop @ [0, cameras.cut, 1])[1] * scale
    return Truth(made, portrait, pose, found, place, scene, views, pivot, float(cut))


def _place(made, front, portrait, head, pose):
    """The similarity from the person's world to the fitted head's."""
    to_crop = np.linalg.inv(portrait.crop_to_picture)
    scale = np.sqrt(abs(np.linalg.det(to_crop[:2, :2])))
    lift = np.eye(4)
    lift[:2, :2], lift[:2, 3], lift[2, 2] = to_crop[:2, :2], to_crop[:2, 2], scale
    seen = lift @ front
    true = made.landmarks
    fitted = head.landmarks(posed_vertices(head, pose))
    depth = np.median(fitted @ pose.camera[2, :3] + pose.camera[2, 3] - true @ seen[2, :3] - seen[2, 3])
    shift = np.eye(4)
    shift[2, 3] = depth
    return np.linalg.inv(pose.camera) @ shift @ seen


def _moved(scene, place):
    values = scene.values.copy()
    values[:, :3] = values[:, :3] @ place[:3, :3].T + place[:3, 3]
    turn = place[:3, :3] / np.cbrt(np.linalg.det(place[:3, :3]))
    for start in (3, 6):
        values[:, start : start + 3] = values[:, start : start + 3] @ turn.T
    return scene._replace(values=values.astype(np.float32))
