"""Eyeballs: sized by SOAP's eye rule, fitted to the lids, and drawn as two textured spheres."""

import dataclasses

import numpy as np
import scipy.optimize

from soaplib.data import Part
from soaplib.head import HeadModel
from soaplib.parts.eye_texture import eye_texture, texel_directions
from soaplib.parts.rims import eye_rims, split_rim
from soaplib.storage import Stored

CLEARANCE = 3e-4
"""Metres kept between the ball and the skin that rests on it."""

_HALF_ANGLE = np.radians(60)
_IRIS_SHARE = 0.2
_LOOKS = {"In": 30, "Out": 30, "Up": 20, "Down": 22}
_RINGS, _SECTORS = 24, 32


@dataclasses.dataclass(frozen=True)
class Eyes(Stored):
    """Two eyeballs, left first. centres: (2, 3); radii, iris_radius, widths of the openings: (2,), metres."""

    centres: np.ndarray
    radii: np.ndarray
    iris_radius: np.ndarray
    widths: np.ndarray


def eye_rule(width: float) -> tuple[float, float]:
    """Give radius and depth of an eyeball whose opening spans 120 degrees of it.

    width: of the opening, metres. radius = (width / 2) / sin 60, depth of the centre behind the lids =
    radius cos 60 (SOAP, equation 11).
    """
    radius = width / 2 / np.sin(_HALF_ANGLE)
    return radius, radius * np.cos(_HALF_ANGLE)


def fit_eyes(head: HeadModel, iris_radius=None) -> Eyes:
    """Fit two eyeballs of one radius to the lids of a personal head.

    Starts from the eye rule and moves centres and radius so that the lid margins lie on the balls all around
    (which is what holds for every yaw), blended with the rule's and the model's own eyeballs; skin outside the
    opening pushes the balls inwards. iris_radius: metres, a number or two, or None for a fifth of the opening.
    """
    template = head.template.astype(np.float64)
    margins = [template[rim] for rim in eye_rims(head)]
    widths = np.array([max(np.ptp(m[:, 0]), 1.25 * np.ptp(m[:, 1])) for m in margins])
    radius, depth = eye_rule(widths.mean())
    middles = np.array([_middle(m) for m in margins]) - [0, 0, depth]
    own = [template[head.part_vertices(name)] for name in ("left_eye", "right_eye")]
    own_middles = np.array([(p.min(0) + p.max(0)) / 2 for p in own])
    own_radius = np.mean([np.ptp(p, axis=0).mean() / 2 for p in own])
    outer = [_outer_skin(head, middle, 2 * radius) for middle in middles]

    def residuals(unknown):
        centres, r = unknown[:6].reshape(2, 3), unknown[6]
        out = [0.5 * (unknown[6:] - radius) / radius, 0.15 * (unknown[6:] - own_radius) / radius]
        for k in range(2):
            off = (np.linalg.norm(margins[k] - centres[k], axis=1) - r - CLEARANCE) / radius
            out.append(8 / np.sqrt(len(off)) * 0.02 * np.arcsinh(off / 0.02))
            cut = (r + 3 * CLEARANCE - np.linalg.norm(outer[k] - centres[k], axis=1)) / radius
            out.append(6 / np.sqrt(len(margins[k])) * np.maximum(cut, 0))
            out.append([1, 1, 0.3] * (centres[k] - middles[k]) / radius)
            out.append([0.3, 0.3, 0.1] * (centres[k] - own_middles[k]) / radius)
        return np.concatenate(out)

    start = np.append(middles.ravel(), radius)
    found = scipy.optimize.least_squares(residuals, start, x_scale=radius, max_nfev=60).x
    if iris_radius is None:
        iris_radius = _IRIS_SHARE * widths
    iris = np.clip(np.broadcast_to(iris_radius, 2), 0.1 * widths, 0.85 * found[6])
    return Eyes(found[:6].reshape(2, 3), np.repeat(found[6], 2), iris.astype(np.float64), widths)


def _middle(margin):
    """The middle of the opening, at the depth of its margin's mean."""
    return np.append((margin[:, :2].min(0) + margin[:, :2].max(0)) / 2, margin[:, 2].mean())


def _outer_skin(head, middle, reach):
    """Skin in front of the ball and near it that is neither rim nor socket."""
    outside = head.part_vertices("skin") & (head.region("eye_sockets") == 0)
    places = head.template[outside].astype(np.float64)
    near = np.linalg.norm(places - middle, axis=1) < reach
    return places[near & (places[:, 2] > middle[2])]


def eyeball_part(
    head: HeadModel, eyes: Eyes, iris_colours=None, sclera=(0.95, 0.935, 0.92), size: int = 512
) -> Part:
    """Build both eyeballs as one part "eyes".

    iris_colours: (2, 3) or (3,) RGB in [0, 1], left eye first, None for brown; sclera: its RGB. size: edge of
    each eye's square; the texture is (size, 2 size, 3), the left eye in the left half. eyeLook* turn the balls
    about their centres (30 degrees in and out, 20 up, 22 down); the eye joints do the same, use one of them.
    """
    colours = np.broadcast_to(np.array([0.36, 0.22, 0.12]) if iris_colours is None else iris_colours, (2, 3))
    directions, faces, uv = _sphere(_RINGS, _SECTORS)
    count = len(directions)
    vertices = np.concatenate([c + r * directions for c, r in zip(eyes.centres, eyes.radii, strict=True)])
    morphs = np.zeros((len(head.expression_names), 2 * count, 3), np.float32)
    for k, side in enumerate(("Left", "Right")):
        for name, turn in _gaze_turns(k):
            action = f"eyeLook{name}{side}"
            if action in head.expression_names:
                moved = eyes.radii[k] * (directions @ turn.T - directions)
                morphs[head.expression_names.index(action), k * count : (k + 1) * count] = moved
    weights = np.zeros((2 * count, 5), np.float32)
    weights[:count, 3] = weights[count:, 4] = 1
    halves = [uv * [0.5, 1], uv * [0.5, 1] + [0.5, 0]]
    texture = np.concatenate(
        [
            eye_texture(
                colours[k], eyes.iris_radius[k] / eyes.radii[k], sclera, size, k, _opening(head, eyes, k)
            )
            for k in range(2)
        ],
        axis=1,
    )
    return Part(
        name="eyes", vertices=vertices.astype(np.float32), normals=np.tile(directions, (2, 1)).astype(np.float32),
        faces=np.concatenate([faces, faces + count]).astype(np.int32), uv=np.concatenate(halves).astype(np.float32),
        texture=texture, skin_weights=weights, morphs=morphs, roughness=0.15,
    )  # fmt: skip


def _opening(head, eyes, k):
    """Unit directions of the upper and the lower margin from the ball's centre."""
    margins = []
    for ids in split_rim(head, eye_rims(head)[k]):
        off = head.template[ids] - eyes.centres[k]
        margins.append(off / np.linalg.norm(off, axis=1, keepdims=True))
    return margins


def eye_positions(eyes: Eyes, size: int = 512) -> tuple[np.ndarray, np.ndarray]:
    """Give each texel's place on the eyeballs: (size, 2 size, 3) metres, and a (size, 2 size) bool mask.

    The inverse of the UV mapping: Lambert's equal-area projection about the axis of gaze, seen from the front.
    """
    directions, inside = texel_directions(size)
    places = [c + r * directions for c, r in zip(eyes.centres, eyes.radii, strict=True)]
    return np.concatenate(places, 1), np.concatenate([inside, inside], 1)


def _sphere(rings, sectors):
    """Unit sphere about +z: directions (V, 3), faces (F, 3), UV (V, 2). The back pole is split by sector."""
    polar = np.linspace(0, np.pi, rings + 1)[1:]
    angle = np.arange(sectors) * 2 * np.pi / sectors
    p, a = np.meshgrid(polar, angle, indexing="ij")
    directions = np.stack([np.sin(p) * np.cos(a), np.sin(p) * np.sin(a), np.cos(p)], -1).reshape(-1, 3)
    radius = np.sin(p / 2) / 2
    uv = 0.5 + np.stack([radius * np.cos(a), radius * np.sin(a)], -1).reshape(-1, 2)
    ids = 1 + np.arange(rings * sectors).reshape(rings, sectors)
    after = np.roll(ids, -1, axis=1)
    tip = np.stack([np.zeros(sectors, int), ids[0], after[0]], -1)
    lower = np.stack([ids[:-1], ids[1:], after[:-1]], -1)
    upper = np.stack([after[:-1], ids[1:], after[1:]], -1)[:-1]
    faces = np.concatenate([tip, lower.reshape(-1, 3), upper.reshape(-1, 3)])
    return np.concatenate([[[0, 0, 1.0]], directions]), faces, np.concatenate([[[0.5, 0.5]], uv])


def _gaze_turns(eye):
    """Rotations (3, 3) of the four looks of the left (0) or right (1) eye."""
    outwards = 1 if eye == 0 else -1
    for name, degrees in _LOOKS.items():
        angle = np.radians(degrees)
        c, s = np.cos(angle), np.sin(angle)
        if name in ("In", "Out"):
            s *= outwards if name == "Out" else -outwards
            yield name, np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])
        else:
            s *= 1 if name == "Up" else -1
            yield name, np.array([[1, 0, 0], [0, c, s], [0, -s, c]])
