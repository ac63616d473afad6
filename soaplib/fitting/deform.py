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
from soaplib.fitting.hair import Hair, find_hair
from soaplib.fitting.mend import mend, untangle
from soaplib.fitting.posing import Posing
from soaplib.fitting.rebind import rebound
from soaplib.fitting.registration import settle
from soaplib.fitting.snap import follow_skin, snap_landmarks
from soaplib.fitting.steps import LargeSteps
from soaplib.fitting.stereo import Depths, find_depths
from soaplib.fitting.transfer import face_joints, unposed
from soaplib.fitting.trim import trim_neck
from soaplib.head import HeadModel, subdivide
from soaplib.head.laplacian import uniform_laplacian
from soaplib.head.swell import lay_ears_flat, swell
from soaplib.render import project


@dataclasses.dataclass(frozen=True)
class Level:
    """One stretch of the way: iterations; size: pixels of a view; rate: the first step over half the picture's width
    (it falls to 0.3 of that); stiffness: lambda of the large steps. inner: how much the hull's inside draws hair out
    to it; hair: move hair and headwear alone, where there is any; depths: the share of the depths'
    weight that counts; doubt: the distance of unit normals from which they are doubted."""

    iterations: int
    size: int
    rate: float
    stiffness: float
    inner: float = 0.0
    hair: bool = False
    depths: float = 0.0
    doubt: float = 10.0


@dataclasses.dataclass(frozen=True)
class Schedule:
    """The levels, coarse to fine; what counts how much; and about how many triangles may be seen of the surface.

    triangles: None keeps the mesh as it is. pictured: lambda of the last level for views that are pictures of the mesh
    itself ("geometric"): they say little that is new, and a soft surface would follow their pixels, seen on the lips.
    """

    levels: tuple[Level, ...]
    weights: Weights = dataclasses.field(default_factory=Weights)
    triangles: int | None = 60000
    pictured: float = 10.0

    @property
    def iterations(self) -> int:
        """Of all levels."""
        return sum(level.iterations for level in self.levels)


_FIRST, _WEIGHTS = Level(40, 64, 2e-2, 40.0, 1.0, True, 1.0), Weights(normals=4.0)

PROFILES = {
    "draft": Schedule((_FIRST, Level(50, 128, 1e-2, 16.0, 0.0, False, 0.5, 0.7)), _WEIGHTS, 36000),
    "standard": Schedule(
        (
            _FIRST,
            Level(70, 128, 1e-2, 8.0, 0.1, False, 1.0, 0.7),
            Level(150, 256, 5e-3, 4.0, 0.0, False, 0.2, 0.5),
        ),
        _WEIGHTS,
    ),
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
    mesh, the gradient of the `Energy` through the renderer moves the surface in `LargeSteps`, coarse to fine: first the
    hair alone, out to where silhouettes and bare skin leave room for it (`find_hair`), then all; how deep what the
    views show lies is told by matching them (`find_depths`). Between the levels the mesh is remeshed outside the face
    and the eyes, finer where its normals are off (`adapt`), and everything is carried along. At last the face slides
    back along the surface to where its vertices belong (`settle`), other skin is bound to where it lies (`rebound`),
    what has turned over or runs through itself is smoothed (`mend`, `untangle`), and the neck ends where the views do
    (`trim_neck`).
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
    hair = flat = depths = None
    if views.generator == "geometric":
        posed = snap_landmarks(head, posed, pose.camera, portrait)
        swollen = swell(head, posed, pose.camera, portrait.matte, portrait.regions)
        start = binding @ follow_skin(head, posed, swollen)
        last = dataclasses.replace(schedule.levels[-1], stiffness=schedule.pictured)
        schedule = dataclasses.replace(schedule, levels=(last,))
    else:
        shift = depth_shift(views, head, pose, posed)
        shape, registered = shape + shift, binding @ (posed + shift)
        hair, depths = find_hair(views, portrait, fine, pose, registered), find_depths(views)
        posed, flat = lay_ears_flat(head, posed + shift, pose.camera, portrait.regions)
        start, flat = binding @ posed, binding @ flat > 0.5
    mesh, refined, carry = refine(
        views, portrait, without_rig(fine), pose, start, schedule, flat, watch, hair, depths
    )
    lively = liveliness(mesh, refined, pose, portrait)
    if views.generator != "geometric":
        refined = settle(mesh, carry @ registered, refined, lively)
        mesh, carry = rebound(fine, registered, mesh, refined, carry)
    binding = (carry @ binding).tocsr()
    refined = untangle(mesh, mend(mesh, refined))
    joints = face_joints(head, shape)
    mesh, refined, kept = trim_neck(mesh, refined, *_end(views))
    binding, lively = binding[kept], lively[kept]
    neutral = unposed(mesh, pose, binding @ shape, refined, lively, joints)
    return Geometry(neutral, mesh.quads, mesh.uv, mesh.uv_quads, binding, lively.astype(np.float32), joints)


def _end(views: Views) -> tuple[np.ndarray, float]:
    """The map (4,) from the world to rows of view 0 over its height, and where the head ends there."""
    size = views.masks.shape[1]
    rows = np.flatnonzero((views.masks[0] > 0.5).any(1))
    return views.cameras[0, 1] / size, (rows[-1] + 1) / size if len(rows) else 1.0


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
    flat: np.ndarray | None = None, watch: Callable[[int, dict], None] | None = None, hair: Hair | None = None,
    depths: Depths | None = None,
) -> tuple[HeadModel, np.ndarray, sp.csr_matrix]:  # fmt: skip
    """Lower the energy, level by level, from posed vertices (V, 3) on.

    flat: (V,) bool, what may bend freely; hair: what is known of it on this head, or None; depths: of
    the views, or None.

    Returns the head on its last mesh, its posed vertices (V', 3), and the (V', V) matrix that carries attributes to it.
    """
    iteration, steps, carry = 0, None, sp.identity(len(start), format="csr")
    for level in schedule.levels:
        before = start if steps is None else steps.vertices
        energy = _energy(views, portrait, head, pose, before, schedule, level, hair, depths)
        if steps and schedule.triangles:
            ears = flat is None or not flat.any()  # laid flat, they are hair
            head, before, step = adapt(head, before, energy, schedule.triangles, ears)
            start, carry = step @ start, step @ carry
            flat = None if flat is None else step @ flat > 0.5
            hair = hair and hair.carried(step)
            energy = _energy(views, portrait, head, pose, before, schedule, level, hair, depths)
        steps = LargeSteps(head, start, energy.unit, flat, before, hair and hair.bare)
        steps.restart(level.stiffness, hair.bare if level.hair and hair else None)
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


def _energy(views, portrait, head, pose, before, schedule, level, hair, depths):
    weights = dataclasses.replace(schedule.weights, depths=schedule.weights.depths * level.depths)
    alone = level.hair and hair is not None
    return Energy(
        views, portrait, head, pose, before, level.size, weights, hair, level.inner, alone, depths, level.doubt,
    )  # fmt: skip
