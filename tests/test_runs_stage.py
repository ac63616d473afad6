"""What a notebook holds in its hand, used without a notebook; and the progress of a run in a terminal."""

import json
import time

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from soaplib.runs import STAGES, open_stage
from soaplib.runs.bars import Bars
from soaplib.runs.checksums import file_checksum, folder_checksums, value_checksum
from soaplib.runs.stages import find_stage, read_notebook, read_notebooks
from soaplib.viewing.figures import as_part


def curve():
    figure = Figure(figsize=(2, 1))
    figure.subplots().plot([0, 1, 0.5])
    return figure


def made(run_dir, number):
    """Make a finished stage with one figure, one metric, one note and one file, and return its folder."""
    stage = open_stage(run_dir, "01_portrait", profile="draft", seed=3)
    stage.figure(np.full((4, 4, 3), 0.5), "grey", "A grey square.")
    stage.figure(curve(), "curve", "A curve.")
    stage.metric("number", number, "px")
    stage.note("Come closer.")
    (stage.folder / "data.txt").write_text(str(number))
    return stage.finish()


def test_a_stage_takes_its_place_when_it_is_finished(tmp_path, capsys):
    stage = open_stage(tmp_path / "run", "01_portrait")
    (stage.folder / "half.txt").write_text("half")
    assert not (tmp_path / "run" / "01_portrait").exists()
    folder = made(tmp_path / "run", 7)
    assert folder == tmp_path / "run" / "01_portrait" and not (folder / "half.txt").exists()
    record = json.loads((folder / "stage.json").read_text())
    seconds = record.pop("seconds")
    assert 0 <= seconds < 60 and record == {
        "name": "01_portrait",
        "profile": "draft",
        "seed": 3,
        "metrics": {"number": 7.0},
        "units": {"number": "px"},
        "notes": ["Come closer."],
        "figures": [
            {"file": "figures/grey.png", "caption": "A grey square."},
            {"file": "figures/curve.png", "caption": "A curve."},
        ],
        "files": folder_checksums(folder),
    }
    assert (np.asarray(Image.open(folder / "figures" / "grey.png")) == 128).all()
    assert "number: 7 px" in capsys.readouterr().out
    made(tmp_path / "run", 8)
    assert (folder / "data.txt").read_text() == "8" and [p.name for p in (tmp_path / "run").iterdir()] == [
        "01_portrait"
    ]


def test_equal_stages_are_equal_bytes(tmp_path):
    one = made(tmp_path / "one", 7)
    time.sleep(1.1)  # matplotlib would write the second into the file
    assert folder_checksums(one) == folder_checksums(made(tmp_path / "two", 7))
    assert folder_checksums(one) != folder_checksums(made(tmp_path / "three", 8))


def test_checksums(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"abc")
    digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-2, B.1
    assert file_checksum(tmp_path / "a.txt") == digest
    (tmp_path / "stage.json").write_text("{}")
    (tmp_path / "view.html").write_text("time")
    assert folder_checksums(tmp_path) == {"a.txt": digest}
    assert (
        value_checksum({"a": 1, "b": 2})
        == value_checksum({"b": 2, "a": 1})
        != value_checksum({"a": 2, "b": 1})
    )


def test_mistakes_are_told(tmp_path):
    with pytest.raises(ValueError, match=r"expected a profile of \('standard', 'draft'\), got 'huge'"):
        open_stage(tmp_path, "01_portrait", profile="huge")
    stage = open_stage(tmp_path, "02_multiview")
    with pytest.raises(
        FileNotFoundError, match=r"run notebooks/01_portrait\.ipynb with the same run_dir first"
    ):
        stage.input("01_portrait")
    with pytest.raises(ValueError, match="expected a finite number for the metric 'loss', got nan"):
        stage.metric("loss", float("nan"))


def test_a_figure_of_the_same_name_is_replaced(tmp_path):
    stage = open_stage(tmp_path, "01_portrait")
    stage.figure(np.zeros((2, 2)), "a", "First.")
    stage.figure(np.ones((2, 2)), "a", "Second.")
    folder = stage.finish()
    assert json.loads((folder / "stage.json").read_text())["figures"] == [
        {"file": "figures/a.png", "caption": "Second."}
    ]
    assert np.asarray(Image.open(folder / "figures" / "a.png")).min() == 255


def test_3d_views_are_files_in_a_run_and_live_by_hand(tmp_path, monkeypatch):
    triangle = as_part(np.array([[0, 0, 0], [0.1, 0, 0], [0, 0.1, 0]]), np.array([[0, 1, 2]]))
    monkeypatch.chdir(tmp_path)
    for run_dir in (".", "by_hand"):
        stage = open_stage(run_dir, "01_portrait")
        stage.show3d([triangle], "triangle", "A triangle.", yaws=(0,))
        figures = stage.finish() / "figures"
        assert np.ptp(np.asarray(Image.open(figures / "triangle.png"))) > 50
        if run_dir == ".":
            text = (figures / "triangle.html").read_text()
            assert len(text) > 100_000 and "CreateK3DAndLoadBinarySnapshot" in text
        else:
            assert not (figures / "triangle.html").exists()


@pytest.mark.parametrize(
    ("text", "stage"),
    [
        ("3", "03_fitting"),
        ("03", "03_fitting"),
        ("eyes", "04_eyes_teeth"),
        ("06_animation.ipynb", "06_animation"),
    ],
)
def test_stages_have_short_names(text, stage):
    assert find_stage(text) == stage


def test_notebook_is_read_without_running_it(root):
    books = read_notebooks()
    assert [book.name for book in books] == list(STAGES)
    assert books[0].parameters["landmarks"] is None and books[0].parameters["profile"] == "standard"
    assert "from soaplib.runs import" in books[0].imports() and "stage" not in books[0].imports().split()


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ([], "expected one cell tagged `parameters`, got 0"),
        (["a = 1", "b = 2"], "got 2"),
        (["a = 1\nb = a * 2"], r"may hold only `name = literal`, got `b = a \* 2`"),
        (["import os"], "got `import os`"),
    ],
)
def test_parameters_cell_holds_literals(tmp_path, cells, message):
    path = tmp_path / "x.ipynb"
    code = [{"cell_type": "code", "metadata": {"tags": ["parameters"]}, "source": [cell]} for cell in cells]
    path.write_text(json.dumps({"cells": code}))
    with pytest.raises(ValueError, match=message):
        read_notebook(path)


@pytest.mark.parametrize("terminal", [True, False])
def test_progress_ends_in_one_line_a_stage(capsys, monkeypatch, terminal):
    monkeypatch.setattr("sys.stderr.isatty", lambda: terminal)
    bars = Bars()
    bars.stage_begins("01_portrait", 3)
    bars.cell_done()
    bars.output("fitting: 40 %")
    bars.time_passes()
    bars.stage_ends("01_portrait", 2.345, True)
    bars.stage_ends("02_multiview", 9.0, False)
    bars.close()
    text = capsys.readouterr().err
    assert ("fitting: 40 %" in text) == terminal
    lines = text.replace("\r", "\n").strip().split("\n")
    assert (
        "01_portrait       2.3 s" in lines
        and lines[-1] == "02_multiview      9.0 s, kept from an earlier run"
    )
