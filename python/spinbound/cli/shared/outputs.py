"""The outputs of commands: checked before any work, and written whole."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Mapping
from importlib import import_module
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from cyclopts import Parameter
from numpy.typing import NDArray

import spinbound._core as _core
from spinbound.base.text import as_finite
from spinbound.files.guard import optional_module
from spinbound.files.npz import write_npz
from spinbound.files.writing import write_atomically
from spinbound.sequences.sequence import Sequence

from .arguments import DONE, DONE_WITH_FAILED_VOXELS, UsageError

if TYPE_CHECKING:
    from matplotlib.figure import Figure


Output = Annotated[Path, Parameter(name=("--output", "-o"))]
OptionalOutput = Annotated[Path | None, Parameter(name=("--output", "-o"))]


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
    """Refuse an output of another suffix than .npz."""
    if path.suffix.lower() != ".npz":
        raise UsageError(f"{path}: the output is .npz; --figure names the figure")


def check_files(output: Path, figure: Path | None, overwrite: bool) -> None:
    """Refuse, before any work, a .npz file and a figure that cannot be written or that exist."""
    check_npz(output)
    check_output(output, overwrite)
    if figure:
        check_figure(figure, output, overwrite)


def make_folder(path: Path) -> None:
    """Make a folder for outputs, unless it is there."""
    path.mkdir(parents=True, exist_ok=True)
    if not os.access(path, os.W_OK):
        raise PermissionError(f"{path}: no permission to write there")


def work_beside(output: Path, command: str) -> Path:
    """Return the folder beside an output for work in progress; while it exists, a run has not finished."""
    return output.with_name(f".{output.name}.spinbound-{command}")


def can_draw() -> bool:
    """Say whether the extra ``plot`` is installed; if not, a note on stderr says so."""
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
    text = json.dumps(as_finite(dict(provenance)), allow_nan=False)
    write_npz(path, {**arrays, "provenance": np.array(text)})


def save_figure(path: Path, figure: Figure) -> None:
    """Write a figure in the format that its suffix names."""
    image = BytesIO()
    figure.savefig(image, format=path.suffix.lstrip(".").lower())
    write_atomically(path, lambda stream: stream.write(image.getbuffer()))


def provenance_of(seq: Sequence, source: str) -> dict[str, Any]:
    """Return what a computation depends on: the version, the instruction set, the sequence."""
    return {
        "spinbound": _core.version,
        "instruction_set": _core.isa_in_use(),
        "sequence": {"source": source, "pulses": seq.n_pulses, "duration": seq.duration, "sha256": seq.sha256},
    }


def exit_status(n_failed: int, n_voxels: int, what: str = "invalid: their results are NaN") -> int:
    """Return the exit status of a command that is done: 3 if voxels have failed, which a line on stderr says."""
    if not n_failed:
        return DONE
    print(f"spinbound: {n_failed} of {n_voxels} voxels {what}", file=sys.stderr)
    return DONE_WITH_FAILED_VOXELS
