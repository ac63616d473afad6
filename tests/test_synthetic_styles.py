"""The directions of stylised heads: made from people that trainings may see, and good for those that they may not."""

import dataclasses

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from soaplib.head import load_head
from soaplib.head.anny import STYLES, cache_folder
from soaplib.synthetic.dataset import splits
from soaplib.synthetic.people.identity import draw_identity
from soaplib.synthetic.people.person import make_person
from soaplib.synthetic.people.styles import COMPONENTS, components, people, unexplained


@pytest.fixture(scope="module")
def plain():
    return load_head(styles=False)


def test_the_heads_basis_ends_with_them(plain):
    head = load_head()
    count = plain.shape_basis.shape[2]
    assert head.shape_basis.shape[2] == count + COMPONENTS
    np.testing.assert_array_equal(head.shape_basis[..., :count], plain.shape_basis)
    np.testing.assert_array_equal(head.template, plain.template)
    stored = np.load(STYLES)
    assert str(stored["build"]) == cache_folder().name, "run python -m soaplib.synthetic.people.styles"
    assert STYLES.stat().st_size < 2e6 and stored["basis"].dtype == np.float16
    faces = plain.region("face") > 0.5
    moved = np.linalg.norm(head.shape_basis[faces][..., count:], axis=1).mean(0)
    assert 2e-4 < moved[0] < 5e-3 and (np.abs(stored["basis"]).max((0, 1)) > 0).all()


def test_a_similarity_of_the_family_is_explained(plain):
    rng = np.random.default_rng(0)
    turn = Rotation.from_rotvec([0.1, -0.2, 0.05]).as_matrix()
    heads = [
        plain.template + plain.shape_basis @ rng.normal(0, 0.5, plain.shape_basis.shape[2]) for _ in range(2)
    ]
    left = unexplained(plain, np.stack([1.1 * one @ turn.T + [0.01, 0.02, -0.03] for one in heads]))
    seen = plain.region("face") > 0.5
    assert np.linalg.norm(left[:, seen], axis=2).mean() < 3e-4


def test_components_of_a_style_are_found(plain):
    """Two made-up directions, as long as they are usual; what all realistic heads share is none."""
    rng = np.random.default_rng(1)
    face = (plain.region("face") > 0.5)[:, None]
    true = np.stack([face * [0, 0.002, 0], face * [0, 0, 0.001]], 2)
    shared = rng.normal(0, 1e-3, plain.template.shape)
    rest = {
        "realistic": np.stack([shared] * 30),
        "clay": shared + np.einsum("vcs,ns->nvc", true, rng.normal(size=(30, 2))),
    }
    found = components(plain, rest, 2)
    on_face = face[:, 0]
    for k in range(2):
        size = np.linalg.norm(found[on_face][..., k], axis=1).mean()
        assert size == pytest.approx(
            [0.002, 0.001][k] / np.sqrt(2), rel=0.3
        )  # half of the heads have none of it
        cosine = (found[on_face][..., k] * true[on_face][..., k]).sum() / np.linalg.norm(
            found[on_face][..., k]
        )
        assert abs(cosine) / np.linalg.norm(true[on_face][..., k]) > 0.95
    np.testing.assert_array_equal(found, components(plain, rest, 2))


@pytest.mark.parametrize("style", ["cartoon", "anime", "clay"])
def test_held_out_people_are_better_explained(plain, style):
    number, heads = 0, []
    while len(heads) < 2:
        identity = draw_identity(np.random.default_rng((99, number)), style)
        number += 1
        if splits.of_identity(dataclasses.asdict(identity)) == "test":
            heads.append(make_person(identity).head.template.astype(np.float64))
    seen = (plain.region("face") > 0.5) & plain.part_vertices("skin") & (plain.region("mouth_cavity") < 0.5)
    off = [
        np.linalg.norm(unexplained(head, np.stack(heads))[:, seen], axis=2).mean()
        for head in (plain, load_head())
    ]
    assert off[1] < 0.6 * off[0] and off[1] < 1.2e-3


def test_people_are_of_the_training_split():
    assert people(1, "clay").shape == (1, *load_head().template.shape)
    np.testing.assert_array_equal(people(1, "clay"), people(1, "clay"))
