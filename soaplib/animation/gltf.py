"""Write an avatar as one GLB: skinned and morphed meshes, textures, a skeleton and clips (glTF 2.0)."""

import io
import os
from collections.abc import Sequence

import numpy as np
from PIL import Image

from soaplib.animation.container import INDICES, VERTICES, Container, smallest_index
from soaplib.animation.motion import Motion
from soaplib.animation.normals import morph_normals
from soaplib.animation.rotations import quaternions
from soaplib.data import JOINT_NAMES, JOINT_PARENTS, Avatar, Part

SMALLEST_DISPLACEMENT = 1e-6
"""Metres below which a morph's displacement of a vertex is written as none."""

_INFLUENCES = 4
_FULL_WEIGHT = 65535


def write_glb(avatar: Avatar, path: str | os.PathLike, clips: Sequence[Motion] = ()) -> dict[str, int]:
    """Write `avatar` in its neutral pose to the GLB file `path`, with `clips` as its animations.

    Metres, +Y up, facing +Z. Each part becomes a mesh, a node at the scene's root and a material of the
    part's name; every mesh has the avatar's expressions as morph targets (positions and the normals that go with
    them) in the same order, named in `extras.targetNames`, and is skinned to one skeleton of five nodes named as
    `JOINT_NAMES`. Equal avatars and clips give equal bytes.

    Returns:
        bytes of the file and of its textures, morphs, geometry, animation and json; vertices and triangles.

    Raises:
        ValueError: a part's arrays do not fit together or are not finite, or a clip names an expression that
            the avatar lacks; says which.
    """
    for part in avatar.parts:
        _check(part, len(avatar.expression_names))
    glb = Container()
    root = _add_skeleton(glb, avatar.joints)
    meshes = [_add_part(glb, part, avatar.expression_names) for part in avatar.parts]
    for clip in clips:
        _add_clip(glb, clip, meshes, avatar.expression_names)
    glb.append("scenes", {"name": "avatar", "nodes": [root, *meshes]})
    total = glb.write(path, {"asset": {"version": "2.0", "generator": "soaplib"}, "scene": 0})
    return {
        "bytes": total,
        **{
            kind: glb.bytes_of.get(kind, 0)
            for kind in ("textures", "morphs", "geometry", "animation", "json")
        },
        "vertices": sum(len(part.vertices) for part in avatar.parts),
        "triangles": sum(len(part.faces) for part in avatar.parts),
    }


def limit_influences(skin_weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Keep the four largest of each vertex's weights (V, J) and make them sum to one.

    Returns:
        joints: (V, 4) uint8, 0 where unused; weights: (V, 4) uint16 in 1/65535, each row summing to 65535.
    """
    joints = np.argsort(-skin_weights, axis=1, kind="stable")[:, :_INFLUENCES]
    kept = np.take_along_axis(skin_weights, joints, axis=1).clip(0)
    exact = kept / kept.sum(axis=1, keepdims=True) * _FULL_WEIGHT
    whole = np.floor(exact).astype(np.int64)
    # the units lost by rounding down go to the largest fractions, one each
    missing = _FULL_WEIGHT - whole.sum(axis=1, keepdims=True)
    rank = np.argsort(np.argsort(whole - exact, axis=1, kind="stable"), axis=1, kind="stable")
    whole += rank < missing
    return np.where(whole > 0, joints, 0).astype(np.uint8), whole.astype(np.uint16)


def _check(part: Part, expressions: int) -> None:
    count = len(part.vertices)
    expected = {
        "vertices": (count, 3),
        "normals": (count, 3),
        "uv": (count, 2),
        "skin_weights": (count, len(JOINT_NAMES)),
        "morphs": (expressions, count, 3),
    }
    for field, shape in expected.items():
        array = getattr(part, field)
        if array.shape != shape:
            raise ValueError(
                f"write_glb: part {part.name!r}: expected {field} of shape {shape}, got {array.shape}"
            )
        if not np.isfinite(array).all():
            raise ValueError(f"write_glb: part {part.name!r}: expected finite {field}, got NaN or infinity")
    if not len(part.faces) or part.faces.min() < 0 or part.faces.max() >= count:
        raise ValueError(f"write_glb: part {part.name!r}: expected faces that index its {count} vertices")
    if part.skin_weights.sum(axis=1).min() < 0.5:
        raise ValueError(
            f"write_glb: part {part.name!r}: expected skin weights that sum to 1, got a row without"
        )
    if part.texture.dtype != np.uint8 or part.texture.ndim != 3 or part.texture.shape[2] not in (3, 4):
        raise ValueError(
            f"write_glb: part {part.name!r}: expected a texture (H, W, 3 or 4) uint8, "
            f"got {part.texture.shape} {part.texture.dtype}"
        )


def _add_skeleton(glb: Container, joints: np.ndarray) -> int:
    """Add a node per joint and the skin that all meshes share; return the root's node."""
    joints = np.asarray(joints, np.float32)
    inverse_bind = np.tile(np.eye(4, dtype=np.float32), (len(joints), 1, 1))
    inverse_bind[
        :, 3, :3
    ] = -joints  # glTF stores columns one after the other, so row 3 here is the translation
    nodes = []
    for index, (name, parent) in enumerate(zip(JOINT_NAMES, JOINT_PARENTS, strict=True)):
        offset = joints[index] - (joints[parent] if parent >= 0 else 0)
        nodes.append(glb.append("nodes", {"name": name, "translation": offset.tolist()}))
        if parent >= 0:
            glb.lists["nodes"][nodes[parent]].setdefault("children", []).append(nodes[index])
    matrices = glb.accessor(inverse_bind.reshape(-1, 16), "geometry")
    glb.append(
        "skins", {"name": "skeleton", "skeleton": nodes[0], "joints": nodes, "inverseBindMatrices": matrices}
    )
    return nodes[0]


def _add_part(glb: Container, part: Part, expression_names: Sequence[str]) -> int:
    """Add mesh, material and node of a part; return the node."""
    length = np.linalg.norm(part.normals, axis=1, keepdims=True)
    normals = np.where(length > 1e-9, part.normals / np.maximum(length, 1e-9), (0.0, 0.0, 1.0))
    joints, weights = limit_influences(np.asarray(part.skin_weights, np.float64))
    uv = np.stack([part.uv[:, 0], 1 - part.uv[:, 1]], axis=1)  # glTF's v grows downwards

    def attribute(array, dtype, **kwargs):
        return glb.accessor(np.asarray(array, dtype), "geometry", VERTICES, **kwargs)

    turns = morph_normals(part)
    primitive = {
        "attributes": {
            "POSITION": attribute(part.vertices, np.float32, bounds=True),
            "NORMAL": attribute(normals, np.float32),
            "TEXCOORD_0": attribute(uv, np.float32),
            "JOINTS_0": attribute(joints, np.uint8),
            "WEIGHTS_0": attribute(weights, np.uint16, normalized=True),
        },
        "indices": glb.accessor(
            part.faces.astype(smallest_index(len(part.vertices))).ravel(), "geometry", INDICES
        ),
        "material": _add_material(glb, part),
        "targets": [
            {
                "POSITION": glb.displacements(morph.astype(np.float32), "morphs", SMALLEST_DISPLACEMENT),
                "NORMAL": glb.displacements(turn, "morphs"),
            }
            for morph, turn in zip(part.morphs, turns, strict=True)
        ],
    }
    mesh = {
        "name": part.name,
        "primitives": [primitive],
        "weights": [0.0] * len(expression_names),
        "extras": {"targetNames": list(expression_names)},
    }
    return glb.append("nodes", {"name": part.name, "mesh": glb.append("meshes", mesh), "skin": 0})


def _add_material(glb: Container, part: Part) -> int:
    data, mime, mode = _encoded(part)
    image = {"mimeType": mime, "bufferView": glb.view(data, "textures")}
    images = glb.lists.setdefault("images", [])
    if image in images:
        texture = images.index(image)
    else:
        if "samplers" not in glb.lists:
            # linear, with linear mipmaps, clamped: an atlas must not wrap at its borders
            linear, mipmaps, clamp = 9729, 9987, 33071
            glb.append(
                "samplers", {"magFilter": linear, "minFilter": mipmaps, "wrapS": clamp, "wrapT": clamp}
            )
        texture = glb.append("textures", {"sampler": 0, "source": glb.append("images", image)})
    material = {
        "name": part.name,
        "pbrMetallicRoughness": {
            "baseColorTexture": {"index": texture},
            "metallicFactor": 0.0,
            "roughnessFactor": float(part.roughness),
        },
        "doubleSided": bool(part.double_sided),
    }
    if mode != "OPAQUE":
        material["alphaMode"] = mode
    return glb.append("materials", material)


def _encoded(part: Part) -> tuple[bytes, str, str]:
    """Return the texture's file, its media type and the material's alpha mode."""
    file = io.BytesIO()
    texture = part.texture
    if part.alpha and texture.shape[2] == 4 and texture[..., 3].min() < 255:
        Image.fromarray(texture).save(file, "PNG")
        # a cut-out needs no sorting, which viewers often get wrong; only real half-tones blend
        cut_out = np.isin(texture[..., 3], (0, 255)).all()
        return file.getvalue(), "image/png", "MASK" if cut_out else "BLEND"
    Image.fromarray(texture[..., :3]).save(file, "JPEG", quality=92, subsampling=0)
    return file.getvalue(), "image/jpeg", "OPAQUE"


def _add_clip(glb: Container, clip: Motion, meshes: list[int], expression_names: Sequence[str]) -> None:
    """Add one glTF animation: one track of weights that drives every mesh, and one per joint that turns."""
    unknown = sorted(set(clip.names) - set(expression_names))
    if unknown:
        raise ValueError(f"write_glb: clip {clip.name!r}: the avatar has no expression {', '.join(unknown)}")
    frames = len(clip.weights)
    weights = np.zeros((frames, len(expression_names)), np.float32)
    weights[:, [expression_names.index(name) for name in clip.names]] = clip.weights
    times = glb.accessor((np.arange(frames) / clip.fps).astype(np.float32), "animation", bounds=True)

    def sampler(values):
        return {"input": times, "output": glb.accessor(values, "animation"), "interpolation": "LINEAR"}

    samplers = [sampler(weights.ravel())]
    channels = [{"sampler": 0, "target": {"node": node, "path": "weights"}} for node in meshes]
    turning = np.flatnonzero(np.abs(clip.rotations).max(axis=(0, 2)) > 1e-6)
    for joint in turning:
        samplers.append(sampler(quaternions(clip.rotations[:, joint]).astype(np.float32)))
        node = glb.lists["skins"][0]["joints"][joint]
        channels.append({"sampler": len(samplers) - 1, "target": {"node": node, "path": "rotation"}})
    glb.append("animations", {"name": clip.name, "samplers": samplers, "channels": channels})
