"""``spinbound verify``: physics checks of the installed package."""

from __future__ import annotations

import sys
from dataclasses import asdict
from time import perf_counter

import spinbound._core as _core
from spinbound.base.text import align_columns
from spinbound.cli.shared.arguments import DONE, FAILED
from spinbound.cli.shared.report import print_json
from spinbound.conformance.verify import Verification
from spinbound.conformance.verify import verify as run_checks


def verify(*, json: bool = False) -> int:
    """Check the physics on this machine: constants of the literature, closed forms, and arrays by reference code.

    Each line names the number that was computed, its expected and its computed value, the tolerance, and the source.
    The exit status is 1 if a check has failed.

    Parameters
    ----------
    json
        Print the outcome as JSON on stdout.
    """
    begin = perf_counter()
    rows = run_checks(progress=sys.stderr.isatty())

    seconds, failed = perf_counter() - begin, [row for row in rows if not row.passed]
    if json:
        checks = [asdict(row) | {"passed": row.passed} for row in rows]
        installed = {"spinbound": _core.version, "instruction_set": _core.isa_in_use()}
        print_json(installed | {"seconds": seconds, "failed": len(failed), "checks": checks})
    else:
        table = align_columns([("", "expected", "got", "tolerance", ""), *map(cells, rows)])
        width = max(map(len, table))
        for line, source in zip(table, ("source", *(row.source for row in rows)), strict=True):
            print(f"{line.ljust(width)}  {source}")
        print(f"{len(rows)} checks in {seconds:.1f} s, {len(failed)} failed")

    for row in failed:
        print(f"spinbound: failed: {row.what}{f': {row.problem}' if row.problem else ''}", file=sys.stderr)
    return FAILED if failed else DONE


def cells(row: Verification) -> list[str]:
    """Return the cells of one check, without its source."""
    numbers = (f"{row.expected:.10g}", f"{row.got:.10g}" if row.expected else f"{row.got:.1e}", f"{row.tolerance:.0e}")
    return [row.what, *numbers, "passed" if row.passed else "FAILED"]
