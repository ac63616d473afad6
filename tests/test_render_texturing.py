"""Boundaries of textures, their halvings, and the steps from pixel to pixel that choose among these."""

import numba
import pytest
import torch
from test_render_rasterise import SIZE, random_mesh

from soaplib.render import interpolate, pixel_steps, rasterize, texture

FOUR = torch.tensor([[[0.0], [1]], [[2], [3]]], dtype=torch.float64)[None]


def looked_up(u, v, **options):
    return texture(FOUR, torch.tensor([[[[u, v]]]], dtype=torch.float64), **options).item()


def test_boundaries_by_hand():
    # Texel centres at 1/4 and 3/4; the upper row is 0 1, the lower one 2 3.
    assert looked_up(0.0, 0.75) == 0 and looked_up(0.0, 0.75, boundary="wrap") == 0.5
    assert looked_up(1.0, 0.25) == 3 and looked_up(1.0, 0.25, boundary="zero") == 1.5
    assert looked_up(1.25, 0.25, boundary="zero") == looked_up(0.75, -0.3, boundary="zero") == 0
    assert looked_up(1.75, -5.75, boundary="wrap") == 3 and looked_up(-0.75, 2.75, boundary="wrap") == 0
    assert looked_up(1.6, 0.3, mode="nearest", boundary="wrap") == 3
    assert looked_up(1.6, 0.3, mode="nearest", boundary="zero") == 0
    assert looked_up(0.6, 0.3, mode="nearest", boundary="zero") == 3
    for strange in (float("nan"), float("inf"), -1e300):
        for options in ({"boundary": "wrap"}, {"boundary": "zero"}, {"mode": "nearest", "boundary": "wrap"}):
            assert looked_up(strange, 0.75, **options) == 0


def test_wrapping_is_looking_up_a_repeated_image():
    g = torch.Generator().manual_seed(0)
    image = torch.rand(1, 5, 4, 2, generator=g, dtype=torch.float64)
    uv = torch.rand(2, 6, 7, 2, generator=g, dtype=torch.float64) * 2 - 0.5
    repeated = texture(image.repeat(1, 3, 3, 1), (uv + 1) / 3)
    torch.testing.assert_close(texture(image, uv, boundary="wrap"), repeated)
    padded = texture(torch.nn.functional.pad(image, (0, 0, 4, 4, 5, 5)), (uv + 1) / 3)
    torch.testing.assert_close(texture(image, uv, boundary="zero"), padded)


@pytest.mark.parametrize("boundary", ["clamp", "wrap", "zero"])
@pytest.mark.parametrize("mip", [False, True])
def test_gradients(boundary, mip):
    g = torch.Generator().manual_seed(1)
    image = torch.rand(1, 5, 4, 2, generator=g, dtype=torch.float64, requires_grad=True)
    uv = (torch.rand(2, 3, 4, 2, generator=g, dtype=torch.float64) * 1.6 - 0.3).requires_grad_()
    # Up to two texels a pixel, so that three levels are blended.
    steps = torch.rand(2, 3, 4, 2, 2, generator=g, dtype=torch.float64) if mip else None

    def look(i, t):
        return texture(i, t, mip=mip, boundary=boundary, steps=steps)

    assert torch.autograd.gradcheck(look, (image, uv))


def test_pixel_steps_are_the_slopes_of_what_is_interpolated():
    clip, faces = random_mesh(2, count=25)
    g = torch.Generator().manual_seed(0)
    values = torch.randn(2, clip.shape[1], 3, generator=g, dtype=torch.float64)
    rast = rasterize(clip, faces, SIZE)
    steps = pixel_steps(values, rast, clip, faces)
    height, width = SIZE
    nudge = 1e-5
    for axis, extent in ((0, width), (1, height)):
        # Moving the mesh by a little to the left or up is to look at it a little further right or down.
        moved = []
        for sign in (1, -1):
            c = clip.clone()
            c[..., axis] += (1 if axis else -1) * sign * nudge * 2 / extent * c[..., 3]
            again = rasterize(c, faces, SIZE)
            moved.append((interpolate(values, again, faces), again[..., 3]))
        steady = (moved[0][1] == moved[1][1]) & (moved[0][1] == rast[..., 3])
        slope = (moved[0][0] - moved[1][0]) / (2 * nudge)
        assert steady.double().mean() > 0.99
        torch.testing.assert_close(steps[..., axis][steady], slope[steady], rtol=1e-4, atol=1e-6)
    assert not steps[rast[..., 3] == 0].any()
    shared = pixel_steps(values[0], rast, clip, faces)
    torch.testing.assert_close(shared[0], steps[0])


def test_steps_choose_the_level():
    g = torch.Generator().manual_seed(0)
    image = torch.rand(1, 16, 32, 2, generator=g, dtype=torch.float64)
    uv = torch.rand(1, 3, 3, 2, generator=g, dtype=torch.float64)
    steps = torch.zeros(1, 3, 3, 2, 2, dtype=torch.float64)
    # Four texels to the right along the image's rows, two down: the wider counts, its second halving.
    steps[..., 0, 0], steps[..., 1, 1] = 4 / 32, 2 / 16
    quarter = image.reshape(1, 4, 4, 8, 4, 2).mean((2, 4))
    torch.testing.assert_close(texture(image, uv, mip=True, steps=steps), texture(quarter, uv))
    torch.testing.assert_close(texture(image, uv, mip=True, steps=steps / 8), texture(image, uv))
    mean = image.mean((1, 2)).expand(1, 3, 3, 2)
    torch.testing.assert_close(texture(image, uv, mip=True, steps=steps * 1e9), mean)
    steps[0, 1, 1] = float("nan")
    assert torch.isfinite(texture(image, uv, mip=True, steps=steps)).all()


def test_a_texture_seen_small_does_not_shimmer():
    # A fine checkerboard on a slanted square: its mean is grey, and so is every pixel where squares are small.
    y, x = torch.meshgrid(torch.arange(256), torch.arange(256), indexing="ij")
    image = ((x // 2 + y // 2) % 2).double()[None, :, :, None]
    square = torch.tensor([[-1.0, -1, 0, 1], [1, -1, 0, 1], [1, 1, 0, 3], [-1, 1, 0, 3]], dtype=torch.float64)
    square[:, :2] *= 0.9
    faces = torch.tensor([[0, 1, 2], [0, 2, 3]])
    corner_uv = torch.tensor([[0.0, 0], [1, 0], [1, 1], [0, 1]], dtype=torch.float64)
    rast = rasterize(square[None], faces, (32, 32))
    uv = interpolate(corner_uv, rast, faces)
    steps = pixel_steps(corner_uv, rast, square[None], faces)
    seen = rast[..., 3] > 0
    plain, smooth = texture(image, uv)[seen], texture(image, uv, mip=True, steps=steps)[seen]
    assert plain.std() > 0.2 and smooth.std() < 0.02 and abs(smooth.mean() - 0.5) < 0.01


def test_bits_do_not_depend_on_the_number_of_threads():
    if numba.get_num_threads() == 1:
        pytest.skip("one core only")
    g = torch.Generator().manual_seed(0)
    start = torch.rand(1, 37, 21, 3, generator=g)
    place = torch.rand(3, 40, 30, 2, generator=g) * 1.5 - 0.25
    steps = torch.rand(3, 40, 30, 2, 2, generator=g) * 0.3

    def everything():
        image, uv = start.clone().requires_grad_(), place.clone().requires_grad_()
        out = texture(image, uv, mip=True, boundary="wrap", steps=steps)
        out.square().sum().backward()
        return out.detach(), image.grad, uv.grad

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
        (lambda uv, r, c, f: texture(FOUR, uv, boundary="mirror"), "boundary"),
        (lambda uv, r, c, f: texture(FOUR, uv, mip=True, steps=torch.zeros(1, 4, 4, 2)), "steps"),
        (lambda uv, r, c, f: pixel_steps(torch.zeros(5, 2), r, c, f), "clip"),
        (lambda uv, r, c, f: pixel_steps(torch.zeros(3, 2), r, c.expand(3, -1, -1), f), "batch"),
        (lambda uv, r, c, f: pixel_steps(torch.zeros(3, 2), r[..., :3], c, f), "rast"),
    ],
)
def test_wrong_input_is_named(call, name):
    clip = torch.tensor([[[-1.0, -1, 0, 1], [1, -1, 0, 1], [0, 1, 0, 1]]])
    with pytest.raises(ValueError, match=name):
        call(torch.zeros(1, 4, 4, 2), torch.zeros(1, 4, 4, 4), clip, torch.tensor([[0, 1, 2]]))
