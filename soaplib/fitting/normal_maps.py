"""Normal maps as equations: how a head model has to change for its normals to be those of its views."""

import numpy as np
import scipy.sparse as sp
import torch

from soaplib.data import Views
from soaplib.fitting.energy import scaled, seen_faces, shrunk
from soaplib.head import HeadModel
from soaplib.render import camera_rotation, render_views

_SLANTED = 0.25  # cosine to the viewer below which neither normal is believed
_NOISE = 0.07  # of a component of a normal
_DOUBT = 0.35  # length of a difference of normals from which it is doubted
_SHOWN = 0.6  # of the weight of a blur that has to lie on believed pixels


class NormalMaps:
    """Linear equations for the parameters of a head, from the normal maps of its views.

    At each vertex that a view shows, the map's normal N(x) at the vertex' pixel x is to be its own, n: with a change of
    the parameters, N + (dN/dx) C dp = n + dn. Lucas and Kanade's step (1981) for maps of normals in the place of
    grey levels: noses, lips and brows find their places along the surface, which points on planes leave to chance.
    Both maps, the views' and that of the head as it is drawn, are blurred alike, at first widely.
    """

    def __init__(self, views: Views, head: HeadModel, chosen: np.ndarray, size: int = 256):
        """chosen: (Q,) vertices that count."""
        self.size, self.chosen, self.head = size, chosen, head
        self.cameras = scaled(views, size)
        self.masks, self.normals = shrunk(views.masks, size), shrunk(views.normals, size)
        self.seen = seen_faces(head)
        skin = head.faces[head.part_vertices("skin")[head.faces].all(1)]
        self.skin = skin[np.isin(skin, chosen).any(1)]

    def equations(self, vertices: np.ndarray, slopes: np.ndarray, trust: np.ndarray, blur: float):
        """Give rows (R, M) and right sides (R,) at posed vertices (V, 3), weighted.

        slopes: (V, 3, M) derivatives of the vertices; trust: (Q,) of the chosen; blur: pixels.
        """
        drawn = render_views(
            torch.as_tensor(vertices, dtype=torch.float32), torch.as_tensor(self.seen),
            torch.as_tensor(self.cameras, dtype=torch.float32), (self.size, self.size),
        )  # fmt: skip
        own, turning = self._turning(vertices, slopes)
        points, moving = vertices[self.chosen], slopes[self.chosen]
        rows, right = [], []
        for k, camera in enumerate(self.cameras):
            axes = camera_rotation(camera)
            ids = drawn.face_ids[k].numpy()
            shown = np.zeros(len(vertices), bool)
            shown[self.seen[np.unique(ids[ids >= 0])]] = True
            pixels = points @ camera[:2, :3].T + camera[:2, 3] - 0.5
            there, weight = _blurred(self.normals[k], self.masks[k], blur)
            here, weight_here = _blurred(drawn.normals[k].numpy(), drawn.mask[k].numpy(), blur)
            stack = np.concatenate([there, here, (_slope(there) + _slope(here)) / 2], 2)
            at = _sample(np.concatenate([stack, weight[..., None], weight_here[..., None]], 2), pixels)
            facing = (own @ axes[2] > _SLANTED) & shown[self.chosen] & (at[:, 2] > _SLANTED)
            used = np.flatnonzero(facing & (at[:, -2:] > _SHOWN).all(1) & (trust > 0.01))
            at = at[used]
            left = at[:, :3] - at[:, 3:6]
            amount = trust[used] * (_DOUBT**2 / (_DOUBT**2 + (left**2).sum(1))) ** 2
            across = np.einsum("ab,qbm->qam", camera[:2, :3], moving[used])
            change = np.einsum("ab,qbm->qam", axes, turning[used])
            change -= np.einsum("qac,qcm->qam", at[:, 6:12].reshape(-1, 2, 3).transpose(0, 2, 1), across)
            by = np.sqrt(amount)[:, None] / _NOISE
            rows.append((change * by[..., None]).reshape(-1, change.shape[2]))
            right.append((left * by).ravel())
        return np.concatenate(rows), np.concatenate(right)

    def _turning(self, vertices, slopes):
        """Unit normals (Q, 3) of the chosen vertices, and their derivatives (Q, 3, M)."""
        corners = vertices[self.skin]
        a, b, c = corners[:, 0], corners[:, 1], corners[:, 2]
        place = np.full(len(vertices), -1)
        place[self.chosen] = np.arange(len(self.chosen))
        sums = np.zeros((len(self.chosen) + 1, 3))
        area = np.cross(b - a, c - a)
        for k in range(3):
            np.add.at(sums, place[self.skin[:, k]], area)
        sums = sums[:-1]
        length = np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-15)
        normals = sums / length
        # d((b - a) x (c - a)) = [c - b]x da + [a - c]x db + [b - a]x dc
        crosses = np.stack([_crossing(c - b), _crossing(a - c), _crossing(b - a)], 1)
        out, inn = np.repeat(np.arange(3), 3), np.tile(np.arange(3), 3)
        i, j, values = [], [], []
        for k in range(3):
            into = place[self.skin[:, k]]
            keep = into >= 0
            for corner in range(3):
                i.append((3 * into[keep, None] + out).ravel())
                j.append((3 * self.skin[keep, corner, None] + inn).ravel())
                values.append(crosses[keep, corner].reshape(-1))
        shape = 3 * len(self.chosen), 3 * len(vertices)
        by = sp.csr_matrix((np.concatenate(values), (np.concatenate(i), np.concatenate(j))), shape)
        change = (by @ slopes.reshape(shape[1], -1)).reshape(len(self.chosen), 3, -1) / length[..., None]
        change -= normals[..., None] * np.einsum("qa,qam->qm", normals, change)[:, None]
        return normals, change


def _crossing(v):
    """[v]x (N, 3, 3): the matrices of the cross products v x ."""
    o = np.zeros(len(v))
    x, y, z = v.T
    return np.stack([np.stack([o, -z, y], 1), np.stack([z, o, -x], 1), np.stack([-y, x, o], 1)], 1)


def _blurred(normals, mask, blur):
    """A blurred map of unit normals (H, W, 3), by the pixels inside alone, and the share (H, W) of these."""
    import cv2

    inside = (mask > 0.9)[..., None].astype(np.float32)
    both = np.concatenate([normals * inside, inside], 2).astype(np.float32)
    both = cv2.GaussianBlur(both, (0, 0), blur)
    out = both[..., :3]
    return out / np.maximum(np.linalg.norm(out, axis=2, keepdims=True), 1e-6), both[..., 3]


def _slope(image):
    """(H, W, 2 * 3): the derivatives by x, then by y."""
    y, x = np.gradient(image, axis=(0, 1))
    return np.concatenate([x, y], 2)


def _sample(image, pixels):
    """Bilinear values (N, C) at (N, 2) positions."""
    import cv2

    where = pixels.astype(np.float32)
    out = [
        cv2.remap(np.ascontiguousarray(part), where[:, None, 0], where[:, None, 1], cv2.INTER_LINEAR).reshape(
            len(pixels), -1
        )
        for part in np.array_split(image.astype(np.float32), 4, axis=2)
    ]
    return np.concatenate(out, 1)
