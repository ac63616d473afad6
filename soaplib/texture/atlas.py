"""The texture layout of the skin: the head model's own charts, turned upright, the face made largest."""

import dataclasses

import numpy as np
import scipy.sparse as sp
from scipy.sparse.csgraph import connected_components

from soaplib.head import HeadModel
from soaplib.head.model import split_quads

_FACE_SHARE = (0.44, 0.62)
_MAIN_HEIGHT = 0.72
_IMPORTANCE = {"mouth_cavity": 0.55, "eye_sockets": 0.4}


@dataclasses.dataclass(frozen=True)
class Layout:
    """A mesh split at the seams of its charts.

    uv: (V', 2), origin bottom-left; faces: (F, 3) int32 into uv; source: (V',) int32 vertex of the head that each
    came from; chart: (V',) int32, 0 the chart that holds the face; centres: (C,) u of each chart's vertical middle.
    """

    uv: np.ndarray
    faces: np.ndarray
    source: np.ndarray
    chart: np.ndarray
    centres: np.ndarray


def lay_out(head: HeadModel, padding: float = 12 / 2048) -> Layout:
    """Lay out the skin of a head: the chart of the face on top over the whole width, the others below it.

    Charts are the connected pieces of the head's UVs. Each is turned by a multiple of 90 degrees so that up in
    space is up in the picture. The face's chart is stretched by one monotone function per axis, which makes the face
    larger and keeps the map one to one. padding: the least room between charts, as a part of the atlas.

    Raises ValueError where no skin face has a UV.
    """
    skin = head.part_vertices("skin")[head.quads].all(1)
    if not skin.any():
        raise ValueError("lay_out: expected a head with a part named skin that has faces, found none")
    quads, uv_quads = head.quads[skin], head.uv_quads[skin]
    faces, uv_faces = split_quads(quads), split_quads(uv_quads)
    pairs, flat = np.unique(np.stack([faces, uv_faces], -1).reshape(-1, 2), axis=0, return_inverse=True)
    source, uv = pairs[:, 0].astype(np.int32), head.uv[pairs[:, 1]].astype(np.float64)
    faces = flat.reshape(-1, 3).astype(np.int32)
    in_face = head.region("face")[source] > 0.5
    sockets = head.region("eye_sockets")[source] > 0.5
    chart = _charts(faces, in_face & ~sockets, len(source))
    points = head.template[source].astype(np.float64)
    out, boxes = np.empty_like(uv), []
    for c in range(chart.max() + 1):
        of = chart == c
        out[of] = _upright(uv[of], points[of])
        boxes.append(_chart_scale(head, c, chart, faces, out, points, source))
    main = chart == 0
    alone = chart.max() == 0
    out[main] = _magnified(_unit(out[main]), (in_face & ~sockets)[main])
    top = np.array([1 - 2 * padding, (1 if alone else _MAIN_HEIGHT) - 2 * padding])
    out[main] = out[main] * top + [padding, 1 - padding - top[1]]
    centres = np.full(chart.max() + 1, 0.5)
    if not alone:
        room = np.array([1.0, 1 - _MAIN_HEIGHT])
        places, factor = _shelf([np.ptp(out[chart == c], axis=0) * boxes[c] for c in range(1, len(boxes))], room,
                                padding)  # fmt: skip
        for c, place in enumerate(places, 1):
            of = chart == c
            low = out[of].min(0)
            out[of] = (out[of] - low) * boxes[c] * factor + place
            centres[c] = (out[of][:, 0].min() + out[of][:, 0].max()) / 2
    return Layout(out.astype(np.float32), faces, source, chart, centres)


def _charts(faces, in_face, count):
    """Number the connected pieces; the one with the most face vertices is 0, the rest go by their first vertex."""
    ends = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]]])
    graph = sp.coo_matrix((np.ones(len(ends)), (ends[:, 0], ends[:, 1])), shape=(count, count))
    pieces, label = connected_components(graph, directed=False)
    order = np.argsort(-np.bincount(label, weights=in_face, minlength=pieces), kind="stable")
    order = np.concatenate([order[:1], np.sort(order[1:])])
    rank = np.empty(pieces, np.int32)
    rank[order] = np.arange(pieces)
    return rank[label]


def _upright(uv, points):
    """Turn a chart by the multiple of 90 degrees that best brings the points' +Y to +v (and +X to +u)."""
    centred = uv - uv.mean(0)
    slope = np.linalg.lstsq(centred, points[:, :2] - points[:, :2].mean(0), rcond=None)[0]
    best = max(range(4), key=lambda k: round(float((_quarter(k) @ slope).trace()), 6))
    return centred @ _quarter(best).T


def _quarter(k):
    c, s = ((1, 0), (0, 1), (-1, 0), (0, -1))[k]
    return np.array([[c, -s], [s, c]], float)


def _chart_scale(head, c, chart, faces, uv, points, source):
    """Metres per UV unit of a chart, less where detail is not seen."""
    of = faces[chart[faces[:, 0]] == c]
    a, b = uv[of[:, 1]] - uv[of[:, 0]], uv[of[:, 2]] - uv[of[:, 0]]
    flat = np.abs(a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]).sum()
    space = np.linalg.norm(
        np.cross(points[of[:, 1]] - points[of[:, 0]], points[of[:, 2]] - points[of[:, 0]]), axis=1
    ).sum()
    factor = 1.0
    for name, importance in _IMPORTANCE.items():
        if name in head.region_names and head.region(name)[source[chart == c]].mean() > 0.5:
            factor = importance
    return factor * np.sqrt(space / max(flat, 1e-30))


def _unit(uv):
    return (uv - uv.min(0)) / np.ptp(uv, axis=0)


def _magnified(uv, in_face):
    """Stretch each axis of a chart in the unit square so that the face covers `_FACE_SHARE` of it."""
    if not in_face.any():
        return uv
    low, high = uv[in_face].min(0), uv[in_face].max(0)
    half = max(0.5 - low[0], high[0] - 0.5)
    low[0], high[0] = 0.5 - half, 0.5 + half  # the chart is symmetric; so must the stretch be, for mirroring
    return np.stack([_stretch(uv[:, k], low[k], high[k], _FACE_SHARE[k]) for k in range(2)], 1)


def _stretch(t, low, high, share):
    """Map [0, 1] onto itself with a smooth positive slope, so that [low, high] gets about `share` of it."""
    grid = np.linspace(0, 1, 2001)
    soft = 0.12
    bump = _smooth((grid - low + soft) / soft) * _smooth((high + soft - grid) / soft)
    inside = ((grid >= low) & (grid <= high)).mean()
    total = bump.mean()
    gain = max(0.0, (share - inside) / max(inside - share * total, 1e-6))
    slope = 1 + min(gain, 3.0) * bump
    whole = np.concatenate([[0], np.cumsum((slope[1:] + slope[:-1]) / 2)])
    return np.interp(t, grid, whole / whole[-1])


def _smooth(x):
    x = np.clip(x, 0, 1)
    return x * x * (3 - 2 * x)


def _shelf(sizes, room, padding):
    """Put boxes on shelves from the bottom up, widest scale that fits; returns corners and the scale."""
    order = sorted(range(len(sizes)), key=lambda i: (-sizes[i][1], i))
    low, high = 0.0, 1e4
    best = None
    for _ in range(60):
        middle = (low + high) / 2 if best is not None or low == 0 else low
        places = _try_shelf(sizes, order, room, padding, middle)
        if places is None:
            high = middle
        else:
            low, best = middle, (places, middle)
    if best is None:
        raise ValueError(f"lay_out: {len(sizes)} charts do not fit with padding {padding}; make it smaller")
    return best


def _try_shelf(sizes, order, room, padding, scale):
    places = [None] * len(sizes)
    x = y = padding
    tall = 0.0
    for i in order:
        width, height = sizes[i] * scale
        if x + width + padding > room[0]:
            x, y, tall = padding, y + tall + padding, 0.0
        if x + width + padding > room[0] or y + height + padding > room[1]:
            return None
        places[i] = np.array([x, y])
        x, tall = x + width + padding, max(tall, height)
    return places
