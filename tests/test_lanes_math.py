"""The elementary functions of the kernel, as accurate as cpp/kernel/lanes_math.hpp says, on every instruction set."""

import ctypes
import shutil
import subprocess
from pathlib import Path

import mpmath
import numpy as np
import pytest
from spinbound import _core

ROOT = Path(__file__).parents[1]
FLAGS = {
    "baseline": ["-DSPINBOUND_LANES=2"],
    "avx2": ["-DSPINBOUND_LANES=4", "-mavx2", "-mfma"],
    "avx512": ["-DSPINBOUND_LANES=8", "-mavx512f", "-mavx512dq", "-mavx512vl", "-mfma"],
}
EPS = np.finfo(float).eps


@pytest.fixture(scope="module", params=_core.isa_available())
def lanes(request, tmp_path_factory):
    """The functions, compiled like the kernel of one instruction set."""
    compiler = shutil.which("c++") or shutil.which("g++")
    if compiler is None:
        pytest.skip("no C++ compiler")
    library = tmp_path_factory.mktemp("lanes") / f"{request.param}.so"
    options = ["-std=c++20", "-O3", "-fno-math-errno", "-fno-trapping-math", "-ffp-contract=fast", "-Wno-psabi"]
    source = [f"-I{ROOT / 'cpp/kernel'}", str(ROOT / "tests/cpp/lanes_math.cpp"), "-shared", "-fPIC"]
    subprocess.run([compiler, *options, *FLAGS[request.param], *source, "-o", str(library)], check=True)
    return ctypes.CDLL(str(library))


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


def test_exp_is_clamped_and_keeps_nan(lanes):
    x = np.array([-1e9, -np.inf, -708.0, 709.0, 1e9, np.inf, np.nan, 0.0])
    y = apply(lanes.lane_exp, x)
    assert y[0] == y[1] == y[2] > 0
    assert y[3] == y[4] == y[5] < np.inf
    assert np.isnan(y[6])
    assert y[7] == 1


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
