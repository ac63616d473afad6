"""Memory for images, used again.

A fresh array of megabytes costs more than many kernels that fill it: the system hands it out page by page, zeroed.
An optimisation makes arrays of the same few sizes in every step, so those that nobody holds any more serve again.
"""

import sys
import threading

import numpy as np

_SMALLEST = 1 << 16
_MOST_BYTES = 1 << 29
_MOST_BUFFERS = 64
_buffers: list[np.ndarray] = []
_lock = threading.Lock()


def empty(shape, dtype) -> np.ndarray:
    """Return an array with arbitrary content, like `numpy.empty`.

    Its memory may have served before; it is not given out again while the array, a view of it or a tensor made
    of one lives. At most 512 MiB are kept between calls.
    """
    dtype = np.dtype(dtype)
    size = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
    if not _SMALLEST <= size <= _MOST_BYTES // 2:
        return np.empty(shape, dtype)
    with _lock:
        buffer = _unheld(size)
        if buffer is None:
            buffer = np.empty(size, np.uint8)
            _keep(buffer)
        else:
            # Last in the list: the first ones are those not used for longest.
            _buffers.append(buffer)
        return buffer[:size].view(dtype).reshape(shape)


def zeros(shape, dtype) -> np.ndarray:
    """Return an array of zeros; see `empty`."""
    array = empty(shape, dtype)
    array.fill(0)
    return array


def _unheld(size: int) -> np.ndarray | None:
    """Take a buffer of at least `size`, and not of much more, out of the list."""
    for index, buffer_size in enumerate([b.size for b in _buffers]):
        if size <= buffer_size <= size + size // 2 and _references(_buffers, index) == _NONE_BUT_THE_LIST:
            return _buffers.pop(index)
    return None


def _references(buffers: list[np.ndarray], index: int) -> int:
    return sys.getrefcount(buffers[index])


# How many that are differs between versions of Python.
_NONE_BUT_THE_LIST = _references([np.empty(0)], 0)


def _keep(buffer: np.ndarray) -> None:
    """Put a new buffer in the list; those not used for longest leave for it."""
    kept = buffer.size + sum(b.size for b in _buffers)
    while kept > _MOST_BYTES or len(_buffers) >= _MOST_BUFFERS:
        kept -= _buffers.pop(0).size
    _buffers.append(buffer)
