"""Portraits that can be named instead of pointed at."""

import importlib.util
import pathlib

from soaplib.errors import UserError

SAMPLES = {
    "astronaut": ("skimage", "data/astronaut.png"),
    "hopper": ("matplotlib", "mpl-data/sample_data/grace_hopper.jpg"),
}
"""Sample name to (package, file in it), both in the public domain. astronaut: Eileen Collins by NASA, in scikit-image;
hopper: Grace Hopper by the US Navy, in matplotlib."""


def find_portrait(portrait: str) -> pathlib.Path:
    """Return the file that `portrait` means: a path, or the name of a sample where no such file exists.

    Raises:
        UserError: there is neither such a file nor such a sample.
    """
    path = pathlib.Path(portrait).expanduser()
    if path.is_file():
        return path
    if portrait in SAMPLES:
        package, file = SAMPLES[portrait]
        spec = importlib.util.find_spec(package)
        if spec is not None:
            return pathlib.Path(spec.origin).parent / file
    if path.is_dir():
        raise UserError(f"{portrait} is a folder; give the picture file in it.")
    raise UserError(
        f"There is no picture at {portrait}; give the path of an image file or a sample's name ({', '.join(SAMPLES)})."
    )
