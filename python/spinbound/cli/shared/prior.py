"""The prior from which a command draws tissues."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
from cyclopts import Parameter

from spinbound.sequences.sequence import Sequence
from spinbound.tissues.prior import Prior

from .arguments import Inputs, UsageError

PAPER = "paper"

PriorSource = Annotated[
    str, Parameter(help='A prior of tissues: a .toml file, or "paper", that of the CRB-weighted loss.')
]


def open_prior(source: str, seq: Sequence, inputs: Inputs) -> Prior:
    """Load the prior of a file, or make the paper's for the sequence's TR, within the limits of the model there."""
    if source == PAPER:
        return Prior.paper(float(np.median(seq.repetition_times))).within(seq, inputs.model)
    path = Path(source)
    if not path.suffix and not path.exists():
        raise UsageError(f'--prior: {source!r} is no file; name a .toml file, or "{PAPER}"')
    return Prior.load(path)
