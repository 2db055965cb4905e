"""Any estimator, called with data, and its answer as an array: what it may take and what it may give.

It takes data (m, samples), and by name, if its signature has them and no `functools.partial` has settled them:
`threads`, how many it may use; `truth`, the tissues (m,) that the data are of, for what it is allowed to know; and
`novelty`, which is False, as nobody looks at it. It gives a mapping of names to arrays (m,), a `Tissue`, or an object
with `.estimates`, as a `Fit` and a `Match` have.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from spinbound.base.errors import ComplexArray, FloatArray, InvalidData, InvalidParameter
from spinbound.tissues.tissue import Tissue

from .dataset import ReferenceSet

OPTIONS = ("threads", "truth", "novelty")


@dataclass(frozen=True)
class Estimator:
    """A callable, the parameters that are wanted of it, and which of the options it takes."""

    call: Callable[..., Any]
    names: tuple[str, ...]
    options: tuple[str, ...]

    def __call__(self, data: ComplexArray, truth: Tissue, threads: int | None) -> FloatArray:
        """(P, m) estimates from data (m, samples); what is not finite is left as it is."""
        offered = {"threads": threads, "truth": truth, "novelty": False}
        answer = self.call(data, **{name: offered[name] for name in self.options})
        estimates = np.empty((len(self.names), len(data)))
        for row, name in zip(estimates, self.names, strict=True):
            row[:] = _values(answer, name, len(data))
        return estimates


def estimator_of(estimator: object, names: tuple[str, ...]) -> Estimator:
    """A callable, or an object with a method `estimate`.

    Raises
    ------
    InvalidParameter
        If it is neither.
    """
    call = getattr(estimator, "estimate", estimator)
    if not callable(call):
        raise InvalidParameter(
            f"estimator must be a callable, or have a method estimate; given {type(estimator).__name__}"
        )
    return Estimator(call, names, _options(call))


def check_made_for(estimator: object, data: ReferenceSet) -> None:
    """Have an estimator that knows what it was made for, as a network does, refuse a test set of something else.

    Raises
    ------
    InvalidData
        By its method `check`, if that takes `seq` and `basis`.
    """
    made = estimator.func if isinstance(estimator, partial) else estimator
    check = getattr(getattr(made, "__self__", made), "check", None)
    if callable(check) and {"seq", "basis"} <= set(_parameters(check)):
        check(seq=data.sequence, basis=data.basis)


def _options(call: Callable[..., Any]) -> tuple[str, ...]:
    """Those that a signature names, and that a `partial` has not settled."""
    settled = call.keywords if isinstance(call, partial) else {}
    parameters = _parameters(call)
    return tuple(name for name in OPTIONS if name in parameters and name not in settled)


def _parameters(call: Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    """Those that a signature names; none where there is no signature."""
    try:
        return inspect.signature(call).parameters
    except (TypeError, ValueError):
        return {}


def _values(answer: object, name: str, m: int) -> Any:
    """One parameter of an answer, as real numbers (m,)."""
    holder = _holder(answer)
    try:
        values = np.asarray(holder[name])
    except KeyError:
        raise InvalidData(
            f"the estimator gives {', '.join(map(str, holder))}, but not {name}; names= says what is judged"
        ) from None
    if values.dtype.kind not in "iuf":
        raise InvalidData(f"the estimator gives {name} of type {values.dtype}; allowed: real numbers")
    if values.shape not in ((m,), ()):
        raise InvalidData(f"the estimator gives {name} of shape {values.shape}; allowed: ({m},), one for each signal")
    return values


def _holder(answer: object) -> Mapping[str, Any] | Any:
    """What has the values by their names."""
    found = getattr(answer, "estimates", answer)
    if not isinstance(found, (Mapping, Tissue)):
        raise InvalidData(
            "the estimator must give a mapping of names to arrays, a Tissue, a Match, or an object with .estimates; "
            f"given {type(answer).__name__}"
        )
    return found
