"""The project's own files agree with each other and with what they promise."""

import ast
import re
import shutil
import subprocess

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from soaplib.runs.doctor import PYTHONS


def project_text(root):
    return (root / "pyproject.toml").read_text()


def dependencies(root):
    """Return the requirement texts of pyproject.toml (tomllib is only in Python 3.11 and later)."""
    block = re.search(r"^dependencies = \[\n(.*?)^\]", project_text(root), re.DOTALL | re.MULTILINE)[1]
    return re.findall(r'^\s*"(.*)",$', block, re.MULTILINE)


def test_environment_repeats_the_one_list(root):
    parsed = yaml.safe_load((root / "environment.yml").read_text())
    pip = next(item["pip"] for item in parsed["dependencies"] if isinstance(item, dict))
    assert pip == ["-c constraints.txt", *dependencies(root), "-e .[test]"]


def test_gpu_extras_are_in_the_environment(root):
    text = (root / "environment.yml").read_text()
    assert "# - pytorch3d" in text and "NVlabs/nvdiffrast" in text


@pytest.mark.parametrize("python", ["3.10", "3.11", "3.12"])
def test_constraints_pin_every_dependency_inside_its_range(root, python):
    pins = {}
    for line in (root / "constraints.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            pin = Requirement(line)
            if pin.marker is None or pin.marker.evaluate({"python_version": python}):
                assert canonicalize_name(pin.name) not in pins, (
                    f"{pin.name} is pinned twice for Python {python}"
                )
                pins[canonicalize_name(pin.name)] = str(pin.specifier).removeprefix("==")
    for requirement in map(Requirement, dependencies(root)):
        version = pins[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(version), f"{requirement}, but {version} is pinned"
    assert pins["torch"] == "2.13.0" and pins["mediapipe"] == "0.10.21" and pins["numpy"].startswith("1.")


def test_one_range_of_pythons(root):
    low, high = PYTHONS
    assert f'requires-python = ">={low[0]}.{low[1]},<{high[0]}.{high[1] + 1}"' in project_text(root)
    makefile = (root / "Makefile").read_text()
    assert f"({low[0]}, {low[1]}) <= sys.version_info[:2] < ({high[0]}, {high[1] + 1})" in makefile
    assert f"torch=={Requirement('torch==2.13.0').specifier}".replace("====", "==") in makefile


def test_sources_use_no_names_newer_than_the_first_python(root):
    """`typing.Self`, `tomllib`, `datetime.UTC` and their kin came with Python 3.11."""
    newer = {
        ("typing", "Self"),
        ("typing", "Never"),
        ("typing", "assert_never"),
        ("datetime", "UTC"),
        ("enum", "StrEnum"),
    }
    wrong = []
    for path in [*(root / "soaplib").rglob("*.py"), *(root / "tests").glob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text(), feature_version=PYTHONS[0])):
            names = []
            if isinstance(node, ast.ImportFrom):
                names = [
                    name.name
                    for name in node.names
                    if (node.module, name.name) in newer or node.module == "tomllib"
                ]
            elif isinstance(node, ast.Import):
                names = [name.name for name in node.names if name.name == "tomllib"]
            wrong += [f"{path.relative_to(root)}:{node.lineno} imports {name}" for name in names]
    assert not wrong, "\n".join(wrong)


def test_another_python_is_told_clearly(root, tmp_path):
    """With no Python in range on PATH, `make setup` says which is needed and what was found."""
    make = shutil.which("make")
    if make is None:
        pytest.skip("no make here")
    for name in ("python3", "python3.10", "python3.11", "python3.12", "python"):
        script = tmp_path / name
        script.write_text('#!/bin/sh\n[ "$1" = --version ] && echo "Python 3.14.0" && exit 0\nexit 1\n')
        script.chmod(0o755)
    for tool in ("sh", "echo", "test", "touch"):
        (tmp_path / tool).symlink_to(shutil.which(tool))
    shutil.copy(root / "Makefile", tmp_path)
    for name in ("pyproject.toml", "constraints.txt"):
        (tmp_path / name).write_text("")
    run = subprocess.run(
        [make, "setup"], cwd=tmp_path, env={"PATH": str(tmp_path)}, capture_output=True, text=True
    )
    assert run.returncode != 0 and not (tmp_path / ".venv").exists()
    assert "soaplib needs Python 3.10, 3.11 or 3.12" in run.stderr and "Python 3.14.0" in run.stderr


def tracked(root):
    if shutil.which("git") is None or not (root / ".git").exists():
        pytest.skip("no git here")
    listed = subprocess.run(["git", "ls-files"], cwd=root, capture_output=True, text=True, check=True)
    return [root / line for line in listed.stdout.splitlines()]


def test_nothing_that_does_not_belong_is_tracked(root):
    for path in tracked(root):
        assert path.suffix not in {".pkl", ".pickle", ".pt", ".pth", ".ckpt"}, f"{path}: a pickle"
        assert not path.exists() or path.stat().st_size < 20e6, f"{path}: larger than 20 MB"
    runs = [path.name for path in tracked(root) if path.parent.name == "papermill_runs"]
    assert runs in ([], ["README.md"])


def test_ci_runs_the_tests(root):
    script = root / ".ci" / "run"
    assert script.stat().st_mode & 0o111 and "make test" in script.read_text()


def test_python_in_the_readme_names_what_exists(root):
    """Imports of the README's snippets resolve, and every soaplib path that it links is there."""
    text = (root / "README.md").read_text()
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert blocks
    for block in blocks:
        tree = ast.parse(block)
        imports = [node for node in tree.body if isinstance(node, ast.ImportFrom)]
        exec(compile(ast.Module(imports, []), "README.md", "exec"), {})
    for link in re.findall(r"\]\(((?!http)[^)#]+)\)", text):
        assert (root / link).exists(), f"README.md links {link}, which is not there"
    assert "make avatar" in text and "make test" in text and "@@" not in text
