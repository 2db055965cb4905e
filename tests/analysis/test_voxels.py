"""What every analysis does with its voxels: invalid ones stay alone, parts and threads change no bit, progress ends."""

import numpy as np
import pytest
import spinbound as sb

from tests.support.progress import reports_of
from tests.support.trains import WHITE_MATTER, random_tissues, smooth_train

SEQ = smooth_train()
FITTED = ("M0", "m0s", "R1f", "R2f")


def bias(tissue, wrt=FITTED, **options):
    return sb.model_bias(sb.Model(lineshape="gaussian"), "gbloch", SEQ, tissue, wrt, **options)


def error(tissue, wrt=FITTED, **options):
    return sb.model_error(SEQ, tissue, "gbloch", "gbloch", wrt, **options).crb


def identifiability(tissue, wrt=sb.ALL, **options):
    known = sb.identifiability(SEQ, tissue, wrt, prior={wrt[-1]: 0.1} if wrt is sb.ALL else None, **options)
    arrays = [known.factor, known.correlation, known.condition, *known.worst, known.bound_fixed]
    bounds = [*known.bound.values(), *known.bound_alone.values(), *(known.bound_prior or {}).values()]
    return dict(enumerate(arrays + bounds))


CALLS = pytest.mark.parametrize("call", [bias, error, identifiability])


@CALLS
def test_invalid_voxels_are_nan_and_leave_the_others_alone(call):
    good = random_tissues(6, seed=5)
    bad = good.replace(B1=np.where(np.arange(6) == 2, np.nan, good["B1"]))
    clean, every = call(good), np.arange(6) != 2
    for name, result in call(bad).items():
        assert np.array_equal(result[every], clean[name][every], equal_nan=call is identifiability)
        assert np.isnan(result[2]).all()


@CALLS
def test_neither_parts_nor_threads_change_a_bit(call, monkeypatch):
    tissue = random_tissues(6, seed=6)
    whole = call(tissue)
    monkeypatch.setattr("spinbound.analysis.voxels.VALUES", 1)
    parts = call(tissue, threads=1)
    assert all(np.array_equal(whole[name], parts[name]) for name in whole)


@CALLS
def test_progress_is_reported_to_the_end(call, monkeypatch):
    monkeypatch.setattr("spinbound.analysis.voxels.VALUES", 1)
    assert reports_of(call, WHITE_MATTER.replace(B1=[1, np.nan, 1, np.nan]))[-1] == (4, 4)


@CALLS
def test_what_is_not_accepted_is_refused(call):
    with pytest.raises(sb.InvalidParameter, match="every voxel is invalid: m0s is 2 at voxel 0"):
        call(WHITE_MATTER.replace(m0s=[2, 3]))
    with pytest.raises(sb.InvalidParameter, match="wrt has R1a, which needs R1f = R1s .* differ at voxel 1"):
        call(sb.Tissue(R1f=[1, 1], R1s=[1, 2]), "R1a")
