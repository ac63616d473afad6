"""`soap synth`: what it writes, and mistakes in one sentence."""

import json
import re
import sys
import types

import pytest
from made_up_synthetic_head import make_made_up_head

from soaplib import cli


@pytest.fixture(autouse=True)
def made_up(monkeypatch):
    heads = types.ModuleType("soaplib.synthetic.heads")
    heads.make_head = make_made_up_head
    monkeypatch.setitem(sys.modules, "soaplib.synthetic.heads", heads)
    return heads


def synth(capsys, *arguments):
    code = cli.main(["synth", *map(str, arguments)])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_writes_a_dataset_and_goes_on(capsys, tmp_path):
    asked = ("--out", tmp_path / "d", "--size", 32, "--views", 2, "--workers", 1, "--shard-size", 2)
    code, out, err = synth(capsys, "--count", 2, *asked)
    assert code == 0 and re.search(r"2 heads lie in .*d \(\d+ s\)", out) and "2/2" in err
    code, out, err = synth(capsys, "--count", 3, *asked)
    assert (
        code == 0
        and "3 heads" in out
        and json.loads((tmp_path / "d" / "index.json").read_text())["views"] == 2
    )


def test_failed_heads_are_told(capsys, tmp_path, made_up):
    def make(seed):
        if seed % 2:
            raise ArithmeticError("no nose")
        return make_made_up_head(seed)

    made_up.make_head = make
    code, out, err = synth(capsys, "--count", 2, "--out", tmp_path / "d", "--size", 32, "--workers", 1)
    assert code == 1 and "1 heads lie" in out and "1 heads could not be made (seeds 1" in err


def test_an_interruption_leaves_whole_shards(capsys, tmp_path, made_up):
    def make(seed):
        if seed == 1:
            raise KeyboardInterrupt
        return make_made_up_head(seed)

    made_up.make_head = make
    asked = ("--out", tmp_path / "d", "--size", 32, "--workers", 1, "--shard-size", 1)
    code, _, err = synth(capsys, "--count", 2, *asked)
    assert code == 130 and "whole shards stay" in err
    assert [path.name for path in (tmp_path / "d").glob("heads-*.tar")] == ["heads-00000000-00000000.tar"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--count", 0], r"Expected --count from 1 to 1000000, got 0"),
        (["--count", 3, "--views", 7], r"Expected --views from 1 to 6, got 7"),
        (["--count", 3, "--size", 8], r"Expected --size from 32 to 2048, got 8"),
        (["--count", 3, "--seed", -1], r"Expected --seed from 0"),
        (["--count", 3, "--extras", "depth,smell"], r"no extra 'smell'; --extras takes depth,uv,albedo,mesh"),
        (["--count", 3, "--workers", 0], r"Expected --workers 1 or more, got 0"),
        (["--count", 3, "--workers", 2, "--scheduler", "tcp://x:1"], r"--workers or --scheduler, not both"),
    ],
)
def test_a_mistake_is_one_sentence_and_code_2(capsys, tmp_path, arguments, sentence):
    code, out, err = synth(capsys, *arguments, "--out", tmp_path / "d")
    assert code == 2 and out == "" and len(err.strip().splitlines()) == 1
    assert re.search(sentence, err), err
    assert not (tmp_path / "d").exists()


def test_a_folder_of_another_seed_is_left_alone(capsys, tmp_path):
    asked = ("--count", 1, "--out", tmp_path / "d", "--size", 32, "--workers", 1)
    assert synth(capsys, *asked)[0] == 0
    before = sorted((path.name, path.stat().st_mtime_ns) for path in (tmp_path / "d").iterdir())
    code, _, err = synth(capsys, *asked, "--seed", 1)
    assert code == 2 and "holds a dataset with seed 0, but 1 is asked for" in err
    assert sorted((path.name, path.stat().st_mtime_ns) for path in (tmp_path / "d").iterdir()) == before
