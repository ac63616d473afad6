"""The whole pipeline as its users run it: `soap run` on the sample portrait, and the tour on what it made."""

import json
import os
import pathlib
import struct
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from soaplib.data import JOINT_NAMES
from soaplib.runs import STAGES, find_portrait, run_portrait
from soaplib.runs.checksums import code_checksum
from soaplib.runs.kernels import Kernels
from soaplib.runs.progress import Progress

SECONDS = 400


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A finished draft run of the astronaut."""
    folder = tmp_path_factory.mktemp("runs") / "astronaut"
    command = [pathlib.Path(sys.executable).parent / "soap", "run", "astronaut", "--profile", "draft"]
    environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    done = subprocess.run(
        [*command, "--run-dir", folder], capture_output=True, text=True, timeout=SECONDS, env=environment
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert str(folder / "avatar.glb") in done.stdout
    return folder


@pytest.fixture(scope="module")
def record(run):
    return json.loads((run / "run.json").read_text())


@pytest.fixture(scope="module")
def glb(run):
    """The avatar's (JSON, binary chunk)."""
    data = (run / "avatar.glb").read_bytes()
    magic, version, size, length = struct.unpack_from("<4sIII", data)
    assert magic == b"glTF" and version == 2 and size == len(data)
    return json.loads(data[20 : 20 + length]), data[28 + length :]


def numbers(glb, index):
    """Read an accessor; sparse ones too."""
    document, binary = glb
    accessor = document["accessors"][index]
    width = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT4": 16}[accessor["type"]]

    def read(view, kind, count, offset=0):
        dtype = np.dtype({5121: "u1", 5123: "<u2", 5125: "<u4", 5126: "<f4"}[kind])
        view = document["bufferViews"][view]
        return np.frombuffer(binary, dtype, count, view.get("byteOffset", 0) + offset)

    out = np.zeros((accessor["count"], width))
    if "bufferView" in accessor:
        stride = document["bufferViews"][accessor["bufferView"]].get("byteStride")
        assert stride is None, "interleaved attributes are read by no reader here"
        flat = read(
            accessor["bufferView"],
            accessor["componentType"],
            out.size,
            accessor.get("byteOffset", 0),
        )
        out = flat.reshape(out.shape).astype(float)
    if "sparse" in accessor:
        sparse = accessor["sparse"]
        rows = read(sparse["indices"]["bufferView"], sparse["indices"]["componentType"], sparse["count"])
        values = read(sparse["values"]["bufferView"], accessor["componentType"], sparse["count"] * width)
        out = out.copy()
        out[rows] = values.reshape(-1, width)
    return out


def test_the_record_is_whole(run, record):
    assert record["complete"] and [stage["name"] for stage in record["stages"]] == list(STAGES)
    assert record["profile"] == "draft" and record["seed"] == 0 and record["total_seconds"] > 0
    for stage in record["stages"]:
        assert stage["seconds"] > 0 and stage["files"]
        assert all((run / file).is_file() for file in stage["files"])
        for figure in stage["figures"]:
            assert figure["caption"] and np.ptp(np.asarray(Image.open(run / figure["file"]).convert("L"))) > 0
    assert sum(len(stage["figures"]) for stage in record["stages"]) >= len(STAGES)
    assert not [path for path in run.rglob("*") if ".part" in path.name]


def test_executed_notebooks_are_lean_and_name_no_place(run):
    for name in STAGES:
        text = (run / "notebooks" / f"{name}.ipynb").read_text()
        notebook = json.loads(text)
        assert "widgets" not in notebook["metadata"] and len(text) < 12e6
        outputs = [o for cell in notebook["cells"] for o in cell.get("outputs", ())]
        assert outputs and not [o for o in outputs if o["output_type"] == "error"]
        assert any("image/png" in o.get("data", ()) for o in outputs), f"{name} shows no picture"


def test_avatar_has_the_rig(glb):
    document, _ = glb
    (skin,) = document["skins"]
    assert [document["nodes"][joint]["name"] for joint in skin["joints"]] == list(JOINT_NAMES)
    names = {tuple(mesh["extras"]["targetNames"]) for mesh in document["meshes"]}
    assert len(names) == 1 and len(set(next(iter(names)))) == 52
    assert {"jawOpen", "eyeBlinkLeft", "mouthSmileRight", "tongueOut"} <= set(next(iter(names)))
    assert len(document["meshes"]) >= 4 and len(document["materials"]) >= 4 and document["animations"]
    roots = set(document["scenes"][document.get("scene", 0)]["nodes"])
    assert all(index in roots for index, node in enumerate(document["nodes"]) if "skin" in node)


def test_avatar_is_a_head_in_metres(glb):
    document, _ = glb
    low, high = np.full(3, np.inf), np.full(3, -np.inf)
    for mesh in document["meshes"]:
        for primitive in mesh["primitives"]:
            assert {"POSITION", "NORMAL", "TEXCOORD_0", "JOINTS_0", "WEIGHTS_0"} <= set(
                primitive["attributes"]
            )
            places = numbers(glb, primitive["attributes"]["POSITION"])
            normals = numbers(glb, primitive["attributes"]["NORMAL"])
            faces = numbers(glb, primitive["indices"]).astype(int)
            assert np.isfinite(places).all() and faces.max() < len(places)
            assert np.abs(np.linalg.norm(normals, axis=1) - 1).max() < 1e-3
            assert len(primitive["targets"]) == 52
            low, high = np.minimum(low, places.min(0)), np.maximum(high, places.max(0))
    assert 0.2 < high[1] - low[1] < 0.6, "the height of a head with its neck"


def test_expressions_move_the_head(glb):
    document, _ = glb
    names = document["meshes"][0]["extras"]["targetNames"]
    reach = {name: 0.0 for name in names}
    for mesh in document["meshes"]:
        for primitive in mesh["primitives"]:
            for name, target in zip(names, primitive["targets"], strict=True):
                moves = numbers(glb, target["POSITION"])
                assert np.isfinite(moves).all()
                reach[name] = max(reach[name], float(np.linalg.norm(moves, axis=1).max()))
    assert reach["jawOpen"] > 0.015 and reach["eyeBlinkLeft"] > 0.004 and reach["mouthSmileLeft"] > 0.004
    assert max(reach.values()) < 0.1


def test_the_avatar_lies_on_its_portrait(run, record):
    portrait = record["portrait"]
    assert len(portrait["weights"]) == 52 and set(portrait["joints"]) == set(JOINT_NAMES)
    assert all(0 <= weight <= 1 for weight in portrait["weights"].values())
    assert np.allclose([np.linalg.norm(q) for q in portrait["joints"].values()], 1, atol=1e-5)
    camera = np.array(portrait["camera"])
    assert camera.shape == (4, 4) and np.allclose(camera[3], [0, 0, 0, 1])
    rows = np.linalg.norm(camera[:3, :3], axis=1)
    assert np.allclose(rows, rows[0], rtol=1e-4), "a similarity"
    crop = Image.open(run / portrait["crop"])
    assert crop.width == crop.height
    to_picture = np.array(portrait["crop_to_picture"])
    middle = to_picture @ [crop.width / 2, crop.height / 2, 1]
    width, height = Image.open(run / record["input"]["file"]).size
    assert 0 < middle[0] / middle[2] < width and 0 < middle[1] / middle[2] < height


def test_videos_play(run):
    import imageio.v3 as iio

    for name in ("turntable.mp4", "expressions.mp4"):
        frames = iio.imread(run / name)
        assert len(frames) > 24 and frames.shape[-1] == 3
        assert np.abs(frames[0].astype(int) - frames[len(frames) // 3]).mean() > 1, f"nothing moves in {name}"


def test_report_is_one_offline_file(run):
    text = (run / "report.html").read_text()
    assert (
        len(text) > (run / "avatar.glb").stat().st_size
        and "<script src=" not in text
        and "https://cdn" not in text
    )


def test_a_second_run_does_nothing_and_a_forced_one_makes_the_same(run, record):
    code_checksum.cache_clear()
    if record["code"] != code_checksum():
        pytest.skip("soaplib was edited while its tests ran")

    class Made(Progress):
        stages = ()

        def stage_ends(self, name, seconds, made):
            self.stages += (name,) * made

    files = [path for path in run.rglob("*") if path.is_file()]
    before = {path: path.stat().st_mtime_ns for path in files}
    portrait, progress = find_portrait("astronaut"), Made()
    run_portrait(portrait, run, profile="draft", progress=progress)
    assert progress.stages == () and before == {path: path.stat().st_mtime_ns for path in files}
    again = run_portrait(portrait, run, profile="draft", from_stage="04", progress=progress)
    assert progress.stages == STAGES[3:]
    for stage in record["stages"]:
        assert again.stage(stage["name"])["files"] == stage["files"]
        assert again.stage(stage["name"])["metrics"] == stage["metrics"]


def execute(source, into, parameters):
    """Execute a notebook in a kernel that starts in the folder `into`; returns all its cells' outputs."""
    import papermill

    with Kernels(into) as kernels:
        manager = kernels.take()
        try:
            book = papermill.execute_notebook(
                str(source),
                str(into / f"executed_{source.name}"),
                parameters=parameters,
                kernel_name="python3",
                progress_bar=False,
                km=manager,
            )
        finally:
            kernels.stop(manager)
    return [output for cell in book.cells for output in cell.get("outputs", ())]


def test_the_tour_shows_it(run, root, tmp_path):
    outputs = execute(root / "notebooks" / "00_tour.ipynb", tmp_path, {"run_dir": str(run)})
    assert sum("image/png" in output.get("data", ()) for output in outputs) >= len(STAGES)
    assert sum("<video" in output.get("data", {}).get("text/html", "") for output in outputs) == 2


def test_the_evaluation_measures_a_synthetic_head_and_the_run(run, root, tmp_path):
    parameters = {"run_dir": str(run), "profile": "draft"}
    outputs = execute(root / "notebooks" / "07_evaluation.ipynb", tmp_path, parameters)
    assert sum("image/png" in output.get("data", ()) for output in outputs) >= 9
    done = json.loads((run / "07_evaluation" / "stage.json").read_text())
    metrics = done["metrics"]
    assert 0 < metrics["chamfer_ratio"] < 0.6 and metrics["iou"] > 0.9
    assert metrics["avatar_silhouette"] > 0.9 and metrics["avatar_psnr"] > 20
    assert metrics["avatar_eyes_shut"] == 0 and metrics["avatar_landmarks"] < 5
    names = {pathlib.Path(figure["file"]).stem for figure in done["figures"]}
    assert {"distances", "painted", "held_out", "actions", "motion", "likeness", "shut"} <= names


def test_the_notebook_of_synthetic_heads_runs_alone(root, tmp_path):
    parameters = {"run_dir": str(tmp_path / "out"), "profile": "draft", "heads": 6, "size": 64}
    outputs = execute(root / "notebooks" / "10_synthetic_heads.ipynb", tmp_path, parameters)
    assert sum("image/png" in output.get("data", ()) for output in outputs) >= 20
    done = json.loads((tmp_path / "out" / "10_synthetic_heads" / "stage.json").read_text())
    assert done["metrics"]["silhouette_iou"] < 0.9 and len(done["figures"]) >= 18
    sheet = Image.open(tmp_path / "out" / "10_synthetic_heads" / "figures" / "contact_sheet.png")
    assert sheet.size == (4 * 64, 2 * 64)


def test_the_notebooks_of_training_run_alone(root, tmp_path):
    parameters = {"run_dir": str(tmp_path / "out"), "heads": 3, "steps": 6}
    for name, gain in (
        ("11_train_views", "psnr_gain_learned_from"),
        ("12_train_normals", "degrees_learned_from"),
    ):
        outputs = execute(root / "notebooks" / f"{name}.ipynb", tmp_path, parameters)
        assert sum("image/png" in output.get("data", ()) for output in outputs) >= 5
        done = json.loads((tmp_path / "out" / name / "stage.json").read_text())
        assert np.isfinite(done["metrics"][gain]) and len(done["figures"]) >= 5
        assert (tmp_path / "out" / name / name.rsplit("_", 1)[1] / "model" / "model_index.json").is_file()
