"""Room in the mouth: lips and cheeks stay in front of the teeth, the tongue stays behind them."""

import dataclasses

import numpy as np

from soaplib.head import HeadModel
from soaplib.parts.arch import DentalArch
from soaplib.parts.rims import mouth_rim
from soaplib.parts.rings import rings_around
from soaplib.parts.smoothstep import smoothstep
from soaplib.parts.teeth import crown_depths, jaw_motions

TONGUE_JAW = 0.4
"""The share of jawOpen that tongueOut brings along: a tongue needs a gap to come out of."""

_CROWN = {"upper": (1e-3, 15e-3), "lower": (1e-3, 14e-3)}  # metres before the edge and towards the root
_FADE = 2e-3
_TONGUE_GAP = 1.2e-3
_TONGUE_DROP = 8e-3
_WALL = (1.3e-3, 4e-3)
_STILL = np.eye(3), np.zeros(3)
_NEAR = 18e-3
_DEEP = 15e-3
_LIP_RINGS, _LIP_SPREAD = 8, 14
_LIP_SEAL, _LIP_OVERLAP = 1.2e-3, 3e-4


def clear_mouth(head: HeadModel, arch: DentalArch) -> HeadModel:
    """Give a copy of the head in which no action presses lips or cheeks into the teeth, nor the tongue.

    The lower row is taken where each action puts the jaw. tongueOut lowers the jaw by `TONGUE_JAW` of jawOpen
    and leads the tongue between the edges of the teeth; at rest the tongue is drawn in behind the lower row.
    """
    template = head.template.astype(np.float64)
    tongue, walls = np.flatnonzero(head.part_vertices("tongue")), _walls(head, template, arch)
    actions = np.moveaxis(head.expression_basis, -1, 0).astype(np.float64)
    names = head.expression_names
    if "tongueOut" in names and "jawOpen" in names:
        moving = head.part_vertices("skin", "tongue", "lower_teeth")
        actions[names.index("tongueOut"), moving] += TONGUE_JAW * actions[names.index("jawOpen"), moving]
    basis = np.moveaxis(actions, 0, -1)
    turns, moves = jaw_motions(dataclasses.replace(head, expression_basis=basis))
    template[tongue] = _shortened(template[tongue], arch)
    if "jawOpen" in names:
        actions[names.index("jawOpen"), tongue, 1] -= _tongue_drop(template[tongue], arch)
    for left, right in _pairs(names):
        actions[left][walls], actions[right][walls] = _both_cleared(
            template[walls], actions[left][walls], actions[right][walls], arch
        )
    for name, action, *jaw in zip(names, actions, turns, moves, strict=True):
        if np.abs(action[walls]).max(initial=0) > 1e-5:
            action[walls] = _cleared(template[walls], action[walls], arch, jaw)
        if np.abs(action[tongue]).max(initial=0) > 1e-5:
            rule = _led_out if name == "tongueOut" else _kept_in
            moved = template[tongue] + action[tongue]
            action[tongue] += rule(moved, arch, jaw) - moved
    return dataclasses.replace(
        head, template=template.astype(np.float32),
        expression_basis=np.ascontiguousarray(np.moveaxis(actions, 0, -1), np.float32),
    )  # fmt: skip


def seal_lips(head: HeadModel) -> HeadModel:
    """Give a copy of the head whose nearly closed lips touch, so that no teeth shine through a hair's breadth.

    Works on the ring of skin where the lips come closest. Gaps up to 1.2 mm close, wider ones (to 2.4 mm) ever
    less: a mouth that is open in the neutral head stays so.
    """
    template = head.template.astype(np.float64)
    rings = rings_around(head, mouth_rim(head), "mouth_cavity")
    places = template[rings.ids]
    best = None
    for k in range(_LIP_RINGS):
        here = np.flatnonzero(rings.ring == k)
        grid = np.linspace(places[here, 0].min(), places[here, 0].max(), 65)
        top, bottom = (_height(places[here[rings.half(here, side)]], grid) for side in (True, False))
        if best is None or (top - bottom).mean() < (best[1] - best[2]).mean():
            best = grid, top, bottom
    grid, top, bottom = best
    gap = top - bottom + _LIP_OVERLAP
    close = np.maximum(gap, 0) / 2 * smoothstep(2 * _LIP_SEAL, _LIP_SEAL, gap)
    away = np.abs(rings.ring) / _LIP_SPREAD
    move = np.interp(places[:, 0], grid, close, 0, 0) * smoothstep(1, 0.35, away)
    template[rings.ids, 1] -= (
        np.where(rings.upper > 0.5, 1, -1) * move * np.minimum(4 * np.abs(rings.upper - 0.5), 1)
    )
    return dataclasses.replace(head, template=template.astype(np.float32))


def _height(points, grid):
    order = np.argsort(points[:, 0], kind="stable")
    return np.interp(grid, points[order, 0], points[order, 1])


def _walls(head, template, arch):
    """Skin around the teeth: outside the lower curve at rest, and not far from it nor from the line of the lips."""
    skin = np.flatnonzero(head.part_vertices("skin"))
    out, _, nearest = arch.outwards(template[skin], "lower")
    inner = (nearest > 2) & (nearest < len(arch.upper) - 3)
    close = np.abs(template[skin, 1] - arch.stomion) < 0.045
    return skin[(out > 0) & (out < _NEAR * arch.unit) & inner & close]


def _pairs(names):
    """Positions of the actions that have a left and a right half."""
    lefts = [name for name in names if name.endswith("Left") and name[:-4] + "Right" in names]
    return [(names.index(name), names.index(name[:-4] + "Right")) for name in lefts]


def _both_cleared(places, left, right, arch):
    """Clear an action whose halves are worn together, and share the correction as the halves share the way."""
    both = left + right
    if np.abs(both).max(initial=0) < 1e-5:
        return left, right
    push = _cleared(places, both, arch, _STILL) - both
    sizes = [np.linalg.norm(half, axis=1) for half in (left, right)]
    share = (sizes[0] / np.maximum(sizes[0] + sizes[1], 1e-9))[:, None]
    return left + share * push, right + (1 - share) * push


def _cleared(places, action, arch, jaw):
    """An action (W, 3) of the walls at `places`, pushed off both rows; jaw: the motion it gives the lower one."""
    for row, motion in (("upper", _STILL), ("lower", jaw)):
        rest = arch.outwards(places, row)[0]
        action = action + _push(places + action, rest, arch, row, motion)
    return action


def _push(points, rest, arch, row, motion):
    """The push (W, 3) outwards of wall points too near to a row of teeth (moved by `motion`); exactly 0 elsewhere."""
    turn, move = motion
    local = (points - move) @ turn
    out, normals, nearest = arch.outwards(local, row)
    edge = getattr(arch, f"edge_{row}")[nearest]
    root = (local[:, 1] - edge) * (1 if row == "upper" else -1)
    before, behind = np.array(_CROWN[row]) * arch.unit
    beside = smoothstep(-before - _FADE, -before, root) * smoothstep(behind + _FADE, behind, root)
    least = np.clip(0.5 * rest, _WALL[0] * arch.unit, _WALL[1] * arch.unit)
    need = np.maximum(least - out, 0) * beside * (out > -_DEEP * arch.unit) * (rest > 0)
    push = np.zeros_like(local)
    push[:, [0, 2]] = normals * need[:, None]
    return push @ turn.T


def _drawn_in(points, arch, amount):
    """Draw points in behind the lower row's inner faces, by `amount` (P,) of the way."""
    out, normals, nearest = arch.outwards(points, "lower")
    behind = crown_depths(arch, "lower")[nearest] + _TONGUE_GAP * arch.unit
    drawn = points.copy()
    drawn[:, [0, 2]] -= normals * (np.maximum(out + behind, 0) * amount)[:, None]
    return drawn


def _shortened(points, arch):
    """Shorten the tongue until its tip is behind the front teeth, then draw in what is still too wide."""
    tip = points[:, 2] > points[:, 2].max() - 6e-3 * arch.unit
    after = _drawn_in(points[tip], arch, np.ones(tip.sum()))
    excess = points[tip, 2].max() - after[:, 2].max()
    root = points[:, 2].min()
    shorter = points.copy()
    shorter[:, 2] = root + (points[:, 2] - root) * (1 - excess / (points[:, 2].max() - root))
    return _drawn_in(shorter, arch, np.ones(len(points)))


def _tongue_drop(points, arch):
    """How far the tongue's back sinks with jawOpen, beyond the model's own: the throat shows dark above it."""
    along = (points[:, 2] - points[:, 2].min()) / np.ptp(points[:, 2])
    return _TONGUE_DROP * arch.unit * smoothstep(1.0, 0.5, along)


def _kept_in(points, arch, jaw):
    """Keep the tongue behind the lower row where that has gone with the jaw, at the height of the crowns."""
    turn, move = jaw
    local = (points - move) @ turn
    nearest = arch.outwards(local, "lower")[2]
    over = local[:, 1] - arch.edge_lower[nearest]
    return points + (_drawn_in(local, arch, smoothstep(_FADE, -_FADE, over)) - local) @ turn.T


def _led_out(points, arch, jaw):
    """Lead the tongue between the edges of the rows: heights are squeezed softly into the gap near the teeth."""
    turn, move = jaw
    out, _, nearest = arch.outwards(points, "lower")
    depth = crown_depths(arch, "lower")[nearest]
    curve = np.stack([arch.lower[nearest, 0], arch.edge_lower[nearest], arch.lower[nearest, 1]], 1)
    low = (curve @ turn.T + move)[:, 1] + 1.5e-3 * arch.unit
    high = np.maximum(arch.edge_upper[nearest] - 0.8e-3 * arch.unit, low + 6e-3 * arch.unit)
    middle, half = (low + high) / 2, (high - low) / 2
    squeezed = middle + half * np.tanh((points[:, 1] - middle) / half)
    led = points.copy()
    near = smoothstep(-depth - 8e-3 * arch.unit, -depth, out) * smoothstep(
        16e-3 * arch.unit, 8e-3 * arch.unit, out
    )
    led[:, 1] += (squeezed - points[:, 1]) * near
    return led
