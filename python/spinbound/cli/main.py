"""The program `spinbound`: its commands, its exit status, and its messages on errors.

Exit status: 0 done, 1 failed, 2 bad arguments, 3 done but some voxels are invalid, 130 interrupted (Ctrl-C),
143 terminated (SIGTERM). Errors take one line on stderr; ``--debug`` adds the traceback.
"""

from __future__ import annotations

import os
import signal
import sys
import traceback
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Any

from cyclopts import App, CycloptsError, Parameter

import spinbound._core as _core
from spinbound.cli.commands.basis import basis
from spinbound.cli.commands.crb import crb
from spinbound.cli.commands.demo import demo
from spinbound.cli.commands.dictionary import dictionary
from spinbound.cli.commands.estimate import estimate
from spinbound.cli.commands.evaluate import evaluate
from spinbound.cli.commands.fit import fit
from spinbound.cli.commands.info import info
from spinbound.cli.commands.reproduce import reproduce
from spinbound.cli.commands.simulate import simulate
from spinbound.cli.commands.train import train
from spinbound.cli.commands.verify import verify
from spinbound.cli.shared.arguments import BAD_ARGUMENTS, DONE, FAILED, INTERRUPTED, TERMINATED, UsageError

app = App(
    name="spinbound",
    help="Magnetization-transfer signals, their sensitivities and Cramér-Rao bounds, fits of tissue parameters, and "
    "report cards of estimators.",
    version=_core.version,
    default_parameter=Parameter(negative=()),
)
app.meta.suppress_keyboard_interrupt = False  # `main` says that it was interrupted, and heeds a second Ctrl-C
for command in (demo, simulate, crb, basis, dictionary, fit, train, estimate, evaluate, reproduce, info, verify):
    app.command(command)


class Termination(BaseException):
    """The arrival of SIGTERM: it unwinds the program, so that no half-written file stays."""


@app.meta.default
def launch(
    *tokens: Annotated[str, Parameter(show=False, allow_leading_hyphen=True)],
    _debug: Annotated[bool, Parameter(name="--debug", negative=())] = False,
) -> int:
    """Run one command.

    Parameters
    ----------
    _debug
        Show the traceback of an error.
    """
    command, call, _ = app.parse_args(tokens, exit_on_error=False, print_error=False)
    return command(*call.args, **call.kwargs) or DONE


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    tokens = list(sys.argv[1:] if arguments is None else arguments)

    try:
        with raise_on_sigterm(), shorten_warnings():
            return app.meta(tokens, exit_on_error=False, print_error=False, result_action="return_value") or DONE
    except (Exception, KeyboardInterrupt, Termination) as problem:
        if isinstance(problem, KeyboardInterrupt):
            signal.signal(signal.SIGINT, signal.SIG_DFL)  # a second Ctrl-C ends the process at once
        if "--debug" in tokens:
            traceback.print_exc()
        return print_error(problem)


def print_error(problem: BaseException) -> int:
    """Say in one line on stderr what went wrong, and return the exit status for it."""
    if isinstance(problem, BrokenPipeError):
        # Python flushes stdout once more at exit, and would complain about the same pipe.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED

    print(f"spinbound: {describe_error(problem)}", file=sys.stderr)
    if isinstance(problem, KeyboardInterrupt):
        return INTERRUPTED
    if isinstance(problem, Termination):
        return TERMINATED
    return BAD_ARGUMENTS if isinstance(problem, CycloptsError | UsageError) else FAILED


def describe_error(problem: BaseException) -> str:
    """Describe an error in one line."""
    text = " ".join(str(problem).split())

    match problem:
        case KeyboardInterrupt():
            return "interrupted"
        case Termination():
            return "terminated"
        case OSError(strerror=str(reason), filename=filename) if filename is not None:
            return f"error: {filename}: {reason}"
        case MemoryError():
            return f"error: not enough memory{': ' if text else ''}{text}"
        case CycloptsError() | UsageError() | ValueError() | OSError() | ImportError():
            return f"error: {text}"
    return f"internal error: {type(problem).__name__}: {text} (--debug shows where)"


@contextmanager
def raise_on_sigterm() -> Iterator[None]:
    """Turn SIGTERM into an exception while the command runs."""

    def terminate(*_: Any) -> None:
        raise Termination

    previous = signal.signal(signal.SIGTERM, terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)


@contextmanager
def shorten_warnings() -> Iterator[None]:
    """Print what the library warns of as one line on stderr, without the place in the code."""

    def show(message: Warning | str, *_: Any, **__: Any) -> None:
        print(f"spinbound: warning: {' '.join(str(message).split())}", file=sys.stderr)

    with warnings.catch_warnings():
        warnings.simplefilter("default", UserWarning)
        warnings.showwarning = show
        yield
