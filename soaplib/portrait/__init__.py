"""One picture of any kind in, one `soaplib.data.Portrait` out."""

from soaplib.portrait.landmark_file import NAMED_POINTS, NEEDED_POINTS, read_landmarks
from soaplib.portrait.landmarks import detect_landmarks
from soaplib.portrait.picture import Picture, read_picture
from soaplib.portrait.portrait import make_portrait

__all__ = [
    "NAMED_POINTS",
    "NEEDED_POINTS",
    "Picture",
    "detect_landmarks",
    "make_portrait",
    "read_landmarks",
    "read_picture",
]
