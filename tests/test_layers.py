"""Imports point one way (see the tree in the README): checked on the syntax tree of every module."""

import ast

import pytest

BASE = {"data", "storage", "errors", "landmarks"}
STAGES = {"portrait", "multiview", "fitting", "parts", "texture", "animation"}
TOP = {"runs", "viewing", "cli"}
MAY_IMPORT = (
    {name: BASE for name in BASE}
    | {"render": BASE, "head": BASE | {"render"}}
    | {name: BASE | {"render", "head"} for name in STAGES}
    | {"synthetic": BASE | STAGES | {"render", "head"}}
    | {"evaluation": BASE | STAGES | {"render", "head", "synthetic"}}
    | {"training": BASE | STAGES | {"render", "head", "synthetic", "evaluation"}}
    | {"viewing": BASE | STAGES | {"render", "head"}}
    | {"bench": BASE | {"render", "head"}}
    | {"runs": BASE | {"viewing", "head", "render"}}
    | {
        "cli": BASE
        | STAGES
        | {"render", "head", "runs", "viewing", "bench", "synthetic", "evaluation", "training"}
    }
)
HEAVY = {
    "mediapipe",
    "matplotlib",
    "k3d",
    "papermill",
    "anny",
    "warp",
    "jax",
    "jupyter_client",
    "nbclient",
    "IPython",
    "webdataset",
    "dask",
    "distributed",
    "diffusers",
    "transformers",
    "accelerate",
}


def modules(root):
    return sorted((root / "soaplib").rglob("*.py"))


def imported(tree):
    """Yield (dotted name, node) of everything a tree imports."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: a relative import"
            assert node.names[0].name != "*", f"line {node.lineno}: import *"
            yield from ((f"{node.module}.{alias.name}", node) for alias in node.names)


def test_imports_point_one_way(root):
    wrong = []
    for path in modules(root):
        own = path.relative_to(root / "soaplib").with_suffix("").parts[0]
        for name, node in imported(ast.parse(path.read_text())):
            parts = name.split(".")
            if parts[0] != "soaplib" or parts[1] in (own, "__version__"):
                continue
            if own != "__init__" and parts[1] not in MAY_IMPORT[own]:
                wrong.append(f"{path.relative_to(root)}:{node.lineno} imports soaplib.{parts[1]}")
    assert not wrong, "\n".join(wrong)


GUARDED = (
    "render/backends/warp/",
    "multiview/attention",
    "multiview/compact/",
    "multiview/unique3d/",
    "training/",
)
"""What none but each other may import at its top (kernels, networks): then it may import heavy packages there."""


def test_heavy_packages_are_imported_where_they_are_used(root):
    wrong = []
    for path in modules(root):
        if path.relative_to(root / "soaplib").as_posix().startswith(GUARDED):
            continue
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = (
                    [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module]
                )
                heavy = {name for name in names if name.split(".")[0] in HEAVY or _is_guarded(name)}
                wrong += [f"{path.relative_to(root)}:{node.lineno} imports {name}" for name in heavy]
    assert not wrong, "\n".join(wrong)


def _is_guarded(name):
    return any(f"{name}.".startswith(f"soaplib.{part}".replace("/", ".")) for part in GUARDED)


def test_library_neither_prints_nor_seeds(root):
    """Only the command line and what a notebook holds in its hand may print."""
    speaking = {"cli.py", "runs/bars.py", "runs/stage.py"}
    wrong = []
    for path in modules(root):
        if path.relative_to(root / "soaplib").as_posix() in speaking:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                if called in {"print", "np.random.seed", "torch.manual_seed", "random.seed"}:
                    wrong.append(f"{path.relative_to(root)}:{node.lineno} calls {called}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("source", ["from . import x", "from soaplib.data import *"])
def test_the_check_sees_what_it_forbids(source):
    with pytest.raises(AssertionError):
        list(imported(ast.parse(source)))
