"""nvdiffrast behind the interface: its rasterize, interpolate and texture, and Warp's antialias and normals.

nvdiffrast has row 0 at the bottom; mirroring clip space puts it on top. It neither culls nor can be told to leave
out a face, so faces that are not to be drawn are given no area. Its own antialias looks at one face only, which
misses silhouettes of faces smaller than a pixel; Warp's follows the surface, as the CPU's does. It works in float32,
and adds gradients up in no fixed order.
"""

import functools

import torch

from soaplib.render.backends.device import (
    checked_layers,
    checked_meshes,
    device_faces,
    drawable,
)
from soaplib.render.texturing import checked_texture


def rasterize(clip, faces, size, cull=False, ranges=None):
    """See `soaplib.render.rasterise.rasterize`."""
    import nvdiffrast.torch as dr

    clip, faces, spans, size = checked_meshes("rasterize", clip, faces, size, ranges)
    positions, triangles, starts, offsets = range_mode(clip, faces, spans, cull)
    rast, _ = dr.rasterize(_context(clip.device), positions, triangles, size, ranges=starts, grad_db=False)
    return own_faces(rast, offsets).to(clip.dtype)


def peel(clip, faces, size, layers, cull=False, ranges=None):
    """See `soaplib.render.peeling.peel`."""
    import nvdiffrast.torch as dr

    clip, faces, spans, size = checked_meshes("peel", clip, faces, size, ranges)
    positions, triangles, starts, offsets = range_mode(clip, faces, spans, cull)
    with dr.DepthPeeler(_context(clip.device), positions, triangles, size, starts, grad_db=False) as peeler:
        found = [peeler.rasterize_next_layer()[0] for _ in range(checked_layers(layers))]
    return tuple(own_faces(rast, offsets).to(clip.dtype) for rast in found)


@functools.lru_cache(maxsize=8)
def _context(device):
    import nvdiffrast.torch as dr

    return dr.RasterizeCudaContext(device=device)


def range_mode(clip, faces, spans, cull):
    """Lay out a batch as nvdiffrast's range mode takes it.

    Args:
        clip: (B or 1, V, 4). faces: (F, 3) int32. spans: (B, 2) numpy, first and last + 1 face. cull: leave out
        faces that are clockwise on the screen.

    Returns:
        positions (B V, 4) float32 mirrored in y, triangles (B F, 3) int32 where those not drawn have no area, ranges
        (B, 2) int32 on the CPU, and what is to be taken off each image's face numbers, (B,) float32 on the CPU.

    Raises:
        ValueError: more faces than float32 can count.
    """
    meshes, vertices = clip.shape[:2]
    if meshes * len(faces) > 1 << 24:
        raise ValueError(
            f"rasterize: the nvdiffrast backend numbers up to {1 << 24} faces in a batch, got {meshes} x {len(faces)}"
        )
    first = torch.arange(meshes, dtype=torch.int32, device=clip.device)[:, None, None] * vertices
    seen = drawable(clip.detach(), faces, cull)
    triangles = torch.where(seen[..., None], faces, faces[:, :1]) + first
    positions = clip.float().nan_to_num(0.0, 0.0, 0.0) * clip.new_tensor([1.0, -1.0, 1.0, 1.0]).float()
    spans = torch.from_numpy(spans).to(torch.int32)
    offsets = torch.arange(len(spans), dtype=torch.int32) * (len(faces) if meshes == len(spans) else 0)
    starts = torch.stack((spans[:, 0] + offsets, spans[:, 1] - spans[:, 0]), 1)
    return (
        positions.reshape(-1, 4),
        triangles.reshape(-1, 3).contiguous(),
        starts.contiguous(),
        offsets.float(),
    )


def own_faces(rast: torch.Tensor, offsets: torch.Tensor) -> torch.Tensor:
    """Take each image's offset (B,) off the face numbers of rast (B, H, W, 4), where there is a face."""
    face = rast[..., 3:].detach()
    face = torch.where(face > 0, face - offsets.to(rast.device, non_blocking=True)[:, None, None, None], 0.0)
    return torch.cat((rast[..., :3], face), -1)


def interpolate(attributes, rast, faces):
    """See `soaplib.render.interpolation.interpolate`."""
    import nvdiffrast.torch as dr

    attributes = attributes[None] if attributes.ndim == 2 else attributes
    faces = device_faces("interpolate", faces, attributes)
    out, _ = dr.interpolate(attributes.float().contiguous(), rast.float().contiguous(), faces)
    return out.to(torch.promote_types(attributes.dtype, rast.dtype))


def texture(image, uv, mode="bilinear", mip=False, boundary="clamp", steps=None):
    """See `soaplib.render.texturing.texture`; mip-mapped look-up is Warp's, as nvdiffrast halves powers of two only."""
    import nvdiffrast.torch as dr

    from soaplib.render.backends import warp

    image, uv, _ = checked_texture(image, uv, mode, mip, boundary, steps)
    if mip:
        return warp.texture(image, uv, mode, mip, boundary, steps)
    filtered = "linear" if mode == "bilinear" else "nearest"
    place = texture_place(uv.float())
    found = dr.texture(image.float().contiguous(), place, filter_mode=filtered, boundary_mode=boundary)
    return found.to(image.dtype)


def texture_place(uv: torch.Tensor) -> torch.Tensor:
    """Return uv with its origin at the image's row 0, as nvdiffrast has it; NaN becomes 0, as on the CPU."""
    return torch.stack((uv[..., 0], 1 - uv[..., 1]), -1).nan_to_num(0.0).contiguous()


def pixel_steps(attributes, rast, clip, faces):
    """See `soaplib.render.mipmaps.pixel_steps`."""
    from soaplib.render.backends import warp

    return warp.pixel_steps(attributes, rast, clip, faces)


def antialias(color, rast, clip, faces, edges=None, ranges=None):
    """See `soaplib.render.antialiasing.antialias`."""
    from soaplib.render.backends import warp

    return warp.antialias(color, rast, clip, faces, edges, ranges)


def vertex_normals(vertices, faces):
    """See `soaplib.render.shading.vertex_normals`."""
    from soaplib.render.backends import warp

    return warp.vertex_normals(vertices, faces)
