"""Rotations and linear blend skinning, batched and differentiable."""

import torch


def rotation_matrices(axis_angle: torch.Tensor) -> torch.Tensor:
    """Turn axis-angle vectors (..., 3), radians, into rotation matrices (..., 3, 3) by Rodrigues' formula.

    The Taylor series replaces sin(x)/x and (1-cos(x))/x^2 near zero, so the gradient is right there too.
    """
    square = (axis_angle * axis_angle).sum(-1)[..., None, None]
    small = square < 1e-8
    safe = torch.where(small, torch.ones_like(square), square)
    angle = safe.sqrt()
    a = torch.where(small, 1 - square / 6, angle.sin() / angle)
    b = torch.where(small, 0.5 - square / 24, (1 - angle.cos()) / safe)
    x, y, z = axis_angle.unbind(-1)
    zero = torch.zeros_like(x)
    cross = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1).reshape(*axis_angle.shape[:-1], 3, 3)
    identity = torch.eye(3, dtype=axis_angle.dtype, device=axis_angle.device)
    return identity + a * cross + b * (cross @ cross)


def linear_blend_skinning(rest, joints, rotations, parents, weights):
    """Move rest vertices (N, V, 3) by joints that turn about their rest places.

    joints: (N, J, 3) at rest; rotations: (N, J, 3, 3) relative to the parent; parents: J ints, -1 for the
    root; weights: (V, J). Returns posed vertices (N, V, 3) and joints (N, J, 3).
    """
    world_rotation, world_place = [], []
    for joint, parent in enumerate(parents):
        if parent < 0:
            world_rotation.append(rotations[:, joint])
            world_place.append(joints[:, joint])
            continue
        offset = (joints[:, joint] - joints[:, parent])[..., None]
        world_rotation.append(world_rotation[parent] @ rotations[:, joint])
        world_place.append(world_place[parent] + (world_rotation[parent] @ offset)[..., 0])
    turn, place = torch.stack(world_rotation, 1), torch.stack(world_place, 1)
    shift = place - (turn @ joints[..., None])[..., 0]
    blended = torch.einsum("vj,njab->nvab", weights, turn)
    vertices = (blended @ rest[..., None])[..., 0] + torch.einsum("vj,nja->nva", weights, shift)
    return vertices, place
