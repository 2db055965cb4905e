"""Estimates at limits are a class of their own, counted by side; a start without influence is left."""

import numpy as np
import pytest
import spinbound as sb
from spinbound import FitStatus

from tests.support.fits.short import SEQ, START, TRUTH, N, fitted, others

FREE = ("M0", "m0s", "R2f", "Rex", "B1")


def test_what_is_at_a_limit_has_not_converged_and_has_estimates():
    fit = fitted(bounds={"m0s": (0.05, 0.1)}, start=START | {"m0s": 0.07})
    at = fit.status == FitStatus.at_bound
    assert at.any()
    assert np.array_equal(fit.converged, ~at)
    assert all(np.isfinite(fit.estimates[name][at]).all() for name in fit.free)


def test_an_unknown_that_a_limit_makes_undetermined_is_no_estimate_at_a_limit():
    # data of tissues whose pools do not exchange: any m0s fits equally well, each with its own M0
    names = ("M0", "m0s", "R2f", "Rex")
    fixed = others(names, TRUTH)
    data = sb.simulate(SEQ, TRUTH.replace(Rex=0))
    fit = fitted(data, free=names, fixed=fixed, start={"m0s": 0.15, "R2f": 20, "Rex": 0})
    assert not (fit.status == FitStatus.at_bound).any()
    lost = np.isnan(fit.estimates["m0s"])
    assert lost.any()
    assert (fit.status[lost] == FitStatus.singular).all()
    assert not fit.converged[lost].any()


def test_voxels_at_limits_are_counted_by_unknown_and_side():
    bounds = {"m0s": (0.1, 0.15), "B1": (0.8, 1.4)}
    fit = fitted(bounds=bounds, start=START | {"m0s": 0.12})
    assert set(fit.bound_counts) == {"m0s", "R2f", "B1"}
    for name, (low, high) in bounds.items():
        values = fit.estimates[name]
        assert fit.bound_counts[name] == ((values == low).sum(), (values == high).sum())
    assert min(fit.bound_counts["m0s"]) > 0


def test_the_sides_of_a_time_are_its_own():
    names = ("M0", "m0s", "T2f", "B1")
    fit = fitted(
        free=names, start={"m0s": 0.15, "T2f": 0.02, "B1": 1}, fixed=others(names, TRUTH), bounds={"T2f": (0.015, 0.03)}
    )
    low, high = fit.bound_counts["T2f"]
    T2f, at = fit.estimates["T2f"], fit.at_bound["T2f"]
    assert (low, high) == ((at & (T2f < 0.02)).sum(), (at & (T2f > 0.02)).sum())
    assert low + high > 0


def test_above_a_fifth_of_the_voxels_there_is_one_line_of_advice():
    few = fitted(start=START)
    assert few.bound_advice == ""
    many = fitted(bounds={"m0s": (0, 0.1)}, start=START | {"m0s": 0.07})
    share = 100 * many.bound_counts["m0s"][1] / N
    assert share > 20
    assert many.bound_advice == (
        f"many estimates are at a limit: m0s at 0.1 in {share:.3g} % of the voxels; the data want more or do not tell: "
        "widen its bounds, fix it, or give it a prior"
    )


def test_by_default_T2s_has_the_range_of_the_model():
    assert fitted(free=("M0", "T2s"), fixed=others(("M0", "T2s"), TRUTH), start={"T2s": 1e-5}).settings["bounds"] == {
        "T2s": [2e-6, 5e-5]
    }


# Starts

AT_ZERO = [{"m0s": 0}, {"Rex": 0}, {"m0s": 0, "Rex": 0}]


@pytest.mark.parametrize("zero", AT_ZERO, ids=["no pool", "no exchange", "neither"])
def test_a_start_at_which_derivatives_vanish_is_left(zero):
    # with m0s = 0 nothing depends on Rex, and with Rex = 0 m0s is lost in M0
    data = sb.simulate(SEQ, TRUTH)
    start = {name: TRUTH[name] * 1.02 for name in FREE[1:]} | {name: np.zeros(N) for name in zero}
    fit = fitted(data, free=FREE, fixed=others(FREE, TRUTH), start=start)
    assert (fit.residual < 1e-6).mean() > 0.85  # 0.9 to 0.975; 0.975 from starts with all unknowns near the truth


def test_an_offset_whose_sign_the_data_do_not_tell_is_left_at_zero():
    # one read pulse: the signal is even in omega0 but for its phase, which M0 takes
    seq = sb.inversion_recovery(np.geomspace(0.01, 3, 12), TRF=2e-3, read=(1.5, 2e-3))
    tissue = sb.Tissue(m0s=0, R1a=1, omega0=400)
    known = {name: tissue[name] for name in ("m0s", "R2f", "Rex", "T2s", "B1")}
    even = sb.simulate(seq, sb.Tissue(m0s=0, R1a=1, omega0=-400))
    assert np.abs(even) == pytest.approx(np.abs(sb.simulate(seq, tissue)), rel=1e-9)
    fit = sb.fit(
        sb.simulate(seq, tissue),
        seq,
        free=("M0", "R1a", "omega0"),
        fixed=known,
        start={"R1a": 1, "omega0": 0},
        bounds={"omega0": (-1000, 1000)},
    )
    assert abs(fit.estimates["omega0"]) == pytest.approx(400, rel=1e-6)
