"""Which place of the default head is which vertex of another template: solved once, to carry actions over.

Anchors that any head with eyeballs and a jaw joint has (the outlines of the eyes, the slit of the mouth, the tip
of the nose, the edge of the chin, the ears' farthest points) give a similarity; a non-rigid ICP (Amberg et al.
2007, with a displacement a vertex and a Laplacian stiffness that falls) then lays the default head onto the other.
Actions follow by the local linear map of that deformation (after Sumner and Popovic 2004) and are smoothed.
"""

import dataclasses

import numpy as np
import scipy.ndimage
import scipy.sparse as sp
from scipy.sparse.linalg import factorized
from scipy.spatial import cKDTree

from soaplib.errors import UserError
from soaplib.head.model import HeadModel
from soaplib.head.surface import closest_points

_STIFFNESS = (3000.0, 1000.0, 300.0, 100.0, 30.0, 10.0, 3.0, 1.0)
_ROUNDS = 2
_ANCHOR_WEIGHT = 20.0
_TRUSTED = 0.005  # metres between a vertex and its counterpart; farther ones take from their neighbours
_FEATURE = 0.01  # metres that a full difference of jaw weight, or of the normal, counts for
_ALONG_EYE = np.array([0.12, 0.25, 0.38, 0.5, 0.62, 0.75, 0.88])
_ALONG_MOUTH = np.linspace(0.04, 0.96, 9)
_ALONG_CHIN = np.array([-0.3, -0.15, 0, 0.15, 0.3])  # in distances between the eyes
_SIZE = 800


@dataclasses.dataclass(frozen=True)
class Correspondence:
    """Where the V' vertices of another template lie on the default head, and its landmarks there.

    matrix: sparse (V', V), rows sum to 1, rows of vertices without a counterpart are empty; maps: (V, 3, 3) local
    linear maps from the default head to the other. smoothing: function of (V', K) columns. landmark_faces (478,),
    landmark_weights (478, 3): on the other template's triangles.
    """

    matrix: sp.csr_matrix
    maps: np.ndarray
    smoothing: object
    landmark_faces: np.ndarray
    landmark_weights: np.ndarray

    def attributes(self, values: np.ndarray) -> np.ndarray:
        """Carry (V, K) values of the default head's vertices over: (V', K)."""
        return self.matrix @ values

    def displacements(self, basis: np.ndarray) -> np.ndarray:
        """Carry a (V, 3, E) basis of displacements over, turned and scaled with the surface: (V', 3, E)."""
        turned = np.einsum("vab,vbe->vae", self.maps, basis)
        moved = self.matrix @ turned.reshape(len(turned), -1)
        return self.smoothing(moved).reshape(-1, *basis.shape[1:])


def find_correspondence(head: HeadModel, template, faces, part, weights) -> Correspondence:
    """Find where the vertices of another template lie on a head.

    template: (V', 3); faces: (F', 3); part: (V',) 0 skin, 1 left eyeball, 2 right eyeball, 3 anything else, which
    has no counterpart; weights: (V', 5) skin weights of FLAME's joints. The template faces +Z, +Y up.
    Raises UserError where the eyes or the mouth of the template are not found.
    """
    ours = np.select([head.part_vertices(name) for name in ("skin", "left_eye", "right_eye")], [0, 1, 2], 3)
    jaw, other_jaw = head.skin_weights[:, 2], weights[:, 2]
    corners, shares = _anchors(head.template, head.faces, ours, jaw)
    other_corners, other_shares = _anchors(template, faces, part, other_jaw)
    start = (head.template[corners] * shares[..., None]).sum(1)
    goal = (template[other_corners] * other_shares[..., None]).sum(1)
    scale, turn, shift = _similarity(start, goal)
    moved = scale * head.template @ turn.T + shift
    skin = np.flatnonzero(ours == 0)
    local = np.full(len(ours), -1)
    local[skin] = np.arange(len(skin))
    quads = local[head.quads[(ours == 0)[head.quads].all(1)]]
    triangles = local[head.faces[(ours == 0)[head.faces].all(1)]]
    inside = np.maximum(head.region("mouth_cavity"), head.region("eye_sockets")) + head.region("neck")
    target = _Samples(template, faces[(part == 0)[faces].all(1)], other_jaw)
    anchor = _rows(local[corners], shares, len(skin))
    laid = _lay_on(moved[skin], quads, triangles, jaw[skin], inside[skin] < 0.5, target, anchor, goal)
    maps = np.tile(scale * turn, (len(ours), 1, 1))
    maps[skin] = _local_maps(head.template[skin], laid, quads, scale * turn)
    moved[skin] = laid
    source = _Samples(moved, head.faces[(ours == 0)[head.faces].all(1)], jaw)
    matrix = sp.lil_matrix((len(template), len(ours)))
    theirs = np.flatnonzero(part == 0)
    normals = _normals(template, faces)
    nearest = source.nearest(template[theirs], other_jaw[theirs], normals[theirs])
    matrix[theirs] = _rows(source.corners[nearest], source.shares[nearest], len(ours))
    trust = np.ones(len(template))
    apart = np.linalg.norm(source.points[nearest] - template[theirs], axis=1)
    alike = (source.normals[nearest] * normals[theirs]).sum(1)
    trust[theirs] = np.where((apart < _TRUSTED) & (alike > 0.3), 1, 1e-3)
    for eye in (1, 2):
        mine, balls = np.flatnonzero(ours == eye), np.flatnonzero(part == eye)
        matrix[balls], ratio = _ball_rows(head.template, mine, template[balls], len(ours))
        maps[mine] = ratio * np.eye(3)
        place = head.template[mine]
        moved[mine] = (place - place.mean(0)) * ratio + template[balls].mean(0)
    where = head.landmarks(moved)
    landmark_faces, landmark_weights = np.zeros(478, np.int32), np.zeros((478, 3), np.float32)
    of_landmark = ours[head.faces[head.landmark_faces, 0]]
    for kind in (0, 1, 2):
        which = np.flatnonzero(of_landmark == kind)
        usable = np.flatnonzero((part == kind)[faces].all(1))
        found, landmark_weights[which] = closest_points(where[which], template, faces[usable])
        landmark_faces[which] = usable[found]
    return Correspondence(matrix.tocsr(), maps, _smoother(faces, trust), landmark_faces, landmark_weights)


class _Samples:
    """Points spread over a mesh, searched by place, jaw weight and normal together.

    The jaw weight tells the lips apart where they touch, the normal the outside from the inside.
    """

    def __init__(self, vertices, faces, jaw, steps=3):
        i, j = np.meshgrid(np.arange(steps + 1), np.arange(steps + 1))
        lattice = np.stack([i, j, steps - i - j], -1)[i + j <= steps] / steps
        self.corners = np.repeat(faces, len(lattice), 0)
        self.shares = np.tile(lattice, (len(faces), 1))
        normals = _normals(vertices, faces)
        self.points, self.normals, jaws = (self._at(x) for x in (vertices, normals, jaw[:, None]))
        self.tree = cKDTree(_features(self.points, jaws[:, 0], self.normals))

    def _at(self, values):
        return (values[self.corners] * self.shares[..., None]).sum(1)

    def nearest(self, points, jaw, normals):
        """Give the positions of the nearest samples."""
        return self.tree.query(_features(points, jaw, normals))[1]


def _features(points, jaw, normals):
    return np.concatenate([points, _FEATURE * jaw[:, None], _FEATURE * normals], 1)


def _lay_on(points, quads, faces, jaw, drawn, target, anchor, goal):
    """Lay the default head's skin (V, 3) onto the target's samples; only the drawn vertices are pulled."""
    stiffness = _laplacian(len(points), quads)
    stiffness = stiffness.T @ stiffness
    pull = _ANCHOR_WEIGHT * anchor.T
    offset = np.zeros_like(points)
    for strength in _STIFFNESS:
        for _ in range(_ROUNDS):
            here = points + offset
            normals = _normals(here, faces)
            found = target.nearest(here, jaw, normals)
            alike = (normals * target.normals[found]).sum(1)
            near = np.linalg.norm(here - target.points[found], axis=1) < 0.03
            weight = np.where(drawn & near & (alike > 0.5), 1.0, 1e-6)
            wanted = np.where(weight[:, None] > 0.5, target.points[found] - points, offset)
            solve = factorized((strength * stiffness + pull @ anchor + sp.diags(weight)).tocsc())
            right = weight[:, None] * wanted + pull @ (goal - anchor @ points)
            offset = np.stack([solve(right[:, k]) for k in range(3)], 1)
    return points + offset


def _laplacian(count, faces):
    """Return I - D^-1 A of a mesh; rows of vertices of no face are empty."""
    sides = np.concatenate([faces[:, [k, (k + 1) % faces.shape[1]]] for k in range(faces.shape[1])])
    sides = np.unique(np.sort(sides[sides[:, 0] != sides[:, 1]], 1), axis=0)
    both = np.concatenate([sides, sides[:, ::-1]])
    near = sp.csr_matrix((np.ones(len(both)), both.T), shape=(count, count))
    degree = np.asarray(near.sum(1)).ravel()
    return (sp.diags((degree > 0).astype(float)) - sp.diags(1 / np.maximum(degree, 1)) @ near).tocsr()


def _smoother(faces, trust):
    """Return a function that smooths columns over a mesh: minimise trust |x - y|^2 + |L x|^2."""
    laplacian = _laplacian(len(trust), faces)
    strength = max(
        1.0, (np.count_nonzero(np.diff(laplacian.indptr)) / 5000) ** 2
    )  # the same reach on finer meshes
    solve = factorized((sp.diags(trust) + strength * laplacian.T @ laplacian).tocsc())
    return lambda columns: np.stack([solve(trust * column) for column in columns.T], 1)


def _local_maps(before, after, quads, usual):
    """Fit the linear map (V, 3, 3) that takes the edges about each vertex to their new ones.

    `usual` counts as much as a tenth of the edges: it fills the direction of the normal, along which none points.
    No direction is stretched or shrunk beyond 1.6 times as usual: folds of the surface would throw actions about.
    """
    sides = np.concatenate([quads[:, [k, m]] for k in range(4) for m in range(4) if k != m])
    sides = np.unique(sides[sides[:, 0] != sides[:, 1]], axis=0)
    old, new = before[sides[:, 1]] - before[sides[:, 0]], after[sides[:, 1]] - after[sides[:, 0]]
    sums = np.zeros((2, len(before), 9))
    for total, product in zip(
        sums, (old[:, :, None] * old[:, None], new[:, :, None] * old[:, None]), strict=True
    ):
        for k, column in enumerate(product.reshape(-1, 9).T):
            total[:, k] = np.bincount(sides[:, 0], column, len(before))
    inner, cross = sums.reshape(2, -1, 3, 3)
    ridge = 0.1 * np.trace(inner, axis1=1, axis2=2)[:, None, None] + 1e-12
    maps = (cross + ridge * usual) @ np.linalg.inv(inner + ridge * np.eye(3))
    u, stretch, vt = np.linalg.svd(maps)
    usually = np.cbrt(np.linalg.det(usual))
    return (u * np.clip(stretch, 0.6 * usually, 1.6 * usually)[:, None]) @ vt


def _normals(vertices, faces):
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    flat = np.cross(b - a, c - a)
    total = np.stack(
        [np.bincount(faces.ravel(), np.repeat(flat[:, k], 3), len(vertices)) for k in range(3)], 1
    )
    return total / np.maximum(np.linalg.norm(total, axis=1, keepdims=True), 1e-20)


def _rows(corners, shares, count):
    return sp.csr_matrix(
        (shares.ravel(), (np.repeat(np.arange(len(corners)), 3), corners.ravel())),
        shape=(len(corners), count),
    )


def _ball_rows(vertices, mine, balls, count):
    """Match eyeballs by direction from their centres: rows (N, count) and the ratio of the radii."""
    ours, theirs = (ball - ball.mean(0) for ball in (vertices[mine], balls))
    radii = [np.linalg.norm(ball, axis=1).mean() for ball in (ours, theirs)]
    distance, near = cKDTree(ours / radii[0]).query(theirs / radii[1], k=3)
    shares = 1 / (distance + 1e-4)
    return _rows(mine[near], shares / shares.sum(1, keepdims=True), count), radii[1] / radii[0]


def _similarity(start, goal):
    """Least-squares similarity, goal = scale turn start + shift (Umeyama 1991)."""
    a, b = start - start.mean(0), goal - goal.mean(0)
    u, s, vt = np.linalg.svd(b.T @ a)
    sign = np.array([1, 1, np.sign(np.linalg.det(u @ vt))])
    turn = (u * sign) @ vt
    scale = (s * sign).sum() / (a**2).sum()
    return scale, turn, goal.mean(0) - scale * turn @ start.mean(0)


def _anchors(vertices, faces, part, jaw):
    """Find the anchors of a head from the front: corners (K, 3) of their triangles and barycentrics (K, 3)."""
    seen = faces[(part < 3)[faces].all(1)]
    centres = [vertices[part == eye].mean(0) for eye in (1, 2)]
    apart = np.linalg.norm(centres[0] - centres[1])
    found = [
        _eye_anchors(vertices, seen, part, eye, centre, apart)
        for eye, centre in zip((1, 2), centres, strict=True)
    ]
    found.append(_mouth_anchors(vertices, seen, jaw, np.mean(centres, 0), apart))
    return tuple(np.concatenate(values) for values in zip(*found, strict=True))


def _eye_anchors(vertices, faces, part, eye, centre, apart):
    """The corners of the opening in which the eyeball is seen, and places along its upper and lower lid."""
    corners, shares, inside = _front(vertices, faces, centre, 0.8 * apart)
    pieces, count = scipy.ndimage.label(inside & (part[corners] == eye).all(-1))
    if not count:
        raise UserError(
            "no eyeball of the head model is seen between its lids from the front (+Z); check its axes"
        )
    opening = pieces == np.bincount(pieces[pieces > 0]).argmax()
    columns = np.flatnonzero(opening.any(0))
    across = np.round(columns[0] + _ALONG_EYE * (columns[-1] - columns[0])).astype(int)
    ends = np.array([columns[0], columns[-1]])
    middles = [int(np.flatnonzero(opening[:, column]).mean()) for column in ends]
    row = np.r_[opening.argmax(0)[across] - 3, len(opening) + 2 - opening[::-1].argmax(0)[across], middles]
    column = np.r_[across, across, ends + [-3, 3]]
    skin = inside[row, column] & (part[corners[row, column]] == 0).all(-1)
    if not skin.all():  # keep the number of anchors the same on every head
        raise UserError("the eyeballs of the head model are not framed by lids; check the model's file")
    return corners[row, column], shares[row, column]


def _mouth_anchors(vertices, faces, jaw, eyes, apart):
    """The slit of the mouth, where the jaw's weight jumps, above and below it; the tip of the nose; the chin's edge,
    below which the surface falls back to the neck; the farthest points to the sides, which are the ears'."""
    corners, shares, inside = _front(vertices, faces, eyes - [0, 0.9 * apart, 0], 3.4 * apart)
    weight = np.where(inside, (jaw[corners] * shares).sum(-1), 0)
    depth = np.where(inside, (vertices[corners][..., 2] * shares).sum(-1), -1)
    jump = np.diff(weight, axis=0) > 0.2
    jump[: _SIZE * 4 // 10] = False
    columns = np.flatnonzero(jump.any(0))
    run = np.split(columns, np.flatnonzero(np.diff(columns) > 3) + 1)
    run = max(run, key=lambda r: (r.min(initial=_SIZE) < _SIZE // 2 < r.max(initial=0), len(r)))
    if len(run) < _SIZE // 20:
        raise UserError(
            "no mouth found on the head model: the jaw's weights do not part its lips; check its file"
        )
    column = np.round(run[0] + _ALONG_MOUTH * (run[-1] - run[0])).astype(int)
    column = run[np.abs(run[:, None] - column).argmin(0)]
    top = jump.argmax(0)[column]
    bottom = len(jump) - jump[::-1].argmax(0)[column]
    nose = np.s_[_SIZE * 3 // 10 : int(top.min()), _SIZE * 45 // 100 : _SIZE * 55 // 100]
    tip = np.unravel_index(depth[nose].argmax(), depth[nose].shape)
    below = int(bottom.max()) + _SIZE // 50
    sides = _SIZE // 2 + np.round(_ALONG_CHIN * _SIZE / 3.4).astype(int)
    edge = below + (depth[below:-1] - depth[below + 1 :])[: _SIZE // 3, sides].argmax(0)
    ears = np.s_[_SIZE * 15 // 100 : int(top.min())]
    ear_columns = np.flatnonzero(inside[ears].any(0))[[0, -1]]
    ear_rows = [ears.start + int(np.flatnonzero(inside[ears][:, k]).mean()) for k in ear_columns]
    row = np.r_[top - 1, bottom + 1, tip[0] + nose[0].start, edge, ear_rows]
    column = np.r_[column, column, tip[1] + nose[1].start, sides, ear_columns]
    return corners[row, column], shares[row, column]


def _front(vertices, faces, centre, width):
    """Look at a square of the given width along -Z: corners, barycentrics and which pixels see a face."""
    import torch

    from soaplib.render import clip_positions, orthographic, rasterize

    scale = _SIZE / width
    camera = orthographic(np.eye(3), scale, np.full(2, _SIZE / 2) - np.array([1, -1]) * scale * centre[:2])
    vertices = torch.as_tensor(np.asarray(vertices, np.float64))
    rast = rasterize(
        clip_positions(vertices, torch.as_tensor(camera), (_SIZE, _SIZE)),
        torch.as_tensor(faces),
        (_SIZE, _SIZE),
    )
    u, v, _, face = np.moveaxis(rast[0].numpy(), -1, 0)
    return faces[np.maximum(face.astype(int) - 1, 0)], np.stack([u, v, 1 - u - v], -1), face > 0
