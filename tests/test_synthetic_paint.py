"""The drawing: visibility, labels, normals, textures and lines, against hand-made cases and the slow renderer."""

import dataclasses

import numba
import numpy as np
import pytest
import torch
from made_up_pieces import made_up_pieces

from soaplib.head import load_head
from soaplib.render import clip_positions, orthographic, perspective, rasterize, render_views
from soaplib.synthetic.camera import Turn, make_cameras
from soaplib.synthetic.light import Light, draw_light
from soaplib.synthetic.looks import Look, draw_look
from soaplib.synthetic.paint import EXTRAS, assemble, paint
from soaplib.synthetic.pieces import LABELS, STYLES, Piece
from soaplib.synthetic.visible import LANES, place_vertices, scan_visible

FLAT = Light("plain", (1.0,) * 3, (1.0,) * 3, (), (0.0, 0.0, 1.0), (0.0,) * 3, 0.01)
MATT = Look(shine=0.0, rim=0.0, occlusion=0.0)


def card(label="worn", colour=(0.5, 0.5, 0.5), depth=0.0, half=0.05, turned=False, name="card", **more):
    """A square that faces the viewer, or turned, that faces away."""
    vertices = np.array(
        [[-half, -half, depth], [half, -half, depth], [half, half, depth], [-half, half, depth]]
    )
    faces = np.array([[0, 1, 2], [0, 2, 3]], np.int32)
    normals = np.tile(np.float32([0, 0, -1 if turned else 1]), (4, 1))
    return Piece(
        name, vertices.astype(np.float32), normals, faces[:, ::-1].copy() if turned else faces,
        np.full(2, LABELS.index(label), np.uint8), np.tile(np.float32(colour), (4, 1)),
        np.zeros((4, 3), np.int32), np.tile(np.float32([1, 0, 0]), (4, 1)), **more,
    )  # fmt: skip


def front(size=20, width=0.2):
    """A camera that sees `width` metres from the front."""
    return orthographic(np.eye(3), size / width, np.array([size / 2, size / 2]))[None]


def test_a_card_is_where_it_should_be():
    frames = paint(assemble([card()], FLAT, MATT), front(), 20, extras=EXTRAS)
    inside = np.zeros((20, 20), bool)
    inside[5:15, 5:15] = True
    assert np.array_equal(frames.rgba[0, ..., 3], inside * 255)
    assert np.array_equal(frames.labels[0], inside * LABELS.index("worn"))
    assert (frames.normals[0][inside] == (128, 128, 255)).all() and (frames.normals[0][~inside] == 128).all()
    # Light of 1 from everywhere shows the albedo.
    assert np.abs(frames.rgba[0][inside][:, :3].astype(int) - 128).max() <= 2
    assert (np.abs(frames.albedo[0][inside].astype(int) - 128) <= 1).all()
    x, y = frames.position[0, ..., 0], frames.position[0, ..., 1]
    # Extra truth is of the first of the pixel's four samples.
    expected = (np.arange(5, 15) + 0.25) * 0.01 - 0.1
    assert np.allclose(x[7, 5:15], expected, atol=1e-6) and np.allclose(y[5:15, 7], -expected, atol=1e-6)


def test_edges_cover_part_of_a_pixel_and_the_cut_ends_them():
    camera = front()
    camera[0, 0, 3] += 0.5
    frames = paint(assemble([card()], FLAT, MATT), camera, 20, cuts=np.array([12.5]))
    assert (frames.rgba[0, 8, [5, 15], 3] == 128).all() and (frames.rgba[0, 8, 6:15, 3] == 255).all()
    assert (frames.rgba[0, 12, 6:15, 3] == 128).all() and (frames.rgba[0, 13:, :, 3] == 0).all()
    # Half covered: the surface wins over the empty, and its colour is not mixed with anything.
    assert frames.labels[0, 8, 5] == LABELS.index("worn")
    assert (np.abs(frames.rgba[0, 8, 5, :3].astype(int) - 128) <= 2).all()


def test_the_nearest_wins_and_backs_are_culled():
    scene = assemble([card("hair", depth=-0.1, name="far"), card("worn", depth=0.1, half=0.02)], FLAT, MATT)
    labels = paint(scene, front(), 20).labels[0]
    assert labels[10, 10] == LABELS.index("worn") and labels[6, 6] == LABELS.index("hair")
    away = paint(assemble([card(turned=True)], FLAT, MATT), front(), 20)
    assert (away.rgba == 0).all()
    both = paint(assemble([card(turned=True, double_sided=True)], FLAT, MATT), front(), 20)
    assert (both.normals[0, 10, 10] == (128, 128, 255)).all()  # the seen side's normal


def test_backs_of_hair_keep_the_way_their_rim_looks():
    """A normal that leans up and away: cloth shows its other side, a lock of hair its rim."""
    for label, up in (("worn", 92), ("hair", 163)):
        back = card(label, turned=True, double_sided=True)
        normals = np.tile(np.float32([0, 0.28, -0.96]), (4, 1))
        seen = paint(assemble([dataclasses.replace(back, normals=normals)], FLAT, MATT), front(), 20)
        assert np.abs(seen.normals[0, 10, 10].astype(int) - (128, up, 250)).max() <= 1
    odd = dataclasses.replace(card("brows", double_sided=True), faces=card(turned=True).faces)
    assert (paint(assemble([odd], FLAT, MATT), front(), 20).normals[0, 10, 10] == (128, 128, 255)).all()


def test_depth_is_metres_for_both_kinds_of_camera():
    pieces = [card(depth=0.03)]
    scene = assemble(pieces, FLAT, MATT)
    flat = paint(scene, front(), 20, extras=("depth",)).depth[0]
    assert abs(flat[10, 10] + 0.03) < 1e-6 and flat[0, 0] == 0
    near = perspective(np.eye(3), np.array([0, 0, -1.0]), 100.0, np.array([10.0, 10.0]))[None]
    seen = paint(scene, near, 20, extras=("depth", "position"))
    assert abs(seen.depth[0, 10, 10] - 0.97) < 1e-6 and abs(seen.position[0, 10, 10, 2] - 0.03) < 1e-6


def test_visibility_is_the_renderers():
    """On the base head, the same face as `rasterize` finds, but where two lie at one depth."""
    head = load_head()
    camera = orthographic(np.eye(3), 600.0, np.array([64.0, 64.0]))
    faces = np.ascontiguousarray(head.faces)
    rast = rasterize(
        clip_positions(torch.as_tensor(head.template, dtype=torch.float64), camera, (128, 128)),
        torch.as_tensor(faces), (128, 128), cull=True,
    )  # fmt: skip
    wanted = rast[0, ..., 3].long().numpy() - 1
    places = np.empty((len(head.template), 4))
    place_vertices(head.template, camera, 1.0, places)
    depth, ids = np.empty((128, 128 + LANES), np.float32), np.empty((128, 128 + LANES), np.int32)
    scan_visible(places, faces, len(faces), 128, depth, ids)
    ids = ids[:, :128]
    assert (ids == wanted).mean() > 0.9995 and ((ids >= 0) == (wanted >= 0)).mean() > 0.9999


def test_normals_are_the_renderers():
    skin = made_up_pieces()[0]
    camera = front(64, 0.3)
    frames = paint(assemble([skin], FLAT, MATT), camera, 64)
    slow = render_views(
        torch.as_tensor(skin.vertices), torch.as_tensor(skin.faces), camera, (64, 64), torch.as_tensor(skin.normals),
        cull=True,
    )  # fmt: skip
    inside = (frames.rgba[0, ..., 3] == 255) & (slow.mask[0].numpy() > 0.999)
    wanted = torch.nn.functional.normalize(slow.attributes[0], dim=-1).numpy()[inside]
    found = frames.normals[0][inside] / 127.5 - 1
    angle = np.degrees(np.arccos(np.clip((wanted * found).sum(1) / np.linalg.norm(found, axis=1), -1, 1)))
    assert np.median(angle) < 1.5 and np.percentile(angle, 90) < 8


def test_textures_are_mapped_and_shrunk():
    texture = np.zeros((64, 64, 3), np.uint8)
    texture[:32, :, 0] = 255  # red above
    texture[32:, :, 2] = 255
    uv = np.float32([[0, 0], [1, 0], [1, 1], [0, 1]])
    seen = paint(
        assemble([card(colour=(1, 1, 1), uv=uv, texture=texture)], FLAT, MATT),
        front(),
        20,
        extras=("albedo",),
    )
    assert (seen.albedo[0, 7, 10] == (255, 0, 0)).all() and (seen.albedo[0, 12, 10] == (0, 0, 255)).all()
    board = (
        np.kron(np.indices((64, 64)).sum(0) % 2, np.ones((2, 2))).astype(np.uint8)[..., None].repeat(3, 2)
        * 255
    )
    tiny = paint(
        assemble([card(colour=(1, 1, 1), uv=uv, texture=board)], FLAT, MATT), front(), 20, extras=("albedo",)
    )
    assert np.abs(tiny.albedo[0, 6:14, 6:14].astype(int) - 128).max() < 16  # a fine board is grey from afar


def test_gradients_turn_the_light_and_not_the_normals():
    uv = np.float32([[0, 0], [1, 0], [1, 1], [0, 1]])
    piece = card(colour=(1, 1, 1), uv=uv, texture=np.full((16, 16, 3), 200, np.uint8))
    light = dataclasses.replace(
        FLAT, sky=(0.1,) * 3, ground=(0.1,) * 3, key_direction=(1.0, 0, 0), key_colour=(1.0,) * 3
    )
    plain, tilted = (
        paint(assemble([piece], light, MATT, gradients), front(), 20)
        for gradients in (None, {"card": np.full((16, 16, 3), (-0.5, 0, 0), np.float32)})
    )
    assert tilted.rgba[0, 10, 10, 0] > plain.rgba[0, 10, 10, 0] + 30
    assert np.array_equal(plain.normals, tilted.normals)


def test_a_card_before_another_shades_it():
    light = dataclasses.replace(
        FLAT, sky=(0.1,) * 3, ground=(0.1,) * 3, key_direction=(0, 0.6, 0.8), key_colour=(0.8,) * 3
    )
    grid = np.linspace(-0.05, 0.05, 21)
    x, y = np.meshgrid(grid, grid)
    vertices = np.column_stack([x.ravel(), y.ravel(), np.zeros(441)]).astype(np.float32)
    index = np.arange(441).reshape(21, 21)
    a, b, c, d = (
        index[:-1, :-1].ravel(),
        index[:-1, 1:].ravel(),
        index[1:, 1:].ravel(),
        index[1:, :-1].ravel(),
    )
    faces = np.concatenate([np.column_stack([a, b, c]), np.column_stack([a, c, d])]).astype(np.int32)
    wall = Piece(
        "wall", vertices, np.tile(np.float32([0, 0, 1]), (441, 1)), faces, np.ones(len(faces), np.uint8),
        np.ones((441, 3), np.float32), np.zeros((441, 3), np.int32), np.zeros((441, 3), np.float32),
    )  # fmt: skip
    over = card(depth=0.03, half=0.015, double_sided=True)
    seen = paint(assemble([wall, over], light, MATT), front(40), 40).rgba[0, ..., 0].astype(int)
    # The shadow falls 0.75 * 0.03 m lower, half behind the card; it is seen below the card's edge.
    assert seen[25, 20] < seen[25, 12] - 60 and abs(seen[25, 12] - seen[29, 20]) < 12


def test_lines_are_drawn_where_surfaces_end():
    look = dataclasses.replace(Look(cel=True, lines=1.0), shine=0.0)
    seen = paint(assemble([card(colour=(1, 1, 1))], FLAT, look), front(), 20).rgba[0, ..., 0]
    assert (seen[5, 5:15] < 140).all() and (seen[10, 8:12] > 150).all()
    plain = paint(assemble([card(colour=(1, 1, 1))], FLAT, dataclasses.replace(look, lines=0.0)), front(), 20)
    assert plain.rgba[0, 5, 10, 0] > seen[5, 10] + 50


@pytest.mark.parametrize("style", STYLES)
def test_every_style_draws_the_same_at_any_number_of_threads(style):
    rng = np.random.default_rng(1)
    light, look = draw_light(rng, style), draw_look(rng, style)
    head, pieces = load_head(), made_up_pieces()
    turn = Turn(20.0, 5.0, -3.0, 0.8, 1.0, (0.0, 0.0))
    cameras = make_cameras(turn, head, head.template, np.concatenate([p.vertices for p in pieces]), 64)
    before, results = numba.get_num_threads(), []
    for threads in (1, min(2, numba.config.NUMBA_NUM_THREADS)):
        numba.set_num_threads(threads)
        scene = assemble(pieces, light.turned(turn.rotation()), look)
        results.append(paint(scene, cameras.views, 64, np.full(6, cameras.cut)))
    numba.set_num_threads(before)
    for name in ("rgba", "normals", "labels"):
        assert np.array_equal(getattr(results[0], name), getattr(results[1], name))
    seen = results[0].rgba[..., 3] == 255
    assert 20 < results[0].rgba[seen][:, :3].mean() < 235 and results[0].rgba[seen][:, :3].std() > 20


def test_errors_name_the_piece():
    broken = dataclasses.replace(card(name="hat"), colours=np.ones((3, 3), np.float32))
    with pytest.raises(ValueError, match=r"colours of hat must be \(4, 3\), got \(3, 3\)"):
        assemble([broken], FLAT, MATT)
    with pytest.raises(ValueError, match=r"faces of hat must index its 4 vertices, got 0\.\.7"):
        assemble([dataclasses.replace(card(name="hat"), faces=np.int32([[0, 1, 7], [0, 1, 2]]))], FLAT, MATT)
    with pytest.raises(ValueError, match=r"cameras must be \(N, 4, 4\)"):
        paint(assemble([card()], FLAT, MATT), np.eye(4), 20)
    with pytest.raises(ValueError, match="got smell"):
        paint(assemble([card()], FLAT, MATT), front(), 20, extras=("smell",))
