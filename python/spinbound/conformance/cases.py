"""Arrays that the models must reproduce; README.md says where they come from.

Each file holds for one sequence, model and lineshape

    tissue      (8, v)      m0s R1f R2f Rex R1s T2s omega0 B1 of v voxels, SI units, M0 = 1
    signal      (v, n)      complex signal at all n echoes
    echoes      (k,)        indices of the echoes below
    jacobian    (v, k, 8)   its derivatives by the eight parameters at these echoes
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from spinbound.base.parameters import TISSUE
from spinbound.sequences.library import load as load_bundled
from spinbound.sequences.sequence import Sequence
from spinbound.tissues.tissue import Tissue

FOLDER = Path(__file__).parent
FIELDS = ("tissue", "signal", "echoes", "jacobian")


@dataclass(frozen=True)
class Case:
    """The sequence, the model and the lineshape of one file."""

    train: str  # of this folder, or the name of a bundled sequence
    model: str
    lineshape: str

    @property
    def name(self) -> str:
        """The name of its file, without suffix."""
        return f"{self.train}_{self.model}_{self.lineshape}"

    def sequence(self) -> Sequence:
        """Load the sequence of the case."""
        path = FOLDER / f"{self.train}.toml"
        return Sequence.load(path) if path.exists() else load_bundled(self.train)


CASES: tuple[Case, ...] = (
    Case("ten-pulses", "gbloch", "superlorentzian"),
    Case("ten-pulses", "gbloch", "gaussian"),
    Case("ten-pulses", "gbloch-ide", "superlorentzian"),
    Case("ten-pulses", "gbloch-ide", "gaussian"),
    Case("ten-pulses", "gbloch-ide", "lorentzian"),
    Case("ten-pulses", "graham", "superlorentzian"),
    Case("ten-pulses", "graham-single-frequency", "gaussian"),
    Case("ten-pulses", "sled", "superlorentzian"),
    Case("ten-pulses", "bloch", "superlorentzian"),
    Case("ten-turns", "hybrid", "superlorentzian"),
    Case("hybrid-mt-4s", "gbloch", "superlorentzian"),
)


def load(case: Case) -> Mapping[str, npt.NDArray[Any]]:
    """Load the arrays of a case."""
    with np.load(FOLDER / f"{case.name}.npz", allow_pickle=False) as stored:
        return {name: stored[name] for name in FIELDS}


def tissue_of(arrays: Mapping[str, npt.NDArray[Any]]) -> Tissue:
    """Make the tissue of a case from its arrays."""
    return Tissue.from_dict(dict(zip(TISSUE, arrays["tissue"], strict=True)))
