"""Clear outlines of the views, in line with the portrait's.

Where the head ends in an unseen view is uncertain; the network answers with a soft mask, the chance that the head is
there, and an outline is drawn along one chance of it. What the portrait's own outline tells is kept, by geometry alone:
the cameras are orthographic and turn about the picture's vertical axis. So the back view's outline is the portrait's,
mirrored, and a row in which the portrait shows nothing of the head shows nothing of it in any view.
"""

import numpy as np
import scipy.ndimage
import torch
import torch.nn.functional as functional

_BACK = 2
# Chance along which an outline runs, its steepness, and how much of the chance is the swollen head's: the best overlap
# on held-out heads.
_EDGE, _GAIN, _SHELL = 0.55, 3.0, 0.35
_POSSIBLE, _SURE = 0.5, 0.97  # chances between which a pixel's own colour takes over from its neighbourhood's
_BLUR, _REACH = 1.3, 4  # pixels
_HOLE = 0.003  # of the picture: smaller holes are filled
_NEAR = 9  # pixels of a side of the neighbourhood


def draw_outlines(views: torch.Tensor, shell: torch.Tensor, cameras: np.ndarray | None) -> torch.Tensor:
    """Make the masks of views 1-5 clear, in one piece, and in line with that of view 0.

    views: (B, 6, 4, S, S) colours on white and alpha in [-1, 1]. shell: (B, 6, S, S) in [0, 1], masks of the swollen
    head, which errs elsewhere than the network. cameras: (6, 4, 4) that see them, the same for all B; None: the back
    view's outline is not mirrored from the front's. Colours stay where a pixel surely shows the head; nearer to the
    outline, where the network mixed them with what may be behind, they are those from farther inside.
    """
    values = views / 2 + 0.5
    alpha = values[:, :, 3:]
    smooth = _smooth(torch.lerp(alpha, shell[:, :, None], _SHELL))
    clear = _in_one_piece(((smooth - _EDGE) * _GAIN + 0.5).clamp(0, 1))
    changed = torch.minimum(clear, _rows(alpha[:, :1]))
    changed[:, 0] = alpha[:, 0]
    if cameras is not None:
        changed[:, _BACK] = _mirrored(alpha[:, 0], (cameras[0, 0, 3] + cameras[_BACK, 0, 3]) / 2)
    colours = _straight(values[:, :, :3] - 1 + alpha, alpha, torch.minimum(alpha, smooth))
    made = 2 * torch.cat([colours * changed + 1 - changed, changed], 2) - 1
    return torch.cat([views[:, :1], made[:, 1:]], 1)


def _smooth(alpha):
    """Blur masks by a Gaussian, against the traces that the outlines of the network's base leave in them."""
    at = torch.arange(-_REACH, _REACH + 1).to(alpha)
    line = torch.exp(-((at / _BLUR) ** 2) / 2)
    line = (line / line.sum()).view(1, 1, 1, -1)
    flat = functional.pad(alpha.flatten(0, 1), (_REACH,) * 4, mode="replicate")
    return functional.conv2d(functional.conv2d(flat, line), line.mT).view(alpha.shape)


def _in_one_piece(alpha):
    """Keep the largest connected piece of each mask (B, V, 1, S, S), and fill the small holes in it."""
    flat = alpha.flatten(0, 2).cpu().numpy().copy()
    for mask in flat:
        labels, count = scipy.ndimage.label(mask > 0.5)
        if not count:
            continue
        piece = labels == 1 + np.argmax(np.bincount(labels.ravel())[1:])
        holes, _ = scipy.ndimage.label(~piece)
        small = np.bincount(holes.ravel()) <= _HOLE * mask.size
        small[0] = False  # the piece itself
        mask[small[holes]] = 1
        mask *= scipy.ndimage.binary_dilation(piece | small[holes], iterations=3)
    return torch.as_tensor(flat).view(alpha.shape).to(alpha)


def _rows(alpha):
    """The largest alpha (B, 1, 1, S, 1) of each row and of those next to it."""
    most = alpha.amax(-1)
    return functional.max_pool1d(most.flatten(1, 2), 3, 1, 1)[:, :, None, :, None]


def _mirrored(alpha, column):
    """Mirror (B, 1, S, S) about a column, in pixels from the left side."""
    size = alpha.shape[-1]
    at = (torch.arange(size) + 0.5) / size * 2 - 1
    y, x = torch.meshgrid(at, 4 * float(column) / size - 2 - at, indexing="ij")
    grid = torch.stack([x, y], -1).to(alpha).expand(len(alpha), -1, -1, -1)
    return functional.grid_sample(alpha, grid, padding_mode="zeros", align_corners=False)


def _straight(premultiplied, alpha, chance):
    """Colours (B, V, 3, S, S) without white or alpha in them, from farther inside where the chance is small."""
    flat, cover = premultiplied.flatten(0, 1), chance.flatten(0, 1)
    colours = (flat / alpha.flatten(0, 1).clamp_min(_POSSIBLE)).clamp(0, 1)
    sure = ((cover - _POSSIBLE) / (_SURE - _POSSIBLE)).clamp(0, 1) ** 2
    weight = sure**2 + 1e-6 * cover
    around, reached = colours * weight, weight
    for _ in range(2):
        around, reached = (functional.avg_pool2d(v, _NEAR, 1, _NEAR // 2) for v in (around, reached))
    around = around / reached.clamp_min(1e-12)
    return torch.lerp(around, colours, sure).view(premultiplied.shape)
