"""The first fit: known heads come back from their landmarks; the bounded solver against SciPy's."""

import dataclasses

import numpy as np
import pytest
import scipy.optimize
from made_up_portrait import eye_distance, made_up_portrait
from scipy.spatial.transform import Rotation

from soaplib.fitting import fit_head
from soaplib.fitting.initial import bounded_least_squares
from soaplib.landmarks import LEFT_EYE, OUTER_LIPS
from soaplib.render import camera_rotation, project


def landmark_errors(head, pose, portrait):
    """(478,) distances in eye distances."""
    vertices = head.template + head.shape_basis @ pose.shape + head.expression_basis @ pose.expression
    seen = project(head.landmarks(vertices).astype(float), pose.camera)
    return np.linalg.norm(seen - portrait.landmarks, axis=1) / eye_distance(portrait)


CASES = {
    "face-on": ((0, 0, 0), 0.0, {}),
    "turned": ((5, -25, 8), 0.4, {}),
    "talking": ((-8, 15, -5), 0.4, {"jawOpen": 0.5, "mouthSmileLeft": 0.6, "mouthSmileRight": 0.6}),
    "upside": ((0, 10, 150), 0.4, {"browInnerUp": 0.5}),
}


@pytest.mark.parametrize("name", CASES)
def test_a_known_head_comes_back(head, name):
    degrees, strength, actions = CASES[name]
    true = made_up_portrait(head, 256, degrees, strength, seed=3, **actions)
    pose = fit_head(true.portrait, head)
    assert landmark_errors(head, pose, true.portrait).mean() < 0.003
    assert pose.residual < 0.004
    turn = camera_rotation(pose.camera) @ camera_rotation(true.pose.camera).T
    assert np.degrees(Rotation.from_matrix(turn).magnitude()) < 2
    scale = np.linalg.norm(pose.camera[0, :3]) / np.linalg.norm(true.pose.camera[0, :3])
    assert scale == pytest.approx(1, abs=0.05)
    for action, weight in actions.items():
        assert pose.expression[head.expression_names.index(action)] == pytest.approx(weight, abs=0.3)


def test_results_stay_in_their_bounds(head):
    true = made_up_portrait(head, 256, (0, 10, 0), 3.0, seed=1, jawOpen=1.0)
    pose = fit_head(true.portrait, head)
    assert np.abs(pose.shape).max() <= 3 + 1e-6
    assert pose.expression.min() >= 0 and pose.expression.max() <= 1 + 1e-6
    assert pose.shape.shape == (head.shape_basis.shape[2],) and pose.pose.shape == (5, 3)


def test_unknown_landmarks_hardly_matter(head):
    portrait = made_up_portrait(head, 256, (3, -12, 0), 0.5, seed=5).portrait
    wrong = portrait.landmarks.copy()
    chosen = list(range(100, 160))
    wrong[chosen] += 0.2 * eye_distance(portrait)
    weights = portrait.landmark_weights.copy()
    trusting = fit_head(dataclasses.replace(portrait, landmarks=wrong), head)
    weights[chosen] = 0
    doubting = fit_head(dataclasses.replace(portrait, landmarks=wrong, landmark_weights=weights), head)
    others = np.setdiff1d(np.arange(478), chosen)
    doubted = landmark_errors(head, doubting, portrait)[others].mean()
    assert doubted < 0.012
    assert doubted < 0.7 * landmark_errors(head, trusting, portrait)[others].mean()


def test_gaze_follows_the_irises(head):
    portrait = made_up_portrait(head, 256, (0, 0, 0)).portrait
    ahead = fit_head(portrait, head)
    moved = portrait.landmarks.copy()
    moved[468:, 0] += 0.06 * eye_distance(portrait)  # to the picture's right, the head's own left
    left = fit_head(dataclasses.replace(portrait, landmarks=moved), head)
    turned = left.pose[3:, 1] - ahead.pose[3:, 1]
    assert (turned > np.radians(8)).all() and (turned < np.radians(40)).all()
    assert np.abs(left.pose[3:, 0] - ahead.pose[3:, 0]).max() < np.radians(3)
    assert not ahead.pose[:3].any()
    unseen = portrait.landmark_weights.copy()
    unseen[468:] = 0
    assert not fit_head(dataclasses.replace(portrait, landmark_weights=unseen), head).pose.any()


def test_drawn_faces_are_fitted_more_loosely(head):
    """Eyes twice as large are no head's: a drawn portrait keeps a likely shape instead of chasing them."""
    portrait = made_up_portrait(head, 256, (0, 5, 0)).portrait
    large = portrait.landmarks.copy()
    for ring in (list(LEFT_EYE), list(OUTER_LIPS)):
        large[ring] = large[ring].mean(0) + 1.8 * (large[ring] - large[ring].mean(0))
    photo = dataclasses.replace(portrait, landmarks=large)
    drawn = dataclasses.replace(photo, report={"stylised": True})
    assert np.linalg.norm(fit_head(drawn, head).shape) < np.linalg.norm(fit_head(photo, head).shape)


def test_the_same_landmarks_give_the_same_bits(head):
    portrait = made_up_portrait(head, 256, (3, -12, 0), 0.5, seed=5).portrait
    first, second = fit_head(portrait, head), fit_head(portrait, head)
    for name in ("shape", "expression", "pose", "camera"):
        assert np.array_equal(getattr(first, name), getattr(second, name))


@pytest.mark.parametrize("seed", range(12))
def testbounded_least_squares_agrees_with_scipy(seed):
    rng = np.random.default_rng(seed)
    matrix, right = rng.standard_normal((60, 20)), 3 * rng.standard_normal(60)
    low, high = -rng.random(20) * 0.4, rng.random(20) * 0.4
    low[:3], high[:3] = -np.inf, np.inf
    found = bounded_least_squares(matrix, right, low, high)
    right_one = scipy.optimize.lsq_linear(matrix, right, (low, high), method="bvls").x
    assert ((found >= low) & (found <= high)).all()
    np.testing.assert_allclose(found, right_one, atol=1e-8)


def test_a_skull_and_a_neck_are_in_proportion(head):
    """A face-on picture does not show them: without a prior skulls come out 1.4 to 1.6 times as long as broad, and the
    nape as far back as the skull."""
    low, high = np.quantile(head.template[head.region("face") > 0.5, 1], [0, 1])
    neck = (head.region("neck") > 0.5) & head.part_vertices("skin")
    neck &= np.abs(head.template[:, 1] - low + 0.2 * (high - low)) < 0.006

    def proportions(shape):
        vertices = head.template + head.shape_basis @ shape
        eyes = vertices[head.part_vertices("left_eye", "right_eye")].mean(0)
        over = head.skull & (head.region("ears") < 0.1) & (vertices[:, 1] > eyes[1] + 0.02)
        breadth, _, length = np.ptp(vertices[over], axis=0)
        return length / breadth, (vertices[neck, 2].min() - vertices[over, 2].min()) / breadth

    fitted = np.array([
        proportions(fit_head(made_up_portrait(head, 256, (0, 0, 0), 0.6, seed=k).portrait, head).shape)
        for k in range(4)
    ])  # fmt: skip
    assert fitted[:, 0].min() > 1.17 and fitted[:, 0].max() < 1.37
    assert fitted[:, 1].min() > 0.08 and fitted[:, 1].max() < 0.2
