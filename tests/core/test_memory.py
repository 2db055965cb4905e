"""Memory of a call is that of its results and little else."""

from pathlib import Path

import pytest

from tests.support.processes import lines_of

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
    m0s=np.linspace(0.01, 0.35, N // 10_000)[:, None, None],
    T2s=np.linspace(6e-6, 16e-6, 100)[:, None],
    B1=np.linspace(0.6, 1.3, 100),
    omega0=np.linspace(-700, 700, 100)[:, None],
)
sb.crb(seq, tissue[0, 0, :8])
before = memory("VmRSS")
result = CALL
print(memory("VmHWM") - before)
"""


# Single precision is computed in parts of some 20 MB, which only a million tissues make a trifle.
@pytest.mark.parametrize(
    "call, n, bytes_per_voxel",
    [
        ("sb.crb(seq, tissue)", 100_000, 9 * 8),
        ("sb.crb(seq, tissue, ('M0', 'R2f', 'B1'))", 200_000, 3 * 8),
        ("sb.crb(seq, tissue, ('M0', 'R2f', 'B1'), dtype=np.float32)", 1_000_000, 3 * 4),
        ("sb.fisher(seq, tissue, ('M0', 'R2f', 'B1'))", 200_000, 4 * 4 * 8),
        ("sb.simulate(seq, tissue)", 200_000, 6 * 16),
        ("sb.simulate(seq, tissue, dtype=np.complex64)", 1_000_000, 6 * 8),
    ],
)
def test_tissues_need_the_results_and_150_bytes_each(call, n, bytes_per_voxel):
    (peak,) = lines_of(PEAK.replace("CALL", call).replace("N //", f"{n} //"))
    # 97 bytes are those of a tissue as the core wants it
    assert int(peak) <= n * (bytes_per_voxel + 150)
