"""The report as text, and in a real browser."""

import dataclasses
import io
import json
import math
import re
import shutil
import subprocess

import numpy as np
import pytest
from made_up_avatar import made_up_avatar
from PIL import Image

from soaplib.animation.gltf import write_glb
from soaplib.animation.motion import sample_motion
from soaplib.animation.posing import pose_vertices
from soaplib.animation.rotations import quaternions
from soaplib.data import JOINT_NAMES
from soaplib.errors import UserError
from soaplib.viewing.report import write_report
from soaplib.viewing.viewer import write_viewer

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")


def portrait_of(avatar, yaw=0.4):
    """Return `run.json`'s key `portrait` for an avatar seen from its left."""
    c, s = math.cos(yaw) * 1000, math.sin(yaw) * 1000
    return {
        "weights": dict(zip(avatar.expression_names, avatar.weights.tolist(), strict=True)),
        "joints": dict(zip(JOINT_NAMES, quaternions(avatar.joint_rotations).tolist(), strict=True)),
        "camera": [[c, 0, -s, 0], [0, -1000, 0, 0], [-s, 0, -c, 0], [0, 0, 0, 1]],
    }


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    avatar = made_up_avatar()
    write_glb(avatar, folder / "avatar.glb", [sample_motion(fps=10)])
    pictures = folder / "01_portrait" / "figures"
    pictures.mkdir(parents=True)
    for name, size in (("matte", (80, 80)), ("sheet", (300, 60))):
        Image.effect_noise(size, 40).convert("RGB").save(pictures / f"{name}.png")
    shutil.copy(pictures / "matte.png", folder / "input.png")
    (folder / "notebooks").mkdir()
    (folder / "notebooks" / "01_portrait.ipynb").write_text("{}")
    (folder / "turntable.mp4").write_bytes(b"film")
    run = {
        "name": "Ada <b>",
        "input": {"file": "input.png"},
        "advice": ["Turn to the camera & smile."],
        "parameters": {"steps": 30},
        "seed": 7,
        "device": {"kind": "cpu"},
        "versions": {"python": "3.11"},
        "total_seconds": 72.4,
        "portrait": portrait_of(avatar),
        "stages": [
            {
                "name": "01_portrait",
                "seconds": 5.25,
                "metrics": {"landmark_error": 0.01254321, "vertices": 12345, "eye": "blue"},
                "units": {"landmark_error": "mm"},
                "figures": [
                    {"file": "01_portrait/figures/matte.png", "caption": "The <matte>."},
                    {"file": "figures/sheet.png", "caption": "A wide one."},
                    {"file": "01_portrait/figures/gone.png", "caption": "Not there."},
                ],
                "notes": ["Hair lies over a brow."],
            },
            {"name": "09_own_stage"},
        ],
    }
    (folder / "run.json").write_text(json.dumps(run))
    return folder


def test_report_tells_everything(run_dir):
    path = write_report(run_dir)
    text = path.read_text()
    assert path == run_dir / "report.html"
    for words in (
        "<title>Ada &lt;b&gt;</title>", "1 min 12 s", "Turn to the camera &amp; smile.", "The &lt;matte&gt;.",
        "0.01254 mm", "12,345", "blue", "Hair lies over a brow.", "5.2 s", "Own stage", "steps",
    ):  # fmt: skip
        assert words in text, words
    assert "Not there." not in text
    assert text.count("<img src='data:image/webp;base64,") == 3
    assert text.count("class='wide'") == 1
    for link in ("avatar.glb", "turntable.mp4", "run.json", "notebooks/01_portrait.ipynb"):
        assert f"href='{link}' download" in text
    assert "expressions.mp4" not in text
    assert text.index("id='01_portrait'") < text.index("id='09_own_stage'")
    assert write_report(run_dir).read_text() == text
    assert not list(run_dir.glob(".*"))


def test_report_asks_nothing_of_the_network(run_dir):
    text = write_report(run_dir).read_text()
    addresses = re.findall(
        r"""(?:src|href)\s*=\s*["']([^"']{0,200})|url\(([^)]{0,80})|@import\s+(\S+)""", text
    )
    for address in (found for each in addresses for found in each if found):
        assert not re.match(r"(?i)https?:|//|file:|/", address), address[:60]
    assert "default-src 'none'" in text


def test_unfinished_run_has_a_report_too(tmp_path):
    (tmp_path / "run.json").write_text("{}")
    text = write_report(tmp_path).read_text()
    assert "There is no avatar yet" in text
    (tmp_path / "run.json").write_text(
        json.dumps({"stages": [{"name": "01_portrait", "metrics": None}], "input": None})
    )
    assert "Portrait" in write_report(tmp_path).read_text()


@pytest.mark.parametrize("content", [None, "not json"])
def test_a_folder_without_a_run_is_a_users_mistake(tmp_path, content):
    if content:
        (tmp_path / "run.json").write_text(content)
    with pytest.raises(UserError, match=r"readable run\.json"):
        write_report(tmp_path)


def browse(page, folder, *arguments, size=(900, 700)):
    """Open a page in headless Chromium; return what it printed and what it complained of."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        pytest.skip("needs chromium; install it to test pages in a real browser")
    done = subprocess.run(
        [
            browser, "--headless", "--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader",
            "--enable-unsafe-swiftshader", "--force-prefers-reduced-motion", "--hide-scrollbars",
            "--force-device-scale-factor=1", f"--window-size={size[0]},{size[1]}", "--virtual-time-budget=6000",
            f"--user-data-dir={folder / 'profile'}", "--enable-logging=stderr", *arguments, page.as_uri(),
        ],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    return done.stdout, [line for line in done.stderr.splitlines() if "CONSOLE" in line]


def test_report_draws_the_head_in_a_browser(run_dir, tmp_path):
    path = write_report(run_dir)
    page, complaints = browse(path, tmp_path, "--dump-dom")
    assert complaints == []
    assert 'data-state="drawn"' in page
    assert page.count("<output>0</output></label>") == 52
    assert [
        name in page for name in (">neutral<", ">portrait<", ">smile<", ">surprise<", ">jaw open<", ">blink<")
    ] == [True] * 6
    assert "462 vertices · 800 triangles · 52 shapes" in page


def test_browser_without_webgl_is_told_so(run_dir, tmp_path):
    page = write_viewer(run_dir / "avatar.glb", tmp_path / "page.html")
    broken = page.read_text().replace('getContext("webgl2"', 'getContext("webgl9"')
    page.write_text(broken)
    text, complaints = browse(page, tmp_path, "--dump-dom")
    assert complaints == []
    assert 'data-state="no-webgl"' in text
    assert "This browser has no WebGL 2" in text


def test_viewer_poses_as_gltf_says(tmp_path):
    """The portrait's pose in the browser covers the same pixels as our own posing and rasteriser."""
    from soaplib.render import draw, perspective

    blue = np.broadcast_to(np.array([0, 0, 255], np.uint8), (8, 8, 3))
    avatar = made_up_avatar(rings=20, seed=3)
    parts = tuple(
        dataclasses.replace(part, texture=blue, alpha=False, double_sided=True) for part in avatar.parts
    )
    avatar = dataclasses.replace(avatar, parts=parts, weights=np.random.default_rng(5).random(52) * 0.4)
    write_glb(avatar, tmp_path / "avatar.glb")
    page = write_viewer(tmp_path / "avatar.glb", tmp_path / "page.html", portrait_of(avatar))
    clicks = """<style>main { padding: 0 !important; margin: 0 !important; max-width: none !important }
        .viewer { display: block !important } .viewer-panel, .viewer-bar { display: none !important }
        .viewer-stage { width: 400px !important; aspect-ratio: 1 !important; max-height: none !important }</style>
        <script>const watch = setInterval(() => {
          if (document.querySelector('.viewer').dataset.state !== 'drawn') return;
          clearInterval(watch);
          document.querySelectorAll('.viewer-presets button')[1].click();
          document.querySelectorAll('.viewer-look input')[1].click();
        }, 50);</script></body>"""
    page.write_text(page.read_text().replace("</body>", clicks))
    _, complaints = browse(page, tmp_path, f"--screenshot={tmp_path / 'page.png'}", size=(800, 700))
    assert complaints == []
    picture = np.asarray(Image.open(io.BytesIO((tmp_path / "page.png").read_bytes())).convert("RGB")).astype(
        int
    )
    picture = picture[:400, :400]
    seen = picture[..., 2] - picture[..., 0] > 128

    rest = np.concatenate([part.vertices for part in parts])
    low, high = rest.min(axis=0), rest.max(axis=0)
    distance = np.linalg.norm(high - low) / 2 / math.sin(0.21) * 0.86
    c, s = math.cos(0.4), math.sin(0.4)
    rotation = np.array([[c, 0, -s], [0, 1, 0], [s, 0, c]])
    shift = -rotation @ (low + high) / 2 - (0, 0, distance)
    camera = perspective(rotation, shift, 200 / math.tan(0.21), np.array([200.0, 200.0]))
    posed = []
    for part in parts:
        vertices, normals = pose_vertices(part, avatar.joints, avatar.weights, avatar.joint_rotations)
        posed.append(dataclasses.replace(part, vertices=vertices, normals=normals))
    expected, at_rest = (
        draw(each, camera, (400, 400), background=1.0)[..., 0] < 0.5 for each in (posed, parts)
    )
    assert expected.mean() > 0.1
    assert overlap(expected, at_rest) < 0.95, "the pose is far enough from rest for this test to tell"
    assert overlap(seen, expected) > 0.985


def overlap(a, b):
    return (a & b).sum() / (a | b).sum()
