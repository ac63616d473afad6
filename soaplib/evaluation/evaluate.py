"""Fit heads whose truth is known, and say in one table how far off they are."""

import dataclasses
from collections.abc import Callable, Iterator

import numpy as np

from soaplib.errors import UserError
from soaplib.evaluation.fitted import Fitted, fit
from soaplib.evaluation.measures import UNITS, measure
from soaplib.evaluation.truth import Truth, make_truth
from soaplib.head import load_head
from soaplib.multiview import generate
from soaplib.synthetic.dataset import splits
from soaplib.synthetic.heads import Codes, draw_codes, make_head

VIEWS = ("oracle", "generated")
"""What the fit is given: the true six views, or those that the generator makes of the portrait."""

_FIRST_SEED = 7_000_000_000  # far from the seeds of `soap synth`


def evaluate(
    heads: int = 40, views: str = "oracle", profile: str = "standard", generator: str = "auto",
    watch: Callable[[Truth, Fitted, dict], None] | None = None,
) -> dict:  # fmt: skip
    """Fit synthetic heads of held-out identities, of all styles, and measure them.

    heads: how many; the first ones are always the same. views: one of `VIEWS`; generator: for generated ones.
    watch: called after each head with its truth, the fit and its row.

    Returns {"suite": "synthetic", "heads", "views", "profile", "metrics": {name: {"mean", "median", "p90", "unit"}},
    "per_head": [{"seed", "style", "hair", "worn", "found", name: value, ...}]}, all JSON values. About a minute a
    head on two cores. Raises UserError for unknown views or no heads.
    """
    if views not in VIEWS:
        raise UserError(f"The views must be one of {', '.join(VIEWS)}, not {views!r}.")
    if heads < 1:
        raise UserError(f"At least one head is needed to measure anything, not {heads}.")
    model, rows = load_head(), []
    for codes in held_out(heads):
        truth = make_truth(make_head(codes), model)
        if views == "oracle":
            given = truth.views()
        else:
            given = generate(truth.portrait, model, truth.pose, generator, 256)
        truth, fitted = fit(truth, given, model, profile)
        row = {
            "seed": codes.seed, "style": codes.style, "hair": codes.hair.family,
            "worn": [thing.kind for thing in codes.worn], "found": truth.found, **measure(truth, fitted),
        }  # fmt: skip
        rows.append(row)
        if watch:
            watch(truth, fitted, row)
    return {
        "suite": "synthetic", "heads": heads, "views": views, "profile": profile,
        "metrics": {name: summary([row[name] for row in rows], unit) for name, unit in UNITS.items()},
        "per_head": rows,
    }  # fmt: skip


def held_out(count: int) -> Iterator[Codes]:
    """Draw `count` heads whose identities no training sees (`soaplib.synthetic.dataset.splits`)."""
    seed = _FIRST_SEED
    while count:
        codes = draw_codes(seed)
        meta = {
            "codes": {"identity": dataclasses.asdict(codes.identity)}, "style": codes.style, "hair": codes.hair.family,
            "expression": codes.expression.family,
        }  # fmt: skip
        if splits.of(meta)["identity"] == "test":
            yield codes
            count -= 1
        seed += 1


def summary(values, unit: str) -> dict:
    """Give mean, median and 90th percentile of the values of a metric."""
    values = np.asarray(values, float)
    return {
        "mean": float(values.mean()), "median": float(np.median(values)), "p90": float(np.quantile(values, 0.9)),
        "unit": unit,
    }  # fmt: skip
