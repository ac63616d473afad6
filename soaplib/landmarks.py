"""The 478 landmarks of MediaPipe Face Mesh: named index sets, and the 68 iBUG points among them."""

FACE_OVAL = (
    10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377,
    152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109,
)  # fmt: skip
"""Round the face from the top of the forehead over the head's left cheek to the chin and back."""

LEFT_EYE = (263, 249, 390, 373, 374, 380, 381, 382, 362, 398, 384, 385, 386, 387, 388, 466)
"""Lid contour of the head's left eye: outer corner, lower lid inward, inner corner, upper lid outward."""

RIGHT_EYE = (33, 7, 163, 144, 145, 153, 154, 155, 133, 173, 157, 158, 159, 160, 161, 246)
"""The same of the head's right eye."""

LEFT_IRIS = (473, 474, 475, 476, 477)
"""Centre, then four points of the rim."""

RIGHT_IRIS = (468, 469, 470, 471, 472)

OUTER_LIPS = (
    61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 409, 270, 269, 267, 0, 37, 39, 40, 185,
)  # fmt: skip
"""From the right mouth corner along the lower lip to the left one and back along the upper lip."""

INNER_LIPS = (78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308, 415, 310, 311, 312, 13, 82, 81, 80, 191)

OUTER_EYES = (33, 263)
"""The outer eye corners, right and left: their distance is the unit of landmark errors."""

IBUG68 = (
    162, 234, 93, 58, 172, 136, 149, 148, 152, 377, 378, 365, 397, 288, 323, 454, 389,
    71, 63, 105, 66, 107, 336, 296, 334, 293, 301,
    168, 197, 5, 4, 75, 97, 2, 326, 305,
    33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380,
    61, 39, 37, 0, 267, 269, 291, 405, 314, 17, 84, 181, 78, 82, 13, 312, 308, 317, 14, 87,
)  # fmt: skip
"""The 68 points of iBUG 300-W (Sagonas et al. 2013) among the 478: jaw line from the head's right ear to the left,
brows, nose, eyes, outer and inner lips. The correspondence in wide use (also in LatentSync, Apache-2.0)."""
