"""Layer controls that are made ahead of their layer."""

import numpy as np
import pytest
from napari._qt.layer_controls.qt_layer_controls_base import QtLayerControls
from napari._qt.layer_controls.qt_layer_controls_container import QtLayerControlsContainer
from napari.layers import Image
from qtpy.QtCore import QCoreApplication, QEvent
from qtpy.QtWidgets import QMainWindow

from napari_blind2grad.gui.controls import LayerControls, main_window


@pytest.fixture
def container(dock):
    return main_window(dock).findChild(QtLayerControlsContainer)


def made(container):
    """Return how many controls there are, the removed ones gone."""
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    return len(container.findChildren(QtLayerControls))


def test_every_layer_has_controls_of_its_own_once(viewer, dock, container, stack, finish):
    viewer.add_image(stack, name="X")
    finish()
    assert set(container.widgets) == set(viewer.layers)
    assert made(container) == len(viewer.layers)
    for layer in viewer.layers:
        viewer.layers.selection.active = layer
        assert container.currentWidget() is container.widgets[layer]
    viewer.layers.selection.active.opacity = 0.5
    slider = container.currentWidget()
    assert slider.isVisibleTo(container)


def test_layers_of_others_get_controls_meanwhile(viewer, dock, container):
    controls = LayerControls(dock)
    mine = Image(np.zeros((4, 4)))
    controls.prepare(mine)
    while controls.step():
        pass
    other = viewer.add_image(np.ones((4, 4)))
    with controls.keeping(other):
        pass
    assert other in container.widgets
    with controls.keeping(mine):
        viewer.layers.append(mine)
    assert set(container.widgets) == {mine, other}
    assert made(container) == 2


@pytest.mark.parametrize("steps", range(5))
def test_dropped_controls_leave_nothing(dock, container, steps):
    controls = LayerControls(dock)
    controls.prepare(Image(np.zeros((4, 4))))
    for _ in range(steps):
        controls.step()
    controls.drop()
    assert made(container) == 0
    assert not container.widgets


def test_without_a_window_napari_makes_them(viewer, qtbot, dock, container):
    stray = QMainWindow()
    qtbot.addWidget(stray)
    controls = LayerControls(stray)
    layer = Image(np.zeros((4, 4)))
    controls.prepare(layer)
    assert not controls.step()
    with controls.keeping(layer):
        viewer.layers.append(layer)
    assert layer in container.widgets
