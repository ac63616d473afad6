"""Grow a head of hair: the family's locks, the shell under them, colours, one piece."""

import dataclasses

import numpy as np

from soaplib.head import HeadModel
from soaplib.synthetic.hair.codes import Hair
from soaplib.synthetic.hair.colouring import vertex_colours
from soaplib.synthetic.hair.families import FAMILIES, band
from soaplib.synthetic.hair.ground import ground
from soaplib.synthetic.hair.locks import joined, surface
from soaplib.synthetic.hair.look import look_of
from soaplib.synthetic.hair.scalp import Hairline
from soaplib.synthetic.hair.texture import REACH, coil_texture, strand_texture
from soaplib.synthetic.pieces import LABELS, Piece

_COILED = ("afro", "shaved")
_SHORT = ("crop", "swept", "bald_rim", "pixie", "afro", "spiky", "mohawk")
_UNDER_CAP, _UNDER_HOOD = 0.004, 0.006  # metres, how far hair may stand off the skin under a hat


def grow_hair(hair: Hair, head: HeadModel) -> Piece:
    """Grow hair on a person's head, in the neutral pose; it hangs on the crown and so moves with the skull."""
    rng = np.random.default_rng(hair.seed)
    hairline = Hairline(hair.front, hair.peak, hair.recede, hair.sideburn, hair.nape)
    place = ground(head, hairline, hair.part, hair.part_length)
    look = look_of(hair)
    grown = FAMILIES[hair.family](place, hair, look, rng)
    short = hair.family in _SHORT
    softness = min(0.8, look.softness + 0.25) if short else look.softness
    surfaces, streaked = list(grown.shells), [np.zeros(len(one.vertices), np.float32) for one in grown.shells]
    for locks in grown.locks:
        count = len(locks.paths)
        shade = locks.shade * np.clip(1 + hair.colour.spread * rng.normal(size=count), 0.6, 1.4)
        locks = dataclasses.replace(locks, shade=shade.astype(np.float32))
        across = look.across if locks.round == look.round else (6 if locks.round else 4)
        if not locks.round and not 8 < locks.paths.shape[1] < 22:
            across = 3
        surfaces.append(surface(locks, across, softness, rng.uniform(size=(count, 2)), REACH * place.scale))
        share = (rng.uniform(size=count) < hair.colour.streak_share) * rng.uniform(0.25, 0.85, count)
        streaked.append(np.repeat(share, len(surfaces[-1].vertices) // count).astype(np.float32))
    whole = joined(surfaces)
    if short:
        # Seen from root to tip all over the head, dark roots and edges would look like scales.
        whole = dataclasses.replace(whole, along=0.45 + 0.55 * whole.along)
    colours = vertex_colours(
        whole, hair.colour, look.edge * (0.4 if short else 1.0), np.concatenate(streaked)
    )
    labels = np.full(len(whole.faces), LABELS.index("hair"), np.uint8)
    if grown.bands:
        bands = joined([band(*one) for one in grown.bands])
        tie = np.array(hair.colour.tie, np.float32) * bands.shade[:, None]
        colours = np.concatenate([colours, tie])
        labels = np.concatenate([labels, np.full(len(bands.faces), LABELS.index("worn"), np.uint8)])
        whole = joined([whole, bands])
    if hair.covered:
        whole = dataclasses.replace(whole, vertices=_flattened(whole.vertices, place, hair.covered))
    texture = (
        coil_texture(rng, hair.colour.contrast * look.contrast)
        if hair.family in _COILED
        else strand_texture(rng, hair.colour.contrast * look.contrast * 1.6, look.fineness)
    )
    crown = int(np.argmax(np.where(head.part_vertices("skin"), head.template[:, 1], -1)))
    count = len(whole.vertices)
    return Piece(
        "hair", whole.vertices, whole.normals, whole.faces, labels,
        colours, np.full((count, 3), crown, np.int32), np.tile(np.float32([1, 0, 0]), (count, 1)), whole.uv, texture,
        hair.colour.gloss, whole.strands, True,
    )  # fmt: skip


def _flattened(vertices, place, covered):
    """Bring what is under a hat close to the skin; a hood also holds all that is not beside the face."""
    bare = place.scalp.bare
    located = bare.locate(vertices)
    skin = bare.surface(located[:, 0], located[:, 1])
    limit = (_UNDER_CAP if covered == "cap" else _UNDER_HOOD) * place.scale
    over = np.linalg.norm(vertices - skin, axis=1)
    # A band of a centimetre leads from the flattened to the free hair.
    hidden = np.clip((vertices[:, 1] - place.scalp.hat.height(vertices)) / (0.01 * place.scale) + 1, 0, 1)
    if covered == "hood":
        hidden = np.maximum(hidden, np.clip((np.abs(located[:, 0]) - 0.95) / 0.2, 0, 1))
    squeezed = np.minimum(over, limit * (0.4 + 0.6 * np.tanh(over / (3 * limit))))
    share = np.where(over > limit * 0.3, hidden * (1 - squeezed / np.maximum(over, 1e-6)), 0)
    return (vertices + (skin - vertices) * share[:, None]).astype(np.float32)
