"""Deform the fitted head to its views: silhouettes, normals and landmarks, in smooth large steps."""

import dataclasses
from collections.abc import Callable

import numpy as np
import scipy.sparse as sp
import torch

from soaplib.data import REGIONS, Geometry, HeadPose, Portrait, Views
from soaplib.errors import UserError
from soaplib.fitting.posing import Posing
from soaplib.fitting.snap import follow_skin, landmark_trust, snap_landmarks
from soaplib.head import HeadModel, subdivide
from soaplib.head.laplacian import factorised, uniform_laplacian
from soaplib.head.swell import swell
from soaplib.render import mesh_edges, project, render_views


@dataclasses.dataclass(frozen=True)
class Schedule:
    """How long and how finely to deform, and what counts how much.

    iterations; size: pixels of a view; rate: Adam's step over half the picture's width; stiffness: lambda of the
    large steps; then the weights of the energy's terms.
    """

    iterations: int
    size: int
    rate: float = 1.5e-3
    stiffness: float = 24.0
    normals: float = 1.0
    masks: float = 4.0
    landmarks: float = 60.0
    depth: float = 20.0


PROFILES = {"draft": Schedule(25, 160), "standard": Schedule(70, 224)}
_VIEW_WEIGHTS = (2.0, 0.7, 0.7, 0.7, 1.0, 1.0)  # view 0 is the portrait itself; 4 and 5 see the face too


def deform(
    views: Views,
    portrait: Portrait,
    head: HeadModel,
    pose: HeadPose,
    profile: str = "standard",
    watch: Callable[[int, dict], None] | None = None,
) -> Geometry:
    """Deform the head, fitted by `fit_head`, to its six views.

    First in two direct solves: landmarks onto landmarks (`snap_landmarks`), and the outline swollen to the matte
    (`soaplib.head.swell`). Then, on the subdivided mesh, by the gradient of normals, masks and landmarks through
    the renderer, in the large steps of Nicolet et al. 2021 (x = (I + lambda L)^-1 u, Adam on u with one step
    size for all). SOAP starts at once with the second part and uses a plain Laplacian term instead.

    watch: called after each iteration with its number and the terms of the energy.
    Raises UserError for an unknown profile.
    """
    if profile not in PROFILES:
        raise UserError(f"The profile must be one of {', '.join(PROFILES)}, not {profile!r}.")
    shape = head.template + head.shape_basis @ pose.shape.astype(np.float64)
    posing = Posing(head, pose, shape)
    posed = snap_landmarks(head, posing.pose(shape), pose.camera, portrait)
    swollen = follow_skin(head, posed, swell(head, posed, pose.camera, portrait.matte, portrait.regions))
    fine, binding = subdivide(head)
    start = binding @ swollen
    refined = _refine(views, portrait, fine, pose, start, PROFILES[profile], watch)
    posed = follow_skin(fine, start, refined)
    lively = liveliness(fine, posed, pose, portrait)
    neutral = Posing(fine, pose, binding @ shape, lively).unpose(posed)
    return Geometry(neutral, fine.faces, binding, lively.astype(np.float32))


def liveliness(head: HeadModel, posed: np.ndarray, pose: HeadPose, portrait: Portrait) -> np.ndarray:
    """How much of an expression each vertex shows (V,): none under hair that hangs over the face, faded about it."""
    at = np.clip(project(posed, pose.camera).astype(int), 0, portrait.image.shape[0] - 1)
    hair = portrait.regions[at[:, 1], at[:, 0]] == REGIONS.index("hair")
    above = posed[:, 1] > posed[head.part_vertices("left_eye", "right_eye")].mean(0)[1]
    outside = (head.region("lids") < 0.5) & (head.region("eye_sockets") < 0.5) & head.part_vertices("skin")
    covered = hair & above & outside
    share = 1 - covered.astype(np.float64)
    laplacian = uniform_laplacian(head.faces, len(posed))
    degree = np.maximum(laplacian.diagonal(), 1)
    for _ in range(12):  # a short diffusion: the fade is a few edges wide
        share -= 0.5 * (laplacian @ share) / degree
    return np.clip(share, 0, 1)


def _refine(views, portrait, head, pose, start, schedule, watch):
    energy = _Energy(views, portrait, head, pose, start, schedule)
    steps = _LargeSteps(head, start, energy.unit, schedule)
    for iteration in range(schedule.iterations):
        vertices = torch.as_tensor(steps.vertices, dtype=torch.float32).requires_grad_()
        terms = energy(vertices)
        sum(terms.values()).backward()
        steps.step(vertices.grad.double().numpy())
        if watch:
            watch(iteration, {name: float(value.detach()) for name, value in terms.items()})
    return steps.vertices


class _LargeSteps:
    """Adam with one second moment for all (AdamUniform) on u = (I + lambda L) x."""

    def __init__(self, head, start, unit, schedule):
        skin = head.part_vertices("skin")
        laplacian = uniform_laplacian(head.faces[skin[head.faces].all(1)], len(start))
        self.system = factorised(sp.identity(len(start)) + schedule.stiffness * laplacian)
        self.vertices, self.rate = start.copy(), schedule.rate * unit
        self.first, self.second, self.count = np.zeros_like(start), 0.0, 0

    def step(self, gradient):
        """Take one step: the gradient by u is (I + lambda L)^-1 times that by x, and so is the step in x."""
        by_u = self.system.solve(gradient)
        self.count += 1
        self.first = 0.9 * self.first + 0.1 * by_u
        self.second = 0.99 * self.second + 0.01 * (by_u**2).max()
        mean = self.first / (1 - 0.9**self.count)
        size = np.sqrt(self.second / (1 - 0.99**self.count)) + 1e-30
        self.vertices -= self.rate * self.system.solve(mean / size)


class _Energy:
    """The terms that the deformation lowers, as a function of the posed vertices (V, 3)."""

    def __init__(self, views, portrait, head, pose, start, schedule):
        drawn = head.part_vertices("skin", "left_eye", "right_eye")
        faces = head.faces[drawn[head.faces].all(1)]
        self.faces, self.edges = torch.as_tensor(faces), mesh_edges(torch.as_tensor(faces))
        self.schedule, self.size = schedule, schedule.size
        scale = schedule.size / views.images.shape[1]
        self.cameras = torch.as_tensor(
            views.cameras * np.array([scale, scale, scale, 1])[:, None], dtype=torch.float32
        )
        self.masks = torch.as_tensor(_shrunk(views.masks, schedule.size))
        normals = torch.as_tensor(_shrunk(views.normals, schedule.size))
        self.normals = torch.nn.functional.normalize(normals, dim=-1)
        self.weights = torch.tensor(_VIEW_WEIGHTS)[:, None, None] / sum(_VIEW_WEIGHTS)
        self.trust = self._trust(portrait, normals)
        self.unit = portrait.image.shape[0] / 2 / np.linalg.norm(pose.camera[0, :3])
        corners = head.faces[head.landmark_faces]
        self.corners = torch.as_tensor(corners, dtype=torch.long)
        self.shares = torch.as_tensor(head.landmark_weights)[..., None]
        self.camera = torch.as_tensor(pose.camera[:2], dtype=torch.float32)
        self.targets = torch.as_tensor(portrait.landmarks, dtype=torch.float32)
        weights = torch.as_tensor(landmark_trust(portrait), dtype=torch.float32)
        self.landmark_weights = weights / weights.sum().clamp(min=1)
        self.half = portrait.image.shape[0] / 2
        inner = (head.region("mouth_cavity") > 0.5) | (head.region("eye_sockets") > 0.5)
        kept = np.where(inner, 3.0, head.region("face")) * head.part_vertices("skin")
        self.kept = torch.as_tensor(kept / max(kept.sum(), 1), dtype=torch.float32)[:, None]
        self.start = torch.as_tensor(start, dtype=torch.float32)

    def _trust(self, portrait, normals):
        """Where a normal map is believed: inside, off grazing angles, and in view 0 not in eyes and mouth."""
        trust = (normals.norm(dim=-1) > 0.5).float() * (self.normals[..., 2] > 0.15)
        soft = [REGIONS.index(name) for name in ("eyes", "irises", "mouth")]
        inside = np.isin(portrait.regions, soft).astype(np.float32)[None]
        trust[0] *= 1 - torch.as_tensor(_shrunk(inside, self.size))[0]
        return trust

    def __call__(self, vertices):
        s = self.schedule
        seen = render_views(vertices, self.faces, self.cameras, (self.size, self.size), edges=self.edges)
        cosine = (seen.normals * self.normals).sum(-1)
        normals = (self.weights * self.trust * seen.mask.detach() * (1 - cosine)).sum() / self.size**2
        masks = (self.weights * (seen.mask - self.masks) ** 2).sum() / self.size**2
        points = (vertices[self.corners] * self.shares).sum(1)
        error = (points @ self.camera[:, :3].T + self.camera[:, 3] - self.targets) / self.half
        landmarks = (self.landmark_weights * (error**2).sum(-1)).sum()
        moved = (self.kept * ((vertices - self.start) / self.unit) ** 2).sum()
        return {
            "normals": s.normals * normals, "masks": s.masks * masks, "landmarks": s.landmarks * landmarks,
            "depth": s.depth * moved,
        }  # fmt: skip


def _shrunk(images, size):
    import cv2

    shrunk = [cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA) for image in images]
    return np.stack(shrunk).astype(np.float32)
