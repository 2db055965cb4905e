"""What commands report, and how they fail."""

import json

import pytest
from spinbound.cli.main import main


def report(arguments, capsys, status=0):
    """What a command prints as JSON."""
    capsys.readouterr()
    assert main([*arguments, "--json", "--overwrite"]) == status
    return json.loads(capsys.readouterr().out)


def failure(arguments: list[str], capsys: pytest.CaptureFixture[str], status: int = 1) -> str:
    """The error that a command ends with: in one line, after notes."""
    capsys.readouterr()
    assert main(arguments) == status
    lines = capsys.readouterr().err.splitlines()
    assert lines[-1].startswith("spinbound: error: ")
    assert all(line.startswith(("spinbound: note", "spinbound: warning")) for line in lines[:-1])
    return lines[-1]


def error(arguments, capsys, status=1):
    """The error that a command ends with, in one line."""
    assert main(arguments) == status
    (line,) = capsys.readouterr().err.splitlines()
    return line
