"""Deformation: large steps against the dense formula, gradients of the energy, a small case from end to end."""

import dataclasses

import numpy as np
import pytest
import scipy.ndimage
import torch
from made_up_portrait import eye_distance, made_up_portrait

from soaplib.data import REGIONS, Views
from soaplib.errors import UserError
from soaplib.fitting import deform, personal_head
from soaplib.fitting.align import depth_shift
from soaplib.fitting.carried import FACE_REGIONS, frozen_faces
from soaplib.fitting.deform import PROFILES, Level, Schedule
from soaplib.fitting.energy import Energy, Weights, scaled, seen_faces
from soaplib.fitting.posing import Posing
from soaplib.fitting.steps import LargeSteps
from soaplib.fitting.stereo import Depths
from soaplib.fitting.transfer import action_maps
from soaplib.head import subdivide
from soaplib.head.laplacian import uniform_laplacian
from soaplib.multiview import generate
from soaplib.parts import place_parts
from soaplib.render import camera_rotation, project, render_views
from soaplib.texture.atlas import lay_out


@pytest.fixture(scope="module")
def made(head):
    return made_up_portrait(head, 192, (0, -6, 0), 0.3)


@pytest.fixture(scope="module")
def views(head, made):
    return generate(made.portrait, head, made.pose, "geometric", size=192)


class _Tiny:
    """A head of one part without named regions: what `LargeSteps` asks of a head."""

    faces = np.array([[0, 1, 2], [0, 2, 3], [0, 3, 4], [0, 4, 1]])
    region_names = ("face",)

    def region(self, name):
        return np.zeros(5)

    def part_vertices(self, *names):
        return np.ones(5, bool)


def test_a_large_step_is_the_dense_formula():
    """Nicolet et al. 2021, algorithm 1: u -= rate * Adam((I + lambda L)^-1 g) and x = (I + lambda L)^-1 u.

    With twice the root mean square for the size of a step, steps cut at 2, and the spring against bending.
    """
    rng = np.random.default_rng(0)
    start = rng.standard_normal((5, 3))
    steps = LargeSteps(_Tiny(), start, 2.0)
    steps.restart(7.0)
    laplacian = uniform_laplacian(_Tiny.faces, 5).toarray()
    system = np.eye(5) + 7.0 * laplacian
    u, first, second = system @ start, 0.0, 0.0
    for count in (1, 2, 3):
        gradient = rng.standard_normal((5, 3)) * [[1], [1], [1], [1], [9]]
        bent = 0.02 / (2.0**2 * 5) * laplacian @ laplacian @ (steps.vertices - start)
        steps.step(gradient, 0.1)
        by_u = np.linalg.solve(system, gradient + bent)
        first = 0.9 * first + 0.1 * by_u
        second = 0.99 * second + 0.01 * 4 * (by_u**2).sum(1).mean()
        step = first / (1 - 0.9**count) / np.sqrt(second / (1 - 0.99**count))
        length = np.linalg.norm(step, axis=1, keepdims=True)
        u = u - 0.2 * step * np.minimum(1, 2 / length)
        np.testing.assert_allclose(steps.vertices, np.linalg.solve(system, u), rtol=1e-9)


def test_a_large_step_of_no_gradient_goes_nowhere():
    start = np.random.default_rng(0).standard_normal((5, 3))
    steps = LargeSteps(_Tiny(), start, 1.0)
    steps.step(np.zeros((5, 3)), 0.1)
    np.testing.assert_array_equal(steps.vertices, start)


def test_one_steep_spot_does_not_slow_the_rest():
    """The largest gradient would make all other steps a thousandth; the root mean square and the cut do not."""
    gradient = np.ones((5, 3))
    gradient[4] = 1000
    moved = []
    for steep in (np.ones((5, 3)), gradient):
        steps = LargeSteps(_Tiny(), np.zeros((5, 3)), 1.0)
        steps.restart(0.0)
        for _ in range(3):
            steps.step(steep, 0.1)
        moved.append(np.abs(steps.vertices))
    assert moved[1][4].max() < 0.1 * 3 * 2.0 + 1e-9
    assert moved[1][0].min() > 1e-3 * moved[0][0].min()


def test_the_side_views_tell_how_far_away_the_head_is(head, made, views):
    toward = camera_rotation(made.pose.camera)[2]
    for wrong in (-0.03, 0.0, 0.02):
        shift = depth_shift(views, head, made.pose, made.vertices + wrong * toward)
        assert np.linalg.norm(np.cross(shift, toward)) < 1e-9
        assert shift @ toward == pytest.approx(-wrong, abs=4e-3)


def gradient_and_difference(energy, start, direction, name, reach=2e-3, points=9):
    """The change of a term along a direction, by its gradient (integrated) and by its ends.

    Over a stretch, not at a point: where pixels and silhouettes meet, single slopes are rough.
    """
    amounts, slopes, values = np.linspace(-reach, reach, points), [], []
    for amount in amounts:
        vertices = torch.as_tensor(start + amount * direction, dtype=torch.float32).requires_grad_()
        value = energy(vertices)[name]
        gradient = torch.autograd.grad(value, vertices)[0].double().numpy()
        slopes.append((gradient * direction).sum())
        values.append(float(value.detach()))
    middles = (np.array(slopes[1:]) + slopes[:-1]) / 2
    return (middles * np.diff(amounts)).sum(), values[-1] - values[0]


@pytest.mark.parametrize(
    ("name", "tolerance"), [("masks", 0.1), ("landmarks", 0.01), ("cut", 0.01), ("sockets", 0.01)]
)
def test_the_energys_gradient_is_its_slope(head, made, views, name, tolerance):
    """Antialiasing approximates: on a whole head of 96 pixels the silhouettes' slope is right to 5 to 10 %."""
    energy = Energy(views, made.portrait, head, made.pose, made.vertices, 96, Weights())
    start = made.vertices * [1.03, 1, 1]
    direction = made.vertices * [1, 0, 0] + 0.02 * np.sin(15 * made.vertices[:, [1, 2, 0]])
    slope, difference = gradient_and_difference(energy, start, direction, name)
    assert abs(slope) > 1e-6
    assert slope == pytest.approx(difference, rel=tolerance)


def test_the_normals_gradient_is_their_slope(head, made, views):
    """In view 0 alone and along its depth, so that no silhouette moves (the outline's share is detached)."""
    energy = Energy(views, made.portrait, head, made.pose, made.vertices, 128, Weights())
    energy.views = torch.tensor([1.0, 0, 0, 0, 0, 0])[:, None, None]
    toward = camera_rotation(made.pose.camera)[2]
    direction = np.sin(30 * made.vertices[:, :1]) * toward
    slope, difference = gradient_and_difference(energy, made.vertices, direction, "normals")
    assert abs(slope) > 1e-6
    assert slope == pytest.approx(difference, rel=0.15)


def test_the_right_head_has_little_energy(head, made, views):
    energy = Energy(views, made.portrait, head, made.pose, made.vertices, 96, Weights())
    right = energy(torch.as_tensor(made.vertices, dtype=torch.float32))
    wrong = energy(torch.as_tensor(made.vertices * [1.15, 1, 1], dtype=torch.float32))
    assert float(right["landmarks"]) < 1e-7 and float(right["sockets"]) == 0
    assert float(wrong["masks"]) > 2 * float(right["masks"])
    assert float(wrong["normals"]) > float(right["normals"])


def test_the_right_head_has_right_normals(head, made, views):
    faces = torch.as_tensor(seen_faces(head))
    seen = render_views(
        torch.as_tensor(made.vertices, dtype=torch.float32), faces, torch.as_tensor(views.cameras), (192, 192)
    )
    truth = dataclasses.replace(views, normals=seen.normals.numpy(), masks=seen.mask.numpy())
    energy = Energy(truth, made.portrait, head, made.pose, made.vertices, 96, Weights())
    right, ids = energy.angles(made.vertices)
    wrong, _ = energy.angles(made.vertices * [1.0, 1.0, 0.5])
    believed = ~np.isnan(right)
    assert believed.any((1, 2)).all() and (ids[believed] >= 0).all()
    assert not believed[energy.masks.numpy() < 1e-3].any()
    assert np.nanmean(right) < 4 and np.nanmean(wrong) > 3 * np.nanmean(right)


def posed_outline(head, geometry, made, size):
    person = personal_head(head, geometry)
    posed = Posing(person, made.pose, geometry.vertices, joints=geometry.joints).pose(geometry.vertices)
    skin = person.part_vertices("skin")
    faces = person.faces[skin[person.faces].all(1)]
    seen = render_views(
        torch.as_tensor(posed, dtype=torch.float32), torch.as_tensor(faces), torch.as_tensor(made.pose.camera),
        (size, size),
    )  # fmt: skip
    return posed, person, seen.mask[0].numpy() > 0.5


def iou(a, b):
    return (a & b).sum() / (a | b).sum()


QUICK = Schedule((Level(8, 64, 2e-2, 40.0), Level(12, 96, 5e-3, 8.0)))


@pytest.fixture(scope="module")
def quick():
    """A profile that is short enough for tests, under the name of draft."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(PROFILES, "draft", QUICK)
        yield


@pytest.fixture(scope="module")
def deformed(head, made, quick):
    """The head deformed to a portrait whose hair stands 10 pixels off it."""
    p = made.portrait
    solid = p.matte > 0.5
    hair = p.regions == REGIONS.index("hair")
    grown = solid | (scipy.ndimage.distance_transform_edt(~hair) <= 10)
    regions = np.where(grown & ~solid, REGIONS.index("hair"), p.regions).astype(np.uint8)
    image = np.where((grown & ~solid)[..., None], np.float32([0.3, 0.2, 0.12]), p.image)
    p = dataclasses.replace(p, matte=grown.astype(np.float32), regions=regions, image=image)
    seen = []
    views = generate(p, head, made.pose, "geometric", size=192)
    geometry = deform(views, p, head, made.pose, "draft", lambda i, terms: seen.append((i, terms)))
    return p, views, geometry, seen


def test_deform_meets_the_matte_and_keeps_the_landmarks(head, made, deformed):
    portrait, _, geometry, _ = deformed
    posed, person, outline = posed_outline(head, geometry, made, 192)
    before = made.portrait.matte > 0.5
    wanted = portrait.matte > 0.5
    assert iou(before, wanted) < 0.9
    assert iou(outline, wanted) > 0.97
    off = project(person.landmarks(posed), made.pose.camera) - portrait.landmarks
    inner = [*range(9), 13, 14, 33, 61, 133, 263, 291, 362]
    assert np.linalg.norm(off, axis=1)[inner].mean() < 0.01 * eye_distance(portrait)


def test_deforming_lowers_the_energy_and_is_watched(deformed):
    seen = deformed[3]
    assert [i for i, _ in seen] == list(range(QUICK.levels[-1].iterations))
    first, last = (sum(terms.values()) for _, terms in (seen[0], seen[-1]))
    assert last < 0.98 * first


def test_geometry_keeps_the_contract(head, deformed):
    geometry = deformed[2]
    fine, binding = subdivide(
        head
    )  # views of a swollen head ask for no other mesh; the neck's end is cut off
    rows = {row.tobytes() for row in binding @ head.template.astype(float)}
    assert all(row.tobytes() in rows for row in geometry.binding @ head.template.astype(float))
    assert 0.8 * len(fine.quads) < len(geometry.quads) <= len(fine.quads)
    assert geometry.quads.max() + 1 == len(geometry.vertices) == geometry.binding.shape[0]
    assert geometry.uv_quads.max() + 1 == len(geometry.uv)
    assert np.isfinite(geometry.vertices).all()
    assert geometry.liveliness.dtype == np.float32
    assert geometry.liveliness.min() >= 0 and geometry.liveliness.max() <= 1


def test_the_same_views_give_the_same_bits(head, made, deformed, quick):
    portrait, views, geometry, _ = deformed
    again = deform(views, portrait, head, made.pose, "draft")
    assert np.array_equal(again.vertices, geometry.vertices)


def test_an_unknown_profile_is_named(head, made):
    empty = Views(*[np.zeros((6, 1))] * 4, "none")
    with pytest.raises(UserError, match="draft, standard, not 'quick'"):
        deform(empty, made.portrait, head, made.pose, "quick")


@pytest.fixture(scope="module")
def met(head, made, views, quick):
    """A skull twice as tall above the brows and a longer jaw, 2 cm nearer: its own six views lead there."""
    toward = camera_rotation(made.pose.camera)[2]
    true = made.vertices.copy()
    top = np.maximum(true[:, 1] - 0.03, 0)
    true[:, 1] += 0.6 * top
    true[:, 2] -= 0.5 * top
    true += 0.02 * toward
    faces = torch.as_tensor(head.faces[head.part_vertices("skin")[head.faces].all(1)])
    seen = render_views(
        torch.as_tensor(true, dtype=torch.float32), faces, torch.as_tensor(views.cameras), (192, 192)
    )
    normals = torch.nn.functional.normalize(seen.normals, dim=-1).numpy()
    portrait = dataclasses.replace(made.portrait, matte=seen.mask[0].numpy())
    truth = dataclasses.replace(views, normals=normals, masks=seen.mask.numpy(), generator="truth")
    geometry = deform(truth, portrait, head, made.pose, "draft")
    return truth, geometry, personal_head(head, geometry)


def test_true_views_of_another_shape_are_met(made, met):
    truth, geometry, person = met
    posed = Posing(person, made.pose, geometry.vertices, joints=geometry.joints).pose(geometry.vertices)
    faces = torch.as_tensor(person.faces[person.part_vertices("skin")[person.faces].all(1)])
    found = render_views(
        torch.as_tensor(posed, dtype=torch.float32), faces, torch.as_tensor(truth.cameras), (192, 192)
    )
    for k in range(6):
        assert iou(found.mask[k].numpy() > 0.5, truth.masks[k] > 0.5) > 0.93


def test_between_levels_the_mesh_is_remeshed_and_the_rig_carried(head, met, tmp_path):
    fine, binding = subdivide(head)
    _, geometry, person = met
    geometry = type(geometry).load(geometry.save(tmp_path))
    assert len(person.faces) != len(fine.faces)
    np.testing.assert_allclose(np.asarray(geometry.binding.sum(1)).ravel(), 1, atol=1e-9)
    np.testing.assert_allclose(person.skin_weights.sum(1), 1, atol=1e-5)
    bound = head.bound(geometry.binding, geometry.quads, geometry.uv, geometry.uv_quads)
    own = action_maps(bound, geometry.vertices, geometry.liveliness)[1]
    carried = geometry.binding @ (head.expression_basis @ head.expression(jawOpen=1.0)) @ own.T
    moved = person.expression_basis @ person.expression(jawOpen=1.0)
    np.testing.assert_allclose(moved, carried * geometry.liveliness[:, None], atol=1e-6)
    face = frozen_faces(fine, (*FACE_REGIONS, "ears"))
    corners = np.unique(fine.faces[face])  # these have kept their rows of the binding, and their quads
    rows = {
        row.tobytes(): k for k, row in enumerate(geometry.binding @ np.arange(1.0, 1 + len(head.template)))
    }
    keys = binding @ np.arange(1.0, 1 + len(head.template))
    assert all(keys[k].tobytes() in rows for k in corners)
    np.testing.assert_allclose(person.landmark_weights.sum(1), 1, atol=1e-5)
    lids = person.landmarks(person.template)[[33, 133, 362, 263]]
    assert (np.abs(lids - fine.landmarks(binding @ head.template)[[33, 133, 362, 263]]) < 0.05).all()


def test_parts_and_atlas_fit_a_remeshed_head(met):
    placed, _, parts = place_parts(met[2])
    assert {"teeth", "tongue"} <= {part.name for part in parts}
    layout = lay_out(placed)
    assert layout.uv.min() >= 0 and layout.uv.max() <= 1
    a, b, c = layout.uv[layout.faces].astype(float).transpose(1, 0, 2)
    assert (np.cross(b - a, c - a) > 0).mean() > 0.999
    assert len(layout.faces) == placed.part_vertices("skin")[placed.faces].all(1).sum()


def test_depths_draw_the_surface_along_the_views(head, made, views):
    """A head a little too near in view 0 has energy in its depths, with the slope that differences have."""
    faces, size = torch.as_tensor(seen_faces(head)), 128
    cameras = torch.as_tensor(scaled(views, size), dtype=torch.float32)
    seen = render_views(torch.as_tensor(made.vertices, dtype=torch.float32), faces, cameras, (size, size))
    depths = Depths(seen.depth.numpy(), seen.face_ids.numpy() >= 0)
    energy = Energy(views, made.portrait, head, made.pose, made.vertices, size, Weights(), depths=depths)
    energy.views = torch.tensor([1.0, 0, 0, 0, 0, 0])[:, None, None]
    assert float(energy(torch.as_tensor(made.vertices, dtype=torch.float32))["depths"]) < 1e-6
    toward = camera_rotation(made.pose.camera)[2]
    near = made.vertices + 0.003 * toward
    slope, difference = gradient_and_difference(energy, near, np.broadcast_to(toward, near.shape), "depths")
    assert slope > 0 and slope == pytest.approx(difference, rel=0.02)
    far = energy(torch.as_tensor(made.vertices + 0.3 * toward, dtype=torch.float32))["depths"]
    assert float(far) < 200 * 0.1**2  # a depth that is far off pulls no more


def test_large_angles_count_by_themselves(head, made, views):
    """Doubted from 0.5 on, a head turned about costs less than by 1 - cosine, a right one about the same."""
    costs = [
        Energy(views, made.portrait, head, made.pose, made.vertices, 96, Weights(), doubt=doubt)
        for doubt in (50, 0.5)
    ]
    right, wrong = (torch.as_tensor(made.vertices * by, dtype=torch.float32) for by in (1, [1, 1, -1]))
    plain, doubted = (float(energy(wrong)["normals"]) for energy in costs)
    assert 0.2 * plain < doubted < 0.8 * plain
    plain, doubted = (float(energy(right)["normals"]) for energy in costs)
    assert 0.6 * plain < doubted <= plain
