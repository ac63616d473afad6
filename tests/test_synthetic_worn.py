"""Worn things: sized to any head, outside of it, bound to what carries them, drawn sensibly."""

import dataclasses
import json

import numpy as np
import pytest
import scipy.spatial

from soaplib.head import load_head
from soaplib.head.surface import closest_points
from soaplib.synthetic.pieces import LABELS, STYLES
from soaplib.synthetic.worn import WORN_KINDS, WORN_SHAPES, Worn, covered_by, draw_worn, dress, dress_all
from soaplib.synthetic.worn.fitting import Fit
from soaplib.synthetic.worn.necks import neck_grid

RED, WHITE, GOLD = (0.8, 0.1, 0.1), (0.95, 0.95, 0.95), (0.8, 0.65, 0.3)
EVERY = [(kind, shape) for kind in WORN_KINDS for shape in WORN_SHAPES[kind]]


def codes_of(kind, shape, sizes=(0.0,) * 6, pattern="plain"):
    return Worn(kind, shape, (RED, WHITE, GOLD), "clear" if kind == "glasses" else pattern, sizes, 7)


@pytest.fixture(scope="module")
def people():
    """The base head, two of random shape, and one with a swollen skull and a small nose, as cartoons have."""
    head = load_head(styles=False)  # random sums of stylised directions are no heads
    rng = np.random.default_rng(4)
    out = [head]
    for _ in range(2):
        beta = rng.normal(0, 0.5, head.shape_basis.shape[-1]).astype(np.float32)
        out.append(dataclasses.replace(head, template=head.template + head.shape_basis @ beta))
    template = out[1].template.copy()
    middle = np.array([0, -0.02, -0.08], np.float32)
    swell = 1 + 0.3 * np.clip((template[:, 1:2] + 0.05) / 0.1, 0, 1)
    out.append(dataclasses.replace(head, template=(middle + (template - middle) * swell).astype(np.float32)))
    return out


def outside(points, head):
    """Give the signed distance (N,) of points to the skin, positive outside."""
    skin = (
        head.part_vertices("skin") & (head.region("eye_sockets") < 0.5) & (head.region("mouth_cavity") < 0.5)
    )
    faces = head.faces[skin[head.faces].all(1)]
    ids, weights = closest_points(points, head.template, faces)
    corners = head.template[faces[ids]].astype(float)
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    away = points - np.einsum("nkd,nk->nd", corners, weights)
    side = np.sign((away * normal).sum(1))
    # Where the nearest place is an edge its face may tell the wrong side: there the solid angle decides.
    unsure = np.flatnonzero(side < 0)
    side[unsure] = np.where(winding(points[unsure], head.template[faces].astype(float)) > 0.5, -1, 1)
    return np.linalg.norm(away, axis=1) * side


def winding(points, triangles):
    """Give the winding number (N,) of triangles (F, 3, 3) about points (van Oosterom and Strackee 1983)."""
    out = np.zeros(len(points))
    for k, point in enumerate(points):
        a, b, c = np.moveaxis(triangles - point, 1, 0)
        la, lb, lc = (np.sqrt((v * v).sum(1)) for v in (a, b, c))
        over = np.linalg.det(np.stack([a, b, c], 1))
        under = la * lb * lc + (a * b).sum(1) * lc + (b * c).sum(1) * la + (c * a).sum(1) * lb
        out[k] = np.arctan2(over, under).sum() / (2 * np.pi)
    return out


@pytest.mark.parametrize("kind,shape", EVERY)
def test_every_shape_makes_a_whole_piece(people, kind, shape):
    rng = np.random.default_rng(len(shape))
    for head in people:
        sizes = tuple(rng.uniform(-1, 1, 6).tolist())
        piece = dress(codes_of(kind, shape, sizes), head)
        count = len(piece.vertices)
        assert np.isfinite(piece.vertices).all() and np.isfinite(piece.normals).all()
        np.testing.assert_allclose(np.linalg.norm(piece.normals, axis=1), 1, atol=1e-3)
        assert piece.faces.min() >= 0 and piece.faces.max() < count
        assert piece.vertices.dtype == np.float32 and piece.faces.dtype == np.int32
        np.testing.assert_allclose(piece.root_weights.sum(1), 1, atol=1e-5)
        assert piece.roots.shape == (count, 3) and piece.roots.max() < len(head.template)
        assert set(piece.labels) == {LABELS.index("clothes" if kind == "collar" else "worn")}
        assert 100 < len(piece.faces) <= 7500
        assert piece.colours.min() >= 0 and piece.colours.max() <= 1


@pytest.mark.parametrize("shape", WORN_SHAPES["hat"])
def test_hats_stay_out_of_the_skull(people, shape):
    rng = np.random.default_rng(len(shape))
    for head in people:
        piece = dress(codes_of("hat", shape, tuple(rng.uniform(-1, 1, 6).tolist())), head)
        skull = Fit(head).centre
        # Whole triangles, not their corners alone, keep their distance.
        middles = piece.vertices[piece.faces].mean(1)
        points = np.concatenate([piece.vertices, middles])[:: max(1, len(middles) // 300)].astype(float)
        assert (np.linalg.norm(points - skull, axis=1) > 0.02).all()
        assert outside(points, head).min() > 0.002


@pytest.mark.parametrize("shape", WORN_SHAPES["hood"])
def test_hoods_stay_out_of_the_head(people, shape):
    for head in people:
        piece = dress(codes_of("hood", shape), head)
        points = piece.vertices[::12].astype(float)
        assert outside(points, head).min() > 0.002


@pytest.mark.parametrize("shape", WORN_SHAPES["glasses"])
def test_glasses_rest_before_the_eyes(people, shape):
    rng = np.random.default_rng(len(shape))
    for head in people:
        piece = dress(codes_of("glasses", shape, tuple(rng.uniform(-1, 1, 6).tolist())), head)
        fit = Fit(head)
        place = piece.vertices.astype(float)
        front = place[place[:, 2] > fit.eyes[0, 2]]
        # Both pupils are seen through the rims.
        for eye in fit.eyes:
            near = np.hypot(*(front[:, :2] - eye[:2]).T)
            assert near.min() > 0.4 * np.ptp(fit.landmarks[[159, 145], 1])
        assert outside(front[::5], head).min() > -0.0015
        # The bridge touches the nose nearly: it does not float before it.
        bridge = front[np.abs(front[:, 0]) < 0.002]
        assert outside(bridge, head).min() < 0.014
        # The arms reach back to the ears.
        assert place[:, 2].min() < fit.ears["root"][:, 2].max()


def test_headgear_moves_with_the_skull_alone(people):
    head = people[0]
    for kind in ("hat", "band", "creature", "glasses"):
        for shape in WORN_SHAPES[kind]:
            piece = dress(codes_of(kind, shape), head)
            roots = np.unique(piece.roots)
            assert np.abs(head.expression_basis[roots]).max() < 1e-6
            np.testing.assert_allclose(head.skin_weights[roots, 1], 1, atol=1e-3)


def test_earrings_hang_on_their_own_lobes(people):
    head = people[1]
    piece = dress(codes_of("earrings", "hoop"), head)
    at = head.template[piece.roots[:, 0]]
    assert (np.sign(at[:, 0]) == np.sign(piece.vertices[:, 0])).all()
    assert np.linalg.norm(at - piece.vertices, axis=1).max() < 0.06


def test_collars_hang_on_the_neck(people):
    for head in people:
        piece = dress(codes_of("collar", "crew"), head)
        assert np.abs(head.expression_basis[piece.roots]).max() < 1e-3
        at = np.einsum("nkd,nk->nd", head.template[piece.roots], piece.root_weights)
        assert np.median(np.linalg.norm(at - piece.vertices, axis=1)) < 0.02


def test_neck_grid_runs_round_the_neck():
    head = load_head()
    roots, weights = neck_grid()
    points = np.einsum("rckd,rck->rcd", head.template[roots], weights)
    np.testing.assert_allclose(points[:, 0], points[:, -1], atol=1e-6)
    assert (np.diff(points[:, :, 1].mean(1)) > 0).all()
    # Columns turn to the head's left, from the front.
    assert (points[:, 16, 0] > 0.03).all() and (points[:, 48, 0] < -0.03).all()
    assert (points[:10, 0, 2] > points[:10, 32, 2]).all()


def test_the_skull_map_is_where_rays_leave_the_head():
    head = load_head()
    fit = Fit(head)
    azimuth, row = np.meshgrid(np.linspace(0.3, 6.0, 40), np.arange(36, 54, 2.5))
    points = fit.on(azimuth, row).reshape(-1, 3)
    assert np.abs(outside(points, head)).max() < 0.0012
    back = fit.where(points)
    np.testing.assert_allclose(back[1], row.ravel(), atol=1e-6)
    np.testing.assert_allclose(np.sin(back[0]), np.sin(azimuth.ravel()), atol=1e-6)
    assert (fit.bust >= fit.skull - 1e-12).all() and (fit.skull > 0).all()


def test_bands_lie_on_the_hair(people):
    head = people[0]
    fit = Fit(head)
    azimuth, row = np.meshgrid(np.linspace(0, 2 * np.pi, 120), np.linspace(30, 54, 60))
    hair = fit.on(azimuth, row, 0.02).reshape(-1, 3)
    bare, haired = (dress(codes_of("band", "alice"), head, h) for h in (None, hair))
    top = [p.vertices[:, 1].max() for p in (bare, haired)]
    assert 0.012 < top[1] - top[0] < 0.024


def test_the_same_codes_give_the_same_bits_and_a_seed_other_codes(people):
    a, b = (draw_worn(np.random.default_rng(k), "cartoon") for k in (5, 5))
    assert a == b
    for first, second in zip(dress_all(a, people[1]), dress_all(b, people[1]), strict=True):
        assert (first.vertices == second.vertices).all() and (first.colours == second.colours).all()
    drawn = {draw_worn(np.random.default_rng(k), "cartoon") for k in range(60)}
    assert len(drawn) > 30


@pytest.mark.parametrize("style", STYLES)
def test_draws_are_sensible(style):
    rng = np.random.default_rng(1)
    draws = [draw_worn(rng, style) for _ in range(600)]
    for worn in draws:
        kinds = [w.kind for w in worn]
        assert len(set(kinds)) == len(kinds)
        assert sum(k in ("hat", "hood", "band", "creature") for k in kinds) <= 1
        assert json.loads(json.dumps([dataclasses.asdict(w) for w in worn])) or not worn
    share = {kind: np.mean([kind in [w.kind for w in worn] for worn in draws]) for kind in WORN_KINDS}
    assert 0.1 < share["glasses"] < 0.3 and share["collar"] > 0.5
    if style == "realistic":
        assert share["creature"] < 0.03
    dark = np.mean([any(w.pattern == "dark" for w in worn) for worn in draws])
    assert dark < 0.05
    assert {covered_by(worn) for worn in draws} == {"", "cap", "hood"}


def test_what_does_not_exist_is_refused(people):
    with pytest.raises(ValueError, match="one of its shapes"):
        dress(codes_of("hat", "teapot"), people[0])
    with pytest.raises(ValueError, match="style"):
        draw_worn(np.random.default_rng(0), "noir")


def test_pieces_are_in_one_piece_with_the_head(people):
    """Nothing floats in the air: something of each hat, band and hood is near the skin."""
    for head in people[:1]:
        tree = scipy.spatial.cKDTree(head.template)
        for kind in ("hat", "band", "creature", "hood", "necklace", "collar", "earrings"):
            for shape in WORN_SHAPES[kind]:
                piece = dress(codes_of(kind, shape), head)
                assert tree.query(piece.vertices)[0].min() < 0.018, (kind, shape)


@pytest.mark.parametrize("kind,shape", EVERY)
def test_normals_look_the_way_faces_do(people, kind, shape):
    piece = dress(codes_of(kind, shape, (0.5, 0.4, 0.3, 0.45, 0.6, 0.9)), people[0])
    a, b, c = np.moveaxis(piece.vertices[piece.faces].astype(float), 1, 0)
    face = np.cross(b - a, c - a)
    big = np.linalg.norm(face, axis=1) > 1e-9
    assert ((face * piece.normals[piece.faces].mean(1)).sum(1) > 0)[big].mean() > 0.98
