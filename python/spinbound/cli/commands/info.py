"""``spinbound info``: the installed package and its machine, or the content of a store and its state."""

from __future__ import annotations

import re
import sys
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import Any

import spinbound._core as _core
from spinbound.cli.shared.arguments import DONE, FAILED, show_bar
from spinbound.cli.shared.report import print_json
from spinbound.dictionaries.store import StoreCheck, open_dictionary
from spinbound.sequences import library

from .dictionary import describe_store, print_arrays


def info(store: Path | None = None, /, *, json: bool = False) -> int:
    """Show version, instruction sets, threads, compiler, bundled sequences and extras; or what a store holds.

    A store is read and compared with its checksums. The exit status is 1 if something is missing or damaged.

    Parameters
    ----------
    store
        The folder of a dictionary.
    json
        Print the outcome as JSON on stdout.
    """
    if store is None:
        print_installed(json)
        return DONE
    opened = open_dictionary(store)
    with show_bar(opened.n_chunks, "check") as progress:
        checked = opened.verify(progress)
    outcome = describe_store(opened, is_whole=checked.ok) | {"check": asdict(checked) | {"ok": checked.ok}}
    if json:
        print_json(outcome)
    else:
        print_store(outcome)
    for line in describe_damage(checked):
        print(f"spinbound: {store}: {line}", file=sys.stderr)
    return DONE if checked.ok else FAILED


def print_store(outcome: dict[str, Any]) -> None:
    """Print what a store holds and where it comes from, one thing per line."""
    print_arrays(outcome)
    for name, value in outcome["configuration"].items():
        if value is not None and name != "prior":
            print(f"{name:<16} {', '.join(map(str, value)) if isinstance(value, list) else value}")
    if prior := outcome["configuration"].get("prior"):
        print(f"prior:\n{prior.rstrip()}")
    invalid = "" if not outcome["invalid"] else f", {outcome['invalid']:,} of them invalid"
    size, state = f"{outcome['bytes'] / 1e6:.1f} MB", "checked" if outcome["check"]["ok"] else "NOT whole"
    print(f"{outcome['tissues']:,} tissues{invalid} in {outcome['chunks']} chunks, {size}: {state}")


def describe_damage(checked: StoreCheck) -> list[str]:
    """Describe in sentences what is wrong with a store."""
    missing = [f"{len(checked.missing)} of {checked.n_chunks} chunks are not done"] if checked.missing else []
    return [*missing, *checked.damaged.values(), *checked.other]


def print_installed(json: bool) -> None:
    """Print what is installed and what it runs on."""
    outcome = describe_installation()
    if json:
        print_json(outcome)
        return

    lines = {
        "spinbound": outcome["version"],
        "instruction set": f"{outcome['instruction_set']} (available: {', '.join(outcome['available'])})",
        "threads": str(outcome["threads"]),
        "compiler": outcome["compiler"],
        "sequences": "; ".join(
            f"{name} ({seq['pulses']} repetitions, {seq['duration']:.3g} s)"
            for name, seq in outcome["sequences"].items()
        ),
        "extras": "; ".join(f"{name}: {describe_extra(missing)}" for name, missing in outcome["extras"].items()),
    }
    for title, text in lines.items():
        print(f"{title:<16} {text}")


def describe_installation() -> dict[str, Any]:
    """Return the numbers and names that the command prints."""
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


def describe_extra(missing: list[str]) -> str:
    """Describe the state of an extra in words."""
    return f"needs {', '.join(missing)}" if missing else "installed"


def missing_by_extra() -> dict[str, list[str]]:
    """Return, for each extra that users install, its distributions that are not installed."""
    needs: dict[str, list[str]] = {}
    for requirement in metadata.requires("spinbound") or []:
        match = re.match(r"([\w.-]+).*;.*extra == ['\"](\w+)['\"]", requirement)
        if match and match[1] != "spinbound" and match[2] != "test":
            needs.setdefault(match[2], []).append(match[1])
    return {extra: [name for name in names if not is_installed(name)] for extra, names in needs.items()}


def is_installed(distribution: str) -> bool:
    """Say whether a distribution is installed."""
    try:
        metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return False
    return True
