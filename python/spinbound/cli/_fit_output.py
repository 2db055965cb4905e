"""The maps that a fit leaves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .._fit_result import Fit, FitStatus
from ..io import bids
from ._common import UsageError, check_output, save_arrays, work_beside
from ._fit_files import Volume

SENTENCES = {int(status): status.sentence for status in FitStatus}
UNFINISHED = ".spinbound-fit"
ALGORITHM = "non-linear least squares (Levenberg-Marquardt)"


@dataclass(frozen=True)
class Target:
    """Where the maps go: a .npz file, or a folder that becomes a BIDS derivative dataset.

    Work in progress lies beside or inside it; as long as it does, an earlier run has not finished.
    """

    path: Path
    prefix: str

    @property
    def is_file(self) -> bool:
        """Whether the output is one .npz file."""
        return self.path.suffix.lower() == ".npz"

    @property
    def unfinished(self) -> Path:
        """The folder of work in progress."""
        return work_beside(self.path, "fit") if self.is_file else self.path / UNFINISHED

    @property
    def figure(self) -> Path:
        """Where the figure goes unless told."""
        return self.path.with_suffix(".png") if self.is_file else self.path.with_name(f"{self.path.name}.png")

    def check(self, names: tuple[str, ...], overwrite: bool) -> None:
        """Refuse, before any work, what cannot be written or exists."""
        if self.is_file:
            check_output(self.path, overwrite)
            return
        if not self.path.name or (self.path.suffix and not self.path.is_dir()):
            raise UsageError(f"{self.path}: the output is a folder with a name, or a .npz file")
        files = bids.map_files(names, names, bids.FURTHER).values()
        paths = [bids.path_of(self.path, self.prefix, file) for file in files]
        if not overwrite:
            bids.refuse_existing(paths)


def write(target: Target, result: Fit, volume: Volume, settings: Mapping[str, Any]) -> list[Path]:
    """Write all maps of a result in the place of those of an earlier fit, and return their files."""
    if target.is_file:
        save_arrays(target.path, result.as_arrays(), settings)
        return [target.path]
    sidecar = {"EstimationAlgorithm": ALGORITHM, "SkullStripped": volume.mask is not None, "Fit": dict(settings)}
    bits = {1 << k: name for k, name in enumerate(result.at_bound)}
    at_bound = sum(
        (bit * result.at_bound[name] for bit, name in bits.items()), np.zeros(result.status.shape, np.uint16)
    )
    further: dict[str, Any] = {"status": result.status, "iterations": result.iterations, "at_bound": at_bound}
    further |= {"residual": result.residual, "sigma": result.sigma}
    further |= {} if result.agreement is None else {"agreement": result.agreement}
    files = bids.write_maps(
        target.path,
        {name: result.estimates[name] for name in result.free},
        volume.data.affine,
        std=result.std,
        further=further,
        levels={"status": SENTENCES, "at_bound": bits},
        provenance=sidecar,
        prefix=target.prefix,
        overwrite=True,  # what exists was refused before the work
    )
    bids.remove_others(target.path, target.prefix, files, "Fit")  # of an earlier fit, and no part of this one
    return files
