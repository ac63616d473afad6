"""Eyes, lids, teeth and tongue: what a head needs to look alive (stage 4)."""

import dataclasses

import numpy as np

from soaplib.data import Part
from soaplib.head import HeadModel
from soaplib.parts.arch import DentalArch, fit_arch
from soaplib.parts.cavity import fit_cavity
from soaplib.parts.eyes import Eyes, eye_positions, eye_rule, eyeball_part, fit_eyes
from soaplib.parts.lashes import lashes_part
from soaplib.parts.lids import fit_lids
from soaplib.parts.mouth import clear_mouth, seal_lips
from soaplib.parts.stretch import limit_stretch
from soaplib.parts.teeth import teeth_part
from soaplib.parts.tongue import tongue_part

__all__ = [
    "DentalArch",
    "Eyes",
    "clear_mouth",
    "eye_positions",
    "eye_rule",
    "eyeball_part",
    "fit_arch",
    "fit_cavity",
    "fit_eyes",
    "fit_lids",
    "lashes_part",
    "limit_stretch",
    "place_parts",
    "seal_lips",
    "teeth_part",
    "tongue_part",
]


def place_parts(
    head: HeadModel, iris_colours=None, iris_radius=None, lashes: bool = True
) -> tuple[HeadModel, Eyes, tuple[Part, ...]]:
    """Place eyes, teeth, tongue and lashes in a personal head.

    iris_colours: (2, 3) RGB in [0, 1], left eye first, or None; iris_radius: metres, one or two, or None.
    lashes: whether eyelashes grow (drawn and toy faces bring their own in the picture). Returns the head with lids,
    lips, tongue and eye joints corrected and no edge stretched too far by an action, the eyes, and the parts "eyes",
    "teeth", "tongue" and "lashes". Deterministic.
    """
    eyes = fit_eyes(head, iris_radius)
    head = fit_cavity(seal_lips(move_eyes(fit_lids(head, eyes), eyes)))
    arch = fit_arch(head)
    head = clear_mouth(head, arch)
    calm = limit_stretch(head.template.astype(np.float64), head.faces, head.expression_basis)
    calm[np.abs(calm) < 1e-9] = 0  # rounding residue, which may differ from run to run
    head = dataclasses.replace(head, expression_basis=calm)
    parts = (eyeball_part(head, eyes, iris_colours), teeth_part(head, arch), tongue_part(head))
    return head, eyes, (*parts, lashes_part(head, eyes)) if lashes else parts


def move_eyes(head: HeadModel, eyes: Eyes) -> HeadModel:
    """Move the model's own eyeballs onto the fitted ones, and the eye joints into their centres.

    The regressor's rows change by the least squares that puts the joints there, sums kept at 1.
    """
    template, regressor = head.template.copy(), head.joint_regressor.astype(np.float64)
    for k, name in enumerate(("left_eye", "right_eye")):
        own = head.part_vertices(name)
        places = head.template[own].astype(np.float64)
        middle, radius = (places.min(0) + places.max(0)) / 2, np.ptp(places, axis=0).mean() / 2
        places = eyes.centres[k] + (places - middle) * eyes.radii[k] / radius
        template[own] = places
        row = regressor[3 + k]
        error = np.append(eyes.centres[k] - row @ template, 1 - row.sum())
        system = np.concatenate([template[own].T.astype(np.float64), np.ones((1, own.sum()))])
        row[own] += np.linalg.lstsq(system, error, rcond=None)[0]
    return dataclasses.replace(
        head, template=template, joint_regressor=regressor.astype(head.joint_regressor.dtype)
    )
