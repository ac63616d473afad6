"""Clips: expression weights and joint rotations over time, and one sample clip to show a head alive."""

import dataclasses

import numpy as np

from soaplib.animation.expressions import ARKIT_NAMES, PRESETS, both
from soaplib.data import JOINT_NAMES
from soaplib.storage import Stored

SAMPLE_SECONDS = 9.0
"""Length at which the sample clip has the pace of a living face."""

_NECK = JOINT_NAMES.index("neck")


@dataclasses.dataclass(frozen=True)
class Motion(Stored):
    """A clip at `fps` frames a second.

    names: (N,) expressions; weights: (T, N) float32; rotations: (T, 5, 3) float32, axis-angle in radians per
    joint of `JOINT_NAMES`, relative to rest.
    """

    name: str
    fps: float
    names: tuple[str, ...]
    weights: np.ndarray
    rotations: np.ndarray

    def __post_init__(self) -> None:
        expected = (len(self.weights), len(self.names)), (len(self.weights), len(JOINT_NAMES), 3)
        if (self.weights.shape, self.rotations.shape) != expected:
            raise ValueError(
                f"Motion {self.name!r}: expected weights and rotations of shapes {expected}, "
                f"got {self.weights.shape} and {self.rotations.shape}"
            )

    @property
    def seconds(self) -> float:
        """Time from the first frame to the last."""
        return (len(self.weights) - 1) / self.fps


def sample_motion(fps: float = 30, seconds: float = SAMPLE_SECONDS) -> Motion:
    """Make a short clip of a living face: it looks about, smiles, says a phrase, is surprised, and rests.

    Gaze moves by the eyeLook expressions alone, so that eyes which also have joints never turn
    twice. It starts and ends at rest, so it loops. `seconds` stretches the clip; blinks keep their speed.
    """
    times = np.arange(round(seconds * fps) + 1) / fps
    pace = times * (SAMPLE_SECONDS / seconds)
    tracks = {name: _eased(keys, pace) for name, keys in _keys().items()}
    tracks |= _gaze(*(_eased(keys, pace) for keys in _GAZE))
    blinks = np.max([_blink(times - at * seconds / SAMPLE_SECONDS) for at in _BLINKS], axis=0)
    tracks |= dict.fromkeys(both("eyeBlink", 1.0), blinks)
    weights = np.stack([tracks.get(name, np.zeros(len(times))) for name in ARKIT_NAMES], axis=1)
    rotations = np.zeros((len(times), len(JOINT_NAMES), 3))
    rotations[:, _NECK] = np.stack([_eased(keys, pace) for keys in _HEAD], axis=1) + _sway(pace)
    return Motion(
        "sample", fps, ARKIT_NAMES, weights.clip(0, 1).astype(np.float32), rotations.astype(np.float32)
    )


# All times below are seconds of the clip at its own pace.
_BLINKS = (0.45, 2.55, 4.35, 6.55, 8.15)

_HEAD = (
    # pitch about +X (down is positive), yaw about +Y (to the head's left is positive), roll about +Z
    ((0, 0), (1.9, 0), (2.3, -0.06), (2.7, 0), (3.3, 0.04), (4.4, 0.05), (4.9, 0.0), (5.4, 0.07),
     (5.9, 0.0), (6.5, 0.03), (7.0, -0.09), (7.5, -0.07), (8.3, 0)),
    ((0, 0), (0.6, 0), (1.1, 0.24), (1.5, 0.24), (2.2, -0.24), (2.45, -0.22), (2.9, 0), (4.8, 0.07),
     (5.6, -0.06), (6.4, 0), (8.3, 0)),
    ((0, 0), (2.9, 0), (3.4, 0.06), (4.0, 0.06), (4.6, 0), (5.2, -0.03), (6.2, 0), (7.1, -0.03), (8.3, 0)),
)  # fmt: skip

_GAZE = (
    # eyes lead the head and come back to the viewer while it still turns
    ((0, 0), (0.5, 0), (0.68, 0.75), (1.3, 0.35), (1.55, 0.3), (1.75, -0.75), (2.3, -0.35), (2.5, -0.3),
     (2.7, 0), (6.55, 0), (8.3, 0)),
    ((0, 0), (1.6, 0), (1.8, 0.35), (2.4, 0.3), (2.7, 0), (3.4, -0.1), (4.4, 0), (8.3, 0)),
)  # fmt: skip
"""How far the eyes look to the head's left and up, as weights."""

_VOWELS = {
    "-": {},
    "e": {"jawOpen": 0.2}
    | both("mouthStretch", 0.15)
    | both("mouthLowerDown", 0.25)
    | both("mouthSmile", 0.2),
    "l": {"jawOpen": 0.16} | both("mouthUpperUp", 0.15) | both("mouthLowerDown", 0.2),
    "o": {"jawOpen": 0.28, "mouthFunnel": 0.55, "mouthPucker": 0.2},
    "a": {"jawOpen": 0.5} | both("mouthLowerDown", 0.3) | both("mouthUpperUp", 0.12),
    "i": {"jawOpen": 0.12}
    | both("mouthSmile", 0.35)
    | both("mouthStretch", 0.2)
    | both("mouthLowerDown", 0.3),
    "u": {"jawOpen": 0.14, "mouthFunnel": 0.25, "mouthPucker": 0.6},
    "m": {"jawOpen": 0.0, "mouthRollLower": 0.25, "mouthRollUpper": 0.2} | both("mouthPress", 0.3),
    "f": {"jawOpen": 0.06, "mouthRollLower": 0.4} | both("mouthUpperUp", 0.2),
}

_PHRASE = ((4.50, "-"), (4.62, "e"), (4.76, "l"), (4.94, "o"), (5.12, "-"), (5.24, "a"), (5.40, "i"),
           (5.50, "m"), (5.66, "a"), (5.80, "i"), (5.92, "f"), (6.06, "o"), (6.20, "u"), (6.34, "e"),
           (6.52, "-"))  # fmt: skip

_SMILE = ((2.85, 0), (3.35, 1), (4.05, 0.9), (4.45, 0.15), (6.5, 0.1), (6.75, 0), (7.55, 0), (7.85, 0.45),
          (8.25, 0.35), (8.8, 0))  # fmt: skip
_SURPRISE = ((6.6, 0), (6.9, 1), (7.35, 0.9), (7.7, 0))


def _keys() -> dict[str, list[tuple[float, float]]]:
    """Return the key frames (time, weight) of the expressions that move, but for lids and gaze."""
    keys: dict[str, list] = {}
    for curve, preset in ((_SMILE, "smile"), (_SURPRISE, "surprise")):
        for name, weight in PRESETS[preset].items():
            keys.setdefault(name, []).extend((time, weight * share) for time, share in curve)
    for name in sorted({name for pose in _VOWELS.values() for name in pose}):
        spoken = [(time, _VOWELS[vowel].get(name, 0.0)) for time, vowel in _PHRASE]
        start, end = spoken[0][0], spoken[-1][0]
        others = [key for key in keys.get(name, []) if not start <= key[0] <= end]
        keys[name] = others + spoken
    for name in both("browOuterUp", 0) | {"browInnerUp": 0}:
        keys.setdefault(name, []).extend(
            [(1.6, 0), (1.9, 0.35), (2.3, 0.3), (2.6, 0), (5.1, 0), (5.3, 0.3), (5.6, 0)]
        )
    return keys


def _gaze(left: np.ndarray, up: np.ndarray) -> dict[str, np.ndarray]:
    """Turn both eyes alike to the head's left and up: one eye looks out where the other looks in."""
    towards_left, towards_right = left.clip(0), (-left).clip(0)
    return {
        "eyeLookOutLeft": towards_left,
        "eyeLookInRight": towards_left,
        "eyeLookInLeft": towards_right,
        "eyeLookOutRight": towards_right,
        **dict.fromkeys(both("eyeLookUp", 1.0), up.clip(0)),
        **dict.fromkeys(both("eyeLookDown", 1.0), (-up).clip(0)),
    }


def _eased(keys, times: np.ndarray) -> np.ndarray:
    """Join key frames by monotone cubics: smooth, and never beyond the keys (Fritsch and Butland 1984)."""
    from scipy.interpolate import PchipInterpolator  # half a second, which a GLB without a clip need not wait

    keys = dict(sorted([(-1.0, 0.0), (0.0, 0.0), *keys, (SAMPLE_SECONDS, 0.0), (SAMPLE_SECONDS + 1, 0.0)]))
    return PchipInterpolator(list(keys), list(keys.values()))(times)


def _blink(times: np.ndarray) -> np.ndarray:
    """Close in 0.08 s and open in 0.17 s: lids fall faster than they rise."""
    closing, opening = 1 + times / 0.08, 1 - times / 0.17
    share = np.minimum(closing, opening).clip(0, 1)
    return share * share * (3 - 2 * share)


def _sway(times: np.ndarray) -> np.ndarray:
    """Return (T, 3) small slow turns of a head that is held up, not mounted; none at both ends."""
    share = (np.minimum(times, SAMPLE_SECONDS - times) / 0.8).clip(0, 1)
    window = share * share * (3 - 2 * share)
    phase = times[:, None] * (1.1, 0.8, 0.6) + (0.0, 1.3, 2.1)
    return window[:, None] * np.sin(phase) * (0.012, 0.02, 0.01)
