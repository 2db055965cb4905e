"""Fits per second, beside SciPy's with our derivatives and with NumPy's matrix exponentials.

    pytest benchmarks/bench_fit.py --voxels 4000

prints medians; the checks need no more than 64 voxels.
"""

import numpy as np
import pytest
import spinbound as sb

from benchmarks.measure import fit_comparison, fit_scaling, fits, machine, native
from benchmarks.peers import numpy_expm, scipy_fit
from benchmarks.peers.model import Train
from benchmarks.report import fit_tables

from . import workload

needs_compiler = pytest.mark.skipif(not native.compiler(), reason="no C++ compiler found")
# SciPy's ftol of 1e-8 leaves some 1e-4 sqrt(n) of a standard error, its finite differences less.
AGREES = 0.01  # standard errors
# How many times longer SciPy takes for one voxel, which may be a hard one for us: a tenth of what is typical.
SURELY = {"SciPy, our derivatives": 1, "SciPy, NumPy tuned": 30, "SciPy, NumPy": 100}


@pytest.mark.benchmark(group="fits, 13 coefficients")
@pytest.mark.parametrize("name", ["fit", "fit, apparent R1"])
def test_fit(benchmark, report, n_voxels, isa, name):
    kind = fits.KINDS[name]
    given = fits.data(kind, workload.load_train("bundled"), workload.tissues("brain", n_voxels))
    result = benchmark(fits.fit, kind, given, 1)
    report(given.seq, n_voxels, isa)
    inside = result.converged
    assert inside.mean() > 0.8
    for parameter in kind.start():
        off = abs(result.estimates[parameter] - given.tissue[parameter]) / result.std[parameter]
        assert np.median(off[inside]) < 1.5  # 0.67 of Gaussian errors


@pytest.mark.parametrize("signal", [scipy_fit.as_written, scipy_fit.tuned])
def test_the_models_of_numpy_are_ours(signal):
    seq, theta = workload.load_train("bundled", 40), workload.white_matter_values(1)[:, 0]
    train = Train(seq)
    s = signal(train, theta, train.responses(theta[None])[0])
    np.testing.assert_allclose(s, sb.simulate(seq, workload.tissues("white matter", 1))[0], atol=1e-10)


def test_a_signal_without_derivatives_is_the_same():
    train, theta = Train(workload.load_train("bundled", 40)), workload.white_matter_values(1)[:, 0]
    response = train.responses(theta[None])[0]
    alone, both = (numpy_expm.signal(train, theta, response, columns) for columns in (0, 8))
    assert (alone.shape, both.shape) == ((40, 1), (40, 9))
    np.testing.assert_allclose(alone[:, 0], both[:, 0], atol=1e-14)


def test_spinbound_and_scipy_come_to_the_same_estimates_and_spinbound_sooner():
    results = fit_comparison.compare("bundled", 1, 32, 1)
    assert [r["name"] for r in results] == list(SURELY)
    for r in results:
        assert r["compared"] == r["voxels"]
        assert r["deviation"] < AGREES
        assert r["ratio"] > SURELY[r["name"]]
    assert fit_tables.peers(results).count("| **SciPy") == len(results)


@pytest.fixture(scope="module")
def record():
    """What `python benchmarks --only fits` would record, of two kinds and no peer."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fit_scaling, "BATCH", {True: 8})
        patch.setattr(fit_scaling, "VOXELS", {True: (4, 8)})
        patch.setattr(fit_scaling, "PATIENCE", {True: 0.0})
        patch.setattr(fits, "KINDS", {name: fits.KINDS[name] for name in ("fit", "fit in time")})
        results, left_out = fit_scaling.measure(quick=True)
    return {
        "machine": machine.describe(),
        "quick": True,
        "load": (machine.load(), machine.load()),
        "seconds": 1.0,
        "fits": results,
        "fits left out": left_out,
        "fit peers": [],
    }


@needs_compiler
def test_every_fit_has_its_time_and_outcome(record):
    assert record["fits left out"] == []
    for result in record["fits"]["kinds"] + record["fits"]["voxels"]:
        assert 0 < result["seconds"] < 60
        assert result["outcome"]["converged"] + result["outcome"]["at bound"] > 0.7
        assert 2 < result["outcome"]["iterations"] < 100


@needs_compiler
def test_the_report_has_a_row_for_every_kind(record):
    text = fit_tables.markdown(record)
    assert text.count("| one tissue |") == 2
    assert "| time domain | 10 |" in text


@needs_compiler
def test_the_figure_has_a_row_for_every_kind(record):
    figure = pytest.importorskip("benchmarks.report.fit_figure").draw(record)
    growth, bars = figure.axes
    assert len(bars.get_yticklabels()) == 2
    assert len(growth.lines) == 2  # one curve, and a line to compare it with
