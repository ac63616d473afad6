"""Eyeballs: the eye rule by hand, the fit to the lids, the sphere, its texture's place, its gaze."""

import dataclasses

import numpy as np
import pytest

from soaplib.head import load_head, subdivide
from soaplib.parts import eye_positions, eye_rule, eyeball_part, fit_eyes, place_parts
from soaplib.parts.rims import eye_rims, mouth_rim, rims, split_rim


def person(seed, strength=0.7, eye_scale=1.0):
    """A personal head: random shape, eyes scaled about their joints, no shape basis left."""
    head = _fine()
    rng = np.random.default_rng(seed)
    template = head.template + head.shape_basis @ (strength * rng.standard_normal(head.shape_basis.shape[2]))
    joints = head.joint_regressor @ template
    grown = template.copy()
    for joint in joints[3:]:
        off = template - joint
        t = np.clip((np.linalg.norm(off, axis=1) / 0.017 - 1) / 2.6, 0, 1)
        grown += off * ((eye_scale - 1) * (1 - t * t * (3 - 2 * t)))[:, None] * [1, 1, 0.6]
    return dataclasses.replace(
        head, template=grown.astype(np.float32), shape_basis=np.zeros((len(grown), 3, 0), np.float32)
    )


_CACHE = {}


def _fine():
    if "head" not in _CACHE:
        # Random sums of the directions of stylised heads are no heads.
        _CACHE["head"] = subdivide(load_head(styles=False))[0]
    return _CACHE["head"]


HEADS = {"mean": (0, 0.0, 1.0), "random": (2, 0.7, 1.0), "doll": (9, 0.5, 1.6)}


@pytest.fixture(scope="module", params=HEADS)
def placed(request):
    return place_parts(person(*HEADS[request.param]))


def test_eye_rule_by_hand():
    radius, depth = eye_rule(0.03)
    assert radius == pytest.approx(0.015 / (np.sqrt(3) / 2))  # 17.32 mm
    assert depth == pytest.approx(radius / 2)


def test_rims_are_closed_loops_of_mesh_edges():
    head = _fine()
    edges = {
        tuple(e) for e in np.sort(np.stack([head.quads, np.roll(head.quads, -1, 1)], -1).reshape(-1, 2), 1)
    }
    for rim in (*eye_rims(head), mouth_rim(head)):
        assert len(set(rim)) == len(rim) >= 8
        assert all(tuple(sorted(pair)) in edges for pair in zip(rim, np.roll(rim, -1), strict=True))


def test_rims_start_at_the_inner_corner_and_run_over_the_upper_lid():
    head = _fine()
    for rim in eye_rims(head):
        upper, lower = split_rim(head, rim)
        assert upper[0] == lower[0] and upper[-1] == lower[-1]
        assert len(upper) + len(lower) == len(rim) + 2
        assert np.abs(head.template[upper[0], 0]) < np.abs(head.template[upper[-1], 0])
        assert head.template[upper[1:-1], 1].mean() > head.template[lower[1:-1], 1].mean() + 2e-3


def test_unknown_region_has_no_rim():
    with pytest.raises(KeyError):
        rims(_fine(), "nowhere")


def test_margins_lie_on_the_balls():
    head = person(5)
    eyes = fit_eyes(head)
    assert eyes.radii[0] == eyes.radii[1]
    for k, rim in enumerate(eye_rims(head)):
        off = np.linalg.norm(head.template[rim] - eyes.centres[k], axis=1) - eyes.radii[k]
        assert np.abs(off).mean() < 0.06 * eyes.radii[k]


def test_mirrored_head_gives_mirrored_eyes():
    head = person(4)
    eyes = fit_eyes(head)
    swapped = [{"left": "right", "right": "left"}.get(n.split("_")[0], "") for n in head.part_names]
    names = tuple(f"{s}_{n.split('_')[1]}" if s else n for s, n in zip(swapped, head.part_names, strict=True))
    mirrored = dataclasses.replace(
        head,
        template=head.template * np.float32([-1, 1, 1]),
        part_names=names,
        quads=head.quads[:, ::-1].copy(),
    )
    other = fit_eyes(mirrored)
    np.testing.assert_allclose(other.centres, eyes.centres[::-1] * [-1, 1, 1], atol=2e-5)
    np.testing.assert_allclose(other.radii, eyes.radii, atol=2e-5)


def test_fit_follows_scale():
    head = person(0, 0.0)
    twice = dataclasses.replace(head, template=2 * head.template)
    one, two = fit_eyes(head), fit_eyes(twice)
    np.testing.assert_allclose(two.radii, 2 * one.radii, rtol=0.02)


def test_iris_radius_is_kept_or_clipped():
    head = person(0, 0.0)
    assert fit_eyes(head, 0.005).iris_radius == pytest.approx([0.005, 0.005])
    assert (fit_eyes(head, 1.0).iris_radius < fit_eyes(head).radii).all()


def test_eyeballs_are_closed_spheres_with_outward_normals(placed):
    _, eyes, (part, *_) = placed
    half = len(part.vertices) // 2
    for k in range(2):
        off = part.vertices[k * half : (k + 1) * half] - eyes.centres[k]
        np.testing.assert_allclose(np.linalg.norm(off, axis=1), eyes.radii[k], atol=1e-7)
    corners = part.vertices[part.faces].astype(float)
    crossed = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    assert ((crossed * part.normals[part.faces].sum(1)).sum(1) >= 0).all()
    volume = (corners[:, 0] * np.cross(corners[:, 1], corners[:, 2])).sum() / 6
    assert volume == pytest.approx(2 * 4 / 3 * np.pi * eyes.radii[0] ** 3, rel=0.03)


def test_uv_and_texel_places_agree(placed):
    _, eyes, (part, *_) = placed
    places, inside = eye_positions(eyes, 256)
    front = part.vertices[:, 2] > np.repeat(eyes.centres[:, 2], len(part.vertices) // 2)
    column = (part.uv[front, 0] * 512).astype(int)
    row = ((1 - part.uv[front, 1]) * 256).astype(int)
    assert inside[row, column].all()
    assert np.linalg.norm(places[row, column] - part.vertices[front], axis=1).max() < 0.02 * eyes.radii[0]


def test_left_eye_is_left_in_the_texture(placed):
    _, _, (part, *_) = placed
    assert (part.uv[part.vertices[:, 0] > 0, 0] <= 0.5).all()
    assert part.texture.shape == (512, 1024, 3) and part.texture.dtype == np.uint8


def test_iris_has_its_colour_and_the_pupil_is_dark():
    head = person(0, 0.0)
    eyes = fit_eyes(head)
    part = eyeball_part(head, eyes, [(0.1, 0.2, 0.8), (0.1, 0.7, 0.2)])
    assert part.texture[256, 256].max() < 20
    places, _ = eye_positions(eyes)
    for k, channel in ((0, 2), (1, 1)):
        distance = np.linalg.norm((places - eyes.centres[k])[..., :2], axis=-1) / eyes.iris_radius[k]
        ring = (distance > 0.5) & (distance < 0.8) & (places[..., 2] > eyes.centres[k, 2])
        assert part.texture[ring].mean(0).argmax() == channel


def test_gaze_moves_the_pupil_the_right_way(placed):
    head, eyes, (part, *_) = placed
    half = len(part.vertices) // 2
    expected = {
        "eyeLookUpLeft": (0, 1, 1), "eyeLookDownLeft": (0, 1, -1), "eyeLookInLeft": (0, 0, -1),
        "eyeLookOutLeft": (0, 0, 1), "eyeLookInRight": (half, 0, 1), "eyeLookOutRight": (half, 0, -1),
    }  # fmt: skip
    for name, (pupil, axis, sign) in expected.items():
        move = part.morphs[head.expression_names.index(name)]
        assert move[pupil, axis] * sign > 0.3 * eyes.radii[0]
        other = slice(half, None) if pupil == 0 else slice(0, half)
        assert not move[other].any()
        k = 0 if pupil == 0 else 1
        turned = part.vertices + move - eyes.centres[k]
        mine = slice(k * half, (k + 1) * half)
        np.testing.assert_allclose(np.linalg.norm(turned[mine], axis=1), eyes.radii[k], atol=1e-6)
    still = [i for i, n in enumerate(head.expression_names) if "eyeLook" not in n]
    assert not part.morphs[still].any()


def test_eye_joints_are_the_centres(placed):
    head, eyes, (part, *_) = placed
    joints = head.joint_regressor @ head.template
    np.testing.assert_allclose(joints[3:], eyes.centres, atol=1e-6)
    np.testing.assert_allclose(head.joint_regressor.sum(1), 1, atol=1e-5)
    np.testing.assert_array_equal(part.skin_weights.sum(1), 1)


def test_placing_is_deterministic():
    head = person(3)
    first, second = place_parts(head), place_parts(head)
    np.testing.assert_array_equal(first[0].template, second[0].template)
    np.testing.assert_array_equal(first[0].expression_basis, second[0].expression_basis)
    for a, b in zip(first[2], second[2], strict=True):
        np.testing.assert_array_equal(a.vertices, b.vertices)
        np.testing.assert_array_equal(a.morphs, b.morphs)
        np.testing.assert_array_equal(a.texture, b.texture)
