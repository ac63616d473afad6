"""GLB files written by hand, byte by byte, and read back."""

import io
import json
import struct

import numpy as np
import pytest
from PIL import Image

from soaplib.errors import UserError
from soaplib.evaluation.glb import read_glb

SQUARE = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]], np.float32)
HALVES = np.array([0, 1, 2, 0, 2, 3], np.uint16)


class Written:
    """A GLB under construction: `view` and `accessor` add to it; `save` writes it."""

    def __init__(self):
        self.binary, self.document = b"", {"asset": {"version": "2.0"}, "bufferViews": [], "accessors": []}

    def view(self, data):
        self.document["bufferViews"].append(
            {"buffer": 0, "byteOffset": len(self.binary), "byteLength": len(data)}
        )
        self.binary += data + b"\0" * (-len(data) % 4)
        return len(self.document["bufferViews"]) - 1

    def accessor(self, values, **more):
        kind = {"f": 5126, "H": 5123, "B": 5121, "I": 5125}[values.dtype.char]
        width = values.shape[1] if values.ndim > 1 else 1
        entry = {"bufferView": self.view(values.tobytes()), "componentType": kind, "count": len(values),
                 "type": {1: "SCALAR", 2: "VEC2", 3: "VEC3", 4: "VEC4", 16: "MAT4"}[width]}  # fmt: skip
        self.document["accessors"].append(entry | more)
        return len(self.document["accessors"]) - 1

    def save(self, path):
        text = json.dumps(self.document).encode()
        text += b" " * (-len(text) % 4)
        body = struct.pack("<II", len(text), 0x4E4F534A) + text
        body += struct.pack("<II", len(self.binary), 0x004E4942) + self.binary
        path.write_bytes(struct.pack("<4sII", b"glTF", 2, 12 + len(body)) + body)
        return path


def square(**material):
    """A square with a mesh, and a material if any is given."""
    made = Written()
    primitive = {"attributes": {"POSITION": made.accessor(SQUARE)}, "indices": made.accessor(HALVES)}
    made.document |= {"meshes": [{"primitives": [primitive]}], "nodes": [{"mesh": 0, "name": "square"}]}
    if material:
        primitive["material"] = 0
        made.document["materials"] = [material]
    return made


def test_a_square_is_read_as_it_is(tmp_path):
    (part,) = read_glb(square().save(tmp_path / "a.glb"))
    np.testing.assert_array_equal(part.vertices, SQUARE)
    np.testing.assert_array_equal(part.faces, [[0, 1, 2], [0, 2, 3]])
    np.testing.assert_allclose(part.normals, [[0, 0, 1]] * 4, atol=1e-6)
    assert (part.texture == 255).all() and not part.alpha


def test_nodes_are_chained(tmp_path):
    """Turned by 90 degrees about Z within a node that doubles and moves: (1, 0, 0) goes to (0, 2, 0) + (5, 0, 0)."""
    made = square()
    half = float(np.sqrt(0.5))
    made.document["nodes"] = [
        {"children": [1], "translation": [5, 0, 0], "scale": [2, 2, 2]},
        {"mesh": 0, "rotation": [0, 0, half, half]},
    ]
    (part,) = read_glb(made.save(tmp_path / "a.glb"))
    np.testing.assert_allclose(part.vertices, [[5, 0, 0], [5, 2, 0], [3, 2, 0], [3, 0, 0]], atol=1e-6)
    matrix = np.eye(4)
    matrix[:3, 3] = (1, 2, 3)
    made.document["nodes"] = [{"mesh": 0, "matrix": matrix.T.ravel().tolist()}]  # column by column
    (part,) = read_glb(made.save(tmp_path / "b.glb"))
    np.testing.assert_allclose(part.vertices, SQUARE + [1, 2, 3], atol=1e-6)


def test_a_skin_at_rest_stays_where_it_was_bound(tmp_path):
    made = square()
    inverse = np.eye(4, dtype=np.float32)
    inverse[:3, 3] = (0, -7, 0)
    joints, weights = np.zeros((4, 4), np.uint8), np.tile(np.float32([1, 0, 0, 0]), (4, 1))
    made.document["meshes"][0]["primitives"][0]["attributes"] |= {
        "JOINTS_0": made.accessor(joints), "WEIGHTS_0": made.accessor(weights),
    }  # fmt: skip
    made.document["skins"] = [
        {"joints": [1], "inverseBindMatrices": made.accessor(inverse.T.reshape(1, 16).copy())}
    ]
    made.document["nodes"] = [{"mesh": 0, "skin": 0, "translation": [99, 0, 0]}, {"translation": [0, 7, 0]}]
    (part,) = read_glb(made.save(tmp_path / "a.glb"))
    np.testing.assert_allclose(part.vertices, SQUARE, atol=1e-6)


def test_textures_count_from_the_top_in_the_file_and_from_the_bottom_here(tmp_path):
    """A red upper and a blue lower row, drawn from the front, are red above."""
    from soaplib.render import draw, orthographic

    picture = io.BytesIO()
    rows = np.zeros((8, 8, 3), np.uint8)
    rows[:4, :, 0], rows[4:, :, 2] = 255, 255
    Image.fromarray(rows).save(picture, "PNG")
    made = square(pbrMetallicRoughness={"baseColorTexture": {"index": 0}, "baseColorFactor": [1, 1, 0.0, 1]})
    uv = np.stack([SQUARE[:, 0], 1 - SQUARE[:, 1]], 1)
    made.document["meshes"][0]["primitives"][0]["attributes"]["TEXCOORD_0"] = made.accessor(uv)
    made.document |= {
        "textures": [{"source": 0}],
        "images": [{"bufferView": made.view(picture.getvalue()), "mimeType": "image/png"}],
    }
    (part,) = read_glb(made.save(tmp_path / "a.glb"))
    seen = draw([part], orthographic(np.eye(3), 16.0, np.array([0.0, 16.0])), (16, 16))
    np.testing.assert_allclose(seen[4, 8], [1, 0, 0], atol=0.01)
    np.testing.assert_allclose(seen[12, 8], [0, 0, 0], atol=0.01)  # blue, times a factor without blue


def test_normals_are_smooth_across_seams(tmp_path):
    """Two squares that meet in a roof's ridge share no vertex, but the ridge has one normal."""
    made = Written()
    left = np.array([[0, 0, 0], [1, 0, 1], [1, 2, 1], [0, 2, 0]], np.float32)
    right = np.array([[1, 0, 1], [2, 0, 0], [2, 2, 0], [1, 2, 1]], np.float32)
    places = np.concatenate([left, right])
    indices = np.concatenate([HALVES, HALVES + 4]).astype(np.uint16)
    primitive = {"attributes": {"POSITION": made.accessor(places)}, "indices": made.accessor(indices)}
    made.document |= {"meshes": [{"primitives": [primitive]}], "nodes": [{"mesh": 0}]}
    (part,) = read_glb(made.save(tmp_path / "a.glb"))
    np.testing.assert_array_equal(part.normals[[1, 2]], part.normals[[4, 7]])
    assert (np.abs(part.normals[[1, 2], 0]) < 0.4).all(), "between both roofs, which lean by 0.71"


def test_sparse_accessors_and_normalized_integers(tmp_path):
    made = square()
    raised, rows = np.array([[1, 1, 9]], np.float32), np.array([2], np.uint16)
    made.document["accessors"][0]["sparse"] = {
        "count": 1, "indices": {"bufferView": made.view(rows.tobytes()), "componentType": 5123},
        "values": {"bufferView": made.view(raised.tobytes())},
    }  # fmt: skip
    (part,) = read_glb(made.save(tmp_path / "a.glb"))
    assert part.vertices[2, 2] == 9 and part.vertices[0, 2] == 0
    made = square()
    made.document["meshes"][0]["primitives"][0]["attributes"]["POSITION"] = made.accessor(
        np.array([[0, 0, 0], [255, 0, 0], [255, 255, 0], [0, 255, 0]], np.uint8), normalized=True
    )
    (part,) = read_glb(made.save(tmp_path / "b.glb"))
    np.testing.assert_allclose(part.vertices, SQUARE)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda path: path.write_bytes(b"no such thing"), "cannot be read as a GLB"),
        (lambda path: path.write_bytes(b""), "cannot be read as a GLB"),
        (lambda path: Written().save(path), "holds no triangles"),
    ],
)
def test_what_is_no_head_is_told(tmp_path, make, sentence):
    make(tmp_path / "a.glb")
    with pytest.raises(UserError, match=sentence):
        read_glb(tmp_path / "a.glb")


def test_what_is_compressed_or_torn_is_told(tmp_path):
    made = square()
    made.document["extensionsRequired"] = ["KHR_draco_mesh_compression"]
    with pytest.raises(UserError, match=r"compressed \(KHR_draco"):
        read_glb(made.save(tmp_path / "a.glb"))
    made = square()
    made.document["accessors"].pop()
    with pytest.raises(UserError, match="not whole"):
        read_glb(made.save(tmp_path / "b.glb"))
