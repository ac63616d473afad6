"""Parameters of a run: read from the command line, checked, and handed to the notebooks that take them."""

import difflib
import json

from soaplib.errors import UserError
from soaplib.runs.stages import Notebook

OWNED = ("run_dir", "portrait", "landmarks", "profile", "seed")
"""Parameters that the runner itself gives to every notebook that has them."""


def parse_parameters(items: list[str]) -> dict:
    """Turn `name=value` texts into a dict; a value is JSON where it reads as JSON, else a plain string.

    Raises:
        UserError: an item has no `=`, or a name comes twice.
    """
    values = {}
    for item in items:
        name, equals, text = item.partition("=")
        name = name.strip()
        if not equals or not name:
            raise UserError(f"Expected a parameter as name=value, got {item!r}.")
        if name in values:
            raise UserError(f"The parameter {name} is given twice; give it once.")
        try:
            values[name] = json.loads(text, parse_constant=_no_constant)
        except ValueError:
            values[name] = text
    return values


def check_parameters(values: dict, notebooks: list[Notebook]) -> None:
    """Check names and types of `values` against the parameters cells of `notebooks`.

    Raises:
        UserError: no notebook takes such a parameter, the runner gives it by an option, or a value's type is not
            that of the default.
    """
    known = {
        name: value for book in notebooks for name, value in book.parameters.items() if name not in OWNED
    }
    for name, value in values.items():
        if name in OWNED:
            option = "the PORTRAIT argument" if name == "portrait" else f"--{name.replace('_', '-')}"
            raise UserError(f"The parameter {name} is not given with -p; use {option}.")
        if name not in known:
            close = difflib.get_close_matches(name, known, 1)
            hint = (
                f"did you mean {close[0]}?" if close else f"known are: {', '.join(sorted(known)) or 'none'}."
            )
            raise UserError(f"There is no parameter {name}; {hint}")
        if not _fits(value, known[name]):
            raise UserError(
                f"The parameter {name} expects a {_kind(known[name])} like {json.dumps(known[name])}, "
                f"got {json.dumps(value)}."
            )


def _no_constant(name):
    raise ValueError(f"{name} is no JSON")


def _fits(value, default) -> bool:
    if default is None or type(value) is type(default):
        return True
    return type(default) is float and type(value) is int


def _kind(value) -> str:
    kinds = {
        bool: "truth value",
        int: "whole number",
        float: "number",
        str: "text",
        list: "list",
        dict: "mapping",
    }
    return kinds[type(value)]
