"""The 52 ARKit expressions by area of the face, and named combinations of them."""

AREAS = {
    "Brows": ("browDownLeft", "browDownRight", "browInnerUp", "browOuterUpLeft", "browOuterUpRight"),
    "Eyes": (
        "eyeBlinkLeft", "eyeBlinkRight", "eyeSquintLeft", "eyeSquintRight", "eyeWideLeft", "eyeWideRight",
    ),
    "Gaze": (
        "eyeLookDownLeft", "eyeLookDownRight", "eyeLookInLeft", "eyeLookInRight",
        "eyeLookOutLeft", "eyeLookOutRight", "eyeLookUpLeft", "eyeLookUpRight",
    ),
    "Cheeks and nose": (
        "cheekPuff", "cheekSquintLeft", "cheekSquintRight", "noseSneerLeft", "noseSneerRight",
    ),
    "Jaw": ("jawForward", "jawLeft", "jawOpen", "jawRight"),
    "Mouth": (
        "mouthClose", "mouthDimpleLeft", "mouthDimpleRight", "mouthFrownLeft", "mouthFrownRight",
        "mouthFunnel", "mouthLeft", "mouthLowerDownLeft", "mouthLowerDownRight", "mouthPressLeft",
        "mouthPressRight", "mouthPucker", "mouthRight", "mouthRollLower", "mouthRollUpper", "mouthShrugLower",
        "mouthShrugUpper", "mouthSmileLeft", "mouthSmileRight", "mouthStretchLeft", "mouthStretchRight",
        "mouthUpperUpLeft", "mouthUpperUpRight",
    ),
    "Tongue": ("tongueOut",),
}  # fmt: skip
"""ARKit's blend shape locations (ARFaceAnchor.BlendShapeLocation), grouped as an animator seeks them."""

ARKIT_NAMES = tuple(sorted(name for names in AREAS.values() for name in names))


def both(name: str, weight: float) -> dict[str, float]:
    """Return the same weight for the left and the right expression that `name` begins."""
    return {f"{name}Left": weight, f"{name}Right": weight}


PRESETS: dict[str, dict[str, float]] = {
    "neutral": {},
    "smile": both("mouthSmile", 0.75)
    | both("cheekSquint", 0.45)
    | both("eyeSquint", 0.3)
    | {"jawOpen": 0.06},
    "surprise": both("browOuterUp", 0.8) | both("eyeWide", 0.7) | {"browInnerUp": 0.9, "jawOpen": 0.45},
    "jaw open": {"jawOpen": 1.0},
    "blink": both("eyeBlink", 1.0),
}
"""Expressions worth a button, as weights by name."""
