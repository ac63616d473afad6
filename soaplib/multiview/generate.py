"""One call for all generators of views."""

from soaplib.data import HeadPose, Portrait, Views
from soaplib.errors import UserError
from soaplib.head import HeadModel

GENERATORS = ("auto", "geometric")


def generate(
    portrait: Portrait, head: HeadModel, pose: HeadPose, generator: str = "auto", size: int = 512
) -> Views:
    """Make six views of the portrait's head, in the order of `soaplib.data.VIEW_YAWS`; view 0 is the portrait.

    generator: "geometric" needs no network: the portrait laid on the swollen head, its hidden sides completed;
    "auto" takes the best one there is. size: pixels of a side of each view.
    Raises UserError for an unknown generator.
    """
    if generator not in GENERATORS:
        raise UserError(f"The generator must be one of {', '.join(GENERATORS)}, not {generator!r}.")
    from soaplib.multiview.geometric import geometric_views

    return geometric_views(portrait, head, pose, size)
