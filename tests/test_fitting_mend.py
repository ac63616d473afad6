"""What has turned over is smoothed away, and nothing else."""

import numpy as np
import pytest

from soaplib.fitting.crossing import crossing_faces
from soaplib.fitting.mend import inverted_faces, mend, untangle
from soaplib.head import subdivide


def skin_faces(head):
    return head.faces[head.part_vertices("skin")[head.faces].all(1)]


def test_a_fan_whose_middle_has_left_it_is_inverted():
    around = np.linspace(0, 2 * np.pi, 7)[:-1]
    ring = np.column_stack([np.cos(around), np.sin(around), 0 * around])
    faces = np.array([[0, 1 + k, 1 + (k + 1) % 6] for k in range(6)])
    assert not inverted_faces(np.vstack([[0, 0, 0], ring]), faces).any()
    pulled = inverted_faces(np.vstack([[1.5, 0, 0], ring]), faces)
    np.testing.assert_array_equal(np.flatnonzero(pulled), [0, 5])  # the two that the middle has passed


def test_what_is_right_stays(head):
    before = inverted_faces(head.template.astype(float), skin_faces(head))
    corners = np.unique(skin_faces(head)[before])
    after = mend(head, head.template.astype(float))
    moved = np.flatnonzero((after != head.template).any(1))
    assert len(moved) <= 4 * len(corners)


def test_turned_triangles_turn_back(head):
    rng = np.random.default_rng(3)
    scalp = np.flatnonzero((head.region("scalp") > 0.9) & head.part_vertices("skin"))
    broken = head.template.astype(float)
    chosen = rng.choice(scalp, 12, replace=False)
    broken[chosen] += rng.standard_normal((12, 3)) * 0.02
    faces = skin_faces(head)
    before, after = (inverted_faces(v, faces).sum() for v in (broken, mend(head, broken)))
    healthy = inverted_faces(head.template.astype(float), faces).sum()
    assert before > healthy + 10 and after <= healthy + 1
    kept = head.region("lids") > 0.5
    np.testing.assert_array_equal(mend(head, broken)[kept], broken[kept])


@pytest.mark.parametrize("what", ["scalp", "mouth"])
def test_what_runs_through_itself_is_drawn_apart(head, what):
    """A bump of the scalp drawn sideways into the rest, or the mouth's inside through the chin."""
    fine = subdivide(head)[0]
    faces, broken = skin_faces(fine), fine.template.astype(float)
    healthy = crossing_faces(broken, faces).sum()
    if what == "scalp":
        top = np.where((fine.region("scalp") > 0.9) & fine.part_vertices("skin"), broken[:, 1], -1).argmax()
        near = np.exp(-((np.linalg.norm(broken - broken[top], axis=1) / 0.02) ** 2))
        broken += (near * fine.part_vertices("skin"))[:, None] * [0.06, -0.02, 0]
    else:
        broken -= ((fine.region("mouth_cavity") > 0.9) & (fine.region("lips") < 0.1))[:, None] * [0, 0.02, 0]
    before, mended = crossing_faces(broken, faces).sum(), untangle(fine, broken)
    after = crossing_faces(mended, faces).sum()
    assert before > healthy + 25 and after < healthy + (before - healthy) / 4
    kept = (fine.region("lids") > 0.5) | (fine.region("lips") > 0.5)
    np.testing.assert_array_equal(mended[kept], broken[kept])


def test_what_does_not_cross_stays(head):
    start = head.template.astype(float)
    moved = (untangle(head, start) != start).any(1)
    assert moved.sum() <= 60 * crossing_faces(start, skin_faces(head)).sum()
    assert not moved[(head.region("scalp") > 0.9) & (start[:, 1] > np.quantile(start[:, 1], 0.8))].any()
