"""What the tests of batch calls share: the calls, a train, some voxels, and the arrays of any result."""

import numpy as np
import pytest
import spinbound as sb

from tests.support.trains import smooth_train

SEQ = smooth_train(40)
VOXELS = sb.Tissue(m0s=[[0.1], [0.15]], R1a=[0.5, 1.0, 2.0], omega0=30, M0=0.5 + 0.5j)
CALLS = (sb.simulate, sb.sensitivities, sb.fisher, sb.crb)
SINGLE = {call: np.complex64 if call in CALLS[:2] else np.float32 for call in CALLS}
every_call = pytest.mark.parametrize("call", CALLS)


def arrays(result):
    """Every array of a call's result."""
    if isinstance(result, dict):
        return tuple(result.values())
    return result if isinstance(result, tuple) else (result,)


def same(first, second):
    """Whether two results are the same to the last bit."""
    return all(np.array_equal(a, b, equal_nan=True) for a, b in zip(arrays(first), arrays(second), strict=True))
