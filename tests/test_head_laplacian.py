"""The mesh Laplacian by hand, solves against dense ones, harmonic fields."""

import numpy as np
import scipy.sparse as sp

from soaplib.head.laplacian import border_vertices, factorised, harmonic, uniform_laplacian

SQUARE = np.array([[0, 1, 2], [0, 2, 3]])


def strip(count):
    """Two rows of `count` vertices joined by triangles."""
    i = np.arange(count - 1)
    return np.concatenate(
        [np.stack([i, i + 1, i + 1 + count], 1), np.stack([i, i + 1 + count, i + count], 1)]
    )


def test_laplacian_of_a_square_by_hand():
    expected = [[3, -1, -1, -1], [-1, 2, -1, 0], [-1, -1, 3, -1], [-1, 0, -1, 2]]
    np.testing.assert_array_equal(uniform_laplacian(SQUARE, 4).toarray(), expected)
    assert not uniform_laplacian(SQUARE, 5)[4].toarray().any()  # a vertex of no face


def test_factorised_solves():
    rng = np.random.default_rng(0)
    dense = rng.standard_normal((30, 30))
    dense = dense @ dense.T + np.eye(30)
    right = rng.standard_normal((30, 2))
    np.testing.assert_allclose(
        factorised(sp.csr_matrix(dense)).solve(right), np.linalg.solve(dense, right), atol=1e-9
    )


def test_harmonic_fields_obey_the_maximum_principle():
    faces = strip(20)
    laplacian = uniform_laplacian(faces, 40)
    ends = np.isin(np.arange(40), [0, 20, 19, 39])
    values = np.where(np.isin(np.arange(40), [19, 39]), 1.0, 0.0)
    field = harmonic(laplacian, ~ends, values)
    assert field.min() >= 0 and field.max() <= 1
    np.testing.assert_array_equal(field[ends], values[ends])
    assert (np.diff(field[:20]) > 0).all()
    np.testing.assert_allclose((laplacian @ field)[~ends], 0, atol=1e-7)
    both = harmonic(laplacian, ~ends, np.stack([values, 1 - values], 1))
    np.testing.assert_allclose(both.sum(1), 1, atol=1e-6)


def test_what_touches_nothing_given_goes_to_0():
    faces = np.concatenate([strip(3), strip(3) + 6])
    given = np.arange(12) < 2
    field = harmonic(uniform_laplacian(faces, 12), ~given, np.where(given, 2.0, 5.0))
    np.testing.assert_allclose(field, [2.0] * 6 + [0.0] * 6, atol=1e-6)


def test_border_of_a_square_and_of_a_closed_fan():
    assert border_vertices(SQUARE, 5).tolist() == [True] * 4 + [False]
    fan = np.array([[0, 1, 2], [0, 2, 3], [0, 3, 4], [0, 4, 1]])
    assert border_vertices(fan, 5).tolist() == [False] + [True] * 4
