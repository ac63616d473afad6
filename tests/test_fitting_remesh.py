"""Remeshing: single operations by hand, and what must hold on any surface: topology, borders, seams, rows."""

import dataclasses

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.sparse.csgraph import connected_components

from soaplib.fitting.carried import adapted_head, carried_head, frozen_faces
from soaplib.fitting.edges import edge_targets, seen_error
from soaplib.fitting.remesh import LONG, remesh
from soaplib.fitting.surgery.collapse import collapse_edges, short_edges
from soaplib.fitting.surgery.flip import flip_edges
from soaplib.fitting.surgery.split import long_edges, split_edges
from soaplib.fitting.surgery.table import grown, make_table
from soaplib.head import load_head, subdivide
from soaplib.head.model import split_quads


def none(faces):
    return np.zeros(len(faces), bool)


def run(vertices, faces, target, frozen=None, **options):
    targets = np.broadcast_to(np.asarray(target, float), len(vertices))
    return remesh(vertices, faces, targets, none(faces) if frozen is None else frozen, **options)


def edges_of(faces):
    return np.unique(np.sort(faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), 1), axis=0, return_counts=True)


def pieces(faces, count):
    """The number of components and of border loops of triangles."""
    edges, uses = edges_of(faces)
    used = np.unique(faces)

    def number(some):
        graph = sp.coo_matrix((np.ones(len(some)), some.T), shape=(count, count))
        return len(np.unique(connected_components(graph, directed=False)[1][np.unique(some)]))

    return number(edges), number(edges[uses == 1]) if (uses == 1).any() else 0, len(used)


def angles(vertices, faces):
    corners = vertices[faces]
    one = corners[:, [1, 2, 0]] - corners
    two = corners[:, [2, 0, 1]] - corners
    cosine = (one * two).sum(2) / np.linalg.norm(one, axis=2) / np.linalg.norm(two, axis=2)
    return np.degrees(np.arccos(cosine.clip(-1, 1)))


def edge_ratios(r, frozen=None):
    """Length over target of the free edges."""
    edges = edges_of(r.faces)[0]
    if frozen is not None:
        kept = edges_of(r.faces[np.isin(r.face_source, np.flatnonzero(frozen))])[0]
        key = len(r.vertices)
        edges = edges[~np.isin(edges @ [key, 1], kept @ [key, 1])]
    length = np.linalg.norm(r.vertices[edges[:, 0]] - r.vertices[edges[:, 1]], axis=1)
    return length / r.targets[edges].mean(1)


def check(r, vertices, faces, frozen):
    """What every remeshing keeps."""
    sides = r.faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2)
    assert len(np.unique(sides, axis=0)) == len(sides), "an edge has two faces on the same side"
    assert edges_of(r.faces)[1].max() <= 2
    was, now = pieces(faces, len(vertices)), pieces(r.faces, len(r.vertices))
    assert was[:2] == now[:2], "components or border loops changed"
    assert was[2] - len(edges_of(faces)[0]) + len(faces) == now[2] - len(edges_of(r.faces)[0]) + len(r.faces)
    assert np.abs(np.asarray(r.carry.sum(1)).ravel() - 1).max() < 1e-12 and r.carry.data.min() > 0
    np.testing.assert_allclose(r.carry @ vertices, r.vertices, atol=1e-12)
    # Kept vertices: the first ones, in the old order, with every attribute bit for bit.
    attribute = np.random.default_rng(5).normal(size=(len(vertices), 4)).astype(np.float32)
    assert (np.diff(r.kept) > 0).all()
    np.testing.assert_array_equal((r.carry @ attribute)[: len(r.kept)], attribute[r.kept])
    np.testing.assert_array_equal(r.vertices[: len(r.kept)], vertices[r.kept])
    # Frozen faces: all there, in order, with their corners.
    stayed = r.face_source[np.isin(r.face_source, np.flatnonzero(frozen))]
    np.testing.assert_array_equal(stayed, np.flatnonzero(frozen))
    same = r.face_source >= 0
    old = np.asarray(r.carry.argmax(1)).ravel()
    np.testing.assert_array_equal(old[r.faces[same]], faces[r.face_source[same]])
    # Borders keep their vertices.
    border = [np.unique(e[n == 1]) for e, n in (edges_of(faces), edges_of(r.faces))]
    assert np.isin(border[0], r.kept).all()
    assert np.isin(border[0], old[border[1]]).all()
    before = angles(vertices, faces).min()
    assert angles(r.vertices, r.faces).min() > min(5.0, 0.49 * before)


def sphere(levels=3):
    """An octahedron, divided and blown up."""
    v = np.array([[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 1], [0, 0, -1]], float)
    f = np.array([[0, 2, 4], [2, 1, 4], [1, 3, 4], [3, 0, 4], [2, 0, 5], [1, 2, 5], [3, 1, 5], [0, 3, 5]])
    for _ in range(levels):
        edges = edges_of(f)[0]
        where = {tuple(e): len(v) + i for i, e in enumerate(edges.tolist())}
        middle = np.array(
            [[where[tuple(sorted((t[k], t[(k + 1) % 3])))] for k in range(3)] for t in f.tolist()]
        )
        v = np.concatenate([v, v[edges].mean(1)])
        v /= np.linalg.norm(v, axis=1, keepdims=True)
        f = np.concatenate([np.c_[f[:, 0], middle[:, 0], middle[:, 2]], np.c_[f[:, 1], middle[:, 1], middle[:, 0]],
                            np.c_[f[:, 2], middle[:, 2], middle[:, 1]], middle])  # fmt: skip
    return v, f


def wrapped(rows, columns, close_rows):
    """A tube or torus of triangles: indices of a grid closed in one or both ways."""
    i, j = np.meshgrid(np.arange(rows if close_rows else rows - 1), np.arange(columns), indexing="ij")
    a, b = i * columns + j, i * columns + (j + 1) % columns
    c, d = (i + 1) % rows * columns + (j + 1) % columns, (i + 1) % rows * columns + j
    return np.concatenate([np.stack([a, b, c], -1).reshape(-1, 3), np.stack([a, c, d], -1).reshape(-1, 3)])


def torus():
    s, t = (
        x.ravel() for x in np.meshgrid(np.arange(24) * np.pi / 12, np.arange(16) * np.pi / 8, indexing="ij")
    )
    v = np.stack([(1 + 0.4 * np.cos(t)) * np.cos(s), (1 + 0.4 * np.cos(t)) * np.sin(s), 0.4 * np.sin(t)], 1)
    return v, wrapped(24, 16, True)


# One operation at a time.


def test_a_split_by_hand():
    square = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]], float)
    faces = np.array([[0, 1, 2], [0, 2, 3]])
    r = run(square, faces, 0.85, rounds=1)  # the sides are 1.18 targets long, the diagonal 1.66
    assert len(r.faces) == 4
    np.testing.assert_array_equal(r.vertices[4], [0.5, 0.5, 0])
    np.testing.assert_array_equal(r.carry.toarray()[4], [0.5, 0, 0.5, 0])
    assert {tuple(np.roll(f, -list(f).index(4))) for f in r.faces.tolist()} == {(4, 0, 1), (4, 1, 2), (4, 2, 3),
                                                                              (4, 3, 0)}  # fmt: skip


def test_a_collapse_by_hand():
    """The middle of a hexagon goes to its border, which stays; four triangles are left."""
    angle = np.arange(6) * np.pi / 3
    vertices = np.concatenate([[[0, 0, 0]], np.stack([np.cos(angle), np.sin(angle), 0 * angle], 1)])
    faces = np.array([[0, 1 + k, 1 + (k + 1) % 6] for k in range(6)])
    r = run(vertices, faces, 1.6, rounds=1)
    np.testing.assert_array_equal(r.kept, np.arange(1, 7))
    assert len(r.faces) == 4
    np.testing.assert_array_equal(r.vertices, vertices[1:])


def test_a_flip_by_hand():
    vertices = np.array([[-1, 0, 0], [0, -0.6, 0], [1, 0, 0], [0, 0.6, 0]], float)
    r = run(vertices, np.array([[0, 1, 2], [0, 2, 3]]), 1.6)
    assert sorted(sorted(f) for f in r.faces.tolist()) == [[0, 1, 3], [1, 2, 3]]
    assert (
        np.cross(*(r.vertices[r.faces][:, k] - r.vertices[r.faces][:, 0] for k in (1, 2)))[:, 2] > 0
    ).all()
    assert (r.face_source == -1).all()


def test_a_sharp_edge_is_not_flipped():
    vertices = np.array([[-1, 0, 0], [0, -0.6, -0.6], [1, 0, 0], [0, 0.6, -0.6]], float)
    faces = np.array([[0, 1, 2], [0, 2, 3]])
    np.testing.assert_array_equal(run(vertices, faces, 1.6).faces, faces)


def test_a_tip_is_not_collapsed():
    angle = np.arange(6) * np.pi / 3
    vertices = np.concatenate([[[0, 0, 1.0]], np.stack([np.cos(angle), np.sin(angle), 0 * angle], 1)])
    faces = np.array([[0, 1 + k, 1 + (k + 1) % 6] for k in range(6)])
    assert len(run(vertices, faces, 2.2).faces) == 6


def test_half_edges_of_two_triangles():
    faces = np.int32([[0, 1, 2], [0, 2, 3]])
    table = make_table(np.eye(4, 3), faces, np.zeros((4, 2)), faces, np.ones(4), none(faces))
    np.testing.assert_array_equal(table.twin, [-1, -1, 3, 2, -1, -1])
    np.testing.assert_array_equal(table.feature, [True, True, False, False, True, True])
    assert table.locked.all()


def test_the_table_stays_whole():
    """Twins point at each other, and every vertex at a half-edge of its own, after each kind of operation."""
    vertices, faces = torus()
    faces = faces.astype(np.int32)
    targets = np.where(vertices[:, 0] > 0, 0.08, 0.5)
    table = make_table(vertices, faces, np.zeros((len(vertices), 2)), faces, targets, none(faces))

    def check_table():
        alive = np.flatnonzero(np.repeat(table.alive, 3))
        corner, following = table.faces.ravel(), np.roll(table.faces, -1, 1).ravel()
        twin = table.twin[alive]
        np.testing.assert_array_equal(table.twin[twin], alive)
        np.testing.assert_array_equal(corner[alive], following[twin])
        used = np.unique(corner[alive])
        np.testing.assert_array_equal(corner[table.outgoing[used]], used)
        assert table.alive[table.outgoing[used] // 3].all()
        np.testing.assert_array_equal(np.flatnonzero(table.outgoing >= 0), used)

    check_table()
    edges = long_edges(table, LONG)
    table = grown(table, len(edges) + 1)
    assert split_edges(table, edges, LONG, 0.3) > 100
    check_table()
    assert flip_edges(table, 0.5, 0.1, 3) > 20
    check_table()
    assert collapse_edges(table, short_edges(table, 0.8), 0.8, LONG, 0.3, 0.5, 0.25) > 20
    check_table()


# What holds on any surface.


@pytest.mark.parametrize("target", [0.05, 0.15, 0.4, 10.0])
@pytest.mark.parametrize("shape", [sphere, torus])
def test_closed_surfaces_keep_their_topology(shape, target):
    vertices, faces = shape()
    r = run(vertices, faces, target)
    check(r, vertices, faces, none(faces))


@pytest.mark.parametrize("target", [0.06, 0.3])
def test_edges_meet_their_targets(target):
    r = run(*sphere(), target)
    ratio = edge_ratios(r)
    assert ((ratio > 0.64) & (ratio < 1.36)).mean() > 0.95
    assert angles(r.vertices, r.faces).min() > 15
    assert np.percentile(angles(r.vertices, r.faces).min(1), 5) > 30


def test_edges_follow_a_field_of_targets():
    vertices, faces = sphere(4)
    field = np.where(vertices[:, 2] > 0, 0.04, 0.04 - 0.12 * vertices[:, 2])
    r = run(vertices, faces, field)
    check(r, vertices, faces, none(faces))
    ratio = edge_ratios(r)
    assert ((ratio > LONG / 2) & (ratio < LONG)).mean() > 0.95


@pytest.mark.parametrize("seed", range(4))
def test_spikes_and_wild_targets(seed):
    rng = np.random.default_rng(seed)
    vertices, faces = sphere(3)
    vertices = vertices * np.where(rng.random((len(vertices), 1)) < 0.05, 1.8, 1.0)
    frozen = vertices[faces].mean(1)[:, 0] > 0.3
    r = run(vertices, faces, rng.uniform(0.05, 0.4, len(vertices)), frozen)
    check(r, vertices, faces, frozen)
    tips = np.linalg.norm(vertices, axis=1) > 1.7
    assert np.isin(np.flatnonzero(tips), r.kept).all()


def test_a_surface_that_fits_stays_as_it_is():
    vertices, faces = sphere(3)
    edges = edges_of(faces)[0]
    r = run(vertices, faces, np.linalg.norm(vertices[edges[:, 0]] - vertices[edges[:, 1]], axis=1).mean())
    assert len(r.kept) > 0.95 * len(vertices) and np.isclose(len(r.faces), len(faces), rtol=0.05)


def test_the_new_surface_is_the_old_one():
    """New vertices lie on old triangles, so on a sphere between the chord's depth and the radius."""
    r = run(*sphere(3), 0.06)
    radius = np.linalg.norm(r.vertices, axis=1)
    assert radius.max() < 1 + 1e-12 and radius.min() > 0.984


def tube():
    """A tube with a seam: (vertices, faces, uv, uv faces), uv = (turns, height)."""
    rows, columns = 21, 24
    height, turn = (
        x.ravel() for x in np.meshgrid(np.arange(rows) / 10, np.arange(columns) / columns, indexing="ij")
    )
    vertices = np.stack([np.sin(2 * np.pi * turn), height, np.cos(2 * np.pi * turn)], 1)
    faces = wrapped(rows, columns, False)
    uv = np.stack([turn, height], 1)
    last = np.stack([np.ones(rows), np.arange(rows) / 10], 1)
    uv_faces = faces.copy()
    crosses = np.ptp(turn[faces], axis=1) > 0.5
    again = crosses[:, None] & (turn[faces] < 0.5)
    uv_faces[again] = len(uv) + faces[again] // columns
    return vertices, faces, np.concatenate([uv, last]), uv_faces


@pytest.mark.parametrize("target", [0.05, 0.2, 0.5])
def test_seams_and_borders_are_kept(target):
    vertices, faces, uv, uv_faces = tube()
    r = run(vertices, faces, target, uv=uv, uv_faces=uv_faces)
    check(r, vertices, faces, none(faces))
    corner = r.uv[r.uv_faces]
    assert np.ptp(corner[..., 0], axis=1).max() < 0.4, "a triangle smears across the seam"
    one, two = corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0]
    area = one[:, 0] * two[:, 1] - one[:, 1] * two[:, 0]
    assert (area > 0).all() or (area < 0).all()
    assert abs(np.abs(area).sum() / 2 - 2) < 1e-9, "the chart no longer fills its rectangle"
    np.testing.assert_allclose(corner[..., 1], r.vertices[r.faces][..., 1], atol=1e-9)
    place = r.vertices[r.faces]
    turn = np.arctan2(place[..., 0], place[..., 2]) / (2 * np.pi)
    off = (corner[..., 0] - turn + 0.5) % 1 - 0.5
    assert np.abs(off).max() < 0.02
    on_seam = np.isin(r.uv, [0, 1]).any(1)
    seam = [np.unique(r.uv[on_seam & (r.uv[:, 0] == side), 1]) for side in (0, 1)]
    np.testing.assert_allclose(*seam)


@pytest.mark.parametrize("target", [0.04, 0.25, 0.6])
def test_triangles_stay_in_their_charts(target):
    """A plane in two charts that lie apart, their seam once straight and once with a kink."""
    x, y = (g.ravel() for g in np.meshgrid(np.arange(17) / 8 - 1, np.arange(17) / 8 - 1, indexing="ij"))
    i, j = (g.ravel() for g in np.meshgrid(np.arange(16), np.arange(16), indexing="ij"))
    a = 17 * i + j
    faces = np.concatenate([np.stack([a, a + 17, a + 18], 1), np.stack([a, a + 18, a + 1], 1)])
    right = np.tile(np.where(j < 8, i >= 8, i >= 11), 2)
    uv = np.concatenate([np.stack([x, y], 1), np.stack([x + 5, y], 1)])
    vertices = np.stack([x, y, 0 * x], 1)
    r = run(vertices, faces, target, uv=uv, uv_faces=faces + right[:, None] * len(x))
    check(r, vertices, faces, none(faces))
    corner = r.uv[r.uv_faces]
    assert np.ptp(corner[..., 0], axis=1).max() < 2.1, "a triangle lies in both charts"
    now_right = corner[:, 0, 0] > 3
    flat = corner - now_right[:, None, None] * [5, 0]
    np.testing.assert_allclose(flat, r.vertices[r.faces][..., :2], atol=1e-6)
    centre = flat.mean(1)
    straight = centre[:, 1] < -1e-9
    np.testing.assert_array_equal(now_right[straight], centre[straight, 0] > 0)
    kept = r.uv[:, 0] > 3
    assert np.isin([5.0, 5.375], r.uv[kept, 0][np.abs(r.uv[kept, 1]) < 1e-9]).all(), "the kink is gone"


def test_coarse_targets_thin_out_a_straight_seam():
    vertices, faces, uv, uv_faces = tube()
    r = run(vertices, faces, 0.5, uv=uv, uv_faces=uv_faces)
    assert (r.uv[:, 0] == 0).sum() < 15  # of 21


def test_around_edges_of_three_faces_all_stays():
    vertices, faces = sphere(2)
    fin = np.concatenate([vertices, [[0, 0, 2.0]]])
    a, b = faces[0, 0], faces[0, 1]
    crowded = np.concatenate([faces, [[a, b, len(vertices)]]])
    r = run(fin, crowded, 0.15)
    assert len(crowded) - 1 in r.face_source
    sides, uses = edges_of(r.faces)
    assert uses.max() == 3 and (uses == 3).sum() == 1
    touching = np.flatnonzero(np.isin(crowded, [a, b]).any(1))
    assert np.isin(touching, r.face_source).all()


def test_vertices_of_no_face_stay():
    vertices, faces = sphere(1)
    r = run(np.concatenate([vertices, [[9.0, 9, 9]]]), faces, 5.0)
    np.testing.assert_array_equal(r.vertices[-1], [9, 9, 9])


def test_the_same_input_gives_the_same_bits():
    vertices, faces, uv, uv_faces = tube()
    one, two = (run(vertices, faces, 0.07, uv=uv, uv_faces=uv_faces) for _ in range(2))
    for field in dataclasses.fields(one):
        a, b = getattr(one, field.name), getattr(two, field.name)
        assert (a != b).nnz == 0 if sp.issparse(a) else np.array_equal(a, b), field.name


def test_wrong_input_is_named():
    vertices, faces = sphere(1)
    with pytest.raises(ValueError, match=r"targets of shape \(18,\), got \(3,\)"):
        remesh(vertices, faces, np.ones(3), none(faces))
    with pytest.raises(ValueError, match="positive, finite targets"):
        remesh(vertices, faces, np.zeros(len(vertices)), none(faces))
    with pytest.raises(ValueError, match="uv_faces of shape"):
        remesh(vertices, faces, np.ones(len(vertices)), none(faces), np.zeros((4, 2)), faces[:2])


# The controller of edge lengths.


def test_errors_halve_double_and_keep_lengths():
    vertices, faces = sphere(4)
    edges = edges_of(faces)[0]
    length = np.linalg.norm(vertices[edges[:, 0]] - vertices[edges[:, 1]], axis=1)
    present = np.zeros(len(vertices))
    np.add.at(present, edges.ravel(), length.repeat(2))
    present /= np.bincount(edges.ravel())
    for error, factor in ((1.0, 1), (1.25, 0.8), (9.0, 0.5), (0.0, 2), (np.nan, 1)):
        targets = edge_targets(vertices, faces, np.full(len(vertices), error), 1e-3, 1.0, growth=1.0)
        np.testing.assert_allclose(targets, factor * present, rtol=1e-9)
    targets = edge_targets(vertices, faces, np.full(len(vertices), 9.0), 0.06, 0.07)
    assert targets.min() >= 0.06 and targets.max() <= 0.07


def test_targets_grow_slowly_from_what_is_fine():
    vertices, faces = sphere(4)
    error = np.where(vertices[:, 2] > 0.9, 100.0, 0.0)
    targets = edge_targets(vertices, faces, error, 0.01, 1.0, growth=0.2)
    edges = edges_of(faces)[0]
    length = np.linalg.norm(vertices[edges[:, 0]] - vertices[edges[:, 1]], axis=1)
    assert (np.abs(np.diff(targets[edges], axis=1)[:, 0]) <= 0.2 * length + 1e-9).all()
    assert targets[vertices[:, 2] > 0.9].max() < 0.06 < targets[vertices[:, 2] < 0].min()


def test_curvature_asks_for_short_edges():
    """A chord of sqrt(8 c R) is c off a circle of radius R."""
    vertices, faces = sphere(4)
    targets = edge_targets(2 * vertices, faces, np.zeros(len(vertices)), 1e-3, 9.0, chord=1e-4, growth=9.0)
    np.testing.assert_allclose(targets, np.sqrt(8 * 1e-4 * 2), rtol=0.1)


def test_frozen_faces_set_the_target_at_their_vertices():
    vertices, faces = sphere(3)
    frozen = vertices[faces][..., 2].min(1) > 0.5
    targets = edge_targets(vertices, faces, np.full(len(vertices), 50.0), 0.01, 0.02, frozen)
    inside = np.unique(faces[frozen])
    assert targets[inside].min() > 0.02 and targets.min() >= 0.01
    assert np.setdiff1d(np.flatnonzero(targets > 0.02), inside).size == 0


@pytest.mark.parametrize("budget", [1500, 3000])
def test_a_budget_of_triangles_is_about_kept(budget):
    vertices, faces = sphere(4)
    frozen = vertices[faces].mean(1)[:, 2] > 0.8
    error = np.where(vertices[:, 0] > 0, 9.0, 0.5)
    free = edge_targets(vertices, faces, error, 0.02, 0.3, frozen)
    targets = edge_targets(vertices, faces, error, 0.02, 0.3, frozen, budget=budget)
    assert len(run(vertices, faces, free, frozen).faces) - frozen.sum() > 1.2 * budget
    assert len(run(vertices, faces, targets, frozen).faces) - frozen.sum() == pytest.approx(budget, rel=0.3)


def test_wrong_bounds_are_named():
    vertices, faces = sphere(1)
    with pytest.raises(ValueError, match="0 < shortest <= longest"):
        edge_targets(vertices, faces, np.ones(len(vertices)), 2.0, 1.0)


def test_errors_of_pixels_reach_the_vertices_they_see():
    faces = np.array([[0, 1, 2], [2, 1, 3], [3, 4, 5]])
    face_ids = np.array([[[0, 0, 1], [-1, 1, -1]]])
    errors = np.array([[[1.0, 3.0, 5.0], [99.0, np.nan, 99.0]]])
    seen = seen_error(errors, face_ids, faces, 6)
    np.testing.assert_allclose(seen, [2, 3, 3, 5, np.nan, np.nan])


# The head.


@pytest.fixture(scope="module")
def fine():
    return subdivide(load_head())[0]


@pytest.fixture(scope="module")
def remeshed(fine):
    """Hair fine, neck coarse, after the hair has grown spikes."""
    frozen = frozen_faces(fine)
    vertices, faces = fine.template.astype(float), fine.faces
    scalp = fine.region("scalp")
    spikes = 0.03 * np.sin(400 * vertices[:, 1:2]) ** 8 * scalp[:, None]
    vertices = vertices + spikes * vertices / np.linalg.norm(vertices, axis=1, keepdims=True)
    error = np.where(scalp > 0.5, 3.0, np.where(fine.region("neck") > 0.5, 0.2, np.nan))
    targets = edge_targets(vertices, faces, error, 2e-3, 15e-3, frozen, chord=3e-4)
    return vertices, frozen, remesh(vertices, faces, targets, frozen, fine.uv, split_quads(fine.uv_quads))


def test_the_head_keeps_its_topology_and_its_face(fine, remeshed):
    vertices, frozen, r = remeshed
    check(r, vertices, fine.faces, frozen)
    assert len(r.faces) > 1.05 * len(fine.faces)
    kept = np.unique(fine.faces[frozen])
    assert np.isin(kept, r.kept).all()
    assert np.isin(np.flatnonzero(~fine.part_vertices("skin")), r.kept).all()
    ratio = edge_ratios(r, frozen)
    assert (ratio < LONG + 1e-9).mean() > 0.95


def test_the_heads_charts_are_not_folded(fine, remeshed):
    r = remeshed[2]

    def signs(uv, uv_faces):
        a, b, c = uv[uv_faces].astype(float).transpose(1, 0, 2)
        return np.sign(np.cross(b - a, c - a))

    assert (signs(fine.uv, split_quads(fine.uv_quads)) > 0).all()
    assert (signs(r.uv, r.uv_faces) > 0).all()


def test_the_rig_comes_along(fine, remeshed):
    vertices, frozen, r = remeshed
    head = carried_head(fine, r)
    assert len(head.faces) == len(r.faces)
    assert {tuple(f) for f in head.faces.tolist()} == {tuple(f) for f in r.faces.tolist()}
    count = len(r.kept)
    for name in (
        "template",
        "shape_basis",
        "expression_basis",
        "pose_basis",
        "skin_weights",
        "regions",
        "part",
    ):
        np.testing.assert_array_equal(getattr(head, name)[:count], getattr(fine, name)[r.kept], name)
    np.testing.assert_allclose(head.skin_weights.sum(1), 1, atol=1e-5)
    np.testing.assert_array_equal(head.landmarks(head.template), fine.landmarks(fine.template))
    np.testing.assert_allclose(
        head.joint_regressor @ head.template, fine.joint_regressor @ fine.template, atol=5e-4
    )
    squares = fine.quads[:, 2] != fine.quads[:, 3]
    whole = frozen[: len(fine.quads)] & squares
    place = np.full(len(fine.template), -1)
    place[r.kept] = np.arange(count)
    assert {tuple(q) for q in place[fine.quads[whole]].tolist()} <= {tuple(q) for q in head.quads.tolist()}
    used = head.uv[head.uv_quads[:50]]
    assert np.isfinite(used).all() and head.uv_quads.shape == head.quads.shape


def test_a_remeshed_landmark_is_an_error(fine):
    r = remesh(fine.template, fine.faces, np.full(len(fine.template), 0.02), none(fine.faces), fine.uv,
               split_quads(fine.uv_quads), rounds=1, relax=0)  # fmt: skip
    with pytest.raises(ValueError, match="landmarks were remeshed"):
        carried_head(fine, r)
    with pytest.raises(ValueError, match="expected a mesh with UVs"):
        carried_head(fine, dataclasses.replace(r, uv=None, uv_faces=None))


def test_a_head_is_adapted_twice_and_bound_again(fine):
    """Fine where the error is, coarse where none is; and the product of all carries binds the base head to it."""
    base = load_head()
    binding = subdivide(base)[1]
    head, edges = fine, []
    for _ in range(2):
        scalp, neck = head.region("scalp") > 0.5, head.region("neck") > 0.5
        error = np.where(scalp, 3.0, np.where(neck, 0.3, np.nan))
        head, r = adapted_head(head, head.template, error)
        binding = (r.carry @ binding).tocsr()
        sides = edges_of(head.faces)[0]
        length = np.linalg.norm(head.template[sides[:, 0]] - head.template[sides[:, 1]], axis=1)
        edges.append(
            [np.median(length[(head.region(name) > 0.5)[sides].all(1)]) for name in ("scalp", "neck")]
        )
    assert edges[1][0] < 3.2e-3 and edges[1][1] > 1.3 * edges[1][0]
    again = base.bound(binding, head.quads, head.uv, head.uv_quads)
    np.testing.assert_allclose(again.template, head.template, atol=1e-6)
    np.testing.assert_allclose(again.expression_basis, head.expression_basis, atol=1e-6)
    np.testing.assert_allclose(again.landmarks(again.template), head.landmarks(head.template), atol=1e-6)
    assert np.diff(binding.indptr).max() < 40
