"""The verdicts, on generated data whose truth is known and on real data where it is there."""

from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from napari_blind2grad.errors import InputError
from napari_blind2grad.quality import assess
from napari_blind2grad.samples import planaria_like

SHARED = Path(__file__).parents[3] / "shared" / "data"


@pytest.fixture(scope="module")
def sample():
    return planaria_like((8, 256, 256))


@pytest.fixture(scope="module")
def gaussian(sample):
    """The clean stack, and the same with Gaussian noise."""
    clean = sample.clean.astype(np.float32)
    noise = np.random.default_rng(0).normal(0, 800, clean.shape).astype(np.float32)
    return clean, clean + noise


def test_photon_noise_of_the_sample(sample):
    found = assess(sample.noisy, axes="ZYX", pixel=sample.scale[1:], unit="µm")
    assert found.noise.kind == "Poisson–Gaussian"
    assert found.noise.gain == pytest.approx(10_000 / 30, rel=0.15)
    assert found.complaints == ()
    assert found.unit == "µm"
    assert found.resolution == pytest.approx(found.rings.resolution * 0.5)
    assert found.leftover is None
    assert "photons" in found.verdicts[0].text


def test_gaussian_noise_on_the_sample(gaussian):
    found = assess(gaussian[1], axes="ZYX")
    assert found.noise.kind == "Gaussian"
    assert found.noise.sigma == pytest.approx(800, rel=0.05)
    assert found.complaints == ()


def test_a_perfect_result(gaussian):
    clean, noisy = gaussian
    found = assess(noisy, clean, "ZYX")
    assert found.complaints == ()
    assert found.verdicts[0].name == "clean"
    assert found.leftover.noise_left < 0.02
    assert found.leftover.structure_in_residual < 0.01
    assert found.whiteness > 0.98


@pytest.mark.parametrize("left", [0.35, 0.5, 1.0])
def test_noise_that_is_left_is_measured(gaussian, left):
    clean, noisy = gaussian
    found = assess(noisy, left * noisy + (1 - left) * clean, "ZYX")
    assert found.leftover.noise_left == pytest.approx(left, abs=0.02)
    assert found.complaints == ("noise-left",)


@pytest.mark.parametrize("width", [1.5, 2, 3])
def test_structure_that_was_removed(gaussian, width):
    clean, noisy = gaussian
    found = assess(noisy, gaussian_filter(clean, (0, width, width)), "ZYX")
    assert found.complaints == ("structure-removed",)
    assert found.verdicts[0].kind == "advice"
    assert found.leftover.sharpness < assess(noisy, clean, "ZYX").leftover.sharpness


def test_correlated_noise(gaussian):
    clean, noisy = gaussian
    smooth = gaussian_filter(noisy - clean, (0, 0.6, 0.6))
    found = assess(clean + smooth, axes="ZYX")
    assert found.complaints == ("correlated",)
    assert found.rings is None


def test_stripes(gaussian):
    _, noisy = gaussian
    rows = np.random.default_rng(1).normal(0, 800, (*noisy.shape[:2], 1))
    assert assess(noisy + rows, axes="ZYX").complaints == ("stripes",)


def test_limits_of_the_camera():
    random = np.random.default_rng(2)
    bright = random.poisson(np.broadcast_to(np.linspace(20, 300, 128), (128, 128)))
    assert assess(np.minimum(bright, 255).astype(np.uint8), axes="YX").complaints == ("saturated",)
    dim = random.poisson(np.broadcast_to(np.linspace(0.05, 0.8, 128), (128, 128)))
    assert assess(dim.astype(np.uint8), axes="YX").complaints == ("clipped", "few-photons")
    dimmer = random.poisson(np.broadcast_to(np.linspace(0.02, 0.3, 128), (128, 128)))
    assert assess(dimmer.astype(np.uint8), axes="YX").complaints == ("clipped", "few-photons")


def test_blank_and_thin_planes():
    stack = np.random.default_rng(3).normal(10, 1, (4, 64, 64))
    stack[2] = 7
    assert assess(stack, axes="ZYX").complaints == ("blank",)
    assert assess(stack[0, :1], stack[0, :1], "YX").complaints == ("small", "thin")


def test_an_image_without_noise():
    y, x = np.indices((128, 128))
    smooth = np.exp(-((y - 60) ** 2 + (x - 70) ** 2) / 2000) * 1000
    names = assess(smooth, axes="YX").complaints
    assert names in (("noise-free",), ("correlated",))


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (5, 5), (3, 40), (17, 33)])
def test_any_size_works(shape):
    image = np.random.default_rng(4).normal(100, 5, shape)
    if image.size == 1:
        with pytest.raises(InputError, match="blank"):
            assess(image, axes="YX")
    else:
        assert assess(image, image * 0.99, "YX").verdicts


def test_colour_and_values_that_are_not_finite():
    image = np.random.default_rng(5).normal(0.5, 0.1, (64, 64, 3))
    image[3, 4, 1] = np.nan
    found = assess(image, image, rgb=True)
    assert found.noise.sigma == pytest.approx(0.1, rel=0.1)
    assert found.complaints == ("noise-left",)


class Watched:
    """An array that counts what is read of it."""

    def __init__(self, shape):
        self.shape, self.dtype = shape, np.dtype(np.uint16)
        self.read = 0
        self._plane = np.random.default_rng(6).poisson(50, shape[-2:]).astype(np.uint16)

    def __getitem__(self, index):
        assert all(isinstance(i, int) for i in index[:-2])
        self.read += 1
        return np.roll(self._plane, 100 * self.read, 0)


def test_few_planes_of_a_large_stack_are_read():
    stack = Watched((10, 40, 1024, 1024))
    found = assess(stack, stack, "TZYX")
    assert stack.read == 18  # six planes, their neighbours, and six denoised ones
    assert found.noise.sigma == pytest.approx(50**0.5, rel=0.05)


@pytest.mark.parametrize(
    ("noisy", "denoised", "axes", "channel", "words"),
    [
        ((8, 8), (8, 9), "YX", 0, "same region"),
        ((8, 8), None, "YX", 1, "no channel 1"),
        ((8, 8), None, "ZYX", 0, "letter for each"),
    ],
)
def test_what_cannot_be_assessed_is_said(noisy, denoised, axes, channel, words):
    other = None if denoised is None else np.ones(denoised)
    with pytest.raises(InputError, match=words):
        assess(np.ones(noisy), other, axes, channel=channel)


def test_text_is_not_a_number():
    with pytest.raises(InputError, match="complex64"):
        assess(np.ones((8, 8), np.complex64))


# ------------------------------------------------------------------------------------ real data


def _read(name):
    tifffile = pytest.importorskip("tifffile")
    path = SHARED / name
    if not path.exists():
        pytest.skip("the shared images are not here")
    return tifffile.imread(path)


def test_real_correlated_noise():
    assert assess(_read("stacks/epitools_zyx_u8.tif"), axes="ZYX").complaints == ("correlated",)


def test_real_nuclei_with_photon_noise():
    clean = _read("stacks/nuclei_zyx_u16.tif")[22:38].astype(np.float32)
    clean = np.clip((clean - clean.min()) / (np.percentile(clean, 99.9) - clean.min()), 0, 1)
    noisy = (np.random.default_rng(7).poisson(30 * clean) / 30).astype(np.float32)
    found = assess(noisy, clean, "ZYX")
    assert found.noise.kind == "Poisson–Gaussian"
    assert found.noise.gain == pytest.approx(1 / 30, rel=0.15)
    assert found.complaints == ()
    assert assess(noisy, gaussian_filter(clean, (0, 2, 2)), "ZYX").complaints == (
        "structure-removed",
    )
    assert assess(noisy, (noisy + clean) / 2, "ZYX").complaints == ("noise-left",)


@pytest.mark.parametrize("name", ["BPAE_B", "BPAE_R", "fish"])
def test_real_confocal_noise(name):
    noisy = _read(f"microscopy_pairs/FMD/noisy/{name}.tif")
    clean = _read(f"microscopy_pairs/FMD/clean/{name}.tif")
    found = assess(noisy, clean, "YX")
    assert found.noise.kind == "Poisson–Gaussian"
    assert found.complaints == ()
    blurred = gaussian_filter(clean.astype(np.float32), 2)
    assert assess(noisy, blurred, "YX").complaints == ("structure-removed",)


def test_real_low_light_stack():
    found = assess(_read("stacks/yeast_mitochondria_tzyx_u16.ome.tif"), axes="TZYX")
    assert found.noise.kind == "Poisson–Gaussian"
    assert "correlated" not in found.complaints
