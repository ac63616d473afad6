"""The GLB container: glTF's JSON lists and the one binary buffer they point into (glTF 2.0, 3.6 and 4)."""

import json
import os
import pathlib
import struct

import numpy as np

_COMPONENT = {
    np.dtype(np.uint8): 5121,
    np.dtype(np.uint16): 5123,
    np.dtype(np.uint32): 5125,
    np.dtype(np.float32): 5126,
}
_SHAPE = {1: "SCALAR", 2: "VEC2", 3: "VEC3", 4: "VEC4", 16: "MAT4"}
VERTICES, INDICES = 34962, 34963
"""Targets of a buffer view: what a graphics card uses its bytes for."""


class Container:
    """A glTF document under construction: append to `lists`, put arrays in with `accessor`, then `write`.

    Equal bytes are stored once, so that a texture or a clip shared by many parts costs its size once.
    """

    def __init__(self) -> None:
        self.lists: dict[str, list] = {}
        self.bytes_of: dict[str, int] = {}
        self._chunks: list[bytes] = []
        self._length = 0
        self._views: dict[tuple, int] = {}
        self._accessors: dict[str, int] = {}

    def append(self, key: str, entry: dict) -> int:
        """Append `entry` to the list named `key` and return its index."""
        self.lists.setdefault(key, []).append(entry)
        return len(self.lists[key]) - 1

    def view(self, data: bytes, kind: str, target: int | None = None, layout: str = "") -> int:
        """Store `data` at a multiple of four bytes, count it under `kind`, and return its buffer view."""
        # a view of vertices may serve two accessors only if it declares a stride, so layouts never share one
        if (data, target, layout) in self._views:
            return self._views[data, target, layout]
        entry = {"buffer": 0, "byteOffset": self._length, "byteLength": len(data)}
        if target is not None:
            entry["target"] = target
        padded = data + b"\0" * (-len(data) % 4)
        self._chunks.append(padded)
        self._length += len(padded)
        self.bytes_of[kind] = self.bytes_of.get(kind, 0) + len(padded)
        self._views[data, target, layout] = self.append("bufferViews", entry)
        return self._views[data, target, layout]

    def accessor(
        self, array: np.ndarray, kind: str, target: int | None = None, bounds=False, normalized=False
    ) -> int:
        """Store `array`, (n,) or (n, width) of a glTF component type, densely and return its accessor.

        bounds: write min and max. normalized: integers stand for fractions of their type's largest value.
        """
        array = np.ascontiguousarray(array)
        entry = _described(array)
        if normalized:
            entry["normalized"] = True
        if bounds:
            entry |= _bounds(array)
        entry["bufferView"] = self.view(array.tobytes(), kind, target, repr(entry))
        return self._once(entry)

    def displacements(self, array: np.ndarray, kind: str, smallest: float = 0.0) -> int:
        """Store displacements (V, 3) float32, sparsely where that is smaller, and return their accessor.

        Displacements shorter than `smallest` become zero. An accessor of zeros alone keeps one sparse entry,
        because some readers fail on accessors without any buffer view (UnityGLTF issue 900).
        """
        array = np.where(np.linalg.norm(array, axis=1, keepdims=True) < smallest, np.float32(0), array)
        rows = np.flatnonzero(array.any(axis=1))
        if not len(rows):
            rows = np.zeros(1, np.intp)
        index = smallest_index(len(array))
        if len(rows) * (index.itemsize + array.itemsize * 3) >= array.nbytes:
            return self.accessor(array, kind, VERTICES, bounds=True)
        sparse = {
            "count": len(rows),
            "indices": {
                "bufferView": self.view(rows.astype(index).tobytes(), kind),
                "componentType": _COMPONENT[index],
            },
            "values": {"bufferView": self.view(array[rows].tobytes(), kind)},
        }
        return self._once(_described(array) | {"sparse": sparse} | _bounds(array))

    def _once(self, entry: dict) -> int:
        key = repr(entry)
        if key not in self._accessors:
            self._accessors[key] = self.append("accessors", entry)
        return self._accessors[key]

    def write(self, path: str | os.PathLike, rest: dict) -> int:
        """Write the GLB, whose other JSON members are `rest`, aside and then renamed; return its bytes."""
        document = rest | self.lists | {"buffers": [{"byteLength": self._length}]}
        text = json.dumps(document, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()
        text += b" " * (-len(text) % 4)
        binary = b"".join(self._chunks)
        total = 12 + 8 + len(text) + 8 + len(binary)
        path = pathlib.Path(path)
        aside = path.with_suffix(".part.glb")
        with open(aside, "wb") as file:
            file.write(struct.pack("<4sII", b"glTF", 2, total))
            file.write(struct.pack("<I4s", len(text), b"JSON") + text)
            file.write(struct.pack("<I4s", len(binary), b"BIN\0") + binary)
        os.replace(aside, path)
        self.bytes_of["json"] = len(text)
        return total


def smallest_index(count: int) -> np.dtype:
    """Return the smaller of uint16 and uint32 that numbers `count` vertices, its largest value reserved."""
    return np.dtype(np.uint16 if count <= 65535 else np.uint32)


def _described(array: np.ndarray) -> dict:
    width = 1 if array.ndim == 1 else array.shape[1]
    return {"componentType": _COMPONENT[array.dtype], "count": len(array), "type": _SHAPE[width]}


def _bounds(array: np.ndarray) -> dict:
    rows = array.reshape(len(array), -1)
    return {"min": rows.min(axis=0).tolist(), "max": rows.max(axis=0).tolist()}
