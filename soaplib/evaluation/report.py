"""What `soap evaluate` shows: a table, and a sheet of the worst heads."""

import numpy as np
import torch

from soaplib.evaluation.fitted import Fitted
from soaplib.evaluation.measures import HELD_OUT_YAWS
from soaplib.evaluation.truth import Truth, unit_normals
from soaplib.render import render_views, turn
from soaplib.synthetic.drawing.paint import paint

_SIZE = 192


def table(result: dict) -> str:
    """Give the metrics of `evaluate` as lines of text."""
    lines = [f"{'metric':<20} {'mean':>9} {'median':>9} {'p90':>9}  unit"]
    for name, value in result["metrics"].items():
        numbers = " ".join(f"{value[k]:9.3f}" for k in ("mean", "median", "p90"))
        lines.append(f"{name:<20} {numbers}  {value['unit']}")
    return "\n".join(lines)


def compared(truth: Truth, fitted: Fitted) -> np.ndarray:
    """Give a picture (384, 960, 3) uint8: normals from the front and held-out sides, the truth's above the fit's."""
    cameras = np.stack([turn(truth.cameras[0], yaw, truth.pivot) for yaw in (0.0, *HELD_OUT_YAWS)])
    cameras[:, :3] *= _SIZE / 256
    cut = truth.cut * _SIZE / 256
    frames = paint(truth.scene, cameras, _SIZE, np.full(len(cameras), cut))
    seen = render_views(
        torch.as_tensor(fitted.vertices, dtype=torch.float32), torch.as_tensor(fitted.faces),
        torch.as_tensor(cameras, dtype=torch.float32), (_SIZE, _SIZE),
    )  # fmt: skip
    own = torch.nn.functional.normalize(seen.normals, dim=-1).numpy()
    rows = []
    for normals, mask in ((unit_normals(frames), frames.rgba[..., 3] / 255), (own, seen.mask.numpy())):
        pictures = (normals + 1) / 2 * mask[..., None] + 1 - mask[..., None]
        rows.append(np.concatenate(list(pictures), axis=1))
    return (np.concatenate(rows).clip(0, 1) * 255 + 0.5).astype(np.uint8)


class WorstHeads:
    """Keeps the pictures of the three heads whose Chamfer distance is largest; `see` is a `watch` for `evaluate`."""

    def __init__(self, count: int = 3):
        self.count, self._kept = count, []

    def see(self, truth: Truth, fitted: Fitted, row: dict) -> None:
        """Look at one head."""
        if len(self._kept) < self.count or row["chamfer"] > self._kept[-1][0]:
            self._kept.append((row["chamfer"], row["seed"], compared(truth, fitted)))
            self._kept = sorted(self._kept, key=lambda entry: -entry[0])[: self.count]

    @property
    def sheet(self) -> np.ndarray:
        """(384 n, 960, 3) uint8, the worst head on top."""
        return np.concatenate([picture for _, _, picture in self._kept])
