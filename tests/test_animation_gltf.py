"""The GLB is read back with a reader of its own, and by the Khronos validator."""

import dataclasses
import io
import json
import os
import pathlib
import shutil
import struct
import subprocess

import numpy as np
import pytest
from made_up_avatar import made_up_avatar
from PIL import Image

from soaplib.animation.expressions import AREAS, ARKIT_NAMES
from soaplib.animation.gltf import limit_influences, write_glb
from soaplib.animation.motion import sample_motion
from soaplib.animation.normals import morph_normals
from soaplib.data import JOINT_NAMES

TYPES = {5121: np.uint8, 5123: np.uint16, 5125: np.uint32, 5126: np.float32}
WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT4": 16}
ROOT = pathlib.Path(__file__).parents[1]


class Read:
    """A GLB as plain arrays."""

    def __init__(self, path):
        data = path.read_bytes()
        magic, version, total, size, kind = struct.unpack("<4sIII4s", data[:20])
        assert (magic, version, total, kind) == (b"glTF", 2, len(data), b"JSON")
        self.json = json.loads(data[20 : 20 + size])
        length, kind = struct.unpack("<I4s", data[20 + size : 28 + size])
        assert kind == b"BIN\0"
        assert size % 4 == length % 4 == 0
        self.binary = data[28 + size :]
        assert len(self.binary) == length

    def view(self, index, dtype=np.uint8, count=None, width=1):
        view = self.json["bufferViews"][index]
        assert view["byteOffset"] % 4 == 0
        count = view["byteLength"] // np.dtype(dtype).itemsize if count is None else count * width
        return np.frombuffer(self.binary, dtype, count, view["byteOffset"]).reshape(-1, width)

    def accessor(self, index):
        entry = self.json["accessors"][index]
        dtype, width = TYPES[entry["componentType"]], WIDTHS[entry["type"]]
        if "bufferView" in entry:
            array = self.view(entry["bufferView"], dtype, entry["count"], width).copy()
        else:
            array = np.zeros((entry["count"], width), dtype)
        if "sparse" in entry:
            sparse = entry["sparse"]
            assert sparse["count"] >= 1
            for side in ("indices", "values"):
                assert "target" not in self.json["bufferViews"][sparse[side]["bufferView"]]
            kind = TYPES[sparse["indices"]["componentType"]]
            rows = self.view(sparse["indices"]["bufferView"], kind, sparse["count"])[:, 0]
            assert (np.diff(rows.astype(int)) > 0).all()
            array[rows] = self.view(sparse["values"]["bufferView"], dtype, sparse["count"], width)
        if "min" in entry:
            assert entry["min"] == array.min(axis=0).tolist()
            assert entry["max"] == array.max(axis=0).tolist()
        return array

    def primitives(self):
        return [mesh["primitives"][0] for mesh in self.json["meshes"]]


@pytest.fixture(scope="module")
def avatar():
    return made_up_avatar()


@pytest.fixture(scope="module")
def glb(avatar, tmp_path_factory):
    path = tmp_path_factory.mktemp("glb") / "avatar.glb"
    write_glb(avatar, path, [sample_motion(fps=10)])
    return path


def test_geometry_comes_back(avatar, glb):
    read = Read(glb)
    for part, primitive in zip(avatar.parts, read.primitives(), strict=True):
        attributes = {name: read.accessor(index) for name, index in primitive["attributes"].items()}
        assert "min" in read.json["accessors"][primitive["attributes"]["POSITION"]]
        np.testing.assert_array_equal(attributes["POSITION"], part.vertices.astype(np.float32))
        np.testing.assert_allclose(attributes["NORMAL"], part.normals, atol=1e-6)
        np.testing.assert_allclose(
            attributes["TEXCOORD_0"], np.c_[part.uv[:, 0], 1 - part.uv[:, 1]], atol=1e-6
        )
        indices = read.accessor(primitive["indices"])
        assert indices.dtype == np.uint16
        np.testing.assert_array_equal(indices.reshape(-1, 3), part.faces)


def test_many_vertices_need_wide_indices(avatar, tmp_path):
    part = avatar.parts[0]
    repeat = 70_000 // len(part.vertices) + 1
    many = dataclasses.replace(
        part,
        **{
            name: np.tile(getattr(part, name), (repeat, 1))
            for name in ("vertices", "normals", "uv", "skin_weights")
        },
        morphs=np.tile(part.morphs, (1, repeat, 1)),
        faces=part.faces + len(part.vertices) * (repeat - 1),
    )
    write_glb(dataclasses.replace(avatar, parts=(many,)), tmp_path / "many.glb")
    read = Read(tmp_path / "many.glb")
    indices = read.accessor(read.primitives()[0]["indices"])
    assert indices.dtype == np.uint32
    np.testing.assert_array_equal(indices.reshape(-1, 3), many.faces)


def test_morphs_come_back_in_one_order_on_every_mesh(avatar, glb):
    read = Read(glb)
    for mesh, part in zip(read.json["meshes"], avatar.parts, strict=True):
        assert mesh["name"] == part.name
        assert tuple(mesh["extras"]["targetNames"]) == avatar.expression_names
        assert mesh["weights"] == [0.0] * 52
        targets = mesh["primitives"][0]["targets"]
        assert [list(target) for target in targets] == [["POSITION", "NORMAL"]] * 52
        turns = morph_normals(part)
        for index, target in enumerate(targets):
            entry = read.json["accessors"][target["POSITION"]]
            assert "bufferView" in entry or entry["sparse"]["count"] >= 1
            assert "min" in entry
            np.testing.assert_allclose(read.accessor(target["POSITION"]), part.morphs[index], atol=1.1e-6)
            np.testing.assert_allclose(read.accessor(target["NORMAL"]), turns[index], atol=1e-6)
        assert "sparse" not in read.json["accessors"][targets[0]["POSITION"]], (
            "a morph of all vertices is dense"
        )
        assert read.json["accessors"][targets[3]["POSITION"]]["sparse"]["count"] == 1, (
            "a zero morph has one entry"
        )


def test_displacements_too_small_to_see_are_dropped(avatar, tmp_path):
    part = avatar.parts[0]
    morphs = np.zeros_like(part.morphs)
    morphs[5, 7] = (3e-7, 0, 0)
    morphs[5, 9] = (2e-6, 0, 0)
    write_glb(
        dataclasses.replace(avatar, parts=(dataclasses.replace(part, morphs=morphs),)), tmp_path / "a.glb"
    )
    read = Read(tmp_path / "a.glb")
    back = read.accessor(read.primitives()[0]["targets"][5]["POSITION"])
    assert np.flatnonzero(back.any(axis=1)).tolist() == [9]


def test_skin_has_five_named_joints_and_four_influences(avatar, glb):
    read = Read(glb)
    (skin,) = read.json["skins"]
    nodes = read.json["nodes"]
    assert tuple(nodes[joint]["name"] for joint in skin["joints"]) == JOINT_NAMES
    place = {skin["joints"][0]: np.zeros(3)}
    for joint in skin["joints"]:
        place[joint] = place[joint] + nodes[joint]["translation"]
        place |= {child: place[joint] for child in nodes[joint].get("children", [])}
    np.testing.assert_allclose([place[joint] for joint in skin["joints"]], avatar.joints, atol=1e-6)
    inverse = read.accessor(skin["inverseBindMatrices"]).reshape(-1, 4, 4).transpose(0, 2, 1)
    expected = np.tile(np.eye(4), (5, 1, 1))
    expected[:, :3, 3] = -avatar.joints
    np.testing.assert_allclose(inverse, expected, atol=1e-6)
    for part, primitive in zip(avatar.parts, read.primitives(), strict=True):
        joints = read.accessor(primitive["attributes"]["JOINTS_0"])
        weights = read.accessor(primitive["attributes"]["WEIGHTS_0"])
        assert (weights.sum(axis=1, dtype=int) == 65535).all()
        assert (joints[weights == 0] == 0).all()
        dense = np.zeros((len(joints), 5))
        np.add.at(dense, (np.arange(len(joints))[:, None], joints), weights / 65535)
        smallest = part.skin_weights.min(axis=1)
        assert (np.abs(dense - part.skin_weights).max(axis=1) <= smallest + 2e-5).all()


@pytest.mark.parametrize("seed", range(3))
def test_pruned_weights_sum_to_one_exactly(seed):
    weights = np.random.default_rng(seed).dirichlet(np.full(5, 0.2), size=4000)
    joints, kept = limit_influences(weights)
    assert (kept.sum(axis=1, dtype=int) == 65535).all()
    exact = np.sort(weights, axis=1)[:, 1:]
    exact = exact / exact.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(np.sort(kept / 65535, axis=1), exact, atol=1.6e-5)
    np.testing.assert_array_equal(joints[:, 0], weights.argmax(axis=1))


def test_scene_holds_skeleton_and_meshes_as_siblings(avatar, glb):
    document = Read(glb).json
    names = [document["nodes"][index]["name"] for index in document["scenes"][0]["nodes"]]
    assert names == ["root", "skin", "glasses"]
    assert document["asset"]["generator"] == "soaplib"
    for node in document["nodes"]:
        assert "rotation" not in node and "scale" not in node


def test_materials_and_textures(avatar, glb):
    read = Read(glb)
    document = read.json
    skin, glasses = document["materials"]
    assert (skin["name"], glasses["name"]) == ("skin", "glasses")
    assert "alphaMode" not in skin
    assert glasses["alphaMode"] == "BLEND"
    assert (skin["doubleSided"], glasses["doubleSided"]) == (False, True)
    for part, material in zip(avatar.parts, document["materials"], strict=True):
        pbr = material["pbrMetallicRoughness"]
        assert (pbr["metallicFactor"], pbr["roughnessFactor"]) == (0.0, part.roughness)
        image = document["images"][document["textures"][pbr["baseColorTexture"]["index"]]["source"]]
        picture = Image.open(io.BytesIO(read.view(image["bufferView"]).tobytes()))
        if part.alpha:
            assert image["mimeType"] == "image/png"
            np.testing.assert_array_equal(np.asarray(picture), part.texture)
        else:
            assert image["mimeType"] == "image/jpeg"
            assert picture.layer[0][1:3] == picture.layer[1][1:3] == (1, 1), (
                "colour is kept at full resolution"
            )
            error = np.abs(np.asarray(picture).astype(int) - part.texture)
            assert error.mean() < 6


def test_cut_out_texture_is_masked_and_equal_textures_are_shared(avatar, tmp_path):
    glasses = avatar.parts[1]
    texture = glasses.texture.copy()
    texture[..., 3] = np.where(texture[..., 3] > 150, 255, 0)
    parts = tuple(dataclasses.replace(glasses, name=name, texture=texture) for name in ("one", "two"))
    sizes = write_glb(dataclasses.replace(avatar, parts=parts), tmp_path / "a.glb")
    document = Read(tmp_path / "a.glb").json
    assert [material["alphaMode"] for material in document["materials"]] == ["MASK", "MASK"]
    assert len(document["images"]) == len(document["textures"]) == 1
    assert sizes["vertices"] == 2 * len(glasses.vertices)
    assert sizes["bytes"] == (tmp_path / "a.glb").stat().st_size


def test_clip_drives_every_mesh_from_one_track(avatar, glb):
    read = Read(glb)
    clip = sample_motion(fps=10)
    (animation,) = read.json["animations"]
    weights = [channel for channel in animation["channels"] if channel["target"]["path"] == "weights"]
    meshes = [index for index, node in enumerate(read.json["nodes"]) if "mesh" in node]
    assert [channel["target"]["node"] for channel in weights] == meshes
    assert len({channel["sampler"] for channel in weights}) == 1
    sampler = animation["samplers"][weights[0]["sampler"]]
    times = read.accessor(sampler["input"])[:, 0]
    np.testing.assert_allclose(times, np.arange(len(clip.weights)) / 10, atol=1e-6)
    assert "min" in read.json["accessors"][sampler["input"]]
    track = read.accessor(sampler["output"]).reshape(len(times), 52)
    for column, name in enumerate(avatar.expression_names):
        np.testing.assert_array_equal(track[:, column], clip.weights[:, clip.names.index(name)])
    (turn,) = [channel for channel in animation["channels"] if channel["target"]["path"] == "rotation"]
    assert read.json["nodes"][turn["target"]["node"]]["name"] == "neck"
    turns = read.accessor(animation["samplers"][turn["sampler"]]["output"])
    np.testing.assert_allclose(np.linalg.norm(turns, axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(
        2 * np.arccos(turns[:, 3].clip(-1, 1)), np.linalg.norm(clip.rotations[:, 1], axis=1), atol=2e-3
    )


def test_equal_input_gives_equal_bytes(avatar, glb, tmp_path):
    write_glb(made_up_avatar(), tmp_path / "again.glb", [sample_motion(fps=10)])
    assert (tmp_path / "again.glb").read_bytes() == glb.read_bytes()
    assert [file.name for file in tmp_path.iterdir()] == ["again.glb"]


def test_mistakes_are_named(avatar, tmp_path):
    part = avatar.parts[0]

    def write(**changes):
        write_glb(
            dataclasses.replace(avatar, parts=(dataclasses.replace(part, **changes),)), tmp_path / "a.glb"
        )

    with pytest.raises(ValueError, match=r"'skin': expected morphs of shape \(52, 231, 3\), got \(51"):
        write(morphs=part.morphs[1:])
    with pytest.raises(ValueError, match="finite vertices"):
        write(vertices=np.full_like(part.vertices, np.nan))
    with pytest.raises(ValueError, match="faces that index its 231 vertices"):
        write(faces=part.faces + 1)
    with pytest.raises(ValueError, match="texture"):
        write(texture=part.texture / 255)
    with pytest.raises(ValueError, match="skin weights that sum to 1"):
        write(skin_weights=np.zeros_like(part.skin_weights))
    clip = dataclasses.replace(sample_motion(fps=5), names=("earWiggle", *ARKIT_NAMES[1:]))
    with pytest.raises(ValueError, match="no expression earWiggle"):
        write_glb(avatar, tmp_path / "a.glb", [clip])
    assert not list(tmp_path.iterdir())


def test_areas_hold_each_of_the_52_names_once():
    assert len(ARKIT_NAMES) == len(set(ARKIT_NAMES)) == sum(map(len, AREAS.values())) == 52


def khronos(path):
    """Return the Khronos validator's report; skip the test where it cannot run."""
    if shutil.which("node") is None:
        pytest.skip("needs node; install Node.js to validate GLB files")
    folders = os.pathsep.join(filter(None, [os.environ.get("NODE_PATH"), str(ROOT / "node_modules")]))
    done = subprocess.run(
        ["node", ROOT / "tests" / "validate_glb.cjs", path],
        capture_output=True, text=True, timeout=60, env=os.environ | {"NODE_PATH": folders},
    )  # fmt: skip
    if "Cannot find module 'gltf-validator'" in done.stderr:
        pytest.skip("needs the npm package gltf-validator; run `npm install` in the repository's root")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_khronos_validator_finds_nothing(glb):
    report = khronos(glb)
    assert report["issues"]["numErrors"] == 0, report["issues"]["messages"]
    assert report["issues"]["numWarnings"] == 0, report["issues"]["messages"]
    assert report["info"]["hasMorphTargets"] and report["info"]["hasSkins"]
    assert report["info"]["animationCount"] == 1


def test_khronos_validator_is_awake(glb, tmp_path):
    data = bytearray(glb.read_bytes())
    spot = data.index(b'"POSITION":')
    data[spot : spot + 11] = b'"POSITIOM":'
    (tmp_path / "bad.glb").write_bytes(data)
    assert khronos(tmp_path / "bad.glb")["issues"]["numErrors"] > 0
