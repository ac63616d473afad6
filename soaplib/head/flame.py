"""FLAME (Li et al. 2017) from the user's own file, as a `HeadModel` with ARKit's names.

FLAME's licence does not allow it to be shipped; versions 2020, 2023 and 2023 Open are read alike.
"""

import hashlib
import pathlib
import zipfile

import numpy as np
import scipy.sparse as sp
from scipy.sparse.csgraph import connected_components

from soaplib.data import JOINT_PARENTS
from soaplib.errors import UserError
from soaplib.head.anny import load_head
from soaplib.head.correspondence import Correspondence, find_correspondence
from soaplib.head.model import HeadModel
from soaplib.head.pickles import read_arrays

_IDENTITY = 300
_BUILD = (
    1  # raise when the result of this module or of correspondence.py changes, so that caches are built anew
)
_KEYS = ("v_template", "f", "shapedirs", "posedirs", "J_regressor", "kintree_table", "weights")


def load_flame(path, landmarks=None, cache=None, uv=None) -> HeadModel:
    """Load FLAME from a `.pkl` or `.npz` file into a `HeadModel`.

    The bases, regressor and weights are FLAME's own, in its own coordinates, which have our axes. What FLAME's file
    lacks is carried over from the default head through a correspondence of the two templates: the 52 ARKit actions
    (FLAME's own expressions follow as flame_000, flame_001, ...), the regions, the 478 landmarks. The first call
    takes about a minute; the result is cached per user, keyed by the files' contents.

    path: FLAME's file. landmarks: None, or a `.npz` with `faces` (478,) and `weights` (478, 3) on FLAME's triangles
    (what `soaplib.head.embedding.measure_embedding` gives), or FLAME's published `mediapipe_landmark_embedding.npz`
    of 105 landmarks, which then replace those carried over. cache: a folder to use instead of the user's.
    uv: None (an atlas is made by xatlas), or coordinates (T, 2), origin bottom-left, with triangles (F, 3) into them.

    Raises UserError, one sentence, where a file is missing, unreadable, lacks arrays, has wrong shapes, or is a
    pickle that names anything but arrays; nothing that a pickle holds is run.
    """
    path = pathlib.Path(path)
    if not path.is_file():
        raise UserError(f"no file at {path}: give the path of FLAME's model file, .pkl or .npz")
    given = _read(path)
    folder = _cache_folder(path, landmarks, uv, cache)
    if not (folder / "HeadModel.json").exists():
        _build(given, landmarks, uv, path.name).save(folder)
    return HeadModel.load(folder)


def _read(path) -> dict:
    """Read and check FLAME's arrays; parts that are optional get their defaults."""
    if path.suffix == ".npz":
        try:
            with np.load(path, allow_pickle=False) as data:
                arrays = {key: data[key] for key in data.files}
        except (ValueError, OSError, zipfile.BadZipFile, EOFError) as error:
            raise UserError(
                f"{path.name} is not an .npz of plain arrays ({error}); give FLAME's own file"
            ) from None
    elif path.suffix == ".pkl":
        arrays = read_arrays(path)
    else:
        raise UserError(f"{path.name} is neither .pkl nor .npz: give FLAME's model file")
    missing = [key for key in _KEYS if key not in arrays]
    if missing:
        raise UserError(
            f"{path.name} lacks {', '.join(missing)}; give FLAME's model file, which has {', '.join(_KEYS)}"
        )
    out = {}
    for key in _KEYS:
        value = arrays[key]
        try:
            value = value.toarray() if sp.issparse(value) else np.asarray(value)
            out[key] = value.astype(np.int64 if key in ("f", "kintree_table") else np.float64)
        except (TypeError, ValueError):
            raise UserError(
                f"{path.name}: {key} is a {type(arrays[key]).__name__}, not an array of numbers"
            ) from None
    _check(out, path.name)
    return out


def _check(arrays, name):
    count = len(arrays["v_template"]) if arrays["v_template"].ndim else 0
    expected = {
        "v_template": (count, 3), "f": (None, 3), "shapedirs": (count, 3, None), "posedirs": (count, 3, 36),
        "J_regressor": (5, count), "kintree_table": (2, 5), "weights": (count, 5),
    }  # fmt: skip
    for key, shape in expected.items():
        came = arrays[key].shape
        if len(came) != len(shape) or any(e is not None and e != c for e, c in zip(shape, came, strict=True)):
            wanted = ", ".join("any" if e is None else str(e) for e in shape)
            raise UserError(
                f"{name}: {key} has shape {came}, expected ({wanted}) for FLAME's five joints; give FLAME's model file"
            )
    if not all(np.isfinite(arrays[key]).all() for key in expected):
        raise UserError(f"{name} holds numbers that are not finite; download the model again")
    faces = arrays["f"]
    if len(faces) == 0 or faces.min() < 0 or faces.max() >= count:
        raise UserError(f"{name}: f names vertices outside 0..{count - 1}; give FLAME's model file")
    if tuple(arrays["kintree_table"][0, 1:]) != JOINT_PARENTS[1:]:
        raise UserError(
            f"{name}: the joints' parents are not those of FLAME (root, neck, jaw, left eye, right eye)"
        )


def _build(given, landmarks, uv, name) -> HeadModel:
    template, faces, weights = given["v_template"], given["f"], given["weights"]
    part, part_names = _parts(len(template), faces, weights, name)
    default = load_head()
    found = find_correspondence(default, template, faces, part, given["weights"])
    shapes = given["shapedirs"]
    own = shapes[..., _IDENTITY:]
    actions = found.displacements(default.expression_basis)
    coordinates, uv_faces = _atlas(template, faces) if uv is None else _checked_uv(uv, faces)
    names = default.expression_names + tuple(f"flame_{i:03d}" for i in range(own.shape[-1]))
    landmark_faces, landmark_weights = _landmarks(found, landmarks, len(faces))
    return HeadModel(
        template=template.astype(np.float32), quads=_as_quads(faces), uv=coordinates.astype(np.float32),
        uv_quads=_as_quads(uv_faces), shape_basis=shapes[..., :_IDENTITY].astype(np.float32),
        expression_basis=np.concatenate([actions, own], -1).astype(np.float32), expression_names=names,
        pose_basis=given["posedirs"].astype(np.float32), joint_regressor=given["J_regressor"].astype(np.float32),
        skin_weights=weights.astype(np.float32), part=part, part_names=part_names,
        regions=found.attributes(default.regions).astype(np.float32), region_names=default.region_names,
        landmark_faces=landmark_faces, landmark_weights=landmark_weights, name=f"FLAME {name}",
    )  # fmt: skip


def _parts(count, faces, weights, name):
    """Tell skin and eyeballs apart: connected pieces of the mesh, the eyeballs those that eye joints move."""
    sides = np.concatenate([faces[:, :2], faces[:, 1:]])
    graph = sp.coo_matrix((np.ones(len(sides)), (sides[:, 0], sides[:, 1])), shape=(count, count))
    pieces, piece = connected_components(graph, directed=False)
    sizes = np.bincount(piece)
    moved = np.stack([np.bincount(piece, weights[:, j]) for j in range(5)], 1) / sizes[:, None]
    part = np.where(piece == sizes.argmax(), 0, 3).astype(np.uint8)
    for position, joint in ((1, 3), (2, 4)):
        mine = np.flatnonzero((moved[:, joint] > 0.5) & (sizes > 8))
        if not len(mine):
            raise UserError(
                f"{name}: no separate eyeball that joint {joint} moves; give FLAME's head, eyeballs included"
            )
        part[np.isin(piece, mine)] = position
    names = ("skin", "left_eye", "right_eye", "other")
    return part, names if (part == 3).any() else names[:3]


def _as_quads(faces):
    return np.concatenate([faces, faces[:, 2:]], 1).astype(np.int32)


def _atlas(template, faces):
    import xatlas

    _, uv_faces, coordinates = xatlas.parametrize(template.astype(np.float32), faces.astype(np.uint32))
    return coordinates, uv_faces.astype(np.int64)


def _checked_uv(uv, faces):
    coordinates, uv_faces = (np.asarray(x) for x in uv)
    if coordinates.ndim != 2 or coordinates.shape[1] != 2 or uv_faces.shape != faces.shape:
        raise UserError(
            f"uv: expected coordinates (T, 2) and triangles {faces.shape}, got {coordinates.shape} and {uv_faces.shape}"
        )
    return coordinates, uv_faces.astype(np.int64)


def _landmarks(found: Correspondence, file, face_count):
    faces, weights = found.landmark_faces, found.landmark_weights
    if file is None:
        return faces, weights
    faces, weights = faces.copy(), weights.copy()
    try:
        with np.load(file, allow_pickle=False) as data:
            if "landmark_indices" in data.files:
                which, at, share = data["landmark_indices"], data["lmk_face_idx"], data["lmk_b_coords"]
            else:
                which, at, share = np.arange(478), data["faces"], data["weights"]
        faces[which], weights[which] = at, share
    except (ValueError, OSError, KeyError, IndexError, zipfile.BadZipFile) as error:
        raise UserError(f"landmarks: {file} is not an embedding of MediaPipe's landmarks ({error})") from None
    if faces.min() < 0 or faces.max() >= face_count:
        raise UserError(f"landmarks: {file} names triangles that this model does not have")
    return faces, weights


def _cache_folder(path, landmarks, uv, cache):
    import platformdirs

    from soaplib.head.anny import cache_folder

    base = pathlib.Path(cache) if cache else pathlib.Path(platformdirs.user_cache_dir("soaplib"))
    key = hashlib.sha256(path.read_bytes())
    key.update(f"{_BUILD} {cache_folder().name}".encode())
    if landmarks is not None and pathlib.Path(landmarks).is_file():
        key.update(pathlib.Path(landmarks).read_bytes())
    for array in uv or ():
        key.update(np.ascontiguousarray(array).tobytes())
    return base / f"head-flame-{key.hexdigest()[:16]}"
