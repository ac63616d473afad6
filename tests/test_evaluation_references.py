"""Heads of one's own as references: found, placed, moved, and measured against themselves."""

import dataclasses

import numpy as np
import pytest

from soaplib.data import Avatar
from soaplib.errors import UserError
from soaplib.evaluation.fitted import Fitted
from soaplib.evaluation.references import (
    REFERENCE_UNITS,
    find_references,
    make_reference,
    measure_reference,
    measure_reference_views,
)
from soaplib.evaluation.report import WorstHeads
from soaplib.parts.eyes import fit_eyes
from soaplib.render import camera_rotation
from soaplib.viewing.figures import as_part


@pytest.fixture(scope="module")
def file(head, tmp_path_factory):
    """The mean head as a GLB, three times as large and far from the origin."""
    from soaplib.animation.gltf import write_glb

    path = tmp_path_factory.mktemp("heads") / "mean.glb"
    drawn = head.part_vertices("skin", "left_eye", "right_eye") & (head.region("mouth_cavity") < 0.5)
    part = as_part(3 * head.template + [1, 2, 3], head.faces[drawn[head.faces].all(1)])
    part = dataclasses.replace(part, morphs=np.zeros((52, len(part.vertices), 3), np.float32))
    joints = 3 * (head.joint_regressor @ head.template) + [1, 2, 3]
    write_glb(Avatar((part,), joints, head.expression_names, np.zeros(52), np.zeros((5, 3)), np.eye(4)), path)
    return path


@pytest.fixture(scope="module")
def reference(head, file):
    return make_reference(file, head)


def as_fitted(reference, head):
    """The head itself, placed where the reference is, in the place of a fit."""
    vertices, _ = reference.surface
    drawn = head.part_vertices("skin", "left_eye", "right_eye") & (head.region("mouth_cavity") < 0.5)
    turn = camera_rotation(reference.cameras[0]).T  # the head looked straight into the portrait's camera
    scale = np.ptp(vertices @ turn[:, 1]) / np.ptp(head.template[drawn, 1])
    own = scale * head.template @ turn.T
    shift = turn @ (_middle(vertices @ turn) - _middle(own[drawn] @ turn))
    template = (own + shift).astype(np.float32)
    eyes = fit_eyes(head)
    eyes = dataclasses.replace(eyes, centres=scale * eyes.centres @ turn.T + shift, radii=scale * eyes.radii)
    moved = dataclasses.replace(head, template=template)
    return Fitted(moved, eyes, reference.pose, template, moved, template, 1.5)


def _middle(places):
    """The middle of the box about places (V, 3)."""
    return (places.min(0) + places.max(0)) / 2


def test_files_are_found_by_name(tmp_path):
    for name in ("b.glb", "a.GLB", "c.txt", "d.glb"):
        (tmp_path / name).write_bytes(b"")
    assert [path.name for path in find_references(tmp_path, 2)] == ["a.GLB", "b.glb"]
    assert len(find_references(tmp_path, 9)) == 3


def test_a_missing_or_empty_folder_is_told(tmp_path):
    for folder, sentence in (
        (None, "--references FOLDER"), (tmp_path / "no", "There is no folder"), (tmp_path, "holds no .glb"),
    ):  # fmt: skip
        with pytest.raises(UserError, match=sentence):
            find_references(folder, 3)


def test_the_views_show_the_head_that_the_portrait_shows(reference):
    views, portrait = reference.views(), reference.portrait
    matte, mask = portrait.matte[::2, ::2] > 0.5, views.masks[0] > 0.5
    assert (matte & mask).sum() / (matte | mask).sum() > 0.97
    lengths = np.linalg.norm(views.normals, axis=-1)[views.masks > 0.5]
    np.testing.assert_allclose(lengths, 1, atol=1e-4)
    assert views.normals[0][views.masks[0] > 0.9][:, 2].mean() > 0.6, "towards the viewer"
    assert np.abs(views.masks[0][:, ::-1] - views.masks[0]).mean() < 0.05, "the mean head is symmetric"
    assert (views.images[views.masks == 0] == 1).all() and reference.lit
    below = np.arange(256) + 1 > reference.cut
    assert (views.masks[:, below] == 0).all()


def test_moving_changes_no_picture(reference):
    camera = reference.pose.camera.copy()
    turn = np.array([[0.8, 0, 0.6, 0.1], [0, 1, 0, -0.2], [-0.6, 0, 0.8, 0.3], [0, 0, 0, 1]])
    moved = reference.moved(dataclasses.replace(reference.pose, camera=camera @ turn))
    before, after = reference.views(), moved.views()
    np.testing.assert_allclose(after.masks, before.masks, atol=0.02)
    assert np.abs(after.normals - before.normals).mean() < 1e-3
    assert np.abs(after.images - before.images).mean() < 1e-3


def test_a_head_measures_as_itself(reference, head):
    found = measure_reference(reference, as_fitted(reference, head))
    assert set(found) == set(REFERENCE_UNITS)
    assert found["chamfer"] < 0.05 and found["chamfer_ratio"] == pytest.approx(1)
    assert found["iou"] > 0.98 and found["normals"] < 3
    assert found["landmarks"] < 8, "of a plain head that no eye has a colour on"


def test_a_smaller_head_is_seen(reference, head):
    own = as_fitted(reference, head)
    middle = own.vertices.mean(0)
    small = middle + 0.9 * (own.vertices - middle)
    found = measure_reference(reference, dataclasses.replace(own, vertices=small))
    assert found["chamfer"] > 1 and found["iou"] < 0.9 and found["chamfer_ratio"] > 3


def test_views_against_the_true_ones(reference):
    views = reference.views()
    same = measure_reference_views(reference, views)
    assert same["psnr"] > 40 and same["iou"] > 0.999 and same["normals"] < 1
    wrong = dataclasses.replace(views, images=views.images * 0.5, masks=np.roll(views.masks, 20, 2))
    other = measure_reference_views(reference, wrong)
    assert other["psnr"] < 12 and other["iou"] < 0.9


def test_the_worst_heads_are_drawn(reference, head):
    own, worst = as_fitted(reference, head), WorstHeads(2)
    for chamfer in (1.0, 3.0, 2.0):
        worst.see(reference, own, {"name": f"head {chamfer}", "chamfer": chamfer, "iou": 0.9})
    assert worst.sheet.shape == (2 * 410, 960, 3) and worst.sheet.std() > 10
    assert [name for _, name, _ in worst._kept] == ["head 3.0", "head 2.0"]


def test_a_head_without_a_face_is_told(head, tmp_path):
    from soaplib.animation.gltf import write_glb

    turned = as_part(head.template * [-1, 1, -1], head.faces[head.part_vertices("skin")[head.faces].all(1)])
    turned = dataclasses.replace(turned, morphs=np.zeros((52, len(turned.vertices), 3), np.float32))
    avatar = Avatar(
        (turned,), np.zeros((5, 3)), head.expression_names, np.zeros(52), np.zeros((5, 3)), np.eye(4)
    )
    write_glb(avatar, tmp_path / "back.glb")
    with pytest.raises(UserError, match="face"):
        make_reference(tmp_path / "back.glb", head)
