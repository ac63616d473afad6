"""Train the x4 upsamplers of `soaplib.multiview.compact` on synthetic heads drawn at 512 x 512.

A pool of heads lies in memory; each step cuts squares out of it, spoils and shrinks them by 4, and now and then a head
is exchanged for a new one, so no files are needed. About five minutes of one core each for colours and for normals.
"""

import copy
import dataclasses
import itertools
import math
import pathlib
from collections.abc import Callable

import cv2
import numpy as np
import torch
import torch.nn.functional as F

from soaplib.multiview.compact.upsample import FACTOR, Upsampler, Upsamplers, bicubic, upsample_rgba
from soaplib.synthetic.drawing.camera import make_cameras
from soaplib.synthetic.drawing.paint import assemble, paint
from soaplib.synthetic.heads import Codes, make_head
from soaplib.training.samples import sample_codes

KINDS = ("rgba", "normals")
SIZE = 512

_CLEAN = 0.4  # of the squares are only shrunk


@dataclasses.dataclass(frozen=True)
class UpsamplerPlan:
    """How to train: kind of `KINDS`; steps of `batch` squares of `crop` low-resolution pixels; the highest learning
    rate; the width and the blocks of the network; `pool` heads in memory, one of them new every `renew` steps."""

    kind: str = "rgba"
    steps: int = 3600
    batch: int = 8
    crop: int = 32
    rate: float = 1.5e-3
    width: int = 32
    blocks: int = 4
    pool: int = 24
    renew: int = 20
    size: int = SIZE
    seed: int = 0


def train_upsampler(
    plan: UpsamplerPlan,
    folder: pathlib.Path | str | None = None,
    colours: Upsampler | None = None,
    progress: Callable[[int, float], None] | None = None,
) -> Upsampler:
    """Train an upsampler by Adam on the mean absolute error; return its average over the last steps (EMA).

    Args:
        plan: what and how long.
        folder: where to save it in half precision (safetensors and config.json).
        colours: the finished upsampler of kind "rgba": half of the guides for normals are made by it, as in use.
        progress: called as (step, loss) after every step.

    Deterministic for a plan and a number of threads. Raises ValueError for an unknown kind.
    """
    if plan.kind not in KINDS:
        raise ValueError(f"train_upsampler: expected a kind of {', '.join(KINDS)}, got {plan.kind!r}")
    rng = np.random.default_rng((plan.seed, KINDS.index(plan.kind)))
    network = make_upsampler(plan)
    average = copy.deepcopy(network)
    optimiser = torch.optim.Adam(network.parameters(), plan.rate)
    heads = (draw_frames(sample_codes(plan.seed, index), plan.size) for index in itertools.count())
    pool = [next(heads) for _ in range(plan.pool)]
    for step in range(plan.steps):
        if step and step % plan.renew == 0:
            pool[rng.integers(len(pool))] = next(heads)
        squares = [cut_square(rng, pool[rng.integers(len(pool))], plan.crop) for _ in range(plan.batch)]
        given, wanted = make_batch(rng, squares, plan.kind, colours)
        for group in optimiser.param_groups:
            group["lr"] = plan.rate * _schedule(step, plan.steps)
        loss = _loss(network(*given), wanted, plan.kind)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        keep = min(0.998, (1 + step) / (10 + step))
        with torch.no_grad():
            for old, new in zip(average.parameters(), network.parameters(), strict=True):
                old.lerp_(new, 1 - keep)
        if progress is not None:
            progress(step, loss.item())
    if folder is not None:
        save_half(average, folder)
    return average.eval()


def make_upsampler(plan: UpsamplerPlan) -> Upsampler:
    """Give the untrained network of a plan, drawn from its seed: it is bicubic."""
    channels, guide = (4, 0) if plan.kind == "rgba" else (3, 4)
    # By name: diffusers takes what is given by position for the default when it reads a config.
    with torch.random.fork_rng(devices=()):  # layers draw from everybody's generator before we draw again
        network = Upsampler(channels=channels, guide_channels=guide, width=plan.width, blocks=plan.blocks)
    generator = torch.Generator().manual_seed(plan.seed)
    for name, parameter in network.named_parameters():
        if not name.startswith("last."):
            bound = (parameter[0].numel() if parameter.ndim > 1 else math.inf) ** -0.5
            torch.nn.init.uniform_(parameter, -bound, bound, generator=generator)
    return network


def save_half(network: Upsampler, folder: pathlib.Path | str) -> None:
    """Write a copy of a network in half precision: safetensors and config.json."""
    copy.deepcopy(network).half().save_pretrained(folder)


def draw_frames(codes: Codes, size: int = SIZE) -> tuple[np.ndarray, np.ndarray]:
    """Draw six views of a head: premultiplied RGBA (6, S, S, 4) and normals times alpha (6, S, S, 3), both float16."""
    head = make_head(codes)
    points = np.concatenate([piece.vertices for piece in head.pieces])
    cameras = make_cameras(head.turn, head.model, head.vertices, points, size)
    scene = assemble(head.pieces, head.light.turned(head.turn.rotation()), head.look, head.gradients)
    frames = paint(scene, cameras.views, size, np.full(6, cameras.cut))
    rgba = frames.rgba.astype(np.float32) / 255
    rgba[..., :3] *= rgba[..., 3:]
    normals = frames.normals.astype(np.float32) / 127.5 - 1
    length = np.linalg.norm(normals, axis=-1, keepdims=True)
    vectors = np.where(frames.labels[..., None] > 0, normals / np.maximum(length, 1e-6), 0) * rgba[..., 3:]
    return rgba.astype(np.float16), vectors.astype(np.float16)


def cut_square(rng: np.random.Generator, frames: tuple, crop: int) -> tuple[np.ndarray, np.ndarray]:
    """Cut a square of 4 x crop pixels about a pixel of the head: (RGBA, vectors), float32; half of them mirrored."""
    rgba, vectors = frames
    view, size, side = rng.integers(len(rgba)), rgba.shape[1], crop * FACTOR
    for _ in range(20):
        at = rng.integers(0, size - side + 1, 2) if size > side else np.zeros(2, int)
        middle = at + side // 2
        if rgba[view, middle[0], middle[1], 3] > 0:
            break
    # Shrinking by area takes whole cells of 4 x 4 pixels wherever the square begins.
    rows, columns = slice(at[0], at[0] + side), slice(at[1], at[1] + side)
    colour, vector = (a[view, rows, columns].astype(np.float32) for a in (rgba, vectors))
    if rng.random() < 0.5:
        colour, vector = colour[:, ::-1].copy(), vector[:, ::-1] * np.array([-1, 1, 1], np.float32)
    return colour, vector


def make_batch(rng: np.random.Generator, squares: list, kind: str, colours: Upsampler | None = None) -> tuple:
    """Spoil and shrink squares: ((low, or low and guide), wanted), tensors (B, C, H, W)."""
    if kind == "rgba":
        wanted = [_recoloured(rng, square[0]) for square in squares]
        return (_stack([spoil_rgba(rng, picture) for picture in wanted]),), _stack(wanted)
    low = [spoil_vectors(rng, vector, colour[..., 3]) for colour, vector in squares]
    guides = [colour for colour, _ in squares]
    if colours is not None:
        tools = Upsamplers(colours, None, None)
        guides = [
            upsample_rgba(spoil_rgba(rng, colour), tools) if rng.random() < 0.5 else colour
            for colour in guides
        ]
    return (_stack(low), _stack(guides)), _stack([vector for _, vector in squares])


def spoil_rgba(rng: np.random.Generator, picture: np.ndarray) -> np.ndarray:
    """Shrink premultiplied RGBA (4H, 4W, 4) by area to (H, W, 4); most are softened, or noisy, or pressed by JPEG."""
    low = _shrunk(picture)
    if rng.random() < _CLEAN:
        return low
    if rng.random() < 0.7:
        low = cv2.GaussianBlur(low, (0, 0), rng.uniform(0.25, 0.8), borderType=cv2.BORDER_REPLICATE)
    alpha = low[..., 3:]
    if rng.random() < 0.4:
        low = low + alpha * rng.normal(0, rng.uniform(0.003, 0.025), low.shape).astype(np.float32) * (
            1,
            1,
            1,
            0,
        )
    if rng.random() < 0.3:
        white = np.rint((low[..., :3] + 1 - alpha).clip(0, 1) * 255).astype(np.uint8)
        _, data = cv2.imencode(".jpg", white, (cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(50, 96))))
        low = np.concatenate([cv2.imdecode(data, cv2.IMREAD_COLOR) / np.float32(255) - 1 + alpha, alpha], -1)
    return np.concatenate([low[..., :3].clip(0, alpha), alpha], -1).astype(np.float32)


def spoil_vectors(rng: np.random.Generator, vectors: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Shrink normals times alpha (4H, 4W, 3) to unit normals times alpha (H, W, 3); most softened, as networks do."""
    low, low_alpha = _shrunk(vectors), _shrunk(alpha)[..., None]
    if rng.random() > _CLEAN:
        low = cv2.GaussianBlur(low, (0, 0), rng.uniform(0.3, 1.2), borderType=cv2.BORDER_REPLICATE)
    return _unit(low) * low_alpha


def measure_upsampler(
    network: Upsampler, kind: str, heads: int = 12, seed: int = 0, colours: Upsampler | None = None
) -> dict[str, float]:
    """Compare with bicubic on heads whose identity, hair and style are held out, all six views, inside the mask.

    Of "rgba": mean PSNR in dB over views, and the mean absolute error of alpha over pixels of the outline. Of
    "normals": mean angle in degrees, with the true picture as guide (`known`), or with one that `colours` made.
    """
    found = []
    for index in range(heads):
        rgba, vectors = (a.astype(np.float32) for a in draw_frames(sample_codes(seed, index, "test")))
        for picture, vector in zip(rgba, vectors, strict=True):
            found.append(_compare(network, kind, picture, vector, colours))
    return {name: float(np.mean([one[name] for one in found])) for name in found[0]}


@torch.no_grad()
def _compare(network, kind, picture, vector, colours):
    inside = picture[..., 3] > 0.5
    tools = Upsamplers(network if kind == "rgba" else colours, None, None)
    if kind == "rgba":
        low = _shrunk(picture)
        plain = bicubic(_stack([low]))[0].movedim(0, -1).numpy()
        edge = cv2.dilate(inside.astype(np.uint8), None) != cv2.erode(inside.astype(np.uint8), None)
        out = {}
        for name, made in (("bicubic", plain), ("network", upsample_rgba(low, tools))):
            out[f"psnr_{name}"] = -10 * math.log10(((made - picture)[inside][:, :3] ** 2).mean())
            out[f"alpha_error_{name}"] = np.abs(made - picture)[edge][:, 3].mean()
        return out
    low = _unit(_shrunk(vector)) * _shrunk(picture[..., 3])[..., None]
    made = {"bicubic": bicubic(_stack([low]))[0], "known": network(_stack([low]), _stack([picture]))[0]}
    if colours is not None:
        made["network"] = network(_stack([low]), _stack([upsample_rgba(_shrunk(picture), tools)]))[0]
    inside &= (vector**2).sum(-1) > 0.2
    return {
        f"degrees_{name}": np.degrees(
            np.arccos((_unit(field.movedim(0, -1).numpy()) * _unit(vector)).sum(-1)[inside].clip(-1, 1))
        ).mean()
        for name, field in made.items()
    }


def _loss(made, wanted, kind):
    loss = F.l1_loss(made, wanted)
    if kind == "normals":
        inside = wanted.square().sum(1) > 0.2
        loss = loss + (1 - F.cosine_similarity(made, wanted, dim=1))[inside].mean()
    return loss


def _schedule(step, steps):
    """Rise over the first 100 steps, then half a cosine down to 1 %."""
    return min(1.0, (step + 1) / 100) * (0.505 + 0.495 * math.cos(math.pi * step / max(steps, 1)))


def _recoloured(rng, picture):
    """Channels exchanged and the square turned: edges are the same in all colours and directions."""
    turned = np.rot90(picture, rng.integers(4))
    return turned[..., [*rng.permutation(3), 3]] if rng.random() < 0.3 else turned


def _shrunk(picture):
    size = picture.shape[1] // FACTOR, picture.shape[0] // FACTOR
    return cv2.resize(np.ascontiguousarray(picture), size, interpolation=cv2.INTER_AREA)


def _unit(vectors):
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-6)


def _stack(pictures):
    return torch.from_numpy(np.ascontiguousarray(np.stack(pictures).transpose(0, 3, 1, 2), dtype=np.float32))
