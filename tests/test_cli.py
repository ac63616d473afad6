"""The command `soap`: exit codes, one sentence for a mistake, and what it leaves behind."""

import json
import pathlib
import re
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from soaplib import cli
from soaplib.errors import UserError
from soaplib.runs import SAMPLES, find_portrait
from soaplib.runs.parameters import parse_parameters


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def soap(capsys, *arguments):
    """Run the command line; return (exit code, stdout, stderr)."""
    try:
        code = cli.main([str(argument) for argument in arguments])
    except SystemExit as leave:
        code = leave.code
    captured = capsys.readouterr()
    return code, captured.out, captured.err


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "grey.png"
    Image.fromarray(np.full((128, 128, 3), 128, np.uint8)).save(path)
    return path


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["no_such.png"], r"There is no picture at no_such\.png; give the path of an image file or a sample"),
        (["."], r"is a folder; give the picture file in it"),
        (["grey.png", "-p", "gain"], r"Expected a parameter as name=value, got 'gain'"),
        (["grey.png", "-p", "a=1", "-p", "a=2"], r"The parameter a is given twice"),
        (["grey.png", "-p", "no_such_knob=1"], r"There is no parameter no_such_knob"),
        (["grey.png", "--profile", "huge"], r"profile is one of standard, draft"),
        (["grey.png", "--until", "99"], r"'99' names none"),
        (["grey.png", "--landmarks", "no.json"], r"no\.json"),
    ],
)
def test_a_mistake_is_one_sentence_and_code_2(capsys, tmp_path, picture, arguments, sentence):
    code, out, err = soap(capsys, "run", *arguments)
    assert code == 2 and out == "" and len(err.strip().splitlines()) == 1
    assert re.search(sentence, err), err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["grey.png"]


@pytest.mark.parametrize("content", [b"", b"not a picture", b"\x89PNG\r\n\x1a\n"])
def test_what_is_no_picture_is_code_2_and_leaves_nothing(capsys, tmp_path, content):
    (tmp_path / "x.png").write_bytes(content)
    code, _, err = soap(capsys, "run", "x.png")
    assert code == 2 and len(err.strip().splitlines()) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["x.png"]


def test_bad_usage_is_code_2(capsys):
    for arguments in ([], ["run"], ["run", "a", "--no-such-option"], ["sing"], ["run", "a", "--seed", "x"]):
        assert soap(capsys, *arguments)[0] == 2


def test_doctor_json(capsys):
    code, out, _ = soap(capsys, "doctor", "--json")
    found = json.loads(out)
    checks = {check["name"]: check for check in found["checks"]}
    assert {
        "Python",
        "torch",
        "mediapipe",
        "import cv2",
        "processor cores",
        "pytorch3d",
        "nvdiffrast",
        "node",
    } <= set(checks)
    assert code == (0 if found["ok"] else 1) and found["ok"], [c for c in found["checks"] if not c["ok"]]
    assert checks["Python"]["found"] == ".".join(map(str, sys.version_info[:3]))
    assert all(check["mend"] for check in found["checks"] if not check["ok"])


def test_doctor_fails_where_a_package_is_missing(capsys, monkeypatch):
    from soaplib.runs import doctor

    monkeypatch.setattr(doctor.importlib.metadata, "requires", lambda _: ["no-such-package>=2", "numpy>=9"])
    monkeypatch.setattr(
        doctor, "_import", lambda module, mend: doctor._check(f"import {module}", True, "works")
    )
    code, out, _ = soap(capsys, "doctor")
    assert code == 1 and "MISS no-such-package" in out and "MISS numpy" in out and "make setup" in out
    monkeypatch.setattr(sys, "version_info", (3, 13, 0))
    assert "Python 3.10 to 3.12 is needed" in soap(capsys, "doctor")[1]


def test_doctor_tells_a_broken_import():
    from soaplib.runs import doctor

    check = doctor._import("no_such_module", "get it")
    assert not check["ok"] and "No module named" in check["found"] and check["mend"] == "get it"


def test_view_without_a_run_is_code_2(capsys, tmp_path):
    code, _, err = soap(capsys, "view", tmp_path)
    assert code == 2 and "There is no run in" in err


def test_view_writes_the_report_when_it_is_stale(capsys, tmp_path):
    from soaplib.runs.manifest import new_manifest

    run = tmp_path / "run"
    run.mkdir()
    portrait = {"file": "input.png", "name": "a.png", "sha256": "0", "bytes": 1}
    new_manifest(run, portrait, None, {}, "draft", 0).write(run)
    code, out, _ = soap(capsys, "view", run, "--no-open")
    report = run / "report.html"
    assert code == 0 and pathlib.Path(out.strip()) == report and "<html" in report.read_text()
    report.write_text("kept")
    soap(capsys, "view", run, "--no-open")
    assert report.read_text() == "kept"


def test_interrupt_is_code_130(capsys, monkeypatch, picture):
    import soaplib.runs

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(soaplib.runs, "run_portrait", interrupted)
    code, _, err = soap(capsys, "run", picture)
    assert code == 130 and "finished stages stay" in err


def test_defect_is_code_1(capsys, monkeypatch, picture):
    import soaplib.runs

    def broken(*_, **__):
        raise soaplib.runs.RunError("03_fitting failed with ValueError: singular; read x.ipynb")

    monkeypatch.setattr(soaplib.runs, "run_portrait", broken)
    code, _, err = soap(capsys, "run", picture)
    assert code == 1 and err.strip() == "soap: 03_fitting failed with ValueError: singular; read x.ipynb"


def test_parameters_are_json_or_text():
    parsed = parse_parameters(
        ["a=1", "b=1.5", "c=true", "d=[1, 2]", "e=null", "f=geometric", 'g="3"', "h=", "i=x=y", "j=NaN"]
    )
    assert parsed == {
        "a": 1, "b": 1.5, "c": True, "d": [1, 2], "e": None,
        "f": "geometric", "g": "3", "h": "", "i": "x=y", "j": "NaN",
    }  # fmt: skip


def test_samples_and_paths(tmp_path):
    for name in SAMPLES:
        assert find_portrait(name).is_file()
    own = tmp_path / "astronaut"
    own.write_bytes(b"mine")
    assert find_portrait("astronaut") == pathlib.Path("astronaut")  # a file of that name comes first
    with pytest.raises(UserError, match="There is no picture"):
        find_portrait("cosmonaut")


def test_importing_the_command_line_is_cheap():
    code = "import sys, soaplib.cli; print(sorted({'torch', 'mediapipe', 'papermill'} & set(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
