"""`run.json`: what a run was made of and what it made."""

import dataclasses
import json
import os
import pathlib
import platform

from soaplib.runs.checksums import code_checksum, file_checksum, versions
from soaplib.runs.stages import STAGES
from soaplib.storage import write_json

ARTIFACTS = ("avatar.glb", "turntable.mp4", "expressions.mp4")
"""What the last stage makes and the run folder shows at its top."""


@dataclasses.dataclass
class Manifest:
    """A run's record, kept in `RUN/run.json`.

    name: of the run folder. input, landmarks: {file, name, sha256, bytes}, file relative to the folder and name
    as it was given; landmarks is None where MediaPipe found the face. parameters: those given beyond the
    defaults. device: what the run computed on. versions: of Python and packages. code: checksum of soaplib's own.
    stages: one dict each, with name, key, parameters, seconds, metrics {name: value}, units {name: unit},
    figures [{file, caption}], notes, and files {path relative to the folder: sha256}. portrait: how the avatar
    lies on the portrait (weights, joints, camera, crop, crop_to_picture), once it is there. files: {path:
    sha256} of the avatar and its videos. complete: the avatar is whole. total_seconds: sum over the stages.
    """

    name: str
    input: dict
    landmarks: dict | None
    parameters: dict
    profile: str
    seed: int
    device: dict
    versions: dict
    code: str
    stages: list
    portrait: dict | None = None
    files: dict = dataclasses.field(default_factory=dict)
    complete: bool = False
    total_seconds: float = 0.0

    def write(self, run_dir: pathlib.Path) -> None:
        """Write `run.json` into the run folder."""
        write_json(run_dir / "run.json", dataclasses.asdict(self))

    def stage(self, name: str) -> dict | None:
        """Return the record of a stage, or None."""
        return next((stage for stage in self.stages if stage["name"] == name), None)

    def put_stage(self, record: dict) -> None:
        """Add a stage's record, or replace the one of the same name."""
        records = {stage["name"]: stage for stage in self.stages} | {record["name"]: record}
        self.stages = [records[name] for name in STAGES if name in records]
        self.total_seconds = round(sum(stage["seconds"] for stage in self.stages), 3)

    def give_out(self, run_dir: pathlib.Path) -> None:
        """Put the last stage's avatar, videos and `portrait` where they are looked for, and set `complete`.

        Raises:
            FileNotFoundError: the last stage has not written one of them.
        """
        folder = run_dir / STAGES[-1]
        self.portrait = json.loads((folder / "portrait.json").read_text())
        for name in ARTIFACTS:
            self.files[name] = file_checksum(folder / name)
            _link(folder / name, run_dir / name)
        self.complete = True


def read_manifest(run_dir: pathlib.Path) -> Manifest | None:
    """Return the record in a run folder, or None where there is none (or one of another version of soaplib)."""
    path = run_dir / "run.json"
    if not path.exists():
        return None
    try:
        return Manifest(**json.loads(path.read_text()))
    except (TypeError, ValueError):
        return None


def new_manifest(
    run_dir: pathlib.Path, portrait: dict, landmarks: dict | None, parameters: dict, profile: str, seed: int
) -> Manifest:
    """Return the record of a run that has done nothing yet."""
    device = {"kind": "cpu", "name": platform.machine(), "cores": os.cpu_count()}
    return Manifest(
        run_dir.resolve().name,
        portrait,
        landmarks,
        parameters,
        profile,
        seed,
        device,
        versions(),
        code_checksum(),
        [],
    )


def _link(source: pathlib.Path, target: pathlib.Path) -> None:
    if target.exists() and target.samefile(source):
        return
    aside = target.with_name(f".{target.name}.part")
    aside.unlink(missing_ok=True)
    try:
        os.link(source, aside)
    except OSError:  # a file system without hard links
        import shutil

        shutil.copyfile(source, aside)
    os.replace(aside, target)
