"""The energy that the deformation lowers: how far a surface is from what the views show of it."""

import dataclasses

import numpy as np
import torch

from soaplib.data import REGIONS, HeadPose, Portrait, Views
from soaplib.fitting.snap import landmark_trust
from soaplib.head import HeadModel
from soaplib.head.laplacian import border_vertices
from soaplib.render import mesh_edges, render_views

VIEW_WEIGHTS = (2.0, 0.7, 0.7, 0.7, 1.0, 1.0)
"""How much each view counts: view 0 is the portrait itself; 4 and 5 see the face too."""

_SLANTED = 0.15  # cosine to the viewer below which a normal map is not believed
_DOUBT = 0.6  # how one-sided colours must be before they tell skin from hair
_SPREAD = 0.1  # how much the neck's end is drawn to its place, over what keeps the rest above it
_DOUBTED = 0.1  # half pictures from which a depth is doubted
_BELOW = 0.03  # pictures below the cut where the neck ends, so that it hangs straight where it is cut off


@dataclasses.dataclass(frozen=True)
class Weights:
    """What counts how much in the `Energy`."""

    normals: float = 3.0
    masks: float = 4.0
    landmarks: float = 60.0
    cut: float = 20.0
    sockets: float = 2.0
    regions: float = 2.0
    hull: float = 30.0
    depths: float = 200.0


class Energy:
    """The terms of the energy, as a function of the posed vertices (V, 3) float32.

    normals: 1 - cosine of the angle to the views' normals, where both are and where these are believed, and for large
    angles the angle (Charbonnier et al. 1994); masks: squared difference of coverage; both as means over the pixels,
    weighted by `VIEW_WEIGHTS`. landmarks: squared distance in half pictures. cut: squared distance of what lies more
    than 3 % of a picture below the last row that view 0 shows, and of the neck's open end from there. sockets: squared
    motion of the eyes' sockets, which no view sees. With `Depths` given, depths: squared distance from these along the
    views, doubted where it is large (Geman and McClure 1987). With
    `Hair` given, regions: squared difference between what is bare skin and where the views show it; hull: squared
    distance of the rest from the `Hull`, counted by `inner` inside of it. SOAP has a similar sum (main.py:383-443) with
    a plain Laplacian; here smoothness lies in the steps (`soaplib.fitting.steps`).
    """

    def __init__(
        self, views: Views, portrait: Portrait, head: HeadModel, pose: HeadPose, start: np.ndarray, size: int,
        weights: Weights, hair=None, inner: float = 0.0, alone: bool = False, depths=None, doubt: float = 10.0,
    ):  # fmt: skip
        """size: pixels of a view; hair: `soaplib.fitting.hair.Hair` of this head, or None; alone: leave out the bare
        skin and what shows it; depths: `soaplib.fitting.stereo.Depths` of the views, or None; doubt: the distance
        of unit normals from which it counts by itself, not by its square."""
        self.size, self.by, self.doubt = size, weights, doubt
        self.hair, self.inner, self.alone = hair, inner, alone
        faces = seen_faces(head)
        if hair is not None:
            self.bare = torch.as_tensor(hair.bare, dtype=torch.float32)[:, None]
            self.shows_skin = hair.skin(size)
            self.covered = torch.as_tensor(head.part_vertices("skin") & (hair.bare < 0.5))
            if alone:
                faces = faces[head.part_vertices("skin")[faces].all(1) & (hair.bare[faces] < 0.5).any(1)]
        self.faces, self.edges = torch.as_tensor(faces), mesh_edges(torch.as_tensor(faces))
        self.is_skin = torch.as_tensor(np.append(head.part_vertices("skin")[faces].all(1), True))
        self.cameras = torch.as_tensor(scaled(views, size), dtype=torch.float32)
        self.masks = torch.as_tensor(shrunk(views.masks, size))
        normals = torch.as_tensor(shrunk(views.normals, size))
        self.normals = torch.nn.functional.normalize(normals, dim=-1)
        self.views = torch.tensor(VIEW_WEIGHTS)[:, None, None] / sum(VIEW_WEIGHTS)
        self.trust = self._trust(portrait, normals)
        self.depths = depths and depths.at(size)
        corners = head.faces[head.landmark_faces]
        self.corners = torch.as_tensor(corners, dtype=torch.long)
        self.shares = torch.as_tensor(head.landmark_weights)[..., None]
        self.camera = torch.as_tensor(pose.camera[:2], dtype=torch.float32)
        self.targets = torch.as_tensor(portrait.landmarks, dtype=torch.float32)
        trust = torch.as_tensor(landmark_trust(portrait), dtype=torch.float32)
        self.landmark_weights = trust / trust.sum().clamp(min=1)
        self.half = portrait.image.shape[0] / 2
        self.unit = self.half / np.linalg.norm(pose.camera[0, :3])
        skin = head.part_vertices("skin")
        self.skin = torch.as_tensor(skin)
        ends = border_vertices(head.faces[skin[head.faces].all(1)], len(skin)) & (head.region("neck") > 0.5)
        self.ends = torch.as_tensor(ends)
        rows = np.flatnonzero((self.masks[0] > 0.5).any(1).numpy())
        self.cut = float(rows[-1] + 1) if len(rows) else float(size)
        self.below = (torch.arange(size) >= self.cut - 1)[:, None]
        sockets = (head.region("eye_sockets") > 0.5) * skin
        self.sockets = torch.as_tensor(sockets / max(sockets.sum(), 1), dtype=torch.float32)[:, None]
        self.start = torch.as_tensor(start, dtype=torch.float32)

    def _trust(self, portrait, normals):
        """Where a normal map is believed: inside, off grazing angles, and in view 0 not in eyes and mouth."""
        trust = ((normals.norm(dim=-1) > 0.5) & (self.normals[..., 2] > _SLANTED)).float()
        soft = [REGIONS.index(name) for name in ("eyes", "irises", "mouth")]
        inside = np.isin(portrait.regions, soft).astype(np.float32)[None]
        trust[0] *= 1 - torch.as_tensor(shrunk(inside, self.size))[0]
        if self.alone:
            trust *= self.shows_skin < 0.5
        return trust

    def __call__(self, vertices: torch.Tensor) -> dict[str, torch.Tensor]:
        """Give each term, weighted."""
        seen = render_views(
            vertices, self.faces, self.cameras, (self.size, self.size), self.bare if self.hair else None,
            edges=self.edges,
        )  # fmt: skip
        cosine = (seen.normals * self.normals).sum(-1)
        believed = self.trust * self.is_skin[seen.face_ids] * seen.mask.detach()  # eyeballs are fitted later
        wrong = 2 * (1 - cosine).clamp(min=0)  # the squared distance of the normals
        wrong = wrong * self.doubt / ((wrong + self.doubt**2).sqrt() + self.doubt)
        normals = (self.views * believed * wrong).sum() / self.size**2
        excess = seen.mask - self.masks
        excess = torch.where((excess > 0) & self.below, 0, excess)  # below the cut nothing is known
        if self.alone:
            excess = torch.where((excess < 0) & (self.shows_skin > 0.5), 0, excess)
        masks = (self.views * excess**2).sum() / self.size**2
        points = (vertices[self.corners] * self.shares).sum(1)
        error = (points @ self.camera[:, :3].T + self.camera[:, 3] - self.targets) / self.half
        landmarks = (self.landmark_weights * (error**2).sum(-1)).sum()
        row = self.cameras[0, 1]
        depth = (vertices[self.skin] @ row[:3] + row[3] - self.cut) / self.size - _BELOW
        ends = (vertices[self.ends] @ row[:3] + row[3] - self.cut) / self.size - _BELOW
        cut = (depth.clamp(min=0) ** 2).mean() + _SPREAD * (ends**2).sum() / max(len(ends), 1)
        moved = (self.sockets * ((vertices - self.start) / self.unit) ** 2).sum()
        by = self.by
        terms = {
            "normals": by.normals * normals, "masks": by.masks * masks, "landmarks": by.landmarks * landmarks,
            "cut": by.cut * cut, "sockets": by.sockets * moved,
        }  # fmt: skip
        if self.hair:
            off = self.hair.hull.distance(vertices[self.covered])
            off = torch.where(vertices[self.covered] @ row[:3] + row[3] > self.cut, 0, off)
            terms["hull"] = by.hull * (torch.where(off < 0, self.inner, 1) * off**2).mean()
            if not self.alone:
                terms["regions"] = by.regions * self._regions(seen)
        if self.depths:
            terms["depths"] = by.depths * self._depths(seen)
        return terms

    def _depths(self, seen):
        """Distances along the views, hair from hair and skin from skin only."""
        depth, known = self.depths
        inside = (seen.face_ids >= 0) & self.is_skin[seen.face_ids] & ~self.below
        if self.hair:
            inside = inside & ((seen.attributes.detach()[..., 0] > 0.5) == (self.shows_skin > 0.5))
        off = ((seen.depth - depth) / (self.size / 2)) ** 2
        return (self.views * known * inside * off * _DOUBTED**2 / (_DOUBTED**2 + off)).sum() / self.size**2

    def _regions(self, seen):
        """Where colours leave no doubt, bare skin must be seen, and only there."""
        sure = ((2 * self.shows_skin - 1).abs() - _DOUBT).clamp(min=0) / (1 - _DOUBT)
        sure = sure * (seen.mask.detach() > 0.5) * (self.masks > 0.5) * ~self.below
        wrong = (seen.attributes[..., 0] - (self.shows_skin > 0.5).float()) ** 2
        return (self.views * sure * wrong).sum() / self.size**2

    def angles(self, vertices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Give the degrees (6, size, size) between the normals of posed vertices and those of the views, NaN where
        these are not believed, and which of `faces` each pixel sees, -1 for none."""
        with torch.no_grad():
            seen = render_views(
                torch.as_tensor(vertices, dtype=torch.float32),
                self.faces,
                self.cameras,
                (self.size, self.size),
            )
        believed = (self.trust > 0.5) & (seen.mask > 0.99) & self.is_skin[seen.face_ids]
        cosine = (torch.nn.functional.normalize(seen.normals, dim=-1) * self.normals).sum(-1)
        angles = torch.rad2deg(torch.arccos(cosine.clamp(-1, 1)))
        return torch.where(believed, angles, torch.nan).numpy(), seen.face_ids.numpy()


def seen_faces(head: HeadModel) -> np.ndarray:
    """Give the triangles (F, 3) that the views can see, all whose corners are `drawn_vertices`."""
    return head.faces[drawn_vertices(head)[head.faces].all(1)]


def drawn_vertices(head: HeadModel) -> np.ndarray:
    """Tell which vertices (V,) bool the views can see: skin without the mouth's inside, and the eyeballs."""
    return head.part_vertices("skin", "left_eye", "right_eye") & (head.region("mouth_cavity") < 0.5)


def scaled(views: Views, size: int) -> np.ndarray:
    """Give the views' cameras (6, 4, 4) for pictures of another size; the three rows of pixels scale together."""
    scale = size / views.images.shape[1]
    return views.cameras * np.array([scale, scale, scale, 1])[:, None]


def shrunk(images: np.ndarray, size: int) -> np.ndarray:
    """Shrink a stack of pictures (N, H, W[, C]) by area, to (N, size, size[, C]) float32."""
    import cv2

    return np.stack([cv2.resize(i, (size, size), interpolation=cv2.INTER_AREA) for i in images]).astype(
        np.float32
    )
