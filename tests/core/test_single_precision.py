"""Single precision: trains computed in it, bounds rounded to it, also where it has no such number."""

import numpy as np
import pytest
import spinbound as sb

from tests.support.calls import CALLS, SEQ, VOXELS, arrays
from tests.support.strategies import BOX
from tests.support.trains import random_tissues, smooth_train

TRAINS, BOUNDS = CALLS[:2], CALLS[2:]
NAMES = tuple(BOX)
LONG = smooth_train(400)  # 1.4 s


@pytest.mark.parametrize("isa", sb._core.isa_available())
def test_single_precision_errs_as_documented(isa, monkeypatch):
    monkeypatch.setenv("SPINBOUND_ISA", isa)
    seq, tissue = sb.sequences.load("hybrid-mt-4s"), random_tissues(300, seed=0)
    double = sb.sensitivities(seq, tissue, NAMES)
    single = sb.sensitivities(seq, tissue, NAMES, dtype=np.complex64)
    error_s, error_J = (abs(a - b).max(axis=1) / abs(b).max(axis=1) for a, b in zip(single, double, strict=True))
    assert error_s.max() <= 2e-4
    assert np.all(np.percentile(error_J, 99, axis=0) <= [1e-2 if name == "T2s" else 1e-3 for name in NAMES])
    assert error_s.max() > 1e-7, "this was computed in double precision"


@pytest.mark.parametrize("output", ["signal", "magnetization"])
def test_signals_and_sensitivities_agree_in_single_precision(output):
    tissue = random_tissues(20, seed=0)
    s = sb.simulate(LONG, tissue, output=output, dtype=np.complex64)
    signal = s if output == "signal" else s[..., 0] + 1j * s[..., 1]
    expected = sb.sensitivities(LONG, tissue, dtype=np.complex64)[0]
    # the rounding of one run; U m0 + b rounds otherwise than a run from m0
    assert abs(signal - expected).max() <= 1e-4 * abs(expected).max()


@pytest.mark.parametrize("call", TRAINS)
def test_single_precision_knows_no_neighbours(call, monkeypatch):
    tissue = random_tissues(40, seed=0)
    expected = arrays(call(LONG, tissue, dtype=np.complex64, threads=1))
    monkeypatch.setattr("spinbound.signals.batch.SLAB_VALUES", 100)  # several slabs, of a few voxels each
    for result, whole in zip(arrays(call(LONG, tissue, dtype=np.complex64)), expected, strict=True):
        assert result.dtype == np.complex64
        assert np.array_equal(result, whole)


@pytest.mark.parametrize("call", TRAINS)
def test_a_short_cycle_is_refused_in_single_precision(call):
    message = r"a cycle of 0\.14 s .* allowed: complex128, or cycles of at least 1 s"
    with pytest.raises(sb.InvalidParameter, match=message):
        call(SEQ, VOXELS, dtype=np.complex64)
    transient = SEQ.replace(start="thermal")
    for result in arrays(call(transient, VOXELS, dtype=np.complex64)):
        assert np.isfinite(result).all()


@pytest.mark.parametrize("call", TRAINS)
def test_slow_recovery_is_refused_in_single_precision(call):
    with pytest.raises(sb.InvalidParameter, match=r"tissue of R1 = 0\.1/s; allowed: .* and 0\.25/R1"):
        call(LONG, sb.Tissue(R1f=[0.5, 0.1]), dtype=np.complex64)
    result = arrays(call(LONG, sb.Tissue(R1f=[0.5, np.nan]), dtype=np.complex64))[0]
    assert np.isfinite(result[0]).all()


@pytest.mark.parametrize("call", BOUNDS)
def test_bounds_in_single_precision_are_those_in_double_rounded(call, monkeypatch):
    monkeypatch.setattr("spinbound.signals.batch.SLAB_VALUES", 100)  # several slabs, of a few voxels each
    expected = arrays(call(SEQ, VOXELS))
    for result, double in zip(arrays(call(SEQ, VOXELS, dtype=np.float32)), expected, strict=True):
        assert result.dtype == np.float32
        assert np.array_equal(result, double.astype(np.float32))


@pytest.mark.parametrize("in_place", [False, True])
def test_bounds_beyond_single_precision_are_inf_or_the_least_number(in_place):
    sigma = [[1e30], [1e-30]]
    out = {"m0s": np.empty((2, 3), np.float32)} if in_place else None
    bound = sb.crb(SEQ, VOXELS, "m0s", sigma, dtype=np.float32, out=out)["m0s"]
    assert np.isinf(bound[0]).all()
    assert (bound[1] == np.finfo(np.float32).smallest_subnormal).all()


@pytest.mark.parametrize("call", TRAINS)
def test_signals_beyond_single_precision_are_not_finite(call):
    result = arrays(call(LONG, VOXELS.replace(M0=1e42), dtype=np.complex64))[0]
    assert not np.isfinite(result).all()


def test_a_matrix_beyond_single_precision_is_inf():
    assert np.isinf(sb.fisher(SEQ, VOXELS, "m0s", 1e-30, dtype=np.float32)).all()
