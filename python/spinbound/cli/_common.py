"""What the commands share: their inputs, their outputs and their report."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from importlib import import_module
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from cyclopts import Parameter, validators
from numpy.typing import NDArray

from .. import __version__, _core, sequences
from .._batch import reporting
from .._files import optional_module, write_atomically, write_npz
from .._text import finite
from .._validate import InvalidParameter, Report, parameter_names, suggestion
from ..basis import Basis
from ..parameters import ALL, bases
from ..sequence import Sequence
from ..tissue import Tissue
from ._tissue_file import read_tissue

if TYPE_CHECKING:
    from matplotlib.figure import Figure


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
Threads = Annotated[int | None, Parameter(validator=validators.Number(gte=0))]
Output = Annotated[Path, Parameter(name=("--output", "-o"))]


class UsageError(Exception):
    """The arguments make no sense together."""


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Sources:
    """How to read a sequence and a basis, and how to run.

    Parameters
    ----------
    TR
        Repetition time in s, where the sequence's file has none.
    gradient_moment
        Gradient moments, where the sequence's file has none: words separated by commas, one per pulse, the last of
        which holds for all further pulses: "crusher,balanced".
    basis
        File of a basis: work with signals compressed to its coefficients.
    threads
        Number of threads; all cores by default.
    overwrite
        Replace output files that exist.
    json
        Report as JSON on stdout.
    """

    TR: Annotated[float | None, Parameter(name="--TR")] = None
    gradient_moment: str | None = None
    basis: Path | None = None
    threads: Threads = None
    overwrite: bool = False
    json: bool = False


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Inputs(Sources):
    """How to read the inputs, what is simulated, and how to run.

    Parameters
    ----------
    model
        The model of magnetization transfer.
    lineshape
        Of the semi-solid pool.
    rtol
        Error of the propagator of a pulse, for the models gbloch-ide and sled.
    """

    model: ModelName = "gbloch"
    lineshape: LineshapeName = "superlorentzian"
    rtol: float = 1e-8

    @property
    def physics(self) -> dict[str, Any]:
        """What is simulated, as the functions take it."""
        return {"model": self.model, "lineshape": self.lineshape, "rtol": self.rtol}


def open_sequence(source: str, inputs: Sources) -> Sequence:
    """A bundled sequence by its name, or one from a file."""
    if source in sequences.names():
        if inputs.TR is not None or inputs.gradient_moment is not None:
            raise UsageError(f"{source} has its own TR and gradient moments; leave --TR and --gradient-moment out")
        return sequences.load(source)
    path = Path(source)
    if not path.suffix and not path.exists():
        hint = suggestion(source, sequences.names())
        raise UsageError(f"{source!r} is neither a file nor a bundled sequence{hint}; see `spinbound info`")
    if inputs.gradient_moment is None or "," not in inputs.gradient_moment:
        return Sequence.load(path, inputs.TR, inputs.gradient_moment)
    words = inputs.gradient_moment.split(",")
    seq = Sequence.load(path, inputs.TR, words[-1])
    return seq.replace(gradient_moment=words + words[-1:] * (seq.n_pulses - len(words)))


def open_tissue(path: Path) -> tuple[Tissue, tuple[str, ...]]:
    """The voxels of a file, and the names that the file gives; a note on stderr says what it leaves out."""
    tissue, names = read_tissue(path)
    values = tissue.as_dict()
    missing = [name for name in values if name not in {base for given in names for base in bases(given)}]
    if missing:
        assumed = ", ".join(f"{name} = {values[name].real:g}" for name in missing)
        print(f"spinbound: note: {path} leaves out {assumed} (assumed)", file=sys.stderr)
    return tissue, names


def open_basis(path: Path | None) -> Basis | None:
    """The basis of a file, if one is named."""
    return None if path is None else Basis.load(path)


def words_of(text: str) -> tuple[str, ...] | None:
    """The words of a list with commas; None if there are none."""
    return tuple(text.replace(",", " ").split()) or None


def unknowns(wrt: str) -> tuple[str, ...]:
    """The names in a list with commas; the nine base parameters if it is empty."""
    try:
        return parameter_names(words_of(wrt) or ALL)
    except InvalidParameter as problem:
        raise UsageError(f"--wrt: {problem}") from None


# Progress


def progress_bar(total: int, label: str) -> AbstractContextManager[Report | None]:
    """A bar on stderr where that is a terminal, as a callable (done, total); nothing elsewhere."""
    return reporting(sys.stderr.isatty(), total, label)


# Output


def check_output(path: Path, overwrite: bool, n_bytes: int = 0) -> None:
    """Refuse, before any work, an output that cannot be written or that exists."""
    folder = path.absolute().parent
    if path.is_dir():
        raise UsageError(f"{path} is a folder; name a file")
    if path.exists() and not overwrite:
        raise FileExistsError(f"{path} exists; --overwrite replaces it")
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder}: there is no such folder")
    if not os.access(folder, os.W_OK):
        raise PermissionError(f"{folder}: no permission to write there")
    free = shutil.disk_usage(folder).free
    if n_bytes > free:
        raise OSError(f"{path} takes {n_bytes / 1e9:.1f} GB, but only {free / 1e9:.1f} GB are free")


def check_npz(path: Path) -> None:
    """Refuse an output of another suffix: its content is .npz."""
    if path.suffix.lower() != ".npz":
        raise UsageError(f"{path}: the output is .npz; --figure names the figure")


def make_folder(path: Path) -> None:
    """Make a folder for outputs, unless it is there."""
    path.mkdir(parents=True, exist_ok=True)
    if not os.access(path, os.W_OK):
        raise PermissionError(f"{path}: no permission to write there")


def work_beside(output: Path, command: str) -> Path:
    """The folder beside an output where a command keeps work in progress; while it is there, a run has not finished."""
    return output.with_name(f".{output.name}.spinbound-{command}")


def can_draw() -> bool:
    """Whether the extra ``plot`` is installed; if not, a note on stderr says so."""
    try:
        require_plot()
    except ImportError as problem:
        print(f"spinbound: note: no figures: {problem}", file=sys.stderr)
        return False
    return True


def check_figure(path: Path, output: Path, overwrite: bool) -> None:
    """Refuse, before any work, a figure that cannot be drawn or written, or that is the output."""
    if os.path.realpath(path) == os.path.realpath(output):
        raise UsageError(f"{path}: the figure and the output are one file; name two")
    require_plot()
    formats = import_module("matplotlib.backend_bases").FigureCanvasBase.get_supported_filetypes()
    if path.suffix.lstrip(".").lower() not in formats:
        raise UsageError(f"{path}: a figure's format is one of {', '.join(sorted(formats))}")
    check_output(path, overwrite)


def require_plot() -> None:
    """Raise ImportError with one sentence unless the extra ``plot`` is installed."""
    optional_module("matplotlib", "plot")
    optional_module("cmcrameri", "plot")


def save_arrays(path: Path, arrays: Mapping[str, NDArray[Any]], provenance: Mapping[str, Any]) -> None:
    """Write arrays as .npz with a JSON text ``provenance`` beside them."""
    text = json.dumps(finite(dict(provenance)), allow_nan=False)
    write_npz(path, {**arrays, "provenance": np.array(text)})


def save_figure(path: Path, figure: Figure) -> None:
    """Write a figure in the format that its suffix names."""
    image = BytesIO()
    figure.savefig(image, format=path.suffix.lstrip(".").lower())
    write_atomically(path, lambda stream: stream.write(image.getbuffer()))


def provenance_of(seq: Sequence, source: str) -> dict[str, Any]:
    """What was computed with: the version, the instruction set, the sequence."""
    return {
        "spinbound": __version__,
        "instruction_set": _core.isa_in_use(),
        "sequence": {"source": source, "pulses": seq.n_pulses, "duration": seq.duration, "sha256": seq.sha256},
    }


def failed_status(n_failed: int, n_voxels: int, what: str = "invalid: their results are NaN") -> int:
    """Exit status of a command that is done: 3 if voxels have failed, which a line on stderr says."""
    if not n_failed:
        return DONE
    print(f"spinbound: {n_failed} of {n_voxels} voxels {what}", file=sys.stderr)
    return DONE_WITH_FAILED_VOXELS
