"""The quality section: verdicts, figures and plots, before and after a run."""

import numpy as np
import pytest
from fake_engine import denoised
from qtpy.QtWidgets import QLabel, QTabWidget
from scipy.ndimage import gaussian_filter

from napari_blind2grad.gui.quality import figures
from napari_blind2grad.quality import assess
from napari_blind2grad.samples import planaria_like


@pytest.fixture
def judged(dock, qtbot):
    """Open the section, wait until it shows a judgement for which `check` holds, and return it."""
    dock.quality.expand(animate=False)

    def wait(check=lambda quality: True):
        qtbot.waitUntil(
            lambda: dock.quality.quality is not None and check(dock.quality.quality), timeout=10_000
        )
        return dock.quality.quality

    return wait


@pytest.fixture(scope="module")
def sample():
    return planaria_like((3, 96, 96))


def texts(dock):
    return {
        label.objectName().removeprefix("verdict_"): label.text()
        for label in dock.quality.findChildren(QLabel)
        if label.objectName().startswith("verdict_")
    }


def test_a_chosen_image_is_judged(viewer, dock, judged, sample):
    assert dock.quality.text() == "Quality"
    viewer.add_image(sample.noisy, scale=sample.scale, units=("um",) * 3, name="X")
    found = judged()
    assert found.noise.kind == "Poisson–Gaussian"
    assert found.noise.gain == assess(sample.noisy, axes="ZYX").noise.gain
    assert found.unit == "µm"
    bars = dock.quality.correlation.bars["X"].opts
    np.testing.assert_allclose(bars["height"], found.correlation.along["X"])
    assert texts(dock) == {"noise": f"✓ {found.verdicts[0].text}"}
    assert dock.quality.text() == "Quality of the input: no complaint"
    plots = dock.quality.findChild(QTabWidget, "quality_plots")
    assert [plots.tabText(i) for i in range(plots.count())] == ["Noise", "Neighbours", "Resolution"]
    x, y = dock.quality.noise.points.getData()
    np.testing.assert_allclose(x, found.noise.levels)
    np.testing.assert_allclose(y, found.noise.variances)
    assert f"{found.resolution:.3g} µm" in dock.quality.figures.text()


def test_the_result_is_judged_after_a_run(viewer, dock, judged, sample, finish):
    noisy = np.maximum(sample.noisy, 1)
    viewer.add_image(noisy, name="X")
    finish()
    found = judged(lambda quality: quality.leftover is not None)
    # The fake engine takes one off everywhere: all the noise is left.
    assert found.leftover == assess(noisy, denoised(noisy), "ZYX").leftover
    assert "Noise is left (100% of it)" in texts(dock)["noise-left"]
    assert dock.quality.text() == "Quality of the result: 1 remark"
    assert "noise left 100%" in dock.quality.figures.text().lower()


def test_another_image_replaces_what_is_shown(viewer, dock, judged, sample):
    viewer.add_image(sample.noisy, name="X")
    first = judged()
    flat = np.random.default_rng(0).normal(100, 5, (96, 96))
    dock.input.choose(viewer.add_image(flat, name="Y"))
    assert dock.quality.quality is None  # at once, so that nobody takes one for the other
    second = judged()
    assert second is not first
    assert second.noise.kind == "Gaussian"
    assert texts(dock).keys() == {"noise"}


def test_an_answer_that_comes_too_late_is_dropped(viewer, dock, judged, sample, qtbot):
    viewer.add_image(sample.noisy, name="X")
    judged()
    late = (dock.judge._asked - 1, assess(np.random.default_rng(0).normal(size=(64, 64))))
    before = dock.quality.quality
    dock.judge._on_answer(late)
    assert dock.quality.quality is before


def test_a_closed_section_says_it_in_its_title(viewer, dock, sample, qtbot):
    assert not dock.quality.isExpanded()
    viewer.add_image(sample.noisy, name="X")
    qtbot.waitUntil(lambda: "no complaint" in dock.quality.text(), timeout=10_000)
    assert not texts(dock)  # laid out when it is opened
    dock.quality.expand(animate=False)
    assert texts(dock).keys() == {"noise"}
    assert dock.quality.noise.points.getData()[0].size


def test_what_cannot_be_judged_is_said(viewer, dock, qtbot):
    dock.quality.expand(animate=False)
    viewer.add_image(np.full((32, 32), 7.0), name="X")
    message = lambda: dock.quality.findChild(QLabel, "quality_message")  # noqa: E731
    qtbot.waitUntil(lambda: "blank" in message().text(), timeout=5000)
    viewer.layers.clear()
    qtbot.waitUntil(lambda: "Choose an image" in message().text(), timeout=5000)


def test_correlated_noise_is_warned_of_before_a_run(viewer, dock, judged):
    noise = np.random.default_rng(1).normal(100, 5, (128, 128))
    viewer.add_image((noise + np.roll(noise, 1, 1)) / 2, name="X")
    judged()
    assert "Dilation" in texts(dock)["correlated"]
    assert dock.quality.text() == "Quality of the input: 1 remark"
    assert "Not measured" in dock.quality.rings.caption.text()
    assert dock.quality.rings.chart.isHidden()


def test_what_cannot_be_told_is_not_shown():
    smooth = gaussian_filter(np.random.default_rng(2).normal(size=(96, 96)), 2)
    image = np.rint(100 + 5 * smooth / smooth.std()).astype(np.uint8)
    found = assess(image, gaussian_filter(image, 1))
    assert found.complaints == ("correlated",)
    assert "noise left" not in figures(found).lower()
    assert "whiteness" in figures(found).lower()


def test_it_fits_a_narrow_dock(viewer, dock, judged, sample, qtbot):
    viewer.add_image(sample.noisy, scale=sample.scale, name="X")
    judged()
    dock.quality.expand(animate=False)
    assert dock.content.minimumSizeHint().width() <= 320
