"""Sliders that move an avatar in a live notebook."""

import numpy as np

from soaplib.animation.expressions import AREAS, PRESETS
from soaplib.animation.posing import Poser
from soaplib.data import JOINT_NAMES, Avatar
from soaplib.viewing.figures import k3d_plot


def explore(avatar: Avatar, height: int = 480):
    """Return a widget for a live notebook: the avatar in 3D, a slider for each expression, and presets.

    It needs a running kernel, so a notebook that is also run by papermill keeps it in a cell tagged
    `skip-execution`.
    """
    import ipywidgets as widgets

    plot = k3d_plot(avatar.parts, height)
    posers = [Poser.of(part, avatar.joints) for part in avatar.parts]
    names = avatar.expression_names
    sliders = {name: _slider(widgets, name) for name in names}
    still = np.zeros((len(JOINT_NAMES), 3))
    held = []  # not empty while a preset sets many sliders, so that the head moves once

    def pose(_=None, rotations=still):
        if held:
            return
        weights = np.array([sliders[name].value for name in names])
        for mesh, poser in zip(plot.objects, posers, strict=True):
            mesh.vertices, mesh.normals = poser.pose(weights, rotations)

    def go_to(weights, rotations):
        held.append(True)
        for name, slider in sliders.items():
            slider.value = weights.get(name, 0.0)
        held.clear()
        pose(rotations=rotations)

    presets = {name: (weights, still) for name, weights in PRESETS.items()}
    presets["portrait"] = (dict(zip(names, map(float, avatar.weights), strict=True)), avatar.joint_rotations)
    buttons = []
    for name, preset in presets.items():
        button = widgets.Button(description=name.capitalize(), layout=widgets.Layout(width="auto"))
        button.on_click(lambda _, preset=preset: go_to(*preset))
        buttons.append(button)
    for slider in sliders.values():
        slider.observe(pose, "value")
    areas = {area: [sliders[name] for name in members if name in sliders] for area, members in AREAS.items()}
    groups = widgets.Accordion([widgets.VBox(group) for group in areas.values()], titles=tuple(areas))
    panel = widgets.VBox([widgets.HBox(buttons, layout=widgets.Layout(flex_flow="row wrap")), groups])
    panel.layout = widgets.Layout(width="24rem", max_height=f"{height}px", overflow="auto")
    return widgets.HBox([widgets.Box([plot], layout=widgets.Layout(flex="1")), panel])


def _slider(widgets, name):
    return widgets.FloatSlider(
        description=name, min=0, max=1, step=0.01, style={"description_width": "10rem"}, readout_format=".2f"
    )
