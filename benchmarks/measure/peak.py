"""The FMA peak of a core, per instruction set: the clock of a shared machine varies, so it is measured all the time."""

import ctypes
import time
from pathlib import Path

import numpy as np

from . import native

FLAGS = {
    "baseline": ("-DLANES=2",),
    "avx2": ("-DLANES=4", "-mavx2", "-mfma"),
    "avx512": ("-DLANES=8", "-mavx512f", "-mprefer-vector-width=512"),
}
SECONDS = 5e-3
SOURCE = Path(__file__).with_name("fma_peak.cpp")


class Peak:
    """Call it for operations per second of one core just now; an FMA counts as two operations.

    The baseline has no FMA: a product and a sum are counted, each as one.
    """

    def __init__(self, isa):
        self._run = native.library(SOURCE, "-O2", *FLAGS[isa]).operations
        self._run.restype = ctypes.c_double
        self._out = np.zeros(1)
        self._n = 1000
        while self.run()[1] < SECONDS:
            self._n *= 2

    def run(self):
        """Operations done, and the seconds on the core that they took."""
        start = time.thread_time()
        operations = self._run(ctypes.c_long(self._n), native.pointer(self._out))
        return operations, time.thread_time() - start

    def __call__(self):
        operations, seconds = self.run()
        return operations / seconds
