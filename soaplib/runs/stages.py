"""The stages in their order, and what each notebook says about itself."""

import ast
import dataclasses
import json
import os
import pathlib

from soaplib.errors import UserError

STAGES = ("01_portrait", "02_multiview", "03_fitting", "04_eyes_teeth", "05_texturing", "06_animation")
"""Names of the stages: of their notebooks, and of their folders in a run folder."""

PROFILES = ("standard", "draft")
"""How much work a run does: `standard` for the result, `draft` for a quick look."""


@dataclasses.dataclass(frozen=True)
class Notebook:
    """One notebook's source: its cells' text, and the defaults of its cell tagged `parameters`."""

    name: str
    path: pathlib.Path
    sources: tuple[str, ...]
    parameters: dict

    @property
    def code_cells(self) -> int:
        """Return how many cells papermill will execute: those with code, and the one with the parameters given."""
        return len(self.sources) + 1

    def imports(self) -> str:
        """Return the import statements of the notebook's top level, one per line."""
        lines = []
        for source in self.sources:
            try:
                nodes = ast.parse(source).body
            except SyntaxError:  # a cell with a line or cell magic
                continue
            lines += [ast.unparse(node) for node in nodes if isinstance(node, ast.Import | ast.ImportFrom)]
        return "\n".join(lines)


def notebooks_folder() -> pathlib.Path:
    """Return the folder of the stage notebooks.

    Raises:
        FileNotFoundError: soaplib was installed without its repository (the notebooks are not in the package).
    """
    folder = pathlib.Path(__file__).resolve().parents[2] / "notebooks"
    if not folder.is_dir():
        raise FileNotFoundError(
            f"runs.notebooks_folder: expected the notebooks in {folder}, found none; "
            "install soaplib from its repository with `make setup` or `pip install -e .`"
        )
    return folder


def read_notebooks(instead: str | os.PathLike | None = None) -> list[Notebook]:
    """Read the notebooks of all stages, from the folder `instead` where it has one of that name."""
    folder = notebooks_folder()
    own = folder if instead is None else pathlib.Path(instead)
    paths = [own / f"{name}.ipynb" for name in STAGES]
    return [read_notebook(path if path.exists() else folder / path.name) for path in paths]


def find_stage(text: str) -> str:
    """Return the stage that `text` names: in full, by its number, or by a part of its name.

    Raises:
        UserError: none or more than one is so named.
    """
    text = text.removesuffix(".ipynb")
    number = text.zfill(2) if text.isdigit() else None
    found = [name for name in STAGES if name == text or (name[:2] == number if number else text in name)]
    if text not in STAGES and (len(found) != 1 or not text):
        raise UserError(
            f"The stages are {', '.join(STAGES)}; {text!r} names {'none' if not found else 'several'}."
        )
    return text if text in STAGES else found[0]


def read_notebook(path: pathlib.Path) -> Notebook:
    """Read a notebook's code and the defaults of its parameters.

    Raises:
        ValueError: the notebook has not exactly one cell tagged `parameters`, or that cell holds anything but
            assignments of literals to names.
    """
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code" and "".join(cell["source"]).strip()]
    tagged = [cell for cell in code if "parameters" in cell["metadata"].get("tags", ())]
    if len(tagged) != 1:
        raise ValueError(f"{path.name}: expected one cell tagged `parameters`, got {len(tagged)}")
    sources = tuple("".join(cell["source"]) for cell in code)
    return Notebook(path.stem, path, sources, _literals(path, "".join(tagged[0]["source"])))


def _literals(path: pathlib.Path, source: str) -> dict:
    values = {}
    for node in ast.parse(source).body:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                try:
                    values[name] = ast.literal_eval(value)
                    continue
                except ValueError:
                    pass
        raise ValueError(
            f"{path.name}: the parameters cell may hold only `name = literal`, got `{ast.unparse(node)}`"
        )
    return values
