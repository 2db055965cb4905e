"""Work on the same forty voxels: a fit, and bounds."""

import numpy as np
import spinbound as sb

from tests.support.trains import noise, random_tissues, smooth_train

N, CHUNK = 40, 8
SEQ = smooth_train(40)
TISSUE = random_tissues(N, seed=2)
DATA = sb.simulate(SEQ, TISSUE) + noise((N, 40), 0, 1e-4)
FREE, START = ("M0", "m0s", "R2f"), {"m0s": 0.15, "R2f": 20}
B1 = np.asarray(TISSUE["B1"])


def fitted(**changes):
    return sb.fit(**{"data": DATA, "seq": SEQ, "free": FREE, "start": START, "fixed": {"B1": B1}} | changes)


def bounds(**changes):
    return sb.crb(SEQ, TISSUE, ("M0", "m0s", "T2f"), sigma=1 + B1, **changes)


def bits(result):
    arrays = result.as_arrays() if isinstance(result, sb.Fit) else result
    return {name: np.asarray(values).tobytes() for name, values in arrays.items()}
