"""Remeshing between levels: triangles go where normals are off, within a budget, and the face stays."""

import numpy as np
import pytest
from made_up_portrait import made_up_portrait

from soaplib.evaluation.surfaces import distances
from soaplib.fitting.adapt import adapt, without_rig
from soaplib.fitting.carried import FACE_REGIONS, frozen_faces
from soaplib.fitting.energy import Energy, Weights, seen_faces
from soaplib.head import load_head, subdivide
from soaplib.multiview import generate


@pytest.fixture(scope="module")
def scene():
    """A head, the views of it, and its crown with waves that the views do not have."""
    head = load_head()
    made = made_up_portrait(head, 192)
    views = generate(made.portrait, head, made.pose, "geometric", size=192)
    fine, binding = subdivide(head)
    bare = without_rig(fine)
    flat = binding @ made.vertices
    crown = np.clip(20 * (flat[:, 1] - np.quantile(flat[:, 1], 0.8)), 0, 1) * fine.part_vertices("skin")
    wavy = flat * (1 + 0.06 * crown * np.sin(200 * flat[:, 0]))[:, None]
    energy = Energy(views, made.portrait, bare, made.pose, wavy, 128, Weights())
    return bare, wavy, crown, energy


def lengths(head, vertices, at):
    sides = np.unique(np.sort(head.faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), 1), axis=0)
    sides = sides[(at > 0.5)[sides].all(1)]
    return np.linalg.norm(vertices[sides[:, 0]] - vertices[sides[:, 1]], axis=1)


def test_triangles_go_where_the_normals_are_off(scene):
    head, wavy, crown, energy = scene
    new, vertices, carry = adapt(head, wavy, energy, 60000)
    assert np.median(lengths(new, vertices, carry @ crown)) < 0.7 * np.median(lengths(head, wavy, crown))
    np.testing.assert_allclose(np.asarray(carry.sum(1)).ravel(), 1, atol=1e-12)
    assert carry.shape == (len(vertices), len(wavy)) and len(new.template) == len(vertices)
    shortest = max(1.5e-3, 1.2 * 2 * energy.unit / 128)
    assert np.quantile(lengths(new, vertices, carry @ crown), 0.05) > 0.6 * shortest


@pytest.mark.parametrize("ears", [True, False])
def test_the_face_stays_and_the_ears_may(scene, ears):
    head, wavy, _, energy = scene
    new, vertices, carry = adapt(head, wavy, energy, 45000, ears)
    kept = np.asarray((carry == 1).sum(1)).ravel() == 1
    alive = np.isin(np.arange(len(wavy)), carry[kept].indices)
    np.testing.assert_array_equal(vertices[kept], wavy[carry[kept].indices])
    assert alive[np.unique(head.faces[frozen_faces(head, FACE_REGIONS)])].all()
    assert alive[~head.part_vertices("skin")].all()
    assert alive[head.region("ears") > 0.5].all() == ears
    np.testing.assert_allclose(new.landmarks(vertices), head.landmarks(wavy), atol=1e-12)


def test_the_budget_is_kept(scene):
    head, wavy, _, energy = scene
    counts = [len(seen_faces(adapt(head, wavy, energy, budget)[0])) for budget in (34000, 42000)]
    assert counts[0] < 37000 < counts[1] < 46000


def test_the_surface_stays_where_it_was(scene):
    head, wavy, _, energy = scene
    new, vertices, _ = adapt(head, wavy, energy, 60000)
    there, back = distances(vertices, wavy, head.faces), distances(wavy, vertices, new.faces)
    assert there.mean() < 1e-4 and there.max() < 2e-3
    assert back.mean() < 3e-4
