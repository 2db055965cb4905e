"""Physics checks of the installed package, on the machine where it runs.

conformance.constants    numbers of the literature, and solutions of its equations by other means
conformance.limits       closed forms, and models where they must agree
conformance.arrays       signals and sensitivities of every model, computed by the plain code in tools/
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import nan

from spinbound.base.checks import check_progress
from spinbound.base.errors import Progress
from spinbound.base.progress import show_progress

from .arrays import ARRAYS
from .check import Check
from .constants import CONSTANTS
from .limits import LIMITS

CHECKS: tuple[Check, ...] = (*CONSTANTS, *LIMITS, *ARRAYS)


@dataclass(frozen=True)
class Verification:
    """The outcome of one check.

    Attributes
    ----------
    what
        Name of the computed number, with its unit if it has one.
    expected, got
        The expected and the computed value; NaN if the computation failed.
    tolerance
        Largest absolute difference that passes.
    source
        Source of the expected value.
    problem
        The error that the computation raised, if it did.

    Examples
    --------
    >>> import spinbound as sb
    >>> row = sb.Verification("g", expected=9.81, got=9.79, tolerance=0.01, source="a pendulum")
    >>> row.passed
    False
    """

    what: str
    expected: float
    got: float
    tolerance: float
    source: str
    problem: str | None = None

    @property
    def passed(self) -> bool:
        """Whether `got` lies within the tolerance of `expected`."""
        return abs(self.got - self.expected) <= self.tolerance


def verify(*, progress: bool | Progress | None = None) -> list[Verification]:
    """Run all physics checks: constants of the literature, closed forms, and arrays made by plain reference code.

    Parameters
    ----------
    progress
        True: a bar on stderr; or a callable (done, total), in checks. What it raises ends the call.

    Returns
    -------
    list of Verification
        One row for each check: what, expected, got, tolerance, source, and whether it passed. A check that raises an
        error has failed, and the row says why.

    Raises
    ------
    InvalidParameter
        If `progress` is not accepted.

    References
    ----------
    Each row names its own.

    Examples
    --------
    >>> import spinbound as sb
    >>> all(row.passed for row in sb.verify())
    True
    """
    check_progress(progress)
    with show_progress(progress, len(CHECKS), "verify", "check") as advance:
        return list(_run_checks(CHECKS, advance))


def _run_checks(checks: tuple[Check, ...], advance: Progress | None) -> Iterable[Verification]:
    for done, check in enumerate(checks, 1):
        yield _run_check(check)
        if advance is not None:
            advance(done, len(checks))


def _run_check(check: Check) -> Verification:
    try:
        got, problem = check.compute(), None
    except Exception as error:  # of any kind: the other checks must run
        got, problem = nan, f"{type(error).__name__}: {error}"
    return Verification(check.what, check.expected, got, check.tolerance, check.source, problem)
