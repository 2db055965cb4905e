"""spinbound's own oracle in double precision: 6x6 exponentials that carry their Frechet derivatives, in C++."""

import numpy as np
from spinbound import _core

from .model import Train
from .peer import Peer


def prepare(seq, tissues):
    """See `Peer`."""
    train = Train(seq)
    responses = train.responses(tissues)

    def call():
        voxels = zip(tissues, responses, strict=True)
        results = [_core.reference.simulate(train.core, *voxel, False) for voxel in voxels]
        m, J = map(np.array, zip(*results, strict=True))
        return m[:, :, 0] + 1j * m[:, :, 1], J[:, :, 0] + 1j * J[:, :, 1]

    return call


PEER = Peer(
    name="C++ 6x6 with derivatives",
    does="6x6 matrix exponentials that carry all Fréchet derivatives at once: the tests' oracle in double precision",
    made_fast="one exponential instead of eight, by Taylor's series in blocks; Eigen, for any x86-64. Its time goes to "
    "products of 6x6 matrices",
    prepare=prepare,
)
