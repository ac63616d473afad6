"""What the render kernels share: how they are compiled, how work is cut, how arguments are checked."""

import concurrent.futures
import functools
import itertools

import numba
import numpy as np
import torch

ROW_TASKS = 8
"""Into how many runs of rows a pass without sums is cut; enough to balance, few enough to start at once."""


def kernel(function):
    """Compile a function: cached, without bounds or division checks, and without Python's lock."""
    return numba.njit(cache=True, error_model="numpy", nogil=True)(function)


@kernel
def corners_of(faces, face):
    """Return a face's vertices as unsigned integers: numba need not look whether they count from the end."""
    f = np.uint64(face)
    return np.uint64(faces[f, 0]), np.uint64(faces[f, 1]), np.uint64(faces[f, 2])


def run_tasks(compiled, tasks: int, *arguments) -> None:
    """Call compiled(task, tasks, *arguments) for every task below `tasks`, on `numba.get_num_threads()` threads.

    Threads take the next task as they get free. That is kinder than `prange` to a machine with other work, where
    a fixed share waits for the slowest and OpenMP's threads spin against torch's; it needs no second compilation,
    and any number of Python threads may render at once.
    """
    left = itertools.count()

    def work():
        while (task := next(left)) < tasks:
            compiled(task, tasks, *arguments)

    helpers = min(numba.get_num_threads(), tasks) - 1
    waiting = [_pool().submit(work) for _ in range(helpers)]
    work()
    for future in waiting:
        # A helper that has not begun has nothing left to do.
        if not future.cancel():
            future.result()
    # It may stay in the queue for a while, but shall not hold arrays that could serve again.
    arguments = ()


@functools.cache
def _pool():
    return concurrent.futures.ThreadPoolExecutor(max(1, numba.config.NUMBA_NUM_THREADS), "soap-render")


def bands_per_image(images: int, rows: int) -> int:
    """Return into how many bands of rows each image is cut so that a backward pass has work for all threads.

    A function of the shapes alone: partial sums are then added in the same order at any number of threads.
    """
    return max(1, min(rows, -(-8 // max(images, 1))))


def windowed_sums(windows: np.ndarray, columns: int) -> tuple[np.ndarray, np.ndarray]:
    """Return zeroed rows for the partial sums of all tasks, and the row at which each task's vertex 0 would be.

    windows: (tasks, 2), the first vertex a task adds to, and the last + 1; no task has rows for others. So sums
    over many small meshes in one array of vertices stay small.
    """
    counts = np.maximum(windows[:, 1] - windows[:, 0], 0)
    ends = np.cumsum(counts)
    return np.zeros((int(ends[-1]) if len(ends) else 0, columns)), ends - counts - windows[:, 0]


def collected(sums, starts, windows, bands: int, shape, dtype: torch.dtype) -> torch.Tensor:
    """Add up partial sums in the order of tasks: (batch, V, columns), batch 1 or one for each image.

    windows, starts: see `windowed_sums`. Every image has `bands` tasks.
    """
    total = np.zeros(shape)
    _collect(sums, starts, windows, bands if len(total) > 1 else max(1, len(starts)), total)
    return as_tensor(total, dtype)


def as_tensor(array: np.ndarray, dtype: torch.dtype) -> torch.Tensor:
    """Return an array as a tensor of float32 or float64, converted by numpy.

    Torch would start OpenMP's threads for it, which go on spinning against those of the next kernel.
    """
    return torch.from_numpy(array.astype(np.float64 if dtype == torch.float64 else np.float32, copy=False))


@kernel
def _collect(sums, starts, windows, bands, total):
    for task in range(len(starts)):
        _collect_task(sums, starts[task], windows[task, 0], windows[task, 1], total[task // bands])


@kernel
def _collect_task(sums, start, first, last, total):
    for v in range(first, last):
        for c in range(total.shape[1]):
            total[v, c] += sums[start + v, c]


def common_dtype(*tensors: torch.Tensor) -> torch.dtype:
    """Return float64 when any tensor is, else float32."""
    return torch.float64 if any(t.dtype == torch.float64 for t in tensors) else torch.float32


def checked_faces(operation: str, faces, vertex_count: int) -> torch.Tensor:
    """Return faces as a contiguous (F, 3) int32 tensor.

    Raises:
        ValueError: not (F, 3) integers, or an index outside 0..vertex_count - 1.
    """
    faces = torch.as_tensor(faces)
    if faces.ndim != 2 or faces.shape[1] != 3 or faces.dtype not in (torch.int32, torch.int64):
        raise ValueError(
            f"{operation}: faces must be (F, 3) int32 or int64, got {tuple(faces.shape)} {faces.dtype}"
        )
    if faces.numel():
        low, high = (int(v) for v in torch.aminmax(faces))
        if low < 0 or high >= vertex_count:
            raise ValueError(
                f"{operation}: faces index vertices {low}..{high}, but there are {vertex_count} vertices "
                f"(0..{vertex_count - 1})"
            )
    return faces.to(torch.int32).contiguous()


def checked_ranges(operation: str, ranges, images: int | None, face_count: int) -> np.ndarray:
    """Return the first face and the last + 1 of each image, (B, 2) int64; all faces where `ranges` is None.

    Raises:
        ValueError: not (B, 2) integers, or not within the faces; `images`, where known, is B.
    """
    if ranges is None:
        return np.tile(np.array([0, face_count]), (images, 1))
    spans = np.asarray(ranges)
    if spans.ndim != 2 or spans.shape[1] != 2 or spans.dtype.kind not in "iu":
        raise ValueError(
            f"{operation}: ranges must be (B, 2) integers, the first face and the number of faces of each image, "
            f"got {spans.shape} {spans.dtype}"
        )
    if images is not None and len(spans) != images:
        raise ValueError(f"{operation}: {images} images need as many ranges, got {len(spans)}")
    spans = np.stack((spans[:, 0], spans.sum(1)), 1).astype(np.int64)
    if len(spans) and (spans.min() < 0 or spans.max() > face_count or (spans[:, 1] < spans[:, 0]).any()):
        raise ValueError(
            f"{operation}: ranges must lie within the {face_count} faces, got {spans.tolist()[:4]}"
        )
    return spans


def check_rast(operation: str, highest: int, face_count: int) -> None:
    """Raise ValueError where the highest face + 1 that rast names is not there."""
    if highest > face_count:
        raise ValueError(
            f"{operation}: rast names face {highest - 1}, but there are {face_count} faces; "
            "give the faces that were rasterized"
        )


def checked_tensor(operation: str, name: str, value, shape: str) -> torch.Tensor:
    """Return `value` if it is a float tensor of the shape spelled in `shape`, such as "B,V,4".

    Letters stand for any size, digits for that size.

    Raises:
        ValueError: another kind or shape; the message names the argument.
    """
    wanted = shape.split(",")
    fits = (
        isinstance(value, torch.Tensor)
        and value.dtype in (torch.float32, torch.float64)
        and value.ndim == len(wanted)
        and all(not w.isdigit() or int(w) == s for w, s in zip(wanted, value.shape, strict=True))
    )
    if not fits:
        got = f"{tuple(value.shape)} {value.dtype}" if hasattr(value, "shape") else type(value).__name__
        raise ValueError(f"{operation}: {name} must be a float32 or float64 tensor ({shape}), got {got}")
    return value


def checked_size(operation: str, size) -> tuple[int, int]:
    """Return (H, W); raises ValueError unless both are whole numbers of at least 1."""
    try:
        height, width = (int(s) for s in size)
        if (height, width) != tuple(size) or min(height, width) < 1:
            raise ValueError
    except (TypeError, ValueError):
        raise ValueError(f"{operation}: size must be (H, W), both 1 or more, got {size!r}") from None
    return height, width
