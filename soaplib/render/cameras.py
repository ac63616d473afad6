"""Cameras: 4x4 matrices from world metres to pixels.

A camera maps the homogeneous world point v to h = M v; the pixel is h[:2] / h[3] (x right, y down, row 0 on top,
centres at +0.5) and the depth h[2] / h[3] grows away from the viewer. Orthographic cameras are affine: h[3] = 1.
Camera axes are x right, y up, z to the viewer, right-handed.

All functions are differentiable in torch, take any leading batch dimensions that broadcast, and return numpy
arrays when given no tensor.
"""

import functools
import math

import numpy as np
import torch

from soaplib.render.kernels import checked_size


def _numpy_too(function):
    """Let a torch function take arrays and, where no argument is a tensor, return one."""

    @functools.wraps(function)
    def call(*arguments, **named):
        given = [a for a in (*arguments, *named.values()) if isinstance(a, torch.Tensor)]
        dtype = given[0].dtype if given else torch.float64

        def as_tensor(value):
            if isinstance(value, np.ndarray | list | tuple):
                return torch.as_tensor(np.asarray(value), dtype=dtype)
            return value

        result = function(*map(as_tensor, arguments), **{k: as_tensor(v) for k, v in named.items()})
        return result if given else result.numpy()

    return call


@_numpy_too
def orthographic(rotation, scale_px, centre_px):
    """Make an orthographic camera.

    Args:
        rotation: (..., 3, 3) world to camera axes.
        scale_px: pixels per metre, a number or (...).
        centre_px: (..., 2), the pixel on which the world's origin falls.

    Returns:
        (..., 4, 4); its depth is 0 at the world's origin and in pixels, too.
    """
    _check("orthographic", "rotation", rotation, (3, 3))
    _check("orthographic", "centre_px", centre_px, (2,))
    scale = torch.as_tensor(scale_px, dtype=rotation.dtype, device=rotation.device)[..., None, None]
    top = rotation * scale * rotation.new_tensor([[1.0], [-1.0], [-1.0]])
    shift = torch.cat((centre_px.to(rotation), torch.zeros_like(centre_px[..., :1]).to(rotation)), -1)[
        ..., None
    ]
    return _with_last_row(top, shift, rotation.new_tensor([0.0, 0.0, 0.0, 1.0]))


@_numpy_too
def perspective(rotation, translation, focal_px, centre_px):
    """Make a perspective camera.

    Args:
        rotation: (..., 3, 3) world to camera axes.
        translation: (..., 3) metres; camera position of v is rotation v + translation, in front where z < 0.
        focal_px: focal length in pixels, a number or (...).
        centre_px: (..., 2) principal point.

    Returns:
        (..., 4, 4); for a point d metres in front h[3] = d and the depth is focal_px (1 - 1 / d), which grows
        with d and is linear over the picture of a plane, as depth tests need.
    """
    _check("perspective", "rotation", rotation, (3, 3))
    _check("perspective", "translation", translation, (3,))
    _check("perspective", "centre_px", centre_px, (2,))
    dtype = rotation.dtype
    batch = torch.broadcast_shapes(rotation.shape[:-2], translation.shape[:-1], centre_px.shape[:-1])
    shift = translation.to(rotation).expand(*batch, 3)[..., None]
    pose = torch.cat((rotation.expand(*batch, 3, 3), shift), -1)
    focal = torch.as_tensor(focal_px, dtype=dtype, device=rotation.device)[..., None]
    x, y, z = pose.unbind(-2)
    one = rotation.new_tensor([0.0, 0.0, 0.0, 1.0])
    centre = centre_px.to(rotation)
    return torch.stack(
        (
            focal * x - centre[..., :1] * z,
            -focal * y - centre[..., 1:] * z,
            focal * (-z - one),
            (-z).expand(torch.broadcast_shapes(z.shape, focal.shape[:-1] + (4,))),
        ),
        -2,
    )


@_numpy_too
def project(points, camera):
    """Return the pixels (..., V, 2) on which points (..., V, 3) fall; the batches of points and camera broadcast."""
    moved = _transform(points, camera)
    return moved[..., :2] / moved[..., 3:]


@_numpy_too
def clip_positions(vertices, camera, size, depth_range=None):
    """Bring world points into OpenGL clip space, as `rasterize` wants them.

    Args:
        vertices: (..., V, 3) world metres.
        camera: (..., 4, 4) world to pixels; leading dimensions broadcast against those of vertices.
        size: (H, W) of the image.
        depth_range: (near, far) depths of the camera that map to z/w = -1 and 1; as default what the vertices in
            front of the camera span, and a little more. No gradient flows through the default.

    Returns:
        (B, V, 4), B all leading dimensions flattened (1 where there is none).

    Raises:
        ValueError: wrong shapes, or an empty depth range.
    """
    height, width = checked_size("clip_positions", size)
    moved = _transform(vertices, camera)
    moved = moved.reshape(-1, *moved.shape[-2:])
    x, y, z, w = moved.unbind(-1)
    if depth_range is None:
        with torch.no_grad():
            depth = z / w
            good = torch.isfinite(depth) & (w > 0)
            far = torch.where(good, depth, -torch.inf).amax(-1, keepdim=True)
            near = torch.where(good, depth, torch.inf).amin(-1, keepdim=True)
            pad = 0.01 * (far - near) + 1e-3 * torch.maximum(far.abs(), near.abs()) + 1e-6
            near, far = near - pad, far + pad
    else:
        near, far = (float(d) for d in depth_range)
        if not near < far:
            raise ValueError(
                f"clip_positions: depth_range must be (near, far) with near < far, got {near}, {far}"
            )
    z = (2 * z - (near + far) * w) / (far - near)
    return torch.stack((x * (2 / width) - w, w - y * (2 / height), z, w), -1)


@_numpy_too
def camera_rotation(camera):
    """Return the rotation (..., 3, 3) from the world to camera axes (x right, y up, z to the viewer).

    Scale, principal point and perspective are taken off; a slight shear goes to the y axis. The camera must not
    mirror.
    """
    _check("camera_rotation", "camera", camera, (4, 4))
    away = camera[..., 3, :3]
    squared = (away * away).sum(-1, keepdim=True)
    safe = torch.where(squared > 0, squared, torch.ones_like(squared))

    def without_away(row):
        return row - away * ((row * away).sum(-1, keepdim=True) / safe)

    x = torch.nn.functional.normalize(without_away(camera[..., 0, :3]), dim=-1, eps=1e-30)
    y = -without_away(camera[..., 1, :3])
    y = torch.nn.functional.normalize(y - x * (x * y).sum(-1, keepdim=True), dim=-1, eps=1e-30)
    return torch.stack((x, y, torch.linalg.cross(x, y)), -2)


@_numpy_too
def turn(camera, yaw_degrees, pivot):
    """Make the camera that sees the head turned about the vertical axis of the picture.

    Args:
        camera: (..., 4, 4).
        yaw_degrees: a number or (...). A head that looks at the viewer looks to the picture's right at +90, so
            that its own right side is seen; at -90 its own left side (+X) is.
        pivot: (3,) or (..., 3), the world point the axis goes through; it keeps its pixel.

    Returns:
        (..., 4, 4). In camera axes v becomes R v about the pivot, with R = [[c, 0, s], [0, 1, 0], [-s, 0, c]].
    """
    _check("turn", "camera", camera, (4, 4))
    _check("turn", "pivot", pivot, (3,))
    pivot = pivot.to(camera)
    axes = camera_rotation.__wrapped__(camera)
    angle = torch.as_tensor(yaw_degrees, dtype=camera.dtype, device=camera.device) * (math.pi / 180)
    c, s = torch.cos(angle), torch.sin(angle)
    zero, one = torch.zeros_like(c), torch.ones_like(c)
    yaw = torch.stack((c, zero, s, zero, one, zero, -s, zero, c), -1).reshape(*c.shape, 3, 3)
    world = axes.transpose(-1, -2) @ yaw @ axes
    shift = pivot[..., None] - world @ pivot[..., None]
    return camera @ _with_last_row(world, shift, camera.new_tensor([0.0, 0.0, 0.0, 1.0]))


def _transform(points, camera):
    _check("project", "camera", camera, (4, 4))
    _check("project", "points", points, (points.shape[-2] if points.ndim > 1 else 1, 3))
    dtype = torch.promote_types(points.dtype, camera.dtype) if points.dtype != camera.dtype else points.dtype
    points, camera = points.to(dtype), camera.to(dtype)
    return points @ camera[..., :3].transpose(-1, -2) + camera[..., None, :, 3]


def _with_last_row(top, shift, last):
    batch = torch.broadcast_shapes(top.shape[:-2], shift.shape[:-2])
    upper = torch.cat((top.expand(*batch, 3, 3), shift.expand(*batch, 3, 1)), -1)
    return torch.cat((upper, last.expand(*batch, 1, 4)), -2)


def _check(function, name, value, tail):
    if not isinstance(value, torch.Tensor) or tuple(value.shape[-len(tail) :]) != tail:
        got = tuple(value.shape) if isinstance(value, torch.Tensor) else type(value).__name__
        raise ValueError(f"{function}: {name} must have shape (..., {', '.join(map(str, tail))}), got {got}")
