"""One call for all generators: each is found, imported only when wanted, and given its options."""

import subprocess
import sys
import types

import pytest
from made_up_portrait import made_up_portrait

from soaplib.errors import UserError
from soaplib.multiview import GENERATORS, generate
from soaplib.multiview.unique3d.loading import VARIABLE


@pytest.fixture(scope="module")
def made(head):
    return made_up_portrait(head, 128)


@pytest.mark.parametrize(
    ("name", "where"),
    [("geometric", "geometric.geometric_views"), ("unique3d", "unique3d.views.unique3d_views")],
)
def test_each_name_is_its_generator(monkeypatch, name, where):
    monkeypatch.setattr(f"soaplib.multiview.{where}", lambda *given, **options: (given, options))
    assert generate("p", "h", "q", name, 99, seed=3) == (("p", "h", "q", 99), {"seed": 3})


def test_auto_is_the_best(monkeypatch):
    module = sys.modules["soaplib.multiview.generate"]
    assert module.BEST in GENERATORS and module.BEST != "auto"
    monkeypatch.setattr(module, "_maker", lambda name: lambda *given: name)
    for best, there, expected in (
        ("geometric", True, "geometric"), ("compact", True, "compact"), ("compact", False, "geometric"),
    ):  # fmt: skip
        weights = types.SimpleNamespace(find_weights=_found if there else _missing)
        monkeypatch.setitem(sys.modules, "soaplib.multiview.compact.weights", weights)
        monkeypatch.setattr(module, "BEST", best)
        assert generate("p", "h", "q") == expected


def _found(name):
    return name


def _missing(name):
    raise UserError(f"No weights {name}.")


def test_an_unknown_generator_is_named(head, made):
    with pytest.raises(UserError, match="auto, compact, unique3d, geometric, not 'magic'"):
        generate(made.portrait, head, made.pose, "magic")


def test_no_published_weights_is_said_in_one_sentence(head, made, monkeypatch, tmp_path):
    import huggingface_hub.constants

    monkeypatch.setenv(VARIABLE, str(tmp_path))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    with pytest.raises(
        UserError, match=r"put the model .*head-mvimage-diffuser .*into .*head-mvimage-diffuser"
    ):
        generate(made.portrait, head, made.pose, "unique3d")


def test_importing_it_loads_no_network_library():
    code = (
        "import sys, soaplib.multiview, soaplib.multiview.unique3d.views, soaplib.multiview.attention; "
        "print([m for m in ('diffusers', 'transformers', 'accelerate', 'huggingface_hub') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
