"""The arguments that several commands share, and the inputs that they name."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter, validators

from spinbound.base.checks import as_parameter_names, suggest
from spinbound.base.errors import InvalidParameter, Progress
from spinbound.base.parameters import ALL, bases
from spinbound.base.progress import show_progress
from spinbound.sequences import library
from spinbound.sequences.model import Model
from spinbound.sequences.sequence import Sequence
from spinbound.signals.basis import Basis
from spinbound.tissues.tissue import Tissue

from .tissue_file import read_tissue

DONE, FAILED, BAD_ARGUMENTS, DONE_WITH_FAILED_VOXELS, INTERRUPTED, TERMINATED = 0, 1, 2, 3, 130, 143

SequenceSource = Annotated[str, Parameter(help="Name of a bundled sequence, or a .npz, .toml, .mat or .seq file.")]
TissueFile = Annotated[
    Path,
    Parameter(
        help="Tissue maps: a .npz file of arrays or a .csv table, named by parameters, in SI units or as in T2f [ms]."
    ),
]
ModelName = Literal["gbloch", "gbloch-ide", "graham", "graham-single-frequency", "sled", "hybrid", "bloch"]
LineshapeName = Literal["superlorentzian", "gaussian", "lorentzian"]
Number = Annotated[int, Parameter(validator=validators.Number(gte=0))]
Count = Annotated[int, Parameter(validator=validators.Number(gte=1))]
Positive = Annotated[float, Parameter(validator=validators.Number(gt=0))]
Threads = Annotated[int | None, Parameter(validator=validators.Number(gte=0))]


class UsageError(Exception):
    """The arguments make no sense together."""


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Sources:
    """Options on how to read a sequence and a basis, and how to run.

    Parameters
    ----------
    TR
        Repetition time in s, where the sequence's file has none.
    gradient_moment
        Gradient moments, where the sequence's file has none: words separated by commas, one per pulse, the last of
        which holds for all further pulses: "crusher,balanced".
    basis
        File of a basis: work with signals compressed to its coefficients.
    unchecked
        Go on where data, basis and sequence do not seem to belong together.
    threads
        Number of threads; all cores by default.
    overwrite
        Replace output files that exist.
    json
        Print the outcome as JSON on stdout.
    """

    TR: Annotated[float | None, Parameter(name="--TR")] = None
    gradient_moment: str | None = None
    basis: Path | None = None
    unchecked: bool = False
    threads: Threads = None
    overwrite: bool = False
    json: bool = False


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Inputs(Sources):
    """Options on how to read the inputs, what to simulate, and how to run.

    Parameters
    ----------
    model
        The model of magnetization transfer.
    lineshape
        The absorption lineshape of the semi-solid pool.
    rtol
        Error of the propagator of a pulse, for the models gbloch-ide and sled.
    """

    model: ModelName = "gbloch"
    lineshape: LineshapeName = "superlorentzian"
    rtol: float = 1e-8

    @property
    def chosen_model(self) -> Model:
        """The model that the flags choose."""
        return Model(self.model, self.lineshape, self.rtol)

    @property
    def options(self) -> dict[str, Any]:
        """The options of every computation: the model, and the number of threads."""
        return {"model": self.chosen_model, "threads": self.threads}


def open_sequence(source: str, inputs: Sources) -> Sequence:
    """Load a bundled sequence by its name, or one from a file."""
    if source in library.names():
        if inputs.TR is not None or inputs.gradient_moment is not None:
            raise UsageError(f"{source} has its own TR and gradient moments; leave --TR and --gradient-moment out")
        return library.load(source)

    path = Path(source)
    if not path.suffix and not path.exists():
        hint = suggest(source, library.names())
        raise UsageError(f"{source!r} is neither a file nor a bundled sequence{hint}; see `spinbound info`")

    moments = [] if inputs.gradient_moment is None else inputs.gradient_moment.split(",")
    return library.read_file(path, inputs.TR, moments)


def open_tissue(path: Path) -> tuple[Tissue, tuple[str, ...]]:
    """Read the voxels of a file and the parameters that it gives; a note on stderr names those that it leaves out."""
    tissue, names = read_tissue(path)

    values = tissue.as_dict()
    missing = [name for name in values if name not in {base for given in names for base in bases(given)}]
    if missing:
        assumed = ", ".join(f"{name} = {values[name].real:g}" for name in missing)
        print(f"spinbound: note: {path} leaves out {assumed} (assumed)", file=sys.stderr)
    return tissue, names


def open_basis(path: Path | None) -> Basis | None:
    """Load the basis of a file, if one is named."""
    return None if path is None else Basis.load(path)


def open_basis_of(seq: Sequence, sources: Sources) -> Basis | None:
    """Load the basis of a file, if one is named, and refuse one that does not belong to the sequence."""
    basis = open_basis(sources.basis)
    if basis is None:
        return None
    if sources.unchecked:
        return basis.assign(seq)
    basis.check_sequence(seq)
    return basis


def split_words(text: str) -> tuple[str, ...] | None:
    """Split a list with commas into words; None if there are none."""
    return tuple(text.replace(",", " ").split()) or None


def parse_unknowns(wrt: str) -> tuple[str, ...]:
    """Return the parameters that a list with commas names; the nine base parameters if it is empty."""
    try:
        return as_parameter_names(split_words(wrt) or ALL)
    except InvalidParameter as problem:
        raise UsageError(f"--wrt: {problem}") from None


# Progress


def show_bar(total: int, label: str) -> AbstractContextManager[Progress | None]:
    """Show a bar on stderr where that is a terminal, and yield it as a callable (done, total); elsewhere None."""
    return show_progress(sys.stderr.isatty(), total, label)
