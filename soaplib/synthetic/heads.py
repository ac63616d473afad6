"""A synthetic head from a seed: all codes drawn, then all surfaces made, painted and posed."""

import dataclasses

import numpy as np

from soaplib.data import JOINT_NAMES
from soaplib.head import HeadModel
from soaplib.synthetic.drawing.backdrop import Backdrop, draw_backdrop
from soaplib.synthetic.drawing.camera import Turn, draw_turn
from soaplib.synthetic.drawing.light import Light, draw_light
from soaplib.synthetic.drawing.looks import Look, draw_look
from soaplib.synthetic.hair import (
    Beard,
    Brows,
    Hair,
    Lashes,
    draw_beard,
    draw_brows,
    draw_hair,
    draw_lashes,
    grow_beard,
    grow_brows,
    grow_hair,
    grow_lashes,
)
from soaplib.synthetic.hair.scalp import Hairline
from soaplib.synthetic.people.expression import Expression, draw_expression
from soaplib.synthetic.people.identity import Identity, draw_identity
from soaplib.synthetic.people.person import Person, make_person
from soaplib.synthetic.people.posing import landmarks478, pose_person, posed, posed_strands
from soaplib.synthetic.pieces import STYLES, Piece
from soaplib.synthetic.skin.codes import Skin, draw_skin
from soaplib.synthetic.skin.eye_paint import paint_eyes
from soaplib.synthetic.skin.irises import Irises, draw_irises
from soaplib.synthetic.skin.mouth_colours import MouthColours, draw_mouth_colours, paint_teeth, paint_tongue
from soaplib.synthetic.skin.painting import paint_skin
from soaplib.synthetic.skin.relief import relief_gradient, skin_relief
from soaplib.synthetic.worn import Worn, covered_by, draw_worn, dress_all

_SHARES = (0.4, 0.25, 0.2, 0.15)  # of `STYLES`
_DRAWS = ("style", "identity", "skin", "irises", "mouth", "worn", "hair", "brows", "beard", "lashes", "expression",
          "turn", "light", "look", "backdrop")  # fmt: skip
_SKIN_SIZE = 512
_SCALP = 0.75  # how much the scalp takes the colour of the hair that grows on it
_BARE = ("shaved", "bald_rim")  # families that show the scalp
_NECK = JOINT_NAMES.index("neck")


@dataclasses.dataclass(frozen=True)
class Codes:
    """All that makes a head what it is; `make_head` is a function of it. Plain values, so JSON holds it."""

    seed: int
    style: str
    identity: Identity
    skin: Skin
    irises: Irises
    mouth: MouthColours
    worn: tuple[Worn, ...]
    hair: Hair
    brows: Brows
    beard: Beard | None
    lashes: Lashes
    expression: Expression
    turn: Turn
    light: Light
    look: Look
    backdrop: Backdrop


@dataclasses.dataclass(frozen=True, eq=False)
class SyntheticHead:
    """A head, posed and painted, ready to be drawn by `soaplib.synthetic.dataset.sample.render_head`.

    person: with its personal `HeadModel`, whose 52 actions are the truth about how it moves. vertices: (V, 3) of that
    model, posed; landmarks: (478, 3) in MediaPipe's order, irises by their own rims. neutral: the surfaces before
    posing, painted; pieces: the same, posed. gradients: of the skin's relief, over its texture, for
    `soaplib.synthetic.drawing.paint.assemble`.
    """

    recipe: Codes
    person: Person
    vertices: np.ndarray
    landmarks: np.ndarray
    neutral: tuple[Piece, ...]
    pieces: tuple[Piece, ...]
    gradients: dict[str, np.ndarray]

    @property
    def model(self) -> HeadModel:
        """The personal head model."""
        return self.person.head

    @property
    def codes(self) -> dict:
        """The codes as plain dicts, lists and numbers."""
        return dataclasses.asdict(self.recipe)

    @property
    def seed(self) -> int:
        return self.recipe.seed

    @property
    def style(self) -> str:
        return self.recipe.style

    @property
    def hair_family(self) -> str:
        return self.recipe.hair.family

    @property
    def expression_family(self) -> str:
        return self.recipe.expression.family

    @property
    def worn(self) -> tuple[str, ...]:
        """The kinds of what is worn."""
        return tuple(thing.kind for thing in self.recipe.worn)

    @property
    def turn(self) -> Turn:
        return self.recipe.turn

    @property
    def light(self) -> Light:
        return self.recipe.light

    @property
    def look(self) -> Look:
        return self.recipe.look

    @property
    def backdrop(self) -> Backdrop:
        return self.recipe.backdrop


def draw_codes(
    seed: int, style: str | None = None, hair: str | None = None, expression: str | None = None
) -> Codes:
    """Draw the codes of a head.

    Every part has random numbers of its own, so that one part may be replaced (`dataclasses.replace`) or held and
    the others stay as they are. style, hair, expression: take this style or family instead of a drawn one.
    Raises ValueError or KeyError for an unknown one.
    """
    rngs = {name: np.random.default_rng((seed, k)) for k, name in enumerate(_DRAWS)}
    style = style or str(rngs["style"].choice(STYLES, p=_SHARES))
    identity = draw_identity(rngs["identity"], style)
    masculine, age = 1 - identity.gender, identity.age
    years = float(np.clip((age - 1 / 3) * 1.5, 0, 1))  # 0 for a child, 1 for the old
    ancestry = (identity.african, identity.asian, identity.caucasian)
    skin = draw_skin(rngs["skin"], style, age, masculine, ancestry)
    worn = draw_worn(rngs["worn"], style, masculine)
    locks = draw_hair(rngs["hair"], style, covered_by(worn), masculine, years, hair)
    beard = draw_beard(rngs["beard"], style, locks, masculine, years)
    return Codes(
        seed=seed, style=style, identity=identity, skin=_under(skin, locks, beard),
        irises=draw_irises(rngs["irises"], style, skin.melanin, age),
        mouth=draw_mouth_colours(rngs["mouth"], style, skin.melanin, age), worn=worn, hair=locks,
        brows=draw_brows(rngs["brows"], style, locks, masculine), beard=beard,
        lashes=draw_lashes(rngs["lashes"], style, masculine),
        expression=draw_expression(rngs["expression"], style, expression), turn=draw_turn(rngs["turn"]),
        light=draw_light(rngs["light"], style), look=draw_look(rngs["look"], style),
        backdrop=draw_backdrop(rngs["backdrop"], style),
    )  # fmt: skip


def _under(skin, hair, beard):
    """The skin under its hair: dark between the locks, and not stubbly where a beard is."""
    return dataclasses.replace(
        skin, hair_colour=hair.colour.base, scalp=skin.scalp if hair.family in _BARE else _SCALP,
        stubble=skin.stubble if beard is None else 0.0,
    )  # fmt: skip


def make_head(seed: int | Codes) -> SyntheticHead:
    """Make a head from its seed, or from codes that were drawn and changed. Deterministic."""
    codes = seed if isinstance(seed, Codes) else draw_codes(int(seed))
    person = make_person(codes.identity)
    pose = pose_person(person, codes.expression)
    relief = skin_relief(codes.skin, np.asarray(codes.expression.weights), _SKIN_SIZE)
    hairline = Hairline(**{f.name: getattr(codes.hair, f.name) for f in dataclasses.fields(Hairline)})
    textures = {
        "skin": paint_skin(codes.skin, _SKIN_SIZE, relief, hairline),
        "eyes": paint_eyes(codes.irises, person.eyes.iris_radius / person.eyes.radii),
        "teeth": paint_teeth(codes.mouth),
        "tongue": paint_tongue(codes.mouth),
    }
    own = (
        dataclasses.replace(piece, texture=textures[piece.name], **_gloss(piece.name, codes))
        for piece in person.pieces
    )
    hair = grow_hair(codes.hair, person.head)
    neutral = (
        *own, hair, *_grown_on_face(codes, person.head), *dress_all(codes.worn, person.head, hair.vertices)
    )  # fmt: skip
    return SyntheticHead(
        recipe=codes, person=person, vertices=pose.vertices,
        landmarks=landmarks478(person, codes.expression), neutral=neutral,
        pieces=tuple(_posed(piece, person, codes.expression) for piece in neutral),
        gradients={"skin": relief_gradient(relief, _SKIN_SIZE, pose.transforms[_NECK][:, :3])},
    )  # fmt: skip


def _gloss(name, codes):
    return {"gloss": codes.skin.gloss} if name == "skin" else {}


def _grown_on_face(codes, head):
    yield grow_brows(codes.brows, head)
    yield grow_lashes(codes.lashes, head)
    if codes.beard is not None:
        yield grow_beard(codes.beard, head)


def _posed(piece, person, expression):
    vertices, normals = posed(piece, person, expression)
    strands = None if piece.strands is None else posed_strands(piece, person, expression)
    return dataclasses.replace(piece, vertices=vertices, normals=normals, strands=strands)
