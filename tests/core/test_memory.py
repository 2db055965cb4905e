"""Memory of a call is that of its results and little else."""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="needs the peak of Linux")

# Of a process of its own, since a peak never falls; prints bytes.
PEAK = """
import numpy as np, spinbound as sb

def memory(field):
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) << 10 for line in status if line.startswith(field))

moments = ["crusher"] + ["balanced"] * 5
alpha, TRF = [3.1, 0.3, 0.8, 0.5, 1.2, 0.4], [5e-4, 1e-4, 3e-4, 2e-4, 5e-4, 1.5e-4]
seq = sb.Sequence(alpha, TRF, 3.5e-3, gradient_moment=moments, start="thermal")
tissue = sb.Tissue(
    m0s=np.linspace(0.01, 0.35, 100)[:, None, None],
    T2s=np.linspace(6e-6, 16e-6, 100)[:, None],
    B1=np.linspace(0.6, 1.3, 100),
    omega0=np.linspace(-700, 700, 100)[:, None],
)
sb.crb(seq, tissue[0, 0, :8])
before = memory("VmRSS")
result = CALL
print(memory("VmHWM") - before)
"""


def peak(call):
    done = subprocess.run(
        [sys.executable, "-c", PEAK.replace("CALL", call)], timeout=300, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
    return int(done.stdout)


@pytest.mark.parametrize(
    "call, bytes_per_voxel",
    [
        ("sb.crb(seq, tissue)", 9 * 8),
        ("sb.crb(seq, tissue, ('M0', 'R2f', 'B1'))", 3 * 8),
        ("sb.crb(seq, tissue, ('M0', 'R2f', 'B1'), dtype=np.float32)", 3 * 4),
        ("sb.fisher(seq, tissue, ('M0', 'R2f', 'B1'))", 4 * 4 * 8),
        ("sb.simulate(seq, tissue)", 6 * 16),
        ("sb.simulate(seq, tissue, dtype=np.complex64)", 6 * 8),
    ],
)
def test_a_million_tissues_need_the_results_and_150_MB(call, bytes_per_voxel):
    # the tissues as the core wants them are 97 MB of it
    assert peak(call) <= 10**6 * bytes_per_voxel + 150e6
