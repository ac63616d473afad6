"""What the skin does not take from a portrait: lashes, the inside of the mouth, and what is squeezed in it."""

import dataclasses

import numpy as np
import pytest
from test_texture_paint import scene

import soaplib.texture.skin
from soaplib.data import REGIONS, Portrait
from soaplib.render import project
from soaplib.texture import paint
from soaplib.texture.posed import posed_head
from soaplib.texture.skin import _not_slivers, _strengths, _unfolded, _upper_lashes
from soaplib.texture.surface import graph_laplacian


def eyed(stylised=False):
    """A grey face with one eye: a black rim of 3 pixels above it, a brow far above, a dark line below."""
    image = np.full((128, 128, 3), 0.6, np.float32)
    regions = np.full((128, 128), REGIONS.index("skin"), np.uint8)
    regions[60:72, 40:80] = REGIONS.index("eyes")
    image[60:72, 40:80] = 0.9
    for rows in ((57, 60), (40, 44), (72, 75)):
        image[slice(*rows), 40:80] = 0.1
    return Portrait(
        image, np.ones((128, 128), np.float32), np.zeros((478, 2), np.float32), np.ones(478, np.float32),
        regions, np.eye(3), {"stylised": stylised},
    )  # fmt: skip


def test_lashes_are_found_above_the_eye_alone():
    found = _upper_lashes(eyed())
    assert found[58, 45:75].min() > 0.6
    assert found[:53].max() < 0.05 and found[66:].max() < 0.05
    assert not _upper_lashes(eyed(stylised=True)).any()


def test_skin_that_a_blink_unfolds_is_not_believed_where_it_is_squeezed():
    head, pose, *_ = scene()
    faces = head.faces[head.part_vertices("skin")[head.faces].all(1)]
    shown = _unfolded(head, faces, posed_head(head, pose), pose.camera)
    blink = head.expression_basis[:, :, head.expression_names.index("eyeBlinkLeft")]
    moved = np.linalg.norm(blink, axis=1)
    still = np.linalg.norm(head.expression_basis, axis=1).max(1) < 1e-5
    assert shown.min() >= 0 and shown.max() <= 1
    assert shown[moved > 0.5 * moved.max()].min() < 0.5
    assert shown[still & (head.region("face") > 0.5)].min(initial=1) == 1


@pytest.mark.parametrize("colour", [(0.1, 0.9, 0.1), (0.95, 0.93, 0.9)])
def test_lips_take_nothing_from_inside_the_mouth(colour):
    """Green, or white as teeth: the lips' own texels show none of it, wherever they lie in the portrait."""
    head, pose, views, portrait, parts = scene()
    mouth = portrait.regions == REGIONS.index("mouth")
    image = portrait.image.copy()
    image[mouth] = colour
    images = views.images.copy()
    images[0] = image
    views = dataclasses.replace(views, images=images)
    skin = paint(head, pose, views, dataclasses.replace(portrait, image=image), parts, size=1024)[0]
    middle = head.landmarks(head.template)[[13, 14]].mean(0)
    near = np.linalg.norm(head.template - middle, axis=1) < 0.03
    outer = near & head.part_vertices("skin") & (head.region("mouth_cavity") < 0.05)
    own = outer[[np.argmin(np.linalg.norm(head.template - v, axis=1)) for v in skin.vertices]]
    column, row = (skin.uv[own] * [1024, -1024] + [0, 1024]).astype(int).clip(0, 1023).T
    seen = skin.texture[row, column] / 255.0
    assert own.sum() > 50
    assert np.linalg.norm(seen - colour, axis=1).min() > 0.2


def test_slivers_of_a_lip_are_not_believed():
    """One seen vertex among hidden ones is a sliver; a lip seen whole is seen; off the lips all stays."""
    head, *_ = scene()
    faces = head.faces[head.part_vertices("skin")[head.faces].all(1)]
    laplacian = graph_laplacian(faces, head.template)
    lips = np.maximum(head.region("lips"), head.region("mouth_cavity")) > 0.1
    one = np.flatnonzero(head.region("mouth_cavity") > 0.9)[0]
    alone = np.zeros(len(lips))
    alone[one] = 1
    assert _not_slivers(head, laplacian, alone)[one] == 0
    assert _not_slivers(head, laplacian, np.ones(len(lips))).min() == 1
    assert _not_slivers(head, laplacian, np.zeros(len(lips)))[~lips].min() == 1


def test_behind_eyes_and_mouth_the_back_of_the_head_is_believed(monkeypatch):
    """What the portrait's eyes and mouth hide from the skin there is none of the back's business."""
    met = []

    def watched(texels, faces, outside, cavity, points, *rest):
        met.append((points, _strengths(texels, faces, outside, cavity, points, *rest)[1]))
        return met[-1][1], met[-1][1]

    monkeypatch.setattr(soaplib.texture.skin, "_strengths", watched)
    head, pose, views, portrait, parts = scene()
    paint(head, pose, views, portrait, parts, size=512)
    points, strength = met[0]
    column, row = project(points.astype(float), pose.camera).astype(int).clip(0, len(portrait.regions) - 1).T
    eyes = np.isin(
        portrait.regions[row, column], [REGIONS.index(name) for name in ("eyes", "irises", "mouth")]
    )
    behind = points[:, 2] < np.quantile(points[:, 2], 0.2)
    assert (eyes & behind).sum() > 50 and strength[behind].min() > 0.99
    assert strength[eyes & ~behind].min() == 0
