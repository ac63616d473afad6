"""How the head really stands: the first fit put right by what the side views show."""

import dataclasses

import numpy as np

from soaplib.data import HeadPose, Portrait, Views
from soaplib.fitting.align import depth_shift
from soaplib.fitting.bare import bare_skin
from soaplib.fitting.deform import Level, Schedule, refine
from soaplib.fitting.energy import seen_faces
from soaplib.fitting.initial import UNSEEN, gaze
from soaplib.fitting.posing import Posing
from soaplib.fitting.registration import register
from soaplib.fitting.snap import landmark_trust, snap_landmarks
from soaplib.head import HeadModel
from soaplib.head.swell import lay_ears_flat
from soaplib.landmarks import OUTER_EYES

_COARSE = Schedule((Level(40, 64, 2e-2, 12.0), Level(40, 128, 1e-2, 5.0)), triangles=None)
_DEVIATION = 0.1  # of a landmark, over the outer-eye distance: shape tells more


def stand(views: Views, portrait: Portrait, head: HeadModel, pose: HeadPose) -> HeadPose:
    """Correct identity, expression, turn, tilt, size and place of a head, fitted by `fit_head`, from its six views.

    One picture hardly tells a nod from a long chin; six do. The head model is deformed coarsely to the views, and
    registered to the surface that comes out (`register`). The world goes along: it is upright, and in the model's
    metres, for the corrected head, so cameras in it differ (`moved_views`). Views of the generator "geometric" show
    the first fit itself, which stays.
    """
    if views.generator == "geometric":
        return pose
    shape = head.template + head.shape_basis @ pose.shape.astype(np.float64)
    start = snap_landmarks(head, Posing(head, pose, shape).pose(shape), pose.camera, portrait)
    start = start + depth_shift(views, head, pose, start)
    start, flat = lay_ears_flat(head, start, pose.camera, portrait.regions)
    surface = refine(views, portrait, head, pose, start, _COARSE, flat)[1]
    unit = np.linalg.norm(np.subtract(*portrait.landmarks[list(OUTER_EYES)].astype(np.float64)))
    marks = pose.camera, portrait.landmarks.astype(np.float64), landmark_trust(portrait), _DEVIATION * unit
    free = np.array([not (name in UNSEEN or name.startswith("eyeLook")) for name in head.expression_names])
    faces = seen_faces(head)
    bare = bare_skin(views, portrait, surface, faces)
    found = register(head, surface, faces, pose.shape, pose.expression, marks, bare, free, views)
    camera = pose.camera @ found.matrix
    seen = head.landmarks(found.vertices(head)) @ pose.camera[:2, :3].T + pose.camera[:2, 3]
    error = np.linalg.norm(seen - portrait.landmarks, axis=1)[portrait.landmark_weights > 0].mean()
    rotations = pose.pose.copy()
    rotations[3:] = gaze(head, found.shape, camera, portrait)
    return HeadPose(
        found.shape.astype(np.float32),
        found.expression.astype(np.float32),
        rotations,
        camera,
        float(error / unit),
    )


def moved_views(views: Views, before: HeadPose, after: HeadPose) -> Views:
    """Give the views with cameras in the world of a corrected pose (`stand`)."""
    return dataclasses.replace(views, cameras=views.cameras @ np.linalg.inv(before.camera) @ after.camera)
