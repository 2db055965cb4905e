"""Dictionaries: tissues with their signals and bounds, in memory; those on disk have the same interface."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from spinbound.base.errors import BoolArray, FloatArray, InvalidData
from spinbound.base.parameters import TISSUE
from spinbound.files.hashes import hash_arrays
from spinbound.sequences.experiment import Experiment, as_trains
from spinbound.sequences.model import Model
from spinbound.signals.basis import Basis
from spinbound.tissues.tissue import Tissue, make_tissue

Array = npt.NDArray[Any]

BLOCK = 4096  # tissues of a block in memory
TISSUES = tuple(f"tissue/{name}" for name in TISSUE)


@dataclass(frozen=True, eq=False, repr=False)
class Dictionary:
    """Tissues of M0 = 1 with their noise-free signals and, if computed, their bounds, in memory or on disk.

    `dictionary` and `reference_set` make one in memory, `build_dictionary` one on disk, which `open_dictionary` opens
    again: its arrays are read on request, and checked while they are read.

    Attributes
    ----------
    sequence
        The sequence, or the list of them.
    tissue
        The tissues, of shape (n,), with M0 = 1.
    signals : (n, samples) complex
        Signals for M0 = 1; `samples` are echoes, or vectors of the basis. NaN where a tissue could not be simulated.
    basis
        The `Basis` of the signals; None in the time domain.
    crb : dict of str to (n,)
        Cramér-Rao bounds by the name of the unknown, in its unit squared; empty if they were not computed.
    fisher : (n, P', P') or None
        Fisher matrices, as in `fisher`.
    sensitivities : (n, samples, P) or None
        Derivatives of the signals, as in `sensitivities`.
    first : int
        Number of the first tissue of a block within the whole dictionary.
    n_left_out : int
        Number of tissues of the prior that could not be simulated or give no signal, and are no rows.
    configuration : dict
        The settings of the computation, as far as they are known.

    Raises
    ------
    InvalidData
        If the arrays do not have a row for each tissue.

    Examples
    --------
    >>> import spinbound as sb
    >>> atoms = sb.dictionary(sb.sequences.load("hybrid-mt-4s"), sb.Tissue(m0s=[0.1, 0.2]))
    >>> isinstance(atoms, sb.Dictionary), len(atoms), [block.signals.shape for block in atoms.blocks()]
    (True, 2, [(2, 1142)])
    """

    sequence: Experiment
    tissue: Tissue
    signals: Array
    basis: Basis | None = None
    crb: Mapping[str, FloatArray] = field(default_factory=dict)
    fisher: Array | None = None
    sensitivities: Array | None = None
    first: int = 0
    n_left_out: int = 0
    configuration: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        n = len(self.signals)
        lengths = {"tissue": self.tissue.shape} | {f"crb of {name}": np.shape(row) for name, row in self.crb.items()}
        for what, shape in lengths.items():
            if shape != (n,):
                raise InvalidData(f"{what} has shape {shape}; allowed: ({n},), one for each signal")

    def __len__(self) -> int:
        """Return the number of tissues."""
        return len(self.signals)

    @property
    def n_samples(self) -> int:
        """Samples of one signal: echoes, or vectors of the basis."""
        return int(self.signals.shape[1])

    @property
    def sequence_sha256(self) -> str:
        """Hash of the sequence, or of all sequences of a joint experiment."""
        return as_trains(self.sequence).sha256

    @property
    def model(self) -> Model | None:
        """The model of the signals; None if it is not known."""
        return Model.read(self.configuration) if "model" in self.configuration else None

    @property
    def sigma(self) -> float:
        """The noise that bounds and Fisher matrices are for."""
        return float(self.configuration.get("sigma", 1.0))

    @property
    def complete(self) -> bool:
        """Whether everything has been computed: in memory this is always so."""
        return True

    @property
    def valid(self) -> BoolArray:
        """(n,) whether each tissue could be simulated; the results of others are NaN."""
        return np.asarray(np.isfinite(self.signals).all(axis=1))

    @property
    def sha256(self) -> str:
        """Hash of tissues and signals."""
        return hash_arrays(*self.tissue.as_dict().values(), self.signals)

    # Block by block

    @property
    def n_chunks(self) -> int:
        """Number of blocks."""
        return -(-len(self) // BLOCK)

    def rows(self, chunk: int) -> slice:
        """Return the rows of the tissues of a block."""
        return slice(chunk * BLOCK, min((chunk + 1) * BLOCK, len(self)))

    def columns(self, chunk: int, *names: str) -> dict[str, Array]:
        """Return some of the arrays of one block, by their names in a store."""
        rows = self.rows(chunk)
        columns = {"signals": self.signals[rows]}
        columns |= {f"tissue/{name}": np.broadcast_to(self.tissue[name], len(self))[rows] for name in TISSUE}
        return {name: columns[name] for name in names}

    def blocks(self) -> Iterator[Dictionary]:
        """Yield all tissues, some thousands at a time: each block is a dictionary in memory."""
        for chunk in range(self.n_chunks):
            rows = self.rows(chunk)
            yield Dictionary(
                sequence=self.sequence,
                tissue=self.tissue[rows],
                signals=self.signals[rows],
                basis=self.basis,
                crb={name: bound[rows] for name, bound in self.crb.items()},
                fisher=None if self.fisher is None else self.fisher[rows],
                sensitivities=None if self.sensitivities is None else self.sensitivities[rows],
                first=rows.start,
                configuration=self.configuration,
            )

    def __repr__(self) -> str:
        left_out = f", {self.n_left_out} left out" if self.n_left_out else ""
        return f"Dictionary({len(self)} tissue{'s'[: len(self) != 1]} of {self.n_samples} samples{left_out})"


def tissue_from(columns: Mapping[str, Array]) -> Tissue:
    """Return the tissues, of M0 = 1, of arrays by their names in a store."""
    return make_tissue({"M0": np.array(1 + 0j), **{name: columns[f"tissue/{name}"] for name in TISSUE}})


def norms(signals: npt.NDArray[np.complex128]) -> FloatArray:
    """Return the norms (n,) of C-contiguous signals (n, samples)."""
    return np.asarray(np.sqrt(np.sum(np.square(signals.view(np.float64)), axis=-1)))
