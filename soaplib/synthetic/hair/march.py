"""Grow guide curves over a head, compiled: direction field, layered gap over the skin, curtain about the face."""

import math

import numba
import numpy as np

from soaplib.synthetic.hair.hull_kernels import locate, normal_at, place, radius_at

STEPS = 36
_RISE = 0.015  # metres
_jit = numba.njit(cache=True, error_model="numpy")


@_jit
def _smoothstep(low, high, x):
    t = min(max((x - low) / (high - low), 0.0), 1.0)
    return t * t * (3 - 2 * t)


@_jit
def _unit(x, y, z):
    length = math.sqrt(x * x + y * y + z * z)
    if length < 1e-9:
        return 0.0, 0.0, 0.0
    return x / length, y / length, z / length


@_jit
def _nearest_on_part(x, y, z, part):
    """Give the nearest point of the polyline `part` (P, 3)."""
    best, bx, by, bz = 1e9, part[0, 0], part[0, 1], part[0, 2]
    for k in range(len(part) - 1):
        ux, uy, uz = part[k + 1, 0] - part[k, 0], part[k + 1, 1] - part[k, 1], part[k + 1, 2] - part[k, 2]
        wx, wy, wz = x - part[k, 0], y - part[k, 1], z - part[k, 2]
        s = min(max((wx * ux + wy * uy + wz * uz) / (ux * ux + uy * uy + uz * uz + 1e-12), 0.0), 1.0)
        qx, qy, qz = part[k, 0] + s * ux, part[k, 1] + s * uy, part[k, 2] + s * uz
        distance = (x - qx) ** 2 + (y - qy) ** 2 + (z - qz) ** 2
        if distance < best:
            best, bx, by, bz = distance, qx, qy, qz
    return bx, by, bz


@_jit
def _gap(t, length, knots):
    """Interpolate the gap's four knots at 0.12, 0.45, 0.8 and 1; it rises to them over the first 15 mm."""
    rise = min(1.0, t * length / _RISE)
    if t < 0.12:
        return -0.001 + (knots[0] + 0.001) * rise
    if t < 0.45:
        return knots[0] + (knots[1] - knots[0]) * (t - 0.12) / 0.33
    if t < 0.8:
        return knots[1] + (knots[2] - knots[1]) * (t - 0.45) / 0.35
    return knots[2] + (knots[3] - knots[2]) * (t - 0.8) / 0.2


@_jit
def march(
    roots, lengths, gaps, away, down, out, pull, push, targets, stiff, cling, opening, stop,
    part, parted, brow, line, guard, centre, unit, radii, normals, points,
):  # fmt: skip
    """Grow (N, points, 3) curves from (N, 3) roots.

    lengths (N,); gaps (N, 4); away, down, out, pull: (N, 2) weights at root and tip of: away from the parting,
    gravity, the surface's normal, towards targets (N, 3); push (N, 2, 3): a vector at root and tip. stiff (N,).
    cling (N, 2): how fast a curve falls back to its gap above and below the cranium's middle. opening (N,):
    azimuth of the curtain about the face, 0 for none. stop (N, 2): a curve ends where within azimuth stop[0] of
    the front it comes under y = stop[1]. parted: azimuth of the parting's front. brow, line: heights of brows and
    front hairline. guard: (azimuth, y) within which and under which a curve with a curtain ends: clear of the eyes.
    """
    count = len(roots)
    result = np.empty((count, points, 3), np.float32)
    trail = np.empty((STEPS + 1, 3))
    for n in range(count):
        x, y, z = float(roots[n, 0]), float(roots[n, 1]), float(roots[n, 2])
        trail[0, 0], trail[0, 1], trail[0, 2] = x, y, z
        step = lengths[n] / STEPS
        dx, dy, dz = 0.0, 0.0, 0.0
        last = STEPS
        for m in range(STEPS):
            t = (m + 1) / STEPS
            azimuth, height, radius = locate(x, y, z, centre, unit)
            nx, ny, nz = normal_at(azimuth, height, normals)
            nx, ny, nz = _unit(nx, ny, nz)
            qx, qy, qz = _nearest_on_part(x, y, z, part)
            ax, ay, az = x - qx, y - qy, z - qz
            along = ax * nx + ay * ny + az * nz
            ax, ay, az = _unit(ax - along * nx, ay - along * ny, az - along * nz)
            tx, ty, tz = targets[n, 0] - x, targets[n, 1] - y, targets[n, 2] - z
            left = math.sqrt(tx * tx + ty * ty + tz * tz)
            if pull[n, 1] > 0 and left < 1.3 * step + 0.002:
                last = m
                break
            along = tx * nx + ty * ny + tz * nz
            tx, ty, tz = _unit(tx - along * nx, ty - along * ny, tz - along * nz)
            wa = away[n, 0] + (away[n, 1] - away[n, 0]) * t
            wd = down[n, 0] + (down[n, 1] - down[n, 0]) * t
            wo = out[n, 0] + (out[n, 1] - out[n, 0]) * t
            wp = pull[n, 0] + (pull[n, 1] - pull[n, 0]) * t
            vx = wa * ax + wp * tx + push[n, 0, 0] + (push[n, 1, 0] - push[n, 0, 0]) * t
            vy = wa * ay + wp * ty + push[n, 0, 1] + (push[n, 1, 1] - push[n, 0, 1]) * t - wd
            vz = wa * az + wp * tz + push[n, 0, 2] + (push[n, 1, 2] - push[n, 0, 2]) * t
            inward = min(vx * nx + vy * ny + vz * nz, 0.0)
            over = radius - radius_at(azimuth, height, radii) - _gap(t, lengths[n], gaps[n])
            inward *= 1 - _smoothstep(0.004, 0.02, over)
            vx, vy, vz = _unit(
                vx - inward * nx + wo * nx, vy - inward * ny + wo * ny, vz - inward * nz + wo * nz
            )
            keep = stiff[n] if m > 0 else 0.0
            dx, dy, dz = _unit(
                keep * dx + (1 - keep) * vx, keep * dy + (1 - keep) * vy, keep * dz + (1 - keep) * vz
            )
            x, y, z = x + step * dx, y + step * dy, z + step * dz
            azimuth, height, radius = locate(x, y, z, centre, unit)
            if opening[n] > 0:
                ramp = opening[n] * (1 - _smoothstep(brow + 0.05, line + 0.1, height))
                if abs(azimuth) < ramp:
                    side = 1.0 if azimuth > (parted if abs(azimuth) < 0.5 else 0.0) else -1.0
                    turn = min(1.1 * step / radius, ramp - side * azimuth)
                    azimuth += side * turn
            least = radius_at(azimuth, height, radii) + _gap(t, lengths[n], gaps[n])
            if radius < least:
                radius = least
            else:
                rate = cling[n, 1] + (cling[n, 0] - cling[n, 1]) * _smoothstep(-0.3, 0.25, height)
                radius += rate * (least - radius)
            x, y, z = place(azimuth, height, radius, centre, unit)
            trail[m + 1, 0], trail[m + 1, 1], trail[m + 1, 2] = x, y, z
            if (abs(azimuth) < stop[n, 0] and y < stop[n, 1]) or (
                opening[n] > 0 and abs(azimuth) < guard[0] and y < guard[1]
            ):
                last = m + 1
                break
        if last == 0:
            trail[1, 0], trail[1, 1], trail[1, 2] = x, y - 0.001, z
            last = 1
        for k in range(points):
            s = k * last / (points - 1)
            i = min(int(s), last - 1)
            f = s - i
            for c in range(3):
                result[n, k, c] = trail[i, c] * (1 - f) + trail[i + 1, c] * f
    return result


@_jit
def pushed(paths, least, centre, unit, radii):
    """Push (N, T, 3) curves out of the skin, by `least` metres at most grown from 0 at the root; in place."""
    count, points = paths.shape[:2]
    for n in range(count):
        for k in range(1, points):
            azimuth, height, radius = locate(paths[n, k, 0], paths[n, k, 1], paths[n, k, 2], centre, unit)
            low = radius_at(azimuth, height, radii) + least * min(1.0, 6.0 * k / points)
            if radius < low:
                x, y, z = place(azimuth, height, low, centre, unit)
                paths[n, k, 0], paths[n, k, 1], paths[n, k, 2] = x, y, z
