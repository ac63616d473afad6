"""Large steps: gradient descent on a mesh that stays smooth on its way."""

import numpy as np
import scipy.sparse as sp

from soaplib.head import HeadModel
from soaplib.head.laplacian import factorised, uniform_laplacian

_BEND, _BEND_SHAPED = 0.02, 1.0
_SHAPED = ("face", "lids", "lips", "mouth_cavity", "eye_sockets", "ears")
_ACROSS = 0.15  # what an edge between bare skin and hair counts
_LONGEST = 2.0  # of a vertex's step, over twice the root mean square


class LargeSteps:
    """Adam with one second moment for all on u = (I + lambda L) x, and a spring against bending.

    Nicolet, Jacobson and Jakob, Large Steps in Inverse Rendering of Geometry, 2021, algorithm 1. Two things
    differ. There the largest gradient sets the size of all steps, and one bad spot slows the whole mesh; here twice
    the root mean square does, and longer steps are cut. And the gradient of w |L (x - x_0)|^2 / V is added, x_0 the
    start: w is 1 on the face and the ears, so that what no view sees of them keeps its form, and 0.02 elsewhere.
    Where bare skin meets hair, edges count little in L: there the surface may make a step.
    """

    def __init__(
        self, head: HeadModel, start: np.ndarray, unit: float, soft: np.ndarray | None = None,
        now: np.ndarray | None = None, bare: np.ndarray | None = None,
    ):  # fmt: skip
        """start, now: (V, 3) metres, where it began and where it is, if elsewhere; unit: metres that a rate of 1 stands
        for; soft: (V,) bool, what may bend freely; bare: (V,) in [0, 1], bare skin, where there is hair too."""
        self.skin = head.part_vertices("skin")
        self.laplacian = uniform_laplacian(head.faces[self.skin[head.faces].all(1)], len(start))
        if bare is not None:
            self.laplacian = parted(self.laplacian, bare)
        self.start, self.vertices, self.unit = start.copy(), (start if now is None else now).copy(), unit
        shaped = np.clip(sum(head.region(name) for name in _SHAPED if name in head.region_names), 0, 1)
        if soft is not None:
            shaped = np.where(soft, 0, shaped)
        if bare is not None:
            shaped = shaped * np.where(head.region("face") > 0.5, bare, 1)
        self.bend = (_BEND + (_BEND_SHAPED - _BEND) * shaped)[:, None] / (unit**2 * len(start))
        self.restart(1.0)

    def restart(self, stiffness: float, held: np.ndarray | None = None) -> None:
        """Forget the moments and take another lambda; held: (V,) in [0, 1], by how much a vertex stays."""
        self.free = (self.skin * (1 - (0 if held is None else held)))[:, None]
        self.system = factorised(sp.identity(len(self.start)) + stiffness * self.laplacian)
        self.first, self.second, self.count = np.zeros_like(self.start), 0.0, 0

    def step(self, gradient: np.ndarray, rate: float) -> None:
        """Take one step along the gradient (V, 3) by x; only skin moves.

        The gradient by u is (I + lambda L)^-1 times that by x, and so is the step in x.
        """
        bent = self.laplacian @ (self.bend * (self.laplacian @ (self.vertices - self.start)))
        by_u = self.system.solve(self.free * gradient + bent)
        self.count += 1
        self.first = 0.9 * self.first + 0.1 * by_u
        self.second = 0.99 * self.second + 0.01 * 4 * (by_u**2).sum(1).mean()
        mean = self.first / (1 - 0.9**self.count)
        step = mean / (np.sqrt(self.second / (1 - 0.99**self.count)) + 1e-30)
        length = np.linalg.norm(step, axis=1, keepdims=True)
        step *= np.minimum(1, _LONGEST / np.maximum(length, 1e-12))
        self.vertices -= rate * self.unit * self.free * self.system.solve(step)


def parted(laplacian: sp.csr_matrix, bare: np.ndarray) -> sp.csr_matrix:
    """Weaken the edges of a Laplacian (V, V) between bare skin and hair; bare: (V,) in [0, 1]."""
    edges = laplacian.tocoo()
    apart = np.abs(bare[edges.row] - bare[edges.col])
    weights = (edges.row != edges.col) * edges.data * (1 - (1 - _ACROSS) * np.minimum(1, 2 * apart))
    rest = sp.csr_matrix((weights, (edges.row, edges.col)), shape=laplacian.shape)
    return (rest - sp.diags(np.asarray(rest.sum(1)).ravel())).tocsr()
