"""One call for all generators of views."""

from soaplib.data import HeadPose, Portrait, Views
from soaplib.errors import UserError
from soaplib.head import HeadModel

GENERATORS = ("auto", "compact", "unique3d", "geometric")
BEST = "geometric"
"""What "auto" means: the generator whose avatars came out best.

On ten heads of others, drawn from the front, the views of "compact" were better than those of "geometric" on each (the
figures are in data/weights/README.md). But avatars of photographs fitted to its views lose at eyes and mouth: of two,
one had a lid that did not close, one 25 instead of 32 dB over a face that shows its teeth.
"""


def generate(
    portrait: Portrait, head: HeadModel, pose: HeadPose, generator: str = "auto", size: int = 512, **options
) -> Views:
    """Make six views of the portrait's head, in the order of `soaplib.data.VIEW_YAWS`; view 0 is the portrait.

    generator: "compact" draws them with the networks that come with soaplib; "unique3d" with SOAP's own, if you have
    their weights (`soaplib.multiview.unique3d.loading`); "geometric" needs no network: the portrait laid on the
    swollen head, its hidden sides completed; "auto" takes the one that measured best, `BEST`. size: pixels of a side of
    each view. options: what else the chosen generator takes, such as steps, guidance and seed of the networks; see
    `compact_views` and `unique3d_views`.
    Raises UserError for an unknown generator, and for weights that are not there.
    """
    if generator not in GENERATORS:
        raise UserError(f"The generator must be one of {', '.join(GENERATORS)}, not {generator!r}.")
    return _maker(_best() if generator == "auto" else generator)(portrait, head, pose, size, **options)


def _best():
    if BEST != "compact":
        return BEST
    from soaplib.multiview.compact.weights import find_weights

    try:
        find_weights("views"), find_weights("normals")
    except UserError:
        return "geometric"
    return BEST


def _maker(generator):
    """Each generator's function, imported only when it is wanted."""
    if generator == "compact":
        from soaplib.multiview.compact.views import compact_views

        return compact_views
    if generator == "unique3d":
        from soaplib.multiview.unique3d.views import unique3d_views

        return unique3d_views
    from soaplib.multiview.geometric import geometric_views

    return geometric_views
