"""Products with bits of their own."""

import numpy as np

from soaplib.synthetic.sums import add_rows, product


def test_products_are_those_of_numpy_for_all_shapes():
    rng = np.random.default_rng(0)
    a, b, v = rng.normal(size=(4, 7)), rng.normal(size=(7, 3)), rng.normal(size=7)
    np.testing.assert_allclose(product(a, b), a @ b, rtol=1e-12)
    np.testing.assert_allclose(product(a, v), a @ v, rtol=1e-12)
    np.testing.assert_allclose(product(v, b), v @ b, rtol=1e-12)


def test_bits_do_not_depend_on_the_place_in_memory():
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(30, 41)), rng.normal(size=(41, 5))
    first = product(a, b)
    for shift in range(1, 8):
        room = np.empty(a.nbytes + 64, np.uint8)[shift : shift + a.nbytes].view(np.float64).reshape(a.shape)
        room[:] = a
        np.testing.assert_array_equal(product(room, b), first)


def test_rows_are_added_by_their_weights():
    out = np.array([1.0, 2.0])
    add_rows(out, np.array([2.0, 0.0, -1.0]), np.array([[1.0, 1.0], [9.0, 9.0], [0.5, 0.0]]))
    np.testing.assert_array_equal(out, [2.5, 4.0])
