"""The options of a fit on the command line: unknown parameters, known ones, starts and limits."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from spinbound.base.checks import as_parameter, as_parameter_names
from spinbound.base.errors import InvalidParameter
from spinbound.estimators.fitting.fit import FREE

from .arguments import Count, Positive, UsageError


def check_multi_start(_kind: object, value: int | str) -> None:
    """Refuse numbers of matches below 1."""
    if isinstance(value, int) and value < 1:
        raise ValueError("must be at least 1, or auto")


MultiStart = Annotated[Literal["auto"] | int, Parameter(validator=check_multi_start)]


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Unknowns:
    """Options on what to fit, and how.

    Parameters
    ----------
    free
        The unknown parameters, separated by commas; by default "M0,m0s,R1a,R2f,Rex,T2s,omega0,B1", but those that are
        known.
    fixed
        Known values of other parameters, in SI units: "T2s=12e-6,R1s=3".
    start
        Starts of unknowns: "m0s=0.1,R1a=0.8"; by default at the best match of a dictionary.
    bounds
        Limits of unknowns: "T2s=5e-6:20e-6,m0s=0:0.4,R2f=:50".
    prior
        Gaussian priors of unknowns, each with its mean and its standard deviation: "T2s=12e-6:3e-6,B1=1:0.1"; they are
        weighed against the noise, --sigma.
    sigma
        Standard deviation of the noise in the real and in the imaginary part each; from the residual by default.
    multi_start
        "auto": take a second look at other matches and other omega0, and fit again where they promise most; or the
        number of matches to start from: 1 takes the best alone, more also try other omega0 beside all of them.
    max_iterations
        Largest number of iterations of a voxel.
    """

    free: str = ""
    fixed: str = ""
    start: str = ""
    bounds: str = ""
    prior: str = ""
    sigma: Positive | None = None
    multi_start: MultiStart = "auto"
    max_iterations: Count = 100

    def parse_names(self, maps: Collection[str]) -> tuple[str, ...]:
        """Return the unknown parameters: those given, or else the usual ones without those that are known."""
        known = {*maps, *parse_pairs("--fixed", self.fixed)}
        given = self.free.replace(",", " ").split()
        try:
            return as_parameter_names(given or [name for name in FREE if name not in known], "--free")
        except InvalidParameter as problem:
            raise UsageError(str(problem)) from None

    def as_arguments(self, maps: Collection[str]) -> dict[str, Any]:
        """Return the arguments of the function `fit`, where `maps` names the parameters with a map."""
        limits = {name: parse_limits(text, name) for name, text in parse_pairs("--bounds", self.bounds).items()}
        if self.prior and self.sigma is None:
            raise UsageError("--prior needs the noise that it is weighed against: --sigma")
        return {
            "free": self.parse_names(maps),
            "start": parse_numbers("--start", self.start) or None,
            "bounds": limits or None,
            "prior": parse_priors(self.prior) or None,
            "sigma": self.sigma,
            "multi_start": self.multi_start,
            "max_iterations": self.max_iterations,
        }


def parse_pairs(option: str, text: str) -> dict[str, str]:
    """Split a list NAME=VALUE with commas into names and values."""
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


def parse_numbers(option: str, text: str) -> dict[str, float]:
    """Split a list NAME=VALUE with commas, where each value is a number."""
    return {name: parse_number(value, f"{option}: {name}") for name, value in parse_pairs(option, text).items()}


def parse_number(text: str, what: str) -> float:
    """Read one number."""
    try:
        return float(text)
    except ValueError:
        raise UsageError(f"{what} is {text!r}, no number") from None


def parse_limits(text: str, name: str) -> tuple[float, float]:
    """Read LOW:HIGH, where an empty side means no limit."""
    low, colon, high = text.partition(":")
    if not colon:
        raise UsageError(f"--bounds: {name}={text} is not NAME=LOW:HIGH")

    what = f"--bounds: a limit of {name}"
    return parse_number(low or "-inf", what), parse_number(high or "inf", what)


def parse_priors(text: str) -> dict[str, tuple[float, float]]:
    """Read a list NAME=MEAN:STD with commas."""
    priors = {}
    for name, pair in parse_pairs("--prior", text).items():
        mean, colon, std = pair.partition(":")
        if not colon:
            raise UsageError(f"--prior: {name}={pair} is not NAME=MEAN:STD")
        what = f"--prior: the {{}} of {name}"
        priors[name] = parse_number(mean, what.format("mean")), parse_number(std, what.format("standard deviation"))
    return priors
