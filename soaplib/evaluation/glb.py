"""Heads out of GLB files: their triangles as they stand at rest, with what colours them."""

import base64
import io
import json
import pathlib
import struct
from collections.abc import Sequence

import numpy as np
import torch

from soaplib.data import JOINT_NAMES, Part
from soaplib.errors import UserError
from soaplib.render import vertex_normals

_TYPES = {5120: "i1", 5121: "u1", 5122: "<i2", 5123: "<u2", 5125: "<u4", 5126: "<f4"}
_WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT4": 16}
_COMPRESSED = {"KHR_draco_mesh_compression", "EXT_meshopt_compression", "KHR_texture_basisu"}
_TRIANGLES = 4


def read_glb(path: pathlib.Path) -> tuple[Part, ...]:
    """Read the triangle meshes of a GLB file (glTF 2.0) in its world, skins at rest; morphs are left out.

    Normals are made anew, smooth across the seams of the texture. Colours are the material's base colour, texture
    times factor; one grey where there is none. Parts have one joint and no morphs: they are for looking at.
    Raises UserError for a file that is no GLB, is compressed, or has no triangles.
    """
    path = pathlib.Path(path)
    try:
        document, binary = _chunks(path.read_bytes())
    except (ValueError, struct.error, OSError) as error:
        raise UserError(f"{path.name} cannot be read as a GLB file; export it again.") from error
    compressed = _COMPRESSED & set(document.get("extensionsRequired", ()))
    if compressed:
        raise UserError(f"{path.name} is compressed ({min(compressed)}); export it without compression.")
    reader = _Reader(document, binary)
    try:
        parts = reader.parts()
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise UserError(f"{path.name} is not whole ({error!r}); export it again.") from error
    if not parts:
        raise UserError(f"{path.name} holds no triangles; a head's surface is needed.")
    return parts


def joined(parts: Sequence[Part]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Give vertices (V, 3) float64, faces (F, 3) and normals (V, 3) of parts as one mesh, part after part."""
    starts = np.cumsum([0, *(len(part.vertices) for part in parts)])
    return (
        np.concatenate([part.vertices for part in parts]).astype(np.float64),
        np.concatenate([part.faces + start for part, start in zip(parts, starts, strict=False)]),
        np.concatenate([part.normals for part in parts]),
    )


def _chunks(data):
    """JSON and the binary buffer of a GLB file (glTF 2.0, 4.4)."""
    magic, _, _, length, kind = struct.unpack_from("<4sIIII", data)
    if magic != b"glTF" or kind != 0x4E4F534A:
        raise ValueError("it does not begin as one")
    return json.loads(data[20 : 20 + length]), data[28 + length :]


class _Reader:
    def __init__(self, document, binary):
        self.document, self.binary = document, binary
        self.nodes = document.get("nodes", [])
        self.parents = {child: i for i, node in enumerate(self.nodes) for child in node.get("children", ())}

    def parts(self):
        found = []
        for index, node in enumerate(self.nodes):
            if "mesh" not in node:
                continue
            mesh = self.document["meshes"][node["mesh"]]
            name = mesh.get("name") or node.get("name") or f"mesh {index}"
            for number, primitive in enumerate(mesh["primitives"]):
                if primitive.get("mode", _TRIANGLES) == _TRIANGLES:
                    found.append(self._part(f"{name} {number}", index, primitive))
        return tuple(part for part in found if len(part.faces))

    def _part(self, name, index, primitive):
        attributes = primitive["attributes"]
        vertices = self._numbers(attributes["POSITION"]).astype(np.float64)
        vertices = self._at_rest(index, attributes, np.column_stack([vertices, np.ones(len(vertices))]))
        if "indices" in primitive:
            faces = self._numbers(primitive["indices"]).reshape(-1, 3).astype(np.int32)
        else:
            faces = np.arange(len(vertices), dtype=np.int32).reshape(-1, 3)
        material = self.document["materials"][primitive["material"]] if "material" in primitive else {}
        colour = material.get("pbrMetallicRoughness", {})
        texture, coordinates = self._texture(colour)
        if texture is None or f"TEXCOORD_{coordinates}" not in attributes:
            texture, uv = np.full((2, 2, 4), 255.0), np.full((len(vertices), 2), 0.5)
        else:
            uv = self._numbers(attributes[f"TEXCOORD_{coordinates}"])
            uv = np.where((uv < 0) | (uv > 1), uv % 1, uv)  # glTF's textures repeat by default
            uv = np.stack([uv[:, 0], 1 - uv[:, 1]], 1)  # glTF counts v from the top
        factor = np.asarray(colour.get("baseColorFactor", (1, 1, 1, 1)), float)
        texture = (_to_srgb(factor) * texture + 0.5).clip(0, 255).astype(np.uint8)
        return Part(
            name, vertices.astype(np.float32), _smooth_normals(vertices, faces), faces, uv.astype(np.float32), texture,
            np.tile(np.eye(len(JOINT_NAMES), dtype=np.float32)[0], (len(vertices), 1)),
            np.zeros((0, len(vertices), 3), np.float32),
            alpha=material.get("alphaMode", "OPAQUE") != "OPAQUE", double_sided=True,
        )  # fmt: skip

    def _at_rest(self, index, attributes, vertices):
        """Where the vertices (V, 4) of a node's mesh are in the world, (V, 3)."""
        node = self.nodes[index]
        if "skin" not in node or "JOINTS_0" not in attributes:
            return (vertices @ self._world(index).T)[:, :3]
        skin = self.document["skins"][node["skin"]]
        matrices = np.stack([self._world(joint) for joint in skin["joints"]])
        if "inverseBindMatrices" in skin:
            inverse = self._numbers(skin["inverseBindMatrices"]).reshape(-1, 4, 4).transpose(0, 2, 1)
            matrices = matrices @ inverse
        joints, weights = (self._numbers(attributes[key]) for key in ("JOINTS_0", "WEIGHTS_0"))
        blended = np.einsum("vk,vkab->vab", weights, matrices[joints.astype(int)])
        return np.einsum("vab,vb->va", blended, vertices)[:, :3]

    def _world(self, index):
        matrix = _local(self.nodes[index])
        while index in self.parents:
            index = self.parents[index]
            matrix = _local(self.nodes[index]) @ matrix
        return matrix

    def _texture(self, colour):
        """The base colour's texture (H, W, 4) as floats, or None, and the set of coordinates it uses."""
        if "baseColorTexture" not in colour:
            return None, 0
        from PIL import Image

        entry = colour["baseColorTexture"]
        image = self.document["images"][self.document["textures"][entry["index"]]["source"]]
        if "bufferView" in image:
            data = self._bytes(image["bufferView"])
        elif image.get("uri", "").startswith("data:"):
            data = base64.b64decode(image["uri"].split(",", 1)[1])
        else:
            return None, 0  # a file beside it
        return np.asarray(Image.open(io.BytesIO(data)).convert("RGBA"), float), entry.get("texCoord", 0)

    def _bytes(self, view):
        view = self.document["bufferViews"][view]
        start = view.get("byteOffset", 0)
        return self.binary[start : start + view["byteLength"]]

    def _numbers(self, index):
        """An accessor (count, width), sparse ones too; normalized integers as fractions."""
        accessor = self.document["accessors"][index]
        kind, width = np.dtype(_TYPES[accessor["componentType"]]), _WIDTHS[accessor["type"]]
        values = np.zeros((accessor["count"], width), kind)
        if "bufferView" in accessor:
            values = self._strided(accessor, kind, accessor["count"], width).copy()
        if "sparse" in accessor:
            sparse = accessor["sparse"]
            rows = self._strided(
                sparse["indices"], np.dtype(_TYPES[sparse["indices"]["componentType"]]), sparse["count"], 1
            )
            values[rows[:, 0]] = self._strided(sparse["values"], kind, sparse["count"], width)
        if accessor.get("normalized") and kind.kind != "f":
            return np.maximum(values / np.iinfo(kind).max, -1.0)
        return values

    def _strided(self, where, kind, count, width):
        view = self.document["bufferViews"][where["bufferView"]]
        start = view.get("byteOffset", 0) + where.get("byteOffset", 0)
        stride = view.get("byteStride") or kind.itemsize * width
        return np.ndarray((count, width), kind, self.binary, start, (stride, kind.itemsize))


def _local(node):
    """The matrix (4, 4) of a node in its parent."""
    if "matrix" in node:
        return np.reshape(np.asarray(node["matrix"], float), (4, 4)).T
    x, y, z, w = node.get("rotation", (0, 0, 0, 1))
    matrix = np.eye(4)
    matrix[:3, :3] = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
    ]
    matrix[:3, :3] *= np.asarray(node.get("scale", (1, 1, 1)), float)
    matrix[:3, 3] = node.get("translation", (0, 0, 0))
    return matrix


def _smooth_normals(vertices, faces):
    """Vertex normals (V, 3), the same for all vertices at one place, which a texture's seams keep apart."""
    reach = max(float(np.ptp(vertices, axis=0).max()), 1e-12)
    _, first, joined = np.unique(
        np.rint(vertices / reach * 1e6), axis=0, return_index=True, return_inverse=True
    )
    joined = joined.reshape(-1)
    normals = vertex_normals(torch.as_tensor(vertices[first]), torch.as_tensor(joined[faces]))
    return normals.numpy()[joined].astype(np.float32)


def _to_srgb(factor):
    """A base colour's factor, which glTF gives in linear light, for a texture that stays in sRGB.

    Exact for the plain colours 0 and 1, and for factors without a texture; a power law for those between.
    """
    return np.append(np.power(factor[:3], 1 / 2.2), factor[3])
