"""Disks that are full, and files that were changed on them."""

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


def fill_disk(monkeypatch, n_files=0):
    """Let no more than a number of further files reach the disk."""
    left, fsync = iter(range(n_files)), os.fsync

    def filling(descriptor):
        if next(left, None) is None:
            raise OSError(errno.ENOSPC, "No space left on device")
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", filling)


def flip_bit(path, place, bit=2):
    """Turn over one bit of a byte of a file."""
    content = bytearray(path.read_bytes())
    content[place] ^= 1 << bit
    path.write_bytes(content)
