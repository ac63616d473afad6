"""PyTorch3D's rasteriser behind the interface; the other operations are those of the device, numba's or Warp's.

PyTorch3D looks along +z with x to the left and y up, its smaller side spans -1..1, and barycentrics come out linear on
the screen; they are turned into the perspective-correct u and v here. It draws in float32, leaves out faces that reach
behind the camera and centres that lie on a face's border, and on CUDA adds gradients up in no fixed order.
"""

import torch

from soaplib.render.backends.device import checked_layers, checked_meshes, drawable


def rasterize(clip, faces, size, cull=False, ranges=None):
    """See `soaplib.render.rasterise.rasterize`."""
    return _layers("rasterize", clip, faces, size, 1, cull, ranges)[0]


def peel(clip, faces, size, layers, cull=False, ranges=None):
    """See `soaplib.render.peeling.peel`."""
    return _layers("peel", clip, faces, size, checked_layers(layers), cull, ranges)


def _layers(operation, clip, faces, size, layers, cull, ranges):
    from pytorch3d.renderer.mesh.rasterize_meshes import rasterize_meshes
    from pytorch3d.structures import Meshes

    clip, faces, spans, size = checked_meshes(operation, clip, faces, size, ranges)
    if not len(spans) or not len(faces):
        return ((clip.sum() * 0).expand(len(spans), *size, 4),) * layers
    near = clip.float()
    screen = screen_positions(near, size)
    seen = drawable(near.detach(), faces, cull) & screen.detach()[:, faces.long()].isfinite().all((-2, -1))
    # A face of no area is passed over.
    kept = torch.where(seen[..., None], faces.long(), 0)
    own = [min(b, len(clip) - 1) for b in range(len(spans))]
    meshes = Meshes(
        [screen[b].nan_to_num(0.0, 0.0, 0.0) for b in own],
        [kept[b, first:last] for b, (first, last) in zip(own, spans.tolist(), strict=True)],
    )
    found, depth, weights, _ = rasterize_meshes(meshes, size, faces_per_pixel=layers)
    inside = (found >= 0) & (depth <= 2)
    spans = torch.as_tensor(spans, device=clip.device)
    counts = spans[:, 1] - spans[:, 0]
    offsets = spans[:, 0] - (counts.cumsum(0) - counts)
    face = torch.where(inside, found + offsets[:, None, None, None], 0)
    batch = torch.as_tensor(own, device=clip.device)[:, None, None, None, None]
    distances = near[..., 3][batch, faces.long()[face]]
    scaled = weights / torch.where(inside[..., None], distances, 1.0)
    uv = scaled[..., :2] / scaled.sum(-1, keepdim=True)
    rest = torch.stack((depth - 1, face + 1), -1).detach()
    rast = torch.where(inside[..., None], torch.cat((uv, rest), -1), 0.0).to(clip.dtype)
    return rast.unbind(3)


def screen_positions(clip: torch.Tensor, size) -> torch.Tensor:
    """Return positions (..., 3) in PyTorch3D's screen space of clip (..., 4): z / w + 1, so that all drawn is >= 0.

    Not finite where a vertex is not in front of the camera.
    """
    height, width = size
    least = min(height, width)
    w = torch.where(clip[..., 3:] > 0, clip[..., 3:], torch.nan)
    x, y, z = (clip[..., :3] / w).unbind(-1)
    return torch.stack((-x * (width / least), y * (height / least), z.detach() + 1), -1)


def _others(tensor):
    if tensor.is_cuda:
        from soaplib.render.backends import warp as others
    else:
        from soaplib.render.backends import cpu as others
    return others


def interpolate(attributes, rast, faces):
    """See `soaplib.render.interpolation.interpolate`."""
    return _others(attributes).interpolate(attributes, rast, faces)


def texture(image, uv, mode="bilinear", mip=False, boundary="clamp", steps=None):
    """See `soaplib.render.texturing.texture`."""
    return _others(image).texture(image, uv, mode, mip, boundary, steps)


def pixel_steps(attributes, rast, clip, faces):
    """See `soaplib.render.mipmaps.pixel_steps`."""
    return _others(attributes).pixel_steps(attributes, rast, clip, faces)


def antialias(color, rast, clip, faces, edges=None, ranges=None):
    """See `soaplib.render.antialiasing.antialias`."""
    return _others(color).antialias(color, rast, clip, faces, edges, ranges)


def vertex_normals(vertices, faces):
    """See `soaplib.render.shading.vertex_normals`."""
    return _others(vertices).vertex_normals(vertices, faces)
