"""Normals and simple light."""

import numpy as np
import torch

from soaplib.render.cameras import camera_rotation
from soaplib.render.kernels import checked_faces, kernel


def face_normals(vertices: torch.Tensor, faces: torch.Tensor) -> torch.Tensor:
    """Return the unit normals (..., F, 3) of counter-clockwise faces (F, 3) over vertices (..., V, 3)."""
    faces = checked_faces("face_normals", faces, vertices.shape[-2])
    a, b, c = (vertices.index_select(-2, faces[:, i]) for i in range(3))
    return torch.nn.functional.normalize(torch.linalg.cross(b - a, c - a), dim=-1, eps=1e-20)


def vertex_normals(vertices: torch.Tensor, faces: torch.Tensor) -> torch.Tensor:
    """Return the unit normals of vertices: the mean of their faces' normals, weighted by area.

    Args:
        vertices: (..., V, 3) float32 or float64.
        faces: (F, 3) integers, counter-clockwise from outside.

    Returns:
        (..., V, 3); 0 where a vertex has no face of any area. Differentiable; sums run in the order of faces, so
        that equal input gives equal bits.

    Raises:
        ValueError: wrong shapes, or faces out of range.
    """
    if vertices.ndim < 2 or vertices.shape[-1] != 3 or vertices.dtype not in (torch.float32, torch.float64):
        raise ValueError(
            f"vertex_normals: vertices must be a float (..., V, 3), got {tuple(vertices.shape)} {vertices.dtype}"
        )
    faces = checked_faces("vertex_normals", faces, vertices.shape[-2])
    return torch.nn.functional.normalize(_AreaNormals.apply(vertices, faces), dim=-1, eps=1e-20)


class _AreaNormals(torch.autograd.Function):
    @staticmethod
    def forward(ctx, vertices, faces):
        ctx.save_for_backward(vertices, faces)
        flat = vertices.detach().reshape(-1, *vertices.shape[-2:]).contiguous()
        out = np.zeros(flat.shape)
        _sum_normals(flat.numpy(), faces.numpy(), out)
        return torch.from_numpy(out).to(vertices.dtype).reshape(vertices.shape)

    @staticmethod
    def backward(ctx, grad):
        vertices, faces = ctx.saved_tensors
        flat = vertices.detach().reshape(-1, *vertices.shape[-2:]).contiguous()
        out = np.zeros(flat.shape)
        _sum_normals_backward(grad.reshape(flat.shape).contiguous().numpy(), flat.numpy(), faces.numpy(), out)
        return torch.from_numpy(out).to(vertices.dtype).reshape(vertices.shape), None


@kernel
def _sum_normals(vertices, faces, out):
    for b in range(len(vertices)):
        v, o = vertices[b], out[b]
        for f in range(len(faces)):
            i, j, k = faces[f, 0], faces[f, 1], faces[f, 2]
            px, py, pz = v[j, 0] - v[i, 0], v[j, 1] - v[i, 1], v[j, 2] - v[i, 2]
            qx, qy, qz = v[k, 0] - v[i, 0], v[k, 1] - v[i, 1], v[k, 2] - v[i, 2]
            nx, ny, nz = py * qz - pz * qy, pz * qx - px * qz, px * qy - py * qx
            for corner in (i, j, k):
                o[corner, 0] += nx
                o[corner, 1] += ny
                o[corner, 2] += nz


@kernel
def _sum_normals_backward(grad, vertices, faces, out):
    for b in range(len(vertices)):
        v, g, o = vertices[b], grad[b], out[b]
        for f in range(len(faces)):
            i, j, k = faces[f, 0], faces[f, 1], faces[f, 2]
            px, py, pz = v[j, 0] - v[i, 0], v[j, 1] - v[i, 1], v[j, 2] - v[i, 2]
            qx, qy, qz = v[k, 0] - v[i, 0], v[k, 1] - v[i, 1], v[k, 2] - v[i, 2]
            gx, gy, gz = g[i, 0] + g[j, 0] + g[k, 0], g[i, 1] + g[j, 1] + g[k, 1], g[i, 2] + g[j, 2] + g[k, 2]
            # n = p x q, so the gradient at p is q x g and at q is g x p.
            ax, ay, az = qy * gz - qz * gy, qz * gx - qx * gz, qx * gy - qy * gx
            bx, by, bz = gy * pz - gz * py, gz * px - gx * pz, gx * py - gy * px
            o[j, 0] += ax
            o[j, 1] += ay
            o[j, 2] += az
            o[k, 0] += bx
            o[k, 1] += by
            o[k, 2] += bz
            o[i, 0] -= ax + bx
            o[i, 1] -= ay + by
            o[i, 2] -= az + bz


def camera_normals(normals: torch.Tensor, camera: torch.Tensor) -> torch.Tensor:
    """Turn world normals (..., V, 3) into camera axes of camera (..., 4, 4): x right, y up, z to the viewer."""
    return normals @ camera_rotation(camera).to(normals.dtype).transpose(-1, -2)


def world_normals(normals: torch.Tensor, camera: torch.Tensor) -> torch.Tensor:
    """Turn normals (..., V, 3) in camera axes back into the world's: the inverse of `camera_normals`.

    Of an image (N, H, W, 3) and cameras (N, 4, 4), give camera[:, None].
    """
    return normals @ camera_rotation(camera).to(normals.dtype)


def lambert(normals: torch.Tensor, direction, ambient: float = 0.3) -> torch.Tensor:
    """Return ambient + (1 - ambient) max(0, n . l), shape (...), for unit normals (..., 3).

    direction: (3,) towards the light, in the normals' axes, of any length.
    """
    light = torch.nn.functional.normalize(
        torch.as_tensor(direction, dtype=normals.dtype, device=normals.device), dim=-1
    )
    return ambient + (1 - ambient) * (normals @ light).clamp(min=0)


def spherical_harmonics(normals: torch.Tensor) -> torch.Tensor:
    """Return the 9 real spherical harmonics of order 0 to 2 at unit vectors (..., 3): (..., 9).

    Order: Y00, Y1-1 (y), Y10 (z), Y11 (x), Y2-2 (xy), Y2-1 (yz), Y20 (3 z^2 - 1), Y21 (xz), Y22 (x^2 - y^2).
    Orthonormal over the sphere. Source: Ramamoorthi and Hanrahan 2001, equation 3.
    """
    x, y, z = normals.unbind(-1)
    return torch.stack(
        (
            torch.full_like(x, 0.28209479177387814),
            0.4886025119029199 * y,
            0.4886025119029199 * z,
            0.4886025119029199 * x,
            1.0925484305920792 * x * y,
            1.0925484305920792 * y * z,
            0.31539156525252005 * (3 * z * z - 1),
            1.0925484305920792 * x * z,
            0.5462742152960396 * (x * x - y * y),
        ),
        -1,
    )


def shade_sh(normals: torch.Tensor, coefficients: torch.Tensor) -> torch.Tensor:
    """Return the light on unit normals (..., 3): spherical_harmonics(normals) @ coefficients.

    coefficients: (9, C) gives (..., C), (9,) gives (...). They are those of the shade itself, the cosine lobe
    already in them.
    """
    return spherical_harmonics(normals) @ coefficients


def irradiance_sh(light: torch.Tensor) -> torch.Tensor:
    """Turn coefficients (9, ...) of the light from each direction into those of the shade it gives: for `shade_sh`.

    That is the light times the cosine over the half sphere, divided by pi: light of 1 from everywhere shades by 1.
    The factors of order 0, 1 and 2 are 1, 2/3 and 1/4. Source: Ramamoorthi and Hanrahan 2001, equation 8.
    """
    factors = light.new_tensor([1.0] + [2 / 3] * 3 + [1 / 4] * 5)
    return light * factors.reshape(9, *[1] * (light.ndim - 1))
