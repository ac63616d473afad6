"""Swell a posed head to a silhouette, so that hair and headwear get their volume.

A smooth warp of space, no optimisation: seen from the camera, each direction out of the skull has a distance to
the head's own outline and one to the matte's outline; their difference is how thick the hair is there. Points on
the outline and behind it move out by that much, the face stays.
"""

import numpy as np
import scipy.ndimage
import scipy.sparse as sp
import scipy.sparse.linalg
import scipy.spatial
import torch

from soaplib.head.cover import HAIR, SKIN, behind_regions
from soaplib.head.model import HeadModel
from soaplib.render import camera_rotation, project, render_views

_ANGLES = 180
_MOST_BEHIND = 0.5  # hair behind the head is at most this thick, over half the head's width
_ROUNDS = 14
_STIFFNESS = (30.0, 30.0, 10.0, 10.0, 3.0, 3.0, 1.0, 1.0, 0.3, 0.3, 0.1)
_NORMAL_WEIGHT = 30.0  # pixels that a right angle between two outlines counts
_STRETCH = (0.75, 3.2)  # an outline moves in or out by no more than these factors


def swell(
    head: HeadModel, vertices: np.ndarray, camera: np.ndarray, matte: np.ndarray, regions: np.ndarray
) -> np.ndarray:
    """Move posed vertices (V, 3) so that the head's outline meets the matte's.

    camera: (4, 4) orthographic, world metres to pixels of `matte` (S, S); regions: (S, S) labels of
    `soaplib.data.REGIONS`. An ear under hair is laid flat first; what hair covers is made smooth last. Outlines
    are taken as seen from the middle of the skull: by angle above it, by row below it. The neck ends where the
    matte ends. Returns (V, 3); parts other than skin stay where they are. About 1 s for 5k vertices.
    """
    skin = head.part_vertices("skin")
    faces = head.faces[skin[head.faces].all(1)]
    laplacian = _laplacian(faces, len(vertices))
    vertices = _lay_ears_flat(head, vertices, laplacian, camera, regions)
    space = _Space(camera)
    placed = space.seen(vertices)
    normal = _vertex_normals(vertices, faces) @ space.rotation.T
    behind, border = _fields(head, faces, laplacian, normal)
    placed[:, 1] += (_bottom(matte) - placed[:, 1]) * border
    mask = _own_mask(placed, faces, matte.shape) > 0.5
    frame = _Frame.about(head, placed, skin)
    own, wanted = _Outline.of(mask, frame), _Outline.of(matte > 0.5, frame)
    stretch, thickness = own.stretch_to(wanted, placed, frame)
    offset = placed[:, :2] - frame.centre_of(placed)
    placed[:, :2] += offset * ((stretch - 1) * behind)[:, None]
    backward = np.clip(-normal[:, 2], 0, 1) * np.clip(thickness, 0, _MOST_BEHIND * frame.half_width)
    placed[:, 2] -= backward * behind
    hold = 0.05 * (behind == 0) + 1.0 * (border == 1)
    skull = placed.copy()
    placed = _meet_outline(placed, faces, laplacian, matte, hold * skin)
    hairy = _under_hair(head, placed, faces, matte, regions)
    hanging = (head.region("ears") > 0.3) | (head.region("neck") > 0.3) | (placed[:, 1] > frame.middle[1])
    round_ = np.where(hanging, 0.0, 1.0)
    placed = _faired(placed, skull, round_, faces, laplacian, matte, hairy)
    placed = _meet_outline(placed, faces, laplacian, matte, hold * skin, rounds=4)
    return np.where(skin[:, None], space.world(placed), vertices)


def _under_hair(head, placed, faces, matte, regions):
    """Tell the vertices that hair covers, by the picture where they face it and by the guess behind elsewhere.

    The neck counts too: it hangs as straight from the jaw to where the matte ends.
    """
    facing = _vertex_normals(placed, faces)[:, 2] > 0
    labels = np.where(facing, _look_up(regions, placed), _look_up(behind_regions(regions, matte), placed))
    kept = (
        (head.region("face") > 0.5) | (head.region("mouth_cavity") > 0.5) | (head.region("eye_sockets") > 0.5)
    )
    return ((labels == HAIR) | (head.region("neck") > 0.3)) & ~kept & head.part_vertices("skin")


def _look_up(labels, placed):
    x, y = (np.clip(placed[:, k].astype(int), 0, len(labels) - 1) for k in (0, 1))
    return labels[y, x]


def _faired(placed, skull, round_, faces, laplacian, matte, hairy):
    """Make the hair a smooth shell between its outline and the skin beside it.

    It keeps the roundness (the Laplacian) of the skull it grew from, `skull`, except where `round_` is 0: over
    ears and nape it hangs straight.
    """
    view = render_views(_in_pixels(placed), torch.as_tensor(faces), torch.eye(4), matte.shape)
    ids = view.face_ids[0].numpy()
    rim = (ids >= 0) & ~scipy.ndimage.binary_erosion(ids >= 0, iterations=2)
    pinned = ~hairy
    pinned[faces[ids[rim]].ravel()] = True
    pins = 0.05 * np.where(pinned, 1.0, np.where(round_ > 0, 1e-2, 1e-4))
    degree = np.maximum(laplacian.diagonal(), 1)
    rows = (sp.diags(1 / degree) @ laplacian)[hairy]
    bend = (rows @ skull) * round_[hairy, None]
    solve = scipy.sparse.linalg.splu((rows.T @ rows + sp.diags(pins)).tocsc())
    return np.column_stack([solve.solve(rows.T @ bend[:, k] + pins * placed[:, k]) for k in range(3)])


def _meet_outline(placed, faces, laplacian, matte, hold, rounds=None):
    """Bring the mesh's outline to the matte's in a few rounds of matching and smooth (bi-Laplacian) deformation."""
    wanted, wanted_normals = _contour(matte)
    smooth = (laplacian.T @ laplacian).tocsc()
    for step in range(rounds or _ROUNDS):
        view = render_views(_in_pixels(placed), torch.as_tensor(faces), torch.eye(4), matte.shape)
        own, own_normals = _contour(view.mask[0].numpy())
        ids = view.face_ids[0].numpy()
        inner = np.clip(np.rint(own - 1.5 * own_normals - 0.5).astype(int), 0, len(matte) - 1)
        near = ids[inner[:, 1], inner[:, 0]]
        good = near >= 0
        own, own_normals, corners = own[good], own_normals[good], faces[near[good]]
        distance = np.linalg.norm(placed[corners][..., :2] - own[:, None], axis=-1)
        rim = corners[np.arange(len(own)), distance.argmin(1)]
        turn = _NORMAL_WEIGHT
        tree = scipy.spatial.cKDTree(np.hstack([own, turn * own_normals]))
        there = tree.query(np.hstack([wanted, turn * wanted_normals]))[1]
        back = scipy.spatial.cKDTree(np.hstack([wanted, turn * wanted_normals]))
        here = back.query(np.hstack([own, turn * own_normals]))[1]
        at = np.concatenate([rim[there], rim])
        move = np.concatenate([wanted - own[there], wanted[here] - own])
        weight = np.bincount(at, minlength=len(placed)).astype(float)
        pull = np.stack([np.bincount(at, move[:, k], len(placed)) for k in range(2)] + [0 * weight], 1)
        pull[:, 2] = 0
        step_hold = hold * 20.0
        stiffness = _STIFFNESS[min(step, len(_STIFFNESS) - 1)] if rounds is None else 1.0
        system = stiffness * smooth + sp.diags(weight + step_hold + 1e-6)
        solve = scipy.sparse.linalg.splu(system.tocsc())
        placed = placed + np.column_stack(
            [solve.solve(pull[:, 0]), solve.solve(pull[:, 1]), np.zeros(len(placed))]
        )
    return placed


def _contour(mask):
    """Points (N, 2) on the half-covered line of a mask, and its outward normals."""
    import skimage.measure

    soft = scipy.ndimage.gaussian_filter(np.pad(mask.astype(float), 1), 1.0)
    lines = [line for line in skimage.measure.find_contours(soft, 0.5) if len(line) > 60]
    points = np.concatenate(lines)[::2] if lines else np.zeros((0, 2))
    slope = np.stack([scipy.ndimage.map_coordinates(g, points.T, order=1) for g in np.gradient(soft)], 1)
    outward = -slope / np.maximum(np.linalg.norm(slope, axis=1, keepdims=True), 1e-9)
    return points[:, ::-1] - 0.5, outward[:, ::-1]


def _in_pixels(placed):
    return torch.as_tensor(placed * [1, 1, -1], dtype=torch.float32)


class _Space:
    """Pixels of the picture with a height towards the viewer, for an orthographic camera."""

    def __init__(self, camera):
        self.camera, self.rotation = camera, camera_rotation(camera)
        self.scale = np.linalg.norm(camera[0, :3])

    def seen(self, vertices):
        return np.column_stack(
            [project(vertices, self.camera), (vertices @ self.rotation.T)[:, 2] * self.scale]
        )

    def world(self, placed):
        shifted = (placed[:, :2] - self.camera[:2, 3]) * [1, -1]
        return np.column_stack([shifted, placed[:, 2]]) / self.scale @ self.rotation


def _lay_ears_flat(head, vertices, laplacian, camera, regions):
    """Replace an ear that hair covers by the smooth membrane over its rim."""
    seen = project(vertices, camera)
    ears = (head.region("ears") > 0.5) & head.part_vertices("skin")
    out = vertices.copy()
    for side in (1, -1):
        ear = ears & (side * head.template[:, 0] > 0)
        labels = _look_up(regions, seen[ear])
        if (labels == HAIR).sum() <= 0.6 * (labels == SKIN).sum():
            continue
        system = laplacian[ear][:, ear] + 1e-9 * sp.identity(ear.sum())
        out[ear] = scipy.sparse.linalg.spsolve(system.tocsc(), -laplacian[ear][:, ~ear] @ vertices[~ear])
    return out


def _fields(head, faces, laplacian, normal):
    """Two smooth fields on the skin: 0 on the face and 1 behind the outline; 0 on the head and 1 at the neck's end."""
    face = head.region("face") > 0.5
    held = face | (head.region("mouth_cavity") > 0.5) | (head.region("eye_sockets") > 0.5)
    back = (normal[:, 2] < -0.1) & ~held
    behind = _harmonic(laplacian, held, back)
    edge = _border_vertices(faces, len(head.template))
    above = head.region("neck") < 0.5
    return behind, _harmonic(laplacian, above, edge & (head.region("neck") > 0.5))


def _harmonic(laplacian, zero, one):
    """Solve Laplace's equation on the mesh between 0 and 1 (uniform weights); 0 where nothing is connected."""
    value = one.astype(float)
    free = ~(zero | one)
    system = laplacian[free][:, free] + 1e-9 * sp.identity(free.sum())
    value[free] = scipy.sparse.linalg.spsolve(system.tocsc(), -laplacian[free][:, one].sum(1).A1)
    return value


def _laplacian(faces, count):
    rows = faces[:, [0, 1, 1, 2, 2, 0]].ravel()
    columns = faces[:, [1, 0, 2, 1, 0, 2]].ravel()
    adjacency = sp.csr_matrix((np.ones(len(rows)), (rows, columns)), shape=(count, count))
    adjacency.data[:] = 1
    return (sp.diags(np.asarray(adjacency.sum(1)).ravel()) - adjacency).tocsr()


def _border_vertices(faces, count):
    sides = np.sort(faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), 1)
    edges, used = np.unique(sides, axis=0, return_counts=True)
    out = np.zeros(count, bool)
    out[edges[used == 1]] = True
    return out


def _bottom(matte):
    return np.flatnonzero(matte.max(1) > 0.5)[-1] + 1.0


def _own_mask(placed, faces, size):
    """The head's own silhouette for vertices that are in pixels already."""
    return render_views(_in_pixels(placed), torch.as_tensor(faces), torch.eye(4), size).mask[0].numpy()


class _Frame:
    """The middle of the skull in pixels, and the middle line of the neck below it."""

    def __init__(self, middle, low, half_width):
        self.middle, self.low, self.half_width = middle, low, half_width

    @classmethod
    def about(cls, head, seen, skin):
        skull = skin & ((head.region("scalp") > 0.5) | (head.region("face") > 0.5))
        box = seen[skull].min(0), seen[skull].max(0)
        neck = seen[head.region("neck") > 0.5]
        ears = seen[head.region("ears") > 0.5].mean(0)
        return cls(
            np.array([(box[0][0] + box[1][0]) / 2, ears[1]]), neck.mean(0), (box[1][0] - box[0][0]) / 2
        )

    def centre_of(self, seen):
        """Above the middle of the skull all directions start there; below it, rows start on the neck's line."""
        share = np.clip((seen[:, 1] - self.middle[1]) / max(self.low[1] - self.middle[1], 1.0), 0, 1)
        x = self.middle[0] + share * (self.low[0] - self.middle[0])
        return np.column_stack([x, np.maximum(seen[:, 1], self.middle[1])])


class _Outline:
    """Distances from the frame's middle to an outline: by angle over the top, by row at the left and the right."""

    def __init__(self, top, left, right):
        self.top, self.left, self.right = top, left, right

    @classmethod
    def of(cls, mask, frame):
        height, width = mask.shape
        closed = scipy.ndimage.binary_closing(np.pad(mask, 8), iterations=6)[8:-8, 8:-8]
        angle = np.linspace(0, np.pi, _ANGLES)
        radius = np.arange(2 * max(height, width)) * 0.5
        x = frame.middle[0] + np.cos(angle)[:, None] * radius
        y = frame.middle[1] - np.sin(angle)[:, None] * radius
        top = _reach(_sample(closed, x, y)) * 0.5
        rows = np.arange(height) + 0.5
        centre = frame.centre_of(np.column_stack([np.zeros(height), rows]))[:, 0]
        step = np.arange(2 * width) * 0.5
        right = _reach(_sample(closed, centre[:, None] + step, rows[:, None] + 0 * step)) * 0.5
        left = _reach(_sample(closed, centre[:, None] - step, rows[:, None] + 0 * step)) * 0.5
        return cls(top, left, right)

    def stretch_to(self, wanted, placed, frame):
        """How much further the wanted outline is: as a factor for each point, and as a thickness in pixels.

        Both are means over a wide stretch of outline, so that a lock of hair does not run round the head as a
        ridge; `_meet_outline` does the rest.
        """
        offset = placed[:, :2] - frame.middle
        at = np.clip(np.arctan2(-offset[:, 1], offset[:, 0]) / np.pi, 0, 1) * (_ANGLES - 1)
        blend = np.clip(-offset[:, 1] / (0.15 * frame.half_width) * 0.5 + 0.5, 0, 1)
        tops = _ratio(self.top, wanted.top, 14)
        lefts, rights = _ratio(self.left, wanted.left, 14), _ratio(self.right, wanted.right, 14)
        rows = np.arange(len(lefts)) + 0.5
        beside = np.where(
            offset[:, 0] < 0, *(np.interp(placed[:, 1], rows, side) for side in (lefts, rights))
        )
        stretch = blend * np.interp(at, np.arange(_ANGLES), tops) + (1 - blend) * beside
        both = 0.5 * ((lefts - 1) * self.left + (rights - 1) * self.right)
        low = np.interp(placed[:, 1], rows, scipy.ndimage.gaussian_filter1d(both, 14, mode="nearest"))
        share = np.clip(-offset[:, 1] / (0.6 * frame.half_width), 0, 1)
        return stretch, (1 - share) * low + share * np.mean((tops - 1) * self.top)


def _reach(inside):
    """How many steps each ray stays inside (up to its first way out)."""
    return np.where(inside.all(1), inside.shape[1], inside.argmin(1)).astype(float)


def _sample(mask, x, y):
    height, width = mask.shape
    xi, yi = np.floor(x).astype(int), np.floor(y).astype(int)
    inside = (xi >= 0) & (xi < width) & (yi >= 0) & (yi < height)
    return inside & mask[np.clip(yi, 0, height - 1), np.clip(xi, 0, width - 1)]


def _ratio(own, wanted, smoothing):
    """wanted / own, smoothed along the outline; rows that either outline misses take their neighbours' value."""
    good = (own > 2) & (wanted > 2)
    good &= np.cumsum(good[::-1])[::-1] > 4  # the last rows of an outline are its frayed end
    if not good.any():
        return np.ones(len(own))
    index = np.arange(len(own))
    ratio = np.interp(index, index[good], wanted[good] / own[good])
    return np.clip(scipy.ndimage.gaussian_filter1d(ratio, smoothing, mode="nearest"), *_STRETCH)


def _vertex_normals(vertices, faces):
    corner = vertices[faces]
    area = np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
    out = np.zeros_like(vertices)
    for k in range(3):
        np.add.at(out, faces[:, k], area)
    return out / np.maximum(np.linalg.norm(out, axis=1, keepdims=True), 1e-12)
