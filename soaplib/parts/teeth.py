"""Teeth and gums, built on the dental arch: the upper row stands with the skull, the lower one follows the jaw."""

import numpy as np

from soaplib.data import Part
from soaplib.head import HeadModel
from soaplib.parts.arch import DentalArch, curve_normals, fit_arch
from soaplib.parts.teeth_texture import TOOTH_KINDS, enamel_uv, gum_uv, teeth_texture

# Millimetres from the middle to the third molar: width and height of the crown, depth from lip to tongue
# (Wheeler's Dental Anatomy, rounded).
_CROWNS = {
    "upper": (
        (8.5, 6.5, 7.5, 7, 7, 10, 9.5, 9), (10.5, 9.2, 10.2, 8.5, 8, 7.5, 7, 6.5),
        (7, 6.2, 7.8, 9, 9, 10.5, 10.5, 10),
    ),
    "lower": (
        (5.4, 5.9, 6.9, 7, 7.2, 10.8, 10.3, 9.5), (8.8, 9, 10, 8.5, 8, 7.5, 7, 6.5),
        (5.8, 6, 7.2, 7.6, 8, 10, 10, 9.5),
    ),
}  # fmt: skip
_ROOT = {
    "upper": (8, 7),
    "lower": (3, 3),
}  # millimetres of gum beyond the necks, at the lips' and the tongue's side
_SECTORS = 10
_RINGS = (-0.25, 0.05, 0.35, 0.65, 0.9, 1.0)  # along the crown, from inside the gum to the biting edge
_GAP = 0.965
_STATIONS = 4  # of the gum, per tooth
_STILL = 3e-4


def teeth_part(head: HeadModel, arch: DentalArch | None = None) -> Part:
    """Build both rows of teeth with their gums as one part "teeth".

    arch: from `fit_arch(head)`, by default fitted here. The upper row hangs on the neck joint (which carries
    the skull) and has no morphs; the lower one hangs on the jaw joint, and its morphs are rigid motions:
    the best fits (Kabsch) to what each action does to the head's lower helper strip.
    """
    arch = arch or fit_arch(head)
    pieces = [piece for row in ("upper", "lower") for piece in _row(arch, row)]
    vertices = np.concatenate([piece[0] for piece in pieces])
    starts = np.cumsum([0] + [len(piece[0]) for piece in pieces])
    faces = np.concatenate([piece[1] + start for piece, start in zip(pieces, starts, strict=False)])
    uv = np.concatenate([piece[2] for piece in pieces])
    normals = np.concatenate([piece[3] for piece in pieces])
    is_lower = np.arange(len(vertices)) >= starts[len(pieces) // 2]
    weights = np.zeros((len(vertices), 5), np.float32)
    weights[~is_lower, 1] = weights[is_lower, 2] = 1
    morphs = np.zeros((len(head.expression_names), len(vertices), 3), np.float32)
    turns, moves = jaw_motions(head)
    morphs[:, is_lower] = np.einsum("eab,vb->eva", turns - np.eye(3), vertices[is_lower]) + moves[:, None]
    return Part(
        name="teeth", vertices=vertices.astype(np.float32), normals=normals.astype(np.float32),
        faces=faces.astype(np.int32), uv=uv.astype(np.float32), texture=teeth_texture(), skin_weights=weights,
        morphs=morphs, roughness=0.25,
    )  # fmt: skip


def jaw_motions(head: HeadModel) -> tuple[np.ndarray, np.ndarray]:
    """Give each action's rigid motion of the lower jaw: rotations (E, 3, 3) and translations (E, 3).

    Kabsch's fit to the lower helper strip; actions that move it by less than 0.3 mm leave the jaw still.
    """
    strip = head.part_vertices("lower_teeth")
    rest = head.template[strip].astype(np.float64)
    moved = rest + np.moveaxis(head.expression_basis[strip], -1, 0)
    middle, middles = rest.mean(0), moved.mean(1)
    u, _, vt = np.linalg.svd(np.einsum("va,evb->eab", rest - middle, moved - middles[:, None]))
    flip = np.sign(np.linalg.det(u @ vt))
    vt[:, 2] *= flip[:, None]
    turns = np.swapaxes(u @ vt, 1, 2)
    still = np.abs(moved - rest).max((1, 2)) < _STILL
    turns[still] = np.eye(3)
    moves = middles - np.einsum("eab,b->ea", turns, middle)
    moves[still] = 0
    return turns, moves


def crown_depths(arch: DentalArch, row: str) -> np.ndarray:
    """Depth (N,) of the teeth from lip to tongue along a row's curve, metres."""
    centres, _, _ = _places(arch, row)
    order = np.argsort(centres)
    depths = np.array(_CROWNS[row][2])
    return (
        np.interp(np.linspace(-1, 1, len(arch.upper)), centres[order], np.tile(depths, 2)[order])
        * arch.unit
        * 1e-3
    )


def _places(arch, row):
    """Middles and half widths of the 16 teeth along the arch (-1..1), and their kinds; right ones first."""
    widths = np.array(_CROWNS[row][0])
    ends = np.concatenate([[0], np.cumsum(widths)]) / widths.sum() * 0.985
    middle, half = (ends[1:] + ends[:-1]) / 2, (ends[1:] - ends[:-1]) / 2
    return np.concatenate([-middle, middle]), np.tile(half, 2), np.tile(np.arange(TOOTH_KINDS), 2)


def _row(arch, row):
    """Crowns and gum of a row: pieces (vertices, faces, uv, normals)."""
    centres, halves, kinds = _places(arch, row)
    side = np.linspace(-1, 1, len(arch.upper))
    curve = getattr(arch, row)
    edge = getattr(arch, f"edge_{row}")
    length = np.linalg.norm(np.diff(curve, axis=0), axis=1).sum() / 2
    down = -1 if row == "upper" else 1
    crowns = [_crown(kind, row) for kind in range(TOOTH_KINDS)]
    out = []
    for centre, half, kind in zip(centres, halves, kinds, strict=True):
        place = np.array([np.interp(centre, side, curve[:, k]) for k in range(2)])
        normal = np.array([np.interp(centre, side, n) for n in curve_normals(curve).T])
        normal /= np.linalg.norm(normal)
        along = np.array([normal[1], -normal[0]])
        shape, faces, uv = crowns[kind]
        height, depth = (np.array(_CROWNS[row][k][kind]) * 1e-3 * arch.unit for k in (1, 2))
        across, outward, up = shape.T
        flat = place + across[:, None] * along * half * length * _GAP + outward[:, None] * normal * depth
        y = np.interp(centre, side, edge) - down * height * (1 - up)
        vertices = np.stack([flat[:, 0], y, flat[:, 1]], 1)
        faces = faces if down > 0 else faces[:, ::-1]
        out.append((vertices, faces, uv, _normals(vertices, faces)))
    return [*out, _gum(arch, row, centres, halves, kinds, side, curve, edge, down)]


def _crown(kind, row):
    """One crown (V, 3), in its half width, depth and height: across, outward (0 at the lips), up (1 at the edge).

    Superellipse rings: narrow at the neck, widest near the edge; front teeth end in a chisel, canines in a
    point, back teeth in a flat top with a groove.
    """
    levels = np.array(_RINGS)
    angle = np.linspace(0, 2 * np.pi, _SECTORS + 1)  # 0 at the tongue's side, the seam
    cos, sin = -np.cos(angle), np.sin(angle)
    power = 2 / 2.9
    outline = np.stack([np.sign(sin) * np.abs(sin) ** power, np.sign(cos) * np.abs(cos) ** power], 1)
    front = kind < 3
    width = np.interp(
        levels, [-0.25, 0.05, 0.35, 0.65, 0.9, 1], [0.62, 0.78, 0.92, 1, 0.99, 0.86 if front else 0.82]
    )
    chisel = [1, 1, 0.85, 0.62, 0.38, 0.22]
    depth = np.interp(levels, _RINGS, chisel if front else [0.95, 1, 1, 0.98, 0.9, 0.7])
    lip = np.interp(
        levels, _RINGS, [-0.10, -0.03, 0, -0.005, -0.05, -0.09] if front else [-0.06, 0, 0, 0, -0.05, -0.14]
    )
    across = outline[:, 0] * width[:, None]
    outward = lip[:, None] - depth[:, None] * (1 - outline[:, 1]) / 2
    up = np.repeat(levels[:, None], len(angle), 1)
    if kind == 2:
        up = up - (0.13 * np.clip(levels, 0, 1) ** 4)[:, None] * np.abs(across)
    elif front:
        up = up - (0.03 * np.clip(levels, 0, 1) ** 4)[:, None] * np.abs(across) ** 3
    shape = np.stack([across, outward, up], -1).reshape(-1, 3)
    top = shape.reshape(len(levels), len(angle), 3)[-1, :-1].mean(0)
    top[2] += 0.03 if kind == 2 else -0.04 * (not front)
    ids = np.arange(len(levels) * len(angle)).reshape(len(levels), len(angle))
    a, b, c, d = ids[:-1, :-1], ids[:-1, 1:], ids[1:, 1:], ids[1:, :-1]
    last = np.full(_SECTORS, len(shape))
    faces = [np.stack([a, d, c], -1), np.stack([a, c, b], -1)]
    cap = np.stack([ids[-1, :-1], last, ids[-1, 1:]], 1)
    faces = np.concatenate([f.reshape(-1, 3) for f in faces] + [cap])
    around = np.tile(angle / (2 * np.pi), len(levels))
    uv = enamel_uv(kind, row, np.append(around, 0.5), np.append(np.repeat(levels, len(angle)), 1.0))
    return np.concatenate([shape, top[None]]), faces, uv


def _gum(arch, row, centres, halves, kinds, side, curve, edge, down):
    """A band with a scalloped margin: over the necks of the teeth, and down on the tongue's side."""
    order = np.argsort(centres)
    mids, half, kind = centres[order], halves[order], kinds[order]
    steps = np.linspace(-1, 1, _STATIONS, endpoint=False)
    at = np.append((mids[:, None] + half[:, None] * steps).ravel(), mids[-1] + half[-1])
    within = np.append(np.tile(steps, len(mids)), 1.0)
    heights, depths = np.array(_CROWNS[row][1])[kind], np.array(_CROWNS[row][2])[kind]
    flat_neck = np.polyval(np.polyfit(mids, heights, 2), at)
    neck = np.interp(at, mids, heights) - 2.2 * np.abs(within) ** 2.2
    depth = np.interp(at, mids, depths)
    zero, root = np.zeros_like(at), _ROOT[row]
    # (outwards, away from the edge) in millimetres, from the lip's side over the margin to the tongue's side
    profile = [
        (zero - 3.0, flat_neck + root[0]), (zero + 0.8, flat_neck + 0.55 * root[0]), (zero + 0.9, neck + 1.6),
        (zero + 0.35, neck),
        (zero - 1.6, neck - 0.3), (1.6 - depth, neck - 0.3), (-depth - 0.3, neck), (-depth - 1.2, neck + 1.8),
        (-depth - 1.5, flat_neck + root[1]),
    ]  # fmt: skip
    out, away = np.array([p[0] for p in profile]), np.array([p[1] for p in profile])
    place = np.stack([np.interp(at, side, c) for c in curve.T], 1)
    normal = np.stack([np.interp(at, side, c) for c in curve_normals(curve).T], 1)
    scale = arch.unit * 1e-3
    flat = place + out[..., None] * normal * scale
    y = np.interp(at, side, edge) - down * away * scale
    grid = np.stack([flat[..., 0], y, flat[..., 1]], -1)
    ends = [_end(grid[:, 0], normal[0], -1, scale), _end(grid[:, -1], normal[-1], 1, scale)]
    grid = np.concatenate([ends[0][:, None], grid, ends[1][:, None]], 1)
    ids = np.arange(grid.shape[0] * grid.shape[1]).reshape(grid.shape[:2])
    a, b, c, d = ids[:-1, :-1], ids[:-1, 1:], ids[1:, 1:], ids[1:, :-1]
    faces = np.concatenate([np.stack([a, d, c], -1).reshape(-1, 3), np.stack([a, c, b], -1).reshape(-1, 3)])
    faces = faces if down < 0 else faces[:, ::-1]
    along = np.concatenate([[1], np.abs(at), [1]])
    uv = gum_uv(row, np.tile(along, len(profile)), np.repeat(np.linspace(0, 1, len(profile)), len(along)))
    vertices = grid.reshape(-1, 3)
    return vertices, faces, uv, _normals(vertices, faces)


def _end(profile, normal, way, scale):
    """The rounded end of a gum: its profile shrunk to the middle, a little further back."""
    along = np.array([normal[1], 0, -normal[0]]) * way
    middle = profile.mean(0)
    return middle + 0.35 * (profile - middle) + 2.5 * scale * along


def _normals(vertices, faces):
    """Area-weighted vertex normals; vertices at the same place (seams) share theirs."""
    normals = np.zeros_like(vertices)
    crossed = np.cross(
        vertices[faces[:, 1]] - vertices[faces[:, 0]], vertices[faces[:, 2]] - vertices[faces[:, 0]]
    )
    for corner in range(3):
        np.add.at(normals, faces[:, corner], crossed)
    _, same = np.unique(np.round(vertices, 7), axis=0, return_inverse=True)
    merged = np.zeros((same.max() + 1, 3))
    np.add.at(merged, same.ravel(), normals)
    normals = merged[same.ravel()]
    return normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
