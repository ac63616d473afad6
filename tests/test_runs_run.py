"""Runs of six toy notebooks: what is done, what is kept, and what is left after a failure."""

import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest
from conftest import write_notebook

from soaplib.errors import UserError
from soaplib.runs import STAGES, RunError, run_portrait
from soaplib.runs.kernels import Kernels
from soaplib.runs.progress import Progress
from soaplib.storage import write_json

COMMON = 'run_dir = "../somewhere"\nprofile = "standard"\nseed = 0\n'
OPEN = (
    "from soaplib.runs import open_stage\nstage = open_stage(run_dir, {name!r}, profile=profile, seed=seed)"
)


def toy(folder: pathlib.Path, name: str, *code: str, parameters: str = "") -> None:
    """Write a stage's notebook whose work is `code`."""
    if name == STAGES[0]:
        parameters += '\nportrait = ""\nlandmarks = None'
    write_notebook(
        folder / f"{name}.ipynb", COMMON + parameters, OPEN.format(name=name), *code, "stage.finish();"
    )


@pytest.fixture
def notebooks(tmp_path):
    """Six notebooks: the first sums the input's bytes, the second multiplies, the last writes the artifacts."""
    folder = tmp_path / "notebooks"
    folder.mkdir()
    toy(
        folder,
        STAGES[0],
        "import pathlib\nfrom soaplib.errors import UserError\ndata = pathlib.Path(portrait).read_bytes()",
        "if not data:\n    raise UserError('No face was found; give a picture with one.')",
        "(stage.folder / 'sum.txt').write_text(str(sum(data)))\nstage.metric('sum', sum(data))",
    )
    toy(
        folder,
        STAGES[1],
        "value = int((stage.input('01_portrait') / 'sum.txt').read_text())",
        "(stage.folder / 'product.txt').write_text(str(value * gain))",
        parameters="gain = 2.0\nkind = 'a'\nbig = False",
    )
    for name in STAGES[2:5]:
        toy(folder, name, f"(stage.folder / 'made.txt').write_text({name!r})")
    toy(
        folder,
        STAGES[5],
        "import json\n"
        "for file in ('avatar.glb', 'turntable.mp4', 'expressions.mp4'):\n"
        "    (stage.folder / file).write_text(file)\n"
        "(stage.folder / 'portrait.json').write_text(json.dumps({'weights': {}, 'crop': '01_portrait/crop.png'}))",
    )
    return folder


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "person.PNG"
    path.write_bytes(bytes([1, 2, 3]))
    return path


@pytest.fixture
def run(tmp_path, notebooks, picture):
    """Run the toys up to the second stage, and return (run folder, stages that were executed)."""

    def call(**options):
        seen = Seen()
        options = {"until_stage": "02", "notebooks": notebooks, "progress": seen} | options
        manifest = run_portrait(options.pop("portrait", picture), tmp_path / "run", **options)
        return manifest, seen

    return call


class Seen(Progress):
    def __init__(self):
        self.made, self.kept, self.said, self.cells, self.lines = [], [], [], 0, []

    def stage_ends(self, name, seconds, made):
        (self.made if made else self.kept).append(name)

    def cell_done(self):
        self.cells += 1

    def output(self, line):
        self.lines.append(line)

    def says(self, sentence):
        self.said.append(sentence)


def test_whole_run_keeps_what_is_true(tmp_path, run, monkeypatch):
    reports = []
    monkeypatch.setitem(sys.modules, "soaplib.viewing", type(sys)("soaplib.viewing"))
    fake = type(sys)("soaplib.viewing.report")
    fake.write_report = lambda folder: reports.append(folder) or (folder / "report.html").write_text("report")
    monkeypatch.setitem(sys.modules, "soaplib.viewing.report", fake)

    manifest, seen = run(until_stage=None)
    folder = tmp_path / "run"
    assert seen.made == list(STAGES) and seen.kept == []
    assert seen.cells >= 4 * len(STAGES) and any("sum: 6" in line for line in seen.lines)
    assert manifest.complete and reports == [folder]
    record = json.loads((folder / "run.json").read_text())
    assert record["portrait"] == {"weights": {}, "crop": "01_portrait/crop.png"}
    assert record["input"] == manifest.input | {"file": "input.png", "name": "person.PNG", "bytes": 3}
    assert [stage["name"] for stage in record["stages"]] == list(STAGES)
    assert record["stages"][0]["metrics"] == {"sum": 6.0}
    assert (folder / "02_multiview" / "product.txt").read_text() == "12.0"
    assert (folder / "avatar.glb").read_text() == "avatar.glb"
    assert set(record["files"]) == {"avatar.glb", "turntable.mp4", "expressions.mp4"}
    executed = json.loads((folder / "notebooks" / "01_portrait.ipynb").read_text())
    assert "widgets" not in executed["metadata"]
    assert not list(folder.rglob("*.part*")) and not list(folder.rglob(".*.part"))

    before = {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
    _, seen = run(until_stage=None)
    assert seen.made == [] and seen.kept == list(STAGES) and len(reports) == 1
    assert before == {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}

    # A damaged file of a later stage: only from there on, and not even beyond where the same comes out again.
    (folder / "05_texturing" / "made.txt").write_text("damaged")
    _, seen = run(until_stage=None)
    assert seen.made == ["05_texturing"] and (folder / "avatar.glb").exists() and len(reports) == 2


def test_what_changes_runs_again(tmp_path, run, notebooks, picture):
    run()
    assert run()[1].made == []
    assert run(parameters={"gain": 3})[1].made == ["02_multiview"]
    assert (tmp_path / "run" / "02_multiview" / "product.txt").read_text() == "18"
    assert run(parameters={"gain": 3}, from_stage="multiview")[1].made == ["02_multiview"]
    picture.write_bytes(bytes([4, 5]))
    seen = run(parameters={"gain": 3})[1]
    assert seen.made == ["01_portrait", "02_multiview"] and "another portrait" in seen.said[0]


def test_failure_is_told_and_the_next_run_goes_on(tmp_path, run, notebooks):
    good = (notebooks / "02_multiview.ipynb").read_text()
    toy(notebooks, "02_multiview", "1 / 0", parameters="gain = 2.0")
    with pytest.raises(
        RunError, match=r"02_multiview failed with ZeroDivisionError: division by zero; read .*failed"
    ):
        run()
    folder = tmp_path / "run"
    assert (folder / "notebooks" / "02_multiview.failed.ipynb").exists()
    assert (folder / "01_portrait" / "stage.json").exists() and not list(folder.glob("*02*"))
    (notebooks / "02_multiview.ipynb").write_text(good)
    _, seen = run()
    assert seen.kept == ["01_portrait"] and seen.made == ["02_multiview"]
    assert not (folder / "notebooks" / "02_multiview.failed.ipynb").exists()


def test_dead_kernel_slow_cell_and_unfinished_stage_are_told(run, notebooks):
    toy(notebooks, "02_multiview", "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)")
    with pytest.raises(RunError, match="02_multiview: its kernel died"):
        run()
    toy(notebooks, "02_multiview", "import time\ntime.sleep(60)")
    with pytest.raises(RunError, match="02_multiview: a cell ran longer than 2 s"):
        run(cell_seconds=2)
    write_notebook(notebooks / "02_multiview.ipynb", COMMON)
    with pytest.raises(RunError, match=r"02_multiview ended without stage\.finish"):
        run()


def test_kernel_that_does_not_answer_is_told(run, monkeypatch):
    take = Kernels.take

    def take_and_cut_off(kernels):
        manager = take(kernels)
        manager.ip += "-nowhere"
        return manager

    monkeypatch.setattr(Kernels, "take", take_and_cut_off)
    monkeypatch.setattr("soaplib.runs.execution.START_SECONDS", 2)
    with pytest.raises(
        RunError, match="01_portrait: Kernel didn't respond in 2 seconds; the same command goes on"
    ):
        run()


def test_user_error_in_the_first_stage_leaves_nothing(tmp_path, run, picture):
    picture.write_bytes(b"")
    with pytest.raises(UserError, match=r"^No face was found; give a picture with one\.$"):
        run()
    assert not (tmp_path / "run").exists()


def test_user_error_leaves_an_older_run_as_it_was(tmp_path, run, picture):
    run()
    folder = tmp_path / "run"
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    bad = tmp_path / "bad.jpg"
    bad.write_bytes(b"")
    with pytest.raises(UserError, match="No face"):
        run(portrait=bad)
    (folder / "notebooks" / "01_portrait.failed.ipynb").unlink()
    assert before == {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"parameters": {"gian": 1}}, r"There is no parameter gian; did you mean gain\?"),
        ({"parameters": {"zzz": 1}}, r"There is no parameter zzz; known are: big, gain, kind\."),
        ({"parameters": {"gain": "x"}}, r'gain expects a number like 2\.0, got "x"'),
        ({"parameters": {"big": 1}}, r"big expects a truth value like false, got 1"),
        ({"parameters": {"kind": 3}}, r'kind expects a text like "a", got 3'),
        ({"parameters": {"seed": 3}}, r"seed is not given with -p; use --seed"),
        ({"profile": "huge"}, r"profile is one of standard, draft, not huge"),
        ({"until_stage": "07"}, r"The stages are 01_portrait, .*; '07' names none"),
        ({"from_stage": "i"}, r"'i' names several"),
        ({"from_stage": "2", "until_stage": "1"}, r"begin at 02_multiview and end at 01_portrait"),
        ({"from_stage": "2"}, r"cannot begin later than 01_portrait, which is not finished"),
    ],
)
def test_mistakes_are_told_before_anything_is_made(tmp_path, run, options, sentence):
    with pytest.raises(UserError, match=sentence):
        run(**options)
    assert not (tmp_path / "run").exists()


def test_foreign_folder_is_left_alone(tmp_path, run):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "thesis.tex").write_text("years of work")
    with pytest.raises(UserError, match="holds something else than a run"):
        run()
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["thesis.tex"]


def test_stage_made_by_hand_is_taken_from_there(tmp_path, run):
    run()
    folder = tmp_path / "run"
    (folder / "01_portrait" / "sum.txt").write_text("100")
    written = json.loads((folder / "01_portrait" / "stage.json").read_text())
    write_json(folder / "01_portrait" / "stage.json", written | {"metrics": {"by_hand": 1.0}})
    manifest, seen = run(from_stage="02")
    assert seen.made == ["02_multiview"] and "made outside of this run" in seen.said[0]
    assert (folder / "02_multiview" / "product.txt").read_text() == "200.0"
    assert manifest.stage("01_portrait")["metrics"] == {"by_hand": 1.0}


RUN_TOYS = """
import sys
from soaplib.runs import run
run.code_checksum = lambda: "the same"
try:
    run.run_portrait(sys.argv[1], sys.argv[2], notebooks=sys.argv[3], until_stage="02")
except KeyboardInterrupt:
    sys.exit(130)
"""


@pytest.mark.parametrize("kill", [signal.SIGKILL, signal.SIGINT])
def test_killed_run_leaves_no_half_stage(tmp_path, run, notebooks, picture, kill, monkeypatch):
    monkeypatch.setattr(
        "soaplib.runs.run.code_checksum", lambda: "the same"
    )  # an edit meanwhile is no matter here
    good = (notebooks / "02_multiview.ipynb").read_text()
    toy(
        notebooks,
        "02_multiview",
        "(stage.folder / 'half.txt').write_text('half')",
        "import time; time.sleep(60)",
    )
    folder = tmp_path / "run"
    command = [sys.executable, "-c", RUN_TOYS, str(picture), str(folder), str(notebooks)]
    process = subprocess.Popen(command)
    deadline = time.monotonic() + 60
    while not (folder / ".02_multiview.part" / "half.txt").exists():
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.05)
    with pytest.raises(UserError, match="Another run is at work"):
        run()
    process.send_signal(kill)
    assert process.wait(90) == (-signal.SIGKILL if kill == signal.SIGKILL else 130)
    assert not (folder / "02_multiview").exists() and (folder / "01_portrait" / "stage.json").exists()
    if kill == signal.SIGINT:
        assert not (folder / ".02_multiview.part").exists()
    (notebooks / "02_multiview.ipynb").write_text(good)
    _, seen = run()
    assert seen.kept == ["01_portrait"] and seen.made == ["02_multiview"]
    assert not list(folder.rglob("*half*"))


def test_kernel_is_this_python_and_works_in_the_run_folder(run, notebooks, tmp_path):
    toy(
        notebooks,
        "01_portrait",
        "import sys, os",
        "(stage.folder / 'who.txt').write_text(os.path.realpath(sys.prefix) + '\\n' + os.getcwd())",
    )
    run(until_stage="01")
    lines = (tmp_path / "run" / "01_portrait" / "who.txt").read_text().split("\n")
    assert lines == [os.path.realpath(sys.prefix), str(tmp_path / "run")]


def test_spare_kernel_has_imported_but_knows_no_names(tmp_path):
    import papermill

    write_notebook(
        tmp_path / "look.ipynb", "a = 1", "import sys\nprint('colorsys' in sys.modules, 'colorsys' in dir())"
    )
    printed = {}
    with Kernels(tmp_path) as kernels:
        for warm in (False, True):
            if warm:
                kernels.warm("import colorsys")
            manager = kernels.take()
            book = papermill.execute_notebook(
                str(tmp_path / "look.ipynb"), None, km=manager, kernel_name="python3", progress_bar=False
            )
            kernels.stop(manager)
            printed[warm] = book.cells[1].outputs[0].text.strip()
        kernels.warm("import no_such_module_here")
    assert printed == {False: "False False", True: "True False"}
    assert not kernels._folder.exists()
