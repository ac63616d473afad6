"""Read the pickles in which FLAME is published, without running what a pickle may hold.

They were written by Python 2 (latin1) and name classes of numpy, scipy.sparse and chumpy. Only these are admitted:
numpy's own array reconstruction, and inert stand-ins for the others that keep their state and nothing more.
"""

import pathlib
import pickle

import numpy as np
import scipy.sparse as sp

from soaplib.errors import UserError


def read_arrays(path: pathlib.Path) -> dict:
    """Read a pickled dict of arrays; sparse matrices come as CSR, chumpy objects as the arrays they hold.

    Raises UserError where the pickle names any other class (nothing of it is run then), or is no pickled dict.
    """
    with open(path, "rb") as file:
        try:
            content = _Unpickler(file, encoding="latin1").load()
        except UserError as error:
            raise UserError(f"{path.name} is refused: {error}") from None
        except Exception as error:  # a broken pickle may raise almost anything
            raise UserError(
                f"{path.name} is not a readable pickle ({error}); download the model again"
            ) from None
    if not isinstance(content, dict):
        raise UserError(
            f"{path.name} holds a {type(content).__name__}, expected FLAME's dict of arrays; choose the model's file"
        )
    return {str(key): _value(value) for key, value in content.items()}


class _StandIn:
    """Keeps the state of an object whose class is not loaded."""

    def __setstate__(self, state):
        self.state = state


class _Chumpy(_StandIn):
    pass


class _ChumpySelect(_Chumpy):
    pass


class _Csc(_StandIn):
    matrix = sp.csc_matrix


class _Csr(_StandIn):
    matrix = sp.csr_matrix


def _new_stand_in(kind, base, state):
    """Stand in for `copy_reg._reconstructor`, by which old protocols make objects."""
    if not (isinstance(kind, type) and issubclass(kind, _StandIn)):
        raise UserError(f"it makes an object of {kind!r} by copy_reg._reconstructor")
    return kind()


def _latin1_bytes(text, encoding):
    """Stand in for `_codecs.encode`, by which Python 3 writes bytes in protocol 2."""
    return text.encode("latin1")


class _Object:
    """Stands in for `object`, the base that `copy_reg._reconstructor` is given."""


_MULTIARRAY = np.zeros(0).__reduce__()[0]
_SCALAR = np.float64(0).__reduce__()[0]
_ADMITTED = {
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    ("_codecs", "encode"): _latin1_bytes,
    ("copy_reg", "_reconstructor"): _new_stand_in,
    ("copyreg", "_reconstructor"): _new_stand_in,
    ("__builtin__", "object"): _Object,
    ("builtins", "object"): _Object,
    ("__builtin__", "set"): set,  # in the state of chumpy objects
    ("builtins", "set"): set,
    ("chumpy.reordering", "Select"): _ChumpySelect,
}
for _package in ("numpy.core.multiarray", "numpy._core.multiarray"):
    _ADMITTED[_package, "_reconstruct"] = _MULTIARRAY
    _ADMITTED[_package, "scalar"] = _SCALAR
for _name, _kind in (("csc", _Csc), ("csr", _Csr)):
    for _module in (f"scipy.sparse.{_name}", f"scipy.sparse._{_name}"):
        for _suffix in ("matrix", "array"):
            _ADMITTED[_module, f"{_name}_{_suffix}"] = _kind


class _Unpickler(pickle.Unpickler):
    def find_class(self, module, name):
        if (module, name) in _ADMITTED:
            return _ADMITTED[module, name]
        if module == "chumpy.ch":
            return _Chumpy
        raise UserError(
            f"it names {module}.{name}, and FLAME's files hold nothing but arrays of numpy, scipy.sparse and chumpy; "
            "use the file from FLAME's own site"
        )

    def persistent_load(self, pid):
        raise UserError("it refers to objects outside the file; use the file from FLAME's own site")


def _value(value):
    if isinstance(value, _ChumpySelect):
        state = value.state
        return _value(state["a"]).ravel()[state["idxs"]].reshape(state["preferred_shape"])
    if isinstance(value, _Chumpy):
        if "x" not in value.state:
            raise UserError(
                f"a chumpy object holds {', '.join(sorted(map(str, value.state)))}, expected x; "
                "save it as a plain numpy array"
            )
        return _value(value.state["x"])
    if isinstance(value, _Csc | _Csr):
        state = value.state
        shape = state.get("_shape", state.get("shape"))
        return value.matrix((state["data"], state["indices"], state["indptr"]), shape=shape).tocsr()
    return value
