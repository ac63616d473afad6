"""Light of synthetic heads: harmonics, exposure, turning, shadows."""

import dataclasses
import json

import numpy as np
import pytest
import torch

from soaplib.head import load_head
from soaplib.render import shade_sh, spherical_harmonics, vertex_normals
from soaplib.synthetic.drawing.backdrop import BACKDROPS, Backdrop, draw_backdrop, paint_backdrop
from soaplib.synthetic.drawing.camera import Turn
from soaplib.synthetic.drawing.light import ENVIRONMENTS, Light, draw_light, harmonic_basis, sphere
from soaplib.synthetic.drawing.looks import draw_look
from soaplib.synthetic.drawing.occlusion import received_light
from soaplib.synthetic.pieces import STYLES

EVEN = Light("plain", (1.0,) * 3, (1.0,) * 3, (), (0.0, 0.0, 1.0), (1.0,) * 3, 0.01)


def test_harmonics_are_the_renderers():
    directions = sphere(200)
    assert np.allclose(
        harmonic_basis(directions), spherical_harmonics(torch.from_numpy(directions.copy())), atol=1e-12
    )


def test_even_light_shades_by_one():
    shade = shade_sh(torch.from_numpy(sphere(50).copy()), torch.from_numpy(EVEN.harmonics()))
    assert np.allclose(shade, 1, atol=0.01)


def test_harmonics_are_near_the_integral():
    """The cosine-weighted mean of the radiance over the hemisphere, by brute force; nine harmonics come within 3 %."""
    light = draw_light(np.random.default_rng(0), "realistic")
    directions = sphere(20000)
    radiance = light.radiance(directions)
    for normal in sphere(12):
        cosine = np.maximum(directions @ normal, 0)
        truth = 4 * (cosine[:, None] * radiance).mean(0)
        found = harmonic_basis(normal[None])[0] @ light.harmonics()
        assert np.abs(found - truth).max() < 0.05 * radiance.max()


@pytest.mark.parametrize("style", STYLES)
def test_drawn_lights_are_plausible(style):
    front = np.array([[0.0, 0.0, 1.0]])
    levels, kinds = [], set()
    for seed in range(200):
        light = draw_light(np.random.default_rng(seed), style)
        kinds.add(light.environment)
        key = max(np.dot(light.key_direction, front[0]), 0) * np.array(light.key_colour)
        levels.append((harmonic_basis(front)[0] @ light.harmonics() + key).mean())
        assert abs(np.linalg.norm(light.key_direction) - 1) < 1e-9 and min(light.key_colour) >= 0
        assert Light(**{**json.loads(json.dumps(dataclasses.asdict(light)))}).environment == light.environment
    assert len(kinds) >= len(ENVIRONMENTS) - 1
    assert (
        0.5 < np.median(levels) < 1.2 and np.percentile(levels, 2) > 0.25 and np.percentile(levels, 98) < 1.6
    )


def test_turning_the_light_is_turning_the_head_back():
    light = draw_light(np.random.default_rng(5), "realistic")
    light = dataclasses.replace(light, sky=light.ground)  # the part that stays level
    rotation = Turn(30.0, 10.0, -5.0, 1.0, 1.0, (0.0, 0.0)).rotation()
    normals = sphere(20)  # in the head's axes
    turned = light.turned(rotation)
    assert np.allclose(turned.radiance(normals), light.radiance(normals @ rotation.T), atol=1e-9)
    assert np.allclose(np.array(turned.key_direction) @ rotation.T, light.key_direction)


def test_chin_shades_the_neck_and_sockets_are_dim():
    head = load_head()
    skin = head.part_vertices("skin")
    faces = head.faces[skin[head.faces].all(1)]
    normals = vertex_normals(torch.as_tensor(head.template), torch.as_tensor(faces)).numpy()
    light = dataclasses.replace(EVEN, key_direction=(0.0, 0.8, 0.6))
    _, openness, key = received_light(
        head.template.astype(np.float32), normals, faces.astype(np.int32), light
    )
    points = head.landmarks(head.template)
    # Between the brows, the chin, the tip of the nose.
    nearest = [int(np.linalg.norm(head.template - points[i], axis=1).argmin()) for i in (151, 152, 4)]
    assert key[nearest[0]] > 0.8 and key[nearest[2]] > 0.8
    throat = np.linalg.norm(head.template - (points[152] + (0, -0.035, -0.045)), axis=1)
    throat[~skin] = 9
    assert key[throat.argmin()] < 0.3
    assert openness[nearest[0]] > 0.8 and openness.max() <= 1.0001 and openness.min() >= 0
    cavity = head.region("mouth_cavity") > 0.9
    assert np.median(openness[cavity]) < 0.2
    free = received_light(
        head.template.astype(np.float32), normals, faces.astype(np.int32), light, occlusion=0.0
    )
    assert np.allclose(free[1], 1)


def test_looks_and_backdrops_are_json_and_repeatable():
    for style in STYLES:
        for seed in range(5):
            look, backdrop = (draw(np.random.default_rng(seed), style) for draw in (draw_look, draw_backdrop))
            assert look == draw_look(np.random.default_rng(seed), style) and look.cel == (style == "anime")
            json.dumps([dataclasses.asdict(look), dataclasses.asdict(backdrop)])
    assert draw_look(np.random.default_rng(0), "anime").lines > 0
    with pytest.raises(KeyError):
        draw_look(np.random.default_rng(0), "cubist")


def test_backdrops_are_what_they_say():
    flat = paint_backdrop(Backdrop("flat", ((0.2, 0.4, 0.6),)), 32)
    assert (flat == (51, 102, 153)).all() and flat.shape == (32, 32, 3)
    down = paint_backdrop(Backdrop("gradient", ((0.0,) * 3, (1.0,) * 3)), 64)[:, 0, 0].astype(int)
    assert down[0] < 5 and down[-1] > 250 and (np.diff(down) >= 0).all()
    spot = paint_backdrop(Backdrop("blurred", ((0.0,) * 3,), ((0.25, 0.5, 0.2, (1.0,) * 3),)), 64)
    assert spot[32, 16, 0] > 150 and spot[32, 60, 0] == 0
    assert {draw_backdrop(np.random.default_rng(s), "realistic").kind for s in range(40)} == set(BACKDROPS)
