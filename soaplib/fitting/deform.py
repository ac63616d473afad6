"""Deform the fitted head to its views: silhouettes, normals and landmarks, in smooth large steps, coarse to fine."""

import dataclasses
from collections.abc import Callable

import numpy as np
import scipy.sparse as sp
import torch

from soaplib.data import REGIONS, Geometry, HeadPose, Portrait, Views
from soaplib.errors import UserError
from soaplib.fitting.adapt import adapt, without_rig
from soaplib.fitting.align import depth_shift
from soaplib.fitting.energy import Energy, Weights
from soaplib.fitting.posing import Posing
from soaplib.fitting.registration import settle
from soaplib.fitting.snap import follow_skin, snap_landmarks
from soaplib.fitting.steps import LargeSteps
from soaplib.fitting.transfer import unposed
from soaplib.head import HeadModel, subdivide
from soaplib.head.laplacian import uniform_laplacian
from soaplib.head.swell import lay_ears_flat, swell
from soaplib.render import project


@dataclasses.dataclass(frozen=True)
class Level:
    """One stretch of the way: iterations; size: pixels of a view; rate: the first step over half the picture's width
    (it falls to 0.3 of that); stiffness: lambda of the large steps."""

    iterations: int
    size: int
    rate: float
    stiffness: float


@dataclasses.dataclass(frozen=True)
class Schedule:
    """The levels, coarse to fine; what counts how much; and about how many triangles may be seen of the surface.

    triangles: None keeps the mesh as it is.
    """

    levels: tuple[Level, ...]
    weights: Weights = dataclasses.field(default_factory=Weights)
    triangles: int | None = 60000

    @property
    def iterations(self) -> int:
        """Of all levels."""
        return sum(level.iterations for level in self.levels)


PROFILES = {
    "draft": Schedule((Level(40, 64, 2e-2, 40.0), Level(50, 128, 1e-2, 16.0)), triangles=36000),
    "standard": Schedule((Level(40, 64, 2e-2, 40.0), Level(60, 128, 1e-2, 8.0), Level(100, 256, 5e-3, 4.0))),
}


def deform(
    views: Views,
    portrait: Portrait,
    head: HeadModel,
    pose: HeadPose,
    profile: str = "standard",
    watch: Callable[[int, dict], None] | None = None,
) -> Geometry:
    """Deform the head, as `fit_head` and then `stand` have it, to its six views.

    The head is moved along the line of sight to where the side views have it (`depth_shift`). Then, on the subdivided
    mesh, the gradient of the `Energy` through the renderer moves the surface in `LargeSteps`, coarse to fine. Between
    the levels the mesh is remeshed outside the face and the eyes, finer where its normals are off (`adapt`), and
    everything is carried along. At last the face slides back along the surface to where its vertices belong (`settle`).
    Views of the generator "geometric" are pictures of a swollen head (`soaplib.head.swell`) on the subdivided mesh, so
    there the way starts at that head, with landmarks on landmarks (`snap_landmarks`), on the last level.

    watch: called after each iteration with its number and the terms of the energy.
    Raises UserError for an unknown profile.
    """
    if profile not in PROFILES:
        raise UserError(f"The profile must be one of {', '.join(PROFILES)}, not {profile!r}.")
    shape = head.template + head.shape_basis @ pose.shape.astype(np.float64)
    posed = Posing(head, pose, shape).pose(shape)
    fine, binding = subdivide(head)
    schedule = PROFILES[profile]
    if views.generator == "geometric":
        posed = snap_landmarks(head, posed, pose.camera, portrait)
        swollen = swell(head, posed, pose.camera, portrait.matte, portrait.regions)
        posed, flat = follow_skin(head, posed, swollen), None
        schedule = dataclasses.replace(schedule, levels=schedule.levels[-1:])
    else:
        shift = depth_shift(views, head, pose, posed)
        shape, posed = shape + shift, posed + shift
        registered = binding @ posed
        posed, flat = lay_ears_flat(head, posed, pose.camera, portrait.regions)
        flat = binding @ flat > 0.5
    start = binding @ posed
    mesh, refined, carry = refine(views, portrait, without_rig(fine), pose, start, schedule, flat, watch)
    binding = (carry @ binding).tocsr()
    lively = liveliness(mesh, refined, pose, portrait)
    if views.generator != "geometric":
        refined = settle(mesh, carry @ registered, refined, lively)
    joints = head.joint_regressor @ shape
    neutral = unposed(mesh, pose, binding @ shape, refined, lively, joints)
    return Geometry(neutral, mesh.quads, mesh.uv, mesh.uv_quads, binding, lively.astype(np.float32), joints)


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


def refine(
    views: Views, portrait: Portrait, head: HeadModel, pose: HeadPose, start: np.ndarray, schedule: Schedule,
    flat: np.ndarray | None = None, watch: Callable[[int, dict], None] | None = None,
) -> tuple[HeadModel, np.ndarray, sp.csr_matrix]:  # fmt: skip
    """Lower the energy, level by level, from posed vertices (V, 3) on; flat: (V,) bool, what may bend freely.

    Returns the head on its last mesh, its posed vertices (V', 3), and the (V', V) matrix that carries attributes to it.
    """
    iteration, steps, carry = 0, None, sp.identity(len(start), format="csr")
    for level in schedule.levels:
        before = start if steps is None else steps.vertices
        energy = Energy(views, portrait, head, pose, before, level.size, schedule.weights)
        if steps and schedule.triangles:
            ears = flat is None or not flat.any()  # laid flat, they are hair
            head, before, step = adapt(head, before, energy, schedule.triangles, ears)
            start, carry = step @ start, step @ carry
            flat = None if flat is None else step @ flat > 0.5
            energy = Energy(views, portrait, head, pose, before, level.size, schedule.weights)
        steps = LargeSteps(head, start, energy.unit, flat, before)
        steps.restart(level.stiffness)
        for k in range(level.iterations):
            vertices = torch.as_tensor(steps.vertices, dtype=torch.float32).requires_grad_()
            terms = energy(vertices)
            sum(terms.values()).backward()
            steps.step(vertices.grad.double().numpy(), level.rate * (1 - 0.7 * k / level.iterations))
            if watch:
                watch(iteration, {name: float(value.detach()) for name, value in terms.items()})
            iteration += 1
        steps.vertices = follow_skin(head, before, steps.vertices)
    return head, steps.vertices, carry
