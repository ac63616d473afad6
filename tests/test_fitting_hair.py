"""The visual hull carved by skin, the labels it is carved by, and steps between skin and hair."""

import dataclasses

import numpy as np
import pytest
import torch
from made_up_portrait import made_up_portrait

from soaplib.data import REGIONS, VIEW_YAWS, Views
from soaplib.fitting.energy import Energy, Weights
from soaplib.fitting.hair import find_hair
from soaplib.fitting.hull import Hull
from soaplib.fitting.steps import LargeSteps, parted
from soaplib.head.laplacian import uniform_laplacian
from soaplib.multiview import generate
from soaplib.render import turn

SIZE, RADIUS, SCALE = 96, 0.1, 300.0


def ball_views():
    """Six views of a ball of 10 cm about the origin, 30 of 96 pixels wide and in the middle."""
    front = np.diag([SCALE, -SCALE, -SCALE, 1.0])
    front[:2, 3] = SIZE / 2
    cameras = np.stack([turn(front, yaw, np.zeros(3)) for yaw in VIEW_YAWS])
    rows, columns = np.mgrid[:SIZE, :SIZE] + 0.5
    disc = (np.hypot(rows - SIZE / 2, columns - SIZE / 2) < SCALE * RADIUS).astype(np.float32)
    masks = np.repeat(disc[None], 6, 0)
    empty = np.zeros((6, SIZE, SIZE, 3), np.float32)
    return Views(empty, empty, masks, cameras, "truth")


def distances(hull, *points):
    """In metres."""
    return hull.distance(torch.tensor(points, dtype=torch.float32)).numpy() * (SIZE / 2 / SCALE)


SMALL = (
    np.array([[-0.02, -0.02, 0], [0.02, -0.02, 0], [0.02, 0.02, 0], [-0.02, 0.02, 0]]),
    np.array([[0, 1, 2], [0, 2, 3]]),
)


def test_the_hull_of_a_ball_is_as_far_as_its_silhouettes():
    """Seen along an axis, the hull ends where the disc does; between two views it is an eighth of a turn's corner."""
    hull = Hull(ball_views(), np.full((6, SIZE, SIZE), np.nan), *SMALL)
    found = distances(hull, (0.1, 0, 0), (0, 0, 0.1), (0, 0.1, 0), (0.12, 0, 0), (0.07, 0, 0), (0, 0, -0.12))
    np.testing.assert_allclose(found, [0, 0, 0, 0.02, -0.03, 0.02], atol=0.004)


def test_skin_that_is_seen_carves_what_lies_before_it():
    share = np.zeros((6, SIZE, SIZE))
    share[0] = 1.0
    carved = Hull(ball_views(), share, *SMALL)
    full = Hull(ball_views(), 0 * share, *SMALL)
    before, behind, beside = (0, 0, 0.06), (0, 0, -0.03), (0.06, 0, 0.03)
    assert (distances(full, before, behind, beside) < -0.01).all()
    out, inside, aside = distances(carved, before, behind, beside)
    assert out > 0.01 and inside < -0.005 and aside < -0.01


def test_the_hull_goes_straight_down_below_the_last_row():
    views = ball_views()
    cut = views.masks.copy()
    cut[:, SIZE // 2 :] = 0
    hull = Hull(dataclasses.replace(views, masks=cut), np.full(cut.shape, np.nan), *SMALL)
    low = distances(hull, (0.07, -0.12, 0), (0.12, -0.12, 0))
    assert low[0] < -0.02 and low[1] > 0.01


@pytest.fixture(scope="module")
def made(head):
    return made_up_portrait(head, 192, (0, 0, 0), 0.0)


@pytest.fixture(scope="module")
def hair(head, made):
    views = generate(made.portrait, head, made.pose, "geometric", size=192)
    return views, find_hair(views, made.portrait, head, made.pose, made.vertices)


def test_the_face_is_bare_but_where_hair_hangs_over_it(head, made, hair):
    _, found = hair
    assert (found.bare[head.region("lids") > 0.5] == 1).all()
    scalp = head.region("scalp") > 0.5
    assert found.bare[scalp & (made.vertices[:, 2] < 0)].mean() < 0.1
    fringe = made.portrait.regions.copy()
    fringe[:, :96] = REGIONS.index("hair")
    covered = find_hair(
        hair[0], dataclasses.replace(made.portrait, regions=fringe), head, made.pose, made.vertices
    )
    forehead = (head.region("face") > 0.5) & (
        made.vertices[:, 1] > made.vertices[head.region("lids") > 0.5, 1].max()
    )
    left = made.vertices @ made.pose.camera[0, :3] + made.pose.camera[0, 3] < 80
    ahead = made.vertices[:, 2] > np.median(made.vertices[forehead, 2])
    assert covered.bare[forehead & left & ahead].mean() < 0.3 < found.bare[forehead & left & ahead].mean()


def test_without_hair_there_is_none_to_find(head, made, hair):
    bald = np.where(
        made.portrait.regions == REGIONS.index("hair"), REGIONS.index("skin"), made.portrait.regions
    )
    bald = np.where(bald == REGIONS.index("clothes"), REGIONS.index("neck"), bald).astype(np.uint8)
    portrait = dataclasses.replace(made.portrait, regions=bald)
    assert find_hair(hair[0], portrait, head, made.pose, made.vertices) is None


def test_the_hulls_gradient_is_its_slope(head, made, hair):
    views, found = hair
    energy = Energy(views, made.portrait, head, made.pose, made.vertices, 96, Weights(), found, 1.0)
    direction = torch.as_tensor(made.vertices * (1 - found.bare[:, None]), dtype=torch.float32)
    start = torch.as_tensor(made.vertices, dtype=torch.float32)
    slopes, values = [], []
    amounts = np.linspace(-0.01, 0.01, 9)
    for amount in amounts:
        vertices = (start + amount * direction).requires_grad_()
        value = energy(vertices)["hull"]
        slopes.append(float((torch.autograd.grad(value, vertices)[0] * direction).sum()))
        values.append(float(value.detach()))
    by_slope = ((np.array(slopes[1:]) + slopes[:-1]) / 2 * np.diff(amounts)).sum()
    assert abs(by_slope) > 1e-7
    assert by_slope == pytest.approx(values[-1] - values[0], rel=0.1)


def test_skin_must_be_seen_where_the_views_show_it(head, made, hair):
    """The regions term tells right labels from none, and moves the line between skin and hair the right way."""
    views, found = hair

    def regions(bare, vertices):
        known = dataclasses.replace(found, bare=bare)
        energy = Energy(views, made.portrait, head, made.pose, made.vertices, 96, Weights(), known)
        return energy(vertices)["regions"]

    start = torch.as_tensor(made.vertices, dtype=torch.float32)
    right = regions(found.bare, start)
    assert float(right) < 0.5 * float(regions(0 * found.bare, start))
    assert float(right) < 0.5 * float(regions(0 * found.bare + 1, start))
    wide = torch.as_tensor(made.vertices * [1.1, 1.1, 1], dtype=torch.float32).requires_grad_()
    slope = torch.autograd.grad(regions(found.bare, wide), wide)[0].numpy()
    line = (found.bare > 0.2) & (found.bare < 0.8)
    assert slope[line].any()


def test_alone_hair_covers_all_but_the_skin(head, made, hair):
    """No face is drawn, none is missed; what else is missing counts."""
    views, found = hair
    alone = Energy(views, made.portrait, head, made.pose, made.vertices, 96, Weights(), found, 1.0, True)
    whole = Energy(views, made.portrait, head, made.pose, made.vertices, 96, Weights(), found, 1.0)
    assert len(alone.faces) < len(whole.faces)
    assert not found.bare[alone.faces.numpy()].min(1).max() >= 0.5
    vertices = torch.as_tensor(made.vertices, dtype=torch.float32)
    assert "regions" in whole(vertices) and "regions" not in alone(vertices)
    smaller = torch.as_tensor(made.vertices * [0.9, 1, 1], dtype=torch.float32)
    assert float(alone(smaller)["masks"]) > 1.2 * float(alone(vertices)["masks"])


def test_edges_between_skin_and_hair_are_weak():
    faces = np.array([[0, 1, 2], [1, 3, 2]])
    whole = uniform_laplacian(faces, 4)
    out = parted(whole, np.array([1.0, 1.0, 0.0, 0.0])).toarray()
    np.testing.assert_allclose(out.sum(1), 0, atol=1e-12)
    assert out[0, 1] == out[2, 3] == -1
    assert -0.5 < out[0, 2] == out[1, 2] == out[1, 3] < 0
    np.testing.assert_allclose(parted(whole, np.full(4, 0.3)).toarray(), whole.toarray())


def test_what_is_held_stays(head):
    steps = LargeSteps(head, head.template.astype(float), 0.1)
    held = np.zeros(len(head.template))
    held[head.region("face") > 0.5] = 1
    steps.restart(10.0, held)
    before = steps.vertices.copy()
    steps.step(np.ones_like(before), 0.1)
    moved = np.linalg.norm(steps.vertices - before, axis=1)
    assert (moved[held == 1] == 0).all()
    assert moved[(held == 0) & head.part_vertices("skin")].max() > 1e-3
