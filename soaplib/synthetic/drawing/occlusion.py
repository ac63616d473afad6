"""What hides the light: from many directions (ambient occlusion) and from the key light, per vertex."""

import functools

import numpy as np

from soaplib.render.kernels import kernel
from soaplib.synthetic.drawing.light import Light, harmonic_basis, sphere

_SKY_PAIRS = 12
_SKY_TEXELS, _KEY_TEXELS = 56, 160


def received_light(vertices, normals, faces, light: Light, occlusion: float = 1.0):
    """Find the light on each vertex of a scene, shadows included.

    Args:
        vertices, normals: (V, 3) float32, of all pieces together. faces: (F, 3) int32.
        light: in the same axes.
        occlusion: 0 leaves the environment unhidden.

    Returns:
        ambient (V, 3) float32: the environment's light over pi; openness (V,) float32: the share of it that
        arrives; key (V,) float32: how much of the key light arrives, 0 to 1.

    Depth maps from 24 directions, splatted rather than rasterised, make up the environment's shadows; a finer one
    makes up the key's.
    """
    centre, reach = _extent(vertices)
    axes = _sky_axes()
    radiance = np.concatenate([light.radiance(s * axes[:, 2].astype(np.float64)) for s in (1, -1)]).astype(
        np.float32
    )
    maps = np.empty((2, len(axes), _SKY_TEXELS, _SKY_TEXELS), np.float32)
    _splat(vertices, faces, axes, centre, reach, maps)
    share = np.empty((len(vertices), 3), np.float32)
    _sky(vertices, normals, maps.reshape(-1, *maps.shape[2:]), axes, radiance, centre, reach, share)
    unhidden = np.maximum(harmonic_basis(normals.astype(np.float64)) @ light.harmonics(), 0.02)
    share = 1 + np.float32(occlusion) * (share - 1)
    ambient = (unhidden * share).astype(np.float32)

    axis = _axes(np.array(light.key_direction))[None].astype(np.float32)
    shadow = np.empty((2, 1, _KEY_TEXELS, _KEY_TEXELS), np.float32)
    _splat(vertices, faces, axis, centre, reach, shadow)
    key = np.empty(len(vertices), np.float32)
    radius = max(1, round(light.key_size * _KEY_TEXELS / (2 * reach)))
    _key(vertices, normals, shadow[0, 0], axis[0], centre, reach, radius, key)
    return ambient, share.mean(1), key


def _extent(vertices):
    low, high = vertices.min(0), vertices.max(0)
    centre = (low + high) / 2
    return centre.astype(np.float32), float(np.linalg.norm(high - low)) / 2 * 1.02


@functools.cache
def _sky_axes():
    """Give (12, 3, 3) axes whose third rows and their opposites are spread over the sphere."""
    upper = sphere(2 * _SKY_PAIRS)[:_SKY_PAIRS]
    return np.stack([_axes(d) for d in upper]).astype(np.float32)


def _axes(direction):
    """Give three rows: right, up, towards the light."""
    direction = direction / np.linalg.norm(direction)
    aside = np.array([0.0, 1.0, 0.0]) if abs(direction[1]) < 0.9 else np.array([1.0, 0.0, 0.0])
    right = np.cross(aside, direction)
    right /= np.linalg.norm(right)
    return np.stack([right, np.cross(direction, right), direction])


@kernel
def _splat(vertices, faces, axes, centre, reach, maps):
    """Fill depth maps (2, K, T, T) with the largest height towards each light, and towards the opposite side, at points
    sown over every face."""
    texels = maps.shape[2]
    scale = texels / (2 * reach)
    place = np.empty((len(vertices), 3), np.float32)
    for k in range(len(axes)):
        depth, behind = maps[0, k], maps[1, k]
        depth[:] = -1e9
        behind[:] = -1e9
        a = axes[k]
        for i in range(len(vertices)):
            x, y, z = vertices[i, 0] - centre[0], vertices[i, 1] - centre[1], vertices[i, 2] - centre[2]
            place[i, 0] = (a[0, 0] * x + a[0, 1] * y + a[0, 2] * z) * scale + texels * 0.5
            place[i, 1] = (a[1, 0] * x + a[1, 1] * y + a[1, 2] * z) * scale + texels * 0.5
            place[i, 2] = a[2, 0] * x + a[2, 1] * y + a[2, 2] * z
        for f in range(len(faces)):
            i, j, l = faces[f, 0], faces[f, 1], faces[f, 2]
            x0, y0, z0 = place[i, 0], place[i, 1], place[i, 2]
            ux, uy, uz = place[j, 0] - x0, place[j, 1] - y0, place[j, 2] - z0
            vx, vy, vz = place[l, 0] - x0, place[l, 1] - y0, place[l, 2] - z0
            span = max(abs(ux), abs(uy), abs(vx), abs(vy), abs(ux - vx), abs(uy - vy))
            steps = min(int(span), 200) + 1
            for p in range(steps):
                s = (p + 0.33) / steps
                for q in range(steps - p):
                    t = (q + 0.33) / steps
                    column, row = int(x0 + s * ux + t * vx), int(y0 + s * uy + t * vy)
                    if 0 <= column < texels and 0 <= row < texels:
                        z = z0 + s * uz + t * vz
                        if z > depth[row, column]:
                            depth[row, column] = z
                        if -z > behind[row, column]:
                            behind[row, column] = -z


@kernel
def _sky(vertices, normals, maps, axes, radiance, centre, reach, share):
    """Share of the environment's light that arrives: hidden directions are left out of the sum over directions."""
    texels = maps.shape[1]
    scale = texels / (2 * reach)
    # Lookups start a texel off the surface, and a texel's own slope does not count.
    off = 0.9 / scale
    for i in range(len(vertices)):
        nx, ny, nz = normals[i, 0], normals[i, 1], normals[i, 2]
        px = vertices[i, 0] - centre[0] + off * nx
        py = vertices[i, 1] - centre[1] + off * ny
        pz = vertices[i, 2] - centre[2] + off * nz
        r0, g0, b0, r1, g1, b1 = 1e-6, 1e-6, 1e-6, 1e-6, 1e-6, 1e-6
        for k in range(len(maps)):
            pair = k % len(axes)
            sign = 1.0 if k < len(axes) else -1.0
            cosine = sign * (nx * axes[pair, 2, 0] + ny * axes[pair, 2, 1] + nz * axes[pair, 2, 2]) + 0.05
            if cosine <= 0:
                continue
            a = axes[pair]
            x = (a[0, 0] * px + a[0, 1] * py + a[0, 2] * pz) * scale + texels * 0.5 - 0.5
            y = (a[1, 0] * px + a[1, 1] * py + a[1, 2] * pz) * scale + texels * 0.5 - 0.5
            z = sign * (a[2, 0] * px + a[2, 1] * py + a[2, 2] * pz) + off * 0.6
            open_ = 1.0
            if x >= 0 and y >= 0 and x < texels - 1 and y < texels - 1:
                c, r = int(x), int(y)
                u, v = x - c, y - r
                open_ = 0.0
                if maps[k, r, c] <= z:
                    open_ += (1 - u) * (1 - v)
                if maps[k, r, c + 1] <= z:
                    open_ += u * (1 - v)
                if maps[k, r + 1, c] <= z:
                    open_ += (1 - u) * v
                if maps[k, r + 1, c + 1] <= z:
                    open_ += u * v
            r0 += cosine * radiance[k, 0]
            g0 += cosine * radiance[k, 1]
            b0 += cosine * radiance[k, 2]
            r1 += open_ * cosine * radiance[k, 0]
            g1 += open_ * cosine * radiance[k, 1]
            b1 += open_ * cosine * radiance[k, 2]
        share[i, 0] = r1 / r0
        share[i, 1] = g1 / g0
        share[i, 2] = b1 / b0


@kernel
def _key(vertices, normals, depth, axes, centre, reach, radius, out):
    """Share of the key light that arrives: the part of a square of texels about each vertex that is not before it."""
    texels = len(depth)
    scale = texels / (2 * reach)
    off = 1.6 / scale
    for i in range(len(vertices)):
        cosine = normals[i, 0] * axes[2, 0] + normals[i, 1] * axes[2, 1] + normals[i, 2] * axes[2, 2]
        px = vertices[i, 0] - centre[0] + off * normals[i, 0]
        py = vertices[i, 1] - centre[1] + off * normals[i, 1]
        pz = vertices[i, 2] - centre[2] + off * normals[i, 2]
        x = (axes[0, 0] * px + axes[0, 1] * py + axes[0, 2] * pz) * scale + texels * 0.5
        y = (axes[1, 0] * px + axes[1, 1] * py + axes[1, 2] * pz) * scale + texels * 0.5
        # The square's far side lies higher by the slope: allow for it up to 60 degrees.
        slope = np.sqrt(max(1 - cosine * cosine, 0.0)) / max(cosine, 0.5)
        z = axes[2, 0] * px + axes[2, 1] * py + axes[2, 2] * pz + (0.4 + radius * slope) / scale
        lit, total = 0, 0
        for r in range(int(y) - radius, int(y) + radius + 1):
            for c in range(int(x) - radius, int(x) + radius + 1):
                total += 1
                if r < 0 or c < 0 or r >= texels or c >= texels or depth[r, c] <= z:
                    lit += 1
        out[i] = lit / total
