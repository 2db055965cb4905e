"""What the tests of batch calls share: a train, some voxels, and the arrays of any result."""

import spinbound as sb

from tests.support.trains import smooth_train

SEQ = smooth_train(40)
VOXELS = sb.Tissue(m0s=[[0.1], [0.15]], R1a=[0.5, 1.0, 2.0], omega0=30, M0=0.5 + 0.5j)


def arrays(result):
    """Every array of a call's result."""
    if isinstance(result, dict):
        return tuple(result.values())
    return result if isinstance(result, tuple) else (result,)
