"""The renderer against independent truth: rays, differences, strange input, and ten times over."""

import resource
import tracemalloc

import numpy as np
import pytest
import torch
from test_render_rasterise import SIZE, ball, ball_clip, random_mesh

from soaplib.render import (
    antialias,
    clip_positions,
    interpolate,
    memory,
    mesh_edges,
    orthographic,
    peel,
    perspective,
    pixel_steps,
    rasterize,
    render_views,
    texture,
)


def cast(origins, directions, corners):
    """Meet rays (N, 3) with triangles (F, 3, 3): Moeller and Trumbore 1997, all pairs.

    Returns the nearest face or -1, its barycentrics (N, 3), and by how much the ray misses the nearest edge of
    any face, as a share of that face.
    """
    a, e1, e2 = corners[:, 0], corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    p = np.cross(directions[:, None], e2)
    det = (p * e1).sum(-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        t_to = origins[:, None] - a
        u = (t_to * p).sum(-1) / det
        q = np.cross(t_to, e1)
        v = (directions[:, None] * q).sum(-1) / det
        t = (e2 * q).sum(-1) / det
    weights = np.stack((1 - u - v, u, v), -1)
    hit = (weights >= 0).all(-1) & (t > 0)
    t = np.where(hit, t, np.inf)
    face = t.argmin(1)
    rows = np.arange(len(face))
    margin = np.where(np.isfinite(weights).all(-1), abs(weights).min(-1), np.inf).min(1)
    return np.where(np.isfinite(t[rows, face]), face, -1), weights[rows, face], margin


def crumpled_ball():
    """Return a ball with bumps that hide one another, and smooth colours at its vertices."""
    vertices, faces = ball(12, 16)
    g = torch.Generator().manual_seed(4)
    waves = torch.randn(6, 3, generator=g, dtype=torch.float64) * 5
    vertices = vertices * (1 + 0.12 * torch.sin(vertices @ waves.T).mean(-1, keepdim=True) * 2)
    return vertices, faces, 0.5 + 0.5 * torch.sin(vertices * 3 + 1)


@pytest.mark.parametrize("kind", ["orthographic", "perspective"])
def test_pictures_are_those_of_rays(kind):
    vertices, faces, colour = crumpled_ball()
    height, width = size = (60, 66)
    y, x = np.mgrid[:height, :width] + 0.5
    pixels = np.stack((x, y), -1).reshape(-1, 2)
    if kind == "orthographic":
        camera = orthographic(np.eye(3), 25.0, (33.5, 29.0))
        origins = np.c_[(pixels[:, 0] - 33.5) / 25, (29 - pixels[:, 1]) / 25, np.full(len(pixels), 9.0)]
        directions = np.tile([0.0, 0, -1], (len(pixels), 1))
    else:
        camera = perspective(np.eye(3), np.array([0.0, 0, -3]), 60.0, (33.5, 29.0))
        origins = np.tile([0.0, 0, 3], (len(pixels), 1))
        directions = np.c_[(pixels[:, 0] - 33.5) / 60, (29 - pixels[:, 1]) / 60, np.full(len(pixels), -1.0)]
    face, weights, margin = cast(origins, directions, vertices.numpy()[faces])
    expected = (colour.numpy()[faces[face]] * weights[..., None]).sum(1)
    expected[face < 0] = 0

    for dtype in (torch.float32, torch.float64):
        clip = clip_positions(vertices.to(dtype), torch.tensor(camera, dtype=dtype), size)
        rast = rasterize(clip, faces, size)
        seen = interpolate(colour.to(dtype)[None], rast, faces)[0].reshape(-1, 3).numpy()
        away = margin > 2e-5
        assert away.mean() > 0.98 and 0.3 < (face >= 0).mean() < 0.9
        right = (abs(seen - expected) <= 1 / 255).all(-1)
        assert right[away].mean() >= 0.999
        same = rast[0, ..., 3].reshape(-1).numpy() - 1 == face
        assert same[away].mean() >= 0.999
    # Antialiasing leaves alone whatever is more than a pixel from a change of surface.
    smooth = render_views(vertices, faces, camera, size, colour).attributes[0].numpy()
    ids = face.reshape(size)
    covered = np.zeros((height, width), bool)
    covered[1:-1, 1:-1] = np.stack(
        [
            ids[1 + dy : height - 1 + dy, 1 + dx : width - 1 + dx] >= 0
            for dy in (-1, 0, 1)
            for dx in (-1, 0, 1)
        ]
    ).all(0)
    close = (abs(smooth - expected.reshape(*size, 3)) <= 1 / 255).all(-1)
    assert close[covered].mean() > 0.97


@pytest.mark.parametrize("kind", ["orthographic", "perspective"])
@pytest.mark.parametrize("seed", range(3))
def test_silhouettes_cover_what_finer_pixels_do(kind, seed):
    vertices, faces = ball(12, 16)
    clip = ball_clip(vertices, seed)
    if kind == "orthographic":
        clip = torch.cat((clip[..., :3] / clip[..., 3:], torch.ones_like(clip[..., 3:])), -1)
    size, fine = (40, 48), 16
    rast = rasterize(clip, faces, size)
    hard = (rast[..., 3:] > 0).double()
    soft = antialias(hard, rast, clip, faces)[0, ..., 0]
    finer = rasterize(clip, faces, (size[0] * fine, size[1] * fine))[0, ..., 3] > 0
    truth = finer.double().reshape(size[0], fine, size[1], fine).mean((1, 3))
    border = (truth > 0) & (truth < 1)
    assert border.sum() > 60
    assert (soft - truth)[border].abs().mean() < 0.45 * (hard[0, ..., 0] - truth)[border].abs().mean()
    torch.testing.assert_close(soft.sum(), truth.sum(), rtol=2e-3, atol=0)
    torch.testing.assert_close(soft[~border], truth[~border], atol=0.15, rtol=0)


def test_occluding_contours_move_vertices_too():
    # A near ball before a far one of another colour: moving the near one's contour changes the loss as predicted.
    vertices, faces = ball(10, 14)
    near = ball_clip(vertices * 0.6, 1)
    far = ball_clip(vertices * 1.1, 2)
    far[..., 2] = far[..., 2] / 4 + 0.7 * far[..., 3]
    near[..., 2] = near[..., 2] / 4 - 0.5 * near[..., 3]
    both, count = torch.cat((faces, faces + len(vertices))), len(vertices)
    colours = torch.cat((torch.full((count, 1), 0.9), torch.full((count, 1), 0.2))).double()
    # The contour is short: fine pixels keep what one row or column of them says from counting much.
    size = (160, 192)
    y, x = torch.meshgrid(torch.arange(size[0]), torch.arange(size[1]), indexing="ij")
    weight = (torch.sin(x / 24.0) + y / 160)[..., None].double()

    def loss(c):
        clip = torch.cat((c, far), 1)
        rast = rasterize(clip, both, size)
        return (weight * antialias(interpolate(colours, rast, both), rast, clip, both)).sum()

    g = torch.Generator().manual_seed(0)
    c = near.clone().requires_grad_()
    loss(c).backward()
    worst = scale = 0.0
    for _ in range(6):
        move = torch.zeros_like(near)
        move[..., :2] = (near[..., [0, 1, 3]] @ torch.randn(3, 3, generator=g, dtype=torch.float64))[..., :2]
        expected = (loss(near + 0.02 * move) - loss(near - 0.02 * move)) / 0.04
        worst = max(worst, float(abs((c.grad * move).sum() - expected)))
        scale = max(scale, float(abs(expected)))
    assert scale > 1 and worst <= 5e-2 * scale


def everything(clip, faces, size):
    """Run each operation forward and backward; returns the layers, the image and the gradient."""
    clip = clip.clone().requires_grad_()
    rast = rasterize(clip, faces, size)
    g = torch.Generator().manual_seed(0)
    uv = interpolate(torch.rand(1, clip.shape[1], 2, generator=g, dtype=clip.dtype), rast, faces)
    steps = pixel_steps(
        torch.rand(clip.shape[1], 2, generator=g, dtype=clip.dtype), rast, clip.detach(), faces
    )
    image = texture(torch.rand(1, 4, 4, 3, generator=g, dtype=clip.dtype), uv, mip=True, steps=steps)
    image = antialias(image, rast, clip, faces)
    image.sum().backward()
    return peel(clip.detach(), faces, size, 2), image.detach(), clip.grad


def assert_sane(clip, faces, size):
    layers, image, grad = everything(clip, faces, size)
    assert image.shape == (len(clip), *size, 3) and torch.isfinite(image).all()
    assert (image >= -1e-3).all() and (image <= 1 + 1e-3).all()
    for rast in layers:
        assert torch.isfinite(rast).all()
        assert (rast[..., :2] >= 0).all() and (rast[..., :2].sum(-1) <= 1 + 1e-6).all()
        assert (rast[..., 3] >= 0).all() and (rast[..., 3] <= len(faces)).all()
        assert (rast[..., 2].abs() <= 1).all()
        drawn = torch.unique(rast[..., 3][rast[..., 3] > 0]).long() - 1
        corners = clip[:, faces[drawn]] if len(drawn) else clip[:, :0]
        assert torch.isfinite(corners).all() if len(clip) == 1 else True
    return grad


STRANGE = [0.0, -0.0, float("nan"), float("inf"), -float("inf"), 1e30, -1e30, 1e-30, 1e-42, -1.0, 3.4e38]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("seed", range(12))
def test_strange_input_gives_a_sane_image(seed, dtype):
    rng = np.random.default_rng(seed)
    count = int(rng.integers(1, 30))
    clip, _ = random_mesh(seed, count=12, images=1, dtype=torch.float64)
    clip = clip[0].numpy().copy()
    strange = rng.random(clip.shape) < rng.choice([0.02, 0.2])
    clip[strange] = rng.choice(STRANGE, int(strange.sum()))
    # Random vertices, so that faces repeat theirs and edges have many faces.
    faces = rng.integers(0, len(clip), (count, 3))
    size = tuple(int(s) for s in rng.choice([1, 2, 3, 17, 40], 2))
    assert_sane(torch.tensor(clip[None], dtype=dtype), torch.tensor(faces), size)


@pytest.mark.parametrize("scale", [1e-12, 1e-4, 1e6, 1e20])
def test_the_image_does_not_depend_on_the_scale_of_homogeneous_positions(scale):
    clip, faces = random_mesh(3, count=30)
    one, two = rasterize(clip, faces, SIZE), rasterize(clip * scale, faces, SIZE)
    same = one[..., 3] == two[..., 3]
    assert same.double().mean() > 0.999
    torch.testing.assert_close(one[same], two[same], rtol=1e-7, atol=1e-7)


def test_triangles_far_larger_than_the_image_cover_it():
    for far in (1e3, 1e9, 1e15):
        clip = torch.tensor([[[-far, -far, 0, 1], [3 * far, -far, 0, 1], [-far, 3 * far, 0, 1]]])
        for dtype in (torch.float32, torch.float64):
            rast = rasterize(clip.to(dtype), torch.tensor([[0, 1, 2]]), (9, 200))
            assert (rast[..., 3] == 1).all()
            torch.testing.assert_close(rast[..., 0], torch.full_like(rast[..., 0], 0.5), atol=1e-3, rtol=0)


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (300, 1)])
def test_single_pixels_rows_and_columns(size):
    vertices, faces = ball()
    clip = ball_clip(vertices)
    grad = assert_sane(clip, faces, size)
    assert torch.isfinite(grad).all()
    assert (rasterize(clip, faces, (1, 1))[..., 3] > 0).all()


def test_empty_things_are_empty():
    clip = torch.zeros(0, 5, 4)
    assert rasterize(clip, torch.tensor([[0, 1, 2]]), (3, 4)).shape == (0, 3, 4, 4)
    none = torch.empty(0, 3, dtype=torch.int64)
    for vertices in (0, 5):
        assert_sane(torch.ones(2, vertices, 4), none, (3, 4))
    rast = rasterize(torch.ones(1, 5, 4), none, (3, 4))
    assert interpolate(torch.ones(1, 5, 0), rast, none).shape == (1, 3, 4, 0)
    assert mesh_edges(none).shape == (0, 3)


def test_a_million_faces():
    n = 708
    y, x = torch.meshgrid(torch.linspace(-0.9, 0.9, n), torch.linspace(-0.9, 0.9, n), indexing="ij")
    z = 0.2 * torch.sin(6 * x) * torch.cos(5 * y)
    clip = torch.stack((x, y, z, torch.ones_like(x)), -1).reshape(1, -1, 4).requires_grad_()
    a = (torch.arange(n - 1)[:, None] * n + torch.arange(n - 1)).reshape(-1)
    faces = torch.cat((torch.stack((a, a + 1, a + n), 1), torch.stack((a + n, a + 1, a + n + 1), 1)))
    assert len(faces) == 999_698
    rast = rasterize(clip, faces, (200, 200))
    colour = interpolate(clip[..., :3].detach(), rast, faces)
    image = antialias(torch.cat((colour, (rast[..., 3:] > 0).float()), -1), rast, clip, faces)
    image.sum().backward()
    centre = (torch.arange(200) + 0.5) / 100 - 1
    inside = centre.abs() < 0.89
    square = image[0][inside][:, inside]
    torch.testing.assert_close(square[..., 0], centre[inside].expand(len(square), -1), atol=1e-4, rtol=0)
    torch.testing.assert_close(
        square[..., 1], -centre[inside][:, None].expand_as(square[..., 1]), atol=1e-4, rtol=0
    )
    torch.testing.assert_close(image[..., 3].sum(), torch.tensor(180.0**2), rtol=1e-3, atol=0)
    assert torch.isfinite(clip.grad).all()


def test_more_faces_than_float32_can_count_are_refused():
    faces = torch.zeros(1 << 24, 3, dtype=torch.int32)
    with pytest.raises(ValueError, match="float64"):
        rasterize(torch.ones(1, 3, 4), faces, (1, 1))


def test_memory_serves_again_but_never_while_it_is_held(monkeypatch):
    monkeypatch.setattr(memory, "_buffers", [])  # what other tests have left would serve first
    first = memory.empty((300, 300), np.float64)
    address = first.ctypes.data
    second = memory.empty((300, 300), np.float64)
    assert second.ctypes.data != address
    tensor = torch.from_numpy(first)[5:]
    del first
    third = memory.empty((300, 300), np.float64)
    assert third.ctypes.data not in (address, second.ctypes.data)
    del tensor
    assert memory.empty((300, 300), np.float64).ctypes.data == address
    assert not memory.zeros((300, 300), np.float64).any()
    assert memory.empty((0, 3), np.float32).shape == (0, 3)


def test_results_are_not_overwritten_by_later_calls():
    clip, faces = random_mesh(1, count=40, dtype=torch.float32)
    values = torch.rand(1, clip.shape[1], 3)
    kept = []
    for turn in range(6):
        moved = clip + 0.05 * turn
        rast = rasterize(moved, faces, (150, 150))
        image = antialias(interpolate(values, rast, faces), rast, moved, faces)
        kept.append((rast, image, rast.clone(), image.clone()))
    assert all(torch.equal(a, c) and torch.equal(b, d) for a, b, c, d in kept)


def test_no_memory_grows_over_many_steps():
    vertices, faces = ball(14, 20)
    start, edges = ball_clip(vertices).float(), mesh_edges(faces)
    values = torch.rand(1, len(vertices), 3)

    def steps(count):
        clip = start.clone().requires_grad_()
        for _ in range(count):
            rast = rasterize(clip, faces, (128, 128))
            image = antialias(interpolate(values, rast, faces), rast, clip, faces, edges)
            clip.grad = None
            image.square().mean().backward()

    steps(30)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    tracemalloc.start()
    steps(5)
    allocated = tracemalloc.get_traced_memory()[0]
    steps(60)
    grown = tracemalloc.get_traced_memory()[0] - allocated
    tracemalloc.stop()
    # One image is 0.2 MB: any that stays would show dozens of times.
    assert grown < 200_000
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 30_000


def test_float32_is_computed_in_float64_and_rounded_once():
    vertices, faces = ball(30, 40)
    g = torch.Generator().manual_seed(0)
    clip = ball_clip(vertices).float()
    values = torch.randn(1, len(vertices), 2, generator=g)
    image = torch.rand(1, 64, 64, 3, generator=g)
    weight = torch.randn(1, 120, 130, 3, generator=g)

    def everything(dtype):
        c, v, i = (t.to(dtype).requires_grad_() for t in (clip, values, image))
        rast = rasterize(c, faces, (120, 130))
        uv = interpolate(v, rast.detach(), faces)
        seen = antialias(texture(i, uv), rast, c, faces)
        grads = torch.autograd.grad((weight.to(dtype) * seen).sum(), (v, i))
        moved = torch.autograd.grad((rast[..., :2] * weight[..., :2].to(dtype)).sum(), c)
        return rast, *grads, *moved

    single, double = everything(torch.float32), everything(torch.float64)
    assert torch.equal(single[0], double[0].float())
    for one, two in zip(single[1:], double[1:], strict=True):
        assert (one - two).abs().max() <= 2e-5 * two.abs().max()


@pytest.mark.parametrize("seed", range(4))
def test_silhouettes_of_faces_that_reach_behind_the_camera(seed):
    # A strip of two faces runs past the camera: its sides are silhouettes between one end before and one behind.
    g = torch.Generator().manual_seed(seed)
    places = torch.tensor(
        [[-0.5, -0.6, 2], [0.6, -0.5, 2], [0.5, -1.1, -1], [-0.6, -1, -1]], dtype=torch.float64
    )
    places[:, :2] += 0.2 * torch.randn(4, 2, generator=g, dtype=torch.float64)
    clip = torch.stack((places[:, 0], places[:, 1], 0.1 * places[:, 2], places[:, 2]), -1)[None]
    faces, size, fine = torch.tensor([[0, 1, 2], [0, 2, 3]]), (30, 40), 16
    if seed % 2:
        faces = faces.flip(1)

    def soft(c, s=size):
        rast = rasterize(c, faces, s)
        return antialias((rast[..., 3:] > 0).double(), rast, c, faces)[0, ..., 0]

    finer = rasterize(clip, faces, (size[0] * fine, size[1] * fine))[0, ..., 3] > 0
    truth = finer.double().reshape(size[0], fine, size[1], fine).mean((1, 3))
    border = (truth > 0) & (truth < 1)
    assert border.sum() > 25
    assert (soft(clip) - truth)[border].abs().mean() < 0.06

    weight = torch.randn(size, generator=g, dtype=torch.float64)
    c = clip.clone().requires_grad_()
    (weight * soft(c)).sum().backward()
    assert c.grad[0, 2:].abs().max() > 0.1
    for _ in range(4):
        move = torch.randn(clip.shape, generator=g, dtype=torch.float64)
        up, down = ((weight * soft(clip + s * 1e-6 * move)).sum() for s in (1, -1))
        torch.testing.assert_close((c.grad * move).sum(), (up - down) / 2e-6, rtol=1e-3, atol=1e-3)
