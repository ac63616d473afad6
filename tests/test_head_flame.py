"""FLAME's loader: what it reads, what it refuses, and that ARKit's actions do on FLAME what they say."""

import builtins
import os
import pickle
import sys
import types

import numpy as np
import pytest
import scipy.sparse as sp
from made_up_flame import flame_arrays

from soaplib.errors import UserError
from soaplib.head import load_flame, load_head
from soaplib.head.flame import _read
from soaplib.head.pickles import read_arrays
from soaplib.landmarks import FACE_OVAL, INNER_LIPS, LEFT_EYE, OUTER_LIPS


@pytest.fixture(scope="module")
def arrays():
    return flame_arrays()


@pytest.fixture(scope="module")
def flame(arrays, tmp_path_factory):
    folder = tmp_path_factory.mktemp("flame")
    np.savez(folder / "flame.npz", **arrays)
    return load_flame(folder / "flame.npz", cache=folder)


def test_keeps_flames_own_numbers(flame, arrays):
    assert np.allclose(flame.template, arrays["v_template"], atol=1e-6)
    assert np.array_equal(flame.faces, arrays["f"])
    assert flame.shape_basis.shape[-1] == 15 and flame.pose_basis.shape[-1] == 36
    assert np.allclose(flame.shape_basis, arrays["shapedirs"])
    assert np.allclose(flame.joint_regressor, arrays["J_regressor"])
    assert flame.part_names == ("skin", "left_eye", "right_eye")
    assert flame.template[flame.part_vertices("left_eye"), 0].min() > 0
    assert flame.template[flame.part_vertices("right_eye"), 0].max() < 0


def test_atlas_is_whole(flame):
    assert flame.uv_quads.shape == flame.quads.shape and flame.uv.min() >= 0 and flame.uv.max() <= 1
    corners = flame.uv[flame.uv_quads[:, :3]]
    area = np.abs(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])) / 2
    assert 0.3 < area.sum() <= 1


def _moved(head, **actions):
    before = head.landmarks(head.template)
    return before, head.landmarks(head.template + head.expression_basis @ head.expression(**actions))


def test_actions_do_what_they_say(flame):
    before, after = _moved(flame, jawOpen=1)
    chin, upper, lower = 152, 13, 14
    assert after[chin, 1] < before[chin, 1] - 0.015
    assert after[upper, 1] - after[lower, 1] > before[upper, 1] - before[lower, 1] + 0.02
    assert abs(after[168, 1] - before[168, 1]) < 0.001  # the nose's root stays

    before, after = _moved(flame, eyeBlinkLeft=1)
    upper_lid, lower_lid = LEFT_EYE[12], LEFT_EYE[4]
    rest, closed = (x[upper_lid, 1] - x[lower_lid, 1] for x in (before, after))
    assert rest > 0.005 and closed < 0.3 * rest
    assert np.abs(after[159] - before[159]).max() < 0.001  # the right eye stays open

    before, after = _moved(flame, mouthSmileLeft=1, mouthSmileRight=1)
    corners = [OUTER_LIPS[0], OUTER_LIPS[10]]
    assert np.ptp(after[corners, 0]) > np.ptp(before[corners, 0]) + 0.008
    assert (after[corners, 1] > before[corners, 1] + 0.004).all()

    before, after = _moved(flame, mouthPucker=1)
    assert np.ptp(after[corners, 0]) < np.ptp(before[corners, 0]) - 0.005

    before, after = _moved(flame, browInnerUp=1)
    assert (after[[107, 336], 1] > before[[107, 336], 1] + 0.002).all()

    before, after = _moved(flame, jawLeft=1)
    assert after[chin, 0] > before[chin, 0] + 0.004

    crown = flame.template[:, 1] > before[FACE_OVAL[0], 1] + 0.03
    assert crown.sum() > 50 and np.abs(flame.expression_basis[crown, :, :52]).max() < 0.002


def test_landmarks_lie_where_they_lie_on_the_default_head(flame):
    """In the frame of each head's eyes: the made-up head is another person, so millimetres may differ."""
    default = load_head()
    places = []
    for head in (flame, default):
        found = head.landmarks(head.template)
        eyes = [head.template[head.part_vertices(name)].mean(0) for name in ("left_eye", "right_eye")]
        places.append((found - np.mean(eyes, 0)) / np.linalg.norm(eyes[0] - eyes[1]))
    inner = [i for i in range(478) if i not in FACE_OVAL]
    assert np.median(np.linalg.norm(places[0] - places[1], axis=1)[inner]) < 0.15
    lips = flame.landmarks(flame.template)[list(INNER_LIPS)]
    assert np.ptp(lips[:, 1]) < 0.005  # the mouth is closed
    assert (flame.part[flame.faces[flame.landmark_faces[473:478]]] == 1).all()


def test_user_embedding_and_uv(flame, arrays, tmp_path):
    np.savez(tmp_path / "flame.npz", **arrays)
    np.savez(
        tmp_path / "marks.npz", landmark_indices=np.array([4, 152]), lmk_face_idx=np.array([7, 9]),
        lmk_b_coords=np.array([[0.2, 0.3, 0.5], [1, 0, 0]]),
    )  # fmt: skip
    uv = np.zeros((3, 2)), np.tile([0, 1, 2], (len(arrays["f"]), 1))
    head = load_flame(tmp_path / "flame.npz", tmp_path / "marks.npz", tmp_path, uv)
    assert head.landmark_faces[4] == 7 and np.allclose(head.landmark_weights[4], [0.2, 0.3, 0.5])
    assert np.array_equal(np.delete(head.landmark_faces, [4, 152]), np.delete(flame.landmark_faces, [4, 152]))
    assert len(head.uv) == 3
    np.savez(tmp_path / "marks.npz", something=np.zeros(3))
    with pytest.raises(UserError, match="landmarks"):
        load_flame(tmp_path / "flame.npz", tmp_path / "marks.npz", tmp_path, uv)


@pytest.fixture
def chumpy(monkeypatch):
    """Something that pickles like chumpy, which is not installed."""
    module, package = types.ModuleType("chumpy.ch"), types.ModuleType("chumpy")

    class Ch:
        def __init__(self, x):
            self.x, self._itr = x, None

        def __getstate__(self):
            return {"x": self.x, "_dirty_vars": set(), "label": None}

    Ch.__module__, Ch.__qualname__ = "chumpy.ch", "Ch"
    module.Ch = Ch
    monkeypatch.setitem(sys.modules, "chumpy", package)
    monkeypatch.setitem(sys.modules, "chumpy.ch", module)
    return Ch


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_pickle_and_npz_are_the_same(arrays, chumpy, tmp_path, protocol):
    np.savez(tmp_path / "flame.npz", **arrays)
    content = dict(arrays)
    content["v_template"] = chumpy(arrays["v_template"])
    content["shapedirs"] = chumpy(chumpy(arrays["shapedirs"]))
    content["J_regressor"] = sp.csc_matrix(arrays["J_regressor"])
    content["bs_style"] = "lbs"
    text = pickle.dumps(content, protocol=protocol)
    if protocol == 0:  # in Python 2 the module was named otherwise
        text = text.replace(b"scipy.sparse._csc", b"scipy.sparse.csc")
        assert b"scipy.sparse.csc" in text
    (tmp_path / "flame.pkl").write_bytes(text)
    ours, theirs = _read(tmp_path / "flame.pkl"), _read(tmp_path / "flame.npz")
    assert ours.keys() == theirs.keys()
    for key in ours:
        assert np.array_equal(ours[key], theirs[key]), key


class _Calls:
    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize(
    ("function", "arguments", "named"),
    [
        (os.system, ("touch {mark}",), "posix.system"),
        (builtins.eval, ("open({mark!r}, 'w')",), "builtins.eval"),
        (builtins.getattr, (np, "load"), "builtins.getattr"),
        (np.load, ("{mark}", None, True), "numpy"),
        (np.save, ("{mark}", 1), "numpy"),
    ],
)
@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_malicious_pickles_run_nothing(tmp_path, function, arguments, named, protocol):
    mark = tmp_path / "mark.npy"
    filled = [a.format(mark=str(mark)) if isinstance(a, str) else a for a in arguments]
    filled = [a if not isinstance(a, types.ModuleType) else "numpy" for a in filled]
    path = tmp_path / "flame.pkl"
    path.write_bytes(pickle.dumps({"v_template": _Calls(function, *filled)}, protocol=protocol))
    with pytest.raises(UserError, match="refused") as caught:
        load_flame(path, cache=tmp_path)
    message = str(caught.value).replace("__builtin__", "builtins").replace("nt.system", "posix.system")
    assert named in message and message.count("\n") == 0
    assert not mark.exists()


def test_stand_ins_cannot_be_called_with_more(tmp_path):
    """copy_reg._reconstructor makes stand-ins only; dotted names reach nothing inside what is admitted."""
    path = tmp_path / "a.pkl"
    path.write_bytes(b"ccopy_reg\n_reconstructor\n(cnumpy\ndtype\nc__builtin__\nobject\nNtR.")
    with pytest.raises(UserError, match="_reconstructor"):
        read_arrays(path)
    path.write_bytes(b"\x80\x04\x8c\x05numpy\x8c\x0endarray.tofile\x93.")
    with pytest.raises(UserError, match=r"ndarray\.tofile"):
        read_arrays(path)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"weights": None}, "lacks weights"),
        ({"posedirs": np.zeros((3, 3, 36))}, "posedirs has shape"),
        ({"J_regressor": np.zeros((24, 10))}, "J_regressor has shape"),
        ({"f": np.full((4, 3), 10**6)}, "names vertices"),
        ({"v_template": np.array("text")}, "v_template"),
        ({"kintree_table": np.zeros((2, 5))}, "parents"),
    ],
)
def test_broken_files_give_one_sentence(arrays, tmp_path, change, says):
    np.savez(tmp_path / "flame.npz", **{k: v for k, v in (arrays | change).items() if v is not None})
    with pytest.raises(UserError, match=says) as caught:
        load_flame(tmp_path / "flame.npz", cache=tmp_path)
    assert "\n" not in str(caught.value)


def test_files_that_are_no_model(tmp_path):
    with pytest.raises(UserError, match="no file"):
        load_flame(tmp_path / "none.pkl")
    for name in ("a.pkl", "a.npz", "a.txt"):
        (tmp_path / name).write_bytes(b"not a model")
        with pytest.raises(UserError):
            load_flame(tmp_path / name)
    (tmp_path / "list.pkl").write_bytes(pickle.dumps([1, 2]))
    with pytest.raises(UserError, match="list"):
        load_flame(tmp_path / "list.pkl")


def test_eyeballs_must_be_there(arrays, tmp_path):
    weights = arrays["weights"].copy()
    weights[:, 0] += weights[:, 3]
    weights[:, 3] = 0
    np.savez(tmp_path / "flame.npz", **(arrays | {"weights": weights}))
    with pytest.raises(UserError, match="eyeball"):
        load_flame(tmp_path / "flame.npz", cache=tmp_path)
