"""A smooth invertible warp of space: the flow of a sum of local affine motions, with two balls kept round.

The velocity at x is sum_k w_k(x) (l_k * (x - a_k) + d_k), as in the polyaffine transformations of Arsigny et al. 2009,
so points never meet. About each eyeball only that ball's own similarity acts, out to beyond its lids.
"""

import dataclasses

import numba as nb
import numpy as np

STEPS = 4


@dataclasses.dataclass(frozen=True)
class Flow:
    """Motions that act together for one unit of time.

    bumps: (B, 15): centre, radii, anchor, logarithms of the scales, shift; one acts wholly near the centre of its
    ellipsoid, and not at all outside. ramps: (R, 14): direction, start, end, then anchor, logarithms, shift; one acts
    ever more from start to end along its direction. eyes: (2, 3) centres; radius: metres; eye_log: logarithm of
    their scale; eye_shift: (2, 3) metres.
    """

    bumps: np.ndarray
    ramps: np.ndarray
    eyes: np.ndarray
    radius: float
    eye_log: float
    eye_shift: np.ndarray

    def carry(self, points: np.ndarray, jacobians: bool = True) -> tuple[np.ndarray, np.ndarray]:
        """Warp (N, 3) points; returns them and the Jacobians (N, 3, 3), or (0, 3, 3) where not wanted."""
        points = np.array(points, np.float64)
        turns = np.tile(np.eye(3), (len(points) if jacobians else 0, 1, 1))
        _carry(points, turns, self.bumps, self.ramps, self.eyes, self.radius, self.eye_log, self.eye_shift)
        return points, turns

    @property
    def eye_scale(self) -> float:
        """The factor by which the eyeballs grow."""
        step = self.eye_log / STEPS
        return (1 + step + step * step / 2) ** STEPS


_PLATEAU = 0.35
_BLEND = 0.036  # metres about an eye in which its own motion gives way to the others


@nb.njit(cache=True, error_model="numpy")
def _rise(t):
    """The quintic step and its derivative."""
    if t <= 0:
        return 0.0, 0.0
    if t >= 1:
        return 1.0, 0.0
    return t * t * t * (t * (6 * t - 15) + 10), 30 * t * t * (t - 1) * (t - 1)


@nb.njit(cache=True, error_model="numpy")
def _add(v, g, w, gw, x, a, i, with_gradient):
    """Add w * (l * (x - a) + d) to v, and its gradient; row `a` holds anchor, l, d from column i."""
    for r in range(3):
        m = a[i + 3 + r] * (x[r] - a[i + r]) + a[i + 6 + r]
        v[r] += w * m
        if with_gradient:
            g[r, r] += w * a[i + 3 + r]
            for c in range(3):
                g[r, c] += m * gw[c]


@nb.njit(cache=True, error_model="numpy")
def _velocity(x, time, bumps, ramps, eyes, radius, log, shift, v, g, gw, ge, with_gradient):
    """Velocity v (3,) and gradient g (3, 3) at x."""
    v[:] = 0.0
    g[:] = 0.0
    for k in range(len(bumps)):
        b = bumps[k]
        q = 0.0
        for c in range(3):
            q += ((x[c] - b[c]) / b[3 + c]) ** 2
        if q >= 1.0:
            continue
        q = np.sqrt(q)
        w, slope = _rise((1 - q) / (1 - _PLATEAU))
        if q > _PLATEAU:
            for c in range(3):
                gw[c] = -slope / (1 - _PLATEAU) * (x[c] - b[c]) / (b[3 + c] ** 2 * q)
        else:
            gw[:] = 0.0
        _add(v, g, w, gw, x, b, 6, with_gradient)
    for k in range(len(ramps)):
        b = ramps[k]
        along = x[0] * b[0] + x[1] * b[1] + x[2] * b[2]
        w, slope = _rise((along - b[3]) / (b[4] - b[3]))
        if w == 0.0:
            continue
        for c in range(3):
            gw[c] = slope / (b[4] - b[3]) * b[c]
        _add(v, g, w, gw, x, b, 5, with_gradient)
    reach = radius * np.exp(log * time)
    for k in range(len(eyes)):
        q = 0.0
        for c in range(3):
            ge[c] = x[c] - eyes[k, c] - time * shift[k, c]
            q += ge[c] ** 2
        q = np.sqrt(q)
        side = 1.0 if eyes[k, 0] > 0 else -1.0
        aside = side * (eyes[k, 0] + time * shift[k, 0])
        inner = min(1.3 * reach, aside - 0.004)
        outer = inner + _BLEND
        if q >= outer or side * x[0] <= 0:
            continue
        w, slope = _rise((outer - q) / _BLEND)
        for c in range(3):
            gw[c] = -slope / _BLEND * ge[c] / q if w < 1.0 else 0.0
        half, half_slope = _rise(side * x[0] / (aside - inner))  # each eye keeps to its own half
        for c in range(3):
            gw[c] *= half
        gw[0] += w * half_slope * side / (aside - inner)
        w *= half
        if with_gradient:
            for r in range(3):
                m = log * ge[r] + shift[k, r] - v[r]
                for c in range(3):
                    g[r, c] = (1 - w) * g[r, c] + m * gw[c]
                g[r, r] += w * log
        for r in range(3):
            v[r] = (1 - w) * v[r] + w * (log * ge[r] + shift[k, r])


@nb.njit(cache=True, error_model="numpy")
def _carry(points, turns, bumps, ramps, eyes, radius, log, shift):
    """The midpoint rule; an affine velocity gives an affine map of the same kind, so balls stay round."""
    h = 1.0 / STEPS
    with_gradient = len(turns) > 0
    v, g, gw, ge = np.empty(3), np.empty((3, 3)), np.empty(3), np.empty(3)
    x, half, change, product = np.empty(3), np.empty(3), np.empty((3, 3)), np.empty((3, 3))
    for p in range(len(points)):
        for c in range(3):
            x[c] = points[p, c]
        for step in range(STEPS):
            _velocity(x, step * h, bumps, ramps, eyes, radius, log, shift, v, g, gw, ge, with_gradient)
            for c in range(3):
                half[c] = x[c] + 0.5 * h * v[c]
            if with_gradient:
                change[:] = g
            _velocity(
                half, (step + 0.5) * h, bumps, ramps, eyes, radius, log, shift, v, g, gw, ge, with_gradient
            )
            for c in range(3):
                x[c] += h * v[c]
            if with_gradient:  # of the step: I + h g (I + h/2 g0), times what was before
                for r in range(3):
                    for c in range(3):
                        s = g[r, c]
                        for k in range(3):
                            s += 0.5 * h * g[r, k] * change[k, c]
                        product[r, c] = h * s
                    product[r, r] += 1.0
                for c in range(3):
                    for r in range(3):
                        half[r] = 0.0
                        for k in range(3):
                            half[r] += product[r, k] * turns[p, k, c]
                    for r in range(3):
                        turns[p, r, c] = half[r]
        for c in range(3):
            points[p, c] = x[c]
