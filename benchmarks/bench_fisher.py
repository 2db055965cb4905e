"""Bounds and sensitivities per voxel: the kernel of each instruction set on one thread, beside matrix exponentials.

    pytest benchmarks --voxels 4000

prints medians; the extra columns of `--benchmark-json` hold microseconds per voxel and nanoseconds per voxel and pulse.
"""

import numpy as np
import pytest
import spinbound as sb
from spinbound import _core
from spinbound.sequences.experiment import as_core_sequence

from . import workload
from .workload import WHITE_MATTER


@pytest.fixture(scope="module")
def seq():
    """The bundled train, in which TRF varies from pulse to pulse."""
    return sb.sequences.load("hybrid-mt-4s")


def white_matter(n_voxels):
    """One tissue in every voxel."""
    return workload.tissues("white matter", n_voxels)


@pytest.mark.benchmark(group="bounds, all nine parameters")
def test_crb(benchmark, report, seq, n_voxels, isa):
    tissue = white_matter(n_voxels)
    bounds = benchmark(sb.crb, seq, tissue, threads=1)
    report(seq, n_voxels, isa)
    expected = sb.crb(seq, sb.Tissue(**WHITE_MATTER))
    for name, bound in bounds.items():
        np.testing.assert_allclose(bound, expected[name], rtol=1e-9)


@pytest.mark.benchmark(group="signal")
def test_simulate(benchmark, report, seq, n_voxels, isa):
    signal = benchmark(sb.simulate, seq, white_matter(n_voxels), threads=1)
    report(seq, n_voxels, isa)
    assert np.ptp(abs(signal), axis=0).max() == 0


@pytest.mark.benchmark(group="signal and sensitivities")
def test_sensitivities(benchmark, report, seq, n_voxels, isa):
    signal, _ = benchmark(sb.sensitivities, seq, white_matter(n_voxels), threads=1)
    report(seq, n_voxels, isa)
    np.testing.assert_allclose(signal, sb.simulate(seq, white_matter(n_voxels)), atol=1e-12)


@pytest.mark.benchmark(group="signal and sensitivities")
def test_matrix_exponentials(benchmark, report, seq):
    """The peer: what a user would write, in C++; one voxel."""
    core, tissue = as_core_sequence(seq), np.array(list(WHITE_MATTER.values()))
    R2sl = _core.R2sl(core, 0, tissue[5], tissue[7])
    state, _ = benchmark(_core.reference.simulate, core, tissue, R2sl, False)
    report(seq, 1, "reference")
    signal = sb.simulate(seq, sb.Tissue(**WHITE_MATTER))
    np.testing.assert_allclose(state[:, 0] + 1j * state[:, 1], signal, atol=1e-8 * abs(signal).max())
