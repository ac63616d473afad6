"""Backends against each other, and which of them is chosen. Warp's kernels run on the CPU here, one thread."""

import gc
import math
import subprocess
import sys
import weakref

import numpy as np
import pytest
import torch
from test_render_rasterise import ball, ball_clip, random_mesh

from soaplib.bench.jobs import head_job
from soaplib.errors import UserError
from soaplib.render import (
    antialias,
    backends,
    clip_positions,
    interpolate,
    lambert,
    mesh_edges,
    orthographic,
    pack_meshes,
    peel,
    perspective,
    pixel_steps,
    rasterize,
    render_views,
    texture,
    turn,
    use_backend,
    vertex_normals,
)
from soaplib.render.backends import device

SIZE = (37, 45)
NEEDS = {
    "warp": "",
    "pytorch3d": "" if backends.installed("pytorch3d") else "pytorch3d is not installed",
    "nvdiffrast": "nvdiffrast is not installed" if not backends.installed("nvdiffrast") else "",
}
if not torch.cuda.is_available():
    NEEDS["nvdiffrast"] = "no CUDA device"
OTHERS = [
    pytest.param(name, marks=pytest.mark.skipif(bool(why), reason=why or "there"))
    for name, why in NEEDS.items()
]


def device_of(name):
    return "cuda" if name == "nvdiffrast" else "cpu"


def outcome(name, clip, faces, values, size, weights, ranges=None, cull=False):
    """Render on a backend; return rast, the antialiased image, and the gradients of clip and values, on the CPU."""
    device = device_of(name)
    clip, values = (t.detach().to(device).requires_grad_() for t in (clip, values))
    faces = faces.to(device)
    with use_backend(name):
        rast = rasterize(clip, faces, size, cull, ranges)
        image = antialias(interpolate(values, rast, faces), rast, clip, faces, ranges=ranges)
    (image * weights.to(device)).sum().backward()
    return [t.detach().cpu() for t in (rast, image, clip.grad, values.grad)]


def drawn(clip, faces, size, ranges=None, channels=3):
    """Return values at the vertices and weights at the pixels, in clip's type."""
    g = torch.Generator().manual_seed(5)
    images = len(clip) if ranges is None else len(ranges)
    values = torch.randn(1, clip.shape[-2], channels, generator=g, dtype=clip.dtype)
    return values, torch.randn(images, *size, channels, generator=g, dtype=clip.dtype)


def scenes():
    yield "random", *random_mesh(3, count=30), None
    clip, faces = random_mesh(4, count=12)
    clip[:, ::3, 3], clip[..., 2] = -0.4, 0.3 * clip[..., 2]
    yield "behind the camera", clip, faces, None
    clip, faces = random_mesh(8, count=10)
    clip[0, 3], clip[1, 7, 1] = torch.nan, torch.inf
    yield "not finite", clip, faces, None
    meshes = [ball(4, 5), ball(9, 14), ball(6, 8)]
    yield (
        "packed",
        *pack_meshes([ball_clip(v, s)[0] for s, (v, _) in enumerate(meshes)], [f for _, f in meshes]),
    )
    v, f = ball(30, 40)
    yield "finer than pixels", ball_clip(v), f, None


@pytest.mark.parametrize(("clip", "faces", "ranges"), [pytest.param(*s[1:], id=s[0]) for s in scenes()])
@pytest.mark.parametrize("cull", [False, True])
def test_warp_agrees_with_the_cpu_to_rounding(clip, faces, ranges, cull):
    values, weights = drawn(clip, faces, SIZE, ranges)
    ours = outcome("cpu", clip, faces, values, SIZE, weights, ranges, cull)
    others = outcome("warp", clip, faces, values, SIZE, weights, ranges, cull)
    assert (ours[0][..., 3] > 0).float().mean() > 0.05 and ours[2].any()
    for mine, other in zip(ours, others, strict=True):
        scale = float(mine[mine.isfinite()].abs().max())
        torch.testing.assert_close(other, mine, rtol=1e-9, atol=1e-10 * scale, equal_nan=True)


@pytest.mark.parametrize("name", OTHERS)
def test_backends_agree_on_the_head(name):
    job = head_job(128)
    scene = (job.clip, job.faces, job.attributes, (128, 128))
    ours, others = outcome("cpu", *scene, job.weights), outcome(name, *scene, job.weights)
    assert ((ours[1] - others[1]).abs().amax(-1) <= 1 / 255).float().mean() >= 0.999
    # Gradients are compared where both see the same faces, in the neighbourhood too.
    differ = (ours[0][..., 3] != others[0][..., 3]).float()
    steady = torch.nn.functional.max_pool2d(differ, 3, 1, 1) == 0
    weights = job.weights * steady[..., None]
    for mine, other in zip(
        outcome("cpu", *scene, weights)[2:], outcome(name, *scene, weights)[2:], strict=True
    ):
        assert (mine - other).norm() <= 0.01 * mine.norm()


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize("cull", [False, True])
@pytest.mark.parametrize("size", [(37, 45), (64, 64), (50, 20)])
def test_backends_agree_on_random_faces(name, size, cull):
    clip, faces = random_mesh(3, count=30, dtype=torch.float32)
    values, weights = drawn(clip, faces, size)
    ours = outcome("cpu", clip, faces, values, size, weights, cull=cull)
    others = outcome(name, clip, faces, values, size, weights, cull=cull)
    same = ours[0][..., 3] == others[0][..., 3]
    assert same.float().mean() >= 0.999
    torch.testing.assert_close(others[0][same], ours[0][same], rtol=1e-3, atol=1e-4)
    assert ((ours[1] - others[1]).abs().amax(-1) <= 1 / 255).float().mean() >= 0.999
    if same.all():
        for mine, other in zip(ours[2:], others[2:], strict=True):
            assert (mine - other).norm() <= 1e-3 * mine.norm()


@pytest.mark.parametrize("name", OTHERS)
def test_layers_agree(name):
    clip, faces = random_mesh(6, count=20, dtype=torch.float32)
    ours = peel(clip, faces, SIZE, 4)
    with use_backend(name):
        others = peel(clip.to(device_of(name)), faces.to(device_of(name)), SIZE, 4)
    assert len(others) == 4 and ours[2].any()
    for mine, other in zip(ours, others, strict=True):
        assert (mine[..., 3] == other[..., 3].cpu()).float().mean() >= 0.999


def test_warp_draws_the_same_faces_by_many_threads_as_by_one(monkeypatch):
    from soaplib.render.backends.warp import rasterise

    clip, faces = random_mesh(3, count=30)
    one = rasterise.rasterize(clip, faces, SIZE)
    monkeypatch.setattr(rasterise, "_SMALL", 4)
    monkeypatch.setitem(rasterise._LANES, "cpu", (3, 5))
    assert torch.equal(rasterise.rasterize(clip, faces, SIZE), one)


def test_warp_sums_do_not_depend_on_the_order_of_terms():
    import warp as wp

    from soaplib.render.backends.warp.sums import add_term, raise_bound, summed

    @wp.kernel
    def send(
        values: wp.array[wp.float64],
        order: wp.array[wp.int32],
        steps: wp.float64,
        adding: bool,
        bounds: wp.array[wp.int64],
        sums: wp.array2d[wp.int64],
    ):
        value = values[order[wp.tid()]]
        if adding:
            add_term(bounds, sums, 0, 0, value, steps)
        else:
            raise_bound(bounds, 0, value)

    g = torch.Generator().manual_seed(0)
    values = torch.randn(5000, generator=g, dtype=torch.float64) * 10.0 ** (
        12 * torch.rand(5000, generator=g)
    )
    orders = [torch.randperm(5000, generator=g).int() for _ in range(4)]
    found = [summed(send, 5000, 5000, 1, 1, values, order).item() for order in orders]
    assert len(set(found)) == 1
    assert len({values[order.long()].cumsum(0)[-1].item() for order in orders}) > 1
    assert abs(found[0] - math.fsum(values.tolist())) <= 1e-14 * float(values.abs().sum())


def test_warp_gradients_of_not_finite_terms_are_not_finite():
    from soaplib.render.backends import warp

    clip, faces = random_mesh(3, count=5)
    values = torch.ones(1, clip.shape[1], 1, dtype=torch.float64, requires_grad=True)
    rast = warp.rasterize(clip, faces, SIZE)
    weights = torch.zeros(2, *SIZE, 1, dtype=torch.float64)
    y, x = (rast[0, ..., 3] > 0).nonzero()[0]
    weights[0, y, x] = torch.nan
    (warp.interpolate(values, rast, faces) * weights).sum().backward()
    seen = faces[int(rast[0, y, x, 3]) - 1]
    assert values.grad[0, seen.long()].isnan().all() and values.grad.isnan().sum() == 3


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize(
    "choice",
    [
        {},
        {"mode": "nearest"},
        {"mip": True},
        {"boundary": "wrap"},
        {"boundary": "zero", "mode": "nearest"},
        {"boundary": "zero"},
        {"boundary": "wrap", "mip": True},
        {"boundary": "zero", "mip": True, "steps": 0.1},
    ],
    ids=str,
)
@pytest.mark.parametrize("images", [1, 2])
def test_textures_agree(name, choice, images):
    g = torch.Generator().manual_seed(0)
    image = torch.rand(images, 16, 23, 3, generator=g)
    uv = torch.rand(2, 9, 11, 2, generator=g) * 1.4 - 0.2
    uv[0, 0, 0] = torch.nan
    weights = torch.randn(2, 9, 11, 3, generator=g)
    steps = torch.randn(2, 9, 11, 2, 2, generator=g)

    def outcome(name):
        device = device_of(name)
        leaves = [t.clone().to(device).requires_grad_() for t in (image, uv)]
        own = choice | ({"steps": (choice["steps"] * steps).to(device)} if "steps" in choice else {})
        with use_backend(name):
            seen = texture(*leaves, **own)
        (seen * weights.to(device)).sum().backward()
        return [t.detach().cpu() for t in (seen, *(leaf.grad for leaf in leaves))]

    for mine, other in zip(outcome("cpu"), outcome(name), strict=True):
        torch.testing.assert_close(other, mine, rtol=1e-4, atol=1e-4)


def test_steps_agree():
    for _, clip, faces, ranges in scenes():
        values, _ = drawn(clip, faces, SIZE, ranges)
        rast = rasterize(clip, faces, SIZE, ranges=ranges)
        ours = pixel_steps(values, rast, clip, faces)
        assert ours.any()
        others = pixel_steps(values, rast, clip, faces, backend="warp")
        torch.testing.assert_close(others, ours, rtol=1e-9, atol=1e-9 * float(ours.abs().max()))


def test_normals_and_their_gradients_agree():
    vertices, faces = ball()
    vertices = torch.stack((vertices, vertices * 2 + 1))
    weights = torch.randn(vertices.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    found = []
    for name in ("cpu", "warp"):
        v = vertices.clone().requires_grad_()
        normals = vertex_normals(v, faces, backend=name)
        (normals * weights).sum().backward()
        found.append((normals.detach(), v.grad))
    for mine, other in zip(*found, strict=True):
        torch.testing.assert_close(other, mine)


@pytest.mark.parametrize("by_name", [False, True])
def test_views_are_rendered_by_the_chosen_backend(by_name, monkeypatch):
    from soaplib.render.backends import warp

    called = []
    for name in ("rasterize", "interpolate", "antialias", "vertex_normals"):
        function = getattr(warp, name)
        monkeypatch.setattr(
            warp, name, lambda *a, _f=function, _n=name, **k: (called.append(_n), _f(*a, **k))[1]
        )
    job = head_job(64, views=2)
    v = job.vertices.double()
    ours = render_views(v, job.faces, job.cameras, (64, 64))
    assert not called
    if by_name:
        others = render_views(v, job.faces, job.cameras, (64, 64), backend="warp")
    else:
        with use_backend("warp"):
            others = render_views(v, job.faces, job.cameras, (64, 64))
    assert set(called) == {"rasterize", "interpolate", "antialias", "vertex_normals"}
    assert torch.equal(ours.face_ids, others.face_ids)
    torch.testing.assert_close(others.normals, ours.normals)


def test_the_backend_follows_device_and_name(monkeypatch):
    monkeypatch.setattr(backends, "installed", lambda name: name != "nvdiffrast")
    assert backends.choose("cpu") == "cpu"
    assert backends.choose("cuda") == "warp"
    assert backends.choose("cpu", name="warp") == "warp"
    monkeypatch.setattr(backends, "installed", lambda name: True)
    assert backends.choose("cuda") == "nvdiffrast"
    assert backends.choose("cuda", double=True) == "warp"
    with use_backend("pytorch3d"):
        assert backends.choose("cpu") == backends.choose("cuda") == "pytorch3d"
        assert backends.choose("cpu", name="cpu") == "cpu"
        with use_backend(None):
            assert backends.choose("cpu") == "cpu"
    assert backends.choose("cpu") == "cpu"


def test_what_is_wrong_with_a_choice_is_said(monkeypatch):
    clip, faces = random_mesh(0, count=1)
    with pytest.raises(UserError, match=r"no render backend 'opengl'.*cpu, nvdiffrast"):
        rasterize(clip, faces, SIZE, backend="opengl")
    with pytest.raises(UserError, match="nvdiffrast takes tensors on cuda, but these are on cpu"):
        rasterize(clip, faces, SIZE, backend="nvdiffrast")
    monkeypatch.setattr(backends, "installed", lambda name: name != "pytorch3d")
    with pytest.raises(UserError, match=r"pytorch3d is not installed; get it so: .*pip install"):
        rasterize(clip, faces, SIZE, backend="pytorch3d")
    with pytest.raises(UserError, match="not installed"), use_backend("pytorch3d"):
        raise AssertionError("not reached")


@pytest.mark.parametrize("name", ["cpu", "warp"])
def test_wrong_arguments_are_named_by_every_backend(name):
    clip, faces = random_mesh(0, count=2)
    rast = rasterize(clip, faces, SIZE, backend=name)
    with pytest.raises(ValueError, match=r"faces index vertices 1\.\.6"):
        rasterize(clip, faces + 1, SIZE, backend=name)
    with pytest.raises(ValueError, match="clip must be a float32 or float64 tensor"):
        rasterize(clip.int(), faces, SIZE, backend=name)
    with pytest.raises(ValueError, match="attributes must have batch 1 or 2"):
        interpolate(clip[[0, 1, 1]], rast, faces, backend=name)
    with pytest.raises(ValueError, match="mesh_edges"):
        antialias(rast, rast, clip, faces, mesh_edges(faces)[:1], backend=name)
    with pytest.raises(ValueError, match="mode"):
        texture(rast, rast[..., :2], "cubic", backend=name)
    with pytest.raises(ValueError, match="layers"):
        peel(clip, faces, SIZE, 0, backend=name)


def test_faces_changed_in_place_are_checked_again():
    clip, faces = random_mesh(0, count=2)
    rasterize(clip, faces, SIZE, backend="warp")
    faces[0, 0] = 99
    with pytest.raises(ValueError, match="99"):
        rasterize(clip, faces, SIZE, backend="warp")


def test_warp_kernels_compile_for_cuda_without_a_card(tmp_path):
    import warp

    from soaplib.render.backends.warp import (
        antialiasing,
        corners,
        interpolation,
        normals,
        rasterise,
        texturing,
    )

    for module in (antialiasing, corners, interpolation, normals, rasterise, texturing):
        folder = tmp_path / module.__name__
        warp.compile_aot_module(
            warp.get_module(module.__name__), arch=80, use_ptx=True, module_dir=str(folder)
        )
        assert "_cuda_kernel_forward" in next(folder.glob("*.ptx")).read_text()


def test_everything_stays_on_the_tensors_device(monkeypatch):
    """Tensors on "meta" stand in for those on a card: torch refuses to mix them with the CPU's."""
    from soaplib.render.backends import operations
    from soaplib.render.backends.warp import (
        antialiasing,
        corners,
        interpolation,
        normals,
        rasterise,
        sums,
        texturing,
    )

    launched = set()

    def launch(kernel, dim, *inputs):
        assert {v.device.type for v in inputs if isinstance(v, torch.Tensor)} == {"meta"}
        launched.add((kernel[torch.float32] if isinstance(kernel, dict) else kernel).key)

    for module in (antialiasing, corners, interpolation, normals, rasterise, sums, texturing):
        monkeypatch.setattr(module, "launch", launch)
    for module in (antialiasing, interpolation, normals):
        monkeypatch.setattr(module, "device_faces", lambda _, faces, like: faces)
    monkeypatch.setattr(device, "device_faces", lambda _, faces, like: faces)
    monkeypatch.setattr(operations, "choose", lambda *_: "warp")
    monkeypatch.setitem(rasterise._LANES, "meta", (2, 2))

    def leaf(*shape):
        return torch.rand(shape, device="meta", requires_grad=True)

    vertices, cameras, values = leaf(2, 50, 3), leaf(2, 4, 4), leaf(1, 50, 2)
    faces, edges = (torch.zeros((80, 3), dtype=torch.int32, device="meta") for _ in range(2))
    views = render_views(vertices, faces, cameras, (32, 48), values, edges=edges)
    (views.mask.sum() + views.normals.sum() + views.attributes.sum() + views.depth.sum()).backward()
    assert vertices.grad.shape == vertices.shape and cameras.grad is not None and values.grad is not None
    clip, image = leaf(2, 50, 4), leaf(1, 16, 23, 3)
    first, second = peel(clip, faces, (32, 48), 2)
    uv = interpolate(values, first, faces)
    for choice in ({}, {"mip": True}, {"mip": True, "steps": pixel_steps(values, second, clip, faces)}):
        texture(image, uv, **choice).sum().backward(retain_graph=True)
    assert image.grad.shape == image.shape
    assert {"_scan", "_scan_large", "_resolve", "_move", "_find_crossings", "_sum_rows", "_steps"} <= launched


def test_cameras_and_light_stay_on_the_tensors_device():
    rotation = torch.rand(3, 3, device="meta")
    flat, deep = orthographic(rotation, 9.0, (5.0, 4.0)), perspective(rotation, (0.0, 0, -1), 9.0, (5.0, 4.0))
    turned = turn(torch.stack((flat, deep)), 30.0, (0.0, 0, 0))
    clip = clip_positions(torch.rand(7, 3, device="meta"), turned, (8, 9))
    light = lambert(torch.rand(5, 3, device="meta"), (0, 0, 1.0))
    assert clip.shape == (2, 7, 4) and {clip.device.type, light.device.type} == {"meta"}


@pytest.mark.parametrize("kind", [torch.int32, torch.int64])
def test_faces_are_not_kept_alive(kind):
    clip, faces = random_mesh(0, count=2)
    faces = faces.to(kind)
    for _ in range(2):
        rast = rasterize(clip, faces, SIZE, backend="warp")
        antialias(rast, rast, clip, faces, backend="warp")
    gone = weakref.ref(faces)
    del rast, faces
    gc.collect()
    assert gone() is None


@pytest.mark.parametrize("count", [0, 2])
def test_nothing_to_draw_is_no_error(count):
    clip, faces = random_mesh(0, count=2)
    none = faces[:0]
    for name in ("cpu", "warp"):
        rast = rasterize(clip[:count], none, SIZE, backend=name)
        assert rast.shape == (count, *SIZE, 4) and not rast.any()
        assert interpolate(clip[:1], rast, none, backend=name).shape == (count, *SIZE, 4)


def test_nvdiffrast_layout():
    from soaplib.render.backends.nvdiffrast import own_faces, range_mode, texture_place

    clip, faces = random_mesh(1, count=2)
    clip[1, 0] = torch.nan
    spans = np.array([[0, 2], [0, 2]])
    positions, triangles, starts, offsets = range_mode(clip, faces.int(), spans, cull=False)
    torch.testing.assert_close(positions[:6, 1], -clip[0, :, 1].float())
    torch.testing.assert_close(positions[:6, [0, 2, 3]], clip[0][:, [0, 2, 3]].float())
    assert positions.isfinite().all()
    # The second image's first face is not finite: it has no area.
    assert triangles.tolist() == [[0, 1, 2], [3, 4, 5], [6, 6, 6], [9, 10, 11]]
    assert starts.tolist() == [[0, 2], [2, 2]] and offsets.tolist() == [0, 2]
    rast = torch.tensor([[[[0.1, 0.2, 0.3, 2.0]]], [[[0.1, 0.2, 0.3, 4.0]]]])
    assert own_faces(rast, offsets)[..., 3].flatten().tolist() == [2, 2]
    assert own_faces(rast * 0, offsets)[..., 3].flatten().tolist() == [0, 0]
    culled = range_mode(clip, faces.int(), spans, cull=True)[1].reshape(2, 2, 3)[0]
    shown = [rasterize(clip[:1], faces[[f]], (99, 99), cull=True).any() for f in range(2)]
    assert [len(set(f.tolist())) == 3 for f in culled] == shown
    packed = range_mode(clip[:1], faces.int(), np.array([[0, 1], [1, 2]]), cull=False)
    assert packed[2].tolist() == [[0, 1], [1, 1]] and packed[3].tolist() == [0, 0]
    torch.testing.assert_close(
        texture_place(torch.tensor([[0.25, 0.75], [torch.nan, 1.0]])), torch.tensor([[0.25, 0.25], [0, 0]])
    )


def test_pytorch3d_screen_space():
    from soaplib.render.backends.pytorch3d import screen_positions

    clip = torch.tensor([[2.0, 1, -1, 2], [1, 1, 1, -1]])
    wide = screen_positions(clip, (10, 20))
    assert wide[0].tolist() == [-2, 0.5, 0.5] and wide[1].isnan().all()
    assert screen_positions(clip, (20, 10))[0].tolist() == [-1, 1, 0.5]


def test_importing_the_renderer_imports_no_other_backend():
    program = (
        "import sys, torch, soaplib.render as r; r.rasterize(torch.zeros(1, 3, 4), torch.tensor([[0, 1, 2]]), (2, 2));"
        "print([m for m in ('warp', 'pytorch3d', 'nvdiffrast') if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_clip_positions_of_the_head_are_in_front():
    job = head_job(64)
    torch.testing.assert_close(clip_positions(job.vertices, job.cameras, (64, 64)), job.clip)
    assert (job.clip[..., 3] > 0).all() and (job.clip[..., :3].abs() <= 1).all()
