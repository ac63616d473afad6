"""Fit heads whose truth is known, and say in one table how far off they are."""

import dataclasses
import functools
import math
import pathlib
from collections.abc import Callable, Iterator

import numpy as np

from soaplib.errors import UserError
from soaplib.evaluation.fitted import Fitted, fit
from soaplib.evaluation.measures import UNITS, measure
from soaplib.evaluation.references import (
    REFERENCE_UNITS,
    Reference,
    find_references,
    make_reference,
    measure_reference,
    measure_reference_views,
)
from soaplib.evaluation.truth import Truth, make_truth
from soaplib.evaluation.views import VIEW_UNITS, measure_views
from soaplib.head import HeadModel, load_head
from soaplib.multiview import generate
from soaplib.multiview.generate import GENERATORS
from soaplib.synthetic.dataset import splits
from soaplib.synthetic.heads import Codes, draw_codes, make_head

SUITES = ("synthetic", "references")
"""Heads of held-out identities with all that is true of them, or GLB files of one's own, of which the surface is."""

VIEWS = ("oracle", "generated")
"""What the fit is given: the true six views, or those that the generator makes of the portrait."""

_FIRST_SEED = 7_000_000_000  # far from the seeds of `soap synth`
_VIEW_SIZE = 256


class Watch:
    """Is told by `evaluate` what happens; does nothing by itself.

    begins: with how many heads. measured: after each of them, its truth (a `Truth` or a `Reference`), the fit, and its
    row. failed: a head's name, and why there is no row of it. so_far: after either, what `evaluate` would return now.
    """

    def begins(self, heads: int) -> None: ...

    def measured(self, truth, fitted: Fitted, row: dict) -> None: ...

    def failed(self, name: str, reason: str) -> None: ...

    def so_far(self, result: dict) -> None: ...


def evaluate(
    heads: int = 40, views: str = "oracle", profile: str = "standard", generator: str = "auto", *,
    suite: str = "synthetic", references: pathlib.Path | None = None, watch: Watch | None = None,
) -> dict:  # fmt: skip
    """Fit heads of one of the `SUITES` and measure them; a head that cannot be fitted is told, and the rest goes on.

    heads: how many at most; the first ones are always the same. views: one of `VIEWS`; generator: for generated ones.
    references: folder of GLB heads for the suite of that name.

    Returns {"suite", "heads", "views", "profile", "metrics": {name: {"mean", "median", "p90", "unit"}}, "per_head":
    [{"name", "found", name of a metric: value, ...}], "failed": [{"name", "reason", "defect"}]}, all JSON values;
    "heads" are those measured, "defect" is False where the head is to blame, as one whose face is not found. Rows of
    synthetic heads say seed, style, hair and worn too. About a minute a head on two cores.
    Raises UserError for unknown names, no heads, or a folder without GLB files.
    """
    _check_known("suite", suite, SUITES)
    _check_known("views", views, VIEWS)
    _check_known("generator", generator, GENERATORS)
    if heads < 1:
        raise UserError(f"At least one head is needed to measure anything, not {heads}.")
    given = functools.partial(_views, oracle=views == "oracle", generator=generator)
    if suite == "synthetic":
        model = load_head()
        cases, units = _synthetic_cases(heads, model, given, profile), UNITS
    else:
        files = find_references(references, heads)
        model, heads = load_head(), len(files)
        cases, units = _reference_cases(files, model, given, profile), REFERENCE_UNITS
    units = units | {f"view_{name}": unit for name, unit in VIEW_UNITS.items()}
    rows, failed, watch = [], [], watch or Watch()
    watch.begins(heads)
    for name, work in cases:
        try:
            truth, fitted, row = work()
        except Exception as error:  # hours of other heads must not be lost with this one
            sentence = str(error) if isinstance(error, UserError) else f"{type(error).__name__}: {error}"
            failed.append({"name": name, "reason": sentence, "defect": not isinstance(error, UserError)})
            watch.failed(name, sentence)
        else:
            rows.append({"name": name, "found": True} | {key: _plain(value) for key, value in row.items()})
            watch.measured(truth, fitted, rows[-1])
        metrics = {key: summary([row.get(key) for row in rows], unit) for key, unit in units.items()}
        result = {
            "suite": suite, "heads": len(rows), "views": views, "profile": profile,
            "metrics": {key: value for key, value in metrics.items() if value}, "per_head": rows, "failed": failed,
        }  # fmt: skip
        watch.so_far(result)
    return result


def held_out(count: int) -> Iterator[Codes]:
    """Draw `count` heads whose identities no training sees (`soaplib.synthetic.dataset.splits`)."""
    seed = _FIRST_SEED
    while count:
        codes = draw_codes(seed)
        if splits.of_identity(dataclasses.asdict(codes.identity)) == "test":
            yield codes
            count -= 1
        seed += 1


def summary(values, unit: str) -> dict | None:
    """Give mean, median and 90th percentile of a metric's values, but for None; None where no value is left."""
    values = np.asarray([value for value in values if value is not None], float)
    if not len(values):
        return None
    return {
        "mean": float(values.mean()), "median": float(np.median(values)), "p90": float(np.quantile(values, 0.9)),
        "unit": unit,
    }  # fmt: skip


_Cases = Iterator[tuple[str, Callable[[], tuple[object, Fitted, dict]]]]


def _synthetic_cases(count: int, model: HeadModel, given, profile: str) -> _Cases:
    for codes in held_out(count):
        yield f"{codes.seed}", functools.partial(_synthetic, codes, model, given, profile)


def _synthetic(codes, model, given, profile) -> tuple[Truth, Fitted, dict]:
    first = make_truth(make_head(codes), model)
    views, about_views = given(first, model, measure_views)
    truth, fitted = fit(first, views, model, profile)
    about = {
        "seed": codes.seed, "style": codes.style, "hair": codes.hair.family, "worn": [one.kind for one in codes.worn],
        "found": truth.found,
    }  # fmt: skip
    return truth, fitted, about | measure(truth, fitted) | about_views


def _reference_cases(files, model: HeadModel, given, profile: str) -> _Cases:
    for file in files:
        yield file.stem, functools.partial(_reference, file, model, given, profile)


def _reference(file, model, given, profile) -> tuple[Reference, Fitted, dict]:
    first = make_reference(file, model)
    views, about_views = given(first, model, measure_reference_views)
    reference, fitted = fit(first, views, model, profile)
    return reference, fitted, measure_reference(reference, fitted) | about_views


def _views(truth, model, measured, oracle, generator):
    """The views that a head's fit is given, and what is measured of those that are generated."""
    if oracle:
        return truth.views(), {}
    views = generate(truth.portrait, model, truth.pose, generator, _VIEW_SIZE)
    return views, {f"view_{name}": value for name, value in measured(truth, views).items()}


def _check_known(what, value, known):
    if value not in known:
        raise UserError(f"The {what} must be one of {', '.join(known)}, not {value!r}.")


def _plain(value):
    """A metric's value for JSON, which knows no NaN."""
    return None if isinstance(value, float) and not math.isfinite(value) else value
