"""``spinbound info``: what is installed and what it runs on."""

from __future__ import annotations

import re
from importlib import metadata
from typing import Any

from .. import __version__, _core, sequences
from ._report import print_json


def info(*, json: bool = False) -> None:
    """Version, instruction sets, threads, compiler, bundled sequences and extras.

    Parameters
    ----------
    json
        Report as JSON on stdout.
    """
    report = described()
    if json:
        print_json(report)
        return
    lines = {
        "spinbound": report["version"],
        "instruction set": f"{report['instruction_set']} (available: {', '.join(report['available'])})",
        "threads": str(report["threads"]),
        "compiler": report["compiler"],
        "sequences": "; ".join(
            f"{name} ({seq['pulses']} repetitions, {seq['duration']:.3g} s)"
            for name, seq in report["sequences"].items()
        ),
        "extras": "; ".join(f"{name}: {extra_state(missing)}" for name, missing in report["extras"].items()),
    }
    for title, text in lines.items():
        print(f"{title:<16} {text}")


def described() -> dict[str, Any]:
    """Everything that the command tells."""
    bundled = {name: sequences.load(name) for name in sequences.names()}
    return {
        "version": __version__,
        "instruction_set": _core.isa_in_use(),
        "available": list(_core.isa_available()),
        "threads": _core.available_threads(),
        "compiler": _core.compiler,
        "sequences": {n: {"pulses": seq.n_pulses, "duration": seq.duration} for n, seq in bundled.items()},
        "extras": missing_by_extra(),
    }


def extra_state(missing: list[str]) -> str:
    """An extra's state in words."""
    return f"needs {', '.join(missing)}" if missing else "installed"


def missing_by_extra() -> dict[str, list[str]]:
    """For each extra that users install: those of its distributions that are not there."""
    needs: dict[str, list[str]] = {}
    for requirement in metadata.requires("spinbound") or []:
        match = re.match(r"([\w.-]+).*;.*extra == ['\"](\w+)['\"]", requirement)
        if match and match[1] != "spinbound" and match[2] != "test":
            needs.setdefault(match[2], []).append(match[1])
    return {extra: [name for name in names if not is_installed(name)] for extra, names in needs.items()}


def is_installed(distribution: str) -> bool:
    """Whether a distribution is installed."""
    try:
        metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return False
    return True
