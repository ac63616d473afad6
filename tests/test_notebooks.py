"""The notebooks as they are committed: clean, in one form, and true in what they name."""

import ast
import importlib
import json
import re

import pytest

from soaplib.runs import STAGES, notebooks_folder
from soaplib.runs.stages import read_notebook

NAMES = ("00_tour", *STAGES, "07_evaluation", "10_synthetic_heads", "11_train_views", "12_train_normals")
LONGEST_CELL = 25
OWN_PARAMETERS = 5
NEVER = re.compile(
    r"^\s*[!%]|sys\.path|os\.chdir|(?<![\w.])input\(|autoreload|pip install|allow_pickle", re.MULTILINE
)


@pytest.fixture(params=NAMES)
def notebook(request, root):
    return json.loads((root / "notebooks" / f"{request.param}.ipynb").read_text(encoding="utf-8")) | {
        "name": request.param
    }


def cells(notebook, kind):
    return ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == kind]


def test_every_notebook_is_one_that_is_tested(root):
    assert sorted(path.stem for path in (root / "notebooks").glob("*.ipynb")) == sorted(NAMES)


def test_committed_without_outputs(notebook):
    for cell in notebook["cells"]:
        assert set(cell["metadata"]) <= {"tags"}
        if cell["cell_type"] == "code":
            assert cell["outputs"] == [] and cell["execution_count"] is None
    assert notebook["metadata"]["kernelspec"] == {
        "display_name": "Python 3",
        "language": "python",
        "name": "python3",
    }
    assert "papermill" not in notebook["metadata"] and "widgets" not in notebook["metadata"]
    ids = [cell["id"] for cell in notebook["cells"]]
    assert len(set(ids)) == len(ids)


def test_one_cell_of_literal_parameters(notebook):
    book = read_notebook(notebooks_folder() / f"{notebook['name']}.ipynb")
    assert {"run_dir", "profile", "seed"} <= set(book.parameters) or notebook["name"] == "00_tour"
    own = set(book.parameters) - {"run_dir", "profile", "seed", "portrait", "landmarks"}
    assert len(own) <= OWN_PARAMETERS
    source = next(s for s in cells(notebook, "code") if s.startswith("run_dir"))
    assert all("#" in line for line in source.splitlines() if not line.startswith(("seed", "#"))), (
        "say what each is"
    )
    first_code = cells(notebook, "code")[0]
    assert first_code == source, "parameters come before all other code"


def test_opens_with_a_question_and_ends_with_exercises(notebook):
    text = cells(notebook, "markdown")
    number, name = notebook["name"].split("_", 1)
    assert re.match(rf"# {number} - \w", text[0]), text[0][:40]
    assert "?" in text[0]
    assert "After this notebook you can" in text[1] and "**Needs**" in text[1]
    everything = "\n".join(text)
    assert "## Summary" in everything and "## Exercises" in everything
    assert everything.count("$$") >= 2 or number == "00", "an equation"


def test_prose_and_code_are_in_balance(notebook):
    code, text = cells(notebook, "code"), cells(notebook, "markdown")
    assert len(text) >= 0.6 * len(code)
    for source in code:
        assert len(source.splitlines()) <= LONGEST_CELL, source[:80]
        assert not NEVER.search(source), source[:80]
        ast.parse(source)


def test_stage_is_opened_under_its_own_name_and_finished(notebook):
    if notebook["name"] in STAGES:
        source = "\n".join(cells(notebook, "code"))
        assert f'open_stage(run_dir, "{notebook["name"]}", profile=profile, seed=seed)' in source
        assert "stage.finish()" in source
        inputs = re.findall(r'stage\.input\("(\w+)"\)', source)
        assert all(name in STAGES and name < notebook["name"] for name in inputs)


def test_what_is_imported_and_named_exists(notebook):
    for source in cells(notebook, "code"):
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.ImportFrom) and node.module.startswith("soaplib"):
                module = importlib.import_module(node.module)
                for alias in node.names:
                    assert hasattr(module, alias.name), f"{node.module} has no {alias.name}"
    for text in cells(notebook, "markdown"):
        for dotted in re.findall(r"`(soaplib(?:\.\w+)+)", text):
            _resolve(dotted)


def test_links_lead_somewhere(notebook, root):
    for text in cells(notebook, "markdown"):
        for target in re.findall(r"\]\(([^)#\s]+)", text):
            if "://" not in target:
                assert (root / "notebooks" / target).exists(), target


def _resolve(dotted):
    parts = dotted.split(".")
    for count in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:count]))
        except ModuleNotFoundError:
            continue
        for name in parts[count:]:
            found = getattr(found, name)
        return
    raise AssertionError(f"there is no {dotted}")
