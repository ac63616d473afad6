"""Catmull-Clark subdivision: hand-computed cases and what must hold for any mesh."""

import numpy as np
import pytest

from soaplib.head import load_head, subdivide
from soaplib.head.subdivide import _split_uv, catmull_clark

CUBE = np.array([[0, 3, 2, 1], [4, 5, 6, 7], [0, 1, 5, 4], [1, 2, 6, 5], [2, 3, 7, 6], [3, 0, 4, 7]])
CORNERS = np.array([[x, y, z] for z in (-1, 1) for x, y in ((-1, -1), (1, -1), (1, 1), (-1, 1))], float)


@pytest.fixture(scope="module")
def subdivided():
    head = load_head()
    return head, *subdivide(head)


def _euler(quads):
    ring = [np.r_[q[:3], q[:1]] if q[2] == q[3] else np.r_[q, q[:1]] for q in quads]
    edges = {tuple(sorted(pair)) for r in ring for pair in zip(r[:-1].tolist(), r[1:].tolist(), strict=True)}
    return len(np.unique(quads)) - len(edges) + len(quads)


def test_cube():
    """The classic: corners go to 5/9, edge points to 3/4, face points stay in the faces' middles."""
    binding, quads = catmull_clark(CUBE, 8)
    points = binding @ CORNERS
    assert points.shape == (8 + 12 + 6, 3) and quads.shape == (24, 4)
    assert np.allclose(points[:8], CORNERS * 5 / 9)
    edges = np.sort(np.abs(points[8:20]), axis=1)
    assert np.allclose(edges, [[0, 0.75, 0.75]] * 12)
    assert np.allclose(np.sort(np.abs(points[20:]), axis=1), [[0, 0, 1]] * 6)
    assert _euler(CUBE) == _euler(quads) == 2


def test_faces_keep_their_side():
    binding, quads = catmull_clark(CUBE, 8)
    points = binding @ CORNERS
    a, b, c = (points[quads[:, k]] for k in range(3))
    assert ((np.cross(b - a, c - a) * a).sum(1) > 0).all()


def test_one_quad_is_a_border():
    points = np.array([[0.0, 0, 0], [8, 0, 0], [8, 8, 0], [0, 8, 0]])
    binding, quads = catmull_clark(np.array([[0, 1, 2, 3]]), 4)
    new = binding @ points
    assert np.allclose(new[:4], [[1, 1, 0], [7, 1, 0], [7, 7, 0], [1, 7, 0]])  # (1, 6, 1) / 8
    assert sorted(map(tuple, new[4:8, :2])) == [(0, 4), (4, 0), (4, 8), (8, 4)]
    assert np.allclose(new[8], [4, 4, 0])
    assert _euler(quads) == 1


def test_one_triangle_gives_three_quads():
    points = np.array([[0.0, 0, 0], [6, 0, 0], [0, 6, 0]])
    binding, quads = catmull_clark(np.array([[0, 1, 2, 2]]), 3)
    new = binding @ points
    assert quads.shape == (3, 4) and new.shape == (7, 3)
    assert np.allclose(new[:3], [[0.75, 0.75, 0], [4.5, 0.75, 0], [0.75, 4.5, 0]])
    assert np.allclose(new[6], [2, 2, 0])
    assert (quads[:, 2] == 6).all() and np.array_equal(quads[:, 0], [0, 1, 2])
    assert _euler(quads) == 1


def test_a_vertex_of_no_face_stays():
    binding, _ = catmull_clark(np.array([[0, 1, 2, 3]]), 5)
    assert np.array_equal(binding[4].toarray()[0], [0, 0, 0, 0, 1])


def test_flat_grid_stays_flat_and_affine():
    """Subdivision commutes with affine maps, and inner vertices of a regular grid do not move."""
    n = 5
    i, j = np.meshgrid(np.arange(n - 1), np.arange(n - 1), indexing="ij")
    first = (i * n + j).ravel()
    quads = np.stack([first, first + n, first + n + 1, first + 1], 1)
    grid = np.stack([*np.meshgrid(np.arange(n), np.arange(n), indexing="ij"), np.zeros((n, n))], -1).reshape(
        -1, 3
    )
    binding, _ = catmull_clark(quads, n * n)
    inner = ((grid[:, :2] > 0) & (grid[:, :2] < n - 1)).all(1)
    assert np.allclose((binding @ grid)[: n * n][inner], grid[inner])
    turn, shift = np.random.default_rng(0).normal(size=(3, 3)), np.array([1.0, 2, 3])
    assert np.allclose(binding @ (grid @ turn + shift), (binding @ grid) @ turn + shift)


def test_repeated_subdivision_converges():
    """Of the cube: to a smooth closed surface; the limit of a corner is known, (n^2 V + 4 E + F) / (n (n + 5))."""
    limit = (9 * CORNERS[0] + 4 * sum(CORNERS[[1, 3, 4]]) + sum(CORNERS[[2, 5, 7]])) / 24
    points, quads = CORNERS, CUBE
    for _ in range(5):
        binding, quads = catmull_clark(quads, len(points))
        points = binding @ points
    assert np.allclose(points[0], limit, atol=2e-3)
    assert _euler(quads) == 2
    radii = np.linalg.norm(points, axis=1)
    assert radii.max() / radii.min() < 1.25


def test_binding_of_the_head(subdivided):
    head, fine, binding = subdivided
    assert np.abs(np.asarray(binding.sum(1)) - 1).max() < 1e-12
    assert np.abs(binding).sum(1).max() < 1.5  # a vertex of three faces is no convex combination, but nearly
    assert _euler(head.quads) == _euler(fine.quads)
    at_old = binding[: len(head.template)]
    assert (at_old.argmax(1).ravel() == np.arange(len(head.template))).mean() > 0.99
    assert np.linalg.norm(fine.template[: len(head.template)] - head.template, axis=1).max() < 6e-3


def test_rig_is_carried_exactly(subdivided):
    head, fine, binding = subdivided
    for name in ("template", "shape_basis", "expression_basis", "skin_weights", "regions"):
        old = getattr(head, name)
        flat = (binding @ old.reshape(len(old), -1)).reshape(-1, *old.shape[1:])
        assert np.abs(flat - getattr(fine, name)).max() < 1e-6, name
    assert np.abs(fine.skin_weights.sum(1) - 1).max() < 1e-5
    assert np.array_equal(fine.part[: len(head.part)], head.part)
    assert (fine.part[fine.quads] == fine.part[fine.quads[:, :1]]).all()


def test_joints_and_landmarks_stay(subdivided):
    head, fine, _ = subdivided
    rng = np.random.default_rng(1)
    count = head.shape_basis.shape[2]
    for shape in (np.zeros(count), *(0.7 * rng.normal(size=(5, count)))):
        coarse = head.template + head.shape_basis @ shape
        smooth = fine.template + fine.shape_basis @ shape
        assert (
            np.abs(head.joint_regressor @ coarse - fine.joint_regressor @ smooth).max() < 1e-3
        )  # a millimetre
    assert np.abs(fine.joint_regressor.sum(1) - 1).max() < 1e-5
    moved = np.linalg.norm(fine.landmarks(fine.template) - head.landmarks(head.template), axis=1)
    assert np.median(moved) < 3e-4 and moved.max() < 4e-3


def test_uv_is_split_and_not_smoothed(subdivided):
    head, fine, _ = subdivided
    assert fine.uv_quads.shape == fine.quads.shape
    assert np.array_equal(fine.uv[: len(head.uv)], head.uv)
    assert np.isclose(_area(head.uv, head.uv_quads), _area(fine.uv, fine.uv_quads), rtol=1e-5)
    # No UV belongs to two vertices, before or after: the seams are where they were.
    for mesh in (head, fine):
        owner = np.zeros(len(mesh.uv), np.int64)
        owner[mesh.uv_quads.ravel()] = mesh.quads.ravel()
        assert np.array_equal(owner[mesh.uv_quads], mesh.quads)


def _area(uv, quads):
    """The sum of the faces' signed areas: that of a quad is half the cross product of its diagonals."""
    a, b, c, d = (uv[quads[:, k]].astype(float) for k in range(4))
    return np.cross(c - a, d - b).sum() / 2


def test_uv_of_a_triangle_with_a_seam():
    """Quad and triangle share an edge of vertices but not of UVs."""
    quads = np.array([[0, 1, 2, 3], [2, 1, 4, 4]])
    uv = np.array([[0, 0], [1, 0], [1, 1], [0, 1], [2, 0], [2, 1], [3, 0]], float)
    uv_quads = np.array([[0, 1, 2, 3], [5, 4, 6, 6]])
    new_uv, new = _split_uv(uv, uv_quads, quads)
    _, faces = catmull_clark(quads, 5)
    assert new.shape == faces.shape == (7, 4)
    assert np.allclose(new_uv[new[0]], [[0, 0], [0.5, 0], [0.5, 0.5], [0, 0.5]])
    centre = np.array([7 / 3, 1 / 3])
    assert np.allclose(new_uv[new[4:, 2]], centre)
    assert np.allclose(new_uv[new[4]], [[2, 1], [2, 0.5], centre, [2.5, 0.5]])


def test_wrong_bindings_are_refused(subdivided):
    head, fine, binding = subdivided
    with pytest.raises(ValueError, match="columns"):
        head.bound(binding[:, :-1], fine.quads, fine.uv, fine.uv_quads)


def test_landmarks_of_closed_lips_stay_on_their_own_lip():
    """The inner points of closed lips lie on both lips; on the finer mesh they once changed sides."""
    head = load_head()
    fine, _ = subdivide(head)
    open_mouth = head.expression(jawOpen=1.0)
    coarse = head.landmarks(head.template + head.expression_basis @ open_mouth)
    finer = fine.landmarks(fine.template + fine.expression_basis @ open_mouth)
    assert np.linalg.norm(coarse - finer, axis=1).max() < 2e-3  # the mouth is 40 mm open
