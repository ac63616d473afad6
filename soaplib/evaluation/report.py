"""What `soap evaluate` shows: a table, and a sheet of the worst heads."""

import numpy as np
import torch

from soaplib.evaluation.fitted import Fitted
from soaplib.evaluation.measures import HELD_OUT_YAWS
from soaplib.evaluation.references import Reference
from soaplib.evaluation.truth import Truth, unit_normals
from soaplib.render import render_views, turn
from soaplib.synthetic.drawing.paint import paint

_SIZE = 192
_TITLE = 26  # rows above each head
_TOLD = ("chamfer", "normals", "iou", "actions")


def table(result: dict) -> str:
    """Give the metrics of `evaluate` as lines of text, and below them the heads of which there are none."""
    lines = [f"{'metric':<20} {'mean':>9} {'median':>9} {'p90':>9}  unit"]
    for name, value in result["metrics"].items():
        numbers = " ".join(f"{value[k]:9.3f}" for k in ("mean", "median", "p90"))
        lines.append(f"{name:<20} {numbers}  {value['unit']}")
    failed = result.get("failed", ())
    lines.append(f"measured: {result['heads']}" + (f"; not measured: {len(failed)}" if failed else ""))
    return "\n".join([*lines, *(f"  {one['name']}: {one['reason']}" for one in failed)])


def compared(truth: Truth | Reference, fitted: Fitted) -> np.ndarray:
    """Give a picture (384, 960, 3) uint8: normals from the front and held-out sides, the truth's above the fit's."""
    cameras = np.stack([turn(truth.cameras[0], yaw, truth.pivot) for yaw in (0.0, *HELD_OUT_YAWS)])
    cameras[:, :3] *= _SIZE / 256
    seen = render_views(
        torch.as_tensor(fitted.vertices, dtype=torch.float32), torch.as_tensor(fitted.faces),
        torch.as_tensor(cameras, dtype=torch.float32), (_SIZE, _SIZE),
    )  # fmt: skip
    own = torch.nn.functional.normalize(seen.normals, dim=-1).numpy()
    rows = []
    for normals, mask in (_true_normals(truth, cameras), (own, seen.mask.numpy())):
        pictures = (normals + 1) / 2 * mask[..., None] + 1 - mask[..., None]
        rows.append(np.concatenate(list(pictures), axis=1))
    return (np.concatenate(rows).clip(0, 1) * 255 + 0.5).astype(np.uint8)


class WorstHeads:
    """Keeps the pictures of the three heads whose Chamfer distance is largest."""

    def __init__(self, count: int = 3):
        self.count, self._kept = count, []

    def see(self, truth: Truth | Reference, fitted: Fitted, row: dict) -> None:
        """Look at one head."""
        if len(self._kept) < self.count or row["chamfer"] > self._kept[-1][0]:
            self._kept.append((row["chamfer"], row["name"], _titled(compared(truth, fitted), row)))
            self._kept = sorted(self._kept, key=lambda entry: -entry[0])[: self.count]

    @property
    def sheet(self) -> np.ndarray:
        """(410 n, 960, 3) uint8, the worst head on top; raises ValueError where no head was seen."""
        if not self._kept:
            raise ValueError("WorstHeads.sheet: expected heads that were seen, got none; call `see` first")
        return np.concatenate([picture for _, _, picture in self._kept])


def _true_normals(truth, cameras):
    if isinstance(truth, Reference):
        return truth.normals(cameras, _SIZE)
    frames = paint(truth.scene, cameras, _SIZE, np.full(len(cameras), truth.cut * _SIZE / 256))
    return unit_normals(frames), frames.rgba[..., 3] / np.float32(255)


def _titled(picture, row):
    """The picture below a line that says which head it is, and what was measured of it."""
    from PIL import Image, ImageDraw, ImageFont

    told = [f"{name} {row[name]:.3g}" for name in _TOLD if name in row]
    about = [str(row[key]) for key in ("style", "hair") if key in row]
    strip = Image.new("RGB", (picture.shape[1], _TITLE), "white")
    text = "   ".join([" ".join([str(row["name"]), *about]), *told, "(truth above, fit below)"])
    ImageDraw.Draw(strip).text((8, 5), text, fill=(35, 33, 31), font=ImageFont.load_default(14))
    return np.concatenate([np.asarray(strip), picture])
