"""A small dictionary on disk, and its files."""

import sys
from pathlib import Path

import numpy as np
import pytest
import spinbound as sb

from tests.support.trains import smooth_train

SEQ = smooth_train(40)
PRIOR = sb.Prior.paper().truncated(B1=(0.5, 1.5))
COSINES = np.sqrt(2 / 40) * np.cos(np.pi / 40 * np.outer(np.arange(40) + 0.5, np.arange(1, 7)))
BASIS = sb.Basis(COSINES, seq=SEQ)  # the same bits in every process
WRT = ("M0", "m0s", "T1a", "T2f", "Rex")
N, CHUNK = 100, 16


def built(path, **changes):
    arguments = {"seq": SEQ, "source": PRIOR, "n": N, "basis": BASIS, "wrt": WRT, "chunk": CHUNK}
    return sb.build_dictionary(path=path, **(arguments | changes))


def files(path):
    """What a store is, but for the lock."""
    found = (file for file in Path(path).rglob("*") if file.is_file() and not file.name.startswith("lock"))
    return {str(file.relative_to(path)): file.read_bytes() for file in found}


def values(store):
    """The bits of all arrays."""
    arrays = {"signals": store.signals, "valid": store.valid, **store.crb}
    return {name: array.tobytes() for name, array in arrays.items()} | {"tissue": repr(store.tissue.as_dict())}


posix = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")


def chunk_file(path, name, chunk):
    """The file of a chunk."""
    place = path / name / "c" / str(chunk)
    return place if place.is_file() else next(file for file in place.rglob("0") if file.is_file())


def flip(file):
    """Turn over one bit in the middle of a file."""
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 4
    file.write_bytes(content)
