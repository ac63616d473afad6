"""What `soap train` does: samples prepared, or one of the networks trained on them."""

import dataclasses
import pathlib
from collections.abc import Callable

from soaplib.errors import UserError
from soaplib.training.prepared import prepare

KINDS = ("prepare", "views", "normals", "upsample")
"""prepare: samples for the others; views: D_r; normals: D_n; upsample: both x4 networks."""

_TEST_SHARE = 20  # one held-out head for so many to train on


def run(
    kind: str, out: pathlib.Path, data: pathlib.Path | None, heads: int, settings: dict,
    tell: Callable[[int, int], None] | None = None,
) -> pathlib.Path:  # fmt: skip
    """Do one of `KINDS` and return the folder of what it made.

    prepare writes `heads` samples to out/train and a twentieth as many held-out ones to out/test. views and normals
    train on such a folder, `data`; upsample draws its own. settings: fields of `ViewsSettings`, `NormalsSettings`,
    `UpsamplerPlan`, or size, workers and seed of `prepare`. tell: called with (done, in all) while samples are made.
    Raises UserError for unknown settings, values of another kind, or where data is wanted.
    """
    if kind == "prepare":
        _check(settings, {"size": 128, "workers": 1, "seed": 0})
        for part, count in (("train", heads), ("test", max(heads // _TEST_SHARE, 1))):
            prepare(out / part, count, part=part, tell=tell, **settings)
        return out
    if kind == "upsample":
        return _upsample(out, settings)
    if data is None:
        raise UserError("Give --data, the folder that soap train prepare wrote.")
    if kind == "views":
        from soaplib.training.views import ViewsSettings, train_views

        return train_views(data, out, _filled(ViewsSettings, settings))
    from soaplib.training.normals import NormalsSettings, train_normals

    return train_normals(data, out, _filled(NormalsSettings, settings))


def _upsample(out, settings):
    from soaplib.training.upsampler import UpsamplerPlan, train_upsampler

    colours = train_upsampler(_filled(UpsamplerPlan, settings | {"kind": "rgba"}), out / "rgba")
    train_upsampler(_filled(UpsamplerPlan, settings | {"kind": "normals"}), out / "normals", colours)
    return out


def _filled(kind, settings):
    defaults = {field.name: field.default for field in dataclasses.fields(kind)}
    _check(settings, defaults)
    return kind(
        **{name: tuple(value) if isinstance(value, list) else value for name, value in settings.items()}
    )


def _check(settings, defaults):
    for name, value in settings.items():
        if name not in defaults:
            raise UserError(f"There is no setting {name!r}; there are {', '.join(defaults)}.")
        default = defaults[name]
        fits = value is None or isinstance(value, list if isinstance(default, tuple) else type(default))
        if default is not None and not fits and not (isinstance(default, float) and isinstance(value, int)):
            raise UserError(f"The setting {name} must be like {default!r}, not {value!r}.")
