"""The eyeballs: what the portrait shows of them, completed round where the lids cover them."""

import dataclasses

import cv2
import numpy as np
import scipy.ndimage

from soaplib.data import HeadPose, Part, Portrait
from soaplib.head import HeadModel
from soaplib.texture.bake import Seer
from soaplib.texture.complete import pad
from soaplib.texture.palette import Palette
from soaplib.texture.posed import posed_part
from soaplib.texture.texels import at_texels
from soaplib.texture.visible import Shown, at_pixels, grown, region_mask, shown_part

# MediaPipe's iris landmarks, the head's left eye first: the middle, then four points of the rim.
_IRIS = ((473, (474, 475, 476, 477)), (468, (469, 470, 471, 472)))
_BROWN = (0.36, 0.22, 0.12)
_RINGS = 64
_RING_SEEN = 0.22
_LARGEST_TURN = np.radians(22)
_SPREAD = 0.05
_USUAL_ANGLE = 0.5
_FEWEST = 40


def iris_from_portrait(portrait: Portrait, camera: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Read colour and size of the irises off a portrait.

    camera: (4, 4) world metres to crop pixels. Returns (2, 3) RGB, the head's left eye first, the median of the
    iris outside pupil and highlights (brown where too little is seen), and (2,) radii in metres, the same for both:
    the mean of the irises that are seen.
    """
    colours, radii = np.tile(np.array(_BROWN), (2, 1)), []
    eyes = region_mask(portrait, ("eyes", "irises")) > 0
    height, width = eyes.shape
    y, x = np.mgrid[:height, :width] + 0.5
    for k, (middle, rim) in enumerate(_IRIS):
        if portrait.landmark_weights[middle] <= 0:
            continue
        centre = portrait.landmarks[middle]
        radius = float(np.linalg.norm(portrait.landmarks[list(rim)] - centre, axis=1).mean())
        radii.append(radius)
        distance = np.hypot(x - centre[0], y - centre[1]) / max(radius, 1e-6)
        pixels = portrait.image[eyes & (distance > 0.45) & (distance < 0.88)]
        if len(pixels) >= 6:
            light = pixels.sum(1)
            low, high = np.percentile(light, [15, 80])
            colours[k] = np.median(pixels[(light >= low) & (light <= high)], axis=0)
    scale = np.linalg.norm(np.asarray(camera)[0, :3])
    radius = np.mean(radii) / scale if radii else 0.006
    return colours, np.full(2, radius)


def paint_eyes(
    part: Part, head: HeadModel, pose: HeadPose, seer: Seer, portrait: Portrait, palette: Palette
) -> Part:
    """Paint both eyeballs from the portrait.

    part: vertices bound to the joints left_eye and right_eye, a texture with a plain iris about +Z of each ball.
    Pixels that the portrait shows between the lids stay at their place; the rest of each iris is completed by
    the median around it, the white goes on as it is seen, and the part's own texture lends its detail.
    """
    shown = shown_part(part, head, pose, seer)
    texture = part.texture[..., :3].astype(np.float32) / 255
    eyes = [_find_eye(k, part, shown, head, pose, seer, portrait, texture) for k in range(2)]
    eyes = [eye for eye in eyes if eye is not None]
    if not eyes:
        return part
    gain = _white_gain(eyes, palette)
    for eye in eyes:
        texture = _joined(texture, shown.texels, eye, _round(eye, gain, palette))
    picture = pad((np.clip(texture, 0, 1) * 255 + 0.5).astype(np.uint8), shown.texels.covered())
    return dataclasses.replace(part, texture=picture)


def paint_lashes(
    part: Part, head: HeadModel, pose: HeadPose, seer: Seer, portrait: Portrait, palette: Palette
) -> Part:
    """Give lashes the light of the picture: grey in a grey one."""
    texture = part.texture.copy()
    texture[..., :3] = palette.tinted(texture[..., :3] / 255) * 255 + 0.5
    return dataclasses.replace(part, texture=texture)


@dataclasses.dataclass(frozen=True)
class _Eye:
    """One eyeball's N texels.

    mine: (M,) bool, which of the part's texels they are; polar: (N,) angle from the middle of the iris; iris_angle:
    of its rim; seen: (N, 3) the portrait's colours, visible: (N,) 1 where it shows them, surely: (N,) 1 where that
    is well between the lids; plain: (N, 3) the part's own texture, its iris moved onto the portrait's.
    """

    mine: np.ndarray
    polar: np.ndarray
    iris_angle: float
    seen: np.ndarray
    visible: np.ndarray
    surely: np.ndarray
    plain: np.ndarray


def _find_eye(k, part, shown: Shown, head, pose, seer, portrait, texture):
    texels = shown.texels
    ball = part.skin_weights[:, 3 + k] > 0.5
    mine = ball[part.faces[texels.face, 0]]
    if not mine.any():
        return None
    rest = part.vertices[ball].astype(np.float64)
    centre = (rest.min(0) + rest.max(0)) / 2
    radius = np.linalg.norm(rest - centre, axis=1).mean()
    directions = at_texels(texels, part.faces, part.vertices)[mine] - centre
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    axis = _gaze(k, rest - centre, posed_part(part, head, pose)[ball], radius, seer, portrait)
    plain = _turned(directions, axis, texels, mine, texture)
    open_eye = region_mask(portrait, ("eyes", "irises"))
    pixels, visible = shown.pixels[mine], shown.visible[mine]
    return _Eye(
        mine, np.arccos(np.clip(directions @ axis, -1, 1)), _iris_angle(k, radius, seer, portrait), shown.colour[mine],
        visible * at_pixels(open_eye, pixels), visible * at_pixels(grown(open_eye, -1), pixels), plain,
    )  # fmt: skip


def _gaze(k, rest, posed, radius, seer, portrait):
    """Find the direction, in the resting ball, on which the portrait's iris is centred; +Z where unknown."""
    forward = np.array([0.0, 0.0, 1.0])
    middle = _IRIS[k][0]
    if portrait.landmark_weights[middle] <= 0:
        return forward
    centre = (posed.min(0) + posed.max(0)).astype(np.float64) / 2
    u, _, vt = np.linalg.svd(rest.T @ (posed - centre))
    turn = (u @ np.diag([1, 1, np.sign(np.linalg.det(u @ vt))]) @ vt).T  # rest to posed
    camera = seer.camera
    scale = np.linalg.norm(camera[0, :3])
    at = camera[:2, :3] @ centre + camera[:2, 3]
    right, down = camera[0, :3] / scale, camera[1, :3] / np.linalg.norm(camera[1, :3])
    off = (portrait.landmarks[middle] - at) / (scale * radius)
    size = np.hypot(*off)
    if size > 0.95:
        return forward
    world = off[0] * right + off[1] * down + np.sqrt(1 - size**2) * seer.toward
    axis = turn.T @ world
    axis /= np.linalg.norm(axis)
    return axis if np.arccos(np.clip(axis[2], -1, 1)) < _LARGEST_TURN else forward


def _turned(directions, axis, texels, mine, texture):
    """Read the part's texture at directions turned by the rotation that takes `axis` to +Z."""
    forward = np.array([0.0, 0.0, 1.0])
    v = np.cross(axis, forward)
    cross = np.array([[0, -v[2], v[1]], [v[2], 0, -v[0]], [-v[1], v[0], 0]])
    turn = np.eye(3) + cross + cross @ cross / (1 + axis @ forward)
    wanted = directions @ turn.T
    # The texture's own map from directions to texels is read off its texels: for smooth maps the linear fit of
    # texel place against Lambert's azimuthal coordinates is exact.
    row, column = np.divmod(texels.index[mine], texels.shape[1])
    basis = np.concatenate([_lambert(directions), np.ones((len(directions), 1))], 1)
    front = directions[:, 2] > 0.2
    fit = np.linalg.lstsq(basis[front], np.stack([column, row], 1)[front], rcond=None)[0]
    place = np.concatenate([_lambert(wanted), np.ones((len(wanted), 1))], 1) @ fit
    at = place[:, ::-1].T
    out = np.stack(
        [scipy.ndimage.map_coordinates(texture[..., c], at, order=1, mode="nearest") for c in range(3)], 1
    )
    return np.where((wanted[:, 2] > -0.5)[:, None], out, texture.reshape(-1, 3)[texels.index[mine]])


def _lambert(directions):
    return directions[:, :2] / np.sqrt(np.maximum(1 + directions[:, 2:], 1e-6))


def _round(eye: _Eye, gain, palette):
    """Complete an eye around its axis: the median of what is seen on each ring, with the plain eye's detail."""
    polar, seen, plain = eye.polar, eye.seen, eye.plain
    ring = np.minimum((polar / np.pi * 2 * _RINGS).astype(np.int64), 2 * _RINGS - 1)
    own = np.stack([np.bincount(ring, plain[:, c], 2 * _RINGS) for c in range(3)], 1)
    count = np.bincount(ring, minlength=2 * _RINGS)
    own /= np.maximum(count, 1)[:, None]
    order = np.argsort(ring, kind="stable")
    order = order[eye.surely[order] > 0]
    known = np.bincount(ring[order], minlength=2 * _RINGS)
    enough = (known >= 4) & (known > _RING_SEEN * count)
    if not enough.any():
        return palette.tinted(plain)
    starts = np.cumsum(known) - known
    medians = own.copy()
    for r in np.flatnonzero(enough):
        own_ring = seen[order[starts[r] : starts[r] + known[r]]]
        light = own_ring.sum(1)  # lashes and the lids' shade darken a ring, highlights lighten it
        medians[r] = np.median(
            own_ring[(light >= np.quantile(light, 0.3)) & (light <= np.quantile(light, 0.9))], axis=0
        )
    last = np.flatnonzero(enough)[-1]
    medians[last + 1 :] = own[last + 1 :] * gain
    gaps = np.flatnonzero(~enough[: last + 1])
    have = np.flatnonzero(enough)
    for c in range(3):
        medians[gaps, c] = np.interp(gaps, have, medians[have, c])
        medians[:, c] = np.convolve(np.pad(medians[:, c], 1, mode="edge"), [0.25, 0.5, 0.25], "valid")
    at = polar / np.pi * 2 * _RINGS - 0.5
    grid = np.arange(2 * _RINGS)
    profile, base = (
        np.stack([np.interp(at, grid, table[:, c]) for c in range(3)], 1) for table in (medians, own)
    )
    return np.clip(profile + 0.5 * (plain - base), 0, 1)


def _white_gain(eyes, palette):
    """Give the factor (3,) by which the plain eyes' white becomes the portrait's; its light where none is seen."""
    beyond = [(eye.surely > 0) & (eye.polar > 1.12 * eye.iris_angle) for eye in eyes]
    seen = np.concatenate([eye.seen[b] for eye, b in zip(eyes, beyond, strict=True)])
    plain = np.concatenate([eye.plain[b] for eye, b in zip(eyes, beyond, strict=True)])
    if len(seen) < _FEWEST:
        return palette.light
    light = seen.sum(1)
    bright = light >= np.quantile(light, 0.5)  # the darker half is lashes, corners and the lids' shade
    gain = np.median(seen[bright], axis=0) / np.maximum(np.median(plain[bright], axis=0), 0.05)
    return np.clip(gain, 0.1, 1.3)


def _iris_angle(k, radius, seer, portrait):
    """Give the angle between the middle and the rim of an iris, seen from the ball's centre."""
    middle, rim = _IRIS[k]
    if portrait.landmark_weights[middle] <= 0:
        return _USUAL_ANGLE
    size = np.linalg.norm(portrait.landmarks[list(rim)] - portrait.landmarks[middle], axis=1).mean()
    return float(np.arcsin(np.clip(size / (np.linalg.norm(seer.camera[0, :3]) * radius), 0.05, 0.9)))


def _joined(texture, texels, eye: _Eye, complete):
    """Keep the seen texels and let their difference from the completed eye fade out under the lids."""
    height, width = texels.shape
    index = texels.index[eye.mine]
    difference = np.zeros((height * width, 3), np.float32)
    weight = np.zeros(height * width, np.float32)
    difference[index] = (eye.seen - complete) * eye.surely[:, None]
    weight[index] = eye.surely
    difference, weight = difference.reshape(height, width, 3), weight.reshape(height, width)
    sigma = _SPREAD * height
    near = (
        cv2.GaussianBlur(difference, (0, 0), sigma / 4)
        / (cv2.GaussianBlur(weight, (0, 0), sigma / 4) + 0.05)[..., None]
    )
    far = cv2.GaussianBlur(weight, (0, 0), sigma)
    spread = (near * np.clip(2 * far, 0, 1)[..., None]).reshape(-1, 3)[index]
    colour = np.where(eye.visible[:, None] > 0, eye.seen, complete + spread)
    out = texture.copy()
    out.reshape(-1, 3)[index] = np.clip(colour, 0, 1)
    return out
