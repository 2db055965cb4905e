"""``spinbound info``: what is installed and what it runs on, or what a store holds and whether it is whole."""

from __future__ import annotations

import re
import sys
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import Any

import spinbound._core as _core
from spinbound.cli.shared.arguments import DONE, FAILED, progress_bar
from spinbound.cli.shared.report import print_json
from spinbound.dictionaries.store import StoreCheck, open_dictionary
from spinbound.sequences import library

from .dictionary import arrays_table
from .dictionary import described as described_store


def info(store: Path | None = None, /, *, json: bool = False) -> int:
    """Version, instruction sets, threads, compiler, bundled sequences and extras; or what a store holds.

    A store is read and compared with its checksums. The exit status is 1 if something is missing or damaged.

    Parameters
    ----------
    store
        The folder of a dictionary.
    json
        Report as JSON on stdout.
    """
    if store is None:
        installed(json)
        return DONE
    opened = open_dictionary(store)
    with progress_bar(opened.n_chunks, "check") as progress:
        checked = opened.verify(progress)
    report = described_store(opened, is_whole=checked.ok) | {"check": asdict(checked) | {"ok": checked.ok}}
    if json:
        print_json(report)
    else:
        tell_store(report)
    for line in complaints(checked):
        print(f"spinbound: {store}: {line}", file=sys.stderr)
    return DONE if checked.ok else FAILED


def tell_store(report: dict[str, Any]) -> None:
    """What a store holds and where it comes from, one thing per line."""
    arrays_table(report)
    for name, value in report["configuration"].items():
        if value is not None and name != "prior":
            print(f"{name:<16} {', '.join(map(str, value)) if isinstance(value, list) else value}")
    if prior := report["configuration"].get("prior"):
        print(f"prior:\n{prior.rstrip()}")
    invalid = "" if not report["invalid"] else f", {report['invalid']:,} of them invalid"
    size, state = f"{report['bytes'] / 1e6:.1f} MB", "checked" if report["check"]["ok"] else "NOT whole"
    print(f"{report['tissues']:,} tissues{invalid} in {report['chunks']} chunks, {size}: {state}")


def complaints(checked: StoreCheck) -> list[str]:
    """What is wrong with a store, in sentences."""
    missing = [f"{len(checked.missing)} of {checked.n_chunks} chunks are not done"] if checked.missing else []
    return [*missing, *checked.damaged.values(), *checked.other]


def installed(json: bool) -> None:
    """What is installed and what it runs on."""
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
    bundled = {name: library.load(name) for name in library.names()}
    return {
        "version": _core.version,
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
