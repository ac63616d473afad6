"""What is told of a head of hair before it is grown: family, free parameters, colour."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class HairColour:
    """sRGB in [0, 1]. base; streak and its share of the locks; root: brightness at the roots, tip: at the tips.

    contrast: of the strands. spread: brightness between locks. tie: colour of ribbons and bands.
    """

    base: tuple[float, float, float]
    streak: tuple[float, float, float]
    streak_share: float = 0.15
    root: float = 0.8
    tip: float = 1.1
    contrast: float = 0.5
    spread: float = 0.1
    tie: tuple[float, float, float] = (0.2, 0.2, 0.25)
    gloss: float = 0.4
    name: str = "brown"


@dataclasses.dataclass(frozen=True)
class Hair:
    """A head of hair. Lengths are metres on a head of common size and grow with the head.

    family: one of `HAIR_FAMILIES`. style: one of `STYLES`. covered: "", "cap" or "hood", what is worn over it.
    length; volume: 0 flat to 1 big. part: azimuth of the parting, radians; part_length: 0 a whorl only, 1 to the
    front hairline. wave, wave_count: amplitude and turns of waves along a lock; curl: 0 waves to 1 corkscrews.
    fringe: how far it reaches from the hairline (0) to the brows (1) or beyond; fringe_sweep: sideways, -1 to 1;
    fringe_width: azimuth it covers. density: locks, about 1. lock_width: about 1. noise: disorder of directions.
    taper: 0 blunt to 1 pointed tips. tips: -1 turned in to 1 turned out. layers: 0 one length to 1 shag.
    opening: azimuth of the hair's border beside the face; tuck: behind the ears. lift: at the roots. back: how far
    it is combed back. ends: roughness of the cut line, metres. asymmetry: -1 to 1, one side longer. tie: where
    tails, buns and braids begin (azimuth, height); tail: size of a bun or thickness of a tail. front, peak,
    recede, sideburn, nape: see `Hairline`.
    """

    family: str
    style: str
    seed: int
    colour: HairColour
    covered: str = ""
    length: float = 0.1
    volume: float = 0.4
    part: float = 0.0
    part_length: float = 1.0
    wave: float = 0.0
    wave_count: float = 2.0
    curl: float = 0.0
    fringe: float = 0.0
    fringe_sweep: float = 0.0
    fringe_width: float = 0.7
    density: float = 1.0
    lock_width: float = 1.0
    noise: float = 0.3
    taper: float = 0.6
    tips: float = 0.0
    layers: float = 0.3
    opening: float = 0.9
    tuck: bool = False
    lift: float = 0.2
    back: float = 0.3
    ends: float = 0.008
    asymmetry: float = 0.0
    tie: tuple[float, float] = (3.14159, 0.4)
    tail: float = 1.0
    front: float = 0.0
    peak: float = 0.0
    recede: float = 0.0
    sideburn: float = 0.0
    nape: float = 0.0
