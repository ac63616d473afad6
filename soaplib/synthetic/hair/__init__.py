"""Hair of synthetic heads: drawn as codes, grown as geometry on a person's head."""

import importlib

_HOMES = {
    "codes": ("Hair", "HairColour"),
    "drawing": ("draw_hair",),
    "growing": ("grow_hair",),
    "brows": ("Brows", "draw_brows", "grow_brows"),
    "beard": ("BEARD_FAMILIES", "Beard", "draw_beard", "grow_beard"),
    "lashes": ("Lashes", "draw_lashes", "grow_lashes"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = ["HAIR_FAMILIES", *sorted(_HOME_OF)]


def __getattr__(name):
    """Import a public name's module on first use."""
    if name == "HAIR_FAMILIES":
        value = tuple(importlib.import_module(f"{__name__}.families").FAMILIES)
    elif name in _HOME_OF:
        value = getattr(importlib.import_module(f"{__name__}.{_HOME_OF[name]}"), name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__():
    return __all__
