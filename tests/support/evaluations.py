"""What the tests of report cards share: estimators whose bias and variance are known, and the data they read.

The toy data are the parameters themselves, in units of the root of their bounds: the real part of a sample is an
efficient unbiased estimate.
"""

import numpy as np
import spinbound as sb

from tests.support.trains import smooth_train

N, SNR = 400, 50
SEQ = smooth_train(3)
NAMES = ("m0s", "T2f")
BOUND = {"m0s": 4.0, "T2f": 0.25}  # for sigma = 1
CENTRE = {"m0s": 0.15, "T2f": 0.1}


def toy_set(n=N, shape=None, seed=7, **infinite):
    """Tissues whose samples are parameters over the root of the bound, then one that is 0."""
    rng = np.random.default_rng(seed)
    truth = {"m0s": rng.uniform(0.05, 0.25, n), "T2f": rng.uniform(0.05, 0.15, n)}
    samples = [truth[name] / np.sqrt(BOUND[name]) for name in NAMES] + [np.zeros(n)]
    crb = {name: np.full(n, BOUND[name]) for name in NAMES}
    for name, rows in infinite.items():
        crb[name][rows] = np.inf
    signals = np.stack(samples, axis=1).astype(complex)
    return sb.ReferenceSet(SEQ, sb.Tissue(**truth), signals, crb=crb, grid_shape=shape or (n,))


def efficient(data):
    return {name: data[:, k].real * np.sqrt(BOUND[name]) for k, name in enumerate(NAMES)}


class Recorder:
    """The efficient estimator, which remembers what it was given."""

    def __init__(self):
        self.seen = []

    def __call__(self, data):
        self.seen.append(data)
        return efficient(data)

    @property
    def data(self):
        """All data as one array."""
        return np.concatenate(self.seen)

    @property
    def sizes(self):
        """The number of signals in each call."""
        return list(map(len, self.seen))


def changed(data, gain=1.0, offset=0.0):
    """The efficient estimate shrunk towards the centre, or moved by some of its standard deviations."""
    found = efficient(data)
    sigma = {name: np.sqrt(BOUND[name]) / SNR for name in NAMES}
    return {name: CENTRE[name] + gain * (found[name] - CENTRE[name]) + offset * sigma[name] for name in NAMES}


def bits(report):
    return {name: values.tobytes() for name, values in report.as_arrays().items()}


def resumed(folder, estimator=efficient, **changes):
    arguments = {"dataset": toy_set(20), "snr": [20, SNR], "realizations": 10, "resume": folder} | changes
    return sb.evaluate(estimator, **arguments)
