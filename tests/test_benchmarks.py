"""The benchmark: what is measured is written down once, and no method sees the clean image."""

import argparse
import importlib
import json
import sys
import types
from pathlib import Path

import numpy as np
import pytest

BENCHMARKS = Path(__file__).resolve().parent.parent / "benchmarks"
MODULES = (
    "cases", "correlated", "displaced", "machine", "measure", "methods", "metrics", "paper", "peers",
    "peers._vst", "phantom", "report", "run",
)  # fmt: skip


@pytest.fixture
def bench(monkeypatch):
    """The modules of the benchmark, which is no package: its folder is where its scripts find them."""
    pytest.importorskip("scipy")
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    for name in MODULES:
        monkeypatch.delitem(sys.modules, name, raising=False)
    loaded = {name.split(".")[-1]: importlib.import_module(name) for name in MODULES}
    yield types.SimpleNamespace(**loaded)
    for name in [n for n in sys.modules if n in MODULES or n.startswith("peers.")]:
        del sys.modules[name]


@pytest.fixture
def tiny(bench, monkeypatch):
    """A case of 16 × 16 pixels in the place of the catalogue of every suite."""
    clean = np.linspace(0, 1, 256, dtype=np.float32).reshape(16, 16)
    case = bench.cases.with_noise("tiny/ramp/p30", "YX", "report", clean.copy, 1, None)
    monkeypatch.setattr(bench.cases, "catalogue", lambda *_: [case])
    return case


def job(case, method):
    return {
        "suite": "stacks", "case": case.name, "method": method, "seed": 0, "data": ".",
        "device": "cpu", "threads": 1,
    }  # fmt: skip


def line(case="nuclei/one/p30", method="noisy", seed=0, **changes):
    return {
        "suite": "stacks", "case": case, "method": method, "seed": seed, "group": "nuclei/p30",
        "split": "report", "status": "ok", "data_range": 1.0, "psnr": 20.0, "ssim": 0.5,
        "lpips": None, "seconds": 1.0, "peak_mb": 100.0, "versions": {"numpy": "2.0"},
        "machine": {"cpu": "A CPU", "cores": 2, "gpu": None, "torch": "2.0", "system": "Linux"},
        "commit": "abc", **changes,
    }  # fmt: skip


class TestNoise:
    @pytest.mark.parametrize(("level", "peak"), [(25, 255), (50, 255), (25, 1)])
    def test_gaussian_sigma_is_on_the_255_scale(self, bench, level, peak):
        clean = np.full((256, 256), 0.5 * peak, np.float32)
        case = bench.cases.with_noise(f"a/b/g{level}", "YX", "tune", lambda: clean, peak, None)
        noisy, _ = case.load()
        assert (noisy - clean).std() == pytest.approx(level * peak / 255, rel=0.02)
        assert case.kind["sigma"] == pytest.approx(level * peak / 255)
        assert noisy.mean() == pytest.approx(clean.mean(), rel=0.01)

    @pytest.mark.parametrize("lam", [30, 50])
    def test_poisson_keeps_the_mean_and_has_variance_x_over_lambda(self, bench, lam):
        clean = np.full((256, 256), 0.4, np.float32)
        case = bench.cases.with_noise(f"a/b/p{lam}", "YX", "tune", lambda: clean, 1, None)
        noisy, _ = case.load()
        assert noisy.mean() == pytest.approx(0.4, rel=0.01)
        assert noisy.var() == pytest.approx(0.4 / lam, rel=0.03)

    def test_the_same_case_has_the_same_noise_and_others_have_not(self, bench):
        clean = np.zeros((8, 8), np.float32)
        same = [bench.cases.with_noise("a/b/g25", "YX", "tune", lambda: clean, 255, None)] * 2
        other = bench.cases.with_noise("a/c/g25", "YX", "tune", lambda: clean, 255, None)
        assert np.array_equal(same[0].load()[0], same[1].load()[0])
        assert not np.array_equal(same[0].load()[0], other.load()[0])

    def test_the_phantom_is_exact_and_repeatable(self, bench):
        shape = (4, 40, 48)
        one = bench.phantom.volume(1, shape)
        assert one.shape == shape
        assert one.min() >= 0
        assert one.max() <= 1
        assert one.std() > 0.02
        assert np.array_equal(one, bench.phantom.volume(1, shape))
        assert not np.array_equal(one, bench.phantom.volume(2, shape))


class TestHalves:
    def test_images_of_a_set_alternate_by_name(self, bench, tmp_path):
        image = pytest.importorskip("PIL.Image")
        for name in ("b", "a", "c"):
            (tmp_path / "Set").mkdir(exist_ok=True)
            image.new("L", (8, 8)).save(tmp_path / "Set" / f"{name}.png")
        found = list(bench.cases.natural(tmp_path, "Set", (25, 50)))
        halves = {case.name: case.split for case in found}
        assert halves["Set/a/g25"] == halves["Set/c/g50"] == "report"
        assert halves["Set/b/g25"] == halves["Set/b/g50"] == "tune"

    def test_generated_cases_need_no_data(self, bench, tmp_path):
        found = bench.cases.catalogue("stacks", tmp_path)
        assert {case.split for case in found} == {"tune", "report"}


class TestStabilisation:
    @pytest.mark.parametrize("clipped", [False, True])
    @pytest.mark.parametrize("pedestal", [0.0, 10.0])
    def test_gain_and_offset_are_found(self, bench, clipped, pedestal):
        random = np.random.default_rng(0)
        y, x = np.mgrid[:256, :256]
        clean = 60 * (1 + np.sin(x / 25) * np.cos(y / 31)) + np.where(x > 200, 40.0, 0.0)
        noisy = 3 * random.poisson(clean / 3) + random.normal(0, 4, clean.shape) + pedestal
        a, b = bench._vst.fit(np.clip(noisy, 0, None) if clipped else noisy)
        assert a == pytest.approx(3, rel=0.15)
        level = 60 + pedestal
        assert a * level + b == pytest.approx(3 * 60 + 16, rel=0.15)

    def test_forward_makes_noise_even_and_inverse_is_without_bias(self, bench):
        random = np.random.default_rng(0)
        for mean in (5.0, 20.0, 80.0):
            noisy = 2 * random.poisson(mean / 2, 200_000) + random.normal(0, 3, 200_000)
            stable = bench._vst.forward(noisy, 2, 9)
            assert stable.std() == pytest.approx(1, abs=0.08)
            assert bench._vst.inverse(stable.mean(), 2, 9) == pytest.approx(mean, rel=0.02)

    def test_noise_that_does_not_grow_stays_as_it_is(self, bench):
        flat = np.random.default_rng(0).normal(100, 5, (64, 64))
        done = bench._vst.stabilised(lambda z, _sigma: z, flat, 0.0, 25.0)
        assert done == pytest.approx(flat)


class TestMeasuring:
    def test_no_method_is_given_the_clean_image(self, bench, tiny, monkeypatch):
        noisy, clean = tiny.load()
        seen = []

        def spy(*given, **more):
            seen.extend([*given, *more.values()])
            return given[0]

        for name in bench.peers.PEERS:
            module = types.ModuleType(f"peers.{name}")
            module.denoise = spy
            monkeypatch.setitem(sys.modules, f"peers.{name}", module)
            assert bench.measure.run(job(tiny, name))["status"] == "ok"
        import napari_blind2grad

        monkeypatch.setattr(
            napari_blind2grad,
            "denoise",
            lambda *given: seen.extend(given) or types.SimpleNamespace(image=given[0]),
        )
        assert bench.measure.run(job(tiny, "b2g-fast"))["status"] == "ok"
        arrays = [x for x in seen if isinstance(x, np.ndarray)]
        assert len(arrays) == len(bench.peers.PEERS) + 1
        assert all(np.array_equal(array, noisy) for array in arrays)
        for kind in (x for x in seen if isinstance(x, dict)):
            assert set(kind) <= {"type", "peak", "sigma", "lam"}
            assert not any(np.shape(value) for value in kind.values())
        assert not np.array_equal(noisy, clean)

    def test_a_result_has_all_that_is_asked_for(self, bench, tiny):
        answer = bench.measure.run(job(tiny, "noisy"))
        noisy, clean = tiny.load()
        expected = -10 * np.log10(np.mean((np.clip(noisy, 0, 1) - clean) ** 2))
        assert answer["psnr"] == pytest.approx(expected, abs=1e-3)
        assert {"ssim", "lpips", "seconds", "peak_mb", "versions", "data_range"} <= set(answer)

    def test_an_absent_peer_is_written_down(self, bench, tiny, monkeypatch):
        monkeypatch.delitem(sys.modules, "peers.n2v", raising=False)
        monkeypatch.setitem(sys.modules, "careamics", None)
        answer = bench.measure.run(job(tiny, "n2v"))
        assert answer["status"] == "absent"
        assert "careamics" in answer["message"]
        text = bench.report.render({"a": [line(), line(method="n2v", **answer)]}, {})
        assert "absent: N2V (CAREamics)" in text

    def test_gain_and_offset_are_fitted_only_where_asked(self, bench):
        clean = np.linspace(10, 200, 256).reshape(16, 16)
        other = clean / 2 + 7
        assert bench.metrics.measure(other, clean, 255, "YX", True)["psnr"] > 100
        assert bench.metrics.measure(other, clean, 255, "YX", False)["psnr"] < 20

    def test_a_result_that_is_not_finite_is_refused(self, bench):
        image = np.full((16, 16), np.nan)
        with pytest.raises(ValueError, match="finite"):
            bench.metrics.measure(image, np.zeros((16, 16)), 1, "YX", False)


class TestRunning:
    @pytest.fixture
    def call(self, bench, tiny, tmp_path, monkeypatch):
        """Call run.py with the measurements written down instead."""
        measured = []

        def measure(_options, given):
            measured.append(given)
            if given.method == "bm3d_vst":
                return {"status": "absent", "message": "No module named 'bm3d'"}
            return {"status": "ok", "psnr": 20.0, "ssim": 0.5, "seconds": 1.0}

        monkeypatch.setattr(bench.run, "measure", measure)
        monkeypatch.setattr(bench.machine, "processor", lambda: "Test CPU")

        def call(*more):
            measured.clear()
            base = ["--suite", "stacks", "--data", str(tmp_path), "--device", "cpu", "--presets"]
            base += ["fast", "--threads", "1", "--out", str(tmp_path), "--peers", "bm3d_vst"]
            bench.run.main([*base, *more])
            return list(measured)

        call.path = tmp_path / "stacks-test-cpu-1c.jsonl"
        return call

    def test_done_results_are_passed_over(self, call, tiny):
        first = call("--seeds", "2")
        assert [(j.method, j.seed) for j in first] == [
            ("noisy", 0), ("b2g-fast", 0), ("b2g-fast", 1), ("bm3d_vst", 0),
        ]  # fmt: skip
        assert call("--seeds", "2") == []
        assert [j.seed for j in call("--seeds", "3")] == [2]
        lines = [json.loads(text) for text in call.path.read_text().splitlines()]
        assert {each["case"] for each in lines} == {tiny.name}
        assert {"machine", "commit", "split", "suite"} <= set(lines[0])

    def test_all_in_one_process(self, call, bench, monkeypatch):
        asked = []

        def attempt(task):
            asked.append((task["method"], task["seed"]))
            return {
                "status": "ok", "psnr": 20.0, "ssim": 0.5, "seconds": 1.0, "peak_mb": 99.0,
            }  # fmt: skip

        monkeypatch.setattr(bench.measure, "attempt", attempt)
        monkeypatch.setenv("BENCH_DEVICE", "")
        assert call("--together", "--peers", "none", "--seeds", "2") == []
        assert asked == [("b2g-fast", 0), ("noisy", 0), ("b2g-fast", 0), ("b2g-fast", 1)]
        lines = [json.loads(text) for text in call.path.read_text().splitlines()]
        assert len(lines) == 3
        assert not any("peak_mb" in each for each in lines)
        assert all(each["together"] for each in lines)
        with pytest.raises(SystemExit):
            call("--together", "--timeout", "9")

    def test_beside_other_programs_no_seconds_are_kept(self, call, bench, monkeypatch):
        asked = []

        def attempt(task):
            asked.append(task["method"])
            return {"status": "ok", "psnr": 20.0, "ssim": 0.5, "seconds": 1.0}

        monkeypatch.setattr(bench.measure, "attempt", attempt)
        monkeypatch.setenv("BENCH_DEVICE", "")
        call("--together", "--untimed", "--peers", "none", "--seeds", "1")
        assert asked == ["noisy", "b2g-fast"]
        lines = [json.loads(text) for text in call.path.read_text().splitlines()]
        assert not any("seconds" in each for each in lines)

    def test_what_failed_is_measured_again_when_asked(self, call):
        call()
        assert [j.method for j in call("--retry")] == ["bm3d_vst"]
        assert {j.method for j in call("--redo", "b2g-*")} == {"b2g-fast"}

    def test_a_torn_last_line_costs_one_result(self, call):
        call()
        text = call.path.read_text()
        call.path.write_text(text[: len(text) - 40])
        assert [j.method for j in call()] == ["bm3d_vst"]
        assert call() == []

    def test_ablations_name_settings_that_exist(self, bench):
        from napari_blind2grad import Config

        for preset in ("fast", "balanced", "paper"):
            for method in bench.methods.ablations(preset, list(bench.methods.PARTS)):
                Config.preset(preset, **bench.methods.changes(method))

    def test_ours_is_told_what_peers_are_told(self, bench, monkeypatch):
        import napari_blind2grad

        seen = []

        def denoise(noisy, axes, config):
            seen.append((config.base, config.gain, config.read_noise, config.iterations))
            return napari_blind2grad.Result.__new__(napari_blind2grad.Result)

        monkeypatch.setattr(napari_blind2grad, "denoise", denoise)
        kinds = ({"lam": 50.0}, {"sigma": 25.0}, {"type": "unknown"})
        for method in ("b2g-fast-told+iterations=3", "b2g-fast"):
            run = bench.methods.resolve(method, "cpu", 1)
            for kind in kinds:
                with pytest.raises(AttributeError):  # the result is empty
                    run(np.zeros((4, 4)), "YX", kind, 0)
        assert seen[:3] == [("fast", 0.02, 1e-6, 3), ("fast", 0, 25.0, 3), ("fast", 0, 0, 3)]
        assert seen[3:] == [("fast", 0, 0, 320)] * 3

    def test_a_crash_is_a_result(self, bench, tmp_path):
        options = argparse.Namespace(
            device="cpu", threads=1, suite="stacks", data=tmp_path, timeout=60,
            python={"bm4d": sys.executable},
        )  # fmt: skip
        answer = bench.run.measure(options, bench.run.Job("no/such/case", "noisy", 0))
        assert answer["status"] == "failed"
        options.python = {"bm4d": str(tmp_path / "no-python")}
        absent = bench.run.measure(options, bench.run.Job("no/such/case", "bm4d", 0))
        assert absent["status"] == "absent"


class TestReport:
    def test_a_gpu_stands_beside_the_cpu_where_the_arrays_are_the_same(self, bench):
        here = [line(method=m, psnr=p, noisy_sha="a") for m, p in (("b2g-fast", 29), ("bm4d", 30))]
        at = dict(here[0]["machine"], gpu="A GPU")
        there = [
            line(method="b2g-fast", psnr=29.5, seconds=0.5, noisy_sha="a", machine=at),
            line(method="zs_n2n", psnr=28.0, noisy_sha="a", machine=at),
        ]
        other = line("nuclei/two/p30", "b2g-fast", psnr=10.0, noisy_sha="b", machine=at)
        text = bench.report.render({"cpu": here, "gpu": [*there, other]}, {})
        row = "| nuclei/p30 | report | **B2G fast** | 1 | 29.00 | 29.50 | +0.50 | 1.0 | 0.5 | BM4D"
        assert row in text
        assert "| ZS-N2N | 1 | – | 28.00 | – | – | 1.0 | BM4D" in text
        assert text.count("## GPU and CPU") == 1
        assert "## GPU and CPU" not in bench.report.render({"cpu": here}, {})

    def test_medians_margins_and_losses(self, bench, tmp_path):
        lines = [line(), line(method="bm4d", psnr=30.0)]
        lines += [line(method="b2g-fast", seed=s, psnr=p) for s, p in enumerate((29.0, 29.5, 35.0))]
        lines += [line(case="nuclei/two/p30", method="b2g-fast", psnr=99.0, split="tune")]
        lines += [line(method="b2g-fast+omega=0.0", seed=s, psnr=28.5) for s in range(2)]
        lines += [line(method="nlm", status="failed", message="MemoryError: no")]
        (tmp_path / "stacks-a.jsonl").write_text("\n".join(map(json.dumps, lines)))
        text = bench.report.render(bench.report.read(tmp_path), {})
        row = next(r for r in text.splitlines() if r.startswith("| **B2G fast** | 1 |"))
        assert "29.50" in row
        assert "-0.50" in row
        assert "- nuclei/p30, **B2G fast**: BM4D (Anscombe for Poisson) by 0.50 dB" in text
        assert "failed: non-local means, J-invariant on nuclei/one/p30: MemoryError: no" in text
        assert "| two | tune | – | 99.00 | – |" in text
        assert "| **B2G fast** omega=0.0 | report | 1 | 2 | 28.50 | 0.00 | -2.67 |" in text
        assert "A CPU, 2 cores" in text

    def test_the_papers_margin_stands_beside_ours(self, bench):
        lines = [
            line("Set9/a/g25", m, group="Set9/g25", suite="paper", psnr=p)
            for m, p in (("bm3d", 31.0), ("b2g-fast", 31.5))
        ]
        text = bench.report.render({"paper-a": lines}, {})
        row = next(r for r in text.splitlines() if r.startswith("| **B2G fast**"))
        assert row.endswith("| +0.50 | 32.01 | +0.34 |")

    def test_without_results_it_says_so(self, bench, tmp_path):
        bench.report.main(["--results", str(tmp_path), "--out", str(tmp_path / "docs" / "r.md")])
        assert "Nothing has been measured" in (tmp_path / "docs" / "r.md").read_text()

    def test_plots(self, bench, tmp_path):
        pytest.importorskip("matplotlib")
        plots = importlib.import_module("plots")
        lines = [line(), line(method="bm4d"), line(method="b2g-fast")]
        lines += [line(method=f"b2g-fast+iterations={n}", seconds=n / 10) for n in (10, 20)]
        assert plots.draw(lines, tmp_path / "a.svg")
        assert (tmp_path / "a.svg").read_text().startswith("<?xml")
        assert not plots.draw([line()], tmp_path / "b.svg")


def test_displacements_are_found_and_taken_back(bench):
    from scipy.ndimage import gaussian_filter

    clean = gaussian_filter(np.random.default_rng(0).random((64, 64)), 2.0)
    clean = 255 * (clean - clean.min()) / np.ptp(clean)
    lies = 0.8 * bench.displaced.moved(clean, np.array([-0.6, 0.3])) + 5.0
    by, there = bench.displaced.registered(lies, clean)
    assert by == pytest.approx([0.6, -0.3], abs=0.02)
    assert bench.metrics.psnr(lies, clean, 255.0) < 25 < 40 < there


@pytest.mark.parametrize(
    ("kernel", "along", "down"), [("line", 0.5, 0.0), ("half", 0.5, 0.5), ("blur", 2 / 3, 2 / 3)]
)
def test_noise_that_neighbours_share(bench, kernel, along, down):
    """Of (½, ½), neighbours share ½; of (¼, ½, ¼), (⅛ + ⅛) / (1/16 + ¼ + 1/16) = ⅔."""
    clean = np.full((400, 400), 90.0, np.float32)
    noise = bench.correlated.shared(clean, kernel, 10.0, False) - clean
    assert noise.std() == pytest.approx(10.0, rel=1e-3)
    found = [(noise * np.roll(noise, 1, axis)).mean() / 100.0 for axis in (1, 0)]
    assert found == pytest.approx([along, down], abs=0.02)
    grown = bench.correlated.shared(clean, kernel, 10.0, True) - clean
    assert grown.std() == pytest.approx(10.0 * 1.5 * 1.1**0.5, rel=1e-3)
