"""Fits of forty voxels of a short train, which take next to no time."""

import numpy as np
import spinbound as sb

from tests.support.fits.hybrid import others
from tests.support.trains import noise, random_tissues, smooth_train

SEQ = smooth_train(40)
FREE = ("M0", "m0s", "R2f", "B1")
START = {"m0s": 0.15, "R2f": 20, "B1": 1}
N = 40
TRUTH = random_tissues(N, seed=1).replace(omega0=50)
FIXED = others(FREE, TRUTH)
DATA = sb.simulate(SEQ, TRUTH) + noise((N, 40), 0, 1e-4)
BASIS = sb.Basis(np.linalg.qr(np.random.default_rng(0).normal(size=(40, 5)))[0], seq=SEQ)
BASE = {"seq": SEQ, "free": FREE, "start": START, "fixed": FIXED}


def fitted(data=DATA, **changes):
    return sb.fit(**({"data": data} | BASE | changes))


def known_at(voxels):
    """What is known where the data are those of some voxels."""
    return {name: value if np.ndim(value) == 0 else value[voxels] for name, value in FIXED.items()}


def bits(fit, voxels=...):
    """Everything found in some voxels, to the bit."""
    return {name: values[voxels].tobytes() for name, values in fit.as_arrays().items()}
