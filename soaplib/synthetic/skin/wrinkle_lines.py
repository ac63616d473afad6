"""Where skin folds: the lines of a face, drawn on the base head, and the actions that deepen them."""

import dataclasses

import numpy as np

_MIRROR = np.array([-1, 1])


@dataclasses.dataclass(frozen=True)
class Line:
    """One fold on the base head.

    points: (K, 2) x and y in metres, on the front of the skin. depth, width: metres, of the groove. bulge: height of
    the skin beside the groove on its outer side, in depths. actions: names and how strongly each folds it, 1 is
    fully. static: how deep it is in an old face at rest.
    """

    group: str
    points: np.ndarray
    depth: float
    width: float
    bulge: float
    actions: dict[str, float]
    static: float


def wrinkle_lines(marks: np.ndarray) -> list[Line]:
    """List the lines of the base head, from its (478, 3) landmarks; those of the left side before their mirrors."""
    flat = marks[:, :2].astype(np.float64)
    lines = _forehead(flat)
    for make in (_frown, _crow, _lower_lid, _bunny, _nasolabial, _mouth_corner, _lips, _neck_side):
        for group, points, depth, width, bulge, actions, static in make(flat):
            left = {name.replace("Side", "Left"): weight for name, weight in actions.items()}
            right = {name.replace("Side", "Right"): weight for name, weight in actions.items()}
            lines.append(Line(group, np.asarray(points), depth, width, bulge, left, static))
            lines.append(Line(group, np.asarray(points) * _MIRROR, depth, width, bulge, right, static))
    return lines + _middle(flat)


def _forehead(marks):
    """Four lines over the brows, each in three pieces, as inner and outer brows rise apart."""
    low = marks[9, 1] + 0.011
    out = []
    for k, height in enumerate(low + np.array([0, 0.0085, 0.0165, 0.0245, 0.032])):
        depth = (0.00026, 0.00034, 0.00036, 0.00030, 0.00020)[k]
        wave = 0.0012 * np.sin(np.arange(5) * 2.1 + k * 1.7)
        x = np.linspace(-0.021, 0.021, 5)
        points = np.stack([x, height - 0.0028 * (1 - (x / 0.03) ** 2) + wave], 1)
        out.append(Line("forehead", points, depth, 0.0016, 0, {"browInnerUp": 1.0}, 0.5))
        x = np.linspace(0.012, 0.047 - 0.002 * k, 5)
        outer = np.stack([x, height + 0.0035 * np.sin((x - 0.012) / 0.035 * 2.4) - 0.0018 + wave[::-1]], 1)
        for side, points in (("Left", outer), ("Right", outer * _MIRROR)):
            out.append(
                Line("forehead", points, 0.9 * depth, 0.0016, 0,
                     {f"browOuterUp{side}": 1.0, "browInnerUp": 0.25}, 0.45)
            )  # fmt: skip
    return out


def _frown(marks):
    base = marks[9]
    yield (
        "frown", [base + [0.0065, -0.008], base + [0.006, -0.002], base + [0.0075, 0.006], base + [0.009, 0.013]],
        0.0006, 0.0019, 0.25, {"browDownSide": 1.0, "noseSneerSide": 0.25}, 0.5,
    )  # fmt: skip
    yield (
        "frown", [base + [0.0125, -0.002], base + [0.0135, 0.004], base + [0.015, 0.010]],
        0.00035, 0.0017, 0, {"browDownSide": 0.9}, 0.25,
    )  # fmt: skip


def _crow(marks):
    corner = marks[263]
    weights = {"eyeSquintSide": 0.9, "cheekSquintSide": 0.8, "mouthSmileSide": 0.4, "eyeBlinkSide": 0.12}
    for k, angle in enumerate(np.radians([38, 20, 4, -13, -31])):
        start = corner + 0.0065 * np.array([np.cos(angle), np.sin(angle)])
        length = (0.010, 0.014, 0.016, 0.015, 0.012)[k]
        along = np.linspace(0, 1, 4)[:, None]
        bend = np.array([0, -0.0016]) * along**2 * np.sign(np.sin(angle) + 0.05)
        points = start + along * length * np.array([np.cos(angle) * 0.85, np.sin(angle)]) + bend
        yield "crow", points, (0.00026, 0.00034, 0.00038, 0.00034, 0.00028)[k], 0.0013, 0, weights, 0.6


def _lower_lid(marks):
    inner, outer = marks[362], marks[263]
    for k, drop in enumerate((0.0075, 0.0115, 0.0155)):
        t = np.linspace(0.08, 0.92, 5)[:, None]
        points = inner + t * (outer - inner) + [0.001, 0] - np.concatenate([0 * t, drop * np.sin(t * 2.7)], 1)
        depth = (0.00026, 0.00032, 0.00024)[k]
        actions = {"cheekSquintSide": 0.9, "eyeSquintSide": 0.7, "mouthSmileSide": 0.35, "noseSneerSide": 0.3}
        yield "lower_lid", points, depth, 0.0015, 0.4, actions, (0.35, 0.8, 0.4)[k]


def _bunny(marks):
    bridge = (marks[6] + marks[197]) / 2
    for k in range(3):
        start = bridge + [0.0045 + 0.0008 * k, 0.006 - 0.0055 * k]
        points = [start, start + [0.004, 0.0030], start + [0.0075, 0.0048 + 0.0012 * k]]
        yield "bunny", points, (0.0003, 0.00034, 0.00026)[k], 0.0014, 0, {"noseSneerSide": 1.0}, 0.12


def _nasolabial(marks):
    wing, corner = marks[358], marks[291]
    points = [wing + [0.0030, 0.0045], wing + [0.0075, -0.003], (wing + corner) / 2 + [0.0125, 0.0035],
              corner + [0.0115, 0.0035], corner + [0.0125, -0.0065], corner + [0.0105, -0.0135]]  # fmt: skip
    actions = {"mouthSmileSide": 0.9, "noseSneerSide": 0.7, "mouthUpperUpSide": 0.6, "mouthDimpleSide": 0.4,
               "cheekSquintSide": 0.4, "mouthStretchSide": 0.3, "jawOpen": 0.15}  # fmt: skip
    yield "nasolabial", points, 0.0008, 0.0027, 0.45, actions, 0.62
    outer = np.array([corner + [0.020, 0.012], corner + [0.0215, 0.002], corner + [0.019, -0.009]])
    yield "cheek", outer, 0.00045, 0.0024, 0.3, {"mouthSmileSide": 0.9, "mouthDimpleSide": 0.5}, 0.22
    far = np.array([corner + [0.030, 0.014], corner + [0.032, 0.003], corner + [0.029, -0.010]])
    yield "cheek", far, 0.00032, 0.0024, 0, {"mouthSmileSide": 0.6}, 0.22


def _mouth_corner(marks):
    corner = marks[291]
    arc = [corner + [0.0042, 0.0045], corner + [0.0056, 0], corner + [0.0042, -0.0048]]
    actions = {"mouthDimpleSide": 1.0, "mouthStretchSide": 0.7, "mouthSmileSide": 0.4, "mouthPressSide": 0.5,
               "mouthLeft" : 0.0}  # fmt: skip
    yield "corner", arc, 0.0005, 0.0015, 0.3, {k: v for k, v in actions.items() if v}, 0.2
    down = [
        corner + [0.0018, -0.003],
        corner + [0.0040, -0.009],
        corner + [0.0048, -0.017],
        corner + [0.0035, -0.024],
    ]
    yield "marionette", down, 0.0006, 0.0021, 0.35, {"mouthFrownSide": 1.0, "mouthStretchSide": 0.3}, 0.6


def _lips(marks):
    """Short upright lines on and about the lips."""
    top, bottom = marks[0], marks[17]
    pursed = {"mouthPucker": 1.0, "mouthFunnel": 0.35, "mouthClose": 0.2, "mouthRollUpper": 0.25}
    for k in range(5):
        x = 0.0028 + 0.0036 * k
        start = top + [x, 0.0014 - 0.0007 * k]
        yield "pucker", [start, start + [0.0009 * k**0.5, 0.0065]], 0.00022, 0.0010, 0, pursed, 0.45
        start = bottom + [x, -0.0012 + 0.0008 * k]
        yield "pucker", [start, start + [0.0007 * k**0.5, -0.0055]], 0.00018, 0.0010, 0, pursed, 0.15


def _neck_side(marks):
    """Cords that the corners of the mouth draw up."""
    chin = marks[152]
    for k in range(2):
        start = chin + [0.022 + 0.016 * k, -0.012 + 0.01 * k]
        points = [start, start + [-0.002, -0.022], start + [-0.005, -0.044]]
        yield "cords", points, -0.0007, 0.0032, 0, {"mouthStretchSide": 1.0, "mouthFrownSide": 0.3}, 0.35


def _middle(marks):
    """Lines across the middle: root of the nose, under the lower lip, neck."""
    out = []
    root = marks[168]
    points = root + np.array([[-0.008, 0.001], [0, -0.0012], [0.008, 0.001]])
    both = {"browDownLeft": 0.5, "browDownRight": 0.5, "noseSneerLeft": 0.3, "noseSneerRight": 0.3}
    out.append(Line("root", points, 0.0005, 0.0018, 0, both, 0.4))
    fold = marks[18] + np.array(
        [[-0.013, -0.002], [-0.006, -0.0005], [0, 0.0002], [0.006, -0.0005], [0.013, -0.002]]
    )
    raised = {"mouthShrugLower": 1.0, "mouthRollLower": 0.5, "mouthFrownLeft": 0.2, "mouthFrownRight": 0.2}
    out.append(Line("chin", fold - [0, 0.002], 0.0006, 0.0026, 0, raised, 0.25))
    for k, (x, y) in enumerate([(0, -0.008), (-0.006, -0.010), (0.006, -0.0105), (-0.003, -0.015), (0.0035, -0.0155),
                                (-0.009, -0.0155), (0.0095, -0.015), (0.0, -0.020)]):  # fmt: skip
        points = marks[18] + [x, y] + np.array([[-0.0012, 0], [0.0012, 0.0004 * (-1) ** k]])
        out.append(
            Line("pebbles", points, 0.0005, 0.0017, 0, {"mouthShrugLower": 1.0, "mouthPucker": 0.3}, 0.05)
        )
    chin = marks[152]
    for k, drop in enumerate((0.040, 0.058)):
        x = np.linspace(-0.05, 0.05, 7)
        points = np.stack([x, chin[1] - drop + 6 * x**2 + 0.001 * np.sin(40 * x + k)], 1)
        out.append(Line("neck", points, 0.0006, 0.0022, 0, {"mouthShrugLower": 0.1}, 0.75))
    return out
