"""The identity of a sequence: a hash of its values that their last bits do not change.

A file, or another way to compute a value, changes it by its last bits. So values are quantised before they are hashed,
to cells of 1e-12 s and 1e-12 rad. That alone is not enough: wherever the edges between cells are, some of the thousands
of values of a train lie beside one. Hence each block of values has its own edges, in the middle of the widest gap
between the places of its values within their cells. Of `BLOCK` places on a circle two neighbours are at least 1/`BLOCK`
of it apart, so every value keeps a distance of 1/(2 BLOCK) - 1/(2 PLACES) of a cell, 5.9e-15, from the edges. The
identity names the edges beside the hash, and another sequence is hashed with the same ones.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator

import numpy as np

from spinbound.base.errors import FloatArray

from .checks import GRADIENT_MOMENTS
from .sequence import Sequence

CELL = 1e-12  # s, rad; of a given start and a waveform, their unit
PHASE_CELL = 1e-9  # of the cosine and sine of RF phases: multiples of thousands of rad have lost three digits more
BLOCK, PLACES = 64, 256  # values of a block; places of its edges within a cell, two hexadecimal digits


def identify(seq: Sequence) -> str:
    """Return the identity of a sequence: the edges of its blocks and a hash, in hexadecimal digits."""
    edges: list[int] = []

    def choose(places: FloatArray) -> int:
        edges.append(_find_edge(places))
        return edges[-1]

    digest = _hash(seq, choose)
    return f"{digest}-{bytes(edges).hex()}"


def has_identity(seq: Sequence, identity: str) -> bool:
    """Say whether a sequence has the identity of another: their values agree to a cell or less."""
    digest, _, edges = identity.partition("-")
    known = iter(bytes.fromhex(edges))
    return _hash(seq, lambda _: next(known, 0)) == digest


def _hash(seq: Sequence, choose: Callable[[FloatArray], int]) -> str:
    """Hash the cells of all values, whose edges are chosen block by block."""
    moments = bytes(GRADIENT_MOMENTS.index(word) for word in seq.gradient_moment)
    start = seq.start.encode() if isinstance(seq.start, str) else b""
    digest = hashlib.sha256(b"spinbound sequence")
    for part in (moments, start, seq.echo.tobytes()):
        digest.update(f"{len(part)}:".encode() + part)
    for values in _in_cells(seq):
        digest.update(f"{values.size}:".encode())
        for first in range(0, values.size, BLOCK):
            block = values[first : first + BLOCK]
            edge = choose(block - np.floor(block)) / PLACES
            digest.update(np.floor(block - edge).astype("<i8").tobytes())
    return digest.hexdigest()


def _in_cells(seq: Sequence) -> Iterator[FloatArray]:
    """Yield all values of a sequence in units of their cells."""
    yield seq.alpha / CELL
    yield seq.TRF / CELL
    yield seq.repetition_times / CELL
    increments = np.broadcast_to(seq.rf_phase_increment, seq.n_pulses)
    yield np.cos(increments) / PHASE_CELL
    yield np.sin(increments) / PHASE_CELL
    yield np.empty(0) if isinstance(seq.start, str) else np.asarray(seq.start) / CELL
    yield seq.shape_samples.view(np.float64) / CELL


def _find_edge(places: FloatArray) -> int:
    """Return the middle of the widest gap between places within a cell, 0 to 1 and round again, in 1/`PLACES`."""
    ordered = np.sort(places)
    gaps = np.diff(ordered, append=ordered[0] + 1)
    widest = int(gaps.argmax())
    return round((ordered[widest] + gaps[widest] / 2) * PLACES) % PLACES
