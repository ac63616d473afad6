"""The default head, its skinning, its landmarks, its storage."""

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from soaplib.data import JOINT_NAMES
from soaplib.head import HeadModel
from soaplib.head.model import HeadTensors, split_quads
from soaplib.head.skinning import rotation_matrices
from soaplib.head.surface import closest_points
from soaplib.landmarks import FACE_OVAL, IBUG68, INNER_LIPS, LEFT_EYE, OUTER_LIPS, RIGHT_EYE


def _small_model(seed=0, vertices=6, shapes=3, expressions=2) -> HeadTensors:
    rng = np.random.default_rng(seed)

    def draw(*shape):
        return torch.as_tensor(rng.normal(size=shape) * 0.3)

    def rows(*shape):
        values = torch.as_tensor(rng.random(shape))
        return values / values.sum(1, keepdim=True)

    return HeadTensors(
        draw(vertices, 3), draw(vertices, 3, shapes), draw(vertices, 3, expressions), draw(vertices, 3, 36),
        rows(5, vertices), rows(vertices, 5),
    )  # fmt: skip


def _arguments(seed=1, scale=1.0):
    rng = np.random.default_rng(seed)
    shapes = (2, 3), (2, 2), (2, 5, 3), (2, 3), (6, 3)
    return tuple(torch.tensor(rng.normal(size=s) * scale, requires_grad=True) for s in shapes)


def test_forward_is_differentiable_in_everything():
    model = _small_model()
    assert torch.autograd.gradcheck(model.forward, _arguments())


def test_forward_has_right_gradients_at_rest():
    model = _small_model()
    shape, expression, _, translation, offsets = _arguments()
    pose = torch.zeros(2, 5, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(model.forward, (shape, expression, pose, translation, offsets))


def test_rest_is_the_template_plus_bases():
    model = _small_model()
    shape, expression, pose, translation, offsets = _arguments()
    vertices, joints = model.forward(shape, expression, 0 * pose)
    expected = model.template + torch.einsum("vks,ns->nvk", model.shape_basis, shape)
    assert torch.allclose(joints, torch.einsum("jv,nvk->njk", model.joint_regressor, expected))
    expected = expected + torch.einsum("vke,ne->nvk", model.expression_basis, expression)
    assert torch.allclose(vertices, expected)
    moved, places = model.forward(shape, expression, 0 * pose, translation, offsets)
    assert torch.allclose(moved, expected + offsets + translation[:, None])
    assert torch.allclose(places, joints + (model.joint_regressor @ offsets) + translation[:, None])


def test_root_turns_everything_about_itself():
    model = _small_model()
    shape, expression, pose, *_ = _arguments()
    still = pose.detach().clone()
    still[:, 0] = 0
    vertices, joints = model.forward(shape, expression, still)
    turned, places = model.forward(shape, expression, pose)
    root = joints[:, :1]
    turn = rotation_matrices(pose[:, 0]).transpose(1, 2)
    assert torch.allclose(turned, (vertices - root) @ turn + root)
    assert torch.allclose(places, (joints - root) @ turn + root)


def test_joint_turns_follow_the_chain():
    """A vertex of the jaw alone, hand-computed: neck turned 90 degrees about z, jaw 90 degrees about x."""
    zeros = torch.zeros
    template = torch.tensor([[0.0, 2.0, 1.0], [0, 0, 0], [0, 1, 0], [0, 2, 0]]).double()
    regressor = zeros(5, 4).double()
    regressor[[0, 1, 2, 3, 4], [1, 2, 3, 3, 3]] = 1
    weights = zeros(4, 5).double()
    weights[:, 0], weights[0] = 1, torch.tensor([0, 0, 1, 0, 0])
    model = HeadTensors(
        template,
        zeros(4, 3, 1).double(),
        zeros(4, 3, 1).double(),
        zeros(4, 3, 36).double(),
        regressor,
        weights,
    )
    pose = zeros(1, 5, 3).double()
    pose[0, 1, 2] = pose[0, 2, 0] = np.pi / 2
    vertices, joints = model.forward(zeros(1, 1).double(), zeros(1, 1).double(), pose)
    # jaw: (0, 0, 1) turns to (0, -1, 0), so (0, 1, 0); neck about (0, 1, 0): that is its own place
    assert torch.allclose(vertices[0, 0], torch.tensor([0.0, 1.0, 0.0]).double())
    assert torch.allclose(joints[0, 2], torch.tensor([-1.0, 1.0, 0.0]).double())


@pytest.mark.parametrize("angle", [0.0, 1e-9, 1e-5, 1e-4, 1.1e-4, 0.3, np.pi / 2, np.pi - 1e-7, np.pi, 5.0])
def test_rodrigues_agrees_with_scipy(angle):
    axes = np.random.default_rng(3).normal(size=(20, 3))
    vectors = angle * axes / np.linalg.norm(axes, axis=1, keepdims=True)
    ours = rotation_matrices(torch.as_tensor(vectors)).numpy()
    assert np.abs(ours - Rotation.from_rotvec(vectors).as_matrix()).max() < 1e-12
    assert np.abs(ours @ ours.transpose(0, 2, 1) - np.eye(3)).max() < 1e-12


@pytest.mark.parametrize("angle", [0.0, 5e-5, 2e-4, 1.0, np.pi])
def test_rodrigues_gradients(angle):
    vectors = torch.tensor(angle * np.eye(3)[[0, 2]], requires_grad=True)
    assert torch.autograd.gradcheck(rotation_matrices, vectors)


def test_weights_and_regressors_are_partitions(head):
    assert np.abs(head.skin_weights.sum(1) - 1).max() < 1e-5 and head.skin_weights.min() >= 0
    assert np.abs(head.joint_regressor.sum(1) - 1).max() < 1e-5
    assert np.abs(head.landmark_weights.sum(1) - 1).max() < 1e-5
    assert np.isfinite(head.shape_basis).all() and np.isfinite(head.expression_basis).all()
    assert head.skin_weights.shape[1] == len(JOINT_NAMES)


def test_frame_of_the_head(head):
    """Metres, +Y up, facing +Z, the head's left at +X, eyes about the origin, 0.24 m from chin to crown."""
    eyes = [head.template[head.part_vertices(name)].mean(0) for name in ("left_eye", "right_eye")]
    assert eyes[0][0] > 0.02 and eyes[1][0] < -0.02
    assert np.abs(np.mean(eyes, 0)).max() < 1e-3
    marks = head.landmarks(head.template)
    assert marks[4, 2] > marks[168, 2] > 0 and marks[10, 1] > marks[168, 1] > marks[4, 1] > marks[152, 1]
    crown = head.template[head.part_vertices("skin"), 1].max()
    assert 0.225 < crown - marks[152, 1] < 0.255


def test_faces_look_outward(head):
    """The volume of the closed eyeballs is positive, and most skin normals point away from the head's middle."""
    faces, vertices = head.faces, head.template.astype(float)
    eye = faces[head.part_vertices("left_eye")[faces].all(1)]
    a, b, c = (vertices[eye[:, k]] - vertices[eye].mean((0, 1)) for k in range(3))
    radius = np.linalg.norm(a, axis=1).mean()
    assert (np.cross(a, b) * c).sum() / 6 > 0.5 * 4 / 3 * np.pi * radius**3
    skin = faces[(head.region("scalp") > 0.5)[faces].all(1)]
    a, b, c = (vertices[skin[:, k]] for k in range(3))
    out = (np.cross(b - a, c - a) * (a - [0, 0.0, -0.07])).sum(1) > 0
    assert out.mean() > 0.95


def test_joints_stay_in_the_eyeballs(head):
    rng = np.random.default_rng(0)
    shape = torch.as_tensor(rng.normal(size=(40, 150)), dtype=torch.float32)
    pose = torch.zeros(40, 5, 3)
    vertices, joints = head.tensors().forward(shape, torch.zeros(40, 52), pose)
    for joint, name in ((3, "left_eye"), (4, "right_eye")):
        ball = vertices[:, head.part_vertices(name)]
        middle = (ball.amax(1) + ball.amin(1)) / 2
        assert (joints[:, joint] - middle).norm(dim=-1).max() < 1e-3


def _opening(head, vertices):
    marks = head.landmarks(vertices)
    return float(marks[13, 1] - marks[14, 1])


def test_jaw_and_actions_open_and_close(head):
    pose = torch.zeros(1, 5, 3)
    pose[0, 2, 0] = 0.35
    vertices, _ = head.tensors().forward(torch.zeros(1, 150), torch.zeros(1, 52), pose)
    closed = _opening(head, head.template)
    assert abs(closed) < 0.002
    assert _opening(head, vertices[0].numpy()) > closed + 0.015

    def with_actions(**actions):
        return head.template + head.expression_basis @ head.expression(**actions)

    assert _opening(head, with_actions(jawOpen=1)) > closed + 0.02
    for contour, action in ((LEFT_EYE, "eyeBlinkLeft"), (RIGHT_EYE, "eyeBlinkRight")):
        rest, shut = (
            head.landmarks(v)[contour[12], 1] - head.landmarks(v)[contour[4], 1]
            for v in (head.template, with_actions(**{action: 1}))
        )
        assert 0.005 < rest < 0.02 and shut < 0.3 * rest
    smile = head.landmarks(with_actions(mouthSmileLeft=1, mouthSmileRight=1))
    rest = head.landmarks(head.template)
    assert np.ptp(smile[[61, 291], 0]) > np.ptp(rest[[61, 291], 0]) + 0.008


def test_landmarks_are_symmetric_and_in_order(head):
    marks = head.landmarks(head.template)
    mirror = [-1, 1, 1]
    oval = marks[list(FACE_OVAL)]
    partner = np.r_[0, np.arange(35, 0, -1)]
    assert np.abs(oval - oval[partner] * mirror).max() < 2e-3
    assert np.abs(marks[list(LEFT_EYE)] - marks[list(RIGHT_EYE)] * mirror).max() < 2e-3
    for contour in (INNER_LIPS, OUTER_LIPS, RIGHT_EYE):
        half = marks[list(contour[: len(contour) // 2 + 1]), 0]
        assert (np.diff(half) > 0).all()
    on_ball = head.part_vertices("left_eye", "right_eye")[head.faces[head.landmark_faces]].all(1)
    assert on_ball[468:].all() and not on_ball[:468].any()


def test_landmarks_of_tensors_and_batches(head):
    vertices = torch.as_tensor(head.template)[None].repeat(2, 1, 1)
    marks = head.landmarks(vertices)
    assert marks.shape == (2, 478, 3)
    assert np.allclose(marks[1].numpy(), head.landmarks(head.template), atol=1e-6)
    assert len(set(IBUG68)) == 68
    points = head.landmarks68(head.template)
    assert points.shape == (68, 3)
    assert (np.diff(points[1:16, 0]) > 0).all() and points[:17, 1].argmin() in (7, 8, 9)
    assert points[36:42, 0].max() < 0 < points[42:48, 0].min() and points[30, 2] == points[:, 2].max()


def test_names_that_are_unknown(head):
    for call in (
        lambda: head.region("wing"),
        lambda: head.part_vertices("wing"),
        lambda: head.expression(wing=1),
    ):
        with pytest.raises(KeyError, match="wing"):
            call()


def test_split_quads():
    quads = np.array([[0, 1, 2, 3], [3, 2, 4, 4]])
    assert split_quads(quads).tolist() == [[0, 1, 2], [3, 2, 4], [0, 2, 3]]


def test_save_and_load(head, tmp_path):
    head.save(tmp_path / "a")
    again = HeadModel.load(tmp_path / "a")
    for name, value in vars(head).items():
        other = getattr(again, name)
        assert np.array_equal(value, other) if isinstance(value, np.ndarray) else value == other, name
    again.save(tmp_path / "b")
    for file in ("HeadModel.npz", "HeadModel.json"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def _brute_force(points, triangles):
    """Distances to triangles by sampling none: the least of interior projection, edges and corners."""
    best = np.full(len(points), np.inf)
    for a, b, c in triangles:
        u, v = b - a, c - a
        system = np.array([[u @ u, u @ v], [u @ v, v @ v]])
        st = np.linalg.solve(system, np.stack([(points - a) @ u, (points - a) @ v]))
        foot = a + np.outer(st[0], u) + np.outer(st[1], v)
        inside = (st[0] >= 0) & (st[1] >= 0) & (st.sum(0) <= 1)
        best = np.where(inside, np.minimum(best, np.linalg.norm(points - foot, axis=1)), best)
        for p, q in ((a, b), (b, c), (c, a)):
            t = np.clip((points - p) @ (q - p) / ((q - p) @ (q - p)), 0, 1)
            best = np.minimum(best, np.linalg.norm(points - p - np.outer(t, q - p), axis=1))
    return best


def test_closest_points_against_brute_force():
    rng = np.random.default_rng(5)
    vertices, points = rng.normal(size=(30, 3)), 1.5 * rng.normal(size=(300, 3))
    faces = np.array([rng.choice(30, 3, replace=False) for _ in range(25)])
    ids, weights = closest_points(points, vertices, faces)
    assert np.abs(weights.sum(1) - 1).max() < 1e-6 and weights.min() >= 0
    found = (vertices[faces[ids]] * weights[..., None]).sum(1)
    assert np.allclose(
        np.linalg.norm(found - points, axis=1), _brute_force(points, vertices[faces]), atol=1e-6
    )
    assert ((weights == 0).sum(1) == 2).any() and (
        (weights > 0).all(1)
    ).any()  # corners and interiors both occur


def test_closest_point_on_a_triangle_of_no_area():
    vertices = np.array([[0.0, 0, 0], [1, 0, 0], [2, 0, 0]])
    ids, weights = closest_points(np.array([[0.5, 1, 0]]), vertices, np.array([[0, 0, 0]]))
    assert ids[0] == 0 and np.isfinite(weights).all() and abs(weights.sum() - 1) < 1e-6
