"""The kernels that draw a scene: which faces each pixel sees, each shaded once in it, and what is true there."""

import math

import numpy as np

from soaplib.render.kernels import kernel
from soaplib.synthetic.inlined import inlined
from soaplib.synthetic.outlines import find_lines
from soaplib.synthetic.shading import HAIR, shade
from soaplib.synthetic.texels import sample
from soaplib.synthetic.visible import LANES, place_vertices, scan_visible

# First columns of `Scene.values`.
_POSITION, _NORMAL, _STRAND, _COLOUR, _UV, _AMBIENT, _KEY = 0, 3, 6, 9, 12, 14, 17
# Metres by which a surface lies before its neighbour where a line is drawn.
_CREASE = 0.004
# Smooth normals of a front look away from the viewer by no more than this.
_AWAY = -0.35


@kernel
def paint_view(task, tasks, scene, cameras, rotations, eyes, rows, size, outputs):
    """Draw camera number `task` of a `Scene` into the arrays `outputs`, in the order of the fields of `Frames`."""
    camera, rotation = cameras[task], rotations[task]
    values, faces = scene.values, scene.faces
    places = np.empty((len(values), 4))
    place_vertices(values, camera, 2.0, places)
    depth = np.empty((2 * size, 2 * size + LANES), np.float32)
    ids = np.empty((2 * size, 2 * size + LANES), np.int32)
    scan_visible(places, faces, scene.culled, rows[task], depth, ids)
    perspective = abs(camera[3, 0]) + abs(camera[3, 1]) + abs(camera[3, 2]) > 0
    # Pixels a metre of an orthographic camera, focal length of a perspective one.
    scale = math.sqrt(camera[0, 0] ** 2 + camera[0, 1] ** 2 + camera[0, 2] ** 2)
    if perspective:
        ahead = camera[0, 0] * camera[3, 0] + camera[0, 1] * camera[3, 1] + camera[0, 2] * camera[3, 2]
        scale = math.sqrt(max(scale * scale - ahead * ahead, 1e-12))
    ink = np.zeros((1, 1), np.uint8)
    if scene.shader.lines > 0:
        ink = np.empty((2 * size, 2 * size), np.uint8)
        width = int(scene.shader.line_width)
        find_lines(ids, depth, values, faces, rotation[1], scale, perspective, _CREASE, width, ink)
    rgba, normals, labels, depths, uvs, albedos, positions = outputs
    # Arrays go one by one: reading them out of a tuple at every pixel would count references there.
    _shade_pixels(
        places, values, faces, scene.uv_areas, scene.texels.table, scene.texels.colours, scene.texels.gradients,
        scene.shader, ids, ink, eyes[task], rotation, perspective, size, rgba[task], normals[task], labels[task],
        albedos[task],
    )  # fmt: skip
    if depths.shape[1] or uvs.shape[1] or positions.shape[1]:
        _note_places(
            places, values, faces, ids, scale, perspective, size, labels[task], depths[task], uvs[task],
            positions[task],
        )  # fmt: skip


@kernel
def _shade_pixels(
    places, values, faces, uv_areas, table, colours, gradients, shader, ids, ink, eye, rotation, perspective, size,
    rgba, normals, labels, albedos,
):  # fmt: skip
    lined = ink.shape[0] > 1
    for row in range(size):
        for column in range(size):
            r, c = 2 * row, 2 * column
            seen = (ids[r, c], ids[r, c + 1], ids[r + 1, c], ids[r + 1, c + 1])
            covered = (seen[0] >= 0) + (seen[1] >= 0) + (seen[2] >= 0) + (seen[3] >= 0)
            if covered == 0:
                continue
            red, green, blue, nx, ny, nz, ar, ag, ab = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
            for first in range(4):
                face = seen[first]
                if face < 0 or _before(seen, first):
                    continue
                # The middle of the pixel's samples that see this face.
                x, y, weight, inked = 0.0, 0.0, 0.0, 0.0
                for other in range(first, 4):
                    if seen[other] == face:
                        rr, cc = r + other // 2, c + other % 2
                        x += cc + 0.5
                        y += rr + 0.5
                        weight += 1.0
                        if lined:
                            inked += ink[rr, cc]
                shaded = _shade_face(
                    places, values, faces, uv_areas, table, colours, gradients, shader, face, x / weight, y / weight,
                    eye, rotation, perspective,
                )  # fmt: skip
                light = weight - shader.lines * inked
                red += light * shaded[0]
                green += light * shaded[1]
                blue += light * shaded[2]
                nx += weight * shaded[3]
                ny += weight * shaded[4]
                nz += weight * shaded[5]
                ar += weight * shaded[6]
                ag += weight * shaded[7]
                ab += weight * shaded[8]
            share = 255.0 / covered
            rgba[row, column, 0] = int(min(red * share + 0.5, 255.0))
            rgba[row, column, 1] = int(min(green * share + 0.5, 255.0))
            rgba[row, column, 2] = int(min(blue * share + 0.5, 255.0))
            rgba[row, column, 3] = int(covered * 63.75 + 0.5)
            mx = rotation[0, 0] * nx + rotation[0, 1] * ny + rotation[0, 2] * nz
            my = rotation[1, 0] * nx + rotation[1, 1] * ny + rotation[1, 2] * nz
            mz = rotation[2, 0] * nx + rotation[2, 1] * ny + rotation[2, 2] * nz
            norm = 127.5 / max(math.sqrt(mx * mx + my * my + mz * mz), 1e-9)
            normals[row, column, 0] = int(mx * norm + 128.0)
            normals[row, column, 1] = int(my * norm + 128.0)
            normals[row, column, 2] = int(mz * norm + 128.0)
            labels[row, column] = _label(seen, faces)
            if albedos.shape[0]:
                albedos[row, column, 0] = int(min(ar * share + 0.5, 255.0))
                albedos[row, column, 1] = int(min(ag * share + 0.5, 255.0))
                albedos[row, column, 2] = int(min(ab * share + 0.5, 255.0))


@inlined
def _before(seen, index):
    """Tell whether an earlier one of the four samples sees the same face."""
    if index == 0:
        return False
    if seen[index] == seen[0]:
        return True
    if index == 1:
        return False
    return seen[index] == seen[1] or (index == 3 and seen[3] == seen[2])


@inlined
def _label(seen, faces):
    """Give the label of most of the four samples; of two with as many, the surface before the empty, then the first."""
    best, most = 0, 0
    for first in range(4):
        if seen[first] < 0:
            continue
        label, count = faces[seen[first], 3], 0
        for other in range(4):
            if seen[other] >= 0 and faces[seen[other], 3] == label:
                count += 1
        if count > most:
            best, most = label, count
    empty = (seen[0] < 0) + (seen[1] < 0) + (seen[2] < 0) + (seen[3] < 0)
    return 0 if empty > most else best


@inlined
def _corners(places, i, j, k, x, y):
    """Give the perspective-correct barycentrics of the sample position (x, y) in a face, and twice its area."""
    x0, y0 = places[i, 0] - x, places[i, 1] - y
    x1, y1 = places[j, 0] - x, places[j, 1] - y
    x2, y2 = places[k, 0] - x, places[k, 1] - y
    a, b, c = x1 * y2 - x2 * y1, x2 * y0 - x0 * y2, x0 * y1 - x1 * y0
    area = a + b + c
    a, b, c = a / places[i, 3], b / places[j, 3], c / places[k, 3]
    inverse = 1.0 / (a + b + c)
    return a * inverse, b * inverse, c * inverse, area


@inlined
def _mixed(values, i, j, k, a, b, c, first):
    """Give three values of a row, from column `first` on, mixed of the corners i, j, k."""
    return (
        a * values[i, first] + b * values[j, first] + c * values[k, first],
        a * values[i, first + 1] + b * values[j, first + 1] + c * values[k, first + 1],
        a * values[i, first + 2] + b * values[j, first + 2] + c * values[k, first + 2],
    )


@inlined
def _shade_face(
    places, values, faces, uv_areas, table, colours, gradients, shader, face, x, y, eye, rotation, perspective
):
    """Give the sRGB colour in [0, 1], the smooth world normal and the albedo at a place of a face."""
    i, j, k, piece = faces[face, 0], faces[face, 1], faces[face, 2], faces[face, 5]
    a, b, c, area = _corners(places, i, j, k, x, y)
    nx, ny, nz = _mixed(values, i, j, k, a, b, c, _NORMAL)
    norm = 1.0 / max(math.sqrt(nx * nx + ny * ny + nz * nz), 1e-9)
    place = _mixed(values, i, j, k, a, b, c, _POSITION)
    view = (rotation[2, 0], rotation[2, 1], rotation[2, 2])
    if perspective:
        vx, vy, vz = eye[0] - place[0], eye[1] - place[1], eye[2] - place[2]
        near = 1.0 / max(math.sqrt(vx * vx + vy * vy + vz * vz), 1e-9)
        view = (vx * near, vy * near, vz * near)
    # The back of a surface has its normal turned; hairs as thin as a card may lie with either side up.
    toward = (nx * view[0] + ny * view[1] + nz * view[2]) * norm
    nx, ny, nz = nx * norm, ny * norm, nz * norm
    if toward < (0.0 if area > 0 else _AWAY):
        if faces[face, 4] == HAIR:  # a lock has a thickness: its rim looks outwards whichever side is seen
            nx, ny, nz = nx - 2 * toward * view[0], ny - 2 * toward * view[1], nz - 2 * toward * view[2]
        else:
            nx, ny, nz = -nx, -ny, -nz
    red, green, blue = _mixed(values, i, j, k, a, b, c, _COLOUR)
    bx, by, bz = nx, ny, nz
    if table[0, piece, 0] > 0:
        u, v, _ = _mixed(values, i, j, k, a, b, c, _UV)
        # Texels a pixel: a pixel is four samples, the area here is twice the face's.
        crowding = 8.0 * uv_areas[face] / max(abs(area), 1e-9)
        tr, tg, tb = sample(colours, table, 0, piece, u, v, crowding)
        red, green, blue = red * tr * (1 / 255), green * tg * (1 / 255), blue * tb * (1 / 255)
        if table[1, piece, 0] > 0:
            gx, gy, gz = sample(gradients, table, 1, piece, u, v, crowding)
            bx, by, bz = bx - gx, by - gy, bz - gz
    key, openness, gloss = _mixed(values, i, j, k, a, b, c, _KEY)
    lit = shade(
        shader, faces[face, 4], gloss, (red, green, blue), (bx, by, bz),
        _mixed(values, i, j, k, a, b, c, _STRAND), view, place,
        _mixed(values, i, j, k, a, b, c, _AMBIENT), key, openness,
    )  # fmt: skip
    return lit[0], lit[1], lit[2], nx, ny, nz, red, green, blue


@kernel
def _note_places(places, values, faces, ids, scale, perspective, size, labels, depths, uvs, positions):
    """Note where the first sample that has a pixel's label lies: depth, uv, position."""
    for row in range(size):
        for column in range(size):
            for sample_ in range(4):
                r, c = 2 * row + sample_ // 2, 2 * column + sample_ % 2
                face = ids[r, c]
                if face < 0 or labels[row, column] == 0 or faces[face, 3] != labels[row, column]:
                    continue
                i, j, k = faces[face, 0], faces[face, 1], faces[face, 2]
                a, b, c, _ = _corners(places, i, j, k, c + 0.5, r + 0.5)
                if depths.shape[0]:
                    if perspective:
                        depths[row, column] = a * places[i, 3] + b * places[j, 3] + c * places[k, 3]
                    else:
                        depths[row, column] = (a * places[i, 2] + b * places[j, 2] + c * places[k, 2]) / scale
                if uvs.shape[0]:
                    u, v, _ = _mixed(values, i, j, k, a, b, c, _UV)
                    uvs[row, column, 0], uvs[row, column, 1] = u, v
                if positions.shape[0]:
                    x, y, z = _mixed(values, i, j, k, a, b, c, _POSITION)
                    positions[row, column, 0], positions[row, column, 1], positions[row, column, 2] = x, y, z
                break
