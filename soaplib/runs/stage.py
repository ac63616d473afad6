"""What a stage's notebook holds in its hand: a folder to fill, figures, numbers, and the stages before."""

import dataclasses
import json
import os
import pathlib
import shutil
import sys
import time

import numpy as np

from soaplib.runs.checksums import folder_checksums
from soaplib.runs.stages import PROFILES
from soaplib.storage import write_json


@dataclasses.dataclass
class Stage:
    """One stage at work; made by `open_stage`.

    folder: where the notebook writes its files; it takes its final name, `RUN/<name>`, in `finish`, so a stage
    that was stopped half-way leaves the finished one before it as it was. profile, seed: as given.
    """

    name: str
    run_dir: pathlib.Path
    folder: pathlib.Path
    profile: str
    seed: int
    _metrics: dict = dataclasses.field(default_factory=dict, repr=False)
    _units: dict = dataclasses.field(default_factory=dict, repr=False)
    _figures: list = dataclasses.field(default_factory=list, repr=False)
    _notes: list = dataclasses.field(default_factory=list, repr=False)
    _begun: float = dataclasses.field(default_factory=time.perf_counter, repr=False)

    def input(self, name: str) -> pathlib.Path:
        """Return the finished folder of an earlier stage.

        Raises:
            FileNotFoundError: that stage is not finished in this run folder; names the notebook to run first.
        """
        folder = self.run_dir / name
        if not (folder / "stage.json").exists():
            raise FileNotFoundError(
                f"{self.name}: expected the finished stage {name} in {self.run_dir.resolve()}, found none; "
                f"run notebooks/{name}.ipynb with the same run_dir first, or `soap run`"
            )
        return folder

    def figure(self, picture, name: str, caption: str) -> None:
        """Save a picture as `figures/<name>.png` in the stage's folder and show it in the notebook.

        Args:
            picture: a matplotlib figure, or an (H, W), (H, W, 3) or (H, W, 4) array, uint8 or float in [0, 1].
            name: file stem; a figure of the same name is replaced.
            caption: one sentence, shown below the picture and in the report.
        """
        from IPython.display import Image, display

        path = self._keep_figure(picture, name, caption)
        display(Image(filename=str(path), alt=caption))
        print(caption)

    def show3d(self, parts, name: str, caption: str, yaws=(0.0, 40.0, 90.0), plot=None) -> None:
        """Show parts (see `soaplib.viewing.figures`) from some sides as a picture, and turning in 3D: these, or `plot`.

        In a run the 3D view is a file that needs neither a kernel nor a network, `figures/<name>.html`; in a
        notebook worked on by hand it is a live one.
        """
        from IPython.display import display

        from soaplib.viewing.figures import k3d_plot, poster, show3d

        if pathlib.Path.cwd() == self.run_dir.resolve():
            # Executed notebooks lie in RUN/notebooks, beside the folder that this stage will have.
            file = f"figures/{name}.html"
            picture = show3d(parts, self.folder / file, f"../{self.name}/{file}", yaws, plot=plot)
        else:
            picture = poster(parts, yaws)
            display(k3d_plot(parts) if plot is None else plot)
        self._keep_figure(picture, name, caption)
        print(caption)

    def metric(self, name: str, value: float, unit: str = "") -> None:
        """Record a number under `name`, shown in the report; prints it.

        Raises:
            ValueError: the value is not finite.
        """
        value = float(value)
        if not np.isfinite(value):
            raise ValueError(f"{self.name}: expected a finite number for the metric {name!r}, got {value}")
        self._metrics[name] = value
        self._units[name] = unit
        print(f"{name}: {value:.4g} {unit}".rstrip())

    def note(self, sentence: str) -> None:
        """Record a sentence for the person who made the run (advice, a limit met); prints it."""
        self._notes.append(str(sentence))
        print(sentence)

    def expect(self, condition: bool, sentence: str) -> bool:
        """Note the sentence where something that holds for most portraits does not hold for this one.

        For checks of the picture's own nature or of quality: an odd portrait must still become an avatar. What must
        hold for every input is an `assert`. Returns the condition.
        """
        if not condition:
            self.note(f"Unusual: {sentence}")
        return bool(condition)

    def progress(self, label: str):
        """Return a function of (steps done, steps in all) that draws a progress bar: for long work."""
        from tqdm.std import tqdm  # tqdm.auto would become a widget, which shows nothing without a kernel

        bar = tqdm(desc=label, ncols=72, mininterval=0.5, file=sys.stdout)

        def update(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)
            if done >= total:
                bar.close()

        return update

    def finish(self) -> pathlib.Path:
        """Write `stage.json`, give the folder its final name and return it.

        The file holds metrics, figures, notes, the checksum of every file of the stage, and the seconds since
        `open_stage` under their own key, so that all else is equal for equal inputs.
        """
        record = {
            "name": self.name,
            "profile": self.profile,
            "seed": self.seed,
            "metrics": self._metrics,
            "units": self._units,
            "figures": self._figures,
            "notes": self._notes,
            "files": folder_checksums(self.folder),
            "seconds": round(time.perf_counter() - self._begun, 3),
        }
        write_json(self.folder / "stage.json", record)
        final = self.run_dir / self.name
        old = self.run_dir / f".{self.name}.old"
        shutil.rmtree(old, ignore_errors=True)
        if final.exists():
            os.replace(final, old)
        os.replace(self.folder, final)
        shutil.rmtree(old, ignore_errors=True)
        self.folder = final
        print(f"{self.name} is finished: {len(record['files'])} files, {record['seconds']:.1f} s")
        return final

    def _keep_figure(self, picture, name: str, caption: str) -> pathlib.Path:
        path = self.folder / "figures" / f"{name}.png"
        path.parent.mkdir(exist_ok=True)
        _save_picture(picture, path)
        self._figures = [f for f in self._figures if f["file"] != f"figures/{name}.png"]
        self._figures.append({"file": f"figures/{name}.png", "caption": caption})
        return path


def open_stage(run_dir: str | os.PathLike, name: str, *, profile: str = "standard", seed: int = 0) -> Stage:
    """Begin a stage in a run folder (made if absent); what an interrupted try left of this stage is removed.

    Raises:
        ValueError: the profile is not one of `PROFILES`.
    """
    if profile not in PROFILES:
        raise ValueError(f"open_stage: expected a profile of {PROFILES}, got {profile!r}")
    run_dir = pathlib.Path(run_dir)
    folder = run_dir / f".{name}.part"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return Stage(name, run_dir, folder, profile, seed)


def read_stage(folder: pathlib.Path) -> dict | None:
    """Return a finished stage's `stage.json`, or None where the stage is not finished."""
    path = folder / "stage.json"
    return json.loads(path.read_text()) if path.exists() else None


def _save_picture(picture, path: pathlib.Path) -> None:
    if hasattr(picture, "savefig"):
        # No date and no version of matplotlib in the file: equal figures are equal bytes.
        picture.savefig(path, bbox_inches="tight", metadata={"Software": None})
        if "matplotlib.pyplot" in sys.modules:  # else nothing would show it a second time
            sys.modules["matplotlib.pyplot"].close(picture)
        return
    from PIL import Image

    values = np.asarray(picture)
    if values.dtype != np.uint8:
        values = (np.clip(np.nan_to_num(values.astype(np.float32)), 0, 1) * 255 + 0.5).astype(np.uint8)
    Image.fromarray(values).save(path)
