"""What backends on any device share: checked arguments, and what is kept per tensor of faces."""

import torch
from torch.utils.weak import WeakIdKeyDictionary

from soaplib.render.antialiasing import mesh_edges
from soaplib.render.kernels import checked_faces, checked_ranges, checked_size, checked_tensor

_known = WeakIdKeyDictionary()
"""What was found out about a tensor of faces, so that a loop does not make the GPU wait for it in every step."""


def device_faces(operation: str, faces, like: torch.Tensor) -> torch.Tensor:
    """Return faces as a contiguous (F, 3) int32 tensor on the device of `like` (B, V, C), checked once per tensor.

    Raises:
        ValueError: not (F, 3) integers, or out of range.
    """
    faces = torch.as_tensor(faces)
    version, count, ready = _known.get(faces, (None, 0, None))
    # Nothing is kept of itself, or it would live for ever.
    ready = faces if ready is None else ready
    if version != faces._version or count > like.shape[1] or ready.device != like.device:
        ready = checked_faces(operation, faces, like.shape[1]).to(like.device)
        count = int(faces.max()) + 1 if len(faces) else 0
        _known[ready] = ready._version, count, None
        if ready is not faces:
            _known[faces] = faces._version, count, ready
    return ready


def _kept(faces: torch.Tensor, name: str, make):
    kept = getattr(faces, "_soap_kept", None)
    if kept is None or kept[0] != faces._version:
        kept = (faces._version, {})
        faces._soap_kept = kept
    if name not in kept[1]:
        kept[1][name] = make()
    return kept[1][name]


def device_edges(faces: torch.Tensor) -> torch.Tensor:
    """Return `mesh_edges(faces)` on the faces' device, made once per tensor."""
    return _kept(faces, "edges", lambda: mesh_edges(faces).to(faces.device))


def incidence(faces: torch.Tensor, vertex_count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the corners (3 F,) int32 sorted by vertex, then by face, and where each vertex's begin (V + 1,) int32."""

    def make():
        flat = faces.flatten().long()
        order = torch.argsort(flat, stable=True)
        starts = torch.searchsorted(flat[order], torch.arange(vertex_count + 1, device=faces.device))
        return order.int(), starts.int()

    return _kept(faces, f"incidence {vertex_count}", make)


def checked_meshes(operation: str, clip, faces, size, ranges):
    """Return clip (B or 1, V, 4), faces, the images' first and last + 1 faces (B, 2) numpy, and (H, W)."""
    checked_tensor(operation, "clip", clip, "B,V,4" if ranges is None else "V,4")
    clip = clip if ranges is None else clip[None]
    faces = device_faces(operation, faces, clip)
    ranges = ranges.cpu() if isinstance(ranges, torch.Tensor) else ranges
    spans = checked_ranges(operation, ranges, len(clip) if ranges is None else None, len(faces))
    return clip, faces, spans, checked_size(operation, size)


def checked_layers(layers) -> int:
    """Return a number of layers; raises ValueError unless it is a whole number of at least 1."""
    if layers != int(layers) or layers < 1:
        raise ValueError(f"peel: layers must be a whole number of at least 1, got {layers!r}")
    return int(layers)


def drawable(clip: torch.Tensor, faces: torch.Tensor, cull: bool) -> torch.Tensor:
    """Say which faces (F, 3) may be drawn, (B, F): finite, and where `cull`, counter-clockwise on the screen."""
    seen = torch.isfinite(clip).all(-1)[:, faces.long()].all(-1)
    if cull:
        corners = clip[..., [0, 1, 3]].double()[:, faces.long()]
        seen = seen & (torch.linalg.det(corners) > 0)
    return seen
