"""An adapter of any estimator: it calls the estimator with data, and returns the answer as an array.

An estimator takes data (m, samples), and by name, if its signature has them and no `functools.partial` has set them:
`threads`, the number that it may use; `truth`, the tissues (m,) of the data, for the parameters that it may know; and
`novelty`, which is False, because an evaluation does not use it. It returns a mapping of names to arrays (m,), a
`Tissue`, or an object with `.estimates`, as a `Fit` and a `Match` have.
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
class Adapter:
    """An estimator as a callable, the parameters that are wanted from it, and the options that it takes."""

    call: Callable[..., Any]
    names: tuple[str, ...]
    options: tuple[str, ...]

    def __call__(self, data: ComplexArray, truth: Tissue, threads: int | None) -> FloatArray:
        """Return estimates (P, m) from data (m, samples); values that are not finite stay."""
        offered = {"threads": threads, "truth": truth, "novelty": False}
        answer = self.call(data, **{name: offered[name] for name in self.options})
        estimates = np.empty((len(self.names), len(data)))
        for row, name in zip(estimates, self.names, strict=True):
            row[:] = _read_values(answer, name, len(data))
        return estimates


def adapt_estimator(estimator: object, names: tuple[str, ...]) -> Adapter:
    """Adapt a callable, or an object with a method `estimate`.

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
    return Adapter(call, names, _choose_options(call))


def check_made_for(estimator: object, data: ReferenceSet) -> None:
    """Ask an estimator that knows its sequence and basis, as a network does, to refuse a reference set of others.

    Raises
    ------
    InvalidData
        If its method `check`, which takes `seq` and `basis`, refuses them.
    """
    target = estimator.func if isinstance(estimator, partial) else estimator
    check = getattr(getattr(target, "__self__", target), "check", None)
    if callable(check) and {"seq", "basis"} <= set(_read_parameters(check)):
        check(seq=data.sequence, basis=data.basis)


def _choose_options(call: Callable[..., Any]) -> tuple[str, ...]:
    """Return the options that a signature names and that a `partial` has not set."""
    preset = call.keywords if isinstance(call, partial) else {}
    parameters = _read_parameters(call)
    return tuple(name for name in OPTIONS if name in parameters and name not in preset)


def _read_parameters(call: Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    """Return the parameters that a signature names; none where there is no signature."""
    try:
        return inspect.signature(call).parameters
    except (TypeError, ValueError):
        return {}


def _read_values(answer: object, name: str, m: int) -> Any:
    """Read one parameter of an answer as real numbers (m,)."""
    holder = _find_holder(answer)
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


def _find_holder(answer: object) -> Mapping[str, Any] | Any:
    """Return the part of an answer that holds values by names."""
    found = getattr(answer, "estimates", answer)
    if not isinstance(found, (Mapping, Tissue)):
        raise InvalidData(
            "the estimator must give a mapping of names to arrays, a Tissue, a Match, or an object with .estimates; "
            f"given {type(answer).__name__}"
        )
    return found
