"""Trainings as TOML files: what learns, from which data, and how.

    [estimator]
    names = ["m0s", "T1a", "T2f"]
    architecture = "small"               # "paper"; or widths = [...] and skips = [[1, 3], ...]

    [data]
    store = "training.zarr"              # or sequence, prior and n (and basis, ...) to simulate while it learns

    [validation]                         # store, or what is not as in [data]: first = 1_000_000_000, n = 4096
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
from spinbound.nn.device import device_of
from spinbound.nn.estimator import Estimator, n_coefficients
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
from .settings import Settings
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
    """All that a training needs.

    Attributes
    ----------
    estimator
        Which has learnt nothing yet.
    data, validation
        What it learns from, and what it is judged by.
    loss, noise
        As in `train`.
    options
        Further arguments of `train`.
    novelty
        Have the estimator know how unlike the training other data are.
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
        """Read a training from a TOML file.

        Raises
        ------
        InvalidData
            If the file is no TOML, has an unknown key, or what it says makes no sense.
        OSError
            If it or a file that it names cannot be read.

        Examples
        --------
        >>> from pathlib import Path
        >>> from spinbound import nn
        >>> text = '[estimator]\\nnames = ["m0s"]\\narchitecture = "small"\\n'
        >>> text += '[data]\\nsequence = "hybrid-mt-4s"\\nprior = "paper"\\nn = 64\\nwrt = ["M0", "m0s"]\\n'
        >>> _ = Path("short.toml").write_text(text + "[training]\\nepochs = 1")
        >>> len(nn.Training.load("short.toml").run())
        1
        """
        path = Path(path)
        tables = _tables(path)
        try:
            return cls(**_parts(tables, path.absolute().parent))
        except (InvalidParameter, InvalidSequence, InvalidData, TypeError) as problem:
            raise InvalidData(f"{path}: {problem}") from None

    def run(
        self, folder: str | os.PathLike[str] | None = None, *, progress: bool | Progress | None = None, **options: Any
    ) -> History:
        """Do it, as `train` does; `options` override those of the file."""
        options = self.options | options
        self._check(options)
        if self.novelty and self.estimator.novelty is None:
            self.estimator.novelty = self._novelty()
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
        chosen |= {"noise": self.noise, "device": device_of(chosen["device"])}
        Settings(**{field.name: chosen[field.name] for field in fields(Settings)})

    def _novelty(self) -> Novelty:
        """That of the data."""
        try:
            return self.data.novelty(self.noise)
        except (InvalidParameter, InvalidData) as problem:
            raise InvalidData(f"{problem}; novelty = false in [estimator] leaves it out") from None


def _tables(path: Path) -> dict[str, Table]:
    """The tables of a file, all of whose keys are known."""
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


def _parts(tables: Mapping[str, Table], folder: Path) -> dict[str, Any]:
    """What the tables say."""
    data = _data(tables["data"], folder)
    validation = tables.get("validation")
    if validation is not None and "store" not in validation:
        validation = {key: value for key, value in tables["data"].items() if key != "store"} | validation
    loss = tables.get("loss", {})
    kind = LOSSES[as_one_of("the name of a loss", loss.get("name", "crb"), LOSSES)]
    noise = tables.get("noise", {})
    return {
        "estimator": _estimator(tables["estimator"], data),
        "data": data,
        "validation": None if validation is None else _data(validation, folder),
        "loss": kind(**_without(loss, "name")),
        "noise": Noise(**noise),
        "options": tables.get("training", {}),
        "novelty": _switch("novelty", tables["estimator"].get("novelty", True)),
    }


def _switch(name: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise InvalidData(f"{name} is {value!r}; allowed: true, false")
    return value


def _estimator(table: Table, data: Data) -> Estimator:
    """One for the data, whose sequence, basis and model it is for."""
    options = _without(table, "architecture", "widths", "skips", "novelty") | (
        {} if data.model is None else {"model": data.model}
    )
    architecture = _architecture(table, n_coefficients(data.basis, data.seq))
    return Estimator(basis=data.basis, seq=data.seq, architecture=architecture, **options)


def _architecture(table: Table, rank: int) -> Architecture:
    if "widths" in table:
        if "architecture" in table:
            raise InvalidData("[estimator] has an architecture and widths; give one")
        return Architecture(table["widths"], table.get("skips", ()), 2 * rank)
    return ARCHITECTURES[as_one_of("architecture", table.get("architecture", PAPER), ARCHITECTURES)](rank)


def _data(table: Table, folder: Path) -> Data:
    """A store, or tissues that are simulated."""
    if "store" in table:
        if len(table) > 1:
            others = ", ".join(_without(table, "store"))
            raise InvalidData(f"a store has its own {others}; leave out what is not store")
        return StoredData(open_dictionary(folder / table["store"]))
    missing = [key for key in ("sequence", "prior", "n") if key not in table]
    if missing:
        raise InvalidData(f"[data] lacks {' and '.join(missing)}; it needs a store, or sequence, prior and n")
    seq = _sequence(table, folder)
    basis = Basis.load(folder / table["basis"]) if "basis" in table else None
    options = _without(table, "sequence", "TR", "gradient_moment", "prior", "n", "basis", *MODEL)
    prior = _prior(table, seq, folder)
    return SimulatedData(seq, prior, table["n"], basis=basis, model=Model.read(table), **options)


def _sequence(table: Table, folder: Path) -> Sequence:
    """A bundled one by its name, or that of a file; of a list of gradient moments the last holds for the rest."""
    if table["sequence"] in library.names():
        return library.load(table["sequence"])
    moments = table.get("gradient_moment")
    first = [moments] if isinstance(moments, str) or moments is None else list(moments)
    seq = Sequence.load(folder / table["sequence"], table.get("TR"), first[-1])
    return seq if len(first) == 1 else seq.replace(gradient_moment=first + first[-1:] * (seq.n_pulses - len(first)))


def _prior(table: Table, seq: Sequence, folder: Path) -> Prior:
    """That of the paper within what the model takes in the sequence, or that of a file."""
    if table["prior"] == PAPER:
        return Prior.paper(float(np.median(seq.repetition_times))).within(seq, table.get("model", "gbloch"))
    return Prior.load(folder / table["prior"])


def _without(table: Mapping[str, Any], *keys: str) -> Table:
    return {key: value for key, value in table.items() if key not in keys}
