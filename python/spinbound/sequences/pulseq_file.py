"""Pulseq files (.seq): versions 1.4 and 1.5 in, 1.5 out; `Sequence.load` and `Sequence.save` take them too.

A file says more than a `Sequence` (gradients that encode an image, slices) and less (whether the train repeats). `read`
takes pulses, times, the phases of RF and receiver, and which gradients spoil; it refuses what a `Sequence` cannot say,
and names the block. The middle of a readout is the echo, and a pulse must be in the middle between two echoes. A file
that does not say how it starts, in the definition ``SpinboundStart``, starts from equilibrium.

`write` gives pulses, spoilers of 800 turns/m and short readouts: a frame to which the gradients of an image are added.
"""

from __future__ import annotations

import os
from pathlib import Path

from spinbound.base.errors import InvalidSequence
from spinbound.sequences.pulseq.text import check_signature

from .sequence import Sequence


def read(path: str | os.PathLike[str], *, strict: bool = False) -> Sequence:
    """Read the sequence of a file.

    Parameters
    ----------
    path
        The file, .seq.
    strict
        Refuse a file whose signature is not that of its content, instead of warning of it.

    Returns
    -------
    Sequence
        What the file plays, without slices and the gradients that encode an image.

    Raises
    ------
    InvalidSequence
        Naming the line or the block, if the file makes no sense, is of another version, or plays what a `Sequence`
        cannot say.
    OSError
        If the file cannot be read.

    Warns
    -----
    UserWarning
        If the file was changed after it was signed, or a gradient selects a slice.

    References
    ----------
    K. Layton et al., Magn. Reson. Med. 77, 1544 (2017).
    """
    path = _check_suffix(path)
    if strict:
        check_signature(path, path.read_bytes(), strict=True)
    return Sequence.load(path)


def write(path: str | os.PathLike[str], seq: Sequence) -> None:
    """Write a sequence, whole or not at all; alpha, TRF, TR and phases come back as they were.

    Parameters
    ----------
    path
        The file, .seq.
    seq
        The sequence.

    Raises
    ------
    InvalidSequence
        Naming the pulse, if TR is no multiple of 10 us, TRF or (TR - TRF)/2 none of 0.1 us, or there is no time for
        the readout and the spoilers.
    OSError
        If the file cannot be written.

    Warns
    -----
    UserWarning
        If the pulses do not begin and end on a raster of 1 us, which is that of most scanners.
    """
    seq.save(_check_suffix(path))


def _check_suffix(path: str | os.PathLike[str]) -> Path:
    path = Path(path)
    if path.suffix.lower() != ".seq":
        raise InvalidSequence(f"{path}: Pulseq files are .seq")
    return path
