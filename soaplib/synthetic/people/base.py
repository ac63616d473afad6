"""What all synthetic people share: the default head made ready, and what its mesh is about eyes and mouth."""

import dataclasses
import functools

import numpy as np
import scipy.sparse as sp
from scipy.spatial import cKDTree

from soaplib.head import HeadModel, load_head
from soaplib.head.laplacian import uniform_laplacian
from soaplib.landmarks import OUTER_LIPS
from soaplib.parts import place_parts
from soaplib.parts.rims import eye_rims, mouth_rim
from soaplib.parts.rings import rings_around
from soaplib.parts.smoothstep import smoothstep
from soaplib.synthetic.people.flesh import Flesh
from soaplib.synthetic.people.lids import LidGrid, lid_grids, regular_rows
from soaplib.synthetic.people.lips import LipGrid
from soaplib.synthetic.people.mouth import Teeth, tongue_piece
from soaplib.synthetic.pieces import LABELS, Piece
from soaplib.synthetic.skin.layout import skin_layout

_STILL = 3e-4  # metres: the lower jaw stays where an action moves it by less
_SMOOTHINGS = 8
_LIP_RINGS = 10
_MOUTH_ACTIONS = ("jaw", "mouth", "tongue", "cheekPuff")
_HELD = (
    0.008,
    0.016,
)  # metres from the lid margins within which smoothing does nothing, and beyond which all
_TONGUE_STRETCH, _TONGUE_DROOP = 1.2, 4e-3


@dataclasses.dataclass(frozen=True)
class Base:
    """The default head with eyes, teeth and tongue in place, and the grids of its lids and lips.

    mouth_change: (V, 3) what was changed about the mouth's walls and the tongue to make room for teeth. skin, tongue:
    pieces with everything but places. usual: (V, 3) the mean head; rounded: the same without the finer relief of its
    face; smoothing: sparse (V, V), one round of it. mouth_actions: (E,) bool. joint_supports: the vertices whose
    weights may change to put a person's joint in its place.
    """

    head: HeadModel
    lids: tuple[LidGrid, LidGrid]
    lips: LipGrid
    flesh: Flesh
    teeth: Teeth
    tongue: Piece
    skin: Piece
    mouth_change: np.ndarray
    usual: np.ndarray
    rounded: np.ndarray
    smoothing: sp.csr_matrix
    faces: np.ndarray
    mouth_actions: np.ndarray
    joint_supports: tuple[np.ndarray, ...]


@functools.cache
def base() -> Base:
    """Build it, once a process (half a second)."""
    raw = load_head()
    head, eyes, parts = place_parts(raw, lashes=False)
    parts = {part.name: part for part in parts}
    head = _rigged(head)
    inner = head.part_vertices("tongue") | (head.region("mouth_cavity") > 0.5)
    smoothing = _smoothing(raw)
    rounded = raw.template.astype(np.float64)
    for _ in range(_SMOOTHINGS):
        rounded = smoothing @ rounded
    return Base(
        head=head, lids=lid_grids(head, eyes), lips=LipGrid.of(head), flesh=Flesh.of(head),
        teeth=Teeth.of(head, parts["teeth"]),
        tongue=tongue_piece(head, parts["tongue"]), skin=_skin_piece(head),
        mouth_change=np.where(inner[:, None], head.template.astype(np.float64) - raw.template, 0),
        usual=raw.template.astype(np.float64), rounded=rounded,
        smoothing=smoothing, faces=head.faces, joint_supports=_joint_supports(head),
        mouth_actions=np.array([name.startswith(_MOUTH_ACTIONS) for name in head.expression_names]),
    )  # fmt: skip


def _rigged(head):
    """Eyeballs turn by their joints alone, and nothing else does; teeth move as the jaw or not at all."""
    basis, weights = head.expression_basis.copy(), head.skin_weights.copy()
    balls = head.part_vertices("left_eye", "right_eye")
    basis[balls | head.part_vertices("upper_teeth")] = 0
    strip = np.flatnonzero(head.part_vertices("lower_teeth"))
    still = np.abs(basis[strip]).max((0, 1)) < _STILL
    basis[np.ix_(strip, np.arange(3), np.flatnonzero(still))] = 0
    _stick_out(head, basis)
    weights[~balls, 1] += weights[~balls, 3:].sum(1)
    weights[~balls, 3:] = 0
    return dataclasses.replace(
        head,
        expression_basis=basis,
        skin_weights=weights,
        shape_basis=np.zeros((*basis.shape[:2], 0), np.float32),
    )


def _stick_out(head, basis):
    """Lengthen tongueOut, which brings the tip no further than the lips, and let the tip droop."""
    tongue = np.flatnonzero(head.part_vertices("tongue"))
    out = head.expression_names.index("tongueOut")
    depth = head.template[tongue, 2]
    along = (depth - depth.min()) / np.ptp(depth)
    basis[tongue, 2, out] *= 1 + _TONGUE_STRETCH * along**2
    basis[tongue, 1, out] -= _TONGUE_DROOP * smoothstep(0.6, 1.0, along)


def _joint_supports(head):
    """The eyeball of an eye joint, else the 64 vertices of the skin nearest to where the joint is."""
    joints = head.joint_regressor @ head.template
    skin = np.flatnonzero(head.part_vertices("skin"))
    far = np.linalg.norm(head.template[skin] - joints[:3, None], axis=2)
    nearest = [np.sort(skin[np.argsort(row, kind="stable")[:64]]) for row in far]
    return (*nearest, *(np.flatnonzero(head.part_vertices(name)) for name in ("left_eye", "right_eye")))


def _smoothing(head):
    """One round of averaging with neighbours over the skin; lids, lips, ears and the insides hold still."""
    count = len(head.template)
    laplacian = uniform_laplacian(head.faces, count)
    held = ~head.part_vertices("skin") | np.any(
        [head.region(name) > 0.3 for name in ("mouth_cavity", "eye_sockets", "lips")], axis=0
    )
    margins = head.template[np.concatenate(eye_rims(head))]
    free = smoothstep(*_HELD, cKDTree(margins).query(head.template)[0])
    rate = np.where(held, 0, free * np.where(head.region("ears") > 0.5, 0.15, 0.5))
    valence = np.maximum(laplacian.diagonal(), 1)
    return (sp.eye(count) - sp.diags(rate / valence) @ laplacian).tocsr()


def _skin_piece(head):
    """The skin with its vertices split along the seams of its UV, labelled; places are filled in for each person."""
    skin = head.part_vertices("skin")
    of_skin = skin[head.quads].all(1)
    quads, uv_quads = head.quads[of_skin], head.uv_quads[of_skin]
    pairs, where = np.unique(np.stack([quads.ravel(), uv_quads.ravel()], 1), axis=0, return_inverse=True)
    corner = where.reshape(quads.shape)
    second = quads[:, 2] != quads[:, 3]
    faces = np.concatenate([corner[:, :3], corner[second][:, [0, 2, 3]]]).astype(np.int32)
    owner = np.concatenate([quads[:, :3], quads[second][:, [0, 2, 3]]])
    labels = np.full(len(faces), LABELS.index("skin"), np.uint8)
    on_lips = _on_lips(head, quads)
    labels[np.concatenate([on_lips, on_lips[second]])] = LABELS.index("lips")
    for region, label, share in (("neck", "neck", 0.5), ("mouth_cavity", "mouth", 0.17)):
        labels[head.region(region)[owner].mean(1) > share] = LABELS.index(label)
    ids = pairs[:, 0].astype(np.int32)
    weights = np.zeros((len(ids), 3), np.float32)
    weights[:, 0] = 1
    return Piece(
        name="skin", vertices=head.template[ids], normals=np.zeros((len(ids), 3), np.float32), faces=faces,
        labels=labels, colours=np.ones((len(ids), 3), np.float32), roots=np.repeat(ids[:, None], 3, 1),
        root_weights=weights, uv=skin_layout().uv.astype(np.float32), gloss=0.15,
    )  # fmt: skip


def _on_lips(head, quads):
    """Quads (Q,) of the lips: the rings about the mouth that lie within the outline which the landmarks draw."""
    import matplotlib.path

    rim = mouth_rim(head)
    rows = regular_rows(rings_around(head, rim, "mouth_cavity"), rim, _LIP_RINGS)
    outline = matplotlib.path.Path(head.landmarks(head.template)[list(OUTER_LIPS), :2])
    inside = outline.contains_points(head.template[rows.ravel(), :2]).reshape(rows.shape)
    reach = inside.sum(0) - 0.5
    around = np.mean([np.roll(reach, k) for k in (-2, -1, 0, 1, 2)], axis=0)
    lips = np.zeros(len(head.template), bool)
    lips[rows[np.arange(len(rows))[:, None] <= around]] = True
    return lips[quads].all(1)
