"""Drawn lines: where a picture's surfaces end, fold behind each other, or change their part."""

from soaplib.render.kernels import kernel

_LIPS = 0.5


@kernel
def find_lines(ids, depth, values, faces, up, scale, perspective, jump, width, ink):
    """Mark in ink (H, W) uint8 the samples on which a line is drawn.

    ids, depth (H, W or more): what `scan_visible` found. values, faces: of the scene (see
    `soaplib.synthetic.drawing.paint.Scene`); the last column of faces is the class that lines part from others, and 8
    marks lips. up: (3,) the picture's, in the world. scale, perspective: how depth becomes metres: depth / scale, or of
    a perspective camera of focal length `scale` the inverse of its depth. jump: metres by which a surface must lie
    before its neighbour. width: in samples.

    A line lies on the nearer side. Smooth slopes make none, as the depth's second difference is what counts.
    """
    height, columns = ink.shape
    ink[:] = 0
    for r in range(height):
        for c in range(columns):
            face = ids[r, c]
            if face < 0:
                continue
            here = _metres(depth[r, c], scale, perspective)
            label = faces[face, 6]
            found = False
            for direction in range(4):
                dr = (0, 0, 1, -1)[direction]
                dc = (1, -1, 0, 0)[direction]
                for step in range(1, width + 1):
                    rr, cc = r + step * dr, c + step * dc
                    if rr < 0 or cc < 0 or rr >= height or cc >= columns:
                        break
                    other = ids[rr, cc]
                    if other < 0:
                        found = True
                        break
                    if dr == 1 and label & faces[other, 6] & 8 and _crease(values, faces, face, other, up):
                        found = True
                        break
                    there = _metres(depth[rr, cc], scale, perspective)
                    if there - here < 0:
                        continue
                    if faces[other, 6] & 7 != label & 7:
                        found = True
                        break
                    if there - here < jump:
                        continue
                    ro, co = r - step * dr, c - step * dc
                    slope = 0.0
                    if 0 <= ro < height and 0 <= co < columns and ids[ro, co] >= 0:
                        slope = here - _metres(depth[ro, co], scale, perspective)
                    if there - here - slope > jump:
                        found = True
                        break
                if found:
                    break
            if found:
                ink[r, c] = 1


@kernel
def _crease(values, faces, above, below, up):
    """Tell whether the face above looks down and the one below up: the line between closed lips."""
    tilt = 0.0
    for corner in range(3):
        for axis in range(3):
            tilt += up[axis] * (
                values[faces[below, corner], 3 + axis] - values[faces[above, corner], 3 + axis]
            )
    return tilt > 3 * _LIPS


@kernel
def _metres(depth, scale, perspective):
    if perspective:
        return 1.0 / max(1.0 - depth / scale, 1e-6)
    return depth / scale
