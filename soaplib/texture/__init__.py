"""Texturing: the six views painted onto the personal head and its parts."""

from soaplib.data import HeadPose, Part, Portrait, Views
from soaplib.head import HeadModel
from soaplib.texture.eyes import iris_from_portrait

__all__ = ["iris_from_portrait", "paint"]


def paint(
    head: HeadModel,
    pose: HeadPose,
    views: Views,
    portrait: Portrait,
    parts: tuple[Part, ...],
    size: int = 2048,
) -> tuple[Part, ...]:
    """Paint a personal head and its parts from six views.

    head: its template is the neutral head of one person; pose: expression, joint rotations and camera of the
    portrait; views: of the posed head, view 0 the portrait's crop itself; parts: eyes, teeth, tongue in neutral
    pose with plain textures; size: edge of the skin's atlas in texels.

    Returns the finished parts: first "head", the skin with its atlas, then `parts` in their order, painted.

    Raises ValueError where the views do not fit the portrait.

    SOAP, section 3.4, with another blend: what view 0 sees well it paints alone, low and high frequencies
    of the others join in bands, and no texel stays empty.
    """
    from soaplib.texture.eyes import paint_eyes, paint_lashes
    from soaplib.texture.mouth import paint_teeth, paint_tongue
    from soaplib.texture.palette import read_palette
    from soaplib.texture.skin import paint_skin
    from soaplib.texture.visible import make_seers

    if views.images.shape[1:3] != portrait.image.shape[:2]:
        raise ValueError(
            f"paint: view 0 must be the portrait's crop of {portrait.image.shape[:2]} pixels, got views of "
            f"{views.images.shape[1:3]}; resize the views to the portrait"
        )
    palette = read_palette(portrait)
    seers = make_seers(head, pose, views, parts)
    painters = {"eyes": paint_eyes, "lashes": paint_lashes, "teeth": paint_teeth, "tongue": paint_tongue}
    painted = [paint_skin(head, pose, seers, portrait, palette, size)]
    for part in parts:
        painter = next((p for name, p in painters.items() if name in part.name), None)
        painted.append(painter(part, head, pose, seers[0], portrait, palette) if painter else part)
    return tuple(painted)
