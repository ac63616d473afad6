"""Where the 478 landmarks lie on a head: measured, by showing many random heads to a landmark detector.

`embedding478.npz` holds the default head's; `python -m soaplib.synthetic.landmarks` measures and writes it again.
"""

from collections.abc import Callable, Iterable

import numpy as np
import scipy.ndimage
import scipy.optimize
import torch

from soaplib.head.model import HeadModel
from soaplib.head.surface import closest_points
from soaplib.landmarks import INNER_LIPS, LEFT_EYE, LEFT_IRIS, RIGHT_EYE, RIGHT_IRIS
from soaplib.render import clip_positions, orthographic, rasterize, vertex_normals

_SIZE = 512
_MIRRORED = 12  # pictures shown mirrored too, to learn which landmarks are partners
_SKIN, _LIPS, _MOUTH = (0.80, 0.63, 0.53), (0.67, 0.33, 0.33), (0.24, 0.08, 0.08)
_SCLERA, _IRIS, _PUPIL = (0.92, 0.91, 0.89), (0.35, 0.24, 0.14), (0.04, 0.04, 0.04)
_FAR_OUT = 0.055  # metres from the middle plane
_RIM = 5  # pixels of a margin's close-up, 12 (eyes) and 8 (mouth) to the millimetre
_IRIS_RADIUS, _PUPIL_RADIUS = 0.46, 0.19  # of the eyeball's radius
_LIGHT = (0.25, 0.45, 0.86)
_NEAR_MARGIN = 6e-3  # metres, as seen from the front, within which a lid or lip point is taken to its margin


def measure_embedding(
    head: HeadModel, detect: Callable, count: int = 300, seed: int = 0, pictures: Iterable | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Measure where a detector's 478 landmarks lie on the surface of a head.

    Random heads (other shapes, yaws within 35 degrees, every second one with an open mouth, so that the inner
    lips are seen apart) are rendered and shown to the detector; each detection is looked up on the surface and
    votes in template space, for itself and mirrored for its partner on the other side, weighted by how much the
    surface there faces the viewer. The outline of the far cheek slides over the face as the head turns, so
    landmarks far out at the side count on the side turned to the viewer only. The votes' geometric median
    (iteratively re-weighted mean, Weiszfeld 1937) is put on the outside skin (irises on the eyeballs), and points
    of the lids and the inner lips are taken to the margin of their opening.

    head: needs the parts skin, left_eye, right_eye, the regions lips, mouth_cavity, eye_sockets, neck, and ARKit's
    names. detect: (512, 512, 3) uint8 RGB -> (478, 2) pixels in MediaPipe's order, or None.
    pictures: others to be shown instead of `count` random ones: (image (512, 512, 3) uint8, posed vertices (V, 3),
    rotation (3, 3) to camera axes, camera (4, 4) orthographic, whether the mouth is open).
    Returns triangles of `head.faces` (478,) int32, barycentrics (478, 3) float32, and the votes' RMS distance from
    the median (478,) in metres. Raises ValueError where fewer than a third of the heads were detected.
    """
    votes, trusts, turns, mirrored, shown = [], [], [], [], 0
    for image, vertices, rotation, camera, gape in pictures or _plain_pictures(head, count, seed):
        shown += 1
        landmarks = detect(image)
        if landmarks is None:
            continue
        x, y = np.clip(np.floor(landmarks).astype(int), 0, _SIZE - 1).T
        corners, weights, facing = _seen(head, vertices, rotation, camera)
        if len(mirrored) < _MIRRORED and (twin := detect(np.ascontiguousarray(image[:, ::-1]))) is not None:
            mirrored.append((landmarks, twin * [-1, 1] + [_SIZE, 0]))
        trust = facing[y, x] ** 2
        trust[:468] *= ~_inside(head)[corners[y[:468], x[:468]]].any(-1)
        if not gape:
            trust[list(INNER_LIPS)] = 0
        votes.append((head.template[corners[y, x]] * weights[y, x, :, None]).sum(1))
        trusts.append(trust)
        turns.append(rotation[0, 2])
    if 3 * len(votes) < shown:
        raise ValueError(f"measure_embedding: expected faces in most pictures, found {len(votes)} in {shown}")
    votes = np.array(votes)
    trusts = np.array(trusts) * _on_near_side(votes, np.array(turns))
    partner = _partners(mirrored)
    votes = np.concatenate([votes, votes[:, partner] * [-1, 1, 1]])
    middle, spread = _medians(votes, np.concatenate([trusts, trusts[:, partner]]))
    triangles, weights = _put(head, middle, _outside(head))
    for iris, part in ((LEFT_IRIS, "left_eye"), (RIGHT_IRIS, "right_eye")):
        triangles[list(iris)], weights[list(iris)] = _put(head, middle[list(iris)], head.part_vertices(part))
    gape = head.template + head.expression_basis @ head.expression(jawOpen=0.4)
    for contour, vertices in ((LEFT_EYE, head.template), (RIGHT_EYE, head.template), (INNER_LIPS, gape)):
        _take_to_margin(head, vertices, list(contour), triangles, weights)
    return triangles, weights, spread


def _plain_pictures(head, count, seed):
    """Random heads of the model itself, plainly coloured."""
    rng = np.random.default_rng(seed)
    for i in range(count):
        vertices, rotation, gape = _random_head(head, rng, i)
        camera = _framed(head, vertices, rotation)
        yield (
            _picture(head, vertices, rotation, camera, rng.uniform(0.2, 1)),
            vertices,
            rotation,
            camera,
            gape,
        )


def _random_head(head, rng, i):
    """Draw vertices, the rotation to camera axes and the opening of the mouth of the i-th head."""
    shapes = head.shape_basis.shape[-1]
    strength = (0.45 if i % 2 else 0.2) * (np.arange(shapes) < 60)
    gape = rng.uniform(0.25, 0.8) if i % 2 else 0.0
    smile = rng.uniform(0, 0.4) if i % 3 == 0 else 0.0
    wide_left, wide_right = rng.uniform(0, 0.4, 2)
    actions = head.expression(
        jawOpen=gape,
        mouthSmileLeft=smile,
        mouthSmileRight=smile,
        eyeWideLeft=wide_left,
        eyeWideRight=wide_right,
    )
    vertices = (
        head.template
        + head.shape_basis @ (rng.normal(size=shapes) * strength)
        + head.expression_basis @ actions
    )
    pitch, yaw, roll = np.radians(rng.uniform((-12, -35, -5), (12, 35, 5)))
    return vertices, _turn(2, roll) @ _turn(1, yaw) @ _turn(0, pitch), gape


def _turn(axis, angle):
    j, k = (axis + 1) % 3, (axis + 2) % 3
    out = np.eye(3)
    out[[j, k], [j, k]] = np.cos(angle)
    out[j, k], out[k, j] = -np.sin(angle), np.sin(angle)
    return out


def _framed(head, vertices, rotation):
    """The orthographic camera (4, 4) that shows a turned head 0.66 of the picture high."""
    shown = (vertices @ rotation.T)[head.part_vertices("skin") & (head.region("neck") < 0.5)]
    low, high = shown.min(0), shown.max(0)
    scale = 0.66 * _SIZE / np.ptp(shown[:, 1])
    return orthographic(rotation, scale, np.full(2, _SIZE / 2) - np.array([1, -1]) * scale * ((low + high) / 2)[:2])


def _seen(head, vertices, rotation, camera):
    """Per pixel: its triangle's corners (S, S, 3), barycentrics (S, S, 3), how much it faces the viewer (S, S)."""
    faces = _seen_faces(head)
    corners, weights, inside = _see(vertices, faces, camera, _SIZE)
    normals = vertex_normals(torch.as_tensor(vertices), torch.as_tensor(faces)).numpy() @ rotation.T
    facing = np.zeros((_SIZE, _SIZE))
    facing[inside] = (normals[corners[inside]] * weights[inside][..., None]).sum(1)[:, 2].clip(0, 1)
    return corners, weights, facing


def _picture(head, vertices, rotation, camera, background):
    """Draw a head with coloured lips and irises, lit softly: (S, S, 3) uint8."""
    faces = _seen_faces(head)
    corners, weights, inside = _see(vertices, faces, camera, _SIZE)
    normals = vertex_normals(torch.as_tensor(vertices), torch.as_tensor(faces)).numpy() @ rotation.T
    at, share = corners[inside], weights[inside][..., None]
    normal = (normals[at] * share).sum(1)
    color = (_colors(head)[at] * share).sum(1)
    for name in ("left_eye", "right_eye"):
        ball = head.part_vertices(name)
        on_ball = ball[at].all(1)
        middle = vertices[ball].mean(0)
        radius = np.linalg.norm(vertices[ball] - middle, axis=1).mean()
        place = (vertices[at[on_ball]] * share[on_ball]).sum(1) - middle
        off_axis = np.linalg.norm(place[:, :2], axis=1, keepdims=True) / radius
        painted = np.where(off_axis < _IRIS_RADIUS, _IRIS, _SCLERA)
        color[on_ball] = np.where(off_axis < _PUPIL_RADIUS, _PUPIL, painted)
    shade = 0.35 + 0.75 * np.clip(normal @ np.array(_LIGHT), 0, 1)
    image = np.full((_SIZE, _SIZE, 3), background)
    image[inside] = np.clip(color * shade[:, None], 0, 1)
    return (image * 255).astype(np.uint8)


def _see(points, faces, camera, size):
    """Rasterise: corners and barycentrics of each pixel, and which pixels see a face."""
    clip = clip_positions(torch.as_tensor(points), torch.as_tensor(camera, dtype=torch.float64), (size, size))
    rast = rasterize(clip.to(torch.float64), torch.as_tensor(faces), (size, size))[0].numpy()
    inside = rast[..., 3] > 0
    corners = faces[np.maximum(rast[..., 3].astype(int) - 1, 0)]
    weights = np.stack([rast[..., 0], rast[..., 1], 1 - rast[..., 0] - rast[..., 1]], -1)
    return corners, weights, inside


def _colors(head):
    lips, mouth = head.region("lips")[:, None], head.region("mouth_cavity")[:, None]
    color = np.array(_SKIN) * (1 - lips) + np.array(_LIPS) * lips
    return color * (1 - mouth) + np.array(_MOUTH) * mouth


def _seen_faces(head):
    """Skin and eyeballs: no lashes, teeth or tongue."""
    return head.faces[head.part_vertices("skin", "left_eye", "right_eye")[head.faces].all(1)]


def _inside(head):
    """Mark the vertices on which no skin landmark lies: the mouth, the eye sockets, the eyeballs."""
    hidden = (head.region("mouth_cavity") > 0.5) | (head.region("eye_sockets") > 0.5)
    return hidden | head.part_vertices("left_eye", "right_eye")


def _outside(head):
    return head.part_vertices("skin") & ~_inside(head) & (head.region("neck") < 0.5)


def _medians(votes, trusts):
    """Geometric medians of (N, 478, 3) votes with weights (N, 478), and their RMS distance (478,)."""

    def mean(weights):
        return np.einsum("nlk,nl->lk", votes, weights) / np.maximum(weights.sum(0), 1e-9)[:, None]

    middle = mean(trusts)
    for _ in range(15):
        distance = np.linalg.norm(votes - middle, axis=-1)
        middle = mean(trusts / np.maximum(distance, 5e-4))
    square = ((votes - middle) ** 2).sum(-1)
    return middle, np.sqrt((square * trusts).sum(0) / np.maximum(trusts.sum(0), 1e-9))


def _on_near_side(votes, turns):
    """Weigh (N, 478) votes down where a landmark of the face's outline is on the far side.

    turns: (N,) sine of the yaw, positive where the head's right side is turned to the viewer.
    """
    far_out = np.quantile(np.abs(votes[..., 0]), 0.9, axis=0) > _FAR_OUT
    side = np.sign(votes[..., 0].sum(0))
    return np.where(far_out, np.clip(0.5 - 5 * side * turns[:, None], 0, 1), 1)


def _partners(mirrored):
    """Find each landmark's partner on the other side: where the detector puts it in the mirrored picture."""
    cost = sum(np.linalg.norm(here[:, None] - twin, axis=-1) for here, twin in mirrored)
    return scipy.optimize.linear_sum_assignment(cost + cost.T)[1]


def _put(head, points, allowed):
    """The closest places on the triangles whose corners are all allowed."""
    usable = np.flatnonzero(allowed[head.faces].all(1))
    triangles, weights = closest_points(points, head.template, head.faces[usable])
    return usable[triangles].astype(np.int32), weights


def _take_to_margin(head, vertices, contour, triangles, weights):
    """Move a contour's points, in place, to the outline of the opening that the outside skin shows from the front.

    The margin of a lid or lip is what a viewer sees as its edge; the landmark detector blurs it by millimetres,
    which would let closed lips gape. The contour runs from one corner along the lower margin to the other and back
    along the upper; corners go to the ends of the opening, the others keep their share of the way between them.
    Points farther than 6 mm from their new place, as seen from the front, stay.
    """
    usable = np.flatnonzero(_outside(head)[head.faces].all(1))
    where = (vertices[head.faces[triangles[contour]]] * weights[contour][..., None]).sum(1)
    in_front = vertices[head.faces[usable]][..., 2].min(1) > where[:, 2].min() - 0.02
    usable = usable[in_front]  # the back of the head would else close the opening
    scale, middle = 400 / np.ptp(where[:, 0]), where.mean(0)[:2]
    camera = orthographic(np.eye(3), scale, np.full(2, 300.0) - np.array([1, -1]) * scale * middle)
    corners, place, inside = _see(vertices, head.faces[usable], camera, 600)
    holes, _ = scipy.ndimage.label(~inside)
    central = holes[200:400, 100:500]
    hole = holes == np.bincount(central[central > 0], minlength=2).argmax()
    columns = np.flatnonzero(hole.any(0))
    half = len(contour) // 2
    share = (where[:, 0] - where[0, 0]) / (where[half, 0] - where[0, 0])
    ends = columns[[0, -1]] if where[0, 0] < where[half, 0] else columns[[-1, 0]]
    column = np.clip(np.round(ends[0] + share * (ends[1] - ends[0])).astype(int), columns[0], columns[-1])
    top, bottom = hole.argmax(0)[column] - 1, len(hole) - hole[::-1].argmax(0)[column]
    is_lower = (np.arange(len(contour)) > 0) & (np.arange(len(contour)) < half)
    # Of the first pixels beyond the outline the foremost is taken: the lids' inner faces show there at places.
    row = np.where(is_lower, bottom + np.arange(_RIM)[:, None], top - np.arange(_RIM)[:, None])
    beyond = (vertices[corners[row, column]] * place[row, column][..., None]).sum(-2)
    target = beyond[beyond[..., 2].argmax(0), np.arange(len(contour))]
    close = np.linalg.norm((target - where)[:, :2], axis=1) < _NEAR_MARGIN
    points = np.array(contour)[close]
    found, found_weights = closest_points(target[close], vertices, head.faces[usable])
    triangles[points], weights[points] = usable[found], found_weights
