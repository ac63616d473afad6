"""Baking: known colours come back, hidden surfaces stay clean, backgrounds never bleed in, seams vanish."""

import numpy as np
import pytest

from soaplib.data import VIEW_YAWS
from soaplib.render import orthographic, turn
from soaplib.texture.bake import look, prepare_view
from soaplib.texture.blend import FADES, blend, equalise, view_weight
from soaplib.texture.surface import graph_laplacian, smooth_field

SIZE = 256


def sphere(rings=48, sectors=96, radius=0.1):
    polar, around = np.meshgrid(
        np.linspace(0.02, np.pi - 0.02, rings), np.arange(sectors) * 2 * np.pi / sectors
    )
    points = np.stack([np.sin(polar) * np.sin(around), np.cos(polar), np.sin(polar) * np.cos(around)], -1)
    ids = np.arange(points[..., 0].size).reshape(polar.shape)
    after = np.roll(ids, -1, 0)
    a, b, c, d = ids[:, :-1], ids[:, 1:], after[:, 1:], after[:, :-1]
    faces = np.concatenate([np.stack([a, b, c], -1).reshape(-1, 3), np.stack([a, c, d], -1).reshape(-1, 3)])
    return radius * points.reshape(-1, 3), faces.astype(np.int32)


def colour_at(points):
    x, y, z = (30 * points).T
    return np.stack([0.5 + 0.3 * np.sin(x + y), 0.5 + 0.3 * np.sin(y - z), 0.5 + 0.3 * np.cos(z + x)], -1)


def cameras(size=SIZE):
    front = orthographic(np.eye(3), size / 0.25, np.array([size / 2, size / 2]))
    return [turn(front, float(yaw), np.zeros(3)) for yaw in VIEW_YAWS]


def photograph(camera, colour=colour_at, size=SIZE, radius=0.1, background=1.0):
    """An exact picture of a coloured sphere, averaged over 3 x 3 rays a pixel, and its mask."""
    steps = (np.arange(3 * size) + 0.5) / 3
    x, y = np.meshgrid(steps, steps)
    scale = np.linalg.norm(camera[0, :3])
    u, v = (x - camera[0, 3]) / scale, -(y - camera[1, 3]) / scale
    inside = u**2 + v**2 < radius**2
    w = np.sqrt(np.maximum(radius**2 - u**2 - v**2, 0))
    rotation = camera[:3, :3] / scale * np.array([[1], [-1], [-1]])
    points = np.stack([u, v, w], -1) @ rotation
    picture = np.where(inside[..., None], colour(points.reshape(-1, 3)).reshape(*inside.shape, 3), background)
    mean = picture.reshape(size, 3, size, 3, 3).mean((1, 3))
    return mean.astype(np.float32), inside.reshape(size, 3, size, 3).mean((1, 3)).astype(np.float32)


def seers(vertices, faces, shots):
    reach = [FADES[0] * SIZE] + [FADES[1] * SIZE] * 5
    return [
        prepare_view(*shot, c, vertices, faces, r) for shot, c, r in zip(shots, cameras(), reach, strict=True)
    ]


def plain_changes(count):
    return lambda k: (np.zeros((count, 3), np.float32), np.ones(count, np.float32))


def psnr(a, b):
    return -10 * np.log10(((a - b) ** 2).mean())


def test_six_views_give_the_sphere_its_colours():
    vertices, faces = sphere()
    normals = vertices / 0.1
    painted = blend(
        seers(vertices, faces, [photograph(c) for c in cameras()]),
        vertices,
        normals,
        plain_changes(len(vertices)),
    )
    seen = painted.trust > 0.9
    assert seen.mean() > 0.75
    assert psnr(painted.colour[seen], colour_at(vertices)[seen]) > 35


def test_the_first_view_alone_paints_what_it_sees_well():
    vertices, faces = sphere()
    red = photograph(cameras()[0], lambda p: np.tile([0.9, 0.1, 0.1], (len(p), 1)))
    shots = [red] + [photograph(c, lambda p: np.tile([0.1, 0.1, 0.9], (len(p), 1))) for c in cameras()[1:]]
    painted = blend(seers(vertices, faces, shots), vertices, vertices / 0.1, plain_changes(len(vertices)))
    well = vertices[:, 2] > 0.045
    assert np.allclose(painted.colour[well], [0.9, 0.1, 0.1], atol=0.01)
    behind = (vertices[:, 2] < -0.01) & (painted.trust > 0.9)
    assert np.allclose(painted.colour[behind], [0.1, 0.1, 0.9], atol=0.01)


def test_no_background_bleeds_in():
    vertices, faces = sphere(radius=0.104)  # larger than what the pictures show
    shots = [photograph(c, lambda p: np.full((len(p), 3), 0.2)) for c in cameras()]
    painted = blend(seers(vertices, faces, shots), vertices, vertices / 0.104, plain_changes(len(vertices)))
    assert painted.colour[painted.trust > 0].max() < 0.25


def test_a_hidden_surface_never_takes_the_colour_before_it():
    """A green plate before a red wall: what the plate hides of the wall, and what is near, stays unknown or red."""

    def plate(half, z):
        grid = np.linspace(-half, half, 41)
        x, y = np.meshgrid(grid, grid)
        points = np.stack([x, y, np.full_like(x, z)], -1).reshape(-1, 3)
        ids = np.arange(41 * 41).reshape(41, 41)
        a, b, c, d = ids[:-1, :-1], ids[:-1, 1:], ids[1:, 1:], ids[1:, :-1]
        return points, np.concatenate(
            [np.stack([a, b, c], -1).reshape(-1, 3), np.stack([a, c, d], -1).reshape(-1, 3)]
        )

    wall, wall_faces = plate(0.1, 0.0)
    front, front_faces = plate(0.03, 0.02)
    camera = cameras()[0]
    image = np.full((SIZE, SIZE, 3), 1.0, np.float32)
    mask = np.zeros((SIZE, SIZE), np.float32)
    pixels = lambda half: slice(round(SIZE / 2 - half * SIZE / 0.25), round(SIZE / 2 + half * SIZE / 0.25))  # noqa: E731
    image[pixels(0.1), pixels(0.1)], mask[pixels(0.1), pixels(0.1)] = [0.8, 0.1, 0.1], 1
    image[pixels(0.031), pixels(0.031)] = [0.1, 0.8, 0.1]  # the plate looks a little larger than it is
    vertices = np.concatenate([wall, front])
    faces = np.concatenate([wall_faces, front_faces + len(wall)]).astype(np.int32)
    seer = prepare_view(image, mask, camera, vertices, faces, FADES[0] * SIZE)
    seen = look(seer, vertices, np.tile([0.0, 0, 1], (len(vertices), 1)))
    of_wall = np.arange(len(vertices)) < len(wall)
    green = seen.sharp[:, 1] > 0.4
    weight = view_weight(seen, FADES[0] * SIZE)
    assert (
        weight[of_wall & green].max() < 0.75
        and weight[of_wall & (np.abs(vertices[:, :2]).max(1) < 0.03)].max() == 0
    )
    assert weight[~of_wall & (np.abs(vertices[:, :2]).max(1) < 0.028)].min() == 1
    assert weight[of_wall & (np.abs(vertices[:, 0]) > 0.05) & (np.abs(vertices) < 0.09).all(1)].min() == 1


def test_offsets_join_views_of_different_brightness():
    vertices, faces = sphere(24, 48)
    laplacian = graph_laplacian(faces, vertices)
    truth = colour_at(vertices)
    normals = vertices / 0.1
    weights = np.stack(
        [np.clip(normals @ c[2, :3] / -np.linalg.norm(c[2, :3]), 0, 1) ** 2 for c in cameras()]
    )
    change = np.array([0, 0.08, -0.05, 0.1, -0.06, 0.04])
    soft = truth[None] + change[:, None, None]
    offsets, agreement = equalise(soft, weights, laplacian)
    assert (offsets[0] == 0).all()
    for k in range(1, 6):
        sees = weights[k] > 0.3
        assert np.abs(offsets[k][sees] + change[k]).max() < 0.03
        assert agreement[k][sees].min() > 0.8


def test_a_view_that_contradicts_the_first_is_doubted_there():
    vertices, faces = sphere(24, 48)
    laplacian = graph_laplacian(faces, vertices)
    first, other = np.full((len(vertices), 3), 0.8), np.full((len(vertices), 3), 0.8)
    wrong = vertices[:, 1] > 0.03
    other[wrong] = 0.1
    ones = np.ones(len(vertices))
    _, agreement = equalise(np.stack([first, other]), np.stack([ones, ones]), laplacian, order=(0, 1))
    assert agreement[1][vertices[:, 1] > 0.06].max() < 0.1
    assert agreement[1][vertices[:, 1] < -0.03].min() > 0.8


def test_a_smooth_field_is_harmonic_where_nothing_is_known():
    faces = np.array([[i, i + 1, 12] for i in range(11)])
    laplacian = graph_laplacian(faces, np.random.default_rng(1).random((13, 3)))
    assert np.abs(np.asarray(laplacian.sum(1))).max() < 1e-12
    trust, values = np.zeros(13), np.zeros((13, 1))
    trust[[0, 11]], values[11] = 1e6, 1
    field = smooth_field(laplacian, values, trust, 1.0)
    free = np.setdiff1d(np.arange(13), [0, 11])
    assert np.abs((laplacian @ field)[free]).max() < 1e-6
    assert field.min() > -1e-6 and field.max() < 1 + 1e-6


def test_the_same_input_gives_the_same_bits():
    vertices, faces = sphere()
    shots = [photograph(c) for c in cameras()]
    runs = [
        blend(seers(vertices, faces, shots), vertices, vertices / 0.1, plain_changes(len(vertices)))
        for _ in range(2)
    ]
    assert runs[0].colour.tobytes() == runs[1].colour.tobytes()


def test_edges_do_not_ring():
    image = np.zeros((32, 32, 3), np.float32)
    image[:, 16:] = 1
    camera = orthographic(np.eye(3), 32 / 0.2, np.array([16.0, 16]))
    grid = np.linspace(-0.09, 0.09, 61)
    points = np.stack([*np.meshgrid(grid, grid), np.zeros((61, 61))], -1).reshape(-1, 3)
    wall = np.array([[-1, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]]) * 0.1
    seer = prepare_view(image, np.ones((32, 32)), camera, wall, np.array([[0, 1, 2], [0, 2, 3]], np.int32), 2)
    seen = look(seer, points, np.tile([0.0, 0, 1], (len(points), 1)))
    assert seen.sharp.min() > -0.16 and seen.sharp.max() < 1.16
    assert seen.sharp[points[:, 0] > 0.02].min() > 0.9
    assert seen.cosine == pytest.approx(1)
