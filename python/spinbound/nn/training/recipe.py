"""Trainings as TOML files: the estimator, its data, its loss and the options of the training.

    [estimator]
    names = ["m0s", "T1a", "T2f"]
    architecture = "small"               # "paper"; or widths = [...] and skips = [[1, 3], ...]

    [data]
    store = "training.zarr"              # or sequence, prior and n (and basis, ...) to simulate while it learns

    [validation]                         # store, or keys that differ from [data]: first = 1_000_000_000, n = 4096
    store = "validation.zarr"

    [loss]
    name = "crb"

    [noise]
    sigma = 0.01
    M0 = [0.1, 1]

    [training]
    epochs = 40
    schedule = "cosine"

All keys but those of data have the defaults of the Python calls. Paths are relative to the folder of the file.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from spinbound.base.checks import as_one_of
from spinbound.base.errors import InvalidData, InvalidParameter, InvalidSequence, Progress
from spinbound.dictionaries.store import open_dictionary
from spinbound.files.toml import read_toml
from spinbound.nn.device import as_device
from spinbound.nn.estimator import Estimator, count_coefficients
from spinbound.nn.loss import LOSSES, Loss
from spinbound.nn.network import Architecture
from spinbound.nn.noise import Noise
from spinbound.nn.novelty.novelty import Novelty
from spinbound.sequences import library
from spinbound.sequences.model import Model
from spinbound.sequences.sequence import Sequence
from spinbound.signals.basis import Basis
from spinbound.tissues.prior import Prior

from .data import Data, SimulatedData, StoredData
from .history import History
from .settings import TrainingSettings
from .train import train

MAX_BYTES = 1 << 20
PAPER = "paper"
ARCHITECTURES: Mapping[str, Callable[[int], Architecture]] = {"paper": Architecture.paper, "small": Architecture.small}
MODEL = ("model", "lineshape", "rtol")
SIMULATED = (
    *("sequence", "TR", "gradient_moment", "prior", "n", "basis", "wrt", "seed", "first"),
    *(*MODEL, "threads"),
)
KEYS: Mapping[str, tuple[str, ...]] = {
    "estimator": ("names", "architecture", "widths", "skips", "phase", "seed", "novelty"),
    "data": ("store", *SIMULATED),
    "validation": ("store", *SIMULATED),
    "loss": ("name", *inspect.signature(LOSSES["bias-constrained"]).parameters),
    "noise": ("sigma", "M0"),
    "training": (
        *("epochs", "batch", "learning_rate", "halve_every", "schedule", "clip", "seed"),
        *("device", "mixed_precision", "compile"),
    ),
}

Table = dict[str, Any]


@dataclass(frozen=True)
class Training:
    """An estimator, its data, and all options of its training.

    Attributes
    ----------
    estimator
        The estimator before its training.
    data, validation
        The data that it learns from, and the data that it is judged by.
    loss, noise
        As in `train`.
    options
        Further arguments of `train`.
    novelty
        Give the estimator a measure of how unlike the training other data are.
    """

    estimator: Estimator
    data: Data
    validation: Data | None
    loss: Loss
    noise: Noise
    options: Table
    novelty: bool = True

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Training:
        r"""Read a training from a TOML file.

        Parameters
        ----------
        path
            The file, .toml.

        Returns
        -------
        Training
            The estimator, its data and the options.

        Raises
        ------
        InvalidData
            If the file is no TOML, has an unknown key, or its values make no sense.
        OSError
            If it or a file that it names cannot be read.

        Examples
        --------
        >>> from pathlib import Path
        >>> from spinbound import nn
        >>> text = '[estimator]\nnames = ["m0s"]\narchitecture = "small"\n'
        >>> text += '[data]\nsequence = "hybrid-mt-4s"\nprior = "paper"\nn = 64\nwrt = ["M0", "m0s"]\n'
        >>> _ = Path("short.toml").write_text(text + "[training]\nepochs = 1")
        >>> len(nn.Training.load("short.toml").run())
        1
        """
        path = Path(path)
        tables = _read_tables(path)
        try:
            return cls(**_make_fields(tables, path.absolute().parent))
        except (InvalidParameter, InvalidSequence, InvalidData, TypeError) as problem:
            raise InvalidData(f"{path}: {problem}") from None

    def run(
        self, folder: str | os.PathLike[str] | None = None, *, progress: bool | Progress | None = None, **options: Any
    ) -> History:
        """Train the estimator as `train` does.

        Parameters
        ----------
        folder, progress
            As in `train`.
        **options
            Arguments of `train` in the place of those of the file.

        Returns
        -------
        History
            Losses by epoch.

        Raises
        ------
        InvalidData, InvalidParameter, OSError
            As in `train`; also if no novelty can be made of the data.
        """
        options = self.options | options
        self._check(options)
        if self.novelty and self.estimator.novelty is None:
            self.estimator.novelty = self._make_novelty()

        return train(
            self.estimator,
            self.data,
            validation=self.validation,
            loss=self.loss,
            noise=self.noise,
            folder=folder,
            progress=progress,
            **options,
        )

    def _check(self, options: Table) -> None:
        """Refuse options that `train` would refuse, before the work that novelty takes."""
        chosen = {name: given.default for name, given in inspect.signature(train).parameters.items()} | options
        chosen |= {"noise": self.noise, "device": as_device(chosen["device"])}
        TrainingSettings(**{field.name: chosen[field.name] for field in fields(TrainingSettings)})

    def _make_novelty(self) -> Novelty:
        """Make the novelty of the data."""
        try:
            return self.data.novelty(self.noise)
        except (InvalidParameter, InvalidData) as problem:
            raise InvalidData(f"{problem}; novelty = false in [estimator] leaves it out") from None


def _read_tables(path: Path) -> dict[str, Table]:
    """Read the tables of a file; refuse unknown keys."""
    content = read_toml(path, MAX_BYTES, InvalidData)
    for name, table in content.items():
        as_one_of(f"{path}: a table", name, KEYS, InvalidData)
        if not isinstance(table, dict):
            raise InvalidData(f"{path}: {name} must be a table [{name}]")
        for key in table:
            as_one_of(f"{path}, [{name}]: a key", key, KEYS[name], InvalidData)
    for needed, key in (("estimator", "names"), ("data", "")):
        if needed not in content or (key and key not in content[needed]):
            raise InvalidData(f"{path}: lacks {key + ' in ' if key else ''}[{needed}]")
    return content


def _make_fields(tables: Mapping[str, Table], folder: Path) -> dict[str, Any]:
    """Make the fields of `Training` from the tables."""
    data = _make_data(tables["data"], folder)
    validation = tables.get("validation")
    if validation is not None and "store" not in validation:
        validation = {key: value for key, value in tables["data"].items() if key != "store"} | validation

    loss = tables.get("loss", {})
    kind = LOSSES[as_one_of("the name of a loss", loss.get("name", "crb"), LOSSES)]
    noise = tables.get("noise", {})

    return {
        "estimator": _make_estimator(tables["estimator"], data),
        "data": data,
        "validation": None if validation is None else _make_data(validation, folder),
        "loss": kind(**_leave_out(loss, "name")),
        "noise": Noise(**noise),
        "options": tables.get("training", {}),
        "novelty": _as_switch("novelty", tables["estimator"].get("novelty", True)),
    }


def _as_switch(name: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise InvalidData(f"{name} is {value!r}; allowed: true, false")
    return value


def _make_estimator(table: Table, data: Data) -> Estimator:
    """Make the estimator for the sequence, basis and model of the data."""
    options = _leave_out(table, "architecture", "widths", "skips", "novelty") | (
        {} if data.model is None else {"model": data.model}
    )
    architecture = _make_architecture(table, count_coefficients(data.basis, data.seq))
    return Estimator(basis=data.basis, seq=data.seq, architecture=architecture, **options)


def _make_architecture(table: Table, rank: int) -> Architecture:
    if "widths" in table:
        if "architecture" in table:
            raise InvalidData("[estimator] has an architecture and widths; give one")
        return Architecture(table["widths"], table.get("skips", ()), 2 * rank)
    return ARCHITECTURES[as_one_of("architecture", table.get("architecture", PAPER), ARCHITECTURES)](rank)


def _make_data(table: Table, folder: Path) -> Data:
    """Open a store, or describe tissues to simulate."""
    if "store" in table:
        if len(table) > 1:
            others = ", ".join(_leave_out(table, "store"))
            raise InvalidData(f"a store has its own {others}; leave out what is not store")
        return StoredData(open_dictionary(folder / table["store"]))
    missing = [key for key in ("sequence", "prior", "n") if key not in table]
    if missing:
        raise InvalidData(f"[data] lacks {' and '.join(missing)}; it needs a store, or sequence, prior and n")

    seq = _load_sequence(table, folder)
    basis = Basis.load(folder / table["basis"]) if "basis" in table else None
    options = _leave_out(table, "sequence", "TR", "gradient_moment", "prior", "n", "basis", *MODEL)
    prior = _load_prior(table, seq, folder)
    return SimulatedData(seq, prior, table["n"], basis=basis, model=Model.read(table), **options)


def _load_sequence(table: Table, folder: Path) -> Sequence:
    """Load a bundled sequence by its name, or that of a file."""
    if table["sequence"] in library.names():
        return library.load(table["sequence"])
    moments = table.get("gradient_moment", [])
    words = [moments] if isinstance(moments, str) else list(moments)
    return library.read_file(folder / table["sequence"], table.get("TR"), words)


def _load_prior(table: Table, seq: Sequence, folder: Path) -> Prior:
    """Load the prior of a file, or make that of the paper within the limits of the model in the sequence."""
    if table["prior"] == PAPER:
        return Prior.paper(float(np.median(seq.repetition_times))).within(seq, table.get("model", "gbloch"))
    return Prior.load(folder / table["prior"])


def _leave_out(table: Mapping[str, Any], *keys: str) -> Table:
    return {key: value for key, value in table.items() if key not in keys}
