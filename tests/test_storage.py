"""Storage of the data that stages exchange: whole, the same bytes, never a pickle."""

import dataclasses
import zipfile

import numpy as np
import pytest
import scipy.sparse as sp

from soaplib.data import Avatar, Geometry, HeadPose, Part, Portrait, Views
from soaplib.storage import Stored


def _pose():
    rng = np.random.default_rng(0)
    return HeadPose(rng.normal(size=4), rng.normal(size=3), rng.normal(size=(5, 3)), np.eye(4), 0.125)


def _portrait():
    rng = np.random.default_rng(1)
    return Portrait(
        rng.random((8, 8, 3), np.float32), rng.random((8, 8), np.float32), rng.random((478, 2), np.float32),
        np.ones(478, np.float32), np.zeros((8, 8), np.uint8), np.eye(3), {"advice": ["look here"], "yaw": 1.5},
    )  # fmt: skip


def _geometry(matrix=sp.csr_matrix):
    dense = np.array([[0.5, 0.5, 0], [0, 0, 1], [0, 0, 0], [0.25, 0, 0.75]])
    return Geometry(
        np.zeros((4, 3), "f4"), np.array([[0, 1, 2]], np.int32), matrix(dense), np.ones(4, "f4"), np.eye(5, 3)
    )


def _part(name):
    rng = np.random.default_rng(len(name))
    return Part(
        name, rng.random((4, 3)), rng.random((4, 3)), np.array([[0, 1, 2]], np.int32), rng.random((4, 2)),
        np.full((2, 2, 4), 7, np.uint8), np.full((4, 5), 0.2), np.zeros((52, 4, 3), np.float32), 0.3, True,
    )  # fmt: skip


def _avatar():
    names = tuple(f"a{i}" for i in range(52))
    parts = (_part("skin"), _part("left_eye"))
    return Avatar(parts, np.zeros((5, 3)), names, np.zeros(52), np.zeros((5, 3)), np.eye(4))


def _views():
    shape = 6, 4, 4
    return Views(np.ones((*shape, 3), "f4"), np.zeros((*shape, 3), "f4"), np.ones(shape, "f4"),
                 np.tile(np.eye(4), (6, 1, 1)), "geometric")  # fmt: skip


def _same(a, b):
    if sp.issparse(a):
        return a.shape == b.shape and a.dtype == b.dtype and (a != b).nnz == 0
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and np.array_equal(a, b)
    if dataclasses.is_dataclass(a):
        return all(_same(getattr(a, f.name), getattr(b, f.name)) for f in dataclasses.fields(a))
    if isinstance(a, tuple):
        return len(a) == len(b) and all(map(_same, a, b))
    return a == b


@pytest.mark.parametrize("make", [_pose, _portrait, _geometry, _views, _avatar, lambda: _part("teeth")])
def test_round_trip_and_equal_bytes(make, tmp_path):
    value = make()
    value.save(tmp_path / "a")
    again = type(value).load(tmp_path / "a")
    assert _same(value, again)
    again.save(tmp_path / "b")
    files = sorted(f.relative_to(tmp_path / "a") for f in (tmp_path / "a").rglob("*") if f.is_file())
    assert files
    for file in files:
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes(), file
        assert ".part" not in file.name
    for file in (tmp_path / "a").rglob("*.npz"):
        with zipfile.ZipFile(file) as archive:
            heads = [archive.read(name)[:128] for name in archive.namelist()]
        assert heads and all(head.startswith(b"\x93NUMPY") and b"'|O'" not in head for head in heads)


def test_any_sparse_format_comes_back_as_csr(tmp_path):
    value = _geometry(sp.coo_matrix)
    value.save(tmp_path)
    again = Geometry.load(tmp_path)
    assert again.binding.format == "csr"
    assert np.array_equal(again.binding.toarray(), value.binding.toarray())
    assert again.binding.shape == (4, 3)  # an empty row at the end of nothing is kept


def test_objects_are_never_pickled(tmp_path):
    value = dataclasses.replace(_pose(), shape=np.array([{"not": "a number"}], object))
    value.save(tmp_path)
    with pytest.raises(ValueError, match="pickle"):
        HeadPose.load(tmp_path)


def test_overwriting_replaces_whole(tmp_path):
    _pose().save(tmp_path)
    other = dataclasses.replace(_pose(), residual=9.0)
    other.save(tmp_path)
    assert HeadPose.load(tmp_path).residual == 9.0


def test_missing_files_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"HeadPose\.npz"):
        HeadPose.load(tmp_path)
    _pose().save(tmp_path)
    (tmp_path / "HeadPose.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"HeadPose\.json"):
        HeadPose.load(tmp_path)


def test_nested_tuples_come_back_as_tuples(tmp_path):
    @dataclasses.dataclass(frozen=True)
    class Note(Stored):
        names: tuple

    Note((("a", 1), ("b", (2, 3)))).save(tmp_path)
    assert Note.load(tmp_path).names == (("a", 1), ("b", (2, 3)))
