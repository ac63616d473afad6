import types

import numpy as np
import pytest
import torch
from test_render_rasterise import ball

from soaplib.render import (
    camera_normals,
    contact_sheet,
    draw,
    face_normals,
    irradiance_sh,
    lambert,
    mesh_edges,
    orthographic,
    perspective,
    render_views,
    shade_sh,
    spherical_harmonics,
    turn,
    turntable,
    vertex_normals,
    world_normals,
)

FRONT = orthographic(np.eye(3), 20.0, (24.0, 24.0))


def part(vertices, faces, colour, alpha=False, double_sided=False, normals=None):
    texture = np.broadcast_to(np.asarray(colour, np.uint8), (4, 4, len(colour))).copy()
    vertices = np.asarray(vertices, np.float32)
    return types.SimpleNamespace(
        name="thing", vertices=vertices, normals=vertices if normals is None else normals,
        faces=np.asarray(faces, np.int32), uv=np.full((len(vertices), 2), 0.5, np.float32),
        texture=texture, alpha=alpha, double_sided=double_sided,
    )  # fmt: skip


def square(z, half=0.5):
    return [[-half, -half, z], [half, -half, z], [half, half, z], [-half, half, z]], [[0, 1, 2], [0, 2, 3]]


def test_normals_by_hand_and_of_a_ball():
    vertices, faces = ball(24, 36)
    torch.testing.assert_close(vertex_normals(vertices, faces), vertices, atol=0.03, rtol=0)
    assert ((face_normals(vertices, faces) * vertices[faces].mean(1)).sum(-1) > 0).all()
    # Two faces on a ridge, areas 1/2 and 1: the shared vertices lean to the larger.
    ridge = torch.tensor([[0.0, 0, 0], [0, 1, 0], [-1, 0, 0], [0, 0, -2]])
    normals = vertex_normals(ridge, torch.tensor([[0, 1, 2], [0, 3, 1]]))
    torch.testing.assert_close(normals[2], torch.tensor([0.0, 0, 1]))
    torch.testing.assert_close(normals[3], torch.tensor([1.0, 0, 0]))
    torch.testing.assert_close(normals[0], torch.tensor([2.0, 0, 1]) / 5**0.5)


def test_normals_are_differentiable_and_batched():
    g = torch.Generator().manual_seed(0)
    vertices = torch.randn(2, 5, 3, generator=g, dtype=torch.float64, requires_grad=True)
    faces = torch.tensor([[0, 1, 2], [2, 1, 3], [0, 2, 3], [4, 1, 0]])
    assert torch.autograd.gradcheck(lambda v: vertex_normals(v, faces), vertices)
    assert torch.autograd.gradcheck(lambda v: face_normals(v, faces), vertices)
    assert torch.equal(vertex_normals(vertices, faces)[1], vertex_normals(vertices[1], faces))
    with pytest.raises(ValueError, match="faces index"):
        vertex_normals(vertices, faces + 1)


def test_light():
    g = torch.Generator().manual_seed(0)
    n = torch.nn.functional.normalize(torch.randn(200_000, 3, generator=g, dtype=torch.float64), dim=-1)
    y = spherical_harmonics(n)
    gram = y.T @ y * (4 * torch.pi / len(n))
    torch.testing.assert_close(gram, torch.eye(9, dtype=torch.float64), atol=0.03, rtol=0)
    assert shade_sh(n[:4], torch.ones(9, 3, dtype=torch.float64)).shape == (4, 3)
    up = torch.tensor([[0.0, 1, 0], [0, -1, 0], [1, 0, 0]])
    torch.testing.assert_close(lambert(up, (0, 2.0, 0), 0.25), torch.tensor([1.0, 0.25, 0.25]))


def test_views_of_a_ball():
    vertices, faces = ball(40, 60)
    pivot = torch.zeros(3, dtype=torch.float64)
    cameras = torch.stack([turn(torch.tensor(FRONT), yaw, pivot) for yaw in (0.0, 90, 180)])
    colour = vertices.clone()
    seen = render_views(vertices, faces, cameras, (48, 48), colour)
    y, x = np.mgrid[:48, :48] + 0.5
    p = np.stack(((x - 24) / 20, (24 - y) / 20), -1)
    r2 = (p**2).sum(-1)
    inner = r2 < 0.8
    truth = np.concatenate((p, np.sqrt(np.clip(1 - r2, 0, 1))[..., None]), -1)
    for view in range(3):
        np.testing.assert_allclose(seen.normals[view][inner], truth[inner], atol=0.02)
        np.testing.assert_allclose(seen.depth[view][inner], -20 * truth[inner][:, 2], atol=0.2)
        np.testing.assert_allclose(seen.mask[view].sum(), np.pi * 400, rtol=5e-3)
    # The head's right side (-X) faces the viewer at +90; its front (+Z) is to the picture's right.
    np.testing.assert_allclose(seen.attributes[1, 24, 24], [-1, 0, 0], atol=0.06)
    np.testing.assert_allclose(seen.attributes[1, 24, 40], [-0.5, 0, 0.8], atol=0.12)
    np.testing.assert_array_equal(seen.face_ids[0] >= 0, (seen.depth[0] != 0))
    again = render_views(vertices, faces, cameras, (48, 48), colour, edges=mesh_edges(faces))
    assert torch.equal(again.normals, seen.normals)


def test_views_move_vertices_to_a_target():
    vertices, faces = ball(16, 24)
    target = render_views(vertices * 0.8, faces, FRONT, (48, 48)).mask
    scale = torch.tensor(1.0, dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.Adam([scale], lr=0.01)
    for _ in range(80):
        optimiser.zero_grad()
        loss = (render_views(vertices * scale, faces, FRONT, (48, 48)).mask - target).square().mean()
        loss.backward()
        optimiser.step()
    assert abs(float(scale.detach()) - 0.8) < 0.01


def test_camera_normals_face_the_viewer():
    normals = torch.eye(3)
    turned = camera_normals(normals, torch.tensor(turn(FRONT, 90.0, np.zeros(3)), dtype=torch.float32))
    torch.testing.assert_close(turned, torch.tensor([[0.0, 0, -1], [0, 1, 0], [1, 0, 0]]), atol=1e-6, rtol=0)


def test_views_name_wrong_input():
    vertices, faces = ball()
    for call, name in (
        (lambda: render_views(vertices[:, :2], faces, FRONT, (4, 4)), "vertices"),
        (lambda: render_views(vertices, faces, np.eye(3), (4, 4)), "cameras"),
        (lambda: render_views(vertices.expand(2, -1, -1), faces, np.stack([FRONT] * 3), (4, 4)), "cameras"),
        (lambda: render_views(vertices, faces, FRONT, (0, 4)), "size"),
    ):
        with pytest.raises(ValueError, match=name):
            call()


@pytest.mark.parametrize(
    "camera", [FRONT, perspective(np.eye(3), np.array([0, 0, -5.0]), 100.0, (24.0, 24.0))]
)
def test_nearer_parts_hide_others_whatever_the_order(camera):
    red, blue = part(*square(0.0, 0.7), (255, 0, 0)), part(*square(0.5, 0.3), (0, 0, 255))
    one = draw([red, blue], camera, (48, 48), background=(0, 1, 0))
    np.testing.assert_array_equal(one, draw([blue, red], camera, (48, 48), background=(0, 1, 0)))
    assert one.dtype == np.float32 and one.shape == (48, 48, 3)
    np.testing.assert_allclose(one[24, 24], [0, 0, 1], atol=1e-6)
    np.testing.assert_allclose(one[24, 14], [1, 0, 0], atol=1e-6)
    np.testing.assert_allclose(one[2, 2], [0, 1, 0])


def test_edges_are_smooth():
    image = draw([part(*square(0.0, 0.475), (0, 0, 0))], FRONT, (48, 48))
    np.testing.assert_allclose(image[24, 12:36, 0], [1] * 2 + [0.5] + [0] * 18 + [0.5] + [1] * 2, atol=1e-6)


def test_back_faces_show_only_where_double_sided():
    vertices, faces = square(0.0)
    back = np.asarray(faces)[:, ::-1]
    assert (draw([part(vertices, back, (0, 0, 0))], FRONT, (48, 48)) == 1).all()
    assert draw([part(vertices, back, (0, 0, 0), double_sided=True)], FRONT, (48, 48))[24, 24, 0] == 0
    mixed = [part(vertices, back, (0, 0, 0), double_sided=True), part(*square(-0.2), (255, 0, 0))]
    assert draw(mixed, FRONT, (48, 48))[24, 24, 0] == 0


def test_alpha_blends_far_to_near_and_hides_behind_solid_parts():
    solid = part(*square(0.0), (255, 255, 255))
    glass = part(*square(0.2), (255, 0, 0, 102), alpha=True)
    hidden = part(*square(-0.2), (0, 0, 255, 255), alpha=True)
    image = draw([glass, solid, hidden], FRONT, (48, 48))
    np.testing.assert_allclose(image[24, 24], [1, 0.6, 0.6], atol=1e-5)
    # Both squares in one part, the nearer first in the list of faces, and no seam along the diagonals.
    vertices, faces = square(0.3)
    far, _ = square(0.1)
    both = part(vertices + far, faces + (np.asarray(faces) + 4).tolist(), (0, 0, 0, 51), alpha=True)
    image = draw([both], FRONT, (48, 48))
    np.testing.assert_allclose(image[16:32, 16:32], 0.64, atol=1e-5)


def test_texture_lies_upright():
    vertices, faces = square(0.0)
    thing = part(vertices, faces, (0, 0, 0))
    thing.uv = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32)
    thing.texture = np.zeros((2, 2, 3), np.uint8)
    thing.texture[0, 1] = 255
    image = draw([thing], FRONT, (48, 48))
    assert image[15, 32].min() > 0.9 and image[32, 32].max() < 0.1 and image[15, 15].max() < 0.1


def test_soft_light_shades_and_stays_gentle():
    vertices, faces = ball(24, 36)
    thing = part(vertices.numpy(), faces.numpy(), (200, 200, 200))
    plain, lit = (draw([thing], FRONT, (48, 48), light=light) for light in (None, "soft"))
    inside = plain[..., 0] < 0.99
    shade = lit[inside] / plain[inside]
    assert shade.min() > 0.5 and shade.max() < 1.15 and np.ptp(shade) > 0.15
    assert lit[10, 18, 0] > lit[38, 30, 0]


def test_soft_light_falls_on_the_side_that_is_seen():
    vertices, faces = square(0.0)
    normals = np.tile([0.0, 0, 1], (4, 1))
    front = part(vertices, faces, (200, 200, 200), double_sided=True, normals=normals)
    back = part(vertices, np.asarray(faces)[:, ::-1], (200, 200, 200), double_sided=True, normals=-normals)
    seen, behind = (draw([p], FRONT, (48, 48), light="soft") for p in (front, back))
    np.testing.assert_allclose(seen, behind, atol=1e-6)
    assert seen[24, 24, 0] < 0.95


def test_alpha_parts_are_blended_from_far_to_near():
    far = part(*square(0.1), (255, 0, 0, 128), alpha=True)
    near = part(*square(0.2), (0, 0, 255, 128), alpha=True)
    one, other = (draw(parts, FRONT, (48, 48)) for parts in ([far, near], [near, far]))
    np.testing.assert_array_equal(one, other)
    assert one[24, 24, 2] > one[24, 24, 0]


def test_draw_names_wrong_input():
    thing = part(*square(0.0), (0, 0, 0))
    assert (draw([], FRONT, (4, 4), background=0.5) == 0.5).all()
    for change, name in (
        ({"texture": np.zeros((4, 4), np.uint8)}, "texture of thing"),
        ({"texture": np.zeros((4, 4, 3))}, "texture of thing"),
        ({"uv": np.zeros((3, 2))}, "uv"),
        ({"faces": np.array([[0, 1, 9]])}, "faces of thing"),
    ):
        bad = types.SimpleNamespace(**(vars(thing) | change))
        with pytest.raises(ValueError, match=name):
            draw([bad], FRONT, (4, 4))
    for light in ("hard", np.zeros(4), np.full(3, np.nan)):
        with pytest.raises(ValueError, match="light"):
            draw([thing], FRONT, (4, 4), light=light)
    with pytest.raises(ValueError, match="size"):
        draw([thing], FRONT, (4, -4))


def test_world_normals_undo_camera_normals():
    vertices, faces = ball()
    normals = vertex_normals(vertices, faces)
    cameras = torch.stack([turn(torch.tensor(FRONT), yaw, torch.zeros(3)) for yaw in (20.0, -70)])
    seen = camera_normals(normals, cameras)
    torch.testing.assert_close(world_normals(seen, cameras), normals.expand(2, -1, -1))
    image = seen[:, :10].reshape(2, 2, 5, 3)
    torch.testing.assert_close(world_normals(image, cameras[:, None])[0].reshape(10, 3), normals[:10])


def test_irradiance_is_the_light_over_the_half_sphere():
    g = torch.Generator().manual_seed(0)
    light = torch.randn(9, 3, generator=g, dtype=torch.float64)
    directions = torch.nn.functional.normalize(
        torch.randn(400_000, 3, generator=g, dtype=torch.float64), dim=-1
    )
    normals = directions[:5]
    cosine = (directions @ normals.T).clamp(min=0)
    # The mean over the sphere of light times cosine, times 4 pi, over pi.
    truth = cosine.T @ shade_sh(directions, light) * 4 / len(directions)
    torch.testing.assert_close(shade_sh(normals, irradiance_sh(light)), truth, atol=0.02, rtol=0)
    white = torch.zeros(9, dtype=torch.float64)
    white[0] = (4 * torch.pi) ** 0.5
    torch.testing.assert_close(shade_sh(normals, irradiance_sh(white)), torch.ones(5, dtype=torch.float64))


def test_lights_of_a_drawing():
    vertices, faces = square(0.0)
    normals = np.tile([0.0, 0, 1], (4, 1))
    thing = part(vertices, faces, (255, 255, 255), normals=normals)
    seen = [
        draw([thing], FRONT, (48, 48), background=0, light=light)[24, 24] for light in ((0, 0, 1), (1, 0, 1))
    ]
    np.testing.assert_allclose(seen[0], 1, atol=1e-6)
    np.testing.assert_allclose(seen[1], 0.3 + 0.7 / 2**0.5, atol=1e-6)
    coloured = np.zeros((9, 3))
    coloured[0], coloured[2] = (1, 2, -9), (0.5, 0, 0)
    truth = np.array([0.28209479 + 0.5 * 0.48860251, 2 * 0.28209479, 0])
    np.testing.assert_allclose(draw([thing], FRONT, (48, 48), 0, coloured)[24, 24], truth, atol=1e-6)
    grey = draw([thing], FRONT, (48, 48), 0, coloured[:, 0])[24, 24]
    np.testing.assert_allclose(grey, truth[0], atol=1e-6)
    # Light turns with the camera, and falls on the side that is seen.
    behind = turn(FRONT, 180.0, np.zeros(3))
    both = part(vertices, faces, (255, 255, 255), normals=normals, double_sided=True)
    np.testing.assert_allclose(draw([both], behind, (48, 48), 0, (1, 0, 1))[24, 24], seen[1], atol=1e-6)


def test_turntable_goes_once_around_to_the_left():
    thing = part(np.add(square(0.5, 0.2)[0], [0, 0, 0]), square(0.0)[1], (255, 0, 0), double_sided=True)
    left = part(
        [[0.6, -0.3, 0.2], [0.6, -0.3, -0.2], [0.6, 0.3, -0.2], [0.6, 0.3, 0.2]], square(0.0)[1], (0, 255, 0)
    )
    pictures = list(turntable([thing, left], FRONT, np.zeros(3), (48, 48), 4, background=0.0, light=None))
    assert len(pictures) == 4
    np.testing.assert_array_equal(pictures[0], draw([thing, left], FRONT, (48, 48), background=0.0))
    # After a quarter the part on the head's left (+X) faces the viewer.
    np.testing.assert_allclose(pictures[1][24, 24], [0, 1, 0])
    np.testing.assert_allclose(pictures[2][24, 24], [1, 0, 0])
    assert not np.allclose(pictures[3][24, 24], [0, 1, 0])


def test_contact_sheet():
    pictures = [np.full((4, 6, 3), n, np.uint8) for n in range(5)]
    sheet = contact_sheet(pictures, columns=3, gap=1, background=(9, 8, 7))
    assert sheet.shape == (11, 22, 3) and sheet.dtype == np.uint8
    assert (sheet[1:5, 8:14] == 1).all() and (sheet[6:10, 1:7] == 3).all()
    assert (sheet[0] == (9, 8, 7)).all() and (sheet[6:10, 15:21] == (9, 8, 7)).all()
    assert contact_sheet(pictures[:4], gap=0).shape == (8, 12, 3)
    assert contact_sheet(pictures[:1]).shape == (20, 22, 3)
    for bad, columns, name in (
        ([], None, "none"),
        ([np.zeros((4, 4, 3)), np.zeros((4, 5, 3))], None, "same"),
        ([np.zeros((4, 4))], None, "same"),
        (pictures, 0, "columns"),
    ):
        with pytest.raises(ValueError, match=name):
            contact_sheet(bad, columns)
