"""Batches of meshes of different topology, and layers behind the nearest one."""

import numba
import numpy as np
import pytest
import torch
from test_render_rasterise import SIZE, ball, ball_clip, cast_rays, random_mesh

from soaplib.render import antialias, interpolate, mesh_edges, pack_meshes, peel, rasterize


def three_meshes():
    meshes = [ball(4, 5), ball(9, 14), ball(6, 8)]
    clips = [ball_clip(v, seed)[0] for seed, (v, _) in enumerate(meshes)]
    return clips, [f for _, f in meshes]


def image_of(clip, faces, values, ranges=None, edges=None):
    rast = rasterize(clip, faces, SIZE, ranges=ranges)
    return antialias(interpolate(values, rast, faces), rast, clip, faces, edges, ranges=ranges), rast


def test_meshes_of_different_topology_render_as_each_alone():
    clips, faces = three_meshes()
    g = torch.Generator().manual_seed(0)
    values = [torch.randn(len(c), 3, generator=g, dtype=torch.float64) for c in clips]
    weight = torch.randn(len(clips), *SIZE, 3, generator=g, dtype=torch.float64)

    packed, all_faces, ranges = pack_meshes(clips, faces)
    packed.requires_grad_()
    all_values = torch.cat(values).requires_grad_()
    image, rast = image_of(packed, all_faces, all_values, ranges, mesh_edges(all_faces))
    (weight * image).sum().backward()

    first_vertex = 0
    for b, (clip, f, value) in enumerate(zip(clips, faces, values, strict=True)):
        clip, value = clip[None].clone().requires_grad_(), value[None].clone().requires_grad_()
        alone, alone_rast = image_of(clip, f, value)
        (weight[b] * alone[0]).sum().backward()
        shift = torch.where(alone_rast[..., 3:] > 0, float(ranges[b, 0]), 0.0)
        assert torch.equal(rast[b], torch.cat((alone_rast[..., :3], alone_rast[..., 3:] + shift), -1)[0])
        assert torch.equal(image[b], alone[0])
        own = slice(first_vertex, first_vertex + len(f.unique()))
        torch.testing.assert_close(packed.grad[own], clip.grad[0], rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(all_values.grad[own], value.grad[0], rtol=1e-12, atol=1e-12)
        first_vertex = own.stop
    assert first_vertex == len(packed)


def test_images_may_share_faces_and_be_empty():
    clip, faces = three_meshes()
    clip, faces, ranges = pack_meshes(clip, faces)
    ranges = torch.cat((ranges[[1, 1]], torch.tensor([[7, 0]]), torch.tensor([[0, len(faces)]])))
    rast = rasterize(clip, faces, SIZE, ranges=ranges)
    assert torch.equal(rast[0], rast[1]) and rast[0].any() and not rast[2].any()
    assert torch.equal(rast[3], rasterize(clip[None], faces, SIZE)[0])
    none = pack_meshes([], [])
    assert rasterize(none[0], none[1], SIZE, ranges=none[2]).shape == (0, *SIZE, 4)


@pytest.mark.parametrize("cull", [False, True])
@pytest.mark.parametrize("behind", [False, True])
def test_layers_agree_with_a_ray_caster(cull, behind):
    clip, faces = random_mesh(3, count=30)
    if behind:
        clip[:, ::3, 3], clip[..., 2] = -0.4, 0.3 * clip[..., 2]
    layers = peel(clip, faces, SIZE, 40, cull)
    assert not layers[-1].any() and layers[3].any()
    for b in range(len(clip)):
        hits = [cast_rays(clip[b].numpy(), faces[[f]].numpy(), SIZE, cull) for f in range(len(faces))]
        depth = np.stack([np.where(hit[..., 3] > 0, hit[..., 2], np.inf) for hit, _ in hits])
        order = np.argsort(depth, 0)
        ranked = np.take_along_axis(depth, order, 0)
        gaps = np.diff(
            np.where(np.isfinite(ranked), ranked, 2 + np.arange(len(faces))[:, None, None]), axis=0
        )
        sure = (np.stack([margin for _, margin in hits]).min(0) > 1e-9) & (gaps.min(0) > 1e-9)
        assert sure.mean() > 0.99
        for rank in range(len(faces)):
            there = np.isfinite(ranked[rank])
            got = layers[rank][b].numpy()
            np.testing.assert_array_equal(got[sure, 3], np.where(there, order[rank] + 1, 0)[sure])
            np.testing.assert_allclose(got[sure, 2], np.where(there, ranked[rank], 0)[sure], atol=1e-9)


def test_first_layer_is_what_is_seen_and_each_surface_is_met_once():
    # Pixel centres lie on the edges of this grid of squares: each surface must still be met exactly once.
    n = 9
    line = torch.linspace(-1, 1, n) + 1 / (n - 1)
    y, x = torch.meshgrid(line, line, indexing="ij")
    sheets = [torch.stack((x, y, torch.full_like(x, z), torch.ones_like(x)), -1) for z in (0.5, -0.5)]
    a = (torch.arange(n - 1)[:, None] * n + torch.arange(n - 1)).reshape(-1)
    one = torch.cat((torch.stack((a, a + 1, a + n), 1), torch.stack((a + n, a + 1, a + n + 1), 1)))
    clip = torch.stack(sheets).reshape(1, -1, 4)
    faces = torch.cat((one, one.flip(1) + n * n))
    layers = peel(clip, faces, (n - 1, n - 1), 3)
    inner = np.s_[0, 1:-1, 1:-1]
    assert (layers[0][inner][..., 2] == -0.5).all() and (layers[1][inner][..., 2] == 0.5).all()
    assert not layers[2][inner].any()

    clip, faces = random_mesh(8, count=60)
    seen = rasterize(clip, faces, SIZE)
    assert torch.equal(peel(clip, faces, SIZE, 1)[0], seen)


def test_gradients_reach_the_layers_below():
    clip, faces = random_mesh(5, count=20)
    g = torch.Generator().manual_seed(2)
    values = torch.randn(1, clip.shape[1], 2, generator=g, dtype=torch.float64)
    weight = torch.randn(3, 2, *SIZE, 2, generator=g, dtype=torch.float64)

    def images(c):
        layers = torch.stack(peel(c, faces, SIZE, 3))
        return torch.stack([interpolate(values, rast, faces) for rast in layers]), layers[..., 3]

    move, step = torch.randn(clip.shape, generator=g, dtype=torch.float64), 1e-6
    (up, ids_up), (down, ids_down) = (images(clip + s * step * move) for s in (1, -1))
    steady = (ids_up == ids_down)[..., None]
    c = clip.clone().requires_grad_()
    (weight * steady * images(c)[0])[1:].sum().backward()
    deeper = (weight * steady * (up - down))[1:].sum() / (2 * step)
    assert abs((c.grad * move).sum() - deeper) <= 1e-3 * abs(deeper)


def test_bits_of_packed_meshes_and_layers_do_not_depend_on_the_number_of_threads():
    if numba.get_num_threads() == 1:
        pytest.skip("one core only")
    clips, faces = three_meshes()
    clip, faces, ranges = pack_meshes([c.float() for c in clips], faces)
    values = torch.rand(len(clip), 3, generator=torch.Generator().manual_seed(0))

    def everything():
        c, v = clip.clone().requires_grad_(), values.clone().requires_grad_()
        total, images = 0, []
        for rast in peel(c, faces, (61, 47), 3, ranges=ranges):
            image = antialias(interpolate(v, rast, faces), rast, c, faces, ranges=ranges)
            images.append(image.detach())
            total = total + image.square().sum()
        total.backward()
        return *images, c.grad, v.grad

    most = numba.get_num_threads()
    try:
        numba.set_num_threads(1)
        one = everything()
    finally:
        numba.set_num_threads(most)
    for _ in range(3):
        assert all(torch.equal(a, b) for a, b in zip(one, everything(), strict=True))


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda c, f: rasterize(c[None], f, (4, 4), ranges=[[0, 1]]), "clip"),
        (lambda c, f: rasterize(c, f, (4, 4), ranges=[[0, 2]]), "within the 1 faces"),
        (lambda c, f: rasterize(c, f, (4, 4), ranges=[[-1, 1]]), "within"),
        (lambda c, f: rasterize(c, f, (4, 4), ranges=[[1, -1]]), "within"),
        (lambda c, f: rasterize(c, f, (4, 4), ranges=[[0.0, 1.0]]), "ranges must be"),
        (lambda c, f: rasterize(c, f, (4, 4), ranges=[0, 1]), "ranges must be"),
        (lambda c, f: antialias(torch.zeros(2, 4, 4, 1), torch.zeros(2, 4, 4, 4), c, f, ranges=[[0, 1]]), "2 images"),
        (lambda c, f: pack_meshes([c, c], [f, f + 1]), "faces index"),
        (lambda c, f: pack_meshes([c], [f, f]), "1 vertices need as many faces"),
        (lambda c, f: peel(c[None], f, (4, 4), 0), "layers"),
        (lambda c, f: peel(c[None], f, (4, 4), 1.5), "layers"),
        (lambda c, f: peel(c, f, (4, 4), 1), "peel: clip"),
    ],
)  # fmt: skip
def test_wrong_input_is_named(call, name):
    clip = torch.tensor([[-1.0, -1, 0, 1], [1, -1, 0, 1], [0, 1, 0, 1]])
    with pytest.raises(ValueError, match=name):
        call(clip, torch.tensor([[0, 1, 2]]))
