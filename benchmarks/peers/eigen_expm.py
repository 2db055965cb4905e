"""Matrix exponentials in C++ with Eigen, by the algorithm of the Julia reference."""

import ctypes
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.measure import native

from .model import N_PARAMETERS, Train
from .peer import Peer

SOURCE = Path(__file__).with_name("eigen_expm.cpp")
FLAGS = ("-O3", "-march=native", "-DNDEBUG")
# Products of 12x12 without the packing into blocks that Eigen finds worth while from 9x9 on.
PADDED = ("-DSIZE=12", "-DEIGEN_CACHEFRIENDLY_PRODUCT_THRESHOLD=13")


def eigen_headers():
    """The folder that cmeel-eigen installs them into."""
    import cmeel

    return Path(cmeel.__file__).parents[1] / "cmeel.prefix" / "include" / "eigen3"


def prepare(seq, tissues, flags=("-DSIZE=11",), keep=False):
    """See `Peer`; `keep`: each exponential serves both walks through the train."""
    headers = f"-isystem{eigen_headers()}"
    run = native.library(SOURCE, *FLAGS, *flags, headers).matrix_exponentials
    train = Train(seq)
    responses = train.responses(tissues)
    signal = np.empty((len(tissues), train.n), complex)
    jacobian = np.empty((len(tissues), N_PARAMETERS, train.n), complex)
    controls = [native.pointer(array) for array in (train.alpha, train.TRF)]
    timing = [ctypes.c_double(number) for number in (train.TR, seq.rf_phase_increment)]

    def call():
        for voxel in zip(tissues, responses, signal, jacobian, strict=True):
            tissue, R2sl, s, J = map(native.pointer, voxel)
            run(train.n, *controls, *timing, tissue, R2sl, int(keep), s, J)
        return signal, jacobian.transpose(0, 2, 1)

    return call


AS_REFERENCE = Peer(
    name="C++ 11x11",
    does="one 11x11 matrix exponential per parameter and pulse, twice through the train, as the Julia reference does",
    made_fast="fixed-size Eigen matrices, -O3 -march=native; free precession cached where TRF repeats; derivatives "
    "scaled to the size of the generator, which saves squarings and rounding. Half of its time goes to "
    "products, the packing of their factors included, a fifth to the LU decomposition of the Padé approximants",
    prepare=prepare,
    packages=("cmeel",),
    compiled=True,
)
TUNED = Peer(
    name="C++ 11x11, tuned",
    does="the same, each exponential kept for the second walk, matrices padded to 12x12",
    made_fast="as above; products of padded matrices are fully vectorised, without packing. A fourth of its time goes "
    "to the LU decomposition of the Padé approximants, the rest to their products and sums",
    prepare=partial(prepare, flags=PADDED, keep=True),
    packages=("cmeel",),
    compiled=True,
)
