"""What the portrait's outline tells about the others."""

import numpy as np
import torch

from soaplib.multiview.compact.outlines import draw_outlines
from soaplib.multiview.geometric import view_cameras
from soaplib.render import orthographic, render_views

SIZE = 48


def cameras(pivot=(0.01, 0.0, 0.02)):
    camera = orthographic(np.eye(3), 200.0, np.array([SIZE / 2 + 3.0, SIZE / 2]))
    return view_cameras(camera, np.array(pivot))


def lopsided(six):
    """Six true masks of a tetrahedron without any symmetry."""
    vertices = torch.tensor(
        [[-0.08, -0.06, 0.0], [0.06, -0.07, 0.03], [0.02, 0.08, -0.02], [0.01, -0.02, -0.09]]
    )
    faces = torch.tensor([[0, 1, 2], [0, 3, 1], [0, 2, 3], [1, 3, 2]])
    return render_views(vertices, faces, torch.as_tensor(six, dtype=torch.float32), (SIZE, SIZE)).mask


def drawn(masks, colours):
    """Views of one colour each on white, (1, 6, 4, S, S) in [-1, 1]."""
    alpha = masks[:, None]
    return 2 * torch.cat([colours[:, :, None, None] * alpha + 1 - alpha, alpha], 1)[None] - 1


def test_the_back_view_gets_the_mirrored_outline_and_keeps_its_colour():
    six = cameras()
    masks = lopsided(six)
    colours = torch.rand(6, 3, generator=torch.Generator().manual_seed(0))
    wrong = masks.clone()
    wrong[2] = torch.roll(masks[2], 4, -1)
    made = draw_outlines(drawn(wrong, colours), wrong[None], six)
    alpha = made[0, 2, 3] / 2 + 0.5
    assert (alpha - masks[2]).abs().mean() < 0.004 < (wrong[2] - masks[2]).abs().mean()
    solid = (alpha > 0.95) & (wrong[2] > 0.02)
    torch.testing.assert_close(
        made[0, 2, :3][:, solid] / 2 + 0.5, colours[2][:, None].expand(3, int(solid.sum())), atol=0.06, rtol=0
    )


def test_true_masks_are_left_as_they_are():
    six = cameras()
    masks = lopsided(six)
    views = drawn(masks, torch.full((6, 3), 0.25))
    made = draw_outlines(views, masks[None], six)
    torch.testing.assert_close(made[:, 0], views[:, 0])
    for k in (1, 3, 4, 5):
        assert (made[0, k] - views[0, k]).abs().mean() < 0.03


def test_rows_without_the_head_are_empty_in_all_views():
    six = cameras()
    masks = lopsided(six)
    above = int(torch.nonzero(masks[0].amax(1))[0]) - 2
    wrong = masks.clone()
    wrong[1:, :above] = 1
    made = draw_outlines(drawn(wrong, torch.full((6, 3), 0.5)), wrong[None], six)
    assert (made[0, 1:, 3, : above - 1] == -1).all() and (made[0, 1:, :3, : above - 1] == 1).all()


def test_soft_masks_become_clear_and_lose_their_islands():
    six = cameras()
    soft = torch.zeros(6, SIZE, SIZE)
    soft[0] = 1
    ramp = torch.linspace(1, 0, 25)  # an uncertain border, 24 pixels wide
    soft[1, 8:40, 10:35] = ramp
    soft[1, 44:46, 44:46] = 1
    made = (
        draw_outlines(drawn(soft, torch.tensor([[0.2, 0.4, 0.6]]).expand(6, 3)), soft[None], six)[0, 1] / 2
        + 0.5
    )
    line = made[3, 20]
    assert ((line > 0.02) & (line < 0.98)).sum() <= 13  # half as wide
    assert line[10 + 9] > 0.5 > line[10 + 12]  # where the chance is 0.55
    assert not made[3, 43:, 43:].any() and (made[:3, 43:, 43:] == 1).all()
    colours = (made[:3, 20, 10:18] - 1 + line[10:18]) / line[10:18]
    torch.testing.assert_close(colours, torch.tensor([[0.2], [0.4], [0.6]]).expand(3, 8), atol=0.02, rtol=0)


def test_the_swollen_head_has_a_say():
    """Where the network is in doubt, its outline moves towards the swollen head's."""
    six = cameras()
    soft, shell = torch.ones(6, SIZE, SIZE), torch.zeros(6, SIZE, SIZE)
    soft[1, :, 24:] = torch.linspace(1, 0, 24)
    views = drawn(soft, torch.full((6, 3), 0.5))
    widths = []
    for right in (24, 44):
        shell[1, :, :] = 0
        shell[1, :, :right] = 1
        widths.append(float((draw_outlines(views, shell[None], six)[0, 1, 3] > 0).float().sum(-1).mean()))
    assert widths[0] + 4 < widths[1] < 44
