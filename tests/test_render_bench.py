"""The bench: what it renders, what it reports, and that all who render render the same."""

import json
import time

import numpy as np
import pytest
import torch
from test_render_rasterise import ball

from soaplib.bench import render
from soaplib.bench.contenders import Contender, contenders
from soaplib.bench.jobs import mesh_job, split_faces
from soaplib.errors import UserError
from soaplib.render import mesh_edges

ROW = {"backend", "device", "size", "views", "faces", "channels", "forward_ms", "backward_ms", "repeats"}


def ball_job(size=16, parts=1, channels=3, views=2):
    vertices, faces = (a.numpy() for a in ball(5, 7))
    return mesh_job(*split_faces(vertices, faces, parts), size, channels, views)


@pytest.mark.parametrize("parts", [1, 2, 3, 5])
def test_split_faces_keeps_the_mesh_closed_and_its_surface(parts):
    vertices, faces = (a.numpy() for a in ball(5, 7))
    fine, small = split_faces(vertices, faces, parts)
    assert len(small) == parts**2 * len(faces)
    # Euler's formula of a closed surface without holes: V - F / 2 = 2.
    assert len(fine) == 2 + len(small) // 2
    assert (mesh_edges(torch.from_numpy(small)) >= 0).all()

    def areas(v, f):
        return np.cross(v[f[:, 1]] - v[f[:, 0]], v[f[:, 2]] - v[f[:, 0]])

    got = areas(fine, small).reshape(len(faces), -1, 3)
    np.testing.assert_allclose(
        got, np.broadcast_to(areas(vertices, faces)[:, None] / parts**2, got.shape), atol=1e-12
    )


def test_report_has_a_row_for_each_job_and_is_json(monkeypatch):
    monkeypatch.setattr(render, "PARTS", (1, 2))
    monkeypatch.setattr(render, "CHANNELS", (1, 3))
    monkeypatch.setattr(render, "_BASE_SIZE", 16)
    monkeypatch.setattr(render, "_SECONDS", 0.0)
    told = []
    report = render.measure([16, 8], ["cpu", "warp"], job=ball_job, progress=told.append)
    report = json.loads(json.dumps(report))
    assert set(report) == {"machine", "rows", "ratios", "growth", "absent"}
    assert report["machine"]["cores"] >= 1 and report["machine"]["threads"] >= 1
    rows = report["rows"]
    assert all(set(row) == ROW and row["views"] == 2 for row in rows)
    assert all(row["forward_ms"] > 0 and row["backward_ms"] > 0 and row["repeats"] >= 3 for row in rows)
    shapes = [(row["size"], row["faces"], row["channels"]) for row in rows if row["backend"] == "cpu"]
    assert shapes == [(8, 56, 3), (16, 56, 3), (16, 224, 3), (16, 56, 1)]
    assert {(r["backend"], r["device"]) for r in rows} == {("cpu", "cpu"), ("warp", "cpu")}
    assert {g["by"] for g in report["growth"]} == {"pixels", "faces", "channels"}
    for ratio in report["ratios"]:
        one, other = (
            next(
                r
                for r in rows
                if r["backend"] == n and all(r[k] == ratio[k] for k in ("size", "faces", "channels"))
            )
            for n in (ratio["backend"], "cpu")
        )
        assert ratio["forward"] == pytest.approx(one["forward_ms"] / other["forward_ms"], rel=0.01, abs=0.001)
    assert told and all(a["why"] for a in report["absent"])
    text = render.table(report)
    assert text.count("\ncpu    ") == len(shapes) and "times cpu" in text


def sleeper(name, seconds, made, backward=True):
    def make(job):
        def forward():
            made.append((name, job.size))
            time.sleep(seconds(job))

        return forward, (lambda _: None) if backward else None

    return Contender(name, "cpu", make, "sleeps")


def test_repetitions_alternate_and_slow_ones_are_measured_once_or_left_out(monkeypatch):
    monkeypatch.setattr(render, "_SECONDS", 0.05)
    made = []
    known = [
        sleeper("cpu", lambda job: 0.01, made),
        sleeper("slow", lambda job: 0.0 if job.size == 8 else 2.1, made),
        sleeper("rays", lambda job: 0.01, made, backward=False),
        Contender("away", "cpu", None, why_not="not installed"),
    ]
    monkeypatch.setattr(render, "contenders", lambda: known)
    report = render.measure([16, 32], seconds=5, growth=False, job=ball_job)
    repeats = {(r["backend"], r["size"]): r["repeats"] for r in report["rows"]}
    assert repeats["slow", 16] == 1 and ("slow", 32) not in repeats
    assert repeats["cpu", 16] in (3, 4) and repeats["rays", 32] in (3, 4)
    assert {"backend": "slow", "device": "cpu", "why": "over 5 s at 32 x 32"} in report["absent"]
    assert {"backend": "away", "device": "cpu", "why": "not installed"} in report["absent"]
    assert [name for name, size in made if size == 32][:6] == ["cpu", "rays"] * 3
    rays = [r for r in report["rows"] if r["backend"] == "rays"]
    assert all(r["backward_ms"] is None for r in rays)
    assert all(r["total"] is None for r in report["ratios"] if r["backend"] == "rays")
    times = np.array([r["forward_ms"] for r in rays])
    assert (times >= 10).all() and "none" in render.table(report)


def test_growth_is_the_power_of_the_count():
    rows = [
        {"backend": "cpu", "device": "cpu", "size": s, "views": 1, "faces": 1, "channels": 3, "forward_ms": s**2 / 100,
         "backward_ms": s**2 / 50, "repeats": 1}
        for s in (10, 20, 40)
    ]  # fmt: skip
    assert render._growth("pixels", rows)[0]["exponent"] == 1
    assert render._growth("faces", rows) == []


@pytest.mark.parametrize(("sizes", "names"), [([0], None), ([], None), ([8], ["cpu", "opengl"])])
def test_what_cannot_be_measured_is_said(sizes, names):
    with pytest.raises(UserError, match="opengl.*there are cpu, warp" if names else "1 pixel or more"):
        render.measure(sizes, names, job=ball_job)


@pytest.mark.parametrize("contender", contenders(), ids=lambda c: f"{c.name}-{c.device}")
def test_contenders_render_the_same_picture(contender):
    if contender.why_not:
        pytest.skip(contender.why_not)
    job = ball_job(48)
    reference, _ = contenders()[0].make(job)
    expected = reference()[0].detach().numpy()
    forward, backward = contender.make(job.to(contender.device))
    state = forward()
    if contender.name == "mitsuba":
        image = np.stack([np.array(i) for i in state])
        seen, expected = abs(image).sum(-1) > 0, abs(expected).sum(-1) > 0
        assert (seen == expected).mean() > 0.95
    else:
        image = (
            state.reshape(expected.shape) if contender.name == "embree" else state[0].detach().cpu().numpy()
        )
        assert (abs(image - expected).max(-1) < 2 / 255).mean() > 0.9
    if backward is not None:
        gradients = backward(state)
        first = gradients[0] if contender.name != "mitsuba" else gradients
        assert np.isfinite(np.array(first.cpu() if hasattr(first, "cpu") else first)).all()


def test_command_line(capsys, monkeypatch):
    from soaplib.cli import main

    asked = {}

    def measure(sizes, names, **named):
        asked.update(sizes=sizes, names=names, **named)
        return {"machine": render.machine(), "rows": [], "ratios": [], "growth": [], "absent": []}

    monkeypatch.setattr(render, "measure", measure)
    assert main(["bench", "render", "--json", "--sizes", "64", "32", "--backends", "cpu", "--no-growth"]) == 0
    assert json.loads(capsys.readouterr().out)["rows"] == []
    assert asked["sizes"] == [64, 32] and asked["names"] == ["cpu"] and not asked["growth"]
    assert main(["bench", "render"]) == 0
    assert "cores" in capsys.readouterr().out and list(asked["sizes"]) == [128, 256, 512, 1024]
