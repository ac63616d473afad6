"""Where the weights of our own networks lie."""

import functools
import os
import pathlib

import torch
from diffusers import DDIMScheduler

from soaplib.errors import UserError
from soaplib.multiview.compact.unet import CompactUNet

VARIABLE = "SOAP_WEIGHTS"
"""Environment variable that names a folder of weights to take instead of those that come with soaplib."""

_CHECKOUT = pathlib.Path(__file__).resolve().parents[3] / "data" / "weights"
_PACKAGE = pathlib.Path(__file__).resolve().parents[2] / "weights"


def find_weights(name: str, folder: str | os.PathLike | None = None) -> pathlib.Path:
    """Give the folder of one model's weights, such as "views" or "normals".

    Looked for in `folder` if given, else in that named by the environment variable SOAP_WEIGHTS, else in data/weights
    of the checkout and in the installed package.
    Raises UserError where it is in none of them.
    """
    given = folder or os.environ.get(VARIABLE)
    places = [pathlib.Path(given).expanduser()] if given else [_CHECKOUT, _PACKAGE]
    for place in places:
        if any((place / name / index).exists() for index in ("model_index.json", "config.json")):
            return place / name
    raise UserError(
        f"The weights of the compact generator's model {name!r} were expected in "
        f"{' or '.join(str(place / name) for place in places)}, where there are none; train them (soap train {name}) "
        f"and name their folder in {VARIABLE}, or choose the geometric generator."
    )


@functools.lru_cache(maxsize=4)
def load_pipeline(pipeline_class: type, folder: pathlib.Path):
    """Load a pipeline from its folder in single precision, once; it shows no progress bar."""
    unet = CompactUNet.from_pretrained(folder / "unet", torch_dtype=torch.float32).eval()
    pipeline = pipeline_class(unet, DDIMScheduler.from_pretrained(folder / "scheduler"))
    pipeline.set_progress_bar_config(disable=True)
    return pipeline
