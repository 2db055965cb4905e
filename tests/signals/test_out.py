"""Results written where the caller wants them: in place, without a second copy, into files as well as into memory."""

from itertools import count
from pathlib import Path

import numpy as np
import pytest
import spinbound as sb

from tests.support.calls import SINGLE, VOXELS, arrays, every_call, same
from tests.support.processes import lines_of
from tests.support.trains import random_tissues, smooth_train

SEQ = smooth_train(24)
TISSUE = random_tissues(37, seed=0)


def apply(function, result):
    """`function` of every array of a result, in the form of the result."""
    if isinstance(result, dict):
        return {name: function(array) for name, array in result.items()}
    return tuple(map(function, result)) if isinstance(result, tuple) else function(result)


def sevens(result):
    """Arrays to write a result into, full of what must be overwritten."""
    return apply(lambda array: np.full_like(array, 7), result)


def memmaps(result, folder):
    """Files for the arrays of a result."""
    number = count()
    return apply(lambda array: np.memmap(folder / f"{next(number)}.dat", array.dtype, "w+", shape=array.shape), result)


@every_call
def test_results_are_written_in_place(call):
    expected = call(SEQ, VOXELS)
    out = sevens(expected)
    result = call(SEQ, VOXELS, out=out)
    assert all(given is returned for given, returned in zip(arrays(out), arrays(result), strict=True))
    assert same(out, expected)


@every_call
@pytest.mark.parametrize("single", [False, True])
def test_files_get_the_bits_of_the_results(call, single, tmp_path):
    options = {"dtype": SINGLE[call]} if single else {}
    seq = SEQ.replace(start="thermal")  # single precision is too coarse for the steady state of so short a train
    expected = call(seq, TISSUE, **options)
    out = memmaps(expected, tmp_path)
    assert arrays(call(seq, TISSUE, out=out, **options))[0] is arrays(out)[0]
    for number, array in enumerate(arrays(expected)):
        assert np.array_equal(np.fromfile(tmp_path / f"{number}.dat", array.dtype).reshape(array.shape), array)


@every_call
def test_a_part_of_a_larger_array_is_filled_and_nothing_beside_it(call):
    expected = call(SEQ, TISSUE[5:9])
    whole = sevens(call(SEQ, TISSUE))
    call(SEQ, TISSUE[5:9], out=apply(lambda array: array[5:9], whole))
    for array, part in zip(arrays(whole), arrays(expected), strict=True):
        assert np.array_equal(array[5:9], part)
        assert (array[:5] == 7).all()
        assert (array[9:] == 7).all()


def misaligned(array):
    return np.empty(array.nbytes + 1, np.uint8)[1:].view(array.dtype).reshape(array.shape)


@every_call
@pytest.mark.parametrize(
    ("spoilt", "message"),
    [
        (lambda array: np.broadcast_to(array, array.shape), "given one that is not writeable$"),
        (lambda array: np.repeat(array, 2, axis=-1)[..., ::2], "is not C-contiguous$"),
        (lambda array: np.empty(array.shape, array.dtype)[::-1], "is not C-contiguous$"),
        (misaligned, "is not aligned$"),
        (lambda array: np.empty(array.shape, array.dtype.newbyteorder(">")), r"given shape \(37.* and type >[cf]"),
        (lambda array: np.empty(array.shape, np.int64), "and type int64$"),
        (lambda array: np.empty((*array.shape, 1), array.dtype), r"of shape \(37.*; given shape \(37, .*1\)"),
        (lambda array: array.tolist(), "given list$"),
        (np.ma.array, "given MaskedArray$"),
    ],
)
def test_places_that_cannot_be_filled_are_refused(call, spoilt, message):
    with pytest.raises(sb.InvalidParameter, match=f"must be a writeable C-contiguous numpy array.*{message}"):
        call(SEQ, TISSUE, out=apply(spoilt, call(SEQ, TISSUE)))


def test_a_file_that_is_open_for_reading_is_refused(tmp_path):
    np.zeros((37, 24), complex).tofile(tmp_path / "s")
    with pytest.raises(sb.InvalidParameter, match="not writeable"):
        sb.simulate(SEQ, TISSUE, out=np.memmap(tmp_path / "s", complex, "r", shape=(37, 24)))


def test_places_that_overlap_are_refused():
    s, J = sb.sensitivities(SEQ, TISSUE)
    with pytest.raises(sb.InvalidParameter, match=r"out\[0\] and out\[1\] must not overlap"):
        sb.sensitivities(SEQ, TISSUE, out=(J.reshape(-1)[: s.size].reshape(s.shape), J))
    bound = np.empty(37)
    with pytest.raises(sb.InvalidParameter, match=r"out\['m0s'\] and out\['R2f'\] must not overlap"):
        sb.crb(SEQ, TISSUE, ("m0s", "R2f"), out={"m0s": bound, "R2f": bound})


def test_what_was_computed_before_an_error_stays():
    tissue = random_tissues(20_000, seed=0)
    signal = np.full((tissue.size, SEQ.n_pulses), 7j)

    def stop(done, _total):
        if done > 0:
            raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        sb.simulate(SEQ, tissue, out=signal, progress=stop)
    written = (signal != 7j).all(axis=1)
    assert written.any()
    assert np.array_equal(signal[written], sb.simulate(SEQ, tissue)[written])


# Memory, each call in a process of its own: the largest of what is not a file's, asked every 50 ms.

PEAK = """
import sys
import numpy as np, spinbound as sb

def anonymous():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) << 10 for line in status if line.startswith("RssAnon"))

phase = np.linspace(0, 6, 100)
seq = sb.Sequence(0.4 + 0.3 * np.sin(phase), 3e-4 + 1e-4 * np.cos(phase), 3.5e-3, gradient_moment="balanced")
N = 20_000
tissue = sb.Tissue(m0s=np.linspace(0.05, 0.3, N), B1=np.linspace(0.6, 1.3, N))
sb.sensitivities(seq, tissue[:8])
shape = (N, 100)
PLACES
before, seen = anonymous(), [0]
CALL
print(max(seen) - before)
"""
MEMMAPS = """
s = np.memmap(sys.argv[1] + "/s", complex, "w+", shape=shape)
J = np.memmap(sys.argv[1] + "/J", complex, "w+", shape=(*shape, 9))
"""
ARRAYS = "s, J = np.full(shape, 7j), np.full((*shape, 9), 7j)"


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc of Linux")
@pytest.mark.parametrize("places", [MEMMAPS, ARRAYS], ids=["files", "memory"])
def test_results_in_place_take_no_memory_of_their_own(places, tmp_path):
    call = "sb.sensitivities(seq, tissue, out=(s, J), progress=lambda *_: seen.append(anonymous()))"
    script = PEAK.replace("PLACES", places).replace("CALL", call)
    (bytes_more,) = lines_of(script, tmp_path)
    # J takes 288 MB and s 32; the tissues as the core wants them take 2, its plans and buffers some 10
    assert int(bytes_more) < 50e6
