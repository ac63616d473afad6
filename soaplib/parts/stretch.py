"""Keep expressions from tearing: no edge may be stretched beyond a limit by any single action."""

import numpy as np
import scipy.sparse as sp

_LIMIT = 3.4  # the bar is 4 times the rest length
_SHORTEST = 1.5e-3  # metres; shorter edges, as in the folds of lips, may unfold further
_ROUNDS = 80


def limit_stretch(vertices: np.ndarray, faces: np.ndarray, morphs: np.ndarray) -> np.ndarray:
    """Smooth displacements where they stretch an edge of the mesh too far.

    vertices: (V, 3) metres; faces: (F, 3); morphs: (V, 3, E). About an edge of 1.5 mm or more that an action
    stretches beyond 3.4 times its rest length, the displacements are averaged with their neighbours', round by
    round, until none is left or 80 rounds are over. Returns (V, 3, E); actions without such edges stay as they are.
    """
    edges = np.unique(np.sort(faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), 1), axis=0)
    rest = np.linalg.norm(vertices[edges[:, 0]] - vertices[edges[:, 1]], axis=1)
    edges, rest = edges[rest > 0], rest[rest > 0]
    count = len(vertices)
    both = np.concatenate([edges, edges[:, ::-1]])
    graph = sp.csr_matrix((np.ones(len(both)), both.T), shape=(count, count))
    mean = sp.diags(1 / np.maximum(np.asarray(graph.sum(1)).ravel(), 1)) @ graph
    judged = rest >= _SHORTEST
    edges, rest = edges[judged], rest[judged]
    out = morphs.copy()
    for action in range(morphs.shape[2]):
        move = morphs[:, :, action].astype(np.float64)
        for _ in range(_ROUNDS):
            place = vertices + move
            length = np.linalg.norm(place[edges[:, 0]] - place[edges[:, 1]], axis=1)
            torn = edges[length > _LIMIT * rest]
            if not len(torn):
                break
            near = np.zeros(count, bool)
            near[torn] = True
            near |= (graph @ near) > 0
            move[near] = 0.5 * move[near] + 0.5 * (mean[near] @ move)
        out[:, :, action] = move
    return out
