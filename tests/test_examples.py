"""The examples run as they stand, and stay short enough to be read."""

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = sorted((Path(__file__).parents[1] / "examples").glob("*.py"))


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_example_runs_and_is_short(example: Path, tmp_path: Path) -> None:
    assert len(example.read_text(encoding="utf-8").splitlines()) < 80
    subprocess.run([sys.executable, "-W", "error", example], cwd=tmp_path, check=True, stdout=subprocess.DEVNULL)
    assert all(figure.stat().st_size > 10_000 for figure in tmp_path.glob("*.png"))


def test_there_are_examples() -> None:
    assert EXAMPLES
