"""The views under a moving light: as pictures, and as a page in a real browser."""

import re
import shutil

import numpy as np
from PIL import Image
from test_viewing_report import browse

from soaplib.data import VIEW_YAWS, Views
from soaplib.render import lambert
from soaplib.viewing.light_stage import light_stage_page, relit


def ball(size=32):
    """Six views of a white ball."""
    y, x = np.mgrid[:size, :size]
    x, y = (x + 0.5) / size * 2 - 1, 1 - (y + 0.5) / size * 2
    inside = x**2 + y**2 < 0.8
    normals = np.stack([x, y, np.sqrt(np.maximum(1 - x**2 - y**2, 0))], -1) * inside[..., None]
    return Views(
        np.ones((6, size, size, 3), np.float32), np.stack([normals] * 6).astype(np.float32),
        np.stack([inside] * 6).astype(np.float32), np.zeros((6, 4, 4)), "ball",
    )  # fmt: skip


def test_light_stands_still_about_the_head():
    lit = relit(ball(), (1, 0, 0), ambient=0).mean(-1)
    left, right = lit[:, 14:18, 4:12].mean((1, 2)), lit[:, 14:18, 20:28].mean((1, 2))
    front = VIEW_YAWS.index(0)
    assert right[front] > 0.3 and left[front] == 0, "a light at +X is at the right of the front view"
    back, facing, away = (VIEW_YAWS.index(yaw) for yaw in (180, -90, 90))
    assert left[back] > 0.3 and right[back] == 0
    assert abs(left[facing] - right[facing]) < 1e-3 and left[facing] > 0.5, (
        "yaw -90 shows the head's left: +X"
    )
    assert lit[away, 14:18, 14:18].max() == 0


def test_front_view_is_lamberts_law():
    import torch

    views = ball()
    direction = np.array([-0.3, 0.5, 0.8])
    lit = relit(views, direction, ambient=0.3, colours=True)[0]
    law = lambert(torch.as_tensor(views.normals[0]), direction, ambient=0.3).squeeze().numpy()
    inside = views.masks[0] > 0
    np.testing.assert_allclose(lit[inside][:, 0], (1.25 * law[inside]).clip(0, 1), atol=1e-5)
    assert (lit[~inside] == np.float32(0.965)).all()


def test_page_draws_in_a_browser_without_a_network(tmp_path):
    text = light_stage_page(ball(), 64)
    assert not re.search(r'(src|href)="http', text) and len(text) < 100_000
    page = tmp_path / "stage.html"
    page.write_text(text)
    dom, complaints = browse(page, tmp_path, "--dump-dom", size=(900, 300))
    assert complaints == [] and 'data-state="drawn"' in dom and "light from -40°, 25° up" in dom
    shot = tmp_path / "shot.png"
    browse(page, tmp_path, f"--screenshot={shot}", size=(900, 300))
    seen = np.asarray(Image.open(shot).convert("L")).astype(float)[:150]
    expected = relit(ball(64), [np.sin(np.radians(-40)) * np.cos(np.radians(25)), np.sin(np.radians(25)),
                                np.cos(np.radians(-40)) * np.cos(np.radians(25))])  # fmt: skip
    row = np.concatenate(list(expected.mean(-1)), 1)
    drawn = (
        np.asarray(Image.fromarray(seen.astype(np.uint8)).resize((384, 64), Image.BILINEAR)).astype(float)
        / 255
    )
    assert np.abs(drawn - row)[8:56].mean() < 0.03
    shutil.rmtree(tmp_path / "profile", ignore_errors=True)
