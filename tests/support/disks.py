"""Disks that are full, and files that are damaged."""

import errno
import os


def fill_disk(monkeypatch, place=os, name="fsync"):
    """From now on nothing can be written: a function by which files come into being says so."""

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(place, name, full)


def flip_bits(file, bits):
    """Turn over one bit of a file at a time, and leave the file whole in the end."""
    whole = file.read_bytes()
    for bit in bits:
        damaged = bytearray(whole)
        damaged[bit // 8] ^= 1 << bit % 8
        file.write_bytes(damaged)
        yield
    file.write_bytes(whole)
