"""What the render kernels share: how they are compiled, how work is cut, how arguments are checked."""

import functools
import threading

import numba
import torch

_ONE_AT_A_TIME = threading.RLock()


def serial_kernel(function):
    """Compile a function that kernels call: cached, without bounds or division checks."""
    return numba.njit(cache=True, error_model="numpy", nogil=True)(function)


def parallel_kernel(function):
    """Compile a kernel with `prange` loops, entered by one Python thread at a time.

    numba's workqueue layer ends the process when two threads enter it at once; a lock makes every layer safe.
    """
    compiled = numba.njit(cache=True, parallel=True, error_model="numpy", nogil=True)(function)

    @functools.wraps(function)
    def call(*arguments):
        with _ONE_AT_A_TIME:
            return compiled(*arguments)

    return call


def bands_per_image(images: int, rows: int) -> int:
    """Return into how many bands of rows each image is cut so that a backward pass has work for all threads.

    A function of the shapes alone: partial sums are then added in the same order at any number of threads.
    """
    return max(1, min(rows, -(-8 // max(images, 1))))


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
