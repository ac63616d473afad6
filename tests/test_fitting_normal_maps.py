"""Equations from normal maps: their derivatives against differences, and what they find on made-up views."""

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from soaplib.data import VIEW_YAWS, Views
from soaplib.fitting.energy import seen_faces
from soaplib.fitting.normal_maps import NormalMaps
from soaplib.fitting.registration import register
from soaplib.head.laplacian import uniform_laplacian
from soaplib.multiview.geometric import view_cameras
from soaplib.render import render_views


def views_of(head, vertices, size=128):
    """Six views of posed vertices, without colours."""
    scale = 0.8 * size / np.ptp(head.template[:, 1])
    camera = np.eye(4)
    camera[:3, :3] = scale * np.diag([1, -1, -1])
    camera[:2, 3] = size / 2
    middle = head.skull_middle(head.template)
    camera[:2, 3] -= camera[:2, :3] @ middle
    cameras = view_cameras(camera, middle)
    seen = render_views(
        torch.as_tensor(vertices, dtype=torch.float32), torch.as_tensor(seen_faces(head)),
        torch.as_tensor(cameras, dtype=torch.float32), (size, size),
    )  # fmt: skip
    normals = torch.nn.functional.normalize(seen.normals, dim=-1).numpy()
    return Views(np.ones((6, size, size, 3), np.float32), normals, seen.mask.numpy(), cameras, "made up")


def chosen(head):
    face = (head.region("face") > 0.5) & head.part_vertices("skin") & (head.region("mouth_cavity") < 0.5)
    return np.flatnonzero(face & (head.region("eye_sockets") < 0.5))


def test_there_are_six_views(head):
    assert len(views_of(head, head.template).cameras) == len(VIEW_YAWS)


def test_normals_turn_as_differences_say(head):
    """Derivatives of vertex normals by ten shape components, against central differences."""
    maps = NormalMaps(views_of(head, head.template, 32), head, chosen(head))
    slopes = head.shape_basis[..., :10].astype(np.float64)
    template = head.template.astype(np.float64)
    _, change = maps._turning(template, slopes)
    step = 1e-4
    for k in range(10):
        ends = [maps._turning(template + s * step * slopes[..., k], slopes)[0] for s in (1, -1)]
        np.testing.assert_allclose(
            change[..., k], (ends[0] - ends[1]) / (2 * step), atol=1e-4 * np.abs(change).max()
        )


def test_the_same_head_asks_for_nothing(head):
    maps = NormalMaps(views_of(head, head.template), head, chosen(head), 128)
    slopes = head.shape_basis[..., :3].astype(np.float64)
    rows, right = maps.equations(head.template.astype(np.float64), slopes, np.ones(len(chosen(head))), 2.0)
    assert len(rows) == len(right) > 3000 and rows.shape[1] == 3
    shape = np.linalg.lstsq(np.concatenate([rows, np.eye(3)]), np.append(right, np.zeros(3)), rcond=None)[0]
    assert np.abs(shape).max() < 0.03
    none, nothing = maps.equations(head.template.astype(np.float64), slopes, np.zeros(len(chosen(head))), 2.0)
    assert len(none) == len(nothing) == 0


@pytest.mark.parametrize("axis", ["x", "y"])
def test_one_step_finds_a_turn(head, axis):
    """Views of a head that is turned by 2 degrees: one step of least squares in the turn alone gives it."""
    angle = np.radians(2.0)
    middle = head.skull_middle(head.template)
    turn = Rotation.from_euler(axis, angle).as_matrix()
    maps = NormalMaps(views_of(head, (head.template - middle) @ turn.T + middle), head, chosen(head), 128)
    slopes = np.stack([np.cross(unit, head.template - middle) for unit in np.eye(3)], 2)
    rows, right = maps.equations(head.template.astype(np.float64), slopes, np.ones(len(chosen(head))), 3.0)
    found = np.linalg.lstsq(rows, right, rcond=None)[0]
    expected = angle * np.eye(3)["xyz".index(axis)]
    np.testing.assert_allclose(found, expected, atol=0.15 * angle)


def test_views_keep_a_head_from_sliding(head):
    """Landmarks are 3 mm off, the surface is smoothed: nearest points let the face slide, normal maps hold it."""
    shape = np.zeros(head.shape_basis.shape[2])
    shape[:6] = 1.0, -0.8, 0.7, -0.5, 0.4, 0.3
    surface = head.template + head.shape_basis @ shape
    views = views_of(head, surface, 256)
    laplacian = uniform_laplacian(head.faces, len(surface))
    smooth = surface.copy()
    for _ in range(15):
        smooth -= 0.5 * (laplacian @ smooth) / np.maximum(laplacian.diagonal(), 1)[:, None]
    camera = views.cameras[0]
    seen = head.landmarks(surface + [0, -0.003, 0]) @ camera[:2, :3].T + camera[:2, 3]
    marks = camera, seen, np.ones(len(seen)), 5.0
    start = np.zeros(len(shape)), np.zeros(len(head.expression_names))
    off = []
    for given in (None, views):
        found = register(head, smooth, seen_faces(head), *start, marks, views=given)
        off.append(np.linalg.norm(found.vertices(head) - surface, axis=1)[chosen(head)].mean())
    assert off[1] < 0.6 * off[0], off
