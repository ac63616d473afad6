"""How deep each pixel of the six views lies: where its normal and its colour are found again in the next views."""

import dataclasses

import numba as nb
import numpy as np
import torch

from soaplib.data import Views
from soaplib.fitting.energy import scaled, shrunk
from soaplib.render import camera_rotation

_SIZE = 128
_NEXT = np.array([(4, 5), (4, 2), (1, 3), (5, 2), (0, 1), (0, 3)])  # in the order of `VIEW_YAWS`
_INSIDE = 0.3  # of a pixel's mask, below which a point is outside the hull
_FACING = 0.15  # cosine to the other viewer below which a point is not looked for there
_TURNED, _COLOURED = 0.15, 0.4  # 1 - cosine, and sum over channels, that say it is another point
_UNSEEN, _OUTSIDE = 0.5, 1.5  # cost of a point that no other view sees, and of one outside the hull
_SLIP, _JUMP, _EDGE = 0.1, 0.8, 4.0  # cost of a step of a pixel, of any step, and how much colours lower that
_AGREE = 1.5  # pixels between depths by two views that are the same


@dataclasses.dataclass(frozen=True, eq=False)
class Depths:
    """depth: (6, 128, 128), the views' own for cameras of that size; known: (6, 128, 128) bool, where it is one."""

    depth: np.ndarray
    known: np.ndarray

    def at(self, size: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Give depth and known (6, size, size), float32, for pictures of another size."""
        pick = np.minimum((np.arange(size) + 0.5) * _SIZE / size, _SIZE - 1).astype(int)
        depth, known = (values[:, pick][:, :, pick] for values in (self.depth, self.known))
        return torch.as_tensor(depth * (size / _SIZE), dtype=torch.float32), torch.as_tensor(known).float()


def find_depths(views: Views) -> Depths:
    """Match the views, which turn about the vertical axis, row by row; about 0.3 s.

    Normals say how a surface goes on, but not how far it jumps where hair ends over a cheek. Six orthographic
    pictures do: a point goes from view to view along its row. The cost of a depth is the lesser of the differences of
    world normals and colours to both next views, where the point would face them, and too high outside any mask.
    Costs are gathered along rows and columns (Hirschmüller 2008), on paths that follow the normals' slopes
    (Scharstein, Taniai and Sinha 2017), so that only steps cost anything. Known is what the depths of a next view
    confirm.
    """
    size, cameras = _SIZE, scaled(views, _SIZE)
    masks, images = shrunk(views.masks, size), shrunk(views.images, size)
    normals = shrunk(views.normals, size)
    normals /= np.maximum(np.linalg.norm(normals, axis=-1, keepdims=True), 1e-6)
    axes = np.stack([camera_rotation(camera) for camera in cameras])
    world = np.einsum("nab,nhwa->nhwb", axes, normals).astype(np.float32)
    first = (cameras[:, 2, :3] @ _pivot(cameras) + cameras[:, 2, 3]) - size / 2
    depth, back = np.zeros(masks.shape), np.linalg.inv(cameras)
    for k in range(len(cameras)):
        maps = (cameras @ back[k])[:, :2]
        cost = _costs(k, _NEXT[k], maps, images, world, masks, axes[:, 2].copy(), first[k])
        facing = np.maximum(normals[k, ..., 2], 0.2)
        slopes = np.stack([normals[k, ..., 0] / facing, -normals[k, ..., 1] / facing], -1).clip(-3, 3)
        total = _gathered(cost, slopes.astype(np.float64), masks[k], images[k])
        depth[k] = first[k] + _least(total)
    return Depths(depth, _confirmed(depth, masks, cameras, back))


def _pivot(cameras):
    """The point (3,) that all views show in one place and depth."""
    rows, right = cameras[1:, :3, :3] - cameras[0, :3, :3], cameras[0, :3, 3] - cameras[1:, :3, 3]
    return np.linalg.lstsq(rows.reshape(-1, 3), right.ravel(), rcond=None)[0]


def _least(total):
    """Where costs (H, W, D) are least, to a part of a step, by the parabola through three of them."""
    best = total.argmin(2).clip(1, total.shape[2] - 2)
    a, b, c = (np.take_along_axis(total, (best + o)[..., None], 2)[..., 0] for o in (-1, 0, 1))
    return best + np.clip((a - c) / (2 * np.maximum(a + c - 2 * b, 1e-6)), -0.5, 0.5)


def _confirmed(depth, masks, cameras, back):
    """Tell at which pixels (6, H, W) a next view has the same point."""
    known = np.zeros(depth.shape, bool)
    for k, others in enumerate(_NEXT):
        y, x = np.nonzero(masks[k] > 0.5)
        points = np.stack([x + 0.5, y + 0.5, depth[k, y, x], np.ones(len(x))])
        for j in others:
            seen = cameras[j] @ back[k] @ points
            column, row = seen[:2].astype(int).clip(0, depth.shape[1] - 1)
            same = (np.abs(depth[j, row, column] - seen[2]) < _AGREE) & (masks[j, row, column] > 0.5)
            known[k, y, x] |= same
    return known


@nb.njit(cache=True, parallel=True)
def _costs(k, near, maps, images, normals, masks, ahead, first):
    """What each depth (H, W, D) of view k costs; maps: (6, 2, 4), its pixels and depths to those of the views."""
    size = images.shape[1]
    cost = np.zeros((size, size, size), np.float32)
    for row in nb.prange(size):
        y = np.int64(row)
        for x in range(size):
            if masks[k, y, x] < 0.5:
                continue
            for d in range(size):
                cost[y, x, d] = _cost(k, y, x, first + d, near, maps, images, normals, masks, ahead)
    return cost


@nb.njit(cache=True)
def _cost(k, y, x, z, near, maps, images, normals, masks, ahead):
    size, best = images.shape[1], _UNSEEN
    for j in range(len(maps)):
        if j == k:
            continue
        m = maps[j]
        u = m[0, 0] * (x + 0.5) + m[0, 1] * (y + 0.5) + m[0, 2] * z + m[0, 3] - 0.5
        v = m[1, 0] * (x + 0.5) + m[1, 1] * (y + 0.5) + m[1, 2] * z + m[1, 3]
        c, r = int(np.floor(u)), int(np.floor(v))
        if c < 0 or c >= size - 1 or r < 0 or r >= size:
            return _OUTSIDE
        a = u - c
        if masks[j, r, c] * (1 - a) + masks[j, r, c + 1] * a < _INSIDE:
            return _OUTSIDE
        if j != near[0] and j != near[1]:
            continue
        facing = dot = length = apart = 0.0
        for i in range(3):
            n = normals[j, r, c, i] * (1 - a) + normals[j, r, c + 1, i] * a
            facing += normals[k, y, x, i] * ahead[j, i]
            dot += n * normals[k, y, x, i]
            length += n * n
            apart += abs(images[j, r, c, i] * (1 - a) + images[j, r, c + 1, i] * a - images[k, y, x, i])
        if facing > _FACING:
            turned = min(1.0, (1 - dot / (np.sqrt(length) + 1e-6)) / _TURNED)
            best = min(best, 0.6 * turned + 0.4 * min(1.0, apart / _COLOURED))
    return best


@nb.njit(cache=True, parallel=True)
def _gathered(cost, slopes, mask, image):
    """The sum (H, W, D) of the least costs of paths from left, right, above and below."""
    size = len(cost)
    total = np.zeros_like(cost)
    for way in range(4):
        for number in nb.prange(size):
            line = np.int64(number)
            path, before = np.zeros(size), np.zeros(size)
            last = -1
            for t in range(size):
                place = t if way % 2 == 0 else size - 1 - t
                y, x = (line, place) if way < 2 else (place, line)
                if mask[y, x] < 0.5:
                    last = -1
                    continue
                if last < 0:
                    path[:] = cost[y, x]
                else:
                    q, p = (y, last) if way < 2 else (last, x)
                    slope = (slopes[y, x, way // 2] + slopes[q, p, way // 2]) / 2
                    apart = np.abs(image[y, x] - image[q, p]).sum()
                    jump = _JUMP / (1 + _EDGE * apart)
                    _go_on(before, cost[y, x], path, slope if way % 2 == 0 else -slope, jump)
                total[y, x] += path
                before[:] = path
                last = place
    return total


@nb.njit(cache=True)
def _go_on(before, cost, path, slope, jump):
    """Go on from costs (D,) at the last pixel to this one, where the surface lies `slope` deeper."""
    size, least = len(cost), before.min()
    down = int(np.floor(slope))
    a = slope - down
    for d in range(size):
        best, q = least + jump, d - down
        if 1 <= q < size:
            best = min(best, before[q] * (1 - a) + before[q - 1] * a)
        if 0 <= q < size - 1:
            best = min(best, before[q + 1] * (1 - a) + before[q] * a + _SLIP)
        if 2 <= q < size + 1:
            best = min(best, before[q - 1] * (1 - a) + before[q - 2] * a + _SLIP)
        path[d] = cost[d] + best - least
