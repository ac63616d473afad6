"""Who synthetic heads are: codes, their spread, and the raw head they give."""

import dataclasses
import json

import numpy as np
import pytest

from soaplib.head import load_head
from soaplib.synthetic.people.blendshapes import blendshapes
from soaplib.synthetic.people.identity import Identity, _phenotype_weights, draw_identity, identity_vertices
from soaplib.synthetic.people.proportions import _PLAIN, _RANGES
from soaplib.synthetic.pieces import STYLES


def _plain_identity(**codes):
    values = dict(
        style="realistic", age=0.7, gender=0.5, muscle=0.5, weight=0.5, proportions=0.5, african=0.3, asian=0.3,
        caucasian=0.4, changes=(), warp=(), iris=0.4,
    )  # fmt: skip
    return Identity(**(values | codes))


@pytest.mark.parametrize("style", STYLES)
def test_codes_are_json_and_follow_from_the_seed(style):
    first, again, other = (draw_identity(np.random.default_rng(seed), style) for seed in (3, 3, 4))
    assert first == again != other
    read = json.loads(json.dumps(dataclasses.asdict(first)))
    assert read["style"] == style and dict(read["changes"]) == dict(first.changes)
    assert abs(first.african + first.asian + first.caucasian - 1) < 1e-3


def test_unknown_style_is_refused():
    with pytest.raises(ValueError, match="realistic"):
        draw_identity(np.random.default_rng(0), "cubist")


def test_phenotype_weights_are_a_partition_of_each_family():
    """With all corners of one kind of shape present, its products sum to 1: so do anny's."""
    shapes = blendshapes()
    rng = np.random.default_rng(0)
    for _ in range(5):
        weights = _phenotype_weights(draw_identity(rng, "realistic"), shapes)
        kinds = shapes.mask[:, [0, 1, 2]].any(1)  # race-gender-age shapes
        assert weights[kinds].sum() == pytest.approx(1, abs=1e-5)
        assert (weights >= 0).all()


def test_raw_heads_stand_and_measure_as_the_default_head():
    head = load_head()
    rng = np.random.default_rng(1)
    heads = np.array([identity_vertices(draw_identity(rng, "realistic")) for _ in range(40)])
    eyes = [head.part_vertices(name) for name in ("left_eye", "right_eye")]
    middles = (heads[:, eyes[0]].mean(1) + heads[:, eyes[1]].mean(1)) / 2
    assert np.abs(middles).max() < 1e-6
    skin = head.part_vertices("skin") & (head.region("mouth_cavity") < 0.5)
    sizes = np.sqrt((heads[:, skin] ** 2).mean((1, 2)))
    usual = np.sqrt((head.template[skin] ** 2).mean())
    assert np.abs(sizes / usual - 1).max() < 0.05
    assert np.abs(heads.mean(0) - head.template)[skin].mean() < 0.006
    assert heads.std(0)[skin].mean() > 0.002


def test_people_are_nearly_symmetric():
    rng = np.random.default_rng(2)
    for _ in range(10):
        changes = dict(draw_identity(rng, "realistic").changes)
        pairs = [(v, changes.get(f"r-{n[2:]}", 0.0)) for n, v in changes.items() if n.startswith("l-")]
        left, right = np.array(pairs).T
        assert 0 < np.abs(left - right).mean() < 0.1


def test_age_changes_the_head_gradually():
    child, young, old = (identity_vertices(_plain_identity(age=a)) for a in (0.3, 0.5, 0.9))
    between = identity_vertices(_plain_identity(age=0.51))
    assert np.abs(between - young).max() < np.abs(child - young).max() / 5
    assert np.abs(old - child).max() > 0.005


def test_ranges_name_known_proportions():
    for ranges in _RANGES.values():
        assert set(ranges) <= set(_PLAIN)
        assert all(low < high for low, high in ranges.values())
