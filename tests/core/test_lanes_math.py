"""The elementary functions of the kernel, as accurate as cpp/kernel/lanes_math.hpp says, on every instruction set."""

import ctypes
import shutil
import subprocess

import mpmath
import numpy as np
import pytest
from spinbound import _core

from tests.support.paths import ROOT

BYTES = {"baseline": 16, "avx2": 32, "avx512": 64}  # of a register
FLAGS = {
    "baseline": [],
    "avx2": ["-mavx2", "-mfma"],
    "avx512": ["-mavx512f", "-mavx512dq", "-mavx512vl", "-mfma"],
}
EPS = np.finfo(float).eps


def compiled(isa, real, folder):
    """The functions, compiled like the kernel of one instruction set and precision."""
    compiler = shutil.which("c++") or shutil.which("g++")
    if compiler is None:
        pytest.skip("no C++ compiler")
    library = folder / f"{isa}_{real}.so"
    n_lanes = BYTES[isa] // {"double": 8, "float": 4}[real]
    options = ["-std=c++20", "-O3", "-fno-math-errno", "-fno-trapping-math", "-ffp-contract=fast", "-Wno-psabi"]
    source = [f"-I{ROOT / 'cpp'}", str(ROOT / "tests/cpp/lanes_math.cpp"), "-shared", "-fPIC"]
    kind = [f"-DSPINBOUND_LANES={n_lanes}", f"-DSPINBOUND_REAL={real}", *FLAGS[isa]]
    subprocess.run([compiler, *options, *kind, *source, "-o", str(library)], check=True)
    return ctypes.CDLL(str(library))


@pytest.fixture(scope="module", params=_core.isa_available())
def lanes(request, tmp_path_factory):
    """Double precision."""
    return compiled(request.param, "double", tmp_path_factory.mktemp("lanes"))


@pytest.fixture(scope="module", params=_core.isa_available())
def single_lanes(request, tmp_path_factory):
    """Single precision; arguments and results cross the border as doubles."""
    return compiled(request.param, "float", tmp_path_factory.mktemp("lanes"))


def apply(function, x, n_results=1):
    """Call a lane function on an array whose length every lane count divides."""
    results = [np.empty_like(x) for _ in range(n_results)]
    pointers = [a.ctypes.data_as(ctypes.c_void_p) for a in (x, *results)]
    function(*pointers, len(x))
    return results[0] if n_results == 1 else results


def exactly(function, x):
    """Values in 40 digits, rounded to long double."""
    with mpmath.workdps(40):
        return np.array([np.longdouble(mpmath.nstr(function(mpmath.mpf(v)), 25)) for v in x])


def test_exp_is_within_one_and_a_half_ulp(lanes):
    rng = np.random.default_rng(0)
    x = np.concatenate(
        [rng.uniform(-700, 700, 1500), rng.uniform(-1, 1, 500), [0, -0.0, 1e-300, -1e-17, 0.5, 1, -1, 88]]
    )
    exact = exactly(mpmath.exp, x)
    ulp = np.spacing(exact.astype(float))
    assert (abs(apply(lanes.lane_exp, x) - exact) / ulp).max() <= 1.5


def check_clamped(lanes, lowest, highest):
    x = np.array([-1e9, -np.inf, lowest, highest, 1e9, np.inf, np.nan, 0.0] * 2)  # 16 lanes at most
    y = apply(lanes.lane_exp, x)
    assert y[0] == y[1] == y[2] > 0
    assert y[3] == y[4] == y[5] < np.inf
    assert np.isnan(y[6])
    assert y[7] == 1


def test_exp_is_clamped_and_keeps_nan(lanes):
    check_clamped(lanes, -708.0, 709.0)


def test_sine_and_cosine_are_within_their_absolute_error(lanes):
    rng = np.random.default_rng(1)
    multiples = np.arange(-100, 100) * np.pi / 4
    x = np.concatenate([rng.uniform(-10, 10, 1000), rng.uniform(-1e6, 1e6, 1000), multiples, np.zeros(8)])
    sine, cosine = apply(lanes.lane_sincos, x, 2)
    assert abs(sine - exactly(mpmath.sin, x)).max() <= 2e-16
    assert abs(cosine - exactly(mpmath.cos, x)).max() <= 2e-16


def test_sine_of_a_small_angle_keeps_its_relative_accuracy(lanes):
    x = np.geomspace(1e-300, 0.7, 800)
    sine, _ = apply(lanes.lane_sincos, x, 2)
    assert abs(sine / exactly(mpmath.sin, x) - 1).max() <= EPS


def test_square_root_is_correctly_rounded(lanes):
    x = np.geomspace(1e-300, 1e300, 800)
    np.testing.assert_array_equal(apply(lanes.lane_sqrt, x), np.sqrt(x))


def test_single_exp_is_within_one_and_a_half_ulp(single_lanes):
    x = np.random.default_rng(0).uniform(-86, 87, 4000).astype(np.float32).astype(float)
    ulp = np.spacing(np.exp(x).astype(np.float32)).astype(float)
    assert (abs(apply(single_lanes.lane_exp, x) - np.exp(x)) / ulp).max() <= 1.5


def test_single_exp_is_clamped_and_keeps_nan(single_lanes):
    check_clamped(single_lanes, -87.0, 88.0)


def test_single_sine_and_cosine_are_within_their_absolute_error(single_lanes):
    x = np.random.default_rng(1).uniform(-1000, 1000, 4000).astype(np.float32).astype(float)
    sine, cosine = apply(single_lanes.lane_sincos, x, 2)
    assert abs(sine - np.sin(x)).max() <= 1.2e-7
    assert abs(cosine - np.cos(x)).max() <= 1.2e-7
