"""Sums over pixels whose bits do not depend on the order of threads.

`raise_bound` finds the largest term of each target: a maximum has no order. `add_term` then adds the terms as 64-bit
integers in units of it: nor has a sum of integers. A kernel that sends terms is launched twice, as `summed` says.
"""

import functools
import math
from typing import Any

import torch
import warp as wp

# Unfused, swapping an edge's ends negates its function exactly: faces that share an edge leave no gap.
OPTIONS = {"fuse_fp": False, "enable_backward": False}
wp.set_module_options(OPTIONS)


def float_kernel(function) -> dict:
    """Make a kernel for float32 and one for float64 in place of `Any`, keyed by torch's types for `launch`."""
    generic = wp.kernel(function)
    kernels = {}
    for ours, theirs in ((torch.float32, wp.float32), (torch.float64, wp.float64)):
        arrays = {n: a for n, a in function.__annotations__.items() if getattr(a, "dtype", None) is Any}
        kernels[ours] = wp.overload(
            generic, {n: wp.array(dtype=theirs, ndim=a.ndim) for n, a in arrays.items()}
        )
    return kernels


def launch(kernel, dim, *inputs) -> None:
    """Launch a kernel on the device and the stream of its tensors, which are shared with it, not copied.

    kernel: a Warp kernel, or of a `float_kernel` the one for the type of the first tensor.
    """
    first = next(v for v in inputs if isinstance(v, torch.Tensor))
    kernel = kernel[first.dtype] if isinstance(kernel, dict) else kernel
    arrays = [
        wp.from_torch(v.detach(), return_ctype=True) if isinstance(v, torch.Tensor) else v for v in inputs
    ]
    if first.is_cuda:
        wp.launch(kernel, dim, arrays, stream=_stream(torch.cuda.current_stream(first.device)))
    else:
        wp.launch(kernel, dim, arrays, device="cpu")


@functools.lru_cache(maxsize=32)
def _stream(stream: torch.cuda.Stream) -> wp.Stream:
    return wp.stream_from_torch(stream)


def summed(kernel, dim, terms: int, targets: int, channels: int, *inputs) -> torch.Tensor:
    """Launch a kernel of arguments (*inputs, steps, adding, bounds, sums) to raise the bounds, then to add.

    terms: at most so many are sent to one target. Returns (targets, channels) float64 sums; NaN or infinite where a
    term is. Each term is rounded to a multiple of 2^-61 times `terms` times its target's largest.
    """
    device = next(v.device for v in inputs if isinstance(v, torch.Tensor))
    bounds = torch.zeros(targets, dtype=torch.int64, device=device)
    sums = torch.zeros((targets, channels), dtype=torch.int64, device=device)
    steps = 2.0 ** (61 - math.ceil(math.log2(max(terms, 1))))
    for adding in (False, True):
        launch(kernel, dim, *inputs, wp.float64(steps), adding, bounds, sums)
    return sums.double() * (bounds.view(torch.float64)[:, None] / steps)


@wp.func
def raise_bound(bounds: wp.array[wp.int64], at: int, value: wp.float64):
    # The bits of floats that are not negative are ordered as the floats are, and NaN is above all.
    wp.atomic_max(bounds, at, wp.cast(wp.abs(value), wp.int64))


@wp.func
def add_term(
    bounds: wp.array[wp.int64],
    sums: wp.array2d[wp.int64],
    at: int,
    c: int,
    value: wp.float64,
    steps: wp.float64,
):
    bound = wp.cast(bounds[at], wp.float64)
    if bound > wp.float64(0.0) and wp.isfinite(bound):
        wp.atomic_add(sums, at, c, wp.int64(wp.rint(value / bound * steps)))
