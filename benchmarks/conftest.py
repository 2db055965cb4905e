"""What all benchmarks share: their size, and what they ran on."""

import platform

import pytest
from spinbound import _core


def pytest_addoption(parser):
    """--voxels: the benchmarks take times that mean something from a few thousand on."""
    parser.addoption("--voxels", type=int, default=64, help="voxels of each batch call (default: 64, to check results)")


@pytest.fixture
def n_voxels(request):
    """Voxels of one batch call."""
    return request.config.getoption("--voxels")


@pytest.fixture(params=_core.isa_available())
def isa(request, monkeypatch):
    """Every instruction set that runs here, in turn."""
    monkeypatch.setenv("SPINBOUND_ISA", request.param)
    return request.param


@pytest.fixture
def report(benchmark):
    """Call with (seq, n_voxels, isa) after a benchmark: notes what its time means."""

    def note(seq, n_voxels, isa):
        benchmark.extra_info.update(isa=isa, threads=1, compiler=_core.compiler, processor=platform.processor())
        if benchmark.stats:  # not with --benchmark-disable
            seconds = benchmark.stats.stats.median
            benchmark.extra_info["us per voxel"] = round(1e6 * seconds / n_voxels, 1)
            benchmark.extra_info["ns per voxel and pulse"] = round(1e9 * seconds / n_voxels / seq.n_pulses, 1)

    return note
