"""Figures for notebooks, their 3D views, and the live sliders."""

import numpy as np
import pytest
from made_up_avatar import made_up_avatar, sphere

from soaplib.animation.posing import pose_vertices
from soaplib.viewing.explore import explore
from soaplib.viewing.figures import (
    add_colour_bar,
    as_part,
    k3d_frames,
    k3d_plot,
    poster,
    show,
    show3d,
    show_images,
    style,
)


@pytest.fixture(scope="module")
def ball():
    vertices, _, faces, _ = sphere(10, 0.1, (0, 1.6, 0))
    return vertices, faces


def test_images_stand_in_a_grid():
    images = [np.full((20, 10), 0.5), np.zeros((20, 10, 3), np.uint8), np.full((20, 10, 3), 1.2)]
    figure = show_images(images, ["one", "two"], columns=2, title="Three", width=4)
    assert len(figure.axes) == 3
    assert [axes.get_title(loc="left") or axes.get_title() for axes in figure.axes] == ["one", "two", ""]
    boxes = [axes.get_position() for axes in figure.axes]
    assert boxes[0].x1 <= boxes[1].x0 and boxes[2].y1 <= boxes[0].y0
    width, height = figure.get_size_inches()
    assert boxes[0].height * height / (boxes[0].width * width) == pytest.approx(2, rel=0.02)
    with pytest.raises(ValueError, match="at least one picture"):
        show_images([])


def test_style_is_ours():
    import matplotlib

    with matplotlib.rc_context():
        style()
        assert not matplotlib.rcParams["axes.spines.top"]


def test_poster_shows_each_side_with_the_colours_given(ball):
    vertices, faces = ball
    red = poster([as_part(vertices, faces, np.array([1.0, 0, 0]))], yaws=(0, 90), size=64, light=None)
    assert red.shape == (64, 128, 3)
    for x in (32, 96):
        np.testing.assert_allclose(red[32, x], [1, 0, 0], atol=0.01)
    assert (red[0] > 0.9).all()
    # +X is red, +Z is blue: from the front we see blue, from the head's left red
    axes = poster(
        [as_part(vertices, faces, (vertices - (0, 1.6, 0)).clip(0) / 0.1)], yaws=(0, 90), size=64, light=None
    )
    assert axes[32, 32].argmax() == 2 and axes[32, 96].argmax() == 0


def test_numbers_are_shown_from_the_smallest_to_the_largest(ball):
    import matplotlib

    vertices, faces = ball
    part = as_part(vertices, faces, vertices[:, 1] * 3 - 7, cmap="viridis")
    low, high = (matplotlib.colormaps["viridis"](value)[:3] for value in (0.0, 1.0))
    bottom, top = part.vertices[:, 1].argmin(), part.vertices[:, 1].argmax()
    for vertex, colour in ((bottom, low), (top, high)):
        texel = part.texture[0, int(part.uv[vertex, 0] * part.texture.shape[1])]
        np.testing.assert_allclose(texel / 255, colour, atol=0.01)


def test_colours_of_a_wrong_shape_are_refused(ball):
    with pytest.raises(ValueError, match="expected colours"):
        as_part(*ball, np.zeros((5, 3)))


def test_3d_view_is_one_whole_file_and_a_poster(tmp_path, monkeypatch, ball):
    shown = []
    monkeypatch.setattr("IPython.display.display", shown.append)
    picture = show3d(made_up_avatar(rings=4).parts, tmp_path / "figures" / "head.html", link="../head.html")
    assert picture.std() > 0.05
    text = (tmp_path / "figures" / "head.html").read_text()
    assert len(text) > 100_000
    assert "CreateK3DAndLoadBinarySnapshot" in text
    assert [type(each).__name__ for each in shown] == ["Image", "IFrame", "HTML"]
    assert shown[1].src == "../head.html"


def test_plot_looks_at_the_middle_of_the_head():
    avatar = made_up_avatar(rings=4)
    plot = k3d_plot(avatar.parts)
    places = np.concatenate([part.vertices for part in avatar.parts])
    np.testing.assert_allclose(plot.camera[3:6], (places.min(axis=0) + places.max(axis=0)) / 2, atol=1e-6)
    assert plot.camera_up_axis == "y"
    np.testing.assert_allclose(plot.objects[0].uvs[:, 1], 1 - avatar.parts[0].uv[:, 1], atol=1e-6)


def test_frames_of_different_meshes_are_played_in_turn(tmp_path, monkeypatch):
    monkeypatch.setattr("IPython.display.display", lambda _: None)
    frames = [as_part(*sphere(rings, 0.1, (0, 1.6, 0))[::2]) for rings in (4, 9)]
    plot = k3d_frames(frames, ["coarse", "fine"])
    assert plot.get_time_series_times() == [0, 1] and not plot.time_interpolation
    solid, wires, text = plot.objects
    assert wires.wireframe and not solid.wireframe and text.text == {"0.0": "coarse", "1.0": "fine"}
    for mesh in (solid, wires):
        for time, frame in zip(("0.0", "1.0"), frames, strict=True):
            np.testing.assert_array_equal(mesh.vertices[time], frame.vertices)
            np.testing.assert_array_equal(mesh.indices[time], frame.faces)
    show3d(frames[:1], tmp_path / "frames.html", plot=plot)
    assert len((tmp_path / "frames.html").read_text()) > 100_000
    assert len(k3d_frames(frames, wires=False).objects) == 1


def test_sliders_and_presets_move_the_head():
    avatar = made_up_avatar(rings=5)
    box = explore(avatar)
    mesh = box.children[0].children[0].objects[0]
    buttons, groups = box.children[1].children
    sliders = {slider.description: slider for group in groups.children for slider in group.children}
    assert set(sliders) == set(avatar.expression_names)
    names = avatar.expression_names
    sliders["jawOpen"].value = 0.5
    weights = np.zeros(52)
    weights[names.index("jawOpen")] = 0.5
    expected = pose_vertices(avatar.parts[0], avatar.joints, weights, np.zeros((5, 3)))[0]
    np.testing.assert_allclose(mesh.vertices, expected, atol=1e-6)
    by_name = {button.description: button for button in buttons.children}
    by_name["Portrait"].click()
    expected = pose_vertices(avatar.parts[0], avatar.joints, avatar.weights, avatar.joint_rotations)[0]
    np.testing.assert_allclose(mesh.vertices, expected, atol=1e-6)
    by_name["Neutral"].click()
    np.testing.assert_allclose(mesh.vertices, avatar.parts[0].vertices, atol=1e-6)
    assert sliders["jawOpen"].value == 0


def test_limits_hold_the_colours_of_several_meshes_together(ball):
    vertices, faces = ball
    whole = as_part(vertices, faces, np.linspace(0, 1, len(vertices)), limits=(0, 1))
    half = as_part(vertices, faces, np.linspace(0, 2, len(vertices)), limits=(0, 1))
    np.testing.assert_allclose(whole.uv[0], half.uv[0])
    np.testing.assert_allclose(whole.uv[-1], half.uv[-1])
    assert half.uv[len(vertices) // 2, 0] > whole.uv[len(vertices) // 2, 0] + 0.3


def test_a_frame_makes_a_close_up(ball):
    vertices, faces = ball
    part = as_part(vertices, faces, np.array([0.0, 0, 0]))
    near = poster([part], (0,), 64, None, (np.array([0, 1.6, 0]), 0.05))
    assert near.max() < 0.01 and (poster([part], (0,), 64, None) > 0.9).any(), (
        "only the ball, and all about it"
    )


def test_show_displays_pictures_and_figures(monkeypatch):
    import IPython.display

    shown = []
    monkeypatch.setattr(IPython.display, "display", shown.append)
    show(np.full((4, 5), 0.5, np.float32), "a grey")
    figure = show_images([np.zeros((8, 8))], width=2)
    add_colour_bar(figure, (0, 3), "mm")
    show(figure)
    assert [picture.data[:4] for picture in shown[::2]] == [b"\x89PNG"] * 2 and shown[1].data == "*a grey*"
    assert figure.axes[1].get_xlabel() == "mm"
