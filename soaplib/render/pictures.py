"""Differentiable views of a mesh: coverage, normals, attributes and depth from several cameras."""

import dataclasses

import numpy as np
import torch

from soaplib.render.backends.operations import antialias, interpolate, rasterize, vertex_normals
from soaplib.render.cameras import clip_positions
from soaplib.render.shading import camera_normals


@dataclasses.dataclass(frozen=True)
class Rendering:
    """What `render_views` sees: tensors with the views first, rows from the top.

    mask: (N, H, W) coverage in [0, 1]. normals: (N, H, W, 3) in camera axes (x right, y up, z to the viewer), of
    unit length inside. attributes: (N, H, W, C), or None. These three are antialiased against a background of 0,
    so they are premultiplied by the mask, and silhouettes have gradients. depth: (N, H, W), the camera's, not
    antialiased, 0 outside. face_ids: (N, H, W) int64, -1 outside.
    """

    mask: torch.Tensor
    normals: torch.Tensor
    attributes: torch.Tensor | None
    depth: torch.Tensor
    face_ids: torch.Tensor


def render_views(
    vertices: torch.Tensor,
    faces: torch.Tensor,
    cameras: torch.Tensor,
    size,
    attributes: torch.Tensor | None = None,
    cull: bool = False,
    edges: torch.Tensor | None = None,
    backend: str | None = None,
) -> Rendering:
    """Render a mesh from several cameras, differentiably.

    Args:
        vertices: (V, 3), or (N, V, 3) with one mesh per camera.
        faces: (F, 3) integers, counter-clockwise from outside.
        cameras: (N, 4, 4), or (4, 4) for N = 1; world to pixels.
        size: (H, W).
        attributes: (V, C) or (1 or N, V, C) to interpolate as well.
        cull: leave out faces seen from behind.
        edges: `mesh_edges(faces)`, to spare its computation in a loop.
        backend: "cpu", "nvdiffrast", "pytorch3d" or "warp"; as default that of `use_backend`, else the one for the
            device of the vertices.

    Returns:
        A `Rendering`. Gradients flow to vertices, cameras and attributes.

    Raises:
        ValueError: wrong shapes or types, or faces out of range.
    """
    if not isinstance(vertices, torch.Tensor) or vertices.ndim not in (2, 3) or vertices.shape[-1] != 3:
        raise ValueError(
            f"render_views: vertices must be a tensor (V, 3) or (N, V, 3), got {_shape(vertices)}"
        )
    cameras = torch.as_tensor(cameras, dtype=vertices.dtype, device=vertices.device)
    if cameras.shape[-2:] != (4, 4) or cameras.ndim not in (2, 3):
        raise ValueError(f"render_views: cameras must be (N, 4, 4) or (4, 4), got {_shape(cameras)}")
    cameras = cameras.reshape(-1, 4, 4)
    if vertices.ndim == 3 and len(vertices) not in (1, len(cameras)):
        raise ValueError(
            f"render_views: {len(vertices)} meshes need as many cameras, or one mesh, got {len(cameras)} cameras"
        )
    faces = torch.as_tensor(faces)
    clip = clip_positions(vertices, cameras, size)
    rast = rasterize(clip, faces, size, cull, backend=backend)
    inside = rast[..., 3:] > 0

    normals = camera_normals(vertex_normals(vertices, faces, backend=backend), cameras)
    homogeneous = vertices @ cameras[:, 2:, :3].transpose(-1, -2) + cameras[:, None, 2:, 3]
    depth = homogeneous[..., :1] / homogeneous[..., 1:]
    values = [depth.expand(len(cameras), -1, -1), normals.expand(len(cameras), -1, -1)]
    if attributes is not None:
        attributes = attributes.to(vertices.dtype).reshape(-1, *attributes.shape[-2:])
        values.append(attributes.expand(len(cameras), -1, -1))
    seen = interpolate(torch.cat(values, -1), rast, faces, backend=backend)
    unit = torch.nn.functional.normalize(seen[..., 1:4], dim=-1, eps=1e-12)
    color = torch.cat((inside.to(seen.dtype), unit, seen[..., 4:]), -1)
    smooth = antialias(color, rast, clip, faces, edges, backend=backend)
    return Rendering(
        mask=smooth[..., 0],
        normals=smooth[..., 1:4],
        attributes=None if attributes is None else smooth[..., 4:],
        depth=seen[..., 0],
        face_ids=rast[..., 3].detach().long() - 1,
    )


def _shape(value):
    return f"{tuple(np.shape(value))} {getattr(value, 'dtype', type(value).__name__)}"
