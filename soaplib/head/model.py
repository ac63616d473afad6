"""A parametric head in FLAME's form: M(beta, psi, theta) = W(T_P(beta, psi, theta), J(beta, psi), theta, W)."""

import dataclasses

import numpy as np
import scipy.sparse as sp
import torch

from soaplib.data import JOINT_PARENTS
from soaplib.head.skinning import linear_blend_skinning, rotation_matrices
from soaplib.landmarks import IBUG68
from soaplib.storage import Stored


@dataclasses.dataclass(frozen=True)
class HeadModel(Stored):
    """Template, bases and rig of a head; right-handed, metres, +Y up, facing +Z, the head's left at +X.

    template: (V, 3). quads: (Q, 4) int32, a triangle repeats its last corner; counter-clockwise from outside.
    uv: (T, 2), origin bottom-left; uv_quads: (Q, 4) int32 into uv. shape_basis: (V, 3, S), scaled so that a
    coefficient of 1 is one standard deviation. expression_basis: (V, 3, E); expression_names: E names.
    pose_basis: (V, 3, 36) pose correctives, FLAME's order (9 entries of R - I for each joint but the root).
    joint_regressor: (5, V), rows sum to 1. skin_weights: (V, 5), rows sum to 1; joints are `JOINT_NAMES`.
    part: (V,) uint8, position in `part_names` of the piece a vertex belongs to (skin, left_eye, teeth, ...).
    regions: (V, R) float32 soft membership of the named regions `region_names` (face, scalp, ears, neck, lips, ...).
    landmark_faces: (478,) int32 triangle of `faces`; landmark_weights: (478, 3) barycentrics; MediaPipe's order.
    name: where the model comes from, with its version.
    """

    template: np.ndarray
    quads: np.ndarray
    uv: np.ndarray
    uv_quads: np.ndarray
    shape_basis: np.ndarray
    expression_basis: np.ndarray
    expression_names: tuple[str, ...]
    pose_basis: np.ndarray
    joint_regressor: np.ndarray
    skin_weights: np.ndarray
    part: np.ndarray
    part_names: tuple[str, ...]
    regions: np.ndarray
    region_names: tuple[str, ...]
    landmark_faces: np.ndarray
    landmark_weights: np.ndarray
    name: str

    @property
    def faces(self) -> np.ndarray:
        """(F, 3) int32 triangles of the quads; degenerate second halves of triangles are left out."""
        return split_quads(self.quads)

    def part_vertices(self, *names: str) -> np.ndarray:
        """Give the (V,) bool mask of the vertices of the named parts; KeyError names the known ones."""
        for name in names:
            if name not in self.part_names:
                raise KeyError(
                    f"HeadModel.part_vertices: no part {name!r}; known: {', '.join(self.part_names)}"
                )
        return np.isin(self.part, [self.part_names.index(name) for name in names])

    def region(self, name: str) -> np.ndarray:
        """Give the (V,) soft membership of a named region; KeyError names the known ones."""
        if name not in self.region_names:
            raise KeyError(f"HeadModel.region: no region {name!r}; known: {', '.join(self.region_names)}")
        return self.regions[:, self.region_names.index(name)]

    @property
    def skull(self) -> np.ndarray:
        """(V,) bool: scalp and face."""
        return (self.region("scalp") > 0.5) | (self.region("face") > 0.5)

    def skull_middle(self, vertices: np.ndarray) -> np.ndarray:
        """Give the middle (3,) of the box about the skull of vertices (V, 3), about which the views turn."""
        skull = vertices[self.skull]
        return (skull.min(0) + skull.max(0)) / 2

    def expression(self, **weights: float) -> np.ndarray:
        """Give the (E,) coefficients with the named actions set; KeyError for an unknown name."""
        out = np.zeros(len(self.expression_names), np.float32)
        for name, weight in weights.items():
            if name not in self.expression_names:
                raise KeyError(f"HeadModel.expression: no action {name!r}")
            out[self.expression_names.index(name)] = weight
        return out

    def landmarks(self, vertices):
        """Interpolate the 478 landmarks: (..., V, 3) -> (..., 478, 3), numpy or torch."""
        corners = self.faces[self.landmark_faces]
        if isinstance(vertices, torch.Tensor):
            weights = torch.as_tensor(self.landmark_weights, dtype=vertices.dtype)
            return (vertices[..., torch.as_tensor(corners, dtype=torch.long), :] * weights[..., None]).sum(-2)
        return (vertices[..., corners, :] * self.landmark_weights[..., None]).sum(-2)

    def landmarks68(self, vertices):
        """Interpolate the 68 iBUG landmarks: (..., V, 3) -> (..., 68, 3), numpy or torch."""
        return self.landmarks(vertices)[..., list(IBUG68), :]

    def tensors(self, dtype: torch.dtype = torch.float32) -> "HeadTensors":
        """Give the model as torch tensors, for `HeadTensors.forward`."""
        names = (
            "template",
            "shape_basis",
            "expression_basis",
            "pose_basis",
            "joint_regressor",
            "skin_weights",
        )
        return HeadTensors(*(torch.as_tensor(getattr(self, name), dtype=dtype) for name in names))

    def bound(
        self, binding: sp.csr_matrix, quads: np.ndarray, uv: np.ndarray, uv_quads: np.ndarray
    ) -> "HeadModel":
        """Carry the whole rig to another mesh.

        binding: (V', V), rows sum to 1; quads, uv, uv_quads: the topology of the V' vertices. Every vertex
        attribute becomes `binding @ attribute`. The joint regressor follows by the pseudo-inverse of the
        binding restricted to its support (W' with W' B = W in the least-squares sense, rows scaled to sum 1).
        Landmarks are looked up again as the nearest points of the new surface.
        """
        if binding.shape[1] != len(self.template):
            raise ValueError(
                f"HeadModel.bound: expected a binding with {len(self.template)} columns, got {binding.shape[1]}"
            )

        def carry(attribute):
            flat = attribute.reshape(len(attribute), -1)
            return (binding @ flat).reshape(binding.shape[0], *attribute.shape[1:]).astype(attribute.dtype)

        template = carry(self.template)
        part = self.part[np.asarray(binding.argmax(axis=1)).ravel()]
        faces = split_quads(quads)
        landmark_faces, landmark_weights = _carried_landmarks(self, binding, template, faces)
        return dataclasses.replace(
            self, template=template, quads=quads, uv=uv, uv_quads=uv_quads, shape_basis=carry(self.shape_basis),
            expression_basis=carry(self.expression_basis), pose_basis=carry(self.pose_basis),
            joint_regressor=_carried_regressor(self.joint_regressor, binding), part=part,
            skin_weights=carry(self.skin_weights), regions=carry(self.regions),
            landmark_faces=landmark_faces, landmark_weights=landmark_weights,
        )  # fmt: skip


@dataclasses.dataclass(frozen=True)
class HeadTensors:
    """A `HeadModel`'s numbers as tensors of one dtype."""

    template: torch.Tensor
    shape_basis: torch.Tensor
    expression_basis: torch.Tensor
    pose_basis: torch.Tensor
    joint_regressor: torch.Tensor
    skin_weights: torch.Tensor

    def forward(self, shape, expression, pose, translation=None, offsets=None):
        """Pose a batch of heads (FLAME, Li et al. 2017, equations 2-5).

        shape: (N, S); expression: (N, E); pose: (N, 5, 3) axis-angle; translation: (N, 3) or None;
        offsets: (V, 3) or (N, V, 3) added to the template, or None. Returns vertices (N, V, 3) and joints
        (N, 5, 3), metres. As in FLAME the joints follow the shape and not the expression: glTF's skeletons
        do the same. Differentiable in every argument.
        """
        identity = self.template + torch.einsum(
            "vks,ns->nvk", self.shape_basis[..., : shape.shape[-1]], shape
        )
        if offsets is not None:
            identity = identity + offsets
        joints = torch.einsum("jv,nvk->njk", self.joint_regressor, identity)
        rest = identity + torch.einsum("vke,ne->nvk", self.expression_basis, expression)
        rotations = rotation_matrices(pose)
        feature = (rotations[:, 1:] - torch.eye(3, dtype=pose.dtype)).flatten(1)
        rest = rest + torch.einsum("vkp,np->nvk", self.pose_basis, feature)
        vertices, joints = linear_blend_skinning(rest, joints, rotations, JOINT_PARENTS, self.skin_weights)
        if translation is not None:
            vertices, joints = vertices + translation[:, None], joints + translation[:, None]
        return vertices, joints


def split_quads(quads: np.ndarray) -> np.ndarray:
    """Split (Q, 4) quads into (F, 3) triangles, first halves first; a repeated last corner gives one triangle."""
    second = quads[:, [0, 2, 3]]
    return np.concatenate([quads[:, :3], second[quads[:, 2] != quads[:, 3]]]).astype(np.int32)


def _carried_landmarks(head, binding, template, faces):
    """Find each landmark on the new surface: its nearest point on triangles bound to the old triangle's corners.

    Without that bound the inner points of closed lips, which lie on both lips at once, would change sides.
    """
    from soaplib.head.surface import closest_points

    where = head.landmarks(head.template)
    corners = head.faces[head.landmark_faces]
    ids, weights = np.zeros(len(where), np.int32), np.zeros((len(where), 3), np.float32)
    by_corner = binding.tocsc()
    of_vertex = sp.csr_matrix((np.ones(faces.size), (faces.ravel(), np.repeat(np.arange(len(faces)), 3))))
    share = np.zeros(len(template))
    for k, old in enumerate(corners):
        columns = by_corner[:, old]
        np.add.at(share, columns.indices, columns.data)
        bound = columns.indices[share[columns.indices] > 0.1]
        near = np.unique(of_vertex[bound].indices)
        near = near[(share[faces[near]] > 0.1).all(axis=1)]
        share[columns.indices] = 0
        found, weight = closest_points(where[k : k + 1], template, faces[near])
        ids[k], weights[k] = near[found[0]], weight[0]
    return ids, weights


def _carried_regressor(regressor: np.ndarray, binding: sp.csr_matrix) -> np.ndarray:
    """Solve min |W' B - W| per joint on the vertices bound to its support, small weights preferred."""
    out = np.zeros((len(regressor), binding.shape[0]), regressor.dtype)
    for row, weights in enumerate(regressor):
        support = np.flatnonzero(weights)
        rows = np.unique(binding[:, support].nonzero()[0])
        columns = np.unique(binding[rows].nonzero()[1])
        system = binding[rows][:, columns].toarray().T
        ridge = 1e-4 * np.eye(len(rows))
        solution = np.linalg.lstsq(
            np.concatenate([system, ridge]),
            np.concatenate([weights[columns], np.zeros(len(rows))]),
            rcond=None,
        )[0]
        out[row, rows] = solution / solution.sum()
    return out
