"""Disks that are full, and files that were damaged on them."""

import errno
import os
import signal
from contextlib import contextmanager


@contextmanager
def limited_files(n_bytes):
    """No file of this process grows beyond a number of bytes."""
    import resource  # of POSIX alone

    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    previous = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, limits[1]))
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, previous)


def fill_disk(monkeypatch, place=os, name="fsync", n_files=0):
    """After a number of further files nothing can be written: a function by which they come into being says so."""
    left, write = iter(range(n_files)), getattr(place, name)

    def filling(*arguments):
        if next(left, None) is None:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(*arguments)

    monkeypatch.setattr(place, name, filling)


def flip_bit(path, place, bit=2):
    """Turn over one bit of a byte of a file."""
    content = bytearray(path.read_bytes())
    content[place] ^= 1 << bit
    path.write_bytes(content)


def flip_bits(path, bits):
    """Turn over one bit of a file at a time, and leave the file whole in the end."""
    whole = path.read_bytes()
    for bit in bits:
        flip_bit(path, bit // 8, bit % 8)
        yield
        path.write_bytes(whole)
