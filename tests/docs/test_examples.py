"""The examples run as they stand, and stay short enough to be read."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.paths import ROOT

EXAMPLES = sorted((ROOT / "examples").glob("*.py"))


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_example_runs_and_is_short(example: Path, tmp_path: Path) -> None:
    assert len(example.read_text(encoding="utf-8").splitlines()) < 80
    subprocess.run([sys.executable, "-W", "error", example], cwd=tmp_path, check=True, stdout=subprocess.DEVNULL)
    assert all(figure.stat().st_size > 10_000 for figure in tmp_path.glob("*.png"))


def test_there_are_examples() -> None:
    assert EXAMPLES


def test_the_example_of_the_readme_draws_its_figure(tmp_path: Path) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    subprocess.run([sys.executable, "-W", "error", "-c", code], cwd=tmp_path, check=True)
    assert (tmp_path / "crb.png").stat().st_size > 10_000
