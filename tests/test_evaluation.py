"""The yardstick itself: distances by hand, the truth in the fitted head's frame, and the truth measured against it."""

import dataclasses

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from soaplib.errors import UserError
from soaplib.evaluation import evaluate
from soaplib.evaluation.evaluate import held_out, summary
from soaplib.evaluation.fitted import Fitted, fit, posed
from soaplib.evaluation.measures import UNITS, animation, measure, rig, shape
from soaplib.evaluation.report import WorstHeads, table
from soaplib.evaluation.surfaces import chamfer, distances, nearest_on, visible_faces, visible_points
from soaplib.evaluation.truth import make_truth
from soaplib.fitting.deform import PROFILES, Level, Schedule
from soaplib.fitting.energy import seen_faces
from soaplib.synthetic.dataset import splits
from soaplib.synthetic.heads import draw_codes, make_head

SQUARE = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0.0]]), np.array([[0, 1, 2], [0, 2, 3]])


def ball(radius, count=24):
    """A sphere of latitudes and longitudes."""
    theta, phi = np.meshgrid(
        np.linspace(0, np.pi, count), np.arange(2 * count) * np.pi / count, indexing="ij"
    )
    vertices = radius * np.stack(
        [np.sin(theta) * np.cos(phi), np.cos(theta), np.sin(theta) * np.sin(phi)], -1
    )
    ids = np.arange(vertices[..., 0].size).reshape(theta.shape)
    a, b, c, d = ids[:-1], np.roll(ids, -1, 1)[:-1], np.roll(ids, -1, 1)[1:], ids[1:]
    faces = np.concatenate([np.stack([a, b, c], -1).reshape(-1, 3), np.stack([a, c, d], -1).reshape(-1, 3)])
    return vertices.reshape(-1, 3), faces


def test_distances_to_a_square():
    points = np.array([[0.5, 0.5, 2.0], [2.0, 0.5, 0.0], [2.0, 2.0, 1.0], [0.2, 0.9, 0.0]])
    np.testing.assert_allclose(distances(points, *SQUARE), [2, 1, np.sqrt(3), 0], atol=1e-12)


def test_chamfer_of_parallel_squares_is_their_distance():
    vertices, faces = SQUARE
    assert chamfer(vertices, faces, vertices, faces) < 1e-7
    assert chamfer(vertices, faces, vertices + [0, 0, 0.3], faces) == pytest.approx(0.3)
    assert chamfer(*ball(1.0, 48), *ball(1.1, 48)) == pytest.approx(0.1, rel=0.02)


def test_chamfer_does_not_depend_on_how_finely_a_surface_is_cut():
    coarse, fine = ball(1.0, 24), ball(1.0, 72)
    assert (
        chamfer(*coarse, *fine, samples=4000) < 4e-3
    )  # the sagitta of a facet is 2e-3, its corners are 0.13 apart


def test_normals_choose_between_sides_that_touch():
    """Two sheets, 0.1 mm apart, look away from each other; a point between them belongs to the one it looks along."""
    square, faces = SQUARE
    vertices = np.concatenate([0.1 * square, 0.1 * square + [0, 0, 1e-4]])
    both = np.concatenate([faces[:, ::-1], faces + 4])
    point = np.array([[0.03, 0.02, 0.2e-4], [0.03, 0.02, 0.2e-4]])
    up = np.array([[0, 0, 1.0], [0, 0, -1.0]])
    ids, weights = nearest_on(point, vertices, both, up)
    assert ids.tolist() == [2, 0]
    np.testing.assert_allclose(
        (vertices[both[ids]] * weights[..., None]).sum(1)[:, :2], point[:, :2], atol=1e-12
    )
    assert nearest_on(point, vertices, both)[0].tolist() == [0, 0]


def test_points_are_spread_by_pixels():
    """Two triangles side by side, one three times as large: three quarters of the points, exactly on it."""
    vertices = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [2, 0, 0], [5, 0, 0], [2, 1, 0.0]])
    points = visible_points(vertices, np.array([[0, 1, 2], [3, 4, 5]]), 4000)
    assert (points[:, 0] > 1.5).mean() == pytest.approx(0.75, abs=0.01)
    assert np.abs(points[:, 2]).max() < 1e-12
    assert (points[:, :2] >= -1e-6).all()


def test_points_lie_only_on_the_half_of_a_triangle_that_is_seen():
    """A square upright within a ball, its upper part out of it: triangles count as a whole, points do not."""
    ball_vertices, ball_faces = ball(1.0)
    sheet = np.array([[-0.3, -0.5, 0], [0.3, -0.5, 0], [0.3, 1.6, 0], [-0.3, 1.6, 0]])
    vertices = np.concatenate([ball_vertices, sheet])
    faces = np.concatenate([ball_faces, np.array([[0, 1, 2], [0, 2, 3]]) + len(ball_vertices)])
    assert visible_faces(vertices, faces)[-2:].all()
    points = visible_points(vertices, faces, 20000)
    inside = np.linalg.norm(points, axis=1) < 0.97
    assert not inside.any() and (points[:, 1] > 1.1).mean() > 0.02


def test_what_lies_inside_is_not_seen():
    outer, inner = ball(1.0), ball(0.5)
    vertices = np.concatenate([outer[0], inner[0]])
    faces = np.concatenate([outer[1], inner[1] + len(outer[0])])
    seen = visible_faces(vertices, faces)
    assert not seen[len(outer[1]) :].any()
    above = vertices[faces[: len(outer[1])]].mean(1)[:, 1] > 0.1
    assert seen[: len(outer[1])][above].mean() > 0.9  # but for slivers at the pole


@pytest.fixture(scope="module")
def truth(head):
    return make_truth(make_head(next(held_out(1))), head)


def test_held_out_heads_are_held_out():
    seeds = []
    for codes in held_out(3):
        meta = {"codes": {"identity": dataclasses.asdict(codes.identity)}, "style": codes.style,
                "hair": codes.hair.family, "expression": codes.expression.family}  # fmt: skip
        assert splits.of(meta)["identity"] == "test"
        seeds.append(codes.seed)
    assert seeds == sorted(set(seeds)) and seeds == [codes.seed for codes in held_out(3)]


def test_the_truth_lies_where_the_fitted_head_is(head, truth):
    """The similarity keeps shapes, true views show the head upright in the frame, and landmarks fall on the crop's."""
    linear = truth.place[:3, :3]
    scale = np.cbrt(np.linalg.det(linear))
    np.testing.assert_allclose(linear.T @ linear, scale**2 * np.eye(3), atol=1e-9)
    assert 0.5 < scale < 2
    true = truth.made.model.landmarks(truth.made.vertices) @ linear.T + truth.place[:3, 3]
    seen = true @ truth.pose.camera[:2, :3].T + truth.pose.camera[:2, 3]
    eyes = np.linalg.norm(truth.portrait.landmarks[33] - truth.portrait.landmarks[263])
    assert np.median(np.linalg.norm(seen - truth.portrait.landmarks, axis=1)) < 0.1 * eyes
    views = truth.views()
    matte = truth.portrait.matte[::2, ::2] > 0.5
    mask = views.masks[0] > 0.5
    assert (matte & mask).sum() / (matte | mask).sum() > 0.95
    lengths = np.linalg.norm(views.normals, axis=-1)[views.masks > 0.9]
    np.testing.assert_allclose(lengths, 1, atol=1e-5)


def as_fitted(truth, head):
    """The truth in its own world, and the truth itself, posed as its rig does it, in the place of a fit."""
    pose = dataclasses.replace(truth.pose, camera=truth.pose.camera @ truth.place)
    truth = truth.moved(pose)
    made = truth.made
    expression = made.recipe.expression
    pose = dataclasses.replace(
        pose, pose=np.asarray(expression.rotations), expression=np.asarray(expression.weights)
    )
    vertices = posed(made.model, pose.expression, pose.pose)
    return truth, Fitted(made.model, made.person.eyes, pose, vertices, head, vertices, 0.0)


def test_the_truth_measures_as_true(truth, head):
    """The floor of the measures: what its rig cannot do (lids and lips kept off each other) is next to nothing."""
    truth, own = as_fitted(truth, head)
    np.testing.assert_allclose(truth.place, np.eye(4), atol=1e-9)
    found = animation(truth, own)
    for name in ("actions", "actions_median", "actions_worst", "jaw_20", "head_30", "joints"):
        assert found[name] < 0.5, name
    assert shape(truth, own)["landmarks"] < 0.5


def test_lips_that_touch_are_told_apart(head):
    """A talking anime head's true rig presses its lips together; its jaw moves one of them and not the other."""
    codes = draw_codes(7_000_000_032, style="anime", expression="talk_closed")
    truth, own = as_fitted(make_truth(make_head(codes), head), head)
    found = animation(truth, own)
    assert found["actions"] < 3 and found["jaw_20"] < 3


def test_a_wrong_motion_is_seen(truth, head):
    truth, own = as_fitted(truth, head)

    def with_rig(**change):
        return animation(truth, dataclasses.replace(own, head=dataclasses.replace(own.head, **change)))

    half = with_rig(expression_basis=0.5 * own.head.expression_basis)
    assert half["actions"] == pytest.approx(50, abs=0.5) == half["actions_median"]
    assert with_rig(expression_basis=0 * own.head.expression_basis)["actions"] == pytest.approx(100, abs=1e-6)
    turned = np.einsum(
        "ab,vbe->vae", Rotation.from_euler("y", 30, degrees=True).as_matrix(), own.head.expression_basis
    )
    assert with_rig(expression_basis=turned)["actions"] <= 2 * np.sin(np.radians(15)) * 100 + 0.5
    rigid = own.head.skin_weights * [1, 1, 0, 1, 1]
    rigid[:, 1] += own.head.skin_weights[:, 2]
    found = with_rig(skin_weights=rigid)
    assert found["jaw_20"] == pytest.approx(100, abs=1e-3) and found["head_30"] < 1


def test_how_much_of_a_nod_is_the_necks_is_not_asked(truth, head):
    """A head that nods by its neck, and one that is tilted as a whole, look alike above the neck: so they measure."""
    truth, own = as_fitted(truth, head)
    rotations = np.array(own.pose.pose)
    rotations[:3] = [0, 0, 0], [0.15, 0, 0], [0, 0, 0]
    expression = dataclasses.replace(truth.made.recipe.expression, rotations=tuple(map(tuple, rotations)))
    made = make_head(dataclasses.replace(truth.made.recipe, expression=expression))
    back = np.eye(4)
    back[:3, :3] = Rotation.from_rotvec(-rotations[1]).as_matrix()
    neck = (made.model.joint_regressor @ made.model.template)[1]
    back[:3, 3] = neck - back[:3, :3] @ neck
    rotations[1] = 0
    pose = dataclasses.replace(own.pose, pose=rotations)
    own = dataclasses.replace(own, pose=pose, vertices=posed(made.model, pose.expression, rotations))
    found = animation(dataclasses.replace(truth, made=made, place=back), own)
    assert found["joints"] < 0.01 and found["actions"] < 2 and found["jaw_20"] < 4 and found["head_30"] < 2


def test_open_eyes_show(truth, head):
    _, own = as_fitted(truth, head)
    names = own.head.expression_names
    basis = own.head.expression_basis.copy()
    basis[..., [names.index("eyeBlinkLeft"), names.index("eyeBlinkRight")]] = 0
    open_eyes = rig(dataclasses.replace(own, head=dataclasses.replace(own.head, expression_basis=basis)))
    assert open_eyes["blink_pixels"] > 100
    assert rig(own)["weights_sum"] < 1e-5


def test_fitting_brings_the_head_nearer_to_the_truth(head, truth, monkeypatch):
    monkeypatch.setitem(PROFILES, "draft", Schedule((Level(15, 64, 2e-2, 40.0), Level(15, 96, 1e-2, 16.0))))
    truth, fitted = fit(truth, truth.views(), head, "draft")
    found = measure(truth, fitted)
    assert set(found) == set(UNITS)
    assert found["chamfer"] < 0.8 * found["chamfer_parametric"]
    assert found["iou"] > 0.85 and found["normals"] < 30
    assert found["seconds"] > 0
    worst = WorstHeads()
    worst.see(truth, fitted, found | {"name": "1"})
    assert worst.sheet.shape == (410, 960, 3) and worst.sheet.std() > 10
    assert seen_faces(fitted.head).max() < len(fitted.vertices)


def test_summary_and_table():
    values = summary([1.0, 2.0, 3.0, 10.0], "mm")
    assert values == {"mean": 4.0, "median": 2.5, "p90": pytest.approx(7.9), "unit": "mm"}
    text = table({"heads": 4, "metrics": {"chamfer": values}})
    assert "chamfer" in text and "2.500" in text and "mm" in text


def test_mistakes_are_named():
    with pytest.raises(UserError, match="oracle, generated, not 'guessed'"):
        evaluate(1, "guessed")
    with pytest.raises(UserError, match="not 0"):
        evaluate(0)
