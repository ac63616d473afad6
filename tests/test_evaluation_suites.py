"""`evaluate` and its command: what goes on when heads fail, and what is never lost."""

import importlib
import json
import types

import numpy as np
import pytest

from soaplib import cli
from soaplib.errors import UserError
from soaplib.evaluation import Watch, evaluate
from soaplib.evaluation.report import table

suites = importlib.import_module("soaplib.evaluation.evaluate")
ROW = {"chamfer": 1.0, "normals": float("nan"), "blink_pixels": 0}


@pytest.fixture
def fake(monkeypatch):
    """Heads that need no work: a list of what each of them does; exceptions are raised, rows returned."""
    outcomes = []

    def case(path, *_):
        outcome = outcomes[int(path)]
        if isinstance(outcome, BaseException):
            raise outcome
        return None, None, outcome

    monkeypatch.setattr(suites, "load_head", lambda: None)
    monkeypatch.setattr(suites, "held_out", lambda n: (types.SimpleNamespace(seed=k) for k in range(n)))
    monkeypatch.setattr(suites, "_synthetic", lambda codes, *_: case(codes.seed))
    report = importlib.import_module("soaplib.evaluation.report")
    monkeypatch.setattr(report.WorstHeads, "see", lambda *_: None)
    monkeypatch.setattr(report.WorstHeads, "sheet", np.zeros((8, 8, 3), np.uint8))
    return outcomes


def test_a_head_that_fails_is_told_and_the_rest_goes_on(fake):
    fake += [ROW, UserError("No face."), ValueError("odd"), ROW | {"chamfer": 3.0}]
    said, sizes = [], []

    class Told(Watch):
        def begins(self, heads):
            sizes.append(heads)

        def failed(self, name, reason):
            said.append((name, reason))

        def so_far(self, result):
            sizes.append((result["heads"], len(result["failed"])))

    result = evaluate(4, watch=Told())
    assert said == [("1", "No face."), ("2", "ValueError: odd")]
    assert sizes == [4, (1, 0), (1, 1), (1, 2), (2, 2)]
    assert result["heads"] == 2 and [one["defect"] for one in result["failed"]] == [False, True]
    assert result["metrics"]["chamfer"] == {
        "mean": 2.0, "median": 2.0, "p90": pytest.approx(2.8), "unit": "% of head height",
    }  # fmt: skip
    assert "normals" not in result["metrics"] and result["per_head"][0]["normals"] is None
    assert [row["name"] for row in result["per_head"]] == ["0", "3"]
    assert {"suite", "heads", "views", "metrics", "per_head"} <= set(result)
    text = table(result)
    assert "measured: 2; not measured: 2" in text and "1: No face." in text
    json.dumps(result, allow_nan=False)


def test_the_command_keeps_what_was_finished(fake, tmp_path, capsys):
    fake += [ROW, KeyboardInterrupt()]
    file = tmp_path / "r.json"
    code = cli.main(["evaluate", "--heads", "2", "--json", str(file), "--sheet", str(tmp_path / "s.png")])
    assert code == 130 and json.loads(file.read_text())["heads"] == 1
    assert "measured: 1" in capsys.readouterr().out
    assert sorted(path.name for path in tmp_path.iterdir()) == ["r.json", "s.png"]


@pytest.mark.parametrize(
    ("outcomes", "code"),
    [
        ([ROW, ROW], 0),
        ([ROW, UserError("No face.")], 0),
        ([ROW, ValueError("odd")], 1),
        ([UserError("a"), UserError("b")], 1),
    ],
)
def test_exit_codes(fake, capsys, outcomes, code):
    fake += outcomes
    assert cli.main(["evaluate", "--heads", "2"]) == code


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--suite", "references"], "--references FOLDER"),
        (["--suite", "references", "--references", "/no/such"], "There is no folder"),
        (["--references", "."], "--suite references"),
        (["--heads", "0"], "At least one head"),
        (["--generator", "magic"], "generator must be one of"),
        (["--json", "/no/such/r.json"], "no folder"),
    ],
)
def test_mistakes_are_one_sentence(capsys, arguments, sentence):
    assert cli.main(["evaluate", *arguments]) == 2
    told = capsys.readouterr().err.strip().splitlines()[-1]
    assert sentence in told
