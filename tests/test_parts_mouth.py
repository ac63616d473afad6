"""Teeth, gums and tongue: behind the lips, in one piece with the jaw, out of each other's way."""

import dataclasses

import numpy as np
import pytest
import torch

from soaplib.parts import clear_mouth, fit_arch, place_parts, seal_lips, teeth_part
from soaplib.parts.rims import cavity_quads, mouth_rim
from soaplib.parts.teeth import jaw_motions
from soaplib.render import rasterize
from tests.test_parts_eyes import person

HEADS = {"mean": (0, 0.0, 1.0), "random": (2, 0.7, 1.0), "other": (11, 0.6, 1.0)}


@pytest.fixture(scope="module", params=HEADS)
def placed(request):
    return place_parts(person(*HEADS[request.param]))


def seen(head, parts, weights, size=512):
    """Which part each pixel of the mouth shows from the front: 0 skin, 1 cavity, 2 teeth, 3 tongue, -1 nothing."""
    skin = head.part_vertices("skin")[head.quads].all(1)
    cavity = cavity_quads(head, "mouth_cavity")
    coefficients = head.expression(**weights)
    vertices = [head.template + head.expression_basis @ coefficients]
    faces, labels, start = [], [], 0
    for label, quads in enumerate((head.quads[skin & ~cavity], head.quads[cavity])):
        faces += [quads[:, :3], quads[:, [0, 2, 3]]]
        labels += [np.full(2 * len(quads), label)]
    start = len(head.template)
    for label, part in enumerate(parts, 2):
        vertices.append(part.vertices + np.tensordot(coefficients, part.morphs, 1))
        faces.append(part.faces + start)
        labels.append(np.full(len(part.faces), label))
        start += len(part.vertices)
    centre = head.template[mouth_rim(head)].mean(0) - [0, 0.01, 0]
    view = (np.concatenate(vertices) - centre) / 0.05
    clip = np.concatenate([view * [1, 1, -0.2], np.ones((len(view), 1))], 1)
    rast = rasterize(torch.as_tensor(clip)[None], torch.as_tensor(np.concatenate(faces)), (size, size))[
        0, ..., 3
    ]
    return np.append(-1, np.concatenate(labels))[rast.numpy().astype(int)]


def test_parts_are_well_formed(placed):
    head, _, parts = placed
    assert [part.name for part in parts] == ["eyes", "teeth", "tongue", "lashes"]
    for part in parts:
        count = len(part.vertices)
        assert part.normals.shape == part.vertices.shape and part.uv.shape == (count, 2)
        assert part.morphs.shape == (len(head.expression_names), count, 3)
        assert part.faces.min() == 0 and part.faces.max() == count - 1 and part.faces.dtype == np.int32
        assert part.uv.min() >= 0 and part.uv.max() <= 1
        assert part.texture.dtype == np.uint8
        np.testing.assert_allclose(part.skin_weights.sum(1), 1, atol=1e-5)
        for array in (part.vertices, part.normals, part.morphs):
            assert np.isfinite(array).all()
        np.testing.assert_allclose(np.linalg.norm(part.normals, axis=1), 1, atol=1e-3)
    assert len(parts[1].faces) <= 6000


def test_normals_point_outwards(placed):
    _, _, (_, teeth, tongue, _) = placed
    for part in (teeth, tongue):
        corners = part.vertices[part.faces].astype(float)
        crossed = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        agree = (crossed * part.normals[part.faces].sum(1)).sum(1)
        assert (agree > 0).mean() > 0.97
    body = tongue.vertices[tongue.faces].astype(float)
    assert (body[:, 0] * np.cross(body[:, 1], body[:, 2])).sum() > 0
    front = teeth.vertices[:, 2] > np.quantile(teeth.vertices[:, 2], 0.9)
    assert teeth.normals[front, 2].mean() > 0.1


def test_teeth_stay_behind_the_closed_lips(placed):
    head, _, (_, teeth, _, _) = placed
    arch = fit_arch(head)
    walls = head.template[np.unique(head.quads[cavity_quads(head, "mouth_cavity")])].astype(float)
    out, _, nearest = arch.outwards(walls, "upper")
    height = walls[:, 1] - arch.edge_upper[nearest]
    beside = (out > -4e-3) & (height > -2e-3) & (height < 7e-3) & (np.abs(nearest - 128) < 110)
    assert out[beside].min() > 1e-3


@pytest.mark.parametrize("seed", [1, 6])
def test_closed_mouths_hide_the_teeth(seed):
    head, _, parts = place_parts(person(seed, 0.4))
    picture = seen(head, parts[1:], {})
    assert (picture >= 2).sum() < 0.002 * picture.size


def test_open_mouth_shows_both_rows_and_the_dark(placed):
    head, _, (_, teeth, tongue, _) = placed
    is_lower = teeth.skin_weights[:, 2] == 1
    picture = seen(head, (teeth, tongue), {"jawOpen": 1})
    rows = np.nonzero(picture == 2)[0]
    assert (picture == 2).sum() > 800
    assert np.ptp(rows) > 120  # uppers at the top, lowers at the bottom
    assert is_lower.any() and not is_lower.all()
    small = seen(head, (teeth, tongue), {"jawOpen": 0.25, "mouthSmileLeft": 1, "mouthSmileRight": 1})
    assert (small == 2).sum() > 1500


def test_lower_row_moves_rigidly_and_upper_row_not_at_all(placed):
    head, _, (_, teeth, _, _) = placed
    lower = teeth.skin_weights[:, 2] == 1
    assert not teeth.morphs[:, ~lower].any()
    sample = np.flatnonzero(lower)[::37]
    rest = teeth.vertices[sample].astype(float)
    between = np.linalg.norm(rest[:, None] - rest[None], axis=-1)
    for name in ("jawOpen", "jawLeft", "jawForward"):
        moved = rest + teeth.morphs[head.expression_names.index(name), sample]
        np.testing.assert_allclose(np.linalg.norm(moved[:, None] - moved[None], axis=-1), between, atol=2e-6)
    jaw = teeth.morphs[head.expression_names.index("jawOpen"), lower]
    strip = head.expression_basis[
        head.part_vertices("lower_teeth"), :, head.expression_names.index("jawOpen")
    ]
    np.testing.assert_allclose(jaw.mean(0), strip.mean(0), atol=6e-3)
    assert not teeth.morphs[head.expression_names.index("mouthSmileLeft")].any()


def test_jaw_motion_recovers_a_known_one():
    head = person(0, 0.0)
    strip = head.part_vertices("lower_teeth")
    angle, move = 0.3, np.array([0.001, -0.02, 0.004])
    turn = np.array([[1, 0, 0], [0, np.cos(angle), -np.sin(angle)], [0, np.sin(angle), np.cos(angle)]])
    basis = head.expression_basis.copy()
    basis[strip, :, 0] = head.template[strip] @ turn.T + move - head.template[strip]
    turns, moves = jaw_motions(dataclasses.replace(head, expression_basis=basis))
    np.testing.assert_allclose(turns[0], turn, atol=1e-5)
    np.testing.assert_allclose(moves[0], move, atol=1e-6)
    np.testing.assert_allclose(np.linalg.det(turns), 1, atol=1e-9)


def test_tongue_rests_behind_the_teeth(placed):
    head, _, (_, _, tongue, _) = placed
    arch = fit_arch(head)
    out, _, _ = arch.outwards(tongue.vertices.astype(float), "lower")
    assert out.max() < -4e-3 * arch.unit


def test_tongue_comes_out(placed):
    head, _, parts = placed
    tongue = parts[2]
    k = head.expression_names.index("tongueOut")
    tip = (tongue.vertices + tongue.morphs[k])[:, 2].max()
    lips = (head.template + head.expression_basis[..., k])[mouth_rim(head), 2].max()
    assert tip > lips
    assert (seen(head, parts[1:3], {"tongueOut": 1, "jawOpen": 0.3}) == 3).sum() > 1500


def test_no_action_presses_lips_into_the_teeth(placed):
    head, _, _ = placed
    arch = fit_arch(head)
    skin = np.flatnonzero(head.part_vertices("skin") & (head.region("lips") > 0.3))
    rest, _, nearest = arch.outwards(head.template[skin].astype(float), "upper")
    skin = skin[(rest > 2e-3) & (np.abs(nearest - 128) < 100)]
    for name in ("mouthRollUpper", "mouthPressLeft", "mouthSmileLeft", "mouthPucker", "mouthShrugUpper"):
        moved = (head.template + head.expression_basis @ head.expression(**{name: 1}))[skin].astype(float)
        out, _, where = arch.outwards(moved, "upper")
        root = moved[:, 1] - arch.edge_upper[where]
        assert out[(root > 0) & (root < 12e-3)].min(initial=1) > 3e-4


def test_seal_closes_a_hair_and_leaves_a_gap():
    head = person(2, 0.5)
    once = seal_lips(head)
    np.testing.assert_allclose(seal_lips(once).template, once.template, atol=3e-4)
    assert np.abs(once.template - head.template).max() < 2e-3
    opened = head.template + 0.3 * head.expression_basis[..., head.expression_names.index("jawOpen")]
    open_head = dataclasses.replace(head, template=opened.astype(np.float32))
    assert np.abs(seal_lips(open_head).template - open_head.template)[:, 1].max() < 1.3e-3


def test_clear_mouth_keeps_far_skin():
    head = person(2, 0.5)
    cleared = clear_mouth(head, fit_arch(head))
    brow = head.template[:, 1] > -0.01
    skin = head.part_vertices("skin") & brow
    k = [i for i, name in enumerate(head.expression_names) if name != "tongueOut"]
    np.testing.assert_array_equal(cleared.expression_basis[skin][..., k], head.expression_basis[skin][..., k])
    part = teeth_part(cleared)
    assert part.vertices[:, 1].max() < head.template[head.part_vertices("left_eye")][:, 1].min()
