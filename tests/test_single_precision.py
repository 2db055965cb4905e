"""Single precision is double precision rounded, also where it has no such number."""

import numpy as np
import pytest
import spinbound as sb

from .test_api import CALLS, SEQ, VOXELS, arrays


@pytest.mark.parametrize("call", CALLS)
def test_single_precision_is_the_double_result_rounded(call, monkeypatch):
    monkeypatch.setattr("spinbound._batch.PART", 100)  # several parts, of a few voxels each
    expected = arrays(call(SEQ, VOXELS))
    dtype = {"c": np.complex64, "f": np.float32}[expected[0].dtype.kind]
    for result, double in zip(arrays(call(SEQ, VOXELS, dtype=dtype)), expected, strict=True):
        assert result.dtype == dtype
        assert np.array_equal(result, double.astype(dtype))


@pytest.mark.parametrize("in_place", [False, True])
def test_bounds_beyond_single_precision_are_inf_or_the_least_number(in_place):
    sigma = [[1e30], [1e-30]]
    out = {"m0s": np.empty((2, 3), np.float32)} if in_place else None
    bound = sb.crb(SEQ, VOXELS, "m0s", sigma, dtype=np.float32, out=out)["m0s"]
    assert np.isinf(bound[0]).all()
    assert (bound[1] == np.finfo(np.float32).smallest_subnormal).all()


@pytest.mark.parametrize("call", CALLS[:2])
def test_signals_beyond_single_precision_are_not_finite(call):
    result = arrays(call(SEQ, VOXELS.replace(M0=1e42), dtype=np.complex64))[0]
    assert not np.isfinite(result).all()


def test_a_matrix_beyond_single_precision_is_inf():
    assert np.isinf(sb.fisher(SEQ, VOXELS, "m0s", 1e-30, dtype=np.float32)).all()
