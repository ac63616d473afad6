"""Swelling: the outline meets the matte, the face stays, hair lies over ears; where hair is behind."""

import dataclasses

import numpy as np
import pytest
import scipy.ndimage
import torch
from made_up_portrait import made_up_portrait

from soaplib.data import REGIONS
from soaplib.head.cover import behind_regions
from soaplib.head.swell import swell
from soaplib.render import project, render_views

HAIR, SKIN, NECK, CLOTHES = (REGIONS.index(name) for name in ("hair", "skin", "neck", "clothes"))


@pytest.fixture(scope="module")
def made(head):
    return made_up_portrait(head, 384, (0, -8, 0), 0.3, hair=False)


def silhouette(head, vertices, camera, size):
    skin = head.part_vertices("skin")
    faces = head.faces[skin[head.faces].all(1)]
    vertices = torch.as_tensor(vertices, dtype=torch.float32)
    seen = render_views(vertices, torch.as_tensor(faces), torch.as_tensor(camera), (size, size))
    return seen.mask[0].numpy() > 0.5


def iou(a, b):
    return (a & b).sum() / (a | b).sum()


def length(vertices):
    return np.ptp(vertices[:, 1])


def wider(portrait, pixels, label):
    """The portrait with its matte grown upwards and sideways by pixels of a label, to the same bottom."""
    matte = portrait.matte > 0.5
    grown = scipy.ndimage.distance_transform_edt(~matte) <= pixels
    grown[np.flatnonzero(matte.any(1))[-1] + 1 :] = False
    regions = np.where(grown & ~matte, label, portrait.regions).astype(np.uint8)
    return dataclasses.replace(portrait, matte=grown.astype(np.float32), regions=regions)


def test_a_head_that_fills_its_matte_hardly_moves(head, made):
    p = made.portrait
    out = swell(head, made.vertices, made.pose.camera, p.matte, p.regions)
    moved = np.linalg.norm(out - made.vertices, axis=1) / length(made.vertices)
    assert moved[(head.region("neck") < 0.1) & head.part_vertices("skin")].mean() < 0.008
    assert np.percentile(moved[head.region("face") > 0.5], 99) < 0.01
    assert iou(silhouette(head, out, made.pose.camera, 384), p.matte > 0.5) > 0.985


def test_the_outline_meets_a_wider_matte_and_the_face_stays(head, made):
    p = wider(made.portrait, 20, HAIR)
    before = silhouette(head, made.vertices, made.pose.camera, 384)
    out = swell(head, made.vertices, made.pose.camera, p.matte, p.regions)
    after = silhouette(head, out, made.pose.camera, 384)
    assert iou(before, p.matte > 0.5) < 0.85
    assert iou(after, p.matte > 0.5) >= 0.97
    landmarks = head.landmarks(out) - head.landmarks(made.vertices)
    inner = [*range(9), 13, 14, 33, 61, 133, 263, 291, 362]  # nose, lips, eyes
    assert np.linalg.norm(landmarks[inner], axis=1).max() < 0.01 * length(made.vertices)
    other = ~head.part_vertices("skin")
    np.testing.assert_array_equal(out[other], made.vertices[other])


def test_hair_has_volume_behind_too(head, made):
    """Hair that stands 20 px off the outline stands off the back of the head, by about as much."""
    p = wider(made.portrait, 20, HAIR)
    out = swell(head, made.vertices, made.pose.camera, p.matte, p.regions)
    metres = np.linalg.norm(made.pose.camera[0, :3])
    back = made.vertices[:, 2].argmin()
    grown = (made.vertices[back, 2] - out[:, 2].min()) * metres
    assert 5 < grown < 40


def ear_bulge(head, vertices):
    """How far each ear stands off the plane of best fit through its rim's neighbours: a spread in metres."""
    ears = (head.region("ears") > 0.5) & head.part_vertices("skin")
    left = vertices[ears & (head.template[:, 0] > 0)]
    centred = left - left.mean(0)
    return np.sqrt(np.linalg.eigvalsh(centred.T @ centred / len(left))[0])


def test_ears_lie_flat_under_hair_alone(head, made):
    free = wider(made.portrait, 12, SKIN)
    seen = project(made.vertices[head.region("ears") > 0.5], made.pose.camera)
    rows = slice(0, int(seen[:, 1].max()) + 12)
    regions = free.regions.copy()
    columns = np.r_[
        0 : int(np.sort(made.portrait.landmarks[:, 0])[4]),
        int(np.sort(made.portrait.landmarks[:, 0])[-5]) : 384,
    ]
    block = regions[rows][:, columns]
    regions[rows, columns] = np.where(block > 0, HAIR, 0)
    covered = dataclasses.replace(free, regions=regions)
    bulge = [
        ear_bulge(head, swell(head, made.vertices, made.pose.camera, p.matte, p.regions))
        for p in (free, covered)
    ]
    assert bulge[1] < 0.8 * bulge[0]


def test_the_neck_ends_where_the_matte_ends(head, made):
    matte, regions = made.portrait.matte.copy(), made.portrait.regions.copy()
    bottom = np.flatnonzero((matte > 0.5).any(1))[-1]
    cut = bottom - 25
    matte[cut:], regions[cut:] = 0, 0
    out = swell(head, made.vertices, made.pose.camera, matte, regions)
    lowest = project(out, made.pose.camera)[head.part_vertices("skin"), 1].max()
    assert abs(lowest - cut) < 4


def test_a_matte_that_ends_at_the_chin_does_not_pull_it_up(head, made):
    chin = float(made.portrait.landmarks[152, 1])
    matte, regions = made.portrait.matte.copy(), made.portrait.regions.copy()
    matte[int(chin) + 6 :], regions[int(chin) + 6 :] = 0, 0
    out = swell(head, made.vertices, made.pose.camera, matte, regions)
    seen = project(out, made.pose.camera)[:, 1]
    assert abs(project(head.landmarks(out), made.pose.camera)[152, 1] - chin) < 3
    assert np.percentile(seen[(head.region("neck") > 0.9)], 5) > chin - 10


def test_long_hair_hangs_straight_behind(head, made):
    """Hair down to the bottom at both sides leaves no hollow at the nape."""
    matte = made.portrait.matte > 0.5
    columns = np.flatnonzero(matte.any(0))
    top, bottom = np.flatnonzero(matte.any(1))[[0, -1]]
    curtain = matte.copy()
    curtain[(top + bottom) // 2 : bottom, columns[0] : columns[-1]] = True
    regions = np.where(curtain & ~matte, HAIR, made.portrait.regions).astype(np.uint8)
    regions[: int(made.portrait.landmarks[10, 1])][matte[: int(made.portrait.landmarks[10, 1])]] = HAIR

    def hollow(vertices):
        """How far the nape lies before the line from the back of the head to the neck's end, metres."""
        back = vertices[
            (np.abs(head.template[:, 0]) < 0.01) & head.part_vertices("skin") & (head.template[:, 2] < -0.06)
        ]
        far, low = back[back[:, 2].argmin()], back[back[:, 1].argmin()]
        below = back[(back[:, 1] < far[1]) & (back[:, 1] > low[1])]
        share = (far[1] - below[:, 1]) / (far[1] - low[1])
        return (below[:, 2] - (far[2] + share * (low[2] - far[2]))).max()

    out = swell(head, made.vertices, made.pose.camera, curtain.astype(np.float32), regions)
    assert hollow(made.vertices) > 0.015
    assert hollow(out) < 0.75 * hollow(made.vertices)


def test_an_ear_far_inside_the_hair_lies_flat(head, made):
    """Labelled as skin itself, but with hair beyond it over its whole height."""
    p = wider(made.portrait, 40, HAIR)
    free = wider(made.portrait, 40, SKIN)
    bulge = [
        ear_bulge(head, swell(head, made.vertices, made.pose.camera, q.matte, q.regions)) for q in (free, p)
    ]
    assert bulge[1] < 0.8 * bulge[0]


def test_the_same_input_gives_the_same_bits(head, made):
    p = wider(made.portrait, 10, HAIR)
    first, second = (swell(head, made.vertices, made.pose.camera, p.matte, p.regions) for _ in range(2))
    assert np.array_equal(first, second)
    assert np.isfinite(first).all()


def picture(hair_to, clothes_from=85):
    """Labels of a made-up bust, 100 x 100: hair down to a row at both sides, a face, a neck, clothes."""
    regions = np.zeros((100, 100), np.uint8)
    regions[10:60, 20:80] = SKIN
    regions[60:, 35:65] = NECK
    regions[clothes_from:, 20:80] = CLOTHES
    regions[5:20, 20:80] = HAIR
    regions[5:hair_to, 15:30] = regions[5:hair_to, 70:85] = HAIR
    return regions


def behind(regions):
    return behind_regions(regions, (regions > 0).astype(np.float32))


def test_short_hair_ends_at_the_nape():
    out = behind(picture(hair_to=40))
    middle = out[:, 50]
    assert (middle[5:40] == HAIR).all()
    end = np.flatnonzero(middle == HAIR).max()
    assert 46 < end < 62
    assert (middle[end + 1 : 84] != HAIR).all()
    assert (middle[90:] == CLOTHES).all()


def test_long_hair_hangs_to_the_bottom():
    out = behind(picture(hair_to=100))
    assert (out[5:, 25:75][picture(100)[5:, 25:75] > 0] == HAIR).all()


def test_long_hair_on_one_side_slopes():
    regions = picture(hair_to=45)
    regions[45:80, 70:85] = HAIR
    out = behind(regions)
    ends = [np.flatnonzero(out[:, column] == HAIR).max() for column in (38, 62)]
    assert ends[1] > ends[0] + 5


def test_a_bald_head_is_skin_behind():
    regions = picture(hair_to=0)
    regions[regions == HAIR] = SKIN
    out = behind(regions)
    assert not (out == HAIR).any()
    assert (out[10:60, 20:80] == SKIN).all()


def test_a_picture_without_a_face_keeps_its_labels():
    regions = np.where(picture(40) == SKIN, CLOTHES, picture(40)).astype(np.uint8)
    np.testing.assert_array_equal(behind(regions), regions)


def test_nothing_is_labelled_outside_the_matte():
    regions = picture(70)
    matte = np.zeros((100, 100), np.float32)
    matte[20:80, 30:70] = 1
    assert not behind_regions(regions, matte)[matte == 0].any()
