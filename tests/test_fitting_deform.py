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
from soaplib.fitting.deform import PROFILES, Schedule, _Energy, _LargeSteps
from soaplib.fitting.posing import Posing
from soaplib.head import load_head, subdivide
from soaplib.head.laplacian import uniform_laplacian
from soaplib.multiview import generate
from soaplib.render import camera_rotation, project, render_views


@pytest.fixture(scope="module")
def head():
    return load_head()


@pytest.fixture(scope="module")
def made(head):
    return made_up_portrait(head, 192, (0, -6, 0), 0.3)


@pytest.fixture(scope="module")
def views(head, made):
    return generate(made.portrait, head, made.pose, size=192)


class _Tiny:
    """A head of one part: what `_LargeSteps` asks of a head."""

    faces = np.array([[0, 1, 2], [0, 2, 3], [0, 3, 4], [0, 4, 1]])

    def part_vertices(self, *names):
        return np.ones(5, bool)


def test_a_large_step_is_the_dense_formula():
    """Nicolet et al. 2021, algorithm 1: u -= rate * Adam((I + lambda L)^-1 g) and x = (I + lambda L)^-1 u."""
    rng = np.random.default_rng(0)
    start = rng.standard_normal((5, 3))
    schedule = Schedule(3, 8, rate=0.1, stiffness=7.0)
    steps = _LargeSteps(_Tiny(), start, 2.0, schedule)
    system = np.eye(5) + 7.0 * uniform_laplacian(_Tiny.faces, 5).toarray()
    u, first, second = system @ start, 0.0, 0.0
    for count in (1, 2, 3):
        gradient = rng.standard_normal((5, 3))
        steps.step(gradient)
        by_u = np.linalg.solve(system, gradient)
        first = 0.9 * first + 0.1 * by_u
        second = 0.99 * second + 0.01 * (by_u**2).max()
        u = u - 0.2 * (first / (1 - 0.9**count)) / np.sqrt(second / (1 - 0.99**count))
        np.testing.assert_allclose(steps.vertices, np.linalg.solve(system, u), rtol=1e-9)


def test_a_large_step_of_no_gradient_goes_nowhere():
    start = np.random.default_rng(0).standard_normal((5, 3))
    steps = _LargeSteps(_Tiny(), start, 1.0, Schedule(1, 8))
    steps.step(np.zeros((5, 3)))
    np.testing.assert_array_equal(steps.vertices, start)


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


@pytest.mark.parametrize("name", ["masks", "landmarks", "depth"])
def test_the_energys_gradient_is_its_slope(head, made, views, name):
    energy = _Energy(views, made.portrait, head, made.pose, made.vertices, Schedule(1, 96))
    start = made.vertices * [1.03, 1, 1]
    direction = made.vertices * [1, 0, 0] + 0.02 * np.sin(15 * made.vertices[:, [1, 2, 0]])
    slope, difference = gradient_and_difference(energy, start, direction, name)
    assert abs(slope) > 1e-6
    assert slope == pytest.approx(difference, rel=0.05)


def test_the_normals_gradient_is_their_slope(head, made, views):
    """In view 0 alone and along its depth, so that no silhouette moves (the outline's share is detached)."""
    energy = _Energy(views, made.portrait, head, made.pose, made.vertices, Schedule(1, 128))
    energy.weights = torch.tensor([1.0, 0, 0, 0, 0, 0])[:, None, None]
    toward = camera_rotation(made.pose.camera)[2]
    direction = np.sin(30 * made.vertices[:, :1]) * toward
    slope, difference = gradient_and_difference(energy, made.vertices, direction, "normals")
    assert abs(slope) > 1e-6
    assert slope == pytest.approx(difference, rel=0.15)


def test_the_right_head_has_little_energy(head, made, views):
    energy = _Energy(views, made.portrait, head, made.pose, made.vertices, Schedule(1, 96))
    right = energy(torch.as_tensor(made.vertices, dtype=torch.float32))
    wrong = energy(torch.as_tensor(made.vertices * [1.15, 1, 1], dtype=torch.float32))
    assert float(right["landmarks"]) < 1e-7 and float(right["depth"]) == 0
    assert float(wrong["masks"]) > 2 * float(right["masks"])
    assert float(wrong["normals"]) > float(right["normals"])


def posed_outline(head, geometry, made, size):
    person = personal_head(head, geometry)
    posed = Posing(person, made.pose, geometry.vertices).pose(geometry.vertices)
    skin = person.part_vertices("skin")
    faces = person.faces[skin[person.faces].all(1)]
    seen = render_views(
        torch.as_tensor(posed, dtype=torch.float32), torch.as_tensor(faces), torch.as_tensor(made.pose.camera),
        (size, size),
    )  # fmt: skip
    return posed, person, seen.mask[0].numpy() > 0.5


def iou(a, b):
    return (a & b).sum() / (a | b).sum()


QUICK = Schedule(8, 96)


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
    views = generate(p, head, made.pose, size=192)
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
    assert [i for i, _ in seen] == list(range(QUICK.iterations))
    first, last = (sum(terms.values()) for _, terms in (seen[0], seen[-1]))
    assert last < 0.98 * first


def test_geometry_keeps_the_contract(head, deformed):
    geometry = deformed[2]
    fine, binding = subdivide(head)
    assert (geometry.binding != binding).nnz == 0
    np.testing.assert_array_equal(geometry.faces, fine.faces)
    assert geometry.vertices.shape == fine.template.shape and np.isfinite(geometry.vertices).all()
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
