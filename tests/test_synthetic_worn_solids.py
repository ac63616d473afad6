"""The surfaces of worn things: closed, turned outwards, of the right size."""

import math

import numpy as np
import pytest

from soaplib.synthetic.worn.patterns import PATTERNS, paint, placed
from soaplib.synthetic.worn.solids import axes_towards, blob, copies, edges, grid, join, plate
from soaplib.synthetic.worn.sweeps import curve, lathe, tube

GREY = (0.5, 0.5, 0.5)


def volume(solid):
    """Give the volume a closed surface holds, positive where its faces look outwards."""
    a, b, c = np.moveaxis(solid.vertices[solid.faces], 1, 0)
    return (a * np.cross(b, c)).sum() / 6


def normals_agree(solid):
    a, b, c = np.moveaxis(solid.vertices[solid.faces], 1, 0)
    face = np.cross(b - a, c - a)
    big = np.linalg.norm(face, axis=1) > 1e-9
    return ((face * solid.normals[solid.faces].mean(1)).sum(1) > 0)[big].mean()


def test_a_ball_has_the_volume_of_a_ball():
    ball = blob((1, 2, 3), 2.0, GREY, 40, 80)
    np.testing.assert_allclose(volume(ball), 4 / 3 * math.pi * 8, rtol=0.01)
    np.testing.assert_allclose(np.linalg.norm(ball.normals, axis=1), 1, atol=1e-9)
    assert normals_agree(ball) == 1
    mirrored = blob((0, 0, 0), np.diag([-1.0, 1, 1]), GREY)
    assert volume(mirrored) > 0


@pytest.mark.parametrize("up", [None, (0, 0, 1.0)])
def test_a_tube_holds_its_section_along_its_path(up):
    path = np.stack([np.linspace(0, 3, 20), np.zeros(20), np.zeros(20)], -1)
    straight = tube(path, 0.1, GREY, 64, caps=True, up=up)
    ends = 2 / 3 * math.pi * 0.1**3 * 2
    np.testing.assert_allclose(volume(straight), 3 * math.pi * 0.01 + ends, rtol=0.02)
    assert normals_agree(straight) > 0.99
    turn = np.linspace(0, 2 * math.pi, 100, endpoint=False)
    ring = tube(np.stack([np.cos(turn), np.sin(turn), 0 * turn], -1), 0.1, GREY, 48, closed=True, up=up)
    np.testing.assert_allclose(volume(ring), 2 * math.pi * math.pi * 0.01, rtol=0.02)


def test_a_box_section_fills_more_than_a_round_one():
    path = np.stack([np.linspace(0, 1, 5), np.zeros(5), np.zeros(5)], -1)
    round_, square = (volume(tube(path, 0.1, GREY, 32, caps=False, up=(0, 0, 1.0), power=p)) for p in (2, 6))
    assert 1.15 < square / round_ < 4 / math.pi + 0.01


def test_a_lathe_keeps_sharp_edges_sharp():
    frame = np.concatenate([np.zeros((1, 3)), np.eye(3)])
    drum = lathe([(0, 0), (1, 0), (1, 2), (0, 2)], frame, GREY, 96)
    np.testing.assert_allclose(volume(drum), 2 * math.pi, rtol=0.01)
    rim = np.abs(drum.vertices[:, 1] - 2) < 1e-9
    outer = rim & (np.hypot(drum.vertices[:, 0], drum.vertices[:, 2]) > 0.99)
    up = drum.normals[outer, 1]
    # Each point of the edge is there twice: for the side and for the lid.
    assert set(np.round(up).tolist()) == {0.0, 1.0}


def test_edges_close_a_sheet_to_a_plate_of_its_thickness():
    x, z = np.meshgrid(np.linspace(0, 1, 9), np.linspace(1, 0, 7))
    sheet = np.stack([x, 0 * x, z], -1)
    whole = join([grid(sheet, GREY), *edges(sheet, 0.1, GREY, rounds=6)])
    rims = 4 * math.pi * 0.05**2 / 2
    np.testing.assert_allclose(volume(whole), 0.1 + rims, rtol=0.06)
    turn = np.linspace(0, 2 * math.pi, 65)
    side = np.stack(np.broadcast_arrays(np.sin(turn), np.linspace(0, 1, 5)[:, None], np.cos(turn)), -1)
    shell = join([grid(side, GREY, True), *edges(side, 0.1, GREY, True, rounds=6)])
    wanted = math.pi * (1 - 0.81) + 2 * 2 * math.pi * 0.95 * math.pi * 0.05**2 / 2
    np.testing.assert_allclose(volume(shell), wanted, rtol=0.06)


def test_copies_and_mirrors_keep_the_outside_out():
    ball = blob((0, 0, 0), 1.0, GREY)
    turns = np.stack([np.eye(3) * 0.5, axes_towards((1.0, 1, 0.2)) * 2])
    two = copies(ball, turns, [(0, 0, 0), (5, 0, 0)])
    np.testing.assert_allclose(volume(two), volume(ball) * (0.125 + 8), rtol=1e-9)
    np.testing.assert_allclose(volume(two.mirrored()), volume(two), rtol=1e-9)
    np.testing.assert_allclose(np.linalg.norm(two.normals, axis=1), 1, atol=1e-9)


def test_a_plate_looks_where_its_outline_turns_about():
    turn = np.linspace(0, 2 * math.pi, 40, endpoint=False)
    disc = plate(np.stack([np.cos(turn), np.sin(turn), 0 * turn], -1), np.zeros(3), GREY, bulge=0.1)
    assert (disc.normals[:, 2] > 0.5).all() and disc.vertices[:, 2].max() == pytest.approx(0.1)
    assert normals_agree(disc) == 1


def test_a_curve_passes_its_points_in_even_steps():
    points = np.array([[0, 0, 0], [1, 2, 0], [3, 2, 1.0], [4, 0, 0]])
    path = curve(points, 200)
    step = np.linalg.norm(np.diff(path, axis=0), axis=1)
    assert step.max() / step.min() < 1.05
    for point in points:
        assert np.linalg.norm(path - point, axis=1).min() < 0.03


@pytest.mark.parametrize("name", [p for p in PATTERNS if p != "plain"])
def test_patterns_show_both_colours_and_meet_at_the_seam(name):
    picture = paint(name, ((0.9, 0.1, 0.1), (0.1, 0.1, 0.9)), 1)
    assert picture.dtype == np.uint8 and (picture[-4:] == 255).all()
    cloth = picture[:-8].astype(float)
    jump = np.abs(cloth[:, 0] - cloth[:, -1]).mean()
    inside = np.abs(np.diff(cloth, axis=1)).mean()
    assert jump < 3 * inside + 12
    white = placed(np.full((1, 2), -1.0))[0]
    row = int((1 - white[1]) * len(picture))
    assert (picture[row, int(white[0] * picture.shape[1])] == 255).all()


def test_an_unknown_pattern_is_refused():
    with pytest.raises(ValueError, match="paint"):
        paint("tartan", ((1, 1, 1), (0, 0, 0)), 0)
