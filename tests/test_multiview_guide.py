"""The guide of the six views: shapes and ranges, what view 0 knows, whose colours go where, both halves of a head."""

import dataclasses

import numpy as np
import pytest
from made_up_portrait import made_up_portrait

from soaplib.head import load_head
from soaplib.head.cover import SKIN
from soaplib.multiview.compact import guide as module
from soaplib.multiview.compact.guide import CHANNELS, SIGNED, make_guide
from soaplib.multiview.geometric import posed_vertices, view_cameras
from soaplib.multiview.source import filled

SIZE = 96


@pytest.fixture(scope="module")
def made(head):
    return made_up_portrait(head, 256, (0, 0, 0), 0.3)


@pytest.fixture(scope="module")
def guide(head, made):
    return make_guide(made.portrait, head, made.pose, SIZE)


def test_shapes_and_ranges(guide):
    for field in dataclasses.fields(guide):
        assert getattr(guide, field.name).shape[0] == 6
        assert getattr(guide, field.name).dtype in (np.float32, np.float64)
    stack = guide.stack()
    assert stack.shape == (6, len(CHANNELS), SIZE, SIZE) and stack.dtype == np.float32
    unsigned = [k for k in range(len(CHANNELS)) if k not in SIGNED]
    assert stack[:, unsigned].min() >= 0 and stack[:, unsigned].max() <= 1 + 1e-6
    assert stack[:, list(SIGNED)].min() < -0.5 and np.abs(stack).max() <= 1 + 1e-6
    assert guide.base.min() >= 0 and guide.base.max() <= 1 + 1e-6


def test_the_stack_holds_the_channels_in_their_order(guide):
    stack = guide.stack()
    np.testing.assert_array_equal(stack[:, CHANNELS.index("shell_mask")], guide.shell_mask)
    np.testing.assert_array_equal(stack[:, CHANNELS.index("places.y")], guide.places[..., 1])
    np.testing.assert_array_equal(stack[:, CHANNELS.index("seen.b")], guide.seen[..., 2])
    np.testing.assert_array_equal(stack[:, CHANNELS.index("mirrored_weight")], guide.mirrored_weight)


def test_all_is_premultiplied_and_0_outside(guide):
    for colours, weight in ((guide.seen, guide.seen_weight), (guide.mirrored, guide.mirrored_weight)):
        assert (colours <= weight[..., None] + 1e-5).all()
    assert (guide.base[..., :3] <= guide.base[..., 3:] + 1e-5).all()
    outside = guide.shell_mask == 0
    for values in (guide.shell_normals, guide.places, guide.mirrored):
        assert not values[outside].any()
    assert not guide.base[1:][outside[1:]].any()


def test_view_0_is_the_portrait(guide, made):
    p = made.portrait
    own = make_guide(p, load_head(), made.pose, 256)
    np.testing.assert_allclose(own.base[0, ..., 3], p.matte, atol=1e-6)
    np.testing.assert_allclose(own.base[0, ..., :3], p.image * p.matte[..., None], atol=1e-6)
    np.testing.assert_array_equal(own.seen[0], own.base[0, ..., :3])
    np.testing.assert_array_equal(own.seen_weight[0], own.base[0, ..., 3])


def test_the_cameras_are_those_of_the_truth(guide, head, made):
    fitted = posed_vertices(head, made.pose)
    wanted = view_cameras(made.pose.camera, head.skull_middle(fitted))
    wanted[:, :3] *= SIZE / 256
    np.testing.assert_allclose(guide.cameras, wanted, atol=1e-9)


def test_the_portraits_size_does_not_matter(head, made):
    """The same portrait at 512: the shell is made at one size in any case."""
    p = made.portrait
    large = dataclasses.replace(
        p, image=np.repeat(np.repeat(p.image, 2, 0), 2, 1), matte=np.repeat(np.repeat(p.matte, 2, 0), 2, 1),
        regions=np.repeat(np.repeat(p.regions, 2, 0), 2, 1), landmarks=2 * p.landmarks,
    )  # fmt: skip
    camera = made.pose.camera.copy()
    camera[:3] *= 2
    other = make_guide(large, head, dataclasses.replace(made.pose, camera=camera), SIZE)
    own = make_guide(p, head, made.pose, SIZE)
    np.testing.assert_allclose(other.stack(), own.stack(), atol=1e-4)


def test_the_portrait_is_seen_from_the_front_only(guide):
    shares = guide.seen_weight.sum((1, 2)) / guide.shell_mask.sum((1, 2))
    assert shares[2] < 0.05
    assert (shares[[4, 5]] > 0.4).all() and (shares[[1, 3]] < shares[[4, 5]]).all()


def test_places_are_the_templates(guide):
    """The face looks at z up, the back is at z low, left and right lie on their sides, whatever the pose."""
    solid = guide.shell_mask > 0.99
    means = np.array([guide.places[k][solid[k]].mean(0) for k in range(6)])
    assert means[0, 2] > 0.1 > -0.1 > means[2, 2]
    assert means[1, 0] > 0.1 and means[3, 0] < -0.1  # at -90 the head's own left (+X) is seen


def test_the_base_takes_the_colours_of_the_portrait(guide, made):
    """What is seen from the side has the portrait's skin and hair colours, and no other."""
    solid = guide.base[1, ..., 3] > 0.99
    colours = guide.base[1, ..., :3][solid]
    p = made.portrait
    low, high = p.image[p.matte > 0.9].min(0), p.image[p.matte > 0.9].max(0)
    assert (colours >= low - 0.05).all() and (colours <= high + 0.05).all()


def test_the_far_side_takes_colours_from_the_near_one(head):
    """A head that is turned shows one cheek: the other view of it takes that cheek's pixels as its mirror image."""
    made = made_up_portrait(head, 256, (0, -30, 0), 0.3)
    guide = make_guide(made.portrait, head, made.pose, SIZE)
    own, other = guide.seen_weight[[1, 3]].sum((1, 2)), guide.mirrored_weight[[1, 3]].sum((1, 2))
    assert own.argmax() != other.argmax()
    worse = own.argmin()
    assert other[worse] > 1.5 * own[worse]


def test_every_vertex_has_its_twin_across_the_middle(head):
    twin = module._twins(head)
    off = np.linalg.norm(head.template[twin] * (-1, 1, 1) - head.template, axis=1)
    assert np.median(off) < 1e-3 and np.quantile(off, 0.99) < 5e-3
    left, right = head.part_vertices("left_eye"), head.part_vertices("right_eye")
    assert right[twin[left]].all() and left[twin[right]].all()


def test_a_portrait_without_labels_is_skin():
    np.testing.assert_array_equal(filled(np.zeros((4, 4), np.uint8)), np.full((4, 4), SKIN))
