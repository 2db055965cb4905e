"""What a fit takes on the command line: unknown parameters, known ones, starts and limits."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Annotated, Any

from cyclopts import Parameter, validators

from spinbound.base.checks import as_parameter, as_parameter_names
from spinbound.base.errors import InvalidParameter
from spinbound.estimators.fitting.fit import FREE

from .arguments import UsageError


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Unknowns:
    """What is fitted, and how.

    Parameters
    ----------
    free
        The unknown parameters, separated by commas; by default "M0,m0s,R1a,R2f,Rex,T2s,omega0,B1", but those that are
        known.
    fixed
        Known values of others, in SI units: "T2s=12e-6,R1s=3".
    start
        Where the fit starts: "m0s=0.1,R1a=0.8"; by default at the best match of a dictionary.
    bounds
        Limits of unknowns: "T2s=5e-6:20e-6,m0s=0:0.4,R2f=:50".
    sigma
        Standard deviation of the noise in the real and in the imaginary part each; from the residual by default.
    multi_start
        Number of matches to start from; beyond 1 other omega0 beside them are tried, too, and the best result counts.
    max_iterations
        Iterations of a voxel.
    """

    free: str = ""
    fixed: str = ""
    start: str = ""
    bounds: str = ""
    sigma: Annotated[float | None, Parameter(validator=validators.Number(gt=0))] = None
    multi_start: Annotated[int, Parameter(validator=validators.Number(gte=1))] = 1
    max_iterations: Annotated[int, Parameter(validator=validators.Number(gte=1))] = 100

    def names(self, maps: Collection[str]) -> tuple[str, ...]:
        """The unknown parameters: as given, or the usual ones but those that are known."""
        known = {*maps, *pairs("--fixed", self.fixed)}
        given = self.free.replace(",", " ").split()
        try:
            return as_parameter_names(given or [name for name in FREE if name not in known], "--free")
        except InvalidParameter as problem:
            raise UsageError(str(problem)) from None

    def arguments(self, maps: Collection[str]) -> dict[str, Any]:
        """As the function takes them, where maps of these parameters are known."""
        limits = {name: limits_of(text, name) for name, text in pairs("--bounds", self.bounds).items()}
        return {
            "free": self.names(maps),
            "start": numbers("--start", self.start) or None,
            "bounds": limits or None,
            "sigma": self.sigma,
            "multi_start": self.multi_start,
            "max_iterations": self.max_iterations,
        }


def pairs(option: str, text: str) -> dict[str, str]:
    """NAME=VALUE of a list with commas."""
    found: dict[str, str] = {}
    for item in filter(None, text.replace(" ", "").split(",")):
        name, equals, value = item.partition("=")
        if not equals or name in found:
            raise UsageError(f"{option}: {item!r} is not NAME=VALUE, or the name is given twice")
        try:
            found[as_parameter(name).name] = value
        except InvalidParameter as problem:
            raise UsageError(f"{option}: {problem}") from None
    return found


def numbers(option: str, text: str) -> dict[str, float]:
    """The values of a list as numbers."""
    return {name: number(value, f"{option}: {name}") for name, value in pairs(option, text).items()}


def number(text: str, what: str) -> float:
    """One number."""
    try:
        return float(text)
    except ValueError:
        raise UsageError(f"{what} is {text!r}, no number") from None


def limits_of(text: str, name: str) -> tuple[float, float]:
    """LOW:HIGH; a limit that is left out is none."""
    low, colon, high = text.partition(":")
    if not colon:
        raise UsageError(f"--bounds: {name}={text} is not NAME=LOW:HIGH")
    what = f"--bounds: a limit of {name}"
    return number(low or "-inf", what), number(high or "inf", what)
