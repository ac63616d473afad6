"""Beards and moustaches: locks on the lower face that go with the jaw and the lips."""

import dataclasses
import functools

import numpy as np

from soaplib.head import HeadModel, load_head
from soaplib.synthetic.hair.codes import Hair, HairColour
from soaplib.synthetic.hair.colouring import vertex_colours
from soaplib.synthetic.hair.ground import Roots, ground
from soaplib.synthetic.hair.locks import Surface, joined, surface, taper, unit
from soaplib.synthetic.hair.look import look_of
from soaplib.synthetic.hair.scalp import Hairline
from soaplib.synthetic.hair.texture import REACH, strand_texture
from soaplib.synthetic.hair.tufts import grow_tufts
from soaplib.synthetic.pieces import LABELS, Piece

_ZONES = ("moustache", "soul", "chin", "ring", "jaw", "sideburn", "neck")
_FAMILIES = {  # family -> zones it grows in
    "moustache": ("moustache",),
    "handlebar": ("moustache",),
    "soul_patch": ("soul", "moustache"),
    "goatee": ("moustache", "soul", "chin", "ring"),
    "chin_beard": ("soul", "chin"),
    "full": _ZONES,
    "long": _ZONES,
    "boxed": ("moustache", "soul", "chin", "ring", "jaw", "sideburn"),
    "sideburns": ("sideburn",),
    "mutton_chops": ("sideburn", "jaw", "moustache"),
}
BEARD_FAMILIES = tuple(_FAMILIES)
"""The families of beards."""

_POOL = 14000


@dataclasses.dataclass(frozen=True)
class Beard:
    """Codes of a beard. family: one of `BEARD_FAMILIES`; length: metres on the base head, at the chin; density,
    lock_width: about 1; cheek: metres by which the cheek line is lower; curl, wave: metres; point: how far a long
    beard narrows, 0 to 1; noise: of the directions."""  # fmt: skip

    family: str
    style: str
    seed: int
    colour: HairColour
    length: float = 0.012
    density: float = 1.0
    lock_width: float = 1.0
    cheek: float = 0.0
    wave: float = 0.0
    point: float = 0.4
    noise: float = 0.4


def draw_beard(
    rng: np.random.Generator, style: str, hair: Hair, masculine: float = 0.5, age: float = 0.5
) -> Beard | None:
    """Draw a beard to go with a head's hair, or None: for most of feminine or young faces."""
    likely = np.clip((masculine - 0.55) * 2, 0, 1) * np.clip((age - 0.25) * 4, 0, 1)
    chance = {"realistic": 0.55, "cartoon": 0.5, "anime": 0.18, "clay": 0.5}[style] * likely
    family = BEARD_FAMILIES[rng.integers(len(BEARD_FAMILIES))]
    seed, wear = int(rng.integers(2**31)), rng.uniform() < chance
    lengths = {
        "long": (0.035, 0.1),
        "full": (0.010, 0.028),
        "moustache": (0.010, 0.018),
        "handlebar": (0.02, 0.034),
    }
    low, high = lengths.get(family, (0.007, 0.02))
    colour = dataclasses.replace(
        hair.colour, root=0.85, streak_share=min(1.0, hair.colour.streak_share + 0.3 * max(age - 0.5, 0)),
        base=tuple(round(c * 0.92, 4) for c in hair.colour.base),
    )  # fmt: skip
    beard = Beard(
        family, style, seed, colour, float(rng.uniform(low, high)), float(rng.uniform(0.8, 1.2)),
        float(rng.uniform(0.8, 1.25)), float(rng.uniform(-0.006, 0.012)),
        float(rng.choice([0.0, rng.uniform(0, 0.004)])), float(rng.uniform(0, 0.9)), float(rng.uniform(0.2, 0.8)),
    )  # fmt: skip
    return beard if wear else None


def grow_beard(beard: Beard, head: HeadModel) -> Piece:
    """Grow a beard on a person's head; each lock goes with the skin at its root, so that it leaves the mouth free."""
    rng = np.random.default_rng(beard.seed)
    hair = Hair("bob", beard.style, beard.seed, beard.colour, taper=0.75, lock_width=beard.lock_width)
    look = look_of(hair)
    corners, weights, base, kind = _places()
    chosen = _chosen(beard, base, kind, look, rng)
    corners, weights, base, kind = corners[chosen], weights[chosen], base[chosen], kind[chosen]
    template = np.asarray(head.template, np.float32)
    points = np.einsum("nkd,nk->nd", template[corners], weights)
    place = ground(head, Hairline())
    # Lips and nose matter here: the surface as it is, not rounded.
    place = dataclasses.replace(place, hull=place.scalp.whole)
    scale, count = place.scale, len(points)
    blank = np.zeros(count, np.float32)
    roots = Roots(blank, blank, points.astype(np.float32), blank, blank)
    length, push = _growth(beard, base, kind, rng)
    length = np.maximum(length, 0.005) * scale
    layer = np.clip(0.7 + 0.2 * rng.normal(size=count), 0, 1)
    lift = (0.0012 + 0.0012 * rng.uniform(size=count)) * scale
    gaps = np.stack([lift, lift * 1.5, lift * 1.5, lift * 1.2], 1)
    steps = 4 if beard.length < 0.018 else 6 if beard.family not in ("long", "handlebar") else 9
    locks = grow_tufts(
        place, roots, rng, length=length, gaps=gaps, points=steps, push=push, away=(0.0, 0.0), down=(0.0, 0.0),
        out=(0.35, 0.1), stiff=0.5, cling=(0.0, 0.05), noise=0.22 * beard.noise, bulge=look.bulge, layer=layer,
        width=look.half_width(0.0022 * scale, hair, rng, count) * (1.7 if beard.family == "long" else 1.0),
        taper=taper(steps, 0.8, 0.2, 0.08, 1.6), round=look.round, twist=0.3 * rng.normal(size=count),
        wave=beard.wave * scale, turns=0.5 + length / (0.04 * scale), curl=0.4,
    )  # fmt: skip
    shade = np.clip(1 + 1.2 * beard.colour.spread * rng.normal(size=count), 0.6, 1.4).astype(np.float32)
    locks = dataclasses.replace(locks, shade=shade)
    across = look.across if look.round else 3
    grown = surface(locks, across, 0.6 * look.softness, rng.uniform(size=(count, 2)), REACH * scale)
    each = len(grown.vertices) // count
    streaked = np.repeat((rng.uniform(size=count) < beard.colour.streak_share).astype(np.float32) * 0.8, each)
    colours = vertex_colours(grown, beard.colour, look.edge, streaked)
    corners, weights = np.repeat(corners, each, 0), np.repeat(weights, each, 0)
    under, own = _under(beard, head, scale)
    grown = joined([under, grown])
    shadow = 0.72 * np.array(beard.colour.base, np.float32)
    colours = np.concatenate([np.tile(shadow, (len(own), 1)), colours])
    corners = np.concatenate([np.repeat(own[:, None], 3, 1), corners])
    weights = np.concatenate([np.tile(np.float32([1, 0, 0]), (len(own), 1)), weights])
    texture = strand_texture(rng, beard.colour.contrast * look.contrast * 1.6, look.fineness)
    return Piece(
        "beard", grown.vertices, grown.normals, grown.faces,
        np.full(len(grown.faces), LABELS.index("hair"), np.uint8), colours, corners.astype(np.int32),
        weights.astype(np.float32), grown.uv, texture, 0.6 * beard.colour.gloss, grown.strands, True,
    )  # fmt: skip


@functools.cache
def _places():
    """Give the pool of places: corners (P, 3), weights (P, 3), base points (P, 3), zones (P,) int or -1."""
    head = load_head()
    template = head.template.astype(np.float64)
    skin = head.part_vertices("skin")
    for name in ("mouth_cavity", "eye_sockets", "ears"):
        skin &= head.region(name) < 0.3
    skin &= head.region("lips") < 0.5
    faces = head.faces
    faces = faces[skin[faces].all(1)]
    middle = template[faces].mean(1)
    faces = faces[(middle[:, 1] < 0.01) & (middle[:, 1] > -0.165) & (middle[:, 2] > -0.085)]
    triangles = template[faces]
    normal = np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0])
    area = np.linalg.norm(normal, axis=1)
    rng = np.random.default_rng(0)
    steps = (np.arange(_POOL) + rng.uniform(size=_POOL)) / _POOL
    which = np.searchsorted(np.cumsum(area) / area.sum(), steps).clip(0, len(faces) - 1)
    u = np.sqrt(rng.uniform(size=_POOL))
    v = rng.uniform(size=_POOL)
    weights = np.stack([1 - u, u * (1 - v), u * v], 1)
    points = np.einsum("nkd,nk->nd", triangles[which], weights)
    order = rng.permutation(_POOL)
    marks = head.landmarks(template)
    return faces[which][order], weights.astype(np.float32)[order], points[order], _zones(points, marks)[order]


def _zones(points, marks):
    """Tell in which zone of `_ZONES` a place of the base head lies; -1 in none."""
    x, y, z = np.abs(points[:, 0]), points[:, 1], points[:, 2]
    corner, nose, lip, under, chin = marks[291], marks[2], marks[0], marks[17], marks[152]
    zone = np.full(len(points), -1)

    def put(name, where):
        zone[where & (zone < 0)] = _ZONES.index(name)

    front = z > corner[2] - 0.03
    cheek = np.interp(
        x, [corner[0] + 0.008, 0.052, 0.066, 0.078], [corner[1] + 0.004, -0.062, -0.040, -0.012]
    )
    over = (y > lip[1] - 0.25 * x - 0.006) & (y < nose[1] - 0.001 - 0.24 * x)
    put("moustache", front & over & (x < corner[0] + 0.006))
    put("soul", front & (x < 0.0075) & (y < under[1]) & (y > under[1] - 0.013))
    ring = (x > corner[0] + 0.001) & (x < corner[0] + 0.011) & (y < nose[1] - 0.010)
    put("ring", front & ring & (y > under[1] - 0.012))
    put("chin", front & (x < corner[0] + 0.006) & (y < under[1] - 0.009) & (z > chin[2] - 0.045))
    put("sideburn", (x > 0.060) & (y < 0.006) & (y > -0.052) & (z < -0.030) & (z > -0.070))
    put("jaw", (y < cheek) & (y > chin[1] - 0.012) & (x > 0.02) & (z > -0.075))
    put("neck", (y <= chin[1] - 0.002) & (y > chin[1] - 0.03) & (z > -0.06))
    return zone


def _under(beard, head, scale):
    """Give the skin under the beard as a surface of hair, and the (V,) head vertices it lies over."""
    kind, candidates = _vertex_zones()
    inside = _bearded(beard, load_head().template, kind)
    of_beard = inside[candidates].all(1)
    # Its border lies under the skin: so it ends in a line, not in the corners of triangles.
    border = np.zeros(len(inside), bool)
    border[candidates[~of_beard]] = True
    faces = candidates[of_beard]
    own, faces = np.unique(faces, return_inverse=True)
    faces = faces.reshape(-1, 3).astype(np.int32)
    points = np.asarray(head.template, np.float32)[own]
    edges = np.cross(points[faces[:, 1]] - points[faces[:, 0]], points[faces[:, 2]] - points[faces[:, 0]])
    normals = np.stack(
        [np.bincount(faces.ravel(), np.repeat(edges[:, k], 3), len(own)) for k in range(3)], 1
    ) + 1e-12  # fmt: skip
    normals = unit(normals).astype(np.float32)
    blank, full = np.zeros(len(own), np.float32), np.ones(len(own), np.float32)
    down = np.tile(np.float32([0, -1, 0]), (len(own), 1))
    uv = np.stack([points[:, 0] / (0.2 * scale) + 0.5, points[:, 1] / (0.4 * scale) + 0.6], 1).clip(0, 1)
    over = points + normals * np.where(border[own], -0.0008 * scale, 0.0009 * scale)[:, None]
    return Surface(
        over.astype(np.float32), normals, down, faces, uv.astype(np.float32), blank, blank, full, blank
    ), own


@functools.cache
def _vertex_zones():
    """Give the zone of each vertex of the base head (-1: none), and the triangles of skin off the lips."""
    head = load_head()
    template = head.template.astype(np.float64)
    skin = head.part_vertices("skin") & (head.region("lips") < 0.3) & (head.region("ears") < 0.3)
    skin &= head.region("mouth_cavity") < 0.3
    kind = np.where(skin, _zones(template, head.landmarks(template)), -1)
    faces = head.faces
    return kind, faces[skin[faces].all(1)]


def _bearded(beard, base, kind):
    """Tell which places of the base head a beard grows at: its zones, under its cheek line."""
    inside = np.isin(kind, [_ZONES.index(name) for name in _FAMILIES[beard.family]])
    x = np.abs(base[:, 0])
    cheek = np.interp(x, [0.034, 0.052, 0.066, 0.078], [-0.073, -0.062, -0.040, -0.012])
    # It is lowered in front only; beside the ear it joins the sideburn.
    cheek = cheek - beard.cheek * np.clip((0.074 - x) / 0.02, 0, 1)
    return inside & ~((kind == _ZONES.index("jaw")) & (x > 0.035) & (base[:, 1] > cheek))


def _chosen(beard, base, kind, look, rng):
    """Give the indices of the places that carry a lock."""
    found = np.flatnonzero(_bearded(beard, base, kind))
    most = {"long": 420, "goatee": 420, "chin_beard": 300}.get(beard.family, 680)
    wanted = min(most * look.count**0.8 * beard.density, 0.8 * len(found))
    # The moustache is small and seen first: it gets five times its share.
    often = np.where(kind[found] == _ZONES.index("moustache"), 5.0, 1.0)
    often = np.where(kind[found] == _ZONES.index("sideburn"), 2.0, often)
    kept = np.cumsum(often) * wanted / often.sum()
    return found[np.diff(np.floor(kept), prepend=-1) > 0]


def _growth(beard, base, kind, rng):
    """Give the lengths (N,) and pushes (N, 2, 3) at the roots: down and outwards, the moustache sideways."""
    count = len(base)
    side = np.sign(base[:, 0] + 1e-9)
    x = np.abs(base[:, 0])
    moustache = kind == _ZONES.index("moustache")
    by_zone = np.array([0.75, 0.7, 1.0, 0.7, 0.75, 0.5, 0.7])
    length = beard.length * by_zone[kind] * rng.uniform(0.75, 1.2, count)
    if beard.family == "long":
        # Longest in the middle.
        length = np.where(moustache, 0.016, 0.012 + (length - 0.012) * np.clip(1.1 - x / 0.075, 0.1, 1))
    elif beard.family not in ("moustache", "handlebar"):
        length = np.where(moustache, np.minimum(length, 0.012), length)
    push = np.zeros((count, 2, 3), np.float32)
    push[:, :, 1] = -1.0
    push[:, 0, 2] = 0.25 * (base[:, 2] > -0.02)
    push[:, 1, 0] = -side * beard.point * 0.5 * np.clip(x / 0.03, 0, 1) * (beard.family == "long")
    push[:, 1, 2] = np.where((beard.family == "long") & ~moustache, 0.1 - 0.3 * beard.point, 0.0)
    aside = np.clip(x / 0.011, 0.05, 1.3)
    push[moustache, 0] = np.stack([side * aside, np.full(count, -0.55), np.full(count, 0.15)], 1)[moustache]
    push[moustache, 1] = push[moustache, 0]
    if beard.family == "handlebar":
        push[moustache, 1, 1] = 0.5 * np.clip(x[moustache] / 0.015, 0, 1)
    return length, push
