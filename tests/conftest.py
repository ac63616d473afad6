"""What several tests share."""

import json
import os
import pathlib

import pytest

# Tests run beside each other on few cores; one thread each is the faster way for such small work.
os.environ.setdefault("OMP_NUM_THREADS", "1")

ROOT = pathlib.Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def root() -> pathlib.Path:
    """The repository's folder."""
    return ROOT


@pytest.fixture(scope="session")
def head():
    """The default head model."""
    from soaplib.head import load_head  # not before the threads are set

    return load_head()


def write_notebook(path: pathlib.Path, *code: str) -> None:
    """Write a notebook of code cells, the first of them tagged `parameters`."""
    cells = [
        {
            "cell_type": "code",
            "id": f"cell{index}",
            "metadata": {"tags": ["parameters"]} if index == 0 else {},
            "execution_count": None,
            "outputs": [],
            "source": source,
        }
        for index, source in enumerate(code)
    ]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook = {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
    path.write_text(json.dumps(notebook))
