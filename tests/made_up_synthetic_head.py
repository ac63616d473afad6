"""A synthetic head of plain pieces, for the tests of drawing and of datasets; importable by worker processes."""

import dataclasses

import numpy as np
from made_up_pieces import made_up_pieces

from soaplib.head import load_head
from soaplib.synthetic.drawing.backdrop import Backdrop, draw_backdrop
from soaplib.synthetic.drawing.camera import Turn, draw_turn
from soaplib.synthetic.drawing.light import Light, draw_light
from soaplib.synthetic.drawing.looks import Look, draw_look
from soaplib.synthetic.pieces import STYLES, Piece


@dataclasses.dataclass(frozen=True, eq=False)
class MadeUpHead:
    """What `soaplib.synthetic.dataset.sample.render_head` reads of a head."""

    seed: int
    style: str
    hair_family: str
    expression_family: str
    worn: tuple[str, ...]
    pieces: tuple[Piece, ...]
    model: object
    vertices: np.ndarray
    landmarks: np.ndarray
    gradients: dict
    light: Light
    look: Look
    turn: Turn
    backdrop: Backdrop
    codes: dict


def make_made_up_head(seed: int) -> MadeUpHead:
    """Give the base head in a style, light and turn of the seed."""
    rng = np.random.default_rng(seed)
    style = STYLES[seed % 4]
    light, look, turn = draw_light(rng, style), draw_look(rng, style), draw_turn(rng)
    head = load_head()
    codes = {
        "identity": {"number": seed},
        "light": dataclasses.asdict(light),
        "turn": dataclasses.asdict(turn),
    }
    return MadeUpHead(
        seed, style, ("bob", "bun")[seed % 2], "neutral", ("glasses",)[: seed % 3 == 0], made_up_pieces(), head,
        head.template, head.landmarks(head.template).astype(float), {}, light, look, turn,
        draw_backdrop(rng, style), codes,
    )  # fmt: skip
