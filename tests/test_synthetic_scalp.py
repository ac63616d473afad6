"""The map of a head's surface, and the scalp's coordinates on it."""

import dataclasses

import numpy as np
import pytest
import trimesh

from soaplib.head import load_head
from soaplib.synthetic.hair import hull as hulls
from soaplib.synthetic.hair.scalp import CROWN, Hairline, hat_line, scalp

CENTRE = np.float32([0.01, 0.02, -0.03])


@pytest.fixture(scope="module")
def ball():
    mesh = trimesh.creation.icosphere(subdivisions=4, radius=0.1)
    return hulls.build_hull(mesh.vertices + CENTRE, mesh.faces, CENTRE, 0.1)


@pytest.fixture(scope="module")
def measured():
    return scalp(load_head())


def test_located_points_have_the_expected_coordinates(ball):
    points = CENTRE + np.float32([[0, 0, 0.1], [0.1, 0, 0], [0, 0.1, 0], [0, 0.03, 0.04], [0, -0.05, -0.07]])
    expected = [
        [0, 0, 0.1],
        [np.pi / 2, 0, 0.1],
        [0, np.pi / 2, 0.1],
        [0, np.arctan2(3, 4), 0.05],
        [np.pi, -0.5, 0.07],
    ]
    np.testing.assert_allclose(ball.locate(points), expected, atol=1e-5)


def test_surface_inverts_locate(ball):
    rng = np.random.default_rng(0)
    azimuth, height = rng.uniform(-3, 3, 200), rng.uniform(-2, 1.4, 200)
    back = ball.locate(ball.surface(azimuth, height, 0.02))
    np.testing.assert_allclose(back[:, 0], azimuth, atol=1e-4)
    np.testing.assert_allclose(back[:, 1], height, atol=1e-4)


def test_a_ball_is_mapped_as_a_ball(ball):
    rng = np.random.default_rng(1)
    points = ball.surface(rng.uniform(-np.pi, np.pi, 300), rng.uniform(0, 1.5, 300))
    np.testing.assert_allclose(np.linalg.norm(points - CENTRE, axis=1), 0.1, atol=4e-4)
    towards = (points - CENTRE) / 0.1
    inner = np.abs(towards[:, 1]) < 0.97
    assert ((ball.normals_at(points) * towards).sum(1)[inner] > 0.995).all()


def test_push_out_moves_what_is_inside_and_nothing_else(ball):
    rng = np.random.default_rng(2)
    points = (CENTRE + rng.normal(size=(500, 3)) * 0.08).astype(np.float32)
    pushed = ball.push_out(points, 0.005)
    located = ball.locate(points)
    least = np.linalg.norm(ball.locate(ball.surface(located[:, 0], located[:, 1], 0.005))[:, 2:], axis=1)
    outside = located[:, 2] >= least
    assert 0 < outside.sum() < 500
    np.testing.assert_array_equal(pushed[outside], points[outside])
    np.testing.assert_allclose(ball.locate(pushed)[~outside, 2], least[~outside], atol=1e-5)
    np.testing.assert_allclose(ball.push_out(pushed, 0.005), pushed, atol=1e-6)


def test_raised_and_smoothed_hulls_hold_the_first(ball):
    assert (hulls.raised(ball, np.full_like(ball.radii, 0.01)).radii > ball.radii + 0.009).all()
    assert (hulls.smoothed(ball, 2).radii >= ball.radii - 1e-7).all()


def test_scalp_points_lie_on_the_skin(measured):
    rng = np.random.default_rng(3)
    azimuth = rng.uniform(-np.pi, np.pi, 400)
    height = Hairline().height(azimuth) + rng.uniform(0.1, 0.6, 400)
    points = measured.points(azimuth, height)
    located = measured.bare.locate(points)
    skin = measured.bare.locate(measured.bare.surface(located[:, 0], located[:, 1]))
    # Beside the ears' roots the two bridge the hole differently.
    beside = (np.abs(np.abs(azimuth) - 1.6) < 0.55) & (height < 0.3)
    assert np.abs(located[:, 2] - skin[:, 2])[~beside].max() < 1.5e-3


def test_scalp_is_symmetric_as_the_base_head_is(measured):
    azimuth = np.linspace(0.1, 3.0, 40)
    height = Hairline().height(azimuth)
    left, right = measured.points(azimuth, height), measured.points(-azimuth, height)
    np.testing.assert_allclose(left * (-1, 1, 1), right, atol=2e-3)


def test_scalp_grows_with_the_head(measured):
    head = load_head()
    bigger = scalp(dataclasses.replace(head, template=(head.template * 1.3).astype(np.float32)))
    assert bigger.unit == pytest.approx(1.3 * measured.unit, rel=1e-4)
    place = np.array([0.3, 2.0]), np.array([0.9, 0.2])
    np.testing.assert_allclose(bigger.points(*place), 1.3 * measured.points(*place), atol=1e-4)


def test_whole_hull_has_ears_the_bare_one_has_not(measured):
    over = measured.whole.radii - measured.bare.radii
    assert over.min() >= 0
    i, j = np.unravel_index(over.argmax(), over.shape)
    assert over[i, j] > 0.01 and 1.2 < abs(hulls.azimuths()[j]) < 2.1


def test_hat_line_runs_over_brows_and_ears(measured):
    head = load_head()
    line = hat_line(head)
    marks = head.landmarks(head.template)
    brows = marks[[105, 334, 66, 296]]
    assert (line.height(brows) > brows[:, 1] + 0.01).all()
    ears = head.template[head.region("ears") > 0.5]
    assert not measured.above_hat_line(ears).any()
    assert measured.above_hat_line(measured.points(*np.array(CROWN)[:, None])).all()


def test_hairline_parameters_move_what_they_name():
    base = Hairline()
    azimuth = np.array([0.0, 0.62, np.radians(67), np.pi])
    plain = base.height(azimuth)
    assert np.argmax(np.abs(Hairline(peak=0.1).height(azimuth) - plain)) == 0
    assert Hairline(peak=0.1).height(azimuth)[0] == pytest.approx(plain[0] - 0.1)
    assert Hairline(recede=0.2).height(azimuth)[1] == pytest.approx(plain[1] + 0.2)
    assert Hairline(sideburn=0.2).height(azimuth)[2] == pytest.approx(plain[2] - 0.2)
    assert Hairline(nape=0.2).height(azimuth)[3] == pytest.approx(plain[3] - 0.2)
    np.testing.assert_allclose(base.height(-azimuth), plain)
    np.testing.assert_allclose(base.height(azimuth + 2 * np.pi), plain)


def test_another_topology_is_refused():
    head = load_head()
    with pytest.raises(ValueError, match="expected a head of 5166 vertices, got 100"):
        scalp(dataclasses.replace(head, template=head.template[:100]))
