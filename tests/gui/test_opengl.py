"""What OpenGL deletes with a layer is deleted in the canvas's own context."""

from qtpy.QtGui import QOpenGLContext
from vispy.gloo.glir import GlirProgram

from napari_blind2grad.gui.dock import Blind2GradWidget


def test_programs_are_deleted_in_the_context_that_draws_with_them(
    make_napari_viewer, engine, stack, qtbot, monkeypatch
):
    viewer = make_napari_viewer(show=True)
    viewer.window.add_dock_widget(Blind2GradWidget(viewer), name="Denoise")
    viewer.add_image(stack, name="stays")
    viewer.add_image(stack, name="goes")
    canvas = viewer.window._qt_viewer.canvas._scene_canvas
    drawn = []
    canvas.events.draw.connect(lambda _: drawn.append(True))
    qtbot.waitUntil(lambda: len(drawn) > 0, timeout=5000)
    qtbot.wait(50)  # lets Qt put the window together, in a context of its own
    found = []
    delete = GlirProgram.delete

    def record(program):
        found.append(QOpenGLContext.currentContext() is canvas.native.context())
        delete(program)

    monkeypatch.setattr(GlirProgram, "delete", record)
    viewer.layers.remove("goes")
    assert found
    assert all(found)
