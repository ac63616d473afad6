"""Save and load frozen dataclasses of arrays: one `.npz` and one `.json` per object, never a pickle."""

import dataclasses
import json
import os
import pathlib

import numpy as np
import scipy.sparse as sp

_SPARSE = ("data", "indices", "indptr", "shape")


class Stored:
    """Mixin for frozen dataclasses whose fields are arrays, sparse matrices, or JSON values.

    Arrays and CSR matrices go to `<Class>.npz`, all else to `<Class>.json`, both in the folder given.
    Equal objects give equal bytes, so files can be compared by checksum.
    """

    def save(self, folder: str | os.PathLike) -> pathlib.Path:
        """Write this object into `folder` (made if absent) and return the folder.

        Each file is written aside and renamed, so a killed process leaves no half file.
        """
        folder = pathlib.Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        arrays, plain = {}, {}
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if sp.issparse(value):
                csr = value.tocsr()
                parts = (csr.data, csr.indices, csr.indptr, np.array(csr.shape))
                arrays |= {f"{field.name}.{k}": v for k, v in zip(_SPARSE, parts, strict=True)}
            elif isinstance(value, np.ndarray):
                arrays[field.name] = value
            else:
                plain[field.name] = value
        stem = folder / type(self).__name__
        aside = stem.with_suffix(".part.npz")
        np.savez(aside, **arrays)
        os.replace(aside, stem.with_suffix(".npz"))
        write_json(stem.with_suffix(".json"), plain)
        return folder

    @classmethod
    def load(cls, folder: str | os.PathLike) -> "Stored":
        """Read what `save` wrote.

        Raises:
            FileNotFoundError: the folder does not hold such an object; says which file was missing.
        """
        stem = pathlib.Path(folder) / cls.__name__
        for file in (stem.with_suffix(".npz"), stem.with_suffix(".json")):
            if not file.exists():
                raise FileNotFoundError(
                    f"{cls.__name__}.load: expected {file.name} in {file.parent}, found none; "
                    "run the stage that makes it first"
                )
        values = json.loads(stem.with_suffix(".json").read_text())
        with np.load(stem.with_suffix(".npz"), allow_pickle=False) as data:
            for key in data.files:
                name, _, part = key.partition(".")
                if part == "data":
                    d, i, p, shape = (data[f"{name}.{k}"] for k in _SPARSE)
                    values[name] = sp.csr_matrix((d, i, p), shape=tuple(shape))
                elif not part:
                    values[name] = data[key]
        for field in dataclasses.fields(cls):
            if isinstance(values.get(field.name), list):
                values[field.name] = _as_tuple(values[field.name])
        return cls(**values)


def write_json(path: pathlib.Path, value: object) -> None:
    """Write JSON with sorted keys, aside first and then renamed."""
    aside = path.with_suffix(".part.json")
    aside.write_text(json.dumps(value, indent=1, sort_keys=True) + "\n")
    os.replace(aside, path)


def _as_tuple(value):
    return tuple(_as_tuple(v) for v in value) if isinstance(value, list) else value
