"""How a person's actions follow from the face: features that a style makes larger move farther.

`python -m soaplib.synthetic.people.actions` draws people of all styles, of identities that trainings may see, and
writes to `soaplib/fitting/actions.npz` how their landmarks and joints lie and how their actions differ from the head
model's, in common principal components. `soaplib.fitting.transfer` reads the one from the other: a mouth's own shape
hardly tells whether a style has widened it or the person has a wide one, all of a face does.
"""

import dataclasses
import pathlib
import sys

import numpy as np

from soaplib.fitting.transfer import ACTIONS, of_mouth, upright
from soaplib.head import HeadModel, load_head
from soaplib.synthetic.dataset import splits
from soaplib.synthetic.people.base import base
from soaplib.synthetic.people.identity import Identity, draw_identity
from soaplib.synthetic.people.person import make_person
from soaplib.synthetic.people.proportions import style_flow
from soaplib.synthetic.pieces import STYLES

COMPONENTS = 40
_PLACED, _TURNED = 1.5e-3, 0.05  # metres of a landmark, and of a map's entries, that weigh alike
_SITES = 0.006  # metres between the places whose maps are kept
_MOVES = 2e-4  # metres by which an action other than the mouth's moves a place worth keeping
_SEED = 2


def people(count: int, style: str, head: HeadModel) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Make `count` people of a style, of identities that are not held out.

    Returns the landmarks (count, 478, 3), less the head model's; the maps (count, V + 1, 3, 3) of the head model's
    actions to theirs, that of each vertex, and last that of all actions of the mouth; and the joints (count, 5, 3),
    less the head model's.
    """
    marks, maps, joints, number = [], [], [], 0
    middle = head.landmarks(head.template.astype(np.float64)).mean(0)
    usual = head.joint_regressor @ head.template - middle
    while len(marks) < count:
        identity = draw_identity(np.random.default_rng((_SEED, number)), style)
        number += 1
        if splits.of_identity(dataclasses.asdict(identity)) == "train":
            person = make_person(identity).head
            found = person.landmarks(person.template.astype(np.float64))
            turn, off = upright(head, found)
            marks.append(off)
            maps.append(np.linalg.inv(turn) @ _turns(identity))
            joints.append(
                (person.joint_regressor @ person.template - found.mean(0)) @ np.linalg.inv(turn).T - usual
            )
    return np.stack(marks), np.stack(maps), np.stack(joints)


def _turns(identity: Identity) -> np.ndarray:
    """The Jacobians (V + 1, 3, 3) of a style's warp: at each vertex, and in the mean over the upper lip."""
    plain = make_person(dataclasses.replace(identity, warp=()))
    count = len(plain.head.template)
    if not identity.warp:
        return np.tile(np.eye(3), (count + 1, 1, 1))
    shared, template = base(), plain.head.template.astype(np.float64)
    flow = style_flow(identity.warp, shared.head, template, plain.eyes.centres, float(plain.eyes.radii[0]))
    turns = flow.carry(template)[1]
    return np.concatenate([turns, turns[shared.lips.upper].mean((0, 1))[None]])


def sites(head: HeadModel) -> np.ndarray:
    """Choose vertices of the skin (N,), evenly spread, that actions other than the mouth's move."""
    moved = np.linalg.norm(head.expression_basis[..., ~of_mouth(head)], axis=1).max(1) > _MOVES
    ids = np.flatnonzero(moved & head.part_vertices("skin") & (head.region("mouth_cavity") < 0.5))
    cells = np.floor(head.template[ids] / _SITES).astype(int)
    return ids[np.sort(np.unique(cells, axis=0, return_index=True)[1])]


def components(
    marks: np.ndarray, maps: np.ndarray, joints: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Give common principal components, a deviation long, of landmarks (N, 478, 3) and of maps (N, M, 3, 3) less 1, and
    what joints (N, 5, 3) do with these.

    Not centred: the head model's own face has the model's actions. Signs: the largest entry is > 0.
    """
    flat = np.concatenate([
        marks.reshape(len(marks), -1) / _PLACED,
        (maps - np.eye(3)).reshape(len(maps), -1) / (_TURNED * np.sqrt(maps.shape[1] / marks.shape[1])),
    ], 1)  # fmt: skip
    _, vectors = np.linalg.eigh(flat @ flat.T / len(flat))
    amounts = vectors[:, ::-1][:, :COMPONENTS] * np.sqrt(len(flat))
    basis = flat.T @ amounts / len(flat)
    signs = np.sign(basis[np.abs(basis).argmax(0), np.arange(basis.shape[1])])
    basis, amounts, first = basis * signs, amounts * signs, marks[0].size
    follow = amounts.T @ joints.reshape(len(joints), -1) / len(flat)
    return (
        (basis[:first] * _PLACED).reshape(*marks.shape[1:], -1),
        (basis[first:] * _TURNED * np.sqrt(maps.shape[1] / marks.shape[1])).reshape(*maps.shape[1:], -1),
        follow.T.reshape(*joints.shape[1:], -1),
    )


def main(count: int = 200) -> None:
    """Draw `count` people of each style, and write the common components of their landmarks and their actions' maps."""
    head = load_head()
    drawn = [people(count, style, head) for style in STYLES]
    chosen = sites(head)
    marks, maps, joints = (np.concatenate(part) for part in zip(*drawn, strict=True))
    placed, turned, moved = components(marks, maps[:, np.append(chosen, len(head.template))], joints)
    np.savez_compressed(
        ACTIONS, centre=head.landmarks(head.template).mean(0).astype(np.float32),
        sites=head.template[chosen].astype(np.float32), landmarks=placed.astype(np.float16),
        maps=turned[:-1].astype(np.float16), mouth=turned[-1].astype(np.float32),
        joints=moved.astype(np.float32),
    )  # fmt: skip
    sys.stdout.write(f"wrote {ACTIONS}, {pathlib.Path(ACTIONS).stat().st_size / 1e6:.1f} MB\n")


if __name__ == "__main__":
    main()
