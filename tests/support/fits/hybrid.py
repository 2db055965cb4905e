"""What the tests of fits share: the bundled train, its basis, and the parameters of one tissue."""

import numpy as np
import spinbound as sb

from tests.support.strategies import BOX

HYBRID = sb.sequences.load("hybrid-mt-4s")
TRUTH = sb.Tissue(m0s=0.15, R1f=0.5, R2f=17, Rex=30, R1s=3, T2s=12e-6, omega0=100, B1=0.9, M0=2 - 1j)
START = {"m0s": 0.2, "R1f": 0.3, "R2f": 15, "Rex": 20, "R1s": 3, "T2s": 10e-6, "omega0": 0, "B1": 1}
NAMES = tuple(START)
BASIS = sb.Basis.from_svd(
    sb.simulate(HYBRID, sb.Tissue(**{name: np.linspace(*BOX[name], 60)[np.random.default_rng(k).permutation(60)]
                                     for k, name in enumerate(BOX)})),
    rank=13,
    seq=HYBRID,
)  # fmt: skip


def refitted(seq, truth, names, factor=1.1, noise=0, **options):
    """The fit of the signal of a tissue and noise where all but the names is known, from starts off by a factor."""
    data = sb.simulate(seq, truth, model=options.get("model", "gbloch")) + noise
    start = {name: factor * truth[name] for name in names if name != "M0"}
    return sb.fit(data, seq, free=names, **({"start": start, "fixed": others(names, truth)} | options))


def others(names, truth=TRUTH):
    """What is known where these are free."""
    taken = {base for name in names for base in sb.parameters.bases(name)}
    return {name: value for name, value in truth.as_dict().items() if name not in taken}
