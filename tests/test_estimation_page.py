"""The page on estimation: what it says runs, at a smaller size, and its table of statuses is complete."""

import re
from pathlib import Path

import pytest
import spinbound as sb

PAGE = (Path(__file__).parents[1] / "docs" / "guides" / "estimation.md").read_text(encoding="utf-8")
SMALLER = {"20_000": "256", "epochs=20": "epochs=2, batch=64"}


@pytest.fixture(scope="module")
def known(tmp_path_factory):
    """What Python knows after the page."""
    text = "\n".join(re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL))
    for many, few in SMALLER.items():
        text = text.replace(many, few)
    names = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("page"))
        exec(text, names)
    return names


def test_the_calls_of_the_page_run_and_find_what_the_prior_lacks(known):
    result = known["result"]
    assert result.status[0, 0] in (sb.EstimateStatus.novel, sb.EstimateStatus.out_of_range)
    assert known["strange"][0, 0]
    assert known["strange"].sum() < 4  # of 64, of which 0.1 % are expected
    assert 1 < known["usual"] < known["limit"]


def test_the_table_of_statuses_is_complete():
    assert re.findall(r"^\| `(\w+)` ", PAGE, re.MULTILINE) == [status.name for status in sb.EstimateStatus]
