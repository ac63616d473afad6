"""Who is the head and who is the background: alpha per pixel, and foreground colours without the background in them."""

import cv2
import numpy as np
import scipy.ndimage as ndi
import scipy.sparse as sp

from soaplib.landmarks import FACE_OVAL
from soaplib.portrait.models import segment_person

_SOLVE_SIDE = 512
_SEGMENT_SIDE = 512
_BAND = 0.02


def coarse_matte(rgb: np.ndarray, alpha: np.ndarray | None, landmarks: np.ndarray) -> tuple[np.ndarray, str]:
    """Return a first matte (H, W) float32 of whoever has this face, and where it came from.

    rgb: (H, W, 3) float32. alpha: the picture's own, used as it is where given. landmarks: (478, 2) pixels.
    The source is "alpha", "background" (a plain background) or "segmentation".
    """
    if alpha is not None:
        return keep_connected(alpha, landmarks), "alpha"
    coarse, source = _coarse(rgb, landmarks)
    return keep_connected(coarse, landmarks), source


def refine_matte(rgb: np.ndarray, coarse: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """Sharpen a coarse matte to hair strands, by closed-form matting in a band about its border."""
    return keep_connected(_refine(rgb, coarse, _face_mask(rgb.shape, landmarks, 0.9)), landmarks)


def foreground_colours(rgb: np.ndarray, matte: np.ndarray) -> np.ndarray:
    """Return (H, W, 3) float32: the head's own colours where the matte is above 0.02, white elsewhere.

    Pixels that are not wholly head take the colour of the nearest ones that are, smoothed, so no background
    bleeds into textures.
    """
    opaque = matte > 0.95
    sure = ndi.binary_erosion(opaque, iterations=2, border_value=1) & opaque
    if not sure.any():
        sure = matte >= matte.max()
    spread = _spread_colours(rgb, sure, 1.0)
    colours = np.where(sure[..., None], rgb, spread)
    return np.where((matte > 0.02)[..., None], colours, 1).astype(np.float32)


def _face_mask(shape, landmarks: np.ndarray, grow: float) -> np.ndarray:
    oval = landmarks[list(FACE_OVAL)]
    centre = oval.mean(0)
    mask = np.zeros(shape[:2], np.uint8)
    cv2.fillPoly(mask, [np.rint(centre + grow * (oval - centre)).astype(np.int32)], 1)
    return mask > 0


def keep_connected(matte: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """Return the matte with all that does not hang together with the face removed."""
    labels, count = ndi.label(matte > 0.1)
    if count == 0:
        return matte
    face = np.bincount(labels[_face_mask(matte.shape, landmarks, 0.9)], minlength=count + 1)
    face[0] = 0
    if not face.any():
        return matte
    # soft pixels just outside the kept part belong to it
    near = ndi.binary_dilation(labels == face.argmax(), iterations=2)
    return np.where(near, matte, 0).astype(np.float32)


def _coarse(rgb: np.ndarray, landmarks: np.ndarray) -> tuple[np.ndarray, str]:
    person = _segment(rgb, landmarks)
    plain = _plain_background(rgb, landmarks, person)
    if plain is None:
        return np.clip((person - 0.25) / 0.5, 0, 1), "segmentation"  # its faint halo is no hair
    return plain, "background"


def _segment(rgb: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """Both selfie models, on the whole picture and on two crops about the face, averaged."""
    height, width = rgb.shape[:2]
    image = np.rint(rgb * 255).astype(np.uint8)
    low, high = landmarks.min(0), landmarks.max(0)
    face, centre = float((high - low).max()), (low + high) / 2
    total = np.zeros((height, width), np.float32)
    weight = np.zeros((height, width), np.float32)
    boxes = [(0, 0, width, height, 0.5)]
    for grow in (2.6, 4.0):
        half = grow * face / 2
        x0, y0 = np.floor(centre - (half, half * 1.05)).astype(int).clip(0)
        x1, y1 = np.ceil(centre + (half, half)).astype(int)
        boxes.append((x0, y0, min(x1, width), min(y1, height), 1.0))
    for x0, y0, x1, y1, share in boxes:
        crop = image[y0:y1, x0:x1]
        factor = _SEGMENT_SIDE / max(crop.shape[:2])
        size = [max(1, round(n * factor)) for n in crop.shape[1::-1]]
        crop = cv2.resize(crop, size, interpolation=cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR)
        for model in (0, 1):
            mask = cv2.resize(segment_person(crop, model), (x1 - x0, y1 - y0), interpolation=cv2.INTER_LINEAR)
            # a crop knows little near the borders it was cut at
            ramp = np.minimum(
                _ramp(x1 - x0, x0 > 0, x1 < width)[None], _ramp(y1 - y0, y0 > 0, y1 < height)[:, None]
            )
            total[y0:y1, x0:x1] += share * ramp * mask
            weight[y0:y1, x0:x1] += share * ramp
    return total / np.maximum(weight, 1e-6)


def _ramp(length: int, from_start: bool, to_end: bool) -> np.ndarray:
    along = np.arange(length, dtype=np.float32)
    ramp = np.ones(length, np.float32)
    if from_start:
        ramp = np.minimum(ramp, (along + 1) / (0.15 * length))
    if to_end:
        ramp = np.minimum(ramp, (length - along) / (0.15 * length))
    return ramp


def _plain_background(rgb: np.ndarray, landmarks: np.ndarray, person: np.ndarray) -> np.ndarray | None:
    """Foreground by colour where the background is even or changes smoothly; None where it is not.

    A quadratic surface per colour channel is fitted to what is surely background; what lies near it and can be
    reached from the border without crossing the person is background.
    """
    factor = min(1.0, 640 / max(rgb.shape[:2]))
    lab = cv2.cvtColor(
        cv2.resize(rgb, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2LAB
    )
    height, width = lab.shape[:2]
    person = cv2.resize(person, (width, height), interpolation=cv2.INTER_AREA)
    rim, low = max(2, min(height, width) // 40), int(0.7 * height)
    border = np.zeros((height, width), bool)
    border[:rim] = border[:low, :rim] = border[:low, -rim:] = True
    # the segmentation is lost on many drawings; there the picture's rim tells
    for sure in (ndi.binary_erosion(person < 0.02, iterations=3, border_value=1), border):
        off, limit = _off_surface(lab, sure)
        if off is not None:
            break
    else:
        return None
    # shadows on the wall are further off its colour; where the segmentation sees nobody, that is allowed
    like = off < limit * (1 + 2 * np.clip((0.98 - person) / 0.5, 0, 1))
    labels, _ = ndi.label(like)
    edge = np.unique(
        np.concatenate([labels[0], labels[: int(0.8 * height), 0], labels[: int(0.8 * height), -1]])
    )
    front = ndi.binary_fill_holes(~np.isin(labels, edge[edge > 0]))
    front = ndi.binary_opening(front, iterations=1)
    held = _face_mask(front.shape, landmarks * factor, 0.8)
    if front[held].mean() < 0.97:
        return None
    return cv2.resize(front.astype(np.float32), rgb.shape[1::-1], interpolation=cv2.INTER_LINEAR)


def _off_surface(lab: np.ndarray, sure: np.ndarray):
    """Distance of each pixel from the smooth background through `sure`, and the usual scatter; None if none fits."""
    if sure.mean() < 0.04:
        return None, None
    height, width = sure.shape
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    basis = np.stack([np.ones_like(x), x, y, x * y, x * x, y * y], -1).reshape(-1, 6)
    chosen = np.flatnonzero(sure)
    flat = lab.reshape(-1, 3)
    for _ in range(3):
        known, colours = basis[chosen], flat[chosen].astype(np.float64)
        gram = np.einsum("ni,nj->ij", known, known)  # not BLAS: its sums depend on the number of threads
        surface = np.linalg.solve(gram + 1e-9 * np.eye(6), np.einsum("ni,nc->ic", known, colours))
        off = np.linalg.norm(flat - basis @ surface, axis=1)
        limit = max(3.0, 2.5 * float(np.median(off[chosen])))
        chosen = np.flatnonzero(sure.ravel() & (off < limit))
        if len(chosen) < 0.9 * sure.sum() or limit > 8:
            return None, None  # things stand in the background
    return off.reshape(height, width), limit


def _refine(rgb: np.ndarray, coarse: np.ndarray, face: np.ndarray) -> np.ndarray:
    """Sharpen a coarse mask to hair strands: closed-form matting small, then guided upsampling."""
    height, width = coarse.shape
    ys, xs = np.nonzero(coarse > 0.05)
    if len(ys) == 0:
        return coarse
    factor = min(1.0, _SOLVE_SIDE / max(height, width))
    size = (max(8, round(width * factor)), max(8, round(height * factor)))
    small = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)
    mask = cv2.resize(coarse, size, interpolation=cv2.INTER_AREA)
    held = cv2.resize(face.astype(np.float32), size, interpolation=cv2.INTER_AREA) > 0.5
    band = max(2, round(_BAND * max(size)))
    sure = ndi.binary_erosion(mask > 0.95, iterations=band) | held
    never = ndi.binary_erosion(mask < 0.05, iterations=band, border_value=1)
    prior, trust = _colour_prior(small, sure, never, mask)
    alpha = closed_form_matte(small, sure, never, prior, trust)
    matte = _guided_upsample(rgb, small, alpha)
    matte = np.clip((matte - 0.05) / 0.9, 0, 1)
    return np.where(face, 1, matte).astype(np.float32)


def _colour_prior(rgb, sure, never, mask):
    """Alpha by the place of each colour between the nearest head and background colours, and how far to trust it.

    alpha = (I - B).(F - B) / |F - B|^2; the trust falls where F and B are alike or I lies off the line between them.
    Where it says nothing, the coarse mask does, weakly.
    """
    front, back = _spread_colours(rgb, sure, 3.0), _spread_colours(rgb, never, 3.0)
    across = front - back
    length = (across**2).sum(-1)
    alpha = np.clip(((rgb - back) * across).sum(-1) / np.maximum(length, 1e-6), 0, 1)
    off = np.linalg.norm(rgb - back - alpha[..., None] * across, axis=-1)
    trust = length / (length + 0.03) * np.exp(-((off / 0.2) ** 2))
    # dark strands and lights are not the average hair: anything far from the background is head
    alpha = np.maximum(alpha, np.clip(np.linalg.norm(rgb - back, axis=-1) / 0.35 - 0.4, 0, 1) * (mask > 0.5))
    return alpha * trust + mask * (1 - trust), 0.02 * trust + 1e-3


def _spread_colours(rgb: np.ndarray, known: np.ndarray, blur: float) -> np.ndarray:
    """Colours of the `known` pixels carried to all others: the nearest one's neighbourhood average."""
    if not known.any():
        return rgb
    share = ndi.gaussian_filter(known.astype(np.float32), blur)
    mean = np.stack([ndi.gaussian_filter(rgb[..., c] * known, blur) for c in range(3)], -1)
    mean /= np.maximum(share, 1e-6)[..., None]
    rows, columns = ndi.distance_transform_edt(~known, return_distances=False, return_indices=True)
    return mean[rows, columns]


def _guided_upsample(rgb: np.ndarray, small: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Fast guided filter (He, Sun, 2015): linear coefficients at low resolution, applied to the full picture."""
    if small.shape[:2] == rgb.shape[:2]:
        return alpha
    radius, ridge = 2, 1e-4
    window = (2 * radius + 1, 2 * radius + 1)

    def mean(values):
        return cv2.blur(values, window)

    mean_i, mean_a = mean(small), mean(alpha)
    covariance = mean(small * alpha[..., None]) - mean_i * mean_a[..., None]
    outer = small[..., :, None] * small[..., None, :]
    spread = _blur_channels(outer, window)
    spread = spread - mean_i[..., :, None] * mean_i[..., None, :] + ridge * np.eye(3, dtype=np.float32)
    slope = np.linalg.solve(spread, covariance[..., None])[..., 0]
    offset = mean_a - (slope * mean_i).sum(-1)
    size = rgb.shape[1::-1]
    slope = cv2.resize(mean(slope.astype(np.float32)), size, interpolation=cv2.INTER_LINEAR)
    offset = cv2.resize(mean(offset.astype(np.float32)), size, interpolation=cv2.INTER_LINEAR)
    return (slope * rgb).sum(-1) + offset


def _blur_channels(values: np.ndarray, window) -> np.ndarray:
    flat = values.reshape(*values.shape[:2], -1)
    parts = [cv2.blur(np.ascontiguousarray(flat[..., i : i + 3]), window) for i in range(0, flat.shape[2], 3)]
    return np.concatenate(parts, -1).reshape(values.shape)


def closed_form_matte(
    rgb: np.ndarray, sure: np.ndarray, never: np.ndarray, prior: np.ndarray, trust: np.ndarray
) -> np.ndarray:
    """Solve for alpha between `sure` (1) and `never` (0).

    rgb: (H, W, 3); sure, never: (H, W) bool; prior, trust: (H, W) what to lean to and how much. Returns (H, W)
    float32.
    Levin, Lischinski, Weiss, "A Closed-Form Solution to Natural Image Matting", 2008: minimise
    a'La + sum over known (a - a_known)^2 with L of eq. 12 over 3 x 3 windows, eps = 1e-6.
    """
    height, width = sure.shape
    unknown = ~(sure | never)
    alpha = sure.astype(np.float64)
    if not unknown.any():
        return alpha.astype(np.float32)
    laplacian = _matting_laplacian(rgb.astype(np.float64), ndi.binary_dilation(unknown, np.ones((3, 3))))
    index = np.flatnonzero(unknown)
    known = np.flatnonzero(~unknown)
    rows = laplacian[index]
    weight, start = (part.ravel()[index].astype(np.float64) for part in (trust, prior))
    system = (rows[:, index] + sp.diags(weight)).tocsr()
    right = -rows[:, known] @ alpha.ravel()[known] + weight * start
    alpha.ravel()[index] = _conjugate_gradients(system, right, start)
    return np.clip(alpha, 0, 1).reshape(height, width).astype(np.float32)


def _conjugate_gradients(system: sp.csr_matrix, right: np.ndarray, start: np.ndarray) -> np.ndarray:
    """Solve by conjugate gradients with Jacobi's preconditioner.

    Written out because its dot products are summed in one fixed order here, whatever the number of BLAS threads.
    """
    scale = 1 / system.diagonal()
    solution = start.copy()
    residual = right - system @ solution
    step = scale * residual
    size = float(np.sum(residual * step))
    goal = 1e-8 * float(np.sum(right * right))
    for _ in range(400):
        if np.sum(residual * residual) <= goal:
            break
        ahead = system @ step
        length = size / float(np.sum(step * ahead))
        solution += length * step
        residual -= length * ahead
        scaled = scale * residual
        size, before = float(np.sum(residual * scaled)), size
        step = scaled + size / before * step
    return solution


def _matting_laplacian(rgb: np.ndarray, wanted: np.ndarray, ridge: float = 1e-6) -> sp.csr_matrix:
    """Eq. 12: the sum over 3 x 3 windows with a `wanted` centre of
    delta_ij - (1 + (I_i - m)' (S + ridge / 9)^-1 (I_j - m)) / 9.
    """
    height, width = wanted.shape
    numbers = np.arange(height * width).reshape(height, width)
    blocks = np.lib.stride_tricks.sliding_window_view(numbers, (3, 3)).reshape(-1, 9)
    blocks = blocks[wanted[1:-1, 1:-1].ravel()]
    colours = rgb.reshape(-1, 3)[blocks]
    centred = colours - colours.mean(1, keepdims=True)
    spread = centred.transpose(0, 2, 1) @ centred / 9 + ridge / 9 * np.eye(3)
    affinity = (1 + centred @ np.linalg.solve(spread, centred.transpose(0, 2, 1))) / 9
    values = np.eye(9) - affinity
    rows = np.repeat(blocks, 9, axis=1).ravel()
    columns = np.tile(blocks, (1, 9)).ravel()
    return sp.csr_matrix((values.ravel(), (rows, columns)), shape=(height * width,) * 2)
