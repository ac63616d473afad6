"""What is learned of how actions follow from faces: from people that trainings may see."""

import numpy as np

from soaplib.fitting.transfer import ACTIONS
from soaplib.head import load_head
from soaplib.synthetic.people.actions import COMPONENTS, components, people, sites


def test_people_are_upright_and_move_as_their_style_does():
    head = load_head()
    marks, maps, joints = people(1, "clay", head)
    assert joints.shape == (1, 5, 3) and 1e-3 < np.linalg.norm(joints[0, 1:3], axis=1).max() < 0.05
    assert marks.shape == (1, 478, 3) and maps.shape == (1, len(head.template) + 1, 3, 3)
    assert 1e-3 < np.linalg.norm(marks, axis=2).mean() < 2e-2
    assert np.abs(maps[0, -1] - np.eye(3)).max() > 0.03
    realistic = people(1, "realistic", head)[1][0]  # a turn and a size: the head model's actions as they are
    size = np.cbrt(np.linalg.det(realistic[0]))
    assert np.abs(realistic - realistic[0]).max() < 1e-12
    np.testing.assert_allclose(realistic[0] @ realistic[0].T, size**2 * np.eye(3), atol=1e-9)


def test_common_components_are_found():
    """Two made-up amounts, each of which moves landmarks and turns maps."""
    rng = np.random.default_rng(0)
    amounts = rng.normal(size=(60, 2))
    marks, maps = rng.normal(0, 2e-3, (478, 3, 2)), rng.normal(0, 0.05, (30, 3, 3, 2))
    joints = rng.normal(0, 5e-3, (5, 3, 2))
    placed, turned, moved = components(
        np.einsum("lck,nk->nlc", marks, amounts), np.eye(3) + np.einsum("mabk,nk->nmab", maps, amounts),
        np.einsum("jck,nk->njc", joints, amounts),
    )  # fmt: skip
    again = np.linalg.lstsq(placed.reshape(-1, placed.shape[2])[:, :2],
                            np.einsum("lck,k->lc", marks, [1.0, -2.0]).ravel(), rcond=None)[0]  # fmt: skip
    np.testing.assert_allclose(turned[..., :2] @ again, maps @ [1.0, -2.0], atol=1e-6)
    np.testing.assert_allclose(moved[..., :2] @ again, joints @ [1.0, -2.0], atol=1e-6)


def test_the_file_is_of_these_sites():
    head = load_head()
    stored = np.load(ACTIONS)
    np.testing.assert_allclose(stored["sites"], head.template[sites(head)], atol=1e-7)
    np.testing.assert_allclose(stored["centre"], head.landmarks(head.template).mean(0), atol=1e-6)
    assert stored["landmarks"].shape == (478, 3, COMPONENTS) and stored["mouth"].shape == (3, 3, COMPONENTS)
    assert stored["joints"].shape == (5, 3, COMPONENTS)
