"""The whole of texturing on a head with known colours: eyes, mouth, skin, and the picture that comes back."""

import dataclasses
import functools

import cv2
import numpy as np
import pytest
import torch

from soaplib.data import REGIONS, VIEW_YAWS, HeadPose, Portrait, Views
from soaplib.head import load_head
from soaplib.landmarks import FACE_OVAL
from soaplib.parts import place_parts
from soaplib.render import clip_positions, interpolate, orthographic, project, rasterize, render_views, turn
from soaplib.texture import iris_from_portrait, paint
from soaplib.texture.eyes import paint_eyes
from soaplib.texture.mouth import paint_teeth
from soaplib.texture.palette import read_palette
from soaplib.texture.posed import posed_head, posed_part
from soaplib.texture.texels import find_texels
from soaplib.texture.visible import make_seers

SIZE = 256
IRIS = np.array([[0.15, 0.35, 0.75], [0.45, 0.55, 0.15]])
SCLERA = np.array([0.9, 0.88, 0.86])
LEFT_EYE = (362, 382, 381, 380, 374, 373, 390, 249, 263, 466, 388, 387, 386, 385, 384, 398)
RIGHT_EYE = (33, 7, 163, 144, 145, 153, 154, 155, 133, 173, 157, 158, 159, 160, 161, 246)


def skin_colour(points):
    x, y, z = 40 * points.T
    return np.stack([0.7 + 0.1 * np.sin(x + y), 0.5 + 0.1 * np.sin(y - z), 0.45 + 0.1 * np.cos(z + x)], -1)


@functools.cache
def scene():
    """A head whose skin, irises and eye whites have known colours, pictured from six sides; the mouth is a smile's."""
    head, _, parts = place_parts(load_head(), IRIS)
    names = head.expression_names
    expression = np.zeros(len(names), np.float32)
    expression[names.index("jawOpen")] = 0.25
    camera = orthographic(np.eye(3), SIZE / 0.36, np.array([SIZE / 2, SIZE / 2]))
    pose = HeadPose(np.zeros(1, np.float32), expression, np.zeros((5, 3), np.float32), camera, 0.0)
    skin = posed_head(head, pose)
    on_skin = head.part_vertices("skin")
    faces = head.faces[on_skin[head.faces].all(1)]
    inner = np.maximum(head.region("mouth_cavity"), head.region("eye_sockets"))[:, None]
    colours = skin_colour(head.template) * (1 - inner) + np.array([0.1, 0.03, 0.03]) * inner
    vertices, all_faces, values = [skin], [faces], [colours]
    for part, own in zip(parts, _part_colours(parts), strict=True):
        all_faces.append(part.faces + sum(map(len, vertices)))
        vertices.append(posed_part(part, head, pose))
        values.append(own)
    vertices, all_faces, values = (np.concatenate(a) for a in (vertices, all_faces, values))
    cameras = np.stack([turn(camera, float(yaw), skin.mean(0).astype(float)) for yaw in VIEW_YAWS])
    rendering = render_views(
        torch.as_tensor(vertices[None], dtype=torch.float32), torch.as_tensor(all_faces.astype(np.int32)),
        torch.as_tensor(cameras, dtype=torch.float32), (SIZE, SIZE),
        attributes=torch.as_tensor(values[None], dtype=torch.float32),
    )  # fmt: skip
    masks = rendering.mask.numpy()
    images = rendering.attributes.numpy() * masks[..., None] + 1 - masks[..., None]
    views = Views(images, rendering.normals.numpy(), masks, cameras, "exact")
    landmarks = project(head.landmarks(skin).astype(float), camera).astype(np.float32)
    regions = np.where(masks[0] > 0.5, REGIONS.index("skin"), 0).astype(np.uint8)
    for eye in (LEFT_EYE, RIGHT_EYE):
        cv2.fillPoly(regions, [np.rint(landmarks[list(eye)]).astype(np.int32)], REGIONS.index("eyes"))
    lips = (78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308, 324, 318, 402, 317, 14, 87, 178, 88, 95)
    cv2.fillPoly(regions, [np.rint(landmarks[list(lips)]).astype(np.int32)], REGIONS.index("mouth"))
    portrait = Portrait(
        images[0], masks[0], landmarks, np.ones(478, np.float32), regions, np.eye(3), {"advice": []}
    )
    return head, pose, views, portrait, parts


def _part_colours(parts):
    for part in parts:
        if part.name == "eyes":
            out = np.tile(SCLERA, (len(part.vertices), 1))
            for k in range(2):
                ball = part.skin_weights[:, 3 + k] > 0.5
                own = part.vertices[ball]
                offset = own - (own.min(0) + own.max(0)) / 2
                iris = offset[:, 2] > 0.86 * np.linalg.norm(offset, axis=1)
                out[np.flatnonzero(ball)[iris]] = IRIS[k]
            yield out
        else:
            yield np.tile(
                [0.85, 0.8, 0.7] if part.name == "teeth" else [0.7, 0.35, 0.35], (len(part.vertices), 1)
            )


@functools.cache
def painted():
    return paint(*scene(), size=1024)


def picture(parts, head, pose, camera, size=SIZE):
    """Draw parts without light, the nearest texel at each pixel."""
    vertices, faces, uv = [], [], []
    for k, part in enumerate(parts):
        faces.append(part.faces + sum(map(len, vertices)))
        vertices.append(posed_part(part, head, pose))
        uv.append(np.column_stack([part.uv, np.full(len(part.uv), k)]))
    vertices, faces, uv = (np.concatenate(a) for a in (vertices, faces, uv))
    clip = clip_positions(
        torch.as_tensor(vertices), torch.as_tensor(camera, dtype=torch.float32), (size, size)
    )
    faces = torch.as_tensor(faces)
    rast = rasterize(clip, faces, (size, size))
    u, v, owner = (
        interpolate(torch.as_tensor(uv[None], dtype=torch.float32), rast, faces)[0].numpy().transpose(2, 0, 1)
    )
    mask = rast[0, ..., 3].numpy() > 0
    out = np.ones((size, size, 3))
    for k, part in enumerate(parts):
        mine = mask & (np.rint(owner) == k)
        height, width = part.texture.shape[:2]
        row = np.clip(((1 - v[mine]) * height).astype(int), 0, height - 1)
        out[mine] = part.texture[row, np.clip((u[mine] * width).astype(int), 0, width - 1), :3] / 255
    return out, mask


def test_the_portrait_comes_back():
    head, pose, _, portrait, _ = scene()
    drawn, mask = picture(painted(), head, pose, pose.camera)
    oval = np.zeros((SIZE, SIZE), np.uint8)
    cv2.fillPoly(oval, [portrait.landmarks[list(FACE_OVAL)].astype(np.int32)], 1)
    inside = (oval > 0) & mask
    assert inside.sum() > 5000
    assert -10 * np.log10(((drawn - portrait.image)[inside] ** 2).mean()) > 28


def test_the_head_looks_right_from_the_sides():
    head, pose, views, _, _ = scene()
    for k in (1, 3, 4, 5):
        drawn, mask = picture(painted(), head, pose, views.cameras[k])
        sure = mask & (cv2.erode((views.masks[k] > 0.99).astype(np.uint8), np.ones((9, 9))) > 0)
        assert -10 * np.log10(((drawn - views.images[k])[sure] ** 2).mean()) > 24, VIEW_YAWS[k]


def test_parts_come_back_whole():
    head, _, _, _, parts = scene()
    out = painted()
    assert [p.name for p in out] == ["head", *(p.name for p in parts)]
    for part in out:
        count = len(part.vertices)
        assert part.normals.shape == (count, 3) and part.uv.shape == (count, 2)
        assert part.morphs.shape == (52, count, 3) and part.skin_weights.shape == (count, 5)
        assert np.allclose(part.skin_weights.sum(1), 1, atol=1e-4)
        assert part.texture.dtype == np.uint8 and part.faces.max() < count
    assert out[0].texture.shape == (1024, 1024, 3)


def test_normals_do_not_break_at_seams():
    part = painted()[0]
    _, group = np.unique(part.vertices, axis=0, return_inverse=True)
    order = np.argsort(group.ravel(), kind="stable")
    same = np.diff(group.ravel()[order]) == 0
    a, b = part.normals[order[:-1]][same], part.normals[order[1:]][same]
    assert same.sum() > 50 and np.allclose(a, b, atol=1e-6)


def test_no_texel_is_empty_or_white():
    texture = painted()[0].texture.astype(int)
    assert (texture.min(-1) < 240).all()  # nothing of the white background
    part = painted()[0]
    covered = find_texels(part.uv, part.faces, texture.shape[:2]).covered()
    near = cv2.dilate(covered.astype(np.uint8), np.ones((9, 9))) > 0
    assert (texture[near].max(-1) > 5).all()


def test_an_opened_mouth_is_dark():
    head, *_ = scene()
    part = painted()[0]
    texels = find_texels(part.uv, part.faces, part.texture.shape[:2])
    deep = head.region("mouth_cavity") * (head.template[:, 2] < np.quantile(head.template[:, 2], 0.6)) > 0.99
    at = {tuple(v): d for v, d in zip(head.template, deep, strict=True)}
    of_part = np.array([at[tuple(v)] for v in part.vertices])
    inside = of_part[part.faces].all(1)[texels.face]
    assert inside.sum() > 100
    assert part.texture.reshape(-1, 3)[texels.index[inside]].max() < 110


def test_irises_are_read_and_completed_round():
    head, pose, views, portrait, parts = scene()
    colours, radii = iris_from_portrait(portrait, pose.camera)
    assert np.abs(colours - IRIS).max() < 0.2
    assert radii[0] == radii[1] and 0.003 < radii[0] < 0.012
    seer = make_seers(head, pose, views, parts)[0]
    eyes = paint_eyes(parts[0], head, pose, seer, portrait, read_palette(portrait))
    assert eyes.texture.shape == parts[0].texture.shape
    size = eyes.texture.shape[0]
    y, x = np.mgrid[:size, :size] - size / 2 + 0.5
    around = (np.hypot(x, y) > 0.05 * size) & (np.hypot(x, y) < 0.1 * size)
    for k, half in enumerate((eyes.texture[:, :size], eyes.texture[:, size:])):
        for part_of in (y < 0, y > 0, x < 0, x > 0):  # above, under the lid, as well as where it is seen
            colour = np.median(half[around & part_of], axis=0) / 255
            assert np.abs(colour - IRIS[k]).max() < 0.2


def test_teeth_take_the_colour_that_the_portrait_shows():
    head, pose, views, portrait, parts = scene()
    seer = make_seers(head, pose, views, parts)[0]
    image = portrait.image.copy()
    mouth = portrait.regions == REGIONS.index("mouth")
    image[mouth] = [0.6, 0.66, 0.7]
    blue = dataclasses.replace(portrait, image=image)
    teeth = next(p for p in parts if p.name == "teeth")
    out = paint_teeth(teeth, head, pose, seer, blue, read_palette(blue))
    plain = teeth.texture[..., :3].astype(float)
    ivory = np.tile((plain.min(-1) > 150), (1, 2))
    tinted = np.median(out.texture[ivory][:, :3], axis=0)
    assert tinted[2] > tinted[0]  # bluish, unlike ivory
    assert len(out.uv) == len(out.vertices) and out.morphs.shape[1] == len(out.vertices)


def test_a_grey_picture_gives_a_grey_mouth():
    _, _, _, portrait, _ = scene()
    grey = dataclasses.replace(portrait, image=portrait.image.mean(-1, keepdims=True).repeat(3, -1))
    assert np.ptp(read_palette(grey).tinted([0.4, 0.1, 0.1])) < 1e-6
    assert np.ptp(read_palette(portrait).tinted([0.4, 0.1, 0.1])) > 0.1


def test_the_same_input_gives_the_same_bits():
    again = paint(*scene(), size=1024)
    for a, b in zip(painted(), again, strict=True):
        assert a.texture.tobytes() == b.texture.tobytes() and a.uv.tobytes() == b.uv.tobytes()


def test_views_of_another_size_are_refused():
    head, pose, views, portrait, parts = scene()
    small = dataclasses.replace(views, images=views.images[:, ::2, ::2])
    with pytest.raises(ValueError, match="crop"):
        paint(head, pose, small, portrait, parts)
