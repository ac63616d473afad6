"""What a synthetic face does: combinations of the 52 ARKit actions that people make, a gaze, a turn of the neck."""

import dataclasses

import numpy as np

from soaplib.synthetic.pieces import STYLES

_ACTIONS = (
    "browDownLeft", "browDownRight", "browInnerUp", "browOuterUpLeft", "browOuterUpRight", "cheekPuff",
    "cheekSquintLeft", "cheekSquintRight", "eyeBlinkLeft", "eyeBlinkRight", "eyeLookDownLeft", "eyeLookDownRight",
    "eyeLookInLeft", "eyeLookInRight", "eyeLookOutLeft", "eyeLookOutRight", "eyeLookUpLeft", "eyeLookUpRight",
    "eyeSquintLeft", "eyeSquintRight", "eyeWideLeft", "eyeWideRight", "jawForward", "jawLeft", "jawOpen", "jawRight",
    "mouthClose", "mouthDimpleLeft", "mouthDimpleRight", "mouthFrownLeft", "mouthFrownRight", "mouthFunnel",
    "mouthLeft", "mouthLowerDownLeft", "mouthLowerDownRight", "mouthPressLeft", "mouthPressRight", "mouthPucker",
    "mouthRight", "mouthRollLower", "mouthRollUpper", "mouthShrugLower", "mouthShrugUpper", "mouthSmileLeft",
    "mouthSmileRight", "mouthStretchLeft", "mouthStretchRight", "mouthUpperUpLeft", "mouthUpperUpRight",
    "noseSneerLeft", "noseSneerRight", "tongueOut",
)  # fmt: skip
_PAIRED = {name[:-4] for name in _ACTIONS if name.endswith("Left") and f"{name[:-4]}Right" in _ACTIONS}
_GAZE = {"In": 30.0, "Out": 30.0, "Up": 20.0, "Down": 22.0}  # degrees of a full look, as soaplib.parts.eyes

# Each family: actions (both sides of paired ones) with their least and most weight at full strength.
_FAMILIES = {
    "neutral": {},
    "smile": {"mouthSmile": (0.45, 1.0), "cheekSquint": (0.1, 0.6), "eyeSquint": (0.0, 0.4), "mouthDimple": (0, 0.3)},
    "grin": {"mouthSmile": (0.6, 1.0), "mouthUpperUp": (0.15, 0.45), "mouthLowerDown": (0.1, 0.4),
             "jawOpen": (0.03, 0.16), "cheekSquint": (0.2, 0.7), "eyeSquint": (0.1, 0.5)},
    "laugh": {"mouthSmile": (0.6, 1.0), "jawOpen": (0.35, 0.8), "cheekSquint": (0.4, 0.9), "eyeSquint": (0.3, 0.8),
              "mouthUpperUp": (0.1, 0.4), "browInnerUp": (0, 0.25)},
    "talk_open": {"jawOpen": (0.15, 0.6), "mouthLowerDown": (0, 0.3), "mouthUpperUp": (0, 0.2),
                  "mouthStretch": (0, 0.2)},
    "talk_round": {"mouthFunnel": (0.25, 0.75), "jawOpen": (0.08, 0.28), "mouthPucker": (0, 0.3)},
    "talk_closed": {"mouthRollLower": (0, 0.35), "mouthRollUpper": (0, 0.3), "mouthPress": (0.1, 0.5),
                    "mouthShrugLower": (0, 0.2)},
    "surprise": {"browInnerUp": (0.5, 1.0), "browOuterUp": (0.5, 1.0), "eyeWide": (0.4, 0.95), "jawOpen": (0.2, 0.9),
                 "mouthFunnel": (0, 0.3)},
    "anger": {"browDown": (0.6, 1.0), "noseSneer": (0.1, 0.6), "eyeSquint": (0.1, 0.5), "mouthPress": (0.2, 0.7),
              "mouthFrown": (0.1, 0.5), "jawForward": (0, 0.3)},
    "shout": {"browDown": (0.5, 1.0), "noseSneer": (0.3, 0.8), "jawOpen": (0.5, 1.0), "mouthStretch": (0.2, 0.5),
              "mouthUpperUp": (0.1, 0.5), "mouthLowerDown": (0.2, 0.6)},
    "sadness": {"browInnerUp": (0.4, 0.95), "mouthFrown": (0.3, 0.85), "mouthShrugLower": (0.1, 0.5),
                "eyeSquint": (0, 0.25)},
    "disgust": {"noseSneer": (0.5, 1.0), "mouthUpperUp": (0.2, 0.6), "browDown": (0.2, 0.7), "mouthFrown": (0, 0.4),
                "eyeSquint": (0.2, 0.6)},
    "fear": {"browInnerUp": (0.5, 1.0), "eyeWide": (0.4, 0.9), "mouthStretch": (0.3, 0.8), "jawOpen": (0.03, 0.25)},
    "blink": {"eyeBlink": (0.75, 1.0)},
    "sleepy": {"eyeBlink": (0.3, 0.65), "browInnerUp": (0, 0.3), "browOuterUp": (0, 0.2)},
    "wink": {"eyeBlink": (0.9, 1.0), "cheekSquint": (0.3, 0.8), "mouthSmile": (0.2, 0.7), "browDown": (0, 0.3)},
    "jaw": {"jawLeft": (0, 0.6), "jawForward": (0, 0.5), "jawOpen": (0.0, 0.35)},
    "pucker": {"mouthPucker": (0.5, 1.0), "mouthFunnel": (0, 0.25)},
    "smirk": {"mouthSmile": (0.4, 0.9), "mouthDimple": (0, 0.4), "mouthLeft": (0, 0.3), "browOuterUp": (0, 0.5)},
    "puff": {"cheekPuff": (0.5, 1.0), "mouthPress": (0.1, 0.5), "mouthPucker": (0, 0.3)},
    "tongue": {"tongueOut": (0.7, 1.0), "jawOpen": (0.15, 0.4), "mouthSmile": (0, 0.4)},
}  # fmt: skip
_SHARES = {"neutral": 5, "smile": 4, "grin": 3, "laugh": 2, "talk_open": 4, "talk_round": 2, "talk_closed": 2,
           "surprise": 2, "blink": 1.5, "wink": 0.8, "tongue": 0.7, "puff": 0.6}  # fmt: skip  # others 1
_ONE_SIDED = {
    "wink": ("eyeBlink", "cheekSquint", "browDown"),
    "smirk": ("mouthSmile", "mouthDimple", "browOuterUp"),
}

EXPRESSION_FAMILIES = tuple(_FAMILIES)
"""Names of the kinds of expression; dataset splits hold some of them out."""


@dataclasses.dataclass(frozen=True)
class Expression:
    """Weights of the 52 ARKit actions, in the order of the head's `expression_names`, and axis-angle per joint.

    family: one of `EXPRESSION_FAMILIES`. rotations: 5 x 3 radians, of `soaplib.data.JOINT_NAMES`. The gaze is told
    twice: by the eyeLook* weights, which move the lids, and by the eye joints, which turn the balls by 30 degrees for
    a full look in or out, 20 up and 22 down.
    """

    family: str
    weights: tuple[float, ...]
    rotations: tuple[tuple[float, float, float], ...]


NEUTRAL = Expression("neutral", (0.0,) * len(_ACTIONS), ((0.0, 0.0, 0.0),) * 5)
"""Nothing moves."""


def draw_expression(rng: np.random.Generator, style: str, family: str | None = None) -> Expression:
    """Draw an expression, of a given family or any; sides differ a little, or altogether in winks and smirks.

    Raises ValueError for an unknown style or family.
    """
    if style not in STYLES:
        raise ValueError(f"draw_expression: unknown style {style!r}; known: {', '.join(STYLES)}")
    if family is None:
        shares = np.array([_SHARES.get(name, 1.0) for name in EXPRESSION_FAMILIES])
        family = EXPRESSION_FAMILIES[rng.choice(len(shares), p=shares / shares.sum())]
    elif family not in _FAMILIES:
        raise ValueError(
            f"draw_expression: unknown family {family!r}; known: {', '.join(EXPRESSION_FAMILIES)}"
        )
    weights = dict.fromkeys(_ACTIONS, 0.0)
    side = "Left" if rng.random() < 0.5 else "Right"
    strength = rng.uniform(0.6, 1.05) if style == "realistic" else rng.uniform(0.7, 1.2)
    for name, (low, high) in _FAMILIES[family].items():
        amount = (low + (high - low) * rng.random()) * (1.0 if name == "eyeBlink" else strength)
        _set(rng, weights, name, amount, side if name in _ONE_SIDED.get(family, ()) else None)
    _add_flutter(rng, weights)
    rotations = np.zeros((5, 3))
    _look(rng, weights, rotations)
    rotations[1] = np.clip(np.radians(rng.normal(size=3) * [3.0, 4.0, 3.0]), -0.16, 0.16)
    if family.startswith("talk") or family in ("laugh", "shout", "surprise"):
        rotations[2, 0] = np.radians(rng.uniform(0, 3.0)) if family != "talk_closed" else 0.0
    return Expression(
        family, tuple(round(float(np.clip(weights[name], 0, 1)), 4) for name in _ACTIONS),
        tuple(tuple(round(float(v), 5) for v in row) for row in rotations),
    )  # fmt: skip


def _set(rng, weights, name, amount, side):
    """Give both sides of a paired action nearly the same weight, or one side nearly all of it."""
    if name in _PAIRED:
        for own in ("Left", "Right"):
            uneven = 1 + 0.12 * rng.normal()
            share = 1.0 if side in (None, own) else rng.uniform(0, 0.15)
            weights[f"{name}{own}"] = amount * share * (1.0 if name == "eyeBlink" and share == 1 else uneven)
    elif name in ("jawLeft", "mouthLeft"):
        weights[name if rng.random() < 0.5 else name.replace("Left", "Right")] = amount
    else:
        weights[name] = amount


def _add_flutter(rng, weights):
    """Faces are never quite still: a few other actions, barely."""
    for name in (
        "browInnerUp",
        "mouthPress",
        "mouthSmile",
        "mouthFrown",
        "eyeSquint",
        "browDown",
        "browOuterUp",
    ):
        amount = 0.12 * rng.random() * (rng.random() < 0.3)
        for action in (f"{name}Left", f"{name}Right") if name in _PAIRED else (name,):
            weights[action] = max(weights[action], amount * rng.uniform(0.7, 1))
    weights["mouthFrownLeft"] *= weights["mouthSmileLeft"] < 0.3
    weights["mouthFrownRight"] *= weights["mouthSmileRight"] < 0.3


def _look(rng, weights, rotations):
    """Turn both eyes together: half the people look straight ahead, up to a little."""
    reach = 0.12 if rng.random() < 0.5 else 1.0
    yaw, up = np.clip(rng.normal(size=2) * [9.0, 5.0] * reach, [-24, -15], [24, 13])
    for side, outwards in (("Left", 1), ("Right", -1)):
        across = "Out" if yaw * outwards > 0 else "In"
        weights[f"eyeLook{across}{side}"] = abs(yaw) / _GAZE[across]
        height = "Up" if up > 0 else "Down"
        weights[f"eyeLook{height}{side}"] = abs(up) / _GAZE[height]
    rotations[3:] = _yaw_then_pitch(np.radians(yaw), np.radians(up))


def _yaw_then_pitch(yaw, up):
    """Axis-angle of a turn to the head's left by `yaw` after a look up by `up`."""
    cy, sy, cx, sx = np.cos(yaw / 2), np.sin(yaw / 2), np.cos(-up / 2), np.sin(-up / 2)
    axis = np.array([cy * sx, sy * cx, -sy * sx])
    size = np.linalg.norm(axis)
    return axis * (2 * np.arctan2(size, cy * cx) / max(size, 1e-12))
