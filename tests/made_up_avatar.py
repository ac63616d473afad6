"""A small avatar for tests: two spheres with random morphs, some of them zero, and blended skin weights."""

import numpy as np

from soaplib.animation.expressions import ARKIT_NAMES
from soaplib.data import Avatar, Part


def sphere(rings: int, radius: float, centre) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return vertices, unit normals, faces and UV of a globe with a seam, open at the poles."""
    u, v = np.meshgrid(np.linspace(0, 1, 2 * rings + 1), np.linspace(0.02, 0.98, rings + 1))
    longitude, latitude = (u - 0.5) * 2 * np.pi, (v - 0.5) * np.pi
    across = np.cos(latitude)
    normals = np.stack(
        [across * np.sin(longitude), np.sin(latitude), across * np.cos(longitude)], -1
    ).reshape(-1, 3)
    width = 2 * rings + 1
    corner = (np.arange(rings)[:, None] * width + np.arange(width - 1)).ravel()
    quads = np.stack([corner, corner + 1, corner + 1 + width, corner + width], axis=1)
    faces = np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]]).astype(np.int32)
    return normals * radius + centre, normals, faces, np.stack([u, v], -1).reshape(-1, 2)


def made_up_avatar(rings: int = 10, seed: int = 0) -> Avatar:
    """Make a head of about 0.22 m and two see-through glasses in one part; every seventh morph is zero."""
    rng = np.random.default_rng(seed)
    parts = []
    for name, radius, centre, alpha in (
        ("skin", 0.11, (0, 1.6, 0), False),
        ("glasses", 0.05, (0, 1.62, 0.075), True),
    ):
        vertices, normals, faces, uv = sphere(rings, radius, centre)
        morphs = np.zeros((len(ARKIT_NAMES), len(vertices), 3))
        for index in range(len(ARKIT_NAMES)):
            if index % 7 != 3:
                bump = np.exp(8 * (normals @ _unit(rng.normal(size=3)) - 1))
                morphs[index] = np.where(bump > 0.02, bump, 0)[:, None] * rng.normal(size=3) * 0.01
        morphs[0] = 0.001  # moves every vertex, so that it is smaller when stored densely
        skin_weights = rng.dirichlet(np.ones(5), size=len(vertices))
        skin_weights[: len(vertices) // 2] = np.eye(5)[1]
        texture = rng.integers(60, 255, (32, 32, 4)).astype(np.uint8)
        parts.append(
            Part(
                name,
                vertices,
                normals,
                faces,
                uv,
                texture if alpha else texture[..., :3],
                skin_weights,
                morphs,
                roughness=0.25 if alpha else 0.75,
                alpha=alpha,
                double_sided=alpha,
            )
        )
    joints = np.array(
        [[0, 1.45, 0], [0, 1.5, -0.01], [0, 1.58, 0.02], [0.03, 1.63, 0.08], [-0.03, 1.63, 0.08]]
    )
    weights = np.zeros(len(ARKIT_NAMES))
    weights[ARKIT_NAMES.index("mouthSmileLeft")] = 0.5
    return Avatar(tuple(parts), joints, ARKIT_NAMES, weights, rng.normal(size=(5, 3)) * 0.1, np.eye(4))


def _unit(vector: np.ndarray) -> np.ndarray:
    return vector / np.linalg.norm(vector)
