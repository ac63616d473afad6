"""Skin that was dragged along a surface moves as the place does where it came to lie."""

import dataclasses

import numpy as np
import scipy.sparse as sp

from soaplib.fitting.rebind import rebound
from soaplib.head.laplacian import uniform_laplacian
from soaplib.head.surface import closest_points


def below_the_jaw(head):
    """Skin beside and under the face that the jaw carries, not next to the face."""
    skin = head.part_vertices("skin") & (head.region("mouth_cavity") < 0.01) & (head.region("face") < 0.01)
    laplacian, out = uniform_laplacian(head.faces, len(head.template)), skin.astype(float)
    for _ in range(3):
        out = out * (np.abs(laplacian @ (out > 0.5)) < 0.5)
    return (out > 0.5) & (head.skin_weights[:, 2] > 0.1) & (head.region("lips") < 0.01)


def test_what_stayed_is_bound_as_it_was(head):
    rest = head.template.astype(np.float64)
    same = sp.identity(len(rest), format="csr")
    mesh, carry = rebound(head, rest, head, rest, same)
    np.testing.assert_allclose(np.asarray(carry.sum(1)).ravel(), 1, atol=1e-12)
    assert np.linalg.norm(carry @ rest - rest, axis=1).max() < 2e-3
    np.testing.assert_allclose(mesh.skin_weights.sum(1), 1, atol=1e-5)
    face = head.region("face") > 0.5
    assert (abs(carry - same)[face]).max() == 0


def test_dragged_skin_moves_as_where_it_lies(head):
    """Vertices swapped for their neighbours' places: the motion is the places', not the vertices'."""
    rest, under = head.template.astype(np.float64), below_the_jaw(head)
    assert under.sum() > 30
    laplacian = uniform_laplacian(head.faces, len(rest))
    slid = rest.copy()
    degree = laplacian.diagonal()
    along = np.where(under[:, None], [0, 0, -0.006], 0.0)
    for _ in range(3):
        along = along - 0.5 * (laplacian @ along) / np.maximum(degree, 1)[:, None]
    slid += np.where(under[:, None], along, 0)
    skin = head.faces[head.part_vertices("skin")[head.faces].all(1)]
    ids, weights = closest_points(slid[under], rest, skin)
    slid[under] = (rest[skin[ids]] * weights[..., None]).sum(1)
    true = (head.skin_weights[skin[ids], 2] * weights).sum(1)
    mesh, _ = rebound(head, rest, head, slid, sp.identity(len(rest), format="csr"))
    before, after = (np.abs(one.skin_weights[under, 2] - true).mean() for one in (head, mesh))
    assert after < 0.5 * before


def test_hair_and_face_stay_bound(head):
    rest = head.template.astype(np.float64)
    off = rest - rest.mean(0)
    grown = rest + 0.02 * off / np.linalg.norm(off, axis=1, keepdims=True)
    same = sp.identity(len(rest), format="csr")
    mesh, carry = rebound(head, rest, head, grown, same)
    top = (head.region("scalp") > 0.9) & (rest[:, 1] > 0.08)
    assert abs(carry - same)[top].sum(1).mean() < 0.05
    nobody = dataclasses.replace(head, part=np.ones_like(head.part))
    assert rebound(nobody, rest, nobody, grown, same)[1] is same
