"""soap train: mistakes in what is given end in one sentence, and the commands make what they say."""

import pytest

from soaplib.cli import main
from soaplib.errors import UserError
from soaplib.training.command import run


@pytest.mark.parametrize(
    ("kind", "settings", "word"),
    [
        ("views", {"learning": 1}, "learning"),
        ("views", {"batch": "many"}, "batch"),
        ("views", {"widths": 3}, "widths"),
        ("normals", {"precision": "half"}, "precision"),
        ("upsample", {"kinds": "rgba"}, "kinds"),
        ("prepare", {"pixels": 64}, "pixels"),
    ],
)
def test_a_wrong_setting_is_told_in_one_sentence(tmp_path, kind, settings, word):
    with pytest.raises(UserError, match=word):
        run(kind, tmp_path / "out", tmp_path, 1, settings)
    assert not (tmp_path / "out").exists()


def test_networks_want_samples(tmp_path, capsys):
    assert main(["train", "views", "--out", str(tmp_path / "out")]) == 2
    assert "--data" in capsys.readouterr().err


def test_samples_and_a_network_from_the_command_line(tmp_path):
    data = str(tmp_path / "data")
    size, workers = ["-s", "size=32"], ["-s", "workers=1"]
    assert main(["train", "prepare", "--out", data, "--heads", "1", *size, *workers]) == 0
    small = [
        "max_steps=2",
        "widths=[16,16,16,16]",
        "batch=1",
        "warm_up=1",
        "held_out=1",
        "precision=no",
        "max_minutes=null",
    ]
    small = [part for one in small for part in ("-s", one)]
    out = tmp_path / "views"
    assert main(["train", "views", "--data", data, "--out", str(out), *small]) == 0
    assert list(out.rglob("*.safetensors"))
