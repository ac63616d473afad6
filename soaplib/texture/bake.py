"""What a view sees of points on the surface: colour, angle, and how far from any edge."""

import dataclasses

import cv2
import numpy as np
import torch

from soaplib.render import camera_rotation, clip_positions, rasterize
from soaplib.render.kernels import kernel, run_tasks

_TASKS = 16
_DEPTH_SCALE = 2
_STEP = 4e-3
_ERODE = 1.5


@dataclasses.dataclass(frozen=True)
class Seer:
    """A view made ready to be asked.

    sharp: (H, W, 3) its colours, those outside the matte replaced by the nearest inside; soft: the same, blurred
    within the matte. clearance: (H, W) float32 pixels to the nearest edge of the matte, 0 outside; steps: (H, W) the
    same to the nearest step in depth. depth: (kH, kW) float32 in pixels, nearest surface; around: (H, W) the
    nearest within `reach` pixels. camera: (4, 4); toward: (3,) unit vector to the viewer.
    bias: pixels of depth by which a surface must stand in front to hide another; step: to make it less sure.
    """

    sharp: np.ndarray
    soft: np.ndarray
    clearance: np.ndarray
    steps: np.ndarray
    depth: np.ndarray
    around: np.ndarray
    camera: np.ndarray
    toward: np.ndarray
    bias: float
    step: float
    reach: float


@dataclasses.dataclass(frozen=True)
class Seen:
    """What one view saw of N points.

    sharp, soft: (N, 3) float32 colours; cosine: (N,) of the angle between normal and view; clearance: (N,) pixels,
    0 where the point is hidden or outside, or beside what stands before it; seen: (N,) float32, 1 where it is seen.
    """

    sharp: np.ndarray
    soft: np.ndarray
    cosine: np.ndarray
    clearance: np.ndarray
    seen: np.ndarray


def prepare_view(image, mask, camera, vertices, faces, reach: float, blur: float = 0.02) -> Seer:
    """Make a view ready: close its colours outside the matte, and find depth and edges.

    image: (H, W, 3); mask: (H, W), 1 on the head; camera: (4, 4) world to pixels; vertices (V, 3) and faces (F, 3):
    all that can hide something, as posed in the view. reach: pixels within which
    what stands in front makes a point less sure. blur: standard deviation of the soft picture as a part of its
    height.
    """
    height, width = mask.shape
    image = np.ascontiguousarray(image, np.float32)
    inside = _eroded(mask)
    closed = _closed(image, inside)
    soft = _blurred(closed, inside, blur * height)
    scale = np.diag([_DEPTH_SCALE, _DEPTH_SCALE, 1, 1]).astype(np.float64)
    depth = _depth(vertices, faces, scale @ camera, (_DEPTH_SCALE * height, _DEPTH_SCALE * width))
    px_per_metre = np.linalg.norm(camera[0, :3])
    steps = _depth_steps(depth, _STEP * px_per_metre)
    edge = cv2.resize(steps, (width, height), interpolation=cv2.INTER_AREA) > 0
    near = depth.reshape(height, _DEPTH_SCALE, width, _DEPTH_SCALE).min((1, 3))
    side = 2 * int(np.ceil(reach)) + 1
    around = cv2.erode(near, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)))
    toward = camera_rotation(np.asarray(camera, np.float64))[2]
    clearance = cv2.distanceTransform(np.pad(inside.astype(np.uint8), 1), cv2.DIST_L2, 5)[1:-1, 1:-1]
    return Seer(
        closed, soft, clearance, _distance(~edge), depth, around, np.asarray(camera, np.float64), toward,
        1.2e-3 * px_per_metre + 0.5, _STEP * px_per_metre, float(reach),
    )  # fmt: skip


def look(seer: Seer, points: np.ndarray, normals: np.ndarray) -> Seen:
    """Ask a view about points (N, 3) with unit normals (N, 3).

    Colours are read by Catmull-Rom splines, held within the range of the pixels around so that edges do not ring.
    """
    count = len(points)
    sharp, soft = np.empty((count, 3), np.float32), np.empty((count, 3), np.float32)
    cosine, clearance, seen = (np.empty(count, np.float32) for _ in range(3))
    run_tasks(
        _look, _TASKS, np.ascontiguousarray(points, np.float32), np.ascontiguousarray(normals, np.float32),
        seer.camera, seer.toward, (seer.sharp, seer.soft), (seer.clearance, seer.steps), (seer.depth, seer.around),
        (seer.bias, seer.step, seer.reach), (sharp, soft, cosine, clearance, seen),
    )  # fmt: skip
    return Seen(sharp, soft, cosine, clearance, seen)


def _distance(free):
    """Give the pixels to the nearest that is not free; the picture's own border is."""
    if free.all():
        return np.full(free.shape, 1e6, np.float32)
    return cv2.distanceTransform(free.astype(np.uint8), cv2.DIST_L2, 5)


def _eroded(mask):
    """The pixels that hold no background: well inside the matte; the picture's own border is no edge."""
    solid = np.pad((mask > 0.9).astype(np.uint8), 1, mode="edge")
    distance = cv2.distanceTransform(solid, cv2.DIST_L2, 5)[1:-1, 1:-1]
    inside = distance > _ERODE
    return inside if inside.any() else mask > 0.5


def _closed(image, inside):
    """Replace pixels outside by the nearest inside."""
    if inside.all() or not inside.any():
        return image
    _, label = cv2.distanceTransformWithLabels(
        (~inside).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    colours = np.zeros((label.max() + 1, 3), np.float32)
    colours[label[inside]] = image[inside]
    return np.ascontiguousarray(colours[label])


def _blurred(image, inside, sigma):
    weight = inside.astype(np.float32)
    sums = cv2.GaussianBlur(image * weight[..., None], (0, 0), sigma, borderType=cv2.BORDER_REFLECT)
    total = cv2.GaussianBlur(weight, (0, 0), sigma, borderType=cv2.BORDER_REFLECT)[..., None]
    return np.where(total > 0.05, sums / np.maximum(total, 0.05), image).astype(np.float32)


def _depth(vertices, faces, camera, size):
    """Draw the nearest depth (pixels, larger is farther); 1e9 where nothing is."""
    positions = torch.as_tensor(np.ascontiguousarray(vertices), dtype=torch.float64)
    matrix = torch.as_tensor(camera, dtype=torch.float64)
    depths = (positions @ matrix[2, :3] + matrix[2, 3]) / (positions @ matrix[3, :3] + matrix[3, 3])
    near, far = float(depths.min()) - 1, float(depths.max()) + 1
    clip = clip_positions(positions, matrix, size, (near, far)).float()
    rast = rasterize(clip, torch.as_tensor(faces), size)[0].numpy()
    depth = (rast[..., 2] * (far - near) + far + near) / 2
    return np.where(rast[..., 3] > 0, depth, 1e9).astype(np.float32)


def _depth_steps(depth, step):
    """Mark the far side of steps in depth as 1, float32: there one surface stands before another."""
    out = np.zeros_like(depth)
    for axis in (0, 1):
        a = depth[1:] if axis == 0 else depth[:, 1:]
        b = depth[:-1] if axis == 0 else depth[:, :-1]
        low = (slice(1, None), slice(None)) if axis == 0 else (slice(None), slice(1, None))
        high = (slice(None, -1), slice(None)) if axis == 0 else (slice(None), slice(None, -1))
        out[low] = np.maximum(out[low], a - b > step)
        out[high] = np.maximum(out[high], b - a > step)
    return out


@kernel
def _look(task, tasks, points, normals, camera, toward, pictures, edges, depths, limits, out):
    image, blurred = pictures
    matte, steps = edges
    depth, around = depths
    bias, step, reach = limits
    sharp, soft, cosine, clearance, seen = out
    height, width = matte.shape
    scale = depth.shape[0] // height
    pixel = np.empty(3, np.float32)
    for n in range(len(points) * task // tasks, len(points) * (task + 1) // tasks):
        px, py, pz = points[n, 0], points[n, 1], points[n, 2]
        w = camera[3, 0] * px + camera[3, 1] * py + camera[3, 2] * pz + camera[3, 3]
        x = (camera[0, 0] * px + camera[0, 1] * py + camera[0, 2] * pz + camera[0, 3]) / w
        y = (camera[1, 0] * px + camera[1, 1] * py + camera[1, 2] * pz + camera[1, 3]) / w
        z = (camera[2, 0] * px + camera[2, 1] * py + camera[2, 2] * pz + camera[2, 3]) / w
        c = normals[n, 0] * toward[0] + normals[n, 1] * toward[1] + normals[n, 2] * toward[2]
        cosine[n] = c
        _bilinear(blurred, x, y, pixel)
        soft[n] = pixel
        clearance[n] = seen[n] = 0
        if not (0 <= x < width and 0 <= y < height):
            sharp[n] = pixel
            continue
        _cubic(image, x, y, pixel)
        sharp[n] = pixel
        if c <= 0:
            continue
        # Within a pixel of the map a slanted surface differs from itself by the tangent of its angle.
        slope = min(np.sqrt(max(1 - c * c, 0.0)) / max(c, 0.05), 12.0)
        if z > depth[int(y * scale), int(x * scale)] + bias + slope / scale:
            continue
        clearance[n] = _between(matte, x, y)
        seen[n] = clearance[n] > 0
        # Only the farther side of a step is unsure: it may show what stands in front.
        if z > around[int(y), int(x)] + step + slope * reach:
            clearance[n] = min(
                clearance[n], max(_between(steps, x, y) - 1.0, 0.0)
            )  # the step itself is mixed


@kernel
def _between(edges, x, y):
    height, width = edges.shape
    x, y = min(max(x - 0.5, 0.0), width - 1.001), min(max(y - 0.5, 0.0), height - 1.001)
    i, j = int(y), int(x)
    s, t = x - j, y - i
    upper = edges[i, j] * (1 - s) + edges[i, j + 1] * s
    lower = edges[i + 1, j] * (1 - s) + edges[i + 1, j + 1] * s
    return upper * (1 - t) + lower * t


@kernel
def _bilinear(image, x, y, out):
    height, width = image.shape[:2]
    x, y = min(max(x - 0.5, 0.0), width - 1.001), min(max(y - 0.5, 0.0), height - 1.001)
    i, j = int(y), int(x)
    s, t = x - j, y - i
    for c in range(3):
        upper = image[i, j, c] * (1 - s) + image[i, j + 1, c] * s
        lower = image[i + 1, j, c] * (1 - s) + image[i + 1, j + 1, c] * s
        out[c] = upper * (1 - t) + lower * t


@kernel
def _cubic(image, x, y, out):
    height, width = image.shape[:2]
    x, y = x - 0.5, y - 0.5
    i, j = int(np.floor(y)), int(np.floor(x))
    s, t = x - j, y - i
    for c in range(3):
        total = 0.0
        low, high = np.inf, -np.inf
        for a in range(-1, 3):
            row = min(max(i + a, 0), height - 1)
            line = 0.0
            for b in range(-1, 3):
                value = image[row, min(max(j + b, 0), width - 1), c]
                line += _spline(b - s) * value
                if 0 <= a <= 1 and 0 <= b <= 1:
                    low, high = min(low, value), max(high, value)
            total += _spline(a - t) * line
        slack = 0.15 * (high - low)
        out[c] = min(max(total, low - slack), high + slack)


@kernel
def _spline(x):
    """Catmull and Rom's interpolating cubic."""
    x = abs(x)
    if x < 1:
        return (1.5 * x - 2.5) * x * x + 1
    if x < 2:
        return ((-0.5 * x + 2.5) * x - 4) * x + 2
    return 0.0
