"""Which heads a training may see: identities, hair families, styles and expressions are held out separately."""

import hashlib
import json

from soaplib.synthetic.pieces import STYLES

AXES = ("identity", "hair", "style", "expression")
"""What is held out. Along each, a head belongs to "train" or to "test"; the four say nothing about each other."""

_IDENTITIES = 0.1
_NAMES = 0.2


def of(meta: dict) -> dict[str, str]:
    """Give the part of each of `AXES`, "train" or "test", that a sample belongs to.

    meta: a sample's `meta.json`: of its codes the identity, of its families hair, style and expression are read. An
    identity is held out by the hash of its codes, one in ten. Of names, the fifth with the smallest hashes is held
    out, at least one (see `held_out`), so that membership never depends on the seed or on how many heads there are.
    """
    named = {"hair": meta["hair"], "style": meta["style"], "expression": meta["expression"]}
    parts = {"identity": of_identity(meta["codes"]["identity"])}
    return parts | {axis: "test" if name in held_out(axis) else "train" for axis, name in named.items()}


def of_identity(identity: dict) -> str:
    """Give the part, "train" or "test", of an identity by its codes as a dict."""
    return "test" if _hash(json.dumps(identity, sort_keys=True)) < _IDENTITIES else "train"


def held_out(axis: str) -> tuple[str, ...]:
    """Give the hair families, styles or expression families that are held out."""
    names = sorted(_names(axis), key=_hash)
    return tuple(names[: max(1, round(_NAMES * len(names)))])


def _names(axis):
    if axis == "style":
        return STYLES
    if axis == "hair":
        from soaplib.synthetic.hair import HAIR_FAMILIES

        return HAIR_FAMILIES
    if axis == "expression":
        from soaplib.synthetic.people.expression import EXPRESSION_FAMILIES

        return EXPRESSION_FAMILIES
    raise KeyError(f"held_out: no families along {axis!r}; known: hair, style, expression")


def _hash(text: str) -> float:
    """Give a number in [0, 1) that looks random and never changes."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:7], "big") / 2**56
