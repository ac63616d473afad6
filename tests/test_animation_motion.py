"""Clips and posing."""

import numpy as np
import pytest
from made_up_avatar import made_up_avatar

from soaplib.animation.expressions import ARKIT_NAMES, PRESETS
from soaplib.animation.motion import Motion, sample_motion
from soaplib.animation.normals import morph_normals
from soaplib.animation.posing import joint_transforms, pose_vertices
from soaplib.animation.rotations import matrices, quaternions
from soaplib.data import JOINT_PARENTS


def slow_pose(part, joints, weights, rotations):
    """Pose vertex by vertex, joint by joint, with 4x4 matrices and quaternions as a glTF reader does."""
    world = []
    for joint, parent in enumerate(JOINT_PARENTS):
        angle = np.linalg.norm(rotations[joint])
        local = np.eye(4)
        if angle:
            k = rotations[joint] / angle
            cross = np.array([[0, -k[2], k[1]], [k[2], 0, -k[0]], [-k[1], k[0], 0]])
            local[:3, :3] += np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross
        local[:3, 3] = joints[joint] - (joints[parent] if parent >= 0 else 0)
        world.append(world[parent] @ local if parent >= 0 else local)
    out, out_normals = [], []
    turned = part.normals + np.tensordot(weights, morph_normals(part), 1)
    for index, vertex in enumerate(part.vertices):
        moved = vertex + sum(w * morph[index] for w, morph in zip(weights, part.morphs, strict=True))
        blend = np.zeros((4, 4))
        for joint in range(5):
            inverse = np.eye(4)
            inverse[:3, 3] = -joints[joint]
            blend += part.skin_weights[index, joint] * world[joint] @ inverse
        out.append((blend @ [*moved, 1])[:3])
        normal = blend[:3, :3] @ turned[index]
        out_normals.append(normal / np.linalg.norm(normal))
    return np.array(out), np.array(out_normals)


def test_posing_agrees_with_a_slow_reference():
    avatar = made_up_avatar(rings=6)
    rng = np.random.default_rng(1)
    weights = rng.random((3, 52)) * (rng.random((3, 52)) < 0.3)
    rotations = rng.normal(size=(3, 5, 3)) * 0.4
    for part in avatar.parts:
        vertices, normals = pose_vertices(part, avatar.joints, weights, rotations)
        for frame in range(3):
            expected = slow_pose(part, avatar.joints, weights[frame], rotations[frame])
            np.testing.assert_allclose(vertices[frame], expected[0], atol=2e-6)
            np.testing.assert_allclose(normals[frame], expected[1], atol=2e-5)
            single = pose_vertices(part, avatar.joints, weights[frame], rotations[frame])
            np.testing.assert_array_equal(single[0], vertices[frame])


def test_rest_pose_is_the_part_itself():
    avatar = made_up_avatar(rings=6)
    vertices, normals = pose_vertices(avatar.parts[0], avatar.joints, np.zeros(52), np.zeros((5, 3)))
    np.testing.assert_allclose(vertices, avatar.parts[0].vertices, atol=1e-6)
    np.testing.assert_allclose(normals, avatar.parts[0].normals, atol=1e-5)


def test_a_joint_turns_about_itself_and_carries_its_children():
    joints = made_up_avatar(rings=3).joints
    rotations = np.zeros((5, 3))
    rotations[1] = (0, np.pi / 2, 0)  # the neck, to the head's left: +Z goes to +X
    transforms = joint_transforms(joints, rotations)
    np.testing.assert_allclose(transforms[0], np.eye(4)[:3], atol=1e-12)
    np.testing.assert_allclose(transforms[1] @ [*joints[1], 1], joints[1], atol=1e-12)
    ahead = joints[1] + (0, 0, 0.1)
    for joint in (1, 2, 3, 4):
        np.testing.assert_allclose(transforms[joint] @ [*ahead, 1], joints[1] + (0.1, 0, 0), atol=1e-12)


def test_quaternions_by_hand():
    np.testing.assert_allclose(quaternions(np.zeros(3)), [0, 0, 0, 1])
    np.testing.assert_allclose(quaternions([0, np.pi / 2, 0]), [0, np.sqrt(0.5), 0, np.sqrt(0.5)])
    np.testing.assert_allclose(matrices([0, 0, np.pi / 2]) @ [1, 0, 0], [0, 1, 0], atol=1e-12)
    tiny = quaternions(np.array([1e-9, 0, 0]))
    np.testing.assert_allclose(tiny, [5e-10, 0, 0, 1])


@pytest.fixture(scope="module")
def clip():
    return sample_motion()


def test_sample_starts_and_ends_at_rest_and_stays_in_range(clip):
    assert clip.names == ARKIT_NAMES
    assert clip.weights.dtype == clip.rotations.dtype == np.float32
    for frame in (0, -1):
        assert not clip.weights[frame].any()
        np.testing.assert_allclose(clip.rotations[frame], 0, atol=1e-6)
    assert clip.weights.min() >= 0 and clip.weights.max() <= 1
    assert clip.seconds == pytest.approx(9)


def test_sample_is_smooth(clip):
    change = np.abs(np.diff(clip.weights, axis=0)).max(axis=0)
    lids = np.array(["eyeBlink" in name for name in clip.names])
    assert change[lids].max() < 0.6, "a lid falls in three frames, not in one"
    gaze = np.array(["eyeLook" in name for name in clip.names])
    assert change[gaze].max() < 0.3, "a saccade takes some frames, too"
    assert change[~lids & ~gaze].max() < 0.22
    assert np.abs(np.diff(clip.rotations, axis=0)).max() < 0.04
    assert np.abs(np.diff(clip.rotations, n=2, axis=0)).max() < 0.012


def test_sample_shows_what_a_face_can_do(clip):
    peak = dict(zip(clip.names, clip.weights.max(axis=0), strict=True))
    for name in ("eyeBlinkLeft", "mouthSmileRight", "browInnerUp", "jawOpen", "mouthFunnel", "eyeWideLeft"):
        assert peak[name] > 0.4, name
    closed = clip.weights[:, clip.names.index("eyeBlinkLeft")] > 0.5
    assert np.count_nonzero(np.diff(closed.astype(int)) == 1) >= 4


def test_both_eyes_look_the_same_way_and_never_by_joints(clip):
    column = {name: clip.weights[:, index] for index, name in enumerate(clip.names)}
    np.testing.assert_array_equal(column["eyeLookOutLeft"], column["eyeLookInRight"])
    np.testing.assert_array_equal(column["eyeLookOutRight"], column["eyeLookInLeft"])
    np.testing.assert_array_equal(column["eyeLookUpLeft"], column["eyeLookUpRight"])
    assert not (column["eyeLookOutLeft"] * column["eyeLookInLeft"]).any()
    assert column["eyeLookOutLeft"].max() > 0.5 < column["eyeLookInLeft"].max()
    assert not clip.rotations[:, 3:].any()


def test_length_and_rate_are_what_was_asked():
    clip = sample_motion(fps=24, seconds=5)
    assert len(clip.weights) == 121
    assert clip.seconds == pytest.approx(5)
    assert clip.weights[:, clip.names.index("eyeBlinkLeft")].max() > 0.8
    assert not clip.weights[-1].any()


def test_presets_name_expressions_that_exist():
    assert all(set(preset) <= set(ARKIT_NAMES) for preset in PRESETS.values())


def test_motion_of_the_wrong_shape_is_refused(clip, tmp_path):
    with pytest.raises(ValueError, match=r"expected weights and rotations of shapes"):
        Motion("bad", 30, ARKIT_NAMES[:3], clip.weights, clip.rotations)
    clip.save(tmp_path)
    back = Motion.load(tmp_path)
    assert (back.name, back.fps, back.names) == (clip.name, clip.fps, clip.names)
    np.testing.assert_array_equal(back.weights, clip.weights)
