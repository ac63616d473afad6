import concurrent.futures
import subprocess
import sys

import numba
import numpy as np
import pytest
import torch

from soaplib.render import antialias, interpolate, mesh_edges, rasterize, texture

SIZE = (24, 32)


def random_mesh(seed, count=12, images=2, dtype=torch.float64):
    """Return clip positions (B, V, 4) of separate random triangles under a perspective, and faces."""
    g = torch.Generator().manual_seed(seed)
    w = 1 + torch.rand(images, 3 * count, 1, generator=g, dtype=torch.float64)
    centre = torch.rand(images, count, 1, 2, generator=g, dtype=torch.float64) * 1.6 - 0.8
    corner = torch.rand(images, count, 3, 2, generator=g, dtype=torch.float64) * 1.2 - 0.6
    z = torch.rand(images, 3 * count, 1, generator=g, dtype=torch.float64) * 1.6 - 0.8
    xy = (centre + corner).reshape(images, -1, 2)
    return torch.cat((xy * w, z * w, w), -1).to(dtype), torch.arange(3 * count).reshape(-1, 3)


def ball(rings=9, segments=14):
    """Return vertices (V, 3) and faces of a closed unit sphere, counter-clockwise from outside."""
    t = np.linspace(0, np.pi, rings + 1)[1:-1, None]
    p = np.linspace(0, 2 * np.pi, segments, endpoint=False)[None]
    middle = np.stack((np.sin(t) * np.sin(p), np.cos(t) + 0 * p, np.sin(t) * np.cos(p)), -1).reshape(-1, 3)
    vertices = np.concatenate(([[0, 1, 0]], middle, [[0, -1, 0]]))
    faces, south = [], len(vertices) - 1
    for s in range(segments):
        n = (s + 1) % segments
        faces.append((0, 1 + s, 1 + n))
        for r in range(rings - 2):
            a, b = 1 + r * segments + s, 1 + r * segments + n
            faces += [(a, a + segments, b), (b, a + segments, b + segments)]
        last = 1 + (rings - 2) * segments
        faces.append((last + s, south, last + n))
    return torch.tensor(vertices), torch.tensor(faces)


def ball_clip(vertices, seed=0):
    """Turn a ball a little at random and put it before a perspective camera: (1, V, 4)."""
    g = torch.Generator().manual_seed(seed)
    q, _ = torch.linalg.qr(torch.randn(3, 3, generator=g, dtype=torch.float64))
    p = (vertices @ (q * torch.linalg.det(q)).T) * torch.tensor([0.9, 0.8, 0.9], dtype=torch.float64)
    w = 2 - 0.5 * p[:, 2]
    return torch.stack((1.3 * p[:, 0] + 0.05, 1.3 * p[:, 1], -p[:, 2] * 0.8 * w, w), -1)[None]


def test_triangle_covers_the_pixels_and_barycentrics_computed_by_hand():
    # In a 4 x 4 image the corners lie at pixels (0, 0), (4, 0) and (0, 4): the upper left half.
    clip = torch.tensor([[[-1.0, 1, 0.5, 1], [1, 1, 0.5, 1], [-1, -1, 0.5, 1]]])
    rast = rasterize(clip, torch.tensor([[0, 1, 2]]), (4, 4))
    y, x = np.mgrid[:4, :4] + 0.5
    inside = x + y <= 4
    np.testing.assert_array_equal(rast[0, ..., 3], inside)
    np.testing.assert_allclose(rast[0, ..., 0], np.where(inside, 1 - x / 4 - y / 4, 0), atol=1e-7)
    np.testing.assert_allclose(rast[0, ..., 1], np.where(inside, x / 4, 0), atol=1e-7)
    np.testing.assert_allclose(rast[0, ..., 2], np.where(inside, 0.5, 0), atol=1e-7)
    assert rast.dtype == torch.float32


def test_barycentrics_are_perspective_correct():
    # A segment from w = 1 to w = 3: at its middle on the screen the far end has weight 1/4.
    clip = torch.tensor([[[-1.0, 2, 0, 1], [3, 6, 0, 3], [0, -4, 0, 2]]], dtype=torch.float64)
    rast = rasterize(clip, torch.tensor([[0, 1, 2]]), (1, 1))
    u, v = rast[0, 0, 0, :2]
    point = u * clip[0, 0] + v * clip[0, 1] + (1 - u - v) * clip[0, 2]
    np.testing.assert_allclose(point[:2], 0, atol=1e-12)
    np.testing.assert_allclose(v / u, 1 / 3)


def test_nearest_face_wins_and_ties_go_to_the_lowest():
    shape = torch.tensor([[-3.0, -1], [3, -1], [0, 5]])

    def layer(z):
        return torch.cat((shape, torch.full((3, 1), z), torch.ones(3, 1)), 1)

    clip = torch.cat((layer(0.5), layer(-0.25), layer(-0.25), layer(0.1)))[None]
    faces = torch.arange(12).reshape(4, 3)
    assert (rasterize(clip, faces, (2, 2))[..., 3] == 2).all()
    assert (rasterize(clip, faces.flip(0), (2, 2))[..., 3] == 2).all()


def test_pixels_outside_the_depth_range_and_faces_behind_are_not_drawn():
    clip = torch.tensor([[[-3.0, -3, -2, 1], [3, -3, 0, 1], [0, 3, 2, 1]]])
    rast = rasterize(clip, torch.tensor([[0, 1, 2]]), (16, 16))
    drawn = rast[..., 3] > 0
    assert 0 < drawn.sum() < 256 and (rast[..., 2].abs() <= 1).all()
    clip[0, :, 3] = -1
    assert not rasterize(clip, torch.tensor([[0, 1, 2]]), (16, 16)).any()


def test_cull_keeps_counter_clockwise_faces():
    clip = torch.tensor([[[-1.0, -1, 0, 1], [1, -1, 0, 1], [0, 1, 0, 1]]])
    front, back = torch.tensor([[0, 1, 2]]), torch.tensor([[0, 2, 1]])
    assert rasterize(clip, front, (8, 8), cull=True).any()
    assert not rasterize(clip, back, (8, 8), cull=True).any()
    assert rasterize(clip, back, (8, 8)).any()


@pytest.mark.parametrize("cull", [False, True])
@pytest.mark.parametrize("behind", [False, True])
def test_agrees_with_a_ray_caster(cull, behind):
    clip, faces = random_mesh(3, count=30)
    if behind:
        # A corner of each face lies behind the camera; only the part in front is seen.
        clip[:, ::3, 3], clip[..., 2] = -0.4, 0.3 * clip[..., 2]
    rast = rasterize(clip, faces, SIZE, cull).numpy()
    for b in range(len(clip)):
        expected, margin = cast_rays(clip[b].numpy(), faces.numpy(), SIZE, cull)
        sure = margin > 1e-9
        assert sure.mean() > 0.99 and (expected[..., 3] > 0).mean() > 0.3
        np.testing.assert_allclose(rast[b][sure], expected[sure], atol=1e-9)


def cast_rays(clip, faces, size, cull):
    """Solve [x y w] b = (fx, fy, 1) for each pixel and face, by matrix inverse; margin: distance to a tie."""
    height, width = size
    fx = (np.arange(width) + 0.5) * 2 / width - 1
    fy = 1 - (np.arange(height) + 0.5) * 2 / height
    ray = np.stack((*np.broadcast_arrays(fx[None], fy[:, None]), np.ones(size)), -1)
    best = np.full(size, np.inf)
    out, margin = np.zeros((*size, 4)), np.full(size, np.inf)
    for f, corners in enumerate(clip[faces]):
        if cull and np.linalg.det(corners[:, [0, 1, 3]]) < 0:
            continue
        weight = ray @ np.linalg.inv(corners[:, [0, 1, 3]])
        b = weight / weight.sum(-1, keepdims=True)
        z = (weight @ corners[:, 2]) / (weight @ corners[:, 3])
        hit = (weight >= 0).all(-1) & (abs(z) <= 1)
        margin = np.minimum(margin, abs(weight).min(-1))
        margin = np.where(hit, np.minimum(margin, abs(z - best)), margin)
        closer = hit & (z < best)
        best = np.where(closer, z, best)
        out = np.where(closer[..., None], np.stack((b[..., 0], b[..., 1], z, np.full(size, f + 1)), -1), out)
    return out, margin


def test_shared_edges_leave_no_gap():
    g = torch.Generator().manual_seed(5)
    n = 12
    grid = torch.stack(
        torch.meshgrid(torch.linspace(-1.2, 1.2, n), torch.linspace(-1.2, 1.2, n), indexing="ij"), -1
    )
    grid[1:-1, 1:-1] += (torch.rand(n - 2, n - 2, 2, generator=g) - 0.5) * 0.08
    clip = torch.cat((grid.reshape(1, -1, 2), torch.zeros(1, n * n, 1), torch.ones(1, n * n, 1)), -1)
    a = (torch.arange(n - 1)[:, None] * n + torch.arange(n - 1)).reshape(-1)
    faces = torch.cat((torch.stack((a, a + 1, a + n), 1), torch.stack((a + n, a + 1, a + n + 1), 1)))
    assert (rasterize(clip, faces, (333, 217))[..., 3] > 0).all()


def test_interior_gradients_match_central_differences():
    clip, faces = random_mesh(7)
    g = torch.Generator().manual_seed(1)
    values = torch.randn(1, clip.shape[1], 3, generator=g, dtype=torch.float64)
    weight = torch.randn(2, *SIZE, 3, generator=g, dtype=torch.float64)
    step = 1e-6

    def image(c, a):
        rast = rasterize(c, faces, SIZE)
        return interpolate(a, rast, faces), rast[..., 3]

    for trial in range(4):
        move = torch.randn(clip.shape, generator=g, dtype=torch.float64)
        change = torch.randn(values.shape, generator=g, dtype=torch.float64)
        (up, ids_up), (down, ids_down) = (
            image(clip + s * step * move, values + s * step * change) for s in (1, -1)
        )  # fmt: skip
        steady = (ids_up == ids_down)[..., None]
        expected = (weight * steady * (up - down)).sum() / (2 * step)
        c, a = clip.clone().requires_grad_(), values.clone().requires_grad_()
        (weight * steady * image(c, a)[0]).sum().backward()
        got = (c.grad * move).sum() + (a.grad * change).sum()
        assert abs(got - expected) <= 1e-3 * abs(expected), trial
        assert (c.grad[..., 2] == 0).all()


def test_interpolate_accepts_one_set_or_one_per_image():
    clip, faces = random_mesh(2, images=3)
    rast = rasterize(clip, faces, SIZE)
    shared = torch.randn(1, clip.shape[1], 4, dtype=torch.float64, requires_grad=True)
    each = shared.detach().expand(3, -1, -1).clone().requires_grad_()
    one, many = interpolate(shared, rast, faces), interpolate(each, rast, faces)
    assert torch.equal(one, many)
    one.square().sum().backward()
    many.square().sum().backward()
    torch.testing.assert_close(shared.grad[0], each.grad.sum(0))


def silhouette_setting(seed):
    vertices, faces = ball()
    clip = ball_clip(vertices, seed)
    size = (40, 48)
    y, x = torch.meshgrid(torch.arange(size[0]), torch.arange(size[1]), indexing="ij")
    weight = torch.stack((torch.sin(x / 9.0) + y / 40, torch.cos(y / 7.0 + seed)), -1).double()

    def loss(c):
        rast = rasterize(c, faces, size)
        colour = (rast[..., 3:] > 0).double() * torch.tensor([1.0, 0.5], dtype=torch.float64)
        return (weight * antialias(colour, rast, c, faces)).sum()

    return clip, loss


@pytest.mark.parametrize("seed", range(4))
def test_silhouette_gradients_match_central_differences(seed):
    clip, loss = silhouette_setting(seed)
    g = torch.Generator().manual_seed(seed)
    c = clip.clone().requires_grad_()
    loss(c).backward()
    worst, scale = 0.0, 0.0
    for _ in range(6):
        # Smooth motions: each moves, scales or shears the whole, so that the silhouette goes along.
        matrix = torch.randn(3, 3, generator=g, dtype=torch.float64)
        move = torch.zeros_like(clip)
        move[..., :2] = (clip[..., [0, 1, 3]] @ matrix)[..., :2]
        step = 0.02
        expected = (loss(clip + step * move) - loss(clip - step * move)) / (2 * step)
        worst = max(worst, float(abs((c.grad * move).sum() - expected)))
        scale = max(scale, float(abs(expected)))
    assert worst <= 5e-2 * scale


def test_antialias_gradients_are_those_of_its_formula():
    clip, loss = silhouette_setting(1)
    c = clip.clone().requires_grad_()
    loss(c).backward()
    g = torch.Generator().manual_seed(9)
    step = 1e-7
    for _ in range(5):
        move = torch.randn(clip.shape, generator=g, dtype=torch.float64)
        expected = (loss(clip + step * move) - loss(clip - step * move)) / (2 * step)
        torch.testing.assert_close((c.grad * move).sum(), expected, rtol=1e-3, atol=1e-3)


def test_antialias_colour_gradient():
    clip, faces = random_mesh(11, dtype=torch.float64)
    rast = rasterize(clip, faces, (7, 8))
    colour = torch.rand(2, 7, 8, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda c: antialias(c, rast, clip, faces), colour)


@pytest.mark.parametrize("edge_x", [3.1, 3.4, 3.6, 3.9])
def test_antialiased_vertical_edge_has_its_exact_coverage(edge_x):
    width = 8
    right = edge_x * 2 / width - 1
    clip = torch.tensor(
        [[[-3.0, -3, 0, 1], [right, -3, 0, 1], [right, 3, 0, 1], [-3, 3, 0, 1]]], dtype=torch.float64
    )
    faces = torch.tensor([[0, 1, 2], [0, 2, 3]])
    rast = rasterize(clip, faces, (4, width))
    out = antialias((rast[..., 3:] > 0).double(), rast, clip, faces, mesh_edges(faces))
    expected = (edge_x - torch.arange(width)).clamp(0, 1).double()
    torch.testing.assert_close(out[0, :, :, 0], expected.expand(4, -1))


def test_antialiased_area_of_a_fine_mesh():
    # Faces far smaller than a pixel: silhouettes are found by walking over them.
    vertices, faces = ball(60, 90)
    clip = torch.cat((vertices * 0.8, torch.ones(len(vertices), 1, dtype=torch.float64)), -1)[None]
    size = (32, 32)
    rast = rasterize(clip, faces, size)
    hard = (rast[..., 3:] > 0).double()
    soft = antialias(hard, rast, clip, faces)
    y, x = np.mgrid[: 32 * 16, : 32 * 16] / 256 + 1 / 512 - 1
    truth = torch.tensor((x * x + y * y <= 0.64).reshape(32, 16, 32, 16).mean((1, 3)))
    border = (truth > 0) & (truth < 1)
    error = (soft[0, ..., 0] - truth)[border].abs().mean()
    assert error < 0.1 and error < 0.4 * (hard[0, ..., 0] - truth)[border].abs().mean()


def test_mesh_edges_name_the_face_across():
    faces = torch.tensor([[0, 1, 2], [2, 1, 3], [4, 5, 6]])
    assert mesh_edges(faces).tolist() == [[1, -1, -1], [-1, -1, 0], [-1, -1, -1]]
    fan = torch.tensor([[0, 1, 2], [1, 0, 3], [0, 1, 4]])
    assert (mesh_edges(fan) == -1).all()
    _, closed = ball()
    across = mesh_edges(closed)
    assert (across >= 0).all() and (across != torch.arange(len(closed))[:, None]).all()


def test_texture_by_hand():
    image = torch.tensor([[[0.0], [1]], [[2], [3]]])[None]
    uv = torch.tensor([[[[0.25, 0.75], [0.5, 0.5], [0.75, 0.25], [-4, 9], [9, -4], [0.25, 0.5]]]])
    assert texture(image, uv)[0, 0, :, 0].tolist() == [0, 1.5, 3, 0, 3, 1]
    assert texture(image, uv[:, :, :1] + 0.2, "nearest")[0, 0, 0, 0] == 0
    nan = torch.full((1, 1, 1, 2), float("nan"))
    assert texture(image, nan).item() == texture(image, nan, "nearest").item() == 0
    assert texture(image, torch.tensor([[[[0.51, 0.49]]]]), "nearest").item() == 3


def test_texture_gradients():
    g = torch.Generator().manual_seed(0)
    for images in (1, 2):
        image = torch.rand(images, 4, 5, 2, generator=g, dtype=torch.float64, requires_grad=True)
        uv = (torch.rand(2, 3, 4, 2, generator=g, dtype=torch.float64) * 1.4 - 0.2).requires_grad_()
        assert torch.autograd.gradcheck(texture, (image, uv))
        assert torch.autograd.gradcheck(lambda i, t: texture(i, t, "nearest"), (image, uv.detach()))


def test_mip_levels_average_what_is_seen_small():
    g = torch.Generator().manual_seed(0)
    image = torch.rand(1, 32, 64, 3, generator=g, dtype=torch.float64)

    def grid(height, width):
        v, u = torch.meshgrid(
            1 - (torch.arange(height, dtype=torch.float64) + 0.5) / height,
            (torch.arange(width, dtype=torch.float64) + 0.5) / width,
            indexing="ij",
        )
        return torch.stack((u, v), -1)[None]

    same = grid(32, 64)
    torch.testing.assert_close(texture(image, same, mip=True), image)
    quarter = image.reshape(1, 8, 4, 16, 4, 3).mean((2, 4))
    torch.testing.assert_close(texture(image, grid(8, 16), mip=True), quarter)
    # 2^1.5 texels apart: half of the first halving and half of the second.
    between = grid(32, 64)[:, :8, :16] * 2**1.5
    half = image.reshape(1, 16, 2, 32, 2, 3).mean((2, 4))
    expected = (texture(half, between) + texture(quarter, between)) / 2
    torch.testing.assert_close(texture(image, between, mip=True), expected)
    odd = texture(torch.rand(1, 5, 3, 1, generator=g), torch.rand(1, 9, 9, 2, generator=g), mip=True)
    assert torch.isfinite(odd).all() and odd.shape == (1, 9, 9, 1)
    weight = torch.rand(1, 8, 16, 3, generator=g, dtype=torch.float64)
    uv = (grid(8, 16) + 0.004).requires_grad_()
    assert torch.autograd.gradcheck(
        lambda i: weight * texture(i, uv.detach(), mip=True), image[:, ::4, ::4].clone().requires_grad_()
    )
    (weight * texture(image, uv, mip=True)).sum().backward()
    step = torch.tensor([1e-6, -1e-6], dtype=torch.float64)
    up, down = ((weight * texture(image, uv.detach() + s * step, mip=True)).sum() for s in (1, -1))
    torch.testing.assert_close((uv.grad * step).sum(), (up - down) / 2, rtol=1e-5, atol=1e-12)
    with pytest.raises(ValueError, match="mip"):
        texture(image, same, "nearest", mip=True)


def test_threads_may_render_at_once():
    clip, faces = random_mesh(6, count=200, dtype=torch.float32)

    def render(_):
        return rasterize(clip, faces, (90, 90))

    expected = render(0)
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        assert all(torch.equal(expected, got) for got in pool.map(render, range(24)))


def test_import_is_cheap():
    code = "import sys, soaplib.render; sys.exit('torch' in sys.modules or 'numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_bits_do_not_depend_on_the_number_of_threads():
    clip, faces = random_mesh(4, count=60, images=3, dtype=torch.float32)
    g = torch.Generator().manual_seed(0)
    values = torch.randn(1, clip.shape[1], 3, generator=g)
    image = torch.rand(1, 16, 16, 3, generator=g)

    def everything():
        c, a, i = (t.clone().requires_grad_() for t in (clip, values, image))
        rast = rasterize(c, faces, (61, 47))
        colour = interpolate(a, rast, faces)
        colour = colour + texture(i, colour[..., :2])
        smooth = antialias(colour, rast, c, faces)
        smooth.square().sum().backward()
        return smooth.detach(), c.grad, a.grad, i.grad

    most = numba.get_num_threads()
    try:
        numba.set_num_threads(1)
        one = everything()
    finally:
        numba.set_num_threads(most)
    if most == 1:
        pytest.skip("one core only")
    for _ in range(3):
        assert all(torch.equal(a, b) for a, b in zip(one, everything(), strict=True))


def test_degenerate_input_draws_nothing():
    good = torch.tensor([[-1.0, -1, 0, 1], [1, -1, 0, 1], [0, 1, 0, 1]])
    faces = torch.tensor([[0, 1, 2]])
    for bad in (
        good.index_fill(0, torch.tensor([1]), float("nan")),
        good.index_fill(0, torch.tensor([2]), float("inf")),
        good[[0, 1, 1]],
        torch.tensor([[-1.0, -0.9, 0, 1], [0.1, 0.2, 0, 1], [1.2, 1.3, 0, 1]]),
        good * torch.tensor([1.0, 1, 1, 0]),
    ):
        clip = bad[None].clone().requires_grad_()
        rast = rasterize(clip, faces, (9, 9))
        assert not rast.any()
        antialias(interpolate(bad[None].nan_to_num(0, 0), rast, faces), rast, clip, faces).sum().backward()
        assert torch.isfinite(clip.grad).all()
    empty = torch.empty(0, 3, dtype=torch.int32)
    assert not rasterize(good[None], empty, (3, 3)).any()
    assert rasterize(good[None][:0], faces, (3, 3)).shape == (0, 3, 3, 4)


def test_neighbours_that_were_dropped_are_silhouettes():
    clip = torch.tensor([[[-3.0, -3, 0, 1], [0.05, -3, 0, 1], [0.05, 3, 0, 1], [np.nan, 0, 0, 1]]])
    faces = torch.tensor([[0, 1, 2], [2, 1, 3]])
    for order in (faces, faces.flip(1)):
        rast = rasterize(clip, order, (8, 8))
        soft = antialias((rast[..., 3:] > 0).float(), rast, clip, order)
        torch.testing.assert_close(soft[0, 4, :, 0], torch.tensor([1, 1, 1, 1, 0.2, 0, 0, 0]))


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda c, f: rasterize(c[0], f, (4, 4)), "clip"),
        (lambda c, f: rasterize(c.int(), f, (4, 4)), "clip"),
        (lambda c, f: rasterize(c, f.float(), (4, 4)), "faces"),
        (lambda c, f: rasterize(c, f[:, :2], (4, 4)), "faces"),
        (lambda c, f: rasterize(c, f + 1, (4, 4)), r"1\.\.3.*3 vertices"),
        (lambda c, f: rasterize(c, f - 1, (4, 4)), r"-1\.\.1"),
        (lambda c, f: rasterize(c, f, (0, 4)), "size"),
        (lambda c, f: rasterize(c, f, 4), "size"),
        (lambda c, f: rasterize(c, f, (4.5, 4)), "size"),
        (lambda c, f: interpolate(c.expand(3, -1, -1), torch.zeros(2, 4, 4, 4), f), "batch"),
        (lambda c, f: interpolate(c, torch.zeros(1, 4, 4, 3), f), "rast"),
        (lambda c, f: interpolate(c, torch.full((1, 4, 4, 4), 2.0), f), "rast names face 1"),
        (lambda c, f: antialias(torch.zeros(1, 4, 4, 3), torch.full((1, 4, 4, 4), 2.0), c, f), "rast names"),
        (lambda c, f: texture(torch.zeros(1, 0, 4, 3), torch.zeros(1, 4, 4, 2)), "image"),
        (lambda c, f: texture(torch.zeros(1, 4, 4, 3), torch.zeros(1, 4, 4, 3)), "uv"),
        (lambda c, f: texture(torch.zeros(1, 4, 4, 3), torch.zeros(1, 4, 4, 2), "cubic"), "mode"),
        (lambda c, f: antialias(torch.zeros(1, 4, 4, 3), torch.zeros(1, 4, 5, 4), c, f), "rast"),
        (lambda c, f: antialias(torch.zeros(1, 4, 4, 3), torch.zeros(1, 4, 4, 4), c, f, f), "edges"),
    ],
)
def test_wrong_input_is_named(call, name):
    clip = torch.tensor([[[-1.0, -1, 0, 1], [1, -1, 0, 1], [0, 1, 0, 1]]])
    with pytest.raises(ValueError, match=name):
        call(clip, torch.tensor([[0, 1, 2]]))
