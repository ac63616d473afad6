"""The skin, hair and all that the head's own surface carries, painted from the views."""

import cv2
import numpy as np
import torch

from soaplib.data import HeadPose, Part, Portrait
from soaplib.head import HeadModel
from soaplib.render import project, vertex_normals
from soaplib.texture.atlas import Layout, lay_out
from soaplib.texture.bake import Seer, look
from soaplib.texture.blend import FADES, blend, equalise, view_weight
from soaplib.texture.complete import complete_by_symmetry, complete_smoothly, pad
from soaplib.texture.mouth import teeth_pixels
from soaplib.texture.palette import Palette
from soaplib.texture.posed import posed_head
from soaplib.texture.surface import graph_laplacian
from soaplib.texture.texels import at_texels, find_texels
from soaplib.texture.visible import at_pixels, grown, region_mask

# Near enough to the skin that a lid pulled over a large eye looks like a lid.
_SOCKET = (0.80, 0.66, 0.62)
_MOST_COVERED = (0.5, 0.18)  # of a photographed, and of a drawn eye
_MOUTH_COVERED = (0.75, 0.18)  # lips are soft: those of the head part a little less than those of the picture
_MOUTH = ((0.36, 0.10, 0.09), (0.045, 0.012, 0.012))
_MOUTH_DEPTH = (0.004, 0.035)
_EYE_RIM = 1  # pixels about an eye that are not believed on skin: its white spills over the lids there
_UNFOLDING = ("eyeBlinkLeft", "eyeBlinkRight", "jawOpen")
_FOLDED = (1.3, 1.8)  # times its area in the portrait that skin has at most: where it counts as folded
_SQUEEZED = (0.15, 0.4)  # of its largest area, what is seen: too little to be unfolded, and enough
_LIP_RIM = 2 / 512  # of the picture's height, about the mouth: landmarks of smiling lips are that uncertain
_LASH_REACH = 0.5  # heights of the eye's opening that lashes reach above it
_LASH_DARK = 0.8  # times the skin about them: lashes are darker than that
_NEIGHBOURS = 3  # rounds of averaging over neighbours that tell slivers
_SLIVER = (0.45, 0.75)  # shares of what lies about that are seen
_LASHES = (0.16, 0.11, 0.09)
_LASH_SHARE = 0.7  # the rim of a lid is dark with lashes: the line that a closed eye shows


def paint_skin(
    head: HeadModel, pose: HeadPose, seers: list[Seer], portrait: Portrait, palette: Palette, size: int
) -> Part:
    """Paint the skin of a personal head: the part "head", its vertices split at the seams of the atlas.

    seers: from `make_seers`; see `soaplib.texture.paint` for the other arguments.
    """
    layout = lay_out(head)
    faces = layout.source[layout.faces]
    vertices = posed_head(head, pose)
    normals = _normals(vertices, faces)
    texels = find_texels(layout.uv, layout.faces, (size, size))
    laplacian = graph_laplacian(faces, head.template)
    cavity, socket = _membership(head, "mouth_cavity"), _membership(head, "eye_sockets")
    seen = [look(seer, vertices, normals) for seer in seers]
    outside = 1 - np.maximum(_ramp(cavity, 0.1, 0.5), _ramp(socket, 0.1, 0.5))
    weights = np.stack([view_weight(s, FADES[1] * len(portrait.matte)) for s in seen]) * outside
    weights[0] = _ramp(seen[0].cosine, 0.1, 0.4) * (seen[0].clearance > 1) * outside
    offsets, agreement = equalise(np.stack([s.soft for s in seen]), weights, laplacian)

    points = at_texels(texels, faces, vertices)
    directions = at_texels(texels, faces, normals)
    directions /= np.maximum(np.linalg.norm(directions, axis=1, keepdims=True), 1e-9)
    strength = _strengths(texels, faces, outside, cavity, points, directions, seers[0], portrait)
    open_enough = _unfolded(head, faces, vertices, seers[0].camera) * _not_slivers(
        head, laplacian, seen[0].seen
    )
    open_enough = at_texels(texels, faces, open_enough)
    strength = [factor * open_enough for factor in strength]

    def changes(k):
        here = at_texels(texels, faces, np.concatenate([offsets[k], agreement[k][:, None]], 1))
        return np.ascontiguousarray(here[:, :3]), here[:, 3] * strength[min(k, 1)]

    painted = blend(seers, points, directions, changes)
    painted = complete_by_symmetry(painted, texels, layout, laplacian)
    prior, prior_trust = _prior(head, cavity, socket, palette)
    colours = complete_smoothly(painted, texels, layout, laplacian, prior, prior_trust)
    lash_line = 4 * socket * (1 - socket)  # 1 on the rim between the skin and the socket
    share = _LASH_SHARE * _ramp(at_texels(texels, faces, lash_line.astype(np.float32)), 0.3, 0.9)[:, None]
    colours = colours * (1 - share) + share * palette.tinted(_LASHES)
    picture = pad((texels.picture(colours) * 255 + 0.5).astype(np.uint8), texels.covered())
    return _part(head, layout, picture)


def _part(head, layout: Layout, picture) -> Part:
    at = layout.source
    normals = _normals(head.template, layout.source[layout.faces])
    return Part(
        name="head", vertices=head.template[at], normals=normals[at], faces=layout.faces, uv=layout.uv,
        texture=picture, skin_weights=head.skin_weights[at],
        morphs=np.ascontiguousarray(np.moveaxis(head.expression_basis[at], -1, 0)),
    )  # fmt: skip


def _normals(vertices, faces):
    """Area-weighted normals of the welded mesh, so that the atlas's seams do not show in the shading."""
    return vertex_normals(
        torch.as_tensor(np.ascontiguousarray(vertices, np.float32)), torch.as_tensor(faces)
    ).numpy()


def _membership(head, name):
    return head.region(name) if name in head.region_names else np.zeros(len(head.template), np.float32)


def _strengths(texels, faces, outside, cavity, points, directions, seer, portrait):
    """Give the factors at the texels of the first view's weight and of the others'.

    Inner surfaces are painted by what the portrait shows directly and by nothing else: in the mouth where it
    shows the inside of a mouth, teeth excepted; on the skin, not where it shows an eye or the inside of the mouth.
    """
    rest = at_texels(texels, faces, outside)
    inner = at_texels(texels, faces, _ramp(cavity, 0.1, 0.5))
    pixels = project(points.astype(np.float64), seer.camera)
    where = pixels, points, directions, rest, seer, portrait
    drawn = bool(portrait.report.get("stylised"))
    hidden = _beneath(("eyes", "irises"), _EYE_RIM, _EYE_RIM, _MOST_COVERED[drawn], *where)
    hidden |= _beneath(("mouth",), _LIP_RIM * len(portrait.matte), 0, _MOUTH_COVERED[drawn], *where)
    nearness = points @ seer.toward
    before = nearness > np.median(nearness)  # not the back of the head, which lies behind eyes and mouth
    hidden &= before
    in_mouth = at_pixels(grown(region_mask(portrait, ("mouth",)), 2), pixels) > 0
    lashes = np.where(before, at_pixels(_upper_lashes(portrait), pixels), 0)
    rest = np.where(hidden, 0, rest * (1 - lashes)).astype(np.float32)
    inner[hidden & (inner < 1)] = 0  # the edge of the lips is as hidden as they are
    inner[at_pixels(grown(teeth_pixels(portrait).astype(np.uint8), 2), pixels) > 0] = 0
    first = np.where(in_mouth, np.maximum(rest, inner), rest).astype(np.float32)
    return first, rest


def _unfolded(head, faces, vertices, camera):
    """How well the portrait shows skin that an action unfolds (V,) in [0, 1]: what it shows squeezed would be smeared.

    vertices: (V, 3) as in the portrait. The lids beneath a brow and the inner edges of the lips are seen at a fraction
    of the area that a blink and an open jaw give them.
    """

    def area(places):
        a, b, c = (places[faces[:, k]] for k in range(3))
        return 0.5 * np.linalg.norm(np.cross(b - a, c - a), axis=1)

    own, most = area(vertices), area(head.template)
    for name in _UNFOLDING:
        if name in head.expression_names:
            move = head.expression_basis[:, :, head.expression_names.index(name)]
            most = np.maximum(most, area(head.template + move))
    seen = area(vertices @ camera[:2, :3].T @ [[1, 0, 0], [0, 1, 0]]) / np.linalg.norm(camera[0, :3]) ** 2
    folded = _ramp(most / np.maximum(own, 1e-12), *_FOLDED)
    kept = 1 - folded * (1 - _ramp(seen / np.maximum(most, 1e-12), *_SQUEEZED))
    count = len(vertices)
    total, weight = np.zeros(count), np.zeros(count)
    for k in range(3):
        total += np.bincount(faces[:, k], most * kept, count)
        weight += np.bincount(faces[:, k], most, count)
    return np.where(weight > 0, total / np.maximum(weight, 1e-18), 1).astype(np.float32)


def _not_slivers(head, laplacian, seen):
    """How much of a lip's surroundings (V,) is seen too, in [0, 1]; 1 off the lips. seen: (V,) 1 where it is seen.

    Between closed lips slivers of their inner sides are seen, at wrong places: an open mouth would show them as flecks.
    """
    lips = np.maximum(_membership(head, "lips"), _membership(head, "mouth_cavity")) > 0.1
    degree = np.maximum(laplacian.diagonal(), 1e-9)
    near = seen.astype(np.float64)
    for _ in range(_NEIGHBOURS):
        near -= 0.5 * (laplacian @ near) / degree
    return np.where(lips, _ramp(near, *_SLIVER), 1).astype(np.float32)


def _beneath(names, rim, judged, most, pixels, points, directions, rest, seer, portrait):
    """Tell which texels of the skin would show a piece of the portrait's eyes or mouth: (N,) bool.

    On the lids such pieces would show as white rims when the eyes close, on the lips as a second row of teeth when
    the mouth opens. Where the skin covers much of an eye or the mouth, though, that of the picture is larger than
    the head's, and the skin has to carry it. names: of the regions; rim: pixels about them that are left out too;
    judged: pixels about them, over which the share that skin covers is compared with `most`.
    """
    core = grown(region_mask(portrait, names), judged).ravel() > 0
    _, label = cv2.connectedComponents(grown(region_mask(portrait, names), rim), connectivity=8)
    number = at_pixels(label, pixels)
    near = np.flatnonzero((number > 0) & (rest > 0.5))
    seen = near[look(seer, points[near], directions[near]).seen > 0]
    place = np.unique(pixels[seen].astype(np.int64) @ [1, label.shape[1]])
    flat = label.ravel()
    covered, whole = (np.bincount(flat[p], minlength=flat.max() + 1) for p in (place[core[place]], core))
    covered = covered / np.maximum(whole, 1)
    return (number > 0) & (covered < most)[number]


def _upper_lashes(portrait):
    """Find the lashes, or what is painted like them, above the eyes of a photograph: (S, S) in [0, 1].

    On the upper lid they would be drawn out to stripes by a blink. They are darker than what surrounds them, which a
    morphological closing tells. Lower lids hardly move, and drawn eyes have no other lashes.
    """
    eyes = region_mask(portrait, ("eyes", "irises"))
    out = np.zeros(eyes.shape, bool)
    if portrait.report.get("stylised"):
        return out.astype(np.float32)
    count, label, stats, centres = cv2.connectedComponentsWithStats(eyes, connectivity=8)
    light = portrait.image.mean(-1).astype(np.float32)
    free = region_mask(portrait, ("skin",)) > 0
    for k in range(1, count):
        height = int(stats[k, cv2.CC_STAT_HEIGHT])
        own = (label == k).astype(np.uint8)
        near = (grown(own, _LASH_REACH * height) > 0) & free
        near[int(centres[k, 1]) :] = False
        if not near.any():
            continue
        side = 2 * int(np.ceil(_LASH_REACH * height)) + 1
        usual = np.where(grown(own, 1) > 0, np.median(light[near]), light)
        disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
        around = cv2.morphologyEx(usual, cv2.MORPH_CLOSE, disc)
        out |= near & (usual < _LASH_DARK * around)
    return cv2.GaussianBlur(grown(out.astype(np.uint8), 1).astype(np.float32), (0, 0), 0.8)


def _prior(head, cavity, socket, palette):
    """Colours wished for where nothing looks: dark flesh behind the lids, and a mouth that darkens inwards."""
    lips = _membership(head, "lips") > 0.5
    front = head.template[lips, 2].max() if lips.any() else head.template[:, 2].max()
    depth = _ramp(front - head.template[:, 2], *_MOUTH_DEPTH)[:, None]
    near, far = (palette.tinted(colour) for colour in _MOUTH)
    inside_mouth = (0.7 * near + 0.3 * 0.4 * palette.lips) * (1 - depth) + far * depth
    flesh = palette.skin * np.asarray(_SOCKET)
    flesh = palette.chroma * flesh + (1 - palette.chroma) * flesh.mean()
    flesh = flesh + _lid_share(head)[:, None] * (palette.skin - flesh)
    in_mouth, in_socket = _ramp(cavity, 0.3, 0.9), _ramp(socket, 0.3, 0.9)
    colour = np.where((in_mouth > in_socket)[:, None], inside_mouth, flesh)
    return colour, np.maximum(in_mouth, in_socket)


def _lid_share(head):
    """How much a vertex of the sockets is lid (V,): those that a blink draws over the eye come into view then."""
    blinks = [k for k, name in enumerate(head.expression_names) if name.startswith("eyeBlink")]
    move = np.linalg.norm(head.expression_basis[:, :, blinks], axis=1).sum(1)
    return _ramp(move / max(move.max(), 1e-9), 0.1, 0.4)


def _ramp(x, low, high):
    t = np.clip((x - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)
