"""A voxel's results are its own: not of its neighbours, the threads, the process, or (nearly) the processor."""

import multiprocessing
import platform
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial

import numpy as np
import pytest
import spinbound as sb

from tests.support.trains import random_basis, random_tissues, smooth_train

N_VOXELS = 1000
SEQ = smooth_train(24)
TISSUE = random_tissues(N_VOXELS, seed=0)
BASIS = random_basis(24, 12, seed=0).assign(SEQ)


def sensitivities(seq, tissue, **options):
    """The signal beside its derivatives."""
    s, J = sb.sensitivities(seq, tissue, **options)
    return np.concatenate([s[..., None], J], axis=-1)


def bounds(seq, tissue, **options):
    """All bounds, with the voxels first as in the other calls."""
    return np.stack(list(sb.crb(seq, tissue, **options).values()), axis=-1)


CALLS = {
    "signal": sb.simulate,
    "sensitivities": sensitivities,
    "fisher": sb.fisher,
    "complex fisher": partial(sb.fisher, form="complex"),
    "crb": bounds,
}
CALLS |= {f"{name}, basis": partial(call, basis=BASIS) for name, call in CALLS.items()}
CALLS["magnetization"] = partial(sb.simulate, output="magnetization")
every_call = pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)


@cache
def expected(call):
    """The results of one thread, all voxels together."""
    return call(SEQ, TISSUE, threads=1)


@every_call
def test_threads_do_not_change_a_bit(call):
    for threads in (2, 7, np.int32(3), 10**20):
        assert np.array_equal(call(SEQ, TISSUE, threads=threads), expected(call))


@every_call
@pytest.mark.parametrize("size", [1, 3, 8])
def test_the_size_of_the_batch_does_not_change_a_bit(call, size):
    for start in range(0, 96, size):  # the first, which are of many classes already
        part = slice(start, start + size)
        assert np.array_equal(call(SEQ, TISSUE[part]), expected(call)[part])


@every_call
def test_the_order_of_the_voxels_does_not_change_a_bit(call):
    order = np.random.default_rng(1).permutation(N_VOXELS)
    assert np.array_equal(call(SEQ, TISSUE[order]), expected(call)[order])


@every_call
def test_invalid_voxels_do_not_change_a_bit_of_the_others(call):
    R2f = np.array(TISSUE["R2f"])
    R2f[::7] = np.nan
    result = call(SEQ, TISSUE.replace(R2f=R2f))
    valid = np.isfinite(R2f)
    assert np.array_equal(result[valid], expected(call)[valid])
    assert np.isnan(result[~valid]).all()


@every_call
def test_calls_at_once_do_not_change_a_bit(call):
    with ThreadPoolExecutor(4) as pool:
        tasks = [pool.submit(call, SEQ, TISSUE, threads=2) for _ in range(8)]
    assert all(np.array_equal(task.result(), expected(call)) for task in tasks)


def test_calls_for_different_trains_at_once_do_not_meet():
    trains = [smooth_train(n) for n in (5, 12, 24, 60)]
    alone = [sb.fisher(seq, TISSUE[:200]) for seq in trains]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda seq: sb.fisher(seq, TISSUE[:200], threads=2), trains * 3))
    assert all(map(np.array_equal, alone * 3, together))


# Instruction sets

other_isas = pytest.mark.parametrize("isa", sb._core.isa_available()[1:])


def pair(call, isa, monkeypatch):
    """The result of the baseline and that of another instruction set."""
    results = []
    for name in (sb._core.isa_available()[0], isa):
        monkeypatch.setenv("SPINBOUND_ISA", name)
        assert sb._core.isa_in_use() == name
        results.append(call(SEQ, TISSUE))
    return results


@other_isas
@pytest.mark.parametrize("call", ["signal", "magnetization"])
def test_instruction_sets_agree_on_the_magnetization(call, isa, monkeypatch):
    one, other = pair(CALLS[call], isa, monkeypatch)
    # fused multiply-adds round differently, some thousand times in 24 repetitions: 1e-14 was seen
    assert np.abs(one - other).max() <= 1e-12 * np.abs(one).max()


@other_isas
@pytest.mark.parametrize("call", ["sensitivities", "sensitivities, basis"])
def test_instruction_sets_agree_on_the_sensitivities(isa, call, monkeypatch):
    one, other = pair(CALLS[call], isa, monkeypatch)
    largest = np.abs(one).max(axis=1, keepdims=True)
    # columns that nearly vanish are small differences of larger terms
    assert (np.abs(one - other) <= 1e-9 * largest).all()


@other_isas
def test_instruction_sets_agree_on_the_information(isa, monkeypatch):
    one, other = pair(sb.fisher, isa, monkeypatch)
    scale = np.sqrt(np.diagonal(one, axis1=1, axis2=2))
    # entries are differences of larger sums in a short periodic train: 4e-10 was seen
    assert (np.abs(one - other) <= 1e-8 * scale[:, :, None] * scale[:, None, :]).all()


def test_an_unknown_instruction_set_is_refused(monkeypatch):
    monkeypatch.setenv("SPINBOUND_ISA", "mmx")
    message = "SPINBOUND_ISA is 'mmx', which this build does not know; this build on this processor runs: baseline"
    with pytest.raises(ValueError, match=message):
        sb.simulate(SEQ, TISSUE[0])


@pytest.mark.parametrize(("isa", "feature"), [("avx2", "AVX2|FMA"), ("avx512", "AVX-512(F|DQ|VL)")])
def test_the_processor_feature_that_is_missing_is_named(isa, feature, monkeypatch):
    if isa in sb._core.isa_available():
        pytest.skip(f"this processor has {isa}")
    if platform.machine() not in ("x86_64", "AMD64"):
        pytest.skip("other processors have other instruction sets")
    monkeypatch.setenv("SPINBOUND_ISA", isa)
    with pytest.raises(ValueError, match=f"SPINBOUND_ISA is '{isa}', which needs ({feature}).*; this build on this"):
        sb.simulate(SEQ, TISSUE[0])


def test_a_spawned_process_finds_the_same_bits():
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        result = pool.apply(sb.fisher, (SEQ, TISSUE), {"threads": 2})
    assert np.array_equal(result, expected(sb.fisher))
