"""Regions: what colour alone gets wrong, on drawn faces whose regions are known."""

import cv2
import numpy as np

from soaplib.data import REGIONS
from soaplib.head import load_head
from soaplib.portrait.regions import _Place, _tidy, label_regions

SIZE = 384
HAIR, SKIN = REGIONS.index("hair"), REGIONS.index("skin")


def face(hair_light=0.62):
    """A grey face, smooth and lit from above, under hair of `hair_light` with strands; landmarks of the head model."""
    head = load_head()
    points = head.landmarks(head.template)[:, :2].astype(float)
    scale = 0.45 * SIZE / np.ptp(points[:, 1])
    middle = (points.max(0) + points.min(0)) / 2
    landmarks = (points - middle) * [scale, -scale] + [SIZE / 2, 0.56 * SIZE]
    chin, top = landmarks[152], landmarks[10]
    unit = chin[1] - top[1]
    row, column = np.mgrid[:SIZE, :SIZE] + 0.5
    strands = np.interp(
        np.arange(SIZE), np.arange(0, SIZE, 2), np.random.default_rng(0).normal(0, 0.09, SIZE // 2)
    )
    light = np.broadcast_to(hair_light + strands, (SIZE, SIZE)).copy()
    middle = top + [0, 0.45 * unit]
    inside = ((column - middle[0]) / (0.4 * unit)) ** 2 + ((row - middle[1]) / (0.62 * unit)) ** 2 < 1
    light[inside] = (0.66 - 0.1 * (row - middle[1]) / unit)[inside]
    head_shape = ((column - SIZE / 2) / (0.62 * unit)) ** 2 + ((row - middle[1]) / (0.9 * unit)) ** 2 < 1
    image = np.where(head_shape[..., None], light[..., None], 1.0) * np.ones(3)
    return image.astype(np.float32), head_shape.astype(np.float32), landmarks, unit


def test_a_forehead_as_bright_as_the_hair_above_it_is_skin():
    image, matte, landmarks, unit = face()
    labels = label_regions(image, matte, landmarks)
    above_brows = landmarks[9].astype(int)
    patch = labels[
        above_brows[1] - int(0.12 * unit) : above_brows[1], above_brows[0] - 10 : above_brows[0] + 10
    ]
    assert (patch == SKIN).mean() > 0.9
    crown = labels[
        int(landmarks[10][1] - 0.4 * unit), int(landmarks[10][0]) - 20 : int(landmarks[10][0]) + 20
    ]
    assert (crown == HAIR).mean() > 0.9


def test_a_thin_shadow_along_the_jaw_is_no_hair():
    """A line of 3 pixels along the jaw's border is skin; as wide as a lock it stays hair, and so does the crown."""
    _, matte, landmarks, _ = face()
    place = _Place(matte.shape, landmarks)
    inside = matte > 0.5
    crown = inside & (place.up > 1)
    for width, kept in ((3, False), (40, True)):
        beside = place.oval ^ cv2.dilate(place.oval.astype(np.uint8), np.ones((width, width))).astype(bool)
        low = beside & inside & (place.up < place.eyes_up) & (place.up > 0.2)
        skin, hair = _tidy(inside & ~crown & ~low, crown | low, inside, place)
        assert hair[crown].mean() > 0.95
        assert (hair[low].mean() > 0.8) if kept else (not hair[low].any() and skin[low].all())
